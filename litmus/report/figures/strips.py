"""Every trial as a dot, every arm's mean with its interval, the best arm first."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from litmus.claims.contrast import FEWEST_SEEDS
from litmus.claims.notation import number, spelled
from litmus.claims.quantity import Quantity
from litmus.report.blocks import Picture
from litmus.report.evidence import Evidence
from litmus.report.figures.lanes import arrowheads
from litmus.report.figures.picture import saved
from litmus.report.figures.sheet import LINE, SMALL, TITLE, Sheet, width_of, wrapped
from litmus.report.figures.style import INK, MUTED, WIDTH, colour_of, plain_axis, scale_of
from litmus.words import count, plain

MOST_ROWS = 24
MARGIN, ROW = 8.0, 19.0


def strips(evidence: Evidence, quantity: Quantity, constant: float | None = None) -> Picture | None:
    """A row per arm; the dashed line is the baseline's mean, the dotted one the constant predictor's score."""
    arms = in_order(evidence, quantity)
    if not arms:
        return None
    columns = {arm: np.array(list(evidence.results.finite(quantity.name, arm).values())) for arm in arms}
    every = np.concatenate(list(columns.values()))
    scale = scale_of(every.tolist(), 10)
    shares = {arm: share(evidence, quantity, arm) for arm in arms}
    names = {arm: wrapped(f"{spelled(evidence.study, arm)} {shares[arm]}", 150) for arm in arms}
    heights = [max(ROW, LINE * len(names[arm]) + 4) for arm in arms]
    marks = marked(evidence, quantity, columns)
    # A constant predictor far below everything would squeeze what there is to see.
    near = constant is not None and min(abs(every - constant)) < 0.5 * (every.max() - every.min())
    if constant is not None and near:
        marks.append((constant, "always guessing", ":"))
    left = MARGIN + 10 + max(width_of(line) for lines in names.values() for line in lines)
    width = 72 * WIDTH
    better, least = ("lower is better", "lowest") if quantity.sign < 0 else ("higher is better", "highest")
    question = f"Which arm has the {least} {quantity.label}{evidence.where}?"
    title = wrapped(question, width - 2 * MARGIN, TITLE, "bold")
    begin = 8 + LINE * len(title)
    top = begin + LINE * len(marks)
    bottom = top + sum(heights)
    imprint = f"{evidence.imprint}, a dot each · line: 95 % interval of the mean"
    imprint += " · (2 of 3): so many runs have a value, the others failed or never got there" * any(shares.values())
    foot = wrapped(imprint, width - 2 * MARGIN, SMALL)

    def draw(figure: Any) -> None:
        sheet = Sheet(figure)
        sheet.lines(MARGIN, 4, title, size=TITLE, weight="bold")
        spread = (every.max() - every.min()) or abs(every[0]) or 1.0
        ends = (every.min() - 0.04 * spread, every.max() + 0.04 * spread)
        if scale == "log":
            margin = (every.max() / every.min()) ** 0.04
            ends = (every.min() / margin, every.max() * margin)
        for value, _, _ in marks:
            ends = (min(ends[0], value), max(ends[1], value))
        axes = sheet.panel(left, top, width - left - MARGIN - 8, bottom - top, ends)
        axes.set_xscale(scale)
        axes.set_xlim(*ends)
        y = 0.0
        for arm, height in zip(arms, heights, strict=True):
            middle, colour = y + height / 2, colour_of(arm, evidence.shown)
            sheet.lines(left - 8, top + middle - LINE * len(names[arm]) / 2, names[arm], ha="right")
            summary, values = evidence.summary(quantity.name, arm), columns[arm]
            axes.plot(values, np.full(len(values), middle), "o", color=colour, alpha=0.45, markersize=4.5, mew=0)
            low, high = summary.interval()
            if summary.n >= FEWEST_SEEDS and math.isfinite(low):
                axes.plot([max(low, ends[0]), min(high, ends[1])], [middle] * 2, color=colour, linewidth=2.2)
                arrowheads(axes, (low, high), middle, colour)
            axes.plot([summary.mean], [middle], "|", color=INK, markersize=11, markeredgewidth=1.8)
            y += height
        for place, (value, word, dash) in enumerate(marks):
            axes.plot([value] * 2, [0, y], color=MUTED, linewidth=1, linestyle=dash, zorder=0)
            share = axes.transAxes.inverted().transform(axes.transData.transform((value, 0)))[0]
            at, half = left + share * (width - left - MARGIN - 8), width_of(word, SMALL) / 2
            at = min(max(at, MARGIN + half), width - MARGIN - half)
            sheet.text(at, begin + LINE * (place + 0.5), word, SMALL, MUTED, ha="center")
        ticked(axes, scale)
        sheet.text((left + width) / 2, bottom + 30, f"{quantity.label}{evidence.where} ({better})", ha="center")
        sheet.lines(MARGIN, bottom + 38, foot, size=SMALL, color=MUTED)

    best = evidence.named(evidence.ranked(quantity)[0])
    told = [f"{spelled(evidence.study, arm)} {plain(evidence.mean(quantity.name, arm))} {shares[arm]}" for arm in arms]
    means = ", ".join(one.strip() for one in told)
    size = count(len(arms), "arm")
    alt = f"The {quantity.label} of {size}{evidence.where}, one dot per trial; best: {best}. Means: {means}."
    name = f"results-{quantity.name}{evidence.suffix}"
    left_out = len(evidence.study.arms) - len(arms)
    caption = (
        f"The {quantity.label}{evidence.where}: a dot per trial, the mean (dark) and its 95 % t interval"
        + ("" if constant is None or near else f"; not shown: the constant predictor, {constant:.4g}")
        + (f"; {count(left_out, 'arm')} in the table only" if left_out else "")
        + "."
    )
    return Picture(
        name, alt, caption,
        lambda: saved(name, draw, (bottom + 42 + LINE * len(foot)) / 72, WIDTH),
    )  # fmt: skip


def share(evidence: Evidence, quantity: Quantity, arm: str) -> str:
    """How many of an arm's runs that ended have a value: (2 of 3); nothing where all have one."""
    own = evidence.results.by_seed.get(arm, {}).values()
    known, runs = len(evidence.results.finite(quantity.name, arm)), sum(not trial.pending for trial in own)
    return f"({known} of {runs})" if known < runs else ""


def in_order(evidence: Evidence, quantity: Quantity) -> list[str]:
    """The arms with a mean best first, those of one numeric factor by its levels.

    Of more than there is room for the best, with the baseline and the arms of the primary prediction.
    """
    study, ranked = evidence.study, evidence.ranked(quantity)
    leaves = [one.leaf for one in evidence.judgement.verdicts.values() if one.primary and one.leaf is not None]
    named = [*study.select(evidence.baseline)[:1], *(arm for leaf in leaves for arm in leaf.contrast.weights)]
    kept = list(dict.fromkeys([*ranked[:1], *(arm for arm in named if arm in ranked), *ranked]))[:MOST_ROWS]
    if len(study.varied) == 1:
        levels = {arm: number(overrides.get(study.varied[0])) for arm, overrides in study.arms.items()}
        if all(level is not None for level in levels.values()):
            return sorted(kept, key=lambda arm: levels[arm] or 0.0)
    return [arm for arm in ranked if arm in kept]


def marked(evidence: Evidence, quantity: Quantity, columns: dict[str, Any]) -> list[tuple[float, str, str]]:
    """The baseline's mean where it is one arm's: (value, word, line)."""
    base = [arm for arm in evidence.study.select(evidence.baseline) if arm in columns]
    if len(base) != 1 or len(columns) < 2:
        return []
    name = spelled(evidence.study, base[0])
    word = f"baseline: {name}"
    word = "baseline" if width_of(word, SMALL) > 72 * WIDTH - 2 * MARGIN else word
    return [(evidence.mean(quantity.name, base[0]), word, "--")]


def ticked(axes: Any, scale: str) -> None:
    """Few round numbers on the x axis."""
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(nbins=5))
    plain_axis(axes.xaxis, scale, 5)
    axes.tick_params(axis="x", labelsize=SMALL, length=3)
