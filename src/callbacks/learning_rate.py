"""Learning rates that follow the batch size, whatever schedulers act on them, and schedulers that cannot follow."""

from collections.abc import Iterator
from typing import Any

import pytorch_lightning as pl
from torch.optim.lr_scheduler import CyclicLR, OneCycleLR

# The arguments by which torch's schedulers know how many steps they have.
LENGTHS = ("total_steps", "T_max", "total_iters")


def scale_learning_rates(trainer: pl.Trainer, ratio: float) -> None:
    """Multiplies every learning rate by `ratio`, now and in all that the schedulers still plan."""
    done = []
    for scheduler in _schedulers(trainer):
        if hasattr(scheduler, "scale"):
            scheduler.scale(ratio)
            done.append(scheduler.optimizer)
            continue
        for part in _parts(scheduler):
            if hasattr(part, "base_lrs"):
                part.base_lrs = [rate * ratio for rate in part.base_lrs]
    for optimizer in trainer.optimizers:
        if any(optimizer is already for already in done):
            continue
        for group in optimizer.param_groups:
            for name in ("lr", "initial_lr"):
                if name in group:
                    group[name] = group[name] * ratio


def refuse_cycles(trainer: pl.Trainer, coupling: str) -> None:
    """Refuses schedulers that write rates of their own making over any that follow the batch size."""
    for scheduler in _schedulers(trainer):
        for part in _parts(scheduler):
            if isinstance(part, OneCycleLR | CyclicLR):
                raise ValueError(
                    f"{type(part).__name__} sets learning rates that cannot follow the batch size: use "
                    f"batching.lr=none instead of {coupling}, or another scheduler"
                )


def refuse_lengths(trainer: pl.Trainer, planned: list[int] | None) -> None:
    """Refuses schedulers stepped by update that are as long as Lightning's estimate, which is that of one size."""
    estimate, total = trainer.estimated_stepping_batches, None if planned is None else sum(planned)
    if estimate == total:
        return
    for config in trainer.lr_scheduler_configs:
        # A schedule with a `scale` of its own was given the planned updates.
        if config.interval != "step" or hasattr(config.scheduler, "scale"):
            continue
        for part in _parts(config.scheduler):
            if any(getattr(part, length, None) == estimate for length in LENGTHS):
                real = (
                    "nobody can know how many this batching makes; step it by epoch"
                    if total is None
                    else f"this batching makes {total}; give it BatchSizeScheduler.total_updates(samples, epochs)"
                )
                raise ValueError(
                    f"{type(part).__name__} is as long as trainer.estimated_stepping_batches={estimate} updates, but "
                    + real
                )


def _schedulers(trainer: pl.Trainer) -> list[Any]:
    return [config.scheduler for config in trainer.lr_scheduler_configs]


def _parts(scheduler: Any) -> Iterator[Any]:
    """The scheduler and those it consists of."""
    yield scheduler
    for part in (*getattr(scheduler, "_schedulers", ()), getattr(scheduler, "main", None)):
        if part is not None:
            yield from _parts(part)
