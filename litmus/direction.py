"""Which way a metric is better, and the `mode` (min or max) of whatever monitors it."""

import re
from collections.abc import Mapping
from difflib import get_close_matches
from inspect import Parameter
from typing import Any

# By the last words of a metric's name; any other metric must say so where it is used.
DOWN = {
    *(
        "loss",
        "error",
        "err",
        "gap",
        "nll",
        "perplexity",
        "mse",
        "mae",
        "rmse",
        "ece",
        "brier",
        "fid",
        "bouldin",
        "distance",
    ),
    *("seconds", "time", "updates", "samples", "epochs", "params", "diverged", "memory"),
}
UP = {"acc", "accuracy", "f1", "auroc", "precision", "recall", "r2", "score", "kappa", "mcc", "reward", "throughput"}
MODES = {"down": "min", "up": "max"}


def direction_of(metric: str) -> str | None:
    """`up` or `down` by the metric's last known word, None for a metric without one; `score` tells the least."""
    known = [word for word in re.split(r"[/_. ]", metric.lower()) if word in UP or word in DOWN]
    if not known:
        return None
    word = next((word for word in reversed(known) if word != "score"), "score")
    return "up" if word in UP else "down"


def mode_of(monitor: str, given: str | None, knob: str, known: Mapping[str, bool | None] | None = None) -> str:
    """The mode in which `monitor` is watched: min or max.

    Args:
        monitor: the metric.
        given: what was asked for; None derives it from the metric.
        knob: what this is called, for the error.
        known: whether more is better of metrics, by their names after the split, whatever these names say.

    Raises:
        ValueError: for a mode that keeps the worst, or none for a metric whose direction is unknown.
    """
    if given not in (None, *MODES.values()):
        raise ValueError(f"{knob} must be min, max or null, which follows from the metric; got {given}")
    more = (known or {}).get(monitor.partition("/")[2])
    derived = MODES.get(direction_of(monitor) or "") if more is None else MODES["up" if more else "down"]
    if derived is None and given is None:
        raise ValueError(f"whether more {monitor} is better is unknown{_meant(monitor)}: say {knob}=min or {knob}=max")
    if derived is not None and given not in (None, derived):
        better = "more" if derived == "max" else "less"
        raise ValueError(
            f"{knob}={given} would keep the worst: {better} {monitor} is better; take {knob}={derived}, or null, which "
            "follows from the metric"
        )
    return derived or str(given)


def has_mode(parameters: Mapping[str, Parameter], given: Any) -> bool:
    """Whether a constructor's `mode` is min or max; others mean something else (CyclicLR's is `triangular`)."""
    if "mode" not in parameters:
        return False
    value = parameters["mode"].default if given is None else given
    return value in (None, Parameter.empty, *MODES.values())


def _meant(metric: str) -> str:
    """The metric that a misspelt one was perhaps to be."""
    *before, last = re.split(r"([/_. ])", metric)
    near = get_close_matches(last, [*UP, *DOWN], n=1)
    return f" (did you mean {''.join(before)}{near[0]}?)" if near else ""
