"""Batch sizes by epoch, as pure functions: what an epoch's number says, and what the data admit of it."""

import inspect
import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

COUPLINGS = ("none", "linear", "sqrt", "decay")
MILESTONES = MappingProxyType({0: 32, 20: 64, 40: 128, 60: 256, 80: 512})


def fixed(epoch: int, epochs: int, start: int) -> float:
    """The same size in every epoch."""
    return start


def linear(epoch: int, epochs: int, start: int, stop: int = 512) -> float:
    """Equal steps from `start` in the first epoch to `stop` in the last."""
    return start + (stop - start) * epoch / max(1, epochs - 1)


def geometric(epoch: int, epochs: int, start: int, stop: int = 512) -> float:
    """Equal ratios from `start` in the first epoch to `stop` in the last."""
    return start * (stop / start) ** (epoch / max(1, epochs - 1))


def doubling(epoch: int, epochs: int, start: int, stop: int = 512, every: int = 20) -> float:
    """Twice the size after each `every` epochs, until `stop`."""
    if not _is_count(every):
        raise ValueError(f"batching.every must be a whole number of epochs from 1 on, got {every}")
    if stop < start:
        raise ValueError(
            f"batching.stop must be at least batching.start={start}, got {stop}; batching.reverse=true shrinks"
        )
    return min(start * 2 ** (epoch // every), stop)


def milestones(epoch: int, epochs: int, sizes: Mapping[int, int] = MILESTONES) -> float:
    """The size of the last milestone reached, from {epoch: size}."""
    if not isinstance(sizes, Mapping) or 0 not in sizes or not all(_is_count(key, 0) for key in sizes):
        raise ValueError(f"batching.sizes must be sizes by epoch from epoch 0 on, as {{0: 32, 20: 64}}, got {sizes}")
    if not all(_is_count(size) for size in sizes.values()):
        raise ValueError(f"batching.sizes must hold whole numbers from 1 on, got {sizes}")
    return sizes[max(first for first in sizes if first <= epoch)]


SCHEDULES: dict[str, Callable[..., float]] = {
    "fixed": fixed,
    "linear": linear,
    "geometric": geometric,
    "doubling": doubling,
    "milestones": milestones,
}


def schedule_with(schedule: str | Callable[..., float], knobs: dict[str, Any]) -> Callable[..., float]:
    """The schedule of this name, or a function of one's own (epoch, epochs, **knobs), which must take these knobs.

    Raises:
        ValueError: for an unknown name, a knob that the schedule does not take, or one that it lacks.
    """
    if isinstance(schedule, str) and schedule not in SCHEDULES:
        raise ValueError(f"batching.schedule must be one of {', '.join(SCHEDULES)}, got {schedule}")
    function = SCHEDULES[schedule] if isinstance(schedule, str) else schedule
    taken = list(inspect.signature(function).parameters.values())[2:]
    names = [parameter.name for parameter in taken]
    unknown = [name for name in knobs if name not in names]
    missing = [
        parameter.name
        for parameter in taken
        if parameter.default is parameter.empty and parameter.name not in ("start", *knobs)
    ]
    if unknown or missing:
        raise ValueError(
            f"batching.schedule={getattr(function, '__name__', schedule)} takes {', '.join(names)}; "
            + (f"got {', '.join(unknown)}" if unknown else f"missing {', '.join(missing)}")
        )
    for name in ("start", "stop"):
        if name in knobs and knobs[name] != "all" and not _is_count(knobs[name]):
            raise ValueError(f"batching.{name} must be a whole number from 1 on, or all, got {knobs[name]}")
    return function


def admitted(size: float, multiple_of: int = 1, rows: int | None = None) -> int:
    """The size rounded to a multiple of `multiple_of`, at least one and at most the rows there are.

    Raises:
        ValueError: if there are fewer rows than one multiple.
    """
    if rows is not None and rows < multiple_of:
        raise ValueError(
            f"batching.multiple_of must be at most the {rows} samples of the training set, got {multiple_of}"
        )
    most = math.inf if rows is None else rows - rows % multiple_of
    return int(min(max(1, math.floor(size / multiple_of + 0.5)) * multiple_of, most))


def planned_sizes(
    schedule: Callable[..., float], epochs: int, knobs: dict[str, Any], multiple_of: int = 1, rows: int | None = None
) -> list[int]:
    """The admitted size of each epoch."""
    return [admitted(schedule(epoch, epochs, **knobs), multiple_of, rows) for epoch in range(epochs)]


def learning_rate_scale(size: int, first: int, coupling: str) -> float:
    """What the learning rate is multiplied by at this size, when it was meant for the first one."""
    ratio = size / first
    return {"none": 1.0, "linear": ratio, "sqrt": math.sqrt(ratio), "decay": 1 / ratio}[coupling]


def check_count(name: str, value: Any) -> None:
    """Refuses what is not a whole number from 1 on."""
    if not _is_count(value):
        raise ValueError(f"batching.{name} must be a whole number from 1 on, got {value}")


def _is_count(value: Any, least: int = 1) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least
