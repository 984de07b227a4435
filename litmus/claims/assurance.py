"""Assurance: the chance that more seeds decide, over what mean and spread may be after those seen so far.

The power at the estimated effect overstates it, since the estimate errs: O'Hagan, Stevens and Campbell,
Pharmaceutical Statistics 4, 2005. The prior is flat in the mean and in the logarithm of the SD, the seeds so far stay,
and the level is that of a planned look.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from scipy.special import betaln, chdtri, gammaln, ndtr, stdtrit

from litmus.claims.contrast import Contrast
from litmus.claims.looks import FACTOR, LOOKS
from litmus.claims.statistics import at_least, combined, design_effect

ENOUGH = 0.8
# Confirmed, rejected.
Chances = tuple[float, float]
Margin = Callable[[float], Any]
Range = tuple[Any, Any]


def next_look(seen: int, chances: Callable[[int], Chances]) -> tuple[int | None, float]:
    """The first look after so many seeds that decides with 80 %, None for none; and the last look's chance."""
    chance = math.nan
    for look in LOOKS:
        if look > seen:
            chance = sum(chances(look - seen))
            if chance >= ENOUGH:
                return look, chance
    return None, chance


@lru_cache(maxsize=64)
def _spreads(freedom: int, points: int = 48) -> Any:
    """σ/s at equally probable places: √(df / χ²)."""
    places = (np.arange(points) + 0.5) / points
    return np.sqrt(freedom / chdtri(freedom, places))


def by_mean(
    contrast: Contrast, seeds: int, confirms: Callable[[Margin], Range], rejects: Callable[[Margin], tuple[Range, ...]]
) -> Chances:
    """The chances of a rule over a mean: where it must end, given the margin that a test at a level keeps of a bar."""
    n, sd = contrast.summary.n, float(contrast.summary.sd)
    if contrast.fault or contrast.by_failures or contrast.test != "mean" or n < 2 or not sd > 0:
        return 0.0, 0.0
    sigma, later = sd * _spreads(n - 1), n + seeds
    variance, freedom = combined([(sigma**2 * (1 / later + contrast.ratio), later - 1), *contrast.tuning])

    def margin(level: float) -> Any:
        return stdtrit(freedom, 1 - level * FACTOR) * np.sqrt(variance)

    def chance(part: Range) -> float:
        moved = sigma * math.sqrt(1 / n - 1 / later)
        low, high = ((end - float(contrast.mean)) / moved for end in part)
        return float(np.mean(np.maximum(0.0, ndtr(high) - ndtr(low))))

    return chance(confirms(margin)), sum(chance(part) for part in rejects(margin))


def by_count(contrast: Contrast, seeds: int, bar: float, side: int, level: float) -> float:
    """The chance that a sign test puts the median on a side of a bar: a beta-binomial of the pairs to come."""
    if contrast.fault or contrast.by_failures:
        return 0.0
    if math.isinf(bar):
        return float(side * bar < 0)
    hits, of = (int(count) for count in contrast.counts(bar, side))
    more = round(seeds * of / max(1, contrast.n))
    wins = np.arange(more + 1)
    a, b = hits + 1, of - hits + 1
    log = gammaln(more + 1) - gammaln(wins + 1) - gammaln(more - wins + 1)
    weights = np.exp(log + betaln(wins + a, more - wins + b) - betaln(a, b))
    worth = design_effect(contrast.n + seeds, contrast.ratio)
    return float(weights[at_least((hits + wins) / worth, (of + more) / worth) < level * FACTOR].sum())
