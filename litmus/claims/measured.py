"""Contrasts from results: complete seeds only, runs that fail are counted, suspicious sameness is a fault."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from textwrap import shorten
from typing import Any

import numpy as np

from litmus.claims.contrast import FAR, FEWEST_SEEDS, MOST_LOST, Contrast, Failures, comparable, count_failures
from litmus.claims.notation import listing, spelled
from litmus.claims.quantity import Quantity, is_measured
from litmus.claims.results import Results
from litmus.claims.study import Study
from litmus.claims.tuning import TunedArms
from litmus.words import count

LOST = "without a value"
# Characters of an error.
MOST_TOLD = 60
# A curve counts its epochs one by one under `epoch`; a run's total of them is `epochs`.
CLOCKS = {"epoch": "epochs"}


class Measured:
    """Makes contrasts from a study's results (a ContrastMaker).

    Args:
        looks: the seeds of each planned look so far, every one of which counts; by default all seeds, looked at once.
        tuned: what is known of the results' tuning, which no seed changes; by default it is worked out here.
        planned: the arms whose runs nothing ends before their planned epochs; a bare table tells of none.
    """

    def __init__(
        self,
        study: Study,
        results: Results,
        looks: Sequence[Iterable[int]] | None = None,
        tuned: TunedArms | None = None,
        planned: Collection[str] = (),
    ) -> None:
        self.study = study
        self.results = results
        self.looks = None if looks is None else [frozenset(seeds) for seeds in looks]
        self.tuned = TunedArms(study, results.tuning) if tuned is None else tuned
        self.planned = planned
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
        words = spelled(self.study, subject), spelled(self.study, reference)
        told = Contrast(quantity, weights, np.empty(0), *words, oriented, ratio=self.study.ratio_of(quantity))
        if self.looks is None:
            return self._at(told, rivals, None)
        *earlier, last = (self._at(told, rivals, seeds) for seeds in self.looks)
        return replace(last, earlier=tuple(earlier), corrected=True)

    def _at(self, told: Contrast, rivals: bool, among: frozenset[int] | None) -> Contrast:
        """The contrast with the values of some seeds, None for all."""
        quantity, weights = told.quantity, told.weights
        budget = self.shared_budget(quantity, weights)
        columns = {arm: self._values(quantity, arm, budget) for arm in weights}
        seeds = sorted(set().union(*(self.results.values(quantity.name, arm) for arm in weights)))
        seeds = [seed for seed in seeds if among is None or seed in among]
        lost = {arm: self.results.lost(quantity.name, arm) for arm in weights}
        lost = {arm: {s: why for s, why in own.items() if among is None or s in among} for arm, own in lost.items()}
        complete = [seed for seed in seeds if all(seed in column for column in columns.values())]
        sign = quantity.sign if told.oriented else 1
        values = np.zeros(len(complete))
        largest = 0.0
        for arm, weight in weights.items():
            column = np.array([columns[arm][seed] for seed in complete])
            values = values + sign * weight * column
            largest = max(largest, float(np.abs(column).max(initial=0.0)))
        failures, fault = self.failures(told, rivals, seeds, budget)
        unknown = len(set().union(*lost.values()))
        words = f"{failures.words}, and {count(unknown, 'pair')} {LOST}" if unknown else failures.words
        failures = replace(failures, unknown=unknown, of=failures.of + unknown, words=words)
        # A spread below rounding is no spread: for counted values exactly none, for measured ones a broken run.
        if len(values) > 1 and values.std() <= 1e-12 * largest:
            values = np.full_like(values, values[0])
            never = quantity.at == "rise" and largest == 0  # no run of any arm lost something of its best
            if len(values) >= FEWEST_SEEDS and not quantity.ties and not never and failures.lost <= MOST_LOST:
                fault = fault or sameness([spelled(self.study, arm) for arm in weights], quantity, not values.any())
        test = test_of(quantity, weights, columns, self.fixed(quantity, weights))
        if test == "share" and len(weights) > 1:
            values = np.round(values, 9)  # a third and a third are two thirds
        if quantity.binary and test == "mean" and every(columns) <= {0.0, 1.0} and not fault:
            together = ", ".join(spelled(self.study, arm) for arm in weights)
            what = f"the {quantity.label} of {together} together has no exact test"
            fault = f"{what}: name one arm, or two sides of as many arms"
        made = replace(
            told,
            values=values,
            left_out=len(seeds) - len(complete),
            fault=fault,
            test=test,
            failures=failures,
            censored=0 if budget is None else self._censored(quantity, weights, complete),
            budget=budget,
            reach=None if budget is None else self._reach(told, complete, values),
            tuning=self.tuned.parts(quantity, weights),
        )
        few = made.exact or made.by_failures or not unknown or not complete or unknown + failures.lost <= MOST_LOST
        return (
            made
            if fault or few
            else replace(made, fault=self._lost_told(lost, len({*seeds}.union(*lost.values())), made))
        )

    def _lost_told(self, lost: Mapping[str, Mapping[int, str]], of: int, made: Contrast) -> str:
        """Why nothing is concluded from the other runs, which may be the lucky ones."""
        words = []
        for arm, own in lost.items():
            reasons = dict.fromkeys(shorten(why, MOST_TOLD, placeholder="…") for why in own.values() if why)
            told = f" ({listing(list(reasons), 2)})" if reasons else ""
            words += [f"{spelled(self.study, arm)} {len(own)} of {of}{told}"] if own else []
        pairs, also = made.failures.unknown + made.failures.lost, "not finite or " if made.failures.lost else ""
        one = "pairs" if len(lost) > 1 else "runs"
        return (
            f"{pairs} of {of} {one} were lost to runs {also}{LOST}, {listing(words, 4)}, and a mean over the others "
            "would be one of lucky runs: let them finish, or run the same command again"
        )

    def fixed(self, quantity: Quantity, arms: Iterable[str]) -> bool:
        """Whether the design fixes what is counted: nothing ends a run early, and each arm has one value."""
        every = {arm: set(self.results.values(quantity.name, arm).values()) for arm in arms}
        return not quantity.spent or all(arm in self.planned and len(own) < 2 for arm, own in every.items())

    def failures(
        self, told: Contrast, rivals: bool, seeds: Sequence[int], budget: float | None
    ) -> tuple[Failures, str]:
        """The pairs that failed runs cost, and why nothing can be concluded where they are too many to be ignored."""
        quantity, weights = told.quantity, told.weights
        found = {arm: self.results.values(quantity.name, arm) for arm in weights}
        run = [seed for seed in seeds if all(seed in own for own in found.values())]
        counted = [math.inf] if budget is not None else []
        broken = {arm: [not math.isfinite(own[s]) and own[s] not in counted for s in run] for arm, own in found.items()}
        what = "never got there" if quantity.at == "time_to" else "are not finite"
        words = ", ".join(f"{spelled(self.study, arm)} {sum(own)} of {len(run)}" for arm, own in broken.items())
        worse_is_more = quantity.sign < 0 and not told.oriented
        made = count_failures(broken, weights, worse_is_more, rivals, f"runs that {what}: {words}")
        fault = ""
        if made.lost > MOST_LOST and len(weights) > 1:
            if not (rivals and comparable(weights)):
                fault = f"too many {made.words}; a mean over the others would be one of lucky runs"
            elif quantity.at == "time_to":
                fault = f"too many {made.words}, and the arms share no budget"
        return made, fault

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

    def _censored(self, quantity: Quantity, arms: Iterable[str], seeds: Iterable[int]) -> int:
        """How many of the runs never got to the threshold."""
        seeds = list(seeds)
        return sum(math.isinf(self.results.values(quantity.name, arm)[seed]) for arm in arms for seed in seeds)

    def _reach(self, told: Contrast, seeds: Sequence[int], values: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        """The least and the most that each seed's value may be; None where every run got there."""
        sign = told.quantity.sign if told.oriented else 1
        never = {arm: self.results.values(told.quantity.name, arm) for arm in told.weights}
        sides = [
            {sign * told.weights[arm] > 0 for arm, own in never.items() if math.isinf(own[seed])} for seed in seeds
        ]
        if not any(sides):
            return None
        least, most = (np.array([moves in side for side in sides], dtype=bool) for moves in (False, True))
        return np.where(least, -FAR, values), np.where(most, FAR, values)

    def _values(self, quantity: Quantity, arm: str, budget: float | None) -> dict[int, float]:
        key = (quantity.name, arm, budget)
        if key not in self._transformed:
            every = self.results.values(quantity.name, arm)
            counted = {s: budget if budget is not None and value == math.inf else value for s, value in every.items()}
            found = {s: float(quantity.transform(value)) for s, value in counted.items() if math.isfinite(value)}
            self._transformed[key] = {seed: value for seed, value in found.items() if math.isfinite(value)}
        return self._transformed[key]

    def infeasible(self, quantity: Quantity, arm: str) -> bool:
        """Whether more than half of the arm's runs gave no finite value: listed last, whatever the others' mean."""
        runs = self.results.values(quantity.name, arm)
        return len(runs) > 2 * len(self.results.finite(quantity.name, arm))


def test_of(
    quantity: Quantity, weights: Mapping[str, float], columns: Mapping[str, Mapping[int, float]], fixed: bool
) -> str:
    """How a contrast is tested: time_to by signs, yes and no by their share, everything else by its mean.

    A rise that no run has is one by signs: without a spread a mean would be known from three seeds, whatever the next
    would do. So are epochs, updates and samples that no design has `fixed`: few runs that end alike tell of no others.
    Of sides of several arms each pair counts for the one of which more runs say yes.
    """
    if quantity.at == "time_to" or not fixed or (quantity.at == "rise" and every(columns) == {0.0}):
        return "sign"
    return "share" if quantity.binary and every(columns) <= {0.0, 1.0} and comparable(weights) else "mean"


def every(columns: Mapping[str, Mapping[int, float]]) -> set[float]:
    """All values of all arms."""
    return set().union(*(own.values() for own in columns.values()))


def sameness(arms: list[str], quantity: Quantity, alike: bool) -> str:
    """The sentence for a contrast that does not vary over seeds."""
    fixed = (
        "" if is_measured(quantity.metric) else "; if the design fixes it, say `deterministic: true` of the quantity"
    )
    if len(arms) == 1:
        return f"{arms[0]} has the same {quantity.label} on every seed, so the seed did not reach the run{fixed}"
    if len(arms) == 2:
        how = "is the same" if alike else "differs by the same amount"
        return f"the {quantity.label} of {arms[0]} and {arms[1]} {how} on every seed{fixed}"
    return f"the contrast of {', '.join(arms)} has no spread in {quantity.label} over the seeds{fixed}"


def planned_arms(configs: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The arms in whose resolved flat settings nothing may end a run before its planned epochs."""
    return [arm for arm, config in configs.items() if not any(ends_early(*one) for one in config.items())]


def ends_early(key: str, value: Any) -> bool:
    """Whether a setting may end a run early: a limit of time, early stopping, a timer."""
    if value is None:
        return False
    own = key.startswith("callbacks") and any(word in f"{key}={value}".lower() for word in ("early", "timer", "prun"))
    return own or key.split(".")[-1] == "max_time"
