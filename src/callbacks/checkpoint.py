"""Best and last checkpoint, for epochs that take milliseconds as well as for those that take hours."""

import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Checkpoint
from torch import Tensor

from src.atomic import replacing
from src.paths import typed_path


def better(score: float, best: float | None, mode: str) -> bool:
    """Whether a score beats the best so far; the earlier of equals stays."""
    return best is None or (score < best if mode == "min" else score > best)


class BestAndLast(Checkpoint):
    """Keeps `best.ckpt` (weights where `monitor` was best) and `last.ckpt` (everything, to resume from).

    Best weights are kept in memory when they occur and written with the next `last.ckpt`. That is written after an
    epoch unless writing would take more than `share` of the run's time: a resumed run repeats the epochs since then,
    to exactly the same weights. Both are whole at any moment, also after a power loss.

    Args:
        directory: where they go.
        monitor: the metric, logged by epoch.
        mode: min or max.
        share: share of the run's time that writing may take; 0 writes at the end only, 1 after every epoch.
    """

    def __init__(self, directory: str, monitor: str = "val/loss", mode: str = "min", share: float = 0.02) -> None:
        if mode not in ("min", "max"):
            raise ValueError(f"callbacks.checkpoint.mode must be min or max, got {mode}")
        if not 0 <= share <= 1:
            raise ValueError(f"callbacks.checkpoint.share must be in [0, 1], got {share}")
        self.directory = typed_path(directory)
        self.monitor, self.mode, self.share = monitor, mode, share
        self.best_score: float | None = None
        self.best_epoch: int | None = None
        self.best_metrics: dict[str, float] = {}
        self._best: dict[str, Any] | None = None
        self._seconds_to_write = 0.0
        self._written = 0.0
        self._written_epoch: int | None = None
        self._stopped = False

    @property
    def best_path(self) -> Path:
        return self.directory / "best.ckpt"

    @property
    def last_path(self) -> Path:
        return self.directory / "last.ckpt"

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        if stage == "fit":
            self.best_score, self.best_epoch, self.best_metrics, self._best = None, None, {}, None
            self._seconds_to_write, self._written, self._stopped = 0.0, 0.0, False
            self._written_epoch = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        # Early stopping had ended the run when its last checkpoint was written: it stays ended.
        trainer.should_stop = trainer.should_stop or self._stopped

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self.monitor not in trainer.callback_metrics:
            raise ValueError(
                f"callbacks.checkpoint.monitor={self.monitor} is not among the metrics "
                f"{', '.join(sorted(trainer.callback_metrics))}"
            )
        score = float(trainer.callback_metrics[self.monitor])
        if better(score, self.best_score, self.mode):
            self.best_score, self.best_epoch = score, trainer.current_epoch
            self.best_metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
            self._best = self._weights(trainer, pl_module)
        self._stopped = trainer.should_stop
        elapsed = time.monotonic() - self._written
        due = self.share > 0 and elapsed * self.share >= self._seconds_to_write * (1 - self.share)
        # Clocks differ, and saving waits for every rank: the first decides for all.
        if trainer.strategy.broadcast(due):
            self._write(trainer)
            self._written_epoch = trainer.current_epoch

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self._written_epoch != trainer.current_epoch - 1 or self._best is not None:
            self._write(trainer)

    def state_dict(self) -> dict[str, Any]:
        return {
            "best_score": self.best_score,
            "best_epoch": self.best_epoch,
            "best_metrics": self.best_metrics,
            "stopped": self._stopped,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best_score, self.best_epoch = state_dict["best_score"], state_dict["best_epoch"]
        self.best_metrics, self._stopped = state_dict["best_metrics"], state_dict["stopped"]

    @staticmethod
    def _weights(trainer: pl.Trainer, pl_module: pl.LightningModule) -> dict[str, Any]:
        """A checkpoint of the weights alone, as `load_from_checkpoint` reads it, that later updates do not touch."""
        weights = {
            name: value.detach().clone() if isinstance(value, Tensor) else value
            for name, value in pl_module.state_dict().items()
        }
        return {
            "state_dict": weights,
            "hyper_parameters": dict(pl_module.hparams),
            "epoch": trainer.current_epoch,
            "global_step": trainer.global_step,
            "pytorch-lightning_version": pl.__version__,
        }

    def _write(self, trainer: pl.Trainer) -> None:
        start = time.monotonic()
        # Best before last: if only the first is written, resuming from the older last finds the same best again.
        if self._best is not None and trainer.is_global_zero:
            with replacing(self.best_path) as path:
                torch.save(self._best, path)
        self._best = None
        if trainer.is_global_zero:
            with replacing(self.last_path) as path:
                trainer.save_checkpoint(path)
        else:
            trainer.save_checkpoint(self.last_path)  # every rank takes part; only the first writes
        self._written = time.monotonic()
        self._seconds_to_write = self._written - start
