"""Arms: the combinations of factor levels that a study compares, and how a prediction points at them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Any

from litmus.claims.notation import text
from litmus.claims.schema import mapping, way_out

Selector = str | Mapping[str, Any]
Overrides = dict[str, Any]


def grid(factors: Mapping[str, Sequence[Any]]) -> dict[str, Overrides]:
    """Every combination of the factors' levels, named as on a command line: dropout=0.1,norm=instance."""
    arms = {}
    for levels in product(*factors.values()):
        overrides = dict(zip(factors, levels, strict=True))
        arms[",".join(f"{key}={text(value)}" for key, value in overrides.items())] = overrides
    return arms


def read_factors(node: Any) -> dict[str, tuple[Any, ...]]:
    """The `factors:` node: factor → its levels, at least two and all different."""
    factors = {}
    for name, levels in mapping(node, "study.factors").items():
        if not isinstance(levels, Sequence) or isinstance(levels, str) or len(levels) == 0:
            raise ValueError(f"study.factors.{name} must be a list of levels, got {levels!r}")
        if len({text(level) for level in levels}) < len(levels):
            raise ValueError(f"study.factors.{name} lists a level twice: {list(levels)}; keep each level once")
        factors[name] = tuple(levels)
    if not factors:
        raise ValueError("study.factors is empty; name at least one factor and its levels")
    return factors


def read_arms(node: Any) -> dict[str, Overrides]:
    """The `arms:` node: arm → overrides of the command line."""
    arms = {}
    for name, overrides in mapping(node, "study.arms").items():
        if not name or name != name.strip():
            raise ValueError(f"study.arms has an arm called {name!r}; expected a name without spaces around it")
        arms[name] = mapping({} if overrides is None else overrides, f"study.arms.{name}")
    if not arms:
        raise ValueError("study.arms is empty; name at least one arm and its overrides")
    return arms


def wanted_levels(arms: Mapping[str, Overrides], factor: str, value: Any) -> set[str]:
    """The levels that a selector's value means: itself; a list that is no arm's level means any of its values."""
    known = {text(overrides[factor]) for overrides in arms.values() if factor in overrides}
    if text(value) in known or isinstance(value, str) or not isinstance(value, Sequence):
        return {text(value)}
    return {text(choice) for choice in value}


def select(arms: Mapping[str, Overrides], selector: Selector) -> tuple[str, ...]:
    """The arms that a name or a partial dictionary of factors points at: none, one, or several."""
    if isinstance(selector, str):
        return (selector,) if selector in arms else ()
    wanted = {factor: wanted_levels(arms, factor, value) for factor, value in selector.items()}

    def matches(overrides: Overrides) -> bool:
        return all(key in overrides and text(overrides[key]) in levels for key, levels in wanted.items())

    return tuple(name for name, overrides in arms.items() if matches(overrides))


def check_selector(arms: Mapping[str, Overrides], selector: Any, where: str) -> None:
    """Refuse a selector with an unknown arm or factor; a known factor's level without an arm is left to lint."""
    if isinstance(selector, str):
        if selector not in arms:
            raise ValueError(f"{where} names the unknown arm {selector!r}; {way_out(selector, list(arms))}")
        return
    if not isinstance(selector, Mapping) or not selector:
        raise ValueError(f"{where} must name an arm or give its factors, as in {{dropout: 0.1}}, got {selector!r}")
    known = {key for overrides in arms.values() for key in overrides}
    for key in selector:
        if key not in known:
            raise ValueError(f"{where} names the unknown factor {key!r}; {way_out(key, known)}")


def describe(selector: Selector) -> str:
    """A selector in words: dropout 0.1, norm instance."""
    if isinstance(selector, str):
        return selector
    return ", ".join(f"{key} {text(value)}" for key, value in selector.items())


def varying(arms: Mapping[str, Mapping[str, Any]], among: Iterable[str]) -> list[str]:
    """The keys in which the named arms differ (a key that one arm lacks counts as different), sorted."""
    configs = [arms[name] for name in among if name in arms]
    every = {key for config in configs for key in config}
    absent = object()
    differing = []
    for key in every:
        seen = {text(config[key]) if key in config else absent for config in configs}
        if len(seen) > 1:
            differing.append(key)
    return sorted(differing)
