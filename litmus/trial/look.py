"""Data before anything is trained on them: shapes, ranges, classes, the first rows, and a picture of samples."""

from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig
from rich.console import Console
from rich.table import Table
from torch import Tensor

from litmus.atomic import replacing
from litmus.contract import Target
from litmus.training.foreign_data import ForeignData, adopted
from litmus.trial.facts import target_of
from litmus.trial.knobs import check_knobs
from litmus.trial.making import make
from litmus.trial.parts import seed_everything

FIRST_ROWS, MOST_VALUES, MOST_CLASSES, EACH = 5, 6, 10, 4


def look(config: DictConfig, picture: Path | None, console: Console) -> None:
    """Prints what a run of this configuration would learn from, and draws samples of it.

    Raises:
        ValueError: for data whose rows are not at hand.
    """
    check_knobs(config)
    seed_everything(config.seed)
    data = adopted(make(config.data), config.seed)
    if not isinstance(data, ForeignData):  # which is set up already, or waits for a trainer
        data.prepare_data()
        data.setup("fit")
    splits = getattr(data, "splits", {})
    if "train" not in splits or not isinstance(splits["train"][0], Tensor):
        raise ValueError(
            f"{type(data).__name__} gives its rows by its own loaders alone; a subclass of ArrayDataModule, or "
            "data=dataset, has them to look at"
        )
    target, said = target_of(data), data.describe()
    x, y = splits["train"]
    shape = " × ".join(map(str, x.shape[1:]))
    console.print(
        f"{said['name']}: samples of {shape}, {asked(target)}, sha256 {said['sha256'][:16]}…", highlight=False
    )
    console.print(table_of_splits(splits, target))
    console.print(table_of_values(x))
    console.print(table_of_rows(x, y, target))
    if picture is not None:
        draw(picture, x, y, target)
        console.print(str(picture), soft_wrap=True, highlight=False)


def asked(target: Target | None) -> str:
    """What the data ask for, in words."""
    if target is None:
        return "nothing to learn from the targets"
    names = f" ({', '.join(target.names[:MOST_CLASSES])})" if target.names and len(target.names) > 1 else ""
    values = {"classes": "classes", "real": "real values", "labels": "labels"}[target.kind]
    return f"{target.number} {values}{names}"


def table_of_splits(splits: dict[str, Any], target: Target | None) -> Table:
    """Rows of each split, and of each class in it."""
    table = Table("split", "rows")
    counted = target is not None and target.kind == "classes"
    names = class_names(target)[:MOST_CLASSES] if target is not None and counted else []
    for name in names:
        table.add_column(name, justify="right")
    for split, (_, y) in splits.items():
        counts = torch.bincount(y, minlength=len(names)).tolist() if counted else []
        table.add_row(split, f"{len(y):,}", *(f"{count:,}" for count in counts[: len(names)]))
    return table


def table_of_values(x: Tensor) -> Table:
    """Smallest, mean, largest value and deviation over the train rows: of each feature, or of each channel."""
    table = Table(f"{'feature' if x.dim() == 2 else 'channel'} as the net sees it", "smallest", "mean", "largest", "SD")
    parts = x.double().transpose(0, 1).flatten(1)
    for place, values in enumerate(parts[:MOST_CLASSES]):
        numbers = (values.min(), values.mean(), values.max(), values.std(correction=0))
        table.add_row(str(place), *(f"{float(number):.4g}" for number in numbers))
    if len(parts) > MOST_CLASSES:
        table.add_row(f"… {len(parts) - MOST_CLASSES} more", "", "", "", "")
    return table


def table_of_rows(x: Tensor, y: Tensor, target: Target | None) -> Table:
    """The first train rows, each by its first values."""
    table = Table("row", "values", "target")
    for row in range(min(FIRST_ROWS, len(x))):
        values = x[row].flatten()
        more = ", …" if len(values) > MOST_VALUES else ""
        table.add_row(
            str(row), ", ".join(f"{value:.4g}" for value in values[:MOST_VALUES]) + more, named(y[row], target)
        )
    return table


def named(y: Tensor, target: Target | None) -> str:
    """A target as a reader calls it."""
    if target is not None and target.kind == "classes":
        return class_names(target)[int(y)]
    return ", ".join(f"{value:g}" for value in y.flatten()[:MOST_VALUES].tolist())


def class_names(target: Target) -> list[str]:
    """The classes' names, their numbers where they have none."""
    return list(target.names) or list(map(str, range(target.number)))


def draw(path: Path, x: Tensor, y: Tensor, target: Target | None) -> None:
    """Images and signals in a column for each class; two features against each other; of more, their histograms."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.6), layout="constrained")
    FigureCanvasAgg(figure)
    groups = groups_of(x, y, target)
    if x.dim() == 2 and x.shape[1] == 2:
        axes = figure.subplots()
        for name, rows in groups.items():
            axes.scatter(rows[:, 0].tolist(), rows[:, 1].tolist(), s=14, alpha=0.7, label=name)
        axes.set(xlabel="feature 0", ylabel="feature 1")
        axes.legend(frameon=False)
    elif x.dim() == 2:
        shown = min(x.shape[1], 2 * MOST_CLASSES)
        for place, axes in enumerate(figure.subplots(-(-shown // 5), min(5, shown), squeeze=False).flat):
            axes.set_visible(place < shown)
            if place < shown:
                axes.hist([rows[:, place].tolist() for rows in groups.values()], bins=20, stacked=True, label=[*groups])
                axes.set_title(f"feature {place}", fontsize=8)
        figure.legend(list(groups), loc="outside lower center", ncols=MOST_CLASSES, frameon=False)
    else:
        panels = figure.subplots(EACH, len(groups), squeeze=False)
        for column, (name, rows) in zip(panels.T, groups.items(), strict=True):
            column[0].set_title(name, fontsize=9)
            for place, axes in enumerate(column):
                axes.set_xticks([])
                axes.set_yticks([])
                if place >= len(rows):
                    axes.set_visible(False)
                elif x.dim() == 4:
                    _show(axes, rows[place])
                else:
                    axes.plot(rows[place].T.tolist() if x.dim() == 3 else rows[place].flatten().tolist(), linewidth=1)
    with replacing(path) as part:
        figure.savefig(part, dpi=110, format="png")


def groups_of(x: Tensor, y: Tensor, target: Target | None) -> dict[str, Tensor]:
    """The train rows by class; where there are none, or too many to draw, all of them or the first."""
    if target is None or target.kind != "classes":
        return {"samples": x}
    return {name: x[y == place] for place, name in enumerate(class_names(target)[:MOST_CLASSES])}


def _show(axes: Any, image: Tensor) -> None:
    low, high = float(image.min()), float(image.max())
    image = (image - low) / (high - low if high > low else 1)
    if len(image) == 3:
        axes.imshow(image.permute(1, 2, 0).tolist())
    else:  # one channel, or the first of as many as no eye has
        axes.imshow(image[0].tolist(), cmap="gray")
