"""Curvature against what linear algebra says, and beside a training that it leaves as it is."""

import csv

import pytest
import torch

from litmus.training.curvature import Sharpness, lanczos, rise, spectrum_of
from litmus.training.rows import generator
from src.models.mlp import MLP
from tests.small_data import seeded


def _symmetric(size, values):
    rotation = torch.linalg.qr(torch.randn(size, size, dtype=torch.float64, generator=generator("turn"))).Q
    return rotation @ torch.diag(values) @ rotation.T


def test_lanczos_finds_both_ends_and_the_share_that_bends_down():
    values = torch.cat([torch.linspace(-2, -0.5, 40), torch.zeros(60), torch.linspace(0.5, 9, 100)]).double()
    matrix = _symmetric(200, values)
    found = spectrum_of(lambda vector: matrix @ vector, 200, 40, 3, generator("probes"))
    assert (found.largest, found.smallest) == pytest.approx((9, -2), rel=1e-3)
    assert found.negative_share == pytest.approx(0.2, abs=0.04)
    exact = spectrum_of(lambda vector: matrix @ vector, 200, 40, 5, generator("probes"))
    assert exact == pytest.approx((9, -2, 0.2))
    ritz, shares = lanczos(lambda vector: 3 * vector, torch.ones(50, dtype=torch.float64), 10)
    assert ritz.tolist() == pytest.approx([3.0])  # it ends where there is nothing else to find
    assert float(shares.sum()) == pytest.approx(1)
    assert spectrum_of(torch.zeros_like, 100, 5, 2, generator(0)) == (0, 0, 0)


def _net():
    return seeded(MLP, (6,), 3, units=(5,), activation="tanh", norm="batch", dropout=0.3)


def test_it_measures_the_hessian_of_the_loss_and_leaves_the_net_as_it_was():
    net, x, y = _net(), torch.randn(40, 6), torch.arange(40) % 3
    before = {name: value.clone() for name, value in net.state_dict().items()}
    state = torch.get_rng_state()
    found = Sharpness(steps=20, probes=4).measured(net, x, y)
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert net.training
    assert all(one.grad is None for one in net.parameters())
    net.eval()
    names = [name for name, _ in net.named_parameters()]
    sizes = [one.numel() for one in net.parameters()]

    def loss(flat):
        parts = [part.view(one.shape) for part, one in zip(flat.split(sizes), net.parameters(), strict=True)]
        outputs = torch.func.functional_call(net, dict(zip(names, parts, strict=True)), (x,))
        return net.criterion(outputs, y)

    at = torch.cat([one.detach().flatten() for one in net.parameters()])
    values = torch.linalg.eigvalsh(torch.autograd.functional.hessian(loss, at))
    assert found["eigenvalue"] == pytest.approx(float(values.max()), rel=1e-4)
    assert found["smallest"] == pytest.approx(float(values.min()), rel=1e-3)
    assert found["negative_share"] == pytest.approx(float((values < -1e-3 * values.abs().max()).double().mean()))
    at.requires_grad_()
    (step,) = torch.autograd.grad(loss(at), at)
    at = at.detach()
    expected = (loss(at + 0.05 * step / step.norm()) - loss(at)).detach()
    assert found["ascent"] == pytest.approx(float(expected), rel=1e-3)
    assert found["adaptive_ascent"] > 0


def test_the_adaptive_ascent_is_the_same_for_the_same_function_at_another_scale():
    net, x, y = seeded(MLP, (6,), 3, units=(5,)), torch.randn(40, 6), torch.arange(40) % 3
    plain = Sharpness(adaptive_rho=0.01).measured(net, x, y)
    with torch.no_grad():  # positive homogeneity of ReLU: the outputs stay
        net.net[1].weight.mul_(8)
        net.net[1].bias.mul_(8)
        net.net[3].weight.div_(8)
    scaled = Sharpness(adaptive_rho=0.01).measured(net, x, y)
    assert scaled["adaptive_ascent"] == pytest.approx(plain["adaptive_ascent"], rel=1e-2)
    assert scaled["eigenvalue"] > 2 * plain["eigenvalue"]


def test_nothing_rises_where_there_is_no_gradient():
    weight = torch.nn.Parameter(torch.zeros(2))
    assert rise(lambda: weight.sum() * 0, [weight], torch.zeros(2).double(), 0.1, False) == 0


@pytest.mark.long
def test_a_run_records_it_and_computes_what_it_would_without(trial, refused, tmp_path):
    knobs = ["model.units=[4]", "dropout=0.1", "updates_per_epoch=2", "epochs=4"]
    plain = trial(*knobs)["metrics"]
    asked = [*knobs, "callbacks=sharpness", "callbacks.sharpness.steps=4", "callbacks.sharpness.samples=20"]
    trial(*asked, "callbacks.sharpness.every=3", directory=tmp_path / "every")
    metrics = trial(*asked, directory=tmp_path / "end")["metrics"]
    assert {name: value for name, value in metrics.items() if "sharp" not in name} == plain
    trial(*asked, "+trainer.max_steps=5", directory=tmp_path / "stopped")
    cells = {}
    for name in ("every", "end", "stopped"):
        rows = csv.DictReader((tmp_path / name / "metrics.csv").read_text().splitlines())
        cells[name] = [row["sharpness/eigenvalue"] for row in rows]
    assert [bool(cell) for cell in cells["every"]] == [False, False, True, True]
    assert [bool(cell) for cell in cells["end"]] == [False, False, False, True]
    assert [bool(cell) for cell in cells["stopped"]] == [False, False, True]
    assert cells["every"][-1] == cells["end"][-1]
    assert "callbacks.sharpness.rho must be above 0, got 0" in refused(*asked, "callbacks.sharpness.rho=0.0")
