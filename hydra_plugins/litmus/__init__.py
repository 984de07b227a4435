"""Registers the sweepers of studies and searches, where else configurations lie, and short forms of overrides.

Hydra looks for plugins in `hydra_plugins` only, at every start.
"""

from contextlib import suppress
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper, BasicSweeperConf
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.plugins.search_path_plugin import SearchPathPlugin
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from litmus.project import ROOT
from litmus.trial.command_line import register_resolvers
from litmus.trial.hydra import share_sources, take_short_forms
from litmus.trial.hydra_versions import store
from litmus.trial.offline import told_of_sweep

# A worker process imports this module with the first job it is handed, and composes that job's configuration next.
register_resolvers()
take_short_forms()
share_sources()

ANSWERS = ROOT / "answers" / "configs"


class Places(SearchPathPlugin):
    """Where else choices come from: this project's own answers, as long as that folder is there, and our launchers."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        # The extra `cluster`; by now Hydra knows the launchers that ours replace. Of modules whose name begins with an
        # underscore Hydra looks for no plugins: without the extra it would warn of this one at every command.
        with suppress(ModuleNotFoundError):
            from hydra_plugins.litmus._cluster import register

            register()
        if ANSWERS.is_dir():
            search_path.append("answers", f"file://{ANSWERS}")


class PlainSweeper(BasicSweeper):
    """`-m` alone: all combinations, of which one that fails keeps no other from running."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        from litmus.sweeps.plain import Surviving

        super().setup(hydra_context=hydra_context, task_function=task_function, config=config)
        assert self.launcher is not None
        self.launcher = Surviving(self.launcher, hydra_context, task_function, config)

    def sweep(self, arguments: list[str]) -> Any:
        from litmus.atomic import naming
        from litmus.sweeps.lock import held
        from litmus.sweeps.plain import Surviving, refuse_others, tell_failures

        assert self.config is not None
        directory = Path(self.config.hydra.sweep.dir)
        with naming(directory), held(directory):  # of two such commands each would take the other's jobs
            refuse_others(directory, str(self.config.hydra.sweep._get_node("subdir")), self._size(arguments))
            returned = super().sweep(arguments)
        assert isinstance(self.launcher, Surviving)
        _tell_offline(directory)
        tell_failures(self.launcher, directory)
        return returned

    def _size(self, arguments: list[str]) -> int:
        """How many jobs these arguments ask for."""
        assert self.hydra_context is not None
        parser = OverridesParser.create(config_loader=self.hydra_context.config_loader)
        read = parser.parse_overrides([*self._parse_config(), *arguments])
        return sum(map(len, self.split_arguments(read, None)))


class StudySweeper(Sweeper):
    """`-m study=NAME`: arms × seeds, tuned, run and judged."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.given = (hydra_context, task_function, config)

    def sweep(self, arguments: list[str]) -> Any:
        from litmus.sweeps.study_sweep import sweep_study

        _tell_offline(sweep_study(*self.given, arguments))


class SearchSweeper(Sweeper):
    """`-m search=SAMPLER knob=interval(…)`: the best values of some knobs, by Optuna."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.given = (hydra_context, task_function, config)

    def sweep(self, arguments: list[str]) -> Any:
        from litmus.sweeps.search_sweep import sweep_search

        _tell_offline(sweep_search(*self.given, arguments))


def _tell_offline(directory: Path) -> None:
    """One line where there are runs that W&B does not have yet."""
    if told := told_of_sweep(directory):
        print(told)


for _name, _class in (("study", StudySweeper), ("search", SearchSweeper)):
    store("hydra/sweeper", _name, {"_target_": f"{__name__}.{_class.__name__}"})
# In the place of Hydra's own, which names the first job that failed and no other: whoever chooses none has this one.
store("hydra/sweeper", "basic", {**vars(BasicSweeperConf()), "_target_": f"{__name__}.PlainSweeper"})
