"""When many updates may run inside one `training_step`, and when each must be a step of the trainer's own."""

from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import LearningRateMonitor, ModelCheckpoint, ProgressBar
from pytorch_lightning.plugins.precision import Precision
from pytorch_lightning.profilers import PassThroughProfiler
from pytorch_lightning.strategies import SingleDeviceStrategy
from torch.optim import LBFGS

BATCH_HOOKS = (
    "on_train_batch_start",
    "on_train_batch_end",
    "on_before_backward",
    "on_after_backward",
    "on_before_optimizer_step",
    "on_before_zero_grad",
)


def reason_for_single_steps(trainer: Any) -> str | None:
    """What this trainer is asked that needs one update per `training_step`; None if nothing is.

    A stretch does the arithmetic of its updates and nothing else, so whatever Lightning does between updates
    (clipping, accumulation, mixed precision, synchronization of processes, callbacks' batch hooks) takes the ordinary
    path.
    """
    checks = {
        "the data come from a DataLoader": not hasattr(trainer.datamodule, "train_stretches"),
        "there are several processes": type(trainer.strategy) is not SingleDeviceStrategy,
        "precision is not 32-true": type(trainer.precision_plugin) is not Precision,
        "gradients are clipped": bool(trainer.gradient_clip_val),
        "gradients are accumulated": trainer.accumulate_grad_batches != 1,
        "updates are split over max_per_device": getattr(trainer.datamodule, "max_per_device", None) is not None,
        "batches are limited": trainer.limit_train_batches != 1.0 or trainer.overfit_batches != 0,
        "the number of updates is limited": trainer.max_steps != -1,
        "validation runs within the epoch": trainer.val_check_interval != 1.0,
        "a profiler is on": type(trainer.profiler) is not PassThroughProfiler,
        "anomalies are being detected": trainer._detect_anomaly,
    }
    for reason, holds in checks.items():
        if holds:
            return reason
    for callback in trainer.callbacks:
        if _acts_on_batches(callback):
            return f"{type(callback).__name__} acts on every batch"
    return None


def _acts_on_batches(callback: pl.Callback) -> bool:
    """Whether its batch hooks must see every update; one that ticks per stretch says so by an attribute."""
    if isinstance(callback, ModelCheckpoint):
        return callback._every_n_train_steps > 0 or callback._train_time_interval is not None
    if isinstance(callback, LearningRateMonitor):
        return callback.logging_interval != "epoch"
    if isinstance(callback, ProgressBar) or getattr(callback, "ticks_per_stretch", False):
        return False
    return any(getattr(type(callback), hook) is not getattr(pl.Callback, hook) for hook in BATCH_HOOKS)


def needs_closure(optimizer: object) -> bool:
    """Whether `step` calls the loss itself, several times."""
    return isinstance(optimizer, LBFGS)
