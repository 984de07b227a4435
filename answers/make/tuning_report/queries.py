"""What the report asks across arms: two factors, optima over a log axis, early rankings, edges, surprises."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray
from scipy.special import comb
from scipy.stats import spearmanr

from answers.make.publication.rows import AS_REPORTED
from answers.make.tuning_report.experiment import Experiment, UnpublishedError, points
from litmus.claims.notation import listing, number, text
from litmus.claims.reductions import ROUGHNESS_EPOCHS
from litmus.claims.scale import effect
from litmus.claims.statistics import Summary, summarize
from litmus.claims.verdict import Verdict
from litmus.report.sections.surprises import disagreeing
from litmus.words import plain

# Validation accuracy so near its best counts as there.
HALF_A_POINT = 0.005


@dataclass(frozen=True)
class Grid:
    """Main effects and interaction of two widths on the logarithm of mean test loss; rows are the first width."""

    arms: dict[tuple[int, int], str]
    widths: tuple[list[int], list[int]]
    loss: NDArray[np.float64]

    @property
    def complete(self) -> bool:
        """Whether every cell has a result."""
        return bool(np.isfinite(self.loss).all()) and min(self.loss.shape) > 1

    @property
    def doublings(self) -> list[float]:
        """The mean change of log loss per doubling of either width."""
        turned = zip((self.loss, self.loss.T), self.widths, strict=True)
        return [float((loss[-1] - loss[0]).mean() / np.log2(own[-1] / own[0])) for loss, own in turned]

    @property
    def shares(self) -> list[float]:
        """How much of the variance between cells the first width, the second and neither alone explain."""
        alone = [float(self.loss.mean(axis=axis).var() / self.loss.var()) for axis in (1, 0)]
        return [*alone, 1 - sum(alone)]

    @property
    def steps(self) -> tuple[float, float]:
        """The relative size of the change that a doubling of one width makes: the median and the largest."""
        found = np.concatenate([np.abs(np.diff(self.loss, axis=axis)).ravel() for axis in (0, 1)])
        return float(np.expm1(np.median(found))), float(np.expm1(found.max()))

    @property
    def diagonal(self) -> list[tuple[str, str]]:
        """Neighbours of which both widths are the same, the larger first."""
        both = [self.arms[width, width] for width in self.widths[0] if (width, width) in self.arms]
        return [(high, low) for low, high in pairwise(both)]


def grid(e: Experiment) -> Grid:
    """The cells of a study of two widths."""
    arms = {(pair[0], pair[1]): arm for arm in e.arms if len(pair := e.hidden(arm)) == 2}
    rows, columns = (sorted({pair[place] for pair in arms}) for place in (0, 1))
    loss = [[math.log(e.number(arms[a, b])) if (a, b) in arms else math.nan for b in columns] for a in rows]
    return Grid(arms, (rows, columns), np.array(loss))


def enough(e: Experiment, steps: Iterable[tuple[str, str]]) -> str:
    """The first arm beyond which a step brings less than matters to the study; none where every step does."""
    leading = e.leading
    gains = {than: e.gain(leading, better, than=than) for better, than in steps}
    return next((than for than, one in gains.items() if one is not None and one.mean < (leading.sesoi or 0.0)), "")


def by_depth(e: Experiment) -> list[list[str]]:
    """The arms of each number of layers, the narrowest first."""
    depths = sorted({len(e.hidden(arm)) for arm in e.arms})
    return [sorted((arm for arm in e.arms if len(e.hidden(arm)) == depth), key=e.hidden) for depth in depths]


def span(e: Experiment, cost: str) -> str:
    """What the arms spent, from the least to the most."""
    arms = e.by(cost)
    return " to ".join(dict.fromkeys(plain(e.counter(cost, arm)) for arm in (arms[0], arms[-1])))


def speeds(e: Experiment) -> list[tuple[float, str]]:
    """Samples per second of each arm, the slowest first."""
    found = [(e.counter("samples", arm) / e.counter("seconds", arm), arm) for arm in e.by("batch_size")]
    return sorted(found, key=itemgetter(0))


def broken(e: Experiment, arm: str) -> tuple[int, int]:
    """How many runs of an arm have no finite result, of how many."""
    found = e.results.values(e.leading.name, arm)
    return sum(not math.isfinite(value) for value in found.values()), len(found)


def reached(e: Experiment, arm: str) -> str:
    """The updates to the threshold, and how many runs got there."""
    times = list(e.values(arm, "val/loss", "time_to").values())
    known = [time for time in times if math.isfinite(time)]
    rest = "" if len(known) == len(times) else f" in {len(known)} of {len(times)} runs"
    return plain(round(sum(known) / len(known))) + rest if known else "never"


def roughness(e: Experiment) -> list[tuple[float, str]]:
    """The roughness of each arm's validation loss, the smoothest first; none where runs are too short to have one."""
    known = [arm for arm in e.arms if e.counter("epochs", arm) >= ROUGHNESS_EPOCHS]
    return sorted(((e.number(arm, "val/loss", "roughness"), arm) for arm in known), key=itemgetter(0))


def optima(e: Experiment) -> dict[int, str]:
    """Batch size → the arm of its best learning rate."""
    sizes = sorted({int(e.level(arm, "batch_size")) for arm in e.arms})
    return {size: next(arm for arm in e.order if e.level(arm, "batch_size") == size) for size in sizes}


def slope(e: Experiment) -> float:
    """The slope of log2 of the best rate over log2 of the batch size, by least squares."""
    found = optima(e)
    return float(np.polyfit(np.log2(list(found)), np.log2([e.level(arm, "lr") for arm in found.values()]), 1)[0])


def vertex(e: Experiment, size: int) -> tuple[float, float]:
    """The lowest point of the parabola through the best rate and its neighbours, in log2: rate, change of test loss.

    Not numbers when the best rate is at an edge.
    """
    best = optima(e)[size]
    arms = e.by("lr", [arm for arm in e.arms if e.level(arm, "batch_size") == size])
    place = arms.index(best)
    if place in (0, len(arms) - 1):
        return math.nan, math.nan
    three = arms[place - 1 : place + 2]
    losses = np.log([e.number(arm) for arm in three])
    square, line, constant = np.polyfit(np.log2([e.level(arm, "lr") for arm in three]), losses, 2)
    return float(2 ** (-line / (2 * square))), float(np.expm1(constant - line**2 / (4 * square) - losses[1]))


def nearly_there(e: Experiment, arm: str) -> tuple[Summary, int]:
    """The epoch at which validation accuracy first is near a run's best, and how many epochs there are."""
    curves = e.by_epoch(arm, "val/acc")
    first = [float(np.flatnonzero(curve >= curve.max() - HALF_A_POINT)[0]) + 1 for curve in curves]
    return summarize(first), curves.shape[1]


def last_gain(e: Experiment, arm: str) -> float:
    """By what share the last epoch lowers mean validation loss."""
    curve = e.curve(arm, "val/loss")
    return float((curve[-2] - curve[-1]) / curve[-2]) if len(curve) > 1 else math.nan


def falling(e: Experiment, share: float) -> list[str]:
    """The arms whose last epoch lowers mean validation loss by more than a share, most first."""
    found = [(last_gain(e, arm), arm) for arm in e.arms]
    return [arm for gain, arm in sorted(found, key=itemgetter(0), reverse=True) if gain > share]


def stopped(e: Experiment, arm: str) -> list[float]:
    """The epoch of each run that validation chose, from 1."""
    found = [run.summary["best_epoch"] + 1 for run in e.runs if run.arm == arm and "best_epoch" in run.summary]
    return found or (np.argmin(e.by_epoch(arm, "val/loss"), axis=1) + 1.0).tolist()


def turning(e: Experiment) -> list[str]:
    """The arms of which most runs were best before their last epoch; where known, those that rose most come first."""
    found = [arm for arm in e.arms if np.mean(np.array(stopped(e, arm)) < e.counter("epochs", arm)) > 0.5]
    try:
        return sorted(found, key=lambda arm: -e.number(arm, "val/loss", "rise"))
    except UnpublishedError:
        return found


def losses(e: Experiment) -> NDArray[np.float64]:
    """Mean validation loss as arms × epochs."""
    curves = [e.curve(arm, "val/loss") for arm in e.arms]
    return np.array([curve[: min(map(len, curves))] for curve in curves])


def orders(e: Experiment) -> list[float]:
    """Spearman's ρ of each epoch's ranking of the arms with the last one's."""
    *early, last = losses(e).T
    return [float(spearmanr(one, last)[0]) for one in early]


def order_within(e: Experiment) -> float:
    """The first epoch's ρ within a seed, the mean over the seeds that every arm has."""
    found = [{run.seed: run.history["val/loss"] for run in e.runs if run.arm == arm and run.history} for arm in e.arms]
    tables = [np.array([[own[seed][0], own[seed][-1]] for own in found]) for seed in set.intersection(*map(set, found))]
    return float(np.mean([spearmanr(*table.T)[0] for table in tables])) if tables else math.nan


def early(e: Experiment) -> tuple[str, int, float]:
    """The best arm after the first epoch, its place after the last, and how far above the best its loss ends."""
    first, last = losses(e)[:, [0, -1]].T
    picked = int(first.argmin())
    return e.arms[picked], int((last < last[picked]).sum()) + 1, float(last[picked] / last.min() - 1)


def best_study(experiments: Iterable[Experiment]) -> Experiment:
    """The study of the best arm of all."""
    return min(experiments, key=lambda e: e.number(e.best))


def near_best(e: Experiment, within: float) -> int:
    """How many arms' mean test loss is so near the best."""
    return sum(e.number(arm) <= e.number(e.best) * (1 + within) for arm in e.arms)


def chance(cells: int, good: int, draws: int) -> float:
    """The probability that so many arms drawn at random hold a good one."""
    return float(1 - comb(cells - good, draws) / comb(cells, draws))


def between_splits(e: Experiment, split: str) -> str:
    """Accuracy on a split minus that on the test set, the mean over arms for each seed, since a seed has one split."""
    found = [(e.values(arm, f"{split}/acc"), e.values(arm, "test/acc")) for arm in e.arms]
    shared = [seed for seed in e.study.seeds if all(seed in own for pair in found for own in pair)]
    return points(summarize([np.mean([own[seed] - test[seed] for own, test in found]) for seed in shared]))


def rank_agreements(experiments: Iterable[Experiment]) -> list[tuple[float, str]]:
    """Spearman's ρ of the mean validation and test losses of a study's arms: the smallest and the largest, by study."""
    found = []
    for e in experiments:
        with suppress(UnpublishedError):
            val, test = ([e.number(arm, f"{split}/loss") for arm in e.order] for split in ("val", "test"))
            found += [(float(spearmanr(val, test)[0]), e.name)] if len(val) > 2 else []
    return [pick(found, key=itemgetter(0)) for pick in (min, max)] if found else []


def edges(e: Experiment) -> Iterator[str]:
    """Where the best lay at an end of what was searched."""
    for knob, one in e.study.nuisance.items():
        for side, end in zip(
            ("lower", "upper"), (min(one.values), max(one.values)) if one.ordered else (), strict=False
        ):
            arms = [arm for arm in e.arms if math.isclose(e.level(arm, knob), end, rel_tol=1e-5)]
            if arms:
                yield f"the tuned {knob} of {listing(arms, 6)} is the {side} end of its range"
    for factor, levels in e.study.factors.items():
        known = sorted(level for level in levels if number(level) is not None)
        own = e.study.arms[e.best][factor]
        if len(known) > 2 and own in (known[0], known[-1]):
            side = "smallest" if own == known[0] else "largest"
            yield f"the best {factor}, {text(own)}, is the {side} that was tried"


def primary(e: Experiment) -> Verdict | None:
    """The verdict that the study is about."""
    return next((one for one in e.judgement.verdicts.values() if one.primary), None)


def surprises(experiments: Sequence[Experiment]) -> list[str]:
    """Verdicts that the regime turns round, the clearest opposites of predictions, rejected predictions, oddities."""
    verdicts = [(e.name, one) for e in experiments for one in e.judgement.verdicts.values()]
    rejected = sorted((one for one in verdicts if one[1].verdict == "rejected"), key=lambda one: not one[1].primary)
    return [
        *turned(experiments),
        *(told for _, told in sorted((one for e in experiments for one in opposite(e)), reverse=True)),
        *(f"{name}, {one.id}: {one.reason}" for name, one in rejected),
        *(f"{e.name}: {one}" for e in experiments for one in disagreeing(e)),
    ]


def turned(experiments: Sequence[Experiment]) -> Iterator[str]:
    """Predictions that one regime confirms and the other rejects."""
    by_name = {e.name: e.judgement.verdicts for e in experiments}
    for name, verdicts in by_name.items():
        for key, other in by_name.get(name + AS_REPORTED, {}).items():
            one = verdicts.get(key, other)
            if {one.verdict, other.verdict} == {"confirmed", "rejected"}:
                told = f"{one.verdict} in full passes and {other.verdict} in epochs of 100 updates"
                yield f"{name}, {key}: {told}. {one.reason} {other.reason}"


def opposite(e: Experiment) -> Iterator[tuple[float, str]]:
    """Each prediction's contrast that is clearest on the other side of zero, by its distance in standard errors."""
    for verdict in e.judgement.verdicts.values():
        found = []
        for leaf in verdict.contrasts if verdict.kind in ("compare", "order", "shape", "interaction") else ():
            contrast = leaf.contrast
            if contrast.oriented and contrast.decidable and not contrast.by_failures and contrast.interval[1] < 0:
                error = float(contrast.summary.standard_error)
                told = f"{contrast.quantity.label} {' '.join(effect(contrast))}, {contrast.subject} {contrast.against}"
                found.append((-float(contrast.mean) / error if error else math.inf, told))
        if found:
            distance, told = max(found)
            yield distance, f"{e.name}, {verdict.id}: the opposite of what was predicted: {told}."
