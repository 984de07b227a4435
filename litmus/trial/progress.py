"""How far the run is and how long it will take: a Rich bar on a terminal, a line now and then elsewhere."""

import sys
import time

import pytorch_lightning as pl
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


def time_left(seconds: float, done: int, total: int) -> float:
    """Seconds for what is left, if it goes on as it went."""
    return seconds / done * (total - done) if done else float("inf")


class TimeLeft(pl.Callback):
    """One bar over the epochs with the metrics and the time left.

    Args:
        every_seconds: where there is no terminal, a line at most so often; nothing for runs shorter than that.
    """

    def __init__(self, every_seconds: float = 30.0) -> None:
        self.every_seconds = every_seconds
        self._bar: Progress | None = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._started = self._said = time.monotonic()
        self._first = trainer.current_epoch
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

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if (
            trainer.sanity_checking
            or not trainer.is_global_zero
            or (not trainer.training and trainer.state.fn != "fit")
        ):
            return
        done, total = trainer.current_epoch + 1, trainer.max_epochs or 0
        if self._bar is not None:
            self._bar.update(self._task, completed=done, metrics=_metrics(trainer))
            return
        now = time.monotonic()
        if now - self._said >= self.every_seconds:
            self._said = now
            left = time_left(now - self._started, done - self._first, total - self._first)
            print(f"epoch {done}/{total} · {_metrics(trainer)} · {left:.0f} s left", flush=True)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._stop()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        self._stop()

    def _stop(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def _metrics(trainer: pl.Trainer) -> str:
    return " · ".join(
        f"{name} {float(trainer.callback_metrics[name]):.4f}"
        for name in ("val/loss", "val/acc")
        if name in trainer.callback_metrics
    )
