"""Experiment 1: what more epochs bring and cost."""

from __future__ import annotations

import numpy as np

from answers.make.tuning_report.answer import Answer, each
from answers.make.tuning_report.experiment import Experiment
from answers.make.tuning_report.experiments import Experiments
from answers.make.tuning_report.words import (
    amount,
    best_of,
    gained,
    named,
    points,
    points_between,
    results,
    share,
)
from src.studies.report.wording import plain
from src.studies.statistics import Summary, summarize

# Validation accuracy so near its best counts as there.
NEAR = 0.005


def arms(e: Experiment) -> list[str]:
    """The arms from the shortest to the longest."""
    return e.by_level("epochs")


def findings(experiments: Experiments) -> Answer:
    """1: what the learning curves say."""
    return each(experiments, "epochs", lambda e: f"by epochs, {results(e, arms(e))}.")


def training(experiments: Experiments) -> Answer:
    """2: training accuracy."""

    def tell(e: Experiment) -> str:
        curve = e.curve(arms(e)[-1], "train/acc")
        last = curve[-1] - curve[-2] if len(curve) > 1 else np.nan
        return (
            f"over {len(curve)} epochs it goes from {share(curve[0])} in the first to {share(curve[-1])} in the last, "
            f"which alone makes {points(last)}."
        )

    return each(experiments, "epochs", tell)


def validation(experiments: Experiments) -> Answer:
    """3: validation accuracy."""

    def tell(e: Experiment) -> str:
        curve = e.curve(arms(e)[-1], "val/acc")
        best = int(np.argmax(curve))
        after = f"the rest of the run changes it by {points(curve[-1] - curve[best])}"
        return (
            f"over {len(curve)} epochs it goes from {share(curve[0])} to {share(curve[-1])}; its best mean, "
            f"{share(curve[best])}, comes in epoch {best + 1}, and "
            + (after if best + 1 < len(curve) else "it is still the last epoch that is best")
            + "."
        )

    return each(experiments, "epochs", tell)


def convergence(experiments: Experiments) -> Answer:
    """4: how soon it is nearly there."""

    def tell(e: Experiment) -> str:
        arm = arms(e)[-1]
        curves = e.curves(arm, "val/acc")
        reached = summarize([float(np.flatnonzero(curve >= curve.max() - NEAR)[0]) + 1 for curve in curves])
        updates = e.cost("updates", arm) / curves.shape[1] * float(reached.mean)
        return (
            f"validation accuracy is within half a point of its best after {amount(reached)} of {curves.shape[1]} "
            f"epochs, {plain(round(updates))} updates."
        )

    return each(experiments, "epochs", tell)


def upside(experiments: Experiments) -> Answer:
    """5 and 68: what more epochs gain."""

    def tell(e: Experiment) -> str:
        shortest, best = arms(e)[0], e.ranked[0]
        if best == shortest:
            return f"none was seen: {named(e, shortest)} epochs have the lowest mean test loss."
        accuracy = points_between(e.change(best, shortest, "test/acc"))
        return (
            f"{named(e, best)} epochs instead of {named(e, shortest)} change test loss by {gained(e, best, shortest)} "
            f"and test accuracy by {accuracy}."
        )

    return each(experiments, "epochs", tell)


def downside(experiments: Experiments) -> Answer:
    """6 and 69: what they cost."""

    def tell(e: Experiment) -> str:
        told = []
        for arm in (arms(e)[0], arms(e)[-1]):
            told.append(
                f"{named(e, arm)} epochs: {plain(e.cost('seconds', arm), 3)} s, validation loss "
                f"{amount(rise(e, arm))} above its best at the end, {amount(gap(e, arm))} above training loss"
            )
        return "; ".join(told) + "."

    return each(experiments, "epochs", tell)


def rise(e: Experiment, arm: str) -> Summary:
    """How much of the best validation loss is lost by the end."""
    curves = e.curves(arm, "val/loss")
    return summarize(curves[:, -1] - curves.min(axis=1))


def gap(e: Experiment, arm: str) -> Summary:
    """Validation loss minus training loss at the end."""
    return summarize(e.curves(arm, "val/loss")[:, -1] - e.curves(arm, "train/loss")[:, -1])


def optimal(experiments: Experiments) -> Answer:
    """7: how many."""
    return each(experiments, "epochs", lambda e: f"{best_of(e)}.")
