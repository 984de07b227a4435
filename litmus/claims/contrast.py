"""A contrast: Σ_a w_a·g(y[a, s]) per seed s, positive is the predicted direction; and the pairs that failures cost."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from scipy.optimize import brentq

from litmus.claims.looks import FACTOR, FEWEST_SEEDS, sequential
from litmus.claims.quantity import Quantity
from litmus.claims.statistics import (
    ALPHA,
    Summary,
    at_least,
    combined,
    design_effect,
    median_interval,
    share_interval,
    signs_shifted,
    summarize,
)

# More pairs than this lost to failure, and the mean over the others is that of lucky runs.
MOST_LOST = 1
# Numbers that differ by less, as a share of them, are one number: 1/2 is log(100) − log(50) of a logarithm.
ROUNDING = 1e-12
# Where a run that never got to its threshold may have got to it as well, after its budget.
FAR = 1e150


@dataclass(frozen=True)
class Failures:
    """Pairs that runs without a finite value cost: `lost` in all, of `pairs` that were run.

    Of two sides with as many arms, `up` counts the pairs in which the side failed more often that the claim wants to
    be worse, `down` the reverse, and `of` both: exact McNemar. Of one arm, `up` (or `down`, where worse means less)
    counts its failures and `of` its runs: p is that of "at most half of its runs fail". Sides that cannot be compared
    have none of the three. `unknown` pairs lack the value of a run that may have failed for reasons beside its arm:
    they count in `of` alone, and so for neither side. `words` tell them.
    """

    lost: Any = 0
    pairs: Any = 0
    up: Any = 0
    down: Any = 0
    of: Any = 0
    words: str = ""
    unknown: int = 0


class UndecidableError(Exception):
    """A prediction that no data of this study can decide; its text is the reason."""


@dataclass(frozen=True)
class Contrast:
    """Per-seed values (seeds first; later axes are simulations), with what decides where values cannot.

    `test` says how: `mean` by the t distribution; `sign` of the differences, about their median; `share` of ones
    among zeros and ones; where more than one pair is lost to failure, the failures decide whatever the test. `ratio` is
    n_test/n_train of runs that share rows: their variance has it, and what exact tests count is divided by its effect.
    `fault` says why nothing can be concluded. `censored` runs never got to a time_to's threshold and count at the
    `budget` that all arms share, which is right of a difference's sign; `reach` is (least, most) of each seed's value,
    since they may have got there at any time after it. `tuning` is what each arm's tuned knob adds to the error, which
    no seed takes away: (variance, degrees of freedom). `earlier` are the same contrast at the planned looks before this
    one. `where` it is made, of several data sets: on ads, over 3 data sets.
    """

    quantity: Quantity
    weights: Mapping[str, float]
    values: Any
    subject: str = ""
    reference: str = ""
    oriented: bool = True
    left_out: int = 0
    fault: str = ""
    ratio: float = 0.0
    test: str = "mean"
    failures: Failures = field(default_factory=Failures)
    censored: int = 0
    budget: float | None = None
    reach: tuple[Any, Any] | None = None
    tuning: tuple[tuple[Any, Any], ...] = ()
    earlier: tuple[Contrast, ...] = ()
    corrected: bool = False
    where: str = ""

    @property
    def against(self) -> str:
        """Against whom or what, and where."""
        return f"{self.reference} {self.where}".strip()

    @cached_property
    def summary(self) -> Summary:
        """n, mean, SD and standard error of the values; not finite ones are lost pairs of a simulation."""
        return summarize(self.values, self.ratio).widened(self.tuning if self.test == "mean" else ())

    @property
    def tuned_share(self) -> float:
        """The share of the squared interval that is tuning; 0 where nothing was tuned, and of an unbounded interval."""
        if not self.tuning or np.any(self.by_failures) or self.summary.n < 2:
            return 0.0
        if self.test == "mean":
            return float(sum(variance for variance, _ in self.tuning) / self.summary.standard_error**2)
        (low, high), (lower, upper) = median_interval(self.values, self.alpha, self.ratio), self.interval
        return 1 - ((high - low) / (upper - lower)) ** 2 if math.isfinite(upper - lower) and upper > lower else 0.0

    @cached_property
    def by_failures(self) -> Any:
        """Whether failures decide; an array when they were simulated."""
        return self.failures.lost > MOST_LOST

    @property
    def n(self) -> Any:
        """Complete pairs; all that were run where failures decide."""
        if np.ndim(self.by_failures) == 0:
            return self.failures.pairs if self.by_failures else self.summary.n
        return np.where(self.by_failures, self.failures.pairs, self.summary.n)

    @property
    def mean(self) -> Any:
        """The mean gain, or the median where signs are tested; infinite where failures decide for a side."""
        middle = np.median(self.values, axis=0) if self.test == "sign" and len(self.values) else self.summary.mean
        if not np.any(self.by_failures):
            return middle
        lean = np.sign(np.asarray(self.failures.up, dtype=float) - self.failures.down)
        side = np.where(lean == 0, np.nan, np.copysign(np.inf, lean))
        return np.where(self.by_failures, side, middle) if np.ndim(self.by_failures) else float(side)

    @property
    def alpha(self) -> float:
        """Two-sided: 5 %, and 5 % · 0.268 where looks are counted, so that picture and verdict agree."""
        return ALPHA * FACTOR if self.corrected else ALPHA

    @cached_property
    def interval(self) -> tuple[Any, Any]:
        """The interval of the mean (the median, the share) that belongs to the test."""
        if np.any(self.by_failures) or (self.test == "share" and len(self.weights) > 1):
            return -math.inf, math.inf
        if self.test == "sign":
            return self._interval_of_median()
        if self.test == "share" and self.summary.n:
            worth = design_effect(self.summary.n, self.ratio)
            return share_interval(round(float(np.sum(self.values))) / worth, self.summary.n / worth, self.alpha)
        return self.summary.interval(self.alpha)

    @property
    def endless(self) -> bool:
        """Whether the median is unknown on a side, since runs never got there."""
        return self.reach is not None and any(abs(np.median(end)) >= FAR / 2 for end in self.reach)

    @property
    def end(self) -> str:
        """How runs without a value ended."""
        return "not reached" if self.quantity.at == "time_to" else "diverged"

    @property
    def exact(self) -> bool:
        """Whether what the design fixes had the same value on every seed, so that its mean is known exactly."""
        alike = np.ndim(self.summary.sd) == 0 and bool(self.summary.sd == 0)
        return self.quantity.deterministic and self.test == "mean" and alike and not np.any(self.by_failures)

    @property
    def decidable(self) -> Any:
        """Fewer than three seeds, or a fault, decide nothing."""
        return np.asarray(self.n >= FEWEST_SEEDS) & (not self.fault)

    @property
    def norm(self) -> float:
        """√Σw²: the contrast's SD in units of one run's SD, when runs are independent."""
        return math.sqrt(sum(weight**2 for weight in self.weights.values()))

    def p_above(self, bar: float) -> Any:
        """One-sided p against "the mean is at most `bar`"; 1 when nothing can be decided."""
        return self._p(self.summary.p_above, bar, 1)

    def p_below(self, bar: float) -> Any:
        """One-sided p against "the mean is at least `bar`"; 1 when nothing can be decided."""
        return self._p(self.summary.p_below, bar, -1)

    def over_looks(self, p: Callable[[Contrast], Any]) -> Any:
        """The p of this look, or over all planned looks so far where they are counted."""
        counted = self.corrected and not self.fault  # what cannot be concluded now no earlier look concludes
        return sequential([p(one) for one in (*self.earlier, self)]) if counted else p(self)

    def counts(self, bar: float, side: int) -> tuple[Any, Any]:
        """(values beyond the bar on a side, values that count): what the sign test counts.

        Pairs without a difference say nothing of which arm is better, and are left out. Those that lie on another bar
        are not beyond it: leaving them out would show a median beyond the bar on which it lies.
        """
        distance = side * (self._against(bar, side) - bar)
        distance = np.where(np.abs(distance) <= ROUNDING * abs(bar), 0.0, distance)
        counted = np.isfinite(distance) & (distance != 0 if bar == 0 else True)
        return np.sum(distance > 0, axis=0), np.sum(counted, axis=0)

    def _against(self, bar: float, side: int) -> Any:
        """The values that speak least for a side of a bar: but for which arm is better, a budget says no time."""
        if self.reach is None or (bar == 0 and len(self.weights) == 2):
            return np.asarray(self.values, dtype=float)
        return self.reach[0] if side > 0 else self.reach[1]

    def at_least(self, hits: Any, of: Any, share: Any = 0.5) -> Any:
        """The exact test's p of so many runs or pairs of this contrast; those that share rows are worth less."""
        worth = design_effect(self.n, self.ratio)
        return at_least(hits / worth, of / worth, share)

    def _p(self, by_mean: Callable[[float], Any], bar: float, side: int) -> Any:
        if math.isinf(bar):
            p = np.where(side * bar < 0, 0.0, np.ones(np.shape(self.mean)))
        elif self.test == "sign":
            p = self._p_signs(bar, side)
        elif self.test == "share":
            p = self._p_share(bar, side)
        else:
            p = by_mean(bar)
        if np.any(self.by_failures) and not math.isinf(bar):
            failed = self.at_least(self.failures.up if side > 0 else self.failures.down, self.failures.of)
            p = np.where(self.by_failures, failed, p)
        return np.where(self.decidable, p, 1.0)

    def _p_signs(self, bar: float, side: int) -> Any:
        p = self.at_least(*self.counts(bar, side))
        if not self.tuning:
            return p
        # A sign test has no variance that tuning's could be added to. It makes no p smaller.
        variance, freedom = combined(self.tuning)
        values = side * self._against(bar, side)
        return np.maximum(p, signs_shifted(values, side * bar, np.sqrt(variance), freedom, self.ratio))

    def _interval_of_median(self) -> tuple[float, float]:
        least, most = self.reach or (self.values, self.values)
        low = median_interval(least, self.alpha, self.ratio)[0]
        high = median_interval(most, self.alpha, self.ratio)[1]
        low, high = (math.copysign(math.inf, end) if abs(end) >= FAR else end for end in (low, high))
        if self.tuning:
            low, high = self._end(low, 1), self._end(high, -1)
        if self.reach is not None and len(self.weights) == 2:  # its side of zero is shown by more than its ends are
            low = max(low, 0.0) if self._p_signs(0.0, 1) < self.alpha / 2 else low
            high = min(high, 0.0) if self._p_signs(0.0, -1) < self.alpha / 2 else high
        return low, high

    def _end(self, plain: float, side: int) -> float:
        """An end of the interval of a median whose values tuning may have moved; `plain` is the sign test's."""
        if not math.isfinite(plain):
            return plain

        def beyond(end: float) -> float:
            return float(self._p_signs(end, side)) - self.alpha / 2

        reach = max(float(np.ptp(self.values)), math.sqrt(sum(variance for variance, _ in self.tuning)))
        while beyond(plain - side * reach) > 0:
            reach *= 2
        return float(brentq(beyond, plain - side * reach, plain + side * reach, rtol=1e-9))

    def _p_share(self, bar: float, side: int) -> Any:
        """Of one arm, against any share; of pairs, McNemar's, which says nothing of bars beyond zero."""
        if len(self.weights) > 1:
            return self.at_least(*self.counts(0.0, side)) if side * bar <= 0 else np.ones(np.shape(self.mean))
        ones, of = np.sum(self.values, axis=0), np.shape(self.values)[0]
        return self.at_least(ones, of, bar) if side > 0 else self.at_least(of - ones, of, 1 - bar)


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
        """`oriented`: better is positive; `rivals`: runs that fail count against their side."""


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


def comparable(weights: Mapping[str, float]) -> bool:
    """Whether equal arms fail equally often on both sides: as many of them, with the same weight."""
    signs = [weight > 0 for weight in weights.values()]
    return len(weights) == 1 or (2 * sum(signs) == len(signs) and len({abs(one) for one in weights.values()}) == 1)


def count_failures(
    broken: Mapping[str, Any], weights: Mapping[str, float], worse_is_more: bool, rivals: bool = True, words: str = ""
) -> Failures:
    """The failures of a contrast's arms, from whether each run failed.

    Args:
        broken: by arm; seeds first, later axes are simulations.
        worse_is_more: of one arm, whether a failed run lies above every bar rather than below.
        rivals: whether the two sides claim to beat each other.
    """
    found = {arm: np.asarray(own, dtype=bool) for arm, own in broken.items()}
    lost = np.any(list(found.values()), axis=0).sum(axis=0)
    pairs = len(next(iter(found.values())))
    if len(found) == 1:
        worst, none = next(iter(found.values())).sum(axis=0), 0 * lost
        return Failures(lost, pairs, *((worst, none) if worse_is_more else (none, worst)), pairs, words)
    if not (rivals and comparable(weights)):
        return Failures(lost, pairs, 0 * lost, 0 * lost, 0 * lost, words)
    gap = -sum(np.sign(weights[arm]) * own for arm, own in found.items())
    up, down = (gap > 0).sum(axis=0), (gap < 0).sum(axis=0)
    return Failures(lost, pairs, up, down, up + down, words)
