"""`bound`: a value, or a gain relative to a cell, lies in [low, high]."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from litmus.claims.arms import Selector, describe
from litmus.claims.claims import Claim
from litmus.claims.contrast import ContrastMaker
from litmus.claims.leaf import Inside
from litmus.claims.prediction import Prediction, difference, finite, refuse_shared, weights
from litmus.claims.quantity import share_told

if TYPE_CHECKING:
    from litmus.claims.study import Study


@dataclass(frozen=True, kw_only=True)
class Bound(Prediction):
    """The mean of `arm` (or its gain over `relative_to`) lies in [low, high]; one end may be left out.

    Confirmation null: the mean is at or beyond an end; the 95 % interval must be inside. Rejection null: the mean is
    inside; the interval must be wholly outside. Counted values without spread (parameters) are compared exactly.
    On the log scale the mean is geometric and the ends are given in the metric's own units; gains are numbers on
    the scale or per cent.
    """

    kind: ClassVar[str] = "bound"
    arm: Selector
    low: Any = None
    high: Any = None
    relative_to: Any = None

    def selectors(self, study: Study) -> list[Selector]:
        """The arm and what it is relative to."""
        return [self.arm] if self.relative_to is None else [self.arm, self.relative_to]

    def check(self, study: Study) -> None:
        """Refuse missing, unreadable and reversed ends, and a reference that shares an arm with the cell."""
        low, high = self.ends(study)
        if not low <= high:
            raise ValueError(f"study.predictions.{self.id} needs low <= high, got low {self.low} and high {self.high}")
        if math.isinf(low) and math.isinf(high):
            raise ValueError(f"study.predictions.{self.id} holds of every share: give low above 0, or high below 1")
        if self.relative_to is not None:
            refuse_shared(study, self.where("relative_to"), self.arm, self.relative_to)

    def ends(self, study: Study) -> tuple[float, float]:
        """Both ends on the quantity's scale, infinite where none is given."""
        if self.low is None and self.high is None:
            raise ValueError(f"study.predictions.{self.id} needs low, high, or both")
        return self._end(study, "low", -math.inf), self._end(study, "high", math.inf)

    def _end(self, study: Study, key: str, absent: float) -> float:
        value, quantity = getattr(self, key), self.measured(study)
        if value is None:
            return absent
        if self.relative_to is not None:
            return quantity.margin(value, self.where(key))
        amount = finite(value, self.where(key))
        if quantity.scale == "log" and amount <= 0:
            raise ValueError(f"{self.where(key)} must be greater than 0 on the log scale, got {value!r}")
        if quantity.share and abs(amount) > 1:
            raise ValueError(f"{self.where(key)} is {value!r}, and {share_told(quantity.metric)}")
        # A share is never beyond 0 or 1, so that no interval could lie on the right side of such an end.
        if quantity.binary and amount == {"low": 0, "high": 1}[key]:
            return absent
        return float(quantity.transform(amount))

    def test(self, study: Study, contrast: ContrastMaker) -> Claim:
        """The value itself, or the difference to the reference."""
        quantity = self.measured(study)
        low, high = self.ends(study)
        if self.relative_to is None:
            made = contrast(quantity, weights(study, self.arm), describe(self.arm), oriented=False)
        else:
            weighted = difference(study, (self.arm, 1), (self.relative_to, -1))
            made = contrast(quantity, weighted, describe(self.arm), f"against {describe(self.relative_to)}")
        return Inside(made, low, high)
