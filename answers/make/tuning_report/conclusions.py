"""Section 6 of the report: the best configuration, what to look at next, what to take away."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from scipy.special import comb

from answers.make.tuning_report.answer import Answer, not_run, slot
from answers.make.tuning_report.epochs import rise
from answers.make.tuning_report.experiment import Experiment
from answers.make.tuning_report.experiments import Experiments
from answers.make.tuning_report.learning_rate import sensitivity
from answers.make.tuning_report.questions import agreement
from answers.make.tuning_report.words import amount, best_of, gained, label, named, share, spread
from src.studies.notation import text
from src.studies.report.sections.recommendations import edges
from src.studies.report.wording import plain

# A configuration whose mean test loss is so near the best counts as found.
NEAR = 0.02
Show = Callable[[Experiment, str], str]


def chosen(study: str, show: Show) -> Callable[[Experiments], Answer]:
    """52 to 57: the cheapest arm that is not separated from the best, in full passes if they were run."""

    def answer(experiments: Experiments) -> Answer:
        found = experiments.regimes(study)
        if not found:
            return Answer([not_run(study)])
        e = found[0]
        arm, best = e.cheapest(e.good), e.ranked[0]
        why = "the best of" if arm == best else f"the cheapest not separated from the best, {show(e, best)}, of"
        return Answer([f"{show(e, arm)}: {why} {len(e.arms)} arms of {e.name}."])

    return answer


def performance(experiments: Experiments) -> Answer:
    """58: the best that was run, since the six choices were made one at a time."""
    runs = [(e.mean(e.ranked[0], "test/loss"), e, e.ranked[0]) for e in experiments.full or experiments.all if e.ranked]
    if not runs:
        return Answer(["No study was run."])
    _, e, arm = min(runs, key=lambda run: run[0])
    loss, accuracy = e.summary(arm, "test/loss"), e.summary(arm, "test/acc")
    return Answer(
        [
            "The choices above were made one at a time, and their combination is no arm of any study.",
            f"The best arm that was run is {label(e, arm)} of {e.name}: test loss {amount(loss)}, {spread(accuracy)} "
            f"correct (mean ± SD over {loss.n} seeds), at a learning rate of {plain(e.rate(arm), 3)}.",
        ]
    )


def ranges(experiments: Experiments) -> Answer:
    """59: where the best lay at an edge."""
    lines = [f"{e.name}: {told}" for e in experiments.full for told in edges(e.evidence)]
    for e in experiments.full:
        for factor, levels in e.evidence.study.factors.items():
            known = [text(level) for level in sorted(levels)] if all(np.isreal(level) for level in levels) else []
            own = text(e.evidence.study.arms[e.ranked[0]][factor])
            if len(known) > 2 and own in (known[0], known[-1]):
                side = "smallest" if own == known[0] else "largest"
                lines.append(f"{e.name}: the best {factor}, {own}, is the {side} that was tried.")
    return Answer(
        lines or ["No best value lay at the edge of what was tried." if experiments.full else not_run("units")]
    )


def techniques(experiments: Experiments) -> Answer:
    """60: early stopping and schedules."""
    facts = []
    for e in experiments.regimes("epochs"):
        arm = e.by_level("epochs")[-1]
        curves = e.curves(arm, "val/loss")
        best = float(np.mean(curves.argmin(axis=1))) + 1
        facts.append(
            f"{e.regime}: stopping where validation loss is lowest would end {named(e, arm)} epochs after "
            f"{plain(best, 3)} and save the {amount(rise(e, arm))} that it rises until the end."
        )
    if (decay := experiments.get("lr_decay")) is not None:
        facts.append(f"lr_decay: {best_of(decay)}.")
    return slot(experiments, "techniques", "Which further techniques are worth trying?", facts)


def search(experiments: Experiments) -> Answer:
    """61: what a random search would have found in the grid of widths."""
    lines = []
    for e in experiments.regimes("units"):
        best = e.mean(e.ranked[0], "test/loss")
        near = sum(e.mean(arm, "test/loss") <= best * (1 + NEAR) for arm in e.ranked)
        cells, draws = len(e.arms), max(1, len(e.arms) // 4)
        chance = 1 - comb(cells - near, draws) / comb(cells, draws)
        lines.append(
            f"{e.regime}: {near} of the {cells} pairs of widths are within {share(NEAR, 0)} of the best mean test "
            f"loss, so that {draws} of them drawn at random, a quarter of the cost, hold one with a probability of "
            f"{share(chance, 0)}."
        )
    if (beside := experiments.get("search")) is not None:
        lines.append(f"search: {best_of(beside)}.")
    return Answer(lines or [not_run("units")])


def computation(experiments: Experiments) -> Answer:
    """62: what saves time."""
    lines = []
    for e in experiments.regimes("batch_size"):
        speeds = {arm: e.cost("samples", arm) / e.cost("seconds", arm) for arm in e.by_level("batch_size")}
        slow, fast = min(speeds, key=lambda arm: speeds[arm]), max(speeds, key=lambda arm: speeds[arm])
        lines.append(
            f"{e.regime}: {named(e, slow)} trains on {plain(round(speeds[slow]))} samples per second, {named(e, fast)} "
            f"on {plain(round(speeds[fast]))}."
        )
    lines += [f"{e.regime}: {agreement(e, 1)}" for e in experiments.regimes("units")]
    return Answer(lines or [not_run("batch_size")])


def architecture(experiments: Experiments) -> Answer:
    """63: beyond hyperparameters."""
    facts = []
    if full := [e for e in experiments.full if e.ranked]:
        e = min(full, key=lambda one: one.mean(one.ranked[0], "test/loss"))
        facts.append(
            f"The best perceptron, {label(e, e.ranked[0])} of {e.name}: {spread(e.summary(e.ranked[0], 'test/acc'))}."
        )
    for name in ("cnn_norm", "cnn_ultimate"):
        if (one := experiments.get(name)) is not None:
            best = one.ranked[0]
            facts.append(
                f"A convolutional net on the same images, {label(one, best)} of {name}: "
                f"{spread(one.summary(best, 'test/acc'))} after {plain(one.cost('samples', best))} samples."
            )
    return slot(experiments, "architecture", "Which changes of the architecture are worth trying?", facts)


def when_more_epochs(experiments: Experiments) -> Answer:
    """64: from the last epoch's gain."""
    lines = []
    for e in experiments.regimes("epochs"):
        arms = e.by_level("epochs")
        told = "; ".join(f"{named(e, b)} against {named(e, a)}: {gained(e, b, a)}" for a, b in pairwise(arms))
        lines.append(f"{e.regime}: while test loss still falls by what matters to you; by epochs, {told}.")
    return Answer(lines or [not_run("epochs")])


def capacity(experiments: Experiments) -> Answer:
    """66: how wide and deep."""
    lines = []
    for e in experiments.regimes("units"):
        wide = e.cheapest(e.good)
        share_of = e.cost("params", wide) / e.cost("params", max(e.arms, key=lambda arm: e.cost("params", arm)))
        lines.append(
            f"{e.regime}: the cheapest pair of widths not separated from the best, {named(e, wide)}, has "
            f"{share(share_of)} of the parameters of the largest net."
        )
    for e in experiments.regimes("depth"):
        lines.append(f"{e.regime}: {best_of(e)}.")
    return Answer(lines or [not_run("units")])


def rates(experiments: Experiments) -> Answer:
    """67: how sharp the optimum is."""
    return sensitivity(experiments)
