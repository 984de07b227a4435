"""Everything that the index is made from, read from answers/studies and the study files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from answers.make.publication.index import Index
from answers.make.publication.plans import read_plans
from answers.make.publication.replication import FILE as REPORTED
from answers.make.publication.summary import read_summaries
from answers.make.publication.unanswerable import read_unanswerable


def read_index(root: Path, nodes: Mapping[str, Mapping[str, Any]]) -> Index:
    """The index of what is published under `root`; `nodes` are the study files' by name.

    Raises:
        ValueError: for a file that cannot be understood.
    """
    return Index(
        read_summaries(root),
        read_plans(nodes, root),
        read_unanswerable(root),
        tuning_report=(root / "tuning_report.md").is_file(),
        replication=(root / REPORTED).is_file(),
    )
