"""Experiment 3: the batch size, with as many samples for all and with as many updates."""

from __future__ import annotations

import math
from collections.abc import Callable

from answers.make.tuning_report.answer import Answer, each
from answers.make.tuning_report.experiment import Experiment
from answers.make.tuning_report.experiments import Experiments
from answers.make.tuning_report.words import amount, best_of, by_arm, gained, named, verdicts
from src.studies.reductions import roughness
from src.studies.report.wording import plain
from src.studies.statistics import Summary, summarize


def groups(e: Experiment) -> dict[str, list[str]]:
    """The arms that spent the same, by what was the same."""
    found = {
        f"With as many {name} for all": e.by_level("batch_size", e.sharing(name)) for name in ("samples", "updates")
    }
    return {name: arms for name, arms in found.items() if len(arms) > 1}


def in_groups(experiments: Experiments, tell_arms: Callable[[Experiment, list[str]], str]) -> Answer:
    """The same sentence for each group of arms."""

    def tell(e: Experiment) -> str:
        return " ".join(f"{name}, {tell_arms(e, arms)}." for name, arms in groups(e).items())

    return each(experiments, "batch_size", tell)


def rough(e: Experiment, arm: str, metric: str = "val/loss") -> Summary:
    """The roughness of a curve over seeds; not a number below three epochs."""
    return summarize([roughness(curve) for curve in e.curves(arm, metric)])


def stability(experiments: Experiments) -> Answer:
    """14: how steady training is."""

    def tell(e: Experiment, arms: list[str]) -> str:
        seeds = "; ".join(f"{named(e, arm)}: {plain(float(e.summary(arm, 'test/loss').sd), 2)}" for arm in arms)
        told = f"test loss varies over seeds by (SD) {seeds}"
        shown = [rough(e, arm) for arm in arms]
        if any(math.isnan(float(one.mean)) for one in shown):
            return f"{told}; the curves are too short to have a roughness"
        return f"{told}; the validation loss of a run has the roughness " + "; ".join(
            f"{named(e, arm)}: {amount(one)}" for arm, one in zip(arms, shown, strict=True)
        )

    return in_groups(experiments, tell)


def convergence(experiments: Experiments) -> Answer:
    """15: how fast it gets somewhere."""

    def tell(e: Experiment, arms: list[str]) -> str:
        return "validation loss after the first epoch is " + "; ".join(
            f"{named(e, arm)}: {plain(float(e.curve(arm, 'val/loss')[0]), 3)}" for arm in arms
        )

    return in_groups(experiments, tell)


def accuracy(experiments: Experiments) -> Answer:
    """16: where it ends."""
    return in_groups(experiments, lambda e, arms: f"test accuracy is {by_arm(e, arms, 'test/acc')}")


def optimal(experiments: Experiments) -> Answer:
    """17: which batch size."""
    return in_groups(experiments, best_of)


def trade_off(experiments: Experiments) -> Answer:
    """18: what small and large batches trade."""

    def tell(e: Experiment, arms: list[str]) -> str:
        small, large = arms[0], arms[-1]
        times = e.cost("seconds", small) / e.cost("seconds", large)
        rates = [plain(e.rate(arm), 2) for arm in (small, large)]
        return (
            f"{named(e, small)} takes {plain(times, 3)} times the seconds of {named(e, large)} and changes test loss "
            f"against it by {gained(e, small, large)}, at learning rates of {rates[0]} and {rates[1]}"
        )

    return in_groups(experiments, tell)


def guidance(experiments: Experiments) -> Answer:
    """65: how to choose a batch size."""

    def tell(e: Experiment) -> str:
        per_sample = {arm: e.cost("seconds", arm) / e.cost("samples", arm) for arm in e.by_level("batch_size")}
        fastest = min(per_sample, key=lambda arm: per_sample[arm])
        slowest = max(per_sample, key=lambda arm: per_sample[arm])
        price = per_sample[slowest] / per_sample[fastest]
        return (
            f"{best_of(e, next(iter(groups(e).values()), None))}. A sample costs {plain(price, 3)} times as much at "
            f"{named(e, slowest)} as at {named(e, fastest)}. {verdicts(e)}"
        )

    return each(experiments, "batch_size", tell)
