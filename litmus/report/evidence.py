"""Everything that a report is made from, and the few summaries that several sections share."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from litmus.claims.arms import Selector
from litmus.claims.contrast import Contrast
from litmus.claims.datasets import parts
from litmus.claims.finding import error
from litmus.claims.jitter import jitter_of, told
from litmus.claims.judgement import Judgement, judge
from litmus.claims.looks import Look
from litmus.claims.measured import Measured, planned_arms
from litmus.claims.notation import spelled
from litmus.claims.prediction import difference
from litmus.claims.quantity import Quantity
from litmus.claims.registration import Registration
from litmus.claims.results import Results
from litmus.claims.runs import Run
from litmus.claims.statistics import ALPHA, Summary, summarize
from litmus.claims.study import Study
from litmus.claims.tuning import twin
from litmus.records.record import Record
from litmus.records.tuning import TuningTrial
from litmus.words import count

# As many arms as a reader tells apart by colour.
MOST_COLOURS = 8
# What a trial's record says of one that has not ended.
UNSETTLED = ("unfinished", "damaged")
SMOKE = error("smoke", "A smoke run shows that everything runs; its numbers say nothing.")


@dataclass(frozen=True)
class Evidence:
    """A study with its trials and verdicts; `words` are the author's, by the name of the slot they answer.

    `configs` are the arms' resolved flat settings, `records` the trials' directories where there are any, `command`
    is what made the report, `sources` name the tables it was made from with their hash,
    `registered` are the study's wordings with their dates, `data` is the one of several data sets that this is of.
    `guessing` is, by split, what always saying the commonest class scores where no record tells.
    """

    name: str
    study: Study
    results: Results
    judgement: Judgement
    runs: Sequence[Run] = ()
    configs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    records: Mapping[tuple[str, int], Record] = field(default_factory=dict)
    tuning: Sequence[TuningTrial] = ()
    command: str = ""
    sources: Mapping[str, str] = field(default_factory=dict)
    words: Mapping[str, str] = field(default_factory=dict)
    registered: Sequence[Registration] = ()
    data: str = ""
    guessing: Mapping[str, float] = field(default_factory=dict)

    @cached_property
    def contrast(self) -> Measured:
        """Makes contrasts of these results."""
        return Measured(self.study, self.results, planned=planned_arms(self.configs))

    @cached_property
    def errors(self) -> dict[tuple[str, int], str]:
        """(arm, seed) → why a trial did not end well."""
        found = {key: record.error for key, record in self.records.items() if not record.done}
        return found | {(run.arm, run.seed): run.error for run in self.runs if run.error}

    @property
    def missing(self) -> list[tuple[str, int]]:
        """The trials that a new start of the same command would run, or go on with."""
        asked = ((arm, seed) for arm in self.study.arms for seed in self.asked)
        return [key for key in asked if key not in self.records or self.records[key].status in UNSETTLED]

    @property
    def asked(self) -> tuple[int, ...]:
        """The seeds that the study asks for: up to the look that decided, or to the one that is due."""
        steps = self.study.plan.steps
        place = self.judgement.looks.looks.index(self.judgement.looks.seeds) if self.judgement.looks.looks else -1
        return steps[min(place + (not self.judgement.settled), len(steps) - 1)] if self.study.until else steps[0]

    @property
    def mixed(self) -> bool:
        """Whether lint found that not all trials were run alike."""
        return any(finding.code.startswith("mixed_") for finding in self.judgement.lint)

    @property
    def leading(self) -> Quantity:
        """The quantity that matters most."""
        return self.study.leading

    @property
    def selection(self) -> str:
        """The metric by which settings and epochs are chosen."""
        return self.leading.select

    def named(self, arm: str) -> str:
        """An arm as the report spells it."""
        return spelled(self.study, arm)

    def summary(self, quantity: str, arm: str) -> Summary:
        """n, mean and SD of an arm's finite values."""
        ratio = self.study.ratio_of(self.study.quantities[quantity])
        return summarize(list(self.results.finite(quantity, arm).values()), ratio)

    def mean(self, quantity: str, arm: str) -> float:
        """The mean of an arm's finite values, not a number without any."""
        values = self.results.finite(quantity, arm).values()
        return math.fsum(values) / len(values) if values else math.nan

    def failed(self, quantity: str, arm: str) -> tuple[int, int]:
        """How many of an arm's runs gave no finite value, which no mean holds, and how many there are."""
        every = self.results.values(quantity, arm)
        return len(every) - len(self.results.finite(quantity, arm)), len(every)

    def ranked(self, quantity: Quantity) -> list[str]:
        """The arms with a mean, best first; infeasible ones come last."""
        means = {arm: self.mean(quantity.name, arm) for arm in self.study.arms}
        known = [arm for arm, mean in means.items() if math.isfinite(mean)]
        return sorted(known, key=lambda arm: (self.contrast.infeasible(quantity, arm), -quantity.sign * means[arm]))

    @cached_property
    def on_each(self) -> list[Evidence]:
        """What lies on each data set, whose arms alone are rivals; itself where there is one."""
        if not self.study.data or self.data:
            return [self]
        found = []
        for data, study in zip(self.study.data, parts(self.study), strict=True):
            trials = tuple(trial for trial in self.results.trials if trial.arm in study.arms)
            runs = [run for run in self.runs if run.arm in study.arms]
            records = {key: record for key, record in self.records.items() if key[0] in study.arms}
            results = replace(self.results, trials=trials)
            found.append(replace(self, study=study, results=results, runs=runs, records=records, data=data))
        return found

    @property
    def imprint(self) -> str:
        """Whose a picture is, in its last line: gradient_descent · 10 seeds."""
        return f"{self.name} · {count(len(self.asked), 'seed')}"

    @property
    def where(self) -> str:
        """Which data set this is of, in a title: on ads."""
        return f" on {self.data}" if self.data else ""

    @property
    def suffix(self) -> str:
        """The same in the name of a picture: -ads."""
        return f"-{self.data}" if self.data else ""

    @cached_property
    def baseline(self) -> Selector:
        """What gains are measured against, on each data set: the study's baseline, else its first arm."""
        first = next(iter((self.study.base or self.study).arms))
        return first if self.study.baseline is None else self.study.baseline

    def gain(self, quantity: Quantity, arm: str, than: Selector | None = None) -> Contrast | None:
        """The paired difference of an arm to the baseline (or another); None for the baseline itself."""
        reference = self.baseline if than is None else than
        # On several data sets, an arm is compared with the baseline on its own.
        there = next(part for part in parts(self.study) if than is not None or arm in part.arms)
        study = self.study if than is not None else there
        if study.select(reference) in ((arm,), ()):
            return None
        return self.contrast(quantity, difference(study, (arm, 1), (reference, -1)), arm)

    @cached_property
    def shown(self) -> list[str]:
        """The arms drawn in colour: all, or the baseline and the best when there are more than colours."""
        if len(self.study.arms) <= MOST_COLOURS:
            return list(self.study.arms)
        chosen = [*self.study.select(self.baseline)[:1], *self.ranked(self.leading), *self.study.arms]
        kept = list(dict.fromkeys(chosen))[:MOST_COLOURS]
        return [arm for arm in self.study.arms if arm in kept]

    @cached_property
    def curves(self) -> dict[str, list[Run]]:
        """Arm → its runs that have learning curves; a run that broke at once has none."""
        found: dict[str, list[Run]] = {arm: [] for arm in self.study.arms}
        for run in self.runs:
            if not run.error and any(np.isfinite(curve).any() for name, curve in run.history.items() if "/" in name):
                found[run.arm].append(run)
        return {arm: runs for arm, runs in found.items() if runs}

    @cached_property
    def jitters(self) -> list[str]:
        """A sentence for each prediction of which curves tell how much of its spread is jitter."""
        found = []
        for name, verdict in self.judgement.verdicts.items():
            if verdict.leaf is None or verdict.kind == "all_of":
                continue
            contrast = verdict.leaf.contrast
            metric = twin(contrast.quantity).metric
            curves = {
                arm: {run.seed: run.history[metric] for run in self.curves.get(arm, ()) if metric in run.history}
                for arm in contrast.weights
            }
            one = jitter_of(contrast, curves)
            found += [] if one is None else [told(name, contrast, one)]
        return found

    def counter(self, name: str, arm: str) -> float:
        """The mean of a counter, not a number when it was not recorded."""
        found = self.results.counter(name, arm)
        return math.nan if found is None else found

    def varied_counter(self, name: str) -> bool:
        """Whether arms differ in a counter by more than 1 %."""
        found = np.array([self.counter(name, arm) for arm in self.study.arms])
        found = found[np.isfinite(found)]
        return len(found) > 1 and found.max() > 1.01 * found.min()


def evidence_of(
    name: str,
    study: Study,
    results: Results,
    ended: Sequence[int] | None = None,
    looked: Sequence[Look] = (),
    **more: Any,
) -> Evidence:
    """The evidence with its judgement, which `ended` and `looked` are for."""
    judgement = judge(study, results, more.get("configs") or None, ended, looked)
    return Evidence(name, study, results, judgement, **more)


def tied_with_best(evidence: Evidence, among: Sequence[str] | None = None) -> list[str]:
    """The arms whose paired interval against the best mean reaches zero (uncorrected), best first.

    Where failures decide, an arm is separated that is shown to fail more often than the best, or mostly fails.
    """
    quantity = evidence.leading
    ranked = [arm for arm in evidence.ranked(quantity) if among is None or arm in among]
    found = []
    for arm in ranked[1:]:
        contrast = evidence.gain(quantity, arm, than=ranked[0])
        if contrast is None:
            continue
        if contrast.by_failures:
            worse = contrast.mean < 0 and contrast.p_below(0.0) < ALPHA / 2
            mostly = [evidence.contrast.infeasible(quantity, one) for one in (ranked[0], arm)]
            separated = worse or mostly == [False, True]
        else:
            separated = contrast.interval[1] < 0
        # What cannot be decided, as with two seeds, separates nothing.
        if not (contrast.decidable and separated):
            found.append(arm)
    return found


def fails_less(evidence: Evidence, arm: str, than: str) -> bool:
    """Whether an arm is shown to fail less often than another (exact McNemar test, uncorrected)."""
    contrast = evidence.gain(evidence.leading, arm, than=than)
    return contrast is not None and bool(contrast.by_failures and contrast.p_above(0.0) < ALPHA / 2)
