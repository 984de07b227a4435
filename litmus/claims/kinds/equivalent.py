"""`equivalent`: no practical difference between cells."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any, ClassVar

from litmus.claims.arms import Selector, describe
from litmus.claims.claims import Claim, Every
from litmus.claims.contrast import ContrastMaker, UndecidableError
from litmus.claims.leaf import Inside
from litmus.claims.prediction import Prediction, difference, refuse_shared, several

if TYPE_CHECKING:
    from litmus.claims.study import Study


@dataclass(frozen=True, kw_only=True)
class Equivalent(Prediction):
    """Every pair of cells differs by less than `within`, by default sesoi.

    Confirmation null: some pair differs by `within` or more; all 95 % intervals inside ±within (two one-sided tests per
    pair at 2.5 %, intersection–union over pairs). Rejection null: no pair differs by more; an interval wholly outside,
    Bonferroni over pairs and sides. A difference that is real but smaller than `within` is still equivalence.
    """

    kind: ClassVar[str] = "equivalent"
    arms: Any
    within: Any = None

    def selectors(self, study: Study) -> list[Selector]:
        """The cells."""
        return list(several(self.arms))

    def check(self, study: Study) -> None:
        """Refuse fewer than two cells, cells that share an arm, and a margin that is not positive."""
        if len(several(self.arms)) < 2:
            raise ValueError(f"{self.where('arms')} must list at least two cells, got {self.arms!r}")
        if self.within is not None and self.measured(study).margin(self.within, self.where("within")) <= 0:
            raise ValueError(f"{self.where('within')} must be greater than 0, got {self.within!r}")
        refuse_shared(study, self.where("arms"), *several(self.arms))

    def test(self, study: Study, contrast: ContrastMaker) -> Claim:
        """One difference per pair, inside ±within."""
        quantity = self.measured(study)
        width = quantity.sesoi if self.within is None else quantity.margin(self.within, self.where("within"))
        if width is None:
            raise UndecidableError("neither `within` nor a sesoi says how large a difference would matter")
        parts: list[Claim] = []
        for first, second in combinations(several(self.arms), 2):
            weighted = difference(study, (first, 1), (second, -1))
            made = contrast(quantity, weighted, describe(first), f"against {describe(second)}")
            parts.append(Inside(made, -width, width))
        return Every(parts)
