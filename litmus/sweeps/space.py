"""The ranges that a study's nuisance knobs or a command line's sweeps span, as Optuna's distributions."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep, Transformer
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from litmus.claims.nuisance import Nuisance
from litmus.sweeps.overrides import written

FEWEST_LEVELS = 2


def nuisance_space(nuisance: Mapping[str, Nuisance]) -> dict[str, BaseDistribution]:
    """The distributions of a study's nuisance knobs; choices are kept as they are written on a command line."""
    return {name: distribution(one.space, one.values) for name, one in nuisance.items()}


def distribution(space: str, values: Sequence[Any]) -> BaseDistribution:
    """The distribution of a `log` or `linear` range, or of `choices`."""
    if space == "choices":
        return CategoricalDistribution([simple(value) for value in values])
    return FloatDistribution(float(values[0]), float(values[1]), log=space == "log")


def search_space(overrides: list[Override]) -> dict[str, BaseDistribution]:
    """The distributions of `a,b`, `choice(…)`, `range(…)` and `interval(…)`, with `tag(log, …)` and `int(…)`.

    Raises:
        ValueError: for a range without two values.
    """
    return {one.get_key_element(): _distribution(one) for one in overrides if one.is_sweep_override()}


def _distribution(one: Override) -> BaseDistribution:
    value, key = one.value(), one.get_key_element()
    if isinstance(value, IntervalSweep):
        low, high = value.start, value.end
        assert low is not None
        assert high is not None
        log = "log" in value.tags
        if not low < high or (log and low <= 0):
            raise ValueError(
                f"{key}: an interval needs low < high{', both above 0 with log' * log}, got {low} and {high}"
            )
        whole = isinstance(low, int) and isinstance(high, int)
        return IntDistribution(int(low), int(high), log=log) if whole else FloatDistribution(low, high, log=log)
    if isinstance(value, RangeSweep) and "log" in value.tags:
        raise ValueError(f"{key}: a range has equal steps; take tag(log,int(interval(…))) for a logarithmic one")
    choices = [simple(choice) for choice in one.sweep_iterator(transformer=Transformer.encode)]
    if len(choices) < FEWEST_LEVELS:
        raise ValueError(f"{key}: expected at least two values to choose from, got {len(choices)}")
    if isinstance(value, RangeSweep) and not value.shuffle:
        low, high, step = choices[0], choices[-1], choices[1] - choices[0]
        if all(isinstance(choice, int) for choice in choices):
            return IntDistribution(low, high, step=step) if step > 0 else CategoricalDistribution(choices)
        return FloatDistribution(low, high, step=step) if step > 0 else CategoricalDistribution(choices)
    return CategoricalDistribution(choices)


def simple(value: Any) -> Any:
    """The value if Optuna can store it, else as it is written."""
    return value if value is None or isinstance(value, bool | int | float | str) else written(value)


def levels(space: Mapping[str, BaseDistribution], total: int) -> dict[str, list[Any]]:
    """A grid of about `total` points: every choice, and as many equal steps per range as that leaves."""
    listed = {name: _listed(one) for name, one in space.items()}
    fixed = math.prod(len(values) for values in listed.values() if values)
    open_ended = sum(values is None for values in listed.values())
    each = max(FEWEST_LEVELS, math.floor((total / fixed) ** (1 / open_ended) + 1e-9)) if open_ended else 0
    return {name: values or _steps(space[name], each) for name, values in listed.items()}


def _listed(one: BaseDistribution) -> list[Any] | None:
    if isinstance(one, CategoricalDistribution):
        return list(one.choices)
    if isinstance(one, IntDistribution) and not one.log and (one.step > 1 or one.high - one.low < 10):
        return list(range(one.low, one.high + 1, one.step))
    if isinstance(one, FloatDistribution) and one.step is not None:
        return [one.low + place * one.step for place in range(round((one.high - one.low) / one.step) + 1)]
    return None


def _steps(one: Any, count: int) -> list[Any]:
    shares = [place / (count - 1) for place in range(count)]
    if one.log:
        values = [one.low * (one.high / one.low) ** share for share in shares]
    else:
        values = [one.low + (one.high - one.low) * share for share in shares]
    values[-1] = one.high
    if isinstance(one, IntDistribution):
        return sorted({round(value) for value in values})
    return [float(f"{value:.12g}") for value in values]
