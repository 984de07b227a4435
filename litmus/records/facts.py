"""What the trials' own records say about data, code and machines."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from litmus.claims.notation import text
from litmus.records.record import Record

Records = Mapping[tuple[str, int], Record]


def distinct(values: Iterable[Any]) -> list[Any]:
    """The different values, in order of appearance."""
    return list({json.dumps(value, sort_keys=True, default=str): value for value in values}.values())


def data_facts(records: Records) -> list[dict[str, Any]]:
    """What each trial recorded about its data."""
    found = (record.content.get("data") for record in records.values())
    return [fact for fact in found if isinstance(fact, dict) and fact]


def seeded(records: Records) -> list[str]:
    """The settings that change with the seed and with nothing else."""
    by_arm: dict[str, list[tuple[int, dict[str, Any]]]] = {}
    for (arm, seed), record in records.items():
        if record.settings:
            by_arm.setdefault(arm, []).append((seed, record.settings))
    for runs in by_arm.values():
        if len(runs) > 1:
            first = runs[0][1]
            return [
                key
                for key in first
                if all(text(settings.get(key)) == text(seed) for seed, settings in runs) and "seed" in key
            ]
    return []


def constant_accuracy(records: Records, split: str) -> float | None:
    """The mean accuracy on a split of always saying its most frequent class; None when not recorded."""
    found = [(fact.get("constant_accuracy") or {}).get(split) for fact in data_facts(records)]
    scores = [float(score) for score in found if isinstance(score, int | float)]
    return sum(scores) / len(scores) if scores else None
