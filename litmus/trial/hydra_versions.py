"""What Hydra 1.3 with OmegaConf 2.3 and Hydra 1.4 with OmegaConf 2.4 call differently."""

import inspect
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from omegaconf import OmegaConf

# OmegaConf 2.4 gave this name to what 2.3 calls register_new_resolver, and there it is that of an older way.
RENAMED = "replace" in inspect.signature(OmegaConf.register_resolver).parameters
register_resolver: Callable[..., None] = OmegaConf.register_resolver if RENAMED else OmegaConf.register_new_resolver
# Without it Hydra 1.3 behaves as 1.1 did, and says so; 1.4 has but one behaviour, and warns of whoever asks for it.
BASE: dict[str, Any] = {} if RENAMED else {"version_base": "1.3"}
# Whose classes Hydra 1.4 may itself call, as `hydra.callbacks` name them; parts of runs have a door of their own.
TRUSTED = ["litmus.*", "src.*", "answers.*"]
MAIN: dict[str, Any] = {"execution_whitelist": TRUSTED} if RENAMED else BASE


def allowing(targets: list[str], **knobs: Any) -> AbstractContextManager[Any]:
    """A stretch of code in which Hydra calls these alone; 1.3 asks nobody."""
    from hydra import utils  # not at the top: pages are read without Hydra

    hydra: Any = utils
    return hydra.execution_whitelist(targets, **knobs) if RENAMED else nullcontext()


def store(group: str, name: str, node: Any) -> None:
    """Gives a group of the configuration a choice that has no file, in the place of another of that name."""
    from hydra.core.config_store import ConfigStore

    replacing: dict[str, Any] = {"replace": True} if RENAMED else {}
    ConfigStore.instance().store(group=group, name=name, node=node, provider="litmus", **replacing)
