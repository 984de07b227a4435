"""Which version of its data a run saw, and which runs saw different ones that should have seen the same."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

WRITTEN = re.compile(r"(\w+) of (\w+) drawn by (.+)")


@dataclass(frozen=True)
class DataVersion:
    """`sha256` of the data, a digest of the `settings` that asked for them but for seeds, and their `draw`.

    That is every seed that might draw them; of a file there is none.
    """

    sha256: str
    settings: str
    draw: str

    @property
    def told(self) -> str:
        """As a table has it."""
        return f"{self.sha256} of {self.settings} drawn by {self.draw}"


def read_version(cell: str) -> DataVersion | None:
    """The version that such a cell tells; None of any other."""
    found = WRITTEN.fullmatch(cell.strip())
    return DataVersion(*found.groups()) if found else None


class Seeing(Protocol):
    """A run that knows what it saw."""

    @property
    def data(self) -> DataVersion | None:
        """Which version of the data; None where it did not record that."""


Run = TypeVar("Run", bound=Seeing)


def unlike(runs: Iterable[Run]) -> list[Run]:
    """The runs that were asked to see the same data as others and saw other ones: by equal settings and an equal draw.

    Of different draws nothing is known: a seed may choose one of a few sites, or nothing at all.
    """
    groups: dict[str, list[tuple[Run, DataVersion]]] = {}
    for run in runs:
        if run.data is not None:
            groups.setdefault(run.data.settings, []).append((run, run.data))
    return [run for own in groups.values() if _mixed([data for _, data in own]) for run, _ in own]


def _mixed(versions: Sequence[DataVersion]) -> bool:
    return len({(one.draw, one.sha256) for one in versions}) > len({one.draw for one in versions})
