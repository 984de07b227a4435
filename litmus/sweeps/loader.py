"""Hydra's composition of a sweep's jobs, of which most differ by a few numbers."""

import copy
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra._internal import config_loader_impl
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

# A plain number for a knob that exists: seed=3, optimizer.betas.0=… is not one.
NUMBER = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)=(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)")
# The directory of a job below the sweep's, of which no other knob is made before the job runs.
PLACE = re.compile(r"(hydra\.sweep\.subdir)=.*")
MOST_KEPT = 64


class SnapshotLoader(ConfigLoaderImpl):
    """Composes a job by putting its numbers into a copy of what its other overrides gave when they came first.

    That is what Hydra itself does with overrides that choose no file, once it has read and merged some thirty of them,
    which takes longer than a small trial. It is for files that do not change: those of a snapshot.
    """

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self._composed: dict[Any, DictConfig] = {}
        self._groups: dict[str, bool] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_composed": {}}  # a worker composes its own

    def load_sweep_config(self, master_config: DictConfig, sweep_overrides: Sequence[str]) -> DictConfig:
        """The configuration of a job with these overrides."""
        numbers = self._numbers(sweep_overrides)
        if not numbers:
            return super().load_sweep_config(master_config, list(sweep_overrides))
        others = [one for one in sweep_overrides if one not in numbers]
        own = (*others, *master_config.hydra.overrides.hydra, master_config.hydra.job.config_name)
        key = (own, Path.cwd())
        if key not in self._composed:
            if len(self._composed) >= MOST_KEPT:  # a search's jobs may share nothing
                self._composed.clear()
            self._composed[key] = super().load_sweep_config(master_config, others)
        config = copy.deepcopy(self._composed[key])
        parser = OverridesParser.create()
        self._apply_overrides_to_config(parser.parse_overrides(numbers), config)
        read = parser.parse_overrides([*master_config.hydra.overrides.hydra, *sweep_overrides])
        typed = [one for one in read if not one.is_hydra_override()]
        config.hydra.overrides.hydra = [one.input_line for one in read if one.is_hydra_override()]
        config.hydra.overrides.task = [one.input_line for one in typed]
        if hasattr(config_loader_impl, "get_overrides_dirname"):  # from Hydra 1.4 on it is made when it is read
            config.hydra.job.override_dirname = config_loader_impl.get_overrides_dirname(
                overrides=typed, **config.hydra.job.config.override_dirname
            )
        OmegaConf.copy_cache(from_config=master_config, to_config=config)
        return config

    def _numbers(self, overrides: Sequence[str]) -> list[str]:
        """Those of the overrides that give a number to a knob which no other one names."""
        named = [re.split("[=@]", one.lstrip("+~"), maxsplit=1)[0] for one in overrides]
        read = ((one, NUMBER.fullmatch(one) or PLACE.fullmatch(one)) for one in overrides)
        found = [(one, match[1]) for one, match in read if match]
        return [one for one, knob in found if not self._overlaps(knob, named) and not self._is_group(knob)]

    def _overlaps(self, knob: str, named: Sequence[str]) -> bool:
        return (
            sum(
                other == knob or f"{other}.".startswith(f"{knob}.") or f"{knob}.".startswith(f"{other}.")
                for other in (name.replace("/", ".") for name in named)
            )
            != 1
        )

    def _is_group(self, knob: str) -> bool:
        if knob not in self._groups:
            self._groups[knob] = self.repository.group_exists(knob.replace(".", "/"))
        return self._groups[knob]
