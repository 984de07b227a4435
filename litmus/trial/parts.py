"""From a configuration to the objects of a trial: the only place where they are made."""

import math
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytorch_lightning as pl
import torch
from omegaconf import DictConfig

from litmus.trial.allocator import free_earlier_runs, keep_big_buffers
from litmus.trial.course import Course
from litmus.trial.description import resolved
from litmus.trial.directed import directed
from litmus.trial.making import make
from litmus.trial.monitors import refuse_unknown_monitors
from litmus.trial.ranks import without_numbers


class Parts(NamedTuple):
    """What a trial is made of."""

    data: Any
    model: pl.LightningModule
    trainer: pl.Trainer


# Below so many values in a sample, threads spend longer waiting for each other than computing.
VALUES_WORTH_THREADS = 256


def seed_everything(seed: int) -> None:
    """Seeds every global generator."""
    pl.seed_everything(seed, workers=True, verbose=False)
    # Deterministic algorithms need not overwrite memory that the next operation fills anyway.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


@cache
def _own_threads() -> int:
    return torch.get_num_threads()


def set_threads(threads: int | None, input_shape: Sequence[int]) -> None:
    """Sets how many threads torch computes with; None is one for small samples and torch's own choice for others."""
    own = _own_threads()  # asked before the first change: jobs of one process follow each other
    torch.set_num_threads(threads or (own if math.prod(input_shape) >= VALUES_WORTH_THREADS else 1))


def build(config: DictConfig) -> Parts:
    """Data, seeded model and trainer of the trial that `config` describes."""
    free_earlier_runs()
    config = directed(config)
    data = make(config.data)
    set_threads(config.threads, data.input_shape)
    keep_big_buffers()
    seed_everything(config.seed)
    model = make(
        config.model,
        input_shape=data.input_shape,
        classes=data.classes,
        optimizer=make(config.optimizer),
        scheduler=make(config.scheduler),
    )
    callbacks = [make(callback) for callback in (config.callbacks or {}).values()]
    callbacks.append(make(config.batching))
    callbacks.append(Course(resolved(config, logger={}), Path(config.output_dir) / ".hydra" / "config.yaml"))
    refuse_unknown_monitors(config, model, callbacks)
    loggers = [make(logger) for logger in (config.logger or {}).values()]
    trainer = make(without_numbers(config.trainer), callbacks=callbacks, logger=loggers or False)
    return Parts(data, model, trainer)
