"""What quality costs: every arm, and those that no other beats in both."""

from __future__ import annotations

import math
from typing import Any

from litmus.claims.notation import spelled
from litmus.claims.quantity import Quantity
from litmus.report.blocks import Picture
from litmus.report.evidence import Evidence
from litmus.report.figures.picture import legend, legend_height, picture
from litmus.report.figures.style import MUTED, PAPER, colour_of, plain_axis, scale_of
from litmus.words import count, plain

MARKERS = "osDv^<>P"


def frontier(points: dict[str, tuple[float, float]], sign: int) -> list[str]:
    """The arms (cost, value) that no other arm beats in cost and value, cheapest first; sign +1: more is better."""
    kept: list[str] = []
    for arm in sorted(points, key=lambda name: (points[name][0], -sign * points[name][1])):
        if not kept or sign * points[arm][1] > sign * points[kept[-1]][1]:
            kept.append(arm)
    return kept


def pareto(evidence: Evidence, quantity: Quantity, cost: str) -> Picture | None:
    """A quantity against a cost (seconds, updates, samples or params), means over seeds."""
    points = {arm: (evidence.counter(cost, arm), evidence.mean(quantity.name, arm)) for arm in evidence.study.arms}
    points = {arm: point for arm, point in points.items() if all(map(math.isfinite, point))}
    if len(points) < 2:
        return None
    names = {arm: spelled(evidence.study, arm) for arm in points}
    front = frontier(points, quantity.sign)
    scale = scale_of([point[0] for point in points.values()], 8)

    def draw(axes: Any) -> None:
        steps = [points[arm] for arm in front]
        axes.plot(*zip(*steps, strict=True), color=MUTED, linewidth=1.2, drawstyle="steps-post", zorder=1)
        for arm, point in points.items():
            own = arm in evidence.shown
            marker = MARKERS[evidence.shown.index(arm) % len(MARKERS)] if own else "o"
            axes.plot(
                *([point[0]], [point[1]]),
                marker,
                color=colour_of(arm, evidence.shown),
                markersize=8 if own else 4.5,
                markeredgecolor=PAPER,
                linestyle="none",
                label=names[arm] if own else None,
                zorder=3 if own else 2,
            )
        axes.set_xscale(scale)
        plain_axis(axes.xaxis, scale, 5)
        axes.set_xlabel(f"{cost} per trial (mean; left: {'faster' if cost == 'seconds' else 'less'})")
        axes.set_ylabel(f"{quantity.label} ({'lower' if quantity.sign < 0 else 'higher'}: better)")
        axes.margins(0.08)
        legend(axes)

    told = ", ".join(
        f"{names[arm]} ({plain(points[arm][0], 3)} {cost}, {plain(points[arm][1], 4)})" for arm in front[:6]
    )
    what = f"{quantity.label}{evidence.where}"
    alt = f"{what} against {cost} of {count(len(points), 'arm')}. On the Pareto front, cheapest first: {told}."
    caption = f"The {what} against {cost}; the line joins the arms that none beats in both."
    legends = [names[arm] for arm in points if arm in evidence.shown]
    word = "lower" if quantity.sign < 0 else "higher"
    return picture(
        f"cost-{quantity.name}-{cost}{evidence.suffix}", alt, caption, draw, height=2.9 + legend_height(legends),
        title=f"Does a {word} {quantity.label}{evidence.where} cost more {cost}?",
        foot=f"{evidence.imprint}, means · line: through the arms that none beats in both",
    )  # fmt: skip
