"""From a configuration to the objects of a trial: the only place where they are made."""

import math
from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import pytorch_lightning as pl
import torch
from omegaconf import DictConfig

from litmus.tasks.task import Task
from litmus.training.batches import Shares
from litmus.training.file_data_module import FileDataModule
from litmus.training.foreign_data import adopted
from litmus.training.learner import Learner
from litmus.training.overridden import overridden
from litmus.training.plain import class_of
from litmus.training.pretrained import Pretrained
from litmus.training.schedule import Schedule, SchedulerMaker
from litmus.trial.callbacks import refuse_unknown_monitors
from litmus.trial.course import Course
from litmus.trial.description import resolved
from litmus.trial.devices import placed
from litmus.trial.directed import directed, parameters_of
from litmus.trial.epoch_rows import told_once
from litmus.trial.facts import facts_of, given, plain_with_facts, target_of, task_in, with_facts
from litmus.trial.making import make
from litmus.trial.memory import begin_run, keep_big_buffers
from litmus.trial.readers import Heeded, refuse_unread
from litmus.trial.source import best_weights
from litmus.trial.stored import typed_where


class Parts(NamedTuple):
    """What a trial is made of."""

    data: Any
    model: pl.LightningModule
    trainer: Any
    task: Task | None = None


# What Lightning asks of a module only where nobody else has data.
LOADERS = ("train_dataloader", "val_dataloader", "test_dataloader", "prepare_data")
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


def net_of(config: DictConfig, data: Any) -> pl.LightningModule:
    """The net of a trial with these data, of which nothing is loaded; its weights are the global generator's next."""
    config, task = told_of(config, data)
    return model_of(config, data, task)


def build(config: DictConfig, code: str | None = None) -> Parts:
    """Data, seeded model and trainer of the trial that `config` describes.

    Args:
        config: of the trial.
        code: the fingerprint by which it is described, with which alone its checkpoints are gone on with.
    """
    begin_run()
    seed_everything(config.seed)  # anybody's data module may draw when it is made
    data = adopted(make(config.data), config.seed)
    if config.get("resume") is not None and isinstance(data, FileDataModule):
        data.typed_in = typed_where(Path(config.output_dir))
    asked = config
    config, task = told_of(config, data)
    set_threads(config.threads, getattr(data, "input_shape", ()))
    keep_big_buffers()
    seed_everything(config.seed)
    makers = makers_of(config)
    model = model_of(config, data, task, makers)
    if isinstance(model, Learner):
        model.fast = config.get("fast", True)
    refuse_unread(asked, data, model)
    callbacks = [make(callback) for callback in (config.get("callbacks") or {}).values() if callback is not None]
    if config.get("average") is not None:
        callbacks.append(make(config.average))
    if hasattr(data, "batch_size") or not leaves_batches(config.batching):
        callbacks.append(make(config.batching))
    if config.get("resume") is None:
        callbacks.append(Heeded(asked, makers))
    recorded = resolved(config, logger={})
    callbacks.append(Course(recorded, Path(config.output_dir) / ".hydra" / "config.yaml", code))
    if not isinstance(model, Learner):
        callbacks.insert(0, Shares())
    weights = recorded.get("weights")
    if weights and (weights["from"] or weights["frozen"]):
        source = partial(best_weights, weights) if weights["from"] else None
        callbacks.insert(0, Pretrained(source, weights["only"], weights["frozen"]))
    refuse_unknown_monitors(config, model, callbacks)
    loggers = [told_once(make(logger)) for logger in (config.get("logger") or {}).values() if logger is not None]
    settings = placed(config.trainer, model, data)
    place = {} if "default_root_dir" in settings else {"default_root_dir": str(config.output_dir)}
    trainer = make(settings, callbacks=callbacks, logger=loggers or False, **place)
    return Parts(data, model, trainer, task)


def _is_learner(node: DictConfig) -> bool:
    kind = class_of(str(node._target_), "model")
    return isinstance(kind, type) and issubclass(kind, Learner)


def leaves_batches(batching: DictConfig) -> bool:
    """Whether it asks for nothing but one size, which data without a `batch_size` have of their own."""
    return batching.get("schedule") == "fixed" and batching.get("max_per_device") is None


def told_of(config: DictConfig, data: Any) -> tuple[DictConfig, Task | None]:
    """The configuration with what the data tell in the place of its facts, every `mode` filled in; and the task.

    Raises:
        ValueError: for targets that a model without a loss of its own cannot learn from.
    """
    if (why := getattr(data, "unfit", "")) and _is_learner(config.model):
        raise ValueError(why)
    config = with_facts(config, facts_of(data))
    task = task_in(config, target_of(data), data)
    return directed(config, task.higher_is_better if task else None), task


def makers_of(config: DictConfig) -> dict[str, Any]:
    """What makes the optimizer and the scheduler, once there are parameters."""
    scheduler = make(config.scheduler)
    if getattr(scheduler, "func", None) is Schedule and not _is_learner(config.model):
        scheduler = SchedulerMaker(scheduler)
    return {"optimizer": make(config.optimizer), "scheduler": scheduler}


def model_of(
    config: DictConfig, data: Any, task: Task | None, makers: dict[str, Any] | None = None
) -> pl.LightningModule:
    """The model, whose constructor is given what it names: facts of the data, task, optimizer, scheduler.

    Raises:
        ValueError: for a plain torch.nn.Module, or anything else that is no LightningModule.
    """
    facts, node = facts_of(data), config.model
    if "untold" in facts and task is None and _is_learner(node):
        raise ValueError(f"{node._target_} must be told what to learn: {facts['untold']}")
    told = given(str(node._target_), facts, node)
    named = parameters_of(str(node._target_))
    if "net" in named and isinstance(node.get("net"), DictConfig):
        if "_target_" not in node.net:
            raise ValueError(
                "model.net._target_ must be the path of a class, got none: model.net._target_=package.Class"
            )
        told["net"] = plain_with_facts(node.net, facts)
    training = {"task": task, **(makers or makers_of(config))}
    told |= {name: part for name, part in training.items() if name in named and node.get(name) is None}
    model = make(node, **told)
    if not isinstance(model, pl.LightningModule):
        hint = f"type model=net model.net._target_={node._target_}" if isinstance(model, torch.nn.Module) else ""
        raise ValueError(
            f"model._target_ must make a LightningModule, {node._target_} made a {type(model).__name__}"
            f"{'; a plain torch.nn.Module is wrapped: ' + hint if hint else ''}"
        )
    if (own := overridden(model, LOADERS, pl.LightningModule)) is not None:
        raise ValueError(
            f"{type(model).__name__}.{own} would have no effect: the batches are those of data={config.data._target_}; "
            "leave it out, or make a LightningDataModule of it"
        )
    unread = [name for name in (config.get("task") or {}) if task and name in task.plain()]
    if unread and not isinstance(model, Learner):
        raise ValueError(
            f"task.{unread[0]} would have no effect: {node._target_} has steps and a loss of its own; leave it out, or "
            "let its class read it"
        )
    if isinstance(model, Learner):
        model.told(**{name: part for name, part in training.items() if name not in named})
    return model
