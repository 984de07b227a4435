"""The appendix of the report: its study questions, answered from data."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from answers.make.tuning_report.answer import Answer, each, not_run
from answers.make.tuning_report.experiment import Experiment
from answers.make.tuning_report.experiments import Experiments
from answers.make.tuning_report.interactions import optima
from answers.make.tuning_report.units import grid
from answers.make.tuning_report.words import named, share
from src.studies.report.wording import plain


def by_epoch(e: Experiment) -> NDArray[np.float64]:
    """Validation loss as configurations × epochs, the mean over seeds."""
    curves = [e.curve(arm, "val/loss") for arm in e.arms]
    epochs = min(map(len, curves))
    return np.array([curve[:epochs] for curve in curves])


def correlation(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Spearman's ρ."""
    return float(np.corrcoef(rankdata(first), rankdata(second))[0, 1])


def seeds_correlation(e: Experiment, epoch: int) -> float:
    """ρ between an epoch's ranking and the last one's within a seed, the mean over the seeds that every arm has."""
    paths = [e.paths(arm, "val/loss") for arm in e.arms]
    epochs = by_epoch(e).shape[1]
    shared = set.intersection(*(set(own) for own in paths))
    tables = [np.array([own[seed][:epochs] for own in paths]) for seed in sorted(shared)]
    return float(np.mean([correlation(table[:, epoch - 1], table[:, -1]) for table in tables])) if tables else np.nan


def agreement(e: Experiment, epoch: int) -> str:
    """How far an early ranking tells the last one, and what its first choice would cost."""
    table = by_epoch(e)
    early, last = table[:, epoch - 1], table[:, -1]
    picked = int(early.argmin())
    place = int((last < last[picked]).sum()) + 1
    loss = last[picked] / last.min() - 1
    return (
        f"after epoch {epoch} of {table.shape[1]} the ranking of {len(last)} configurations by mean validation loss "
        f"agrees with the last one's with ρ = {correlation(early, last):.2f} ({seeds_correlation(e, epoch):.2f} within "
        f"a seed); the best of epoch {epoch}, {named(e, e.arms[picked])}, ends as number {place}, {share(loss)} above "
        "the best."
    )


def more_epochs_for_the_best(experiments: Experiments) -> Answer:
    """70: whether the ranking needs the last epoch."""

    def tell(e: Experiment) -> str:
        table = by_epoch(e)
        told = ", ".join(
            f"{correlation(table[:, epoch], table[:, -1]):.2f} after epoch {epoch + 1}"
            for epoch in range(table.shape[1] - 1)
        )
        return f"{agreement(e, 1)} Spearman's ρ with the last epoch's ranking is {told}."

    return each(experiments, "units", tell)


def factors_of_two(experiments: Experiments) -> Answer:
    """71: what doubling buys: few values for a wide range, with steps that differ little."""

    def tell(e: Experiment) -> str:
        found = grid(e)
        if not found.complete:
            return "not every cell of the grid has a result."
        steps = np.concatenate([np.abs(np.diff(found.loss, axis=axis)).ravel() for axis in (0, 1)])
        own = found.widths[0]
        return (
            f"{len(own)} widths cover a range of {own[-1] // own[0]} to 1; a doubling of either layer changes mean "
            f"test loss by {share(float(np.expm1(np.median(steps))))} in the median and by "
            f"{share(float(np.expm1(steps.max())))} at most."
        )

    return each(experiments, "units", tell)


def between_two(experiments: Experiments) -> Answer:
    """72: what may lie between two tested values: the vertex of the parabola through the best rate's neighbours."""
    lines = []
    for e in experiments.regimes("lr_by_batch"):
        told = []
        for size, (rate, best) in optima(e).items():
            arms = e.by_level("lr", [arm for arm in e.arms if e.level(arm, "batch_size") == size])
            place = arms.index(best)
            if place in (0, len(arms) - 1):
                told.append(f"batch {size}: the best rate, {plain(rate, 3)}, is at the edge of the grid")
                continue
            three = arms[place - 1 : place + 2]
            x = np.log2([e.level(arm, "lr") for arm in three])
            y = np.log([e.mean(arm, "test/loss") for arm in three])
            square, line, constant = np.polyfit(x, y, 2)
            vertex = -line / (2 * square)
            lowest = constant - line**2 / (4 * square)
            below = share(float(np.expm1(lowest - y[1])))
            told.append(f"batch {size}: at {plain(2**vertex, 3)} instead of {plain(rate, 3)}, for {below}")
        lines.append(
            f"{e.regime}: an optimum between two tested values is missed. The parabola through the best rate and its "
            f"neighbours, in log2, has its lowest test loss, {'; '.join(told)}."
        )
    return Answer(lines or [not_run("lr_by_batch")])
