"""Section 3 of the report: what acts together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from answers.make.tuning_report.answer import Answer, each, not_run, slot
from answers.make.tuning_report.depth import layers
from answers.make.tuning_report.experiment import Experiment
from answers.make.tuning_report.experiments import Experiments
from answers.make.tuning_report.words import gained, several, share, verdicts
from src.studies.report.wording import plain

# A last epoch that still lowers validation loss by so much says that more would help.
STILL_FALLING = 0.02


def units_and_depth(experiments: Experiments) -> Answer:
    """34: width at each depth."""

    def tell(e: Experiment) -> str:
        told = []
        for depth in sorted({len(e.hidden(arm)) for arm in e.arms}):
            own = sorted((arm for arm in e.arms if len(e.hidden(arm)) == depth), key=e.hidden)
            narrow, wide = own[0], own[-1]
            told.append(
                f"{layers(e, wide)}: {e.hidden(wide)[0]} units against {e.hidden(narrow)[0]} change test loss by "
                f"{gained(e, wide, narrow)}"
            )
        return f"{'; '.join(told)}. {verdicts(e)}"

    return each(experiments, "units_by_depth", tell)


def picture(experiments: Experiments) -> Answer:
    """35: where it is drawn."""
    links = []
    for e in experiments.regimes("units_by_depth"):
        figures = experiments.root / e.name / "figures"
        for path in [*sorted(figures.glob("heatmap-*.png")), *sorted(figures.glob("lines-*.png"))]:
            links.append((f"{e.regime}, {path.stem}", f"{e.name}/figures/{path.name}"))
    if links:
        return Answer(links=links)
    return Answer(
        ["Figure 1 shows two widths; width and depth are drawn on the page of units_by_depth, once published."]
    )


def optima(e: Experiment) -> dict[int, tuple[float, str]]:
    """Batch size → its best learning rate and that arm."""
    sizes = sorted({int(e.level(arm, "batch_size")) for arm in e.arms})
    best = {size: next(arm for arm in e.ranked if e.level(arm, "batch_size") == size) for size in sizes}
    return {size: (e.level(arm, "lr"), arm) for size, arm in best.items()}


def slope(e: Experiment) -> float:
    """The slope of log2 of the best rate over log2 of the batch size, by least squares."""
    found = optima(e)
    return float(np.polyfit(np.log2(list(found)), np.log2([rate for rate, _ in found.values()]), 1)[0])


def rate_and_batch(experiments: Experiments) -> Answer:
    """36: the best rate for each batch size."""

    def tell(e: Experiment) -> str:
        told = "; ".join(f"{size}: {plain(rate, 3)}" for size, (rate, _) in optima(e).items())
        return (
            f"the best rate by batch size is {told}; doubling the batch multiplies it by {2 ** slope(e):.2f} "
            f"on average. {verdicts(e)}"
        )

    return each(experiments, "lr_by_batch", tell)


def theory(experiments: Experiments) -> Answer:
    """37: no data explain it."""
    facts = [
        f"{e.regime}: the best rate grows with the batch size to the power {plain(round(slope(e), 2))}."
        for e in experiments.regimes("lr_by_batch")
    ]
    return slot(
        experiments, "lr_by_batch_theory", "Why does the best learning rate depend on the batch size so?", facts
    )


def every(experiments: Experiments) -> list[Experiment]:
    """The studies whose arms differ in something else than the number of epochs."""
    return [e for e in experiments.all if not e.name.startswith("epochs")]


def more_epochs(experiments: Experiments) -> Answer:
    """38: where the last epoch still helps."""
    lines = []
    for e in every(experiments):
        found = {arm: last_gain(e.curve(arm, "val/loss")) for arm in e.arms}
        short = sorted((arm for arm in found if found[arm] > STILL_FALLING), key=lambda arm: -found[arm])
        told = f"{several(e, short)}, up to {share(found[short[0]])}" if short else "no arm"
        lines.append(f"{e.name}: {told}.")
    head = f"Where the last epoch still lowers the mean validation loss by more than {share(STILL_FALLING, 0)}:"
    return Answer([head, *lines] if lines else [not_run("units")])


def last_gain(curve: NDArray[np.float64]) -> float:
    """By what share the last epoch lowers a loss."""
    return float((curve[-2] - curve[-1]) / curve[-2]) if len(curve) > 1 else np.nan


def fewer_epochs(experiments: Experiments) -> Answer:
    """39: where validation loss had turned before the end."""
    lines = []
    for e in every(experiments):
        turned = {}
        for arm in e.arms:
            curves = e.curves(arm, "val/loss")
            if curves.size and np.mean(curves.argmin(axis=1) < curves.shape[1] - 1) > 0.5:
                turned[arm] = float(np.mean(curves[:, -1] - curves.min(axis=1)))
        worst = sorted(turned, key=lambda arm: -turned[arm])
        told = f"{several(e, worst)}, by up to {plain(turned[worst[0]], 2)}" if worst else "no arm"
        lines.append(f"{e.name}: {told}.")
    head = "Where most runs had their lowest validation loss before the last epoch, and how far it rose again:"
    return Answer([head, *lines] if lines else [not_run("units")])
