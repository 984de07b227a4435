"""A sweep's directory: what is in it already, of another sweep or an earlier version, is left alone."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from litmus.atomic import naming
from litmus.claims.study_file import COMMAND
from litmus.legible import read_object
from litmus.sweeps.lock import LOCK, held
from litmus.sweeps.snapshot import SNAPSHOTS
from litmus.trial.identity import HASHES, asked_hash

PARTS = ("trials", "tuning")
# The file by which a directory is one of a search, as COMMAND is of a study.
SEARCH = "search.json"


@contextmanager
def occupied(directory: Path) -> Iterator[None]:
    """Holds a sweep's directory; a sweep that is refused before its question was noted there leaves nothing behind.

    Raises:
        ValueError: if another process holds it.
    """
    made = [place for place in (directory, *directory.parents) if not place.exists()]
    snapshots, lock = directory / SNAPSHOTS, directory / LOCK
    brought = [path for path in (snapshots, lock) if not path.exists()]
    noted = _noted(directory)
    try:
        with naming(directory), held(directory):
            try:
                yield
            except ValueError:
                if _noted(directory) == noted:
                    if snapshots in brought:
                        shutil.rmtree(snapshots, ignore_errors=True)
                    if lock in brought:  # while it is held: who waits for it finds that it is gone, and makes another
                        lock.unlink(missing_ok=True)
                raise
    except ValueError:
        with suppress(OSError):  # from the first on that holds anything
            for place in made:
                place.rmdir()
        raise


def _noted(directory: Path) -> list[int]:
    """When the directory's notes were written."""
    return [path.stat().st_mtime_ns for path in (directory / COMMAND, directory / SEARCH) if path.is_file()]


def refuse_other(directory: Path, study: str = "") -> None:
    """Refuses a directory of another sweep, whose question and verdicts this one would write over.

    Args:
        directory: of the sweep.
        study: the name of the study that is asked; none of a search.

    Raises:
        ValueError: naming both, and the way out.
    """
    there = found_in(directory, study)
    own = f"the study {study}" if study else "a search"
    if there not in ("", own):
        raise ValueError(f"{directory} holds {there}; take another hydra.sweep.dir for {own}")


def found_in(directory: Path, study: str = "") -> str:
    """Whose directory it is in words, "a search" or "the study NAME"; nothing where it is of neither.

    Args:
        directory: of the sweep.
        study: the name of one that was killed before it had noted it.
    """
    known = read_object(directory / COMMAND).get("study")
    if (directory / SEARCH).is_file():
        return "a search"
    if known or (directory / "study.yaml").is_file():
        return f"the study {known or study}".strip()
    return ""


def refuse_earlier(directory: Path, note: str) -> None:
    """Refuses to go on in a directory whose trials would all look like another configuration's.

    Args:
        directory: of the sweep.
        note: the file in it that says with which `hashes` it was begun.

    Raises:
        ValueError: naming the way out.
    """
    stored = read_object(directory / note)
    if stored.get("hashes") == HASHES:
        return
    elsewhere = f"take another directory, as in hydra.sweep.dir={directory}-again; what is here stays as it is"
    if stored:
        raise ValueError(
            f"{directory} holds trials of an earlier version, whose hashes do not tell whether they are the same as "
            f"these: {elsewhere}"
        )
    if any((directory / part).is_dir() for part in PARTS) and not vouched_for(directory):
        found = "one that cannot be read" if (directory / note).exists() else "none"
        raise ValueError(
            f"{directory / note}: expected the note of the version that began these trials, found {found}, and no "
            f"finished trial tells that it was this one: put a copy back, or {elsewhere}"
        )


def vouched_for(directory: Path) -> bool:
    """Whether a trial's hash is the one that its configuration has today, so that the lost note can be written anew."""
    results = (read_object(path) for part in PARTS for path in (directory / part).rglob("result.json"))
    known = (one for one in results if isinstance(one.get("config"), dict))
    return any(one.get("asked_hash") == asked_hash(one["config"]) for one in known)
