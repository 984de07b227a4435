"""Isolation plots: the best that each value of one setting reached, whatever the others were."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from litmus.report.blocks import Picture
from litmus.report.figures.picture import legend, picture
from litmus.report.figures.style import INK, MUTED, PAPER, colour_of, dash_of, plain_axis, short
from litmus.words import plain

Point = tuple[float, float]


def tuned(
    name: str,
    setting: str,
    label: str,
    log: bool,
    arms: Mapping[str, Sequence[Point]],
    shown: Sequence[str],
    sign: int,
    ends: Sequence[float] = (),
) -> Picture:
    """The selection metric over one nuisance setting, a line per arm; ring: the best trial, dotted: the range."""

    def draw(axes: Any) -> None:
        for arm, points in arms.items():
            ordered = sorted(points)
            colour = colour_of(arm, shown)
            own = arm in shown
            axes.plot(
                *zip(*ordered, strict=True),
                color=colour,
                linestyle=dash_of(arm, shown),
                marker="o",
                markersize=4 if own else 2,
                linewidth=1.4 if own else 0.5,
                label=short(arm) if own else None,
            )
            best = max(ordered, key=lambda point: sign * point[1])
            axes.plot([best[0]], [best[1]], "o", color=colour, markersize=9, fillstyle="none", markeredgewidth=1.8)
        for end in ends:
            axes.axvline(end, color=MUTED, linestyle=":", linewidth=1)
        if log:
            axes.set_xscale("log")
            plain_axis(axes.xaxis, "log")
        axes.set_xlabel(setting)
        axes.set_ylabel(f"{label}, tuning trials")
        legend(axes)

    best = {arm: max(points, key=lambda point: sign * point[1]) for arm, points in arms.items()}
    told = "; ".join(f"{arm}: {plain(point[0], 3)} with {plain(point[1], 3)}" for arm, point in list(best.items())[:8])
    alt = f"{label} over {setting} in the tuning trials of {len(arms)} arms. Best: {told}."
    caption = f"{label} over {setting}: a dot per tuning trial, a ring at each arm's best, dotted lines at the range."
    lines = len(shown) if max(map(len, shown)) > 22 else (len(shown) + 1) // 2
    return picture(name, alt, caption, draw, height=2.9 + 0.17 * lines)


def isolated(name: str, factor: str, label: str, points: Sequence[tuple[str, float]], sign: int) -> Picture:
    """A dot per arm at its level of the factor, and the best of each level joined: levels in their order of size."""
    levels = list(dict.fromkeys(level for level, _ in points))
    best = [max((value for level, value in points if level == wanted), key=lambda v: sign * v) for wanted in levels]

    def draw(axes: Any) -> None:
        axes.plot([levels.index(level) for level, _ in points], [v for _, v in points], "o", color=MUTED, markersize=4)
        axes.plot(range(len(levels)), best, color=INK, marker="o", markersize=7, markeredgecolor=PAPER)
        axes.set_xticks(range(len(levels)), [short(level, 12) for level in levels])
        axes.set_xlim(-0.4, len(levels) - 0.6)
        axes.set_xlabel(factor)
        axes.set_ylabel(label)
        axes.grid(axis="x", visible=False)

    told = ", ".join(f"{level}: {plain(value, 4)}" for level, value in zip(levels, best, strict=True))
    alt = f"Best mean {label} per level of {factor}, whatever the other factors. {told}."
    caption = f"{factor} in isolation: a dot per arm, the best of each level joined."
    return picture(name, alt, caption, draw, height=2.8)
