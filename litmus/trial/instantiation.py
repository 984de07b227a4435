"""The one door to Hydra's `instantiate`, which calls whatever a configuration names."""

from collections.abc import Mapping
from typing import Any

from hydra import utils
from omegaconf import DictConfig, OmegaConf

from litmus.trial.hydra_versions import allowing
from litmus.trial.knobs import parts_in


def instantiate(node: DictConfig | Mapping[str, Any], *, recursive: bool = True, **given: Any) -> Any:
    """What a node of the configuration describes, made of plain data.

    Only what the node itself names is called: nothing that an argument names, and nothing that Hydra knows to run
    whatever it is told (os.system). Whether a stored configuration may name it is told before, by `read_stored`.

    Args:
        node: with a `_target_`, or with nodes in it that have one.
        recursive: whether nodes within it are made too.
        given: arguments that no configuration holds.
    """
    config = node if OmegaConf.is_config(node) else OmegaConf.create(dict(node))
    named = sorted({str(part["_target_"]) for part in parts_in(config)})
    with allowing(named, reset=True):
        return utils.instantiate(config, _convert_="all", **({} if recursive else {"_recursive_": False}), **given)
