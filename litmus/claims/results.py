"""Trials and what they measured; damage is reported in one sentence per kind and left out, never repaired."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from itertools import combinations

from litmus.claims.course import Course
from litmus.claims.data_version import DataVersion
from litmus.claims.finding import Finding, error, using, warning
from litmus.claims.notation import listing
from litmus.claims.quantity import Quantity
from litmus.claims.study import Study
from litmus.claims.tuning import TuningRun
from litmus.words import count

# A run beyond it has diverged as one has that says inf: the square of its difference from any other is none.
MOST = 1e150
COUNTERS = ("epochs", "updates", "samples", "seconds", "params")
# Behind a counter's name in the table of a study that has a quantity of that name: what the trial did in all.
DONE = " (done)"


@dataclass(frozen=True)
class Trial:
    """One run of an arm with a seed: a number per quantity (absent: not measured; NaN or ±inf: not finite).

    `pending` is one that may still give values, since it runs or was interrupted; any other that gives none is lost,
    and `error` says why. `written` are a table's cells, by quantity. `code` is the fingerprint of the code that ran it,
    comparable among trials of the same `parts` (classes); `numerics` are device, threads and whatever else numbers
    depend on; empty where nothing recorded them. `course` is how a run went that left its curves, `load` how many
    processes wanted a core at its end, `data` what it saw.
    """

    arm: str
    seed: int
    values: Mapping[str, float]
    counters: Mapping[str, float] = field(default_factory=dict)
    table: str = ""
    error: str = ""
    pending: bool = False
    written: Mapping[str, str] = field(default_factory=dict)
    code: str = ""
    parts: str = ""
    numerics: Mapping[str, str] = field(default_factory=dict)
    course: Course | None = None
    load: float | None = None
    data: DataVersion | None = None


@dataclass(frozen=True)
class Results:
    """The trials of a study, one per arm and seed, what was wrong with those left out, and how the arms were tuned."""

    trials: tuple[Trial, ...]
    findings: tuple[Finding, ...] = ()
    tuning: tuple[TuningRun, ...] = ()

    @cached_property
    def _index(self) -> dict[tuple[str, str], dict[int, float]]:
        index: dict[tuple[str, str], dict[int, float]] = defaultdict(dict)
        for trial in sorted(self.trials, key=lambda trial: trial.seed):
            for name, value in trial.values.items():
                beyond = abs(value) > MOST
                index[name, trial.arm][trial.seed] = math.copysign(math.inf, value) if beyond else value
        return dict(index)

    def values(self, quantity: str, arm: str) -> dict[int, float]:
        """Seed → value of a quantity, not finite ones included; what is beyond `MOST` is one of them."""
        return self._index.get((quantity, arm), {})

    def finite(self, quantity: str, arm: str) -> dict[int, float]:
        """Seed → value of a quantity, finite ones only."""
        return {seed: value for seed, value in self.values(quantity, arm).items() if math.isfinite(value)}

    @cached_property
    def by_seed(self) -> dict[str, dict[int, Trial]]:
        """Arm → seed → trial."""
        found: dict[str, dict[int, Trial]] = defaultdict(dict)
        for trial in self.trials:
            found[trial.arm][trial.seed] = trial
        return found

    def lost(self, quantity: str, arm: str) -> dict[int, str]:
        """Seed → why the run that there is gave no value of a quantity, not even one that is not finite."""
        own = self.by_seed.get(arm, {}).items()
        return {seed: trial.error for seed, trial in own if not trial.pending and quantity not in trial.values}

    def counter(self, name: str, arm: str) -> float | None:
        """The mean over an arm's trials of epochs, updates, samples, seconds or params; None when not recorded."""
        found = self.counts(name, arm)
        return math.fsum(found) / len(found) if found else None

    def longest(self, name: str, arm: str) -> float | None:
        """The largest such count among an arm's trials; None when not recorded."""
        return max(self.counts(name, arm), default=None)

    def counts(self, name: str, arm: str) -> list[float]:
        """Such a count of each of an arm's trials that recorded it."""
        own = (trial.counters.get(name, math.nan) for trial in self.trials if trial.arm == arm)
        return [count for count in own if math.isfinite(count)]


def counted(quantity: Quantity) -> str | None:
    """The counter that a quantity is, and so may share a column with."""
    return quantity.metric if quantity.metric in COUNTERS and quantity.at == "last" else None


def counter_column(study: Study, counter: str) -> str:
    """Where a table has a counter: updates, or updates (done) beside a quantity that is called so and is none."""
    quantity = study.quantities.get(counter)
    return counter if quantity is None or counted(quantity) == counter else f"{counter}{DONE}"


def collect(study: Study, trials: Iterable[Trial], findings: Iterable[Finding] = ()) -> Results:
    """Results from trials: equal repeats are merged, contradicting ones all left out."""
    grouped: dict[tuple[str, int], list[Trial]] = defaultdict(list)
    for trial in trials:
        grouped[trial.arm, trial.seed].append(trial)
    kept: list[Trial] = []
    moved: dict[str, list[list[Trial]]] = {}
    repeated: list[str] = []
    contradicting: list[str] = []
    affected: set[str] = set()
    for (arm, seed), every in grouped.items():
        # Another try of a run that gave no value takes its place, and so does one that may still give some.
        same = [trial for trial in every if trial.values] or sorted(every, key=lambda trial: not trial.pending)[:1]
        if len(same) == 1 or agree(same):
            kept.append(max(same, key=lambda trial: (len(trial.values), fineness(trial))))
            if len({trial.table for trial in same}) < len(same):
                repeated.append(f"{arm} seed {seed}")
        elif len({trial.table for trial in same}) == len(same):
            moved.setdefault(arm, []).append(same)
        else:
            contradicting.append(f"{arm} seed {seed}")
            affected.add(arm)
    found = list(findings)
    if repeated:
        found.append(
            warning("duplicate_trial", f"Equal trials appear more than once and count once: {listing(repeated)}.")
        )
    if contradicting:
        message = f"Trials appear more than once with different values, and are all left out: {listing(contradicting)}."
        found.append(warning("duplicate_trial", message, using(study, affected)))
    for arm, each in moved.items():
        more = f", and {count(len(each) - 1, 'seed')} more" if len(each) > 1 else ""
        message = (
            f"The arm {arm} moves between tables: {tables(each[0])} (seed {each[0][0].seed}{more}); no one knows which "
            "is right: all are left out, until the tables agree or one of them is judged alone."
        )
        found.append(error("moved_baseline", message, using(study, [arm])))
    return Results(tuple(kept), tuple(found))


def agree(same: list[Trial]) -> bool:
    """Whether repeats hold the same values, or some of them; in different tables, as far as digits were written."""
    tables = len({trial.table for trial in same}) > 1
    return all(
        len(shared := one.values.keys() & other.values.keys()) == min(len(one.values), len(other.values))
        and all(alike(one, other, name, tables) for name in shared)
        for one, other in combinations(same, 2)
    )


def alike(one: Trial, other: Trial, name: str, tables: bool) -> bool:
    """Whether two trials hold the same value of a quantity, or one of them that of the other rounded."""
    first, second = one.values[name], other.values[name]
    if not (tables and math.isfinite(first) and math.isfinite(second)):
        return math.isclose(first, second, rel_tol=1e-12) or (math.isnan(first) and math.isnan(second))
    half = max(place(one, name), place(other, name)) / 2
    # Not of one or two digits: 0.5 may be all of a value, and 0.52 another.
    return abs(first - second) <= min(half, 5e-3 * abs(first)) + 1e-6 * abs(first)  # float32 as well


def place(trial: Trial, name: str) -> float:
    """What one more in the last digit of a value is, as it was written."""
    exponent = Decimal(trial.written.get(name) or repr(trial.values[name])).as_tuple().exponent
    return 10.0**exponent if isinstance(exponent, int) else 0.0


def fineness(trial: Trial) -> float:
    """How finely a trial's values were written."""
    return -math.fsum(place(trial, name) for name in trial.values)


def tables(same: list[Trial]) -> str:
    """Each table's values that differ: loss 0.676 in Part 1, 0.503 in Part 1b."""
    parts = []
    for name in dict.fromkeys(name for trial in same for name in trial.values):
        shown = [t.written.get(name) or f"{t.values.get(name, math.nan):.6g}" for t in same]
        if len(set(shown)) == 1:
            shown = [repr(t.values.get(name, math.nan)) for t in same]
        if len(set(shown)) > 1:
            parts.append(f"{name} " + ", ".join(f"{value} in {t.table}" for value, t in zip(shown, same, strict=True)))
    return "; ".join(parts)
