"""Rules over one contrast: a gain that is large enough, a mean inside an interval.

Each side is tested at 2.5 %: a claim that is false is confirmed with at most that probability, and one that is true
is rejected with at most that probability.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from litmus.claims.contrast import Contrast
from litmus.claims.statistics import ALPHA, bonferroni

LEVEL = ALPHA / 2
Needed = tuple[int | None, int | None]


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
    worse by more than": then `least` plays no part.
    """

    contrast: Contrast
    by: float = 0.0
    least: float = 0.0

    @property
    def bar(self) -> float:
        """The gain that the claim needs: max(by, least)."""
        return max(self.by, self.least) if self.by >= 0 else self.by

    @property
    def p_confirm(self) -> Any:
        """p of mean ≤ by."""
        return self.contrast.p_above(self.by)

    @property
    def p_reject(self) -> Any:
        """p of mean ≥ max(by, least)."""
        return self.contrast.p_below(self.bar)

    def confirms(self, level: float = LEVEL) -> Any:
        """L > by and mean ≥ least."""
        return (self.p_confirm < level) & (np.asarray(self.contrast.mean) >= self.bar)

    def rejects(self, level: float = LEVEL) -> Any:
        """U < max(by, least)."""
        return self.p_reject < level

    def seeds(self, level: float = LEVEL) -> Needed:
        """A mean at or above the bar heads for confirmation, one below it for rejection."""
        mean = float(self.contrast.mean)
        if mean >= self.bar:
            return self.contrast.seeds(mean - self.by, 2 * level), None
        return None, self.contrast.seeds(self.bar - mean, 2 * level)


@dataclass(frozen=True)
class Inside(Leaf):
    """The mean lies in [low, high]: confirmed when the interval is inside, rejected when it is wholly outside.

    Confirmation is two one-sided tests (Schuirmann 1987), each at the level; rejection doubles the smaller p when
    both ends are finite, since the mean can leave through either. A counted quantity without spread is compared
    exactly.
    """

    contrast: Contrast
    low: float = -math.inf
    high: float = math.inf

    @property
    def _within(self) -> bool:
        return bool(self.low <= float(self.contrast.mean) <= self.high)

    @property
    def _known(self) -> bool:
        return self.contrast.decidable and bool(self.contrast.forced or self.contrast.exact)

    @property
    def p_confirm(self) -> Any:
        """p of a mean at or beyond an end: the larger of both one-sided p."""
        if self._known:
            return np.float64(not self._within)
        return np.maximum(self.contrast.p_above(self.low), self.contrast.p_below(self.high))

    @property
    def p_reject(self) -> Any:
        """p of a mean in between."""
        if self._known:
            return np.float64(self._within)
        ends = []
        if math.isfinite(self.high):
            ends.append(self.contrast.p_above(self.high))
        if math.isfinite(self.low):
            ends.append(self.contrast.p_below(self.low))
        return bonferroni(ends)

    def confirms(self, level: float = LEVEL) -> Any:
        """Both ends of the interval are inside."""
        return self.p_confirm < level

    def rejects(self, level: float = LEVEL) -> Any:
        """The interval is outside."""
        return self.p_reject < level

    def seeds(self, level: float = LEVEL) -> Needed:
        """By the distance to the nearest end."""
        mean = float(self.contrast.mean)
        distance = min(abs(mean - self.low), abs(self.high - mean))
        if self._within:
            return self.contrast.seeds(distance, 2 * level), None
        return None, self.contrast.seeds(distance, 2 * level)
