"""Values that cannot be, refused before anything is imported that takes seconds: no class, only its source, is read."""

import difflib
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any, NamedTuple

from omegaconf import DictConfig, ListConfig, OmegaConf, ValueNode

from litmus.paths import typed_path
from litmus.training.stand_in import FACT, NAMES, STAND_INS
from litmus.trial.kinds import admits, only_parts, shown, words
from litmus.trial.signatures import MISSING, Parameter, signature_of
from litmus.trial.strays import refuse_strays, refuse_words

OF_HYDRA = ("_target_", "_partial_", "_args_", "_convert_", "_recursive_")
# A value that is another knob's, as in `lr: ${lr}`.
ANOTHER = re.compile(r"\$\{([\w.]+)\}")


# What is left open is derived from the metric that the part monitors, see directed.py.
DERIVED = "mode"


class Rule(NamedTuple):
    """What a knob of the whole run must be, in words and as a test."""

    expected: str
    holds: Callable[[Any], bool]


def _whole(value: Any, least: int, most: float = math.inf) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf


# What the trainer is given of groups of their own, whatever stands in its file.
OF_GROUPS = {"callbacks": "callbacks=[early_stopping]", "logger": "logger=[csv]"}
ROOT = {
    "seed": Rule("a whole number from 0 to 2³²-1", lambda value: _whole(value, 0, 2**32 - 1)),
    "epochs": Rule("a whole number from 1 on", lambda value: _whole(value, 1)),
    "lr": Rule("a number above 0", _number),
    "batch_size": Rule("a whole number from 1 on, or all", lambda value: value == "all" or _whole(value, 1)),
    "updates_per_epoch": Rule("a whole number from 1 on, or null", lambda value: value is None or _whole(value, 1)),
    "threads": Rule("a whole number from 1 on, or null", lambda value: value is None or _whole(value, 1)),
    "fast": Rule("true or false", lambda value: isinstance(value, bool)),
    "data_dir": Rule("a directory", lambda value: isinstance(value, str) and value != ""),
}


def check_knobs(config: DictConfig, directory: Path | None = None) -> None:
    """Refuses values of another kind than the run and the constructors of its parts take, and knobs they do not have.

    Args:
        config: of the run.
        directory: of the run, where there is one already.

    Raises:
        ValueError: what was expected, what was found.
    """
    _refuse_other_resume(config, directory)
    refuse_words(config)
    for knob, rule in ROOT.items():
        if knob in config and not rule.holds(config[knob]):
            raise ValueError(f"{knob} must be {rule.expected}, got {shown(config[knob])}")
    for group in config:
        if group != "hydra":  # its own parts, which sweeps are composed with
            for node in parts_in(config._get_node(group)):
                check_part(node)
    refuse_strays(config)
    _refuse_least_above_most(config)
    _refuse_idle(config)


def _refuse_other_resume(config: DictConfig, directory: Path | None) -> None:
    """A run is gone on with by its own configuration in its own directory; anywhere else a new one would begin."""
    named = config.get("resume")
    if named is not None and (directory is None or typed_path(str(named)).resolve() != directory.resolve()):
        raise ValueError(
            f"resume={named} would begin a new run here, and go on with none: a run is gone on with by itself, as in "
            f"python train.py resume={named}, without a plus before it, and neither in a sweep nor by a file"
        )


def _refuse_least_above_most(config: DictConfig) -> None:
    """A run cannot go on for longer than it may: Lightning ends it at the most and says nothing of the least."""
    trainer = config.get("trainer") or {}
    for unit in ("epochs", "steps"):
        least, most = (trainer.get(f"{end}_{unit}") for end in ("min", "max"))
        if isinstance(least, int) and isinstance(most, int) and 0 <= most < least:
            raise ValueError(
                f"trainer.min_{unit} must be at most trainer.max_{unit}, which is {most} here, got {least}; no "
                "run goes on for longer"
            )


def _refuse_idle(config: DictConfig) -> None:
    """Settings of the trainer that change nothing without another, or in any run."""
    trainer = config.get("trainer") or {}
    how = trainer.get("gradient_clip_algorithm")
    if how is not None and not trainer.get("gradient_clip_val"):
        raise ValueError(
            f"trainer.gradient_clip_algorithm={how} would have no effect: no gradient is clipped; type "
            "trainer.gradient_clip_val too, or leave it out"
        )
    if trainer.get("limit_predict_batches") is not None:
        raise ValueError(
            "trainer.limit_predict_batches would have no effect: a run trains, validates and tests; leave it out"
        )
    for name, example in OF_GROUPS.items():
        if trainer.get(name) is not None:
            raise ValueError(
                f"trainer.{name} would have no effect: a run has those of the group {name}, chosen by file, as in "
                f"{example}; leave it out"
            )


def parts_in(node: Any) -> Iterator[DictConfig]:
    """Every mapping in a configuration that says what it is made into."""
    if isinstance(node, DictConfig) and node._is_none():
        return
    if isinstance(node, DictConfig) and "_target_" in node:
        yield node
    if isinstance(node, DictConfig | ListConfig):
        places: Any = node if isinstance(node, DictConfig) else range(len(node))
        for place in places:
            yield from parts_in(node._get_node(place))


def check_part(node: DictConfig) -> None:
    """The same for the arguments of one constructor."""
    target = str(node["_target_"])
    signature = signature_of(target)
    for name in (str(name) for name in node if name not in OF_HYDRA):
        if name in signature.parameters:
            check_value(node, name, signature.parameters[name])
        elif not signature.open:
            raise ValueError(unknown_argument(node, name))


def check_value(node: DictConfig, name: str, parameter: Parameter) -> None:
    """Refuses a value that the parameter cannot take; one that is computed, or made into a part, is not judged."""
    knob, found = origin(node, name)
    if found is None:  # an interpolation of nothing, which OmegaConf refuses
        return
    value = found._value() if isinstance(found, ValueNode) else OmegaConf.to_container(found)
    left_open = name == DERIVED and value is None
    if _computed(value) or any(parts_in(found)) or value in STAND_INS or left_open:
        return
    limits = range_of(str(node["_target_"]), name)
    expected = words(parameter.kind)
    if limits is not None:
        plain, null, _ = expected.partition(" or null")
        expected = f"{plain} {limits.words}{null}"
    if not admits(parameter.kind, value):
        expected += "" if parameter.annotated else f", as its default {shown(parameter.default)} is"
    elif value == "" != parameter.default and not admits(parameter.kind, None):
        expected = "text that is not empty"
    elif not _finite(value) and _finite(parameter.default):
        expected = "a finite number"
    elif limits is None or limits.holds(value):
        return
    raise ValueError(f"{knob} must be {expected}, got {shown(value)}")


def origin(node: DictConfig, name: str) -> tuple[str, Any]:
    """The knob that sets an argument, as it is typed, and what it holds: another's where it is `lr: ${lr}`."""
    knob, found = str(node._get_full_key(name)), node._get_node(name)
    for _ in range(10):  # a circle is OmegaConf's to refuse
        other = ANOTHER.fullmatch(str(found._value())) if isinstance(found, ValueNode) else None
        if other is None:
            break
        knob, found = other[1], node._get_root()
        for part in knob.split("."):
            found = found._get_node(part) if isinstance(found, DictConfig) and not found._is_none() else None
    return knob, found


def _finite(value: Any) -> bool:
    return all(map(_finite, value)) if isinstance(value, list) else not isinstance(value, float) or math.isfinite(value)


def _computed(value: Any) -> bool:
    """Whether a value, or one within it, is an interpolation or a fact of the data still, or must be given yet."""
    if isinstance(value, str):
        return "${" in value or value == "???" or value.startswith(FACT)
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(map(_computed, inner))


def unknown_argument(node: DictConfig, name: str) -> str:
    """That the constructor of this node takes no such argument, and what was probably meant."""
    target, taken = str(node["_target_"]), taken_by(node)
    near = difflib.get_close_matches(name, taken, n=1)
    place = str(node._get_full_key(None))
    hint = f"did you mean {place}.{near[0]}?" if near else f"it takes {', '.join(taken)}"
    return f"there is no knob {place}.{name}: {target} does not take it; {hint}"


def taken_by(node: DictConfig) -> list[str]:
    """The arguments of this node's constructor that a user may give: those that stand in it, and what may be added."""
    given = (*NAMES["classes"], "task", *(OF_GROUPS if node._get_full_key(None) == "trainer" else ()))
    return [
        known
        for known, one in signature_of(str(node["_target_"])).parameters.items()
        if known in node or (one.default is not MISSING and not only_parts(one.kind) and known not in given)
    ]


@dataclass(frozen=True)
class Range:
    """Numbers from `least` to `most`, either of which may be left out of it; the words say the same."""

    words: str
    least: float = 0
    most: float = inf
    with_least: bool = True
    with_most: bool = False

    def holds(self, value: Any) -> bool:
        """Whether a number, or each of a list, lies within; what is no number is not judged."""
        if isinstance(value, list | tuple):
            return all(map(self.holds, value))
        if isinstance(value, bool) or not isinstance(value, int | float):
            return True
        above = value >= self.least if self.with_least else value > self.least
        return above and (value <= self.most if self.with_most else value < self.most)


FROM_0 = Range("from 0 on")
ABOVE_0 = Range("above 0", with_least=False)
FROM_1 = Range("from 1 on", least=1)
BELOW_1 = Range("from 0 up to, and without, 1", most=1)
SHARE = Range("above 0 and up to 1", most=1, with_least=False, with_most=True)

# By the beginning of the constructor's path; the longest that fits counts.
RANGES: Mapping[str, Mapping[str, Range]] = {
    "torch.optim.": {
        **dict.fromkeys(("lr", "eps", "weight_decay", "momentum", "lambd", "lr_decay"), FROM_0),
        **dict.fromkeys(("alpha", "betas"), BELOW_1),
    },
    "torch.optim.lr_scheduler.": {
        **dict.fromkeys(("step_size", "T_max", "T_0", "T_mult", "total_iters", "total_steps"), FROM_1),
        **dict.fromkeys(("gamma", "factor", "start_factor", "end_factor", "max_lr", "base_lr"), ABOVE_0),
        **dict.fromkeys(("patience", "cooldown", "eta_min", "min_lr", "eps", "threshold"), FROM_0),
    },
    "pytorch_lightning.callbacks.": dict.fromkeys(("patience", "min_delta"), FROM_0),
    "pytorch_lightning.Trainer": {
        **dict.fromkeys(("accumulate_grad_batches", "check_val_every_n_epoch", "max_epochs", "num_nodes"), FROM_1),
        **dict.fromkeys(("reload_dataloaders_every_n_epochs", "min_epochs", "min_steps"), FROM_0),
        "gradient_clip_val": FROM_0,
        "limit_train_batches": ABOVE_0,
        "log_every_n_steps": FROM_0,
        "num_sanity_val_steps": Range("from 0 on, or -1 for all", least=-1),
    },
}


def range_of(target: str, name: str) -> Range | None:
    """The range of an argument of the constructor with this path; None where it is not known."""
    known = max((path for path in RANGES if target.startswith(path)), key=len, default=None)
    return None if known is None else RANGES[known].get(name)
