"""The hyperparameters of a run as a table shows them: what was typed for it, then its root knobs."""

import math

from litmus.claims.factors import SWEEPS, is_place
from litmus.claims.notation import number, text
from litmus.records.record import Record

Scalar = bool | float | str
PRUNING = "callbacks.pruning"


def hyperparameters(record: Record) -> dict[str, Scalar]:
    """Name → value; a setting that is null has none, a list is written as it is typed."""
    typed = [name for name in record.overrides if _is_hyperparameter(name) and name != PRUNING]
    knobs = [name for name in record.settings if "." not in name and _is_hyperparameter(name)]
    found = {name: setting(record, name) for name in dict.fromkeys([*typed, *knobs])}
    return {name: value for name, value in found.items() if value is not None}


def _is_hyperparameter(name: str) -> bool:
    return not is_place(name) and name.partition(".")[0] not in SWEEPS


def setting(record: Record, name: str) -> Scalar | None:
    """The value that the run resolved a name to; where the name chose a file, which."""
    value = record.settings[name] if name in record.settings else record.overrides.get(name)
    if value is None or text(value) == "null":
        return None
    if isinstance(value, bool):
        return value
    amount = number(value)
    return text(value) if amount is None or not math.isfinite(amount) else amount
