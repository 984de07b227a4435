"""How far the run is and how long it will take: a Rich bar on a terminal, a line now and then elsewhere."""

import sys
import time
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Checkpoint
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from litmus.training.epoch_metrics import EpochMetrics
from litmus.words import metric_text

MOST_SHOWN = 6


def time_left(seconds: float, done: int, total: int) -> float:
    """Seconds for what is left, if it goes on as it went."""
    return seconds / done * (total - done) if done else float("inf")


class TimeLeft(Checkpoint):
    """One bar over the epochs with the metrics and the time left.

    It is a Checkpoint to Lightning so that it runs after the module's own end of the epoch, which records the metrics.

    Args:
        every_seconds: where there is no terminal, a line at most so often, and nothing for runs shorter than that; 0
            is a line for every epoch, with its own seconds.
    """

    def __init__(self, every_seconds: float = 30.0) -> None:
        self.every_seconds = every_seconds
        self._bar: Progress | None = None
        self._measured = EpochMetrics()

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._started = self._said = self._ended = time.monotonic()
        self._first = trainer.current_epoch
        self._measured.take(trainer)
        if trainer.is_global_zero and sys.stdout.isatty():
            self._bar = Progress(
                TextColumn("epoch"),
                MofNCompleteColumn(),
                BarColumn(),
                TimeElapsedColumn(),
                TextColumn("left"),
                TimeRemainingColumn(elapsed_when_finished=True),
                TextColumn("{task.fields[metrics]}"),
                console=Console(),
                refresh_per_second=5,
            )
            self._task = self._bar.add_task("", total=trainer.max_epochs, completed=self._first, metrics="")
            self._bar.start()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if not trainer.is_global_zero:
            return
        done, total = trainer.current_epoch + 1, trainer.max_epochs or 0
        metrics = _metrics(self._measured.take(trainer), pl_module)
        if self._bar is not None:
            self._bar.update(self._task, completed=done, metrics=metrics)
            return
        now = time.monotonic()
        took, self._ended = now - self._ended, now
        if now - self._said >= self.every_seconds:
            self._said = now
            left = time_left(now - self._started, done - self._first, total - self._first)
            words = [f"epoch {done}/{total}", metrics, f"{took:.2f} s", f"{left:.0f} s left"]
            print(" · ".join(filter(None, words)), flush=True)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._stop()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        self._stop()

    def _stop(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def _metrics(measured: dict[str, Any], pl_module: Any) -> str:
    """Loss and mean of both splits; of a module of anybody's, the first that it has recorded."""
    means = [f"{split}/{name}" for split in ("train", "val") for name in getattr(pl_module, "means", ())]
    shown = [name for name in means if name in measured] or sorted(measured)[:MOST_SHOWN]
    return " · ".join(f"{name} {metric_text(float(measured[name]))}" for name in shown)
