"""Runs from anywhere, side by side: gathered in their arms, with what is shown of them all."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from litmus.claims.notation import number
from litmus.claims.results import COUNTERS
from litmus.records.arms import identity, is_known, unlike, varied
from litmus.records.gathering import Gathered, gather
from litmus.report.multirun import FIRST
from litmus.words import count

STATUSES = ("completed", "unfinished", "pruned", "diverged", "failed", "interrupted", "damaged")


@dataclass(frozen=True)
class Comparison(Gathered):
    """All runs in the order of their arms, and `notes` on what to know before comparing them."""

    @cached_property
    def order(self) -> dict[str, int]:
        """Each arm's place, which gives it its colour; the trials that tuned an arm share it."""
        return {name: place for place, name in enumerate(dict.fromkeys(arm.name for arm in self.arms))}

    @cached_property
    def statuses(self) -> dict[str, int]:
        """How many runs have which status, the good ones first."""
        given = [run.record.status for run in self.runs]
        return {status: given.count(status) for status in STATUSES if status in given}

    @property
    def lead(self) -> str:
        """196 runs (56 of them to tune) of 7 arms: 196 completed."""
        told = ", ".join(f"{number:,} {status}" for status, number in self.statuses.items())
        tuning = sum(run.arm.part == "tuning" for run in self.runs)
        again = sum(bool(run.repeats) for run in self.runs)
        aside = [f"{tuning:,} of them to tune"] * bool(tuning) + [f"{again:,} of them again"] * bool(again)
        asides = f" ({', '.join(aside)})" if aside else ""
        return f"{count(len(self.runs), 'run')}{asides} of {count(len(self.order), 'arm')}: {told}"

    @cached_property
    def factors(self) -> list[str]:
        """The settings that some run was told and that are not the same in all of them; else those that tell arms."""
        known = [run for run in self.runs if is_known(run.record)]
        told = varied([[run.record] for run in known])
        found = [key for key in told if len({run.setting(key) for run in known}) > 1]
        return found or unlike([identity(run.record) for run in known if run.record.done])


def compare(directories: Iterable[Path]) -> Comparison:
    """The runs below the directories.

    Raises:
        FileNotFoundError: when a directory is not there, or when none of them holds a run.
    """
    found = gather(directories)
    return Comparison(found.title, found.runs, found.notes)


# So many factors and metrics are shown before the reader asks for all columns.
FACTORS, METRICS = 4, 5


@dataclass(frozen=True)
class Column:
    """One cell per run: a text (`kind` factor) or a number (`metric`, `counter`); None is an empty cell."""

    name: str
    kind: str
    values: Sequence[str | float | None]
    numeric: bool
    shown: bool


def columns(comparison: Comparison) -> list[Column]:
    """Every factor, metric and counter that some run has."""
    found = []
    for place, name in enumerate(comparison.factors):
        texts = [run.setting(name) for run in comparison.runs]
        numeric = all(number(cell) is not None for cell in texts if cell)
        found.append(Column(name, "factor", texts, numeric, place < FACTORS))
    names = metrics(comparison)
    for name in [*names, *counters(comparison)]:
        measured = [run.record.summary.get(name, math.nan) for run in comparison.runs]
        cells = [value if math.isfinite(value) else None for value in measured]
        shown = name in names[:METRICS] or name == "seconds"
        # epochs=34 is asked for, and counted when they are done.
        label = f"{name} (done)" if name in comparison.factors else name
        found.append(Column(label, "metric" if name in names else "counter", cells, True, shown))
    return found


def metrics(comparison: Comparison) -> list[str]:
    """The metrics that runs ended with, the usual ones first."""
    known = dict.fromkeys(name for run in comparison.runs for name in run.record.content.get("metrics") or {})
    return [*(name for name in FIRST if name in known), *(name for name in known if name not in FIRST)]


def counters(comparison: Comparison) -> list[str]:
    """What runs counted, in the usual order."""
    known = dict.fromkeys(name for run in comparison.runs for name in run.record.content.get("counters") or {})
    known.pop("path", None)  # how, not how much
    return [*(name for name in COUNTERS if name in known), *(name for name in known if name not in COUNTERS)]
