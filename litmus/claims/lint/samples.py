"""Rules on whether there are enough seeds for what is asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from litmus.claims.contrast import FEWEST_SEEDS, Contrast, ContrastMaker, UndecidableError, planned
from litmus.claims.finding import Finding, about, error, using, warning
from litmus.claims.leaf import LEVEL
from litmus.claims.lint.questions import margin_of
from litmus.claims.looks import FACTOR
from litmus.claims.measured import Measured
from litmus.claims.notation import listing
from litmus.claims.prediction import Prediction
from litmus.claims.results import Results
from litmus.claims.scale import Scale
from litmus.claims.statistics import fewest, resolvable_effect, seeds_needed
from litmus.claims.study import Study
from litmus.words import count

Configs = Mapping[str, Mapping[str, Any]]
LOSS_SD = 0.045  # of one run's log loss: 4–5 %
SETTLED_SEEDS = 5
FINE_SEEDS = 10


def few_seeds(study: Study, configs: Configs) -> Iterator[Finding]:
    """Fewer than 3 seeds decide nothing, fewer than 5 explore, fine questions need 10."""
    n = len(study.seeds)
    if n < FEWEST_SEEDS:
        yield error("few_seeds", f"The study has {count(n, 'seed')}; fewer than {FEWEST_SEEDS} decide nothing.")
    elif n < SETTLED_SEEDS:
        yield warning("few_seeds", f"The study has {n} seeds: exploratory; {SETTLED_SEEDS} is the default.")
    elif n < FINE_SEEDS:
        fine = [name for name, prediction in study.predictions.items() if is_fine(study, prediction)]
        if fine:
            message = f"The study has {n} seeds; {listing(fine)} ask for 10, being about small or many differences."
            yield warning("few_seeds", message, fine)


def exact_tests(study: Study, configs: Configs) -> Iterator[Finding]:
    """What is judged by signs or failures needs six pairs whatever they say, and more where they share rows."""
    level = LEVEL * (FACTOR if study.plan.until else 1.0)
    for name, prediction in study.predictions.items():
        if not prediction.needs_quantity:
            continue
        quantity = prediction.measured(study)
        if quantity.at != "time_to" and not (quantity.binary and prediction.kind != "bound"):
            continue
        ratio, told = study.ratio_of(quantity), f"{name} is judged by an exact test"
        least = fewest(level, ratio=ratio)
        if least is None:
            message = f"{told}, and no number of repeats of these folds decides it: deal more folds, as ten."
            yield warning("few_seeds", message, [name])
        elif least > len(study.seeds):
            what = count(len(study.seeds), "run" if ratio else "seed")
            yield warning(
                "few_seeds", f"{told}, which needs {least} pairs all of one kind: {what} cannot decide it.", [name]
            )


def is_fine(study: Study, prediction: Prediction) -> bool:
    """Whether a prediction asks for small or many differences."""
    best_of_many = prediction.kind == "best" and len(prediction.named_arms(study)) >= 4
    return prediction.kind in ("order", "equivalent", "interaction") or best_of_many


def no_sesoi(study: Study, configs: Configs) -> Iterator[Finding]:
    """Without a smallest effect of interest any significant trifle confirms, and nothing can be called equal."""
    lacking: dict[str, list[str]] = {}
    for name, prediction in study.predictions.items():
        if prediction.kind in ("bound", "all_of") or margin_of(study, prediction) is not None:
            continue  # a margin without a sesoi is told by itself
        quantity = prediction.measured(study)
        by = getattr(prediction, "by", 0.0)
        if quantity.sesoi is None and not quantity.ties and quantity.amount(by, "by") <= 0:
            lacking.setdefault(quantity.name, []).append(name)
    for quantity_name, names in lacking.items():
        message = (
            f"The quantity {quantity_name} has no sesoi (smallest effect of interest): {listing(names)} needs one."
        )
        yield error("no_sesoi", message, names)


def few_results(study: Study, results: Results) -> Iterator[Finding]:
    """Arms that were measured on fewer than 3 seeds."""
    for name in study.quantities:
        short = {arm: len(results.values(name, arm)) for arm in study.arms if results.values(name, arm)}
        short = {arm: n for arm, n in short.items() if n < FEWEST_SEEDS}
        if short:
            arms = listing([f"{arm} ({n})" for arm, n in short.items()])
            message = f"The results have fewer than {FEWEST_SEEDS} seeds of {name} for {arms}: nothing can be decided."
            affected = about(study, name, using(study, short))
            yield error("few_seeds", message, affected)


def planned_resolution(study: Study, configs: Configs) -> Iterator[Finding]:
    """The effect that the planned seeds can find, from the SD a run is expected to have."""

    def expected(contrast: Contrast) -> float | None:
        quantity = contrast.quantity
        usual = LOSS_SD if quantity.scale == "log" and quantity.metric.endswith("loss") else None
        sd = quantity.sd or usual
        return None if sd is None else sd * contrast.norm

    for name, prediction in study.predictions.items():
        yield from resolution(study, name, prediction, planned, len(study.seeds), expected)


def measured_resolution(study: Study, results: Results) -> Iterator[Finding]:
    """The effect that the seeds found can find, from the SD they have."""
    contrast = Measured(study, results)
    for name, prediction in study.predictions.items():
        yield from resolution(study, name, prediction, contrast, None, lambda made: float(made.summary.sd))


def resolution(
    study: Study, name: str, prediction: Prediction, contrast: ContrastMaker, seeds: int | None, spread: Any
) -> Iterator[Finding]:
    """A warning when n seeds see only effects larger than sesoi in the noisiest contrast; says which n would do."""
    if prediction.kind in ("all_of", "bound") or (sesoi := prediction.measured(study).sesoi) is None:
        return
    try:
        made = [leaf.contrast for leaf in prediction.test(study, contrast).leaves()]
    except UndecidableError:
        return
    seen = []
    ratio = study.ratio_of(prediction.measured(study))
    for one in made:
        n = one.n if seeds is None else seeds
        sd = (
            None
            if seeds is None and (n < FEWEST_SEEDS or one.test != "mean" or one.by_failures or one.fault)
            else spread(one)
        )
        if sd is not None and n >= 2:
            # What tuning leaves open is, like shared rows, a part of the variance that no seed takes away.
            stays = ratio + (sum(float(variance) for variance, _ in one.tuning) / sd**2 if sd > 0 else 0.0)
            seen.append((resolvable_effect(n, stays) * sd, sd, n, stays))
    if not seen or max(seen)[0] <= sesoi:
        return
    effect, sd, n, stays = max(seen)
    enough = seeds_needed(sesoi / sd, stays)
    quantity = prediction.measured(study)
    kind = "expected" if seeds is not None else "measured"
    few = "No affordable number of seeds" if enough is None else count(enough, "seed")
    scale = Scale(quantity)
    shown, matters = scale.size(effect), scale.size(sesoi)
    spread = scale.size(sd) if scale.points else f"{sd:.3g}"
    least = f"a little more than {matters}" if shown == matters else f"{shown} or more"
    message = (
        f"{name}: {count(n, 'seed')} show differences of {least} (80 % power, {kind} SD "
        f"{spread}); you said {matters} matters. {few} would show {matters}."
    )
    if stays > ratio and (enough is None or enough > n):
        message += " Tuning leaves open what no seed takes away: tune more."
    yield warning("low_resolution", message, [name])
