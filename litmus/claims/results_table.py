"""Reading a table of trials run anywhere: a column per factor or an `arm` column, `seed`, a column per quantity."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from litmus.claims.data_version import read_version
from litmus.claims.exported_table import FAILED, PENDING, STATES, from_export, is_export, refuse_differing, state_of
from litmus.claims.finding import Finding, warning
from litmus.claims.notation import listing, number, text, whole
from litmus.claims.quantity import no_column
from litmus.claims.results import COUNTERS, Results, Trial, collect, counter_column
from litmus.claims.study import Study
from litmus.legible import legible
from litmus.tables import read_mappings

# Columns that a table has where its trials were not all run alike.
RAN = ("code", "numerics", "sha256")
# How a trial without an end says so, where a table keeps that as its error.
UNENDED = ("no result.json: still running", "interrupted")


def read_results(study: Study, *paths: str | Path) -> Results:
    """Results from CSV files; with several, each file is a table of its own."""
    rows: list[dict[str, Any]] = []
    for path in map(Path, paths):
        name = {"table": legible(path.stem)} if len(paths) > 1 else {}
        rows += [{**name, **row} for row in read_mappings(path) if any(row.values())]
    return results_from_rows(study, rows)


def results_from_rows(study: Study, rows: Iterable[Mapping[str, Any]]) -> Results:
    """Results from rows; `table`, where given, says which table a row was reported in."""
    rows = list(rows)
    if not rows:
        raise ValueError("the results table has no rows; expected one row per trial")
    columns = list(dict.fromkeys(key for row in rows for key in row))
    left: list[Finding] = []
    lines = [*range(2, len(rows) + 2)]  # line 1 is the header
    if is_export(columns, rows):
        rows, left = from_export(study, rows)
        lines = [row["line"] for row in rows]
        columns = list(dict.fromkeys(key for row in rows for key in row))
    quantities = _columns(study, columns, rows)
    spent = {key: column for key in COUNTERS if (column := counter_column(study, key)) in columns}
    by_arm = "arm" in columns
    if not by_arm and not set(study.varied) <= set(columns):
        lacking = [key for key in study.varied if key not in columns]
        raise ValueError(f"the results table needs an arm column or one per factor, and lacks {listing(lacking)}")
    if "seed" not in columns:
        raise ValueError(f"the results table has no seed column; its columns are {listing(columns, 20)}")
    # Of the names that a state may have, those that are no factor here.
    states = [name for name in STATES if name in columns and name not in study.varied]
    trials: list[Trial] = []
    damage = Damage()
    for line, row in zip(lines, rows, strict=True):
        arm = _arm(study, row, by_arm)
        seed = whole(row.get("seed"))
        if arm is None:
            told = {key: row.get(key) for key in (["arm"] if by_arm else study.varied)}
            damage.unknown.append(f"line {line} ({', '.join(f'{k} {text(v)}' for k, v in told.items())})")
        elif seed is None:
            damage.seedless.append(f"line {line} (seed {row.get('seed')!r})")
        else:
            values = damage.numbers(row, quantities, line)
            counters = {key: v for key, column in spent.items() if (v := number(row.get(column))) is not None}
            load = number(row.get("load")) if "load" not in study.varied else None
            words = {state_of(row, name) for name in states}
            reasons = [*([row.get("error")] if "error" not in study.varied else []), *words.intersection(FAILED)]
            error, pending = next((str(one) for one in reasons if one), ""), bool(words & {*PENDING})
            pending = (pending or error.startswith(UNENDED)) and not values  # a value is one, whatever else goes on
            cells = {name: row.get(column) for name, column in quantities.items()}
            written = {k: v for k, v in cells.items() if isinstance(v, str) and number(v) is not None}
            table = text(row.get("table") or "")
            trial = Trial(arm, seed, values, counters, table, error, pending, written, load=load)
            trials.append(ran_by(trial, {name: row[name] for name in RAN if name in row and name not in study.varied}))
    return collect(study, trials, [*left, *damage.findings()])


def told_of(trial: Trial, name: str) -> str:
    """What ran a trial, as a cell: its code and of which classes, device=cpu; threads=1, or the data that it saw."""
    if name == "code":
        return f"{trial.code} of {trial.parts}" if trial.code else ""
    if name == "sha256":
        return trial.data.told if trial.data else ""
    return "; ".join(f"{key}={value}" for key, value in trial.numerics.items())


def ran_by(trial: Trial, cells: Mapping[str, Any]) -> Trial:
    """The trial with what ran it, from such cells."""
    code, _, parts = str(cells.get("code") or "").partition(" of ")
    pairs = (part.strip().partition("=") for part in str(cells.get("numerics") or "").split(";"))
    ran = {key: value for key, _, value in pairs if value}
    return replace(trial, code=code, parts=parts, numerics=ran, data=read_version(str(cells.get("sha256") or "")))


class Damage:
    """What a table holds that is no trial, by kind."""

    def __init__(self) -> None:
        self.unknown: list[str] = []
        self.seedless: list[str] = []
        self.texts: list[str] = []

    def numbers(self, row: Mapping[str, Any], quantities: Mapping[str, str], line: int) -> dict[str, float]:
        """The row's numbers by quantity; an empty cell is absent, text is absent and noted."""
        values = {}
        for name, column in quantities.items():
            cell = row.get(column)
            # A run that is said to have diverged failed, and is no missing value: what is left would be lucky runs.
            amount = math.nan if str(cell).strip().lower() == "diverged" else number(cell)
            if amount is not None:
                values[name] = amount
            elif cell is not None and str(cell).strip():
                self.texts.append(f"line {line} ({column} {str(cell).strip()!r})")
        return values

    def findings(self) -> list[Finding]:
        """One sentence per kind of damage."""
        kinds = (
            ("unknown_arm", self.unknown, "belong to no arm of the study and are left out"),
            ("bad_seed", self.seedless, "have no whole number as seed and are left out"),
            ("text_value", self.texts, "hold text where a number was expected; these values are left out"),
        )
        return [
            warning(code, f"{len(places)} row(s) of the results {what}: {listing(places, 3)}.")
            for code, places, what in kinds
            if places
        ]


def _columns(study: Study, columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Quantity → its column, by the quantity's name or else its metric."""
    names = {}
    for name, quantity in study.quantities.items():
        # What another quantity is called is that one's column.
        own = [column for column in dict.fromkeys(quantity.columns) if column == name or column not in study.quantities]
        found = [column for column in own if column in columns]
        if quantity.metric not in COUNTERS:  # beside its quantity every run's counter has a column
            refuse_differing(found, rows, f"quantity {name}", "results table")
        if found:
            names[name] = found[0]
        elif any(prediction.quantity == name for prediction in study.predictions.values()):
            raise ValueError(f"the results table has {no_column(quantity)}; its columns are {listing(columns, 20)}")
    return names


def _arm(study: Study, row: Mapping[str, Any], by_arm: bool) -> str | None:
    """The arm of a row: named, or the only one whose every setting the row has."""
    if by_arm:
        name = str(row.get("arm", "")).strip()
        return name if name in study.arms else None
    fitting = [
        arm
        for arm, overrides in study.arms.items()
        if all(setting(row.get(key)) == text(value) for key, value in overrides.items())
        # An arm that leaves a key alone has an empty cell there.
        and all(key in overrides or setting(row.get(key)) == "null" for key in study.varied)
    ]
    return fitting[0] if len(fitting) == 1 else None


def setting(cell: Any) -> str:
    """A factor's cell as a canonical text; an empty cell is null."""
    return text(None if isinstance(cell, str) and not cell.strip() else cell)
