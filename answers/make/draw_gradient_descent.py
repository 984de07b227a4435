"""Draws three pictures that the notes ask for: calls of Fibonacci, one update against fifty, the loss surface in 3-D.

python answers/make/draw_gradient_descent.py       answers/docs/figures/fibonacci.png, fifty_rows.png, surface.png: 10 s

Fibonacci's calls with and without a store are counted by calling, and drawn as trees. Fifty rows of Social_Network_Ads
and a neuron with its two weights show one update of their mean gradient beside fifty of one row each. The loss of that
neuron over its two weights is drawn as a surface in 3-D beside its contours, with both ways on it.
"""

import os
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from answers.make.memoization.calls import Call, counted, fibonacci, places
from answers.make.memoization.fifty_rows import Descent, loss_at, one_and_fifty
from litmus.atomic import replacing
from litmus.paths import typed_path
from litmus.project import ROOT
from litmus.report.figures.style import INK, MUTED, SERIES, SETTINGS
from litmus.trial.arguments import Parser
from litmus.trial.command_line import answer

DRAWN, MOST = 6, 25


def calls() -> Figure:
    """The trees of calls for fib(6), and how many calls there are for more."""
    with rc_context(SETTINGS):
        figure = Figure(figsize=(13, 4.6), layout="constrained")
        FigureCanvasAgg(figure)
        left, middle, right = figure.subplots(1, 3, width_ratios=[6, 4, 4])
        for axes, store, title in ((left, False, "without a store"), (middle, True, "with a store")):
            tree = fibonacci(DRAWN, store)
            _draw_tree(axes, tree)
            axes.set_title(f"fib({DRAWN}) {title}: {counted(tree)} calls")
        numbers = list(range(1, MOST + 1))
        for store, colour, label in ((False, SERIES[1], "without a store"), (True, SERIES[0], "with a store")):
            right.plot(numbers, [counted(fibonacci(n, store)) for n in numbers], "o-", color=colour, label=label, ms=3)
        right.set(yscale="log", xlabel="n", title="calls for fib(n)")
        right.legend(frameon=False)
        return figure


def _draw_tree(axes: Any, tree: Call) -> None:
    where = places(tree)
    for call, (across, down) in where.items():
        for inner in call.calls:
            axes.plot(
                *zip((across, -down), (where[inner][0], -where[inner][1]), strict=True), color=MUTED, lw=0.8, zorder=1
            )
        face = SERIES[2] if call.read else "white"
        axes.scatter(across, -down, s=210, facecolor=face, edgecolor=INK, linewidth=0.8, zorder=2)
        axes.text(across, -down, str(call.n), ha="center", va="center", fontsize=8, zorder=3)
    axes.axis("off")


def fifty(found: Descent) -> Figure:
    """Fifty rows, one update of their mean gradient, and fifty updates of one row each."""
    with rc_context(SETTINGS):
        figure = Figure(figsize=(13, 4.2), layout="constrained")
        FigureCanvasAgg(figure)
        rows, ways, losses = figure.subplots(1, 3)
        for label, colour in ((0, SERIES[0]), (1, SERIES[1])):
            own = found.x[found.y == label]
            rows.scatter(*own.T, color=colour, s=18, label=("did not buy", "bought")[label])
        rows.set(xlabel="age, standardised", ylabel="salary, standardised", title=f"{len(found.x)} rows")
        rows.legend(frameon=False)
        _draw_contours(ways, found)
        ways.set_title("one update, and fifty")
        losses.plot(range(len(found.single)), loss_at(found, found.single), color=SERIES[1], label="a row at a time")
        losses.plot([0, 1], loss_at(found, found.batch), "o-", color=SERIES[0], label="all rows at once")
        losses.set(xlabel="updates", ylabel="loss of the fifty rows", title="both have seen every row once")
        losses.legend(frameon=False)
        return figure


def surface(found: Descent) -> Figure:
    """The loss over both weights as a surface in 3-D, beside its contours."""
    with rc_context(SETTINGS):
        figure = Figure(figsize=(12, 5), layout="constrained")
        FigureCanvasAgg(figure)
        solid: Any = figure.add_subplot(1, 2, 1, projection="3d")
        first, second, heights = _grid(found)
        solid.plot_surface(first, second, heights, cmap="viridis", alpha=0.6, linewidth=0, rstride=2, cstride=2)
        for way, colour in ((found.single, SERIES[1]), (found.batch, SERIES[0])):
            solid.plot(*way.T, loss_at(found, way), "-", color=colour, lw=1.8, zorder=5)
        solid.set(xlabel="weight of age", ylabel="weight of salary", zlabel="loss")
        flat = figure.add_subplot(1, 2, 2)
        _draw_contours(flat, found)
        return figure


def _grid(found: Descent) -> tuple[Any, Any, Any]:
    every = np.concatenate([found.single, found.batch])
    low, high = every.min(0) - 0.6, every.max(0) + 0.6
    first, second = np.meshgrid(np.linspace(low[0], high[0], 80), np.linspace(low[1], high[1], 80))
    weights = np.stack([first.ravel(), second.ravel()], axis=1)
    return first, second, loss_at(found, weights).reshape(first.shape)


def _draw_contours(axes: Any, found: Descent) -> None:
    first, second, heights = _grid(found)
    axes.contour(first, second, heights, levels=18, cmap="viridis", linewidths=0.8)
    for way, colour, label in ((found.single, SERIES[1], "fifty updates"), (found.batch, SERIES[0], "one update")):
        axes.plot(*way.T, ".-", color=colour, label=label, lw=1.4, ms=4)
    axes.plot(*found.single[0], "o", color=INK, ms=6)
    axes.set(xlabel="weight of age", ylabel="weight of salary")
    axes.legend(frameon=False)


def draw(folder: Path) -> None:
    """Draws the three, and says what they counted."""
    for store in (False, True):
        told = ", ".join(f"fib({n}) {counted(fibonacci(n, store)):,}" for n in (6, 10, 20, MOST))
        print(f"calls {'with' if store else 'without'} a store: {told}")
    found = one_and_fifty(os.environ.get("DATA_DIR", ROOT / "data"))
    ends = {"fifty updates of one row": found.single[-1:], "one update of fifty rows": found.batch[-1:]}
    print(f"loss of the fifty rows: {float(loss_at(found, found.single[:1])[0]):.4f} at the start")
    for name, weights in ends.items():
        print(f"after {name}: {float(loss_at(found, weights)[0]):.4f}")
    for name, figure in {"fibonacci": calls(), "fifty_rows": fifty(found), "surface": surface(found)}.items():
        with replacing(folder / f"{name}.png") as part:
            figure.savefig(part, dpi=90, format="png")
        print(folder / f"{name}.png")


def main() -> None:
    """Reads the command line."""
    parser = Parser(description=__doc__)
    parser.add_argument(
        "-o", "--output", type=typed_path, default=ROOT / "answers" / "docs" / "figures", help="a directory"
    )
    draw(parser.parse_args().output)


if __name__ == "__main__":
    answer(main)
