"""`shape`: how performance follows a numeric factor."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from litmus.claims.arms import Selector, check_selector, select
from litmus.claims.claims import Claim, Every, Some
from litmus.claims.contrast import Contrast, ContrastMaker, UndecidableError
from litmus.claims.leaf import Gain, Inside
from litmus.claims.notation import listing, number, text
from litmus.claims.prediction import Prediction, difference, finite
from litmus.claims.schema import mapping, one_of, way_out

if TYPE_CHECKING:
    from litmus.claims.study import Study

FORMS = ("rising", "falling", "saturating", "diminishing", "peak")
AXES = ("linear", "log2")


@dataclass(frozen=True, kw_only=True)
class Shape(Prediction):
    """The performance u (better is up, whatever the metric) over the sorted levels x1 < … < xk of `factor`.

    rising: u(xk) − u(x1) is a gain of sesoi, and between no two levels does u fall by sesoi. falling: the same of −u.
    saturating `at` x: u(x) − u(x1) is a gain of sesoi, and no later level is better than x by sesoi (it may fall).
    diminishing: up to the middle level there is a gain of sesoi, and per unit of `axis` the rest gains less: the first
    half's gain minus the second's, scaled to the first's length, is a gain of sesoi.
    peak `at` x: u(x) beats both u(x1) and u(xk) by sesoi.
    Without `at`, some inner level does (Bonferroni over them). Parts are joined by intersection–union: the confirmation
    null is that one fails, the rejection null (Bonferroni) that all hold. Other factors are averaged over, or set by
    `given`.
    """

    kind: ClassVar[str] = "shape"
    factor: str
    form: str
    axis: str = "linear"
    at: Any = None
    given: Any = None

    def selectors(self, study: Study) -> list[Selector]:
        """Every level of the factor, and the level `at`; refuses an unknown factor, and a `given` that is no cell."""
        if not isinstance(self.factor, str) or self.factor not in study.varied:
            hint = way_out(str(self.factor), study.varied)
            raise ValueError(f"{self.where('factor')} names the unknown factor {self.factor!r}; {hint}")
        if self.given is not None:
            mapping(self.given, self.where("given"))
            check_selector(study.arms, self.given, self.where("given"))
        levels = [{**self._given(), self.factor: level} for level in self.levels(study)]
        return [*levels, *({**self._given(), self.factor: level} for level in self._at())]

    def _given(self) -> Mapping[str, Any]:
        return self.given or {}

    def _at(self) -> list[Any]:
        if self.at is None:
            return []
        return list(self.at) if isinstance(self.at, list | tuple) else [self.at]

    def levels(self, study: Study) -> list[float]:
        """The factor's numeric levels, sorted."""
        return study.levels(self.factor, self._given())

    def check(self, study: Study) -> None:
        """Refuse an unknown form or axis, levels that are not numbers, and an `at` that is no inner level."""
        one_of(self.form, self.where("form"), FORMS)
        one_of(self.axis, self.where("axis"), AXES)
        chosen = select(study.arms, self._given()) if self.given else tuple(study.arms)
        for arm in chosen:
            level = study.arms[arm].get(self.factor, 0)  # an arm that leaves the factor alone has no place on it
            if number(level) is None:
                others = listing([f"{one:g}" for one in self.levels(study)]) or "0, 1, 2"
                raise ValueError(
                    f"{self.where('factor')} must have numbers as levels, got {text(level)}; name those meant, "
                    f"as in given: {{{self.factor}: [{others}]}}"
                )
        levels = self.levels(study)
        if self.axis == "log2" and levels and levels[0] <= 0:
            raise ValueError(f"{self.where('axis')}: log2 needs positive levels, got {levels[0]:g}; use linear")
        if self.at is not None and self.form not in ("saturating", "peak"):
            raise ValueError(f"{self.where('at')} belongs to saturating and peak, not to {self.form}; remove it")
        for level in self._at():
            if len(levels) >= 3 and finite(level, self.where("at")) in (levels[0], levels[-1]):
                raise ValueError(f"{self.where('at')} must lie between the first and last level, got {level:g}")

    def test(self, study: Study, contrast: ContrastMaker) -> Claim:
        """The form's contrasts."""
        levels = self.levels(study)
        if len(levels) < (2 if self.form in ("rising", "falling") else 3):
            raise UndecidableError(f"{self.factor} has {len(levels)} levels, too few for {self.form}")
        for level in self._at():
            if finite(level, self.where("at")) not in levels:
                raise UndecidableError(f"no arm has {self.factor} {level:g}")
        inner = [finite(level, self.where("at")) for level in self._at()] or levels[1:-1]
        rules = Levels(self, study, contrast, levels)
        if self.form in ("rising", "falling"):
            return rules.rising(1 if self.form == "rising" else -1)
        if self.form == "diminishing":
            return rules.diminishing()
        one = rules.saturating if self.form == "saturating" else rules.peak
        return Some([one(level) for level in inner])

    def span(self, study: Study, contrast: ContrastMaker) -> Contrast | None:
        """Of rising and falling, the whole way."""
        if self.form not in ("rising", "falling"):
            return None
        rules = Levels(self, study, contrast, self.levels(study))
        return rules.span(1 if self.form == "rising" else -1).contrast


@dataclass(frozen=True)
class Levels:
    """The contrasts between the levels of one shape."""

    shape: Shape
    study: Study
    contrast: ContrastMaker
    levels: list[float]

    def gain(self, high: float, low: float, by: float = 0.0) -> Gain:
        """u(high) − u(low) against `by`."""
        return Gain(self._between(high, low), by, self._least)

    def rising(self, sign: int) -> Claim:
        """A total gain without a fall by sesoi; sign −1 for falling."""
        ordered = self.levels[::sign]
        # Of all pairs: small falls add up, and what peaks does not rise. Without a sesoi a flat segment has no width,
        # so each must rise.
        pairs = [pair for pair in itertools.combinations(ordered, 2) if pair != (ordered[0], ordered[-1])]
        return Every([self.span(sign), *(self.gain(later, earlier, -self._least) for earlier, later in pairs)])

    def span(self, sign: int) -> Gain:
        """The last level against the first."""
        ordered = self.levels[::sign]
        return self.gain(ordered[-1], ordered[0])

    def saturating(self, level: float) -> Claim:
        """A gain up to the level and none of sesoi after it."""
        later = [Inside(self._between(x, level), high=self._least) for x in self.levels if x > level]
        return Every([self.gain(level, self.levels[0]), *later])

    def peak(self, level: float) -> Claim:
        """Better than both ends."""
        return Every([self.gain(level, self.levels[0]), self.gain(level, self.levels[-1])])

    def diminishing(self) -> Claim:
        """A gain in the first half, and a larger one than the second half makes over the same length of axis."""
        first, middle, last = self.levels[0], self.levels[(len(self.levels) - 1) // 2], self.levels[-1]
        scale = math.log2 if self.shape.axis == "log2" else float
        share = (scale(middle) - scale(first)) / (scale(last) - scale(middle))
        cell = self._cell
        weighted = difference(self.study, (cell(middle), 1 + share), (cell(first), -1), (cell(last), -share))
        name = self.shape.factor
        bend = self.contrast(
            self._quantity,
            weighted,
            f"{name} from {first:g} to {middle:g}",
            f"than {'as many doublings' if self.shape.axis == 'log2' else 'as long a way'} from {middle:g} to {last:g}",
            rivals=False,
        )
        return Every([self.gain(middle, first), Gain(bend, 0.0, self._least)])

    @property
    def _quantity(self) -> Any:
        return self.shape.measured(self.study)

    @property
    def _least(self) -> float:
        return float(self._quantity.sesoi or 0.0)

    def _cell(self, level: float) -> Selector:
        return {**(self.shape.given or {}), self.shape.factor: level}

    def _between(self, high: float, low: float) -> Any:
        weighted = difference(self.study, (self._cell(high), 1), (self._cell(low), -1))
        return self.contrast(
            self._quantity, weighted, f"{self.shape.factor} {high:g}", f"against {self.shape.factor} {low:g}"
        )
