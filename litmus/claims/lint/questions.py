"""Rules on what is asked: margins, what is judged, claims that can hardly fail, tuning that is none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import inf, isfinite
from typing import TYPE_CHECKING, Any

from litmus.claims.finding import Finding, about, error, warning
from litmus.claims.notation import listing
from litmus.claims.prediction import Prediction
from litmus.claims.quantity import is_measured
from litmus.claims.study import Study

if TYPE_CHECKING:
    from litmus.claims.kinds.best import Best
    from litmus.claims.kinds.bound import Bound

Configs = Mapping[str, Mapping[str, Any]]
# By how many smallest effects of interest arms may differ that are called alike: more would contradict the sesoi.
MOST_SESOI = 2.0


def wide_margins(study: Study, configs: Configs) -> Iterator[Finding]:
    """Equivalence and non-inferiority within more than the effect that matters: what matters would be called equal."""
    for name, prediction in study.predictions.items():
        margin = margin_of(study, prediction)
        if margin is None:
            continue
        quantity = prediction.measured(study)
        if quantity.sesoi is None:
            message = (
                f"{name} calls arms alike within a margin, and {quantity.name} has no sesoi that bounds it: add one."
            )
            yield error("no_sesoi", message, [name])
        elif margin > MOST_SESOI * quantity.sesoi * (1 + 1e-9):
            message = (
                f"{name} calls arms alike that differ by {quantity.size(-margin)}, more than {MOST_SESOI:g} times the "
                f"smallest effect of interest of {quantity.name} ({quantity.size(quantity.sesoi)}): narrow the margin."
            )
            yield error("wide_margin", message, [name])


def margin_of(study: Study, prediction: Prediction) -> float | None:
    """How much worse, or how different, a prediction lets arms be that it calls alike; None when it does not."""
    within, by = getattr(prediction, "within", None), getattr(prediction, "by", None)
    if within is not None:
        return prediction.measured(study).amount(within, prediction.where("within"))
    if prediction.kind == "bound":
        bound: Bound = prediction  # type: ignore[assignment]
        low, high = bound.ends(study)
        # A gain of at most something calls nothing alike; one of at least a loss does, as far as its wider end.
        return (
            max(-low, high if isfinite(high) else 0.0)
            if bound.relative_to is not None and -inf < low < 0 <= high
            else None
        )
    amount = 0.0 if by is None else prediction.measured(study).amount(by, prediction.where("by"))
    return -amount if amount < 0 else None


def training_metric(study: Study, configs: Configs) -> Iterator[Finding]:
    """A verdict on the rows that the net was fitted to: it is about optimization, and no claim about performance."""
    for name, quantity in study.quantities.items():
        # How rough a curve is says nothing of how good a net is, on whichever rows.
        using = about(study, name) if quantity.metric.startswith("train/") and quantity.at != "roughness" else []
        if using:
            message = (
                f"The quantity {name} is measured on the training rows: it says how well they are fitted, no more."
            )
            yield warning("training_metric", message, using)


def hardly_fails(study: Study, configs: Configs) -> Iterator[Finding]:
    """A best set that holds everything but the worst arm, or most arms: chance alone would put the best inside."""
    for name, prediction in study.predictions.items():
        if prediction.kind != "best":
            continue
        best: Best = prediction  # type: ignore[assignment]
        inside, outside = best.sides(study)
        if len(inside) > 1 and outside and (len(outside) == 1 or len(inside) > 2 * len(outside)):
            message = (
                f"{name} says that the best arm is one of {len(inside)} and not {listing(outside, 3)}: chance alone "
                f"would make that true {100 * len(inside) / (len(inside) + len(outside)):.0f} % of the time."
            )
            yield warning("hardly_fails", message, [name])


def declared_exact(study: Study, configs: Configs) -> Iterator[Finding]:
    """`deterministic: true` of a metric that is measured would make sameness exact, and a broken run certain."""
    for name, quantity in study.quantities.items():
        if quantity.deterministic and quantity.at != "time_to" and is_measured(quantity.metric):
            message = (
                f"The quantity {name} is declared deterministic, but {quantity.metric} is measured: its sameness over "
                "arms or seeds would count as exact; leave `deterministic` out."
            )
            yield error("declared_exact", message, about(study, name))


def one_trial(study: Study, configs: Configs) -> Iterator[Finding]:
    """A nuisance that is tried at one value per arm is not tuned."""
    single = [one.name for one in study.nuisance.values() if one.trials == 1 or len(one.values) == 1]
    if single:
        message = f"{listing(single)} is tried at one value per arm, which tunes nothing: give it 3 trials or more."
        yield warning("one_trial", message)
