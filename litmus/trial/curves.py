"""The run in one picture: loss and accuracy by epoch."""

import math
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

from litmus.atomic import replacing
from litmus.training.gradients import in_order
from litmus.trial.history import read_history

# Blue for training, orange for validation: distinguishable in every common colour blindness.
COLOURS = {"train": "#0072b2", "val": "#d55e00"}
SPLITS = {"train": "training", "val": "validation"}
LABELS = {"loss": "loss", "acc": "accuracy"}
LAYERS = "grad_norm/"
LONGEST = 110
# Inches for the title and, below it, the legend.
HEAD = 0.5
# A loss this many times the middle one flattens all others, so that they are drawn on a logarithmic axis.
FLATTENING = 50.0


def draw_curves(
    history: Path,
    picture: Path,
    best_epoch: int | None,
    tested: Mapping[str, float] | None = None,
    guessing: float | None = None,
    title: str = "",
) -> None:
    """Draws train and validation loss and accuracy from a metrics.csv, marking the epoch that validation chose.

    What classifies nothing has no accuracy. A batch size that varies is drawn as steps under the loss.

    Args:
        best_epoch: counted from 0.
        tested: test/loss and test/acc, which are drawn at that epoch.
        guessing: accuracy of whoever always says the commonest class.
        title: of the run.
    """
    # The object interface, without pyplot, keeps no figure alive and needs no display: sweeps draw thousands.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = read_history(history)
    measured = {name.rpartition("/")[2] for row in rows for name in row if name.startswith(tuple(COLOURS))}
    layers = in_order({name for row in rows for name in row if name.startswith(LAYERS) and "." in name})
    labels = {metric: label for metric, label in LABELS.items() if metric in measured or metric == "loss"}
    columns: list[Any] = [*labels, *(["layers"] if layers else [])]
    sizes = [row.get("batch_size", 0) for row in rows]
    varies = len(set(sizes)) > 1
    # Where the panels are two, margins by hand: a layout that finds them draws twice, and a sweep draws for every job.
    by_hand = not varies and not layers
    size = (4.5 * max(2, len(columns)), 5.1 if varies else 4.1)
    figure = Figure(figsize=size)
    FigureCanvasAgg(figure)
    if varies:
        panels = figure.subplot_mosaic([columns, ["sizes", *columns[1:]]], height_ratios=[3, 1])
        _draw_sizes(panels["sizes"], [row["epoch"] + 1 for row in rows], sizes)
        panels["sizes"].sharex(panels["loss"])
    else:
        panels = figure.subplot_mosaic([columns])
    if by_hand:
        figure.subplots_adjust(left=0.08, right=0.985, bottom=0.12, top=0.85, wspace=0.22)
    else:
        figure.set_layout_engine("constrained", rect=(0, 0, 1, 1 - HEAD / size[1]))
    legend: dict[str, Any] = {}
    for metric, label in labels.items():
        axes = panels[metric]
        for split, colour in COLOURS.items():
            points = [(row["epoch"] + 1, row[f"{split}/{metric}"]) for row in rows if f"{split}/{metric}" in row]
            if points:
                marker = "o" if len(points) == 1 else None
                (line,) = axes.plot(*zip(*points, strict=True), color=colour, marker=marker, linewidth=1.5)
                legend.setdefault(SPLITS[split], line)
        if best_epoch is not None:
            line = axes.axvline(best_epoch + 1, color="0.6", linewidth=0.8, linestyle="--")
            legend.setdefault(f"chosen epoch {best_epoch + 1}", line)
        value = (tested or {}).get(f"test/{metric}")
        if value is not None and (best_epoch is not None or rows):
            place = best_epoch if best_epoch is not None else rows[-1]["epoch"]
            legend["test"] = axes.plot(place + 1, value, "D", color="0.15", markersize=5, linestyle="none")[0]
        if metric == "acc" and guessing is not None:
            line = axes.axhline(guessing, color="0.45", linewidth=0.9, linestyle=":")
            legend[f"always guessing: {guessing:.3f}"] = line
        axes.set(ylabel=label)
        _by_epoch(axes, rows)
        if metric == "loss" and _flattened(rows):
            axes.set(yscale="log", ylabel=f"{label}, log scale")
        else:  # long numbers would push the label out of the picture: the power of ten stands once, above
            axes.ticklabel_format(axis="y", scilimits=(-2, 4))
    title = title if len(title) <= LONGEST else f"{title[: LONGEST - 1]}…"
    figure.text(0.01, 1 - 0.06 / size[1], title, va="top", fontsize=10, parse_math=False)
    where: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (0, 1 - 0.2 / size[1])}
    figure.legend(legend.values(), legend, ncols=len(legend), frameon=False, fontsize=9, columnspacing=1.2, **where)
    if layers:
        _draw_layers(panels["layers"], rows, layers)
    with replacing(picture) as path:
        figure.savefig(path, dpi=110, format="png")


def _flattened(rows: list[dict[str, float]]) -> bool:
    """Whether a loss would flatten the others, and all have a logarithm."""
    losses = [
        row[name] for row in rows for name in ("train/loss", "val/loss") if math.isfinite(row.get(name, math.nan))
    ]
    return bool(losses) and min(losses) > 0 and max(losses) > FLATTENING * median(losses)


def _draw_layers(axes: Any, rows: list[dict[str, float]], layers: list[str]) -> None:
    """The norm of each layer's gradient, from the first layer in violet to the last in yellow."""
    from matplotlib import colormaps

    for place, name in enumerate(layers):
        points = [(row["epoch"] + 1, row[name]) for row in rows if row.get(name, 0) > 0]
        label = name.removeprefix(LAYERS) if place in (0, len(layers) - 1) else None
        colour = colormaps["viridis"](place / max(1, len(layers) - 1) * 0.9)
        if points:
            axes.plot(*zip(*points, strict=True), color=colour, label=label, marker="o" * (len(points) == 1) or None)
    axes.set(ylabel="norm of the gradient, by layer", yscale="log")
    _by_epoch(axes, rows)
    axes.legend(frameon=False)


def _by_epoch(axes: Any, rows: list[dict[str, float]]) -> None:
    """A horizontal axis of epochs, of which there is no 1.25."""
    from matplotlib.ticker import MaxNLocator

    axes.set(xlabel="epoch")
    if len({row["epoch"] for row in rows}) == 1:
        axes.set_xlim(rows[0]["epoch"] + 0.5, rows[0]["epoch"] + 1.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def _draw_sizes(axes: Any, epochs: list[float], sizes: list[float]) -> None:
    """The batch size of each epoch, doublings equally high."""
    axes.step(epochs, sizes, where="mid", color="0.3", linewidth=1.5)
    axes.set_yscale("log", base=2)
    axes.set(xlabel="epoch", ylabel="batch size", yticks=sorted({min(sizes), max(sizes)}))
    axes.yaxis.set_major_formatter("{x:.0f}")
    axes.minorticks_off()
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
