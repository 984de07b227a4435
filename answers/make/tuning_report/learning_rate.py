"""Experiment 5: the learning rate."""

from __future__ import annotations

import math

from answers.make.tuning_report.answer import Answer, each
from answers.make.tuning_report.experiment import Experiment
from answers.make.tuning_report.experiments import Experiments
from answers.make.tuning_report.words import amount, best_of, gained, named, several, share
from src.studies.reductions import roughness, time_to
from src.studies.report.wording import plain
from src.studies.statistics import summarize

# A validation loss that every useful rate reaches.
THRESHOLD = 0.5


def arms(e: Experiment) -> list[str]:
    """All arms from the smallest rate to the largest, diverged ones too."""
    return e.by_level("lr", e.every)


def dynamics(experiments: Experiments) -> Answer:
    """23: training at different scales."""

    def tell(e: Experiment) -> str:
        told = []
        for arm in arms(e):
            curve = e.curve(arm, "train/loss")
            shown = f"{plain(curve[0], 3)} to {plain(curve[-1], 3)}" if len(curve) else "no finite loss"
            told.append(f"{named(e, arm)}: {shown}")
        return f"training loss goes from the first epoch to the last, {'; '.join(told)}."

    return each(experiments, "lr", tell)


def optimal(experiments: Experiments) -> Answer:
    """24: which rate."""
    return each(experiments, "lr", lambda e: f"{best_of(e)}.")


def convergence(experiments: Experiments) -> Answer:
    """25: how soon."""

    def tell(e: Experiment) -> str:
        told = "; ".join(f"{named(e, arm)}: {reached(e, arm)}" for arm in arms(e))
        return f"validation loss first is at most {THRESHOLD} at the end of an epoch after, in updates, {told}."

    return each(experiments, "lr", tell)


def reached(e: Experiment, arm: str) -> str:
    """The updates to the threshold, and how many runs got there."""
    curves, clocks = e.curves(arm, "val/loss"), e.curves(arm, "updates")
    times = [time_to(curve, clock, THRESHOLD, -1) for curve, clock in zip(curves, clocks, strict=True)]
    known = [time for time in times if math.isfinite(time)]
    if not known:
        return "never"
    rest = "" if len(known) == len(times) else f" in {len(known)} of {len(times)} runs"
    return f"{plain(round(sum(known) / len(known)))}{rest}"


def too_high(experiments: Experiments) -> Answer:
    """26: above the largest rate."""

    def tell(e: Experiment) -> str:
        high, best = arms(e)[-1], e.ranked[0]
        own = [record for (arm, _), record in e.evidence.records.items() if arm == high]
        broken = sum(record.diverged for record in own)
        rough = [summarize([roughness(curve) for curve in e.curves(arm, "val/loss")]) for arm in (high, best)]
        return (
            f"{named(e, high)} is the largest that was run; {broken} of its {len(own)} runs diverged, test loss is "
            f"{amount(e.summary(high, 'test/loss'))} ({gained(e, high, best)} against {named(e, best)}), and the "
            f"roughness of validation loss {amount(rough[0])} against {amount(rough[1])}."
        )

    return each(experiments, "lr", tell)


def too_low(experiments: Experiments) -> Answer:
    """27: below the smallest rate."""

    def tell(e: Experiment) -> str:
        low, best = arms(e)[0], e.ranked[0]
        curve = e.curve(low, "val/loss")
        last = (curve[-2] - curve[-1]) / curve[-2] if len(curve) > 1 else math.nan
        return (
            f"{named(e, low)} ends with test loss {amount(e.summary(low, 'test/loss'))} ({gained(e, low, best)} "
            f"against {named(e, best)}); its last epoch still lowers validation loss by {share(last)}."
        )

    return each(experiments, "lr", tell)


def sweet_spot(experiments: Experiments) -> Answer:
    """28: the range that does."""

    def tell(e: Experiment) -> str:
        spot = sorted(e.good, key=lambda arm: e.level(arm, "lr"))
        return f"{several(e, spot)}: the best rate and those not separated from it, of {several(e, arms(e), 12)}."

    return each(experiments, "lr", tell)


def sensitivity(experiments: Experiments) -> Answer:
    """67: what a wrong rate costs."""

    def tell(e: Experiment) -> str:
        best = e.ranked[0]
        told = [f"{named(e, arm)}: {gained(e, arm, best)}" for arm in arms(e) if arm != best]
        return f"test loss against the best rate, {named(e, best)}, changes by {'; '.join(told)}."

    return each(experiments, "lr", tell)
