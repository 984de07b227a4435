"""The one door to Hydra's `instantiate`, which calls whatever a configuration names."""

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

from hydra import utils
from omegaconf import DictConfig, OmegaConf

from litmus.trial.knobs import parts_in

# From 1.4 on Hydra asks for the names that may be called, and wants them always from 1.5 on.
ASKS = "_execution_whitelist_" in inspect.signature(utils.instantiate).parameters


def instantiate(node: DictConfig | Mapping[str, Any], *, recursive: bool = True, **given: Any) -> Any:
    """What a node of the configuration describes, made of plain data.

    Only what the node names is called: neither what is named by an argument that is given, nor what Hydra knows to run
    anything it is told (os.system). Whether a stored node may be called at all is told before, by `read_stored`.

    Args:
        node: with a `_target_`, or with nodes in it that have one.
        recursive: whether nodes within it are made too.
        given: arguments that no configuration holds.
    """
    config = node if OmegaConf.is_config(node) else OmegaConf.create(dict(node))
    inner = {} if recursive else {"_recursive_": False}
    allowed = {"_execution_whitelist_": sorted(_named(config))} if ASKS else {}
    return utils.instantiate(config, _convert_="all", **inner, **allowed, **given)


def _named(config: Any) -> Iterable[str]:
    return {str(part["_target_"]) for part in parts_in(config)}
