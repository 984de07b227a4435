"""What holds of training on the processor holds on an accelerator: bits repeat, cuts do not show, paths agree."""

from functools import partial

import pytest
import pytorch_lightning as pl
import torch
from torch.optim.lr_scheduler import CosineAnnealingLR

from litmus.training.schedule import Schedule
from litmus.trial.checkpoint import BestAndLast
from src.callbacks.batch_size import BatchSizeScheduler
from src.models.cnn import CNN
from src.models.mlp import MLP
from tests.batch_helpers import assert_same
from tests.small_data import Blobs, optimizer_of, quiet_trainer, seeded

EPOCHS = 4
SIGNALS, IMAGES = (1, 40), (1, 12, 12)
NETS = {
    "mlp": (partial(MLP, units=(64, 64), norm="batch", dropout=0.2), SIGNALS, 10),
    "one logit": (partial(MLP, units=(16,)), SIGNALS, 2),
    "signals": (partial(CNN, layers=3, filters=16, units=32, norm="group", dropout=0.1), SIGNALS, 10),
    "images": (partial(CNN, layers=3, filters=16, units=32, norm="batch", dropout=0.1), IMAGES, 10),
    "images by instance": (partial(CNN, layers=3, filters=16, units=32, norm="instance"), IMAGES, 10),
    "channels last": (partial(CNN, layers=3, filters=16, units=32, norm="batch", channels_last=True), IMAGES, 10),
}
PRECISIONS = ["32-true", "bf16-mixed"]
OPTIMIZERS = {
    "adam": optimizer_of("Adam", lr=1e-2, fused=True),
    "adamw": optimizer_of("AdamW", lr=1e-2, fused=True),
    "sgd": optimizer_of("SGD", lr=1e-1, momentum=0.9, fused=True),
    "rmsprop": optimizer_of("RMSprop", lr=1e-3, foreach=True),
}


class ActsOnBatches(pl.Callback):
    """Asks for every update."""

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        pass


class PowerCut(pl.Callback):
    """Ends a fit in the middle of an epoch."""

    ticks_per_stretch = True

    def __init__(self, epoch):
        self.epoch = epoch

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        if trainer.current_epoch == self.epoch:
            raise InterruptedError("power cut")


def by_update():
    return partial(Schedule, scheduler=partial(CosineAnnealingLR, T_max="total"), interval="update", warmup=2)


def fit(device, net="mlp", optimizer="adam", *, precision="32-true", callbacks=(), start=None, **data):
    make, shape, classes = NETS[net]
    model = seeded(make, shape, classes, optimizer=OPTIMIZERS[optimizer], scheduler=by_update())
    trainer = quiet_trainer(EPOCHS, callbacks, accelerator=device, devices=1, deterministic=True, precision=precision)
    data = Blobs(rows=700, shape=shape, classes=classes, **{"batch_size": 32} | data)
    try:
        trainer.fit(model, datamodule=data, ckpt_path=start, weights_only=True if start else None)
    except InterruptedError:
        assert any(isinstance(callback, PowerCut) for callback in callbacks)
    return trainer


def end(trainer):
    """Weights, optimizer and metrics as they were at the end, on the processor."""
    model = trainer.lightning_module
    states = [
        {name: value.cpu() if isinstance(value, torch.Tensor) else value for name, value in state.items()}
        for state in trainer.optimizers[0].state_dict()["state"].values()
    ]
    weights = {name: value.cpu() for name, value in model.state_dict().items()}
    return {"weights": weights, "optimizer": states, "metrics": dict(trainer.callback_metrics)}


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("net", NETS)
def test_the_same_run_twice_is_the_same_bits(device, net, precision):
    first, second = (fit(device, net, precision=precision) for _ in range(2))
    assert first.strategy.root_device.type == device
    assert_same(end(second), end(first))


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize(
    ("net", "optimizer"),
    [*((net, "adam") for net in NETS), *(("mlp", optimizer) for optimizer in OPTIMIZERS if optimizer != "adam")],
)
def test_many_updates_in_one_step_are_the_same_updates(device, net, optimizer, precision):
    fast = fit(device, net, optimizer, precision=precision)
    ordinary = fit(device, net, optimizer, precision=precision, callbacks=[ActsOnBatches()])
    assert fast.lightning_module.single_step_reason is None
    assert ordinary.lightning_module.single_step_reason == "ActsOnBatches acts on every batch"
    assert fast.global_step == ordinary.global_step
    assert_same(end(fast), end(ordinary))


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("net", ["mlp", "images"])
@pytest.mark.parametrize("others", [[], [ActsOnBatches]], ids=["stretches", "single steps"])
def test_a_run_cut_in_any_epoch_goes_on_to_the_same_bits(tmp_path, device, net, precision, others):
    whole = end(fit(device, net, precision=precision, callbacks=[one() for one in others]))
    for cut in range(EPOCHS):
        place = tmp_path / str(cut)

        def callbacks(place=place):
            return [BestAndLast(str(place), share=1), *(one() for one in others)]

        fit(device, net, precision=precision, callbacks=[*callbacks(), PowerCut(cut)])
        start = str(place / "last.ckpt") if (place / "last.ckpt").exists() else None
        assert (start is None) == (cut == 0)
        assert_same(end(fit(device, net, precision=precision, callbacks=callbacks(), start=start)), whole)


def test_growing_batches_are_the_same_bits_on_both_paths_and_after_a_cut(tmp_path, device):
    def growing():
        return BatchSizeScheduler("doubling", start=8, stop=64, every=1)

    whole = fit(device, callbacks=[growing()])
    assert whole.lightning_module.single_step_reason is None
    assert whole.global_step == sum(-(-whole.datamodule.train_size // size) for size in (8, 16, 32, 64))
    assert_same(end(fit(device, callbacks=[growing(), ActsOnBatches()])), end(whole))
    fit(device, callbacks=[growing(), BestAndLast(str(tmp_path), share=1), PowerCut(2)])
    resumed = fit(device, callbacks=[growing(), BestAndLast(str(tmp_path), share=1)], start=str(tmp_path / "last.ckpt"))
    assert_same(end(resumed), end(whole))


def test_bfloat16_changes_the_numbers_and_learns(device):
    exact, mixed = (fit(device, "images", precision=precision) for precision in PRECISIONS)
    assert any(
        not torch.equal(one, other)
        for one, other in zip(
            exact.lightning_module.state_dict().values(), mixed.lightning_module.state_dict().values(), strict=True
        )
    )
    assert all(value.dtype != torch.bfloat16 for value in mixed.lightning_module.state_dict().values())
    for trainer in (exact, mixed):
        assert trainer.callback_metrics["train/acc"] > 0.5


def test_the_accelerator_computes_what_the_processor_does(device):
    """Within rounding, for one update of plain descent: nothing is lost or weighed otherwise on the way."""

    def weights(kind):
        model = seeded(partial(MLP, units=(16,)), SIGNALS, 10, optimizer=optimizer_of("SGD", lr=0.1))
        trainer = quiet_trainer(1, accelerator=kind, devices=1, deterministic=True)
        trainer.fit(model, datamodule=Blobs(rows=300, shape=SIGNALS, classes=10, batch_size="all"))
        return {name: value.cpu() for name, value in model.state_dict().items()}

    torch.testing.assert_close(weights(device), weights("cpu"), rtol=1e-4, atol=1e-6)
