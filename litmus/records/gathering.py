"""The runs below some directories, each in its arm: the one reading that reports, comparisons and views share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from litmus.claims.notation import listing, shortened, text
from litmus.claims.study_file import read_study_file
from litmus.legible import legible
from litmus.records.arms import UNKNOWN, code, group, numeric, numerics, parts
from litmus.records.directories import Place, arm_of, find, natural
from litmus.records.reading import read
from litmus.records.record import Record
from litmus.records.repeats import Repeat, notes, repeated
from litmus.words import count

Entry = tuple[Place, Record]


@dataclass(frozen=True)
class Arm:
    """Runs that differ by their seeds alone; `part` is `tuning` for the trials that a study tuned this arm with."""

    name: str
    part: str = "run"

    @property
    def label(self) -> str:
        """The name, with the part where that is needed to tell."""
        return f"{self.name} (tuning)" if self.part == "tuning" else self.name


@dataclass(frozen=True)
class GatheredRun:
    """A run with the name that its directory gives it, and its arm.

    `choices` are what runs of its arm were told, one of which may say what this one did by default; `repeats` names
    the run that had the same seed before it.
    """

    name: str
    arm: Arm
    place: Place
    record: Record
    choices: Mapping[str, str] = field(default_factory=dict)
    repeats: str = ""

    @property
    def where(self) -> str:
        """The run's directory as text."""
        return legible(self.place.path)

    @cached_property
    def settings(self) -> dict[str, Any]:
        """The resolved configuration, flat."""
        return self.record.settings

    @property
    def counted(self) -> bool:
        """Whether the run counts in means: it completed, and repeats no other."""
        return self.record.done and not self.repeats

    def setting(self, key: str) -> str:
        """What the run was told or had as this setting, as text; empty when it has no such setting."""
        if key in self.record.overrides:
            return text(self.record.overrides[key])
        if key in self.settings:
            return text(self.settings[key])
        # The choice of a group (model=cnn) is written down only where it was made.
        if key in self.choices or not any(name.startswith(f"{key}.") for name in self.settings):
            return self.choices.get(key, "")
        return self.record.default(key)


@dataclass(frozen=True)
class Gathered:
    """All runs in the order of their arms, and `notes` on what to know before comparing them."""

    title: str
    runs: Sequence[GatheredRun]
    notes: Sequence[str] = ()

    @cached_property
    def arms(self) -> dict[Arm, list[GatheredRun]]:
        """Each arm's runs, damaged ones included."""
        found: dict[Arm, list[GatheredRun]] = {}
        for run in self.runs:
            found.setdefault(run.arm, []).append(run)
        return found


def gather(directories: Iterable[Path]) -> Gathered:
    """The runs below the directories.

    Raises:
        FileNotFoundError: when a directory is not there, or when none of them holds a run.
    """
    entries = [(place, read(place)) for place in find(directories)]
    homes = list(dict.fromkeys(place.home for place, _ in entries))
    names = _names(homes)
    runs: list[GatheredRun] = []
    problems = []
    for home in homes:
        own = [entry for entry in entries if entry[0].home == home]
        order, problem = _order(home, own)
        problems += [problem] if problem else []
        prefix = [names[home]] if len(homes) > 1 else []
        found = _in_arms(own, names[home], prefix)
        # The verdict trials first, then the tuning; sorting keeps the directories' order within an arm.
        found.sort(key=lambda run: (run.arm.part == "tuning", order.get(run.place.arm, 0)))
        runs += found
    runs, repeats = _once(runs)
    title = ", ".join(names[home] for home in homes[:3]) + (" …" if len(homes) > 3 else "")
    return Gathered(title, runs, (*problems, *notes(repeats), *mixtures(runs)))


def counted_of(runs: Sequence[GatheredRun]) -> str:
    """3 of 4: so many runs count, of so many that repeat no other."""
    return f"{sum(run.counted for run in runs)} of {sum(not run.repeats for run in runs)}"


def _in_arms(own: Sequence[Entry], home: str, prefix: Sequence[str]) -> list[GatheredRun]:
    """The runs of one home; its own name is that of an arm which nothing distinguishes."""
    records = [record for place, record in own if not place.arm]
    named: dict[Path, tuple[str, dict[str, str]]] = {}
    for arm in group(records):
        same = [records[place] for place in arm.places]
        choices = {key: value for record in reversed(same) for key, value in record.overrides.items()}
        named |= {record.directory: (arm.name or home, choices) for record in same}
    return [_run(entry, *(named.get(entry[1].directory) or (entry[0].arm, {})), prefix) for entry in own]


def _run(entry: Entry, arm: str, choices: Mapping[str, str], prefix: Sequence[str]) -> GatheredRun:
    place, record = entry
    name = "/".join([*prefix, _inside(place)])
    label = arm if list(prefix) == [arm] else ": ".join([*prefix, arm])
    return GatheredRun(name, Arm(label, place.part), place, record, choices)


def _once(runs: Sequence[GatheredRun]) -> tuple[list[GatheredRun], list[Repeat]]:
    """The runs, told which of them repeat another, and the seeds that ran more than once."""
    by_arm: dict[Arm, list[GatheredRun]] = {}
    for run in runs:
        if run.arm.part != "tuning":  # its trials try other settings with one seed
            by_arm.setdefault(run.arm, []).append(run)
    single = len({arm.name for arm in by_arm}) == 1
    found = []
    for arm, own in by_arm.items():
        found += repeated("" if single else arm.name, [(run.name, run.record) for run in own])
    first = {name: one.runs[0][0] for one in found for name, _ in one.runs[1:]}
    return [replace(run, repeats=first.get(run.name, "")) for run in runs], found


def mixtures(runs: Sequence[GatheredRun]) -> list[str]:
    """What the arms' runs were computed by, where that is not the same for all that count."""
    counted = [run for run in runs if run.counted]
    codes: dict[str, dict[str, str]] = {}
    for run in counted:
        codes.setdefault(parts(run.record), {})[run.name] = code(run.record)
    mixed = {name: own for each in codes.values() if len({*each.values()}) > 1 for name, own in each.items()}
    found = []
    if mixed:
        shown = shortened(list(dict.fromkeys(mixed.values())))
        told = _by({name: shown[own] or UNKNOWN for name, own in mixed.items()}, counted)
        found.append(f"The runs were computed by different code ({told}): what differs between them may be due to it.")
    known = {run.name: numerics(run.record) for run in counted}
    for key in dict.fromkeys(key for one in known.values() for key in one):
        values = {name: numeric(key, one[key]) for name, one in known.items() if key in one}
        if len(set(values.values())) > 1:
            told = _by(values, counted)
            found.append(f"The runs were not computed alike ({told}): what differs between them may be due to it.")
    return found


def _by(values: Mapping[str, str], runs: Sequence[GatheredRun]) -> str:
    """1a2b3c: 4 runs of norm=none; 4d5e6f: 2 runs of norm=batch. An arm whose name says so is not named again."""
    parts = []
    for value in dict.fromkeys(values.values()):
        own = [run for run in runs if values.get(run.name) == value]
        arms = list(dict.fromkeys(run.arm.label for run in own if value not in run.arm.label))
        parts.append(f"{value}: {count(len(own), 'run')}" + (f" of {listing(arms, 2)}" if arms else ""))
    return "; ".join(parts)


def _names(homes: Sequence[Path]) -> dict[Path, str]:
    """The shortest ends of the paths that tell the homes apart."""
    for length in range(1, 9):
        names = {home: legible("/".join(home.resolve().parts[-length:])) for home in homes}
        if len(set(names.values())) == len(homes):
            return names
    return {home: legible(home) for home in homes}


def _inside(place: Place) -> str:
    """The run's name: where it lies in its home."""
    parts = place.path.absolute().relative_to(place.home).parts or (place.path.resolve().name,)
    return legible("/".join(parts[1:] if parts[0] == "trials" else parts))


def _order(home: Path, own: Sequence[Entry]) -> tuple[dict[str, int], str]:
    """The place of each arm of a study, as its file has them; a sentence when the file cannot be read."""
    folders = list(dict.fromkeys(place.arm for place, _ in own if place.arm))
    if not folders:
        return {}, ""
    try:
        study = read_study_file(home / "study.yaml")
    except (OSError, ValueError) as problem:
        told = (
            f"The arms of {home.name} are in the order of their folders, for its study file cannot be read: {problem}"
        )
        return {arm: place for place, arm in enumerate(sorted(folders, key=natural))}, legible(" ".join(told.split()))
    known = [arm for arm in study.arms if any(arm_of(folder, study) == arm for folder in folders)]
    return {arm: place for place, arm in enumerate(dict.fromkeys([*known, *folders]))}, ""
