"""How the report writes what it measured."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from answers.make.tuning_report.experiment import Experiment
from src.studies.arms import describe
from src.studies.notation import listing, text
from src.studies.report.tied import tied_with_best
from src.studies.report.wording import changed, plain, plus_minus
from src.studies.statistics import Summary


def share(value: float, places: int = 1) -> str:
    """0.874 → 87.4 %."""
    return "—" if math.isnan(value) else f"{100 * value:.{places}f} %".replace("-", "−")


def points(value: float) -> str:
    """0.0123 → +1.2 points."""
    return "—" if math.isnan(value) else f"{100 * value + 0.0:+.1f} points".replace("-", "−")


def spread(summary: Summary) -> str:
    """An accuracy: 87.4 ± 0.3 %."""
    if summary.n < 2:
        return share(float(summary.mean)) if summary.n else "—"
    return f"{100 * float(summary.mean):.1f} ± {100 * float(summary.sd):.1f} %"


def points_between(summary: Summary) -> str:
    """A paired difference of accuracies: +1.2 points [+0.8, +1.6]."""
    if summary.n == 0:
        return "—"
    ends = [f"{100 * float(end):+.1f}".replace("-", "−") for end in summary.interval() if math.isfinite(end)]
    return points(float(summary.mean)) + (f" [{', '.join(ends)}]" if ends else "")


def amount(summary: Summary) -> str:
    """A loss, a rise, a time: mean ± sd."""
    return plus_minus(float(summary.mean), float(summary.sd)) if summary.n else "—"


def gained(e: Experiment, arm: str, than: str) -> str:
    """The paired change of the quantity that matters most, with its interval."""
    contrast = e.evidence.gain(e.evidence.leading, arm, than=than)
    return "—" if contrast is None else changed(contrast)


def named(e: Experiment, arm: str) -> str:
    """An arm by its levels alone: 64, or 256 × 256; by its name where it has one."""
    if not e.evidence.study.factors:
        return arm
    return " × ".join(text(level) for level in e.evidence.study.arms[arm].values())


def label(e: Experiment, arm: str) -> str:
    """An arm with the names of its factors: batch_size 64, lr 0.002; by its name where it has one."""
    return describe(e.evidence.study.arms[arm]) if e.evidence.study.factors else arm


def several(e: Experiment, arms: Iterable[str], most: int = 6) -> str:
    """Arms in one line."""
    return listing([named(e, arm) for arm in arms], most)


def by_arm(e: Experiment, arms: Sequence[str], metric: str) -> str:
    """An accuracy or a loss of each arm: 3: 0.41 ± 0.01; 5: …."""
    write = spread if metric.endswith("acc") else amount
    return "; ".join(f"{named(e, arm)}: {write(e.summary(arm, metric))}" for arm in arms)


def results(e: Experiment, arms: Sequence[str]) -> str:
    """Test loss and accuracy of each arm."""
    return "; ".join(
        f"{named(e, arm)}: test loss {amount(e.summary(arm, 'test/loss'))}, "
        f"{spread(e.summary(arm, 'test/acc'))} correct"
        for arm in arms
    )


def best_of(e: Experiment, arms: Sequence[str] | None = None) -> str:
    """The best arm, those not separated from it, the cheapest of all of them."""
    ranked = [arm for arm in e.ranked if arms is None or arm in arms]
    if not ranked:
        return "no arm has a finite result"
    best, tied = ranked[0], tied_with_best(e.evidence, ranked)
    told = f"{label(e, best)} has the lowest mean test loss ({plain(e.mean(best, 'test/loss'))})"
    if not tied:
        return f"{told} and is separated from every other by its paired 95 % interval"
    cheap = e.cheapest([best, *tied])
    price = "" if cheap == best else f"; the cheapest of them is {label(e, cheap)}"
    return f"{told}; not separated from it: {several(e, tied)}{price}"


def verdicts(e: Experiment) -> str:
    """The primary prediction's verdict with its reason, then the others' verdicts."""
    every = e.evidence.judgement.verdicts.values()
    primary = next((one for one in every if one.primary), None)
    others = [f"{one.id} {one.verdict}" for one in every if one is not primary]
    told = primary.reason if primary else "No prediction is primary."
    return told + (f" Beside it: {listing(others)}." if others else "")
