"""Who a run is: the hashes of what computes its numbers, of what was asked for, and of its arm."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

# Raised by a commit that changes hashes, which CHANGELOG.md then explains: sweeps mix no trials of two meanings.
HASHES = 2
# Where a run is kept and watched, and how it is helped along, change nothing that it computes. How many threads compute
# does: that is told by `numerics`, or where only the request is known by the request.
NOT_IN_HASH = ("data_dir", "resume", "output_dir", "logger", "threads", "fast", "trust", "judge")
# Callbacks that speak to somebody who watches one run.
SPEAKING = ("progress", "summary")
# Deeper knobs of the kind. Activations that are computed twice are the same to the bit; weights to begin from are told
# by whose they are; pruning may end a run early, and until then it computes what it would without.
NOT_IN_HASH_BELOW = {
    "data": ("data_dir",),
    "model": ("recompute",),
    "weights": ("from",),
    "callbacks": ("pruning", *SPEAKING),
}
# What `numerics` has the effect of: `auto` on a machine without an accelerator is `cpu`.
TOLD_BY_NUMERICS = {"trainer": ("accelerator", "devices")}
# Today's path of a class that was moved → the path it had, by which it is hashed: moving code changes no number.
MOVED: Mapping[str, str] = {
    "answers.exhibits.landscape.Landscape": "src.models.landscape.Landscape",
    "answers.exhibits.gradient_noise.GradientNoise": "src.datamodules.gradient_noise.GradientNoise",
    "litmus.trial.checkpoint.BestAndLast": "src.callbacks.checkpoint.BestAndLast",
    "litmus.trial.history.History": "src.callbacks.history.History",
    "litmus.trial.epoch_seed.EpochSeed": "src.callbacks.epoch_seed.EpochSeed",
    "litmus.trial.progress.TimeLeft": "src.callbacks.progress.TimeLeft",
    "litmus.trial.summary.TerminalSummary": "src.callbacks.summary.TerminalSummary",
    "litmus.trial.pruning.Pruning": "src.callbacks.pruning.Pruning",
    "litmus.training.schedule.Schedule": "src.models.schedule.Schedule",
    "litmus.training.arrays.Arrays": "src.datamodules.arrays.Arrays",
    "litmus.training.trajectory.RecordWeights": "src.callbacks.trajectory.RecordWeights",
    "litmus.trial.hydra.ForgetConfigurations": "src.trial.forget.ForgetConfigurations",
    "litmus.trial.tensorboard_logger.TensorBoardLogger": "src.trial.tensorboard_logger.TensorBoardLogger",
    "litmus.trial.wandb_logger.WandbLogger": "src.trial.wandb_logger.WandbLogger",
}


def config_hash(config: Mapping[str, Any], numerics: Mapping[str, Any]) -> str:
    """What two runs share exactly if they compute the same: resolved configuration, and numerics in effect."""
    return digest([without(computing(config), TOLD_BY_NUMERICS), numerics])


def asked_hash(config: Mapping[str, Any]) -> str:
    """The same as far as it is known on any machine, before a run: threads and accelerator as they were typed."""
    return digest(_cleaned({**computing(config), "threads": config.get("threads")}))


def arm_hash(settled: Mapping[str, Any], numerics: Mapping[str, Any], code: str) -> str:
    """What runs share that differ by their seeds alone.

    Args:
        settled: the resolved configuration but what follows the seed or the directory, see `agreeing`.
        numerics: in effect.
        code: the fingerprint of the code that trains.
    """
    return digest([without(computing(settled), TOLD_BY_NUMERICS), numerics, code])


def computing(config: Mapping[str, Any]) -> dict[str, Any]:
    """What numbers can depend on of a resolved configuration, without nulls: a new knob that is off changes nothing."""
    told = {name: value for name, value in config.items() if name not in NOT_IN_HASH}
    cleaned: dict[str, Any] = _cleaned(without(told, NOT_IN_HASH_BELOW))
    trainer = cleaned.get("trainer")
    if trainer and "devices" in trainer:
        trainer["devices"] = _devices(trainer["devices"])
    return cleaned


def as_today(node: Any) -> Any:
    """A stored configuration with the paths that classes have today in place of those that they had then."""
    if isinstance(node, dict):
        today = {earlier: here for here, earlier in MOVED.items()}
        return {
            key: today.get(value, value) if key == "_target_" and isinstance(value, str) else as_today(value)
            for key, value in node.items()
        }
    return [as_today(entry) for entry in node] if isinstance(node, list) else node


def agreeing(here: Mapping[str, Any], there: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that two configurations share, to any depth."""
    found: dict[str, Any] = {}
    for name in here.keys() & there.keys():
        mine, other = here[name], there[name]
        if isinstance(mine, Mapping) and isinstance(other, Mapping):
            found[name] = agreeing(mine, other)
        elif mine == other:
            found[name] = mine
    return found


def digest(content: Any) -> str:
    """Sixteen hexadecimal digits of plain data, whatever the order of its keys."""
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def without(config: Mapping[str, Any], hidden: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    """The configuration but the hidden knobs of each group."""
    return {
        name: {key: entry for key, entry in value.items() if key not in hidden.get(name, ())}
        if isinstance(value, Mapping)
        else value
        for name, value in config.items()
    }


def _cleaned(node: Any) -> Any:
    """Without nulls and what is empty without them, and with classes by their stable names; lists keep their places."""
    if isinstance(node, Mapping):
        entries = {name: _cleaned(value) for name, value in node.items() if value is not None}
        if isinstance(target := entries.get("_target_"), str):
            entries["_target_"] = MOVED.get(target, target)
        return {name: value for name, value in entries.items() if value != {}}
    return [_cleaned(value) for value in node] if isinstance(node, list | tuple) else node


def _devices(asked: Any) -> Any:
    """How many, where that was said: `[1]` is one device, and so is `"1"`."""
    if isinstance(asked, list | tuple):
        return len(asked)
    return int(asked) if isinstance(asked, str) and asked.isdecimal() else asked
