"""What a search found: the best trials in a table, pictures of the search, the command of the best configuration."""

import math
import shlex
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from optuna.importance import get_param_importances
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState
from rich.console import Console
from rich.table import Table
from rich.text import Text

from litmus.atomic import replacing
from litmus.claims.notation import text
from litmus.sweeps.arms import typed_values
from litmus.sweeps.optimization import Optimization
from litmus.tables import write_mappings
from litmus.words import metric_text

MOST_SHOWN = 10
# Inches, by the number of knobs.
SIZES: dict[str, Callable[[int], tuple[float, float]]] = {
    "slice": lambda knobs: (2 + 4 * knobs, 4.5),
    "contour": lambda knobs: (8, 6) if knobs == 2 else (2 + 4 * min(knobs, MOST_PAIRED), 3.5 * min(knobs, MOST_PAIRED)),
}
# A contour of each pair of more knobs than this has no room for its labels.
MOST_PAIRED = 4


def report(one: Optimization, metric: str, fixed: Sequence[str], directory: Path, errors: Mapping[int, str]) -> None:
    """Writes trials.csv and the pictures, prints the best trials and how to run the best again."""
    write_table(one, metric, directory / "trials.csv", errors)
    pictures = draw(one.study, list(one.space), metric, directory)
    console = Console()
    console.print(best_trials(one, metric))
    states = [trial.state for trial in one.trials]
    words = [f"{len(one.finished)} of {one.total} trials gave a value"]
    words += [f"{states.count(TrialState.PRUNED)} were pruned"] * (TrialState.PRUNED in states)
    words += [f"{len(errors)} failed: {next(iter(errors.values()))}"] if errors else []
    console.print(" · ".join(words), highlight=False)
    console.print(" ".join(str(path) for path in pictures), highlight=False, soft_wrap=True)
    best = [*fixed, *typed_values(one.finished[0].params)]
    console.print(f"python train.py {shlex.join(best)}", highlight=False, markup=False, soft_wrap=True)


def best_trials(one: Optimization, metric: str) -> Table:
    """The best trials, and how much each knob mattered in its column's footer."""
    weights = importances(one.study)
    table = Table(title="best trials", title_justify="left", show_footer=bool(weights))
    table.add_column("trial", footer="importance")
    table.add_column(metric, justify="right")
    for knob in one.space:
        footer = f"{weights[knob]:.2f}" if knob in weights else ""
        table.add_column(Text(knob), justify="right", footer=footer)
    for trial in one.finished[:MOST_SHOWN]:
        values = [Text(shown(trial.params[knob])) for knob in one.space]
        table.add_row(str(trial.number), metric_text(trial.value), *values)
    return table


def shown(value: Any) -> str:
    """A value with as many digits as a reader wants."""
    return f"{value:.4g}" if isinstance(value, float) else text(value)


def importances(study: Study) -> dict[str, float]:
    """How much of the metric's variation each knob explains; nothing where the trials are too few or all equal."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = get_param_importances(study)
    except (ValueError, RuntimeError):
        return {}
    return found if all(math.isfinite(value) for value in found.values()) else {}


def draw(study: Study, knobs: list[str], metric: str, directory: Path) -> list[Path]:
    """history, slice, and with several knobs contour and importances, as PNG files."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from optuna.visualization import matplotlib as plots

    wanted: dict[str, Callable[[], Any]] = {
        "history": lambda: plots.plot_optimization_history(study, target_name=metric),
        "slice": lambda: plots.plot_slice(study, target_name=metric),
    }
    weights = importances(study)
    if len(knobs) > 1:
        leading = sorted(knobs, key=lambda knob: -weights.get(knob, 0.0))[:MOST_PAIRED]
        wanted["contour"] = lambda: plots.plot_contour(study, params=leading, target_name=metric)
    if weights:
        wanted["importances"] = lambda: plots.plot_param_importances(study, target_name=metric)
    drawn = []
    for name, plot in wanted.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that the plots are experimental, and scales of equal values
            axes = plot()
            figure = (axes.flat[0] if hasattr(axes, "flat") else axes).figure
            figure.set_size_inches(*SIZES.get(name, lambda count: (8, 4.5))(len(knobs)))
            # A colour bar of several panels is nothing to "tight", one of a single panel too much for the other.
            figure.set_layout_engine("constrained" if hasattr(axes, "flat") else "tight")
            with replacing(directory / f"{name}.png") as path:
                figure.savefig(path, dpi=110, format="png", bbox_inches="tight")
            pyplot.close(figure)
        drawn.append(directory / f"{name}.png")
    return drawn


def write_table(one: Optimization, metric: str, path: Path, errors: Mapping[int, str]) -> None:
    """A row per trial: its number, state, values, metric and error."""

    def row(trial: FrozenTrial) -> dict[str, Any]:
        state = "failed" if trial.number in errors else trial.state.name.lower()
        score = {metric: trial.value, "error": errors.get(trial.number, "")}
        return {"trial": trial.number, "state": state, **trial.params, **score}

    rows = [row(trial) for trial in one.trials]
    with replacing(path) as part:
        write_mappings(part, ["trial", "state", *one.space, metric, "error"], rows)
