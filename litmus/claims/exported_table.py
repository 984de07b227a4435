"""Tables that W&B and MLflow export, turned into a table of trials: a column per factor, `seed`, one per quantity."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from litmus.claims.finding import Finding, warning
from litmus.claims.notation import listing, text
from litmus.claims.quantity import no_column
from litmus.claims.results import COUNTERS, counter_column
from litmus.claims.study import Study
from litmus.words import count

# How each tool says how a run went, and which of these words is a run that ended as it was to.
STATES = ("State", "state", "Status", "status", "attributes.status")
FINISHED = ("finished", "completed")
FAILED = ("crashed", "failed", "killed")
PENDING = ("running", "pending", "preempted", "preempting", "scheduled", "queued", "interrupted", "unfinished")
# A column's settings and metrics may stand below one of these.
SETTINGS = ("", "config.", "config/", "params.", "params/", "parameters.")
METRICS = ("", "summary.", "summary/", "metrics.", "metrics/", "summary_metrics.")
# Cells of W&B's API that hold a whole dictionary.
WHOLE = ("config", "summary")
MARKS = (
    *({"Name", "State"}, {"Name", "Created", "Runtime"}, {"run_id", "status"}, {"Run ID", "Status"}),
    *({"Run ID", "Name", "Start Time"}, {"summary", "config"}, {"Run", "Start Time", "Duration"}),
)
# NaN and infinities as JSON and both tools write them are read by `number`; these are not.
JOBS = ("Job Type", "job_type", "jobType", "config.job_type")
NOTHING = ("", "-", "None", "none", "null", "N/A")


def is_export(columns: Iterable[str], rows: Iterable[Mapping[str, Any]] = ()) -> bool:
    """Whether these are the columns of an exported table of runs; another table may have a State of its own."""
    known = set(columns)
    state = next((name for name in STATES if name in known), None)
    words = {str(row.get(state) or "finished").strip().lower() for row in rows} if state else set()
    if not words <= {*FINISHED, *FAILED, *PENDING}:
        return False
    named = any(name.startswith(("params.", "metrics.")) for name in known)
    return any(mark <= known for mark in MARKS) or ("run_id" in known and named)


def from_export(study: Study, rows: Sequence[Mapping[str, Any]]) -> tuple[list[dict[str, Any]], list[Finding]]:
    """The rows as a table of trials has them, and what was left out.

    A run that did not finish is a trial without values, which has its state. Runs that tuned are of no arm.

    Raises:
        ValueError: for a factor, a seed or a quantity that no column, or more than one, could be.
    """
    rows = [whole(row) for row in rows]
    columns = list(dict.fromkeys(key for row in rows for key in row))
    state = next((name for name in STATES if name in columns), None)
    names = {} if "arm" in columns else {key: column_of(key, columns, rows, "factor") for key in study.varied}
    seed = column_of("seed", columns, rows, "seed")
    measured = {name: metric_of(study, name, columns, rows) for name in study.quantities}
    found = {key: first(key, columns, METRICS) for key in COUNTERS}
    named = {key: counter_column(study, key) for key in COUNTERS}
    # A quantity that is called like a counter is not what the run counted.
    counters = {named[key]: own for key, own in found.items() if own and (named[key] == key or own != measured[key])}
    made: list[tuple[bool, dict[str, Any]]] = []
    left: list[str] = []
    for line, row in enumerate(rows, start=2):
        if any(str(row.get(name, "")).strip() == "tune" for name in JOBS):
            continue
        good = state is None or state_of(row, state) in FINISHED
        settings = {key: row.get(column) for key, column in names.items()}
        arm = arm_of(study, settings) if names else str(row.get("arm", "")).strip()
        one: dict[str, Any] = {"line": line, "table": row.get("table"), **settings, "seed": row.get(seed)}
        one["arm"] = arm or ", ".join(f"{key} {text(value)}" for key, value in settings.items())
        if good:
            one |= {name: blank(row.get(column)) for name, column in measured.items() if column is not None}
            one |= {key: row.get(column) for key, column in counters.items()}
        else:
            one["state"] = row.get(str(state))
            left.append(f"line {line} ({row.get('Name') or row.get('run_id') or 'run'} {row.get(str(state))})")
        made.append((good, one))
    if made and not any(good for good, _ in made):
        raise ValueError(
            f"none of the export's {count(len(made), 'run')} finished (line 2 is {rows[0].get(str(state))}): there is "
            "nothing to judge; export them again when they have"
        )
    refuse_other_defaults(study, [one for _, one in made])
    message = f"{count(len(left), 'run')} of the export did not finish and give no values: {listing(left, 3)}."
    return [one for _, one in made], [warning("unfinished_run", message)] if left else []


def state_of(row: Mapping[str, Any], column: str) -> str:
    """How a run went, as its row says it."""
    return str(row.get(column) or "").strip().lower()


def whole(row: Mapping[str, Any]) -> dict[str, Any]:
    """The row with dictionaries that stand in one cell, as W&B's API gives them, spread over columns."""
    found = dict(row)
    for name in WHOLE:
        cell = str(row.get(name) or "").strip()
        if cell.startswith("{"):
            try:
                content = ast.literal_eval(re.sub(r"(?<![\w'\"])(nan|inf|-inf|NaN|Infinity)(?![\w'\"])", r"'\1'", cell))
            except (ValueError, SyntaxError) as problem:
                raise ValueError(
                    f"the column {name} holds {cell[:40]!r}…, which is no dictionary of values"
                ) from problem
            del found[name]
            found |= {f"{name}.{key}": value for key, value in spread(content)}
    return found


def spread(content: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """A nested dictionary with dotted names."""
    found: list[tuple[str, Any]] = []
    for key, value in content.items():
        found += spread(value, f"{prefix}{key}.") if isinstance(value, Mapping) else [(f"{prefix}{key}", value)]
    return found


def spellings(key: str, below: Sequence[str]) -> list[str]:
    """How a name may be written as a column: with a dot or a slash, below config or params, with W&B's `.value`."""
    plain = key.lstrip("+~")
    each = dict.fromkeys((plain, plain.replace(".", "/"), plain.replace("/", ".")))
    return [f"{prefix}{one}{end}" for prefix in below for one in each for end in ("", ".value")]


def first(key: str, columns: Sequence[str], below: Sequence[str]) -> str | None:
    """The first spelling of a name that is a column."""
    return next((name for name in spellings(key, below) if name in columns), None)


def column_of(key: str, columns: Sequence[str], rows: Sequence[Mapping[str, Any]], what: str) -> str:
    """The one column of a factor or the seed.

    Raises:
        ValueError: where there is none, or several that differ in a row.
    """
    found = [name for name in dict.fromkeys(spellings(key, SETTINGS)) if name in columns]
    found = found or [name for name in columns if re.split(r"[./]", name)[-1] == key.lstrip("+~")]
    refuse_differing(found, rows, f"{what} {key}")
    if not found:
        raise ValueError(
            f"the export has no column for the {what} {key}, as {key} or params.{key}; its columns are "
            f"{listing(columns, 20)}"
        )
    return found[0]


def refuse_differing(found: Sequence[str], rows: Sequence[Mapping[str, Any]], what: str, of: str = "export") -> None:
    """Refuses columns that could all be the same thing and have different cells in a row."""
    differing = [name for name in found[1:] if any(_other(row.get(name), row.get(found[0])) for row in rows)]
    if differing:
        raise ValueError(
            f"the {of} has several columns that could be the {what}, {listing([found[0], *differing])}, and they "
            "differ; leave out, or call otherwise, all but the one that is meant"
        )


def _other(one: Any, another: Any) -> bool:
    return not _empty(one) and not _empty(another) and text(one) != text(another)


def _empty(cell: Any) -> bool:
    return cell is None or not str(cell).strip()


def metric_of(study: Study, name: str, columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> str | None:
    """The column of a quantity; None of one that no prediction is about.

    Raises:
        ValueError: where there is none, or several that differ in a row.
    """
    quantity = study.quantities[name]
    # What another quantity is called is that one's column.
    keys = [key for key in quantity.columns if key == name or key not in study.quantities]
    wanted = [spelled for key in keys for spelled in spellings(key, METRICS)]
    found = [column for column in dict.fromkeys(wanted) if column in columns]
    refuse_differing(found, rows, f"quantity {name}")
    if not found and any(prediction.quantity == name for prediction in study.predictions.values()):
        raise ValueError(
            f"the export has {no_column(quantity)}, alone or below metrics.; its columns are {listing(columns, 20)}"
        )
    return found[0] if found else None


def blank(cell: Any) -> Any:
    """The cell; None where a tool writes that there is nothing."""
    return None if cell is None or str(cell).strip() in NOTHING else cell


def arm_of(study: Study, settings: Mapping[str, Any]) -> str | None:
    """The arm of a run: the one that sets most of what the run has; None where that is none, or several.

    An export has all settings of a run, those that an arm leaves to their defaults included.
    """
    fitting = [
        arm
        for arm, overrides in study.arms.items()
        if all(_is(settings.get(key), value) for key, value in overrides.items())
    ]
    most = max((len(study.arms[arm]) for arm in fitting), default=0)
    best = [arm for arm in fitting if len(study.arms[arm]) == most]
    return best[0] if len(best) == 1 else None


def _is(cell: Any, value: Any) -> bool:
    return text(cell) == text(value) or (value is None and blank(cell) is None)


def refuse_other_defaults(study: Study, rows: Sequence[Mapping[str, Any]]) -> None:
    """Refuses arms whose runs differ in what the arm leaves to its default.

    Raises:
        ValueError: naming the arm, the setting and its values.
    """
    for arm, overrides in study.arms.items():
        for key in (key for key in study.varied if key not in overrides):
            values = {text(row.get(key)) for row in rows if row["arm"] == arm and not _empty(row.get(key))}
            if len(values) > 1:
                raise ValueError(
                    f"the arm {arm} leaves {key} alone, and its runs in the export have {listing(sorted(values))}: say "
                    "in the study which of them the arm has, or export only its runs"
                )
