"""Runs without a finite value, counted by the pairs of a contrast."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

# More pairs than this lost to failure, and the mean over the others is that of lucky runs.
MOST_LOST = 1


@dataclass(frozen=True)
class Failures:
    """Pairs that runs without a finite value cost: `lost` in all, of `pairs` that were run.

    Of two sides with as many arms, `up` counts the pairs in which the side failed more often that the claim wants to
    be worse, `down` the reverse, and `of` both: exact McNemar. Of one arm, `up` (or `down`, where worse means less)
    counts its failures and `of` its runs: p is that of "at most half of its runs fail". Sides that cannot be compared
    have none of the three. `words` tell them.
    """

    lost: Any = 0
    pairs: Any = 0
    up: Any = 0
    down: Any = 0
    of: Any = 0
    words: str = ""


def comparable(weights: Mapping[str, float]) -> bool:
    """Whether equal arms fail equally often on both sides: as many of them, with the same weight."""
    signs = [weight > 0 for weight in weights.values()]
    return len(weights) == 1 or (2 * sum(signs) == len(signs) and len({abs(one) for one in weights.values()}) == 1)


def count_failures(
    broken: Mapping[str, Any], weights: Mapping[str, float], worse_is_more: bool, rivals: bool = True, words: str = ""
) -> Failures:
    """The failures of a contrast's arms, from whether each run failed.

    Args:
        broken: by arm; seeds first, later axes are simulations.
        worse_is_more: of one arm, whether a failed run lies above every bar rather than below.
        rivals: whether the two sides claim to beat each other.
    """
    found = {arm: np.asarray(own, dtype=bool) for arm, own in broken.items()}
    lost = np.any(list(found.values()), axis=0).sum(axis=0)
    pairs = len(next(iter(found.values())))
    if len(found) == 1:
        worst, none = next(iter(found.values())).sum(axis=0), 0 * lost
        return Failures(lost, pairs, *((worst, none) if worse_is_more else (none, worst)), pairs, words)
    if not (rivals and comparable(weights)):
        return Failures(lost, pairs, 0 * lost, 0 * lost, 0 * lost, words)
    gap = -sum(np.sign(weights[arm]) * own for arm, own in found.items())
    up, down = (gap > 0).sum(axis=0), (gap < 0).sum(axis=0)
    return Failures(lost, pairs, up, down, up + down, words)
