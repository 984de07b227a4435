"""Whatever a stranger's module, callback or data override, Lightning's hooks are called as often as by Lightning."""

from functools import cache, partial

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import (
    GradientAccumulationScheduler,
    LambdaCallback,
    LearningRateMonitor,
    ModelCheckpoint,
    RichProgressBar,
    TQDMProgressBar,
)
from torch.optim import SGD
from torch.optim.lr_scheduler import CosineAnnealingLR, ReduceLROnPlateau, StepLR

from litmus.training.overridden import between_updates
from litmus.training.schedule import Schedule
from src.models.mlp import MLP
from tests.small_data import Blobs, optimizer_of, quiet_trainer, seeded
from tests.strangers import (
    CALLBACK_HOOKS,
    DATA_HOOKS,
    MODULE_HOOKS,
    Forgetful,
    OwnManualStep,
    OwnStep,
    Plain,
    counting,
    small_blobs,
)

EPOCHS, UPDATES = 2, 7
pytestmark = [
    pytest.mark.filterwarnings("ignore:You have overridden `.*` in `LightningModule` but"),
    pytest.mark.filterwarnings("ignore:Full backward hook is firing"),
]


def _net(kind=MLP, **settings):
    return seeded(kind, (6,), 3, **{"units": (4,), "optimizer": optimizer_of("SGD", lr=0.1)} | settings)


def _run(model, callbacks=(), data=None):
    """Fits, tests and predicts; the metrics."""
    data = data or small_blobs()
    trainer = quiet_trainer(EPOCHS, callbacks)
    trainer.fit(model, datamodule=data)
    metrics = dict(trainer.callback_metrics)
    trainer.test(model, datamodule=data, verbose=False)
    metrics |= trainer.callback_metrics
    trainer.predict(model, dataloaders=data.test_dataloader())
    return metrics


@cache
def _expected():
    """How often a plain module on a plain Trainer sees each hook: of the module, of a callback, of the data."""
    module, callback = counting(Plain, MODULE_HOOKS), counting(pl.Callback, CALLBACK_HOOKS)
    data = counting(Blobs, DATA_HOOKS)
    _run(module(), [callback()], small_blobs())
    _run(Plain(), data=data(rows=210, batch_size=20, eval_batch_size=25))
    return module.calls, callback.calls, data.calls


def test_the_reference_sees_every_update():
    module, callback, data = _expected()
    for name in ("training_step", "on_train_batch_end", "optimizer_step", "backward", "configure_gradient_clipping"):
        assert module[name] == EPOCHS * UPDATES, name
    assert callback["on_after_backward"] == EPOCHS * UPDATES
    assert module["validation_step"] == 2 * EPOCHS
    assert data["transfer_batch_to_device"] == EPOCHS * (UPDATES + 2) + 2


@pytest.mark.briefly(*range(0, 62, 5))
@pytest.mark.parametrize("name", MODULE_HOOKS)
def test_a_module_that_overrides_one_hook_sees_it_as_often(name):
    kind = counting(MLP, [name])
    _run(_net(kind))
    assert kind.calls[name] == _expected()[0][name]


@pytest.mark.briefly(*range(0, 39, 5))
@pytest.mark.parametrize("name", CALLBACK_HOOKS)
def test_a_callback_that_has_one_hook_sees_it_as_often(name):
    kind = counting(pl.Callback, [name])
    _run(_net(), [kind()])
    assert kind.calls[name] == _expected()[1][name]


@pytest.mark.parametrize("name", DATA_HOOKS)
def test_data_that_override_one_hook_see_it_as_often(name):
    kind = counting(Blobs, [name])
    _run(_net(), data=kind(rows=210, batch_size=20, eval_batch_size=25))
    assert kind.calls[name] == _expected()[2][name]


def test_a_module_and_a_callback_that_have_all_hooks_see_them_as_often():
    module, callback = counting(MLP, MODULE_HOOKS), counting(pl.Callback, CALLBACK_HOOKS)
    _run(_net(module), [callback()])
    assert dict(module.calls) == dict(_expected()[0])
    assert dict(callback.calls) == dict(_expected()[1])


def test_hooks_that_an_object_was_given_count_as_those_of_its_class():
    seen = []
    _run(_net(), [LambdaCallback(on_train_batch_end=lambda *_: seen.append("callback"))])
    model = _net()
    model.on_after_backward = lambda: seen.append("module")
    _run(model)
    data = small_blobs()
    data.on_after_batch_transfer = lambda batch, place: seen.append("data") or batch
    _run(_net(), data=data)
    assert seen.count("callback") == seen.count("module") == EPOCHS * UPDATES
    assert model.single_step_reason == "MLP overrides on_after_backward"


def test_forward_and_backward_hooks_on_the_module_itself_see_every_update():
    seen = []
    model = _net()
    model.register_forward_pre_hook(lambda *_: seen.append("before"))
    model.register_forward_hook(lambda *_: seen.append("after"))
    model.register_full_backward_hook(lambda *_: seen.append("backward"))
    quiet_trainer(EPOCHS, limit_val_batches=0).fit(model, datamodule=small_blobs())
    assert model.single_step_reason is None
    assert [seen.count(name) for name in ("before", "after", "backward")] == [EPOCHS * UPDATES] * 3


def test_what_acts_between_updates_is_known_whatever_this_lightning_has():
    """The list is Lightning's own; these are those that everybody uses."""
    used = """training_step on_train_batch_start on_train_batch_end on_before_backward on_after_backward
    on_before_optimizer_step on_before_zero_grad optimizer_step optimizer_zero_grad backward manual_backward
    configure_gradient_clipping clip_gradients lr_scheduler_step configure_optimizers toggle_optimizer
    untoggle_optimizer on_before_batch_transfer transfer_batch_to_device on_after_batch_transfer"""
    assert set(used.split()) <= set(between_updates(pl.LightningModule))
    assert set(between_updates(pl.Callback)) == set(used.split()) & set(CALLBACK_HOOKS)


# ---------------------------------------------------------------------- the reviewed exceptions


class _Ticks(pl.Callback):
    ticks_per_stretch = True

    def __init__(self):
        self.seen = 0

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.seen += 1


class _TicksAndMore(_Ticks):
    def on_before_zero_grad(self, trainer, pl_module, optimizer):
        pass


class _CheckpointAndMore(ModelCheckpoint):
    def on_train_batch_end(self, *arguments):
        super().on_train_batch_end(*arguments)


class _BarAndMore(TQDMProgressBar):
    def on_train_batch_end(self, *arguments):
        pass


EXCEPTIONS = {
    "checkpoint by epoch": (lambda path: ModelCheckpoint(path), True),
    "checkpoint by update": (lambda path: ModelCheckpoint(path, every_n_train_steps=3), False),
    "checkpoint of one's own": (lambda path: _CheckpointAndMore(path), False),
    "rates by epoch": (lambda path: LearningRateMonitor("epoch"), True),
    "rates by update": (lambda path: LearningRateMonitor("step"), False),
    "bar": (lambda path: TQDMProgressBar(), True),
    "rich bar": (lambda path: RichProgressBar(), True),
    "bar of one's own": (lambda path: _BarAndMore(), False),
    "ticks": (lambda path: _Ticks(), True),
    "ticks of a subclass's other hook": (lambda path: _TicksAndMore(), False),
}


@pytest.mark.briefly(*range(0, 10, 3))
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("case", EXCEPTIONS)
def test_the_reviewed_exceptions_keep_stretches_and_nothing_that_adds_to_them_does(tmp_path, case):
    make, keeps = EXCEPTIONS[case]
    callback, model = make(tmp_path), _net()
    trainer = quiet_trainer(
        EPOCHS,
        [callback],
        enable_progress_bar=True,
        logger=pl.loggers.CSVLogger(tmp_path) if "rates" in case else False,
    )
    trainer.fit(model, datamodule=small_blobs())
    assert (model.single_step_reason is None) is keeps
    if isinstance(callback, _Ticks):
        assert callback.seen == EPOCHS * (1 if keeps else UPDATES)


# ---------------------------------------------------------------------- promises beside the hooks


def test_a_step_of_ones_own_trains_as_the_usual_one_and_its_loss_is_recorded():
    usual, own = _net(), _net(OwnStep)
    metrics = [dict(quiet_fit(model).callback_metrics) for model in (usual, own)]
    for name, value in usual.state_dict().items():
        assert torch.equal(own.state_dict()[name], value), name
    assert "train/acc" not in metrics[1]
    assert metrics[1].items() <= metrics[0].items()


def quiet_fit(model, data=None, callbacks=(), epochs=EPOCHS, **settings):
    trainer = quiet_trainer(epochs, callbacks, **settings)
    trainer.fit(model, datamodule=data or small_blobs())
    return trainer


def test_a_module_that_optimizes_by_itself_keeps_it_also_in_a_second_fit():
    usual, own = _net(), _net(OwnManualStep)
    for _ in range(2):
        assert quiet_fit(usual).global_step == quiet_fit(own).global_step == EPOCHS * UPDATES
    assert own.automatic_optimization is False
    for name, value in usual.state_dict().items():
        assert torch.equal(own.state_dict()[name], value), name


def test_a_fit_after_one_in_stretches_may_clip():
    """Lightning refuses clipping where a module optimizes by itself, and asks before the path is chosen."""
    model = _net()
    assert quiet_fit(model).global_step == quiet_fit(model, gradient_clip_val=1.0).global_step
    assert model.single_step_reason == "gradients are clipped"


SCHEDULES = {
    "by epoch": partial(StepLR, step_size=1, gamma=0.5),
    "by update": partial(Schedule, scheduler=partial(CosineAnnealingLR, T_max="total"), interval="update"),
    "plateau": partial(Schedule, scheduler=partial(ReduceLROnPlateau, patience=0, threshold=0.9)),
}


@pytest.mark.briefly("plateau-Forgetful", "by epoch-OwnStep", "by update-OwnManualStep")
@pytest.mark.parametrize("kind", [Forgetful, OwnStep, OwnManualStep])
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_no_promise_hangs_on_a_call_of_super(kind, schedule):
    trainers = [quiet_fit(_net(one, scheduler=SCHEDULES[schedule]), epochs=3) for one in (MLP, kind)]
    usual, own = ({name: float(value) for name, value in trainer.callback_metrics.items()} for trainer in trainers)
    assert own.items() <= usual.items()
    assert own.keys() >= {"train/loss", "val/loss", "val/acc"}
    rates = [trainer.optimizers[0].param_groups[0]["lr"] for trainer in trainers]
    assert rates[0] == rates[1] < 0.1


def test_hooks_without_super_lose_no_test_metric():
    usual, own = (_run(_net(kind)) for kind in (MLP, Forgetful))
    assert own == usual
    assert own.keys() >= {"test/loss", "test/acc", "test/f1"}


def test_a_mixin_that_brings_callbacks_leaves_the_bookkeeping():
    class Brings:
        def configure_callbacks(self):
            return LambdaCallback()

    model = _net(type("Mixed", (Brings, MLP), {}))
    assert "val/loss" in quiet_fit(model).callback_metrics


def test_optimizers_and_schedulers_of_ones_own_are_lightnings_matter():
    class Own(MLP):
        def configure_optimizers(self):
            optimizer = SGD(self.parameters(), lr=0.1)
            return [optimizer], [{"scheduler": StepLR(optimizer, 1, gamma=0.5), "interval": "step"}]

    trainer = quiet_fit(_net(Own))
    assert trainer.optimizers[0].param_groups[0]["lr"] == 0.1 * 0.5 ** (EPOCHS * UPDATES)


def test_an_optimizer_that_forgets_gradients_its_own_way_is_asked_to():
    class Forgets(SGD):
        asked = 0

        def zero_grad(self, set_to_none=True):
            Forgets.asked += 1
            super().zero_grad(set_to_none)

    quiet_fit(_net(optimizer=partial(Forgets, lr=0.1)))
    assert Forgets.asked >= EPOCHS * UPDATES


def test_evaluation_steps_of_ones_own_get_ordinary_batches_and_their_loss_counts():
    class Own(MLP):
        def validation_step(self, batch, batch_idx):
            x, y = batch
            return self.criterion(self(x), self.targets(y))

        def test_step(self, batch, batch_idx):
            x, y = batch
            return {"loss": self.criterion(self(x), self.targets(y))}

        def predict_step(self, batch, batch_idx):
            x, _ = batch
            return self(x)

    usual, own = (_run(_net(kind)) for kind in (MLP, Own))
    for name in ("val/loss", "test/loss"):
        assert float(own[name]) == pytest.approx(float(usual[name]), rel=1e-6)
    assert not {"val/acc", "test/acc", "test/f1"} & own.keys()


def test_parts_of_an_update_weigh_by_their_samples_in_a_step_of_ones_own_too():
    from src.callbacks.batch_size import BatchSizeScheduler

    nets = [_net(kind) for kind in (MLP, OwnStep)]
    for model in nets:
        quiet_fit(model, small_blobs(batch_size=33), [BatchSizeScheduler(max_per_device=10)])
    for name, value in nets[0].state_dict().items():
        torch.testing.assert_close(nets[1].state_dict()[name], value, rtol=1e-6, atol=1e-7)


def test_accumulation_that_a_callback_schedules_is_made_and_planned():
    schedule = partial(Schedule, scheduler=partial(CosineAnnealingLR, T_max="total"), interval="update")
    model = _net(scheduler=schedule)
    trainer = quiet_fit(model, callbacks=[GradientAccumulationScheduler({1: 3})])
    assert model.single_step_reason == "gradients are accumulated"
    assert trainer.global_step == 7 + 3
    assert trainer.optimizers[0].param_groups[0]["lr"] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    ("settings", "updates"),
    [({"accumulate_grad_batches": 2}, 8), ({"limit_train_batches": 3}, 6), ({"max_steps": 9}, 9)],
)
def test_a_cosine_by_update_ends_with_the_updates_that_the_trainer_makes(settings, updates):
    schedule = partial(Schedule, scheduler=partial(CosineAnnealingLR, T_max="total"), interval="update")
    trainer = quiet_fit(_net(scheduler=schedule), **settings)
    assert trainer.global_step == updates
    assert trainer.optimizers[0].param_groups[0]["lr"] == pytest.approx(0, abs=1e-9)


def test_a_callback_that_changes_the_trainer_in_mid_run_is_refused_where_stretches_would_not_see_it():
    class Clips(pl.Callback):
        def on_train_epoch_start(self, trainer, pl_module):
            trainer.gradient_clip_val = 1.0 if trainer.current_epoch else None

    with pytest.raises(ValueError, match="since epoch 1 gradients are clipped, which was not so"):
        quiet_fit(_net(), callbacks=[Clips()])


def test_a_checkpoint_may_change_paths_twice(tmp_path):
    """Ordinary, stretches, ordinary: each path moves its own of Lightning's two counters."""
    start = None
    for epochs, callbacks in ((1, [LambdaCallback(on_train_batch_end=print)]), (2, []), (3, [])):
        last = LambdaCallback(on_train_batch_end=lambda *_: None) if epochs == 3 else None
        trainer = quiet_trainer(epochs, [*([] if epochs == 1 else callbacks), *([last] if last else [])])
        trainer.fit(_net(), datamodule=small_blobs(), ckpt_path=start, weights_only=True if start else None)
        assert trainer.global_step == epochs * UPDATES
        start = tmp_path / f"{epochs}.ckpt"
        trainer.save_checkpoint(start)
