"""One place read: what the run left, what it was told, and in one sentence what is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from litmus.claims.notation import listing
from litmus.claims.reductions import UNITS
from litmus.legible import read_yaml
from litmus.records.directories import Place
from litmus.records.record import Record, flat, one_line, read_curves, read_record

ENDED = ("completed", "failed", "pruned", "interrupted")
INTERPOLATION = re.compile(r"^\$\{([\w.]+)\}$")


def read(place: Place) -> Record:
    """The record of a place; its status is one of `ENDED`, `diverged`, `unfinished` or `damaged`."""
    if place.reason:
        return Record(place.path, "damaged", place.reason)
    try:
        record = _with_curves(_with_settings(read_record(place.path)))
        reason = flaw(record)
    except OSError as problem:
        return Record(place.path, "damaged", f"the directory cannot be read: {problem.strerror}")
    if reason:
        return replace(record, status="damaged", error=reason)
    if record.status == "running":
        return replace(record, status="unfinished", error="result.json says running: it goes on, or was killed")
    return replace(record, status="diverged") if record.diverged else record


def flaw(record: Record) -> str:
    """What is wrong with a run whose files could be read, or nothing."""
    if record.status == "damaged":
        return record.error
    if record.status not in (*ENDED, "unfinished", "running"):
        return f"result.json has the status {record.status!r}; expected {listing(ENDED)}"
    epochs = record.history.get("epoch")
    if record.history and epochs is None:
        return f"metrics.csv has the columns {listing(list(record.history), 6)}; expected epoch and a metric"
    if epochs is not None and not np.isfinite(epochs).all():
        return "metrics.csv has a row without an epoch"
    different, times = np.unique(epochs if epochs is not None else [], return_counts=True)
    if (times > 1).any():
        return f"metrics.csv has epoch {different[times > 1][0]:g} more than once: two runs wrote to it"
    if not record.done:
        return ""
    return _flaw_of_a_finished(record)


def _flaw_of_a_finished(record: Record) -> str:
    path = record.directory / "metrics.csv"
    if path.is_file():
        if not record.history:
            return "metrics.csv has no complete row"
        if not path.read_bytes().endswith(b"\n"):
            return f"metrics.csv ends in the middle of a row; the {len(record.history['epoch'])} rows before are shown"
    measured = [value for name, value in record.summary.items() if name not in (record.content.get("counters") or {})]
    curves = [curve for name, curve in record.history.items() if name not in UNITS and "/" in name]
    if not np.isfinite([*measured, *np.concatenate([*curves, np.array([])])]).any():
        return "no metric has a finite value" if measured or curves else "result.json has no metrics"
    if not record.settings:
        return "the configuration is missing: it is neither in result.json nor in .hydra/config.yaml"
    return ""


def _with_curves(record: Record) -> Record:
    """The record with the curves that a run left which has no result, or none that can be read."""
    path = record.directory / "metrics.csv"
    if record.content.get("status") or not path.is_file():
        return record
    try:
        return replace(record, history=read_curves(path))
    except ValueError as problem:
        return replace(record, status="damaged", error=f"{record.error}, and {one_line(problem)}")


def _with_settings(record: Record) -> Record:
    """The record with the configuration that Hydra wrote down, where result.json has none."""
    if record.content.get("config"):
        return record
    return replace(record, content={**record.content, "config": stored_settings(record.directory)})


def stored_settings(directory: Path) -> dict[str, Any]:
    """The configuration as composed, flat; what only the running program could resolve is left out."""
    try:
        # The loader in C, where there is one, is ten times as fast.
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        found = read_yaml(directory / ".hydra" / "config.yaml", loader)
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    settings = flat(found) if isinstance(found, Mapping) else {}
    return {key: value for key in settings if "${" not in str(value := _resolved(settings[key], settings))}


def _resolved(value: Any, settings: Mapping[str, Any], depth: int = 0) -> Any:
    """`${lr}` → 0.001, as long as it names another setting."""
    named = INTERPOLATION.match(value) if isinstance(value, str) else None
    if named is None or named[1] not in settings or depth > 9:
        return value
    return _resolved(settings[named[1]], settings, depth + 1)
