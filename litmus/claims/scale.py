"""How changes and values are read: their numbers, units, decimals and signs, for every sentence, picture and table."""

from __future__ import annotations

import math
from dataclasses import dataclass

from litmus.claims.contrast import FEWEST_SEEDS, Contrast
from litmus.claims.quantity import Quantity
from litmus.words import count

# Beyond so many per cent a factor is shorter.
MOST_PERCENT = 1000.0


@dataclass(frozen=True)
class Scale:
    """From places on a quantity's scale to the numbers that are read: changes where oriented, else values."""

    quantity: Quantity
    oriented: bool = True

    @property
    def points(self) -> bool:
        """Whether the numbers are shares of samples, which are read in per cent."""
        quantity = self.quantity
        whole = quantity.at in ("best_val", "last", "best", "auc") and quantity.scale == "identity"
        return whole and quantity.metric.rpartition("/")[2] in ("acc", "accuracy")

    @property
    def relative(self) -> bool:
        """Whether the numbers are changes in per cent, and places their logarithms."""
        return self.oriented and self.quantity.scale == "log"

    @property
    def unit(self) -> str:
        """What stands behind a number."""
        return " pts" if self.points and self.oriented else " %" if self.points or self.relative else ""

    def number(self, place: float) -> float:
        """The number at a place."""
        signed = self.quantity.sign * place if self.oriented else place
        if self.quantity.scale == "log":
            # Beyond e^700 there is no number, and nothing to tell apart.
            return 100 * math.expm1(min(700.0, signed)) if self.oriented else math.exp(min(700.0, signed))
        return 100 * signed if self.points else signed

    def place(self, number: float) -> float:
        """The place of a number."""
        if self.quantity.scale == "log":
            signed = math.log1p(number / 100) if self.oriented else math.log(number)
        else:
            signed = number / 100 if self.points else number
        return self.quantity.sign * signed if self.oriented else signed

    def decimals(self, half: float) -> int:
        """One for per cent and points; else two significant digits of an interval's half-width."""
        if self.points or self.relative:
            return 1
        return max(0, min(8, 1 - math.floor(math.log10(half)))) if math.isfinite(half) and half > 0 else 4

    def factor(self, place: float) -> str:
        """The change as a factor: ×12, ÷8.0, to two digits."""
        times = self.quantity.sign * place
        return f"{'×' if times >= 0 else '÷'}{times_text(times)}"

    def text(self, place: float, decimals: int) -> str:
        """The number with its sign where it is a change: −13.3, +0.0042."""
        if self.number(place) == 0:
            return "0"
        shown = f"{self.number(place):{'+' if self.oriented else ''},.{decimals}f}".replace("-", "−")
        return shown.lstrip("+−") if not shown.strip("+−0.,") else shown

    def tick(self, place: float) -> str:
        """A tick's number with its unit: +5 %, 0, −0.02, ×8."""
        number = self.number(place)
        if abs(place) < 1e-9 and self.oriented:
            return "0"
        if self.relative and (number >= 200 or number < -90):
            times = math.exp(min(700.0, abs(self.quantity.sign * place)))
            return f"{'×' if number > 0 else '÷'}{times:,.3g}"
        return f"{number:{'+' if self.oriented else ''},.6g}".replace("-", "−") + self.unit

    def size(self, gain: float) -> str:
        """A size without direction: 2 %, 1 pts, 0.01."""
        number = abs(self.number(gain))
        return f"{number:,.0f}{self.unit}" if number >= 1000 else f"{number:.3g}{self.unit}"


def times_text(times: float) -> str:
    """The factor of a logarithm, whatever its sign: 4.0, 47, 1,300."""
    factor = math.exp(min(700.0, abs(times)))
    return f"{factor:.1f}" if factor < 9.95 else f"{factor:,.0f}" if factor < 1e6 else f"{factor:.2g}"


def as_factors(contrast: Contrast) -> bool:
    """Whether a comparison is told in factors, which are shorter where a change or an end of it is very large."""
    scale = Scale(contrast.quantity, contrast.oriented)
    ends = [float(end) for end in contrast.interval]
    counted = math.isfinite(ends[0]) and contrast.n >= FEWEST_SEEDS
    told = [float(contrast.mean), *(ends if counted else [])]
    return scale.relative and max(map(scale.number, told)) > MOST_PERCENT


def effect(contrast: Contrast) -> tuple[str, str]:
    """Mean with its unit and interval, which share their decimals; in place of an interval of two seeds, their number.

    The unit stands on the mean alone; an arm's own value has no sign.
    """
    if contrast.fault or contrast.n == 0:
        return "—", "no value" if not contrast.fault else "cannot be judged"
    if contrast.by_failures:
        return contrast.end, count(int(contrast.n), "seed")
    scale = Scale(contrast.quantity, contrast.oriented)
    ends = [float(end) for end in contrast.interval]
    counted = math.isfinite(ends[0]) and contrast.n >= FEWEST_SEEDS
    numbers = [scale.number(end) for end in ends] if counted else []
    places = scale.decimals(abs(numbers[1] - numbers[0]) / 2 if counted else abs(scale.number(float(contrast.mean))))
    everything = [float(contrast.mean), *(ends if counted else [])]
    if as_factors(contrast):
        low, high = sorted(ends, key=scale.number)
        between = f"[{scale.factor(low)}, {scale.factor(high)}]" if counted else count(int(contrast.n), "seed")
        return scale.factor(everything[0]), between
    if contrast.exact:
        number = scale.number(everything[0]) + 0.0
        sign = "+" if scale.oriented and number > 0 else ""
        return f"{sign}{number:,.10g}{scale.unit}".replace("-", "−"), "exactly"
    told = scale.text(everything[0], places) + scale.unit
    if not counted:
        return told, count(int(contrast.n), "seed")
    low, high = sorted(ends, key=scale.number)
    return told, f"[{scale.text(low, places)}, {scale.text(high, places)}]"
