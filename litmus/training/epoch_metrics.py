"""Which of a trainer's metrics belong to this epoch, and whether a run has any validation to wait for."""

from typing import Any

from torch import Tensor

from litmus.training.plan import updates_before_validation


class EpochMetrics:
    """The metrics of an epoch alone.

    Lightning keeps the last value of every metric for ever, so that an epoch without a validation seems to have the one
    of an earlier epoch. What was measured anew is another tensor; whoever decides by metrics asks here.
    """

    def __init__(self) -> None:
        self._known: dict[str, Any] = {}

    def take(self, trainer: Any) -> dict[str, Tensor]:
        """The metrics measured since the last call."""
        now = dict(trainer.callback_metrics)
        fresh = {name: value for name, value in now.items() if self._known.get(name) is not value}
        self._known = now
        return fresh


def refuse_waiting(trainer: Any, waiting: dict[str, str]) -> None:
    """Refuses what waits for a metric of the validation in a run that has none.

    Args:
        trainer: about to train.
        waiting: the metric that each part waits for, by the part's name.

    Raises:
        ValueError: naming part, metric and the setting that leaves no validation.
    """
    validated = {part: metric for part, metric in waiting.items() if metric.startswith("val")}
    why = why_never_validated(trainer) if validated else None
    if why is not None:
        part, metric = next(iter(validated.items()))
        raise ValueError(
            f"{part} waits for {metric}, but no epoch of this run would be validated: {why}, or let it monitor a "
            "metric of the training, such as train/loss"
        )


def why_never_validated(trainer: Any) -> str | None:
    """Why no epoch of the run would be validated, and what to do; None if some would."""
    if trainer.limit_val_batches == 0:
        return "trainer.limit_val_batches=0; give it a share above 0 or null"
    if not trainer.enable_validation:
        return "there are no validation data; add a val_dataloader"
    every, epochs = trainer.check_val_every_n_epoch, trainer.max_epochs
    if every is not None and epochs is not None and 0 < epochs < every:
        return f"trainer.check_val_every_n_epoch={every} is more than epochs={epochs}; use {epochs} or fewer"
    first = None if trainer.max_steps == -1 else updates_before_validation(trainer)
    if first is not None and trainer.max_steps < first:
        ends = f"trainer.max_steps={trainer.max_steps} ends it before the first"
        return f"{ends}, after {first} updates; use {first} or more"
    return None if _has_batches(trainer) else "its validation data have no batch; hold some samples out"


def _has_batches(trainer: Any) -> bool:
    if trainer.val_dataloaders is None:  # the trainer makes them now only if the first epoch is validated
        trainer.validating = True
        trainer.fit_loop.epoch_loop.val_loop.setup_data()
        trainer.training = True
    return sum(trainer.num_val_batches) > 0
