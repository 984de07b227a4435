"""What the page works on: runs, columns, curves and configurations as compact JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.special import stdtrit

from litmus.claims.notation import text
from litmus.claims.reductions import UNITS, Curve
from litmus.compare.comparison import Comparison, columns
from litmus.compare.ranking import data_of, ranked_by
from litmus.records.gathering import Arm, GatheredRun
from litmus.report.figures.style import DASHES, SERIES

# A curve of more points than a screen has pixels is thinned evenly; its first and last point stay.
MOST_POINTS = 1000
# Digits that no screen can show are left out of the file.
DIGITS = 6
LINES = {"-": "solid", "--": "dash", "-.": "dashdot", ":": "dot"}
TUNING = "longdash"


def payload(comparison: Comparison) -> dict[str, Any]:
    """The page's data; `series` holds each different curve once, and curves are places in it."""
    arms = list(comparison.arms)
    series, apart = Series(), strides(comparison)
    known = dict.fromkeys(filter(None, map(data_of, comparison.runs)))
    # What nobody knows of a damaged run is what all others have in common.
    unknown = next(iter(known)) if len(known) == 1 else "unknown data"
    most = max(map(len, comparison.arms.values()))
    return {
        "title": comparison.title,
        "ranked": ranked_by(comparison),
        "arms": [{**_arm(arm, comparison.order[arm.name]), "stride": apart[arm]} for arm in arms],
        "runs": [_run(run, arms.index(run.arm), data_of(run) or unknown) for run in comparison.runs],
        "columns": [vars(column) for column in columns(comparison)],
        "curves": curves(comparison, series, apart),
        "series": series.curves,
        "settings": settings(comparison.runs),
        # The half-width of a 95 % interval of a mean, in standard errors, by degrees of freedom from 1 on.
        "t": [round(float(value), 4) for value in stdtrit(np.arange(1, most + 1), 0.975)],
    }


def as_script(content: dict[str, Any]) -> str:
    """JSON that a script element can hold: no name of a run can end it."""
    written = json.dumps(content, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return written.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


class Series:
    """Different curves, each once: runs of equal length share their epochs and their samples."""

    def __init__(self) -> None:
        self.curves: list[list[float | None]] = []
        self._places: dict[bytes, int] = {}

    def place(self, curve: Curve, stride: int) -> int:
        """Where the curve is, thinned to points so far apart and the last; what is not finite becomes null."""
        if stride > 1 and len(curve):
            curve = curve[np.unique([*range(0, len(curve), stride), len(curve) - 1])]
        key = np.ascontiguousarray(curve).tobytes()
        if key not in self._places:
            self._places[key] = len(self.curves)
            self.curves.append([_short(value) for value in curve.tolist()])
        return self._places[key]


def curves(comparison: Comparison, series: Series, apart: Mapping[Arm, int]) -> dict[str, list[int | None]]:
    """Metric or clock → each run's place in the series; epochs are counted from 1, as they end."""
    # Columns without epochs are no learning curves: the file is another's.
    histories = [run.record.history if "epoch" in run.record.history else {} for run in comparison.runs]
    names = dict.fromkeys([*UNITS, *(name for history in histories for name in history)])
    return {
        name: [
            series.place(history[name] + (name == "epoch"), apart[run.arm]) if name in history else None
            for run, history in zip(comparison.runs, histories, strict=True)
        ]
        for name in names
    }


def strides(comparison: Comparison) -> dict[Arm, int]:
    """By how much an arm's curves are thinned, that of its longest run: its runs are averaged place by place, and equal
    places are equal epochs, whatever their lengths."""
    longest = {arm: max((len(run.record.history.get("epoch", ())) for run in own), default=0)
               for arm, own in comparison.arms.items()}  # fmt: skip
    return {arm: max(1, math.ceil((most - 1) / (MOST_POINTS - 2))) for arm, most in longest.items()}


def settings(runs: Any) -> dict[str, Any]:
    """`common` to all runs that have any, and each run's `own`; null is a setting that a run does not have."""
    flat = [{key: text(value) for key, value in run.settings.items()} for run in runs]
    keys = dict.fromkeys(key for entry in flat for key in entry)
    columns = {key: [entry.get(key) for entry in flat] for key in keys}
    with_any = [bool(entry) for entry in flat]
    common = {}
    for key, column in columns.items():
        values = {value for value, known in zip(column, with_any, strict=True) if known}
        if len(values) == 1:
            common[key] = values.pop()
    return {"common": common, "own": {key: column for key, column in columns.items() if key not in common}}


def _arm(arm: Arm, place: int) -> dict[str, Any]:
    # As in the report: the arm's place gives the colour and the line; a second round of colours has other lines.
    dash = DASHES[(place + place // len(SERIES)) % 4]
    return {
        "name": arm.name,
        "part": arm.part,
        "colour": f"--series-{place % len(SERIES) + 1}",
        "dash": TUNING if arm.part == "tuning" else LINES[dash],
    }


def _run(run: GatheredRun, arm: int, data: str) -> dict[str, Any]:
    record = run.record
    return {
        **{"name": run.name, "arm": arm, "seed": record.seed, "status": record.status, "why": record.error},
        **{"data": data, "place": run.where, "known": bool(run.settings), "repeats": run.repeats},
    }


def _short(value: float) -> float | int | None:
    if value - value != 0:  # neither NaN nor an infinity is JSON
        return None
    return int(value) if value == int(value) else float(f"{value:.{DIGITS}g}")
