"""Random numbers of an epoch from (seed, epoch, rank), so that a resumed run draws what the uninterrupted one drew."""

import random
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch

from litmus.seeds import derived_seed


class EpochSeed(pl.Callback):
    """Reseeds the global generators (dropout, a DataLoader's shuffling, what a net draws itself) for each epoch.

    They are torch's, numpy's and Python's; before a test as well, so that one that draws can be repeated.

    A checkpoint then needs no generator's state, which would be rank 0's alone. The order of a DataLoader is drawn when
    its iterator is made, by Lightning once or twice before an epoch's first batch; so that seed is set before either
    moment, and dropout's own at the first batch. Processes that share an epoch draw one order, and each its dropout.
    """

    ticks_per_stretch = True

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        self._seed("order", checkpoint["epoch"] + 1, trainer)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._seed("order", trainer.current_epoch, trainer)
        loop = trainer.fit_loop
        if trainer.current_epoch > 0 and (loop.is_resuming or loop.epoch_loop.restarting):
            # Lightning makes the iterator of later epochs anew, but not that of the first after a restart, and a
            # DataLoader draws a number when it is made.
            iter(loop._data_fetcher)  # type: ignore[arg-type]

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        if batch_idx == 0:
            self._seed("train", trainer.current_epoch, trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._seed("order", trainer.current_epoch + 1, trainer)

    def on_test_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._seed("test", 0, trainer)

    def _seed(self, use: str, epoch: int, trainer: pl.Trainer) -> None:
        # Each process takes its part of the order that it draws: of different ones, rows would be missed and repeated.
        seed = derived_seed(use, self.seed, epoch, 0 if use == "order" else trainer.global_rank)
        random.seed(seed)
        np.random.seed(seed % 2**32)
        if trainer.strategy.root_device.type == "cpu":
            # torch.manual_seed also queues the seed, with a stack trace each, for every accelerator that is not in use:
            # a fifth of what an epoch costs beyond its updates.
            torch.default_generator.manual_seed(seed)
        else:
            torch.manual_seed(seed)
