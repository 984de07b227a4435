"""Files of answers/studies that are kept by hand: lists of entries, each read by whoever knows what it means."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import yaml

from litmus.legible import read_yaml

Entry = TypeVar("Entry")


def read_kept(path: Path, shape: str, read: Callable[[Any, str], Entry]) -> list[Entry]:
    """The entries of a file in its order, none without a file; `read` takes one and its place in words.

    Raises:
        ValueError: for a file that is no list of such entries, and whatever `read` raises.
    """
    if not path.is_file():
        return []
    try:
        entries = read_yaml(path) or []
    except yaml.YAMLError as problem:
        raise ValueError(f"{path} is not valid YAML: {' '.join(str(problem).split())}") from problem
    if not isinstance(entries, list):
        raise ValueError(f"{path}: expected a list of {{{shape}}}, got {type(entries).__name__}")
    return [read(entry, f"{path.name} entry {place}") for place, entry in enumerate(entries, start=1)]
