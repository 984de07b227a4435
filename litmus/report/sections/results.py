"""The results table and a strip of trials, per quantity."""

from __future__ import annotations

import math
from dataclasses import replace

from litmus.claims.arms import describe
from litmus.claims.contrast import FEWEST_SEEDS
from litmus.claims.quantity import Quantity
from litmus.claims.results import COUNTERS
from litmus.claims.scale import effect
from litmus.records.facts import constant_accuracy
from litmus.report.blocks import MOST_OPEN_ROWS, Block, Gallery, Section, Table, Text
from litmus.report.evidence import Evidence
from litmus.report.figures.curves import possible
from litmus.report.figures.strips import strips
from litmus.words import between, plain, plus_minus

OTHERS = "The other quantities"


def section(evidence: Evidence) -> Section:
    """A table per quantity, then the trials themselves."""
    study = evidence.study
    reference = describe(evidence.baseline)
    chosen = "the study's baseline" if study.baseline is not None else "the first arm, as the study names no baseline"
    there = " on the same data" if study.data else ""
    told = (
        f"Mean ± SD over seeds; the interval is the 95 % t interval of the mean. Δ is the paired change against "
        f"{reference} ({chosen}){there}. Failed: runs that diverged or never got there, left out of the means; a "
        f"time that was never reached counts as the budget in Δ where both arms share one. {shared(evidence)}"
    )
    blocks: list[Block] = []
    for place, quantity in enumerate(ordered(evidence)):
        drawn = [strips(own, quantity, constant(own, quantity)) for own in evidence.on_each]
        pictures = [picture for picture in drawn if picture is not None]
        found = table(evidence, quantity)
        group = OTHERS if place else ""
        blocks += (
            [Gallery(pictures, len(drawn), f"{quantity.label}: every trial" if place else "", group)]
            if pictures
            else []
        )
        blocks.append(replace(found, folded=found.folded or place > 0, group=group))
    blocks.append(Text(told.strip(), "How to read this"))
    return Section("results", "Results by arm", blocks)


def ordered(evidence: Evidence) -> list[Quantity]:
    """What matters most comes first."""
    return sorted(evidence.study.quantities.values(), key=lambda quantity: quantity != evidence.leading)


def counted(evidence: Evidence) -> tuple[list[str], dict[str, str]]:
    """The counters in which arms differ, and those that all share with their value."""
    means = {name: [evidence.counter(name, arm) for arm in evidence.study.arms] for name in COUNTERS}
    known = {name: values for name, values in means.items() if any(map(math.isfinite, values))}
    same = {name: plain(values[0]) for name, values in known.items() if len({plain(value) for value in values}) == 1}
    return [name for name in known if name not in same], same


def shared(evidence: Evidence) -> str:
    """All arms: 12 epochs, 1,356 updates."""
    _, same = counted(evidence)
    told = ", ".join(f"{value} {name}" for name, value in same.items())
    return f"All arms: {told}." if told else ""


def table(evidence: Evidence, quantity: Quantity) -> Table:
    """One row per arm; costs only where they differ, failures only where there are any."""
    counters, _ = counted(evidence)
    rows, failed = [], []
    for arm in evidence.study.arms:
        every, summary = evidence.results.values(quantity.name, arm), evidence.summary(quantity.name, arm)
        gain = evidence.gain(quantity, arm)
        low, high = map(float, possible(quantity.metric, *summary.interval()))
        rows.append(
            [
                *(evidence.named(arm), str(summary.n), plus_minus(float(summary.mean), float(summary.sd))),
                between(low, high) if summary.n >= FEWEST_SEEDS else "—",
                "baseline" if gain is None else " ".join(effect(gain)),
                *(plain(evidence.counter(name, arm)) for name in counters),
            ]
        )
        failed.append(f"{len(every) - summary.n} of {len(every)}" if every else "no trial")
    columns = ["arm", "n", "mean ± sd", "95 % interval", "Δ to baseline", *counters]
    if not all(cell.startswith("0 of ") for cell in failed):
        columns.append("failed")
        rows = [[*row, cell] for row, cell in zip(rows, failed, strict=True)]
    best = [own.named(own.ranked(quantity)[0]) for own in evidence.on_each if own.ranked(quantity)]
    headline = f"; best mean: {', '.join(best)}" if best else ""
    caption = f"{quantity.name}: {quantity.label}{headline}"
    return Table(caption, columns, rows, folded=len(rows) > MOST_OPEN_ROWS)


def constant(evidence: Evidence, quantity: Quantity) -> float | None:
    """What always saying the most frequent class would score, for accuracies."""
    split, _, word = quantity.metric.rpartition("/")
    if word not in ("acc", "accuracy") or quantity.at in ("rise", "roughness", "time_to"):
        return None
    known = constant_accuracy(evidence.records, split)
    return evidence.guessing.get(split) if known is None else known
