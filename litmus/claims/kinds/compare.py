"""`compare`: one cell is better than each of others, by an amount."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from litmus.claims.arms import Selector, describe
from litmus.claims.claims import Claim, Every
from litmus.claims.contrast import ContrastMaker
from litmus.claims.leaf import Gain
from litmus.claims.prediction import Prediction, difference, refuse_shared, several

if TYPE_CHECKING:
    from litmus.claims.study import Study


@dataclass(frozen=True, kw_only=True)
class Compare(Prediction):
    """u(better) − u(than) exceeds `by` and sesoi, for each of `than`.

    Confirmation null: against some rival the mean gain is at most `by`; intersection–union over rivals.
    Rejection null: every gain is at least max(by, sesoi); Bonferroni over rivals.
    A negative `by` claims non-inferiority: not worse by more than that.
    """

    kind: ClassVar[str] = "compare"
    better: Selector
    than: Any
    by: Any = 0.0

    def selectors(self, study: Study) -> list[Selector]:
        """The better cell and its rivals."""
        return [self.better, *several(self.than)]

    def check(self, study: Study) -> None:
        """Refuse rivals that share an arm with the better cell, and an unreadable `by`."""
        self.measured(study).margin(self.by, self.where("by"))
        for rival in several(self.than):
            refuse_shared(study, self.where("than"), self.better, rival)
        if not several(self.than):
            raise ValueError(f"{self.where('than')} is empty; name at least one arm")

    def test(self, study: Study, contrast: ContrastMaker) -> Claim:
        """One difference per rival."""
        quantity = self.measured(study)
        by, least = quantity.margin(self.by, self.where("by")), quantity.sesoi or 0.0
        parts: list[Claim] = []
        for rival in several(self.than):
            weighted = difference(study, (self.better, 1), (rival, -1))
            made = contrast(quantity, weighted, describe(self.better), f"against {describe(rival)}")
            parts.append(Gain(made, by, least))
        return Every(parts)
