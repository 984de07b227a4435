"""One comparison in one lane: the band of what does not matter, what the claim needs, the interval, its own outcome."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from litmus.claims.contrast import FEWEST_SEEDS
from litmus.claims.leaf import Gain
from litmus.claims.scale import Scale, effect
from litmus.report.effects import Leaf, bars, outcome
from litmus.report.figures.style import BAND, INK, MUTED, PAPER, SHAPES, VERDICTS

# A bar so many times further away than all that was found does not stretch the axis.
FAR = 4.0


def drawable(leaf: Leaf) -> bool:
    """Whether the comparison has a mean to draw."""
    contrast = leaf.contrast
    return bool(contrast.n) and not contrast.fault and not contrast.by_failures


def interval(leaf: Leaf) -> tuple[float, float] | None:
    """The interval as places; none of fewer than three seeds."""
    low, high = (float(end) for end in leaf.contrast.interval)
    known = math.isfinite(low) and math.isfinite(high) and leaf.contrast.n >= FEWEST_SEEDS
    return (low, high) if known else None


def level(leaves: Iterable[Leaf]) -> str:
    """The level of the intervals, which are those that verdicts use: 95 %, more where looks are counted."""
    return f"{100 * (1 - min(leaf.contrast.alpha for leaf in leaves)):.4g} %"


def limits(scale: Scale, leaves: Sequence[Leaf], more: Iterable[float] = ()) -> tuple[float, float]:
    """From where to where the axis runs: all that was found, bars that are near, the band and a margin."""
    sesoi = scale.quantity.sesoi or 0.0
    found = [float(leaf.contrast.mean) for leaf in leaves if drawable(leaf)]
    core = [*found, *more, *([0.0, -1.35 * sesoi, 1.35 * sesoi] if scale.oriented else [])]
    reach = max(map(abs, core), default=1.0)
    ends = [end for leaf in leaves if drawable(leaf) for end in interval(leaf) or ()]
    # Of an interval that is far wider than all else, as much is shown as leaves the rest readable.
    core += [max(-FAR * reach, min(FAR * reach, end)) for end in ends] if scale.oriented else ends
    near = FAR * max(map(abs, core), default=1.0)
    core += [bar for leaf in leaves for bar in bars(leaf) if abs(bar) <= near or not scale.oriented]
    low, high = min(core, default=0.0), max(core, default=1.0)
    margin = 0.06 * (high - low) or 0.1 * abs(high) or 1.0
    return low - margin, high + margin


def unreached(leaf: Leaf, window: tuple[float, float]) -> str:
    """What the claim needs where that lies beyond the axis: needs 50 %."""
    scale = Scale(leaf.contrast.quantity, leaf.contrast.oriented)
    beyond = [bar for bar in bars(leaf) if not window[0] <= bar <= window[1]]
    return f"needs {scale.size(beyond[0])}" if beyond and isinstance(leaf, Gain) else ""


def draw_lane(axes: Any, leaf: Leaf, top: float, bottom: float, middle: float, thick: float = 2.2) -> None:
    """Everything between two heights, the interval at the middle one."""
    quantity, oriented = leaf.contrast.quantity, leaf.contrast.oriented
    low, high = axes.get_xlim()
    if oriented:
        if quantity.sesoi:
            axes.fill_between([-quantity.sesoi, quantity.sesoi], top, bottom, color=BAND, linewidth=0, zorder=0)
        axes.plot([0, 0], [top, bottom], color=MUTED, linewidth=0.9, zorder=1)
    draw_bars(axes, leaf, middle)
    if not drawable(leaf):
        if leaf.contrast.by_failures and leaf.contrast.mean == leaf.contrast.mean:
            side, marker = (low, "<") if leaf.contrast.mean < 0 else (high, ">")
            axes.plot([side], [middle], marker, color=VERDICTS[outcome(leaf)], markersize=6, clip_on=False)
        return
    colour, mean, ends = VERDICTS[outcome(leaf)], float(leaf.contrast.mean), interval(leaf)
    if ends is not None and not leaf.contrast.exact:
        start, stop = ends
        axes.plot(
            [max(start, low), min(stop, high)], [middle] * 2,
            color=colour, linewidth=thick, zorder=3, solid_capstyle="butt",
        )  # fmt: skip
        arrowheads(axes, (start, stop), middle, colour)
    axes.plot(
        [mean], [middle], SHAPES[outcome(leaf)], color=colour, markersize=7, zorder=5,
        markeredgecolor=PAPER, markeredgewidth=0.9,
    )  # fmt: skip


def arrowheads(axes: Any, ends: tuple[float, float], middle: float, colour: str) -> None:
    """A head at each end of the axis beyond which an interval goes on."""
    low, high = axes.get_xlim()
    for cut, side, marker in ((ends[0] < low, low, "<"), (ends[1] > high, high, ">")):
        if cut:
            axes.plot([side], [middle], marker, color=colour, markersize=6, clip_on=False, zorder=4)


def draw_bars(axes: Any, leaf: Leaf, middle: float) -> None:
    """A mark where a gain is enough, brackets around a range."""
    low, high = axes.get_xlim()
    if isinstance(leaf, Gain):
        if low <= leaf.bar <= high:
            axes.plot([leaf.bar] * 2, [middle - 6.5, middle + 6.5], color=INK, linewidth=1.7, zorder=2)
        return
    foot = 0.012 * (high - low)
    for end, inward in ((leaf.low, foot), (leaf.high, -foot)):
        if low <= end <= high:
            places = [end + inward, end, end, end + inward]
            heights = [middle - 6.5, middle - 6.5, middle + 6.5, middle + 6.5]
            axes.plot(places, heights, color=INK, linewidth=1.4, zorder=2)


def told(name: str, leaf: Leaf) -> str:
    """A row of the alternative text: instance vs none −13.3 % [−17.4, −8.9]."""
    mean, ends = effect(leaf.contrast)
    return f"{name} {mean} {ends}"
