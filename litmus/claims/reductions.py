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
# `tail` is the mean over this share of a run's evaluations, its last, and needs so many of them.
TAIL = 0.2
FEWEST_IN_TAIL = 10


def last(curve: Curve, sign: int = -1) -> float:
    """The final value."""
    return float(curve[-1])


def best(curve: Curve, sign: int = -1) -> float:
    """The best value on the way: its maximum (sign +1) or minimum (−1); NaN once the curve is not finite.

    The more epochs, the better by noise alone: lint compares no arms of different lengths by it.
    """
    return float(sign * np.max(sign * curve))


def in_tail(evaluations: int, share: float = TAIL) -> int:
    """How many of so many evaluations are the tail."""
    return max(1, round(share * evaluations))


def tail(curve: Curve, sign: int = -1) -> float:
    """The mean over the last fifth of the evaluations: `last` without most of the noise of where the run stopped.

    Raises:
        ValueError: where these are fewer than ten.
    """
    count = in_tail(len(curve))
    if count < FEWEST_IN_TAIL:
        raise ValueError(
            f"the last fifth of {len(curve)} evaluations are {count}, and a tail needs {FEWEST_IN_TAIL}: evaluate more "
            "often, with more and shorter epochs"
        )
    return float(np.mean(curve[-count:]))


def rise(curve: Curve, sign: int = -1) -> float:
    """How much of the best was lost by the end: the cost of training too long; 0 where the best is at the end.

    The best of noisy values is better than what was there: |last − best| of a flat curve with noise σ is 0.8 σ after 3
    epochs, 1.5 σ after 10, 2.5 σ after 100. So the best of every other epoch says where it is, and its neighbours,
    whose noise is another, how good it was; both halves take their turn. Of a flat curve 0.3 σ remains after 3 epochs,
    0.13 σ after 10, 0.02 σ after 100. With 10 epochs a real rise is seen to three quarters, with 30 nearly whole.
    """
    if not np.isfinite(curve).all():
        return math.nan
    oriented, end = sign * curve, len(curve) - 1
    lost = [0.0]
    for first in (0, 1)[:end]:
        place = first + 2 * int(np.argmax(oriented[first::2]))
        beside = oriented[[one for one in (place - 1, place + 1) if 0 <= one <= end]].mean() - oriented[end]
        # Chosen beside the end, or at it, the best is one of a curve that still falls: nothing is lost by going on.
        lost.append(0.0 if place == end else max(0.0, beside) if place == end - 1 else beside)
    return float(np.mean(lost[1:] or lost))


def roughness(curve: Curve, sign: int = -1) -> float:
    """The SD of white noise about a locally straight curve: √(mean (y[t+1] − 2 y[t] + y[t−1])² / 6), without bias.

    The root of a mean square is too small on average, by 20 % for one second difference and by 6 % for ten epochs: it
    is divided by √(2/ν)·Γ((ν+1)/2)/Γ(ν/2), ν the second differences less what neighbours share (Satterthwaite).
    """
    if len(curve) < ROUGHNESS_EPOCHS:
        return math.nan
    count = len(curve) - 2
    # Second differences of white noise correlate by −4/6 and 1/6 with the next two.
    degrees = count**2 / (count + 2 * (max(0, count - 1) * (4 / 6) ** 2 + max(0, count - 2) * (1 / 6) ** 2))
    factor = math.sqrt(2 / degrees) * math.exp(math.lgamma((degrees + 1) / 2) - math.lgamma(degrees / 2))
    return float(np.sqrt(np.mean(np.diff(curve, n=2) ** 2) / 6)) / factor


def area(curve: Curve, sign: int = -1) -> float:
    """The curve's mean height by the trapezium rule over its epochs (area divided by length)."""
    return float(np.trapezoid(curve) / (len(curve) - 1)) if len(curve) > 1 else float(curve[0])


def at_best(curve: Curve, selection: Curve, selection_sign: int) -> float:
    """The value at the epoch that another curve, usually validation's, calls best (the first of equals)."""
    epoch = best_epoch(selection, selection_sign)
    return math.nan if epoch is None else float(curve[epoch])


def best_epoch(curve: Curve, sign: int) -> int | None:
    """The place of the best value (the first of equals); None when none is finite."""
    oriented = np.where(np.isfinite(curve), sign * curve, -np.inf)
    return int(np.argmax(oriented)) if np.isfinite(oriented).any() else None


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
    "tail": tail,
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
