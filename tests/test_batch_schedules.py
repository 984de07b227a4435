"""Schedules are pure functions of the epoch, and count their updates before the first is made."""

import pytest

from src.callbacks.batch_schedules import (
    SCHEDULES,
    admitted,
    doubling,
    geometric,
    learning_rate_scale,
    linear,
    milestones,
    planned_sizes,
    schedule_with,
)
from src.callbacks.batch_size import BatchSizeScheduler
from src.callbacks.grow_on_plateau import GrowOnPlateau, waited
from src.callbacks.noise_scale import GrowWithNoise


def test_the_yardsticks_of_the_notes_hold():
    """100 epochs of 4,000 samples."""
    assert BatchSizeScheduler("fixed", start=32).total_updates(4000, 100) == 12_500
    assert BatchSizeScheduler("fixed", start=512).total_updates(4000, 100) == 800
    assert BatchSizeScheduler("doubling", start=32, stop=512, every=20).total_updates(4000, 100) == 4_880
    assert BatchSizeScheduler("milestones").total_updates(4000, 100) == 4_880
    assert BatchSizeScheduler("doubling", start=32, reverse=True).total_updates(4000, 100) == 4_880
    assert BatchSizeScheduler("doubling", start=32, lr="decay").total_updates(4000, 100) == 12_500


def test_ramps_begin_and_end_where_they_should():
    for ramp in (linear, geometric):
        sizes = planned_sizes(ramp, 9, {"start": 32, "stop": 512})
        assert (sizes[0], sizes[-1]) == (32, 512)
        assert sizes == sorted(sizes)
        assert planned_sizes(ramp, 9, {"start": 512, "stop": 32}) == sizes[::-1]
        assert planned_sizes(ramp, 1, {"start": 32, "stop": 512}) == [32]
    assert planned_sizes(linear, 9, {"start": 32, "stop": 512}) == list(range(32, 513, 60))
    assert planned_sizes(geometric, 5, {"start": 32, "stop": 512}) == [32, 64, 128, 256, 512]
    assert planned_sizes(doubling, 7, {"start": 32, "stop": 100, "every": 2}) == [32, 32, 64, 64, 100, 100, 100]
    assert planned_sizes(milestones, 5, {"sizes": {0: 4, 3: 16, 1: 8}}) == [4, 8, 8, 16, 16]


def test_sizes_are_multiples_and_never_more_than_the_rows():
    assert [admitted(size, 8) for size in (1, 11, 12, 13)] == [8, 8, 16, 16]
    assert admitted(512, 1, 400) == 400
    assert admitted(512, 32, 400) == 384
    assert admitted(0.2) == 1
    with pytest.raises(ValueError, match="at most the 7 samples"):
        admitted(8, 8, 7)


def test_the_learning_rate_follows_as_said():
    assert [learning_rate_scale(128, 32, lr) for lr in ("none", "linear", "sqrt", "decay")] == [1.0, 4.0, 2.0, 0.25]


def test_a_function_of_ones_own_is_a_schedule():
    def sawtooth(epoch, epochs, start, teeth=2):
        return start * (1 + epoch % teeth)

    assert BatchSizeScheduler(sawtooth, start=10, teeth=3).sizes(6, 10, None) == [10, 20, 30, 10, 20, 30]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: BatchSizeScheduler("cubic"), "must be one of fixed, linear, geometric"),
        (lambda: BatchSizeScheduler("linear", every=3), "takes start, stop; got every"),
        (lambda: BatchSizeScheduler("linear", start=0), "batching.start must be a whole number from 1 on"),
        (lambda: BatchSizeScheduler("linear", lr="cubic"), "batching.lr must be one of none, linear, sqrt, decay"),
        (lambda: BatchSizeScheduler("linear", max_per_device=0), "batching.max_per_device must be a whole number"),
        (lambda: doubling(0, 1, 32, 64, 0), "batching.every must be a whole number of epochs"),
        (lambda: doubling(0, 1, 64, 32), "batching.reverse=true shrinks"),
        (lambda: milestones(0, 1, {1: 2}), "from epoch 0 on"),
        (lambda: milestones(0, 1, {0: 2.5}), "whole numbers from 1 on"),
        (lambda: GrowOnPlateau(monitor="train/loss"), "known too late"),
        (lambda: GrowOnPlateau(lr="decay"), "known in advance"),
        (lambda: GrowOnPlateau(factor=1), "above 1"),
        (lambda: GrowWithNoise(reverse=True), "cannot be reversed"),
        (lambda: GrowWithNoise(smoothing=1.0), "must be in"),
        (lambda: GrowOnPlateau(start=8).total_updates(100, 5), "nobody can know"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(make, said):
    with pytest.raises(ValueError, match=said) as refusal:
        make()
    assert len(str(refusal.value).splitlines()) == 1


def test_every_named_schedule_takes_its_defaults():
    for name, schedule in SCHEDULES.items():
        assert schedule_with(name, {}) is schedule


def test_waiting_counts_from_the_last_improvement():
    best, epochs = None, 0
    for score, expected in ((3.0, 0), (2.0, 0), (2.0, 1), (2.5, 2), (1.0, 0)):
        best, epochs = waited(score, best, epochs, "min")
        assert epochs == expected
    assert waited(0.9, 0.8, 4, "max") == (0.9, 0)
