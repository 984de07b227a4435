"""Nuisance knobs tuned per arm, on validation, before any verdict: the same number of trials for each arm."""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from litmus.atomic import write_json
from litmus.claims.finding import Finding, warning
from litmus.claims.notation import number, text
from litmus.claims.study_file import tuning_place
from litmus.claims.tuning import ENDS, Chosen, TuningRun, choose, score_in
from litmus.records.tuning import BEST, RULE
from litmus.sweeps.arms import Arm
from litmus.sweeps.asked import Asked
from litmus.sweeps.composition import hash_of
from litmus.sweeps.launching import Job, Launching
from litmus.sweeps.pruner import COMPARING, pruning

SEED = 0
# So often may a range be extended at an edge.
MOST_STEPS = 2


@dataclass(frozen=True)
class Tuned:
    """What tuning found for an arm: the best values; or why there are none."""

    values: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class Tuning:
    """One tuning: of an arm, or of an arm for one verdict seed, by runs with these seeds."""

    arm: Arm
    verdict_seed: int | None
    seeds: tuple[int, ...]
    split: Mapping[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """How it is called on the board and in the journal."""
        return self.arm.name if self.verdict_seed is None else f"{self.arm.name} seed {self.verdict_seed}"

    @property
    def place(self) -> Path:
        """Its directory, from the study's."""
        place = tuning_place(self.arm.name)
        return place if self.verdict_seed is None else place / f"for={self.verdict_seed}"

    def jobs(self, name: str, values: Mapping[str, Any], extra: Sequence[str] = ()) -> list[Job]:
        """The runs of a trial; `extra` overrides go to the first of them."""
        place, label = self.place / name, f"{self.label} tuning {name.partition('=')[2]}"
        return [
            self.arm.job(
                place / f"seed={seed}" if len(self.seeds) > 1 else place,
                seed,
                {**values, **self.split},
                label,
                "tune",
                () if rank else extra,
            )
            for rank, seed in enumerate(self.seeds)
        ]


def tune(
    asked: Asked, arms: Mapping[str, Arm], launching: Launching, seeds: Sequence[int]
) -> dict[tuple[str, int], Tuned]:
    """(arm, verdict seed) → its tuned values; arms of a study without nuisance knobs need none."""
    if not asked.study.nuisance:
        return {(name, seed): Tuned() for name in arms for seed in seeds}
    shared: tuple[int | None, ...] = tuple(seeds) if asked.per_seed else (None,)
    # What a fold is tested on plays no part in its own tuning.
    splits = {seed: {} if seed is None else asked.study.split(seed) for seed in shared}
    tunings = [Tuning(arm, seed, asked.tuning_seeds_of(seed), splits[seed]) for seed in shared for arm in arms.values()]
    points, errors = search(asked, {one.label: one for one in tunings}, launching)
    extend(asked, tunings, points, launching)
    found = {}
    for one in tunings:
        made = runs_of(asked, one, points[one.label], launching)
        found[one.arm.name, one.verdict_seed] = tuned = found_by(asked, one, list(made.values()), errors[one.label])
        content = {
            "rule": RULE,
            "verdict_seed": one.verdict_seed,
            "values": dict(tuned.values),
            "runs": [str(job.place.relative_to(one.place)) for job, run in made.items() if run.status != "waiting"],
            "trials": [
                {asked.study.leading.select: run.score, "status": run.status, "seed": run.seed, **run.settings}
                for run in made.values()
            ],
            "findings": [finding.message for finding in tuned.findings],
            "error": tuned.error,
        }
        write_json(launching.directory / one.place / BEST, content)
    return {(name, seed): found[name, seed if asked.per_seed else None] for name in arms for seed in seeds}


# A trial's values and its runs.
Points = list[tuple[Mapping[str, Any], list[Job]]]


def search(
    asked: Asked, tunings: Mapping[str, Tuning], launching: Launching
) -> tuple[dict[str, Points], dict[str, list[str]]]:
    """Runs the trials that the sampler proposes: by label, those that were not pruned, and the errors of the failed."""
    # Optuna takes seconds to import: only studies that tune wait for it.
    from optuna.trial import TrialState

    from litmus.sweeps.optimization import Optimization, Point, journal
    from litmus.sweeps.optimize import optimize
    from litmus.sweeps.space import nuisance_space

    path = launching.directory / "tuning" / "journal.log"
    storage, space = journal(path), nuisance_space(asked.study.nuisance)
    sampler = next(iter(asked.study.nuisance.values())).sampler
    optimizations = {
        label: Optimization(
            storage,
            optimization_name(one, space, sampler, asked.tuning_trials),
            space,
            sampler=sampler,
            seed=SEED,
            total=asked.tuning_trials,
            direction=asked.direction,
            metric=asked.study.leading.select,
        )
        for label, one in tunings.items()
    }

    def jobs_of(label: str, point: Point) -> list[Job]:
        name = optimizations[label].study.study_name
        extra = pruning(asked.pruner, path, name, point.number, asked.study.leading.select)
        return tunings[label].jobs(f"trial={point.number}", point.values, extra)

    failed = optimize(
        f"tuning {asked.name}",
        optimizations,
        jobs_of,
        launching,
        asked.study.leading.select,
        tail=asked.study.leading.at == "tail",
        in_rounds=asked.pruner == COMPARING,
        pruned_first=asked.pruner != "none",
    )
    points: dict[str, Points] = {}
    gone: list[Job] = []
    for label, one in optimizations.items():
        # Asked for fewer than before, an arm counts no more trials than one that is new.
        kept = [trial for trial in one.trials[: one.total] if trial.state != TrialState.PRUNED]
        points[label] = [(trial.params, jobs_of(label, Point(trial.number, trial.params))) for trial in kept]
        whole = zip(kept, points[label], strict=True)
        gone += [job for trial, (_, jobs) in whole if trial.state == TrialState.COMPLETE for job in jobs]
    launching.run(launching.to_run(gone))  # what the journal knows and no directory holds any more
    return points, {label: [error for (row, _), error in failed.items() if row == label] for label in tunings}


def extend(asked: Asked, tunings: Sequence[Tuning], points: dict[str, Points], launching: Launching) -> None:
    """Adds trials beyond an edge at which an optimum lies, a step at a time, twice at most, to `points`."""
    for step in range(1, MOST_STEPS + 1):
        new: list[Job] = []
        for one in tunings:
            own = points[one.label]
            chosen = chosen_of(asked, list(runs_of(asked, one, own, launching).values()))
            values = None if chosen is None else beyond(asked, chosen, [point for point, _ in own])
            if values is not None:
                jobs = one.jobs(f"edge={step}", values)
                own.append((values, jobs))
                new += jobs
        launching.run(launching.to_run(new))


def beyond(asked: Asked, chosen: Chosen, tried: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """The best setting with each knob that lies at an edge a step further; None where none can go on."""
    moved = {}
    for name, side in chosen.edges.items():
        known = [value for point in tried if (value := number(point[name])) is not None]
        value = asked.study.nuisance[name].beyond(side, known)
        if value is not None:
            moved[name] = value
    return {**chosen.values, **moved} if moved else None


def runs_of(asked: Asked, one: Tuning, points: Points, launching: Launching) -> dict[Job, TuningRun]:
    """What became of the runs of a tuning's trials."""
    found, leading = {}, asked.study.leading
    for values, jobs in points:
        for seed, job in zip(one.seeds, jobs, strict=True):
            outcome = launching.outcome(job)
            score = score_in(outcome.result, leading.select, leading.at == "tail")
            good = outcome.state == "completed" and score is not None
            found[job] = TuningRun(
                one.arm.name,
                dict(values),
                seed,
                score if good and score is not None else math.nan,
                status=outcome.state,
                verdict_seed=one.verdict_seed,
            )
    return found


def chosen_of(asked: Asked, runs: Sequence[TuningRun]) -> Chosen | None:
    """The choice of a tuning; None where no trial gave a score."""
    try:
        return choose(asked.study, runs)
    except ValueError:
        return None


def optimization_name(one: Tuning, space: Mapping[str, Any], sampler: str, trials: int) -> str:
    """The tuning's name, and what tells it from another configuration of the arm, range, seeds or plan of points.

    A grid of more trials has other points, where the other samplers go on with those that there are. Under a new name
    the runs of equal points are found where they lie. What learns would propose others if other workers ran it, so it
    keeps the name that it had before plans were told.
    """
    plan = {"grid": f" grid of {trials}", "qmc": " qmc", "random": " random"}.get(sampler, "")
    told = f"{hash_of(one.arm.config)} {sorted(space.items())} {list(one.seeds)}{plan}"
    return f"{one.label} @ {hashlib.sha256(told.encode()).hexdigest()[:8]}"


def found_by(asked: Asked, one: Tuning, runs: Sequence[TuningRun], errors: Sequence[str]) -> Tuned:
    """The values of an arm's best setting, and a finding for each that lies at the edge of what was tried."""
    chosen = chosen_of(asked, runs)
    if chosen is None:
        told = f": {errors[0]}" if errors else ""
        count = len({text(run.settings) for run in runs})
        return Tuned(error=f"none of the arm's {count} tuning trials gave a value{told}")
    findings = []
    for knob, side in chosen.edges.items():
        nuisance = asked.study.nuisance[knob]
        message = (
            f"The best {knob} of {one.label}, {text(chosen.values[knob])}, lies at or beyond the {ENDS[side]} that was "
            f"tried: widen study.nuisance.{knob}, which is {list(nuisance.values)}"
            f"{'.' if nuisance.space == 'choices' else ' and was extended as far as it goes.'}"
        )
        findings.append(warning("optimum_at_edge", message))
    return Tuned(chosen.values, findings=tuple(findings))
