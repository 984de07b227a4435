"""One trial, from its composed configuration to its result: what train.py does, and Python as well."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from litmus.atomic import naming
from litmus.trial.command_line import answer, imports, said_at_once
from litmus.trial.processes import own_rank
from litmus.words import count

if TYPE_CHECKING:
    from litmus.trial.parts import Parts


def job(
    config: DictConfig,
    said: Callable[[Callable[[], float | None]], float | None] = answer,
    changed: Callable[["Parts"], "Parts"] | None = None,
    quiet: bool = False,
) -> float | None:
    """Runs the trial that `config` describes, in its run directory; the best monitored metric.

    Args:
        config: composed, with Hydra's own part in HydraConfig.
        said: how a single run's mistakes are said; what it gives is given.
        changed: what somebody who watches adds to the parts once they are built; it changes no configuration.
        quiet: no word of a single run.
    """
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    from litmus.paths import typed_path
    from litmus.sweeps.once import fail, once, silent
    from litmus.sweeps.workers import refuse_many_processes
    from litmus.trial.description import describe, identified
    from litmus.trial.knobs import check_knobs
    from litmus.trial.offline import told_of_run
    from litmus.trial.place import begun, given_to_parts, occupied, refuse_elsewhere, with_directory
    from litmus.trial.ranks import on_one_device
    from litmus.trial.source import refuse_own_source, with_source

    composed, config = config, with_directory(config)
    hydra_config = HydraConfig.get()
    in_sweep = hydra_config.mode == RunMode.MULTIRUN

    def trial(resume: bool, quiet: bool = quiet) -> float | None:
        told = with_source(config)
        description: dict[str, Any] = describe(told, hydra_config.overrides.task)
        directory = typed_path(config.output_dir)
        try:
            check_knobs(config, directory)
            if in_sweep:
                refuse_many_processes(config.trainer, hydra_config.launcher)
        except ValueError as refusal:
            if in_sweep:  # the directory is a row of its tables
                fail(directory, description["asked_hash"], f"ValueError: {refusal}", **identified(description, None))
            raise
        with begun(told, directory, description, resume=resume, prepared=quiet and in_sweep):
            # Before torch is imported, which takes seconds; one process of several speaks for all.
            if not in_sweep and not quiet and os.environ.get("LOCAL_RANK", "0") in ("", "0"):
                print(first_word(config), flush=True)
            given = given_to_parts(told, directory)
            if in_sweep:
                given = on_one_device(given)
            # Torch and Lightning take seconds to import; --help, --cfg job and a knob that cannot be answer without.
            with imports():
                from litmus.trial.parts import build
                from litmus.trial.run import run

            def parts() -> "Parts":
                built = build(silent(given) if quiet else given, description["code"])
                return built if changed is None else changed(built)

            return run(parts, directory, description, resume=resume, brief=in_sweep, quiet=quiet)

    def alone() -> float | None:
        refuse_elsewhere(composed)
        with naming(typed_path(config.output_dir)), occupied(typed_path(config.output_dir), config.trainer):
            refuse_own_source(config, typed_path(config.output_dir))
            score = trial(config.resume is not None)
        if not in_sweep and not quiet and own_rank() == 0 and (told := told_of_run(typed_path(config.output_dir))):
            print(told)
        return score

    if in_sweep and any(hydra_config.runtime.choices.get(group) for group in ("study", "search")):
        once(config, partial(trial, quiet=True))
        return None
    # A sweep survives a failed job, says so, and names it again at its end; a single run answers for itself.
    return said_at_once(alone, hydra_config.job.num) if in_sweep else said(alone)


def first_word(config: DictConfig) -> str:
    """MLP on MNIST1D, 40 epochs, in runs/2026-03-01/12-00-00-a1b2c3."""
    model, data = (str(node["_target_"]).rpartition(".")[2] for node in (config.model, config.data))
    goes_on = "going on with " if config.resume is not None else ""
    return f"{goes_on}{model} on {data}, {count(config.epochs, 'epoch')}, in {os.path.relpath(Path(config.output_dir))}"
