"""What parts owe the engine, whoever wrote them: what data are asked for, what a callback of batch sizes does."""

from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeGuard, get_args

import pytorch_lightning as pl

Kind = Literal["classes", "real", "labels"]


@dataclass(frozen=True)
class Target:
    """What data ask a net for.

    Args:
        kind: "classes", one of `number` each; "real", `number` values each; "labels", each of `number` or not.
        number: of classes, values or labels.
        names: of these, in their order; empty where the data have none.

    The targets of a split are (rows,) int64 for classes, (rows, number) or, of one value, (rows,) float32 for the
    others: labels are 0 or 1.

    Raises:
        ValueError: for another kind, a number that cannot be, or names that are not one for each.
    """

    kind: Kind
    number: int
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise ValueError(f"a target's kind is {', '.join(get_args(Kind))}; got {self.kind}")
        least = 2 if self.kind == "classes" else 1
        if not isinstance(self.number, int) or self.number < least:
            raise ValueError(f"a target of kind {self.kind} has a number from {least} on; got {self.number}")
        if self.names and len(self.names) != self.number:
            raise ValueError(f"a target of {self.number} {self.kind} has as many names or none; got {list(self.names)}")

    @property
    def outputs(self) -> int:
        """How many numbers a net gives for each sample: one logit for two classes."""
        return 1 if self.kind == "classes" and self.number == 2 else self.number


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


def tells_of_epochs(trainer: pl.Trainer) -> bool:
    """Whether a callback gives the loggers each epoch's row, and says so by `tells_of_epochs = True`."""
    callbacks: list[Any] = trainer.callbacks  # type: ignore[attr-defined]
    return any(getattr(callback, "tells_of_epochs", False) for callback in callbacks)
