"""From a learning curve to one number; a history is a dictionary of equally long arrays, one entry per epoch."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

Curve = NDArray[np.float64]
History = Mapping[str, Curve]
ROUGHNESS_EPOCHS = 3  # a second difference has three points
UNITS = ("updates", "samples", "seconds", "epoch")


def last(curve: Curve, sign: int = -1) -> float:
    """The final value."""
    return float(curve[-1])


def best(curve: Curve, sign: int = -1) -> float:
    """The best value on the way: its maximum (sign +1) or minimum (−1); NaN once the curve is not finite."""
    return float(sign * np.max(sign * curve))


def rise(curve: Curve, sign: int = -1) -> float:
    """How much of the best was lost by the end, |last − best|, never negative: the cost of training too long."""
    return float(sign * (best(curve, sign) - curve[-1]))


def roughness(curve: Curve, sign: int = -1) -> float:
    """√(mean (y[t+1] − 2 y[t] + y[t−1])² / 6): the SD of white noise about a locally straight curve."""
    if len(curve) < ROUGHNESS_EPOCHS:
        return math.nan
    return float(np.sqrt(np.mean(np.diff(curve, n=2) ** 2) / 6))


def area(curve: Curve, sign: int = -1) -> float:
    """The curve's mean height by the trapezium rule over its epochs (area divided by length)."""
    return float(np.trapezoid(curve) / (len(curve) - 1)) if len(curve) > 1 else float(curve[0])


def at_best(curve: Curve, selection: Curve, selection_sign: int) -> float:
    """The value at the epoch that another curve, usually validation's, calls best (the first of equals)."""
    oriented = np.where(np.isfinite(selection), selection_sign * selection, -np.inf)
    return float(curve[int(np.argmax(oriented))]) if np.isfinite(oriented).any() else math.nan


def time_to(curve: Curve, clock: Curve, threshold: float, sign: int) -> float:
    """The clock when the curve first is at least as good as the threshold; infinite (censored) when it never is."""
    reached = np.flatnonzero(sign * curve >= sign * threshold)
    return float(clock[reached[0]]) if len(reached) else math.inf


def gap(history: History) -> Curve:
    """Validation loss minus training loss, per epoch."""
    return np.asarray(history["val/loss"], dtype=float) - np.asarray(history["train/loss"], dtype=float)


def diverged(history: History) -> Curve:
    """1 from the first epoch at which some loss is not finite, 0 before."""
    losses = [np.asarray(curve, dtype=float) for name, curve in history.items() if name.endswith("loss")]
    broken = ~np.isfinite(np.vstack(losses)).all(axis=0)
    return np.maximum.accumulate(broken).astype(float)


SIMPLE: dict[str, Callable[[Curve, int], float]] = {
    "last": last,
    "best": best,
    "rise": rise,
    "roughness": roughness,
    "auc": area,
}
REDUCTIONS = (*SIMPLE, "best_val", "time_to")
DERIVED: dict[str, tuple[Callable[[History], Curve], tuple[str, ...]]] = {
    "gap": (gap, ("val/loss", "train/loss")),
    "diverged": (diverged, ("train/loss",)),
}
