"""One setting, fitted: built as any trial is, with nothing to say and nothing left behind but its best weights."""

import math
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from litmus.sweeps.composition import with_values
from litmus.sweeps.once import silent
from litmus.trial.checkpoint import BestAndLast
from litmus.trial.command_line import sentence
from litmus.trial.history import History
from litmus.trial.knobs import check_knobs
from litmus.trial.parts import Parts, build
from litmus.trial.place import given_to_parts
from litmus.trial.run import callback_of, fit
from litmus.tuner.tried import Tried, as_text


def configured(config: DictConfig, values: Mapping[str, Any], directory: Path) -> DictConfig:
    """The trial of a setting, in a directory of its own, without the loggers and callbacks that speak."""
    changed = given_to_parts(with_values(silent(config), {**values, "resume": None}), directory)
    OmegaConf.update(changed, "logger", {}, merge=False)
    # Nobody goes on with a part of a fit: checkpoints are written once, at its end.
    OmegaConf.update(changed, "callbacks.checkpoint.share", 0.0, force_add=True)
    return changed


def fitted(
    config: DictConfig, values: Mapping[str, Any], point: Mapping[str, Any], directory: Path, monitor: str, worst: float
) -> Tried:
    """Fits a setting in `directory`; one that fails or diverges is recorded with the score `worst`.

    Args:
        config: of the run.
        values: of the setting, as the configuration takes them.
        point: the same as the sampler knows them.
        directory: emptied first; afterwards checkpoints/best.ckpt in it has the weights.
        monitor: the metric by which settings are compared.
        worst: the score of no score.
    """
    shutil.rmtree(directory, ignore_errors=True)
    parts: Parts | None = None
    try:
        setting = configured(config, values, directory)
        check_knobs(setting)
        parts = build(setting)
        resume = False
        while (again := fit(lambda: build(setting), parts, directory, resume)) is not None:
            parts, resume = again, True
        checkpoint = callback_of(parts.trainer, BestAndLast)
        if not math.isfinite(checkpoint.best_score):
            raise FloatingPointError(f"{monitor} is {checkpoint.best_score}")
    except Exception as problem:
        status = "diverged" if isinstance(problem, FloatingPointError) else "failed"
        return Tried(as_text(point), status, {monitor: worst}, counters_of(parts), error=sentence(problem))
    metrics, epoch = dict(checkpoint.best_metrics), checkpoint.best_epoch
    return Tried(as_text(point), "completed", metrics, counters_of(parts), epoch)


def counters_of(parts: Parts | None) -> dict[str, float]:
    """What a fit took, as far as it got."""
    if parts is None:
        return {}
    history = callback_of(parts.trainer, History)
    return {
        "params": sum(parameter.numel() for parameter in parts.model.parameters()),
        "epochs": history.epochs,
        "updates": parts.trainer.global_step,
        "samples": history.samples,
        "seconds": round(history.seconds, 6),
    }
