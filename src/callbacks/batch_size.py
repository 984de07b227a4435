"""The batch size by epoch: one callback that tells the datamodule, whose loader Lightning rebuilds each epoch."""

import inspect
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.parsing import (
    _lightning_get_all_attr_holders,
    lightning_getattr,
    lightning_hasattr,
    lightning_setattr,
)

from litmus.training.batches import samples_of, sizes_in
from litmus.training.ordinary_loader import (
    LastUpdate,
    another_size,
    exact_parts,
    made_for,
    maker_of,
    planned_counts,
    refuse_another_size,
    refuse_batch_of_one,
    rows_of,
    set_up_once,
)
from litmus.training.plan import (
    estimating_by_plan,
    has_batch_norm,
    needs_two_samples,
    refuse_accumulation,
    refuse_counts_of_batches,
    refuse_limits_of_parts,
)
from litmus.training.schedule import refuse_cycles, refuse_lengths, scale_learning_rates
from src.callbacks.batch_schedules import (
    COUPLINGS,
    admitted,
    check_count,
    fixed,
    learning_rate_scale,
    planned_sizes,
    schedule_with,
)


class BatchSizeScheduler(pl.Callback):
    """Sets `batch_size`, the samples of an update over all devices, before each epoch.

    Works with any LightningDataModule, and any module with a `train_dataloader` of its own, that makes its train loader
    from `self.batch_size` or `self.hparams.batch_size`: it is set wherever Lightning's own tuner sets it. A data module
    that has an attribute `max_per_device` splits updates over processes and parts itself; any other is given each
    part's size, as a DataLoader takes it. What was set is put back when the fit ends.

    Args:
        schedule: fixed, linear, geometric, doubling, milestones, or a function (epoch, epochs, **knobs).
        lr: how the learning rate follows: none, linear (× B/start), sqrt (× √(B/start)), or decay: the batch stays at
            its start, and the rate takes its place (× start/B).
        reverse: the same sizes from the last epoch's to the first's, with the learning rate that each had.
        multiple_of: sizes are rounded to multiples of it, and capped by the training set.
        max_per_device: most samples that go through a device at once; the rest of an update is accumulated.
        knobs: the schedule's own; None is its default, and for `start` the datamodule's own batch size.

    Raises:
        ValueError: for what cannot work, at construction or before training.
    """

    # Its batch hooks act on ordinary DataLoaders only, which have no stretches.
    ticks_per_stretch = True
    sets_batch_sizes = True
    plans_are_compared = True
    # Parts of each update, whatever memory allows; the largest size where there is no plan.
    fewest_parts = 1
    stop = 0

    def __init__(
        self,
        schedule: str | Callable[..., float] = "fixed",
        *,
        lr: str = "none",
        reverse: bool = False,
        multiple_of: int = 1,
        max_per_device: int | None = None,
        **knobs: Any,
    ) -> None:
        if lr not in COUPLINGS:
            raise ValueError(f"batching.lr must be one of {', '.join(COUPLINGS)}, got {lr}")
        check_count("multiple_of", multiple_of)
        if max_per_device is not None:
            check_count("max_per_device", max_per_device)
        self.knobs = {name: value for name, value in knobs.items() if value is not None}
        self.schedule = schedule_with(schedule, self.knobs)
        self.takes_start = "start" in inspect.signature(self.schedule).parameters
        self.lr = lr
        self.reverse = reverse
        self.multiple_of = multiple_of
        self.max_per_device = max_per_device
        # What memory did not allow, as whoever retries the fit notes it; kept in checkpoints.
        self.out_of_memory: list[dict[str, int]] = []
        self.failed_in_training = False
        self.size = self.first = 0
        self._found: list[tuple[Any, str, Any]] = []

    # ------------------------------------------------------------------ what a schedule is

    def sizes(self, epochs: int, start: int, rows: int | None) -> list[int] | None:
        """The size of each epoch, None where it is decided during training."""
        plan = planned_sizes(self.schedule, epochs, self._knobs(start, rows), self.multiple_of, rows)
        return plan[::-1] if self.reverse else plan

    @property
    def planned_sizes(self) -> list[int] | None:
        """The size of each epoch of the fit that is set up, None where it is decided during training."""
        return self._plan

    def begin(self) -> int:
        """The first epoch's size where there is no plan."""
        return self.first

    def decide(self, trainer: pl.Trainer) -> float:
        """The next epoch's size where there is no plan."""
        raise NotImplementedError(f"{type(self).__name__} has no plan and must decide")

    def measured(self) -> dict[str, Any]:
        """What decisions rest on, for the checkpoint; plain numbers."""
        return {}

    def restore_measured(self, state: dict[str, Any]) -> None:
        """Takes back what `measured` gave; an empty state is a fresh start."""

    def recorded_metrics(self) -> set[str]:
        """What it adds to the metrics of an epoch."""
        return {"lr_scale"} if self.lr != "none" else set()

    def total_updates(self, samples: int, epochs: int) -> int:
        """The updates of a whole run on so many samples: the length for schedulers stepped by update."""
        start = self.knobs.get("start", self.first or None)
        if start is None and self.takes_start:
            raise ValueError("total_updates needs batching.start, or a fit that has begun")
        plan = self.sizes(epochs, samples if start in (None, "all") else start, samples)
        if plan is None:
            raise ValueError(f"{type(self).__name__} decides sizes during training: nobody can know its updates")
        real = [plan[-1 if self.reverse else 0]] * epochs if self.lr == "decay" else plan
        return sum(-(-samples // size) for size in real)

    # ------------------------------------------------------------------ before training

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        if stage != "fit":
            return
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        if not lightning_hasattr(pl_module, "batch_size"):
            raise ValueError(
                "the batch size can be set only in a LightningDataModule or module with an attribute or hyperparameter "
                f"batch_size that its train_dataloader uses, got {type(pl_module if data is None else data).__name__}"
            )
        # A module may have loaders of its own, and is then asked as a data module is.
        set_up_once(trainer, pl_module)
        self._data: Any = pl_module if data is None else data
        self._splits_itself = hasattr(data, "max_per_device")
        self._module, self._own_size = pl_module, lightning_getattr(pl_module, "batch_size")
        names = [(trainer, "accumulate_grad_batches"), (trainer, "reload_dataloaders_every_n_epochs")]
        names += [(holder, "batch_size") for holder in _lightning_get_all_attr_holders(pl_module, "batch_size")]
        names += [(data, "max_per_device")] if self._splits_itself else []
        self._found = [(owner, name, getattr(owner, name)) for owner, name in names]
        self._scale, self._began = 1.0, -1
        self._last_update: LastUpdate | None = None
        self._world = trainer.world_size
        self._rows = None if self._splits_itself else rows_of(made_for(trainer), self._world)
        self.restore_measured({})
        self._plan = self._planned(trainer)
        self._varies = self._plan is None or (self.lr != "decay" and len(set(self._plan)) > 1)
        if self._varies or self.max_per_device or self.fewest_parts > 1:
            refuse_accumulation(trainer)
        if self._varies:
            refuse_counts_of_batches(trainer)
        if (every := trainer.reload_dataloaders_every_n_epochs) > 1:  # type: ignore[attr-defined]
            raise ValueError(
                f"trainer.reload_dataloaders_every_n_epochs={every} would have no effect: batching has the loader made "
                "anew before each epoch; leave it out"
            )
        trainer.reload_dataloaders_every_n_epochs = 1  # type: ignore[attr-defined]
        self._announce(trainer, pl_module)
        if not self._splits_itself:
            self._each = self._varies or self.max_per_device is not None or self.fewest_parts > 1
            refuse_another_size(trainer, pl_module, self._two_sizes(), self._each)
        self._enter(trainer.current_epoch, self._planned_size(trainer.current_epoch))

    def _planned(self, trainer: pl.Trainer) -> list[int] | None:
        count: int | None = self._data.train_size if self._splits_itself else self._rows and self._rows.number
        epochs = trainer.max_epochs if trainer.max_epochs and trainer.max_epochs > 0 else None
        start: Any = self.knobs.get("start", self._own_size)
        start = count if start == "all" else start
        if epochs is None and self.schedule is not fixed:
            raise ValueError("a batch size that varies needs trainer.max_epochs, the number of epochs it varies over")
        plan = self.sizes(epochs or 1, start, count)
        self.first = admitted(start, self.multiple_of, count) if plan is None else plan[-1 if self.reverse else 0]
        self._count = count
        return plan

    def _knobs(self, start: int, rows: int | None) -> dict[str, Any]:
        knobs = {name: rows if value == "all" else value for name, value in self.knobs.items()}
        return knobs | ({"start": start} if self.takes_start else {})

    def _announce(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Leaves the plan with the datamodule, where the module's set-up reads it, and refuses what cannot train."""
        real = None if self._plan is None else [self._real(size) for size in self._plan]
        largest = max(real or (self.stop, self.first))
        self._splits = self.fewest_parts > 1 or (
            self.max_per_device is not None and largest > self.max_per_device * self._world
        )
        counts = None
        if real is not None and trainer.max_epochs and trainer.max_epochs > 0:
            if self._splits_itself:
                counts = [len(updates) for updates in self._data.planned_updates(real)]
            elif self._rows is not None:
                parts = [self._parts(size) for size in real]
                counts = planned_counts(self._rows, real, parts)
                if has_batch_norm(pl_module):
                    needed = partial(needs_two_samples, trainer, pl_module)
                    refuse_batch_of_one(self._rows, real, self._parts, needed)
            self._data.planned_batch_sizes = real
        elif real is None:
            self._data.planned_batch_sizes = None
        self._data.planned_update_counts = counts
        if (self._varies or self._splits) and (counts is not None or self._splits_itself or self._rows is not None):
            # Schedules that a module makes are as long as what it asks the trainer.
            self._found.append((trainer, "__class__", type(trainer)))
            trainer.__class__ = estimating_by_plan(trainer)
        if self._splits:
            refuse_limits_of_parts(trainer, split=True)
        if self._splits and has_batch_norm(pl_module):
            warnings.warn("batch norm sees the parts of a split update, not the whole of it", stacklevel=2)

    # ------------------------------------------------------------------ by epoch

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        # A test with a checkpoint's weights restores callbacks too.
        if trainer.state.fn != "fit":
            return
        state = checkpoint["callbacks"].get(self.state_key)
        if state is None:  # written by a run without this callback
            self._enter(checkpoint["epoch"] + 1, self._planned_size(checkpoint["epoch"] + 1))
            return
        self.restore_measured(state["measured"])
        self._scale = state["scale"]
        known = state["out_of_memory"]
        self.out_of_memory = known + [event for event in self.out_of_memory if event not in known]
        self._enter(state["epoch"], state["size"] if self._plan is None else self._planned_size(state["epoch"]))

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self.lr != "none":
            refuse_cycles(trainer, self.lr)
        if self._varies:
            refuse_lengths(trainer, self._data.planned_update_counts)
        self._follow(trainer)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._refuse_another_master(trainer)
        self._began = trainer.current_epoch
        wanted: Any = lightning_getattr(pl_module, "batch_size")
        found = sizes_in(trainer.train_dataloader)
        if another_size(found, wanted, self._splits_itself or self._each):
            raise ValueError(
                f"epoch {trainer.current_epoch} must have batches of {wanted}, but its loader has "
                f"{next(size for size in found if size != wanted)}: {maker_of(trainer)} must make its loader from "
                "self.batch_size"
            )
        if not self._splits:
            return
        parts = self._parts(self._real(self.size))
        if parts > 1 and not pl_module.automatic_optimization:
            raise ValueError("updates can be split over max_per_device with automatic optimization only")
        trainer.accumulate_grad_batches = parts
        self._last_update = None
        if not self._splits_itself and parts > 1:
            self._last_update = LastUpdate(int(trainer.num_training_batches), wanted, parts)

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        last = self._last_update is not None and batch_idx == self._last_update.last_batch
        self._last_samples = samples_of(batch, trainer.train_dataloader, batch_idx) if last else None

    def on_before_backward(self, trainer: pl.Trainer, pl_module: pl.LightningModule, loss: torch.Tensor) -> None:
        if self._last_update is not None and self._last_samples is not None:
            self._last_update.before_backward(self._last_samples, trainer.optimizers)

    def on_after_backward(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        # Before any callback, wherever it stands, sees what a step is taken with.
        if self._last_update is not None and self._last_samples is not None:
            self._last_update.before_step(trainer.optimizers)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self.lr != "none":
            trainer.callback_metrics["lr_scale"] = torch.tensor(self._scale, dtype=torch.float64)
        self._refuse_another_master(trainer)
        epoch = trainer.current_epoch + 1
        size = self._planned_size(epoch)
        if self._plan is None:
            if self._began != trainer.current_epoch:
                raise ValueError(
                    f"this checkpoint was written before the batch size of epoch {epoch} was decided; "
                    "ModelCheckpoint(save_on_train_epoch_end=True) writes those that can go on"
                )
            size = admitted(self.decide(trainer), self.multiple_of, self._count)
        self._enter(epoch, size)
        self._follow(trainer)

    def state_dict(self) -> dict[str, Any]:
        """The *next* epoch's size: checkpoints are written after it was set."""
        return {
            "epoch": self._epoch,
            "size": self.size,
            "scale": self._scale,
            "measured": self.measured(),
            "out_of_memory": self.out_of_memory,
        }

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        self._put_back()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        self.failed_in_training = trainer.training
        self._put_back()

    # ------------------------------------------------------------------ inside

    @property
    def per_device(self) -> int:
        """Samples that go through one device at once in this epoch."""
        real = self._real(self.size)
        return -(-real // (self._world * self._parts(real)))

    def _real(self, size: int) -> int:
        return self.first if self.lr == "decay" else size

    def _per_loader(self, real: int) -> int:
        """The size that an ordinary loader is given."""
        return real // self._world // self._parts(real)

    def _two_sizes(self) -> list[int]:
        """Sizes that the loader will be given: the first, and where it varies another."""
        if not self._varies:
            return [self._per_loader(self._real(self.first))]
        later = self._plan or [admitted(2 * self.first, self.multiple_of, self._count)]
        sizes = dict.fromkeys(self._per_loader(self._real(size)) for size in (self.first, *later))
        return list(sizes)[:2]

    def _planned_size(self, epoch: int) -> int:
        return self.begin() if self._plan is None else self._plan[min(epoch, len(self._plan) - 1)]

    def _parts(self, size: int) -> int:
        if not self._splits and self._splits_itself:
            return 1
        fewest = self.fewest_parts
        if self.max_per_device is not None:
            fewest = max(fewest, -(-size // (self._world * self.max_per_device)))
        return fewest if self._splits_itself else exact_parts(size, self._world, fewest)

    def _enter(self, epoch: int, size: int) -> None:
        """Makes the datamodule's next loader that of this epoch."""
        self._epoch, self.size = epoch, size
        real = self._real(size)
        lightning_setattr(self._module, "batch_size", real if self._splits_itself else self._per_loader(real))
        self._told = self._sizes_found()
        if self._splits_itself and self._splits:
            even = -(-real // (self._world * self._parts(real)))
            self._data.max_per_device = self.max_per_device if self.fewest_parts == 1 else even

    def _sizes_found(self) -> list[Any]:
        """What everybody who has a batch size says of it now."""
        return [holder.batch_size for holder in _lightning_get_all_attr_holders(self._module, "batch_size")]

    def _refuse_another_master(self, trainer: pl.Trainer) -> None:
        """Refuses a batch size that somebody else has set since: it would be undone, or be none that is recorded."""
        found = self._sizes_found()
        if found == self._told:
            return
        callbacks: list[Any] = trainer.callbacks  # type: ignore[attr-defined]
        known = ("pytorch_lightning.", "litmus.")
        theirs = [type(one).__name__ for one in callbacks if not type(one).__module__.startswith(known)]
        others = [name for name in theirs if name != type(self).__name__]
        wanted, other = next(
            (pair for pair in zip(self._told, found, strict=False) if pair[0] != pair[1]), (self._told, found)
        )
        raise ValueError(
            f"epoch {trainer.current_epoch}: expected batching alone to set the batch size, to {wanted}, found it set "
            f"to {other} by another ({', '.join([*others, type(self._module).__name__])}); leave that out, or give its "
            "sizes to batching=milestones"
        )

    def _follow(self, trainer: pl.Trainer) -> None:
        """Brings the learning rate to this size's."""
        scale = learning_rate_scale(self.size, self.first, self.lr)
        if scale != self._scale:
            scale_learning_rates(trainer, scale / self._scale)
            self._scale = scale

    def _put_back(self) -> None:
        if not self._found:
            return
        vars(self._module).pop("setup", None)
        for owner, name, value in self._found:
            setattr(owner, name, value)
        for name in ("planned_batch_sizes", "planned_update_counts"):
            self._data.__dict__.pop(name, None)
        self._found = []
