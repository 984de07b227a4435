"""The verdict trials of a study's directory, trials/ARM/seed=K/, as runs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from litmus.claims.factors import is_factor
from litmus.claims.finding import Finding, warning
from litmus.claims.notation import listing, number, text
from litmus.claims.reductions import DERIVED, UNITS, History
from litmus.claims.runs import Run
from litmus.claims.study import Study
from litmus.records.arms import code, data_version, parts, recorded_numerics
from litmus.records.directories import SEED, arm_of, folders
from litmus.records.record import Record, read_record

# Beside places and what is no factor: whose weights these are is told by their hash, and who watches changes nothing.
NO_NUMBER = ("weights.from", "callbacks.progress", "callbacks.summary")


def read_trials(
    root: Path, study: Study, configs: Mapping[str, Mapping[str, Any]]
) -> tuple[dict[tuple[str, int], Record], list[Finding]]:
    """(arm, seed) → record, in the study's order; what is of no arm, or of an earlier one, is told and left out."""
    records: dict[tuple[str, int], Record] = {}
    strangers, stale, again = [], [], []
    for path in folders(root):
        arm = arm_of(path.name, study)
        if arm is None:
            strangers.append(path.name)
            continue
        for trial in folders(path):
            seed = SEED.match(trial.name)
            # Seeds beyond the asked ones stay on disk when a study is cut down, and stay out of it.
            if not seed or int(seed[1]) not in study.seeds:
                continue
            record = read_record(trial)
            key = differing(record, configs.get(arm, {}), study)
            if key:
                stale.append(f"{arm} seed {seed[1]} ({key} was {text(record.settings[key])})")
            elif record.seed not in (None, int(seed[1])):
                stale.append(f"{arm} seed {seed[1]} (seed was {record.seed})")
            elif (arm, int(seed[1])) in records:
                again.append(f"{arm} seed {seed[1]} ({path.name}/{trial.name})")
            else:
                records[arm, int(seed[1])] = record
    found = []
    if strangers:
        message = f"Trials of arms that the study no longer has are left out: {listing(strangers)}."
        found.append(warning("unknown_arm", message))
    if stale:
        message = f"Trials from before the study changed are left out until it runs again: {listing(stale, 4)}."
        found.append(warning("stale_trial", message))
    if again:
        found.append(warning("duplicate_trial", f"Trials that lie there twice count once: {listing(again, 4)}."))
    order = list(study.arms)
    return dict(sorted(records.items(), key=lambda item: (order.index(item[0][0]), item[0][1]))), found


def differing(record: Record, config: Mapping[str, Any], study: Study) -> str:
    """The first knob that a finished trial had set otherwise than its arm now does, or nothing."""
    settings, told = record.settings, study.split(record.seed or 0)
    tuned = [knob for knob in study.nuisance if knob in settings and knob in config]
    for key, value in config.items():
        free = key in told or any(key == one or key.startswith(f"{one}.") for one in (*study.nuisance, *NO_NUMBER))
        if free or key not in settings or not is_factor(key):
            continue
        then = settings[key]
        follows = text(then)  # as it would be with what its arm has of the tuned knobs, as [${width},${width}] is
        for one in tuned:
            follows = follows.replace(text(settings[one]), text(config[one]))
        if then != value and text(value) not in (text(then), follows) and not moved(key, then, value):
            return key
    return ""


def moved(key: str, then: Any, now: Any) -> bool:
    """Whether two names are of one class, which lay in src/ when the trial ran."""
    names = str(then).rpartition("."), str(now).rpartition(".")
    return key.endswith("_target_") and names[0][0].startswith("src.") and names[0][2] == names[1][2]


def run_of(arm: str, seed: int, record: Record, study: Study) -> Run:
    """A record as a run of the study; one that diverged has values, which are not finite."""
    ran: Any = {"code": code(record), "parts": parts(record), "numerics": recorded_numerics(record)}
    ran |= {"load": number(record.content.get("load")), "data": data_version(record), "tested": chosen_place(record)}
    if record.diverged:
        return Run(arm, seed, *broken(record, study), **ran)
    error = "" if record.done else record.error or record.status
    return Run(arm, seed, record.history, record.summary, error, record.pending, **ran)


def chosen_place(record: Record) -> int | None:
    """The place in its curves of the epoch whose weights a run chose and tested; None where nothing says so."""
    chosen, epochs = record.content.get("best_epoch"), record.history.get("epoch")
    if chosen is None or epochs is None or chosen not in epochs:
        return None
    return int(np.flatnonzero(epochs == chosen)[0])


def broken(record: Record, study: Study) -> tuple[History, dict[str, float]]:
    """History and summary of a run that diverged: the epoch it broke in is a last row without finite metrics."""
    counted = {**record.summary, "epoch": record.summary.get("epochs", math.nan)}
    metrics = {name for one in study.quantities.values() for name in (one.metric, one.select)}
    named = (metrics | {"train/loss", "val/loss", *UNITS}) - DERIVED.keys() - record.summary.keys()
    names = {*record.history, *UNITS, *(named if not record.history else ())}
    history = {
        name: np.append(record.history.get(name, ()), counted.get(name, math.nan) if name in UNITS else math.nan)
        for name in names
    }
    return history, {**dict.fromkeys(named, math.nan), **record.summary}
