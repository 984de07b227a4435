"""How much of the spread between seeds is only where the last update happened to stop, and what a tail would save."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from litmus.claims.contrast import Contrast
from litmus.claims.reductions import FEWEST_IN_TAIL, Curve, in_tail, rise
from litmus.claims.statistics import seeds_needed
from litmus.claims.tuning import twin

# Fewer of the last evaluations do not tell noise from trend.
FEWEST = 5


@dataclass(frozen=True)
class Jitter:
    """Of one contrast: the share of its variance that is jitter, and the seeds that resolve the sesoi (None: never).

    `lost` is what the compared runs lost of their best validation by the end, in gains: from one sesoi on, the tail
    asks another question, for it judges nets that were trained too long.
    """

    share: float
    evaluations: int
    now: int | None
    tail: int | None
    lost: float


def jitter_share(differences: Sequence[Curve]) -> float:
    """Mean squared successive difference / 2 of each seed's differences, over their variance between seeds.

    Noise that is drawn anew at each evaluation moves neighbours apart, what a seed keeps does not (von Neumann 1941,
    doi:10.1214/aoms/1177731677). Not a number below three seeds or five evaluations.
    """
    table = np.stack([np.asarray(one, dtype=float) for one in differences]) if len(differences) else np.empty((0, 0))
    if table.shape[0] < 3 or table.shape[1] < FEWEST or not np.isfinite(table).all():
        return math.nan
    between = float(table.var(axis=0, ddof=1).mean())
    moved = float((np.diff(table, axis=1) ** 2).mean() / 2)
    return min(1.0, moved / between) if between > 0 else math.nan


def jitter_of(contrast: Contrast, curves: Mapping[str, Mapping[int, Curve]]) -> Jitter | None:
    """The jitter of a contrast of means, from its validation curves: arm → seed → values by epoch.

    None where it is judged otherwise than at the end or at the best epoch, or where curves are missing or too short.
    """
    quantity = contrast.quantity
    own = [curves.get(arm, {}) for arm in contrast.weights]
    seeds = sorted(set.intersection(*map(set, own))) if own else []
    unfit = contrast.test != "mean" or contrast.fault or bool(np.any(contrast.by_failures)) or contrast.summary.n < 3
    if unfit or quantity.at not in ("last", "best_val") or not seeds or not contrast.oriented:
        return None
    length = min(len(one[seed]) for one in own for seed in seeds)
    last = max(FEWEST, in_tail(length))
    if length < 2 * FEWEST:
        return None
    judged = twin(quantity)
    scaled = {
        arm: {seed: judged.sign * judged.transform(curves[arm][seed][:length]) for seed in seeds}
        for arm in contrast.weights
    }
    differences = [
        np.sum([weight * scaled[arm][seed][-last:] for arm, weight in contrast.weights.items()], axis=0)
        for seed in seeds
    ]
    share, summary = jitter_share(differences), contrast.summary
    if not math.isfinite(share) or not float(summary.sd) > 0:
        return None
    kept = 1 - share + share / max(FEWEST_IN_TAIL, in_tail(length))
    effect, ratio = (quantity.sesoi or math.nan) / float(summary.sd), contrast.ratio
    return Jitter(
        share,
        last,
        seeds_needed(effect, ratio),
        seeds_needed(effect / math.sqrt(kept), ratio),
        float(np.mean([rise(scaled[arm][seed], 1) for arm in scaled for seed in seeds])),
    )


def told(name: str, contrast: Contrast, one: Jitter) -> str:
    """One sentence: the share, and the seeds with and without a tail."""
    quantity = contrast.quantity
    head = f"{name}: {100 * one.share:.0f} % of the variance of {contrast.subject} {contrast.against}".rstrip()
    head += f" between seeds is jitter of the last evaluations ({twin(quantity).metric})"
    if quantity.sesoi is None:
        return f"{head}."
    size = quantity.size(quantity.sesoi)
    if one.lost >= quantity.sesoi:
        return f"{head}; at: tail would ask another question here, for runs are past their best by then."
    now, then = ("over 10,000" if seeds is None else f"{seeds:,}" for seeds in (one.now, one.tail))
    return f"{head}; to resolve {size}, at: tail would need some {then} seeds instead of {now}."
