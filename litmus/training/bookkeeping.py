"""What a Learner does around its updates: its path, counters, means and schedule."""

import math
from collections.abc import Mapping
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from litmus.contract import tells_of_epochs
from litmus.training.batches import samples_in, share_of, weigh
from litmus.training.by_hand import Proofs
from litmus.training.epoch_metrics import EpochMetrics, refuse_waiting
from litmus.training.file_data_module import FileDataModule
from litmus.training.overridden import step_of_ones_own
from litmus.training.plan import refuse_batch_of_one, refuse_limits_of_parts
from litmus.training.stretches import reason_for_single_batches, reason_for_single_steps, reason_in_settings
from litmus.training.totals import Totals

EVALUATED = {
    "fit": ("validation",),
    "validate": ("validation",),
    "test": ("test", "predict"),
    "predict": ("predict",),
}


class Bookkeeping(pl.Callback):
    """Chooses the path of a Learner, logs its means, steps its schedule, keeps its counters.

    The module brings it. These could be hooks of the module itself, and were: but whoever subclasses a module may
    override a hook without calling super(), and then no mean is logged and no rate changes, in silence. A callback's
    hooks are its own. It comes after all callbacks but those that check or keep an epoch, and before the module.

    Args:
        base: the class whose own methods a stretch stands for.
    """

    ticks_per_stretch = True

    def __init__(self, base: type) -> None:
        self.base = base
        self._metrics = EpochMetrics()
        self._automatic: bool | None = None
        self._own_step = self._validated = False
        self._steps = self._updates = self._trained = self._evaluated = 0

    # ------------------------------------------------------------------ which path

    def setup(self, trainer: pl.Trainer, pl_module: Any, stage: str) -> None:
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        if pl_module.task is not None:
            pl_module.task._standardised_by = data.target_scale if isinstance(data, FileDataModule) else None
        if hasattr(data, "eval_stretches"):
            reason = reason_for_single_batches(trainer, pl_module, self.base, *EVALUATED[stage])
            data.eval_stretches = reason is None
        if stage != "fit":
            return
        _show_afterwards(trainer, self)
        refuse_limits_of_parts(trainer)
        self._own_step = step_of_ones_own(pl_module, self.base)
        self._automatic = pl_module.automatic_optimization
        if not self._own_step:  # a step of one's own may be meant for manual optimization
            pl_module.automatic_optimization = True
        pl_module.single_step_reason = reason_for_single_steps(trainer, pl_module, self.base)
        pl_module.path = None if pl_module.single_step_reason is None else "steps"
        pl_module.proofs = Proofs()
        if pl_module.single_step_reason is None:
            pl_module.automatic_optimization = False
        if hasattr(data, "train_stretches"):
            data.train_stretches = pl_module.single_step_reason is None

    def on_save_checkpoint(self, trainer: pl.Trainer, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        checkpoint["path"] = pl_module.path

    def on_load_checkpoint(self, trainer: pl.Trainer, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        if trainer.state.fn == "fit" and pl_module.path is None:
            pl_module.path = checkpoint.get("path")  # none in what an earlier version wrote

    def on_fit_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        if hasattr(trainer.datamodule, "train_stretches"):  # type: ignore[attr-defined]
            refuse_batch_of_one(trainer, pl_module)

    def teardown(self, trainer: pl.Trainer, pl_module: Any, stage: str) -> None:
        self._put_back(pl_module)

    def on_exception(self, trainer: pl.Trainer, pl_module: Any, exception: BaseException) -> None:
        self._put_back(pl_module)

    def _put_back(self, pl_module: Any) -> None:
        """The next fit of the same module chooses anew, and Lightning asks before it can."""
        if self._automatic is not None:
            pl_module.automatic_optimization = self._automatic
            self._automatic = None

    # ------------------------------------------------------------------ training

    def on_train_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        pl_module._share = 1.0
        _level_counters(trainer)
        callbacks: list[Any] = trainer.callbacks  # type: ignore[attr-defined]
        waiting = {type(callback).__name__: getattr(callback, "monitor", None) or "" for callback in callbacks}
        if pl_module.schedule is not None and pl_module.schedule.plateau:
            waiting["scheduler=plateau"] = pl_module.schedule.monitor
        refuse_waiting(trainer, waiting)
        self._metrics.take(trainer)
        self._validated = False

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        pl_module.totals, pl_module.trained = Totals(), []
        if pl_module.schedule is not None:
            self._steps, self._updates = pl_module.schedule.steps, trainer.global_step
        if pl_module.single_step_reason is None:
            reason = reason_in_settings(trainer)
            if reason is not None:
                raise ValueError(
                    f"since epoch {trainer.current_epoch} {reason}, which was not so when training was set up and its "
                    "path chosen; set it in the trainer, or in the callback's setup"
                )

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: Any, batch: Any, batch_idx: int) -> None:
        if self._own_step:
            pl_module._share = share_of(batch)
            self._trained = len(pl_module.totals.sizes)

    def on_before_backward(self, trainer: pl.Trainer, pl_module: Any, loss: Tensor) -> None:
        weigh(loss, pl_module._share)

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        if not self._own_step:
            return
        if len(pl_module.totals.sizes) == self._trained:
            parts = trainer.accumulate_grad_batches if pl_module.automatic_optimization else 1
            _add_returned(pl_module.totals, outputs, batch, parts)
        if not pl_module.automatic_optimization:
            self._step_by_update(trainer, pl_module)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        log_means(trainer, pl_module, "train", pl_module.totals)
        _record_measured(pl_module, "train", pl_module.trained)
        metrics = self._metrics.take(trainer)
        schedule, validated = pl_module.schedule, self._validated
        self._validated = False
        if schedule is None or schedule.interval != "epoch" or schedule.steps != self._steps:
            return
        if validated or not schedule.waits or schedule.monitor in metrics:
            schedule.step(metrics)

    def _step_by_update(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """A schedule by update takes its steps where a module that optimizes by itself did not take them."""
        schedule = pl_module.schedule
        if schedule is None or schedule.interval != "update":
            return
        if schedule.steps == self._steps:
            for _ in range(trainer.global_step - self._updates):
                schedule.step({})
        self._steps, self._updates = schedule.steps, trainer.global_step

    # ------------------------------------------------------------------ evaluation

    def on_validation_epoch_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        pl_module.evaluated, pl_module.tested, pl_module.answered = Totals(), [], []

    def on_validation_batch_start(
        self, trainer: pl.Trainer, pl_module: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        self._evaluated = len(pl_module.evaluated.sizes) + len(pl_module.answered)

    def on_validation_batch_end(
        self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        if len(pl_module.evaluated.sizes) + len(pl_module.answered) == self._evaluated:
            _add_returned(pl_module.evaluated, outputs, batch)
        loader = trainer.test_dataloaders if trainer.testing else trainer.val_dataloaders
        if len(pl_module.answered) >= getattr(loader, "items_per_stretch", 1):
            pl_module._judge()

    def _conclude(self, trainer: pl.Trainer, pl_module: Any, split: str) -> None:
        if pl_module.answered:
            pl_module._judge()
        log_means(trainer, pl_module, split, pl_module.evaluated)
        _record_measured(pl_module, split, pl_module.tested)

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        self._conclude(trainer, pl_module, "val")
        self._validated = not trainer.sanity_checking

    on_test_epoch_start = on_validation_epoch_start
    on_test_batch_start = on_validation_batch_start
    on_test_batch_end = on_validation_batch_end

    def on_test_epoch_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        self._conclude(trainer, pl_module, "test")
        if not tells_of_epochs(trainer):
            return
        metrics = {name: float(score) for name, score in trainer.callback_metrics.items()}
        for logger in trainer.loggers:
            logger.log_metrics(metrics, step=trainer.global_step)


def log_means(trainer: pl.Trainer, pl_module: Any, split: str, totals: Totals) -> None:
    """Records the means over a split's samples, over all processes.

    Raises:
        FloatingPointError: where the loss to train or to choose by is not finite.
    """
    sums = totals.sums(pl_module.device)
    if trainer.world_size > 1:
        sums = pl_module.all_gather(sums.to(pl_module.device)).sum(0)
    loss, tally, samples = sums.tolist()
    if samples == 0:
        return
    if split != "test" and not math.isfinite(loss):
        if split == "train" and trainer.world_size == 1:
            pl_module._refuse_not_finite(0)
        raise FloatingPointError(
            f"the {split} loss became {loss / samples} at the end of epoch {trainer.current_epoch}, after update "
            f"{trainer.global_step}; a smaller lr or trainer.gradient_clip_val=1 may help; the last good "
            "checkpoint stays"
        )
    values = 1 if pl_module.task is None else pl_module.task.values
    means = (loss / samples, tally / (samples * values)) if totals.judged else (loss / samples,)
    pl_module._record({f"{split}/{name}": mean for name, mean in zip(pl_module.means, means, strict=False)})


def _record_measured(pl_module: Any, split: str, kept: list[tuple[Tensor, Tensor]]) -> None:
    """Records what is measured of all outputs and targets of a split, over all processes; what was kept is let go."""
    if not kept:  # nothing to measure, or a step of one's own has kept nothing
        return
    outputs, y = (torch.cat(column) for column in zip(*kept, strict=True))
    kept.clear()
    if pl_module.trainer.world_size > 1:
        outputs, y = _from_all_ranks(pl_module, outputs), _from_all_ranks(pl_module, y)
    found = pl_module.measured(outputs, y) | (pl_module.scores(outputs, y) if split == "test" else {})
    pl_module._record({f"{split}/{name}": value for name, value in found.items()})


def _add_returned(totals: Totals, outputs: Any, batch: Any, parts: int = 1) -> None:
    """Adds the loss that a step of one's own returned, which the trainer has divided by the parts of an update."""
    loss = outputs.get("loss") if isinstance(outputs, Mapping) else outputs
    samples = samples_in(batch)  # none in a process's share of a small last batch, whose mean is none either
    if samples and isinstance(loss, Tensor) and loss.numel() == 1:
        totals.add([loss.detach().reshape(()) * parts], [samples], None)


def _show_afterwards(trainer: Any, own: pl.Callback) -> None:
    """Has the bar speak after the means of an epoch are known: it would end each with those of the one before."""
    bar = trainer.progress_bar_callback
    if bar is None or trainer.callbacks.index(bar) > trainer.callbacks.index(own):
        return
    others = [callback for callback in trainer.callbacks if callback is not bar]
    place = others.index(own) + 1
    trainer.callbacks = [*others[:place], bar, *others[place:]]  # another list: this one is being gone through


def _level_counters(trainer: pl.Trainer) -> None:
    """Lightning counts updates in one of two places, by the kind of optimization, and a checkpoint has both.

    Along the ordinary path one of them stood still, and the run may go on along the other.
    """
    totals = [progress.total for progress in counters(trainer)]
    most = max(total.completed for total in totals)
    for total in totals:
        total.ready = total.completed = most


def counters(trainer: pl.Trainer) -> tuple[Any, Any]:
    """Lightning's counters of updates: of automatic and of manual optimization."""
    loop = trainer.fit_loop.epoch_loop
    automatic: Any = loop.automatic_optimization.optim_progress.optimizer.step
    return automatic, loop.manual_optimization.optim_step_progress


def _from_all_ranks(pl_module: Any, tensor: Tensor) -> Tensor:
    """Rows of every rank, whose numbers may differ by one, in the order of the split, of which each has every n-th."""
    longest = int(
        pl_module.trainer.strategy.reduce(torch.tensor(len(tensor), device=pl_module.device), reduce_op="max")
    )
    missing = longest - len(tensor)
    padded = torch.cat([tensor, tensor.new_zeros(missing, *tensor.shape[1:])])
    present = torch.arange(longest, device=pl_module.device) < len(tensor)
    rows, kept = (ranks.transpose(0, 1).flatten(0, 1) for ranks in pl_module.all_gather([padded, present]))
    return rows[kept]
