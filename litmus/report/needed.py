"""How many seeds the comparisons of a study would need: paired and not, and with looks on the way."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from litmus.claims.leaf import Gain
from litmus.claims.looks import LOOKS
from litmus.claims.measured import Measured, planned_arms
from litmus.claims.statistics import seeds_needed
from litmus.report.evidence import Evidence
from litmus.words import plain

COLUMNS = ("quantity", "arm", "against", "SD paired", "SD unpaired", "seeds", "seeds unpaired", "decided at look")


def rows(evidence: Evidence) -> Iterator[tuple[str, ...]]:
    """Each arm against the baseline: the SD of what is compared, and the seeds that find one sesoi with 80 %.

    Unpaired, the SD is what it would be if arms shared no seed: √(SD₁² + SD₂²). The last column is the first planned
    look that shows which of them is better, of the seeds that there are.
    """
    for quantity in evidence.study.quantities.values():
        if quantity.sesoi is None:
            continue
        for arm in evidence.study.arms:
            contrast = evidence.gain(quantity, arm)
            if contrast is None or contrast.test != "mean" or contrast.fault or not contrast.summary.n > 2:
                continue
            paired, apart = (
                float(contrast.summary.sd),
                math.sqrt(
                    sum(
                        weight**2
                        * float(
                            np.var(
                                quantity.transform(list(evidence.results.finite(quantity.name, one).values())), ddof=1
                            )
                        )
                        for one, weight in contrast.weights.items()
                    )
                ),
            )
            needed = (seeds_needed(quantity.sesoi / sd, contrast.ratio) if sd > 0 else 3 for sd in (paired, apart))
            other = ", ".join(one for one in contrast.weights if one != arm)
            told = ("never" if one is None else f"{one:,}" for one in needed)
            yield (
                quantity.name,
                arm,
                other,
                plain(paired, 3),
                plain(apart, 3),
                *told,
                look(evidence, arm, quantity.name),
            )


def look(evidence: Evidence, arm: str, name: str) -> str:
    """The first planned look at which a side is shown, — for none."""
    quantity, seeds = evidence.study.quantities[name], sorted({trial.seed for trial in evidence.results.trials})
    gain = evidence.gain(quantity, arm)
    for place, count in enumerate(LOOKS, start=1):
        if gain is None or count > len(seeds):
            break
        first = [seeds[:n] for n in LOOKS[:place]]
        made = Measured(evidence.study, evidence.results, first, planned=planned_arms(evidence.configs))(
            quantity, gain.weights, arm
        )
        if bool(Gain(made).confirms()) or bool(Gain(made).rejects()):
            return str(count)
    return "—"
