"""The datamodule that all data sets here share: in-memory tensors on the training device, whole batches by index."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from inspect import getattr_static
from pathlib import Path
from typing import Any, Literal

import pytorch_lightning as pl
import torch
from torch import Generator, Tensor

from litmus.contract import Target
from litmus.paths import typed_path
from litmus.training.loader import ArrayLoader
from litmus.training.mapped import MappedRows, moments
from litmus.training.plan import batches_per_update, refuse_cut_passes
from litmus.training.rows import (
    Position,
    generator,
    nested_rows,
    pass_order,
    pieces,
    stratified_folds,
    stratified_split,
)
from litmus.training.source import Source, checked, learnable, standardised, standardised_each, strata

__all__ = ["ArrayDataModule", "Source"]  # what a data set of one's own needs, from one place


class ArrayDataModule(pl.LightningDataModule):
    """Splits, scales and batches one `Source`; a data set is a subclass that writes `load`.

    Name, shape of a sample and target are those of the class where it says them (`name`, `input_shape`, `classes` or
    `target`), else what its name and its data tell.

    Args:
        data_dir: where the files are, or are put.
        batch_size: samples per update, over all devices; "all" is the whole training set.
        eval_batch_size: samples per validation and test batch; changes speed, never a metric.
        updates_per_epoch: an epoch ends after so many updates and the next goes on through the same permutation; None
            is one pass.
        seed: draws the split and the order; the order is a function of (seed, pass), whatever the batch size.
        val_fraction, test_fraction: shares of the rows held out, of those that no official test set takes.
        folds, fold: cross-validation over all rows: fold `fold` of `folds` is the test set.
        scale: of the inputs: "none" as the files have them; "standard" less the train rows' mean over their
            deviation; "per_image" each sample less its own mean over its own deviation, channel by channel, which takes
            brightness and contrast from images; None is the data set's own.
        rows: so many of the train rows alone, drawn by seed in the shares of their classes; fewer rows are among more.
        augment: functions on the inputs of each training batch, see `litmus.training.augment`; what they draw is a
            function of (seed, pass).

    Attributes:
        train_stretches, eval_stretches: whoever trains may set them to receive many batches per item (see ArrayLoader).
        max_per_device: most samples that go through a device at once; an update is split to keep to it.
    """

    def __init__(
        self,
        *,
        data_dir: str | Path = "data",
        batch_size: int | Literal["all"] = 32,
        eval_batch_size: int = 256,
        updates_per_epoch: int | None = None,
        seed: int = 0,
        val_fraction: float = 0.1,
        test_fraction: float = 0.2,
        folds: int | None = None,
        fold: int = 0,
        scale: Literal["none", "standard", "per_image"] | None = None,
        rows: int | None = None,
        augment: Sequence[Callable[..., Any]] | None = None,
    ) -> None:
        super().__init__()
        if batch_size != "all" and (not isinstance(batch_size, int) or batch_size < 1):
            raise ValueError(f"batch_size must be a whole number from 1 on, or all, got {batch_size}")
        if not isinstance(eval_batch_size, int) or eval_batch_size < 1:
            raise ValueError(f"data.eval_batch_size must be a whole number from 1 on, got {eval_batch_size}")
        if updates_per_epoch is not None and (not isinstance(updates_per_epoch, int) or updates_per_epoch < 1):
            raise ValueError(f"updates_per_epoch must be a whole number from 1 on, or null, got {updates_per_epoch}")
        for name, share in (("val_fraction", val_fraction), ("test_fraction", test_fraction)):
            if not 0 < share < 1:
                raise ValueError(f"data.{name} must be in (0, 1), got {share}")
        if folds is None and fold != 0:
            raise ValueError(f"data.fold={fold} needs data.folds, the number of folds")
        if folds is not None and (folds < 2 or not 0 <= fold < folds):
            raise ValueError(f"data.fold must be in 0…folds-1 with folds from 2 on, got fold {fold} of {folds}")
        if scale not in (None, "none", "standard", "per_image"):
            raise ValueError(f"data.scale must be none, standard, per_image or null, got {scale}")
        if rows is not None and (not isinstance(rows, int) or rows < 1):
            raise ValueError(f"data.rows must be a whole number from 1 on, or null, got {rows}")
        for place, function in enumerate(augment or []):
            if not callable(function):
                raise ValueError(
                    f"data.augment[{place}] must be a function (a mapping with a _target_), got {function}"
                )
        self.data_dir = typed_path(data_dir)
        self.batch_size = batch_size
        self.eval_batch_size = eval_batch_size
        self.updates_per_epoch = updates_per_epoch
        self.seed = seed
        self.val_fraction, self.test_fraction = val_fraction, test_fraction
        self.folds, self.fold = folds, fold
        self._scaling, self._rows = scale, rows
        self.augment = list(augment or [])
        self.train_stretches = self.eval_stretches = False
        self.max_per_device: int | None = None
        self.splits: dict[str, tuple[Tensor, Tensor]] = {}
        self._sha256 = ""
        self._restart()

    # ------------------------------------------------------------------ what a data set writes or overrides

    def load(self) -> Source:
        """The data set, whole; called once by the first process to fetch it, then by every process."""
        raise NotImplementedError(f"{type(self).__name__} must say how it is loaded")

    def split(self, source: Source) -> dict[str, Tensor]:
        """Row indices of train, val and test; test may be absent. Folds first, then the official test set."""
        draw = generator("split", self.seed)
        rows, groups = torch.arange(len(source.y)), strata(source.y, self.target)
        if self.folds is not None:
            test = stratified_folds(groups, self.folds, draw)[self.fold]
            rest = _without(rows, test)
        elif source.test is not None:
            test, rest = rows[source.test], rows[~source.test]
        else:
            (chosen,) = stratified_split(groups, [round(self.test_fraction * len(rows))], draw)
            test, rest = chosen, _without(rows, chosen)
        (chosen,) = stratified_split(groups[rest], [round(self.val_fraction * len(rows[rest]))], draw)
        val = rest[chosen]
        return {"train": _without(rest, val), "val": val, "test": test}

    def scale(self, x: Tensor, rows: dict[str, Tensor]) -> Tensor:
        """The inputs as the net sees them; statistics come from the train rows only."""
        return x

    def raw(self, x: Tensor) -> Tensor:
        """The inputs as the files have them, for `data.scale=none`, where `load` gives them otherwise."""
        return x

    def scale_target(self, y: Tensor, rows: dict[str, Tensor]) -> Tensor:
        """The targets as the loss sees them; of real values only, and statistics come from the train rows only."""
        return y

    def order(self, number: int) -> Tensor:
        """The permutation of the train rows in pass `number`: a function of the seed and the pass alone."""
        return pass_order(self.train_size, self.seed, number)

    def without_effect(self, knob: str) -> str:
        """Why an argument of its own, as `test_fraction`, decides nothing here: typed, it is refused; else empty."""
        if knob != "test_fraction":
            return ""
        if self.folds is not None:
            return f"data.folds={self.folds} says which rows are tested"
        return "the data have a test set of their own" if self._has_test_set else ""

    def notes(self) -> dict[str, Any]:
        """Facts about this data set that a reader of result.json must know."""
        return {}

    # ------------------------------------------------------------------ Lightning's hooks

    def prepare_data(self) -> None:
        if not self.splits:
            self._loaded  # noqa: B018 - kept for `setup`

    def setup(self, stage: str | None = None) -> None:
        if stage == "fit":  # a second fit of the same object starts at the first epoch
            self._restart()
            if self.trainer is not None and (batches := self._batches(0)) is not None:
                refuse_cut_passes(self.trainer, batches)
        if self.splits:
            return
        # what is derived of it outlives it
        source, _ = self._loaded, (self.input_shape, self.target, self._has_test_set)
        rows = self.split(source)
        if self._rows is not None:
            rows = {**rows, "train": self._fewer(rows["train"], source)}
        _refuse_unlearnable(rows, source, self._whose)
        x, y = self._scaled(source.x, rows).float(), source.y
        if source.target is not None and source.target.kind == "real":
            y = learnable(self.scale_target(y, rows), self._whose)
        self.splits = {name: (rows_of(x, chosen), y[chosen]) for name, chosen in rows.items()}
        self._sha256 = source.sha256
        self.__dict__.pop("_loaded", None)
        if self.batch_size != "all" and self.batch_size > self.train_size:
            raise ValueError(
                f"batch_size must be at most the {self.train_size} samples of the training set, got {self.batch_size}; "
                "batch_size=all is the full batch"
            )

    def train_dataloader(self) -> ArrayLoader:
        """The batches of the epoch that is on whenever they are iterated, so that nobody need make it anew each epoch.

        Without a trainer that tells it, each iteration is the next epoch.
        """
        if self.trainer is not None:
            self._go_to(self.trainer.current_epoch)
        return _EpochLoader(self, *self._on_device("train"))

    def val_dataloader(self) -> ArrayLoader:
        return self._evaluation("val")

    def test_dataloader(self) -> ArrayLoader | list[Any]:
        return self._evaluation("test") if "test" in self.splits else []

    def state_dict(self) -> dict[str, Any]:
        """Where the next epoch starts: what a checkpoint at an epoch's end needs to go on through the same pass."""
        place = {"epoch": self._epoch + 1, "pass": self._end.number, "offset": self._end.offset}
        return {**place, "sha256": self._sha256}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        began = state_dict.get("sha256", self._sha256)
        if began != self._sha256:
            raise ValueError(
                f"expected the {self.name} that the run began with, sha256 {began[:16]}…, found other data, "
                f"{self._sha256[:16]}…; put the data back, or start a new run"
            )
        self._epoch, self._begun = state_dict["epoch"], False
        self._start = self._end = Position(state_dict["pass"], state_dict["offset"])

    # ------------------------------------------------------------------ facts and plans

    @cached_property
    def name(self) -> str:  # type: ignore[override]
        """Of the data set, in results and tables."""
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", type(self).__name__).lower()

    @cached_property
    def input_shape(self) -> tuple[int, ...]:
        """Of one sample."""
        return tuple(self._loaded.x.shape[1:])

    @property
    def target(self) -> Target | None:
        """What a net is asked for; None where there is nothing to learn from the targets."""
        if "target" not in self._said:
            return self._understood
        target: Target | None = self._said["target"]
        return target

    @target.setter
    def target(self, target: Target | None) -> None:
        self._said["target"] = target

    @property
    def classes(self) -> int:
        """How many there are, 0 where the targets are none."""
        if "classes" in self._said:
            return int(self._said["classes"])
        return self.target.number if self.target is not None and self.target.kind == "classes" else 0

    @classes.setter
    def classes(self, classes: int) -> None:
        self._said["classes"] = classes

    @property
    def targets(self) -> dict[str, Tensor]:
        """The targets of each split, as the loss sees them."""
        return {name: y for name, (_, y) in self.splits.items()}

    @property
    def train_size(self) -> int:
        """Samples of the training split."""
        return len(self.splits["train"][1])

    @property
    def update_size(self) -> int:
        """Samples of a full update, over all devices."""
        return self.train_size if self.batch_size == "all" else self.batch_size

    @property
    def accumulate(self) -> int:
        """Parts into which each update is split so that none exceeds `max_per_device`."""
        return self.parts(self.update_size)

    def parts(self, size: int) -> int:
        """The same for an update of this size."""
        if self.max_per_device is None:
            return 1
        world = 1 if self.trainer is None else self.trainer.world_size
        return -(-size // (world * self.max_per_device))

    def planned_updates(self, batch_sizes: list[int]) -> list[list[int]]:
        """The update sizes of each epoch if these were the epochs' batch sizes."""
        plan, position = [], Position(0, 0)
        for epoch, size in enumerate(batch_sizes):
            if self.updates_per_epoch is None:
                position = Position(epoch, 0)
            taken, position = pieces(self.train_size, size, self._batches(epoch), position)
            lengths = [piece.stop - piece.start for piece in taken]
            plan.append([min(size, length - start) for length in lengths for start in range(0, length, size)])
        return plan

    def describe(self) -> dict[str, Any]:
        """What result.json says of the data: name, sizes, sha256, targets, and what a constant answer would score."""
        return {
            "name": self.name,
            "sizes": {name: len(y) for name, y in self.targets.items()},
            "sha256": self._sha256,
            **({} if self.target is None else described_targets(self.target, self.targets)),
            **self.notes(),
        }

    # ------------------------------------------------------------------ inside

    @cached_property
    def _loaded(self) -> Source:
        declared = self._declared()
        if declared is None and (self._says("target") or self._says("classes")):
            return self.load()  # nothing is asked for: targets only fill a place
        return checked(self.load(), self._whose, declared)

    @cached_property
    def _has_test_set(self) -> bool:
        return self._loaded.test is not None

    @property
    def _whose(self) -> str:
        """What a sentence about the data begins with."""
        return type(self).__name__

    @cached_property
    def _said(self) -> dict[str, Any]:
        """`target` and `classes`, where the object itself was given them."""
        return {}

    def _says(self, name: str) -> bool:
        """Whether the object or its class says this, which else follows from the data."""
        return name in self._said or getattr_static(type(self), name) is not getattr_static(ArrayDataModule, name)

    def _declared(self) -> Target | None:
        """What is said of the targets before they are looked at."""
        if self._says("target"):
            return self.target
        return Target("classes", self.classes) if self._says("classes") and self.classes else None

    @cached_property
    def _understood(self) -> Target | None:
        return self._declared() if self._says("classes") else self._loaded.target

    def _scaled(self, x: Any, rows: dict[str, Tensor]) -> Any:
        if self._scaling is None:
            return self.scale(x, rows)
        if self._scaling == "none":
            return self.raw(x)
        if isinstance(x, MappedRows):
            return standardised_as_read(x, rows["train"] if self._scaling == "standard" else None)
        return standardised(x, rows["train"])[0] if self._scaling == "standard" else standardised_each(x)

    def _fewer(self, train: Tensor, source: Source) -> Tensor:
        if self._rows is None or self._rows > len(train):
            raise ValueError(f"data.rows must be at most the {len(train)} train rows there are, got {self._rows}")
        return train[nested_rows(strata(source.y, self.target)[train], self._rows, generator("rows", self.seed))]

    def _restart(self) -> None:
        self._epoch, self._start, self._end = 0, Position(0, 0), Position(0, 0)
        self._begun = False

    def _begin(self) -> None:
        """Goes to the epoch that is on as an iteration begins."""
        if self.trainer is not None:
            self._go_to(self.trainer.current_epoch)
        elif self._begun:
            self._go_to(self._epoch + 1)
        self._begun = True

    def _drawn(self, batch_size: int) -> tuple[list[Tensor], list[Generator]]:
        """The rows of the epoch by pass, and a generator of each piece for its augmentation."""
        taken, device = self._taken(batch_size), self.splits["train"][0].device
        numbers = [self._start.number + later for later in range(len(taken))]
        orders = [self.order(number) for number in numbers]
        draws = [generator("augment", self.seed, n, piece.start) for n, piece in zip(numbers, taken, strict=True)]
        return [order[piece].to(device) for order, piece in zip(orders, taken, strict=True)], draws

    def _taken(self, batch_size: int) -> list[slice]:
        taken, self._end = pieces(self.train_size, batch_size, self._batches(self._epoch), self._start)
        return taken

    def _batches(self, epoch: int) -> int | None:
        """Batches of an epoch that is no pass: the trainer may make an update of several."""
        if self.updates_per_epoch is None or self.trainer is None or self.max_per_device is not None:
            return self.updates_per_epoch
        return self.updates_per_epoch * batches_per_update(self.trainer, epoch)

    def _go_to(self, epoch: int) -> None:
        if getattr(self.trainer, "overfit_batches", 0):
            self._start = Position(0, 0)  # the same few batches again and again are what is asked for
        elif self.updates_per_epoch is None:
            self._start = Position(epoch, 0)
        elif epoch == self._epoch + 1:
            self._start = self._end
        elif epoch == self._epoch - 1:
            return  # resuming, Lightning first asks with the epoch before, and again with the right one
        elif epoch != self._epoch:
            raise ValueError(
                f"epoch {epoch} was asked for after epoch {self._epoch}: with updates_per_epoch the place in the data "
                "follows from the epoch before; resume from a checkpoint of this datamodule"
            )
        self._epoch = epoch

    def _on_device(self, split: str) -> tuple[Tensor, Tensor]:
        if self.trainer is not None:
            device = self.trainer.strategy.root_device
            self.splits[split] = tuple(tensor.to(device) for tensor in self.splits[split])  # type: ignore[assignment]
        return self.splits[split]

    def _evaluation(self, split: str) -> ArrayLoader:
        x, y = self._on_device(split)
        if self.trainer is not None and self.trainer.world_size > 1:
            own = slice(self.trainer.global_rank, None, self.trainer.world_size)
            x, y = rows_of(x, torch.arange(len(x))[own]), y[own]
        return ArrayLoader(x, y, None, self.eval_batch_size, stretches=self.eval_stretches)


def standardised_as_read(x: MappedRows, train: Tensor | None) -> MappedRows:
    """Inputs on disk, standardised by these train rows, or each sample by itself, whenever they are read."""
    if train is None:
        return replace(x, then=standardised_each)
    mean, deviation = moments(x, train)
    return replace(x, then=lambda part: (part.double() - mean) / deviation)


def rows_of(x: Any, rows: Tensor) -> Any:
    """These rows of a tensor, or of inputs on disk, of which nothing is read by it."""
    return x.chosen(rows) if isinstance(x, MappedRows) else x[rows]


def _without(rows: Tensor, taken: Tensor) -> Tensor:
    return rows[~torch.isin(rows, taken)]


class _EpochLoader(ArrayLoader):
    """The train split's batches; which ones is asked when an iteration begins, not when the loader is made."""

    _segments: list[Tensor]

    def __init__(self, data: ArrayDataModule, x: Tensor, y: Tensor) -> None:
        rank, world, every_epoch = 0, 1, False
        if data.trainer is not None:
            rank, world = data.trainer.global_rank, data.trainer.world_size
            every_epoch = getattr(data.trainer, "reload_dataloaders_every_n_epochs", 0) == 1
        # Lightning counts a loader's items once where it is not made anew, and stretches that cut passes vary.
        constant = data.updates_per_epoch is None or every_epoch
        super().__init__(
            x,
            y,
            [],
            data.update_size,
            rank=rank,
            world=world,
            accumulate=data.accumulate,
            stretches=data.train_stretches and world == 1 and data.accumulate == 1 and constant,
            augment=data.augment,
        )
        self._lengths = [piece.stop - piece.start for piece in data._taken(self.batch_size)]
        self._data = data

    @property
    def segments(self) -> list[Tensor]:
        """The rows of the epoch that is on: drawn when an iteration begins, or when somebody looks."""
        if not self._segments:
            self._segments, self.generators = self._data._drawn(self.batch_size)
        return self._segments

    @segments.setter
    def segments(self, segments: list[Tensor]) -> None:
        self._segments = segments

    def _begin(self) -> None:
        self._data._begin()
        self._segments = []
        self._lengths = [len(rows) for rows in self.segments]


def _refuse_unlearnable(rows: dict[str, Tensor], source: Source, whose: str) -> None:
    """Refuses a split without rows, and classes of which no row is learned from."""
    empty = next((name for name, chosen in rows.items() if len(chosen) == 0), None)
    if empty is not None:
        raise ValueError(
            f"{whose}: expected rows in {', '.join(rows)}, found none for {empty} of the {len(source.y)} there are; "
            "data.val_fraction and data.test_fraction say how many"
        )
    if source.target is None or source.target.kind != "classes":
        return
    present = source.y.unique()
    unseen = present[~torch.isin(present, source.y[rows["train"]])].tolist()
    if unseen:
        name, held = source.target.names[unseen[0]] if source.target.names else unseen[0], source.y == unseen[0]
        raise ValueError(
            f"{whose}: expected train rows of every class, found none of {name}: its {int(held.sum())} rows are held "
            "out; hold out less (data.val_fraction, data.test_fraction), or leave the class out"
        )


def described_targets(target: Target, targets: Mapping[str, Tensor]) -> dict[str, Any]:
    """What the targets are; of classes also each split's counts, and the accuracy of the train split's majority."""
    said: dict[str, Any] = {"target": {"kind": target.kind, "number": target.number, "names": list(target.names)}}
    if target.kind != "classes":
        return said
    counts = {name: torch.bincount(y, minlength=target.number).tolist() for name, y in targets.items()}
    majority = max(range(target.number), key=counts["train"].__getitem__)
    constant = {name: count[majority] / sum(count) for name, count in counts.items()}
    return {"class_counts": counts, "constant_accuracy": constant, **said}
