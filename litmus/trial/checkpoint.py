"""Best and last checkpoint, for epochs that take milliseconds as well as for those that take hours."""

import difflib
import math
from collections.abc import Collection, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Checkpoint, WeightAveraging
from pytorch_lightning.trainer import call
from pytorch_lightning.utilities import move_data_to_device
from pytorch_lightning.utilities.seed import isolate_rng
from torch import Tensor, nn
from torchmetrics import Metric, MetricCollection

from litmus.atomic import replacing
from litmus.direction import mode_of
from litmus.paths import typed_path
from litmus.training.averaging import Averaging, averaging_of
from litmus.training.direct_step import unchanged
from litmus.training.epoch_metrics import EpochMetrics, refuse_waiting
from litmus.training.overridden import overridden
from litmus.training.pack import own_seconds
from litmus.training.plan import is_last_epoch
from litmus.trial.plain_checkpoint import PlainCheckpoints, refuse_state, refuse_unreadable

# Of a checkpoint of weights: the buffers that no state_dict has.
BUFFERS = "buffers"
# Of a parameter without a gradient that a validation may set itself.
MOST_SET = 10_000
# What a whole checkpoint has beside: a module's hook may expect the names.
TRAINING = {"callbacks": dict, "optimizer_states": list, "lr_schedulers": list, "loops": dict}


def better(score: float, best: float | None, mode: str) -> bool:
    """Whether a score beats the best so far; the earlier of equals stays."""
    return best is None or (score < best if mode == "min" else score > best)


class BestAndLast(Checkpoint):
    """Keeps `best.ckpt` (weights where `monitor` was best) and `last.ckpt` (everything, to resume from).

    An epoch is judged by its last validation, and its weights are those that were validated: a callback may show the
    validation others than it trains, an average of them, and updates may follow a validation within the epoch. What a
    validation sets itself, such as a threshold in a buffer, is as it left it. An epoch without a validation is not
    judged. An average that is judged at the end has no best epoch: the last is kept.

    Best weights are kept in memory when they occur and written with the next `last.ckpt`. That is written after an
    epoch unless writing would take more than `share` of the run's time: a resumed run repeats the epochs since then,
    to exactly the same weights. Both are whole at any moment, also after a power loss.

    Args:
        directory: where they go.
        monitor: the metric, logged by epoch.
        mode: min or max; None is what the metric's name says.
        share: share of the run's time that writing may take; 0 writes at the end only, 1 after every epoch.
    """

    # It looks at the weights once an evaluation.
    ticks_per_stretch = True

    def __init__(self, directory: str, monitor: str = "val/loss", mode: str | None = None, share: float = 0.02) -> None:
        if not 0 <= share <= 1:
            raise ValueError(f"callbacks.checkpoint.share must be in [0, 1], got {share}")
        self.directory = typed_path(directory)
        self.monitor, self.share = monitor, share
        self.mode = mode_of(monitor, mode, "callbacks.checkpoint.mode")
        self.best_score: float | None = None
        self.best_epoch: int | None = None
        self.best_metrics: dict[str, float] = {}
        self._best: dict[str, Any] | None = None
        self._validated: dict[str, Any] | None = None
        self._untrained: dict[str, Tensor] = {}
        self._metrics = EpochMetrics()
        self._names: set[str] = set()
        self._switches: dict[str, list[str]] | None = None
        self._unsaved = Unsaved()
        self._seconds_to_write = 0.0
        self._written = 0.0
        self._written_epoch: int | None = None
        self._stopped = self._readable = False
        self._selects = True

    @property
    def best_path(self) -> Path:
        return self.directory / "best.ckpt"

    @property
    def last_path(self) -> Path:
        return self.directory / "last.ckpt"

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        if stage == "fit":
            self.best_score, self.best_epoch, self.best_metrics, self._best = None, None, {}, None
            self._seconds_to_write, self._written, self._stopped = 0.0, 0.0, False
            self._written_epoch = self._switches = None
            self._readable = False
            if not isinstance(io := trainer.strategy.checkpoint_io, PlainCheckpoints):
                trainer.strategy.checkpoint_io = PlainCheckpoints(io)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        with isolate_rng(torch.cuda.is_initialized()):  # loaders of the validation may be made for it
            refuse_waiting(trainer, {"callbacks.checkpoint": self.monitor})
        # Early stopping had ended the run when its last checkpoint was written: it stays ended.
        trainer.should_stop = trainer.should_stop or self._stopped
        self._metrics.take(trainer)
        averaging = averaging_of(trainer)
        self._selects = averaging is None or not averaging.judged_at_end
        if self._switches is not None:
            set_switches(pl_module, self._switches)
        self._unsaved.begin(trainer, pl_module)
        self._validated, self._names = None, names_kept(trainer, pl_module)
        self._untrained = {}

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._unsaved.begin_epoch(pl_module)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        # A validation begins by showing other weights, maybe: what was there is to be known before.
        loop = trainer.fit_loop
        if loop._data_fetcher is not None and loop.epoch_loop._should_check_val_fx(loop._data_fetcher):
            self._untrained = {name: value.detach().clone() for name, value in untrained(pl_module).items()}

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        # Here nobody has put other weights back yet, as they may at the evaluation's end.
        if batch_idx == dataloader_idx == 0 and trainer.state.fn == "fit" and not trainer.sanity_checking:
            self._validated = self._weights(trainer, pl_module)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self._validated is None:
            return
        callbacks: list[pl.Callback] = trainer.callbacks  # type: ignore[attr-defined]
        averaged = any(isinstance(one, Averaging | WeightAveraging) for one in callbacks)
        if overridden(pl_module, ("on_save_checkpoint",), pl.LightningModule):
            # By now an average is hidden again: tensors that the module adds may be of other weights than were judged.
            added = weights_of(trainer, pl_module)
            self._validated |= {
                name: one
                for name, one in added.items()
                if name != "state_dict" and not (averaged and holds_tensors(one))
            }
        # What is not as it was before is what the validation has set, or the module's own hook, which came later.
        known = not averaged or not overridden(pl_module, ("on_train_batch_end",), pl.LightningModule)
        for name, value in untrained(pl_module).items() if known else ():
            if name in self._untrained and not unchanged(value, self._untrained[name]):
                saved = name in self._validated["state_dict"]
                part = self._validated["state_dict"] if saved else self._validated.setdefault(BUFFERS, {})
                part[name] = value.detach().clone()
        self._untrained = {}

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._judge(trainer, pl_module, self._metrics.take(trainer))
        self._validated = None
        self._stopped = trainer.should_stop
        elapsed = own_seconds() - self._written
        due = self.share > 0 and elapsed * self.share >= self._seconds_to_write * (1 - self.share)
        # Clocks differ, and saving waits for every rank: the first decides for all.
        # At the end of the run as well, and now: callbacks may change weights when training has ended.
        if trainer.strategy.broadcast(due) or is_last_epoch(trainer):
            self._write(trainer)
            self._written_epoch = trainer.current_epoch

    def _judge(self, trainer: pl.Trainer, pl_module: pl.LightningModule, metrics: dict[str, Tensor]) -> None:
        """Keeps the epoch's weights if it is the best so far."""
        if self.monitor not in metrics:
            if self._validated is None:
                return
            raise ValueError(
                f"expected callbacks.checkpoint.monitor={self.monitor} among the metrics of an epoch, found "
                f"{', '.join(sorted(metrics)) or 'none'}; type one of these, as "
                f"callbacks.checkpoint.monitor={self._named(metrics)}"
            )
        score = float(metrics[self.monitor])
        if math.isnan(score):
            raise FloatingPointError(
                f"callbacks.checkpoint.monitor={self.monitor} became nan in epoch {trainer.current_epoch}, which is "
                "neither better nor worse than any; the last good checkpoint stays"
            )
        if self._selects and not better(score, self.best_score, self.mode):
            return
        weights = self._validated or self._weights(trainer, pl_module)
        if weights["state_dict"].keys() != self._names:
            other = sorted(weights["state_dict"].keys() ^ self._names)
            raise ValueError(
                f"expected the weights to keep the names they had when training began, found {', '.join(other[:4])} "
                "added or gone: best.ckpt could not be loaded; leave out the callback that replaces them"
            )
        self.best_score, self.best_epoch, self._best = score, trainer.current_epoch, weights
        self.best_metrics = {name: float(value) for name, value in metrics.items()}

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self._written_epoch != trainer.current_epoch - 1 or self._best is not None:
            self._write(trainer)

    def refuse_unjudged(self) -> None:
        """Refuses a fit that has ended without an epoch to choose.

        Raises:
            ValueError: naming the metric.
        """
        if self.best_epoch is None:
            raise ValueError(
                f"expected an epoch with a value of callbacks.checkpoint.monitor={self.monitor} to choose, found none: "
                "the run ended before its first validation; let it go on for longer, or validate earlier"
            )

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        checkpoint["switches"] = switches(pl_module)
        checkpoint["unsaved"] = self._unsaved.found(trainer, pl_module)
        for part in (pl_module, trainer.datamodule):  # type: ignore[attr-defined]
            key = getattr(part, "CHECKPOINT_HYPER_PARAMS_KEY", None)
            if key in checkpoint:
                checkpoint[key] = plain_only(checkpoint[key])
                checkpoint.pop(part.CHECKPOINT_HYPER_PARAMS_TYPE, None)  # they are a dictionary now

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        # Where trainer.max_steps ends a run, Lightning takes any checkpoint for one within an epoch, and ends it again.
        trainer.fit_loop._iteration_based_training = lambda: False  # type: ignore[method-assign]
        self._switches = checkpoint.get("switches")  # none in what an earlier version wrote
        self._unsaved.restored = checkpoint.get("unsaved")

    def state_dict(self) -> dict[str, Any]:
        return {
            "best_score": self.best_score,
            "best_epoch": self.best_epoch,
            "best_metrics": self.best_metrics,
            "stopped": self._stopped,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best_score, self.best_epoch = state_dict["best_score"], state_dict["best_epoch"]
        self.best_metrics, self._stopped = state_dict["best_metrics"], state_dict["stopped"]

    def _weights(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> dict[str, Any]:
        weights = weights_of(trainer, pl_module)
        buffers = self._unsaved.changed(pl_module, weights["state_dict"])
        return {**weights, **({BUFFERS: buffers} if buffers else {})}

    def test(self, trainer: pl.Trainer, model: pl.LightningModule, data: pl.LightningDataModule) -> None:
        """Tests the best weights."""
        fill(model, self._unsaved.began)
        test(trainer, model, data, self.best_path)

    def _named(self, metrics: Mapping[str, Any]) -> str:
        """The metric that was probably meant."""
        longer = [name for name in sorted(metrics) if name.startswith(self.monitor)]  # as of one loader of several
        near = longer or difflib.get_close_matches(self.monitor, metrics, 1, 0.5)
        return near[0] if near else "METRIC"

    def _write(self, trainer: pl.Trainer) -> None:
        start = own_seconds()
        # Best before last: if only the first is written, resuming from the older last finds the same best again.
        if self._best is not None and trainer.is_global_zero:
            with replacing(self.best_path) as path:
                torch.save(self._best, path)
        self._best = None
        if trainer.is_global_zero:
            with replacing(self.last_path) as path:
                trainer.save_checkpoint(path)
                if self.share and not self._readable:  # what is written at the end alone, nobody waits for
                    refuse_unreadable(path, trainer)
            self._readable = True
        else:
            trainer.save_checkpoint(self.last_path)  # every rank takes part; only the first writes
        self._written = own_seconds()
        self._seconds_to_write = self._written - start


def test(trainer: pl.Trainer, model: pl.LightningModule, data: pl.LightningDataModule, path: Path) -> None:
    """Tests the weights in `path`, with the buffers that no state_dict has as they were."""
    if unsaved_buffers(model):  # the file is read again below
        fill(model, torch.load(path, map_location="cpu", weights_only=True).get(BUFFERS, {}))
    trainer.test(model, datamodule=data, ckpt_path=str(path), verbose=False, weights_only=True)


def weights_of(trainer: pl.Trainer, pl_module: pl.LightningModule) -> dict[str, Any]:
    """A checkpoint of the weights alone, as `load_from_checkpoint` reads it, that later updates do not touch.

    What a module of anybody's adds to a checkpoint is in it, as in one that Lightning writes.
    """
    weights = {
        name: value.detach().clone() if isinstance(value, Tensor) else value
        for name, value in pl_module.state_dict().items()
    }
    found = {
        "state_dict": weights,
        "hyper_parameters": plain_only(pl_module.hparams),
        "epoch": trainer.current_epoch,
        "global_step": trainer.global_step,
        "pytorch-lightning_version": pl.__version__,
    }
    if overridden(pl_module, ("on_save_checkpoint",), pl.LightningModule):
        known, rest = dict(found), {name: kind() for name, kind in TRAINING.items()}
        pl_module.on_save_checkpoint(whole := found | rest)
        added = {name: one for name, one in whole.items() if name not in rest}
        found = {name: one if one is known.get(name) else deepcopy(one) for name, one in added.items()}
    return found


def holds_tensors(value: Any) -> bool:
    """Whether there is a tensor in it, at any depth."""
    if isinstance(value, Mapping):
        return any(map(holds_tensors, value.values()))
    return any(map(holds_tensors, value)) if isinstance(value, list | tuple) else isinstance(value, Tensor)


def untrained(module: nn.Module) -> dict[str, Tensor]:
    """What no optimizer changes and a validation may: buffers, and small parameters without a gradient; by all names.

    A frozen backbone is no threshold, and another copy of it may not fit.
    """
    parameters = module.named_parameters(remove_duplicate=False)
    held = {name: value for name, value in parameters if not value.requires_grad and value.numel() <= MOST_SET}
    return held | dict(module.named_buffers(remove_duplicate=False))


def names_kept(trainer: pl.Trainer, pl_module: pl.LightningModule) -> set[str]:
    """The names of the weights that a checkpoint will have.

    Raises:
        ValueError: where the module adds what could not be read back without running it: the run would train to its
            end, and neither its test nor a resume would come to it.
    """
    if not overridden(pl_module, ("on_save_checkpoint",), pl.LightningModule):
        return set(pl_module.state_dict())
    rehearsed = weights_of(trainer, pl_module)
    beside = {name: one for name, one in rehearsed.items() if name != "state_dict"}
    refuse_state(beside, f"{type(pl_module).__name__}.on_save_checkpoint")
    return set(rehearsed["state_dict"])


def plain_only(hparams: Mapping[str, Any]) -> dict[str, Any]:
    """The hyperparameters that are plain data: a checkpoint of others could not be read back without running them."""
    return {name: value for name, value in hparams.items() if _is_plain(value)}


def _is_plain(value: Any) -> bool:
    if isinstance(value, Mapping):
        return type(value) is dict and all(map(_is_plain, value)) and all(map(_is_plain, value.values()))
    if type(value) in (list, tuple, set):
        return all(map(_is_plain, value))
    return value is None or type(value) in (bool, int, float, str, bytes, complex) or isinstance(value, Tensor)


def switches(module: nn.Module) -> dict[str, list[str]]:
    """What a fine-tuning callback turns on and off, and no state_dict has: parameters and statistics of batch norms."""
    return {
        "frozen": [name for name, value in module.named_parameters() if not value.requires_grad],
        "untracked": [
            name for name, layer in module.named_modules() if not getattr(layer, "track_running_stats", True)
        ],
    }


def set_switches(module: nn.Module, wanted: dict[str, list[str]]) -> None:
    """Turns them to what `switches` gave."""
    frozen, untracked = set(wanted["frozen"]), set(wanted["untracked"])
    for name, value in module.named_parameters():
        value.requires_grad_(name not in frozen)
    for name, layer in module.named_modules():
        if hasattr(layer, "track_running_stats"):
            layer.track_running_stats = name not in untracked


class Unsaved:
    """Buffers that no state_dict has, where training changed them; what metrics have gathered; and the step of
    schedulers that wait for a metric.

    Lightning steps those (ReduceLROnPlateau of a module's own) after the last hook of an epoch, where a checkpoint is
    written: the run that goes on from there has yet to make that step.

    Attributes:
        restored: what a checkpoint had.
        began: the values when training began, on the CPU.
    """

    def __init__(self) -> None:
        self.restored: dict[str, Any] | None = None
        self._gathered: dict[str, Any] = {}
        self.began: dict[str, Tensor] = {}

    def begin(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Puts back what was restored, as training begins."""
        self.began = {name: value.detach().to("cpu", copy=True) for name, value in unsaved_buffers(pl_module).items()}
        restored, self.restored = self.restored or {}, None
        self._gathered = restored.get("metrics", {})  # none in what an earlier version wrote
        fill(pl_module, restored.get("buffers", {}))
        for place, metric in restored.get("steps", {}).items():
            scheduler = trainer.lr_scheduler_configs[place].scheduler
            call._call_lightning_module_hook(trainer, "lr_scheduler_step", scheduler, metric)

    def begin_epoch(self, pl_module: pl.LightningModule) -> None:
        """Gives metrics back what they had gathered: after `on_train_start`, in which many a module resets them."""
        gathered, self._gathered = self._gathered, {}
        for name, metric in pl_module.named_modules():
            if isinstance(metric, Metric) and name in gathered:
                vars(metric).update(move_data_to_device(gathered[name], metric.device))

    def found(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> dict[str, Any]:
        """The same of now, for a checkpoint."""
        steps = _awaited(trainer) if pl_module.automatic_optimization else {}
        gathered = _gathered(trainer, pl_module)
        return {
            "buffers": self.changed(pl_module),
            "steps": steps,
            **({"metrics": gathered} if gathered else {}),
        }

    def changed(self, pl_module: pl.LightningModule, saved: Collection[str] | None = None) -> dict[str, Tensor]:
        """The buffers, copied, that are not what they were when training began."""
        return {
            name: value.detach().clone()
            for name, value in unsaved_buffers(pl_module, saved).items()
            if name not in self.began or not torch.equal(self.began[name], value.cpu())
        }


def unsaved_buffers(pl_module: pl.LightningModule, saved: Collection[str] | None = None) -> dict[str, Tensor]:
    """Those that no state_dict has, of which `saved` are the names where they are known."""
    saved = pl_module.state_dict().keys() if saved is None else saved
    return {name: value for name, value in pl_module.named_buffers() if name not in saved}


def fill(pl_module: pl.LightningModule, values: Mapping[str, Tensor]) -> None:
    """Puts these values into the buffers that no state_dict has."""
    buffers = unsaved_buffers(pl_module)
    for name in buffers.keys() & values.keys():
        buffers[name].data = values[name].to(buffers[name].device)


def _gathered(trainer: pl.Trainer, pl_module: pl.LightningModule) -> dict[str, dict[str, Any]]:
    """What the torchmetrics of a module hold beyond an epoch, such as the best score so far.

    Those that are logged themselves, and not their values, are no part of it: Lightning resets them.
    """
    epoch: Any = trainer.fit_loop.epoch_loop
    logged = [one.value for loop in (epoch, epoch.val_loop) for one in loop._results.values()]
    reset = {id(part) for one in logged if isinstance(one, nn.Module) for part in one.modules()}
    found = {}
    for part in pl_module.modules():
        if isinstance(part, MetricCollection):
            part.values(copy_state=False)  # of metrics that share a state, the first alone is kept up to date
    for name, part in pl_module.named_modules():
        if isinstance(part, Metric) and id(part) not in reset:
            # Not its settings, nor what the trainer makes of it: what is counted, and states.
            held = {
                key: value
                for key, value in vars(part).items()
                if key in part._defaults or key == "_computed" or type(value) is int or isinstance(value, Tensor)
            }
            found[name] = deepcopy({key: value if _is_plain(value) else None for key, value in held.items()})
    return found


def _awaited(trainer: pl.Trainer) -> dict[int, Tensor]:
    """Schedulers, by their place, that are stepped once this epoch's hooks are through, and by what."""
    loop, found = trainer.fit_loop, {}
    progress: Any = loop.epoch_progress.current
    if progress.processed == progress.completed:  # no epoch's last hooks are on
        return {}
    if not loop.epoch_loop._num_ready_batches_reached():  # it was stopped in its middle
        return {}
    for place, config in enumerate(trainer.lr_scheduler_configs):
        metric = trainer.callback_metrics.get(config.monitor or "")
        due = config.interval == "epoch" and (trainer.current_epoch + 1) % config.frequency == 0
        if config.reduce_on_plateau and due and metric is not None:
            found[place] = metric.detach().cpu().clone()
    return found
