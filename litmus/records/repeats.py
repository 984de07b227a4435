"""The same seed twice in an arm is one run repeated, and no second replicate: it counts once, and is told."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from litmus.claims.notation import listing
from litmus.records.arms import Identity, identity
from litmus.records.record import Record
from litmus.words import plain

MOST_TOLD = 3
# What costs time is never the same twice.
TIMED = ("seconds",)
# Where a run ran, and on which data: what may explain other numbers of equal arms.
SURROUNDINGS = {"data": ("sha256",), "hardware": ("processor", "device_name")}


@dataclass(frozen=True)
class Repeat:
    """Completed runs of an arm with the same seed, the one that counts first; each with the name of its directory."""

    arm: str
    seed: int
    runs: Sequence[tuple[str, Record]]

    @property
    def label(self) -> str:
        """norm=batch seed 3 (3, 7)."""
        return f"{self.arm} seed {self.seed} ({', '.join(name for name, _ in self.runs)})".strip()

    @property
    def odd(self) -> tuple[str, float, float] | None:
        """The first number that two of the runs do not share, with both values."""
        (_, first), *others = self.runs
        for _, other in others:
            for name in dict.fromkeys([*first.summary, *other.summary]):
                pair = first.summary.get(name, math.nan), other.summary.get(name, math.nan)
                if name not in TIMED and pair[0] != pair[1] and not all(map(math.isnan, pair)):
                    return name, *pair
        return None

    @property
    def identities(self) -> list[Identity]:
        """Each run's arm."""
        return [identity(record) for _, record in self.runs]

    @property
    def surroundings(self) -> list[str]:
        """What the runs recorded differently beside their arm."""
        return [
            name
            for name in dict.fromkeys(name for _, record in self.runs for name in _surroundings(record))
            if len({_surroundings(record).get(name) for _, record in self.runs}) > 1
        ]


def repeated(arm: str, runs: Iterable[tuple[str, Record]]) -> list[Repeat]:
    """The seeds that more than one completed run of an arm has; runs without a known seed repeat nothing."""
    by_seed: dict[int, list[tuple[str, Record]]] = {}
    for name, record in runs:
        if record.done and record.seed is not None:
            by_seed.setdefault(record.seed, []).append((name, record))
    return [Repeat(arm, seed, same) for seed, same in by_seed.items() if len(same) > 1]


def notes(repeats: Sequence[Repeat]) -> list[str]:
    """What is said of seeds that ran more than once."""
    told = []
    equal = [one.label for one in repeats if one.odd is None]
    if equal:
        told.append(f"The same seed ran more than once, with the same numbers; it counts once: {_some(equal)}.")
    told += [_difference(one) for one in [one for one in repeats if one.odd is not None][:MOST_TOLD]]
    rest = len(repeats) - len(equal) - MOST_TOLD
    if rest > 0:
        told.append(f"So it is with {rest} more: the first counts.")
    return told


def _difference(one: Repeat) -> str:
    assert one.odd is not None
    name, first, other = one.odd
    said = f"{one.label} ran more than once with different numbers ({name} {plain(first, 8)} and {plain(other, 8)})"
    if len({each.key for each in one.identities}) > 1:
        return f"{said}, by different code or settings; the first counts."
    if one.surroundings:
        return f"{said} and another {listing(one.surroundings)}; the first counts."
    return (
        f"{said}, although everything that is recorded is equal; the first counts. Either such a run is not exact, or "
        "something unseen differed."
    )


def _some(labels: Sequence[str]) -> str:
    return listing(labels, MOST_TOLD)


def _surroundings(record: Record) -> dict[str, str]:
    """Versions, processor and data, by name."""
    found = {}
    versions = record.content.get("versions")
    for name, value in versions.items() if isinstance(versions, Mapping) else ():
        found[str(name)] = str(value)
    for part, names in SURROUNDINGS.items():
        known = record.content.get(part)
        found |= {name: str(known[name]) for name in names if isinstance(known, Mapping) and name in known}
    return found
