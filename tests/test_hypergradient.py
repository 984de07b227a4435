"""A rate that tunes itself: up where it is too small, down where it is too large, and the same when resumed."""

import csv

import pytest
import torch

from litmus.training.hypergradient import HypergradientAdamW


def _walked(lr, steps, **settings):
    torch.manual_seed(0)
    weights = [torch.nn.Parameter(torch.full((3,), 2.0)), torch.nn.Parameter(torch.ones(2))]
    optimizer = HypergradientAdamW(weights, lr=lr, weight_decay=0.0, **settings)
    for _ in range(steps):
        optimizer.zero_grad()
        sum(weight.square().sum() for weight in weights).backward()
        optimizer.step()
    return weights, optimizer.param_groups[0]["lr"]


def test_without_a_hyper_rate_it_is_adamw():
    weights, rate = _walked(0.1, 20, hyper_lr=0.0)
    other = [torch.nn.Parameter(torch.full((3,), 2.0)), torch.nn.Parameter(torch.ones(2))]
    optimizer = torch.optim.AdamW(other, lr=0.1, weight_decay=0.0, foreach=True)
    for _ in range(20):
        optimizer.zero_grad()
        sum(weight.square().sum() for weight in other).backward()
        optimizer.step()
    assert rate == 0.1
    assert all(torch.equal(one, two) for one, two in zip(weights, other, strict=True))


def test_the_rate_rises_where_it_is_too_small_and_falls_where_it_is_too_large():
    assert _walked(1e-3, 50)[1] > 2e-3
    assert _walked(3.0, 50)[1] < 2.7
    # The derivative of the loss by the last step's rate, by finite differences, has the sign of the change.
    weight = torch.nn.Parameter(torch.tensor([1.0]))
    optimizer = HypergradientAdamW([weight], lr=0.1, weight_decay=0.0, hyper_lr=0.5)
    for _ in range(2):
        optimizer.zero_grad()
        weight.square().sum().backward()
        optimizer.step()
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.15)  # still downhill along one axis: cos = -1


@pytest.mark.long
def test_the_rate_stands_in_the_table_and_a_resumed_run_is_the_whole_one(trial, refused, tmp_path):
    knobs = ["optimizer=hypergradient", "model.units=[4]", "updates_per_epoch=5", "lr=1e-3"]
    whole = trial(*knobs, "epochs=4")
    rows = list(csv.DictReader((tmp_path / "run" / "metrics.csv").read_text().splitlines()))
    assert len({row["lr"] for row in rows}) == 4
    cut = tmp_path / "cut"
    trial(*knobs, "epochs=2", directory=cut)
    assert trial(*knobs, "epochs=4", f"resume={cut}", directory=cut)["metrics"] == whole["metrics"]
    assert "optimizer.hyper_lr must be from 0" in refused(*knobs, "epochs=1", "optimizer.hyper_lr=1.5")
