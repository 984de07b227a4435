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
        "regret",
    ),
    *("seconds", "time", "updates", "samples", "epochs", "params", "diverged", "memory"),
}
UP = {"acc", "accuracy", "f1", "auroc", "precision", "recall", "r2", "score", "kappa", "mcc", "reward", "throughput"}
# Before its word these turn a metric round, as sklearn's scorers are (neg_log_loss, d2_log_loss_score).
TURNING = {"neg", "negative", "minus", "inverse", "inv", "d2", "survival", "to"}
# Behind its word these leave a metric what it is: which average, of what, in what; any other may be a drop or a spread.
NEUTRAL = {
    *("score", "rate", "macro", "micro", "weighted", "samples", "binary", "multiclass", "multilabel", "normalized"),
    *("ce", "bce", "kl", "cls", "box", "balanced", "adjusted", "raw", "clean", "index", "positive", "episode"),
    *("peak", "allocated", "elapsed"),
    *("mean", "avg", "average", "median", "total", "sum", "min", "max", "best", "last", "final", "tail", "ema", "swa"),
    *(
        "train",
        "val",
        "valid",
        "validation",
        "test",
        "eval",
        "dev",
        "epoch",
        "step",
        "percent",
        "pct",
        "log",
        "squared",
    ),
    *(
        "at",
        "top",
        "fixed",
        "k",
        "class",
        "fold",
        "seed",
        "dataloader",
        "idx",
        "mb",
        "gb",
        "ms",
        "to",
        "threshold",
        "target",
    ),
}
# What spreads or changes, also behind a slash, where else the name of a data set may stand.
CHANGES = {"std", "sd", "var", "variance", "sem", "drop", "reduction", "gain", "change", "delta", "diff", "difference"}
# Counts of which more in a time is better.
RATES = {"samples", "updates", "epochs"}
# top5, 10, k2, (tail).
COUNTED = r"(top|at|k|iou|class)?\d+[k%]?|\(tail\)"
MODES = {"down": "min", "up": "max"}


def direction_of(metric: str) -> str | None:
    """`up` or `down` by the metric's last known word, None for a metric without one; `score` tells the least.

    None as well where a word before it may turn the metric round (neg_log_loss), or one behind it may make something
    else of it (accuracy_drop, acc_std).
    """
    parts = [re.split(r"[_. ]", part) for part in metric.lower().split("/")]
    words = [(word, place) for place, part in enumerate(parts) for word in part]
    known = [at for at, (word, _) in enumerate(words) if word in UP or word in DOWN]
    if not known:
        return None
    better = [at for at in known if words[at][0] not in ("score", *RATES)] or [
        at for at in known if words[at][0] != "score"
    ]
    last = (better or known)[-1]
    word, place = words[last]
    if any(before in TURNING and where == place for before, where in words[:last]):
        return None
    for behind, where in words[last + 1 :]:
        if behind == "per" and word not in RATES:
            break  # seconds per epoch
        if behind in CHANGES or not (where > place or behind in NEUTRAL or re.fullmatch(COUNTED, behind)):
            return None
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
