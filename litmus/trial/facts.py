"""What parts are told of the data: a constructor is given what it names, and nothing by its position."""

import math
from collections.abc import Mapping
from inspect import Parameter
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf, open_dict

from litmus.contract import Target
from litmus.training.stand_in import FACT, NAMES
from litmus.trial.directed import parameters_of

MEANING = {name: fact for fact, names in NAMES.items() for name in names}
# In many nets these are widths of their own: they are given only where a constructor cannot do without.
IF_NEEDED = {
    *("channels", "num_channels", "n_channels", "features", "num_features", "n_features", "labels", "target"),
    *("output_size", "output_dim", "out_dim"),
}


def facts_of(data: Any) -> dict[str, Any]:
    """What a data module tells of its samples and of what it asks for, as far as it does."""
    facts: dict[str, Any] = {}
    shape = getattr(data, "input_shape", None)
    if shape is not None:
        facts = {"input_shape": tuple(shape), "features": math.prod(shape)}
        facts |= {"channels": shape[0]} if len(shape) > 1 else {}
    target = target_of(data)
    if target is None:
        return facts | ({"classes": data.classes} if hasattr(data, "classes") else {})
    number = {"classes": "classes", "labels": "labels"}.get(target.kind)
    return facts | {"target": target, "outputs": target.outputs} | ({number: target.number} if number else {})


def target_of(data: Any) -> Target | None:
    """What the data ask for; None where they say nothing, or ask for nothing."""
    target, classes = getattr(data, "target", None), getattr(data, "classes", None)
    if isinstance(target, Target):
        return target
    return Target("classes", classes) if classes else None


def given(target: str, facts: Mapping[str, Any], typed: Mapping[str, Any]) -> dict[str, Any]:
    """The facts that the constructor of this path names, but for what is typed.

    Raises:
        ValueError: for one that it needs and the data do not tell.
    """
    found = {}
    for name, parameter in parameters_of(target).items():
        fact, needed = MEANING.get(name), parameter.default is Parameter.empty
        if fact is None or typed.get(name) is not None or (name in IF_NEEDED and not needed):
            continue
        if fact in facts:
            found[name] = facts[fact]
        elif needed:
            raise ValueError(f"{target} asks for {name}, which these data do not have: {_told(facts)}")
    return found


def with_facts(config: DictConfig, facts: Mapping[str, Any]) -> DictConfig:
    """The configuration with every `fact:NAME` replaced by the fact.

    Raises:
        ValueError: for a name that is none, or of nothing that the data tell.
    """
    changed = config.copy()
    with open_dict(changed):
        for group in changed:
            if group not in ("hydra", "data"):
                _replace(changed, group, facts, str(group))
    return changed


def _replace(parent: Any, name: Any, facts: Mapping[str, Any], place: str) -> None:
    node = parent._get_node(name)
    if isinstance(node, DictConfig | ListConfig):
        if not node._is_none() and not node._is_missing() and not node._is_interpolation():
            for inner in node if isinstance(node, DictConfig) else range(len(node)):
                _replace(node, inner, facts, f"{place}.{inner!s}")
        return
    value = node._value() if node is not None else None
    if isinstance(value, str) and value.startswith(FACT):
        fact = MEANING.get(value.removeprefix(FACT))
        if fact is None or fact not in facts or fact == "target":
            raise ValueError(f"{place}={value} is nothing that these data tell: {_told(facts)}")
        parent[name] = list(facts[fact]) if isinstance(facts[fact], tuple) else facts[fact]


def _told(facts: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in facts.items() if name != "target") or "nothing"


def plain_with_facts(node: DictConfig, facts: Mapping[str, Any]) -> dict[str, Any]:
    """A node as plain data, with the facts that its constructor names."""
    plain: Any = OmegaConf.to_container(node, resolve=True)
    named = given(str(node["_target_"]), facts, plain)
    known = {name: list(value) if isinstance(value, tuple) else value for name, value in named.items()}
    return known | {name: value for name, value in plain.items() if value is not None or name not in known}
