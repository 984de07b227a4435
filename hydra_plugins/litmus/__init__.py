"""Registers the sweepers of studies and searches; Hydra looks for plugins in `hydra_plugins` only, at every start."""

from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from src.trial.command_line import register_resolvers

# A worker process imports this module with the first job it is handed, and composes that job's configuration next.
register_resolvers()


class StudySweeper(Sweeper):
    """`-m study=NAME`: arms × seeds, tuned, run and judged."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.given = (hydra_context, task_function, config)

    def sweep(self, arguments: list[str]) -> Any:
        from src.sweeps.study_sweep import sweep_study

        return sweep_study(*self.given, arguments)


class SearchSweeper(Sweeper):
    """`-m search=SAMPLER knob=interval(…)`: the best values of some knobs, by Optuna."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.given = (hydra_context, task_function, config)

    def sweep(self, arguments: list[str]) -> Any:
        from src.sweeps.search_sweep import sweep_search

        return sweep_search(*self.given, arguments)


for _name, _class in (("study", StudySweeper), ("search", SearchSweeper)):
    ConfigStore.instance().store(
        group="hydra/sweeper", name=_name, node={"_target_": f"{__name__}.{_class.__name__}"}, provider="litmus"
    )
