"""The results table and a strip of trials, per quantity."""

from __future__ import annotations

import math

from litmus.claims.arms import describe
from litmus.claims.quantity import Quantity
from litmus.claims.results import COUNTERS
from litmus.claims.sentence import changed
from litmus.records.facts import constant_accuracy
from litmus.report.blocks import MOST_OPEN_ROWS, Block, Gallery, Section, Table, Text
from litmus.report.evidence import Evidence
from litmus.report.figures.strips import strips
from litmus.words import between, plain, plus_minus


def section(evidence: Evidence) -> Section:
    """A table per quantity, then the trials themselves."""
    study = evidence.study
    blocks: list[Block] = []
    reference = describe(evidence.baseline)
    chosen = "the study's baseline" if study.baseline is not None else "the first arm, as the study names no baseline"
    blocks.append(
        Text(
            f"Mean ± SD over seeds; the interval is the 95 % t interval of the mean. Δ is the paired change against "
            f"{reference} ({chosen}). Not finite: runs that diverged or never got there, left out of the means; a time "
            f"that was never reached counts as the budget in Δ where both arms share one."
        )
    )
    pictures = []
    for quantity in study.quantities.values():
        blocks.append(table(evidence, quantity))
        drawn = strips(evidence, quantity, constant(evidence, quantity))
        if drawn is not None:
            pictures.append(drawn)
    if pictures:
        blocks.append(Gallery(pictures))
    return Section("results", "Results", blocks)


def table(evidence: Evidence, quantity: Quantity) -> Table:
    """One row per arm; costs only where they were recorded."""
    counters = [name for name in COUNTERS if any(math.isfinite(evidence.counter(name, arm)) for arm in _arms(evidence))]
    rows = []
    for arm in _arms(evidence):
        every, summary = evidence.results.values(quantity.name, arm), evidence.summary(quantity.name, arm)
        gain = evidence.gain(quantity, arm)
        rows.append(
            [
                *(arm, str(summary.n), plus_minus(float(summary.mean), float(summary.sd))),
                between(*map(float, summary.interval())),
                "baseline" if gain is None else changed(gain),
                *(plain(evidence.counter(name, arm)) for name in counters),
                f"{len(every) - summary.n} of {len(every)}" if every else "no trial",
            ]
        )
    columns = ["arm", "n", "mean ± sd", "95 % interval", "Δ to baseline", *counters, "not finite"]
    best = evidence.ranked(quantity)
    headline = f"; best mean: {best[0]}" if best else ""
    caption = f"{quantity.name}: {quantity.label}{headline}"
    return Table(caption, columns, rows, folded=len(rows) > MOST_OPEN_ROWS)


def constant(evidence: Evidence, quantity: Quantity) -> float | None:
    """What always saying the most frequent class would score, for accuracies."""
    split, _, word = quantity.metric.rpartition("/")
    if word not in ("acc", "accuracy") or quantity.at in ("rise", "roughness", "time_to"):
        return None
    return constant_accuracy(evidence.records, split)


def _arms(evidence: Evidence) -> list[str]:
    return list(evidence.study.arms)
