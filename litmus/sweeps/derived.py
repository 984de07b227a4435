"""Hashes of many jobs that differ by numbers alone, from one resolved configuration."""

import copy
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from omegaconf import DictConfig, ListConfig, Node

from litmus.sweeps.composition import hash_of, resolved, with_values
from litmus.trial.identity import asked_hash

Place = tuple[str | int, ...]
REFERENCE = re.compile(r"\$\{([A-Za-z_]\w*(?:\.\w+)*)\}")
# Resolvers that read no knob; their arguments must be plain text.
READING_NO_KNOB = re.compile(r"\$\{(?:oc\.env|hydra|run_directory|sweep_name|typed|choice):[^${}]*\}")


class Derived:
    """The hash of a configuration with other numbers in some knobs, as `hash_of` would give it.

    To copy and resolve a configuration takes twenty times as long as to hash it. Where every value that follows a knob
    is that knob's own, which the interpolations tell, the configuration is resolved once and the numbers are put in
    their places. Where something makes another value of a knob, and wherever the first hash that was derived is not
    the one that was computed, every hash is computed.

    Args:
        config: composed.
        knobs: that choose no file, and that get numbers.
    """

    def __init__(self, config: DictConfig, knobs: Iterable[str]) -> None:
        self.config = config
        self._places = followers(config, frozenset(knobs))
        self._plain: dict[str, Any] | None = None

    def hash_of(self, values: Mapping[str, Any]) -> str:
        """The hash of what a job with these values will be asked."""
        if self._places is None:
            return hash_of(self.config, values)
        if self._plain is not None:
            return asked_hash(self._filled(values))
        self._plain = resolved(with_values(self.config, values))
        known = asked_hash(self._plain)
        # Other numbers than those that it was resolved with.
        other = {knob: value + 1 for knob, value in values.items()}
        if asked_hash(self._filled(other)) != hash_of(self.config, other):
            self._places = None
        return known

    def _filled(self, values: Mapping[str, Any]) -> dict[str, Any]:
        filled = copy.deepcopy(self._plain) or {}
        for place, knob in (self._places or {}).items():
            node: Any = filled
            for step in place[:-1]:
                node = node[step]
            node[place[-1]] = values[knob]
        return filled


def followers(config: DictConfig, knobs: frozenset[str]) -> dict[Place, str] | None:
    """Where each of these knobs stands in the resolved configuration; None if anything else is made of one."""
    found: dict[Place, str] = {}
    for place, node in _leaves(config, (), knobs):
        knob = _leads_to(config, ".".join(map(str, place)), node, knobs, 0)
        if knob is None:
            return None
        if knob:
            found[place] = knob
    return found if knobs <= {*found.values()} else None


def _leaves(node: Any, place: Place, knobs: frozenset[str]) -> Iterator[tuple[Place, Node]]:
    if ".".join(map(str, place)) in knobs or not isinstance(node, DictConfig | ListConfig) or _is_text(node):
        yield place, node
        return
    if node._is_none():
        return
    steps: Any = list(node) if isinstance(node, DictConfig) else range(len(node))
    for step in steps:
        # As a job's description has it: without Hydra's part and the loggers.
        if place or step not in ("hydra", "logger"):
            yield from _leaves(node._get_node(step), (*place, step), knobs)


def _is_text(node: Any) -> bool:
    return isinstance(node._value(), str)


def _leads_to(config: DictConfig, name: str, node: Any, knobs: frozenset[str], depth: int) -> str | None:
    """The knob whose value a node has, "" if it has none's; None where nobody knows."""
    if name in knobs:
        return name
    if isinstance(node, DictConfig | ListConfig) and not _is_text(node):
        return None  # within it may be anything
    text = None if node is None else node._value()
    if not isinstance(text, str) or "${" not in text:
        return ""
    rest = READING_NO_KNOB.sub("", text)
    reached = [_leads_to(config, one, _node(config, one), knobs, depth + 1) for one in REFERENCE.findall(rest)]
    if None in reached or "${" in REFERENCE.sub("", rest) or depth > 10:
        return None
    if REFERENCE.fullmatch(text):
        return reached[0]
    return None if any(reached) else ""


def _node(config: DictConfig, name: str) -> Any:
    node: Any = config
    for step in name.split("."):
        if not isinstance(node, DictConfig) or node._is_none():
            return None
        node = node._get_node(step)
    return node
