"""The tuning trials of a study's directory, tuning/ARM/…/."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from litmus.claims.measure import measure
from litmus.claims.notation import number
from litmus.claims.quantity import Quantity, direction_of
from litmus.claims.study import Study
from litmus.records.places import SEED, arm_of, folders
from litmus.records.record import Record, read_record


@dataclass(frozen=True)
class TuningTrial:
    """One tuning trial of an arm: its nuisance settings and the selection metric it reached (None: it failed)."""

    arm: str
    settings: Mapping[str, float]
    score: float | None
    status: str = "completed"


def read_tuning(root: Path, study: Study) -> list[TuningTrial]:
    """Every tuning trial below tuning/ARM/; one that ran on several seeds scores their mean."""
    quantity = study.leading
    found = []
    for folder in folders(root) if study.nuisance else ():
        arm = arm_of(folder.name, study)
        places: dict[Path, list[Record]] = {}
        for result in sorted(folder.rglob("result.json")):
            place = result.parent.parent if SEED.match(result.parent.name) else result.parent
            places.setdefault(place, []).append(read_record(result.parent))
        if arm is not None:
            found += [tuned(arm, records, quantity, study) for records in places.values()]
    return found


def tuned(arm: str, records: Sequence[Record], quantity: Quantity, study: Study) -> TuningTrial:
    """One tuning trial from the runs it made."""
    settings = {}
    for name in study.nuisance:
        value = number(records[0].overrides.get(name, records[0].settings.get(name)))
        if value is not None:
            settings[name] = value
    scores = [score_of(record, quantity) for record in records]
    known = [score for score in scores if score is not None]
    mean = math.fsum(known) / len(known) if len(known) == len(scores) else None
    status = next((record.status for record in records if not record.done), "completed")
    return TuningTrial(arm, settings, mean, status)


def score_of(record: Record, quantity: Quantity) -> float | None:
    """The best value of the selection metric that a tuning trial reached; None when it did not end."""
    if not record.done:
        return None
    direction = direction_of(quantity.select) or "down"
    chosen = Quantity("selection", quantity.select, "best", direction=direction, metric_direction=direction)
    try:
        score = measure(chosen, record.history, record.summary)
    except ValueError:
        score = record.summary.get(quantity.select, math.nan)
    return score if math.isfinite(score) else None
