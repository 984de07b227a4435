"""`order`: cells from best to worst."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from litmus.claims.arms import Selector, describe
from litmus.claims.claims import Claim, Every
from litmus.claims.contrast import Contrast, ContrastMaker
from litmus.claims.leaf import Gain
from litmus.claims.prediction import Prediction, difference, refuse_shared, several, weights
from litmus.claims.statistics import page

if TYPE_CHECKING:
    from litmus.claims.study import Study


@dataclass(frozen=True, kw_only=True)
class Order(Prediction):
    """Each cell is better than the next; with `ties: true` each is at least not worse by sesoi, and first beats last.

    Confirmation null: some step is at most 0 (ties: at most −sesoi); intersection–union over adjacent contrasts.
    Rejection null: every step is at least sesoi (ties: −sesoi); Bonferroni over them.
    Page's L, which tests for any trend at all, is printed beside and decides nothing.
    """

    kind: ClassVar[str] = "order"
    arms: Any
    ties: bool = False

    def selectors(self, study: Study) -> list[Selector]:
        """The cells, best first."""
        return list(several(self.arms))

    def check(self, study: Study) -> None:
        """Refuse fewer than two cells, and cells that share an arm."""
        if len(several(self.arms)) < 2:
            raise ValueError(f"{self.where('arms')} must list at least two cells, best first, got {self.arms!r}")
        if not isinstance(self.ties, bool):
            raise ValueError(f"{self.where('ties')} must be true or false, got {self.ties!r}")
        refuse_shared(study, self.where("arms"), *several(self.arms))

    def test(self, study: Study, contrast: ContrastMaker) -> Claim:
        """One difference per adjacent pair, and first against last when ties are allowed."""
        quantity = self.measured(study)
        least = quantity.sesoi or 0.0

        def step(first: Selector, second: Selector, by: float) -> Gain:
            weighted = difference(study, (first, 1), (second, -1))
            return Gain(contrast(quantity, weighted, describe(first), f"against {describe(second)}"), by, least)

        cells = several(self.arms)
        # Without a sesoi a tie has no width: any step below zero then counts against the order.
        parts: list[Claim] = [step(*pair, -least if self.ties else 0.0) for pair in pairwise(cells)]
        if self.ties:
            parts.append(step(cells[0], cells[-1], 0.0))
        return Every(parts)

    def span(self, study: Study, contrast: ContrastMaker) -> Contrast:
        """The first cell against the last."""
        first, *_, last = several(self.arms)
        weighted = difference(study, (first, 1), (last, -1))
        return contrast(self.measured(study), weighted, describe(first), f"against {describe(last)}")

    def note(self, study: Study, contrast: ContrastMaker) -> str:
        """Page's L over the seeds that every cell has."""
        cells = several(self.arms)
        if len(cells) < 3:
            return ""
        quantity = self.measured(study)
        columns = [contrast(quantity, weights(study, cell)) for cell in reversed(cells)]
        if any(column.by_failures or column.left_out for column in columns):
            return ""
        rows = np.column_stack([column.values for column in columns]) if len({c.n for c in columns}) == 1 else None
        if rows is None or len(rows) < 2:
            return ""
        statistic, p_value = page(rows)
        return f"Page's L = {statistic:g}, p = {p_value:.2g}"
