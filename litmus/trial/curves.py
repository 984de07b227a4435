"""The run in one picture: loss and accuracy by epoch."""

from pathlib import Path
from typing import Any

from litmus.atomic import replacing
from litmus.trial.history import read_history

# Blue for training, orange for validation: distinguishable in every common colour blindness.
COLOURS = {"train": "#0072b2", "val": "#d55e00"}
LABELS = {"loss": "loss", "acc": "accuracy"}


def draw_curves(history: Path, picture: Path, best_epoch: int | None) -> None:
    """Draws train and validation loss and accuracy from a metrics.csv, marking the epoch that validation chose.

    What classifies nothing has no accuracy. A batch size that varies is drawn as steps under the loss.
    """
    # The object interface, without pyplot, keeps no figure alive and needs no display: sweeps draw thousands.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    rows = read_history(history)
    measured = {name.rpartition("/")[2] for row in rows for name in row}
    labels = {metric: label for metric, label in LABELS.items() if metric in measured or metric == "loss"}
    sizes = [row.get("batch_size", 0) for row in rows]
    varies = len(set(sizes)) > 1
    # Where the panels are two, margins by hand: a layout that finds them draws twice, and a sweep draws for every job.
    figure = Figure(figsize=(9, 4.6 if varies else 3.6), layout="constrained" if varies else None)
    FigureCanvasAgg(figure)
    if varies:
        panels = figure.subplot_mosaic([list(labels), ["sizes", *list(labels)[1:]]], height_ratios=[3, 1])
        _draw_sizes(panels["sizes"], [row["epoch"] + 1 for row in rows], sizes)
        panels["sizes"].sharex(panels["loss"])
    else:
        panels = figure.subplot_mosaic([list(labels)])
        figure.subplots_adjust(left=0.08, right=0.985, bottom=0.14, top=0.96, wspace=0.22)
    for metric, label in labels.items():
        axes = panels[metric]
        for split, colour in COLOURS.items():
            points = [(row["epoch"] + 1, row[f"{split}/{metric}"]) for row in rows if f"{split}/{metric}" in row]
            if points:
                marker = "o" if len(points) == 1 else None
                axes.plot(*zip(*points, strict=True), color=colour, label=split, marker=marker, linewidth=1.5)
        if best_epoch is not None:
            axes.axvline(best_epoch + 1, color="0.6", linewidth=0.8, linestyle="--", label="best epoch")
        axes.set(xlabel="epoch", ylabel=label)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))  # there is no epoch 1.25
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
    with replacing(picture) as path:
        figure.savefig(path, dpi=110, format="png")


def _draw_sizes(axes: Any, epochs: list[float], sizes: list[float]) -> None:
    """The batch size of each epoch, doublings equally high."""
    axes.step(epochs, sizes, where="mid", color="0.3", linewidth=1.5)
    axes.set_yscale("log", base=2)
    axes.set(xlabel="epoch", ylabel="batch size", yticks=sorted({min(sizes), max(sizes)}))
    axes.yaxis.set_major_formatter("{x:.0f}")
    axes.minorticks_off()
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
