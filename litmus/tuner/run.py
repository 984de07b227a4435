"""The course of a run that tunes itself, from its first setting to files that are whole."""

import os
import shlex
from pathlib import Path
from typing import Any

from omegaconf import DictConfig
from rich.console import Console

from litmus.paths import typed_directory
from litmus.quiet import silence_lightning
from litmus.sweeps.arms import typed_values
from litmus.sweeps.search_report import shown
from litmus.trial.description import flat
from litmus.trial.record import recorded
from litmus.trial.run import report, test_table
from litmus.tuner.picture import draw_search
from litmus.tuner.tuner import Tuner
from litmus.words import count


def tune(
    config: DictConfig,
    directory: Path,
    description: dict[str, Any],
    *,
    resume: bool = False,
    brief: bool = False,
    quiet: bool = False,
) -> float | None:
    """Tries settings by validation, tests the best one, and leaves result.json whatever happens.

    Args:
        config: of the trial, with a `tuner` node.
        directory, description, brief, quiet: as for any run.
        resume: goes on after the last fit that ended.

    Returns:
        The best value of the monitored metric.
    """
    silence_lightning()
    # A mistake is told before anything is written: what an earlier run left stays as it is.
    tuner = Tuner(config, directory, resume)
    with recorded(directory, description, tuner.reached, tuner.loggers) as result:
        tuner.begin(flat(description["config"]))
        while tuner.step():
            if not quiet and not brief:
                print(tuner.progress(), flush=True)
        tuner.end()
    if quiet:
        return None
    draw_search(directory / "metrics.csv", directory / "curves.png", tuner.plan.monitor)
    if brief:
        report(result, directory, brief)
    else:
        show(result, directory)
    return float(result["metrics"][tuner.plan.monitor])


def show(result: dict[str, Any], directory: Path) -> None:
    """Prints the result of the best setting as a table, what finding it took, and the command that fits it again."""
    console, counters, best = Console(), result["counters"], result["tuned"]
    console.print(test_table(result["metrics"], result["data"], result["baseline"]))
    facts = [
        count(counters["params"], "parameter"),
        count(counters["settings"], "setting"),
        count(counters["updates"], "update"),
        f"{counters['seconds']:.1f} s of fits",
        f"setting {best['setting']}, best on validation: "
        + ", ".join(f"{knob} {shown(value)}" for knob, value in best["values"].items()),
    ]
    console.print(" · ".join(facts), soft_wrap=True, highlight=False, markup=False)
    own = ("tuner=", "tuner.", "resume=")
    typed = [entry for entry in result["overrides"] if not entry.lstrip("+~").startswith(own)]
    again = shlex.join(["python", "train.py", *typed, *typed_values(best["values"])])
    console.print(again, soft_wrap=True, highlight=False, markup=False)
    console.print(os.path.relpath(directory, typed_directory()), soft_wrap=True, highlight=False)
