"""Contrasts from results: complete seeds only, infeasible arms lose, suspicious sameness is a fault."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np

from litmus.claims.contrast import FEWEST_SEEDS, Contrast
from litmus.claims.quantity import Quantity
from litmus.claims.results import Results
from litmus.claims.study import Study

# A curve counts its epochs one by one under `epoch`; a run's total of them is `epochs`.
CLOCKS = {"epoch": "epochs"}


class Measured:
    """Makes contrasts from a study's results (a ContrastMaker)."""

    def __init__(self, study: Study, results: Results) -> None:
        self.study = study
        self.results = results
        self._transformed: dict[tuple[str, str, float | None], dict[int, float]] = {}

    def __call__(
        self,
        quantity: Quantity,
        weights: Mapping[str, float],
        subject: str = "",
        reference: str = "",
        oriented: bool = True,
        rivals: bool = True,
    ) -> Contrast:
        """Σ_a w_a·g(y[a, s]) over the seeds that every arm has a finite value for; the others are counted."""
        weights = {arm: weight for arm, weight in weights.items() if abs(weight) > 1e-12}
        budget = self.shared_budget(quantity, weights)
        columns = {arm: self._values(quantity, arm, budget) for arm in weights}
        seeds = sorted(set().union(*(self.results.values(quantity.name, arm) for arm in weights)))
        complete = [seed for seed in seeds if all(seed in column for column in columns.values())]
        sign = quantity.sign if oriented else 1
        values = np.zeros(len(complete))
        largest = 0.0
        for arm, weight in weights.items():
            column = np.array([columns[arm][seed] for seed in complete])
            values = values + sign * weight * column
            largest = max(largest, float(np.abs(column).max(initial=0.0)))
        losers = tuple(arm for arm in weights if self.infeasible(quantity, arm))
        forced, fault = decide(losers, weights, rivals)
        if not oriented:
            # What loses is a gain of −∞; as a plain value it is the worst there is: an infinite loss, no accuracy.
            forced *= quantity.sign
        # A spread below rounding is no spread: for counted values exactly none, for measured ones a broken run.
        if len(values) > 1 and values.std() <= 1e-12 * largest:
            values = np.full_like(values, values[0])
            never = quantity.at == "rise" and largest == 0  # no run of any arm lost something of its best
            if len(values) >= FEWEST_SEEDS and not quantity.deterministic and not forced and not never:
                fault = fault or sameness(list(weights), quantity)
        return Contrast(
            quantity,
            weights,
            values,
            subject,
            reference,
            oriented,
            left_out=len(seeds) - len(complete),
            forced=forced,
            fault=fault,
            ratio=self.study.ratio,
            runs=min((len(self.results.values(quantity.name, arm)) for arm in weights), default=0),
            losers=tuple(self.loss(quantity, arm) for arm in losers),
            censored=sum(math.isinf(self.results.values(quantity.name, arm)[s]) for arm in weights for s in complete),
            budget=budget,
        )

    def shared_budget(self, quantity: Quantity, arms: Iterable[str]) -> float | None:
        """The clock at which every arm's runs ended, where a run that never got there counts: min(time, budget), the
        restricted mean of survival analysis (Royston and Parmar, 2013, doi:10.1186/1471-2288-13-152).

        None where arms ended at different clocks: what the shorter ones would have done by then is unknown.
        """
        if quantity.at != "time_to":
            return None
        clock = CLOCKS.get(quantity.unit, quantity.unit)
        ends = [self.results.longest(clock, arm) or math.nan for arm in arms]
        shared = bool(ends) and math.isclose(max(ends), min(ends), rel_tol=1e-9) and math.isfinite(sum(ends))
        return ends[0] if shared else None

    def _values(self, quantity: Quantity, arm: str, budget: float | None) -> dict[int, float]:
        key = (quantity.name, arm, budget)
        if key not in self._transformed:
            every = self.results.values(quantity.name, arm)
            counted = {s: budget if budget is not None and value == math.inf else value for s, value in every.items()}
            found = {s: float(quantity.transform(value)) for s, value in counted.items() if math.isfinite(value)}
            self._transformed[key] = {seed: value for seed, value in found.items() if math.isfinite(value)}
        return self._transformed[key]

    def infeasible(self, quantity: Quantity, arm: str) -> bool:
        """Whether more than half of the arm's runs gave no finite value."""
        runs = self.results.values(quantity.name, arm)
        return len(runs) > 2 * len(self.results.finite(quantity.name, arm))

    def loss(self, quantity: Quantity, arm: str) -> str:
        """How an infeasible arm failed: arm (4 of 5 runs not finite)."""
        runs = self.results.values(quantity.name, arm)
        broken = len(runs) - len(self.results.finite(quantity.name, arm))
        what = "never got there" if quantity.at == "time_to" else "are not finite"
        return f"{arm} ({broken} of {len(runs)} runs {what})"


def decide(losers: tuple[str, ...], weights: Mapping[str, float], rivals: bool) -> tuple[float, str]:
    """What infeasible arms decide: (±inf or 0, fault)."""
    if not losers:
        return 0.0, ""
    sides = {weights[arm] > 0 for arm in losers}
    if not rivals or len(sides) > 1:
        return 0.0, f"more than half of the runs of {' and '.join(losers)} are not finite"
    return (-math.inf if True in sides else math.inf), ""


def sameness(arms: list[str], quantity: Quantity) -> str:
    """The sentence for a contrast that does not vary over seeds."""
    if len(arms) == 1:
        return f"{arms[0]} has the same {quantity.label} on every seed, so the seed did not reach the run"
    if len(arms) == 2:
        return f"the {quantity.label} of {arms[0]} and {arms[1]} differs by the same amount on every seed"
    return f"the contrast of {', '.join(arms)} has no spread in {quantity.label} over the seeds"
