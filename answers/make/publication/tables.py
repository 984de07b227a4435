"""The tables of a published study, zipped: what its runs recorded, small enough for a repository.

results.csv.gz has a row per trial, as results.csv of a study's directory has; trials.csv.gz one per run that ended: the
knobs tuned for it, and its metrics at the epoch that validation chose. curves.csv.gz has its losses and accuracies by
epoch, counted from 0 as in metrics.csv. pandas and zcat read them.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from litmus.claims.notation import number
from litmus.claims.reductions import History
from litmus.claims.results import COUNTERS, counter_column
from litmus.claims.runs import Run
from litmus.claims.study import Study
from litmus.report.evidence import Evidence
from litmus.tables import read_mappings, table_text

RESULTS, TRIALS, CURVES = "results.csv.gz", "trials.csv.gz", "curves.csv.gz"
SHOWN = ("train/loss", "train/acc", "val/loss", "val/acc")
MOST_EPOCHS, MOST_BYTES = 100, 150_000
LONG = re.compile(r"(?<![^,\n])-?\d*\.\d{9,}(?:e[+-]?\d+)?(?![^,\n])")


def trials_csv(evidence: Evidence) -> str:
    """The runs that ended, to six digits."""
    ended = {key: record for key, record in evidence.records.items() if record.done}
    metrics = list(dict.fromkeys(name for record in ended.values() for name in record.content.get("metrics") or {}))
    # In the results the column of such a name is the quantity's.
    quantities = evidence.study.quantities
    hidden = [name for name in COUNTERS if name in quantities and quantities[name].metric != name]
    tuned = list(evidence.study.nuisance)
    rows = []
    for (arm, seed), record in ended.items():
        known = [*(record.settings.get(name) for name in tuned), record.content.get("best_epoch")]
        rows.append([arm, seed, *(compact(one, 6) for one in (*known, *map(record.summary.get, [*hidden, *metrics])))])
    return table_text(["arm", "seed", *tuned, "best_epoch", *hidden, *metrics], rows)


def curves_csv(evidence: Evidence) -> str:
    """The curves, to five digits; the epochs of long runs are thinned out evenly, the first and the last stay."""
    ended = {key: record.history for key, record in evidence.records.items() if record.done and record.history}
    names = [name for name in ("epoch", "updates", *SHOWN) if any(name in history for history in ended.values())]
    most = MOST_EPOCHS
    while True:
        rows = [[*key, *row] for key, history in ended.items() for row in thinned(history, names, most)]
        text = table_text(["arm", "seed", *names], rows)
        if len(text) <= MOST_BYTES or most <= 2:
            return text
        most = max(2, most * MOST_BYTES // len(text))


def zipped(table: str) -> bytes:
    """A table as its .gz, the same bytes whenever it is made."""
    return gzip.compress(table.encode(), mtime=0)


def thinned(history: History, names: Sequence[str], most: int) -> Iterable[list[Any]]:
    """At most so many rows of a run's curves."""
    length = len(next(iter(history.values())))
    for place in np.unique(np.linspace(0, length - 1, min(length, most)).round().astype(int)):
        yield [compact(history[name][place], 5) if name in history else "" for name in names]


def shortened(table: str) -> str:
    """A table whose numbers have nine digits, which are all that a single-precision number has."""
    return LONG.sub(lambda found: f"{float(found[0]):.9g}", table)


def compact(value: Any, digits: int) -> str:
    """A number to so many digits, whole ones in full, nothing for what is not finite."""
    amount = number(value)
    if amount is None or not np.isfinite(amount):
        return ""
    return str(int(amount)) if amount == int(amount) else f"{amount:.{digits}g}"


def read_runs(place: Path) -> list[Run]:
    """The runs of a published study with what its two tables tell of them; none where it has neither."""
    summaries = {key: dict(zip(names, row, strict=True)) for names, key, row in numbers(place / TRIALS)}
    curves: dict[tuple[str, int], dict[str, list[float]]] = {}
    for names, key, row in numbers(place / CURVES):
        for name, value in zip(names, row, strict=True):
            curves.setdefault(key, {}).setdefault(name, []).append(value)
    return [
        Run(
            *key, {name: np.array(curve) for name, curve in curves.get(key, {}).items()}, finite(summaries.get(key, {}))
        )
        for key in dict.fromkeys([*summaries, *curves])
    ]


def counted_results(place: Path, study: Study) -> str:
    """The published results with what the runs did in all where a quantity has a counter's name; empty where they do.

    Tables of before had that in trials.csv.gz alone.
    """
    rows = read_mappings(place / RESULTS, own=True)
    runs = {key: dict(zip(names, row, strict=True)) for names, key, row in numbers(place / TRIALS)}
    known = {name for run in runs.values() for name in run}
    lacking = [name for name in COUNTERS if counter_column(study, name) != name and name in known]
    lacking = [name for name in lacking if rows and counter_column(study, name) not in rows[0]]
    for row in rows:
        run = finite(runs.get((row["arm"], int(row["seed"])), {}))
        row.update({counter_column(study, name): compact(run.get(name), 6) for name in lacking})
    return table_text(list(rows[0]), [list(row.values()) for row in rows]) if lacking else ""


def numbers(path: Path) -> Iterable[tuple[list[str], tuple[str, int], list[float]]]:
    """Each row of a table as (names, (arm, seed), numbers); an empty cell is not a number; nothing without a file.

    Raises:
        ValueError: for a cell that is no number, or a row that is cut short.
    """
    if path.is_file():
        for line, row in enumerate(read_mappings(path, own=True), start=2):
            try:
                key = (row.pop("arm"), int(row.pop("seed")))
                yield list(row), key, [float(cell) if cell != "" else np.nan for cell in row.values()]
            except (TypeError, ValueError, KeyError) as problem:
                raise ValueError(f"{path} line {line} is no row of numbers; publish the study again") from problem


def finite(values: Mapping[str, float]) -> dict[str, float]:
    """What was measured."""
    return {name: value for name, value in values.items() if np.isfinite(value)}
