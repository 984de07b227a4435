"""The 72 blanks of the document, in its order, and the function that answers each from data."""

from __future__ import annotations

from collections.abc import Callable

from answers.make.tuning_report import (
    batch_size,
    conclusions,
    depth,
    epochs,
    interactions,
    learning_rate,
    optimizer,
    questions,
    reflections,
    units,
)
from answers.make.tuning_report.answer import Answer
from answers.make.tuning_report.experiment import Experiment
from answers.make.tuning_report.experiments import Experiments
from src.studies.notation import text
from src.studies.report.wording import plain


def widths(e: Experiment, arm: str) -> str:
    """256, 128."""
    return ", ".join(str(width) for width in e.hidden(arm))


ANSWERS: tuple[Callable[[Experiments], Answer], ...] = (
    # Experiment 1
    epochs.findings,
    epochs.training,
    epochs.validation,
    epochs.convergence,
    epochs.upside,
    epochs.downside,
    epochs.optimal,
    # Experiment 2, from 8 on
    units.heat,
    units.best,
    units.worst,
    units.relationship,
    units.diminishing,
    units.trade_off,
    # Experiment 3, from 14 on
    batch_size.stability,
    batch_size.convergence,
    batch_size.accuracy,
    batch_size.optimal,
    batch_size.trade_off,
    # Experiment 4, from 19 on
    depth.improvement,
    depth.overfitting,
    depth.beneficial,
    depth.diminishing,
    # Experiment 5, from 23 on
    learning_rate.dynamics,
    learning_rate.optimal,
    learning_rate.convergence,
    learning_rate.too_high,
    learning_rate.too_low,
    learning_rate.sweet_spot,
    # Experiment 6, from 29 on
    optimizer.convergence,
    optimizer.final,
    optimizer.stability,
    optimizer.best,
    optimizer.why,
    # Interactions, from 34 on
    interactions.units_and_depth,
    interactions.picture,
    interactions.rate_and_batch,
    interactions.theory,
    interactions.more_epochs,
    interactions.fewer_epochs,
    # Hypotheses, from 40 on
    *map(reflections.hypothesis, ("epochs", "units", "batch_size", "depth", "lr", "optimizer")),
    # Surprises, from 46 on
    *map(reflections.surprise, (1, 2, 3)),
    # Theory, from 49 on
    reflections.bias_and_variance,
    reflections.landscape,
    reflections.generalization,
    # The best configuration, from 52 on
    conclusions.chosen("epochs", lambda e, arm: text(e.setting(arm, "epochs"))),
    conclusions.chosen("units", widths),
    conclusions.chosen("batch_size", lambda e, arm: text(e.setting(arm, "batch_size"))),
    conclusions.chosen("depth", lambda e, arm: str(len(e.hidden(arm)))),
    conclusions.chosen("lr", lambda e, arm: plain(e.rate(arm), 3)),
    conclusions.chosen("optimizer", lambda e, arm: e.optimizer(arm)),
    conclusions.performance,
    # Further work, from 59 on
    conclusions.ranges,
    conclusions.techniques,
    conclusions.search,
    conclusions.computation,
    conclusions.architecture,
    # Takeaways, from 64 on
    conclusions.when_more_epochs,
    batch_size.guidance,
    conclusions.capacity,
    conclusions.rates,
    # Study questions, from 68 on
    epochs.upside,
    epochs.downside,
    questions.more_epochs_for_the_best,
    questions.factors_of_two,
    questions.between_two,
)
PLACEHOLDERS = dict(enumerate(ANSWERS, start=1))
