"""The popular way: a dataset of single items, a DataLoader, torchmetrics objects and `self.log` in every step."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from PIL import Image
from pytorch_lightning.callbacks import ModelCheckpoint, RichProgressBar
from pytorch_lightning.loggers import CSVLogger
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchmetrics import MaxMetric, MeanMetric
from torchmetrics.classification import Accuracy

from scripts.speed.bare import Splits
from scripts.speed.clock import seconds


class Items(Dataset):
    """One sample at a time, as a TensorDataset gives it."""

    def __init__(self, x: Tensor, y: Tensor) -> None:
        self.x, self.y = x, y

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.x[index], self.y[index]


class Images(Items):
    """One image at a time as torchvision gives it: bytes → PIL image → tensor in 0…1 → standardised."""

    def __init__(self, x: Tensor, y: Tensor) -> None:
        low, high = x.min(), x.max()
        super().__init__(((x - low) / (high - low) * 255).byte(), y)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        image = Image.fromarray(self.x[index, 0].numpy(), mode=None)
        pixels = torch.from_numpy(np.array(image, copy=True))[None].contiguous().to(torch.float32).div(255)
        mean, std = torch.as_tensor([0.2860]), torch.as_tensor([0.3530])
        return pixels.clone().sub_(mean.view(-1, 1, 1)).div_(std.view(-1, 1, 1)), int(self.y[index])  # type: ignore[return-value]


class Module(pl.LightningModule):
    """The LightningModule of the tutorials."""

    def __init__(self, net: nn.Module, classes: int, criterion: Any, optimizer: Callable[..., Any]) -> None:
        super().__init__()
        self.net, self.criterion, self.optimizer = net, criterion, optimizer
        task: dict[str, Any] = {"task": "binary"} if classes == 2 else {"task": "multiclass", "num_classes": classes}
        self.train_acc, self.val_acc = Accuracy(**task), Accuracy(**task)
        self.train_loss, self.val_loss, self.val_acc_best = MeanMetric(), MeanMetric(), MaxMetric()

    def model_step(self, batch: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        x, y = batch
        logits = self.net(x)
        predicted = logits.argmax(1) if logits.shape[1] > 1 else (logits.squeeze(1) > 0).long()
        return self.criterion(logits, y), predicted, y

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        loss, predicted, y = self.model_step(batch)
        self.train_loss(loss)
        self.train_acc(predicted, y)
        self.log("train/loss", self.train_loss, on_step=False, on_epoch=True, prog_bar=True)
        self.log("train/acc", self.train_acc, on_step=False, on_epoch=True, prog_bar=True)
        return loss

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        loss, predicted, y = self.model_step(batch)
        self.val_loss(loss)
        self.val_acc(predicted, y)
        self.log("val/loss", self.val_loss, on_step=False, on_epoch=True, prog_bar=True)
        self.log("val/acc", self.val_acc, on_step=False, on_epoch=True, prog_bar=True)

    def on_validation_epoch_end(self) -> None:
        self.val_acc_best(self.val_acc.compute())
        self.log("val/acc_best", self.val_acc_best.compute(), sync_dist=True, prog_bar=True)

    def configure_optimizers(self) -> Any:
        return self.optimizer(self.parameters())


def fit(
    directory: Path, module: Module, splits: Splits, batch_size: int, epochs: int, updates: int | None = None
) -> float:
    """Seconds from the first epoch's start to the end, as the template has it; its bar only on a terminal."""
    torch.use_deterministic_algorithms(False)
    kind = Images if splits["train"][0].dim() == 4 else Items
    train = DataLoader(kind(*splits["train"]), batch_size, shuffle=True)
    val = DataLoader(kind(*splits["val"]), batch_size)
    on_terminal = sys.stdout.isatty()
    started: list[float] = []

    class Stopwatch(pl.Callback):
        def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
            started.append(seconds())

    callbacks = [
        Stopwatch(),
        ModelCheckpoint(directory, monitor="val/acc", mode="max", save_last=True, auto_insert_metric_name=False),
        *([RichProgressBar()] if on_terminal else []),
    ]
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=epochs,
        limit_train_batches=updates,
        num_sanity_val_steps=0,
        logger=CSVLogger(directory),
        callbacks=callbacks,
        enable_progress_bar=on_terminal,
        enable_model_summary=False,
    )
    trainer.fit(module, train, val)
    return seconds() - started[0]


def read_training_data(splits: Splits, batch_size: int, samples: int) -> float:
    """Seconds to read so many training images."""
    loader = DataLoader(Images(*splits["train"]), batch_size, shuffle=True)
    started, read = seconds(), 0
    for x, _ in loader:
        read += len(x)
        if read >= samples:
            break
    return (seconds() - started) * samples / read
