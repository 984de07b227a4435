"""experiment_summary.csv: a row per trial of all studies of document 001."""

from __future__ import annotations

import math
from typing import Any

from answers.make.tuning_report.experiment import Experiment
from answers.make.tuning_report.experiments import Experiments
from src.studies.report.write import cell
from src.tables import table_text

SETTINGS = ("epochs", "updates_per_epoch", "units", "layers", "batch_size", "lr", "optimizer")
COUNTERS = ("params", "updates", "samples", "seconds")
METRICS = ("train/loss", "train/acc", "val/loss", "val/acc", "test/loss", "test/acc")
COLUMNS = ("study", "arm", "seed", *SETTINGS, *COUNTERS, "best_epoch", *METRICS, "error")


def trials(experiments: Experiments) -> list[dict[str, Any]]:
    """Every trial's settings, costs and metrics at the epoch that validation chose; epochs count from 0."""
    return [row for e in experiments.all for row in rows(e)]


def rows(e: Experiment) -> list[dict[str, Any]]:
    """The trials of one study."""
    found = []
    for (arm, seed), record in e.evidence.records.items():
        summary, hidden = record.summary, e.hidden(arm)
        found.append(
            {
                "study": e.name,
                "arm": arm,
                "seed": seed,
                "epochs": e.setting(arm, "epochs"),
                "updates_per_epoch": e.setting(arm, "updates_per_epoch"),
                "units": " ".join(map(str, hidden)),
                "layers": len(hidden),
                "batch_size": e.setting(arm, "batch_size"),
                "lr": record.settings.get("lr"),
                "optimizer": e.optimizer(arm),
                **{name: summary.get(name) for name in (*COUNTERS, *METRICS)},
                "best_epoch": record.content.get("best_epoch"),
                "error": record.error,
            }
        )
    return found


def trials_csv(found: list[dict[str, Any]]) -> str:
    """The table as text; an empty cell is what was not set or not measured."""
    return table_text(COLUMNS, [[shown(row[name]) for name in COLUMNS] for row in found])


def shown(value: Any) -> Any:
    """Numbers at full precision, nothing for what is not finite."""
    if isinstance(value, float):
        return cell(value) if math.isfinite(value) else ""
    return "" if value is None else value
