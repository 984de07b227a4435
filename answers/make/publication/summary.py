"""summary.json: what the index needs to know of a published study, without its trials."""

from __future__ import annotations

import json
import math
import re
import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from answers.make.publication.paths import portable
from answers.make.publication.rows import Row, judged_rows
from answers.make.publication.tables import compact
from litmus.claims.notation import listing
from litmus.claims.results import COUNTERS
from litmus.legible import read_json
from litmus.report.evidence import Evidence
from litmus.words import count

FILE = "summary.json"
# As many seeds as the smallest default of the rules for studies: with fewer, a study explores.
FEWEST_SEEDS = 5
# What a command says without changing what its trials are.
HARMLESS = re.compile(r"study=|study\.seeds=|study\.smoke=|study\.judge=|hydra[./]|threads=|logger=")


@dataclass(frozen=True)
class Summary:
    """A published study: `arms` are each arm's mean costs and quantities."""

    name: str
    question: str
    command: str
    seeds: int
    trials: int
    failed: int
    tuning_trials: int
    rows: tuple[Row, ...]
    arms: Mapping[str, Mapping[str, float]]

    @property
    def labels(self) -> list[str]:
        """What to know before believing the verdicts: few seeds, failed trials, overrides of the study's file."""
        found = [f"exploratory: {count(self.seeds, 'seed')}"] if self.seeds < FEWEST_SEEDS else []
        found += [f"{count(self.failed, 'trial')} failed"] if self.failed else []
        changed = overrides(self.command)
        return [*found, f"run with {listing(changed)}"] if changed else found


def overrides(command: str) -> list[str]:
    """The overrides of a command that make its trials differ from what the study's file says."""
    words = [word for word in shlex.split(command)[1:] if "=" in word]
    return [word for word in words if not HARMLESS.match(word.lstrip("+~"))]


def summary_of(name: str, evidence: Evidence) -> Summary:
    """What the index needs of this study."""
    return Summary(
        name,
        evidence.study.question,
        portable(evidence.command),
        seeds=len(evidence.asked),
        trials=len(evidence.records),
        failed=sum(not record.done and not record.diverged for record in evidence.records.values()),
        tuning_trials=len(evidence.tuning),
        rows=tuple(judged_rows(name, evidence)),
        arms={arm: means(evidence, arm) for arm in evidence.study.arms},
    )


def means(evidence: Evidence, arm: str) -> dict[str, float]:
    """An arm's mean costs and quantities to six digits, as far as they are finite."""
    found = {name: evidence.counter(name, arm) for name in COUNTERS}
    found |= {name: evidence.mean(name, arm) for name in evidence.study.quantities}
    return {name: float(compact(value, 6)) for name, value in found.items() if math.isfinite(value)}


def summary_json(summary: Summary) -> str:
    """The text of summary.json."""
    return json.dumps(asdict(summary), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def read_summary(directory: Path) -> Summary:
    """The summary of a published study.

    Raises:
        ValueError: when the file is not what `summary_json` writes.
    """
    path = directory / FILE
    try:
        node: dict[str, Any] = read_json(path)
        rows = tuple(Row(**known(Row, row)) for row in node.pop("rows"))
        return Summary(rows=rows, **known(Summary, node))
    except (ValueError, TypeError, KeyError, AttributeError) as problem:
        raise ValueError(f"{path} is no summary of a study ({problem}); publish the study again") from problem


def known(kind: type[Any], node: dict[str, Any]) -> dict[str, Any]:
    """What it takes; earlier summaries said more."""
    names = {one.name for one in fields(kind)}
    return {name: value for name, value in node.items() if name in names}


def read_summaries(root: Path) -> list[Summary]:
    """Every study that is published below this directory, by name."""
    places = sorted(path.parent for path in root.glob(f"*/{FILE}") if not path.parent.name.startswith("."))
    return [read_summary(place) for place in places]
