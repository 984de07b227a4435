"""The datamodule that all data sets here share: in-memory tensors on the training device, whole batches by index."""

from pathlib import Path
from typing import Any, Literal, NamedTuple

import pytorch_lightning as pl
import torch
from torch import Tensor

from litmus.contract import Target
from litmus.paths import typed_path
from litmus.training.loader import ArrayLoader
from litmus.training.order import Position, generator, pass_order, pieces
from litmus.training.splits import stratified_folds, stratified_split


class Source(NamedTuple):
    """A data set as it came: inputs (rows, *input_shape) float32, targets as `Target` has them, both on the CPU.

    `test` marks the rows of an official test set, None where there is none; `sha256` is the files' fingerprint.
    """

    x: Tensor
    y: Tensor
    test: Tensor | None
    sha256: str


class ArrayDataModule(pl.LightningDataModule):
    """Splits, scales and batches one `Source`; a data set is a subclass that writes `load`.

    Args:
        data_dir: where the files are, or are put.
        batch_size: samples per update, over all devices; "all" is the whole training set.
        eval_batch_size: samples per validation and test batch; changes speed, never a metric.
        updates_per_epoch: an epoch ends after so many updates and the next goes on through the same permutation; None
            is one pass.
        seed: draws the split and the order; the order is a function of (seed, pass), whatever the batch size.
        val_fraction, test_fraction: shares of the rows held out, of those that no official test set takes.
        folds, fold: cross-validation over all rows: fold `fold` of `folds` is the test set.

    Attributes:
        train_stretches, eval_stretches: whoever trains may set them to receive many batches per item (see ArrayLoader).
        max_per_device: most samples that go through a device at once; an update is split to keep to it.
        classes: their number, of a data set of classes; another says its `target`.
    """

    name: str
    input_shape: tuple[int, ...]
    classes: int
    target: Target | None = None

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
        self.data_dir = typed_path(data_dir)
        self.batch_size = batch_size
        self.eval_batch_size = eval_batch_size
        self.updates_per_epoch = updates_per_epoch
        self.seed = seed
        self.val_fraction, self.test_fraction = val_fraction, test_fraction
        self.folds, self.fold = folds, fold
        self.train_stretches = self.eval_stretches = False
        self.max_per_device: int | None = None
        self.splits: dict[str, tuple[Tensor, Tensor]] = {}
        self._sha256 = ""
        self._epoch, self._start, self._end = 0, Position(0, 0), Position(0, 0)

    # ------------------------------------------------------------------ what a data set writes or overrides

    def load(self) -> Source:
        """The data set, whole; called once by the first process to fetch it, then by every process."""
        raise NotImplementedError(f"{type(self).__name__} must say how it is loaded")

    def split(self, source: Source) -> dict[str, Tensor]:
        """Row indices of train, val and test; test may be absent. Folds first, then the official test set."""
        draw = generator("split", self.seed)
        rows, strata = torch.arange(len(source.y)), self.strata(source.y)
        if self.folds is not None:
            test = stratified_folds(strata, self.folds, draw)[self.fold]
            rest = _without(rows, test)
        elif source.test is not None:
            test, rest = rows[source.test], rows[~source.test]
        else:
            (chosen,) = stratified_split(strata, [round(self.test_fraction * len(rows))], draw)
            test, rest = chosen, _without(rows, chosen)
        (chosen,) = stratified_split(strata[rest], [round(self.val_fraction * len(rows[rest]))], draw)
        val = rest[chosen]
        return {"train": _without(rest, val), "val": val, "test": test}

    def strata(self, y: Tensor) -> Tensor:
        """What (rows,) every split gets its share of: the classes; other targets are all alike."""
        return y if self.target is None or self.target.kind == "classes" else torch.zeros(len(y), dtype=torch.int64)

    def scale(self, x: Tensor, rows: dict[str, Tensor]) -> Tensor:
        """The inputs as the net sees them; statistics come from the train rows only."""
        return x

    def notes(self) -> dict[str, Any]:
        """Facts about this data set that a reader of result.json must know."""
        return {}

    # ------------------------------------------------------------------ Lightning's hooks

    def prepare_data(self) -> None:
        self.load()

    def setup(self, stage: str | None = None) -> None:
        if stage == "fit":  # a second fit of the same object starts at the first epoch
            self._epoch, self._start, self._end = 0, Position(0, 0), Position(0, 0)
        if self.splits:
            return
        source = self.load()
        rows = self.split(source)
        x = self.scale(source.x, rows)
        self.splits = {name: (x[chosen], source.y[chosen]) for name, chosen in rows.items()}
        self._sha256 = source.sha256
        if self.batch_size != "all" and self.batch_size > self.train_size:
            raise ValueError(
                f"batch_size must be at most the {self.train_size} samples of the training set, got {self.batch_size}; "
                "batch_size=all is the full batch"
            )

    def train_dataloader(self) -> ArrayLoader:
        """This epoch's batches, made anew each epoch (`reload_dataloaders_every_n_epochs=1`)."""
        epoch, rank, world = 0, 0, 1
        if self.trainer is not None:
            epoch, rank, world = self.trainer.current_epoch, self.trainer.global_rank, self.trainer.world_size
        self._go_to(epoch)
        size = self.update_size
        taken, self._end = pieces(self.train_size, size, self.updates_per_epoch, self._start)
        x, y = self._on_device("train")
        segments = [
            pass_order(self.train_size, self.seed, self._start.number + later)[piece].to(x.device)
            for later, piece in enumerate(taken)
        ]
        return ArrayLoader(
            x,
            y,
            segments,
            size,
            rank=rank,
            world=world,
            accumulate=self.accumulate,
            stretches=self.train_stretches and world == 1 and self.accumulate == 1,
        )

    def val_dataloader(self) -> ArrayLoader:
        return self._evaluation("val")

    def test_dataloader(self) -> ArrayLoader | list[Any]:
        return self._evaluation("test") if "test" in self.splits else []

    def state_dict(self) -> dict[str, Any]:
        """Where the next epoch starts: what a checkpoint at an epoch's end needs to go on through the same pass."""
        return {"epoch": self._epoch + 1, "pass": self._end.number, "offset": self._end.offset}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._epoch = state_dict["epoch"]
        self._start = self._end = Position(state_dict["pass"], state_dict["offset"])

    # ------------------------------------------------------------------ facts and plans

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
            taken, position = pieces(self.train_size, size, self.updates_per_epoch, position)
            lengths = [piece.stop - piece.start for piece in taken]
            plan.append([min(size, length - start) for length in lengths for start in range(0, length, size)])
        return plan

    def describe(self) -> dict[str, Any]:
        """What result.json says of the data: name, sizes, sha256; class counts and the majority class's accuracy."""
        targets = {name: y for name, (_, y) in self.splits.items()}
        sizes = {name: len(y) for name, y in targets.items()}
        known: dict[str, Any] = {"name": self.name, "sizes": sizes}
        if self.target is not None and self.target.kind != "classes":
            return known | {"sha256": self._sha256, **self.notes()}
        classes = self.classes if self.target is None else self.target.number
        counts = {name: torch.bincount(y, minlength=classes).tolist() for name, y in targets.items()}
        majority = max(range(classes), key=counts["train"].__getitem__)
        return known | {
            "class_counts": counts,
            "sha256": self._sha256,
            "constant_accuracy": {name: count[majority] / sum(count) for name, count in counts.items()},
            **self.notes(),
        }

    # ------------------------------------------------------------------ inside

    def _go_to(self, epoch: int) -> None:
        if self.updates_per_epoch is None:
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
            x, y = x[own], y[own]
        return ArrayLoader(x, y, None, self.eval_batch_size, stretches=self.eval_stretches)


def _without(rows: Tensor, taken: Tensor) -> Tensor:
    return rows[~torch.isin(rows, taken)]
