"""The run in one picture: loss and accuracy by epoch."""

from pathlib import Path

from src.atomic import replacing
from src.callbacks.history import read_history

# Blue for training, orange for validation: distinguishable in every common colour blindness.
COLOURS = {"train": "#0072b2", "val": "#d55e00"}


def draw_curves(history: Path, picture: Path, best_epoch: int | None) -> None:
    """Draws train and validation loss and accuracy from a metrics.csv, marking the epoch that validation chose."""
    # The object interface, without pyplot, keeps no figure alive and needs no display: sweeps draw thousands.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = read_history(history)
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, 2)
    for axes, metric, label in zip(panels, ("loss", "acc"), ("loss", "accuracy"), strict=True):
        for split, colour in COLOURS.items():
            points = [(row["epoch"] + 1, row[f"{split}/{metric}"]) for row in rows if f"{split}/{metric}" in row]
            if points:
                marker = "o" if len(points) == 1 else None
                axes.plot(*zip(*points, strict=True), color=colour, label=split, marker=marker, linewidth=1.5)
        if best_epoch is not None:
            axes.axvline(best_epoch + 1, color="0.6", linewidth=0.8, linestyle="--", label="best epoch")
        axes.set(xlabel="epoch", ylabel=label)
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
    with replacing(picture) as path:
        figure.savefig(path, dpi=110, format="png")
