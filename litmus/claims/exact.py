"""Exact tests of counts: signs of pairs, shares of runs; every bound holds at every n."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.special import betainc, betaincinv, stdtr


def at_least(hits: Any, of: Any, share: Any = 0.5) -> Any:
    """P(X ≥ hits) for X binomial of so many with this share: the sign test's p, and exact McNemar's at a half.

    Arrays broadcast. An interval by inverting it is that of Clopper and Pearson (Biometrika 26, 1934).
    """
    hits, of = np.asarray(hits, dtype=float), np.asarray(of, dtype=float)
    some = np.maximum(hits, 1.0)
    tail = betainc(some, np.maximum(of - some + 1, 1e-300), np.clip(share, 0.0, 1.0))
    return np.where(hits <= 0, 1.0, np.where(hits > of, 0.0, tail))


def share_interval(hits: int, of: int, alpha: float) -> tuple[float, float]:
    """Clopper and Pearson's interval of a share."""
    low = 0.0 if hits == 0 else float(betaincinv(hits, of - hits + 1, alpha / 2))
    high = 1.0 if hits == of else float(betaincinv(hits + 1, of - hits, 1 - alpha / 2))
    return low, high


def median_interval(values: Any, alpha: float) -> tuple[float, float]:
    """The interval of a median that the sign test does not reject; unbounded where there are too few values."""
    ordered = np.sort(np.asarray(values, dtype=float))
    n = len(ordered)
    # The k-th smallest is a lower end as long as fewer than k values below the median are improbable.
    k = max((k for k in range(1, n // 2 + 1) if at_least(n - k + 1, n) <= alpha / 2), default=0)
    return (float(ordered[k - 1]), float(ordered[n - k])) if k else (-np.inf, np.inf)


def signs_shifted(values: Any, bar: float, error: Any, freedom: Any) -> Any:
    """P of the sign test of "the median is at most `bar`", averaged over what else may have moved all values alike.

    Σ_k P(X ≥ n − k)·P(v₍ₖ₎ < bar + error·T < v₍ₖ₊₁₎), T of Student's t: what the t test does with a variance that
    comes on top of the mean's, done with the sign test's own confidence distribution.

    Args:
        values: of the pairs; what is not finite is lost; later axes are simulations.
        error, freedom: of the shift, and its degrees of freedom.
    """
    values = np.asarray(values, dtype=float)
    column = (slice(None), *[None] * (values.ndim - 1))
    of = np.isfinite(values).sum(axis=0)
    ordered = np.sort(np.where(np.isfinite(values), values, np.inf), axis=0)
    reached = stdtr(np.maximum(freedom, 1), (ordered - bar) / np.maximum(error, 1e-300))
    ends = np.zeros((1, *values.shape[1:])), np.ones((1, *values.shape[1:]))
    between = np.diff(np.concatenate([ends[0], reached, ends[1]]), axis=0)
    return (at_least(of - np.arange(len(values) + 1)[column], of) * between).sum(axis=0)


def fewest(level: float, share: float = 0.5) -> int:
    """So many pairs, all pointing one way, a sign test needs at least; so many runs, a test of a share."""
    return max(1, math.floor(math.log(level) / math.log(share)) + 1) if 0 < share < 1 else 1
