"""One trial: config → data → model → fit → test the best → result.json; `-m` runs many."""

import sys

import hydra
from omegaconf import DictConfig

from litmus.job import job
from litmus.trial.arguments import readable_arguments, refuse_no_option, refuse_no_place, without_hyphens
from litmus.trial.command_line import (
    answer,
    register_resolvers,
    resumed_arguments,
    stop_when_told,
    sweep_arguments,
)
from litmus.trial.hydra_versions import MAIN
from litmus.trial.processes import keep_together

register_resolvers()


@hydra.main(config_path="configs", config_name="train", **MAIN)
def main(config: DictConfig) -> float | None:
    """Runs the trial that `config` describes, in its run directory; the best monitored metric, for sweepers."""
    from litmus.trial.ranks import own_environment

    with own_environment(config.trainer):
        return job(config)


if __name__ == "__main__":
    keep_together()
    stop_when_told()
    typed = answer(lambda: readable_arguments(without_hyphens(sys.argv[1:])))
    answer(lambda: refuse_no_option(typed))
    answer(lambda: refuse_no_place(typed))
    sys.argv[1:] = answer(lambda: resumed_arguments(sweep_arguments(typed)))
    answer(main)
