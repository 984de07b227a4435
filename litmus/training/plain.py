"""Modules made from plain data, as a checkpoint holds it: {"_target_": package.Class, argument: …}."""

import importlib
import inspect
from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import nn

OF_PLAIN = ("_target_", "_args_", "_partial_")


def module_of(plain: Mapping[str, Any], place: str) -> nn.Module:
    """The module that plain data describe; what lies within is made first.

    Args:
        plain: `_target_` is the class's path, `_args_` its arguments by position, the others go by name.
        place: the knob that it is called by, for the errors.

    Raises:
        ValueError: where there is no such class, it takes other arguments, or it makes something else.
    """
    made = _made(plain, place)
    if not isinstance(made, nn.Module):
        raise ValueError(f"{place}._target_ must make a torch.nn.Module, {plain['_target_']} made a {_kind(made)}")
    return made


def _made(node: Any, place: str) -> Any:
    if isinstance(node, list | tuple):
        return [_made(one, f"{place}.{number}") for number, one in enumerate(node)]
    if not isinstance(node, Mapping):
        return node
    given = {name: _made(value, f"{place}.{name}") for name, value in node.items() if name != "_target_"}
    if "_target_" not in node:
        return given
    found = class_of(str(node["_target_"]), place)
    arguments, later = given.pop("_args_", []), given.pop("_partial_", False)
    if later:
        return partial(found, *arguments, **given)
    try:
        inspect.signature(found).bind(*arguments, **given)
    except TypeError as problem:
        raise ValueError(f"{node['_target_']}: {problem}; an argument is given as +{place}.ARGUMENT=…") from None
    except ValueError:  # a class of C, whose signature nobody knows
        pass
    return found(*arguments, **given)


def class_of(path: str, place: str) -> Any:
    """The class or function of a path; of what lies outside of packages, nothing."""
    parts = path.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        package = ".".join(parts[:cut])
        try:
            found: Any = importlib.import_module(package)
        except ModuleNotFoundError as problem:
            if problem.name is not None and not f"{package}.".startswith(f"{problem.name}."):
                raise  # what it imports is missing, not it
            continue
        for name in parts[cut:]:
            found = getattr(found, name, None)
        if callable(found):
            return found
        break
    raise ValueError(f"{place}._target_={path}: expected the path of a class, as package.module.Class, found none")


def _kind(made: Any) -> str:
    return f"tensor of shape {tuple(made.shape)}" if isinstance(made, torch.Tensor) else type(made).__name__
