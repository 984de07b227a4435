"""Rules on whether what is compared can tell the arms apart: where it is judged, how often, on which machine."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np

from litmus.claims.arms import varying
from litmus.claims.contrast import UndecidableError, planned
from litmus.claims.finding import Finding, error, warning
from litmus.claims.notation import listing, number
from litmus.claims.prediction import Prediction
from litmus.claims.quantity import COUNTED, Quantity, is_share
from litmus.claims.results import Results, Trial
from litmus.claims.study import Study

# On no more than this share of their seeds may arms still be one run, or have most of their treatment before them.
MOST_SHARE = 1 / 3
LEAST_CHANGE = 0.5
SCHEDULED = {"scheduler", "batching"}
# Shares over fewer rows tie by chance: nets that agree on 90 % of 80 rows are equal on a third of the seeds.
FEWEST_ROWS = 2000
# Losses and errors that count rows, as an accuracy does: test/error, test/zero_one_loss, val/top_5_error.
ROWS = re.compile(
    r"(?:^|[/. ])(?:(?:test|val|train)_)?(?:err|error|error_rate)$"
    r"|(?:^|[/._ ])(?:zero_?one|0_?1|hamming)_(?:loss|err|error|error_rate)$"
    r"|(?:^|[/._ ])(?:(?:mis)?classification|top_?\d+)_(?:err|error|error_rate)$"
)
SAME = "cannot be judged: the arms were still the same run"
SHARED = "cannot be judged: the machine was shared"
# What a machine does beside: the load of a run alone is its threads and less than this.
SPARE = 0.5
EARLY = "cannot be judged: less than half of the planned change had happened"


def same_runs(study: Study, results: Results) -> Iterator[Finding]:
    """Arms that are compared and are still one run where they are judged, on more than a third of their seeds."""
    for quantity, pairs in compared(study).items():
        chance = _ties_by_chance(quantity, results)
        for (first, second), names in pairs.items():
            shared = _shared(results, first, second, quantity)
            same = [_same(*pair, quantity, chance) for pair in shared]
            if sum(same) > MOST_SHARE * len(same) and _beyond_chance(shared, sum(same), quantity) > MOST_SHARE:
                message = (
                    f"On {sum(same)} of {len(same)} seeds {first} and {second} were still the same run where "
                    f"{quantity.label} is judged: what tells them apart had not begun, or changes nothing."
                )
                yield error("same_run", message, names, SAME)


def early_judgement(study: Study, results: Results) -> Iterator[Finding]:
    """Arms that differ only in scheduler or batching, judged before half of that had happened."""
    for quantity, pairs in compared(study).items():
        for (first, second), names in pairs.items():
            apart = {key.lstrip("+~").split(".")[0] for key in varying(study.arms, (first, second))}
            if not apart or not apart <= SCHEDULED:
                continue
            shares = [_shares(*pair, quantity, study) for pair in _shared(results, first, second, quantity)]
            for place, arm in enumerate((first, second)):
                own = [both[place] for both in shares if both[place] is not None]
                early = [share for share in own if share is not None and share < LEAST_CHANGE]
                if len(early) > MOST_SHARE * len(own):
                    message = (
                        f"On {len(early)} of {len(own)} seeds {quantity.label} of {arm} is judged before half of the "
                        f"change that its schedule planned (median {100 * float(np.median(early)):.0f} %): judge later."
                    )
                    yield error("early_judgement", message, names, EARLY)


def unequal_evaluations(study: Study, results: Results) -> Iterator[Finding]:
    """The best of many evaluations is better than that of few by noise alone, the mean of a longer curve by its end."""
    for quantity, pairs in compared(study).items():
        if quantity.at not in ("best", "auc"):
            continue
        for pair, names in pairs.items():
            few, many = sorted((_evaluations(study, results, arm), arm) for arm in pair)
            if not many[0] > 1.01 * few[0] > 0 or (quantity.at == "auc" and _as_long(results, pair)):
                continue
            best = quantity.at == "best"
            what, why = ("best", "noise alone") if best else ("mean", "what comes after the first's end")
            message = (
                f"{quantity.label} is the {what} of {few[0]:g} evaluations of {few[1]} and of {many[0]:g} of "
                f"{many[1]}: {why} favours the more; judge at: best_val, or at equal epochs."
            )
            yield error("unequal_evaluations", message, names)


def coarse_clock(study: Study, results: Results) -> Iterator[Finding]:
    """Times to a value that lie no further apart than the arms' evaluations do, which are not equally far apart."""
    for quantity, pairs in compared(study).items():
        if quantity.at != "time_to":
            continue
        for pair, names in pairs.items():
            steps = [_step(study, results, arm, quantity.unit) for arm in pair]
            made = [_step(study, results, arm, "updates") for arm in pair]
            if quantity.unit == "seconds" and 0 < max(made) <= 1.01 * min(made):
                continue  # evaluated as often, and each at its own speed
            times = [results.finite(quantity.name, arm) for arm in pair]
            apart = [abs(times[0][seed] - times[1][seed]) for seed in times[0].keys() & times[1].keys()]
            if apart and min(steps) > 0 and max(steps) > max(1.01 * min(steps), float(np.median(apart))):
                message = (
                    f"{quantity.label} is known to {min(steps):.3g} and to {max(steps):.3g} {quantity.unit}, from one "
                    f"evaluation to the next of {' and '.join(pair)}, which lie {np.median(apart):.3g} apart: evaluate "
                    "both as often."
                )
                yield error("coarse_clock", message, names)


def _evaluations(study: Study, results: Results, arm: str) -> float:
    """How often an arm's runs were evaluated, on average: the epochs of their curves, as counted, or as asked."""
    lengths = [len(trial.course.train) for trial in results.by_seed.get(arm, {}).values() if trial.course is not None]
    asked = study.arms[arm].get("epochs", 0)
    return float(np.mean(lengths)) if lengths else results.counter("epochs", arm) or number(asked) or 0.0


def _step(study: Study, results: Results, arm: str, unit: str) -> float:
    """What lies between two evaluations of an arm's runs, 0 where nobody counted."""
    evaluations = _evaluations(study, results, arm)
    return (results.counter(unit, arm) or 0.0) / evaluations if evaluations else 0.0


def _as_long(results: Results, arms: Sequence[str]) -> bool:
    """Whether both arms' runs made as many epochs, updates or samples."""
    counts = [[results.counter(unit, arm) or 0.0 for arm in arms] for unit in ("epochs", "updates", "samples")]
    return any(max(both) <= 1.01 * min(both) for both in counts if min(both) > 0)


def shared_machine(study: Study, results: Results) -> Iterator[Finding]:
    """Seconds of arms with as many updates, taken while others computed: they tell of the others."""
    for quantity, pairs in compared(study).items():
        unknown, shared = _timed_alike(results, pairs) if quantity.timed else ({}, {})
        if unknown:
            told = f"Whether the machine was shared while {_timed(unknown)} were timed was not recorded."
            yield warning("shared_machine", told, _concerned(unknown))
        if shared:
            message = (
                f"{_timed(shared)} made as many updates on a machine that others used as well: their "
                f"{quantity.label} cannot be compared; run one trial at a time, alone."
            )
            yield error("shared_machine", message, _concerned(shared), SHARED)


def _timed_alike(results: Results, pairs: Pairs) -> tuple[Pairs, Pairs]:
    """The pairs with as many updates of whose machine nothing is known, and those on a shared one."""
    unknown: Pairs = {}
    shared: Pairs = {}
    for pair, names in pairs.items():
        updates = [results.counter("updates", arm) or 1.0 for arm in pair]
        if max(updates) > 1.01 * min(updates):
            continue
        trials = [trial for arm in pair for trial in results.by_seed.get(arm, {}).values()]
        busy = [trial.load > _own_load(trial) + SPARE for trial in trials if trial.load is not None]
        if not busy:
            unknown[pair] = names
        elif sum(busy) > MOST_SHARE * len(busy):
            shared[pair] = names
    return unknown, shared


def _timed(pairs: Pairs) -> str:
    """The arms of the pairs in one line: a and b; a, b, c and 5 more."""
    arms = list(dict.fromkeys(arm for pair in pairs for arm in pair))
    return " and ".join(arms) if len(arms) < 3 else listing(arms, 3)


def _concerned(pairs: Pairs) -> list[str]:
    return list(dict.fromkeys(name for names in pairs.values() for name in names))


def _own_load(trial: Trial) -> float:
    threads, processes = (float(trial.numerics.get(name) or 1) for name in ("threads", "processes"))
    return threads * processes


Pairs = dict[tuple[str, str], list[str]]


def compared(study: Study) -> dict[Quantity, Pairs]:
    """Quantity → the pairs of arms that stand on two sides of a contrast, each with the predictions that need it."""
    found: dict[str, Pairs] = {}
    for name, prediction in study.predictions.items():
        for quantity, pair in _pairs(study, prediction):
            names = found.setdefault(quantity, {}).setdefault(pair, [])
            names += [name] if name not in names else []
    return {study.quantities[name]: pairs for name, pairs in found.items()}


def _pairs(study: Study, prediction: Prediction) -> Iterator[tuple[str, tuple[str, str]]]:
    try:
        contrasts = [leaf.contrast for leaf in prediction.test(study, planned).leaves()]
    except UndecidableError:
        return
    for contrast in contrasts:
        above = [arm for arm, weight in contrast.weights.items() if weight > 0]
        below = [arm for arm, weight in contrast.weights.items() if weight < 0]
        for first, second in product(above, below):
            ordered = sorted((first, second), key=list(study.arms).index)
            yield contrast.quantity.name, (ordered[0], ordered[1])


def _shared(results: Results, first: str, second: str, quantity: Quantity) -> list[tuple[Trial, Trial]]:
    """Both arms' trials of the seeds of which both have a value."""
    one, other = results.by_seed.get(first, {}), results.by_seed.get(second, {})
    pairs = [(one[seed], other[seed]) for seed in one if seed in other]
    return [pair for pair in pairs if all(quantity.name in trial.values for trial in pair)]


def _same(one: Trial, other: Trial, quantity: Quantity, chance: bool) -> bool:
    """Whether two trials are one run up to where they are judged, which then gives the same value."""
    name = quantity.name
    if one.values[name] != other.values[name] or not np.isfinite(one.values[name]):
        return False
    if (
        one.course is None
        or other.course is None
        or not {name} <= one.course.judged.keys() & other.course.judged.keys()
    ):
        # That neither run lost anything of its best is no sameness.
        return not chance and not (quantity.at == "rise" and one.values[name] == 0)
    # Other weights may be judged of the same training, as an average is: the value above tells these apart.
    epoch = one.course.judged[name]
    return epoch == other.course.judged[name] and one.course.same_until(other.course, epoch)


def _beyond_chance(pairs: list[tuple[Trial, Trial]], same: int, quantity: Quantity) -> float:
    """The share of seeds on which two arms are the same run beyond what chance makes equal (Cohen's kappa).

    How often that is, the arms' values on different seeds say: of losses it is never, of few rows it may be often.
    """
    many = len(pairs) * (len(pairs) - 1)
    apart = ((one, other) for place, (one, _) in enumerate(pairs) for at, (_, other) in enumerate(pairs) if place != at)
    chance = sum(_same(*pair, quantity, False) for pair in apart) / many if many else 0.0
    return (same / len(pairs) - chance) / (1 - chance) if chance < 1 else 0.0


def _shares(one: Trial, other: Trial, quantity: Quantity, study: Study) -> tuple[float | None, float | None]:
    """The share of what either run's plan changes beside the other's that had happened; None for a run that plans none.

    Where neither run's knobs move and both have the same, whatever tells them apart waited for something: none had.
    """
    courses = (one.course, other.course)
    if any(course is None or quantity.name not in course.judged for course in courses):
        return None, None
    shares = [
        None if course is None else course.share(quantity.name, other) for course, other in (courses, courses[::-1])
    ]
    if shares == [None, None] and _begin_alike(one, other, study):
        return 0.0, 0.0
    return shares[0], shares[1]


def _begin_alike(one: Trial, other: Trial, study: Study) -> bool:
    """Whether both runs begin with the same knobs, but for a rate that was tuned."""
    assert one.course is not None
    assert other.course is not None
    tuned = any(name.split(".")[-1] in ("lr", "learning_rate") for name in study.nuisance)
    names = [name for name in one.course.knobs if not (tuned and name.startswith("lr"))]
    own, others = one.course.knobs, other.course.knobs
    return bool(own) and all(name in others and own[name][0] == others[name][0] for name in names)


def _ties_by_chance(quantity: Quantity, results: Results) -> bool:
    """Whether equal values say nothing: counts, whole numbers, and shares of fewer than 2,000 rows.

    The rows are read off the values: with 80 rows all are multiples of 1/80. As many digits as were written are
    compared; so few values that some number of rows fits by accident count as shares of many rows, but those that are
    written with so few digits that they have fewer than 2,000 levels.
    """
    if quantity.metric.split("/")[-1] in COUNTED or quantity.at == "time_to":
        return True
    values = [trial.values[quantity.name] for trial in results.trials if quantity.name in trial.values]
    different = np.unique([value for value in values if np.isfinite(value)])
    counts_rows = is_share(quantity.metric) or bool(ROWS.search(quantity.metric.lower()))
    if not len(different) or (quantity.metric.endswith("loss") and not counts_rows):
        return False
    if (different == np.round(different)).all():
        return True
    if different.min() < 0 or different.max() > 100:
        return False
    shares = different / 100 if different.max() > 1 else different
    digits = max(len(f"{value:.15f}".rstrip("0").partition(".")[2]) for value in shares)
    if counts_rows and 10**digits < FEWEST_ROWS:
        return True
    tolerance = max(0.5001 * 10.0**-digits, 1e-7)
    accident = 0.0
    for rows in range(1, FEWEST_ROWS):
        accident += min(1.0, 2 * tolerance * rows) ** len(shares)
        if accident > 0.05:
            return False
        if (np.abs(shares * rows - np.round(shares * rows)) <= tolerance * rows).all():
            return True
    return False
