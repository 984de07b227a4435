"""One trial: config → data → model → fit → test the best → result.json; `-m` runs many."""

import sys
from functools import partial
from pathlib import Path
from typing import Any

import hydra
from omegaconf import DictConfig

from src.trial.command_line import answer, register_resolvers, resumed_arguments, sweep_arguments
from src.trial.processes import keep_together

register_resolvers()


@hydra.main(version_base="1.3", config_path="configs", config_name="train")
def main(config: DictConfig) -> float | None:
    """Runs the trial that `config` describes, in its run directory; the best monitored metric, for sweepers."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    from src.sweeps.once import fail, once, silent
    from src.sweeps.workers import refuse_many_processes
    from src.trial.description import describe
    from src.trial.first_word import say
    from src.trial.knobs import check_knobs

    hydra_config = HydraConfig.get()
    in_sweep = hydra_config.mode == RunMode.MULTIRUN

    def trial(resume: bool, quiet: bool = False) -> float | None:
        description: dict[str, Any] = describe(config, hydra_config.overrides.task)
        directory = Path(config.output_dir)
        try:
            check_knobs(config)
            if in_sweep:
                refuse_many_processes(config.trainer, hydra_config.launcher)
        except ValueError as refusal:
            if in_sweep:  # the directory is a row of its tables
                fail(directory, error=f"ValueError: {refusal}", **description)
            raise
        if not in_sweep:
            say(config)
        if config.get("tuner"):
            from src.tuner.run import tune

            return tune(config, directory, description, resume=resume, brief=in_sweep, quiet=quiet)
        # Torch and Lightning take seconds to import; --help, --cfg job and a knob that cannot be answer without them.
        from src.trial.parts import build
        from src.trial.run import run

        parts = partial(build, silent(config) if quiet else config)
        return run(parts, directory, description, resume=resume, brief=in_sweep, quiet=quiet)

    if in_sweep and any(hydra_config.runtime.choices.get(group) for group in ("study", "search")):
        once(config, partial(trial, quiet=True))
        return None
    # A sweep survives a failed job and names it at its end; a single run answers for itself.
    asked_to_resume = config.resume is not None
    return trial(asked_to_resume) if in_sweep else answer(lambda: trial(asked_to_resume))


if __name__ == "__main__":
    keep_together()
    sys.argv[1:] = answer(lambda: resumed_arguments(sweep_arguments(sys.argv[1:])))
    answer(main)
