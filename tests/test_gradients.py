"""Gradients by layer, and the connections that carry them back."""

import csv

import pytest
import torch

from litmus.training.gradients import GradientNorms
from src.models.cnn import CNN
from src.models.layers import Residual
from src.models.mlp import MLP
from tests.small_data import Blobs, optimizer_of, quiet_trainer, seeded


class Looking(GradientNorms):
    """The same with a hook of its own, which takes the ordinary path."""

    def on_train_batch_start(self, *arguments):
        pass


def _fitted(watch, **settings):
    model = seeded(MLP, (6,), 3, units=(4, 4), norm="batch", optimizer=optimizer_of("SGD", lr=0.1))
    trainer = quiet_trainer(2, [watch], **settings)
    trainer.fit(model, datamodule=Blobs(batch_size=20))
    return model, {name: float(value) for name, value in trainer.callback_metrics.items() if "grad" in name}


def test_norms_are_the_means_over_updates_of_what_autograd_gives_on_either_path():
    seen = []

    class Kept(GradientNorms):
        def see(self, optimizer):
            super().see(optimizer)
            seen.append([one.grad.clone() for one in model_of["now"].net[1].parameters()])

    model_of = {"now": seeded(MLP, (6,), 3, units=(4, 4), norm="batch", optimizer=optimizer_of("SGD", lr=0.1))}
    trainer = quiet_trainer(1, [Kept()])
    trainer.fit(model_of["now"], datamodule=Blobs(batch_size=20))
    expected = torch.stack([torch.cat([one.flatten() for one in both]).norm() for both in seen]).mean()
    assert len(seen) == trainer.global_step
    assert float(trainer.callback_metrics["grad_norm/net.1"]) == pytest.approx(float(expected), rel=1e-5)

    fast, by_stretch = _fitted(GradientNorms())
    slow, by_step = _fitted(Looking())
    assert (fast.single_step_reason, slow.single_step_reason) == (None, "Looking acts on every batch")
    assert by_stretch == by_step
    clipped = _fitted(GradientNorms(), gradient_clip_val=1e-6)[1]
    assert clipped["grad_norm/all"] > 1e-3  # before it was clipped
    assert by_stretch["grad_norm/first_to_last"] == by_stretch["grad_norm/net.1"] / by_stretch["grad_norm/net.7"]
    squares = [value**2 for name, value in by_stretch.items() if name.startswith("grad_norm/net.")]
    assert by_stretch["grad_norm/all"] >= max(squares) ** 0.5


@pytest.mark.long
def test_watching_changes_no_bit_and_leaves_columns_and_a_picture(trial, tmp_path):
    knobs = ["model.units=8", "model.layers=3", "model.skip=true", "updates_per_epoch=3", "epochs=2"]
    plain = trial(*knobs, picture=True)
    watched = trial(*knobs, "callbacks=gradient_norms", directory=tmp_path / "watched", picture=True)
    names = [name for name in watched["metrics"] if name.startswith("grad_norm/")]
    assert {name: value for name, value in watched["metrics"].items() if name not in names} == plain["metrics"]
    assert "grad_norm/net.3.0" in names  # within its residual block
    rows = list(csv.DictReader((tmp_path / "watched" / "metrics.csv").read_text().splitlines()))
    assert all(float(row["grad_norm/net.1"]) > 0 for row in rows)
    assert (tmp_path / "watched" / "curves.png").stat().st_size > (tmp_path / "run" / "curves.png").stat().st_size


def test_a_skip_adds_what_comes_before_where_shapes_fit_and_draws_the_same_weights():
    plain = seeded(MLP, (6,), 3, units=(4, 4, 5), dropout=0.1)
    skipping = seeded(MLP, (6,), 3, units=(4, 4, 5), dropout=0.1, skip=True)
    for one, other in zip(plain.parameters(), skipping.parameters(), strict=True):
        assert torch.equal(one, other)
    assert [isinstance(layer, Residual) for layer in skipping.net] == [False] * 4 + [True] + [False] * 4
    x = torch.randn(5, 6)
    plain.eval()
    skipping.eval()
    inside = plain.net[:4](x)
    expected = plain.net[7:](inside + plain.net[4:7](inside))
    assert torch.equal(skipping(x), expected)
    net = CNN((1, 8, 8), 3, layers=4, filters=2, units=4, norm="batch", dropout=0.1, skip=True).net
    kinds = [type(layer).__name__ for layer in net if not isinstance(layer, torch.nn.Linear | torch.nn.ReLU)]
    head = ["Conv2d", "BatchNorm2d", "Dropout2d"]
    assert kinds == [*head, "Residual", "MaxPool2d", "Residual", "Residual", "Flatten"]
    for make in (lambda: MLP((6,), 3, units=(4, 5), skip=True), lambda: CNN((1, 8, 8), 3, layers=1, skip=True)):
        with pytest.raises(ValueError, match=r"model\.skip=true needs"):
            make()


@pytest.mark.parametrize("recompute", [False, True, 2])
def test_a_skip_is_recomputed_to_the_same_gradients(recompute):
    model = seeded(MLP, (6,), 3, units=(4, 4, 4), norm="batch", dropout=0.2, skip=True, recompute=recompute)
    torch.manual_seed(1)
    model(torch.randn(8, 6)).square().sum().backward()
    torch.manual_seed(1)
    stored = seeded(MLP, (6,), 3, units=(4, 4, 4), norm="batch", dropout=0.2, skip=True)
    torch.manual_seed(1)
    stored(torch.randn(8, 6)).square().sum().backward()
    for one, other in zip(model.parameters(), stored.parameters(), strict=True):
        assert torch.equal(one.grad, other.grad)
    for one, other in zip(model.buffers(), stored.buffers(), strict=True):
        assert torch.equal(one, other)
