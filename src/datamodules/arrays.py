"""Arrays of your own: a .npz, a pair of .npy, or tensors in a .pt."""

from pathlib import Path
from pickle import UnpicklingError
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch

from litmus.training.array_data_module import Source
from litmus.training.file_data_module import FileDataModule, floats, sha256_of, targets_of

REMEDY = "save them with np.savez(FILE, x=x, y=y) as arrays of numbers"


class Arrays(FileDataModule):
    """Inputs (rows, …) and targets (rows,) or (rows, number) of one file.

    Args:
        inputs, targets: the arrays' names; a file with `x_train`, `y_train`, `x_test` and `y_test` instead has an
            official test set. Of a .npy, the inputs are the file itself and the targets the .npy of that name beside.
        common: the arguments of `FileDataModule`.
    """

    def __init__(self, *, inputs: str = "x", targets: str = "y", **common: Any) -> None:
        super().__init__(**common)
        self.inputs, self.targets_name = inputs, targets

    def load(self) -> Source:
        path = self.found()
        inputs = path.stem if path.suffix == ".npy" else self.inputs
        names, files = [inputs, self.targets_name], [path]
        if path.suffix == ".npy":
            files.append(path.with_name(f"{self.targets_name}.npy"))
        arrays = read_arrays(files)
        split = [f"{name}_{part}" for part in ("train", "test") for name in names]
        test = None
        if not set(names) <= arrays.keys() and set(split) <= arrays.keys():
            test = torch.arange(sum(len(arrays[name]) for name in split[::2])) >= len(arrays[split[0]])
            arrays = {name: np.concatenate([arrays[f"{name}_train"], arrays[f"{name}_test"]]) for name in names}
        missing = next((name for name in names if name not in arrays), None)
        if missing is not None:
            raise ValueError(
                f"{path}: expected the arrays {' and '.join(names)}, found {', '.join(arrays) or 'none'}; data.inputs "
                "and data.targets name others"
            )
        x = floats(arrays[inputs], f"{path}, {inputs}")
        y, target = targets_of(arrays[self.targets_name], self.kind, f"{path}, {self.targets_name}")
        return Source(x[:, None] if x.dim() == 1 else x, y, test, sha256_of(*files), target)


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
        except (OSError, ValueError, EOFError, RuntimeError, BadZipFile, UnpicklingError) as problem:
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
    whole = {name: tensor.detach() for name, tensor in named.items()}
    return {str(name): (one.float() if one.dtype == torch.bfloat16 else one).numpy() for name, one in whole.items()}
