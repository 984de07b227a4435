"""Metrics that something watches and nothing records, refused before training where it can be known."""

from collections.abc import Iterable, Iterator
from typing import Any

import pytorch_lightning as pl
from omegaconf import DictConfig

from src.callbacks.batch_size import BatchSizeScheduler
from src.callbacks.checkpoint import BestAndLast
from src.callbacks.epoch_seed import EpochSeed
from src.callbacks.grow_on_plateau import GrowOnPlateau
from src.callbacks.history import History
from src.callbacks.noise_scale import GrowWithNoise
from src.callbacks.progress import TimeLeft
from src.callbacks.pruning import Pruning
from src.callbacks.summary import TerminalSummary
from src.callbacks.trajectory import RecordWeights
from src.models.classifier import Classifier
from src.trial.knobs import origin, parts_in

# Callbacks that were reviewed: these record nothing, and those below what is said there. Any other may record anything.
RECORD_NOTHING = (BestAndLast, EpochSeed, History, Pruning, RecordWeights, TerminalSummary, TimeLeft)
LOGGING = tuple(name for name in dir(pl.LightningModule) if name.startswith("on_") or name.endswith("_step"))


def refuse_unknown_monitors(config: DictConfig, model: Any, callbacks: Iterable[pl.Callback]) -> None:
    """Refuses a `monitor` anywhere in the configuration that names no metric of this run.

    Raises:
        ValueError: naming the knob and the metrics there are.
    """
    metrics = metrics_of(model, callbacks)
    for knob, monitor in monitors_in(config) if metrics else ():
        if monitor not in metrics:
            raise ValueError(f"{knob}={monitor} is not among the metrics {', '.join(sorted(metrics))}")


def metrics_of(model: Any, callbacks: Iterable[pl.Callback]) -> set[str]:
    """The metrics that a run of these records; empty where they cannot be known before it trains."""
    recorded = [recorded_by(callback) for callback in callbacks]
    if not isinstance(model, Classifier) or _logs_itself(model) or None in recorded:
        return set()
    means = {f"{split}/{name}" for split in ("train", "val") for name in model.means}
    return means.union(*filter(None, recorded))


def recorded_by(callback: pl.Callback) -> set[str] | None:
    """What a callback adds to the metrics; None where it may be anything."""
    if type(callback) in (BatchSizeScheduler, GrowOnPlateau, GrowWithNoise):
        scale = {"lr_scale"} if callback.lr != "none" else set()  # type: ignore[attr-defined]
        return scale | ({"noise_scale"} if type(callback) is GrowWithNoise else set())
    of_lightning = type(callback).__module__.startswith(("pytorch_lightning.", "lightning."))
    return set() if type(callback) in RECORD_NOTHING or of_lightning else None


def monitors_in(config: DictConfig) -> Iterator[tuple[str, str]]:
    """The knobs that name a metric to watch, and the metrics."""
    for group in config:
        for node in parts_in(config._get_node(group)):
            if isinstance(node.get("monitor"), str):
                yield origin(node, "monitor")[0], node["monitor"]


def _logs_itself(model: Classifier) -> bool:
    """Whether a subclass has a step or a hook of its own, where it may log."""
    own = type(model).__mro__[: type(model).__mro__.index(Classifier)]
    return any(name in vars(one) for one in own for name in LOGGING)
