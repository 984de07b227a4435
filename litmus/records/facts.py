"""What the trials' own records say about data, code and machines."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from litmus.claims.datasets import parts
from litmus.claims.finding import Finding, error
from litmus.claims.notation import listing, text
from litmus.claims.study import Study
from litmus.records.record import Record

Records = Mapping[tuple[str, int], Record]


def distinct(values: Iterable[Any]) -> list[Any]:
    """The different values, in order of appearance."""
    return list({json.dumps(value, sort_keys=True, default=str): value for value in values}.values())


def data_facts(records: Records) -> list[dict[str, Any]]:
    """What each trial recorded about its data."""
    found = (record.content.get("data") for record in records.values())
    return [fact for fact in found if isinstance(fact, dict) and fact]


def other_rows(study: Study, records: Records) -> Iterator[Finding]:
    """Arms whose trials of the same seed were tested on another number of rows, by whatever setting.

    Of several data sets each is compared with itself alone.
    """
    for part in parts(study):
        yield from _other_rows(part, {key: record for key, record in records.items() if key[0] in part.arms})


def _other_rows(study: Study, records: Records) -> Iterator[Finding]:
    sizes: dict[int, dict[str, Any]] = {}
    for (arm, seed), record in records.items():
        size = ((record.content.get("data") or {}).get("sizes") or {}).get("test")
        if size is not None:
            sizes.setdefault(seed, {})[arm] = size
    differing = [own for own in sizes.values() if len(set(own.values())) > 1]
    if differing:
        affected = [
            name
            for name, prediction in study.predictions.items()
            if any(len({own[arm] for arm in prediction.named_arms(study) if arm in own}) > 1 for own in differing)
        ]
        told = listing([f"{arm} {size:,}" for arm, size in differing[0].items()], 5)
        yield error(
            "different_rows", f"Trials of the same seed were tested on different numbers of rows: {told}.", affected
        )


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
