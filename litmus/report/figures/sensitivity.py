"""What a tuned setting did: the selection metric over its values, arm by arm."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from litmus.report.blocks import Picture
from litmus.report.figures.picture import legend, legend_height, picture
from litmus.report.figures.style import MUTED, colour_of, dash_of, plain_axis
from litmus.words import count, plain

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
    names: Mapping[str, str] | None = None,
    edges: Mapping[str, str] | None = None,
    study: str = "",
) -> Picture:
    """The selection metric over one nuisance setting, a line per arm; ring: the best value, dotted: the range.

    Where a value was tried on several seeds, its mean is drawn. Scores far worse than the worst that was chosen do not
    flatten the rest: they are arrowheads at the edge.
    """
    means = {arm: averaged(points) for arm, points in arms.items()}
    once = all(len(means[arm]) == len(points) for arm, points in arms.items())
    what, arms = "tuning trial" if once else "value, its mean over trials", means
    spelled = {arm: (names or {}).get(arm, arm) for arm in arms}
    spelled |= {arm: f"{spelled[arm]} (at the edge)" for arm, side in (edges or {}).items() if side and arm in arms}
    order = [arm for arm in shown if arm in arms] + [arm for arm in arms if arm not in shown]
    chosen = [max(sign * score for _, score in points) for points in arms.values()]
    worst = sign * min(chosen, default=0.0)
    limit = 1.5 * worst if sign < 0 and worst > 0 else worst / 1.5 if sign > 0 and worst > 0 else -sign * math.inf

    def draw(axes: Any) -> None:
        for arm in order:
            ordered = [(x, min(y, limit) if sign < 0 else max(y, limit)) for x, y in arms[arm]]
            cut = [point for point in ordered if point[1] == limit]
            colour = colour_of(arm, shown)
            own = arm in shown
            axes.plot(
                *zip(*ordered, strict=True),
                color=colour,
                linestyle=dash_of(arm, shown),
                marker="o",
                markersize=4 if own else 2,
                linewidth=1.4 if own else 0.5,
                label=spelled[arm] if own else None,
            )
            if cut:
                axes.plot(*zip(*cut, strict=True), "^" if sign < 0 else "v", color=colour, markersize=6)
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
    told = "; ".join(
        f"{spelled[arm]}: {plain(point[0], 3)} with {plain(point[1], 3)}" for arm, point in list(best.items())[:8]
    )
    alt = f"{label} over {setting} in the tuning trials of {count(len(arms), 'arm')}. Best: {told}."
    caption = f"{label} over {setting}: a dot per {what}, a ring at each arm's best, dotted lines at the range."
    caption += (
        " Arrowheads: worse than the axis shows."
        if any(sign * score < sign * limit for points in arms.values() for _, score in points)
        else ""
    )
    legends = [spelled[arm] for arm in order if arm in shown]
    signs = f"a dot per {what} · ring: an arm's best" + (" · dotted: the range" if len(ends) else "")
    return picture(
        name, alt, caption, draw, height=2.9 + legend_height(legends),
        title=f"Which {setting} is best?", foot=f"{study} · {signs}" if study else signs,
    )  # fmt: skip


def averaged(points: Sequence[Point]) -> list[Point]:
    """The mean score at each value, by the size of the values."""
    found: dict[float, list[float]] = {}
    for value, score in points:
        found.setdefault(value, []).append(score)
    return [(value, math.fsum(scores) / len(scores)) for value, scores in sorted(found.items())]
