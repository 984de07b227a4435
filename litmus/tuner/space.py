"""What a run that tunes itself tries: the ranges of its knobs, as its configuration states them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from optuna.distributions import BaseDistribution

from litmus.claims.nuisance import SPACES, read_range
from litmus.claims.schema import keys, mapping
from litmus.sweeps.space import distribution, simple

EXAMPLE = "'tuner.space={lr: {log: [1e-4, 1e-1]}}'"


@dataclass(frozen=True)
class Space:
    """`knobs` as Optuna's distributions; `levels` that a grid has of a knob; `choices` by how Optuna stores them."""

    knobs: dict[str, BaseDistribution]
    levels: dict[str, int]
    choices: dict[str, dict[Any, Any]]

    def values(self, point: Mapping[str, Any]) -> dict[str, Any]:
        """A point's values as the configuration takes them."""
        return {knob: self.choices[knob][value] if knob in self.choices else value for knob, value in point.items()}


def read_space(node: Any) -> Space:
    """The `tuner.space` node: {lr: {log: [1e-4, 1e-1]}, width: {log: [16, 256], whole: true, levels: 3}}.

    Raises:
        ValueError: for whatever is wrong with it, in one sentence.
    """
    if not node:
        raise ValueError(f"tuner has no knob to tune; give it a space, as in {EXAMPLE}")
    found = Space({}, {}, {})
    for knob, entry in mapping(node, "tuner.space").items():
        _read(knob, mapping(entry, f"tuner.space.{knob}"), found)
    return found


def _read(knob: str, entry: Mapping[str, Any], found: Space) -> None:
    where = f"tuner.space.{knob}"
    keys(entry, where, [*SPACES, "whole", "levels"])
    space, values = read_range(entry, where)
    whole, count = entry.get("whole", False), entry.get("levels")
    if space == "choices" and (whole or count is not None):
        raise ValueError(f"{where}: whole and levels are of ranges, and choices are what they are; leave them out")
    if not isinstance(whole, bool):
        raise ValueError(f"{where}.whole must be true or false, got {whole!r}")
    if whole and any(value != int(value) for value in values):
        raise ValueError(f"{where} must go from a whole number to another with whole: true, got {list(values)}")
    if count is not None:
        if not isinstance(count, int) or isinstance(count, bool) or count < 1:
            raise ValueError(f"{where}.levels must be a whole number from 1 on, got {count!r}")
        found.levels[knob] = count
    if space == "choices":
        found.choices[knob] = {simple(value): value for value in values}
    found.knobs[knob] = distribution(space, values, whole)
