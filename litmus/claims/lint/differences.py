"""In which settings the two sides of a contrast differ, each arm counted with its weight."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from litmus.claims.contrast import UndecidableError, planned
from litmus.claims.factors import NEUTRAL, SWEEPS, is_place
from litmus.claims.notation import text
from litmus.claims.prediction import Prediction
from litmus.claims.study import Study

Configs = Mapping[str, Mapping[str, Any]]
# Knobs of where and in which numbers a run computes, by the last part of their name.
NUMERICS = frozenset(
    ("accelerator", "devices", "num_nodes", "threads", "precision", "dtype", "matmul", "tf32", "strategy", "device")
)


def settings(study: Study, configs: Configs) -> dict[str, dict[str, Any]]:
    """Each arm's settings with its own overrides, as far as they can change a number; threads and devices can."""
    return {
        arm: {
            key.lstrip("+~"): value
            for key, value in {**configs.get(arm, {}), **overrides}.items()
            if _counts(key.lstrip("+~"))
        }
        for arm, overrides in study.arms.items()
    }


def comparisons(study: Study, prediction: Prediction) -> Iterator[dict[str, float]]:
    """The weights of each difference between arms that a prediction tests; a plain value is no difference."""
    if prediction.kind == "all_of":
        return  # its members say so themselves
    try:
        leaves = list(prediction.test(study, planned).leaves())
    except UndecidableError:
        return
    for leaf in leaves:
        if abs(sum(leaf.contrast.weights.values())) < 1e-9:
            yield {arm: weight for arm, weight in leaf.contrast.weights.items() if abs(weight) > 1e-12}


def unbalanced(configs: Configs, weights: Mapping[str, float]) -> list[str]:
    """The settings of which some value weighs more on one side; a factor averaged over alike on both does not."""
    found = []
    for key in dict.fromkeys(key for arm in weights for key in configs[arm]):
        total: dict[str, float] = {}
        for arm, weight in weights.items():
            value = text(configs[arm].get(key))
            total[value] = total.get(value, 0.0) + weight
        if any(abs(amount) > 1e-9 for amount in total.values()):
            found.append(key)
    return sorted(found)


def named(study: Study, prediction: Prediction) -> set[str]:
    """The settings that a prediction says its arms differ in; a best arm is chosen among all that vary."""
    if prediction.kind == "best":
        return set(study.varied)
    return {key for cell in prediction.selectors(study) if isinstance(cell, Mapping) for key in cell}


def unnamed(study: Study, prediction: Prediction, configs: Configs, weights: Mapping[str, float]) -> list[str]:
    """The settings in which both sides differ, less those that the prediction names and those that follow them.

    Arms called by name may differ in one setting, or one group of them (batching and batching.start), without saying.
    """
    says = {key.lstrip("+~") for key in named(study, prediction)}
    if not says:
        own = unbalanced({arm: settings(study, {})[arm] for arm in weights}, weights)
        groups = {key if key.startswith("trainer.") else key.split(".")[0] for key in own if not is_numeric(key)}
        if (len(groups) > 1 and not study.factors) or (groups and any(is_numeric(key) for key in own)):
            return _without_members(own)
        says = set(own)
    found = [
        key for key in unbalanced(configs, weights) if not any(_follows(key, one, configs, weights) for one in says)
    ]
    return _without_members(found)


def is_numeric(key: str) -> bool:
    """Whether a setting is about devices, number types, or threads."""
    return key.split(".")[-1] in NUMERICS


def _counts(key: str) -> bool:
    neutral = any(key == one or key.startswith(f"{one}.") for one in NEUTRAL)
    return not (neutral or is_place(key) or key.split(".")[0] in SWEEPS or key == "seed")


def _follows(key: str, name: str, configs: Configs, arms: Collection[str]) -> bool:
    """Whether a setting is a named one, inside it, or takes its values: ${epochs} in trainer.max_epochs, in a list."""
    if key == name or key.startswith(f"{name}.") or key.endswith(f".{name}"):
        return True

    def taken(arm: str) -> bool:
        value, whole = configs[arm].get(name), configs[arm].get(key)
        parts = whole if isinstance(whole, list | tuple) else ()
        return text(value) in (text(whole), *map(text, parts))

    return all(map(taken, arms))


def _without_members(keys: Collection[str]) -> list[str]:
    """The keys without those inside a group that is listed itself."""
    return [key for key in keys if not any(key.startswith(f"{other}.") for other in keys)]
