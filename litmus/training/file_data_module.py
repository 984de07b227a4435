"""The datamodule of a file or folder that anybody has: found, standardised on the train rows, its target explained."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor

from litmus.contract import Kind, Target
from litmus.paths import typed_path
from litmus.training.array_data_module import ArrayDataModule
from litmus.training.source import narrowed, standardised, what_columns_are

# What a split is called that came to validate on, which is drawn here.
VALIDATION = ("val", "valid", "validation", "dev")
Asked = Literal["auto", "classes", "real", "labels"]


class FileDataModule(ArrayDataModule):
    """What the data sets of a user's own files share.

    Args:
        path: the file or folder, as typed or below `data_dir`.
        kind: what the target is: classes, real, labels; auto is as its values tell.
        standardise: whether inputs lose the train rows' mean and are divided by their deviation; what a subclass says
            is no number is left as it is.
        standardise_target: the same for real targets; result.json has both numbers.
        common: the arguments of `ArrayDataModule`.

    Attributes:
        typed_in: where the run was typed that these data are read for again: there its relative path begins.
    """

    typed_in: Path | None = None

    def __init__(
        self,
        *,
        path: str | Path | None = None,
        kind: Asked = "auto",
        standardise: bool = True,
        standardise_target: bool = True,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        if path is None:
            raise ValueError("data.path must say where the data are, got null; type data.path=…")
        if kind not in get_args(Asked):
            raise ValueError(f"data.kind must be one of {', '.join(get_args(Asked))}, got {kind}")
        self.path = Path(path)
        self.name = self.path.stem or self.path.name
        self.kind = kind
        self.standardise, self.standardise_target = standardise, standardise_target
        self.target_scale: tuple[Tensor, Tensor] | None = None

    def found(self) -> Path:
        """Where the file or folder is.

        Raises:
            FileNotFoundError: naming the places where it was looked for.
        """
        places = [typed_path(self.path)]
        places += [] if self.path.is_absolute() else [self.data_dir / self.path]
        remedy = "give the path from where you type, or an absolute one"
        if self.typed_in is not None:
            places = list(dict.fromkeys([*(self.typed_in / place for place in places), *places]))
            remedy = "put the data back, or type this in the directory that it begins in"
        there = next((place for place in places if place.exists()), None)
        if there is None:
            told = " or ".join(map(str, places))
            raise FileNotFoundError(f"data.path={self.path}: expected it at {told}, found nothing there; {remedy}")
        return there

    @property
    def _whose(self) -> str:
        return str(self.path)

    def scale(self, x: Tensor, rows: dict[str, Tensor]) -> Tensor:
        return standardised(x, rows["train"])[0] if self.standardise else x

    def scale_target(self, y: Tensor, rows: dict[str, Tensor]) -> Tensor:
        if not self.standardise_target:
            return y
        scaled, *scale = standardised(y, rows["train"])
        self.target_scale = (scale[0], scale[1])
        return scaled

    def notes(self) -> dict[str, Any]:
        if self.target_scale is None:
            return {}
        mean, deviation = (part.flatten().tolist() for part in self.target_scale)
        return {"target_scale": {"mean": mean, "deviation": deviation}}


def targets_of(values: np.ndarray, kind: Asked, what: str, names: Sequence[str] = ()) -> tuple[Tensor, Target | None]:
    """Targets from an array of numbers or texts, and what they mean where the values' type does not tell that.

    Args:
        values: (rows,) or (rows, number).
        kind: as it was asked for.
        what: the array's name, for a sentence.
        names: of the classes that its numbers stand for.

    Raises:
        ValueError: where the values cannot be what was asked for.
    """
    if values.dtype.kind in "US":
        if kind not in ("auto", "classes") or values.ndim != 1:
            raise ValueError(f"{what}: expected numbers, found texts such as {values.flat[0]}")
        classes, places = np.unique(values.astype(str), return_inverse=True)
        return torch.from_numpy(places.astype(np.int64)), _named([str(name) for name in classes])
    values = numbers(values, what)
    whole = values.dtype.kind in "iub" or bool((values == np.floor(values)).all())
    exact = torch.from_numpy(values.astype(np.float64))
    columns = what_columns_are(exact)
    if columns and kind == "auto":
        raise ValueError(f"{what}: {columns}; say data.kind=classes, labels or real")
    if kind == "real" or (kind == "auto" and values.dtype.kind == "f"):
        return narrowed(exact), Target("real", values.shape[1]) if columns else None
    if not whole:
        raise ValueError(f"{what}: data.kind={kind} needs whole numbers, found fractions; data.kind=real takes them")
    y = torch.from_numpy(values.astype(np.int64))
    y = y.argmax(1) if columns and kind == "classes" else y
    said: Kind | None = "labels" if kind == "labels" else None
    if said:
        return y, Target(said, y.shape[1] if y.dim() == 2 else 1, tuple(names))
    return y, _named(names) if names else None


def numbers(values: np.ndarray, what: str) -> np.ndarray:
    """The array itself if it holds whole or real numbers, or true and false.

    Raises:
        ValueError: naming what it holds instead.
    """
    if values.dtype.kind not in "iubf":
        found = {"O": "Python objects", "U": "texts", "S": "texts", "c": "complex numbers", "V": "records"}
        raise ValueError(f"{what}: expected numbers, found {found.get(values.dtype.kind, str(values.dtype))}")
    return values


def floats(values: np.ndarray, what: str) -> Tensor:
    """Inputs from an array of numbers; what has more digits than float32 keeps them until it is standardised."""
    wide = numbers(values, what).dtype.itemsize > 2 and values.dtype != np.float32
    return torch.from_numpy(np.ascontiguousarray(values, np.float64 if wide else np.float32))


def listed(names: str | Sequence[str] | None) -> list[str]:
    """The names of columns: of one that was typed alone, of several, or none."""
    return [] if names is None else [names] if isinstance(names, str) else [str(name) for name in names]


def _named(names: Sequence[str]) -> Target | None:
    """None for a single class, which `checked` refuses in its own words."""
    return Target("classes", len(names), tuple(names)) if len(names) > 1 else None


def sha256_of(*paths: Path) -> str:
    """The fingerprint of files, by their contents in this order."""
    found = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            found.update(hashlib.file_digest(file, "sha256").digest())
    return found.hexdigest()
