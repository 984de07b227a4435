"""The table of all trials, and the four figures that the document names, drawn from it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from answers.make.publication.rows import AS_REPORTED
from answers.make.tuning_report.experiment import METRICS, Experiment
from litmus.claims.notation import number
from litmus.claims.results import COUNTERS, Trial
from litmus.report.blocks import Picture
from litmus.report.figures.grids import heatmap
from litmus.report.figures.picture import legend, picture
from litmus.report.figures.style import SERIES
from litmus.report.sections.interactions import cells, levels_of
from litmus.words import count, plain

Rows = Sequence[Mapping[str, Any]]
MARKERS = "osD^vP*X"
HATCHES = (None, "//", "..", "xx")


def row(e: Experiment, trial: Trial) -> dict[str, Any]:
    """A trial's settings, costs, and metrics at the epoch that validation chose; None for what is not known."""
    quantities = e.study.quantities.items()
    metrics = {one.metric: trial.values.get(name) for name, one in quantities if one.at == "best_val"}
    return {
        **{"study": e.name, "arm": trial.arm, "seed": trial.seed},
        **knobs(e, trial.arm),
        **{name: trial.counters.get(name) for name in COUNTERS[1:]},
        **{name: metrics.get(name) for name in METRICS},
    }


def knobs(e: Experiment, arm: str) -> dict[str, Any]:
    """The six hyperparameters of the document."""
    hidden = e.hidden(arm)
    return {
        "epochs": e.results.longest("epochs", arm),
        "units": " ".join(map(str, hidden)),
        "batch_size": e.level(arm, "batch_size"),
        "layers": len(hidden),
        "lr": e.level(arm, "lr"),
        "optimizer": e.optimizer(arm),
    }


def figures(found: Mapping[str, Experiment], rows: Rows) -> dict[str, Picture]:
    """File name → picture; one that nothing is published for is left out."""
    grid = next((found[name] for name in ("units", f"units{AS_REPORTED}") if name in found), None)
    known = [row for row in rows if math.isfinite(row["lr"]) and row["test/acc"] is not None]
    drawn = [units_heatmap(grid)] if grid else []
    drawn += [learning_rate_scatter(known)] if known else []
    return {one.name: one for one in (*drawn, configuration_summary(rows), depth_distribution(rows))}


def studies(rows: Rows) -> list[str]:
    """The studies of the rows without their regimes."""
    return list(dict.fromkeys(row["study"].removesuffix(AS_REPORTED) for row in rows))


def units_heatmap(e: Experiment) -> Picture:
    """Mean test loss over both widths."""
    first, second = list(e.study.factors)[:2]
    leading = e.leading
    levels = [levels_of(e, factor) for factor in (first, second)]
    return heatmap("units_heatmap", leading, (first, second), levels, cells(e, leading, first, second))


def learning_rate_scatter(rows: Rows) -> Picture:
    """Test accuracy over the learning rate, a mark per trial, a colour per study."""

    def draw(axes: Any) -> None:
        for name, colour, marker in zip(studies(rows), SERIES, MARKERS, strict=False):
            for study, face in ((name, colour), (name + AS_REPORTED, "none")):
                rates, scores = ([row[key] for row in rows if row["study"] == study] for key in ("lr", "test/acc"))
                label = name if face == colour else None
                axes.plot(rates, scores, marker, ms=4, color=colour, markerfacecolor=face, alpha=0.5, label=label)
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.set_xlabel("lr")
        axes.set_ylabel("test acc")
        legend(axes)

    best = max(rows, key=lambda row: row["test/acc"])
    told = f"Test accuracy over learning rate of {count(len(rows), 'trial')} of {', '.join(studies(rows))}."
    alt = f"{told} Best: {plain(best['test/acc'])} at {plain(best['lr'], 3)} in {best['study']}."
    caption = (
        "Test accuracy over the learning rate, a mark per trial; filled: full passes, hollow: 100 updates an epoch."
    )
    return picture("learning_rate_scatter", alt, caption, draw, height=4.2)


def configuration_summary(rows: Rows) -> Picture:
    """How many trials had which value of each hyperparameter."""
    shown = ("epochs", "units", "batch_size", "layers", "lr", "optimizer")

    def draw(axes: Any) -> None:
        figure = axes.figure
        axes.remove()
        for panel, knob in zip(figure.subplots(3, 2).ravel(), shown, strict=True):
            bars(panel, {"": rows}, knob)
            panel.set_title(knob)

    told = "; ".join(f"{knob}: {tally(rows, knob)}" for knob in shown)
    alt = f"Bars: how many of {count(len(rows), 'trial')} had which value. {told}."
    caption = "How many trials had which value; units is the first layer's width, a learning rate's is to one digit."
    return picture("configuration_summary", alt, caption, draw, height=6.5)


def depth_distribution(rows: Rows) -> Picture:
    """How many trials had how many hidden layers, by study."""
    own = {name: [row for row in rows if row["study"].removesuffix(AS_REPORTED) == name] for name in studies(rows)}

    def draw(axes: Any) -> None:
        bars(axes, own, "layers")
        axes.set_xlabel("hidden layers")
        axes.set_ylabel("trials")
        legend(axes)

    alt = f"Stacked bars: trials by number of hidden layers: {tally(rows, 'layers')}."
    return picture("depth_distribution", alt, "Trials by their number of hidden layers, by study.", draw, height=3.8)


def bars(axes: Any, groups: Mapping[str, Rows], knob: str) -> None:
    """A bar for each value of a hyperparameter, stacked by group."""
    values = list(counts([row for rows in groups.values() for row in rows], knob))
    bottom = [0] * len(values)
    for place, (name, rows) in enumerate(groups.items()):
        heights = [counts(rows, knob).get(value, 0) for value in values]
        style = {"color": SERIES[place], "hatch": HATCHES[place % 4], "label": name, "width": 0.6}
        axes.bar(range(len(values)), heights, bottom=bottom, **style)
        bottom = [low + high for low, high in zip(bottom, heights, strict=True)]
    names = [value.replace(" with ", "\n") for value in values]
    axes.set_xticks(range(len(values)), names, rotation=45 if len(values) > 5 else 0, fontsize=7)
    axes.grid(axis="x", visible=False)


def tally(rows: Rows, knob: str) -> str:
    """16 60, 32 120: the values with their trials."""
    return ", ".join(f"{value} {amount}" for value, amount in counts(rows, knob).items())


def counts(rows: Rows, knob: str) -> dict[str, int]:
    """Value → trials, numbers by size: the first layer's width, a rate to one digit."""
    found = Counter(shown(knob, row[knob]) for row in rows)
    return dict(sorted(found.items(), key=lambda item: number(item[0]) or math.inf))


def shown(knob: str, value: Any) -> str:
    """A value as it is counted; a rate that differs over an arm's runs, or is not known, has none."""
    if knob == "units":
        return str(value).split(" ")[0]
    if knob == "lr":
        return f"{value:.0e}" if math.isfinite(value) else "tuned"
    return value if isinstance(value, str) else plain(value)
