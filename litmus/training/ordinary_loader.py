"""An ordinary DataLoader: whether its batches have the size that is asked for, and the updates made of them."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.parsing import lightning_setattr
from pytorch_lightning.utilities.seed import isolate_rng
from torch.optim import Optimizer

from litmus.training.batches import sizes_in
from litmus.training.foreign_data import ForeignData


class Rows(NamedTuple):
    """What a DataLoader goes through in an epoch, and over how many processes."""

    number: int
    drop_last: bool
    world: int

    def batches(self, per_device: int) -> tuple[int, int]:
        """Batches of each process, and the samples of its last one; samplers fill processes up to equal shares."""
        own = -(-self.number // self.world)
        full, rest = divmod(own, per_device)
        return (full, per_device) if self.drop_last or not rest else (full + 1, rest)


def rows_of(loader: Any, world: int) -> Rows | None:
    """The rows of a DataLoader, None where it cannot tell."""
    try:
        return None if sizes_in(loader) == [None] else Rows(len(loader.sampler), bool(loader.drop_last), world)
    except (AttributeError, TypeError):
        return None


def exact_parts(size: int, world: int, fewest: int) -> int:
    """The fewest equal parts, of so many at least, into which each process's share of an update can be split.

    Raises:
        ValueError: if the processes' shares are unequal, or only far smaller parts would be equal.
    """
    if size % world:
        raise ValueError(
            f"a batch size of {size} cannot be divided by {world} processes; batching.multiple_of={world} rounds to "
            "sizes that can"
        )
    parts = next((parts for parts in range(fewest, 2 * fewest) if size // world % parts == 0), None)
    if parts is None:
        raise ValueError(
            f"a batch size of {size} cannot be split into about {fewest} equal parts on each of {world} processes; "
            f"batching.multiple_of={fewest * world} rounds to sizes that can"
        )
    return parts


def refuse_batch_of_one(
    rows: Rows, sizes: list[int], parts: Callable[[int], int], needed: Callable[[], bool] = lambda: True
) -> None:
    """Refuses sizes that leave batch norm a single sample of an ordinary loader; Learner checks the others.

    Args:
        rows: of the loader.
        sizes: of the updates of each epoch.
        parts: of an update of a size.
        needed: tells whether a batch norm cannot do with one; it is asked where there would be one.

    Raises:
        ValueError: naming the epoch, and batch sizes that would work.
    """

    def smallest(size: int) -> int:
        try:
            return rows.batches(size // rows.world // parts(size))[1]
        except ValueError:  # it cannot be split
            return 0

    for epoch, size in enumerate(sizes):
        if smallest(size) > 1:
            continue
        if not needed():
            return
        near = sorted(range(2, rows.number + 1), key=lambda other: abs(other - size))
        works = [other for other in near[:100] if other % rows.world == 0 and smallest(other) > 1][:2]
        raise ValueError(
            f"norm=batch needs two samples or more in every batch, and epoch {epoch} has one of 1 with a batch size of "
            f"{size} on {rows.number} samples; {' or '.join(map(str, sorted(works)))} would work"
        )


class LastUpdate:
    """Makes the last update of an epoch the mean over its samples, when it has fewer or smaller parts than the others.

    The trainer divides each part's mean loss by the number of parts of a full update; an epoch's last update may lack
    parts, and its last part samples.

    Args:
        batches: of this process in the epoch.
        per_device: samples of a full part.
        parts: of a full update.
    """

    def __init__(self, batches: int, per_device: int, parts: int) -> None:
        self.last_batch = batches - 1
        self.per_device = per_device
        self.parts = parts
        self.present = batches % parts or parts
        self.samples = per_device

    def before_backward(self, samples: int, optimizers: list[Optimizer]) -> None:
        """Weighs the parts so far against the epoch's last batch, which may have fewer samples."""
        self.samples = samples
        if self.samples != self.per_device and self.present > 1:
            _scale_gradients(optimizers, self.per_device / self.samples)

    def before_step(self, optimizers: list[Optimizer]) -> None:
        """Replaces the divisor of a full update by that of this one."""
        samples = (self.present - 1) * self.per_device + self.samples
        if samples != self.parts * self.samples:
            _scale_gradients(optimizers, self.parts * self.samples / samples)


def planned_counts(rows: Rows, sizes: list[int], parts: list[int]) -> list[int]:
    """Updates of each epoch with these batch sizes, split into so many parts."""
    return [
        math.ceil(rows.batches(size // rows.world // split)[0] / split)
        for size, split in zip(sizes, parts, strict=True)
    ]


def _scale_gradients(optimizers: list[Optimizer], ratio: float) -> None:
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.grad.mul_(ratio)


def made_for(trainer: pl.Trainer) -> Any:
    """The train loaders of the fit as whoever has them makes them now: a data module, the module, or nobody."""
    return trainer.fit_loop._data_source.dataloader()


def set_up_once(trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
    """Sets up a module that has train loaders of its own, which may need it, and keeps Lightning from doing so again.

    Lightning sets a data module up before its callbacks, and a module after them.
    """
    source = trainer.fit_loop._data_source
    if source.instance is not pl_module or not source.is_module():
        return
    pl_module.setup("fit")
    pl_module.setup = lambda stage: vars(pl_module).pop("setup", None)  # type: ignore[method-assign]


def maker_of(trainer: pl.Trainer) -> str:
    """Who makes the train loaders."""
    source = trainer.fit_loop._data_source
    made: Any = source.instance
    whose = made.name if isinstance(made, ForeignData) else type(made).__name__
    return f"{whose}.train_dataloader" if source.is_module() else "whoever made the loader"


def another_size(found: list[int | None], asked: int, each: bool) -> bool:
    """Whether loaders that say these sizes have another than was asked for.

    Args:
        found: the size of each, None where it tells none.
        asked: for.
        each: of them must have it. Else one size is asked for once and for all, and one of several loaders with it is
            enough, or loaders that make batches by a measure of their own and tell no size.
    """
    return any(size != asked for size in found) and (each or not (asked in found or set(found) == {None}))


def refuse_another_size(
    trainer: pl.Trainer, pl_module: pl.LightningModule, sizes: list[int], each: bool = True
) -> None:
    """Asks for loaders of these sizes, and draws nothing; what was set stays set.

    Raises:
        ValueError: where loaders have another size than was asked for, see `another_size`.
    """
    for asked in sizes:
        lightning_setattr(pl_module, "batch_size", asked)
        with isolate_rng(torch.cuda.is_initialized()):
            found = sizes_in(made_for(trainer))
        if another_size(found, asked, each):
            wrong = next(size for size in found if size != asked)
            known = "of a size that it does not tell" if wrong is None else f"of {wrong}"
            told = " and tell it: a batch_sampler of your own needs an attribute batch_size" if wrong is None else ""
            raise ValueError(
                f"batches of {asked} were asked for, and {maker_of(trainer)} gave batches {known}; it must make its "
                f"loader from self.batch_size or self.hparams.batch_size whenever it is called{told}"
            )
