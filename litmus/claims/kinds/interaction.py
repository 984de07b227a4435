"""`interaction`: what two changes do together, beyond what each does alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from litmus.claims.arms import Selector
from litmus.claims.claims import Claim
from litmus.claims.contrast import ContrastMaker, UndecidableError
from litmus.claims.leaf import Gain, Inside
from litmus.claims.prediction import Prediction, difference, refuse_shared
from litmus.claims.schema import one_of

if TYPE_CHECKING:
    from litmus.claims.study import Study

FORMS = ("synergy", "redundancy", "none")


@dataclass(frozen=True, kw_only=True)
class Interaction(Prediction):
    """c = u(both) − u(first) − u(second) + u(neither): on the log scale about ratios, on identity about sums.

    synergy: c > `by` and c ≥ sesoi. redundancy: the same of −c. none: c inside ±sesoi (two one-sided tests).
    Confirmation nulls: c ≤ by, −c ≤ by, |c| ≥ sesoi; rejection nulls: c ≥ max(by, sesoi), −c ≥ …, |c| ≤ sesoi.
    The cells come from `factors: {a: [off, on], b: [off, on]}`, or `neither first second both`, or from a study
    that is itself a 2×2.
    """

    kind: ClassVar[str] = "interaction"
    form: str = "synergy"
    by: Any = 0.0
    factors: Any = None
    neither: Any = None
    first: Any = None
    second: Any = None
    both: Any = None

    def selectors(self, study: Study) -> list[Selector]:
        """neither, first, second, both."""
        named = [self.neither, self.first, self.second, self.both]
        if any(cell is not None for cell in named):
            if any(cell is None for cell in named) or self.factors is not None:
                raise ValueError(f"study.predictions.{self.id} needs factors, or all of neither, first, second, both")
            return named
        factors = study.factors if self.factors is None else self.factors
        if not isinstance(factors, Mapping) or len(factors) != 2:
            raise ValueError(f"{self.where('factors')} must name two factors as {{name: [off, on]}}, got {factors!r}")
        if any(not isinstance(levels, list | tuple) or len(levels) != 2 for levels in factors.values()):
            raise ValueError(f"{self.where('factors')} must give two levels each, [off, on], got {dict(factors)!r}")
        (a, (a_off, a_on)), (b, (b_off, b_on)) = factors.items()
        return [{a: x, b: y} for x, y in ((a_off, b_off), (a_on, b_off), (a_off, b_on), (a_on, b_on))]

    def check(self, study: Study) -> None:
        """Refuse an unknown form, an unreadable `by`, and cells that share an arm."""
        one_of(self.form, self.where("form"), FORMS)
        self.measured(study).margin(self.by, self.where("by"))
        refuse_shared(study, f"study.predictions.{self.id}", *self.selectors(study))

    def test(self, study: Study, contrast: ContrastMaker) -> Claim:
        """The one contrast of the 2×2."""
        quantity = self.measured(study)
        neither, first, second, both = self.selectors(study)
        sign = -1 if self.form == "redundancy" else 1
        weighted = difference(study, (both, sign), (first, -sign), (second, -sign), (neither, sign))
        subject = "what the two share" if sign < 0 else "both together"
        reference = "(the parts' effects minus the combination's)" if sign < 0 else "than the two effects add up to"
        made = contrast(quantity, weighted, subject, reference, rivals=False)
        if self.form == "none":
            if quantity.sesoi is None:
                raise UndecidableError("no sesoi says how large an interaction would matter")
            return Inside(made, -quantity.sesoi, quantity.sesoi)
        return Gain(made, quantity.margin(self.by, self.where("by")), quantity.sesoi or 0.0)
