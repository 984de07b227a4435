"""How figures look: one ink, one palette that colour-blind readers can tell apart, both themes from one drawing.

Every colour below is also a variable of the page's style sheet (`VARIABLES`), so that a drawing made once follows the
reader's light or dark theme.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

INK, MUTED, GRID, PAPER, BAND = "#24292f", "#656d76", "#d8dee4", "#ffffff", "#e6ebf0"
# Okabe & Ito's colours (2008) without yellow and black, which one theme or the other swallows.
SERIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#8c6d46", "#7f7f7f")
# Verdicts have colours of their own, the same on pages, in pictures and, as far as it can, on the terminal.
VERDICTS = {"confirmed": "#1a7f37", "rejected": "#bc4c00", "inconclusive": "#6e7781"}
SHAPES = {"confirmed": "o", "rejected": "X", "inconclusive": "D"}
# The second four begin elsewhere: two blues, the first and the fifth, may not both be drawn through.
DASHES = ("-", "--", "-.", ":", "--", "-.", ":", "-")
VARIABLES = {
    INK: "--ink",
    MUTED: "--muted",
    GRID: "--grid",
    PAPER: "--paper",
    BAND: "--band",
    **{colour: f"--{word}" for word, colour in VERDICTS.items()},
    **{colour: f"--series-{place}" for place, colour in enumerate(SERIES, start=1)},
}
WIDTH = 5.0  # inches: 360 points, so that a phone shows the letters at their own size
WIDE = 10.0  # inches, for pages that are at least as wide

SETTINGS: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 10.5,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 10.5,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.unicode_minus": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 9.5,
    "ytick.labelsize": 9.5,
    "legend.frameon": False,
    "legend.fontsize": 9.5,
    "figure.facecolor": PAPER,
    "axes.facecolor": PAPER,
    "savefig.facecolor": PAPER,
    "svg.fonttype": "none",
    "text.parse_math": False,  # a name may hold a dollar sign
    "lines.linewidth": 1.6,
}


def colour_of(arm: str, shown: Sequence[str]) -> str:
    """An arm's colour, the same in every figure; grey for the many that have none of their own."""
    return SERIES[list(shown).index(arm) % len(SERIES)] if arm in shown else MUTED


def dash_of(arm: str, shown: Sequence[str]) -> str:
    """An arm's line, so that colour is never the only difference."""
    return DASHES[list(shown).index(arm) % len(DASHES)] if arm in shown else "-"


def short(name: str, most: int = 40) -> str:
    """A name cut in its middle."""
    return name if len(name) <= most else f"{name[: most - most // 3 - 1]}…{name[-(most // 3) :]}"


def scale_of(values: Sequence[float], ratio: float = 20.0) -> str:
    """`log` when positive values span more than the ratio, else `linear`."""
    finite = [value for value in values if math.isfinite(value)]
    return "log" if finite and min(finite) > 0 and max(finite) > ratio * min(finite) else "linear"


def plain_axis(axis: Any, scale: str, most: int = 8) -> None:
    """Numbers as people write them on a logarithmic axis that spans little: 0.3, 0.5, 2, 1,000, 1e-4."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter

    if scale != "log":
        return
    low, high = sorted(axis.get_view_interval())
    axis.set_major_locator(FixedLocator(round_numbers(low, high, most)))
    axis.set_major_formatter(FuncFormatter(tick))
    axis.set_minor_formatter(NullFormatter())


def round_numbers(low: float, high: float, most: int) -> list[float]:
    """At most so many round numbers between two positive ends, equally far from each other in their logarithms."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    found: list[float] = []
    for subs in ((1.0,), (1.0, 3.0), (1.0, 2.0, 5.0), (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)):
        more = [sub * 10.0**power for power in range(first, last + 1) for sub in subs]
        more = [value for value in more if low <= value <= high]
        if len(more) > most:
            break
        found = more
    if len(found) < 2:
        powers = [10.0**power for power in range(first, last + 1) if low <= 10.0**power <= high]
        found = powers[:: -(-len(powers) // most)] if powers else [low, high]
    return found


def tick(value: float, _: object = None) -> str:
    """A tick's number without needless zeros."""
    if value and not 1e-3 <= abs(value) < 1e6:
        mantissa, exponent = f"{value:.0e}".split("e")
        return f"{mantissa}e{int(exponent)}".replace("-", "−")
    return f"{value:,.6g}".replace("-", "−")
