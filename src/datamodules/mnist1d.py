"""MNIST-1D (Greydanus, Kobak 2020, arXiv:2011.14439): generated signals of 40 points in ten classes."""

import hashlib
import json
import random
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from litmus.atomic import replacing
from litmus.training.array_data_module import ArrayDataModule, Source

# With these the package's generator gives the frozen file its authors published.
PUBLISHED_SEED, PUBLISHED_TRAIN, PUBLISHED_TEST = 42, 4_000, 1_000


class MNIST1D(ArrayDataModule):
    """Signals (1, 40), standardised over the whole draw as the mnist1d package does.

    Args:
        draw: "published" is the authors' 4,000 + 1,000, the 1,000 for the test; "fresh" is drawn by `seed`.
        train, val, test: rows of each split of a fresh draw.
        common: the arguments of `ArrayDataModule`.
    """

    name = "mnist1d"
    input_shape = (1, 40)
    classes = 10

    def __init__(
        self,
        *,
        draw: Literal["published", "fresh"] = "published",
        train: int = 4_000,
        val: int = 2_000,
        test: int = 10_000,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        sizes = {"train": train, "val": val, "test": test}
        if draw not in ("published", "fresh"):
            raise ValueError(f"data.draw must be published or fresh, got {draw}")
        if draw == "published" and list(sizes.values()) != [4_000, 2_000, 10_000]:
            raise ValueError(f"data.train, val and test are the sizes of data.draw=fresh, got {sizes} with published")
        if draw == "fresh" and min(sizes.values()) < 1:
            raise ValueError(f"data.train, val and test must be at least 1, got {sizes}")
        if draw == "fresh" and not 0 <= self.seed < 2**32:
            raise ValueError(f"seed must be in 0…2**32-1 to draw fresh data, got {self.seed}")
        if draw == "fresh" and self.folds is None and common.get("val_fraction", 0.1) != 0.1:
            raise ValueError(f"data.draw=fresh takes data.val rows, got data.val_fraction={self.val_fraction}")
        self.draw = draw
        self.sizes = sizes

    def load(self) -> Source:
        rows, seed = sum(self.sizes.values()), self.seed
        if self.draw == "published":
            rows, seed = PUBLISHED_TRAIN + PUBLISHED_TEST, PUBLISHED_SEED
        x, y, sha256 = cached_signals(self.data_dir / "mnist1d", rows, seed)
        return Source(
            x=torch.from_numpy(x[:, None]),
            y=torch.from_numpy(y),
            test=torch.arange(rows) >= PUBLISHED_TRAIN if self.draw == "published" else None,
            sha256=sha256,
        )

    def split(self, source: Source) -> dict[str, Tensor]:
        """A fresh draw in the sizes asked for, in its shuffled order; folds and published data as usual."""
        if self.draw == "published" or self.folds is not None:
            return super().split(source)
        parts = torch.arange(len(source.y)).split(list(self.sizes.values()))
        return dict(zip(self.sizes, parts, strict=True))

    def without_effect(self, knob: str) -> str:
        """Of a fresh draw the sizes say how many rows are tested."""
        if knob == "test_fraction" and self.draw == "fresh" and self.folds is None:
            return "data.draw=fresh tests data.test rows"
        return super().without_effect(knob)

    def notes(self) -> dict[str, Any]:
        return {"draw": self.draw}


def cached_signals(folder: Path, rows: int, seed: int) -> tuple[np.ndarray, np.ndarray, str]:
    """The first rows of a draw, x (rows, 40) float32 and y (rows,) int64, and their sha256; drawn once."""
    key = json.dumps({"mnist1d": version("mnist1d"), "rows": rows, "seed": seed})
    path = folder / f"{hashlib.sha256(key.encode()).hexdigest()[:16]}.npz"
    # a damaged cache fails in any way, and is drawn again
    with suppress(Exception), path.open("rb") as stored, np.load(stored) as cache:
        x, y = cache["x"], cache["y"]
        if _sha256(x, y) == str(cache["sha256"]):
            return x, y, _sha256(x, y)
    drawn_x, drawn_y = draw_signals(rows, seed)
    x, y = drawn_x[:rows].astype("<f4"), drawn_y[:rows].astype("<i8")
    # a folder that cannot be written to costs the next run a second, and is no reason to end this one
    with suppress(OSError), replacing(path) as part, part.open("wb") as file:
        np.savez(file, x=x, y=y, sha256=_sha256(x, y))
    return x, y, _sha256(x, y)


def draw_signals(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """One draw of the package: x (n, 40) float64, y (n,), shuffled, n the next multiple of the ten classes.

    The package seeds numpy's and Python's global generators; all global generators are left as they were.
    """
    numpy_state, python_state = np.random.get_state(), random.getstate()
    try:
        with torch.random.fork_rng(devices=[]):
            from mnist1d.data import get_dataset_args, make_dataset

            arguments = get_dataset_args()
            arguments.num_samples = -(-rows // 10) * 10
            arguments.seed = seed
            dataset = make_dataset(arguments)
    finally:
        np.random.set_state(numpy_state)
        random.setstate(python_state)
    return np.concatenate([dataset["x"], dataset["x_test"]]), np.concatenate([dataset["y"], dataset["y_test"]])


def _sha256(x: np.ndarray, y: np.ndarray) -> str:
    return hashlib.sha256(repr((x.shape, y.shape)).encode() + x.tobytes() + y.tobytes()).hexdigest()
