"""Nuisance hyperparameters: what must be tuned per arm before arms can be compared fairly."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from litmus.claims.notation import number
from litmus.claims.schema import keys, mapping, one_of

SPACES = ("log", "linear", "choices")
# Among fewer values than this, one is always at an edge.
FEWEST_FOR_AN_EDGE = 3
PER = ("arm", "seed")
SAMPLERS = ("qmc", "random", "tpe", "grid", "gp")


@dataclass(frozen=True)
class Nuisance:
    """A tuned setting: its space (`log` and `linear` ranges, or `choices`), trials per arm, and sampler.

    `per` is `arm` where all verdict seeds of an arm share what was tuned, `seed` where each is tuned anew.
    """

    name: str
    space: str
    values: tuple[Any, ...]
    trials: int = 6
    sampler: str = "qmc"
    per: str = "arm"

    @property
    def logarithmic(self) -> bool:
        """Whether ratios of its values matter, not differences: of a `log` range, and of positive choices."""
        return self.space == "log" or (self.space == "choices" and all(number(value) > 0 for value in self.values))  # type: ignore[operator]

    def place(self, value: float) -> float:
        """The value on the axis on which a parabola is fitted: its logarithm, or the value itself."""
        return math.log(value) if self.logarithmic else value

    def value(self, place: float) -> float:
        """The value at a place, with four significant digits."""
        return float(f"{math.exp(place) if self.logarithmic else place:.4g}")

    def beyond(self, side: str, tried: Iterable[float]) -> float | None:
        """The value a step beyond the smallest or largest that was tried; None where nothing lies there.

        A step is what lies between two of as many equally spaced trials. Choices are the author's, and a range that
        begins at 0 ends there.
        """
        if self.space == "choices" or self.trials < FEWEST_FOR_AN_EDGE:
            return None
        low, high = map(self.place, self.values)
        step = (high - low) / (self.trials - 1)
        reached = sorted(map(self.place, tried))
        new = reached[0] - step if side == "lower" else reached[-1] + step
        return None if self.space == "linear" and new < 0 <= low else self.value(new)

    @property
    def ordered(self) -> bool:
        """Whether values lie below and above each other, so that there is an edge: ranges, and choices of numbers."""
        return all(number(value) is not None and not isinstance(value, bool) for value in self.values)

    def edge(self, best: float, tried: Iterable[float]) -> str:
        """`lower` or `upper` when the best value is the smallest or largest that was tried, else nothing."""
        distinct = sorted(set(tried))
        if not self.ordered or len(distinct) < FEWEST_FOR_AN_EDGE:
            return ""
        return "lower" if best == distinct[0] != 0 else "upper" if best == distinct[-1] else ""


def read_nuisance(node: Any) -> dict[str, Nuisance]:
    """The `nuisance:` node: {lr: {log: [3e-4, 3e-3], trials: 6, sampler: qmc}}."""
    return {name: _read(name, entry) for name, entry in mapping(node, "study.nuisance").items()}


def _read(name: str, entry: Any) -> Nuisance:
    where = f"study.nuisance.{name}"
    entry = mapping(entry, where)
    keys(entry, where, [*SPACES, "trials", "sampler", "per"])
    space, values = read_range(entry, where)
    trials = entry.get("trials", 6)
    if not isinstance(trials, int) or isinstance(trials, bool) or trials < 1:
        raise ValueError(f"{where}.trials must be a positive whole number, got {trials!r}")
    sampler = one_of(entry.get("sampler", "qmc"), f"{where}.sampler", SAMPLERS)
    per = one_of(entry.get("per", "arm"), f"{where}.per", PER)
    return Nuisance(name, space, values, trials, sampler, per)


def read_range(entry: Mapping[str, Any], where: str) -> tuple[str, tuple[Any, ...]]:
    """Which of SPACES an entry gives, and its values: {log: [3e-4, 3e-3]} → log, (3e-4, 3e-3)."""
    spaces = [space for space in SPACES if space in entry]
    if len(spaces) != 1:
        raise ValueError(f"{where} needs exactly one of log, linear, choices, got {spaces or 'none'}")
    space, values = spaces[0], entry[spaces[0]]
    if not isinstance(values, Sequence) or isinstance(values, str) or len(values) == 0:
        raise ValueError(f"{where}.{space} must be a list, got {values!r}")
    if space != "choices":
        ends = [number(value) for value in values]
        lowest = 0.0 if space == "log" else float("-inf")
        if len(ends) != 2 or None in ends or not lowest < ends[0] < ends[1] < math.inf:  # type: ignore[operator]
            hint = " of positive numbers" if space == "log" else ""
            raise ValueError(
                f"{where}.{space} must be [low, high]{hint} with low < high, both finite, got {list(values)}"
            )
        values = ends
    return space, tuple(values)
