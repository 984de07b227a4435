"""Paths of descent on the surface they descend, and what they reach by updates and by epochs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator
from PIL import Image

from answers.make.descent.paths import Descent
from answers.make.descent.plane import Plane, grid_around, random_walks_held
from answers.make.descent.surface import score
from litmus.atomic import replacing
from litmus.report.figures.style import INK, MUTED, SERIES, SETTINGS, tick

CLOCKS = ("updates", "epochs")
PANELS = {
    "training loss": lambda path: path.train.loss,
    "validation loss": lambda path: path.val.loss,
    "validation accuracy": lambda path: path.val.accuracy,
}


def equal(paths: Sequence[Descent], clock: str) -> float:
    """The most updates or epochs that every path has."""
    return min(float(getattr(path, clock)[-1]) for path in paths)


def picture(paths: Sequence[Descent], plane: Plane, shown: Sequence[Descent], points: int) -> Figure:
    """The surface, on a grid of `points` along each axis, with the paths `shown` on it; the curves of all `paths`."""
    with rc_context(SETTINGS):
        figure = Figure(figsize=(13, 7.2), layout="constrained")
        FigureCanvasAgg(figure)
        parts: Any = figure.subfigures(1, 2, width_ratios=[6, 7])
        left, right = parts
        colours = {path.label: SERIES[place % len(SERIES)] for place, path in enumerate(shown)}
        _draw_surface(left.subplots(), plane, shown, colours, points)
        grid = right.subplots(len(PANELS), len(CLOCKS), sharex="col", sharey="row")
        for row, (title, curve) in zip(grid, PANELS.items(), strict=True):
            for axes, clock in zip(row, CLOCKS, strict=True):
                _draw_curves(axes, paths, clock, curve, colours)
            row[0].set(ylabel=title)
            if "loss" in title:
                row[0].set_yscale("log")
                _plain_numbers(row[0].yaxis, (1.0, 1.5, 2.0, 3.0, 5.0, 8.0))
        seeds = len({path.seed for path in paths})
        for column, clock in zip(grid.T, CLOCKS, strict=True):
            column[0].set_title(f"By {clock} (dashed: {equal(paths, clock):,.0f} each)")
            first, last = (pick(getattr(path, clock)[row] for path in paths) for pick, row in ((min, 1), (max, -1)))
            column[-1].set(xlabel=clock, xscale="log", xlim=(first, None))
            _plain_numbers(column[-1].xaxis, (1.0,) if last > 100 * first else (1.0, 2.0, 5.0))
        if seeds > 1:
            right.supxlabel(f"thin lines: {seeds} seeds; thick: their median", fontsize=9.5)
        return figure


def _plain_numbers(axis: Any, multiples: tuple[float, ...]) -> None:
    axis.set_major_locator(LogLocator(subs=multiples, numticks=12))
    axis.set_major_formatter(FuncFormatter(tick))
    axis.set_minor_locator(NullLocator())


def save(figure: Figure, target: Path) -> None:
    """Writes the picture in 256 colours, which noise that is drawn in thin lines makes a third as large."""
    figure.canvas.draw()
    pixels = np.asarray(figure.canvas.buffer_rgba())  # type: ignore[attr-defined]
    with replacing(target) as part:
        Image.fromarray(pixels).convert("RGB").quantize(256).save(part, format="png", optimize=True)


def _draw_surface(axes: Any, plane: Plane, shown: Sequence[Descent], colours: dict[str, str], points: int) -> None:
    shadows = [plane.coordinates(path.weights) for path in shown]
    first, second = grid_around(np.concatenate(shadows), points)
    places = np.stack(np.meshgrid(first, second), axis=-1)
    train = shown[0].data.splits["train"]
    loss = score(shown[0].model, plane.weights(places.reshape(-1, 2)), *train).loss.reshape(points, points)
    levels = np.geomspace(loss.min() * 1.005, loss.max(), 24)
    axes.contourf(first, second, np.log(loss), 40, cmap="Greys", alpha=0.45)
    lines = axes.contour(first, second, loss, levels, colors=MUTED, linewidths=0.5)
    axes.clabel(lines, levels[1::3], fmt="%.2f", fontsize=8)
    epochs, updates = equal(shown, "epochs"), equal(shown, "updates")
    for path, shadow in zip(shown, shadows, strict=True):
        colour = colours[path.label]
        end = path.row_at("updates", updates)
        axes.plot(*shadow[: end + 1].T, color=colour, linewidth=1.0, label=path.label)
        axes.plot(*shadow[path.row_at("epochs", epochs)], "D", color=colour, markeredgecolor="white", markersize=8)
        axes.plot(*shadow[end], "o", color=colour, markeredgecolor="white", markersize=9)
    axes.plot(*shadows[0][0], "o", markerfacecolor="none", markeredgecolor=INK, markersize=10)
    axes.plot([], [], "o", markerfacecolor="none", markeredgecolor=INK, label="common start")
    axes.plot([], [], "D", color=MUTED, label=f"after {epochs:,.0f} epochs each")
    axes.plot([], [], "o", color=MUTED, label=f"after {updates:,.0f} updates each")
    walks = random_walks_held(len(shown), max(len(path.weights) for path in shown) - 1, plane.origin.size)
    axes.set(
        title=f"Training loss in a plane of the {plane.origin.size:,} weights",
        xlabel=f"first direction: {plane.explained[0]:.1%} of the squared distance from the start",
        ylabel=f"second direction: {plane.explained[1]:.1%}",
        aspect="equal",
    )
    axes.text(
        0.01,
        0.01,
        f"{plane.explained.sum():.1%} in the plane (of aimless walks: {walks:.0%})",
        transform=axes.transAxes,
        fontsize=9,
        bbox={"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 2},
    )
    axes.grid(visible=False)
    axes.legend(loc="best", frameon=True, framealpha=0.85, edgecolor="none")


def _draw_curves(axes: Any, paths: Sequence[Descent], clock: str, curve: Any, colours: dict[str, str]) -> None:
    for label, colour in colours.items():
        own = [path for path in paths if path.label == label]
        for path in own:
            axes.plot(getattr(path, clock)[1:], curve(path)[1:], color=colour, linewidth=0.5, alpha=0.35)
        if len({path.updates.tobytes() for path in own}) == 1:
            axes.plot(getattr(own[0], clock)[1:], np.median([curve(path) for path in own], axis=0)[1:], color=colour)
    axes.axvline(equal(paths, clock), color=MUTED, linewidth=0.8, linestyle="--")
