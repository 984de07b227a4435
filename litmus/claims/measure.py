"""One trial's number for one quantity, from its learning curves and its end-of-run summary."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from litmus.claims.notation import listing
from litmus.claims.quantity import Quantity
from litmus.claims.reductions import DERIVED, SIMPLE, Curve, History, at_best, best_epoch, time_to


def measure(quantity: Quantity, history: History | None, summary: Mapping[str, float] | None = None) -> float:
    """The quantity of a run: NaN when its curve is not finite, infinite when a time_to was never reached.

    The summary answers for what has no curve: counters, and test metrics, which are measured once at best validation.
    """
    curves = history or {}
    if quantity.at == "tail" and summary is not None and in_summary(quantity.metric) in summary:
        return float(summary[in_summary(quantity.metric)])
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
        return at_best(curve, selection, 1 if quantity.select_direction == "up" else -1)
    if quantity.at == "time_to":
        assert quantity.threshold is not None
        return time_to(curve, _need(quantity.unit, curves, quantity), quantity.threshold, sign)
    try:
        return SIMPLE[quantity.at](curve, sign)
    except ValueError as problem:
        raise ValueError(f"quantity {quantity.name} cannot be measured: {problem}") from problem


def in_summary(metric: str) -> str:
    """How a run's summary calls the mean of a metric over the run's tail."""
    return f"{metric} (tail)"


def judged_epoch(quantity: Quantity, history: History, tested: int | None = None) -> int | None:
    """The place of the epoch up to which a run decides the quantity: the chosen one, or the last.

    None where the run has no curve that says so, and for what is counted. `tested` is the place of the epoch whose
    weights were tested, where that is known: a test metric without a curve is of no other, wherever it is judged.
    """
    if tested is not None and tested_once(quantity, history):
        return tested
    if quantity.at == "best_val":
        curve, up = _curve(quantity.select, history), quantity.select_direction == "up"
        return None if curve is None else best_epoch(curve, 1 if up else -1)
    curve = _curve(quantity.metric, history)
    sign = 1 if quantity.metric_direction == "up" else -1
    if quantity.at == "best":
        return None if curve is None else best_epoch(curve, sign)
    if quantity.at == "time_to" and curve is not None and quantity.threshold is not None:
        reached = np.flatnonzero(sign * curve >= sign * quantity.threshold)
        return int(reached[0]) if len(reached) else len(curve) - 1
    # What has no curve of its own, as the test metrics of the end, is judged where the curves end.
    longest = max((len(one) for one in history.values()), default=0)
    return longest - 1 if longest and (curve is not None or "/" in quantity.metric) else None


def tested_once(quantity: Quantity, history: History) -> bool:
    """Whether it is a test metric without a curve, which a run measures once, of the weights that it chose."""
    return quantity.metric.startswith("test/") and _curve(quantity.metric, history) is None


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
