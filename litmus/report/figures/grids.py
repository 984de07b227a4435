"""Two factors at once: a heatmap of means, and lines of one factor at each level of the other."""

from __future__ import annotations

import math
from collections.abc import Container, Mapping, Sequence
from typing import Any

import numpy as np

from litmus.claims.contrast import FEWEST_SEEDS
from litmus.claims.notation import text
from litmus.claims.quantity import Quantity
from litmus.claims.statistics import Summary
from litmus.report.blocks import Picture
from litmus.report.figures.picture import legend, picture
from litmus.report.figures.sheet import wrapped
from litmus.report.figures.style import BAND, DASHES, INK, SERIES
from litmus.words import aligned, plain

Cells = Mapping[tuple[str, str], Summary]


def heatmap(
    name: str,
    quantity: Quantity,
    factors: tuple[str, str],
    levels: Sequence[Sequence[Any]],
    cells: Cells,
    tied: Container[tuple[str, str]] = (),
    foot: str = "",
) -> Picture:
    """The mean of every cell; the best is framed, thinly those that are tied with it; one without trials is hatched."""
    rows, columns = [[text(level) for level in axis] for axis in levels]
    means = np.array([[_mean(cells, row, column) for column in columns] for row in rows])
    known = means[np.isfinite(means)]
    best = known.max() if quantity.sign > 0 else known.min()
    # Equal steps of what is compared are equal steps of colour: 2 % of a small loss are as much as 2 % of a large one.
    depth = quantity.transform(means) if known.min() > 0 else means
    deepest = depth[np.isfinite(means)].min()
    span = (depth[np.isfinite(means)].max() - deepest) or 1.0

    def draw(axes: Any) -> None:
        import matplotlib as mpl

        colours = mpl.colormaps["cividis" if quantity.sign > 0 else "cividis_r"]
        for y in range(len(rows)):
            for x in range(len(columns)):
                mean = means[y, x]
                if not math.isfinite(mean):
                    axes.add_patch(_square(x, y, facecolor=BAND, hatch="///", edgecolor=INK, linewidth=0))
                    axes.text(x, y, "—", ha="center", va="center")
                    continue
                shade = colours((depth[y, x] - deepest) / span)
                axes.add_patch(_square(x, y, facecolor=mpl.colors.to_hex(shade), linewidth=0))
                dark = 0.299 * shade[0] + 0.587 * shade[1] + 0.114 * shade[2] < 0.55
                size = 9 if len(columns) <= 6 else 7
                axes.text(
                    *(x, y, aligned(mean, known.tolist())),
                    ha="center",
                    va="center",
                    fontsize=size,
                    color="#fefefe" if dark else "#111111",
                )
                if mean == best:
                    axes.add_patch(_square(x, y, fill=False, edgecolor=SERIES[1], linewidth=2.4, zorder=5))
                elif (rows[y], columns[x]) in tied:
                    axes.add_patch(_square(x, y, fill=False, edgecolor=SERIES[1], linewidth=1, zorder=5))
        axes.set_xlim(-0.5, len(columns) - 0.5)
        axes.set_ylim(-0.5, len(rows) - 0.5)
        axes.set_xticks(range(len(columns)), [folded(one, 250 / len(columns)) for one in columns])
        axes.set_yticks(range(len(rows)), [folded(row, 70) for row in rows])
        axes.set_xlabel(factors[1])
        axes.set_ylabel(factors[0])
        axes.grid(visible=False)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)

    y, x = np.argwhere(means == best)[0]
    alt = (
        f"Heatmap of mean {quantity.label} over {factors[0]} and {factors[1]}. "
        f"Best: {factors[0]} {rows[y]}, {factors[1]} {columns[x]}, {plain(float(best), 4)}."
    )
    caption = f"Mean {quantity.label}; the framed cell is best, thin frames are not separated from it."
    title = f"{quantity.label}: {better(quantity)} is better"
    signs = "thick frame: best; thin: not told apart from it"
    below = f"{foot}, means · {signs}" if foot else signs
    height = 1.1 + 0.42 * max(len(rows), 3)
    return picture(name, alt, caption, draw, height, title=title, foot=below)


def better(quantity: Quantity) -> str:
    """Which way is better."""
    return "higher" if quantity.sign > 0 else "lower"


def folded(text: str, most: float) -> str:
    """A tick's label in lines of at most so many points."""
    return "\n".join(wrapped(text, most, 9.5))


def _square(x: int, y: int, **style: Any) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((x - 0.48, y - 0.48), 0.96, 0.96, **style)


def _mean(cells: Cells, row: str, column: str) -> float:
    found = cells.get((row, column))
    return math.nan if found is None or found.n == 0 else float(found.mean)


def lines(
    name: str, quantity: Quantity, factors: tuple[str, str], levels: Sequence[Sequence[Any]], cells: Cells, foot: str
) -> Picture:
    """Means with intervals over one factor, a line per level of the other: parallel lines do not interact."""
    first, second = [[text(level) for level in axis] for axis in levels]

    def draw(axes: Any) -> None:
        spread = 0.05 * (len(second) - 1)
        for place, level in enumerate(second[: len(SERIES)]):
            shift = 0.0 if len(second) == 1 else spread * (2 * place / (len(second) - 1) - 1)
            found = [(x, cells.get((value, level))) for x, value in enumerate(first)]
            known = [(x + shift, one) for x, one in found if one is not None and one.n]
            xs, ys = [x for x, _ in known], [float(one.mean) for _, one in known]
            colour, dash = SERIES[place], DASHES[place]
            axes.plot(xs, ys, color=colour, linestyle=dash, marker="o", label=folded(f"{factors[1]} {level}", 150))
            for x, one in known:
                low, high = one.interval()
                if math.isfinite(low) and one.n >= FEWEST_SEEDS:
                    axes.plot([x, x], [low, high], color=colour, linewidth=1.2)
        axes.set_xticks(range(len(first)), [folded(one, 240 / len(first)) for one in first])
        axes.set_xlim(-0.35, len(first) - 0.65)
        axes.set_xlabel(factors[0])
        axes.set_ylabel(f"{quantity.label} ({better(quantity)}: better)")
        axes.grid(axis="x", visible=False)
        legend(axes)

    told = "; ".join(
        f"{factors[0]} {a}, {factors[1]} {b}: {plain(_mean(cells, a, b), 4)}" for a in first for b in second
    )
    alt = f"Mean {quantity.label} over {factors[0]}, one line per level of {factors[1]}. {told[:600]}."
    caption = f"Mean {quantity.label} with 95 % t intervals; lines that are not parallel interact."
    title = f"Does the effect of {factors[0]} depend on {factors[1]}?"
    height = 2.9 + 0.17 * len(second)
    return picture(name, alt, caption, draw, height, title=title, foot=f"{foot} · bars: 95 % intervals of the means")
