"""Overrides as they are typed, where Hydra's own grammar has no such form."""

import dataclasses
from typing import Any

from hydra._internal import defaults_list
from hydra.core.override_parser.types import Override, OverrideType, QuotedString

# Root knob with several parts → the part that is meant where a value stands in the place of them all.
SHORT = {"weights": "from"}


class TypedOverrides(defaults_list.Overrides):
    """`average=null` chooses no file of a group, and `weights=DIR` is short for `weights.from=DIR`.

    All that is composed comes through here: the command line, the jobs of a sweep, a study or a search, in any process.
    """

    def __init__(self, repo: Any, overrides_list: list[Override]) -> None:
        super().__init__(repo, [_as_meant(one, repo) for one in overrides_list])


def _as_meant(override: Override, repo: Any) -> Override:
    if override.type != OverrideType.CHANGE or override.is_sweep_override():
        return override
    knob, value = override.key_or_group, override.value()
    if value is None and repo.group_exists(knob):
        return dataclasses.replace(override, type=OverrideType.DEL, input_line=f"~{knob}")
    if knob in SHORT and (value is None or isinstance(value, str | QuotedString)):
        whole = f"{knob}.{SHORT[knob]}"
        return dataclasses.replace(override, key_or_group=whole, input_line=f"{whole}={override.get_value_string()}")
    return override


def take_short_forms() -> None:
    """Has Hydra read overrides so, from now on."""
    defaults_list.Overrides = TypedOverrides  # type: ignore[misc]
