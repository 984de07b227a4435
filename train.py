"""One trial: config → data → model → fit → test the best → result.json; `-m` runs many."""

import sys
from functools import partial
from typing import Any

import hydra
from omegaconf import DictConfig

from litmus.trial.command_line import (
    answer,
    imports,
    register_resolvers,
    resumed_arguments,
    said_at_once,
    stop_when_told,
    sweep_arguments,
)
from litmus.trial.home import readable_arguments
from litmus.trial.processes import keep_together, own_rank

register_resolvers()


@hydra.main(version_base="1.3", config_path="configs", config_name="train")
def main(config: DictConfig) -> float | None:
    """Runs the trial that `config` describes, in its run directory; the best monitored metric, for sweepers."""
    from litmus.trial.ranks import own_environment

    with own_environment(config.trainer):
        return job(config)


def job(config: DictConfig) -> float | None:
    """The same, in an environment that tells of no other process but this trial's own."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    from litmus.paths import typed_path
    from litmus.sweeps.once import fail, once, silent
    from litmus.sweeps.workers import refuse_many_processes
    from litmus.trial.description import describe, identified
    from litmus.trial.first_word import say
    from litmus.trial.knobs import check_knobs
    from litmus.trial.offline import told_of_run
    from litmus.trial.place import begun, given_to_parts, name_directory, occupied
    from litmus.trial.ranks import on_one_device
    from litmus.trial.source import with_source

    name_directory()
    hydra_config = HydraConfig.get()
    in_sweep = hydra_config.mode == RunMode.MULTIRUN

    def trial(resume: bool, quiet: bool = False) -> float | None:
        told = with_source(config)
        description: dict[str, Any] = describe(told, hydra_config.overrides.task)
        directory = typed_path(config.output_dir)
        try:
            check_knobs(config)
            if in_sweep:
                refuse_many_processes(config.trainer, hydra_config.launcher)
        except ValueError as refusal:
            if in_sweep:  # the directory is a row of its tables
                fail(directory, description["asked_hash"], f"ValueError: {refusal}", **identified(description, None))
            raise
        with begun(told, directory, description, resume=resume, prepared=quiet):
            if not in_sweep:
                say(config)
            given = given_to_parts(told, directory)
            if in_sweep:
                given = on_one_device(given)
            # Torch and Lightning take seconds to import; --help, --cfg job and a knob that cannot be answer without.
            with imports():
                from litmus.trial.parts import build
                from litmus.trial.run import run

            parts = partial(build, silent(given) if quiet else given)
            return run(parts, directory, description, resume=resume, brief=in_sweep, quiet=quiet)

    def alone() -> float | None:
        with occupied(typed_path(config.output_dir), config.trainer):
            score = trial(config.resume is not None)
        if not in_sweep and own_rank() == 0 and (told := told_of_run(typed_path(config.output_dir))):
            print(told)
        return score

    if in_sweep and any(hydra_config.runtime.choices.get(group) for group in ("study", "search")):
        once(config, partial(trial, quiet=True))
        return None
    # A sweep survives a failed job, says so, and names it again at its end; a single run answers for itself.
    return said_at_once(alone, hydra_config.job.num) if in_sweep else answer(alone)


if __name__ == "__main__":
    keep_together()
    stop_when_told()
    sys.argv[1:] = answer(lambda: resumed_arguments(sweep_arguments(readable_arguments(sys.argv[1:]))))
    answer(main)
