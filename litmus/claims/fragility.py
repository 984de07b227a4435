"""Decisions that hang on one seed, or on a contrast too skewed for its t interval."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

import numpy as np

from litmus.claims.contrast import Contrast
from litmus.claims.results import Results
from litmus.claims.verdict import DIRECTIONS, OPEN, Verdict

# Beyond this a t interval of ten seeds leaves its 5 %; a normal sample of ten is beyond it once in fifty.
MOST_SKEW = 1.5
# With fewer seeds the mark meets 40 % of the true verdicts, and caps none.
FEWEST_TO_CAP = 10


def skewness(values: np.ndarray) -> float:
    """The bias-corrected sample skewness G₁ = √(n(n − 1))/(n − 2) · m₃/m₂^1.5; 0 for fewer than three values.

    Source: Joanes and Gill, The Statistician 47, 1998.
    """
    n = len(values)
    centred = values - values.mean() if n else values
    spread = float(np.mean(centred**2)) if n else 0.0
    # A spread below rounding has no shape.
    if n < 3 or spread <= 1e-24 * float(np.max(np.abs(values))) ** 2:
        return 0.0
    return math.sqrt(n * (n - 1)) / (n - 2) * float(np.mean(centred**3)) / spread**1.5


def marked(
    verdicts: Mapping[str, Verdict], seeds: Iterable[int], lacking: Callable[[int], Mapping[str, Verdict]]
) -> dict[str, Verdict]:
    """The verdicts, the fragile decisions among them marked with the reason, and capped from ten seeds on.

    An exact test errs no more often under skew, so that what it decides is marked and never capped. A direction that
    hangs on no seed stays known where the size does, as it would with an estimate just below what the claim needs.

    Args:
        seeds: those that were looked at.
        lacking: the verdicts without a seed, as they would be decided at the same look.
    """
    why = {name: _skewed(verdict) for name, verdict in verdicts.items() if _inferred(verdict)}
    turned = {name for name, reason in why.items() if reason or verdicts[name].direction in (None, OPEN)}
    for seed in seeds:
        left = [name for name, reason in why.items() if not reason or name not in turned]
        if not left:
            break
        other = lacking(seed)
        for name in left:
            if other[name].verdict != verdicts[name].verdict:
                why[name] = why[name] or f"without seed {seed} it is {other[name].verdict}"
            if other[name].direction != verdicts[name].direction:
                turned.add(name)
    return {name: _marked(verdict, why.get(name, ""), name not in turned) for name, verdict in verdicts.items()}


def _known(verdict: Verdict) -> str:
    words = DIRECTIONS[str(verdict.direction)].removesuffix(": ")
    return words[0].lower() + words[1:]


def _marked(verdict: Verdict, why: str, directed: bool) -> Verdict:
    if not why:
        return verdict
    assert verdict.leaf is not None
    if verdict.n >= FEWEST_TO_CAP and _by_mean(verdict.leaf.contrast):
        told = f"{why}; {_known(verdict)}" if directed else why
        capped = replace(verdict.capped(f"fragile: {told}", open=True), fragile=why)
        return replace(capped, direction=verdict.direction) if directed else capped
    return replace(verdict, fragile=why, reason=f"{verdict.reason} [fragile: {why}]")


def _inferred(verdict: Verdict) -> bool:
    """Whether it is a decision, and not one on a count that the design fixes."""
    return verdict.leaf is not None and verdict.verdict != "inconclusive" and not verdict.leaf.contrast.exact


def _skewed(verdict: Verdict) -> str:
    assert verdict.leaf is not None
    if not _by_mean(verdict.leaf.contrast):
        return ""
    skew = skewness(np.asarray(verdict.leaf.contrast.values, dtype=float))
    return f"the seeds' differences are skewed, G₁ = {skew:.1f}".replace("-", "−") if abs(skew) > MOST_SKEW else ""


def _by_mean(contrast: Contrast) -> bool:
    """Whether the contrast is judged by a t test."""
    return contrast.test == "mean" and not contrast.by_failures


def without(results: Results, seed: int) -> Results:
    """The results with a seed's pair lost: fewer pairs, and the same look."""
    trials = (replace(trial, values={}, pending=True) if trial.seed == seed else trial for trial in results.trials)
    return replace(results, trials=tuple(trials))
