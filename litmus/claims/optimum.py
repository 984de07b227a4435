"""Where a tuned knob is best, how well that is known, and what not knowing it does to a comparison.

A rate that won on a few tuning seeds is shared by every verdict seed, so that luck in tuning looks like a difference
between arms, however many seeds the verdict has. A parabola through the scores, in the logarithm of the knob, says
both where the best value lies and how uncertain that is; the uncertainty enters every interval. scripts/simulate.py
shows how often equal arms are then called different.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import fdtrc, ndtr, ndtri, stdtr

# A curve is a parabola near its best value only: where a parabola does not fit, or runs scatter more elsewhere, the
# five levels nearest to the best one are fitted, of those before the cliffs and the strays.
MOST_LEVELS = 5
UNEVEN = 0.2
WILD = 4.5
STRAY = 0.005
FEWEST_LEVELS = 3


@dataclass(frozen=True)
class Parabola:
    """value ≈ its group's level + slope·z + curvature·z², z = place − centre; arrays where values were simulated.

    `v11`, `v12` and `v22` are the covariance of slope and curvature, from the variance `residual` that has `freedom`
    degrees of freedom; all are not a number where fewer than three levels, or no degree of freedom, were left.
    """

    centre: float
    slope: Any
    curvature: Any
    v11: Any
    v12: Any
    v22: Any
    residual: Any
    freedom: Any

    def derivative(self, place: Any) -> Any:
        """The slope at a place."""
        return self.slope + 2 * self.curvature * (np.asarray(place) - self.centre)

    def derivative_variance(self, place: Any) -> Any:
        """The variance of the slope at a place: V₁₁ + 4zV₁₂ + 4z²V₂₂."""
        z = np.asarray(place) - self.centre
        return self.v11 + 4 * z * self.v12 + 4 * z**2 * self.v22


def parabola(places: Any, groups: Sequence[Any], values: Any) -> Parabola:
    """The least squares fit of value = α_group + β₁z + β₂z² over the finite values.

    Args:
        places: of each run, on the axis on which the curve is to be a parabola.
        groups: of each run, the seed whose level its values share.
        values: of each run; later axes are simulations.
    """
    values = np.asarray(values, dtype=float)
    column = (slice(None), *[None] * (values.ndim - 1))
    places = np.asarray(places, dtype=float)
    centre = float(places.mean())
    z = (places - centre)[column]
    there = np.isfinite(values)
    each, member = np.unique(np.asarray(groups), return_inverse=True)

    def within(x: Any) -> Any:
        """Less the mean of its group; nothing where a value is missing."""
        x = np.where(there, x, 0.0)
        for group in range(len(each)):
            own = member == group
            x[own] = np.where(there[own], x[own] - x[own].sum(axis=0) / np.maximum(1, there[own].sum(axis=0)), 0.0)
        return x

    x, xx, y = within(z), within(z**2), within(values)
    a, b, c = (x * x).sum(axis=0), (x * xx).sum(axis=0), (xx * xx).sum(axis=0)
    d, e = (x * y).sum(axis=0), (xx * y).sum(axis=0)
    used = sum(there[member == group].any(axis=0).astype(int) for group in range(len(each)))
    freedom = there.sum(axis=0) - used - 2
    determinant = a * c - b**2
    good = (freedom >= 1) & (determinant > 1e-9 * a * c)
    with np.errstate(divide="ignore", invalid="ignore"):
        determinant = np.where(good, determinant, np.nan)
        slope, curvature = (c * d - b * e) / determinant, (a * e - b * d) / determinant
        residual = ((y - slope * x - curvature * xx) ** 2).sum(axis=0) / freedom
        v11, v12, v22 = (residual * part / determinant for part in (c, -b, a))
    return Parabola(centre, slope, curvature, v11, v12, v22, residual, np.where(good, freedom, np.nan))


@dataclass(frozen=True)
class Optimum:
    """The best place of a knob and how well it is known.

    Attributes:
        place: the vertex of the parabola, within the levels that were fitted and failed on no seed; the best level
            where it has none.
        variance: τ² of the place, not a number without a fit.
        vertex: the same place wherever it lies.
        best: the index of the best of `levels`.
        levels: the places tried, sorted.
        fit: of the scores near the best level.
        near: which runs were fitted.
        cut: whether the place is the last level before a cliff, where the curve need not be flat.
    """

    place: Any
    variance: Any
    vertex: Any
    best: Any
    levels: Any
    fit: Parabola
    near: Any
    cut: Any = False

    @property
    def fitted(self) -> Any:
        """Whether there were levels and runs enough for a parabola."""
        return np.isfinite(self.variance)


def uneven(places: Any, groups: Sequence[Any], values: Any, first: Any, usable: Any) -> Any:
    """Whether a parabola through all usable levels would say less of the best one than one through the nearest five.

    So where levels scatter about their parabola more than runs scatter about their level (lack of fit, p < 20 %), and
    where runs scatter more at the other levels than at the nearest (p < 20 %), as they do at rates that blow up. True
    as well where nothing tells: with a single group, which has no scatter about its levels.

    Args:
        first: the rank, among the usable levels, of the first of the nearest.
    """
    places, values = np.asarray(places, dtype=float), np.asarray(values, dtype=float)
    levels = np.unique(places)
    each, member = np.unique(np.asarray(groups), return_inverse=True)
    if len(values) != len(levels) * len(each) or len(each) < 2:
        return np.ones(values.shape[1:], dtype=bool)
    square = np.full((len(each), len(levels), *values.shape[1:]), np.nan)
    square[member, np.searchsorted(levels, places)] = values
    there = usable.sum(axis=0)
    free, left = there - 3, (there - 1) * (len(each) - 1)
    whole = (free >= 1) & np.where(usable, np.isfinite(square).all(axis=0), True).all(axis=0)
    if not np.any(whole):
        return np.ones(values.shape[1:], dtype=bool)
    means = square.mean(axis=0)

    def scatter(among: Any) -> Any:
        """Of runs about their seed and level, at some of the levels: the sum of squares."""
        own = np.where(among, square, 0.0)
        count, column = among.sum(axis=0), own.sum(axis=1, keepdims=True)
        rest = own - column / count - own.mean(axis=0) + column.mean(axis=0) / count
        return np.where(among, rest**2, 0.0).sum(axis=(0, 1))

    total = scatter(usable)
    line = parabola(levels, [0] * len(levels), np.where(usable, means, np.nan))
    lack = line.residual * line.freedom * len(each)
    rank = np.cumsum(usable, axis=0) - 1
    near = scatter(usable & (rank >= first) & (rank < first + MOST_LEVELS))
    beyond, within = np.maximum(there - MOST_LEVELS, 0) * (len(each) - 1), (MOST_LEVELS - 1) * (len(each) - 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        fits = fdtrc(free, left, lack / free / (total / left)) >= UNEVEN
        ratio = np.maximum(0.0, total - near) / beyond / (near / within)
        alike = (beyond < 1) | (fdtrc(np.maximum(beyond, 1), within, ratio) >= UNEVEN)
    return ~(whole & fits & alike)


def before_the_cliff(member: Any, groups: Sequence[Any], values: Any, finite: Any, best: Any) -> Any:
    """Which levels say how the curve is bent at the best one: those on the way to the first cliff on each side.

    A cliff is a level at which a run failed, or a step between levels whose height scatters over the seeds `WILD` times
    as much as that of the middle one of the steps. All levels where fewer than three are left.

    Args:
        member: of each run, the rank of its level.
        finite, best: of the levels, which failed on no seed, and the best.
    """
    if len(finite) < FEWEST_LEVELS:
        return np.ones(np.shape(finite), dtype=bool)
    each, group = np.unique(np.asarray(groups), return_inverse=True)
    square = np.full((len(each), *finite.shape), np.nan)
    square[group, member] = values
    safe = finite[1:] & finite[:-1]
    with np.errstate(invalid="ignore"):
        scatter = np.diff(square, axis=1).var(axis=0)
    usual = np.nanmedian(np.where(safe | ~safe.any(axis=0), np.where(safe, scatter, 0.0), np.nan), axis=0)
    wild = ~safe | (scatter > WILD**2 * usual)
    rank = np.arange(len(finite)).reshape(-1, *[1] * np.ndim(best))
    low = np.where(wild & (rank[1:] <= best), rank[1:], 0).max(axis=0, initial=0)
    high = np.where(wild & (rank[:-1] >= best), rank[:-1], len(finite) - 1).min(axis=0, initial=len(finite) - 1)
    found = (rank >= low) & (rank <= high)
    found = np.where(found.sum(axis=0) >= FEWEST_LEVELS, found, finite)
    return np.where(found.sum(axis=0) >= FEWEST_LEVELS, found, True)


def stray(
    places: Any, groups: Sequence[Any], values: Any, member: Any, means: Any, near: Any, best: Any
) -> tuple[Any, Any]:
    """Whether the lowest and the highest of the fitted levels are worse than the others' parabola has it (p < 0.5 %).

    A rate that blows up on no seed, or on all alike, is no cliff by its scatter, and bends the curve all the same.
    Three levels, the best among them, are none; of two the one with the higher mean is, since a parabola holds near the
    best level.
    """
    levels, rank = np.unique(places), np.arange(len(near))[:, None]

    def fitted(among: Any) -> tuple[Any, Any]:
        fit = parabola(places, groups, np.where(among[member], values, np.nan))
        return fit, fit.residual * fit.freedom

    whole, squares = fitted(near)
    found = []
    for end in (np.where(near, rank, len(near)).min(axis=0), np.where(near, rank, -1).max(axis=0)):
        others = near & (rank != end)
        fit, rest = fitted(others)
        z, count = levels - fit.centre, others.sum(axis=0)

        with np.errstate(divide="ignore", invalid="ignore"):
            more = whole.freedom - fit.freedom
            chance = fdtrc(more, fit.freedom, np.maximum(0.0, squares - rest) / more / (rest / fit.freedom))
            line = fit.slope * z[:, None] + fit.curvature * z[:, None] ** 2
            own, beside = (np.take_along_axis(x, end[None], axis=0)[0] for x in (means, means - line))
            worse = beside > np.where(others, means - line, 0.0).sum(axis=0) / count
        found.append((worse & (end != best) & (count >= FEWEST_LEVELS) & (chance < STRAY), own))
    (low, lower), (high, higher) = found
    return low & ((lower > higher) | ~high), high & ((lower <= higher) | ~low)


def fitted_levels(places: Any, groups: Sequence[Any], values: Any, member: Any, means: Any, best: Any) -> Any:
    """(levels on the way to the cliffs, levels that are fitted): the nearest ones, less whatever is a stray there.

    What is beyond a stray says as little, and the next nearest level takes its place.
    """
    shape = means.shape
    values, best = values.reshape(len(values), -1), np.asarray(best).reshape(-1)
    means = means.reshape(len(means), -1)
    usable = before_the_cliff(member, groups, values, np.isfinite(means), best)
    near = nearest(places, groups, values, usable, best)
    rank = np.arange(len(means))[:, None]
    left = np.arange(len(best))  # simulations of which a level was a stray are looked at once more
    while len(left):
        own = near[:, left]
        low, high = stray(places, groups, values[:, left], member, means[:, left], own, best[left])
        first, last = np.where(own, rank, len(rank)).min(axis=0), np.where(own, rank, -1).max(axis=0)
        fewer = usable[:, left] & ~(low & (rank <= first)) & ~(high & (rank >= last))
        changed = low | high
        left, fewer = left[changed], fewer[:, changed]
        if len(left):
            usable[:, left] = fewer
            near[:, left] = nearest(places, groups, values[:, left], fewer, best[left])
    return usable.reshape(shape), near.reshape(shape)


def nearest(places: Any, groups: Sequence[Any], values: Any, usable: Any, best: Any) -> Any:
    """Which of the usable levels are fitted: all where one parabola fits them, else the five nearest to the best."""
    rank = np.cumsum(usable, axis=0) - 1
    there = rank[-1] + 1
    middle = np.take_along_axis(rank, np.asarray(best)[None], axis=0)[0]
    first = np.clip(middle - MOST_LEVELS // 2, 0, np.maximum(0, there - MOST_LEVELS))
    narrow = uneven(places, groups, values, first, usable)
    first, wide = np.where(narrow, first, 0), np.where(narrow, MOST_LEVELS, there)
    return usable & (rank >= first) & (rank < first + wide)


def optimum(places: Any, groups: Sequence[Any], values: Any, rounded: bool = False) -> Optimum:
    """Where the values are smallest.

    With β₁ and β₂ of the parabola, ẑ = −β₁/2β₂ and 1/τ² = 4β₂²/s² + 12/R², where s² is the variance of the slope at ẑ
    and R the range that was tried, up to the cliffs. A curve without a minimum, β₂ ≤ 0, has ẑ at its best level and
    τ² = R²/12.

    Args:
        places: of each run.
        groups: the seed of each run.
        values: the score of each run, smaller is better; what is not finite failed; later axes are simulations.
        rounded: whether only the levels themselves can be chosen.

    Raises:
        ValueError: where no level has a finite value on every seed.
    """
    places, values = np.asarray(places, dtype=float), np.asarray(values, dtype=float)
    levels, member = np.unique(places, return_inverse=True)
    column = (slice(None), *[None] * (values.ndim - 1))
    means = np.stack([values[member == level].mean(axis=0) for level in range(len(levels))])
    means = np.where(np.isfinite(means), means, np.inf)  # a level that fails on one seed is not to be chosen
    if not np.isfinite(means).any(axis=0).all():
        raise ValueError("no level of the knob has a finite value on every seed")
    best = means.argmin(axis=0)
    finite = np.isfinite(means)
    usable, near = fitted_levels(places, groups, values, member, means, best)
    fit = parabola(places, groups, np.where(near[member], values, np.nan))
    safe = finite & near
    low = np.where(safe, levels[column], np.inf).min(axis=0)
    high = np.where(safe, levels[column], -np.inf).max(axis=0)
    rank = np.arange(len(levels)).reshape(-1, *[1] * np.ndim(best))
    first, last = np.where(usable, rank, len(levels)).min(axis=0), np.where(usable, rank, -1).max(axis=0)
    # The best place is not beyond the step to a cliff.
    widest = (levels[np.minimum(last + 1, len(levels) - 1)] - levels[np.maximum(first - 1, 0)]) ** 2 / 12
    with np.errstate(divide="ignore", invalid="ignore"):
        bowl = fit.curvature > 0
        vertex = np.where(bowl, fit.centre - fit.slope / (2 * fit.curvature), levels[best])
        place = np.clip(vertex, low, high)
        # Two sources add their precisions: the curve, and that the place is somewhere in the range.
        variance = 1 / (1 / widest + np.where(bowl, 4 * fit.curvature**2 / fit.derivative_variance(place), 0.0))
    # The last level before a cliff; the ends of all levels, and of the nearest ones, are none.
    cut = ((place <= levels[first]) & (first > 0)) | ((place >= levels[last]) & (last < len(levels) - 1))
    # Of two ends a hill has the lower one where its slope in the middle says so.
    telling = np.where(bowl, place, (low + high) / 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        steep = np.where(place >= high, -1, 1) * fit.derivative(telling) / np.sqrt(fit.derivative_variance(telling))
    left = share_left(np.nan_to_num(steep), fit.freedom, bowl)
    variance = np.where(cut, variance * left + next_step(levels, place) ** 2 / 3, variance)
    if rounded and len(levels) > 1:
        closest = np.abs(np.where(safe, levels[column], np.inf) - place).argmin(axis=0)
        gaps = np.diff(levels)
        step = np.maximum(gaps[np.maximum(closest - 1, 0)], gaps[np.minimum(closest, len(gaps) - 1)])
        place, variance = levels[closest], variance + step**2 / 12
    known = np.isfinite(fit.freedom)
    variance = np.where(known, np.minimum(variance, widest), np.nan)
    return Optimum(place, variance, vertex, best, levels, fit, near[member], cut)


def share_left(steep: Any, freedom: Any, bowl: Any) -> Any:
    """What is left of τ² where the curve falls to an end of the levels, `steep` standard errors of its slope.

    A vertex beyond the end means that the end is best: E[max(0, e)²] of e, normal, that is `steep` SDs below 0, over
    its half at 0. A hill has its other end lower, R away, with the chance that its slope has the other sign.
    """
    with np.errstate(invalid="ignore"):
        chance = stdtr(np.maximum(freedom, 1), -np.maximum(steep, 0.0))
        k = np.minimum(-ndtri(chance), 30.0)
        vertex = 2 * ((1 + k**2) * ndtr(-k) - k * np.exp(-(k**2) / 2) / math.sqrt(2 * math.pi))
        return np.clip(np.where(bowl, vertex, 12 * chance), 0.0, 1.0)


def next_step(levels: Any, place: Any) -> Any:
    """How far the levels beside a place are: somewhere on the way to one of them is the cliff."""
    gaps = np.concatenate([[0.0], np.diff(levels), [0.0]])
    rank = np.abs(levels.reshape(-1, *[1] * np.ndim(place)) - place).argmin(axis=0)
    return np.maximum(gaps[rank], gaps[rank + 1])


def excess(found: Optimum, fit: Parabola, flat: bool = True) -> tuple[Any, Any]:
    """The mean square of what a misplaced knob costs an arm, and its degrees of freedom.

    What is tuned is flat at its best place: β₂(ẑ − z*)² has the mean square 3β₂²τ⁴, where β₂² counts with the variance
    of β₂. Another quantity changes with the knob there, and so does what is tuned at the last level before a cliff,
    which adds f′(ẑ)²τ².

    Args:
        found: where the knob was put.
        fit: of the quantity, smaller is better.
        flat: whether the quantity is what was tuned.
    """
    curved = np.maximum(fit.curvature, 0.0) if flat else np.abs(fit.curvature)
    square = 3 * (curved**2 + fit.v22) * found.variance**2
    sloping = found.cut if flat else True
    return square + np.where(sloping, fit.derivative(found.place) ** 2 * found.variance, 0.0), fit.freedom
