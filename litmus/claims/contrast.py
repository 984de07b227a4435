"""A contrast: Σ_a w_a·g(y[a, s]) per seed s, oriented so that positive is the predicted direction."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from litmus.claims.quantity import Quantity
from litmus.claims.statistics import Summary, seeds_needed, summarize

FEWEST_SEEDS = 3


class UndecidableError(Exception):
    """A prediction that no data of this study can decide; its text is the reason."""


@dataclass(frozen=True)
class Contrast:
    """Per-seed values (seeds first; later axes are simulations), with what decides where values cannot.

    `forced` is ±inf when an infeasible arm decides by itself; `fault` says why nothing can be concluded;
    `censored` runs never got to a time_to's threshold and count at the `budget` that all arms share.
    """

    quantity: Quantity
    weights: Mapping[str, float]
    values: Any
    subject: str = ""
    reference: str = ""
    oriented: bool = True
    left_out: int = 0
    forced: float = 0.0
    fault: str = ""
    ratio: float = 0.0
    runs: int = 0
    losers: tuple[str, ...] = field(default=())
    censored: int = 0
    budget: float | None = None

    @cached_property
    def summary(self) -> Summary:
        """n, mean, SD and standard error of the values."""
        return summarize(self.values, self.ratio)

    @property
    def n(self) -> int:
        """Complete seeds; runs of the smaller arm when an infeasible arm decides."""
        return self.runs if self.forced else self.summary.n

    @property
    def mean(self) -> Any:
        """The mean gain, infinite when an infeasible arm decides."""
        return self.forced if self.forced else self.summary.mean

    @property
    def interval(self) -> tuple[Any, Any]:
        """The 95 % t interval of the mean."""
        return (self.forced, self.forced) if self.forced else self.summary.interval()

    @property
    def end(self) -> str:
        """How the runs of an infeasible arm ended."""
        return "not reached" if self.quantity.at == "time_to" else "diverged"

    @property
    def exact(self) -> bool:
        """Whether a counted quantity had the same value on every seed, so that its mean is known exactly."""
        return self.quantity.deterministic and np.ndim(self.summary.sd) == 0 and bool(self.summary.sd == 0)

    @property
    def decidable(self) -> bool:
        """Fewer than three seeds, or a fault, decide nothing."""
        return not self.fault and self.n >= FEWEST_SEEDS

    @property
    def norm(self) -> float:
        """√Σw²: the contrast's SD in units of one run's SD, when runs are independent."""
        return math.sqrt(sum(weight**2 for weight in self.weights.values()))

    def p_above(self, bar: float) -> Any:
        """One-sided p against "the mean is at most `bar`"; 1 when nothing can be decided."""
        if not self.decidable:
            return np.ones(np.shape(self.mean))
        return np.float64(self.forced <= bar) if self.forced else self.summary.p_above(bar)

    def p_below(self, bar: float) -> Any:
        """One-sided p against "the mean is at least `bar`"; 1 when nothing can be decided."""
        if not self.decidable:
            return np.ones(np.shape(self.mean))
        return np.float64(self.forced >= bar) if self.forced else self.summary.p_below(bar)

    def seeds(self, distance: float, alpha: float) -> int | None:
        """How many seeds would separate the mean from a bar at this distance, were it and its SD true."""
        sd = self.summary.sd
        if not self.fault and (self.forced or self.exact):
            return FEWEST_SEEDS if distance > 0 else None
        if self.fault or not np.isfinite(sd) or sd == 0:
            return None
        return seeds_needed(distance / float(sd), self.ratio, alpha)


class ContrastMaker(Protocol):
    """Makes the contrast of weighted arms: from results, from a plan without data, or from simulated numbers."""

    def __call__(
        self,
        quantity: Quantity,
        weights: Mapping[str, float],
        subject: str = "",
        reference: str = "",
        oriented: bool = True,
        rivals: bool = True,
    ) -> Contrast:
        """`oriented`: better is positive; `rivals`: an infeasible arm loses to the other side."""


def planned(
    quantity: Quantity,
    weights: Mapping[str, float],
    subject: str = "",
    reference: str = "",
    oriented: bool = True,
    rivals: bool = True,
) -> Contrast:
    """A contrast before any run: its weights and words, no values."""
    return Contrast(quantity, dict(weights), np.empty(0), subject, reference, oriented)
