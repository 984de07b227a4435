"""Checkpoints of nothing but tensors and plain data, whatever of numpy's the parts of a run put into them."""

import pickle
import re
from collections import OrderedDict
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any, cast
from zipfile import is_zipfile

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.plugins.io import CheckpointIO

# The only key of what stands for an array in a file.
ARRAY = "array of numpy"


class PlainCheckpoints(CheckpointIO):
    """Writes numpy's numbers as numbers and its arrays as tensors, and gives the arrays back when it reads.

    Args:
        own: what else writes and reads.
    """

    def __init__(self, own: CheckpointIO) -> None:
        self.own = own

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        self.own.save_checkpoint(storable(checkpoint), path, storage_options=storage_options)

    def load_checkpoint(self, path: Any, *arguments: Any, **keywords: Any) -> dict[str, Any]:
        return cast(dict[str, Any], restored(self.own.load_checkpoint(path, *arguments, **keywords)))

    def remove_checkpoint(self, path: Any) -> None:
        self.own.remove_checkpoint(path)

    def teardown(self) -> None:
        self.own.teardown()


def storable(value: Any) -> Any:
    """The same without numpy, where it can be had without it; of what holds nothing of numpy's, the object itself."""
    if isinstance(value, np.generic):
        return value.item()
    if type(value) is np.ndarray:
        try:
            return {ARRAY: torch.from_numpy(value.copy())}
        except TypeError:  # of texts or objects
            return value
    return _each(value, storable)


def restored(value: Any) -> Any:
    """What `storable` was given, but for numbers, which stay Python's."""
    if type(value) is dict and value.keys() == {ARRAY} and isinstance(value[ARRAY], torch.Tensor):
        return value[ARRAY].numpy()
    return _each(value, restored)


def _each(value: Any, change: Callable[[Any], Any]) -> Any:
    if type(value) in (dict, OrderedDict):
        pairs = [(change(key), change(one)) for key, one in value.items()]
        same = all(key is old and one is value[old] for (key, one), old in zip(pairs, value, strict=True))
        return value if same else type(value)(pairs)
    if type(value) in (list, tuple):
        changed = [change(one) for one in value]
        return value if all(map(lambda new, old: new is old, changed, value)) else type(value)(changed)
    return value


def refuse_unreadable(path: Path, trainer: pl.Trainer) -> None:
    """Refuses a checkpoint that could be written and not read back without running what is in it.

    Raises:
        ValueError: naming the part of the run that put it there.
    """
    if not is_zipfile(path):  # written by a plugin in a way of its own
        return
    try:
        torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except pickle.UnpicklingError as problem:
        raise ValueError(unreadable(problem, _whose(trainer))) from None


def unreadable(problem: pickle.UnpicklingError, whose: str) -> str:
    """The sentence that refuses what this part gives."""
    kind = re.search(r"(?:GLOBAL|global:?) (?!GLOBAL)([\w.]+)", str(problem))
    return (
        f"{whose}: expected tensors and plain data, which can be read back without running them, found "
        f"{kind[1] if kind else 'something else'}; make numbers, texts or tensors of it"
    )


def refuse_state(state: Any, whose: str) -> None:
    """Refuses what could not be read back of what one part gives.

    Raises:
        ValueError: naming the part.
    """
    file = BytesIO()
    torch.save(state, file)
    file.seek(0)
    try:
        torch.load(file, weights_only=True)
    except pickle.UnpicklingError as problem:
        raise ValueError(unreadable(problem, whose)) from None


def _whose(trainer: pl.Trainer) -> str:
    """Who gives what cannot be read."""
    data: Any = trainer.datamodule  # type: ignore[attr-defined]
    schedulers = [config.scheduler for config in trainer.lr_scheduler_configs]
    callbacks: list[Any] = trainer.callbacks  # type: ignore[attr-defined]
    for part in (*callbacks, *([] if data is None else [data]), *schedulers, *trainer.optimizers):
        whose = f"{type(getattr(part, 'module', part)).__name__}.state_dict"
        try:
            refuse_state(storable(part.state_dict()), whose)
        except ValueError:
            return whose
    return "what a part of this run puts into its checkpoint"
