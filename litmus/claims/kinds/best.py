"""`best`: the optimum lies in a set of arms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from litmus.claims.arms import Selector
from litmus.claims.claims import Against, Claim, Every, Some
from litmus.claims.contrast import ContrastMaker, UndecidableError
from litmus.claims.leaf import Gain
from litmus.claims.prediction import Prediction, several

if TYPE_CHECKING:
    from litmus.claims.study import Study


@dataclass(frozen=True, kw_only=True)
class Best(Prediction):
    """Some arm of the set `arms` beats every arm outside it (of `among`, by default all arms of the study).

    Confirmation null: some outside arm is at least as good as each inside. For one inside arm, beating all outside
    is an intersection–union; over the inside arms Bonferroni. Rejection null: the optimum is inside; rejected when
    some outside arm beats all inside, by the same rule turned round. "Beats" needs sesoi, so practical ties stay
    inconclusive.
    """

    kind: ClassVar[str] = "best"
    arms: Any
    among: Any = ()

    def selectors(self, study: Study) -> list[Selector]:
        """The set, then the candidates that were named."""
        return [*several(self.arms), *several(self.among)]

    def named_arms(self, study: Study) -> tuple[str, ...]:
        """The set and its rivals: every arm, unless `among` says otherwise."""
        inside, outside = self.sides(study)
        return (*inside, *outside)

    def check(self, study: Study) -> None:
        """Refuse a set that leaves no rival."""
        inside, outside = self.sides(study)
        if inside and not outside:
            raise ValueError(f"{self.where('arms')} holds every arm, so nothing is left to beat; name fewer")

    def sides(self, study: Study) -> tuple[list[str], list[str]]:
        """The arms inside the set and those outside."""
        inside = [arm for arm in study.arms if any(arm in study.select(cell) for cell in several(self.arms))]
        among = several(self.among)
        pool = [arm for arm in study.arms if not among or any(arm in study.select(cell) for cell in among)]
        return inside, [arm for arm in pool if arm not in inside]

    def test(self, study: Study, contrast: ContrastMaker) -> Claim:
        """All differences between inside and outside, both ways."""
        quantity = self.measured(study)
        inside, outside = self.sides(study)
        if not inside or not outside:
            raise UndecidableError(
                "no arm lies in the named set" if not inside else "no arm lies outside the named set"
            )
        least = quantity.sesoi or 0.0

        def beats(winners: list[str], losers: list[str]) -> Claim:
            parts = []
            for winner in winners:
                pairs = [
                    Gain(contrast(quantity, {winner: 1.0, loser: -1.0}, winner, f"against {loser}"), 0.0, least)
                    for loser in losers
                ]
                parts.append(Every(pairs))
            return Some(parts)

        return Against(beats(inside, outside), beats(outside, inside))
