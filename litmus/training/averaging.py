"""The average of the weights along a run, in the place of the weights wherever a net is judged."""

from collections.abc import Mapping
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import EarlyStopping, Timer, WeightAveraging
from torch import Tensor

from litmus.training.averaged import Averaged
from litmus.training.epoch_metrics import why_never_validated
from litmus.training.plan import planned_updates, takes_all


class Averaging(pl.Callback):
    """Keeps an average of the weights, a step after every update, and shows it to every validation and to the test.

    What is averaged are the floating parameters and buffers; whole numbers are taken as they are. The optimizer goes on
    from the weights themselves. A subclass says how the average moves: see `weight`.

    Args:
        share: of the run's updates, above 0 and at most 1.

    Raises:
        ValueError: at construction for another share; before training where nobody knows how many updates the run has,
            or where something else would be judged.

    Attributes:
        total: updates of the run, known when training begins.
        updates: that were made.
    """

    # A stretch calls `after_update` by itself.
    ticks_per_stretch = True
    plans_are_compared = True
    # Whether the net is that of the run's end, instead of the best of its epochs.
    judged_at_end = False
    name = "average"

    def __init__(self, share: float) -> None:
        if not 0 < share <= 1:
            raise ValueError(f"average.share must be above 0 and at most 1, of the run's updates; got {share}")
        self.share = share
        self.total = self.updates = 0
        self._steps = 0
        self._averaged: Averaged | None = None
        self._state: Mapping[str, Tensor] = {}

    def weight(self, update: int) -> float | None:
        """By which share of the way the average moves towards the weights after this update, counted from 1.

        None before the average begins; the first is 1.
        """
        raise NotImplementedError(f"{type(self).__name__} must say how it averages")

    @property
    def kept(self) -> bool:
        """Whether there is an average by now."""
        return self._averaged is not None and self._averaged.known

    # ------------------------------------------------------------------ before training

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        if stage == "fit":
            self.total, self.updates, self._averaged, self._state = 0, 0, None, {}

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        # A stretch of updates has no automatic optimization either, and no reason for single steps.
        by_itself = getattr(pl_module, "single_step_reason", "") is not None
        if by_itself and not pl_module.automatic_optimization:
            raise ValueError(
                f"average={self.name} needs to know how many updates the run will have, which nobody can where "
                f"{type(pl_module).__name__} steps its optimizers by itself; leave average out"
            )
        planned = planned_updates(trainer)
        if not planned or not sum(planned):
            raise ValueError(
                f"average={self.name} needs to know how many updates the run will have, which nobody can here: sizes "
                "of batches are decided during training, or the data have no length; choose a batching that is "
                "planned, such as batching=doubling, or leave average out"
            )
        self.total = sum(planned)
        self._refuse(trainer)

    def _refuse(self, trainer: Any) -> None:
        for callback in trainer.callbacks:
            if isinstance(callback, WeightAveraging) or (isinstance(callback, Averaging) and callback is not self):
                raise ValueError(
                    f"average={self.name} beside {type(callback).__name__}: expected one average of the weights, found "
                    "two; leave one out"
                )
            monitor = getattr(callback, "monitor", None) or ""
            if hasattr(callback, "best_score") and monitor.startswith("train"):
                raise ValueError(
                    f"callbacks.checkpoint.monitor={monitor} is measured on the weights that are trained, and "
                    f"average={self.name} keeps their average: choose by a metric of the validation, such as val/loss"
                )

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._steps = trainer.global_step
        why = why_never_validated(trainer)
        if why is not None:
            raise ValueError(f"average={self.name} is judged by validation, and no epoch would be validated: {why}")
        if self._state:
            self._averaged = Averaged(pl_module)
            self._averaged.restore(self._state)
            self._state = {}

    # ------------------------------------------------------------------ after updates

    def after_update(self, pl_module: pl.LightningModule) -> None:
        """One step of the average; whoever makes updates without Lightning calls it after each."""
        self.updates += 1
        weight = self.weight(self.updates)
        if weight is None:
            return
        if self._averaged is None:  # not before: lazy layers have no shape until then
            self._averaged = Averaged(pl_module)
        self._averaged.add(weight)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        made, self._steps = trainer.global_step - self._steps, trainer.global_step
        if made and pl_module.automatic_optimization:  # part of an update makes none
            self.after_update(pl_module)

    # ------------------------------------------------------------------ where a net is judged

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.state.fn == "fit" and self._averaged is not None:
            # What batch norms have seen differs by process; everybody judges the net that is kept.
            apart = trainer.world_size > 1 and self._averaged.buffers
            self._averaged.show(trainer.strategy.broadcast(self._averaged.buffers) if apart else None)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self._averaged is not None:
            self._averaged.hide()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        if self._averaged is not None:
            self._averaged.hide()

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Leaves the average in the module, for whoever tests it without a checkpoint."""
        if self.kept and self._averaged is not None:
            last = Averaged(pl_module)  # the strategy may have moved the module to the CPU, with other buffers
            last.restore(self._averaged.state())
            last.show()

    def state_dict(self) -> dict[str, Any]:
        return {"updates": self.updates, "average": {} if self._averaged is None else self._averaged.state()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.updates, self._state = state_dict["updates"], state_dict["average"]

    def described(self) -> dict[str, Any]:
        """What result.json says of it: the rule, the updates that the run has, and how many it has made."""
        return {"rule": self.name, "share": self.share, "planned_updates": self.total, "updates": self.updates}


class ExponentialAverage(Averaging):
    """The exponential moving average, which reaches back `share` of the run's updates.

    It moves by 1 / (share · updates of the run); before so many updates are made, by 1 / update: a warm-up of the
    decay, in which it is the mean of what there was, so that the weights before training have no part in it. Every
    validation judges it, and the best epoch is that of the average.
    """

    name = "ema"

    def __init__(self, share: float = 0.05) -> None:
        super().__init__(share)

    def weight(self, update: int) -> float:
        return 1 / min(max(1.0, self.share * self.total), update)


class TailAverage(Averaging):
    """The mean of the weights after each of the last `share` of the run's updates, judged at the run's end.

    The average of Polyak and Ruppert (Polyak & Juditsky 1992, SIAM J. Control Optim. 30, 838). Nothing is selected: the
    net is that of the last epoch. Validations before the mean begins see the weights themselves.
    """

    name = "tail"
    judged_at_end = True

    def __init__(self, share: float = 0.2) -> None:
        super().__init__(share)

    @property
    def averaged_updates(self) -> int:
        """How many of the last updates the mean is over."""
        return max(1, round(self.share * self.total))

    def weight(self, update: int) -> float | None:
        place = update - (self.total - self.averaged_updates)
        return 1 / place if place > 0 else None

    def _refuse(self, trainer: Any) -> None:
        super()._refuse(trainer)
        over = f"average={self.name} is the mean over the last {self.share:g} of the planned updates"
        for callback in trainer.callbacks:
            if isinstance(callback, EarlyStopping | Timer):
                raise ValueError(
                    f"{over}, and {type(callback).__name__} may end the run before them: leave it out, or take "
                    "average=ema, whose best epoch validation chooses"
                )
        if trainer.max_steps != -1:
            raise ValueError(f"{over}, and trainer.max_steps ends within an epoch; use epochs and updates_per_epoch")

    def on_train_start(self, trainer: Any, pl_module: pl.LightningModule) -> None:
        super().on_train_start(trainer, pl_module)
        every, within = trainer.check_val_every_n_epoch, not takes_all(trainer.val_check_interval)
        last = every is not None and trainer.max_epochs % every == 0
        if not last or (within and trainer.num_training_batches % trainer.val_check_batch != 0):
            knob = f"trainer.val_check_interval={trainer.val_check_interval}" if last else ""
            raise ValueError(
                f"average={self.name} is judged at the run's end, where no validation would be with "
                f"{knob or f'trainer.check_val_every_n_epoch={every} and epochs={trainer.max_epochs}'}; validate after "
                "the last epoch"
            )

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self.updates != self.total:
            raise ValueError(
                f"average={self.name} is the mean over the last {self.averaged_updates} of {self.total} planned "
                f"updates, and the run ended after {self.updates}: something ended it otherwise than planned; leave "
                "that out"
            )

    def described(self) -> dict[str, Any]:
        return {**super().described(), "averaged_updates": self.averaged_updates}


def averaging_of(trainer: pl.Trainer) -> Averaging | None:
    """The callback that averages the weights, if there is one."""
    callbacks: list[Any] = trainer.callbacks  # type: ignore[attr-defined]
    return next((callback for callback in callbacks if isinstance(callback, Averaging)), None)
