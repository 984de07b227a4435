"""Section 4 of the report: verdicts, surprises, and what they say about fitting and generalizing."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
from scipy.stats import spearmanr

from answers.make.publication.rows import AS_REPORTED
from answers.make.tuning_report.answer import Answer, each, not_run, slot
from answers.make.tuning_report.batch_size import rough
from answers.make.tuning_report.epochs import gap
from answers.make.tuning_report.experiment import Experiment
from answers.make.tuning_report.experiments import STUDIES, Experiments
from answers.make.tuning_report.words import amount, named, points_between, share, verdicts
from src.studies.report.sections.surprises import below_constant, disagreeing
from src.studies.report.wording import changed, plain
from src.studies.statistics import Summary, summarize

MOST_SURPRISES = 3


def hypothesis(study: str) -> Callable[[Experiments], Answer]:
    """40 to 45: the verdicts of the study that tests one hypothesis."""
    return lambda experiments: each(experiments, study, verdicts)


def surprise(place: int) -> Callable[[Experiments], Answer]:
    """46 to 48: the so many most surprising result."""

    def answer(experiments: Experiments) -> Answer:
        found = surprises(experiments)
        if place <= len(found):
            return Answer([found[place - 1]])
        looked = "verdicts that the regime turns round, predictions that are rejected or whose opposite is true"
        more = "arms no better than a constant, loss and accuracy that disagree"
        return Answer([f"Nothing more was found; looked for: {looked}, {more}."])

    return answer


def surprises(experiments: Experiments) -> list[str]:
    """Verdicts that the regime turns round, the clearest opposites of predictions, rejected predictions, oddities."""
    opposites = sorted(opposite(experiments), reverse=True)
    odd = [
        f"{e.name}: {told}" for e in experiments.all for told in (*below_constant(e.evidence), *disagreeing(e.evidence))
    ]
    found = [*turned(experiments), *(told for _, told in opposites), *rejected(experiments), *odd]
    return list(dict.fromkeys(found))


def turned(experiments: Experiments) -> Iterator[str]:
    """Predictions that one regime confirms and the other rejects."""
    for name in STUDIES:
        full, short = experiments.get(name), experiments.get(name + AS_REPORTED)
        if full is None or short is None:
            continue
        for key, one in full.evidence.judgement.verdicts.items():
            other = short.evidence.judgement.verdicts.get(key)
            if other is not None and {one.verdict, other.verdict} == {"confirmed", "rejected"}:
                yield (
                    f"{name}, {key}: {one.verdict} in full passes and {other.verdict} in epochs of 100 updates. "
                    f"{one.reason} {other.reason}"
                )


def opposite(experiments: Experiments) -> Iterator[tuple[float, str]]:
    """Contrasts whose interval lies wholly on the other side of zero, by their distance in standard errors."""
    for e in experiments.all:
        for verdict in e.evidence.judgement.verdicts.values():
            if verdict.kind not in ("compare", "order", "shape", "interaction"):
                continue
            found = []
            for leaf in verdict.contrasts:
                contrast = leaf.contrast
                if contrast.oriented and contrast.decidable and not contrast.forced and contrast.interval[1] < 0:
                    error = float(contrast.summary.standard_error)
                    told = f"{contrast.quantity.label} {changed(contrast)}, {contrast.subject} {contrast.reference}"
                    found.append((-float(contrast.mean) / error if error else math.inf, told))
            if found:
                distance, told = max(found)
                yield distance, f"{e.name}, {verdict.id}: the opposite of what was predicted: {told}."


def rejected(experiments: Experiments) -> Iterator[str]:
    """Primary predictions that are rejected, then the others."""
    for primary in (True, False):
        for e in experiments.all:
            for verdict in e.evidence.judgement.verdicts.values():
                if verdict.primary == primary and verdict.verdict == "rejected":
                    yield f"{e.name}, {verdict.id}: {verdict.reason}"


def bias_and_variance(experiments: Experiments) -> Answer:
    """49: fitting too little and too much."""

    def tell(e: Experiment) -> str:
        small, big = (min(e.arms, key=lambda arm: sign * e.cost("params", arm)) for sign in (1, -1))
        told = []
        for arm in (small, big):
            train, test = (e.mean(arm, f"{split}/acc") for split in ("train", "test"))
            told.append(
                f"{named(e, arm)} ({plain(e.cost('params', arm))} parameters): {share(train)} on the training set, "
                f"{share(test)} on the test set, validation loss {amount(gap(e, arm))} above training loss at the end"
            )
        return f"the smallest and the largest net, {'; '.join(told)}."

    return each(experiments, "units", tell)


def landscape(experiments: Experiments) -> Answer:
    """50: nobody looked at the loss surface; what the curves say is beside it."""
    facts = []
    for name in ("lr", "batch_size", "optimizer"):
        for e in experiments.regimes(name):
            known = {arm: float(rough(e, arm).mean) for arm in e.arms if e.curves(arm, "val/loss").shape[1] > 2}
            known = {arm: value for arm, value in known.items() if math.isfinite(value)}
            if known:
                smooth, jagged = min(known, key=lambda arm: known[arm]), max(known, key=lambda arm: known[arm])
                facts.append(
                    f"{e.name}: the roughness of validation loss goes from {plain(known[smooth], 2)} "
                    f"({named(e, smooth)}) to {plain(known[jagged], 2)} ({named(e, jagged)})."
                )
    return slot(experiments, "landscape", "What do the runs say about moving over the loss surface?", facts)


def generalization(experiments: Experiments) -> Answer:
    """51: train, validation, test."""
    lines = []
    for e in experiments.regimes("units"):
        lines.append(
            f"{e.regime}: over the {len(e.arms)} arms of {e.name}, accuracy on the training set is "
            f"{points_between(difference(e, 'train', 'test'))} above that on the test set, accuracy on validation "
            f"{points_between(difference(e, 'val', 'test'))}."
        )
    ranks = {e.name: agreement(e) for e in experiments.all if len(e.ranked) > 2}
    if ranks:
        low, high = min(ranks, key=lambda name: ranks[name]), max(ranks, key=lambda name: ranks[name])
        lines.append(
            f"Ranking a study's arms by validation loss or by test loss agrees with Spearman's ρ between "
            f"{ranks[low]:.2f} ({low}) and {ranks[high]:.2f} ({high})."
        )
    return Answer(lines or [not_run("units")])


def difference(e: Experiment, first: str, second: str) -> Summary:
    """Accuracy on one part of the data minus that on another: the mean over arms for each seed, which share a split."""
    found = []
    for seed in e.evidence.study.seeds:
        pairs = [[e.values(arm, f"{split}/acc").get(seed, math.nan) for split in (first, second)] for arm in e.arms]
        found.append(float(np.mean([a - b for a, b in pairs])))
    return summarize([value for value in found if math.isfinite(value)])


def agreement(e: Experiment) -> float:
    """Spearman's ρ of the arms' mean validation and test losses."""
    val, test = ([e.mean(arm, f"{split}/loss") for arm in e.ranked] for split in ("val", "test"))
    return float(spearmanr(val, test)[0])
