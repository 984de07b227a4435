"""Where runs lie below a directory, and where one ought to lie and does not."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from litmus.claims.notation import listing
from litmus.claims.study import Study
from litmus.claims.study_file import file_safe
from litmus.legible import legible

MARKS = ("result.json", "metrics.csv", ".hydra", "trial.json")
SLOT = re.compile(r"^(seed=-?\d+|trial=\d+|\d+)$")
NO_RUNS = ("figures", "checkpoints", "wandb", "tensorboard", "board", "lightning_logs")
PARTS = {"trials": "trial", "tuning": "tuning"}


@dataclass(frozen=True)
class Place:
    """A directory that holds a run, or ought to: then `reason` says in a sentence what it holds instead.

    `home` is the study's directory, the multirun's, or the one that was asked for; `part` is `trial` or `tuning` in a
    study and `run` elsewhere; `arm` is the name that the study's folders give, empty elsewhere.
    """

    path: Path
    home: Path
    part: str = "run"
    arm: str = ""
    reason: str = ""


def find(directories: Iterable[Path]) -> list[Place]:
    """Every place of a run below the directories, each once, in the order of their names.

    Raises:
        FileNotFoundError: when a directory is not there, or when none of them holds a run.
    """
    directories = list(directories)
    seen: set[Path] = set()
    found: list[Place] = []
    for directory in directories:
        if not directory.is_dir():
            there = "a file" if directory.exists() else "nothing"
            raise FileNotFoundError(f"{directory}: expected a directory with runs in it, found {there}")
        found += [_placed(path, directory, reason) for path, reason in _walk(directory, seen) or ()]
    if all(place.reason for place in found):
        also = f"; {found[0].path}: {found[0].reason}" if found else ""
        raise FileNotFoundError(
            f"{listing(directories)}: expected runs (directories with result.json, metrics.csv or .hydra in them), "
            f"found none{also}"
        )
    return found


def natural(name: str) -> list[tuple[int, str]]:
    """A key that sorts seed=10 after seed=9."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


def _walk(directory: Path, seen: set[Path]) -> list[tuple[Path, str]] | None:
    """(directory, reason) of all runs at or below; None for a directory that was seen before, by another path."""
    real = directory.resolve()
    if real in seen:
        return None
    seen.add(real)
    try:
        entries = sorted(directory.iterdir(), key=lambda entry: natural(entry.name))
        if {entry.name for entry in entries} & {*MARKS}:
            return [(directory, "")]
        if not entries:
            return [(directory, "the directory is empty")]
        shown = [entry for entry in entries if entry.name[0] != "." and entry.name not in NO_RUNS]
        below = {entry: _walk(entry, seen) for entry in shown if entry.is_dir()}
    except OSError as problem:
        return [(directory, f"the directory cannot be opened: {problem.strerror}")]
    among = any((entry, "") in (found or ()) for entry, found in below.items())
    collected: list[tuple[Path, str]] = []
    for entry in shown:
        # What is named like a job, or stands among runs, is expected to be one.
        expected = bool(SLOT.match(entry.name)) and (among or "=" in entry.name)
        if entry not in below:
            collected += [(entry, "a file where a run's directory should be")] if expected else []
        elif below[entry] == [] and (among or expected):
            collected += [(entry, f"the directory holds none of {listing(MARKS)}")]
        else:
            collected += below[entry] or []
    return collected


def _placed(path: Path, asked: Path, reason: str) -> Place:
    """The place, once its study or its multirun is known."""
    # Not resolved: a link keeps the name that it was given.
    absolute = path.absolute()
    for home in absolute.parents[:5]:
        inside: Sequence[str] = absolute.relative_to(home).parts
        if len(inside) > 2 and inside[0] in PARTS and (home / "study.yaml").is_file():
            return Place(path, home, PARTS[inside[0]], legible(unquote(inside[1])), reason)
    job_of_a_sweep = path.name.isdigit() and path != asked
    return Place(path, absolute.parent if job_of_a_sweep else asked.absolute(), reason=reason)


SEED = re.compile(r"^seed=(-?\d+)$")


def folders(root: Path) -> list[Path]:
    """The directories inside a directory, sorted; none when it does not exist."""
    return sorted(path for path in root.iterdir() if path.is_dir()) if root.is_dir() else []


def arm_of(name: str, study: Study) -> str | None:
    """The arm whose trials lie in a directory of this name."""
    found = next((arm for arm in study.arms if arm in (name, legible(unquote(name)))), None)
    if found is not None:
        return found
    shortened = {arm: file_safe(arm) for arm in study.arms}
    return next((arm for arm, place in shortened.items() if name in (place, legible(unquote(place)))), None)
