"""Gradients by hand and steps by kernels alone are torch's own to the bit, or are not used."""

from functools import partial

import pytest
import pytorch_lightning as pl
import torch
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, ExponentialLR

from litmus.training import by_hand, direct_step
from litmus.training.averaging import ExponentialAverage
from litmus.training.by_hand import delegate
from litmus.training.direct_step import same_bits
from litmus.training.schedule import Schedule
from src.models.cnn import CNN
from src.models.mlp import MLP
from tests.batch_helpers import assert_same, fit, net, ramp, state
from tests.small_data import Blobs, optimizer_of, quiet_trainer, seeded

OPTIMIZERS = {
    "adam": optimizer_of("Adam", lr=1e-2, fused=True),
    "adamw": optimizer_of("AdamW", lr=1e-2, fused=True, weight_decay=0.1),
    "sgd": optimizer_of("SGD", lr=1e-1, fused=True),
    "momentum": optimizer_of("SGD", lr=1e-1, fused=True, momentum=0.9, nesterov=True, weight_decay=0.01),
    "rmsprop": optimizer_of("RMSprop", lr=1e-3, foreach=True),
    "rmsprop momentum": optimizer_of("RMSprop", lr=1e-3, foreach=True, momentum=0.9, weight_decay=0.01),
    "unknown": optimizer_of("Adagrad", lr=1e-2),
}
COSINE = partial(Schedule, scheduler=partial(CosineAnnealingLR, T_max="total"), interval="update", warmup=1)
EXPONENTIAL = partial(ExponentialLR, gamma=0.7)


def fitted(make=MLP, *, fast=True, classes=3, shape=(6,), optimizer="adam", schedule=None, callbacks=(), **data):
    model = seeded(make, shape, classes, optimizer=OPTIMIZERS[optimizer], scheduler=schedule)
    model.fast = fast
    trainer = quiet_trainer(epochs=2, callbacks=[one() for one in callbacks])
    trainer.fit(model, datamodule=Blobs(rows=90, shape=shape, classes=classes, **{"batch_size": 17, **data}))
    return model, trainer


def end(model, trainer):
    """All that a fit leaves: weights, the optimizer's state, the last gradients, metrics, the next draw."""
    gradients = {name: value.grad for name, value in model.named_parameters()}
    kept = dict(enumerate(trainer.optimizers[0].state.values()))
    return {**model.state_dict(), "gradients": gradients, "optimizer": kept, "metrics": dict(trainer.callback_metrics)}


def assert_bits(one, other):
    if isinstance(one, torch.Tensor):
        assert same_bits(one, other)
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for name in one:
            assert_bits(one[name], other[name])
    else:
        assert one == other


@pytest.mark.briefly(0, 2, 5)
@pytest.mark.parametrize(
    ("net", "optimizer", "more"),
    [
        ({}, "adam", {"schedule": COSINE}),
        ({"norm": "batch", "dropout": 0.2}, "adamw", {"batch_size": "all"}),
        ({"norm": "layer", "activation": "tanh"}, "sgd", {"classes": 2}),
        ({"activation": "gelu", "dropout": 0.5}, "momentum", {"callbacks": [ExponentialAverage]}),
        ({"activation": "silu"}, "rmsprop", {"batch_size": 1, "classes": 2, "updates_per_epoch": 9}),
        ({"activation": "sigmoid", "units": ()}, "rmsprop momentum", {"schedule": EXPONENTIAL, "shape": (2, 5)}),
        ({"dropout": 0.1}, "unknown", {"updates_per_epoch": 7}),
    ],
)
def test_an_update_by_hand_is_autograds_to_the_bit(net, optimizer, more):
    make = partial(MLP, **{"units": (8, 33), **net})
    hand, ordinary = (fitted(make, optimizer=optimizer, fast=fast, **more) for fast in (True, False))
    assert [hand[0].path, ordinary[0].path] == ["by hand", "steps"]
    assert ordinary[0].single_step_reason == "fast=false asks for it"
    assert_bits(end(*hand), end(*ordinary))
    assert len(hand[0].proofs.steps) == (optimizer != "unknown")


class Doubled(nn.Linear):
    """Computes something else than its class is known for."""

    def forward(self, x):
        return super().forward(x) * 2


class Annealed(MLP):
    """A loss of the weights, which is nothing yet in the first epoch."""

    def criterion(self, outputs, targets):
        penalty = sum(weight.square().sum() for weight in self.parameters())
        return super().criterion(outputs, targets) + 0.1 * self.current_epoch * penalty


class Growing(MLP):
    """Another computation from the second epoch on."""

    def forward(self, x):
        return self.net(x) * (1 + self.current_epoch)


class HooksLater(pl.Callback):
    """Doubles a layer's outputs from the second epoch on."""

    def on_train_epoch_start(self, trainer, pl_module):
        if trainer.current_epoch == 1:
            pl_module.net[1].register_forward_hook(lambda layer, x, y: y * 2)


class GradientHook(pl.Callback):
    """Doubles a gradient from the second epoch on."""

    def on_train_epoch_start(self, trainer, pl_module):
        if trainer.current_epoch == 1:
            pl_module.net[1].weight.register_hook(lambda gradient: gradient * 2)


class DropsMore(pl.Callback):
    """Another layer's settings in the second epoch, which stay known."""

    def on_train_epoch_start(self, trainer, pl_module):
        next(one for one in pl_module.modules() if isinstance(one, nn.Dropout)).p = 0.1 + trainer.current_epoch / 3


def changed(change, *arguments, **keywords):
    model = MLP(*arguments, units=(6, 6), **keywords)
    change(model)
    return model


def doubled(model):
    model.net[1].__class__ = Doubled


def tied(model):
    model.net[3] = nn.Linear(6, 6)
    model.net[5] = nn.Linear(6, 3)
    model.net.insert(5, model.net[3])


def frozen(model):
    model.net[1].weight.requires_grad = False


def own_forward(model):
    model.forward = lambda x: model.net(x) * 3


SMALL = partial(MLP, units=(6,))


@pytest.mark.briefly(*range(0, 11, 3))
@pytest.mark.parametrize(
    ("make", "more", "path"),
    [
        (partial(changed, doubled), {}, "stretches"),
        (partial(changed, tied), {}, "stretches"),
        (partial(changed, frozen), {}, "stretches"),
        (partial(changed, own_forward), {}, "stretches"),
        (partial(Annealed, units=(6,)), {}, "stretches"),
        (partial(Growing, units=(6,)), {}, "stretches"),
        (partial(MLP, units=(6, 6), norm="group"), {}, "stretches"),
        (partial(CNN, layers=2, filters=2, units=4), {"shape": (1, 12)}, "stretches"),
        (SMALL, {"callbacks": [HooksLater]}, "stretches"),
        (SMALL, {"callbacks": [GradientHook]}, "stretches"),
        (partial(MLP, units=(6,), dropout=0.3), {"callbacks": [DropsMore]}, "by hand"),
    ],
)
def test_whatever_is_not_known_is_autograds(make, more, path):
    chosen, ordinary = (fitted(make, fast=fast, **more) for fast in (True, False))
    assert chosen[0].path == path
    assert not chosen[0].proofs.failed
    assert_bits(end(*chosen), end(*ordinary))


def wrong(layer):
    """A ReLU whose way back is off by the last bit now and then."""
    right = by_hand.relu(layer)
    return right._replace(backward=lambda d, y, wanted: right.backward(d, y, wanted) * (1 + 2e-7))


def test_kernels_that_give_other_bits_are_found_out_and_not_used(monkeypatch):
    ordinary = fitted(SMALL, fast=False)
    monkeypatch.setitem(by_hand.LAYERS, nn.ReLU, (wrong, lambda layer: True))
    model, trainer = fitted(SMALL)
    assert (model.path, model.proofs.failed) == ("stretches", True)
    assert_bits(end(model, trainer), end(*ordinary))


def test_a_step_that_gives_other_bits_is_found_out_and_not_used(monkeypatch):
    ordinary = fitted(SMALL, fast=False)
    slower = lambda group, *others: direct_step._adam({**group, "eps": 1e-7}, *others)  # noqa: E731
    monkeypatch.setitem(direct_step.KERNELS, torch.optim.Adam, slower)
    model, trainer = fitted(SMALL)
    assert (model.path, model.proofs.steps) == ("by hand", set())
    assert_bits(end(model, trainer), end(*ordinary))


@pytest.mark.filterwarnings("ignore:Checkpoint directory")
def test_growing_batches_are_tried_size_by_size_and_either_path_goes_on_with_the_others(tmp_path):
    def run(fast, epochs=5, **more):
        model = net(dropout=0.2)
        model.fast = fast
        return fit(ramp(), model=model, epochs=epochs, **more)[0]

    whole, ordinary = run(True, keep=tmp_path), run(False, keep=tmp_path / "steps")
    assert whole.lightning_module.path == "by hand"
    assert len(whole.lightning_module.proofs.held) > 4
    assert_same(state(whole), state(ordinary))
    for fast in (True, False):
        gone_on = run(fast, start=tmp_path / "epoch=2.ckpt", keep=tmp_path)
        assert gone_on.lightning_module.path == ("by hand" if fast else "steps")
        assert_same(state(gone_on), state(whole))
    # What is recorded was so throughout, from the run's first update on.
    gone_on = run(True, start=tmp_path / "steps" / "epoch=2.ckpt", keep=tmp_path / "steps")
    assert gone_on.lightning_module.path == "steps"


def test_what_a_forward_does_is_read_from_its_code():
    class One(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.Linear(2, 2)

        def forward(self, inputs):
            """Nothing else."""
            return self.layers(inputs)

    class Two(One):
        def forward(self, x):
            return self.layers(self.layers(x))

    class Other(One):
        def forward(self, x, y=None):
            return self.layers(y)

    assert delegate(one := One()) is one.layers
    assert delegate(Two()) is delegate(Other()) is None


def test_a_result_names_its_path_and_fast_false_is_the_same_run(trial, tmp_path):
    tiny = ("epochs=2", "updates_per_epoch=3", "model.units=[8]")
    fast, slow = (trial(*tiny, *more, directory=tmp_path / str(len(more))) for more in ((), ("fast=false",)))
    assert [fast["counters"]["path"], slow["counters"]["path"]] == ["by hand", "steps"]
    assert all(fast[part] == slow[part] for part in ("metrics", "best_epoch", "config_hash", "asked_hash", "arm"))
