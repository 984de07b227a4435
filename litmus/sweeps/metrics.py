"""Whether trials will record what a study or a search asks for: known before the first, or seen after it."""

import difflib
from collections.abc import Mapping
from pathlib import Path

from litmus.claims.finding import Finding, warning
from litmus.claims.notation import listing
from litmus.claims.reductions import DERIVED, UNITS
from litmus.claims.results import COUNTERS
from litmus.claims.study import Study
from litmus.records.record import read_record

SPLITS = ("train", "val", "test")
# What callbacks measure of the net itself, see litmus/training/gradients.py and curvature.py.
MEASURED = ("grad_norm", "sharpness")
# What every run that classifies records.
USUAL = {f"{split}/{name}" for split in SPLITS for name in ("loss", "acc")} | {"test/f1", "test/calibration_error"}
# What runs of real values and of labels record.
OTHERS = {f"{split}/{name}" for split in SPLITS for name in ("mae", "rmse", "r2")}
KNOWN = USUAL | {*COUNTERS, *UNITS, *DERIVED, "lr", "batch_size"}


def asked_metrics(study: Study) -> dict[str, str]:
    """Metric → the key that asks for it, of those that not every run records.

    Raises:
        ValueError: for a split that no run has.
    """
    found: dict[str, str] = {}
    for name, quantity in study.quantities.items():
        for key, metric in (("metric", quantity.metric), ("select", quantity.select)):
            where = f"study.quantities.{name}.{key}"
            refuse_unknown_split(metric, where)
            if metric not in KNOWN:
                found.setdefault(metric, where)
    return found


def misspelt(asked: Mapping[str, str]) -> list[Finding]:
    """What is asked and is nearly the name of something that runs record: who is right the first trial shows."""
    near = {metric: difflib.get_close_matches(metric, sorted(KNOWN | OTHERS), n=1, cutoff=0.8) for metric in asked}
    return [
        warning("unknown_metric", f"{where}={metric} is no metric that every run records; did you mean {meant}?")
        for metric, where in asked.items()
        for meant in near[metric]
        if metric not in OTHERS
    ]


def refuse_unknown_split(metric: str, where: str) -> None:
    """Refuses a metric of none of the three splits, and of nothing else that is measured."""
    split, slash, _ = metric.partition("/")
    if slash and split not in (*SPLITS, *MEASURED):
        raise ValueError(f"{where} must be a metric of {listing(SPLITS)}, as test/loss, or a count, got {metric}")


def refuse_unrecorded(asked: Mapping[str, str], directory: Path) -> None:
    """Refuses metrics that a completed trial has not recorded: the next one would not either.

    Raises:
        ValueError: naming the metrics that there are.
    """
    record = read_record(directory)
    recorded = dict.fromkeys([*record.summary, *record.history])
    for metric, where in asked.items():
        if record.done and metric not in recorded:
            raise ValueError(
                f"{where}={metric} is not among what the first trial recorded: {listing(list(recorded), 20)}; no other "
                "trial was run"
            )
