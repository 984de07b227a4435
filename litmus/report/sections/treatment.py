"""When each arm's treatment began, and where the arm is judged: a difference counts from there on only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from litmus.claims.course import Course
from litmus.report.blocks import MOST_OPEN_ROWS, Block, Section, Table, Text
from litmus.report.evidence import Evidence
from litmus.words import plain


def section(evidence: Evidence) -> Section | None:
    """A row per arm and judged epoch; none for trials that left no curves."""
    rows = [row for arm in evidence.study.arms for row in rows_of(evidence, arm)]
    if not rows:
        return None
    reference = next(iter(evidence.study.select(evidence.baseline)), "")
    blocks: list[Block] = [
        Text(
            "Epochs count from 1; medians over seeds, with the range. Arms whose training losses are equal to the bit "
            "up to the judged epoch are still the same run, and arms that differ only in a schedule need half of its "
            "change, in logarithms, behind them: otherwise nothing can be judged."
        ),
        Table(
            "When the treatment began, and what was judged",
            [
                *("arm", "quantity", "judged at epoch", "of"),
                *(f"differs from {reference} from", "rate or batch moves from", "planned change by then"),
            ],
            rows,
            folded=len(rows) > MOST_OPEN_ROWS,
        ),
    ]
    return Section("treatment", "Treatment", blocks)


def rows_of(evidence: Evidence, arm: str) -> list[list[str]]:
    """An arm's rows: quantities that are judged at the same epochs share one."""
    trials = evidence.results.by_seed.get(arm, {})
    courses = {seed: trial.course for seed, trial in trials.items() if trial.course is not None}
    judged: dict[tuple[tuple[int, int], ...], list[str]] = {}
    for name in evidence.study.quantities:
        epochs = tuple((seed, course.judged[name]) for seed, course in courses.items() if name in course.judged)
        if epochs:
            judged.setdefault(epochs, []).append(name)
    found = []
    for epochs, names in judged.items():
        own = [courses[seed] for seed, _ in epochs]
        shares = [share for course in own if (share := course.share(names[0])) is not None]
        found.append(
            [
                *(evidence.named(arm), ", ".join(names), spread([epoch + 1 for _, epoch in epochs])),
                spread([len(course.train) for course in own]),
                *(apart(evidence, arm, [seed for seed, _ in epochs]), moves(own)),
                f"{spread([round(100 * share) for share in shares])} %" if shares else "—",
            ]
        )
    return found


def apart(evidence: Evidence, arm: str, seeds: Sequence[int]) -> str:
    """The epoch from which the arm's training losses are not the baseline's."""
    reference = next(iter(evidence.study.select(evidence.baseline)), None)
    if reference is None or reference == arm:
        return "—"
    trials, others = (evidence.results.by_seed.get(name, {}) for name in (arm, reference))
    pairs = [(trials[seed].course, others[seed].course) for seed in seeds if seed in others]
    first = [own.apart(other) for own, other in pairs if own is not None and other is not None]
    return _epochs(first)


def moves(courses: Sequence[Course]) -> str:
    """The epoch that first begins with another learning rate or batch size than the one before."""
    return _epochs([course.first_move for course in courses])


def _epochs(places: Sequence[int | None]) -> str:
    """4 [2, 9]; never on 3 of 10."""
    known = [place + 1 for place in places if place is not None]
    never = f"never on {len(places) - len(known)} of {len(places)}" if len(known) < len(places) else ""
    return "; ".join(filter(None, [spread(known) if known else "", never])) or "—"


def spread(values: Sequence[float]) -> str:
    """The median and, where values differ, the range: 12 [9, 14]."""
    middle = plain(float(np.median(values)))
    return middle if min(values) == max(values) else f"{middle} [{plain(min(values))}, {plain(max(values))}]"
