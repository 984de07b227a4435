"""`all_of`: several predictions hold together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from litmus.claims.arms import Selector
from litmus.claims.claims import Claim, Every
from litmus.claims.contrast import ContrastMaker
from litmus.claims.prediction import Prediction
from litmus.claims.schema import way_out

if TYPE_CHECKING:
    from litmus.claims.study import Study


@dataclass(frozen=True, kw_only=True)
class AllOf(Prediction):
    """Each prediction named in `of` holds, whatever its kind and quantity.

    Confirmation null: some member's null; intersection–union. Rejection null: every member is true; Bonferroni.
    """

    kind: ClassVar[str] = "all_of"
    needs_quantity: ClassVar[bool] = False
    of: Any

    def members(self, study: Study, above: tuple[str, ...] = ()) -> list[Prediction]:
        """The member predictions; refuses unknown names and circles."""
        if not isinstance(self.of, Sequence) or isinstance(self.of, str) or not self.of:
            raise ValueError(f"{self.where('of')} must list predictions of this study, got {self.of!r}")
        found = []
        for name in self.of:
            if not isinstance(name, str) or name not in study.predictions:
                hint = way_out(str(name), study.predictions)
                raise ValueError(f"{self.where('of')} names the unknown prediction {name!r}; {hint}")
            if name == self.id or name in above:
                raise ValueError(f"{self.where('of')} leads back to {name!r}; a prediction cannot contain itself")
            member = study.predictions[name]
            if isinstance(member, AllOf):
                member.members(study, (*above, self.id))
            found.append(member)
        return found

    def selectors(self, study: Study) -> list[Selector]:
        """Every member's cells."""
        return [selector for member in self.members(study) for selector in member.selectors(study)]

    def named_arms(self, study: Study) -> tuple[str, ...]:
        """Every member's arms."""
        named = (arm for member in self.members(study) for arm in member.named_arms(study))
        return tuple(dict.fromkeys(named))

    def test(self, study: Study, contrast: ContrastMaker) -> Claim:
        """Every member's claim."""
        return Every([member.test(study, contrast) for member in self.members(study)])
