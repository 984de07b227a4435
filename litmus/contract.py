"""What a callback that sets the batch size owes the engine, whoever wrote it."""

from typing import Any, Protocol, TypeGuard

import pytorch_lightning as pl


class BatchSizes(Protocol):
    """A callback that decides how many samples an update has, and says so by `sets_batch_sizes = True`."""

    sets_batch_sizes: bool
    # Most samples that go through a device at once.
    max_per_device: int | None
    # What memory did not allow, noted by whoever tries a fit again: {"epoch": …, "max_per_device": …}.
    out_of_memory: list[dict[str, int]]
    # Whether the last fit ended by an exception in training.
    failed_in_training: bool
    # The first epoch's size.
    first: int

    @property
    def planned_sizes(self) -> list[int] | None:
        """The size of each epoch, None where it is decided during training."""

    @property
    def per_device(self) -> int:
        """Samples that go through a device at once in this epoch."""

    @property
    def state_key(self) -> str:
        """By which a checkpoint knows its state."""


def batch_sizes_of(trainer: pl.Trainer) -> BatchSizes | None:
    """The callback that sets the batch size, if there is one."""
    callbacks: list[Any] = trainer.callbacks  # type: ignore[attr-defined]
    return next(filter(_sets_batch_sizes, callbacks), None)


def _sets_batch_sizes(callback: Any) -> TypeGuard[BatchSizes]:
    return bool(getattr(callback, "sets_batch_sizes", False))
