"""Looking at a study while it grows: which seeds each look sees, and what looking more than once costs.

A study may be judged at 5, 10, 20 and 40 seeds. At each look the p of a rule over one contrast, and of each of its
sides, is the smallest that any planned look so far has given, divided by 0.268: a constant found by simulation for
these looks and no others (scripts/simulate.py repeats it), as Pocock's boundaries are (Biometrika 64, 1977).
Conjunctions, Bonferroni and Holm take it as it is. A plan of one fixed number of seeds is judged once, without it.

All this holds of looks at one set of seeds that grows. Seeds in the place of those that were looked at would be a first
look each time, until one confirms: nothing is judged of seeds that do not continue the earlier looks.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from litmus.claims.notation import listing
from litmus.words import count

LOOKS = (5, 10, 20, 40)
FACTOR = 0.268
# So few seeds decide nothing, and to have seen them is no look.
FEWEST_SEEDS = 3


def sequential(p_values: Sequence[Any]) -> Any:
    """p over the looks so far: their smallest over 0.268, at most 1."""
    return np.minimum(1.0, np.min(np.stack([np.asarray(p, dtype=float) for p in p_values]), axis=0) / FACTOR)


@dataclass(frozen=True)
class Seeds:
    """What `study.seeds` asks for: these seeds at once, or (`until`) look by look until every prediction is decided."""

    listed: tuple[int, ...]
    until: bool = False

    @property
    def steps(self) -> tuple[tuple[int, ...], ...]:
        """The seeds after which a verdict is due: all of them, or those of each planned look."""
        return tuple(self.listed[:n] for n in LOOKS if n <= len(self.listed)) if self.until else (self.listed,)


@dataclass(frozen=True)
class Look:
    """A verdict that was shown: of which seeds, what it said, and whether under the correction.

    `arms` are those of its predictions with their settings, None where these are unknown; none where neither is known.
    `lacking` are those of the seeds whose runs of an arm had not ended; None of a look that does not know.
    """

    seeds: frozenset[int]
    verdicts: Mapping[str, str] = field(default_factory=dict)
    corrected: bool = False
    arms: Mapping[str, str | None] = field(default_factory=dict)
    lacking: Mapping[str, frozenset[int]] | None = None

    def pairs(self, arms: Mapping[str, str]) -> frozenset[int]:
        """The seeds of which these arms, named with their settings, were seen together: two, or the only one."""
        then = {
            name for name, own in self.arms.items() for arm in arms if own == arms[arm] or (own is None and name == arm)
        }
        if self.arms and len(then) < min(2, len(arms)):
            return frozenset()
        return self.seeds.difference(*((self.lacking or {}).get(name, ()) for name in then))


@dataclass(frozen=True)
class Schedule:
    """The looks that a judgement rests on, each with its seeds and those of the looks before it.

    Attributes:
        looks: the seeds of each planned look that was reached; of a fixed plan, all that there are.
        corrected: whether p counts every look so far.
        there: seeds that there are, those after the last look included.
        astray: seeds of the earlier looks, where those that there are do not continue them; then there is no look.
        shown: what earlier verdicts said, by prediction, oldest first: (seeds, verdict).
    """

    looks: tuple[tuple[int, ...], ...]
    corrected: bool = False
    there: int = 0
    astray: tuple[int, ...] = ()
    shown: Mapping[str, tuple[tuple[int, str], ...]] = field(default_factory=dict)

    @property
    def seeds(self) -> tuple[int, ...]:
        """Those of the last look; none before the first."""
        return self.looks[-1] if self.looks else ()

    @property
    def obstacle(self) -> str:
        """Why nothing is judged yet; empty where something is."""
        if self.astray:
            return (
                f"verdicts were shown of the seeds {listing(self.astray, LOOKS[-1])}, which these do not continue; ask "
                "for all of those in study.seeds, and beside them for larger ones only"
            )
        return "" if self.looks else f"no planned look yet: {self.there} seeds are complete, and {self.next()}"

    @property
    def note(self) -> str:
        """What to know of how often the verdicts were looked for."""
        if self.astray:
            return f"Not judged: {self.obstacle}."
        planned = ", ".join(map(str, LOOKS))
        if not self.corrected:
            return (
                f"Judged once, at {count(self.there, 'seed')}, without a correction for looking again; with more seeds "
                f"all looks count, this one included (study.seeds: {{until: decided}} plans them at {planned})."
            )
        told = f"Judged at the planned looks ({planned} seeds) up to {len(self.seeds)}, p divided by {FACTOR}"
        if not self.looks:
            return f"No planned look yet: {count(self.there, 'seed')}, and the first look is at {LOOKS[0]}."
        later = count(self.there - len(self.seeds), "seed")
        return f"{told}{f'; {later} after it do not count yet, {self.next()}' if self.there > len(self.seeds) else ''}."

    def next(self) -> str:
        """When the next look comes."""
        later = [n for n in LOOKS if n > self.there]
        return f"the next planned look is at {later[0]} seeds" if later else "no further look is planned"


def schedule(
    seeds: Seeds,
    there: Sequence[int],
    present: Iterable[int],
    looked: Sequence[Look] = (),
    shown: Iterable[int] | None = None,
    other: Callable[[Look], bool] | None = None,
) -> Schedule:
    """The looks at what there is.

    Args:
        seeds: what the study asks for.
        there: the seeds whose trials have all ended, in their order.
        present: every seed of which there is a value.
        looked: the verdicts that were shown before.
        shown: the seeds that a prediction is judged by where it is judged once; by default those present.
        other: whether a look was at less, or more, than is shown now; by default, at other seeds than are present.
    """
    every = frozenset(present)
    current = every if shown is None else frozenset(shown)
    looked = [look for look in looked if len(look.seeds) >= FEWEST_SEEDS]
    corrected = seeds.until or any(
        look.corrected or (look.seeds != every if other is None else other(look)) for look in looked
    )
    if not corrected:
        return Schedule((tuple(sorted(current)),), there=len(current))
    if not all(_continued(look, there, {*there, *every}) for look in looked):
        seen = sorted(frozenset().union(*(look.seeds for look in looked)))
        return Schedule((), corrected=True, there=len(there), astray=tuple(seen))
    most = len(seeds.listed) if seeds.until else LOOKS[-1]
    said: dict[str, tuple[tuple[int, str], ...]] = {}
    for look in sorted(looked, key=lambda look: len(look.seeds)):
        for name, verdict in look.verdicts.items():
            said[name] = (*said.get(name, ()), (len(look.seeds), verdict))
    reached = tuple(tuple(there[:n]) for n in LOOKS if n <= min(most, len(there)))
    return Schedule(reached, corrected=True, there=len(there), shown=said)


def _continued(look: Look, there: Sequence[int], every: Collection[int]) -> bool:
    """Whether what there is continues a look, or is cut down to its first seeds.

    A look at a part, or on another machine, was at any of the seeds; a planned one was at the first of them.
    """
    first = all(own == seen for own, seen in zip(there, sorted(look.seeds), strict=False))
    return first or (not look.corrected and look.seeds <= frozenset(every))


def merged(looked: Iterable[Look]) -> list[Look]:
    """Each look once, as it was last shown, the smaller first: what several machines recorded, together.

    A look that was shown without the correction, and again with it, stays both: what was shown may be withdrawn.
    """

    def key(look: Look) -> tuple[int, list[int], bool, str]:
        lacking = None if look.lacking is None else {arm: sorted(own) for arm, own in sorted(look.lacking.items())}
        return len(look.seeds), sorted(look.seeds), look.corrected, f"{sorted(look.arms.items(), key=repr)} {lacking}"

    found = {repr(key(look)): look for look in looked}
    return sorted(found.values(), key=key)
