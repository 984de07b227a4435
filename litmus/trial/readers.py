"""Knobs that nobody reads in this run, refused: they would be recorded, and change nothing."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pytorch_lightning as pl
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, ListConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from litmus.training.array_data_module import ArrayDataModule
from litmus.training.foreign_data import ForeignData
from litmus.training.learner import Learner
from litmus.training.plain import class_of
from litmus.training.schedule import SETTING_RATES
from litmus.trial.command_line import choice, typed_knobs
from litmus.trial.description import resolved
from litmus.trial.directed import parameters_of
from litmus.trial.overriding import OF_DATA, OF_MODEL, unread_in

# What the run itself reads, whatever its parts are.
OF_THE_RUN = ("seed", "threads", "resume", "trust", "output_dir", "fast", "judge")
# What makes a model learn, and is its own matter unless its constructor names it.
OF_TRAINING = ("optimizer", "scheduler")
RATES = ("lr", "optimizer.lr")
# What asks for one size of the training's batches.
OF_A_SIZE = ("batch_size", "data.batch_size", "batching.start")


class UnreadError(ValueError):
    """A knob that would have no effect."""


def refuse_unread(config: DictConfig, data: Any, model: pl.LightningModule) -> None:
    """Refuses what was said and has no reader, and a seed or a rate that parts of this project would not be given.

    Args:
        config: of the run, as it was composed.
        data, model: as they were made.

    Raises:
        UnreadError: naming the knob, and the file and line that lack it.
    """
    if config.get("resume") is not None:  # it keeps the configuration that it began with
        return
    if isinstance(data, ArrayDataModule) and "seed" not in config.data:
        raise UnreadError(
            f"seed would change neither the split nor the order of the data: {_file('data')} lacks the line "
            f"seed: ${{seed}}{_named(data, 'seed')}"
        )
    # Without a size to set, batching leaves the data their own.
    _refuse(config, type(data), type(model), [] if hasattr(data, "batch_size") else ["batching"])
    if hasattr(data, "batch_size"):
        _refuse_second_size(config)
    sized = isinstance(data, ForeignData) and hasattr(data, "batch_size") and not data.tells_size
    size = next((text for text, knob in said(config) if knob in OF_A_SIZE), None) if sized else None
    if size is not None and not data.heeds_batch_size():
        raise UnreadError(
            f"{size} would have no effect: {data.name}.train_dataloader gives the same batches with another size; "
            "leave it out, or let it make them from self.batch_size or self.hparams.batch_size"
        )
    idle = getattr(model, "without_effect", {})
    for text, knob in said(config):
        group, _, name = knob.partition(".")
        why = idle.get(knob.removeprefix("model."), "") if knob.removeprefix("model.") in config.model else ""
        if group == "data" and isinstance(data, ArrayDataModule):
            why = data.without_effect(name)
        if why:
            raise UnreadError(f"{text} would have no effect: {why}; leave it out")


def refuse_unread_of_arm(config: DictConfig) -> None:
    """The same of an arm's configuration, as far as the classes of its parts tell."""
    data, model = (class_of(str(config[group].get("_target_")), group) for group in ("data", "model"))
    if isinstance(data, type) and isinstance(model, type):
        _refuse(config, data, model, [])
        if issubclass(data, ArrayDataModule):
            _refuse_second_size(config)


def _refuse_second_size(config: DictConfig) -> None:
    """Refuses a size of the training's batches beside another, which batching has of its own and sets."""
    batching, data = config.batching, config.data
    listed, start = batching.get("schedule") == "milestones", batching.get("start")
    if not listed and start is None:  # it begins with the data's
        return
    sets = "batching.sizes sets the sizes" if listed else f"batching.start={start} sets the size"
    sets = f"would have no effect: {sets} of the training's batches"
    typed = {knob: text for text, knob in said(config)}
    literal = "batch_size" in data and not _holds(data._get_node("batch_size"), "${batch_size}")
    if literal and (listed or data.batch_size != start):
        knob = (
            "" if listed else "batch_size" if _holds(batching._get_node("start"), "${batch_size}") else "batching.start"
        )
        other = f"type {knob}={data.batch_size} instead"
        if "data.batch_size" in typed:
            raise UnreadError(f"{typed['data.batch_size']} {sets}; leave it out{knob and f', or {other}'}")
        raise UnreadError(
            f"batch_size: {data.batch_size} in {_file('data')} {sets}; write batch_size: ${{batch_size}} there"
            f"{knob and f', and {other}'}"
        )
    if "batch_size" in typed and (listed or config.batch_size != start):
        others = config.copy()
        with open_dict(others.data):
            others.data.pop("batch_size", None)
        if not list(readers_of(others, "batch_size")):
            raise UnreadError(f"{typed['batch_size']} {sets}; leave it out")


def _refuse(config: DictConfig, data: type, model: type, unused: list[str]) -> None:
    target = str(config.model._target_)
    named = parameters_of(target)
    found = (*unread_in(model, Learner, OF_MODEL), *unread_in(data, ArrayDataModule, OF_DATA))
    lost = {one.knob: one for one in found}
    its_own = [group for group in OF_TRAINING if not issubclass(model, Learner) and group not in named]
    unused = [*unused, *its_own, *(group for group in OF_TRAINING if group in lost)]
    optimizer = config.optimizer
    if "optimizer" not in unused and "lr" not in optimizer and "lr" in parameters_of(str(optimizer._target_)):
        raise UnreadError(f"lr would have no effect: {_file('optimizer')} lacks the line lr: ${{lr}}")
    for text, knob in said(config, lost):
        group = knob.partition(".")[0]
        if (one := lost.get(knob) or lost.get(group)) is not None:
            raise UnreadError(f"{text} would have no effect: {one.told}")
        if group in its_own:
            raise UnreadError(
                f"{text} would have no effect: {target} makes its own {group}; leave it out, or let its "
                f"constructor name {group}, which is then given what makes one"
            )
        if knob in RATES and "optimizer" not in unused and "scheduler" not in unused:
            _refuse_rate(config, text, knob)
        if "." in knob or knob in OF_THE_RUN or not _is_value(config, knob):
            continue
        if not _given(config, knob, unused) and all(reader in unused for reader in readers_of(config, knob)):
            raise UnreadError(
                f"{text} would have no effect: no part of this run reads {knob}; leave it out, or give it to the part "
                f"that is to read it, as in {_home(knob)}: {knob}: ${{{knob}}}"
            )


def _refuse_rate(config: DictConfig, text: str, knob: str) -> None:
    """Refuses a rate of the optimizer that nobody else follows beside a scheduler that sets rates of its own."""
    inner = config.scheduler.get("scheduler")
    place = "scheduler" if inner is None else "scheduler.scheduler"
    chosen = OmegaConf.select(config, place)
    kind = class_of(str(chosen._target_), "scheduler") if isinstance(chosen, DictConfig) else None
    if not isinstance(kind, type) or not issubclass(kind, SETTING_RATES):
        return
    if set(readers_of(config, knob)) <= {"optimizer"}:
        top = "max_lr" if "max_lr" in chosen else "base_lr"
        raise UnreadError(
            f"{text} would have no effect: {kind.__name__} sets rates of its own, by {place}.{top}={chosen.get(top)}; "
            f"leave it out, or let {_file('scheduler')} say {top}: ${{{knob}}}"
        )


class Heeded(pl.Callback):
    """Refuses what was typed for an optimizer or a scheduler where the module was given what makes it and made none.

    Args:
        config: of the run.
        makers: of both, by their groups.

    Raises:
        UnreadError: before the first update.
    """

    def __init__(self, config: DictConfig, makers: Mapping[str, Any]) -> None:
        self.config, self.makers, self.said = config, makers, said(config)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        idle = {group for group, maker in self.makers.items() if not getattr(maker, "called", True)}
        for text, knob in self.said if idle else ():
            group = knob.partition(".")[0]
            if group not in OF_TRAINING and ("." in knob or not _is_value(self.config, knob)):
                continue
            readers = {group} if group in OF_TRAINING else set(readers_of(self.config, knob))
            if readers and readers <= idle:
                unmade = " and ".join(sorted(readers))
                raise UnreadError(
                    f"{text} would have no effect: {type(pl_module).__name__} was given what makes the {unmade}, and "
                    "has not called it when training begins; leave it out, or let configure_optimizers call it"
                )


def said(config: DictConfig, others: Iterable[str] = ()) -> list[tuple[str, str]]:
    """What was typed, and the knob that each is of.

    Args:
        config: of the run.
        others: knobs of which those of the task count too where they hold anything, for a file may say it.
    """
    tasks = [knob for knob in others if knob.startswith("task.")]
    found = {knob: f"{knob}={value}" for knob in tasks if (value := OmegaConf.select(config, knob))}
    found |= {knob: text for text, knob in typed_knobs()}
    return [(text, knob) for knob, text in found.items()]


def _given(config: DictConfig, knob: str, unused: Iterable[str]) -> bool:
    """Whether a group that is used has the knob as it is; of every other way tells `readers_of`, which takes longer."""
    groups = (config._get_node(group) for group in config if group not in ("hydra", *unused))
    return any(isinstance(group, DictConfig) and _holds(group, f"${{{knob}}}") for group in groups)


def _holds(node: Any, text: str) -> bool:
    if isinstance(node, DictConfig | ListConfig):
        content = node._content
        inner = content.values() if isinstance(content, dict) else content if isinstance(content, list) else ()
        return any(_holds(one, text) for one in inner)
    return node is not None and node._value() == text


def readers_of(config: DictConfig, knob: str) -> Iterable[str]:
    """The groups in which something follows a knob of the run: whatever is another where the knob is another."""
    try:
        here = resolved(config)
        there = resolved(config, **{knob: _another(OmegaConf.select(config, knob))})
    except (OmegaConfBaseException, ValueError):  # a resolver that takes no such value reads it
        return (knob,)
    return list(_followers(here, there, knob))


def _followers(here: dict[str, Any], there: dict[str, Any], knob: str) -> Iterator[str]:
    """A knob of the run that follows another counts by who follows it in turn, which is another then as well."""
    for group, value in here.items():
        if group != knob and isinstance(value, dict | list) and value != there.get(group):
            yield group


def _another(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    return 2 * value + 1 if isinstance(value, int | float) else f"{value}_"


def _is_value(config: DictConfig, knob: str) -> bool:
    return knob in config and isinstance(config[knob], bool | int | float | str)


def _file(group: str) -> str:
    chosen = choice(group) if HydraConfig.initialized() else None
    return f"configs/{group}/{chosen}.yaml" if chosen else f"the configuration of {group}"


def _home(knob: str) -> str:
    data = ("batch_size", "updates_per_epoch", "data_dir")
    return _file("data" if knob in data else "optimizer" if knob == "lr" else "model")


def _named(part: Any, name: str) -> str:
    kind = type(part)
    path = f"{kind.__module__}.{kind.__qualname__}"
    return (
        ""
        if name in parameters_of(path)
        else f", which {path} must take: **common in __init__, and super().__init__(**common)"
    )
