"""Results from runs made here: learning curves and end-of-run summaries instead of a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from litmus.claims.course import course_of
from litmus.claims.data_version import DataVersion
from litmus.claims.finding import Finding, warning
from litmus.claims.measure import measure
from litmus.claims.notation import listing
from litmus.claims.reductions import History
from litmus.claims.results import COUNTERS, Results, Trial, collect
from litmus.claims.study import Study
from litmus.words import count


@dataclass(frozen=True)
class Run:
    """One run: its learning curves (epoch, updates, samples, seconds, train/loss, …), its summary, or its error.

    `pending` is one without an end, whose error says so: it runs, or was interrupted. `code`, `parts`, `numerics`,
    `load` and `data` are those of the `Trial` that it is, empty where none recorded them; `tested` is the place in its
    curves of the epoch whose weights were tested.
    """

    arm: str
    seed: int
    history: History = field(default_factory=dict)
    summary: Mapping[str, float] = field(default_factory=dict)
    error: str = ""
    pending: bool = False
    code: str = ""
    parts: str = ""
    numerics: Mapping[str, str] = field(default_factory=dict)
    load: float | None = None
    data: DataVersion | None = None
    tested: int | None = None


def results_from_runs(study: Study, runs: Iterable[Run]) -> Results:
    """Measure every quantity of every run; a failed run is a trial without values, and is named."""
    trials: list[Trial] = []
    failed: list[str] = []
    unmeasured: dict[str, list[str]] = {}
    for run in runs:
        values: dict[str, float] = {}
        if run.arm not in study.arms:
            raise ValueError(f"a run belongs to the unknown arm {run.arm!r}; known: {listing(list(study.arms))}")
        if run.error:
            failed.append(f"{run.arm} seed {run.seed}: {run.error}")
        else:
            for name, quantity in study.quantities.items():
                try:
                    values[name] = measure(quantity, run.history, run.summary)
                except ValueError as problem:
                    unmeasured.setdefault(str(problem), []).append(f"{run.arm} seed {run.seed}")
        course = None if run.error else course_of(run.history, study.quantities.values(), run.tested)
        ran: Any = {"code": run.code, "parts": run.parts, "numerics": run.numerics, "course": course, "load": run.load}
        ran |= {"data": run.data, "error": run.error, "pending": run.pending}
        trials.append(Trial(run.arm, run.seed, values, counters(run), **ran))
    found: list[Finding] = []
    if failed:
        found.append(warning("failed_trial", f"{len(failed)} of {len(trials)} trials failed ({listing(failed, 3)})."))
    for sentence, names in unmeasured.items():
        found.append(warning("not_measured", f"In {count(len(names), 'trial')}, {sentence}."))
    return collect(study, trials, found)


def counters(run: Run) -> dict[str, float]:
    """What the run cost: from its summary, else the last entry of its curves."""
    found = {}
    for name in COUNTERS:
        curve = run.history.get(name)
        if name in run.summary:
            found[name] = float(run.summary[name])
        elif curve is not None and len(curve):
            found[name] = float(curve[-1])
    return found
