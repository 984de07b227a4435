"""What nobody predicted: opposite signs, arms below the constant predictor, loss and accuracy that disagree."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from litmus.claims.leaf import Gain
from litmus.claims.notation import listing
from litmus.claims.quantity import Quantity
from litmus.claims.scale import effect
from litmus.claims.statistics import summarize
from litmus.report.blocks import Block, Points, Section, Text
from litmus.report.evidence import Evidence
from litmus.report.sections.results import constant
from litmus.words import plain

MOST = 6


def section(evidence: Evidence) -> Section:
    """Each kind of surprise that was found, and which kinds could not be looked for."""
    found = [*opposite(evidence), *below_constant(evidence), *disagreeing(evidence)]
    looked = "predictions with the opposite sign"
    skipped = []
    if any(constant(evidence, quantity) is not None for quantity in evidence.study.quantities.values()):
        looked += ", arms below the constant predictor"
    else:
        skipped.append("arms below the constant predictor (no accuracy with a recorded constant score)")
    if pairs(evidence):
        looked += ", loss and accuracy disagreeing"
    else:
        skipped.append("loss against accuracy (not both recorded)")
    rest = f" Not looked for: {'; '.join(skipped)}." if skipped else ""
    intro = f"Looked for: {looked}; intervals here are uncorrected, so this is exploration.{rest}"
    blocks: list[Block] = [Text(intro), Points(found) if found else Text("Nothing of the kind was found.")]
    return Section("surprises", "Surprises", blocks)


def opposite(evidence: Evidence) -> Iterator[str]:
    """Contrasts that are claimed to be gains, whose whole interval lies on the other side of zero."""
    for verdict in evidence.judgement.verdicts.values():
        for leaf in verdict.contrasts if verdict.kind not in ("all_of", "best") else ():
            contrast = leaf.contrast
            if (
                isinstance(leaf, Gain)
                and leaf.by >= 0
                and contrast.oriented
                and contrast.decidable
                and not contrast.by_failures
                and float(contrast.interval[1]) < 0
            ):
                what = f"{contrast.subject} {contrast.against}".strip()
                label = contrast.quantity.label
                yield f"{verdict.id}: the opposite of the prediction: {what}, {label} {' '.join(effect(contrast))}."


def below_constant(evidence: Evidence) -> Iterator[str]:
    """Arms that are not better than always saying the most frequent class."""
    for quantity in evidence.study.quantities.values():
        bar = constant(evidence, quantity)
        if bar is None:
            continue
        low = [arm for arm in evidence.ranked(quantity) if evidence.mean(quantity.name, arm) <= bar]
        if low:
            arms = listing([f"{evidence.named(arm)} {plain(evidence.mean(quantity.name, arm))}" for arm in low], MOST)
            yield f"Not above the constant predictor's {quantity.label} of {plain(bar)}: {arms}."


def pairs(evidence: Evidence) -> list[tuple[Quantity, Quantity]]:
    """A loss and an accuracy on the same split, both measured."""
    quantities = [q for q in evidence.study.quantities.values() if q.at in ("last", "best_val")]
    losses = [q for q in quantities if q.metric.endswith("loss")]
    scores = [q for q in quantities if q.metric.split("/")[-1] in ("acc", "accuracy")]
    return [(a, b) for a in losses for b in scores if a.metric.split("/")[0] == b.metric.split("/")[0]]


def disagreeing(whole: Evidence) -> Iterator[str]:
    """Pairs of arms of which one has the clearly better loss and the other the clearly better accuracy."""
    for evidence in whole.on_each:
        yield from disagreeing_on(evidence)


def disagreeing_on(evidence: Evidence) -> Iterator[str]:
    """The same of one data set."""
    for loss, score in pairs(evidence):
        arms = evidence.ranked(loss)
        found = []
        for place, better in enumerate(arms):
            for worse in arms[place + 1 :]:
                if clearly(evidence, loss, better, worse) and clearly(evidence, score, worse, better):
                    found.append(f"{evidence.named(better)} against {evidence.named(worse)}")
        if found:
            yield (
                f"{loss.label} and {score.label} disagree: better loss but worse accuracy, intervals of both "
                f"excluding zero: {listing(found, MOST)}."
            )


def clearly(evidence: Evidence, quantity: Quantity, better: str, worse: str) -> bool:
    """Whether the paired difference of two arms excludes zero in favour of the first."""
    first, second = (evidence.results.finite(quantity.name, arm) for arm in (better, worse))
    shared = sorted(first.keys() & second.keys())
    if len(shared) < 3:
        return False
    values = quantity.sign * (np.array([first[s] for s in shared]) - np.array([second[s] for s in shared]))
    return bool(summarize(values, evidence.study.ratio).interval()[0] > 0)
