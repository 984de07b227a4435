"""Nuisance knobs tuned per arm, on validation, before any verdict: the same number of trials for each arm."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from litmus.atomic import write_json
from litmus.claims.finding import Finding, warning
from litmus.claims.notation import number, text
from litmus.claims.places import tuning_place
from litmus.sweeps.arms import Arm
from litmus.sweeps.asked import Asked
from litmus.sweeps.composition import hash_of
from litmus.sweeps.launching import Job, Launching
from litmus.sweeps.pruner import COMPARING, pruning

SEED = 0


@dataclass(frozen=True)
class Tuned:
    """What tuning found for an arm: the best values; or why there are none."""

    values: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""
    findings: tuple[Finding, ...] = ()


def tune(asked: Asked, arms: Mapping[str, Arm], launching: Launching) -> dict[str, Tuned]:
    """Tunes every arm; arms of a study without nuisance knobs need none."""
    if not asked.study.nuisance:
        return {name: Tuned() for name in arms}
    # Optuna takes seconds to import: only studies that tune wait for it.
    from litmus.sweeps.optimization import Optimization, Point, journal
    from litmus.sweeps.optimize import optimize
    from litmus.sweeps.space import nuisance_space

    path = launching.directory / "tuning" / "journal.log"
    storage, space = journal(path), nuisance_space(asked.study.nuisance)
    optimizations = {
        name: Optimization(
            storage,
            optimization_name(arm, space, asked.tuning_seeds),
            space,
            sampler=next(iter(asked.study.nuisance.values())).sampler,
            seed=SEED,
            total=asked.tuning_trials,
            direction=asked.direction,
            metric=asked.study.leading.select,
        )
        for name, arm in arms.items()
    }

    def jobs_of(name: str, point: Point) -> list[Job]:
        place = tuning_place(name) / f"trial={point.number}"
        study_name = optimizations[name].study.study_name
        extra = pruning(asked.pruner, path, study_name, point.number, asked.study.leading.select)
        return [
            arms[name].job(
                place / f"seed={seed}" if len(asked.tuning_seeds) > 1 else place,
                seed,
                point.values,
                f"{name} tuning {point.number}",
                "tune",
                extra,
            )
            for seed in asked.tuning_seeds
        ]

    errors = optimize(
        f"tuning {asked.name}",
        optimizations,
        jobs_of,
        launching,
        asked.study.leading.select,
        in_rounds=asked.pruner == COMPARING,
    )
    found = {}
    for name, one in optimizations.items():
        own = [error for (row, _), error in errors.items() if row == name]
        found[name] = best_of(name, one, asked, own)
        write_json(
            launching.directory / tuning_place(name) / "best.json",
            {
                "values": dict(found[name].values),
                asked.study.leading.select: one.finished[0].value if one.finished else None,
                "trials": [
                    {"number": trial.number, "state": trial.state.name.lower(), "value": trial.value, **trial.params}
                    for trial in one.trials
                ],
                "findings": [finding.message for finding in found[name].findings],
            },
        )
    return found


def optimization_name(arm: Arm, space: Mapping[str, Any], seeds: Sequence[int]) -> str:
    """The arm's name, and what tells it from another configuration of the arm, another range or other seeds."""
    told = f"{hash_of(arm.config)} {sorted(space.items())} {list(seeds)}"
    return f"{arm.name} @ {hashlib.sha256(told.encode()).hexdigest()[:8]}"


def best_of(name: str, one: Any, asked: Asked, errors: list[str]) -> Tuned:
    """The values of an arm's best tuning trial, and a finding for each that lies at the edge of what was tried."""
    if not one.finished:
        told = f": {errors[0]}" if errors else ""
        return Tuned(error=f"none of the arm's {len(one.trials)} tuning trials gave a value{told}")
    best = one.finished[0].params
    findings = []
    for knob in one.space:
        nuisance = asked.study.nuisance[knob]
        tried = [value for trial in one.finished if (value := number(trial.params[knob])) is not None]
        edge = nuisance.edge(best[knob], tried)
        if edge:
            end = "smallest" if edge == "lower" else "largest"
            message = (
                f"The best {knob} of {name}, {text(round_to(best[knob]))}, is the {end} that was tried: widen "
                f"study.nuisance.{knob}, which is {list(nuisance.values)}"
                f"{'.' if nuisance.space == 'choices' else ', or raise its trials.'}"
            )
            findings.append(warning("optimum_at_edge", message))
    return Tuned(best, findings=tuple(findings))


def round_to(value: float, digits: int = 3) -> float:
    """The value with so many significant digits."""
    return float(f"{value:.{digits}g}")
