"""The forest plot: every contrast with its interval, against zero and against the smallest effect of interest."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from litmus.claims.leaf import Gain, Inside
from litmus.claims.quantity import Quantity
from litmus.claims.verdict import Verdict
from litmus.report.blocks import Picture
from litmus.report.figures.picture import picture
from litmus.report.figures.style import BAND, INK, MUTED, PAPER, SERIES, short
from litmus.words import plain

COLOURS = {"confirmed": SERIES[0], "rejected": SERIES[1], "inconclusive": MUTED}
MARKERS = {"confirmed": "o", "rejected": "X", "inconclusive": "s"}
# Labels stand on paper, so that no line runs through them.
LABEL = {"facecolor": PAPER, "edgecolor": "none", "pad": 0.8, "alpha": 0.85}
Row = tuple[Verdict, Gain | Inside]


def forest(name: str, quantity: Quantity, rows: Sequence[Row], left_out: int = 0) -> Picture:
    """Gains of a quantity, right = as predicted; the band spans ±sesoi and a tick marks what each claim needs."""
    low, high = window(quantity, rows)

    def draw(axes: Any) -> None:
        heights = _rows(axes, rows, low, high)
        if quantity.sesoi is not None:
            axes.axvspan(-quantity.sesoi, quantity.sesoi, color=BAND, zorder=0, linewidth=0)
        axes.axvline(0, color=INK, linewidth=0.9, zorder=1)
        for height, (_, leaf) in zip(heights, rows, strict=True):
            for bar in bars(leaf):
                axes.plot([bar, bar], [height - 0.22, height + 0.22], color=INK, linewidth=1.4, zorder=2)
        axes.set_xlim(low, high)
        places = ticks(quantity, low, high)
        axes.set_xticks(places, [named(quantity, place) for place in places])
        axes.set_xlabel(f"change of {quantity.label}   (right = predicted direction →)")

    return picture(
        name, _alt(quantity, rows), _caption(quantity, left_out), draw, height=0.4 * -heights_of(rows)[-1] + 0.85
    )


def values(name: str, quantity: Quantity, rows: Sequence[Row]) -> Picture:
    """Means of arms themselves with their intervals, against the range that each claim allows (thick line)."""
    natural = math.exp if quantity.scale == "log" else float
    places = [float(end) for _, leaf in rows for end in (*leaf.contrast.interval, leaf.contrast.mean, *bars(leaf))]
    ends = [natural(place) for place in places if math.isfinite(place) and abs(place) < 700] or [0.0, 1.0]
    margin = 0.08 * (max(ends) - min(ends)) or 1.0
    low, high = min(ends) - margin, max(ends) + margin

    def draw(axes: Any) -> None:
        heights = _rows(axes, rows, low, high, natural)
        for height, (_, leaf) in zip(heights, rows, strict=True):
            if isinstance(leaf, Inside):
                start = natural(leaf.low) if math.isfinite(leaf.low) else low
                stop = natural(leaf.high) if math.isfinite(leaf.high) else high
                axes.plot([start, stop], [height - 0.2] * 2, color=INK, linewidth=2.4, solid_capstyle="butt")
        axes.set_xlim(low, high)
        axes.set_xlabel(quantity.label)

    caption = f"{quantity.label.capitalize()}: mean and 95 % interval; the dark bar below each is the claimed range."
    return picture(name, _alt(quantity, rows), caption, draw, height=0.4 * -heights_of(rows)[-1] + 0.85)


def bars(leaf: Gain | Inside) -> list[float]:
    """What the claim needs, as places on the scale."""
    ends = [leaf.bar] if isinstance(leaf, Gain) else [leaf.low, leaf.high]
    return [end for end in ends if math.isfinite(end)]


def window(quantity: Quantity, rows: Sequence[Row]) -> tuple[float, float]:
    """What to show: all means and bars, and of wide intervals as much as leaves the rest readable."""
    centres = [quantity.sesoi or 0.0]
    ends = []
    for _, leaf in rows:
        contrast = leaf.contrast
        centres += [abs(bar) for bar in bars(leaf)]
        if contrast.n and not contrast.by_failures and not contrast.fault:
            centres.append(abs(float(contrast.mean)))
            ends += [abs(float(end)) for end in contrast.interval if math.isfinite(end)]
    # Two clusters of very different size are shown at the scale of the larger.
    widest = min(max([*ends, *centres]), 3 * max(centres)) or 1.0
    low = -widest if any(_reaches(leaf, -0.15 * widest) for _, leaf in rows) else -0.25 * widest
    return 1.08 * low, 1.08 * widest


def named(quantity: Quantity, place: float) -> str:
    """A tick's change of the metric: +20 %, −0.01, 0."""
    return "0" if abs(place) < 1e-9 else quantity.change(place).replace(".0 %", " %")


def _reaches(leaf: Gain | Inside, place: float) -> bool:
    contrast = leaf.contrast
    if contrast.n == 0 or contrast.fault:
        return False
    if contrast.by_failures and contrast.mean < 0:
        return True
    return float(contrast.interval[0]) < place or any(bar < place for bar in bars(leaf))


def ticks(quantity: Quantity, low: float, high: float) -> list[float]:
    """Round changes of the metric (per cent on the log scale) as places on the scale."""
    from matplotlib.ticker import MaxNLocator

    locator = MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10])
    if quantity.scale != "log":
        return [float(place) for place in locator.tick_values(low, high) if low <= place <= high]
    ends = sorted(math.expm1(quantity.sign * end) for end in (low, high))
    shares = [float(share) for share in locator.tick_values(100 * ends[0], 100 * min(ends[1], 20.0))]
    places = [quantity.sign * math.log1p(share / 100) for share in shares if share > -100]
    return sorted(place for place in places if low <= place <= high)


def heights_of(rows: Sequence[Row]) -> list[float]:
    """Where each row's interval lies: the first of a prediction leaves room for its title."""
    place, heights = 0.0, []
    for index, (verdict, _) in enumerate(rows):
        titled = index == 0 or rows[index - 1][0].id != verdict.id
        place -= 1.5 if titled else 1.0
        heights.append(place)
    return heights


def _rows(axes: Any, rows: Sequence[Row], low: float, high: float, natural: Any = float) -> list[float]:
    """Draws every row's label and interval; returns the rows' heights."""
    heights = heights_of(rows)
    before = ""
    for height, (verdict, leaf) in zip(heights, rows, strict=True):
        if verdict.id != before:
            title = f"{verdict.id}: {verdict.verdict}{' (primary)' if verdict.primary else ''}"
            _label(axes, height + 0.86, short(title, 52), fontweight="bold")
        before = verdict.id
        _label(axes, height + 0.42, short(f"{leaf.contrast.subject} {leaf.contrast.reference}".strip(), 62))
        _interval(axes, height, verdict, leaf, (low, high), natural)
    axes.set_ylim(heights[-1] - 0.45, 0.1)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.grid(axis="y", visible=False)
    return heights


def _label(axes: Any, height: float, text: str, **style: Any) -> None:
    place = axes.get_yaxis_transform()
    axes.text(0, height, text, transform=place, fontsize=9.5, va="center", bbox=LABEL, zorder=6, **style)


def _interval(
    axes: Any, height: float, verdict: Verdict, leaf: Gain | Inside, window: tuple[float, float], natural: Any
) -> None:
    contrast, (low, high) = leaf.contrast, window
    colour = COLOURS[verdict.verdict]
    if contrast.fault or contrast.n == 0:
        why = "cannot be judged" if contrast.fault else "no complete pair of seeds"
        axes.text((low + high) / 2, height, why, fontsize=9, color=MUTED, va="center", ha="center", style="italic")
        return
    if contrast.by_failures:
        side = low if contrast.mean < 0 else high
        if math.isinf(contrast.mean):
            axes.plot([0, side], [height] * 2, color=colour, linestyle=":")
        axes.text(side / 2, height + 0.12, contrast.end, fontsize=9, color=MUTED, ha="center")
        return
    start, stop = (natural(float(end)) if math.isfinite(end) else float(end) for end in contrast.interval)
    axes.plot([max(start, low), min(stop, high)], [height] * 2, color=colour, linewidth=2, zorder=3)
    for cut, side, marker in ((start < low, low, "<"), (stop > high, high, ">")):
        if cut:
            axes.plot([side], [height], marker=marker, color=colour, markersize=6, clip_on=False, zorder=4)
    axes.plot(
        [natural(float(contrast.mean))],
        [height],
        marker=MARKERS[verdict.verdict],
        color=colour,
        markersize=7,
        markeredgecolor=PAPER,
        markeredgewidth=0.8,
        zorder=5,
    )


def _alt(quantity: Quantity, rows: Sequence[Row]) -> str:
    told = []
    for verdict, leaf in rows[:6]:
        contrast = leaf.contrast
        mean = "no value" if contrast.n == 0 or contrast.fault else plain(float(contrast.mean), 3)
        told.append(f"{verdict.id} ({verdict.verdict}) {contrast.subject} {contrast.reference}".strip() + f": {mean}")
    more = f"; and {len(rows) - 6} more" if len(rows) > 6 else ""
    return f"Forest plot of {quantity.label}, gains on the {quantity.scale} scale. {'; '.join(told)}{more}."


def _caption(quantity: Quantity, left_out: int) -> str:
    sesoi = "" if quantity.sesoi is None else f" The band is ±{quantity.size(quantity.sesoi)}, too small to matter;"
    tail = " a short dark tick is what the claim needs." if sesoi else " A short dark tick is what the claim needs."
    rest = f" {left_out} further contrasts are in the table only." if left_out else ""
    return (
        f"{quantity.label.capitalize()}: mean paired difference with its 95 % t interval.{sesoi}{tail}"
        f" Circle: confirmed; cross: rejected; square: inconclusive.{rest}"
    )
