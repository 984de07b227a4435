"""Any study in seconds: to see that every arm runs and what the report will look like, never to believe a number."""

import math
from collections.abc import Mapping
from typing import Any

SEEDS = 2
TUNING_TRIALS = 2
UPDATES = "updates_per_epoch"
SIZES = {"epochs": 3, UPDATES: 3}
FEW_IN_TAIL = "callbacks.tail.least=1"
EVALUATION = ("++trainer.limit_val_batches=1", "++trainer.limit_test_batches=1")


def shrunk(node: Mapping[str, Any]) -> dict[str, Any]:
    """The study with two seeds and two tuning trials (of one seed each, see `asked_by`)."""
    seeds = node.get("seeds", SEEDS)
    few = seeds[:SEEDS] if isinstance(seeds, list | tuple) else min(SEEDS, seeds) if isinstance(seeds, int) else SEEDS
    tuned = {name: {**entry, "trials": TUNING_TRIALS} for name, entry in (node.get("nuisance") or {}).items()}
    runs = {"resampling": {"folds": SEEDS}} if node.get("resampling") else {"seeds": few}
    return {**node, **runs, **({"nuisance": tuned} if tuned else {})}


def smoke_overrides(configs: Mapping[str, Mapping[str, Any]]) -> dict[str, list[str]]:
    """Arm → three epochs of three updates (a roughness needs three epochs).

    Where arms differ in one of these, each takes its level's rank and stays different.
    """
    overrides: dict[str, list[str]] = {arm: [] for arm in configs}
    for knob, size in SIZES.items():
        group, _, name = knob.rpartition(".")
        nodes = {arm: (config.get(group) or {}) if group else config for arm, config in configs.items()}
        # No number of updates is a whole pass through the data.
        read = {arm for arm, config in configs.items() if knob != UPDATES or UPDATES in (config.get("data") or SIZES)}
        own = {arm: math.inf if node[name] is None else node[name] for arm, node in nodes.items() if name in node}
        own = {arm: level for arm, level in own.items() if arm in read}
        for arm in configs.keys() - read:  # anybody's data, which know no such knob
            overrides[arm].append(f"++trainer.limit_train_batches={size}")
        levels = sorted(set(own.values()))
        for arm, level in own.items():
            overrides[arm].append(f"{knob}={1 + levels.index(level) if len(levels) > 1 else size}")
    few = {arm: [FEW_IN_TAIL] if "tail" in (config.get("callbacks") or {}) else [] for arm, config in configs.items()}
    return {arm: [*sizes, *few[arm], *EVALUATION] for arm, sizes in overrides.items()}
