"""The weights along a run: a row of all parameters, flat, per epoch or every so many updates, in trajectory.npz."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from torch import nn

from litmus.atomic import replacing
from litmus.paths import typed_path
from litmus.words import count

INTERVALS = ("epoch", "update")


class Trajectory(NamedTuple):
    """Rows in the order of training: epochs (rows,) and updates (rows,) done, weights (rows, parameters) float32."""

    epochs: NDArray[np.int64]
    updates: NDArray[np.int64]
    weights: NDArray[np.float32]

    def counted(self, interval: str) -> NDArray[np.int64]:
        """The epochs or the updates (rows,) done at each row."""
        return self.epochs if interval == "epoch" else self.updates


def flat(module: nn.Module) -> NDArray[np.float32]:
    """All parameters (parameters,) in the order of `module.parameters()`, copied; buffers are not among them."""
    return torch.cat([value.detach().flatten().float() for value in module.parameters()]).cpu().numpy()


def kept(recorded: Trajectory, done: int, every: int, interval: str) -> Trajectory:
    """The rows that a run which goes on after `done` epochs or updates has behind it.

    Later ones will be repeated, and the last of a run that had ended off the interval is none of a longer one's.

    Raises:
        ValueError: if one is missing.
    """
    counted = recorded.counted(interval)
    chosen = (counted <= done) & (counted % every == 0)
    if not np.array_equal(counted[chosen], np.arange(0, done + 1, every)):
        raise ValueError(
            f"expected a row of weights every {count(every, interval)} up to {done}, found {int(chosen.sum())} of them"
        )
    return Trajectory(*(column[chosen] for column in recorded))


def read_trajectory(path: Path) -> Trajectory:
    """What RecordWeights wrote.

    Raises:
        ValueError: for a file that is missing, damaged or something else.
    """
    try:
        with path.open("rb") as file, np.load(file) as stored:
            recorded = Trajectory(*(np.asarray(stored[name]) for name in Trajectory._fields))
    except FileNotFoundError:
        raise ValueError(
            f"{path}: expected the weights along a run, found no file; callbacks=trajectory records them"
        ) from None
    except Exception as problem:  # bytes that are cut or changed can fail anywhere in zip's and numpy's readers
        size = path.stat().st_size if path.is_file() else 0
        raise ValueError(
            f"{path}: expected the weights along a run, found {size:,} damaged bytes ({type(problem).__name__}); "
            "run it again with callbacks=trajectory"
        ) from None
    rows = recorded.weights.shape[:1]
    if recorded.weights.ndim != 2 or rows == (0,) or not recorded.epochs.shape == recorded.updates.shape == rows:
        shapes = ", ".join(f"{name} {column.shape}" for name, column in recorded._asdict().items())
        raise ValueError(f"{path}: expected a row of weights for each row of epochs and updates, found {shapes}")
    return recorded


class RecordWeights(pl.Callback):
    """Records the weights before the first update, every so many epochs or updates, and at the end.

    The file is written with each checkpoint, just before it, and holds all rows up to there: a resumed run gives the
    same file as an uninterrupted one. It takes 4 bytes per parameter and row, in memory as well.

    Args:
        path: of the file.
        every: epochs or updates between rows.
        interval: epoch or update. Rows within an epoch need every update to be a step of the trainer's own, which
            is slower than a stretch and gives the same bits; shorter epochs (`updates_per_epoch`) keep stretches.

    Raises:
        ValueError: for arguments that cannot be, or a resumed run's file that lacks rows.
    """

    def __init__(self, path: str, every: int = 1, interval: str = "epoch") -> None:
        if interval not in INTERVALS:
            raise ValueError(f"callbacks.trajectory.interval must be epoch or update, got {interval}")
        if not isinstance(every, int) or every < 1:
            raise ValueError(f"callbacks.trajectory.every must be a whole number from 1 on, got {every}")
        self.path = typed_path(path)
        self.every, self.interval = every, interval
        self._rows: list[tuple[int, int, NDArray[np.float32]]] = []
        self._written = 0

    def recorded_metrics(self) -> set[str]:
        """What it adds to the metrics of an epoch: nothing."""
        return set()

    @property
    def ticks_per_stretch(self) -> bool:
        """Whether its batch hook need not see every update."""
        return self.interval == "epoch"

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._rows, self._written = [], 0
        if not trainer.is_global_zero:
            return
        done = trainer.current_epoch if self.interval == "epoch" else trainer.global_step
        if done == 0:
            self.path.unlink(missing_ok=True)  # an earlier run's here
            self._record(trainer, pl_module, epochs=0)
            return
        recorded = read_trajectory(self.path)
        try:
            self._rows = list(zip(*kept(recorded, done, self.every, self.interval), strict=True))
        except ValueError as problem:
            raise ValueError(f"{self.path}: {problem}; the file was changed after the run wrote it") from None

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if self.interval == "update" and trainer.global_step % self.every == 0:
            self._record(trainer, pl_module, trainer.current_epoch + trainer.is_last_batch)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        epochs = trainer.current_epoch + 1
        if self.interval == "epoch" and epochs % self.every == 0:
            self._record(trainer, pl_module, epochs)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._record(trainer, pl_module, trainer.current_epoch)
        self._write(trainer)

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        self._write(trainer)  # how a run came to diverge is worth seeing

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        self._write(trainer)

    def _record(self, trainer: pl.Trainer, pl_module: pl.LightningModule, epochs: int) -> None:
        """Adds a row, unless the last one is of the same update."""
        updates = trainer.global_step
        if trainer.is_global_zero and not (self._rows and self._rows[-1][1] == updates):
            self._rows.append((epochs, updates, flat(pl_module)))

    def _write(self, trainer: pl.Trainer) -> None:
        if not trainer.is_global_zero or len(self._rows) == self._written:
            return
        epochs, updates, weights = zip(*self._rows, strict=True)
        with replacing(self.path) as path, path.open("wb") as file:
            np.savez(file, epochs=np.array(epochs), updates=np.array(updates), weights=np.stack(weights))
        self._written = len(self._rows)
