"""A published study as the hyperparameter report asks it: arms by setting, metrics by arm, effects, costs, curves."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from answers.make.publication.rows import AS_REPORTED
from answers.make.publication.tables import RESULTS, SHOWN, read_runs
from litmus.claims.arms import describe
from litmus.claims.judgement import judge
from litmus.claims.measure import measure
from litmus.claims.notation import listing, number, text
from litmus.claims.quantity import Quantity, read_quantity
from litmus.claims.results import COUNTERS, Results
from litmus.claims.results_table import read_results
from litmus.claims.runs import Run
from litmus.claims.scale import effect
from litmus.claims.statistics import Summary
from litmus.claims.study_file import read_study_file
from litmus.report.evidence import Evidence, tied_with_best
from litmus.words import plus_minus

REGIMES = {"": "Full passes", AS_REPORTED: "Epochs of 100 updates"}
# What every study of the document holds but for what it varies.
BASELINE = {"epochs": 5, "batch_size": 64, "lr": 1e-3, "optimizer": "adam", "model.units": 256, "model.layers": 2}
# A validation loss that every useful learning rate reaches.
THRESHOLD = 0.5
METRICS = (*SHOWN, "test/loss", "test/acc")
# What the report asks of a run, whether its study made a quantity of it or not.
ASKED = {
    **{name: {"metric": name, "at": "best_val"} for name in METRICS},
    **{f"val/loss {at}": {"metric": "val/loss", "at": at} for at in ("rise", "roughness")},
    "val/loss time_to": {"metric": "val/loss", "at": {"time_to": THRESHOLD}},
    "gap": {"metric": "gap", "at": "last"},
}
# Seconds are the machine's and its other work's: arms that differ by less take as long.
ABOUT_AS_FAST = 1.5


class UnpublishedError(Exception):
    """What a question needs and answers/studies does not hold, with the commands that bring it."""

    def __init__(self, name: str, what: str = "this study is") -> None:
        self.what = what
        commands = f"python train.py -m study={name}, then python answers/make/publish.py studies/{name}"
        super().__init__(f"{what} not published: {commands}.")


class Experiment(Evidence):
    """A study as evidence that also knows the quantities of ASKED; its runs have curves where they are published."""

    @property
    def regime(self) -> str:
        """How long an epoch was."""
        return REGIMES[AS_REPORTED if self.name.endswith(AS_REPORTED) else ""]

    @cached_property
    def order(self) -> list[str]:
        """The arms of which a run ended, by the mean of the quantity that matters most, best first."""
        return self.ranked(self.leading)

    @property
    def best(self) -> str:
        """The arm of the best mean."""
        return self.order[0]

    @property
    def arms(self) -> list[str]:
        """The arms of which a run ended, in the study's order."""
        return [arm for arm in self.study.arms if arm in self.order]

    def good(self, among: Sequence[str] | None = None) -> list[str]:
        """The best arm (of these) and those not separated from it, best first."""
        ranked = [arm for arm in self.order if among is None or arm in among]
        return [*ranked[:1], *tied_with_best(self, ranked)]

    def cheapest(self, arms: Sequence[str] | None = None) -> str:
        """Of the good arms that of the fewest samples, then parameters, then seconds (the first of about as many)."""
        arms = self.good() if arms is None else arms
        spent = {
            arm: [np.nan_to_num(self.counter(one, arm)) for one in ("samples", "params", "seconds")] for arm in arms
        }
        least = min(own[:2] for own in spent.values())
        small = [arm for arm in arms if spent[arm][:2] == least]
        fastest = min(spent[arm][2] for arm in small)
        return next(arm for arm in small if spent[arm][2] <= ABOUT_AS_FAST * fastest)

    def setting(self, arm: str, key: str) -> Any:
        """A setting of an arm: tuned (one value over its runs), varied, or the baseline's."""
        if key in self.study.nuisance:
            tuned = {run.summary.get(key) for run in self.runs if run.arm == arm}
            return tuned.pop() if len(tuned) == 1 else None
        return self.study.arms[arm].get(key, self.study.fixed.get(key, BASELINE.get(key)))

    def level(self, arm: str, key: str) -> float:
        """A setting or a cost as a number, not a number when it is none."""
        found = number(self.setting(arm, key))
        return self.counter(key, arm) if found is None else found

    def by(self, key: str, arms: Iterable[str] | None = None) -> list[str]:
        """The arms by the size of a setting or a cost; all, also those without a run that ended, where asked."""
        return sorted(self.arms if arms is None else arms, key=lambda arm: self.level(arm, key))

    def hidden(self, arm: str) -> tuple[int, ...]:
        """The widths of the hidden layers."""
        own = self.study.arms[arm]
        if "units_1" in own:
            return int(own["units_1"]), int(own["units_2"])
        return (int(self.level(arm, "model.units")),) * int(self.level(arm, "model.layers"))

    def optimizer(self, arm: str) -> str:
        """The optimizer's name, with its momentum where it has one."""
        momentum = self.setting(arm, "optimizer.momentum")
        return f"{self.setting(arm, 'optimizer')}{f' with momentum {text(momentum)}' if momentum else ''}"

    def sharing(self, counter: str) -> list[str]:
        """The arms by batch size that spent as much of a counter as the baseline, to 2 %; none when only it did."""
        base = self.study.select(self.baseline)
        spent = self.counter(counter, base[0]) if len(base) == 1 else math.nan
        found = [arm for arm in self.arms if not abs(self.counter(counter, arm) - spent) > 0.02 * spent]
        return self.by("batch_size", found) if len(found) > 1 else []

    def quantity(self, metric: str, at: str = "best_val") -> Quantity:
        """The study's quantity of a metric, or ours.

        Raises:
            UnpublishedError: when no run has a value: it takes a curve, or a metric, that was not published.
        """
        for name, one in self.study.quantities.items():
            same = (one.metric, one.at) == (metric, at) and one.threshold in (None, THRESHOLD)
            if same and any(name in trial.values for trial in self.results.trials):
                return one
        raise UnpublishedError(self.name, f"{metric} is" if at == "best_val" else "the learning curves are")

    def values(self, arm: str, metric: str = "test/loss", at: str = "best_val") -> dict[int, float]:
        """Seed → value, finite or not."""
        return self.results.values(self.quantity(metric, at).name, arm)

    def over_seeds(self, arm: str, metric: str = "test/loss", at: str = "best_val") -> Summary:
        """n, mean and SD of the finite ones."""
        return self.summary(self.quantity(metric, at).name, arm)

    def number(self, arm: str, metric: str = "test/loss", at: str = "best_val") -> float:
        """The mean over seeds."""
        return self.mean(self.quantity(metric, at).name, arm)

    def amount(self, arm: str, metric: str = "test/loss", at: str = "best_val") -> str:
        """0.351 ± 0.019; an accuracy 87.4 ± 0.3 %."""
        found = self.over_seeds(arm, metric, at)
        if not metric.endswith("acc") or found.n == 0:
            return plus_minus(float(found.mean), float(found.sd))
        return f"{100 * float(found.mean):.1f}{f' ± {100 * float(found.sd):.1f}' if found.n > 1 else ''} %"

    def effect(self, arm: str, than: str, metric: str = "") -> str:
        """The paired change of a metric, else of the quantity that matters most, with its interval."""
        quantity = self.quantity(metric) if metric else self.leading
        contrast = self.gain(quantity, arm, than=than)
        if contrast is None or not metric.endswith("acc"):
            return "—" if contrast is None else " ".join(effect(contrast))
        return points(contrast.summary)

    def by_epoch(self, arm: str, metric: str) -> NDArray[np.float64]:
        """A metric as seeds × epochs, cut to the shortest run; one value that is no number where no run ended.

        Raises:
            UnpublishedError: when no run of the study has curves.
        """
        if not any(run.history for run in self.runs):
            raise UnpublishedError(self.name, "the learning curves are")
        found = [run.history[metric] for run in self.runs if run.arm == arm and metric in run.history]
        return np.array([curve[: min(map(len, found))] for curve in found]) if found else np.array([[np.nan]])

    def curve(self, arm: str, metric: str) -> NDArray[np.float64]:
        """Its mean over seeds."""
        return self.by_epoch(arm, metric).mean(axis=0)

    def named(self, arm: str) -> str:
        """An arm by its levels alone: 64, or 256 × 256; by its name where it has one."""
        return " × ".join(map(text, self.study.arms[arm].values())) if self.study.factors else arm

    def label(self, arm: str) -> str:
        """An arm with the names of its factors: batch_size 64, lr 0.002; by its name where it has one."""
        return describe(self.study.arms[arm]) if self.study.factors else arm

    def several(self, arms: Iterable[str], most: int = 6) -> str:
        """Arms in one line."""
        return listing([self.named(arm) for arm in arms], most)


def read_experiment(place: Path) -> Experiment:
    """A published study from its study.yaml and tables, trials.csv.gz and curves.csv.gz where they are there."""
    study, runs = read_study_file(place / "study.yaml"), read_runs(place)
    results = read_results(study, place / RESULTS)
    own = {(one.metric, one.at, one.threshold) for one in study.quantities.values()}
    asked = {name: read_quantity(name, node) for name, node in ASKED.items()}
    more = {name: one for name, one in asked.items() if (one.metric, one.at, one.threshold) not in own}
    found = {(run.arm, run.seed): run for run in runs}
    trials = []
    for trial in results.trials:
        run = found.get((trial.arm, trial.seed), Run(trial.arm, trial.seed))
        counters = {name: run.summary[name] for name in COUNTERS if name in run.summary}
        values = {**dict(measured(more, run)), **trial.values}
        trials.append(replace(trial, values=values, counters={**trial.counters, **counters}))
    whole = replace(study, quantities={**study.quantities, **more})
    return Experiment(place.name, whole, Results(tuple(trials), results.findings), judge(study, results), runs)


def measured(quantities: Mapping[str, Quantity], run: Run) -> Iterator[tuple[str, float]]:
    """What can be measured of a run; its own summary goes before curves, which may be thinned out."""
    for name, quantity in quantities.items():
        known = quantity.at == "best_val" and quantity.metric in run.summary
        try:
            yield name, measure(quantity, {} if known else run.history, run.summary)
        except ValueError:
            continue


def share(value: float, places: int = 1) -> str:
    """0.874 → 87.4 %."""
    return "—" if math.isnan(value) else f"{100 * value:.{places}f} %".replace("-", "−")


def points(summary: Summary) -> str:
    """A difference of accuracies: +1.2 points [+0.8, +1.6]."""
    if not math.isfinite(float(summary.mean)):
        return "—"
    mean, *ends = (f"{100 * float(one) + 0.0:+.1f}".replace("-", "−") for one in (summary.mean, *summary.interval()))
    return f"{mean} points [{', '.join(ends)}]" if summary.n > 1 else f"{mean} points"
