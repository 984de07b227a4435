"""The learning rate's course is the formula, from the first update on."""

import math
from functools import partial

import pytest
import torch
from torch.optim import SGD
from torch.optim.lr_scheduler import (
    CosineAnnealingLR,
    ExponentialLR,
    LambdaLR,
    LRScheduler,
    OneCycleLR,
    ReduceLROnPlateau,
    StepLR,
)

from litmus.training.schedule import Schedule, SchedulerMaker

RATE = 0.4


def _rates(epochs=8, updates=5, metrics=None, **arguments):
    """The rate in force at each step of the schedule's interval."""
    optimizer = SGD([torch.nn.Parameter(torch.zeros(1))], lr=RATE)
    schedule = Schedule(optimizer, [updates] * epochs, epochs, **arguments)
    steps = epochs * updates if schedule.interval == "update" else epochs
    rates = []
    for step in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step({"val/loss": torch.tensor((metrics or [1.0] * steps)[step])})
    return rates


def test_warm_up_rises_linearly_and_hands_over_at_the_full_rate():
    rates = _rates(warmup=3)
    assert rates == pytest.approx([RATE * part for part in (1 / 4, 2 / 4, 3 / 4, 1, 1, 1, 1, 1)])
    rates = _rates(warmup=2, interval="update")
    assert rates == pytest.approx([RATE * min(1, (step + 1) / 11) for step in range(40)])


@pytest.mark.parametrize("warmup", [0, 2])
def test_cosine_reaches_zero_with_the_last_update(warmup):
    rates = _rates(scheduler=partial(CosineAnnealingLR, T_max="total"), interval="update", warmup=warmup)[5 * warmup :]
    total = 40 - 5 * warmup
    expected = [RATE / 2 * (1 + math.cos(math.pi * step / total)) for step in range(total)]
    assert rates == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_step_and_exponential_decay_by_epoch():
    assert _rates(scheduler=partial(StepLR, step_size=3, gamma=0.1)) == pytest.approx(
        [RATE * 0.1 ** (epoch // 3) for epoch in range(8)]
    )
    assert _rates(scheduler=partial(ExponentialLR, gamma=0.9), warmup=1)[1:] == pytest.approx(
        [RATE * 0.9**epoch for epoch in range(7)]
    )


def test_plateau_waits_for_the_metric():
    losses = [1.0, 0.9, 0.9, 0.9, 0.5, 0.5, 0.5, 0.5]
    rates = _rates(scheduler=partial(ReduceLROnPlateau, patience=1, factor=0.5), metrics=losses)
    assert rates == [RATE] * 4 + [RATE / 2] * 3 + [RATE / 4]


def test_scaling_multiplies_the_rate_now_and_all_that_is_planned():
    for make in (
        partial(CosineAnnealingLR, T_max=8),
        partial(LambdaLR, lr_lambda=lambda step: 0.9**step),
        partial(StepLR, step_size=2),
        None,
    ):
        runs = []
        for ratio in (1.0, 3.0):
            optimizer = SGD([torch.nn.Parameter(torch.zeros(1))], lr=RATE)
            schedule, rates = Schedule(optimizer, None, 8, scheduler=make, warmup=2), []
            for epoch in range(8):
                optimizer.step()
                schedule.step({})
                if epoch == 3:
                    schedule.scale(ratio)
                rates.append(optimizer.param_groups[0]["lr"])
            runs.append(rates)
        assert runs[1][:3] == runs[0][:3]
        assert runs[1][3:] == pytest.approx([3 * rate for rate in runs[0][3:]])


@pytest.mark.parametrize(
    ("scheduler", "expected"),
    [(None, [RATE] * 5), (partial(StepLR, step_size=2, gamma=0.5), [RATE, RATE, RATE / 2, RATE / 2, RATE / 4])],
)
def test_of_an_optimizer_alone_it_is_a_scheduler_of_torchs(scheduler, expected):
    optimizer = SGD([torch.nn.Parameter(torch.zeros(1))], lr=RATE)
    make = SchedulerMaker(partial(Schedule, interval="epoch", warmup=0, scheduler=scheduler))
    alone, rates = make(optimizer=optimizer), []
    for _ in range(5):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        alone.step()
    assert rates == expected
    assert isinstance(alone, LRScheduler)
    assert isinstance(make(optimizer, updates=[5] * 8, epochs=8), Schedule)


@pytest.mark.parametrize(
    ("knobs", "said"),
    [
        ({"warmup": 2}, "scheduler.warmup=2 would have no effect"),
        ({"interval": "update"}, "scheduler.interval=update would have no effect"),
        (
            {"scheduler": partial(CosineAnnealingLR, T_max="total")},
            "scheduler.scheduler.T_max=total would have no effect",
        ),
    ],
)
def test_what_a_scheduler_of_the_optimizer_alone_cannot_follow_is_refused(knobs, said):
    with pytest.raises(ValueError, match=f"{said}: the model makes its scheduler of the optimizer alone"):
        SchedulerMaker(partial(Schedule, **knobs))(SGD([torch.nn.Parameter(torch.zeros(1))], lr=RATE))


def test_a_restored_schedule_goes_on_where_it_was():
    def make():
        optimizer = SGD([torch.nn.Parameter(torch.zeros(1))], lr=RATE)
        return optimizer, Schedule(
            optimizer, [5] * 8, 8, partial(OneCycleLR, max_lr=1.0, total_steps="total"), "update"
        )

    whole, schedule = make()
    expected = []
    for step in range(39):
        if step == 17:
            saved = (whole.state_dict(), schedule.state_dict())
        whole.step()
        schedule.step({})
        expected.append(whole.param_groups[0]["lr"])
    again, restored = make()
    again.load_state_dict(saved[0])
    restored.load_state_dict(saved[1])
    rates = []
    for _ in range(17, 39):
        again.step()
        restored.step({})
        rates.append(again.param_groups[0]["lr"])
    assert rates == expected[17:]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"interval": "batch"}, "must be epoch or update"),
        ({"warmup": 8}, "below the run's 8"),
        ({"warmup": 0.5}, "whole number of epochs"),
        ({"scheduler": partial(ReduceLROnPlateau), "interval": "update"}, "waits for a validation"),
        ({"scheduler": ReduceLROnPlateau, "monitor": "valid/loss"}, "not among the metrics"),
    ],
)
def test_what_cannot_be_is_refused(arguments, said):
    with pytest.raises(ValueError, match=said):
        _rates(**arguments)


def test_a_length_in_updates_that_nobody_knows_is_refused():
    optimizer = SGD([torch.nn.Parameter(torch.zeros(1))], lr=RATE)
    with pytest.raises(ValueError, match=r"does not tell in advance; use scheduler\.interval=epoch"):
        Schedule(optimizer, None, 8, partial(CosineAnnealingLR, T_max="total"), "update")
