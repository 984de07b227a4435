"""`interaction`: what two changes do together, beyond what each does alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from litmus.claims.arms import Selector, describe
from litmus.claims.claims import Claim
from litmus.claims.contrast import ContrastMaker, UndecidableError
from litmus.claims.leaf import Gain, Inside
from litmus.claims.notation import text
from litmus.claims.prediction import Prediction, difference, refuse_shared
from litmus.claims.schema import one_of

if TYPE_CHECKING:
    from litmus.claims.study import Study

FORMS = ("synergy", "redundancy", "none")
# Levels that switch off whatever they are of.
OFF = ("none", "null", "false", "off")


@dataclass(frozen=True, kw_only=True)
class Interaction(Prediction):
    """c = u(both) − u(first) − u(second) + u(neither): on the log scale about ratios, on identity about sums.

    synergy: c > `by` and c ≥ sesoi. redundancy: the same of −c. none: c inside ±sesoi (two one-sided tests).
    Confirmation nulls: c ≤ by, −c ≤ by, |c| ≥ sesoi; rejection nulls: c ≥ max(by, sesoi), −c ≥ …, |c| ≤ sesoi.
    The cells come from `factors: {a: [off, on], b: [off, on]}`, or `neither first second both`, or from a study
    that is itself a 2×2: there the level that switches a factor off comes first, whatever the order of the list.
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
        if self.factors is None:
            factors = {name: _ordered(study, name, levels)[0] for name, levels in factors.items()}
        (a, (a_off, a_on)), (b, (b_off, b_on)) = factors.items()
        return [{a: x, b: y} for x, y in ((a_off, b_off), (a_on, b_off), (a_off, b_on), (a_on, b_on))]

    def _cells(self, study: Study) -> str:
        """What the four cells are, where nothing says which levels are off; the sign hangs on it."""
        if self.neither is not None or self.factors is not None:
            return ""
        if all(_ordered(study, name, levels)[1] for name, levels in study.factors.items()):
            return ""
        cells = zip(("neither", "first", "second", "both"), self.selectors(study), strict=True)
        return f" [{'; '.join(f'{name}: {describe(cell)}' for name, cell in cells)}]"

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
        made = contrast(quantity, weighted, subject, reference + self._cells(study), rivals=False)
        if self.form == "none":
            if quantity.sesoi is None:
                raise UndecidableError("no sesoi says how large an interaction would matter")
            return Inside(made, -quantity.sesoi, quantity.sesoi)
        return Gain(made, quantity.margin(self.by, self.where("by")), quantity.sesoi or 0.0)


def _ordered(study: Study, factor: str, levels: Sequence[Any]) -> tuple[Sequence[Any], bool]:
    """Both levels of a factor, off first, and whether it is known which of them is off; else as they are listed."""
    known = factor in study.off or study.off_level(factor) is not None
    off = [text(level) in ((text(study.off_level(factor)),) if known else OFF) for level in levels]
    return (levels if off[0] or not off[1] else levels[::-1]), sum(off) == 1
