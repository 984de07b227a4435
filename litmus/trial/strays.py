"""What the root of a configuration has and nobody reads: misspelt knobs, and groups that make nothing.

Hydra refuses an unknown knob that is typed. A study or an experiment file is merged into the configuration, and may add
anything to it.
"""

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from litmus.trial.kinds import shown
from litmus.trial.signatures import signature_of
from litmus.trial.source import FOUND, TYPED

# A part is made of each of these, and of each entry of the last two.
PARTS = ("data", "model", "optimizer", "scheduler", "batching", "average", "trainer")
OF_PARTS = ("callbacks", "logger")
NEEDED = ("data", "model", "optimizer", "scheduler", "batching", "trainer", "task")
TASKS = tuple(f"litmus.tasks.{kind.lower()}.{kind}" for kind in ("Classification", "Regression", "Labels"))


def refuse_words(config: DictConfig) -> None:
    """Refuses a word where the settings of a group belong: `model: cnn` in the body of a file chooses no file.

    Raises:
        ValueError: what was found, and the line of the file's defaults that is meant.
    """
    for group in (*PARTS, *OF_PARTS, "task", "weights"):
        if group in config and OmegaConf.is_interpolation(config, group):
            continue
        # What is typed as null takes the group out, what a file has so leaves it in.
        value = config._get_node(group)._value() if group in config else None  # type: ignore[union-attr]
        if value is None and group in NEEDED:
            raise ValueError(
                f"{group}=null leaves the run without {group}, which every run has: leave it out, or choose another of "
                f"configs/{group}/"
            )
        if value is None or isinstance(value, dict):
            continue
        if group == "weights":
            raise ValueError(f"weights: {shown(value)} in a file has no settings; write 'weights: {{from: DIR}}'")
        words = value if isinstance(value, str) else f"[{', '.join(map(str, config[group]))}]"
        raise ValueError(
            f"{group}: {words} in a file chooses nothing: it has the word itself in the place of all settings of "
            f"{group}; write '- override /{group}: {words}' in the file's defaults, or type {group}={words}"
        )


def refuse_strays(config: DictConfig) -> None:
    """Refuses root knobs that the program's own file does not have and nothing refers to, and groups of no part.

    A knob of one's own is read where anything in the configuration names it in an interpolation, as ${knob}.

    Raises:
        ValueError: what was found, what would be read, what to do.
    """
    composed: Any = HydraConfig.instance().cfg or {}
    hydra = config.get("hydra") or composed.get("hydra")
    own = None if hydra is None else _of_the_program(hydra)
    if own is not None:
        plain: Any = OmegaConf.to_container(config, resolve=False)
        for knob in (str(name) for name in config if name not in own):
            others = {name: value for name, value in plain.items() if name != knob}
            named = _named(knob, others) or _named(knob, OmegaConf.to_container(hydra, resolve=False))
            if not named and not _named_in_files(knob, hydra):  # as norm is by a model that was told its own
                raise ValueError(_unread(knob, plain[knob], own, [str(one) for one in hydra.overrides.task]))
    choices: Any = {} if hydra is None else hydra.runtime.choices
    for group in ("study", "search"):
        if config.get(group) is not None and group in choices and choices[group] is None:
            raise ValueError(
                f"{group}: with {', '.join(map(str, config[group]))} would have no effect: no {group} was chosen; "
                f"python train.py -m {group}=NAME takes the one that stands in a file of configs/{group}/"
            )
    if config.get("experiment"):
        raise ValueError(
            f"experiment: {', '.join(map(str, config.experiment))} would have no effect, since the experiment's file "
            "does not say that it is about the whole run; write '# @package _global_' as its first line"
        )
    for group in PARTS:
        _refuse_no_part(config, group, f"choose its file, as {group}=NAME or '- override /{group}: NAME'")
    for group in OF_PARTS:
        for name in config.get(group) or ():
            near = difflib.get_close_matches(str(name), [str(one) for one in config[group] if one != name], n=1)
            meant = f"did you mean {group}.{near[0]}?" if near else f"choose its file, as {group}=[{name}]"
            _refuse_no_part(config[group], str(name), meant)
    _refuse_others(config, "weights", TYPED, FOUND)  # which a run that is gone on with has
    if "_target_" not in (config.get("task") or {"_target_": None}):
        taken = {name: None for kind in TASKS for name in signature_of(kind).parameters if name != "target"}
        _refuse_others(config, "task", tuple(taken))


def _of_the_program(hydra: DictConfig) -> frozenset[str] | None:
    """The root knobs and groups of the file that the command composes, None where it cannot be read any more."""
    homes = [one.path for one in hydra.runtime.config_sources or () if one.provider == "main"]
    file = Path(homes[0]) / f"{hydra.job.config_name}.yaml" if homes and hydra.job.config_name else None
    return _of_the_file(file, file.stat().st_mtime_ns) if file is not None and file.is_file() else None


# A sweep asks for every trial; a file that was not touched is what it was.
@lru_cache(maxsize=8)
def _of_the_file(file: Path, unchanged: int) -> frozenset[str] | None:
    content: Any = OmegaConf.to_container(OmegaConf.load(file))
    if not isinstance(content, dict):
        return None
    groups = [next(iter(one)) if isinstance(one, Mapping) else one for one in content.pop("defaults", ())]
    known = {re.sub(r"^(override |optional )*/?|[/@].*$", "", str(one)) for one in groups}
    return frozenset(map(str, content)) | known


def _named_in_files(knob: str, hydra: DictConfig) -> bool:
    """Whether the file of a choice reads it, though a line that was typed took the place of that one."""
    places = [Path(one.path) for one in hydra.runtime.config_sources or () if one.path]
    for group, choice in hydra.runtime.choices.items():
        for file in (place / group / f"{choice}.yaml" for place in places):
            content: Any = OmegaConf.to_container(OmegaConf.load(file)) if file.is_file() else None
            others = {name: value for name, value in (content or {}).items() if name != knob}
            if _named(knob, others):
                return True
    return False


def _named(knob: str, value: Any) -> bool:
    """Whether an interpolation in the value begins with the knob, or asks OmegaConf's own resolvers for it."""
    own = rf"\$\{{\s*(oc\.(select|dict\.keys|dict\.values)\s*:\s*)?\.*\[?{re.escape(knob)}(?=[\s.,\[\]}}])"
    return any(re.search(own, text) for text in _interpolations(value))


def _interpolations(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        if (start := value.find("${")) >= 0:
            yield value[start:]
    elif isinstance(value, Mapping | list):
        for one in value.values() if isinstance(value, Mapping) else value:
            yield from _interpolations(one)


def _unread(knob: str, value: Any, own: Iterable[str], typed: Iterable[str]) -> str:
    told = next((one for one in typed if one.partition("=")[0].lstrip("+~") == knob), None)
    told = told or (
        f"{knob}: with {', '.join(map(str, value))}" if isinstance(value, dict) else f"{knob}={shown(value)}"
    )
    near = difflib.get_close_matches(knob.lower(), list(own), n=1)
    meant = f"did you mean {near[0]}?" if near else "leave it out,"
    return (
        f"{told} would have no effect: no part of this run reads {knob}; {meant} or give it to the part that is to "
        f"read it, as ${{{knob}}} in its file"
    )


def _refuse_no_part(parent: DictConfig, name: str, remedy: str) -> None:
    node = parent.get(name)
    if isinstance(node, DictConfig) and len(node) and "_target_" not in node:
        place = str(node._get_full_key(None))
        raise ValueError(f"{place}: with {', '.join(map(str, node))} makes nothing, for it has no _target_; {remedy}")


def _refuse_others(config: DictConfig, group: str, known: tuple[str, ...], written: tuple[str, ...] = ()) -> None:
    for name in (str(name) for name in config.get(group) or () if name not in (*known, *written)):
        near = difflib.get_close_matches(name, known, n=1)
        meant = f"did you mean {group}.{near[0]}?" if near else f"known here: {', '.join(known)}"
        raise ValueError(f"there is no knob {group}.{name} in this configuration; {meant}")
