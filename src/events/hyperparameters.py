"""The hyperparameters of a run as a table shows them: what was typed for it, then its root knobs."""

import math

from src.studies.notation import number, text
from src.studies.report.record import Record

Scalar = bool | float | str
# These say where a run is kept and watched, or which sweep it belongs to.
NO_HYPERPARAMETERS = ("data_dir", "resume", "output_dir", "logger", "hydra", "study", "search", "trust")
PRUNING = "callbacks.pruning"


def hyperparameters(record: Record) -> dict[str, Scalar]:
    """Name → value; a setting that is null has none, a list is written as it is typed."""
    typed = [name for name in record.overrides if name.split(".")[0] not in NO_HYPERPARAMETERS and name != PRUNING]
    knobs = [name for name in record.settings if "." not in name and name not in NO_HYPERPARAMETERS]
    found = {name: setting(record, name) for name in dict.fromkeys([*typed, *knobs])}
    return {name: value for name, value in found.items() if value is not None}


def setting(record: Record, name: str) -> Scalar | None:
    """The value that the run resolved a name to; where the name chose a file, which."""
    value = record.settings[name] if name in record.settings else record.overrides.get(name)
    if value is None or text(value) == "null":
        return None
    if isinstance(value, bool):
        return value
    amount = number(value)
    return text(value) if amount is None or not math.isfinite(amount) else amount
