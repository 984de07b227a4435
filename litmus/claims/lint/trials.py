"""Rules on the trials themselves: missing, not finite, not positive, in per cent, without spread."""

from __future__ import annotations

import math
from collections.abc import Iterator

from litmus.claims.contrast import UndecidableError
from litmus.claims.finding import Finding, about, error, using, warning
from litmus.claims.measured import LOST, Measured
from litmus.claims.notation import listing
from litmus.claims.quantity import Quantity, is_share, share_told
from litmus.claims.results import Results
from litmus.claims.study import Study
from litmus.claims.tuning import is_tuned
from litmus.words import count, plain, sentence


def missing_trials(study: Study, results: Results) -> Iterator[Finding]:
    """Arms without any value, and seeds that some arms lack."""
    for name in study.quantities:
        predicted = about(study, name)
        have = {arm: set(results.values(name, arm)) for arm in study.arms}
        seeds = sorted(set().union(*have.values()))
        if not seeds:
            yield error("no_trials", f"No trial has a value of {name}.", predicted)
            continue
        empty = [arm for arm, own in have.items() if not own]
        if empty:
            affected = about(study, name, using(study, empty))
            yield error("no_trials", f"No trial of {listing(empty)} has a value of {name}.", affected)
        partial = {arm: [seed for seed in seeds if seed not in own] for arm, own in have.items() if own}
        lacking = [f"{arm} lacks {listing(gone, 5)}" for arm, gone in partial.items() if gone]
        if lacking:
            message = f"Seeds of {name} are missing, and their pairs are left out: {listing(lacking, 4)}."
            yield warning("missing_seeds", message, predicted)
        if len(seeds) < len(study.seeds) and not study.until:
            message = f"The study asks for {count(len(study.seeds), 'seed')}, the results hold {len(seeds)} of {name}."
            yield warning("missing_seeds", message, predicted)


def not_finite(study: Study, results: Results) -> Iterator[Finding]:
    """Runs that diverged or never got there: means over the others flatter their arm."""
    for name, quantity in study.quantities.items():
        found = {}
        for arm in study.arms:
            every, good = results.values(name, arm), results.finite(name, arm)
            if len(good) < len(every):
                found[arm] = f"{arm} {len(every) - len(good)} of {len(every)}"
        if found:
            message = f"Runs whose {name} {fate(quantity)}: {listing(list(found.values()), 5)}."
            affected = about(study, name, using(study, found))
            yield warning("not_finite", message, affected)


def fate(quantity: Quantity) -> str:
    """What becomes of values that are not finite."""
    if quantity.at != "time_to":
        return "are not finite are left out of means"
    return (
        "never reached the threshold (censored) are left out of means, and count in comparisons as the budget that "
        "the compared arms share, if they do"
    )


def not_positive(study: Study, results: Results) -> Iterator[Finding]:
    """The log scale has no place for zero and negative values."""
    for name, quantity in study.quantities.items():
        if quantity.scale != "log":
            continue
        bad = [arm for arm in study.arms if any(value <= 0 for value in results.finite(name, arm).values())]
        if bad:
            message = (
                f"The quantity {name} is on the log scale but not positive in {listing(bad)}: use scale: identity."
            )
            yield error("not_positive", message, about(study, name))


# What single precision may add to a share of one.
ROUNDING = 1e-6


def not_a_share(study: Study, results: Results) -> Iterator[Finding]:
    """Values in per cent of what is a share by its name: each amount, as a sesoi, is a hundredth of what was meant.

    The difference of two shares, and an accuracy adjusted for chance, may be negative: one point is 0.01 of them, too.
    Tuning runs count where an interval holds them.
    """
    for name, quantity in study.quantities.items():
        if not quantity.share:
            continue
        scored = is_tuned(quantity, study.leading) and is_share(study.leading.select)
        found = {arm: list(results.finite(name, arm).values()) for arm in study.arms}
        for run in results.tuning:
            own = [*([run.values[name]] if name in run.values else []), *([run.score] if scored else [])]
            # Of several data sets, this one's arms alone are looked at.
            if run.arm in found:
                found[run.arm] += [value for value in own if math.isfinite(value)]
        beyond = {arm: [one for one in own if not -1 < one <= 1 + ROUNDING] for arm, own in found.items()}
        worst = {arm: max(own, key=abs) for arm, own in beyond.items() if own}
        if worst:
            most = plain(max(worst.values(), key=abs))
            message = (
                f"{quantity.label} of {listing(list(worst), 4)} holds values up to {most}, and "
                f"{share_told(quantity.metric)}: rename it in the study and in the table, or divide its values by 100."
            )
            yield error("not_a_share", sentence(message), about(study, name, using(study, worst)))


ALIKE = "is the same on every seed"
UNSPREAD = "cannot be judged: the arms gave the same numbers on every seed, so they are one run"


def no_spread(study: Study, results: Results) -> Iterator[Finding]:
    """A contrast that is constant over the seeds, or lacks too many: something was not run as meant."""
    contrast = Measured(study, results, planned=list(study.arms))  # whatever was not is told by its own rule
    faults: dict[str, list[str]] = {}
    for name, prediction in study.predictions.items():
        try:
            leaves = list(prediction.test(study, contrast).leaves())
        except UndecidableError:
            continue
        for fault in dict.fromkeys(leaf.contrast.fault for leaf in leaves):
            if fault:
                faults.setdefault(fault, []).append(name)
    for message, names in faults.items():
        if LOST in message:  # caps by itself, and nothing that was decided at an earlier look
            yield warning("lost_runs", sentence(message), dict.fromkeys(names))
            continue
        yield error("no_spread", sentence(message), dict.fromkeys(names), cap=UNSPREAD if ALIKE in message else "")
