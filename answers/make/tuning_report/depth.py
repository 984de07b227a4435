"""Experiment 4: the number of hidden layers."""

from __future__ import annotations

from itertools import pairwise

from answers.make.tuning_report.answer import Answer, each
from answers.make.tuning_report.epochs import gap, rise
from answers.make.tuning_report.experiment import Experiment
from answers.make.tuning_report.experiments import Experiments
from answers.make.tuning_report.words import amount, best_of, gained, points_between, results, verdicts


def arms(e: Experiment) -> list[str]:
    """The arms from the shallowest to the deepest."""
    return sorted(e.arms, key=lambda arm: len(e.hidden(arm)))


def layers(e: Experiment, arm: str) -> str:
    """1 layer, 2 layers."""
    depth = len(e.hidden(arm))
    return f"{depth} layer{'' if depth == 1 else 's'}"


def steps(e: Experiment) -> str:
    """The change that each further layer makes."""
    return "; ".join(f"{layers(e, b)} against {layers(e, a)}: {gained(e, b, a)}" for a, b in pairwise(arms(e)))


def improvement(experiments: Experiments) -> Answer:
    """19: what depth brings."""

    def tell(e: Experiment) -> str:
        shallow, deep = arms(e)[0], arms(e)[-1]
        accuracy = points_between(e.change(deep, shallow, "test/acc"))
        return f"{results(e, arms(e))}. From {layers(e, shallow)} to {layers(e, deep)}, accuracy changes by {accuracy}."

    return each(experiments, "depth", tell)


def overfitting(experiments: Experiments) -> Answer:
    """20: what depth risks."""

    def tell(e: Experiment) -> str:
        return (
            "; ".join(
                f"{layers(e, arm)}: validation loss ends {amount(rise(e, arm))} above its best and "
                f"{amount(gap(e, arm))} above training loss"
                for arm in arms(e)
            )
            + "."
        )

    return each(experiments, "depth", tell)


def beneficial(experiments: Experiments) -> Answer:
    """21: whether it pays."""
    return each(experiments, "depth", lambda e: f"{best_of(e)}. {verdicts(e)}")


def diminishing(experiments: Experiments) -> Answer:
    """22: what each further layer adds."""
    return each(experiments, "depth", lambda e: f"test loss changes, {steps(e)}.")
