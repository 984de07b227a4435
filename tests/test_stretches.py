"""Many updates in one training_step are the same updates: to the bit, counted one by one."""

from functools import partial

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import GradientAccumulationScheduler, LambdaCallback
from torch.optim.lr_scheduler import CosineAnnealingLR, ReduceLROnPlateau

from litmus.contract import Target
from litmus.tasks.classification import Classification
from litmus.training.plan import planned_updates
from litmus.training.schedule import Schedule
from src.models.cnn import CNN
from src.models.mlp import MLP
from tests.small_data import Blobs, optimizer_of, quiet_trainer, seeded


class ActsOnBatches(pl.Callback):
    """Asks for every update, and counts them."""

    def __init__(self):
        self.seen = 0

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.seen += 1


NETS = {
    "mlp": (partial(MLP, units=(8, 8), dropout=0.2, norm="batch"), (6,), 3),
    "one logit": (partial(MLP, units=(8,)), (6,), 2),
    "cnn": (partial(CNN, layers=2, filters=4, units=8, norm="group", dropout=0.1), (1, 12), 3),
}
OPTIMIZERS = {
    "adam": optimizer_of("Adam", lr=1e-2, fused=True),
    "sgd": optimizer_of("SGD", lr=1e-1, momentum=0.9),
    "rmsprop": optimizer_of("RMSprop", lr=1e-3),
}
TO_THE_END = partial(CosineAnnealingLR, T_max="total")
SCHEDULES = {
    "constant": None,
    "cosine by update": partial(
        Schedule, scheduler=partial(CosineAnnealingLR, T_max="total"), interval="update", warmup=1
    ),
    "cosine by epoch": partial(CosineAnnealingLR, T_max=4),
    "plateau": partial(Schedule, scheduler=partial(ReduceLROnPlateau, patience=0, threshold=0.5), warmup=1),
}


def _fit(net, optimizer, schedule, *, callbacks=(), **data):
    make, shape, classes = NETS[net]
    model = seeded(make, shape, classes, optimizer=OPTIMIZERS[optimizer], scheduler=SCHEDULES[schedule])
    trainer = quiet_trainer(epochs=4, callbacks=callbacks)
    trainer.fit(model, datamodule=Blobs(rows=210, shape=shape, classes=classes, **data))
    return model, trainer


@pytest.mark.briefly(0, 2, 4)
@pytest.mark.parametrize(
    ("net", "optimizer", "schedule", "data"),
    [
        ("mlp", "adam", "cosine by update", {"batch_size": 17}),
        ("mlp", "adam", "plateau", {"batch_size": "all"}),
        ("mlp", "sgd", "constant", {"batch_size": 10, "updates_per_epoch": 9}),
        ("one logit", "rmsprop", "cosine by epoch", {"batch_size": 1}),
        ("cnn", "adam", "cosine by update", {"batch_size": 32, "updates_per_epoch": 3}),
    ],
)
def test_both_paths_give_bit_identical_weights_metrics_and_counts(net, optimizer, schedule, data):
    stretched, fast = _fit(net, optimizer, schedule, **data)
    single, ordinary = _fit(net, optimizer, schedule, callbacks=[counter := ActsOnBatches()], **data)
    assert stretched.single_step_reason is None
    assert single.single_step_reason == "ActsOnBatches acts on every batch"
    assert fast.global_step == ordinary.global_step == counter.seen
    for name, value in single.state_dict().items():
        assert torch.equal(value, stretched.state_dict()[name]), name
    assert dict(fast.callback_metrics) == dict(ordinary.callback_metrics)
    assert fast.optimizers[0].param_groups[0]["lr"] == ordinary.optimizers[0].param_groups[0]["lr"]


class WatchesEvaluations(pl.Callback):
    def on_validation_batch_end(self, *arguments):
        pass

    def on_test_batch_end(self, *arguments):
        pass


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_validation_and_test_are_the_same_to_the_bit_whoever_watches_them(precision, monkeypatch):
    """A stretch here has three batches, as where inputs are large."""
    monkeypatch.setattr("litmus.training.loader.GATHER_BYTES", 3 * 7 * 6 * 4)

    def measured(*callbacks, **limits):
        model = seeded(MLP, (6,), 3, units=(8,))
        data = Blobs(rows=210, eval_batch_size=7)
        trainer = quiet_trainer(epochs=2, callbacks=callbacks, precision=precision, **limits)
        trainer.fit(model, datamodule=data)
        known = dict(trainer.callback_metrics)
        trainer.test(model, datamodule=data, verbose=False)
        return known | dict(trainer.callback_metrics), data.eval_stretches

    expected, by_stretch = measured()
    assert by_stretch
    for callbacks, limits in (([WatchesEvaluations()], {}), ([], {"limit_val_batches": 99, "limit_test_batches": 99})):
        assert measured(*callbacks, **limits) == (expected, False)
    # A limit of the one says nothing of the other.
    assert measured(limit_val_batches=2)[1]


def test_a_stretch_is_the_plain_loop_of_pytorch():
    """The reference: batches by index in the order of (seed, pass), nothing else."""
    from litmus.training.rows import pass_order

    _, shape, classes = NETS["mlp"]
    plain_mlp = partial(MLP, units=(8, 8))
    data = Blobs(batch_size=30, seed=3)
    model = seeded(plain_mlp, shape, classes, optimizer=OPTIMIZERS["sgd"])
    quiet_trainer(epochs=2).fit(model, datamodule=data)

    reference = seeded(plain_mlp, shape, classes)
    optimizer = OPTIMIZERS["sgd"](reference.parameters())
    x, y = data.splits["train"]
    for epoch in range(2):
        for rows in pass_order(len(y), 3, epoch).split(30):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(reference(x[rows]), y[rows]).backward()
            optimizer.step()
    for name, value in reference.state_dict().items():
        assert torch.equal(value, model.state_dict()[name]), name


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"gradient_clip_val": 1.0}, "gradients are clipped"),
        ({"accumulate_grad_batches": 2}, "gradients are accumulated"),
        ({"precision": "64-true"}, "precision is neither 32-true nor bf16-mixed"),
        ({"limit_train_batches": 2}, "batches are limited"),
        ({"limit_train_batches": 1}, "batches are limited"),
        ({"max_steps": 5}, "the number of updates is limited"),
        ({"detect_anomaly": True}, "anomalies are being detected"),
        ({"profiler": "simple"}, "a profiler is on"),
        ({"overfit_batches": 1}, "batches are limited"),
        ({"val_check_interval": 0.5}, "validation runs within the epoch"),
        ({"val_check_interval": 1}, "validation runs within the epoch"),
    ],
)
def test_what_lightning_does_between_updates_takes_the_ordinary_path(arguments, reason):
    model = seeded(MLP, (6,), 3, units=(4,))
    trainer = quiet_trainer(epochs=1, **arguments)
    trainer.fit(model, datamodule=Blobs(batch_size=20))
    assert model.single_step_reason == reason
    limited = {"accumulate_grad_batches": 4, "max_steps": 5, "overfit_batches": 1}
    expected = limited | {"limit_train_batches": arguments.get("limit_train_batches")}
    assert trainer.global_step == expected.get(next(iter(arguments)), 7)


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize(("limit", "trained", "validated"), [(1, 20, 10), (2, 40, 20), (0.5, 60, 20), (1.0, 128, 32)])
def test_a_limit_of_1_is_one_batch_and_of_1_point_0_all_of_them(limit, trained, validated, fast):
    model = seeded(MLP, (6,), 3, units=(4,))
    model.fast = fast
    trainer = quiet_trainer(epochs=1, limit_train_batches=limit, limit_val_batches=limit)
    trainer.fit(model, datamodule=Blobs(batch_size=20, eval_batch_size=10))
    assert (sum(model.totals.sizes), sum(model.evaluated.sizes)) == (trained, validated)


@pytest.mark.parametrize("limit", [3, 0.5])
def test_a_limit_that_would_pass_over_samples_between_epochs_of_so_many_updates_is_refused(limit):
    model = seeded(MLP, (6,), 3, units=(4,))
    with pytest.raises(ValueError, match="passed over; use updates_per_epoch alone"):
        quiet_trainer(limit_train_batches=limit).fit(model, datamodule=Blobs(batch_size=20, updates_per_epoch=6))


@pytest.mark.parametrize(
    ("arguments", "updates"),
    [
        ({"limit_train_batches": 6}, 18),
        ({"limit_train_batches": 2, "epochs": 1}, 2),
        ({"overfit_batches": 2}, 6),
        ({"accumulate_grad_batches": 4}, 18),
        ({"callbacks": [GradientAccumulationScheduler({1: 2})]}, 18),
    ],
)
def test_an_epoch_has_as_many_updates_as_updates_per_epoch_says_however_many_batches_one_takes(arguments, updates):
    model = seeded(MLP, (6,), 3, units=(4,))
    trainer = quiet_trainer(**arguments)
    trainer.fit(model, datamodule=Blobs(batch_size=20, updates_per_epoch=6))
    assert trainer.global_step == updates
    if updates == 18:
        assert planned_updates(trainer) == [6, 6, 6]


def test_clipping_does_what_torch_does():
    model = seeded(MLP, (6,), 3, units=(4,), optimizer=OPTIMIZERS["sgd"])
    data = Blobs(batch_size="all")
    quiet_trainer(epochs=1, gradient_clip_val=0.01).fit(model, datamodule=data)
    reference = seeded(MLP, (6,), 3, units=(4,))
    optimizer = OPTIMIZERS["sgd"](reference.parameters())
    from litmus.training.rows import pass_order

    x, y = data.splits["train"]
    rows = pass_order(len(y), 0, 0)
    torch.nn.functional.cross_entropy(reference(x[rows]), y[rows]).backward()
    torch.nn.utils.clip_grad_norm_(reference.parameters(), 0.01)
    optimizer.step()
    for name, value in reference.state_dict().items():
        assert torch.equal(value, model.state_dict()[name]), name


def test_an_ordinary_dataloader_works_in_place_of_ours():
    x, y = torch.randn(50, 6), torch.randint(3, (50,))
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), batch_size=20)
    model = seeded(MLP, (6,), 3, units=(4,))
    trainer = quiet_trainer(epochs=2)
    trainer.fit(model, loader, loader)
    assert trainer.global_step == 6
    with torch.no_grad():
        loss = torch.nn.functional.cross_entropy(model(x), y)
    assert float(trainer.callback_metrics["val/loss"]) == pytest.approx(float(loss), rel=1e-5)


def test_lbfgs_which_calls_the_loss_itself_works_on_the_ordinary_path():
    model = seeded(MLP, (6,), 3, units=(4,), optimizer=optimizer_of("LBFGS", lr=0.5))
    trainer = quiet_trainer(epochs=3)
    trainer.fit(model, datamodule=Blobs(batch_size="all"))
    assert model.automatic_optimization
    assert model.path == "steps"
    assert float(trainer.callback_metrics["train/loss"]) < 0.9


def test_a_second_fit_of_the_same_objects_starts_fresh():
    data, results = Blobs(batch_size=16, updates_per_epoch=5), []
    for _ in range(2):
        model = seeded(MLP, (6,), 3, units=(4,))
        trainer = quiet_trainer()
        trainer.fit(model, datamodule=data)
        results.append(dict(trainer.callback_metrics))
    assert results[0] == results[1]


@pytest.mark.long
def test_overfits_32_examples():
    for net in ("mlp", "cnn"):
        make, shape, classes = NETS[net]
        model = seeded(make, shape, classes, dropout=0.0, optimizer=optimizer_of("Adam", lr=1e-2))
        trainer = quiet_trainer(epochs=400)
        trainer.fit(model, datamodule=Blobs(rows=46, shape=shape, classes=classes, batch_size="all", val_fraction=0.1))
        assert float(trainer.callback_metrics["train/acc"]) == 1.0
        assert float(trainer.callback_metrics["train/loss"]) < 0.05


@pytest.mark.parametrize("net", ["mlp", "cnn"])
def test_bfloat16_is_the_same_to_the_bit_on_both_paths(net):
    """Lightning puts a whole stretch into one context of the precision, which the ordinary path has around a pass."""

    def fitted(*callbacks):
        make, shape, classes = NETS[net]
        model = seeded(make, shape, classes, optimizer=OPTIMIZERS["adam"])
        trainer = quiet_trainer(epochs=3, callbacks=callbacks, precision="bf16-mixed")
        trainer.fit(model, datamodule=Blobs(rows=210, shape=shape, classes=classes, batch_size=32))
        return model, dict(trainer.callback_metrics)

    (fast, known), (ordinary, expected) = fitted(), fitted(ActsOnBatches())
    assert (fast.single_step_reason is None, ordinary.single_step_reason is None) == (True, False)
    assert known == expected
    for name, value in ordinary.state_dict().items():
        assert torch.equal(value, fast.state_dict()[name]), name


# ---------------------------------------------------------------------- what somebody's own code reads and draws


class Anneals(MLP):
    """By the update, in the criterion, and by a helper that asks for it in another way."""

    def criterion(self, outputs, targets):
        loss = super().criterion(outputs, targets)
        return loss / (1 + temperature(self)) if self.training else loss


def temperature(module):
    return getattr(module.trainer, "global" + "_step")


class Noisy(Classification):
    """A tenth of the labels of each batch is drawn anew."""

    def targets(self, y):
        return super().targets(torch.where(torch.rand(y.shape) < 0.1, torch.randint(3, y.shape), y))


class Reads(Classification):
    def read(self, y):
        return (super().read(y) + torch.randint(2, (1,))) % 3


class Distance(MLP):
    """Of a batch, and no sum over its rows."""

    def tally(self, outputs, y):
        return outputs.softmax(1).norm()


class Sharpens(torch.optim.SGD):
    """Asks for the loss twice (SAM), and without a closure is plain SGD."""

    @torch.no_grad()
    def step(self, closure=None):
        if closure is None:
            return super().step()
        closure = torch.enable_grad()(closure)
        closure()
        moved = [one.grad * 0.05 for group in self.param_groups for one in group["params"]]
        self._add(moved, 1)
        loss = closure()
        self._add(moved, -1)
        super().step()
        return loss

    def _add(self, moved, sign):
        torch._foreach_add_([one for group in self.param_groups for one in group["params"]], moved, alpha=sign)


CLASSES = Target("classes", 3)
OF_ONES_OWN = {
    "global_step in a criterion": (Anneals, {}, "stretches"),
    "targets that are drawn": (MLP, {"task": Noisy(CLASSES)}, "stretches"),
    "labels that are drawn as they are read": (MLP, {"task": Reads(CLASSES)}, "stretches"),
    "a tally of batches": (Distance, {}, "stretches"),
    "a closure": (MLP, {"optimizer": partial(Sharpens, lr=0.1)}, "steps"),
}


@pytest.mark.parametrize("case", OF_ONES_OWN)
def test_what_somebodys_own_code_reads_and_draws_is_the_same_on_both_paths(case):
    kind, settings, path = OF_ONES_OWN[case]
    found = []
    for fast in (True, False):
        model = seeded(kind, (6,), 3, **{"units": (4,), "dropout": 0.2, "optimizer": OPTIMIZERS["sgd"]} | settings)
        model.fast = fast
        trainer = quiet_trainer(epochs=2)
        trainer.fit(model, datamodule=Blobs(batch_size=20))
        found.append((model, dict(trainer.callback_metrics), trainer.global_step))
    (model, *told), (ordinary, *expected) = found
    assert (model.path, ordinary.path) == (path, "steps")
    assert told == expected
    for name, value in ordinary.state_dict().items():
        assert torch.equal(value, model.state_dict()[name]), name


class Logs(MLP):
    def criterion(self, outputs, targets):
        if self.training:
            self._note(outputs.log_softmax(1))
        return super().criterion(outputs, targets)

    def _note(self, shares):
        self.log("spread", shares.exp().log().std(), on_step=False, on_epoch=True)


class LogsElsewhere(MLP):
    """Where both paths log alike; and a logarithm is no log."""

    def criterion(self, outputs, targets):
        import numpy as np

        whole = torch.Tensor.log(outputs.exp()).mean() * np.log(2.0)
        return super().criterion(outputs, targets) + torch.log(outputs.exp()).mean().abs().log() * 0 + whole * 0

    def on_train_epoch_end(self):
        self.log("epoch", float(self.current_epoch))


class Asks(pl.Callback):
    def on_train_start(self, trainer, pl_module):
        self.told = planned(trainer)


class AsksPerStretch(Asks):
    ticks_per_stretch = True


def planned(trainer):
    return trainer.num_training_batches, trainer.estimated_stepping_batches


@pytest.mark.parametrize(
    ("kind", "callback", "reason"),
    [
        (Logs, None, "Logs logs within an update"),
        (LogsElsewhere, None, None),
        (MLP, Asks(), "Asks reads estimated_stepping_batches"),
        (MLP, AsksPerStretch(), None),
        (MLP, LambdaCallback(on_train_start=lambda *_: planned), "LambdaCallback reads estimated_stepping_batches"),
    ],
)
def test_who_logs_an_update_or_asks_for_the_number_of_batches_takes_the_ordinary_path(kind, callback, reason):
    model = seeded(kind, (6,), 3, units=(4,))
    trainer = quiet_trainer(epochs=2, callbacks=[callback] if callback else [])
    trainer.fit(model, datamodule=Blobs(rows=210, batch_size=20))
    assert model.single_step_reason == reason
    if type(callback) is Asks:
        assert callback.told == (7, 14)
