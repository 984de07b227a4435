"""What one trial left behind, read without torch: result.json and metrics.csv; damage is one sentence."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from litmus.claims.measure import in_summary
from litmus.claims.notation import number
from litmus.claims.reductions import History
from litmus.legible import read_json, read_text, read_yaml
from litmus.tables import unshielded


@dataclass(frozen=True)
class Record:
    """A trial's directory: `status` is that of result.json, or `unfinished`, or `damaged`; `error` says why."""

    directory: Path
    status: str
    error: str
    content: Mapping[str, Any] = field(default_factory=dict)
    history: History = field(default_factory=dict)
    overrides: Mapping[str, str] = field(default_factory=dict)

    @property
    def done(self) -> bool:
        """Whether the trial ran to its end."""
        return self.status == "completed"

    @property
    def diverged(self) -> bool:
        """Whether the trial ended because a loss was not finite: a measurement, not a mishap."""
        return self.error.startswith("FloatingPointError")

    @property
    def pending(self) -> bool:
        """Whether the trial may still give values: it runs, was killed, or was interrupted."""
        return self.status in ("unfinished", "running", "interrupted")

    @property
    def summary(self) -> dict[str, float]:
        """Metrics and counters at the end; what JSON could not hold (null) is not a number."""
        found = {}
        for name, values in (self.content.get("tail") or {}).items():
            if isinstance(values, list) and values:
                numbers = [math.nan if (amount := number(value)) is None else amount for value in values]
                found[in_summary(str(name))] = math.fsum(numbers) / len(numbers)
        for part in ("metrics", "counters"):
            for name, value in (self.content.get(part) or {}).items():
                amount = math.nan if value is None else number(value)
                if amount is not None:
                    found[str(name)] = amount
        return found

    @property
    def seed(self) -> int | None:
        """The trial's seed, None when nothing tells it."""
        found = number(self.content.get("seed", self.overrides.get("seed")))
        return int(found) if found is not None and found == found // 1 else None

    @cached_property
    def settings(self) -> dict[str, Any]:
        """The resolved configuration, flat: data.seed → 3."""
        return flat(self.content.get("config") or {})

    def default(self, group: str) -> str:
        """What a group is where nobody chose: the data's name, the class of a part."""
        data = self.content.get("data")
        if group == "data" and isinstance(data, Mapping) and data.get("name"):
            return str(data["name"])
        return str(self.settings.get(f"{group}._target_", "default")).rpartition(".")[2].lower()


def read_record(directory: Path) -> Record:
    """A trial's record; whatever is missing or damaged becomes its status and one sentence."""
    overrides = stored_overrides(directory)
    path = directory / "result.json"
    if not path.is_file():
        return Record(directory, "unfinished", "no result.json: still running, or killed", overrides=overrides)
    try:
        content = read_json(path)
    except (OSError, ValueError) as problem:
        return Record(directory, "damaged", f"result.json cannot be read: {one_line(problem)}", overrides=overrides)
    if not isinstance(content, dict) or "status" not in content:
        return Record(directory, "damaged", "result.json is no result: it has no status", overrides=overrides)
    for part in ("metrics", "counters", "config"):
        if not isinstance(content.get(part) or {}, dict):
            told = f"result.json is no result: its {part} are {type(content[part]).__name__}, not names with values"
            return Record(directory, "damaged", told, overrides=overrides)
    overrides = read_overrides(content.get("overrides") or []) or overrides
    status = str(content["status"])
    error = "" if status == "completed" else one_line(content.get("error") or status)
    history: History = {}
    if (directory / "metrics.csv").is_file():
        try:
            history = read_curves(directory / "metrics.csv")
        except (OSError, ValueError) as problem:
            status, error = "damaged", one_line(problem)
    return Record(directory, status, error, content, history, overrides)


def read_curves(path: Path) -> History:
    """The columns of a metrics.csv as arrays; empty cells are not a number, a last row cut short is left out."""
    try:
        text = read_text(path)
        lines = list(csv.reader(text.splitlines()))
    except (UnicodeDecodeError, csv.Error) as problem:
        raise ValueError(f"metrics.csv is no table: {one_line(problem)}") from None
    if len(lines) < 2:
        return {}
    header, rows = [unshielded(name) for name in lines[0]], lines[1:]
    if not text.endswith("\n"):
        rows = rows[:-1]
    values = []
    for place, row in enumerate(rows, start=2):
        try:
            if len(row) != len(header):
                raise ValueError
            values.append([float(cell) if cell else math.nan for cell in row])
        except ValueError:
            raise ValueError(
                f"metrics.csv line {place}: expected {len(header)} numbers, got {','.join(row)[:60]!r}"
            ) from None
    table = np.array(values, dtype=float).reshape(len(values), len(header))
    return {name: table[:, column] for column, name in enumerate(header)} if len(table) else {}


def stored_overrides(directory: Path) -> dict[str, str]:
    """The overrides that Hydra wrote down when the job began."""
    path = directory / ".hydra" / "overrides.yaml"
    try:
        return read_overrides(read_yaml(path) or [])
    except (OSError, ValueError, yaml.YAMLError):
        return {}


def read_overrides(entries: Any) -> dict[str, str]:
    """["norm=none", "+x=1"] → {norm: none, x: 1}; not what a sweep tells a logger of each run, as that run's name."""
    if not isinstance(entries, list):
        return {}
    pairs = (str(entry).partition("=") for entry in entries)
    return {key.lstrip("+~"): value for key, _, value in pairs if not key.lstrip("+~").startswith("logger.")}


def flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings with dotted names; lists stay whole."""
    found: dict[str, Any] = {}
    for key, value in config.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            found |= flat(value, f"{name}.")
        else:
            found[name] = value
    return found


def one_line(problem: object) -> str:
    """The text of an error in one line, cut after 200 characters."""
    text = " ".join(str(problem).split())
    return text if len(text) <= 200 else f"{text[:199]}…"
