"""Every trial as a dot, every arm's mean with its interval."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from litmus.claims.quantity import Quantity
from litmus.report.blocks import Picture
from litmus.report.evidence import Evidence
from litmus.report.figures.forest import LABEL
from litmus.report.figures.picture import picture
from litmus.report.figures.style import INK, MUTED, colour_of, plain_axis, scale_of, short
from litmus.words import plain

MOST_ROWS = 40


def strips(evidence: Evidence, quantity: Quantity, constant: float | None = None) -> Picture | None:
    """A row per arm; the dashed line is the baseline's mean, the dotted one the constant predictor's score."""
    order = list(evidence.study.arms) if len(evidence.study.arms) <= 12 else evidence.ranked(quantity)
    arms = [arm for arm in order if evidence.results.finite(quantity.name, arm)][:MOST_ROWS]
    if not arms:
        return None
    columns = {arm: np.array(list(evidence.results.finite(quantity.name, arm).values())) for arm in arms}
    every = np.concatenate(list(columns.values()))
    scale = scale_of(every.tolist(), 10)
    # A constant predictor far below everything would squeeze what there is to see.
    near = constant is not None and min(abs(every - constant)) < 0.5 * (every.max() - every.min())

    def draw(axes: Any) -> None:
        for place, arm in enumerate(arms):
            summary = evidence.summary(quantity.name, arm)
            colour = colour_of(arm, evidence.shown)
            values = columns[arm]
            axes.plot(values, np.full(len(values), -place), "o", color=colour, alpha=0.45, markersize=4.5, mew=0)
            low, high = summary.interval()
            if math.isfinite(low) and (low > 0 or scale == "linear"):
                axes.plot([low, high], [-place] * 2, color=colour, linewidth=2.2, solid_capstyle="round")
            axes.plot([summary.mean], [-place], "|", color=INK, markersize=11, markeredgewidth=1.8)
            axes.text(
                *(0, -place + 0.38, short(arm, 56)),
                transform=axes.get_yaxis_transform(),
                fontsize=9.5,
                va="center",
                bbox=LABEL,
            )
        base = [columns[arm].mean() for arm in evidence.study.select(evidence.baseline) if arm in columns]
        if len(base) == 1:
            axes.axvline(base[0], color=MUTED, linewidth=1, linestyle="--", zorder=0)
        if constant is not None and near:
            axes.axvline(constant, color=INK, linewidth=1.2, linestyle=":", zorder=0)
        axes.set_xscale(scale)
        plain_axis(axes.xaxis, scale)
        axes.set_xlabel(quantity.label)
        axes.set_ylim(-len(arms) + 0.55, 0.75)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.grid(axis="y", visible=False)

    best = evidence.ranked(quantity)[0]
    alt = (
        f"{quantity.label} of {len(arms)} arms, one dot per trial. "
        f"Best mean: {best}, {plain(evidence.mean(quantity.name, best))}."
    )
    left_out = len(evidence.study.arms) - len(arms)
    caption = (
        f"{quantity.label.capitalize()}: a dot per trial, the mean (dark) and its 95 % t interval; dashed: the baseline"
        + ("" if constant is None else f"; {'dotted' if near else 'not shown'}: the constant predictor, {constant:.4g}")
        + (f"; {left_out} arms are in the table only" if left_out else "")
        + "."
    )
    return picture(f"results-{quantity.name}", alt, caption, draw, height=0.36 * len(arms) + 0.75)
