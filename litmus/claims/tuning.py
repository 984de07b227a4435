"""The runs that tuned a study's nuisance knobs: what they chose for each arm, and what that adds to a contrast."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from litmus.claims.data_version import DataVersion
from litmus.claims.notation import number, text
from litmus.claims.optimum import Optimum, excess, optimum, parabola
from litmus.claims.quantity import Quantity
from litmus.claims.study import Study

ENDS = {"lower": "smallest", "upper": "largest"}


@dataclass(frozen=True)
class TuningRun:
    """One run of a tuning trial.

    Attributes:
        arm: whose knobs were tuned.
        settings: knob → the value tried.
        seed: of the run.
        score: the selection metric it reached, not a number where it failed or diverged.
        values: quantity → its value on validation, of those that have one.
        status: as result.json says it.
        verdict_seed: the seed whose trial alone uses what was found; None where all of the arm's do.
        data: which version of its data it saw; None where it did not record that.
    """

    arm: str
    settings: Mapping[str, Any]
    seed: int
    score: float = math.nan
    values: Mapping[str, float] = field(default_factory=dict)
    status: str = "completed"
    verdict_seed: int | None = None
    data: DataVersion | None = None


@dataclass(frozen=True)
class Chosen:
    """What tuning chose: the values, the knobs whose best value lies at an edge (knob → lower, upper), and how well
    the place of a single knob is known (None where nothing tells)."""

    values: Mapping[str, Any]
    edges: Mapping[str, str] = field(default_factory=dict)
    found: Optimum | None = None


def twin(quantity: Quantity) -> Quantity:
    """The quantity on validation: tuning never looks at the test set."""
    return replace(quantity, metric=quantity.metric.replace("test/", "val/", 1))


def is_tuned(quantity: Quantity, leading: Quantity) -> bool:
    """Whether a quantity's twin is the very score that tuning selects by: of the best epoch, or of the tail."""
    if "tail" in (quantity.at, leading.at):
        return quantity.at == leading.at and twin(quantity).metric == leading.select
    return twin(quantity).metric == quantity.select and quantity.at in ("best_val", "best")


def score_in(result: Mapping[str, Any], metric: str, tail: bool = False) -> float | None:
    """What a run's result.json has of a metric at the best epoch, or on average over the tail; None of no number."""
    values = (result.get("tail") or {}).get(metric) or [None] if tail else [(result.get("metrics") or {}).get(metric)]
    numbers = [value for value in values if isinstance(value, int | float) and math.isfinite(value)]
    return math.fsum(numbers) / len(numbers) if len(numbers) == len(values) else None


def choose(study: Study, runs: Sequence[TuningRun]) -> Chosen:
    """The best values of the knobs, from one arm's tuning runs.

    Of one knob whose values are numbers, the lowest place of a parabola; of several knobs, of words, or of too few
    values, the setting with the best mean over the tuning seeds.

    Raises:
        ValueError: when no setting gave a finite score on every seed.
    """
    points: dict[tuple[str, ...], list[TuningRun]] = {}
    for run in runs:
        points.setdefault(tuple(text(run.settings.get(name)) for name in study.nuisance), []).append(run)
    seeds = len({run.seed for run in runs})
    sign = -1 if study.leading.select_direction == "up" else 1
    means = {key: sign * math.fsum(run.score for run in own) / len(own) for key, own in points.items()}
    whole = {key: mean for key, mean in means.items() if math.isfinite(mean) and len(points[key]) == seeds}
    if not whole:
        raise ValueError(f"none of {len(points)} settings gave a finite {study.leading.select} on every tuning seed")
    best = dict(points[min(whole, key=lambda key: whole[key])][0].settings)
    found = place_of(study, runs)
    if found is None or not found.fitted:
        tried = {name: [number(run.settings[name]) for run in runs] for name in study.nuisance}
        edges = {
            name: edge
            for name, knob in study.nuisance.items()
            if knob.ordered and (edge := knob.edge(best[name], [one for one in tried[name] if one is not None]))
        }
        return Chosen(best, edges)
    ((name, knob),) = study.nuisance.items()
    each = {knob.place(value): value for run in runs if (value := number(run.settings[name])) is not None}
    place = float(found.place)
    nearest = min(each, key=lambda one: abs(one - place))
    value = each[nearest] if math.isclose(nearest, place, abs_tol=1e-9) else knob.value(place)
    edge = "lower" if place <= found.levels[0] + 1e-9 else "upper" if place >= found.levels[-1] - 1e-9 else ""
    edge = "" if edge == "lower" and value == 0 else edge
    return Chosen({name: value}, {name: edge} if edge else {}, found)


def place_of(study: Study, runs: Sequence[TuningRun]) -> Optimum | None:
    """Where the one knob is best; None of several knobs, of words, and where every level failed on some seed."""
    if len(study.nuisance) != 1:
        return None
    (knob,) = study.nuisance.values()
    if not knob.ordered:
        return None
    sign = -1.0 if study.leading.select_direction == "up" else 1.0
    scale = next((one for one in study.quantities.values() if is_tuned(one, study.leading)), None)
    values = [sign * (run.score if scale is None else float(scale.transform(run.score))) for run in runs]
    try:
        return optimum(places(study, runs), [run.seed for run in runs], values, rounded=knob.space == "choices")
    except ValueError:
        return None


def places(study: Study, runs: Sequence[TuningRun]) -> list[float]:
    """Where each run's knob lies on the axis of the parabola; equal values on one place."""
    ((name, knob),) = study.nuisance.items()
    return [round(knob.place(number(run.settings[name]) or 0.0), 9) for run in runs]


class TunedArms:
    """What tuning leaves uncertain about each arm, worked out once for each that is asked for.

    Args:
        runs: the tuning runs that the verdict trials rest on; none where no one knows them.
    """

    def __init__(self, study: Study, runs: Iterable[TuningRun]) -> None:
        self.study = study
        self.runs: dict[tuple[str, int | None], list[TuningRun]] = {}
        for run in runs:
            self.runs.setdefault((run.arm, run.verdict_seed), []).append(run)
        self._chosen: dict[tuple[str, int | None], Chosen | None] = {}
        self._parts: dict[tuple[Quantity, str], tuple[float, float] | None] = {}

    @property
    def chosen(self) -> dict[tuple[str, int | None], Chosen]:
        """(arm, verdict seed or None) → what was chosen; nothing of a tuning that gave nothing."""
        found = {key: self._choose(key) for key in self.runs}
        return {key: one for key, one in found.items() if one is not None}

    def _choose(self, key: tuple[str, int | None]) -> Chosen | None:
        if key not in self._chosen:
            try:
                self._chosen[key] = choose(self.study, self.runs.get(key, ()))
            except ValueError:
                self._chosen[key] = None
        return self._chosen[key]

    def parts(self, quantity: Quantity, weights: Mapping[str, float]) -> tuple[tuple[Any, Any], ...]:
        """What the arms of a contrast add to its error, each with its squared weight: (variance, freedom)."""
        found = ((weight, self.part(quantity, arm)) for arm, weight in weights.items())
        return tuple((weight**2 * part[0], part[1]) for weight, part in found if part is not None and part[0] > 0)

    def part(self, quantity: Quantity, arm: str) -> tuple[float, float] | None:
        """(variance, degrees of freedom) that an arm adds; None where tuning adds nothing or nothing is known."""
        key = quantity, arm
        if key not in self._parts:
            self._parts[key] = self._part(quantity, arm)
        return self._parts[key]

    def _part(self, quantity: Quantity, arm: str) -> tuple[float, float] | None:
        chosen = self._choose((arm, None))  # tuned anew for each seed, it is part of the spread between seeds
        if chosen is None or chosen.found is None or quantity.deterministic or quantity.binary:
            return None
        runs, found = self.runs[arm, None], chosen.found
        flat = is_tuned(quantity, self.study.leading)
        values = [run.score if flat else run.values.get(quantity.name, math.nan) for run in runs]
        near = np.where(found.near, -quantity.sign * quantity.transform(values), np.nan)
        fit = parabola(places(self.study, runs), [run.seed for run in runs], near)
        square, freedom = excess(found, fit, flat)
        return (float(square), float(freedom)) if math.isfinite(square) else None
