"""One finished study as the hyperparameter report reads it: by settings, by metric, by clock."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from answers.make.publication.rows import AS_REPORTED
from src.studies.notation import number, text
from src.studies.report.evidence import Evidence
from src.studies.report.tied import tied_with_best
from src.studies.statistics import Summary, summarize

REGIMES = {"": "Full passes", AS_REPORTED: "Epochs of 100 updates"}
# Seconds are the machine's and its other work's: arms that differ by less take as long.
ABOUT_AS_FAST = 1.5


@dataclass(frozen=True)
class Experiment:
    """A finished study, read by metric rather than by quantity."""

    name: str
    evidence: Evidence

    @property
    def regime(self) -> str:
        """How long an epoch was."""
        return REGIMES[AS_REPORTED if self.name.endswith(AS_REPORTED) else ""]

    @property
    def every(self) -> list[str]:
        """All arms, in the study's order."""
        return list(self.evidence.study.arms)

    @cached_property
    def arms(self) -> list[str]:
        """The arms of which at least one run ended, in the study's order."""
        return [arm for arm in self.every if self.paths(arm, "val/loss") and self.values(arm, "test/loss")]

    @cached_property
    def ranked(self) -> list[str]:
        """The arms by the mean of the quantity that matters most, best first."""
        return [arm for arm in self.evidence.ranked(self.evidence.leading) if arm in self.arms]

    @cached_property
    def good(self) -> list[str]:
        """The best arm and those not separated from it, best first."""
        return [*self.ranked[:1], *tied_with_best(self.evidence)]

    def cheapest(self, arms: Sequence[str]) -> str:
        """The arm of the fewest samples, then parameters, then seconds; the first of those that take about as many."""
        spent = {
            arm: [np.nan_to_num(self.cost(name, arm)) for name in ("samples", "params", "seconds")] for arm in arms
        }
        least = min(own[:2] for own in spent.values())
        small = [arm for arm in arms if spent[arm][:2] == least]
        fastest = min(spent[arm][2] for arm in small)
        return next(arm for arm in small if spent[arm][2] <= ABOUT_AS_FAST * fastest)

    def setting(self, arm: str, key: str) -> Any:
        """A setting of an arm, as resolved; its override where no configuration came along."""
        return self.evidence.configs.get(arm, {}).get(key, self.evidence.study.arms[arm].get(key))

    def level(self, arm: str, key: str) -> float:
        """A numeric setting of an arm; not a number when it has none."""
        found = number(self.setting(arm, key))
        return math.nan if found is None else found

    def by_level(self, key: str, arms: Sequence[str] | None = None) -> list[str]:
        """The arms that set the key, by its size."""
        known = [arm for arm in (self.arms if arms is None else arms) if not math.isnan(self.level(arm, key))]
        return sorted(known, key=lambda arm: self.level(arm, key))

    def hidden(self, arm: str) -> tuple[int, ...]:
        """The widths of the hidden layers."""
        units, layers = self.setting(arm, "model.units"), self.setting(arm, "model.layers")
        if isinstance(units, str):
            units = [part for part in units.strip("[]").split(",") if part]
        return tuple(int(one) for one in units) if isinstance(units, list | tuple) else (int(units),) * int(layers or 1)

    def optimizer(self, arm: str) -> str:
        """The optimizer's name, with its momentum where it has one."""
        name = str(self.setting(arm, "optimizer._target_")).rpartition(".")[2]
        momentum = number(self.setting(arm, "optimizer.momentum"))
        return f"{name} with momentum {text(momentum)}" if momentum else name

    def rate(self, arm: str) -> float:
        """The learning rate of an arm's trials, the tuned one where it was tuned."""
        used = {number(one.settings.get("lr")) for (own, _), one in self.evidence.records.items() if own == arm}
        known = {rate for rate in used if rate is not None}
        return known.pop() if len(known) == 1 else math.nan

    def cost(self, name: str, arm: str) -> float:
        """The mean of a counter."""
        return self.evidence.counter(name, arm)

    def values(self, arm: str, metric: str) -> dict[int, float]:
        """Seed → a metric at the epoch that validation chose; finite ones only."""
        found = {
            seed: one.summary.get(metric, math.nan)
            for (own, seed), one in self.evidence.records.items()
            if own == arm and one.done
        }
        return {seed: value for seed, value in found.items() if math.isfinite(value)}

    def summary(self, arm: str, metric: str) -> Summary:
        """n, mean and SD of a metric over seeds."""
        return summarize(list(self.values(arm, metric).values()))

    def mean(self, arm: str, metric: str) -> float:
        """The mean of a metric over seeds, not a number without any."""
        return float(self.summary(arm, metric).mean)

    def paths(self, arm: str, metric: str) -> dict[int, NDArray[np.float64]]:
        """Seed → a metric by epoch, of the runs that ended."""
        return {
            run.seed: np.asarray(run.history[metric], dtype=float)
            for run in self.evidence.curves.get(arm, [])
            if metric in run.history and self.evidence.records[arm, run.seed].done
        }

    def curves(self, arm: str, metric: str) -> NDArray[np.float64]:
        """The same as seeds × epochs, cut to the shortest run; empty without any."""
        found = list(self.paths(arm, metric).values())
        epochs = min((len(curve) for curve in found), default=0)
        return np.array([curve[:epochs] for curve in found], dtype=float).reshape(len(found), epochs)

    def curve(self, arm: str, metric: str) -> NDArray[np.float64]:
        """The mean over seeds of a metric, by epoch."""
        found = self.curves(arm, metric)
        return found.mean(axis=0) if found.size else np.empty(0)

    def change(self, arm: str, than: str, metric: str, log: bool = False) -> Summary:
        """The paired difference of two arms in a metric, of its logarithm where asked."""
        first, second = self.values(arm, metric), self.values(than, metric)
        seeds = sorted(first.keys() & second.keys())
        pairs = np.array([[first[seed], second[seed]] for seed in seeds]).reshape(-1, 2)
        return summarize(np.subtract(*(np.log(pairs) if log else pairs).T))

    def sharing(self, counter: str) -> list[str]:
        """The arms that spent as much of a counter as the baseline, to 2 %."""
        base = self.evidence.study.select(self.evidence.baseline)
        if len(base) != 1:
            return self.arms
        spent = self.cost(counter, base[0])
        return [arm for arm in self.arms if abs(self.cost(counter, arm) - spent) <= 0.02 * spent]
