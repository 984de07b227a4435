"""Files of a user's own, made small: tables, folders of images, arrays, and the runs that need them."""

from pathlib import Path

import numpy as np
import polars
import pytest
import torch
from PIL import Image

from src.models.mlp import MLP

CITIES = np.array(["Bern", "Basel", "Genf"])
LEVELS = np.array(["low", "mid", "high"])


def columns(rows=2000, seed=0):
    """A table's columns: numbers, texts and true or false, a level of three and a price that follow from them."""
    draw = np.random.default_rng(seed)
    age, income = draw.integers(18, 80, rows), draw.lognormal(10, 1, rows).round(2)
    city, member = CITIES[draw.integers(0, 3, rows)], draw.random(rows) < 0.5
    score = (age - 50) / 20 + np.log(income) - 10 + (city == "Bern") * 1.5 + draw.normal(0, 0.4, rows)
    level, price = LEVELS[np.digitize(score, [-0.5, 1.0])], (100_000 + 30_000 * score).round(1)
    return {"age": age, "income": income, "city": city, "member": member, "level": level, "price": price}


def write_table(path: Path, rows=2000, change=None, **others) -> Path:
    """Writes the table, as CSV or Parquet by its ending, with columns changed, added, or left out where None."""
    frame = columns(rows) | others
    if change:
        frame = change(frame)
    table = polars.DataFrame({name: column for name, column in frame.items() if column is not None}, strict=False)
    table.write_parquet(path) if path.suffix == ".parquet" else table.write_csv(path)
    return path


def write_images(root: Path, each=100, size=(12, 10), classes=("ant", "bee", "cat"), mode="RGB", ending="png") -> Path:
    """Writes images whose class is the channel that is brighter, or of grey ones the brightness; gives the folder."""
    draw = np.random.default_rng(1)
    for number, name in enumerate(classes):
        (root / name).mkdir(parents=True, exist_ok=True)
        for place in range(each):
            pixels = draw.integers(0, 120, (*size, 3), dtype=np.uint8)
            pixels[:, :, number % 3] += 80
            image = Image.fromarray(pixels)
            (image if mode == "RGB" else image.convert(mode)).save(root / name / f"{place}.{ending}")
    return root


def arrays(rows=300, shape=(6,), classes=3):
    """x (rows, *shape) float32 and y (rows,) int64, a blob for each class."""
    draw = np.random.default_rng(2)
    y = np.arange(rows) % classes
    centres = draw.normal(0, 1, (classes, *shape))
    return (centres[y] + draw.normal(0, 0.5, (rows, *shape))).astype(np.float32), y


class Points(torch.utils.data.Dataset):
    """A Dataset as anybody would write it."""

    def __init__(self, rows=120, noise=0.0):
        self.x, self.y = arrays(rows)
        self.noise = noise

    def __len__(self):
        return len(self.x)

    def __getitem__(self, place):
        noise = self.noise * torch.randn(6) if self.noise else 0.0
        return torch.from_numpy(self.x[place]) + noise, int(self.y[place])


def write_dataset(folder):
    """Writes one of Hugging Face's, if they are there."""
    datasets = pytest.importorskip("datasets")
    x, y = arrays(240)
    features = datasets.Features(
        {"pixels": datasets.Sequence(datasets.Value("float32")), "label": datasets.ClassLabel(names=["a", "b", "c"])}
    )
    datasets.Dataset.from_dict({"pixels": x.tolist(), "label": y.tolist()}, features).save_to_disk(str(folder))
    return folder


def write_arrays(path: Path) -> Path:
    """Writes x and y."""
    x, y = arrays()
    np.savez(path, x=x, y=y)
    return path


# Choice of data → what must be typed with it, once it has written its files to a folder.
TYPED = {
    "table": lambda folder: (f"data.path={write_table(folder / 't.csv')}", "data.target=level", "data.drop=[price]"),
    "image_folder": lambda folder: (f"data.path={write_images(folder / 'images')}",),
    "arrays": lambda folder: (f"data.path={write_arrays(folder / 'a.npz')}",),
    "huggingface": lambda folder: (f"data.path={write_dataset(folder / 'stored')}",),
    "dataset": lambda folder: ("data.dataset._target_=tests.own_data.Points",),
}


def typed(choice, folder):
    """What chooses these data on the command line."""
    return (f"data={choice}", *TYPED[choice](folder))


def whole_and_resumed(trial, folder, *typed, epoch=2):
    """The results of a run, and of the same interrupted as `epoch` began and gone on with."""

    def interrupt(self):
        if self.current_epoch == epoch:
            raise KeyboardInterrupt

    whole = trial(*typed, directory=folder / "whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MLP, "on_train_epoch_start", interrupt, raising=False)
        with pytest.raises((SystemExit, KeyboardInterrupt)):
            trial(*typed, directory=folder / "cut")
    resumed = trial(*typed, f"resume={folder / 'cut'}", directory=folder / "cut")
    assert resumed["counters"]["epochs"] > epoch
    for result in (whole, resumed):
        del result["counters"]["seconds"]
    return whole, resumed
