"""Lightning's TensorBoard logger, with a row of the HParams table for the run when it has its result."""

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning.loggers as loggers
from pytorch_lightning.utilities import rank_zero_only

from litmus.claims.factors import SWEEPS, is_place
from litmus.claims.notation import number, text
from litmus.records.record import Record, read_overrides
from litmus.trial.epoch_rows import EpochRows, Row

# The table shows a tag's last value: the result has tags of its own, since the best epoch is not the last.
RESULT = "result/"
PRUNING = "callbacks.pruning"
# TensorBoard lays hyperparameters before metrics: with more columns no score is in sight.
MOST_METRICS = 3
# What a run is on, whoever typed it: in runs that typed it and runs that did not it would be an empty cell.
GROUPS = ("data", "model")
# Root knobs that say how a run is run and not what it is.
WAYS = ("trust", "fast", "threads")


class TensorBoardLogger(loggers.TensorBoardLogger):
    """As Lightning's, whose own table would hold what is known before the first update."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._rows = EpochRows()

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """An epoch's row, without the points that the module logged of it a step before."""
        self._log_rows(self._rows.due(metrics, step))

    def _log_rows(self, rows: Iterable[Row]) -> None:
        for metrics, step in rows:
            super().log_metrics(dict(metrics), step)

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Writes what no epoch's row came for."""
        self._log_rows(self._rows.left())
        super().finalize(status)

    @rank_zero_only
    def log_result(self, result: Mapping[str, Any]) -> None:
        """Writes the hyperparameters and final metrics of a run; one that failed has curves and no row."""
        overrides = read_overrides(result["overrides"])
        record = Record(Path(self.log_dir), result["status"], result["error"] or "", result, overrides=overrides)
        metrics = {name: value for name, value in record.summary.items() if math.isfinite(value)}
        if record.done and metrics:
            table = columns(list(metrics))
            self.log_hyperparams(hyperparameters(record), {f"{RESULT}{name}": metrics[name] for name in table})
            rest = {f"{RESULT}{name}": metrics[name] for name in metrics if name not in table}
            self._log_rows([*self._rows.left(), (rest, None)])


def columns(names: list[str]) -> list[str]:
    """The metrics that stand in the table: what validation chose by, its test twin, accuracy; else the first."""
    wanted = ("val/loss", "test/loss", "test/acc", *names)
    return list(dict.fromkeys(name for name in wanted if name in names))[:MOST_METRICS]


def hyperparameters(record: Record) -> dict[str, bool | float | str]:
    """What was typed for a run, what it is on, then its root knobs: name → value; a setting that is null has none."""
    typed = [name for name in record.overrides if _is_hyperparameter(name) and name != PRUNING]
    knobs = [name for name in record.settings if "." not in name and name not in WAYS and _is_hyperparameter(name)]
    found = {name: _setting(record, name) for name in dict.fromkeys([*typed, *GROUPS, *knobs])}
    return {name: value for name, value in found.items() if value is not None}


def _is_hyperparameter(name: str) -> bool:
    return not is_place(name) and name.partition(".")[0] not in SWEEPS


def _setting(record: Record, name: str) -> bool | float | str | None:
    """The value that the run resolved a name to; where the name chose a file, which; whole numbers as text (0, 256)."""
    value = record.settings[name] if name in record.settings else record.overrides.get(name)
    if value is None and name in GROUPS:
        value = record.default(name)
    if value is None or text(value) == "null":
        return None
    if isinstance(value, bool):
        return value
    amount = number(value)
    whole = isinstance(value, int) or str(value).isdigit()  # TensorBoard writes a number 0 as 0.0000
    return text(value) if whole or amount is None or not math.isfinite(amount) else amount
