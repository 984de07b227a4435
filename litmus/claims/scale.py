"""How changes and values are read: their numbers, units, decimals and signs, for every sentence, picture and table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from litmus.claims.contrast import FEWEST_SEEDS, Contrast
from litmus.claims.quantity import Quantity
from litmus.words import count

# Beyond so many per cent a factor is shorter. So far down per cents no longer tell a thousandfold from a millionfold:
# an estimate below a hundredth, an end that would be told as −100.0 %.
MOST_PERCENT, LEAST_PERCENT, LEAST_END = 1000.0, -99.0, -99.95
# From this half-width on one decimal tells per cents and points.
ONE_DECIMAL = 0.1


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

    @property
    def most(self) -> int:
        """The most decimals that are written out."""
        return 4 if self.unit else 8

    def decimals(self, half: float) -> int:
        """Two significant digits of an interval's half-width; of per cent and points one decimal from 0.1 on."""
        if not (math.isfinite(half) and half > 0):
            return 1 if self.unit else 4
        return 1 if self.unit and half >= ONE_DECIMAL else max(0, 1 - math.floor(math.log10(half)))

    def factor(self, place: float) -> str:
        """The change as a factor: ×12, ÷8.0, to two digits."""
        times = self.quantity.sign * place
        return f"{'×' if times >= 0 else '÷'}{times_text(times)}"

    def text(self, place: float, decimals: int) -> str:
        """The number with its sign where it is a change: −13.3, +0.0042; where decimals do not suffice, +9.95e-10."""
        number = round(self.number(place), decimals)
        if self.number(place) == 0:
            return "0"
        if decimals > self.most and 0 < abs(number) < 10.0 ** (2 - self.most):
            sign = "−" if number < 0 else "+" if self.oriented else ""
            return f"{sign}{abs(number):.3g}"
        shown = f"{self.number(place):{'+' if self.oriented else ''},.{min(decimals, self.most)}f}".replace("-", "−")
        return shown.lstrip("+−") if not shown.strip("+−0.,") else shown

    def tick(self, place: float) -> str:
        """A tick's number with its unit: +5 %, 0, −0.02, ×8."""
        number = self.number(place)
        if place == 0 and self.oriented:
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


def ends_told(contrast: Contrast) -> list[float]:
    """Both ends of the interval where it is told: of three seeds or more, and finite."""
    low, high = (float(end) for end in contrast.interval)
    return [low, high] if math.isfinite(low) and math.isfinite(high) and contrast.n >= FEWEST_SEEDS else []


def decimals(contrast: Contrast) -> int:
    """Those that mean and interval share; where there is no width, the mean decides of per cent and points.

    No end is rounded to the other side of nothing, or of the smallest effect that matters, or onto them.
    """
    return shared_decimals(Scale(contrast.quantity, contrast.oriented), float(contrast.mean), ends_told(contrast))


def shared_decimals(scale: Scale, place: float, ends: Sequence[float]) -> int:
    """The same of a place on the scale and the ends of its interval, if there are any."""
    mean, numbers = abs(scale.number(place)), [scale.number(end) for end in ends]
    half = abs(numbers[1] - numbers[0]) / 2 if numbers else mean
    places = scale.decimals(half or (mean if scale.unit else 0.0))
    sesoi = scale.quantity.sesoi or 0.0
    bars = [scale.number(bar) for bar in (-sesoi, 0.0, sesoi)] if scale.oriented else []
    while places < scale.most and any(
        beyond(round(number, places), bar) != beyond(number, bar) for number in numbers for bar in bars
    ):
        places += 1
    return places


def beyond(number: float, bar: float) -> int:
    """On which side of a bar a number lies, −1 or 1; 0 on it."""
    return 0 if math.isclose(number, bar, rel_tol=1e-9, abs_tol=1e-12) else 1 if number > bar else -1


def divided(contrast: Contrast) -> bool:
    """Whether a fall is told as a factor: to less than a hundredth, or with an end that per cents cannot tell."""
    return fallen(Scale(contrast.quantity, contrast.oriented), float(contrast.mean), ends_told(contrast))


def fallen(scale: Scale, place: float, ends: Sequence[float]) -> bool:
    """The same of a place on the scale and the ends of its interval, if there are any."""
    mean, *numbers = [scale.number(one) for one in (place, *ends)]
    return scale.relative and (mean < LEAST_PERCENT or min(numbers, default=mean) < LEAST_END)


def as_factors(contrast: Contrast) -> bool:
    """Whether a comparison is told in factors, which are shorter where a change or an end of it is very large."""
    return in_factors(Scale(contrast.quantity, contrast.oriented), float(contrast.mean), ends_told(contrast))


def in_factors(scale: Scale, place: float, ends: Sequence[float]) -> bool:
    """The same of a place on the scale and the ends of its interval, if there are any."""
    large = max(scale.number(one) for one in (place, *ends)) > MOST_PERCENT
    return scale.relative and (large or fallen(scale, place, ends))


def change(scale: Scale, place: float, ends: Sequence[float]) -> tuple[str, str]:
    """A place with its unit and its interval, which share their decimals; the interval is empty without ends."""
    ends = sorted(ends, key=scale.number)
    if in_factors(scale, place, ends):
        told = [scale.factor(one) for one in (place, *ends)]
    else:
        places = shared_decimals(scale, place, ends)
        told = [scale.text(one, places) for one in (place, *ends)]
        told[0] += scale.unit
    return told[0], f"[{', '.join(told[1:])}]" if ends else ""


def effect(contrast: Contrast) -> tuple[str, str]:
    """Mean with its unit and interval, which share their decimals; in place of an interval of two seeds, their number.

    The unit stands on the mean alone; an arm's own value has no sign.
    """
    if contrast.fault or contrast.n == 0:
        return "—", "no value" if not contrast.fault else "cannot be judged"
    if contrast.by_failures:
        # Of two sides it matters whose runs ended so.
        fewer = "fails less often" if contrast.mean > 0 else "fails more often" if contrast.mean < 0 else "fails alike"
        return contrast.end if len(contrast.weights) == 1 else fewer, count(int(contrast.n), "seed")
    scale = Scale(contrast.quantity, contrast.oriented)
    ends, mean = ends_told(contrast), float(contrast.mean)
    if contrast.exact and not as_factors(contrast):
        number = scale.number(mean) + 0.0
        sign = "+" if scale.oriented and number > 0 else ""
        return f"{sign}{number:,.10g}{scale.unit}".replace("-", "−"), "exactly"
    told, interval = change(scale, mean, ends)
    return told, interval or count(int(contrast.n), "seed")
