"""The tuning runs of a study: of its directory, tuning/ARM/…/, or of the table tuning.csv that travels with results."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from litmus.claims.data_version import read_version
from litmus.claims.measure import measure
from litmus.claims.notation import listing, number, text, whole
from litmus.claims.quantity import Quantity
from litmus.claims.study import Study
from litmus.claims.tuning import TuningRun, is_tuned, score_in, twin
from litmus.legible import legible, read_object
from litmus.records.arms import data_version
from litmus.records.directories import SEED, arm_of, folders
from litmus.records.record import Record, read_record
from litmus.tables import read_mappings, table_text

TABLE = "tuning.csv"
BEST = "best.json"
# Which version of its data a run saw, where not all saw the same.
SAW = "sha256"
# What best.json says of a choice by the rule of litmus/claims/optimum.py; earlier ones took the best of single runs.
RULE = "parabola"


@dataclass(frozen=True)
class TuningTrial:
    """One tuning trial of an arm: its nuisance settings and the selection metric it reached (None: it failed)."""

    arm: str
    settings: Mapping[str, float]
    score: float | None
    status: str = "completed"


def read_tuning(root: Path, study: Study) -> tuple[list[TuningRun], bool]:
    """Every tuning run below tuning/ARM/, and whether verdicts rest on them.

    They do where every best.json names the runs that it was found from; what lies beside those is of an earlier start.
    """
    found: list[TuningRun] = []
    known = True
    for folder in folders(root) if study.nuisance else ():
        arm = arm_of(folder.name, study)
        if arm is None:
            continue
        told = [(path.parent, read_object(path)) for path in sorted(folder.rglob(BEST))]
        whole = [(place, one) for place, one in told if one.get("rule") == RULE]
        known = known and bool(whole)
        if whole:
            for place, one in whole:
                runs = [str(run) for run in one.get("runs") or ()]
                found += [run_of(arm, read_record(place / run), study, one.get("verdict_seed")) for run in runs]
        else:
            every = sorted(folder.rglob("result.json"))
            found += [run_of(arm, read_record(path.parent), study) for path in every]
    return found, known and bool(found)


def run_of(arm: str, record: Record, study: Study, verdict_seed: Any = None) -> TuningRun:
    """A tuning run from its record."""
    settings: dict[str, Any] = {}
    for name in study.nuisance:
        value = record.overrides.get(name, record.settings.get(name))
        settings[name] = value if (amount := number(value)) is None or isinstance(value, bool) else amount
    folder = SEED.match(record.directory.name)
    seed = record.seed if record.seed is not None else int(folder[1]) if folder else 0
    score = score_of(record, study.leading)
    measured = {name: on_validation(record, one, study.leading) for name, one in study.quantities.items()}
    values = {name: value for name, value in measured.items() if value is not None}
    return TuningRun(
        arm,
        settings,
        seed,
        math.nan if score is None else score,
        values,
        record.status,
        int(verdict_seed) if isinstance(verdict_seed, int) else None,
        data_version(record),
    )


def on_validation(record: Record, quantity: Quantity, leading: Quantity) -> float | None:
    """What a quantity other than the tuned one was in a tuning run, on validation; None where nothing tells."""
    if not record.done or is_tuned(quantity, leading) or quantity.deterministic:
        return None
    try:
        value = measure(twin(quantity), record.history, record.summary)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def score_of(record: Record, quantity: Quantity) -> float | None:
    """The value of the selection metric that a tuning run is judged by; None when it did not end."""
    if not record.done:
        return None
    if quantity.at == "tail":
        return score_in(record.content, quantity.select, tail=True)
    direction = quantity.select_direction
    chosen = Quantity("selection", quantity.select, "best", direction=direction, metric_direction=direction)
    score = record.summary.get(quantity.select, math.nan)
    if not math.isfinite(score):
        try:
            score = measure(chosen, record.history, record.summary)
        except ValueError:
            return None
    return score if math.isfinite(score) else None


def trials_of(runs: Iterable[TuningRun], study: Study) -> list[TuningTrial]:
    """The tuning trials that the runs make up; one that ran on several seeds scores their mean."""
    points: dict[Any, list[TuningRun]] = {}
    for run in runs:
        key = (run.arm, run.verdict_seed, *(text(run.settings.get(name)) for name in study.nuisance))
        points.setdefault(key, []).append(run)
    found = []
    for own in points.values():
        score = math.fsum(run.score for run in own) / len(own)
        settings = {name: value for name in study.nuisance if (value := number(own[0].settings.get(name))) is not None}
        status = next((run.status for run in own if run.status != "completed"), "completed")
        found.append(TuningTrial(own[0].arm, settings, score if math.isfinite(score) else None, status))
    return found


def tuning_csv(runs: Sequence[TuningRun], study: Study, mixed: bool = False) -> str:
    """One row per tuning run: with it a table of trials is judged as the directory is.

    Args:
        runs: of all arms.
        study: whose knobs they tuned.
        mixed: whether lint found that not all runs of the study were run alike.
    """
    quantities = [name for name in study.quantities if any(name in run.values for run in runs)]
    anew = ["verdict_seed"] if any(run.verdict_seed is not None for run in runs) else []
    seen = [SAW] if mixed and any(run.data for run in runs) else []
    columns = ["arm", *anew, *study.nuisance, "seed", "status", "score", *map(column, quantities), *seen]
    rows = []
    for run in runs:
        measured = [run.score, *(run.values.get(name, math.nan) for name in quantities)]
        cells = [repr(float(value)) if math.isfinite(value) else "" for value in measured]
        settings = [run.settings.get(name, "") for name in study.nuisance]
        saw = [run.data.told if run.data else ""] * len(seen)
        rows.append([run.arm, *([run.verdict_seed] if anew else []), *settings, run.seed, run.status, *cells, *saw])
    return table_text(columns, rows)


def column(quantity: str) -> str:
    """The column of a quantity in tuning.csv."""
    return f"{quantity} on validation"


def table_beside(folder: Path) -> Path | None:
    """The tuning runs' table in a folder of results, plain or zipped; None where there is none."""
    return next((path for path in (folder / TABLE, folder / f"{TABLE}.gz") if path.is_file()), None)


def read_table(path: Path, study: Study) -> list[TuningRun]:
    """The runs of a tuning.csv, or of one that was zipped; none where the study tunes nothing.

    Raises:
        ValueError: for a table of another study, or one that was damaged.
    """
    if not study.nuisance:
        return []
    found: dict[Any, TuningRun] = {}
    for line, row in enumerate(read_mappings(path), start=2):
        lacking = [name for name in ("arm", *study.nuisance, "seed", "score") if row.get(name) is None]
        if lacking:
            raise ValueError(
                f"{path} line {line}: expected the columns arm, {', '.join(study.nuisance)}, seed and score of this "
                f"study's tuning, found no {listing(lacking)}; copy it from the study's directory, or take it away"
            )
        seed, score = whole(row["seed"]), str(row["score"]).strip()
        arm = str(row["arm"]).strip()
        if arm not in study.arms or seed is None or (score and number(score) is None):
            raise ValueError(
                f"{path} line {line}: expected an arm of the study, a whole number as seed and a number or nothing as "
                f"score, found {arm!r}, {row['seed']!r} and {score!r}; copy it from the study's directory, or take it "
                "away"
            )
        settings: dict[str, Any] = {}
        for name, knob in study.nuisance.items():
            value = number(row[name])
            if value is None and knob.ordered:
                raise ValueError(f"{path} line {line}: expected a number as {name}, found {row[name]!r}; mend the cell")
            settings[name] = row[name] if value is None else value
        values = {name: value for name in study.quantities if (value := number(row.get(column(name)))) is not None}
        anew = whole(row.get("verdict_seed"))
        run = TuningRun(
            arm,
            settings,
            seed,
            number(score) if score else math.nan,  # type: ignore[arg-type]
            values,
            legible(str(row.get("status") or "completed")),
            anew,
            read_version(str(row.get(SAW) or "")),
        )
        key = (arm, anew, *map(text, settings.values()), run.seed)
        if repr(found.setdefault(key, run)) != repr(run):
            raise ValueError(
                f"{path} line {line}: expected each run of {arm} once, found one with the same seed and settings and "
                "other numbers above; keep the one that the study's directory has"
            )
    return list(found.values())
