"""A quantity: a metric, how its curve becomes one number, its scale, its direction, its smallest effect of interest."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from litmus.claims.notation import number, percent, signed
from litmus.claims.reductions import REDUCTIONS, UNITS
from litmus.claims.schema import keys, mapping, one_of, words
from litmus.direction import direction_of

# Fixed by the design, not estimated: equal numbers on every seed are expected here, and no sign of a broken run.
COUNTED = {"params", "updates", "samples", "epochs", "batch_size"}
# Of these, what a run itself decides where something may end it early.
SPENT = {"updates", "samples", "epochs"}
# Metrics, by their last word, whose values lie between 0 and 1.
SHARES = {"acc", "accuracy", "f1", "auroc", "precision", "recall", "diverged"}
# A bare number that doubles or halves on the log scale was meant in per cent.
LARGEST_LOG = 0.7

IN_WORDS = {"gap": "train–validation gap", "diverged": "share of diverged runs"}
REDUCED = {
    **{"last": "", "best_val": "", "best": " at its best", "auc": ", mean of the curve"},
    **{"rise": ", rise after its best", "roughness": ", roughness", "tail": ", mean of the last fifth"},
}

# Reductions to a value of the metric; what others make of its curve is another number.
VALUES = ("last", "best_val", "best", "tail")

KEYS = {"metric", "at", "scale", "sesoi", "direction", "select", "sd", "deterministic"}


@dataclass(frozen=True)
class Quantity:
    """What is judged: `metric` reduced by `at`; `sesoi` and `sd` (of one run) are on the scale `log` or `identity`.

    `spent` are epochs, updates or samples of which nobody says that the design fixes them.
    """

    name: str
    metric: str
    at: str = "best_val"
    scale: str = "identity"
    sesoi: float | None = None
    direction: str = "down"
    select: str = "val/loss"
    sd: float | None = None
    deterministic: bool = False
    threshold: float | None = None
    unit: str = "updates"
    metric_direction: str = "down"
    spent: bool = False

    @property
    def sign(self) -> int:
        """+1 when more is better, −1 when less is."""
        return 1 if self.direction == "up" else -1

    @property
    def select_direction(self) -> str:
        """Which way the metric is better by which epochs and settings are chosen."""
        return direction_of(self.select) or (self.metric_direction if self.selects_itself else "down")

    @property
    def selects_itself(self) -> bool:
        """Whether epochs and settings are chosen by the metric itself, or by it on the validation."""
        return self.select in (self.metric, self.metric.replace("test/", "val/", 1))

    @property
    def timed(self) -> bool:
        """Whether the number is wall time, which is never the same twice."""
        return self.metric.split("/")[-1] == "seconds" or (self.at == "time_to" and self.unit == "seconds")

    @property
    def binary(self) -> bool:
        """Whether a run's value is yes or no."""
        return self.metric.split("/")[-1] == "diverged" and self.at != "time_to"

    @property
    def share(self) -> bool:
        """Whether the numbers lie between 0 and 1."""
        return self.at != "time_to" and is_share(self.metric)

    @property
    def ties(self) -> bool:
        """Whether equal values on every seed are no sign of a broken run: counts, and epochs to a threshold."""
        return self.deterministic or self.binary or self.at == "time_to"

    @property
    def columns(self) -> tuple[str, ...]:
        """What a column of its numbers may be called: as itself, and, where it is a value of its metric, as that."""
        return (self.name, self.metric) if self.at in VALUES else (self.name,)

    @property
    def label(self) -> str:
        """The metric in words: test loss, or val loss, mean of the curve."""
        plain = self.metric.replace("/", " ").replace("_", " ")
        plain = IN_WORDS.get(plain, plain)
        if self.at == "time_to":
            return f"{self.unit} to {plain} {self.threshold:g}"
        return f"{plain}{REDUCED.get(self.at, f' ({self.at})')}"

    def transform(self, value: Any) -> Any:
        """g(value): the logarithm or the value itself; not finite where the logarithm does not exist."""
        if self.scale == "identity":
            return np.asarray(value, dtype=float)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.log(np.asarray(value, dtype=float))

    def amount(self, value: Any, where: str) -> float:
        """A gain as a distance on the scale: a number as it is, "2%" as −log(1 − 0.02) down or log(1.02) up."""
        share = percent(value)
        if share is None:
            plain = number(value)
            if plain is None or not math.isfinite(plain):
                raise ValueError(f"{where} must be a number or a percentage like '2%', got {value!r}")
            return plain
        if self.scale != "log":
            raise ValueError(f"{where} is {value!r}, which needs scale: log; on the identity scale give a number")
        if not -1 < self.sign * share < math.inf:
            raise ValueError(f"{where} must lie {'above -100%' if self.sign > 0 else 'below 100%'}, got {value!r}")
        return self.sign * math.log1p(self.sign * share)

    def margin(self, value: Any, where: str) -> float:
        """An amount by which arms may differ.

        Raises:
            ValueError: for one that no two shares differ by, or a bare number on the log scale for per cent.
        """
        amount = self.amount(value, where)
        if self.share and self.scale == "identity" and abs(amount) >= 1:
            raise ValueError(f"{where} is {value!r}, and {share_told(self.metric)}")
        if self.scale == "log" and percent(value) is None and abs(amount) >= LARGEST_LOG:
            factor = math.exp(min(700.0, abs(amount)))
            raise ValueError(
                f"{where} is {value!r}, a factor of {factor:.3g} on the log scale; write it in per cent, 2 % as 2%"
            )
        return amount

    def change(self, gain: float) -> str:
        """A gain as the change of the metric itself, with its sign: −1.2 % on the log scale, −0.013 otherwise."""
        if not math.isfinite(gain):
            return "an infinite amount" if math.isinf(gain) else "an unknown amount"
        if self.scale == "log":
            # Beyond e^700 there is no number, and nothing to tell apart.
            return f"{100 * math.expm1(min(700.0, self.sign * gain)) + 0.0:+.1f} %".replace("-", "−")
        return signed(self.sign * gain)

    def size(self, gain: float) -> str:
        """The size of a gain without its sign: 2 % or 0.01."""
        if self.scale == "log":
            return f"{100 * abs(math.expm1(min(700.0, self.sign * gain))):.3g} %"
        return signed(abs(gain)).removeprefix("+")


def is_measured(metric: str) -> bool:
    """Whether a metric's name says that no design fixes it: it is of some rows, or better one way, and no count."""
    return metric.split("/")[-1] not in COUNTED and ("/" in metric or direction_of(metric) is not None)


def is_share(metric: str) -> bool:
    """Whether a metric's values lie between 0 and 1, by its last word."""
    return re.split(r"[/_. ]", metric.lower())[-1] in SHARES


def share_told(metric: str) -> str:
    """What values a share has, for a refusal."""
    return (
        f"{metric} is a share between 0 and 1, of which one point is 0.01; a metric whose values are per cents needs "
        f"another name, as {metric}_percent"
    )


def no_column(quantity: Quantity) -> str:
    """Why no column is the quantity's, for a refusal: what it would be called."""
    if quantity.at in VALUES:
        return f"no column {quantity.name!r} or {quantity.metric!r} for the quantity {quantity.name}"
    return (
        f"no column {quantity.name!r} for the quantity {quantity.name}, whose {quantity.at} no {quantity.metric!r} is"
    )


def read_quantity(name: str, node: Any) -> Quantity:
    """One entry of `quantities:`; a text alone is the metric."""
    where = f"study.quantities.{name}"
    node = {"metric": node} if isinstance(node, str) else mapping(node, where)
    keys(node, where, KEYS, ["metric"])
    metric = words(node["metric"], f"{where}.metric")
    at, threshold, unit = _reduction(node.get("at"), metric, where)
    given = node.get("direction")
    if given is not None:
        one_of(given, f"{where}.direction", {"up", "down"})
    natural = direction_of(metric)
    always_down = at in ("rise", "roughness", "time_to")
    if always_down and given not in (None, natural or given):
        raise ValueError(
            f"{where}.direction is that of {metric} itself, which is {natural}, got {given}; leave it out: of its {at} "
            "less is better anyway"
        )
    direction = "down" if always_down else given or natural
    if direction is None or (at in ("rise", "best", "time_to") and natural is None and given is None):
        raise ValueError(f"{where}: whether more {metric!r} is better is unknown; add direction: up or down")
    sesoi = node.get("sesoi")
    scale = one_of(node.get("scale", "identity" if percent(sesoi) is None else "log"), f"{where}.scale", SCALES)
    deterministic = node.get("deterministic", metric.split("/")[-1] in COUNTED)
    if not isinstance(deterministic, bool):
        raise ValueError(f"{where}.deterministic must be true or false, got {deterministic!r}")
    quantity = Quantity(
        name,
        metric,
        at,
        scale,
        direction=direction,
        select=words(node.get("select", "val/loss"), f"{where}.select"),
        deterministic=deterministic,
        threshold=threshold,
        unit=unit,
        metric_direction=given or natural or direction,
        spent=metric.split("/")[-1] in SPENT and at != "time_to" and "deterministic" not in node,
    )
    if direction_of(quantity.select) is None and not (quantity.selects_itself and given):
        raise ValueError(
            f"{where}.select: whether more {quantity.select} is better is unknown; choose by a metric whose last word "
            "says it, as val/loss does, or by the quantity's own metric, with its direction: up or down"
        )
    sesoi, sd = _positive(quantity, node, "sesoi", quantity.margin), _positive(quantity, node, "sd", quantity.amount)
    return replace(quantity, sesoi=sesoi, sd=sd)


SCALES = ("log", "identity")


def _positive(quantity: Quantity, node: Mapping[str, Any], key: str, read: Callable[[Any, str], float]) -> float | None:
    if node.get(key) is None:
        return None
    where = f"study.quantities.{quantity.name}.{key}"
    amount = read(node[key], where)
    if amount <= 0:
        raise ValueError(f"{where} must be greater than 0, got {node[key]!r}")
    return amount


def _reduction(at: Any, metric: str, where: str) -> tuple[str, float | None, str]:
    """`last`, …, or {time_to: threshold, unit: updates} as (name, threshold, unit)."""
    if at is None:
        return ("best_val" if metric.startswith("test/") else "last"), None, "updates"
    if isinstance(at, Mapping):
        keys(at, f"{where}.at", {"time_to", "unit"}, ["time_to"])
        threshold = number(at["time_to"])
        if threshold is None or not math.isfinite(threshold):
            raise ValueError(f"{where}.at.time_to must be a number to reach, got {at['time_to']!r}")
        if is_share(metric) and abs(threshold) > 1:
            raise ValueError(f"{where}.at.time_to is {at['time_to']!r}, and {share_told(metric)}")
        return "time_to", threshold, one_of(at.get("unit", "updates"), f"{where}.at.unit", UNITS)
    if at == "time_to":
        raise ValueError(f"{where}.at: time_to needs a number to reach, as in {{time_to: 0.5, unit: updates}}")
    return one_of(at, f"{where}.at", REDUCTIONS), None, "updates"
