"""Experiment 6: the optimizer."""

from __future__ import annotations

from answers.make.tuning_report.answer import Answer, each, slot
from answers.make.tuning_report.batch_size import rough
from answers.make.tuning_report.experiment import Experiment
from answers.make.tuning_report.experiments import Experiments
from answers.make.tuning_report.words import amount, best_of, gained, results
from src.studies.report.wording import plain


def convergence(experiments: Experiments) -> Answer:
    """29: speed."""

    def tell(e: Experiment) -> str:
        told = []
        for arm in e.every:
            curve = e.curve(arm, "val/loss")
            shown = f"{plain(curve[0], 3)}, {plain(curve[-1], 3)}" if len(curve) else "no finite loss"
            told.append(f"{arm}: {shown}")
        return f"validation loss after the first and the last epoch, {'; '.join(told)}."

    return each(experiments, "optimizer", tell)


def final(experiments: Experiments) -> Answer:
    """30: where they end."""
    return each(experiments, "optimizer", lambda e: f"{results(e, e.ranked)}.")


def stability(experiments: Experiments) -> Answer:
    """31: how steadily."""

    def tell(e: Experiment) -> str:
        told = "; ".join(
            f"{arm}: {amount(rough(e, arm))}, {plain(float(e.summary(arm, 'test/loss').sd), 2)}" for arm in e.every
        )
        return f"roughness of a run's validation loss, and SD of test loss over seeds, {told}."

    return each(experiments, "optimizer", tell)


def best(experiments: Experiments) -> Answer:
    """32: which."""
    return each(experiments, "optimizer", lambda e: f"{best_of(e)}.")


def why(experiments: Experiments) -> Answer:
    """33: no data say why."""
    facts = []
    for e in experiments.regimes("optimizer"):
        best_arm = e.ranked[0]
        others = "; ".join(f"{arm} {gained(e, arm, best_arm)}" for arm in e.ranked[1:])
        rates = "; ".join(f"{arm} {plain(e.rate(arm), 3)}" for arm in e.every)
        facts.append(f"{e.regime}: test loss against {best_arm}, {others}.")
        facts.append(f"{e.regime}: learning rates, {rates}.")
    return slot(experiments, "why_optimizer", "Why did this optimizer perform best?", facts)
