"""One trial's number for one quantity, from its learning curves and its end-of-run summary."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from litmus.claims.notation import listing
from litmus.claims.quantity import Quantity, direction_of
from litmus.claims.reductions import DERIVED, SIMPLE, Curve, History, at_best, time_to


def measure(quantity: Quantity, history: History | None, summary: Mapping[str, float] | None = None) -> float:
    """The quantity of a run: NaN when its curve is not finite, infinite when a time_to was never reached.

    The summary answers for what has no curve: counters, and test metrics, which are measured once at best validation.
    """
    curves = history or {}
    curve = _curve(quantity.metric, curves)
    if curve is None or len(curve) == 0:
        if summary is not None and quantity.metric in summary and quantity.at in ("last", "best_val"):
            return float(summary[quantity.metric])
        known = listing(sorted({*curves, *(summary or {})}), 20) or "nothing"
        raise ValueError(
            f"quantity {quantity.name} needs {quantity.metric!r} ({quantity.at}), the run recorded {known}"
        )
    sign = 1 if quantity.metric_direction == "up" else -1
    if quantity.at == "best_val":
        selection = _need(quantity.select, curves, quantity)
        return at_best(curve, selection, 1 if direction_of(quantity.select) == "up" else -1)
    if quantity.at == "time_to":
        assert quantity.threshold is not None
        return time_to(curve, _need(quantity.unit, curves, quantity), quantity.threshold, sign)
    return SIMPLE[quantity.at](curve, sign)


def _curve(name: str, history: History) -> Curve | None:
    if name in history:
        return np.asarray(history[name], dtype=float)
    if name in DERIVED and all(part in history for part in DERIVED[name][1]):
        return DERIVED[name][0](history)
    return None


def _need(name: str, history: History, quantity: Quantity) -> Curve:
    curve = _curve(name, history)
    if curve is None:
        raise ValueError(
            f"{quantity.name} ({quantity.at}) needs the curve {name!r}, the run recorded {listing(sorted(history), 20)}"
        )
    return curve
