"""The weights after each of a run's last epochs, tested when it has ended: what `at: tail` judges."""

import re
from pathlib import Path

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EarlyStopping, Timer

from litmus.atomic import replacing
from litmus.claims.reductions import FEWEST_IN_TAIL, TAIL, in_tail
from litmus.paths import typed_path
from litmus.training.averaging import averaging_of
from litmus.trial.checkpoint import BUFFERS, test, unsaved_buffers, weights_of
from litmus.trial.finished import test_metrics
from litmus.trial.history import FIRST_COLUMNS, read_history
from litmus.words import count

KEPT = re.compile(r"epoch=(\d+)\.ckpt")


class Tail(pl.Callback):
    """Keeps the weights after each of the last epochs until the run has ended and every one of them was tested.

    None of them is chosen: where the last update happened to stop is noise, of which the mean over the last fifth of a
    run has less. Epochs are the cadence, and `updates_per_epoch` says how long they are.

    Args:
        directory: where weights wait for their test; it is empty afterwards.
        share: of the run's epochs, the last of them.
        least: so many epochs that must be.

    Raises:
        ValueError: at construction for another share; before training where the last epochs are too few, are not known,
            or are judged otherwise: something may end the run earlier, or it averages its weights.
    """

    # It looks at the weights once an epoch.
    ticks_per_stretch = True

    def __init__(self, directory: str, share: float = TAIL, least: int = FEWEST_IN_TAIL) -> None:
        if not 0 < share <= 1 or least < 1:
            raise ValueError(
                f"callbacks.tail.share must be above 0 and at most 1, and least 1 or more; got {share} and {least}"
            )
        self.directory, self.share, self.least = typed_path(directory), share, least
        self._tested: dict[str, list[float]] = {}

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        epochs, callbacks = trainer.max_epochs, trainer.callbacks  # type: ignore[attr-defined]
        why = ""
        if epochs is None or epochs < 0 or trainer.max_steps != -1:
            why = "the run's epochs are not planned: use epochs and updates_per_epoch"
        elif averaging_of(trainer) is not None:
            why = "the run averages its weights, which is another way to the same end: take one of them"
        elif early := [one for one in callbacks if isinstance(one, EarlyStopping | Timer)]:
            why = f"{type(early[0]).__name__} may end the run before them: leave it out"
        elif in_tail(epochs, self.share) < self.least:
            why = (
                f"of {count(epochs, 'epoch')} these are {in_tail(epochs, self.share)}, and fewer than {self.least} say "
                "little: make epochs shorter and more, as with epochs=50 and a fifth of the updates_per_epoch"
            )
        if why:
            raise ValueError(f"callbacks=tail judges the mean over the last {self.share:g} of the epochs, but {why}")

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.is_global_zero:
            for path in self.kept():
                if _epoch(path) >= trainer.current_epoch:
                    path.unlink()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        epochs = trainer.max_epochs or 0
        if trainer.is_global_zero and trainer.current_epoch >= epochs - in_tail(epochs, self.share):
            self.directory.mkdir(parents=True, exist_ok=True)
            with replacing(self.directory / f"epoch={trainer.current_epoch}.ckpt") as path:
                torch.save({**weights_of(trainer, pl_module), BUFFERS: unsaved_buffers(pl_module)}, path)

    def kept(self) -> list[Path]:
        """The weights that wait, in the order of their epochs."""
        found = self.directory.iterdir() if self.directory.is_dir() else ()
        return sorted((path for path in found if KEPT.fullmatch(path.name)), key=_epoch)

    def test(self, trainer: pl.Trainer, model: pl.LightningModule, data: pl.LightningDataModule) -> None:
        """Tests what was kept, each weights once, and deletes it; no logger hears of it."""
        loggers, trainer.loggers, self._tested = trainer.loggers, [], {}
        try:
            for path in self.kept():
                test(trainer, model, data, path)
                for name, value in test_metrics(trainer).items():
                    self._tested.setdefault(name, []).append(value)
        finally:
            trainer.loggers = loggers

    def described(self, history: Path) -> dict[str, list[float]]:
        """Metric → its values over the last epochs: of the training and the validation by metrics.csv, of the test."""
        rows = read_history(history) if history.is_file() else []
        last = rows[len(rows) - in_tail(len(rows), self.share) :] if rows else []
        names = {name for row in last for name in row if name not in FIRST_COLUMNS and "/" in name}
        return {name: [row[name] for row in last if name in row] for name in sorted(names)} | self._tested

    def clear(self) -> None:
        """Deletes the weights that were kept."""
        for path in self.kept():
            path.unlink()
        if self.directory.is_dir() and not any(self.directory.iterdir()):
            self.directory.rmdir()


def _epoch(path: Path) -> int:
    found = KEPT.fullmatch(path.name)
    return int(found[1]) if found else -1
