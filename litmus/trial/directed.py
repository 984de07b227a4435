"""The `mode` of every configured part that monitors a metric, whoever wrote the part."""

import copy
import inspect
from collections.abc import Mapping
from functools import cache
from inspect import Parameter
from typing import Any

from omegaconf import DictConfig, ListConfig, open_dict

from litmus.direction import has_mode, mode_of
from litmus.training.plain import class_of


def directed(config: DictConfig, known: Mapping[str, bool | None] | None = None) -> DictConfig:
    """The configuration with each `mode` that was left open, at any depth, as its metric demands.

    Args:
        config: of the run.
        known: whether more is better of the task's metrics, by their names after the split.

    Raises:
        ValueError: for a mode that contradicts its metric, or none where the metric's direction is unknown.
    """
    changed = copy.deepcopy(config)
    _direct(changed, "", None, known or {})
    return changed


def _direct(node: Any, place: str, monitor: Any, known: Mapping[str, bool | None]) -> None:
    """Fills in below a node, whose parts watch `monitor` where they name no metric of their own."""
    if not isinstance(node, DictConfig | ListConfig) or node._is_none() or node._is_missing():
        return
    if isinstance(node, DictConfig) and node.get("_target_") is not None:
        monitor = _fill(node, place, monitor, known)
    for name in node if isinstance(node, DictConfig) else range(len(node)):
        child: Any = node._get_node(name)
        if not child._is_interpolation():
            _direct(child, f"{place}.{name!s}".lstrip("."), monitor, known)


def _fill(node: DictConfig, place: str, monitor: Any, known: Mapping[str, bool | None]) -> Any:
    parameters = parameters_of(str(node._target_))
    usual = parameters.get("monitor", Parameter("monitor", Parameter.KEYWORD_ONLY, default=monitor)).default
    monitor = node.get("monitor", None if usual is Parameter.empty else usual)
    given = node.get("mode")
    if has_mode(parameters, given):
        with open_dict(node):
            if monitor is not None:
                node.mode = mode_of(str(monitor), given, f"{place}.mode", known)
            elif "mode" in node and given is None:
                del node["mode"]  # it watches nothing, and its own default will do
    return monitor


@cache
def parameters_of(target: str) -> Mapping[str, Parameter]:
    """What a class or function takes by name, what it hands on to its base classes as `**keywords` included."""
    try:
        found = class_of(target, "")
        classes = found.__mro__ if inspect.isclass(found) else (found,)
        own = [inspect.signature(one.__init__ if inspect.isclass(one) else one).parameters for one in classes]
    except Exception:  # whoever makes the part says what is wrong with its name
        return {}
    known: dict[str, Parameter] = {}
    for parameters in own:
        known = {**parameters, **known}
        if not any(one.kind is Parameter.VAR_KEYWORD for one in parameters.values()):
            break
    return known
