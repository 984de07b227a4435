"""Rules on how the arms were tuned: a best value at the edge of what was tried, luck that no interval holds."""

from __future__ import annotations

from collections.abc import Iterator

from litmus.claims.finding import Finding, error, using, warning
from litmus.claims.notation import listing, text
from litmus.claims.results import Results
from litmus.claims.study import Study
from litmus.claims.tuning import ENDS, TunedArms

# Of the verdict seeds that were tuned one by one, no more than this share may end at an edge.
MOST_SHARE = 1 / 3
MOST_TIMES = 2


def at_an_edge(study: Study, results: Results) -> Iterator[Finding]:
    """Arms whose best value lies at the edge of what was tried: whether they are any better beyond it is unknown."""
    chosen = TunedArms(study, results.tuning).chosen
    for name, nuisance in study.nuisance.items():
        for side, end in ENDS.items():
            arms = {}
            for arm in study.arms:
                own = [one for (tuned, _), one in chosen.items() if tuned == arm]
                there = [one.values[name] for one in own if one.edges.get(name) == side]
                if len(there) > MOST_SHARE * len(own):
                    arms[arm] = f"{arm} ({text(there[0])})"
            if arms:
                message = (
                    f"The best {name} lies at or beyond the {end} that was tried for "
                    f"{listing(list(arms.values()), 6)}: "
                    f"widen study.nuisance.{name}, which is {list(nuisance.values)}."
                )
                yield error("optimum_at_edge", message, using(study, arms))


def unequal_tuning(study: Study, results: Results) -> Iterator[Finding]:
    """Arms tuned by more than twice as many settings as others: a range that extends itself does not explain that."""
    tried = {arm: _settings(results, arm) for arm in study.arms}
    concerned, ends = [], set[str]()
    for name, prediction in study.predictions.items():
        own = sorted(prediction.named_arms(study), key=tried.__getitem__)
        if own and tried[own[-1]] > MOST_TIMES * tried[own[0]] > 0:
            concerned.append(name)
            ends |= {own[0], own[-1]}
    if concerned:
        told = [f"{arm} ({tried[arm]})" for arm in study.arms if arm in ends]
        message = (
            f"The arms were tuned by unequally many settings of {listing(list(study.nuisance))}, {listing(told, 6)}: "
            "the better tuned ones are favoured; tune all alike."
        )
        yield error("unequal_tuning", message, concerned)


def _settings(results: Results, arm: str) -> int:
    """How many settings were tried for an arm, for the verdict seed with most."""
    tried: dict[int | None, set[str]] = {}
    for run in results.tuning:
        if run.arm == arm:
            tried.setdefault(run.verdict_seed, set()).add(repr(sorted(run.settings.items())))
    return max(map(len, tried.values()), default=0)


def not_in_the_interval(study: Study, results: Results) -> Iterator[Finding]:
    """Tuned arms whose intervals do not say how uncertain their tuning is, with the reason."""
    if not study.nuisance or not study.predictions:
        return
    knobs = listing(list(study.nuisance))
    if not results.tuning:
        message = (
            f"No tuning results came with these trials (tuning.csv beside the table), so the choice of {knobs} "
            "counts as certain: it was the best of single runs or is unknown, and differences may be luck in tuning."
        )
        yield warning("tuning_not_counted", message)
        return
    chosen = TunedArms(study, results.tuning).chosen
    shared = {arm: one for (arm, verdict_seed), one in chosen.items() if verdict_seed is None}
    lacking = [arm for arm in study.arms if arm not in {tuned for tuned, _ in chosen}]
    lacking += [arm for arm, one in shared.items() if one.found is None or not one.found.fitted]
    if lacking:
        if len(study.nuisance) > 1:
            why = "several knobs were tuned together, and the best setting was taken"
        elif not all(one.ordered for one in study.nuisance.values()):
            why = f"the values of {knobs} have no order"
        else:
            why = f"a parabola needs three values of {knobs} that end well, and more runs than it has coefficients"
        message = f"How uncertain the tuning of {listing(lacking, 4)} is, the intervals do not say: {why}."
        yield warning("tuning_not_counted", message, using(study, lacking))
