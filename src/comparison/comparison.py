"""Runs from anywhere, side by side: read, named, and put into arms."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from src.comparison.places import Place, find, natural
from src.comparison.reading import read
from src.studies.notation import text
from src.studies.report.places import arm_of
from src.studies.report.record import Record
from src.studies.report.wording import count
from src.studies.study_file import read_study_file

# Overrides that say how a run was made and not what it was.
NO_FACTORS = ("seed", "threads", "resume", "data_dir", "study", "search", "output_dir", "trust")
STATUSES = ("completed", "unfinished", "pruned", "diverged", "failed", "interrupted", "damaged")


@dataclass(frozen=True)
class Arm:
    """Runs that differ by their seeds alone; `part` is `tuning` for the trials that a study tuned this arm with."""

    name: str
    part: str = "run"


@dataclass(frozen=True)
class ComparedRun:
    """A run with the name that its directory gives it, and its arm."""

    name: str
    arm: Arm
    place: Place
    record: Record

    @cached_property
    def settings(self) -> dict[str, Any]:
        """The resolved configuration, flat."""
        return self.record.settings

    def setting(self, key: str) -> str:
        """What the run was told or had as this setting, as text; empty when it has no such setting."""
        if key in self.record.overrides:
            return text(self.record.overrides[key])
        if key in self.settings:
            return text(self.settings[key])
        # The choice of a group (model=cnn) is written down only where it was made.
        return "default" if any(name.startswith(f"{key}.") for name in self.settings) else ""


@dataclass(frozen=True)
class Comparison:
    """All runs in the order of their arms, and `notes` on what could not be read beside them."""

    title: str
    runs: Sequence[ComparedRun]
    notes: Sequence[str] = ()

    @cached_property
    def arms(self) -> dict[Arm, list[ComparedRun]]:
        """Each arm's runs, damaged ones included."""
        found: dict[Arm, list[ComparedRun]] = {}
        for run in self.runs:
            found.setdefault(run.arm, []).append(run)
        return found

    @cached_property
    def order(self) -> dict[str, int]:
        """Each arm's place, which gives it its colour; the trials that tuned an arm share it."""
        return {name: place for place, name in enumerate(dict.fromkeys(arm.name for arm in self.arms))}

    @cached_property
    def statuses(self) -> dict[str, int]:
        """How many runs have which status, the good ones first."""
        given = [run.record.status for run in self.runs]
        return {status: given.count(status) for status in STATUSES if status in given}

    @property
    def lead(self) -> str:
        """196 runs (56 of them to tune) of 7 arms: 196 completed."""
        told = ", ".join(f"{number:,} {status}" for status, number in self.statuses.items())
        tuning = sum(run.arm.part == "tuning" for run in self.runs)
        tuned = f" ({tuning:,} of them to tune)" if tuning else ""
        return f"{count(len(self.runs), 'run')}{tuned} of {count(len(self.order), 'arm')}: {told}"

    @cached_property
    def factors(self) -> list[str]:
        """The settings that some run was told and that are not the same in all of them."""
        known = [run for run in self.runs if is_known(run.record)]
        told = dict.fromkeys(key for run in known for key in run.record.overrides if _is_factor(key))
        return [key for key in told if len({run.setting(key) for run in known}) > 1]


def compare(directories: Iterable[Path]) -> Comparison:
    """The runs below the directories.

    Raises:
        FileNotFoundError: when a directory is not there, or when none of them holds a run.
    """
    records = [(place, read(place)) for place in find(directories)]
    homes = list(dict.fromkeys(place.home for place, _ in records))
    names = _names(homes)
    runs, notes = [], []
    for home in homes:
        own = [(place, record) for place, record in records if place.home == home]
        named = _arm_names([entry for entry in own if not entry[0].arm])
        order, problem = _order(home, own)
        notes += [problem] if problem else []
        # The verdict trials first, then the tuning; sorting keeps the directories' order within an arm.
        own.sort(key=lambda entry: (entry[0].part == "tuning", order.get(entry[0].arm, 0)))
        for place, record in own:
            prefix = [names[home]] if len(homes) > 1 else []
            arm = place.arm or named[place.path]
            label = ": ".join([*prefix, *([arm] if arm else [])]) or names[home]
            runs.append(ComparedRun("/".join([*prefix, _inside(place)]), Arm(label, place.part), place, record))
    title = ", ".join(names[home] for home in homes[:3]) + (" …" if len(homes) > 3 else "")
    return Comparison(title, runs, notes)


def is_known(record: Record) -> bool:
    """Whether anything says how the run was configured."""
    return bool(record.overrides or record.settings)


def _is_factor(key: str) -> bool:
    return key not in NO_FACTORS and not key.startswith(("hydra", "study.", "search."))


def _names(homes: Sequence[Path]) -> dict[Path, str]:
    """The shortest ends of the paths that tell the homes apart."""
    for length in range(1, 9):
        names = {home: "/".join(home.resolve().parts[-length:]) for home in homes}
        if len(set(names.values())) == len(homes):
            return names
    return {home: str(home) for home in homes}


def _inside(place: Place) -> str:
    """The run's name: where it lies in its home."""
    parts = place.path.absolute().relative_to(place.home).parts or (place.path.resolve().name,)
    return "/".join(parts[1:] if parts[0] == "trials" else parts)


def _arm_names(own: Sequence[tuple[Place, Record]]) -> Mapping[Path, str]:
    """Names from what differs between the overrides of the runs of one home; empty when nothing does."""
    known = [record for _, record in own if is_known(record)]
    keys = dict.fromkeys(key for record in known for key in record.overrides if _is_factor(key))
    varied = [key for key in keys if len({record.overrides.get(key) for record in known}) > 1]
    names = {}
    for place, record in own:
        told = ",".join(f"{key}={record.overrides[key]}" for key in varied if key in record.overrides)
        names[place.path] = told or ("defaults" if varied else "") if is_known(record) else "unknown"
    return names


def _order(home: Path, own: Sequence[tuple[Place, Record]]) -> tuple[dict[str, int], str]:
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
        return {arm: place for place, arm in enumerate(sorted(folders, key=natural))}, " ".join(told.split())
    known = [arm for arm in study.arms if any(arm_of(folder, study) == arm for folder in folders)]
    return {arm: place for place, arm in enumerate(dict.fromkeys([*known, *folders]))}, ""
