"""Lightning's TensorBoard logger, with a row of the HParams table for the run when it has its result."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning.loggers as loggers
from pytorch_lightning.utilities import rank_zero_only

from litmus.claims.factors import SWEEPS, is_place
from litmus.claims.notation import number, text
from litmus.records.record import Record, read_overrides

# The table shows a tag's last value: the result has tags of its own, since the best epoch is not the last.
RESULT = "result/"
PRUNING = "callbacks.pruning"


class TensorBoardLogger(loggers.TensorBoardLogger):
    """As Lightning's, whose own table would hold what is known before the first update."""

    @rank_zero_only
    def log_result(self, result: Mapping[str, Any]) -> None:
        """Writes the hyperparameters and final metrics of a run; one that failed has curves and no row."""
        overrides = read_overrides(result["overrides"])
        record = Record(Path(self.log_dir), result["status"], result["error"] or "", result, overrides=overrides)
        metrics = {f"{RESULT}{name}": value for name, value in record.summary.items() if math.isfinite(value)}
        if record.done and metrics:
            self.log_hyperparams(hyperparameters(record), metrics)


def hyperparameters(record: Record) -> dict[str, bool | float | str]:
    """What was typed for a run, then its root knobs: name → value; a setting that is null has none."""
    typed = [name for name in record.overrides if _is_hyperparameter(name) and name != PRUNING]
    knobs = [name for name in record.settings if "." not in name and _is_hyperparameter(name)]
    found = {name: _setting(record, name) for name in dict.fromkeys([*typed, *knobs])}
    return {name: value for name, value in found.items() if value is not None}


def _is_hyperparameter(name: str) -> bool:
    return not is_place(name) and name.partition(".")[0] not in SWEEPS


def _setting(record: Record, name: str) -> bool | float | str | None:
    """The value that the run resolved a name to; where the name chose a file, which."""
    value = record.settings[name] if name in record.settings else record.overrides.get(name)
    if value is None or text(value) == "null":
        return None
    if isinstance(value, bool):
        return value
    amount = number(value)
    return text(value) if amount is None or not math.isfinite(amount) else amount
