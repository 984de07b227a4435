"""Callbacks that no run can keep its promises with, and metrics that something watches and nothing records."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from omegaconf import DictConfig
from pytorch_lightning.callbacks import (
    BatchSizeFinder,
    LearningRateFinder,
    ModelPruning,
    StochasticWeightAveraging,
)

from litmus.direction import MODES, mode_of
from litmus.training.learner import Learner
from litmus.training.overridden import overridden
from litmus.trial.checkpoint import BestAndLast
from litmus.trial.epoch_seed import EpochSeed
from litmus.trial.history import History
from litmus.trial.knobs import origin, parts_in
from litmus.trial.progress import TimeLeft
from litmus.trial.pruning import Pruning
from litmus.trial.summary import TerminalSummary

# Callbacks that were reviewed: these record nothing, others what they say. Any that says nothing may record anything.
RECORD_NOTHING = (BestAndLast, EpochSeed, History, Pruning, TerminalSummary, TimeLeft)
LOGGING = tuple(name for name in dir(pl.LightningModule) if name.startswith("on_") or name.endswith("_step"))


def refuse_unknown_monitors(config: DictConfig, model: Any, callbacks: Iterable[pl.Callback]) -> None:
    """Refuses a `monitor` anywhere in the configuration that names no metric of this run.

    Raises:
        ValueError: naming the knob and the metrics there are.
    """
    for knob, monitor in monitors_in(config):
        if monitor.startswith("val") and not overridden(model, ("validation_step",), pl.LightningModule):
            raise ValueError(
                f"{knob}={monitor} is a metric of the validation, and {type(model).__name__} has no validation_step; "
                "give it one that logs the metric, or monitor one of the training"
            )
    metrics = metrics_of(model, callbacks)
    for knob, monitor in monitors_in(config) if metrics else ():
        if monitor not in metrics:
            raise ValueError(f"{knob}={monitor} is not among the metrics {', '.join(sorted(metrics))}")


def metrics_of(model: Any, callbacks: Iterable[pl.Callback]) -> set[str]:
    """The metrics that a run of these records; empty where they cannot be known before it trains."""
    recorded = [recorded_by(callback) for callback in callbacks]
    if not isinstance(model, Learner) or _logs_itself(model) or None in recorded:
        return set()
    means = {f"{split}/{name}" for split in ("train", "val") for name in model.means}
    if (task := model.task) is not None:
        measured = {*task.own, *task.metrics}
        means |= {f"{split}/{name}" for split in ("val", *(["train"] * task.train_metrics)) for name in measured}
    return means.union(*filter(None, recorded))


def recorded_by(callback: pl.Callback) -> set[str] | None:
    """What a callback adds to the metrics; None where it may be anything."""
    # A class speaks for itself: what its subclasses record it does not know.
    if "recorded_metrics" in vars(type(callback)):
        return set(callback.recorded_metrics())  # type: ignore[attr-defined]
    of_lightning = type(callback).__module__.startswith(("pytorch_lightning.", "lightning."))
    return set() if type(callback) in RECORD_NOTHING or of_lightning else None


def monitors_in(config: DictConfig) -> Iterator[tuple[str, str]]:
    """The knobs that name a metric to watch, and the metrics."""
    for group in config:
        for node in parts_in(config._get_node(group)):
            if isinstance(node.get("monitor"), str):
                yield origin(node, "monitor")[0], node["monitor"]


def _logs_itself(model: Learner) -> bool:
    """Whether a subclass has a step or a hook of its own, where it may log."""
    own = type(model).__mro__[: type(model).__mro__.index(Learner)]
    return any(name in vars(one) for one in own for name in LOGGING)


REASONS: dict[type, str] = {
    StochasticWeightAveraging: (
        "averages weights that no validation sees, so that its net could be neither chosen nor tested; "
        "average=ema and average=tail average and are validated"
    ),
    ModelPruning: (
        "replaces every weight by two others while training, so that best.ckpt would not fit the net that a test "
        "builds; prune the finished net, from its best.ckpt"
    ),
    BatchSizeFinder: (
        "would train with another batch_size than the run records; choose it before, as -m batch_size=32,64,128, or "
        "let batching.max_per_device split what does not fit"
    ),
    LearningRateFinder: (
        "would train with another lr than the run records; search for it, as -m search=tpe "
        "'lr=tag(log,interval(1e-4,1e-1))'"
    ),
}


def refuse_callbacks(callbacks: Sequence[Any]) -> None:
    """Refuses callbacks whose net would not be the one that is validated, tested, kept and recorded.

    Raises:
        ValueError: naming the callback and the way out.
    """
    for callback in callbacks:
        for kind, reason in REASONS.items():
            if isinstance(callback, kind):
                raise ValueError(f"{type(callback).__name__} {reason}")


def refuse_elsewhere(callbacks: Sequence[Any], directory: Path) -> None:
    """Refuses callbacks that leave the run's own files where nobody looks for them.

    Raises:
        ValueError: naming the place where they belong.
    """
    places = {BestAndLast: ("directory", "checkpoints"), History: ("path", "metrics.csv")}
    for callback in callbacks:
        for kind, (knob, name) in places.items():
            if isinstance(callback, kind) and getattr(callback, knob).resolve() != (directory / name).resolve():
                raise ValueError(
                    f"{kind.__name__}'s {knob}={getattr(callback, knob)}: expected {directory / name}, where "
                    "resume=DIR, evaluate.py and reports look for it; leave it as it is in configs/callbacks"
                )


class Brought(pl.Callback):
    """Looks at what a module's `configure_callbacks` has brought, once Lightning put it beside what was configured.

    Args:
        configured: what the trainer had before.
        directory: of the run.
        known: whether more is better of the task's metrics, by their names after the split.

    Raises:
        ValueError: before training, for what takes the place of a configured callback, which would then be recorded
            without an effect; for what could not be configured either.
    """

    def __init__(self, configured: Sequence[Any], directory: Path, known: Mapping[str, bool | None]) -> None:
        self.configured, self.directory, self.known = [*configured], directory, known

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        if stage != "fit":
            return
        present: list[Any] = trainer.callbacks  # type: ignore[attr-defined]
        whose = f"{type(pl_module).__name__}.configure_callbacks"
        for callback in self.configured:
            if all(callback is not one for one in present):
                raise ValueError(
                    f"{type(callback).__name__} of the configuration would have no effect: {whose} puts another in its "
                    "place; leave out one of the two"
                )
        brought = [one for one in present if one is not self and all(one is not known for known in self.configured)]
        refuse_callbacks(brought)
        refuse_elsewhere(brought, self.directory)
        for callback in brought:
            monitor, mode = getattr(callback, "monitor", None), getattr(callback, "mode", None)
            if isinstance(monitor, str) and mode in MODES.values():
                mode_of(monitor, mode, f"{type(callback).__name__}.mode", self.known)
