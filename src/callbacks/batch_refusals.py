"""What a varying batch size cannot go with, said before training in one sentence each."""

import warnings
from collections.abc import Callable

import pytorch_lightning as pl
from pytorch_lightning.callbacks import GradientAccumulationScheduler

from litmus.training.ordinary_loader import Rows


def refuse_counts_of_batches(trainer: pl.Trainer) -> None:
    """Refuses, or warns of, settings that count batches, of which a varying size makes more or fewer."""
    if isinstance(trainer.val_check_interval, int) and trainer.check_val_every_n_epoch is not None:
        raise ValueError(
            f"trainer.val_check_interval={trainer.val_check_interval} counts batches, of which a varying batch size "
            "leaves fewer or more; use a share of the epoch, such as 1.0"
        )
    if trainer.limit_train_batches != 1.0:
        warnings.warn(
            "trainer.limit_train_batches counts batches: epochs see other numbers of samples as the batch size varies",
            stacklevel=2,
        )
    if trainer.max_steps != -1:
        warnings.warn(
            "trainer.max_steps may end the run before the batch size has gone its way; trainer.max_epochs does not",
            stacklevel=2,
        )


def refuse_accumulation(trainer: pl.Trainer) -> None:
    """Refuses a second master over how many parts an update has."""
    if trainer.accumulate_grad_batches != 1:
        raise ValueError(
            f"trainer.accumulate_grad_batches must be 1 where batching sets the updates, got "
            f"{trainer.accumulate_grad_batches}; batching.max_per_device says how many samples go through at once"
        )
    callbacks: list[pl.Callback] = trainer.callbacks  # type: ignore[attr-defined]
    if any(isinstance(callback, GradientAccumulationScheduler) for callback in callbacks):
        raise ValueError(
            "GradientAccumulationScheduler and this batching would both set the parts of an update; "
            "batching=milestones with batching.max_per_device does what both are for"
        )


def refuse_limits_of_parts(trainer: pl.Trainer) -> None:
    """Refuses a limit on batches that would cut an update of several in two."""
    if trainer.limit_train_batches != 1.0:
        raise ValueError(
            f"trainer.limit_train_batches={trainer.limit_train_batches} counts the parts of updates, and may cut one "
            "in two; use updates_per_epoch, which counts updates"
        )


def refuse_batch_of_one(rows: Rows, sizes: list[int], parts: Callable[[int], int]) -> None:
    """Refuses sizes that leave batch norm a single sample of an ordinary loader; Learner checks the others."""

    def smallest(size: int) -> int:
        try:
            return rows.batches(size // rows.world // parts(size))[1]
        except ValueError:  # it cannot be split
            return 0

    for epoch, size in enumerate(sizes):
        if smallest(size) > 1:
            continue
        near = sorted(range(2, rows.number + 1), key=lambda other: abs(other - size))
        works = [other for other in near[:100] if other % rows.world == 0 and smallest(other) > 1][:2]
        raise ValueError(
            f"norm=batch needs two samples or more in every batch, and epoch {epoch} has one of 1 with a batch size of "
            f"{size} on {rows.number} samples; {' or '.join(map(str, sorted(works)))} would work"
        )
