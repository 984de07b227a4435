"""The settings that a run has tried, and what came of each: tried.csv, and the run's learning curve made of them."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from litmus.atomic import replacing
from litmus.tables import read_mappings, write_mappings
from litmus.trial.history import FIRST_COLUMNS

COUNTERS = ("params", "epochs", "updates", "samples", "seconds")
Better = Callable[[float, float | None], bool]


@dataclass(frozen=True)
class Tried:
    """A setting and its fit: completed, diverged or failed.

    `metrics` are those of the epoch that was best on validation; of a fit that gave none, the monitored one alone, as
    bad as can be. `counters` are this fit's own.
    """

    values: Mapping[str, str]
    status: str
    metrics: Mapping[str, float]
    counters: Mapping[str, float] = field(default_factory=dict)
    best_epoch: int | None = None
    error: str = ""


def as_text(values: Mapping[str, Any]) -> dict[str, str]:
    """A point's values as tried.csv has them: floats to the last digit."""
    return {knob: repr(value) if isinstance(value, float) else str(value) for knob, value in values.items()}


def winner(tried: Sequence[Tried], monitor: str, better: Better) -> int | None:
    """The place of the best setting, the first of equals; None while no fit gave a score."""
    place, best = None, None
    for number, one in enumerate(tried):
        score = one.metrics[monitor]
        if math.isfinite(score) and better(score, best):
            place, best = number, score
    return place


def write_tried(path: Path, tried: Sequence[Tried], knobs: Sequence[str], monitor: str) -> None:
    """A row per setting: its number from 1 on, status, values, metrics, counters, best epoch and error."""
    metrics = metrics_of(tried, monitor)
    # `epochs` may be a knob as well: what the fit counted has names of its own.
    counters = [f"fit_{name}" for name in COUNTERS]
    rows: list[dict[str, Any]] = []
    for number, one in enumerate(tried, start=1):
        counted = {f"fit_{name}": text for name, text in as_text(one.counters).items()}
        told = {"setting": number, "status": one.status, "best_epoch": one.best_epoch, "error": one.error}
        rows.append({**told, **one.values, **as_text(one.metrics), **counted})
    with replacing(path) as part:
        write_mappings(part, ["setting", "status", *knobs, *metrics, *counters, "best_epoch", "error"], rows)


def read_tried(path: Path, knobs: Sequence[str]) -> list[Tried]:
    """What an interrupted run has tried; nothing where there is no file.

    Raises:
        ValueError: for a damaged row, naming its line.
    """
    if not path.exists():
        return []
    try:
        return [_tried(row, knobs) for row in read_mappings(path, own=True)]
    except (KeyError, TypeError, ValueError):
        raise ValueError(
            f"{path}: expected a row with {', '.join(knobs)} and numbers for each setting, found something else; the "
            "file was changed after the run wrote it: start a new run"
        ) from None


def _tried(row: Mapping[str, str], knobs: Sequence[str]) -> Tried:
    return Tried(
        values={knob: row[knob] for knob in knobs},
        status=row["status"],
        metrics={name: float(cell) for name, cell in row.items() if name not in knobs and "/" in name and cell},
        counters={name: _counted(row[f"fit_{name}"]) for name in COUNTERS if row[f"fit_{name}"]},
        best_epoch=int(row["best_epoch"]) if row["best_epoch"] else None,
        error=row["error"],
    )


def _counted(cell: str) -> float:
    return float(cell) if "." in cell or "e" in cell else int(cell)


def metrics_of(tried: Sequence[Tried], monitor: str) -> list[str]:
    """The names of the metrics that some fit recorded, the monitored one among them."""
    return sorted({monitor, *(name for one in tried for name in one.metrics)})


def totals(tried: Sequence[Tried]) -> dict[str, float]:
    """Epochs, updates, samples and seconds of all fits together."""
    return {name: sum(one.counters.get(name, 0) for one in tried) for name in COUNTERS if name != "params"}


def curve(tried: Sequence[Tried], monitor: str, better: Better) -> list[dict[str, float]]:
    """The run's learning curve, a row per setting: what all fits so far took, and the metrics of the best of them.

    `epoch` counts settings from 0 as it counts epochs elsewhere; the monitored metric is there twice, as the best so
    far and, with `_tried` behind its name, as this setting's own.
    """
    rows: list[dict[str, float]] = []
    total, best = totals(()), None
    for number, one in enumerate(tried):
        own = one.metrics[monitor]
        if math.isfinite(own) and (best is None or better(own, best.metrics[monitor])):
            best = one
        total = {name: value + one.counters.get(name, 0) for name, value in total.items()}
        clocks = {"epoch": number, "setting": number + 1, **total, "seconds": round(total["seconds"], 6)}
        rows.append({**clocks, **(best or one).metrics, f"{monitor}_tried": own})
    return rows


def write_curve(path: Path, tried: Sequence[Tried], monitor: str, better: Better) -> None:
    """metrics.csv of a run that tunes itself."""
    clocks = [name for name in FIRST_COLUMNS if name in ("epoch", "updates", "samples", "seconds")]
    columns = [*clocks, "setting", *metrics_of(tried, monitor), f"{monitor}_tried"]
    with replacing(path) as part:
        write_mappings(part, columns, curve(tried, monitor, better))
