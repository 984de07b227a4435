"""The columns of the table of runs: factors first, then metrics, then what the runs cost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from litmus.claims.notation import number
from litmus.claims.results import COUNTERS
from litmus.compare.comparison import Comparison
from litmus.report.multirun import FIRST

# So many factors and metrics are shown before the reader asks for all columns.
FACTORS, METRICS = 4, 5


@dataclass(frozen=True)
class Column:
    """One cell per run: a text (`kind` factor) or a number (`metric`, `counter`); None is an empty cell."""

    name: str
    kind: str
    values: Sequence[str | float | None]
    numeric: bool
    shown: bool


def columns(comparison: Comparison) -> list[Column]:
    """Every factor, metric and counter that some run has."""
    found = []
    for place, name in enumerate(comparison.factors):
        texts = [run.setting(name) for run in comparison.runs]
        numeric = all(number(cell) is not None for cell in texts if cell)
        found.append(Column(name, "factor", texts, numeric, place < FACTORS))
    names = metrics(comparison)
    for name in [*names, *counters(comparison)]:
        measured = [run.record.summary.get(name, math.nan) for run in comparison.runs]
        cells = [value if math.isfinite(value) else None for value in measured]
        shown = name in names[:METRICS] or name == "seconds"
        # epochs=34 is asked for, and counted when they are done.
        label = f"{name} (done)" if name in comparison.factors else name
        found.append(Column(label, "metric" if name in names else "counter", cells, True, shown))
    return found


def metrics(comparison: Comparison) -> list[str]:
    """The metrics that runs ended with, the usual ones first."""
    known = dict.fromkeys(name for run in comparison.runs for name in run.record.content.get("metrics") or {})
    return [*(name for name in FIRST if name in known), *(name for name in known if name not in FIRST)]


def counters(comparison: Comparison) -> list[str]:
    """What runs counted, in the usual order."""
    known = dict.fromkeys(name for run in comparison.runs for name in run.record.content.get("counters") or {})
    known.pop("path", None)  # how, not how much
    return [*(name for name in COUNTERS if name in known), *(name for name in known if name not in COUNTERS)]
