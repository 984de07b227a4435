"""Hydra as this project has it: short forms of overrides, sources that are not copied, jobs that are forgotten."""

import copy
import dataclasses
from typing import Any

from hydra._internal import defaults_list
from hydra._internal.config_repository import ConfigRepository
from hydra.core.override_parser.types import Override, OverrideType, QuotedString
from hydra.core.utils import JobReturn
from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from litmus.trial.strays import OF_PARTS

# Root knob with several parts → the part that is meant where a value stands in the place of them all.
SHORT = {"weights": "from"}


class TypedOverrides(defaults_list.Overrides):
    """`average=null` and `logger=null` choose no file of a group, and `weights=DIR` is short for `weights.from=DIR`.

    All that is composed comes through here: the command line, the jobs of a sweep, a study or a search, in any process.
    """

    def __init__(self, repo: Any, overrides_list: list[Override]) -> None:
        super().__init__(repo, [_as_meant(one, repo) for one in overrides_list])


def _as_meant(override: Override, repo: Any) -> Override:
    if override.type != OverrideType.CHANGE or override.is_sweep_override():
        return override
    knob, value = override.key_or_group, override.value()
    if value is None and knob in OF_PARTS:
        return dataclasses.replace(override, _value=[], input_line=f"{knob}=[]")
    if value is None and repo.group_exists(knob):
        return dataclasses.replace(override, type=OverrideType.DEL, input_line=f"~{knob}")
    if knob in SHORT and (value is None or isinstance(value, str | QuotedString)):
        whole = f"{knob}.{SHORT[knob]}"
        return dataclasses.replace(override, key_or_group=whole, input_line=f"{whole}={override.get_value_string()}")
    return override


def take_short_forms() -> None:
    """Has Hydra read overrides so, from now on."""
    defaults_list.Overrides = TypedOverrides  # type: ignore[misc]


def share_sources() -> None:
    """Makes a copy of Hydra's repository of configuration files share its sources, which nobody changes.

    Hydra copies the repository to any depth before each look at a group's choices, a hundred times for `--help` and a
    dozen times for each job of a sweep, so that its list of sources may be replaced in the copy. The list of a shallow
    copy may be replaced just as well.
    """
    ConfigRepository.__deepcopy__ = lambda repository, memo: copy.copy(repository)  # type: ignore[attr-defined]


class ForgetConfigurations(Callback):
    """Lets go of a job's configurations when it has ended: Hydra holds them to the sweep's end, 0.3 MB a job."""

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **others: Any) -> None:
        job_return.cfg = job_return.hydra_cfg = None
