"""Rules over one contrast: a gain that is large enough, a mean inside an interval.

Each side is tested at 2.5 %: a claim that is false is confirmed with at most that probability, and one that is true
is rejected with at most that probability, however many planned looks there are.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np

from litmus.claims.assurance import Chances, by_count, by_mean
from litmus.claims.contrast import ROUNDING, Contrast
from litmus.claims.statistics import ALPHA, bonferroni

LEVEL = ALPHA / 2


def known(one: Contrast) -> bool:
    """Whether nothing is left to test: what the design fixes is compared exactly."""
    return bool(one.decidable.all()) and one.exact


def reaches(value: float, bar: float) -> bool:
    """Whether an exact value is at least the bar, which a logarithm may miss by rounding."""
    return value >= bar or math.isclose(value, bar, rel_tol=ROUNDING)


class Leaf:
    """A rule over one contrast hangs on that contrast alone."""

    def leaves(self) -> Iterator[Self]:
        """Itself."""
        yield self

    def confirming(self) -> Self:
        """Itself."""
        return self

    def rejecting(self) -> Self:
        """Itself."""
        return self


@dataclass(frozen=True)
class Gain(Leaf):
    """A gain above `by`, at least `least` (sesoi): confirmed L > by and mean ≥ least, rejected U < max(by, least).

    Null of the confirmation: mean ≤ by. Null of the rejection: mean ≥ max(by, least). A negative `by` claims "not
    worse by more than": then `least` plays no part. What the design fixes is as claimed from max(by, least) on, for
    there is no interval that could lie above it.
    """

    contrast: Contrast
    by: float = 0.0
    least: float = 0.0

    @property
    def bar(self) -> float:
        """The gain that the claim needs: max(by, least)."""
        return max(self.by, self.least) if self.by >= 0 else self.by

    def _exactly(self, one: Contrast) -> bool:
        """Whether the claim is decided by comparison; a difference of nothing is no direction."""
        return self.bar != 0 and known(one)

    def _confirm(self, one: Contrast) -> Any:
        return np.float64(not reaches(float(one.mean), self.bar)) if self._exactly(one) else one.p_above(self.by)

    def _reject(self, one: Contrast) -> Any:
        return np.float64(reaches(float(one.mean), self.bar)) if self._exactly(one) else one.p_below(self.bar)

    @cached_property
    def p_confirm(self) -> Any:
        """p of mean ≤ by."""
        return self.contrast.over_looks(self._confirm)

    @cached_property
    def p_reject(self) -> Any:
        """p of mean ≥ max(by, least)."""
        return self.contrast.over_looks(self._reject)

    def confirms(self, level: float = LEVEL) -> Any:
        """L > by and mean ≥ least."""
        if self._exactly(self.contrast):
            return self.p_confirm < level
        return (self.p_confirm < level) & (np.asarray(self.contrast.mean) >= self.bar)

    def rejects(self, level: float = LEVEL) -> Any:
        """U < max(by, least)."""
        return self.p_reject < level

    def sign(self) -> Gain:
        """The claim that the gain is one at all, whatever its size."""
        return Gain(self.contrast)

    def assurance(self, seeds: int, level: float = LEVEL) -> Chances:
        """Chances that so many more seeds confirm and reject."""
        if self.contrast.test == "sign":
            above = by_count(self.contrast, seeds, self.by, 1, level)
            return above, by_count(self.contrast, seeds, self.bar, -1, level)
        return by_mean(
            self.contrast, seeds, lambda margin: (np.maximum(self.by + margin(level), self.bar), math.inf),
            lambda margin: ((-math.inf, self.bar - margin(level)),),
        )  # fmt: skip


@dataclass(frozen=True)
class Inside(Leaf):
    """The mean lies in [low, high]: confirmed when the interval is inside, rejected when it is wholly outside.

    Confirmation is two one-sided tests (Schuirmann 1987), each at the level; rejection doubles the smaller p when
    both ends are finite, since the mean can leave through either. What the design fixes is compared exactly.
    """

    contrast: Contrast
    low: float = -math.inf
    high: float = math.inf

    def _holds(self, one: Contrast) -> bool:
        return reaches(float(one.mean), self.low) and reaches(-float(one.mean), -self.high)

    @property
    def _outer(self) -> int:
        """Ends through which the mean can leave."""
        return math.isfinite(self.low) + math.isfinite(self.high)

    def _confirm(self, one: Contrast) -> Any:
        if known(one):
            return np.float64(not self._holds(one))
        return np.maximum(one.p_above(self.low), one.p_below(self.high))

    def _reject(self, one: Contrast) -> Any:
        if known(one):
            return np.float64(self._holds(one))
        ends = []
        if math.isfinite(self.high):
            ends.append(one.p_above(self.high))
        if math.isfinite(self.low):
            ends.append(one.p_below(self.low))
        return bonferroni(ends)

    @cached_property
    def p_confirm(self) -> Any:
        """p of a mean at or beyond an end: the larger of both one-sided p."""
        return self.contrast.over_looks(self._confirm)

    @cached_property
    def p_reject(self) -> Any:
        """p of a mean in between."""
        return self.contrast.over_looks(self._reject)

    def confirms(self, level: float = LEVEL) -> Any:
        """Both ends of the interval are inside."""
        return self.p_confirm < level

    def rejects(self, level: float = LEVEL) -> Any:
        """The interval is outside."""
        return self.p_reject < level

    def sign(self) -> None:
        """None: it claims no direction."""

    def assurance(self, seeds: int, level: float = LEVEL) -> Chances:
        """Chances that so many more seeds confirm and reject."""
        share = level / max(1, self._outer)
        if self.contrast.test == "sign":
            inside = [
                by_count(self.contrast, seeds, end, side, level) for end, side in ((self.low, 1), (self.high, -1))
            ]
            beyond = [
                by_count(self.contrast, seeds, end, side, share) for end, side in ((self.low, -1), (self.high, 1))
            ]
            return min(inside), max(beyond)
        return by_mean(
            self.contrast, seeds, lambda margin: (self.low + margin(level), self.high - margin(level)),
            lambda margin: ((-math.inf, self.low - margin(share)), (self.high + margin(share), math.inf)),
        )  # fmt: skip
