"""A batch that grows when a metric no longer improves, where others would lower the learning rate."""

from typing import Any

import pytorch_lightning as pl
import torch

from litmus.direction import mode_of
from litmus.training.totals import widest
from src.callbacks.batch_schedules import admitted, check_count
from src.callbacks.batch_size import BatchSizeScheduler


def waited(score: float, best: float | None, epochs: int, mode: str) -> tuple[float, int]:
    """The best score so far and the epochs since it, after an epoch with this one."""
    if best is None or (score < best if mode == "min" else score > best):
        return score, 0
    return best, epochs + 1


class GrowOnPlateau(BatchSizeScheduler):
    """Multiplies the batch size by `factor` when `monitor` has not improved for more than `patience` validations.

    Args:
        start, stop: the smallest and the largest size; `start` None is the datamodule's own.
        monitor: a metric of the validation.
        mode: min or max; None is what the metric's name says.
        patience: validations without improvement that are borne.
        factor: by which it grows, or shrinks from `stop` with `reverse`.
        coupling: `lr`, `reverse`, `multiple_of`, `max_per_device`, see BatchSizeScheduler.
    """

    def __init__(
        self,
        *,
        start: int | None = None,
        stop: int = 512,
        monitor: str = "val/loss",
        mode: str | None = None,
        patience: int = 5,
        factor: float = 2.0,
        **coupling: Any,
    ) -> None:
        super().__init__("fixed", start=start, **coupling)
        if self.lr == "decay":
            raise ValueError("batching.lr=decay matches a schedule known in advance, which on_plateau is not")
        if monitor.startswith("train"):
            raise ValueError(
                f"batching.monitor must be a metric of the validation, got {monitor}: it is known too late"
            )
        check_count("stop", stop)
        if not isinstance(patience, int) or patience < 0:
            raise ValueError(f"batching.patience must be a whole number from 0 on, got {patience}")
        if not factor > 1:
            raise ValueError(f"batching.factor must be above 1, got {factor}")
        self.stop = stop
        self.best: float | None = None
        self.epochs = 0
        self.monitor, self.patience, self.factor = monitor, patience, factor
        self.mode = mode_of(monitor, mode, "batching.mode")

    recorded_metrics = BatchSizeScheduler.recorded_metrics

    def sizes(self, epochs: int, start: int, rows: int | None) -> list[int] | None:
        if self.stop < start:
            raise ValueError(f"batching.stop must be at least batching.start={start}, got {self.stop}")
        return None

    def begin(self) -> int:
        return admitted(self.stop, self.multiple_of, self._count) if self.reverse else self.first

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._validated = not trainer.sanity_checking

    def decide(self, trainer: pl.Trainer) -> float:
        if not self._validated:
            return self.size
        self._validated = False
        if self.monitor not in trainer.callback_metrics:
            known = ", ".join(sorted(trainer.callback_metrics))
            raise ValueError(f"batching.monitor={self.monitor} is not among the metrics {known}")
        device = trainer.strategy.root_device
        score = torch.as_tensor(trainer.callback_metrics[self.monitor]).to(device, widest(device))
        # Processes that each measured their own share must decide alike.
        self.best, self.epochs = waited(
            float(trainer.strategy.reduce(score, reduce_op="mean")), self.best, self.epochs, self.mode
        )
        if self.epochs <= self.patience:
            return self.size
        self.epochs = 0
        return max(self.size / self.factor, self.first) if self.reverse else min(self.size * self.factor, self.stop)

    def measured(self) -> dict[str, Any]:
        return {"best": self.best, "epochs": self.epochs}

    def restore_measured(self, state: dict[str, Any]) -> None:
        self.best, self.epochs = state.get("best"), state.get("epochs", 0)
        self._validated = False
