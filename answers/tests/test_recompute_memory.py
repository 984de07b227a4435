"""Activations computed twice: fewer bytes between forward and backward, as the tables of docs/memory.md count them."""

import itertools

import pytest
from torch.profiler import ProfilerActivity, profile

from answers.make.recompute.measuring import peak_bytes, stored_bytes, update_of
from src.models.mlp import MLP
from tests.test_recompute import NETS


def test_the_square_root_of_the_depth_is_stored():
    """Four times the depth stores four times as much, and about twice where it is computed twice."""
    settings = {"units": 32, "norm": "layer"}

    def grown(size, recompute):
        shallow, deep = (
            size(update_of(MLP, (32,), 256, layers=layers, recompute=recompute, **settings)) for layers in (16, 64)
        )
        return deep / shallow

    for size in (stored_bytes, peak_bytes):
        assert 3.6 < grown(size, False) < 4.2
        assert 1.6 < grown(size, True) < 2.4


@pytest.mark.parametrize("kind", ["mlp", "images"])
def test_less_is_stored_and_less_is_held(kind):
    make, shape, own = NETS[kind]
    settings = own | {"norm": "batch", "dropout": 0.2}
    plain, twice = (update_of(make, shape, 64, recompute=one, **settings) for one in (False, True))
    assert stored_bytes(twice) < 0.6 * stored_bytes(plain)
    assert peak_bytes(twice) < 0.8 * peak_bytes(plain)


@pytest.mark.parametrize("recompute", [False, 3])
def test_what_is_held_is_the_allocators_own_account(recompute):
    update = update_of(MLP, (16,), 128, units=32, layers=6, norm="layer", recompute=recompute)
    counted = peak_bytes(update)
    update.net.zero_grad()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        update.loss().backward()
    events = [event for event in profiled.profiler.kineto_results.events() if event.name() == "[memory]"]
    sizes = [event.nbytes() for event in sorted(events, key=lambda event: event.start_ns())]
    assert counted == max(itertools.accumulate(sizes))
