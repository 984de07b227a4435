"""What each arm cost, and what quality costs."""

from __future__ import annotations

import math

from litmus.claims.results import COUNTERS
from litmus.report.blocks import Block, Gallery, Section, Table, Text
from litmus.report.evidence import Evidence
from litmus.report.figures.pareto import frontier, pareto
from litmus.words import duration, plain

# Measured on whatever machine was free, so never compared to the last per cent.
NOISY = "Seconds depend on the machine and on what else it did; updates and samples do not."


def section(evidence: Evidence) -> Section:
    """A cost table and the Pareto front of the leading quantity."""
    known = [
        name for name in COUNTERS if any(math.isfinite(evidence.counter(name, arm)) for arm in evidence.study.arms)
    ]
    if not known:
        text = "The trials recorded no cost: neither epochs, updates, samples, seconds nor parameters."
        return Section("cost", "Cost", [Text(text)])
    blocks: list[Block] = [table(evidence, known)]
    axes = [name for name in ("seconds", "samples", "params") if name in known and worlds_apart(evidence, name)]
    drawn = [pareto(own, own.leading, name) for name in axes for own in evidence.on_each]
    pictures = [picture for picture in drawn if picture is not None]
    if pictures:
        first = len(evidence.on_each)
        blocks.append(Gallery(pictures[:first], first))
        blocks += [Gallery(pictures[first:], 2, "Against what else was spent")] if pictures[first:] else []
    told = "Best for its cost: no other arm is better at less cost."
    blocks.append(Text(f"{told} {NOISY}" if "seconds" in known else told))
    return Section("cost", "Cost", blocks)


def worlds_apart(evidence: Evidence, name: str) -> bool:
    """Whether arms differ in a cost by more than half, and by more than the seeds of one arm do."""
    own: dict[str, list[float]] = {}
    for trial in evidence.results.trials:
        if name in trial.counters:
            own.setdefault(trial.arm, []).append(trial.counters[name])
    means = [math.fsum(values) / len(values) for values in own.values()]
    spread = max((max(values) - min(values) for values in own.values()), default=0.0)
    return len(means) > 1 and max(means) > 1.5 * min(means) and max(means) - min(means) > spread


def table(evidence: Evidence, known: list[str]) -> Table:
    """Mean cost per trial, the arm's total time, and whether the arm is on the front."""
    cost, quantity = ("seconds" if "seconds" in known else known[0]), evidence.leading
    points = {arm: (evidence.counter(cost, arm), evidence.mean(quantity.name, arm)) for arm in evidence.study.arms}
    known_points = {arm: point for arm, point in points.items() if all(map(math.isfinite, point))}
    front = [
        arm
        for own in evidence.on_each
        for arm in frontier({arm: known_points[arm] for arm in own.study.arms if arm in known_points}, quantity.sign)
    ]
    rows = []
    for arm in evidence.study.arms:
        own = [t.counters["seconds"] for t in evidence.results.trials if t.arm == arm and "seconds" in t.counters]
        total = duration(math.fsum(own)) if own else "—"
        counted = [plain(evidence.counter(name, arm)) for name in known]
        mean = plain(evidence.mean(quantity.name, arm))
        rows.append(
            [
                evidence.named(arm),
                mean,
                *counted,
                *([total] if "seconds" in known else []),
                "yes" if arm in front else "no",
            ]
        )
    total_column = ["all its trials"] if "seconds" in known else []
    columns = ["arm", quantity.name, *known, *total_column, "best for its cost"]
    return Table("Cost per trial (means)", columns, rows, folded=True)
