"""What the parts of an update count, where they are unequal, whoever computes their means."""

from typing import Any

import pytorch_lightning as pl
from torch import Tensor


def share_of(batch: Any) -> float:
    """The factor that makes the mean over a whole update exact, which ArrayLoader's parts carry."""
    known = isinstance(batch, list | tuple) and len(batch) == 3 and isinstance(batch[2], float)
    return batch[2] if known else 1.0


def weigh(loss: Tensor, share: float) -> None:
    """Lets a part of an update count by its samples: its loss stays what it is, its gradients are multiplied."""
    if share != 1.0:
        loss.register_hook(lambda gradient: gradient * share)


class Shares(pl.Callback):
    """Weighs the parts of updates for a module of anybody's, whose step sees (x, y) and no third element."""

    def __init__(self) -> None:
        self._share = 1.0

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, index: int) -> None:
        self._share = share_of(batch)
        if self._share != 1.0:
            del batch[2:]

    def on_before_backward(self, trainer: pl.Trainer, pl_module: pl.LightningModule, loss: Tensor) -> None:
        weigh(loss, self._share)
