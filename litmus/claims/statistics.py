"""Paired statistics over seeds: t intervals and tests, power by noncentral t, corrections, exact tests of counts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.special import betainc, betaincinv, nctdtr, ndtri, stdtr, stdtrit
from scipy.stats import page_trend_test

ALPHA = 0.05  # two-sided: each side of an interval is tested at 2.5 %
POWER = 0.8
MOST_SEEDS = 10_000


@dataclass(frozen=True)
class Summary:
    """n, mean, SD and standard error of a contrast; arrays when the values carry simulations in their later axes.

    `freedom` are the standard error's degrees of freedom, n − 1 where it comes from the SD alone. `narrower` is the
    same without the other parts of the error: those may bring degrees of freedom, and never make an interval narrower.
    """

    n: Any
    mean: Any
    sd: Any
    standard_error: Any
    freedom: Any = None
    narrower: Summary | None = None

    @property
    def df(self) -> Any:
        """Degrees of freedom of the standard error."""
        return self.n - 1 if self.freedom is None else self.freedom

    def widened(self, parts: Sequence[tuple[Any, Any]]) -> Summary:
        """The same mean, whose error has more parts than the SD's: (variance, degrees of freedom) of each."""
        if not parts or np.all(self.n < 2):
            return self
        variance, freedom = combined([(np.asarray(self.standard_error) ** 2, self.n - 1), *parts])
        return Summary(self.n, self.mean, self.sd, np.sqrt(variance), freedom, self)

    def interval(self, alpha: float = ALPHA) -> tuple[Any, Any]:
        """mean ± t(1 − α/2, n − 1) · standard error; unbounded below two values."""
        if self.n < 2:
            return -math.inf, math.inf
        half = stdtrit(self.df, 1 - alpha / 2) * self.standard_error
        if self.narrower is not None:
            half = np.maximum(half, self.mean - self.narrower.interval(alpha)[0])
        return self.mean - half, self.mean + half

    def p_above(self, bar: float) -> Any:
        """One-sided p of "the mean is at most `bar`": small when the mean is clearly above it."""
        if np.all(self.n < 2) or math.isinf(bar):
            return np.where(bar == -math.inf, 0.0, np.ones_like(self.mean))
        with np.errstate(divide="ignore", invalid="ignore"):
            t = (self.mean - bar) / self.standard_error
        # A spread of exactly zero belongs to counted quantities, whose mean is known exactly.
        p = np.where(np.isnan(t), 1.0, stdtr(np.maximum(self.df, 1), -t))
        # On the wrong side of the bar both are above one half, and decide nothing.
        return p if self.narrower is None else np.maximum(p, self.narrower.p_above(bar))

    def p_below(self, bar: float) -> Any:
        """One-sided p of "the mean is at least `bar`": small when the mean is clearly below it."""
        turned = None if self.narrower is None else replace(self.narrower, mean=-np.asarray(self.mean))
        return replace(self, mean=-np.asarray(self.mean), narrower=turned).p_above(-bar)


def combined(parts: Sequence[tuple[Any, Any]]) -> tuple[Any, Any]:
    """The sum of estimated variances and its degrees of freedom, by Welch and Satterthwaite: (ΣV)² / Σ(V²/df).

    Args:
        parts: (variance, degrees of freedom) of each; the result has no fewer than the least of them.
    """
    total = sum(variance for variance, _ in parts)
    with np.errstate(divide="ignore", invalid="ignore"):
        freedom = total**2 / sum(variance**2 / df for variance, df in parts)
    least = np.min(np.stack(np.broadcast_arrays(*(np.asarray(df, dtype=float) for _, df in parts))), axis=0)
    return total, np.where(np.isfinite(freedom), np.maximum(freedom, least), least)


def summarize(values: ArrayLike, ratio: float = 0.0) -> Summary:
    """Mean over the first axis, SD with n − 1, standard error SD·√(1/n + ratio).

    `ratio` is n_test/n_train for resampled splits of one table, else 0: Nadeau & Bengio, Machine Learning 52, 2003.
    """
    array = np.asarray(values, dtype=float)
    n = array.shape[0]
    if n == 0:
        return Summary(0, np.nan, np.nan, np.nan)
    if array.ndim > 1 and not np.isfinite(array).all():
        return _summarize_rest(array, ratio)
    if array.ndim == 1 and (array == array[0]).all():  # rounding makes a mean of equal numbers another one
        none = np.float64(0.0 if n > 1 else np.nan)
        return Summary(n, array[0], none, none)
    sd = array.std(axis=0, ddof=1) if n > 1 else np.full(array.shape[1:], np.nan)
    return Summary(n, array.mean(axis=0), sd, sd * math.sqrt(1 / n + ratio))


def _summarize_rest(array: Any, ratio: float) -> Summary:
    """The same over the finite values of each simulation."""
    there = np.isfinite(array)
    n = there.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.where(there, array, 0.0).sum(axis=0) / n
        sd = np.sqrt((np.where(there, array - mean, 0.0) ** 2).sum(axis=0) / (n - 1))
        return Summary(n, mean, np.where(n > 1, sd, np.nan), sd * np.sqrt(1 / n + ratio))


def prediction_interval(summary: Summary, alpha: float = ALPHA) -> tuple[float, float]:
    """Where one more value falls: mean ± t(1 − α/2, n − 1) · SD · √(1 + 1/n); unbounded below two values."""
    if summary.n < 2:
        return -math.inf, math.inf
    half = float(stdtrit(summary.n - 1, 1 - alpha / 2)) * float(summary.sd) * math.sqrt(1 + 1 / summary.n)
    return float(summary.mean) - half, float(summary.mean) + half


def power(effect: float, n: int, ratio: float = 0.0, alpha: float = ALPHA) -> float:
    """Probability that n seeds separate an effect (in SDs) from 0: P(T' > t(1 − α/2)), T' noncentral t."""
    if n < 2:
        return 0.0
    shift = abs(effect) / math.sqrt(1 / n + ratio)
    return 1 - float(nctdtr(n - 1, shift, stdtrit(n - 1, 1 - alpha / 2)))


@lru_cache(maxsize=256)
def resolvable_effect(n: int, ratio: float = 0.0, alpha: float = ALPHA, wanted: float = POWER) -> float:
    """The effect, in SDs of the contrast, that n paired seeds find with the wanted power; infinite for n < 2."""
    if n < 2:
        return math.inf
    upper = 2.0
    while power(upper, n, ratio, alpha) < wanted:
        upper *= 2
    return float(brentq(lambda effect: power(effect, n, ratio, alpha) - wanted, 0, upper, xtol=1e-6))


def seeds_needed(effect: float, ratio: float = 0.0, alpha: float = ALPHA, wanted: float = POWER) -> int | None:
    """The fewest seeds (3 or more) that find an effect (in SDs) with the wanted power; None beyond 10 000 or never."""
    effect = abs(effect)
    if not effect > 0 or math.isnan(effect):
        return None
    quantiles = float(ndtri(1 - alpha / 2) + ndtri(wanted))
    needed = (effect / quantiles) ** 2 - ratio  # 1/n of the normal approximation
    if needed <= 1 / MOST_SEEDS:
        return None
    n = max(3, math.ceil(1 / needed))
    while n <= MOST_SEEDS and power(effect, n, ratio, alpha) < wanted:
        n += 1 if n < 200 else n // 100  # the normal approximation is short by about two seeds
    return n if n <= MOST_SEEDS else None


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjusted p values, in the given order: max over j ≤ i of (k − j + 1)·p(j), at most 1."""
    adjusted = [1.0] * len(p_values)
    running = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = running
    return adjusted


def intersection_union(p_values: Sequence[Any]) -> Any:
    """p of a conjunction: the largest part's, without correction (Berger 1982)."""
    return np.max(np.stack([np.asarray(p, dtype=float) for p in p_values]), axis=0)


def bonferroni(p_values: Sequence[Any]) -> Any:
    """p of "at least one": the number of parts times the smallest p, at most 1."""
    stacked = np.stack([np.asarray(p, dtype=float) for p in p_values])
    return np.minimum(1.0, len(p_values) * stacked.min(axis=0))


def page(rows: ArrayLike) -> tuple[float, float]:
    """Page's L and its p for rows = seeds and columns = arms in the predicted order, worst first."""
    result = page_trend_test(np.asarray(rows, dtype=float))
    return float(result.statistic), float(result.pvalue)


def at_least(hits: Any, of: Any, share: Any = 0.5) -> Any:
    """P(X ≥ hits) for X binomial of so many with this share: the sign test's p, and exact McNemar's at a half.

    Arrays broadcast; counts need not be whole, see `design_effect`. An interval by inverting it is that of Clopper and
    Pearson (Biometrika 26, 1934).
    """
    hits, of = np.asarray(hits, dtype=float), np.asarray(of, dtype=float)
    some = np.where(hits > 0, hits, 1.0)
    tail = betainc(some, np.maximum(of - some + 1, 1e-300), np.clip(share, 0.0, 1.0))
    return np.where(hits <= 0, 1.0, np.where(hits > of, 0.0, tail))


def share_interval(hits: float, of: float, alpha: float) -> tuple[float, float]:
    """Clopper and Pearson's interval of a share."""
    low = 0.0 if hits == 0 else float(betaincinv(hits, of - hits + 1, alpha / 2))
    high = 1.0 if hits == of else float(betaincinv(hits + 1, of - hits, 1 - alpha / 2))
    return low, high


def design_effect(n: Any, ratio: float) -> Any:
    """So many runs that share rows are worth one: s²(1/n + ratio), the variance of their mean, over s²/n.

    Counts divided by it are what a test or an interval of independent ones takes: Korn and Graubard, Survey
    Methodology 24, 1998. `ratio` as in `summarize`.
    """
    return 1 + n * ratio


def median_interval(values: Any, alpha: float, ratio: float = 0.0) -> tuple[float, float]:
    """The interval of a median that the sign test does not reject; unbounded where there are too few values."""
    ordered = np.sort(np.asarray(values, dtype=float))
    n = len(ordered)
    # The k-th smallest is a lower end as long as fewer than k values below the median are improbable.
    worth = design_effect(n, ratio)
    k = max((k for k in range(1, n // 2 + 1) if at_least((n - k + 1) / worth, n / worth) <= alpha / 2), default=0)
    return (float(ordered[k - 1]), float(ordered[n - k])) if k else (-np.inf, np.inf)


def signs_shifted(values: Any, bar: float, error: Any, freedom: Any, ratio: float = 0.0) -> Any:
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
    worth = design_effect(of, ratio)
    return (at_least((of - np.arange(len(values) + 1)[column]) / worth, of / worth) * between).sum(axis=0)


def fewest(level: float, share: float = 0.5, ratio: float = 0.0) -> int | None:
    """So many pairs, all pointing one way, a sign test needs at least; so many runs, a test of a share.

    None where runs that share rows are never worth as many.
    """
    if not 0 < share < 1:
        return 1
    independent = math.log(level) / math.log(share)
    left = 1 - independent * ratio
    return max(1, math.floor(independent / left) + 1) if left > 0 else None
