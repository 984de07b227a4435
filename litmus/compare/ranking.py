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
from litmus.claims.quantity import Quantity, is_share
from litmus.claims.scale import Scale, change
from litmus.claims.statistics import ALPHA, summarize
from litmus.compare.comparison import Comparison, metrics
from litmus.direction import direction_of
from litmus.records.gathering import Arm, GatheredRun
from litmus.words import count, plain, plus_minus

# Differences of so many per cent, or points of accuracy, are shown as small.
SMALL = 0.02
# How far an arm is behind, by the unit in which it is told: a ratio, a share of samples, or any other metric's number.
BEHIND = {
    "%": Quantity("behind", "loss", scale="log", direction="up"),
    "pts": Quantity("behind", "acc", direction="up"),
    "": Quantity("behind", "metric", direction="up"),
}


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
        return "best" if self.rank == "★" else self._told[0]

    @property
    def with_interval(self) -> str:
        """+4.4 % [+3.9, +4.9]; of the best, best."""
        return "best" if self.rank == "★" else " ".join(self._told).rstrip()

    @property
    def _told(self) -> tuple[str, str]:
        """The difference and its interval, told as those of a report are."""
        return change(Scale(BEHIND[self.unit]), self.behind, [self.low, self.high] if math.isfinite(self.low) else [])


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
        how = "paired by seed" if self.paired else f"not paired: fewer than {FEWEST_SEEDS} seeds are shared"
        rivals = len(self.standings) - 1
        every = f", for all {rivals} at once" if rivals > 1 else ""
        return f"behind the best, {how}, 95 %{every}"

    @property
    def band(self) -> str:
        """What the grey band of the drawn differences holds: 2 %; empty where none is drawn."""
        unit = self.standings[0].unit
        drawn = unit and any(math.isfinite(one.low) for one in self.standings)
        return f"{100 * SMALL:g} {unit}" if drawn else ""

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
    keyed = {arm: {seed_of(place, run): run for place, run in enumerate(runs)} for arm, runs in arms.items()}
    # Arms of one or two seeds have no interval, and leave the others theirs.
    many = [arm for arm, own in keyed.items() if len(own) >= FEWEST_SEEDS]
    shared = set.intersection(*(set(own) for arm, own in keyed.items() if arm in many or not many))
    if not all(shared & set(own) for own in keyed.values()):
        shared = set.intersection(*map(set, keyed.values()))
    left = sum(len(set(own) - shared) for own in keyed.values())
    paired = not left or len(shared) >= FEWEST_SEEDS
    if paired:
        # A seed that not all arms have is easier or harder than the others: whoever has it would win or lose by it.
        keyed = {arm: {key: own[key] for key in own if key in shared} for arm, own in keyed.items()}
    values = {arm: {key: run.record.summary[metric] for key, run in own.items()} for arm, own in keyed.items()}
    every = [value for own in values.values() for value in own.values()]
    points = is_share(metric) and min(every) >= 0 and max(every) <= 1
    unit = "pts" if points else "%" if min(every) > 0 and not up else ""
    # By the mean of what differences are told of: an arm that is ahead of the best would be none that is behind it.
    mean = {arm: float(np.mean([scored(one, unit, up) for one in own.values()])) for arm, own in values.items()}
    order = sorted(values, key=lambda arm: (bool(many) and arm not in many, mean[arm]))
    best, level = order[0], ALPHA / max(1, len(order) - 1)
    names = spelled([arm.name for arm in order])
    standings = []
    for place, arm in enumerate(order):
        one, other = values[arm], values[best]
        behind, low, high = apart(
            [scored(value, unit, up) for value in one.values()],
            [scored(other[key], unit, up) for key in (one if paired else other)],
            paired, level,
        )  # fmt: skip
        rank = "★" if arm is best else str(place + 1) if low > 0 else "="
        test = metric.replace("val/", "test/")
        own = [mean_of(list(keyed[arm].values()), name) for name in (test, "seconds", "epochs")]
        standings.append(Standing(arm, names[place], rank, one, behind, low, high, unit, *own))
    told = list(unlike([run for own in keyed.values() for run in own.values()], standings))
    if paired and left:
        runs = f"{count(left, 'run')} with other seeds {'is' if left == 1 else 'are'}"
        told.append(f"Compared on the {len(shared):,} seeds that all arms have: {runs} left out.")
    return Block(title, metric, metric.replace("val/", "test/"), standings, paired, 1 - level, told)


def seed_of(place: int, run: GatheredRun) -> Any:
    """What a run is paired by: its seed, else its place."""
    return place if run.record.seed is None else run.record.seed


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
