"""Which version of its data a run saw, and which runs saw different ones that should have seen the same."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

WRITTEN = re.compile(r"(\w+) of (\w+) drawn by (.+)")


@dataclass(frozen=True)
class DataVersion:
    """`sha256` of the data, a digest of the `settings` that asked for them but for seeds, and the seed of their `draw`.

    Whether data are drawn by a seed, or are of a file and only split by it, the hashes tell: see `unlike`.
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
    """The runs that were asked to see the same data as others and saw other ones.

    Equal settings with an equal seed give equal data. Of equal settings with different seeds all data are the same, or,
    where the seed draws them, no two are: some equal and some different are of before and after an edit.
    """
    groups: dict[str, list[tuple[Run, DataVersion]]] = {}
    for run in runs:
        if run.data is not None:
            groups.setdefault(run.data.settings, []).append((run, run.data))
    return [run for own in groups.values() if _mixed([data for _, data in own]) for run, _ in own]


def _mixed(versions: Sequence[DataVersion]) -> bool:
    hashes, draws = ({getattr(one, name) for one in versions} for name in ("sha256", "draw"))
    pairs = {(one.draw, one.sha256) for one in versions}
    return len(pairs) > len(draws) or 1 < len(hashes) < len(draws)
