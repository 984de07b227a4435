"""Ends a run whose trial of an optimization has no prospects: Optuna's pruners, from any process."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytorch_lightning as pl

from litmus.paths import typed_path
from litmus.training.epoch_metrics import EpochMetrics

if TYPE_CHECKING:
    from optuna.pruners import BasePruner

PRUNERS: dict[str, Callable[[Any], "BasePruner"]] = {
    # The first five trials show what is usual; the first epoch says little.
    "median": lambda pruners: pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=1),
    "halving": lambda pruners: pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=3),
}


class Pruning(pl.Callback):
    """Reports `monitor` by epoch to the trial's journal, and raises `optuna.TrialPruned` when the pruner says so.

    An epoch without a validation reports nothing.

    Args:
        journal: file of Optuna's journal storage.
        study, trial: which optimization there, and which of its trials.
        monitor: the metric, logged by epoch.
        pruner: median or halving.
    """

    def __init__(self, journal: str, study: str, trial: int, monitor: str = "val/loss", pruner: str = "median") -> None:
        if pruner not in PRUNERS:
            raise ValueError(f"callbacks.pruning.pruner must be one of {', '.join(PRUNERS)}, got {pruner}")
        self.journal, self.study, self.trial = str(typed_path(journal)), study, trial
        self.monitor, self.pruner = monitor, pruner
        self._hopeless = ""
        self._metrics = EpochMetrics()

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        # Imported where used: it takes seconds.
        import optuna
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        study = optuna.load_study(
            study_name=self.study,
            storage=JournalStorage(JournalFileBackend(self.journal)),
            pruner=PRUNERS[self.pruner](optuna.pruners),
        )
        self._trial = optuna.trial.Trial(study, study.trials[self.trial]._trial_id)
        self._reported = set(study.trials[self.trial].intermediate_values)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._metrics.take(trainer)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        # Not at the end of the epoch before: its row and its checkpoint are written after other callbacks.
        if self._hopeless:
            from optuna import TrialPruned

            raise TrialPruned(self._hopeless)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        measured = self._metrics.take(trainer)
        if self.monitor not in measured:  # an epoch without a validation says nothing
            return
        epoch, value = trainer.current_epoch, float(measured[self.monitor])
        if epoch not in self._reported:  # a resumed run repeats epochs that it has already reported
            self._trial.report(value, epoch)
        if self._trial.should_prune():
            self._hopeless = (
                f"{self.monitor} {value:.4g} after epoch {epoch} is worse than the {self.pruner} rule admits"
            )
