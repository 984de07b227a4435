"""Arrays of your own: a .npz, a pair of .npy, tensors in a .pt, or a folder of .npy that need not fit in memory."""

import re
import struct
import zlib
from collections.abc import Container
from pathlib import Path
from pickle import UnpicklingError
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch

from litmus.training.array_data_module import Source, standardised_as_read
from litmus.training.file_data_module import VALIDATION, FileDataModule, floats, numbers, sha256_of, targets_of
from litmus.training.mapped import MappedRows, windowed_order
from litmus.training.rows import generator

# Rows that are shuffled together, and the consecutive ones that they are made of, of a folder of shards.
WINDOW, BLOCK = 65_536, 256
# What the readers of a damaged file end in.
UNREADABLE = (
    *(OSError, ValueError, EOFError, RuntimeError, TypeError, LookupError, AttributeError),
    *(BadZipFile, UnpicklingError, zlib.error, struct.error),
)
REMEDY = "save them with np.savez(FILE, x=x, y=y) as arrays of numbers"


class Arrays(FileDataModule):
    """Inputs (rows, …) and targets (rows,) or (rows, number) of one file, or of a folder of shards.

    Of a folder, inputs stay on disk and are read as they are trained on; targets are in memory.

    Args:
        inputs, targets: the arrays' names; a file with `x_train`, `y_train`, `x_test` and `y_test` instead has an
            official test set. Of a .npy, the inputs are the file itself and the targets the .npy of that name beside;
            of a folder, its files of these beginnings, one of each for a shard, as x_000.npy and y_000.npy.
        window, block: of a folder: every pass shuffles so many rows at a time, out of blocks of consecutive ones.
        common: the arguments of `FileDataModule`.
    """

    def __init__(
        self,
        *,
        inputs: str = "x",
        targets: str = "y",
        window: int | None = None,
        block: int | None = None,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        self.inputs, self.targets_name = inputs, targets
        self.window, self.block = window or WINDOW, block or BLOCK
        if min(self.window, self.block) < 1 or self.block > self.window:
            raise ValueError(f"data.window must be data.block rows or more, got {self.window} and {self.block}")
        self._given = window is not None or block is not None

    def order(self, number: int) -> torch.Tensor:
        """By windows where the inputs stay on disk."""
        if not isinstance(self.splits["train"][0], MappedRows):
            return super().order(number)
        return windowed_order(self.train_size, self.window, self.block, generator("order", self.seed, number))

    def scale(self, x: Any, rows: dict[str, torch.Tensor]) -> Any:
        if not isinstance(x, MappedRows):
            return super().scale(x, rows)
        return standardised_as_read(x, rows["train"]) if self.standardise else x

    def load(self) -> Source:
        path = self.found()
        if path.is_dir():
            return self._mapped(path)
        if self._given:
            raise ValueError(f"data.window and data.block are for a folder of shards, and {path} is a file")
        inputs = path.stem if path.suffix == ".npy" else self.inputs
        names, files = [inputs, self.targets_name], [path]
        if path.suffix == ".npy":
            files.append(path.with_name(f"{self.targets_name}.npy"))
        arrays = read_arrays(files)
        split = [f"{name}_{part}" for part in ("train", "test") for name in names]
        test = None
        if not set(names) <= arrays.keys() and set(split) <= arrays.keys():
            joined = {name: _joined(path, name, arrays) for name in names}
            test = torch.arange(len(joined[inputs])) >= len(arrays[f"{inputs}_train"])
        refuse_left_out(path, inputs, arrays, whole=test is None)
        arrays = arrays if test is None else joined
        missing = next((name for name in names if name not in arrays), None)
        if missing is not None:
            raise ValueError(
                f"{path}: expected the arrays {' and '.join(names)}, found {', '.join(arrays) or 'none'}; data.inputs "
                "and data.targets name others"
            )
        x = floats(arrays[inputs], f"{path}, {inputs}")
        y, target = targets_of(arrays[self.targets_name], self.kind, f"{path}, {self.targets_name}")
        return Source(x[:, None] if x.dim() == 1 else x, y, test, sha256_of(*files), target)

    def _mapped(self, folder: Path) -> Source:
        """The shards of a folder."""
        files = [sorted(folder.glob(f"{name}*.npy"), key=_natural) for name in (self.inputs, self.targets_name)]
        if not files[0] or len(files[0]) != len(files[1]):
            raise ValueError(
                f"{folder}: expected as many shards {self.inputs}*.npy as {self.targets_name}*.npy, found "
                f"{len(files[0])} and {len(files[1])}; data.inputs and data.targets name others"
            )
        x = [numbers(mapped(path), str(path)) for path in files[0]]
        odd = next(
            (
                shard
                for shard in range(len(x))
                if x[shard].shape[1:] != x[0].shape[1:] or not x[shard].size * x[shard].ndim
            ),
            None,
        )
        if odd is not None:
            raise ValueError(f"{files[0][odd]}: expected rows of shape {x[0].shape[1:]}, found {x[odd].shape}")
        parts = [np.asarray(mapped(path)) for path in files[1]]
        unlike = next((place for place, part in enumerate(parts) if part.shape[:1] != x[place].shape[:1]), None)
        if unlike is not None:
            raise ValueError(
                f"{files[1][unlike]}: expected a target for each of the {len(x[unlike])} rows of "
                f"{files[0][unlike].name}, found {parts[unlike].shape[0] if parts[unlike].ndim else 'a single value'}"
            )
        other = next((place for place, part in enumerate(parts) if part.shape[1:] != parts[0].shape[1:]), None)
        if other is not None:
            raise ValueError(
                f"{files[1][other]}: expected targets of shape {parts[0].shape[1:]}, found {parts[other].shape[1:]}"
            )
        y, target = targets_of(np.concatenate(parts), self.kind, f"{folder}, {self.targets_name}")
        return Source(MappedRows(x), y, None, sha256_of(*files[0], *files[1]), target)


def _joined(path: Path, name: str, arrays: dict[str, np.ndarray]) -> np.ndarray:
    """The rows of the train and of the test part of an array.

    Raises:
        ValueError: where they are not of one shape and kind.
    """
    parts = [arrays[f"{name}_{part}"] for part in ("train", "test")]
    shapes, kinds = [part.shape for part in parts], [part.dtype for part in parts]
    if () in shapes or shapes[0][1:] != shapes[1][1:]:
        raise ValueError(
            f"{path}: expected rows of one shape in {name}_train and {name}_test, found {shapes[0]} and {shapes[1]}; "
            "save them alike"
        )
    try:
        return np.concatenate(parts)
    except TypeError:
        raise ValueError(
            f"{path}: expected one kind of values in {name}_train and {name}_test, found {kinds[0]} and {kinds[1]}; "
            "save them alike"
        ) from None


def refuse_left_out(path: Path, inputs: str, names: Container[str], whole: bool) -> None:
    """Refuses a part that came with the inputs and that nobody would read.

    Args:
        path: of the file.
        inputs: their name.
        names: of all arrays.
        whole: whether the inputs are of one array.

    Raises:
        ValueError: naming the part.
    """
    if whole and (inputs not in names or f"{inputs}_train" in names):  # beside its parts, the whole is the whole
        return
    for part in VALIDATION if not whole else ("test", *VALIDATION):
        if f"{inputs}_{part}" in names:
            rest = inputs if whole else f"{inputs}_train"
            remedy = f"join it with {rest}, of which data.val_fraction validates, or take it out"
            if part == "test":
                remedy = f"call {rest} {inputs}_train, and the targets likewise"
            raise ValueError(
                f"{path}: expected no part beside {rest if whole else f'{rest} and {inputs}_test'}, found "
                f"{inputs}_{part}, which would be left out; {remedy}"
            )


def mapped(path: Path) -> np.ndarray:
    """The array of a .npy, on disk.

    Raises:
        ValueError: for a file that holds anything else.
    """
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as problem:
        raise ValueError(f"{path}: expected an array, found {' '.join(str(problem).split())[:120]}; {REMEDY}") from None


def _natural(path: Path) -> list[tuple[int, str]]:
    """x_2 before x_10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", path.name)]


def read_arrays(files: list[Path]) -> dict[str, np.ndarray]:
    """Every array of the files by its name; nothing in them is run.

    Raises:
        ValueError: for a file that holds anything but arrays.
    """
    found: dict[str, np.ndarray] = {}
    for path in files:
        if not path.is_file():
            raise FileNotFoundError(f"{path}: expected the targets' array there, found none; data.targets names it")
        try:
            if path.suffix in (".npz", ".npy"):
                with path.open("rb") as file:
                    content = np.load(file, allow_pickle=False)
                    found |= {path.stem: content} if path.suffix == ".npy" else dict(content)
            elif path.suffix in (".pt", ".pth"):
                found |= _tensors(torch.load(path, map_location="cpu", weights_only=True))
            else:
                raise ValueError(f"expected a file that ends in .npz, .npy or .pt, found {path.suffix or 'no ending'}")
        except UNREADABLE as problem:
            said = " ".join(str(problem).split())[:120]
            objects = "pickle" in said.lower() or "weights_only" in said.lower()
            found_there = "Python objects, which are never unpickled: they could run anything" if objects else said
            raise ValueError(f"{path}: expected arrays, found {found_there or 'another file'}; {REMEDY}") from None
    return found


def _tensors(content: Any) -> dict[str, np.ndarray]:
    pair = isinstance(content, list | tuple) and len(content) == 2
    named = dict(zip("xy", content, strict=True)) if pair else content if isinstance(content, dict) else {}
    if not named or not all(isinstance(tensor, torch.Tensor) for tensor in named.values()):
        raise ValueError("neither tensors by their names nor a pair of them")
    sparse = next((name for name, tensor in named.items() if tensor.layout != torch.strided), None)
    if sparse is not None:
        raise ValueError(f"a sparse tensor {sparse}, of which {sparse}.to_dense() has the numbers")
    whole = {name: tensor.detach() for name, tensor in named.items()}
    return {str(name): (one.float() if one.dtype == torch.bfloat16 else one).numpy() for name, one in whole.items()}
