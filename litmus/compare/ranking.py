"""Which arm is best on each data set, which cannot be told from it, and how far behind the others are."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.special import stdtrit

from litmus.claims.contrast import FEWEST_SEEDS
from litmus.claims.notation import listing
from litmus.claims.quantity import is_share
from litmus.claims.statistics import ALPHA, summarize
from litmus.compare.comparison import Comparison, metrics
from litmus.direction import direction_of
from litmus.records.gathering import Arm, GatheredRun
from litmus.words import count, decimals, plain, plus_minus

# Differences of so many per cent, or points of accuracy, are shown as small.
SMALL = 0.02


@dataclass(frozen=True)
class Standing:
    """An arm in its block: values by seed, what separates it from the best (positive: behind), and its costs.

    `low` and `high` are infinite where there are too few seeds for an interval; `rank` is ★, = or a number.
    """

    arm: Arm
    name: str
    rank: str
    values: Mapping[Any, float]
    behind: float
    low: float
    high: float
    unit: str
    test: float
    seconds: float
    epochs: float

    @property
    def score(self) -> str:
        """1.047 ± 0.026."""
        found = summarize(list(self.values.values()))
        return plus_minus(float(found.mean), float(found.sd)) if found.n > 1 else plain(float(found.mean))

    @property
    def difference(self) -> str:
        """+4.4 %; of the best, best."""
        return "best" if self.rank == "★" else f"{self.told(self.behind)} {self.unit}".rstrip()

    def told(self, behind: float) -> str:
        """The number of a difference or of an end of its interval: one decimal of per cents and points, else so many
        as its width, or itself, needs."""
        number = shown(behind, self.unit)
        places = 1 if self.unit else decimals((self.high - self.low) / 2) or decimals(abs(self.behind)) or 1
        return f"{number:+.{places}f}".replace("-", "−")


@dataclass(frozen=True)
class Block:
    """One data set's arms, best first; `notes` say what makes them unlike."""

    title: str
    metric: str
    test: str
    standings: Sequence[Standing]
    paired: bool
    level: float
    notes: Sequence[str] = ()

    @property
    def sentence(self) -> str:
        """Who is best, who cannot be told from it, who is behind."""
        best = self.standings[0]
        told = f"Best: {best.name} ({self.metric} {best.score.split(' ± ')[0]}, {count(len(best.values), 'seed')})."
        if len(self.standings) == 1:
            return told
        if all(len(one.values) < 2 for one in self.standings):
            return f"{told} 1 seed each: cannot be told from luck."
        equal = [one.name for one in self.standings if one.rank == "="]
        behind = [f"{one.name} ({one.difference})" for one in self.standings if one.rank not in "★="]
        told += f" Not told apart from it: {listing(equal)}." if equal else " Ahead of all others."
        return f"{told} Behind: {listing(behind)}." if behind else told

    @property
    def heading(self) -> str:
        """How the differences were measured."""
        if not any(math.isfinite(one.low) for one in self.standings[1:]):
            return "behind the best"
        how = "paired by seed" if self.paired else "not paired: seeds are not shared"
        rivals = len(self.standings) - 1
        every = f", for all {rivals} at once" if rivals > 1 else ""
        return f"behind the best, {how}, 95 %{every}"

    @cached_property
    def ends(self) -> tuple[float, float]:
        """From where to where differences are drawn."""
        found = [end for one in self.standings for end in (one.behind, one.low, one.high) if math.isfinite(end)]
        least = SMALL / 2 if self.standings[0].unit else max(map(abs, found)) / 100 or 1.0
        low, high = min([*found, -least]), max([*found, least])
        return low - 0.05 * (high - low), high + 0.05 * (high - low)

    def place(self, behind: float) -> float:
        """Where a difference is drawn, of 1000."""
        low, high = self.ends
        return round(1000 * (min(max(behind, low), high) - low) / (high - low), 1)


def shown(behind: float, unit: str) -> float:
    """The number of a difference: per cent of a ratio, points of an accuracy, else as it is."""
    return (100 * math.expm1(behind) if unit == "%" else 100 * behind if unit == "pts" else behind) + 0.0


def ranking(comparison: Comparison) -> list[Block]:
    """A block per data set, in their order; the trials that tuned an arm are no arms."""
    metric = ranked_by(comparison)
    if not metric:
        return []
    groups: dict[str, dict[Arm, list[GatheredRun]]] = {}
    for arm, runs in comparison.arms.items():
        for run in runs if arm.part != "tuning" else ():
            if run.counted and math.isfinite(run.record.summary.get(metric, math.nan)):
                groups.setdefault(data_of(run) or "data", {}).setdefault(arm, []).append(run)
    return [block(title, metric, arms) for title, arms in groups.items()]


def ranked_by(comparison: Comparison) -> str:
    """The metric that ranks: validation's, as whoever ranks by the test metric fits to the test set."""
    known = [name for name in metrics(comparison) if direction_of(name) is not None]
    first = [name for name in ("val/loss", "val/acc") if name in known]
    return next(iter([*first, *(name for name in known if name.startswith("val/")), *known]), "")


def data_of(run: GatheredRun) -> str:
    """The data set's name, of a run without a result what it was told; empty where nobody knows."""
    data = run.record.content.get("data")
    name = data.get("name") if isinstance(data, Mapping) else None
    return str(name or run.setting("data").removeprefix("default"))


def block(title: str, metric: str, arms: Mapping[Arm, Sequence[GatheredRun]]) -> Block:
    """The arms of a data set in their order, each against the best.

    The best was picked after looking, so that every interval is one of k − 1 (Bonferroni).
    """
    up = direction_of(metric) == "up"
    values = {
        arm: {
            place if run.record.seed is None else run.record.seed: run.record.summary[metric]
            for place, run in enumerate(runs)
        }
        for arm, runs in arms.items()
    }
    every = [value for own in values.values() for value in own.values()]
    points = is_share(metric) and min(every) >= 0 and max(every) <= 1
    unit = "pts" if points else "%" if min(every) > 0 and not up else ""
    # By the mean of what differences are told of: an arm that is ahead of the best would be none that is behind it.
    order = sorted(values, key=lambda arm: float(np.mean([scored(one, unit, up) for one in values[arm].values()])))
    best, level = order[0], ALPHA / max(1, len(order) - 1)
    names = spelled([arm.name for arm in order])
    shared = {arm: sorted(set(values[arm]) & set(values[best]), key=str) for arm in order}
    paired = all(len(shared[arm]) == len(values[arm]) for arm in order)
    standings = []
    for place, arm in enumerate(order):
        one, other = values[arm], values[best]
        keys = shared[arm] if paired else list(one)
        behind, low, high = apart(
            [scored(one[key], unit, up) for key in keys],
            [scored(other[key], unit, up) for key in (keys if paired else other)],
            paired, level,
        )  # fmt: skip
        rank = "★" if arm is best else "=" if not low > 0 else str(place + 1)
        test = metric.replace("val/", "test/")
        own = [mean_of(arms[arm], name) for name in (test, "seconds", "epochs")]
        standings.append(Standing(arm, names[place], rank, one, behind, low, high, unit, *own))
    told = list(unlike([run for runs in arms.values() for run in runs], standings))
    return Block(title, metric, metric.replace("val/", "test/"), standings, paired, 1 - level, told)


def scored(value: float, unit: str, up: bool) -> float:
    """A value so that differences are what is shown, and less is better."""
    return math.log(value) if unit == "%" else -value if up else value


def apart(one: Sequence[float], other: Sequence[float], paired: bool, level: float) -> tuple[float, float, float]:
    """How far one is behind the other: mean and interval, paired or Welch's; unbounded of fewer than three seeds."""
    a, b = np.array(one), np.array(other)
    mean = float(a.mean() - b.mean())
    if min(len(a), len(b)) < FEWEST_SEEDS:
        return mean, -math.inf, math.inf
    if paired:
        error, freedom = float(np.std(a - b, ddof=1)) / math.sqrt(len(a)), len(a) - 1.0
    else:
        parts = [float(np.var(x, ddof=1)) / len(x) for x in (a, b)]
        error = math.sqrt(sum(parts))
        below = sum(part**2 / (len(x) - 1) for part, x in zip(parts, (a, b), strict=True))
        freedom = sum(parts) ** 2 / below if below else 1.0
    half = float(stdtrit(freedom, 1 - level / 2)) * error
    return mean, mean - half, mean + half


def mean_of(runs: Sequence[GatheredRun], name: str) -> float:
    """The mean of what the runs have of it, not a number without any."""
    found = [value for run in runs if math.isfinite(value := run.record.summary.get(name, math.nan))]
    return float(np.mean(found)) if found else math.nan


def unlike(runs: Sequence[GatheredRun], standings: Sequence[Standing]) -> Iterator[str]:
    """What the arms of a block do not share and are compared in all the same: budgets, data."""
    epochs = sorted({round(one.epochs) for one in standings if math.isfinite(one.epochs)})
    if len(epochs) > 1:
        yield f"Not the same budget: {listing([f'{number:,}' for number in epochs])} epochs."
    by_seed: dict[Any, set[str]] = {}
    for run in runs:
        by_seed.setdefault(run.record.seed, set()).add(str((run.record.content.get("data") or {}).get("sha256")))
    # Data that each seed draws are other ones on every seed, and the same for all arms.
    apart = [seed for seed, hashes in by_seed.items() if len(hashes) > 1]
    if apart:
        where = "" if len(by_seed) == 1 else f" on {len(apart)} of {count(len(by_seed), 'seed')}"
        yield f"Not the same data: arms have different checksums{where}."


def spelled(names: Sequence[str]) -> list[str]:
    """The arms' names without the settings that all share: norm=none of norm=none,epochs=2."""
    parts = [re.split(r",(?![^\[]*\])", name) for name in names]
    if len(names) < 2 or not all("=" in part for own in parts for part in own):
        return list(names)
    common = set.intersection(*map(set, parts))
    return [
        ",".join(part for part in own if part not in common) or name for own, name in zip(parts, names, strict=True)
    ]
