"""Activations computed twice: the same bits everywhere."""

import itertools

import pytest
import torch

from litmus.training.recompute import alike
from litmus.trial.command_line import resumed_arguments
from litmus.trial.identity import asked_hash
from src.models.cnn import CNN
from src.models.layers import NORMS
from src.models.mlp import MLP
from tests.small_data import optimizer_of

NETS = {
    "mlp": (MLP, (6,), {"units": 8, "layers": 5}),
    "signals": (CNN, (1, 16), {"layers": 4, "filters": 4, "units": 8}),
    "images": (CNN, (1, 12, 12), {"layers": 4, "filters": 4, "units": 8, "initialization": "glorot_uniform"}),
}


def _after_updates(kind, recompute, autocast=False, updates=3, **settings):
    """Everything that `updates` steps of SGD leave: losses, gradients, weights, statistics, the generator's state."""
    make, shape, own = NETS[kind]
    torch.manual_seed(0)
    net = make(shape, 3, recompute=recompute, **own, **settings)
    optimizer = optimizer_of("SGD", lr=0.1)(net.parameters())
    found = {}
    for update in range(updates):
        x, y = torch.randn(7, *shape), torch.randint(3, (7,))
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            loss = net.criterion(net(x), y)
        optimizer.zero_grad()
        loss.backward()
        found |= {f"gradient {update} {name}": one.grad.clone() for name, one in net.named_parameters()}
        found[f"loss {update}"] = loss.detach()
        optimizer.step()
    with torch.no_grad():
        found["evaluated"] = net.eval()(x)
    return found | net.state_dict() | {"generator": torch.get_rng_state()}


@pytest.mark.briefly(*range(0, 14, 3))
@pytest.mark.parametrize(
    ("kind", "norm"), [pair for pair in itertools.product(NETS, NORMS) if pair != ("mlp", "instance")]
)
def test_gradients_statistics_and_draws_are_the_same_to_the_bit(kind, norm):
    """For every norm, with dropout, in two segments as in one for each block; names of parameters included."""
    plain = _after_updates(kind, False, norm=norm, dropout=0.3)
    for recompute in (True, 2, 6):
        twice = _after_updates(kind, recompute, norm=norm, dropout=0.3)
        assert twice.keys() == plain.keys()
        assert [name for name in plain if not torch.equal(plain[name], twice[name])] == []


def test_half_precision_is_the_same_to_the_bit():
    plain, twice = (_after_updates("images", one, autocast=True, norm="batch", dropout=0.3) for one in (False, True))
    assert [name for name in plain if not torch.equal(plain[name], twice[name])] == []


@pytest.mark.long
def test_a_trial_is_the_same_and_one_does_for_the_other(trial, tmp_path):
    tiny = ("epochs=2", "model.units=[16,16,16]", "batch_size=100", "norm=batch", "dropout=0.2")
    plain, twice = (trial(*tiny, f"model.recompute={one}", directory=tmp_path / one) for one in ("false", "true"))
    assert plain["config"]["model"]["recompute"] != twice["config"]["model"]["recompute"]
    assert plain["metrics"] == twice["metrics"]
    assert plain["config_hash"] == twice["config_hash"]
    weights = [torch.load(tmp_path / one / "checkpoints" / "best.ckpt", weights_only=True) for one in ("false", "true")]
    first, second = (one["state_dict"] for one in weights)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    resumed = resumed_arguments([f"resume={tmp_path / 'false'}", "model.recompute=true"])
    assert "model.recompute=true" in resumed


def test_segments_hold_alike():
    assert alike([1] * 9, 3) == [0, 3, 6]
    assert alike([8, 8, 4, 4, 2, 2, 2, 2], 4) == [0, 1, 2, 4]
    assert alike([9, 0, 0, 0], 4) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: MLP((2,), 2, units=(), recompute=True), "needs a net of 2 blocks or more, got 1; false stores"),
        (lambda: MLP((2,), 2, units=(4, 4), recompute=1), "from 2 to the net's 3 blocks, got 1"),
        (lambda: MLP((2,), 2, units=(4, 4), recompute=4), "from 2 to the net's 3 blocks, got 4"),
        (lambda: CNN((1, 40), 10, recompute="yes"), "false, true or a number of segments .* got yes"),
        (lambda: CNN((1, 40), 10, recompute=None), "got None"),
    ],
)
def test_what_cannot_be_is_refused_naming_the_way_out(make, said):
    with pytest.raises(ValueError, match=said):
        make()


def test_other_settings_of_the_model_change_the_hash():
    config = {"data": {}, "model": {"units": [4], "recompute": False}}
    assert asked_hash(config) == asked_hash({"data": {}, "model": {"units": [4], "recompute": 3}})
    assert asked_hash(config) == asked_hash({"data": {}, "model": {"units": [4]}})
    assert asked_hash(config) != asked_hash({"data": {}, "model": {"units": [5], "recompute": False}})
