"""Learning curves against the three clocks."""

from __future__ import annotations

from litmus.report.blocks import Block, Gallery, Picture, Points, Section, Text
from litmus.report.evidence import Evidence
from litmus.report.figures.curves import CLOCKS, curves
from litmus.words import count

MOST_METRICS = 4
# Of whoever recorded them, see litmus.training.gradients.
GRADIENTS = ("grad_norm/all", "grad_norm/first_to_last")


def section(evidence: Evidence) -> Section:
    """Curves of what selects, what is fitted and what is judged, by epoch, updates and seconds."""
    if not evidence.curves:
        return Section("dynamics", "Dynamics", [Text("No learning curves came with these trials.")])
    pictures: list[Picture] = []
    for metric in metrics(evidence):
        drawn = (curves(evidence, metric, clock) for clock in CLOCKS)
        pictures += [picture for picture in drawn if picture is not None]
    runs = sum(map(len, evidence.curves.values()))
    blocks: list[Block] = [
        Text(
            f"{count(runs, 'run')} of {count(len(evidence.curves), 'arm')}, every metric against three clocks: equal "
            "epochs are not equal updates, and equal updates are not equal seconds. A mean ends where its first "
            "run does."
        ),
        Gallery(pictures, columns=3),
    ]
    if evidence.jitters:
        blocks.append(Points(evidence.jitters))
    return Section("dynamics", "Dynamics", blocks)


def metrics(evidence: Evidence) -> list[str]:
    """What selects, the training loss, what quantities are about, then gradients, as far as there are curves."""
    recorded = {name for runs in evidence.curves.values() for run in runs for name in run.history}
    wanted = [quantity.select for quantity in evidence.study.quantities.values()]
    wanted += ["train/loss", *(quantity.metric for quantity in evidence.study.quantities.values()), "val/acc"]
    drawn = [name for name in dict.fromkeys(wanted) if name in recorded and name not in CLOCKS][:MOST_METRICS]
    return drawn + [name for name in GRADIENTS if name in recorded and name not in drawn]
