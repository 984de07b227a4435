"""One trial: config → data → model → fit → test the best → result.json; `-m` runs many."""

import sys
from pathlib import Path
from typing import Any

import hydra
from omegaconf import DictConfig

from src.trial.command_line import answer, register_resolvers, resumed_arguments

register_resolvers()


@hydra.main(version_base="1.3", config_path="configs", config_name="train")
def main(config: DictConfig) -> float | None:
    """Runs the trial that `config` describes, in its run directory; the best monitored metric, for sweepers."""
    # Torch and Lightning take seconds to import; --help, --cfg job and a misspelt knob answer without them.
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode
    from hydra.utils import instantiate

    from src.trial.description import check_knobs, describe
    from src.trial.run import Parts, run, seed_everything

    def build() -> Parts:
        data = instantiate(config.data, _convert_="all")
        seed_everything(config.seed, config.threads)
        model = instantiate(
            config.model,
            input_shape=data.input_shape,
            classes=data.classes,
            optimizer=instantiate(config.optimizer),
            scheduler=instantiate(config.scheduler),
            _convert_="all",
        )
        callbacks = [instantiate(callback) for callback in (config.callbacks or {}).values()]
        loggers = [instantiate(logger, _convert_="all") for logger in (config.logger or {}).values()]
        trainer = instantiate(config.trainer, callbacks=callbacks, logger=loggers or False, _convert_="all")
        return Parts(data, model, trainer)

    in_sweep = HydraConfig.get().mode == RunMode.MULTIRUN

    def trial() -> float | None:
        check_knobs(config)
        description: dict[str, Any] = describe(config, HydraConfig.get().overrides.task)
        return run(build, Path(config.output_dir), description, resume=config.resume is not None, brief=in_sweep)

    # A sweep survives a failed job and names it at its end; a single run answers for itself.
    return trial() if in_sweep else answer(trial)


if __name__ == "__main__":
    sys.argv[1:] = answer(lambda: resumed_arguments(sys.argv[1:]))
    answer(main)
