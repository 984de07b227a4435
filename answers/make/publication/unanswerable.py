"""unanswerable.yaml: claims of the documents that no trial of this project can decide, each with the reason."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from answers.make.publication.kept import read_kept
from answers.make.publication.rows import DOCUMENT
from answers.make.publication.summary import Summary
from litmus.claims.schema import keys, mapping, words
from litmus.words import plain

FILE = "unanswerable.yaml"


@dataclass(frozen=True)
class Unanswerable:
    """A claim verbatim, where it stands, why it has no verdict; `beside` names what a study measured instead."""

    claim: str
    document: str
    part: str
    reason: str
    beside: Mapping[str, str] = field(default_factory=dict)


def read_unanswerable(root: Path) -> list[Unanswerable]:
    """The claims of the file, in its order; none without a file.

    Raises:
        ValueError: for an entry that lacks something.
    """
    return read_kept(root / FILE, "claim, source, reason", read_entry)


def read_entry(entry: Any, where: str) -> Unanswerable:
    """One claim of the file."""
    node = mapping(entry, where)
    keys(node, where, ["claim", "source", "reason", "beside"], ["claim", "source", "reason"])
    source = DOCUMENT.match(words(node["source"], f"{where}.source"))
    if source is None:
        raise ValueError(f"{where}.source must name a document and its part, got {node['source']!r}")
    beside = mapping(node.get("beside") or {}, f"{where}.beside")
    if beside:
        keys(beside, f"{where}.beside", ["study", "what"], ["study", "what"])
    claim, reason = (" ".join(words(node[key], f"{where}.{key}").split()) for key in ("claim", "reason"))
    return Unanswerable(claim, source[1], source[2], reason, beside)


def measured(entry: Unanswerable, summaries: Sequence[Summary]) -> str:
    """What the named study measured instead: params in cnn_depth_width: baseline 93,130, deep_wide 588,106."""
    if not entry.beside:
        return ""
    name, what = entry.beside["study"], entry.beside["what"]
    found = next((one for one in summaries if one.name == name), None)
    if found is None:
        return f"{what} in {name}: not run yet"
    arms = [f"{arm} {plain(own.get(what, math.nan))}" for arm, own in found.arms.items()]
    return f"{what} in {name}: {', '.join(arms)}"
