"""What an interval says in other words: how often better, how probably better, alike or worse by what matters."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr

from litmus.claims.contrast import Contrast
from litmus.claims.statistics import ALPHA, share_interval


@dataclass(frozen=True)
class Improvement:
    """The share of pairs in which the subject did better, ties by half, with Clopper and Pearson's interval.

    It estimates the probability that one more pair of runs would favour the subject, whatever the amount (Agarwal et
    al. 2021, arXiv:2108.13264, of runs that are no pairs).
    """

    share: float
    low: float
    high: float
    pairs: int


@dataclass(frozen=True)
class Practical:
    """The posterior mass of a mean gain below, inside and above the region of practical equivalence, ±sesoi.

    The posterior under a flat prior is the t distribution whose quantiles are the interval's; with resampled rows it
    is that of the correlated t test (Benavoli et al. 2017, JMLR 18, 77). One look, one prediction: no correction for
    either is in it, so that it decides nothing.
    """

    worse: float
    alike: float
    better: float
    margin: float


def improvement(contrast: Contrast) -> Improvement | None:
    """How often better; None where failures decide, where nothing is compared, or without values."""
    values = np.asarray(contrast.values, dtype=float)
    if values.ndim != 1 or not len(values) or not contrast.oriented or _unfit(contrast):
        return None
    hits, of = float(np.sum(values > 0)) + 0.5 * float(np.sum(values == 0)), len(values)
    if contrast.ratio:  # pairs that share rows are fewer than they seem
        return Improvement(hits / of, math.nan, math.nan, of)
    low, high = share_interval(math.floor(hits), of, ALPHA)[0], share_interval(math.ceil(hits), of, ALPHA)[1]
    return Improvement(hits / of, low, high, of)


def practical(contrast: Contrast) -> Practical | None:
    """The masses; None without a sesoi, without a spread, or where a mean is not what is tested."""
    margin, summary = contrast.quantity.sesoi, contrast.summary
    if margin is None or contrast.test != "mean" or not contrast.oriented or _unfit(contrast) or summary.n < 3:
        return None
    error = float(summary.standard_error)
    if not error > 0:
        return None
    below, above = (float(stdtr(float(summary.df), (end - float(summary.mean)) / error)) for end in (-margin, margin))
    return Practical(below, above - below, 1 - above, margin)


def _unfit(contrast: Contrast) -> bool:
    return bool(contrast.fault) or bool(np.any(contrast.by_failures)) or len(contrast.weights) < 2
