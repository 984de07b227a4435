"""Composing without what Hydra copies again and again."""

import copy

from hydra._internal.config_repository import ConfigRepository


def share_sources() -> None:
    """Makes a copy of Hydra's repository of configuration files share its sources, which nobody changes.

    Hydra copies the repository to any depth before each look at a group's choices, a hundred times for `--help` and a
    dozen times for each job of a sweep, so that its list of sources may be replaced in the copy. The list of a shallow
    copy may be replaced just as well.
    """
    ConfigRepository.__deepcopy__ = lambda repository, memo: copy.copy(repository)  # type: ignore[attr-defined]
