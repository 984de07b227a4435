"""What several data sets say of others like them: a random-effects summary of an effect."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import stdtrit

from litmus.claims.statistics import ALPHA

FEWEST = 3


@dataclass(frozen=True)
class Summary:
    """The mean effect over data sets like these with its interval, the SD between data sets, and where another lies."""

    mean: float
    interval: tuple[float, float]
    tau: float
    another: tuple[float, float]


def random_effects(means: Sequence[float], errors: Sequence[float], alpha: float = ALPHA) -> Summary | None:
    """The summary of effects with their standard errors; None below three data sets.

    τ² by Paule and Mandel (1982, J. Res. NBS 87); the interval of the mean by Hartung and Knapp (2001,
    doi:10.1002/sim.1009), with the t distribution of one less than the data sets, never narrower than without their
    factor; the prediction interval by Higgins, Thompson and Spiegelhalter (2009, doi:10.1111/j.1467-985X.2008.00552.x).
    """
    y, v = np.asarray(means, dtype=float), np.asarray(errors, dtype=float) ** 2
    k = len(y)
    if k < FEWEST or not (np.isfinite(y).all() and np.isfinite(v).all() and (v > 0).all()):
        return None

    def excess(tau2: float) -> float:
        w = 1 / (v + tau2)
        return float((w * (y - (w * y).sum() / w.sum()) ** 2).sum()) - (k - 1)

    top = float(np.ptp(y) ** 2 + v.max())
    tau2 = 0.0 if excess(0.0) <= 0 else float(brentq(excess, 0.0, max(top, 1e-300) * k))
    w = 1 / (v + tau2)
    mean = float((w * y).sum() / w.sum())
    factor = max(1.0, float((w * (y - mean) ** 2).sum()) / (k - 1))
    variance = factor / float(w.sum())
    half = float(stdtrit(k - 1, 1 - alpha / 2)) * math.sqrt(variance)
    beyond = float(stdtrit(k - 2, 1 - alpha / 2)) * math.sqrt(tau2 + variance)
    return Summary(mean, (mean - half, mean + half), math.sqrt(tau2), (mean - beyond, mean + beyond))
