"""The four figures that the document names, drawn from every trial."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from answers.make.publication.rows import AS_REPORTED
from answers.make.tuning_report.experiments import STUDIES, Experiments
from src.studies.report.blocks import Picture
from src.studies.report.figures.grids import heatmap
from src.studies.report.figures.picture import legend, picture
from src.studies.report.figures.style import SERIES, plain_axis
from src.studies.report.sections.interactions import cells, levels_of
from src.studies.report.wording import count, plain

Rows = Sequence[Mapping[str, Any]]
MARKERS = "osD^vP*X"
KNOBS = ("epochs", "units", "batch_size", "layers", "lr", "optimizer")


def figures(experiments: Experiments, rows: Rows) -> dict[str, Picture]:
    """File name → picture; one that no study was run for is left out."""
    found = {"units_heatmap": units_heatmap(experiments)}
    if rows:
        found["learning_rate_scatter"] = learning_rate_scatter(rows)
        found["configuration_summary"] = configuration_summary(rows)
        found["depth_distribution"] = depth_distribution(rows)
    return {name: one for name, one in found.items() if one is not None}


def units_heatmap(experiments: Experiments) -> Picture | None:
    """Mean test loss over both widths, of full passes if they were run."""
    for e in experiments.regimes("units"):
        factors = list(e.evidence.study.factors)[:2]
        if len(factors) == 2:
            quantity = e.evidence.leading
            levels = [levels_of(e.evidence, factor) for factor in factors]
            found = cells(e.evidence, quantity, *factors)
            return heatmap("units_heatmap", quantity, (factors[0], factors[1]), levels, found)
    return None


def learning_rate_scatter(rows: Rows) -> Picture:
    """Test accuracy over the learning rate, a dot per trial, a colour per study."""
    known = [row for row in rows if row["lr"] and row["test/acc"] is not None]
    names = [name for name in STUDIES if any(row["study"].removesuffix(AS_REPORTED) == name for row in known)]

    def draw(axes: Any) -> None:
        for place, name in enumerate(names):
            for suffix, filled in (("", True), (AS_REPORTED, False)):
                own = [row for row in known if row["study"] == name + suffix]
                colour = SERIES[place]
                axes.plot(
                    [float(row["lr"]) for row in own],
                    [row["test/acc"] for row in own],
                    linestyle="none",
                    marker=MARKERS[place],
                    markersize=4,
                    color=colour,
                    markerfacecolor=colour if filled else "none",
                    alpha=0.5,
                    label=name if filled else None,
                )
        axes.set_xscale("log")
        plain_axis(axes.xaxis, "log")
        axes.set_xlabel("lr")
        axes.set_ylabel("test acc")
        legend(axes)

    best = max(known, key=lambda row: row["test/acc"])
    alt = (
        f"Test accuracy over learning rate of {count(len(known), 'trial')} from {count(len(names), 'study')}. Best: "
        f"{plain(best['test/acc'])} at {plain(float(best['lr']), 3)} in {best['study']}."
    ).replace("studys", "studies")
    caption = (
        "Test accuracy over the learning rate, a mark per trial; filled: full passes, hollow: epochs of 100 updates."
    )
    return picture("learning_rate_scatter", alt, caption, draw, height=4.2)


def configuration_summary(rows: Rows) -> Picture:
    """How many trials had which value of each hyperparameter."""
    counts = {knob: Counter(str(value_of(row, knob)) for row in rows) for knob in KNOBS}
    ordered = {knob: sorted(own, key=by_size) for knob, own in counts.items()}

    def draw(axes: Any) -> None:
        figure = axes.figure
        axes.remove()
        for place, panel in enumerate(figure.subplots(3, 2).ravel()):
            knob = KNOBS[place]
            values = ordered[knob]
            panel.bar(range(len(values)), [counts[knob][value] for value in values], color=SERIES[0])
            panel.set_xticks(range(len(values)), values, rotation=45 if len(values) > 4 else 0, fontsize=7)
            panel.set_title(knob)
            panel.grid(axis="x", visible=False)

    told = "; ".join(f"{knob}: " + ", ".join(f"{v} {counts[knob][v]}" for v in ordered[knob][:12]) for knob in KNOBS)
    alt = f"Bars: how many of {len(rows)} trials had which value. {told}."
    caption = "How many trials had which value; units is the first layer's width, a learning rate's is to one digit."
    return picture("configuration_summary", alt, caption, draw, height=6.5)


def value_of(row: Mapping[str, Any], knob: str) -> Any:
    """The value as it is counted and named: the first layer's width, a tuned rate to one digit."""
    if knob == "units":
        return str(row["units"]).split(" ")[0]
    if knob == "optimizer":
        return str(row[knob]).replace(" with ", "\n")
    return f"{float(row['lr']):.0e}" if knob == "lr" and row["lr"] else row[knob]


def by_size(value: str) -> tuple[float, str]:
    """Numbers by size, before words."""
    try:
        return float(value), ""
    except ValueError:
        return float("inf"), value


def depth_distribution(rows: Rows) -> Picture:
    """How many trials had how many hidden layers, by study."""
    depths = sorted({row["layers"] for row in rows})
    names = [name for name in STUDIES if any(row["study"].removesuffix(AS_REPORTED) == name for row in rows)]

    def draw(axes: Any) -> None:
        bottom = [0] * len(depths)
        for place, name in enumerate(names):
            own = [
                sum(row["layers"] == depth and row["study"].removesuffix(AS_REPORTED) == name for row in rows)
                for depth in depths
            ]
            hatch = (None, "//", "..", "xx")[place % 4]
            axes.bar(range(len(depths)), own, bottom=bottom, color=SERIES[place], hatch=hatch, label=name, width=0.6)
            bottom = [low + high for low, high in zip(bottom, own, strict=True)]
        axes.set_xticks(range(len(depths)), [str(depth) for depth in depths])
        axes.set_xlabel("hidden layers")
        axes.set_ylabel("trials")
        axes.grid(axis="x", visible=False)
        legend(axes)

    told = ", ".join(f"{sum(row['layers'] == depth for row in rows)} with {depth}" for depth in depths)
    alt = f"Stacked bars: trials by number of hidden layers. {told}."
    return picture("depth_distribution", alt, "Trials by their number of hidden layers, by study.", draw, height=3.8)
