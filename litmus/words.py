"""Every number and count as text: as many digits as their spread supports, a true minus, thin groups of thousands."""

import math
from collections.abc import Iterable, Sequence

# The most decimals that are written out, and the least spread that they tell with two digits.
MOST_PLACES, LEAST_FIXED = 8, 1e-7


def count(number: int, thing: str) -> str:
    """1 trial, 2 trials."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def plain(value: float | None, digits: int = 4) -> str:
    """A number with a few significant digits: 0.3514, 12,500, 3.2e-05; a dash when there is none."""
    if value is None or math.isnan(value):
        return "—"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value == int(value) and abs(value) < 1e15:
        shown = f"{int(value):,}"
    elif abs(value) >= 10**digits:
        shown = f"{value:,.0f}"
    else:
        shown = f"{value:.{digits}g}"
    return f"−{shown[1:]}" if shown.startswith("-") else shown


def metric_text(value: float | None) -> str:
    """A metric of a run among others: four decimals, so that they stand below each other; of other sizes as `plain`."""
    if value is None or not (value == 0 or 0.01 <= abs(value) < 100_000):
        return plain(value)
    return fixed(value, 4)


def aligned(value: float, column: Sequence[float]) -> str:
    """A number among others, all with as many decimals where their sizes are alike: 0.370 beside 0.516."""
    largest, smallest = max(map(abs, column)), min(map(abs, column))
    if not 0 < smallest <= largest < 100 * smallest or largest >= 1000:
        return plain(value, 3)
    return fixed(value, max(0, 2 - math.floor(math.log10(largest))))


def fixed(value: float, places: int) -> str:
    """A number to so many decimals; what rounds to zero has no sign."""
    shown = f"{value:,.{places}f}"
    return (shown if shown.strip("-0.,") else shown.lstrip("-")).replace("-", "−")


def decimals(sd: float) -> int | None:
    """Decimals that show two significant digits of a spread; None when there is no spread."""
    if not math.isfinite(sd) or sd <= 0:
        return None
    return max(0, min(MOST_PLACES, 1 - math.floor(math.log10(sd))))


def significant(value: float, spread: float) -> str:
    """A number with as many significant digits as two of its spread reach: −1.29e-09 of a spread of 3e-11."""
    size = max(abs(value), spread)
    return plain(value, 2 + math.floor(math.log10(size)) - math.floor(math.log10(spread)))


def plus_minus(mean: float, sd: float) -> str:
    """0.351 ± 0.019; the mean alone where one value has no spread."""
    places = decimals(sd)
    if math.isnan(mean):
        return "—"
    if places is None:
        return plain(mean)
    if sd < LEAST_FIXED:
        return f"{significant(mean, sd)} ± {significant(sd, sd)}"
    return f"{fixed(mean, places)} ± {fixed(sd, places)}"


def between(low: float, high: float) -> str:
    """[0.331, 0.372], to two digits of its width; a dash when it is unbounded."""
    places = decimals(high - low)
    if not (math.isfinite(low) and math.isfinite(high)):
        return "—"
    if places is None:
        return plain(low)
    if high - low < LEAST_FIXED:
        return f"[{significant(low, high - low)}, {significant(high, high - low)}]"
    return f"[{fixed(low, places)}, {fixed(high, places)}]"


def probability(p: float) -> str:
    """A p value: 0.031, < 0.001."""
    if p < 0.001:
        return "< 0.001"
    return f"{p:.2g}"


def duration(seconds: float) -> str:
    """12.3 s, 4.5 min, 2.1 h."""
    if seconds < 90:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.1f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def sentence(text: str, names: Iterable[str] = ()) -> str:
    """The text with a capital and a full stop; one of the names, or what looks like one, keeps its spelling."""
    text = text.strip()
    if not text:
        return text
    first = text.split()[0].rstrip(",:;.")
    named = first in names or any(sign in first for sign in "_=/.[") or any(one.isdigit() for one in first)
    return (text if named else text[0].upper() + text[1:]) + ("" if text[-1] in ".?!" else ".")
