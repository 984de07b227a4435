"""One process at a time in a directory; the system frees what a dead process held, `kill -9` included."""

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

import psutil
from filelock import BaseFileLock, FileLock, Timeout

from litmus.legible import read_object

# A killed process's own children may hold its lock until they notice that it is gone.
GRACE_SECONDS = 10.0
FOREVER = -1.0
LOCK, NOTE = ".lock", "lock.json"


@contextmanager
def held(directory: Path) -> Iterator[None]:
    """Holds the directory for this process, and says so in lock.json.

    Raises:
        ValueError: if another process holds it, naming it, or if nothing can be written there.
    """
    note = directory / NOTE
    lock = _taken(directory, 0.0) or _taken(directory, GRACE_SECONDS if _holder_is_dead(note) else 0.0)
    if lock is None:
        raise ValueError(
            f"{directory} is held by {_holder(note)}; wait for it, or end it and run the same command again"
        )
    with _noted(lock, note):
        yield


@contextmanager
def claimed(directory: Path) -> Iterator[None]:
    """Waits until no other process works in a trial's directory, as a worker does whose sweep was killed."""
    lock = _taken(directory, FOREVER)
    assert lock is not None
    with _noted(lock, directory / NOTE):
        yield


def _taken(directory: Path, timeout: float) -> BaseFileLock | None:
    """The directory's lock, None where another process keeps it for longer than so many seconds."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock: BaseFileLock = FileLock(directory / LOCK)
        lock.acquire(timeout=timeout)
    except Timeout:
        return None
    except OSError as problem:
        raise _unlockable(directory, problem) from problem
    return lock


@contextmanager
def _noted(lock: BaseFileLock, note: Path) -> Iterator[None]:
    now = datetime.now().isoformat(sep=" ", timespec="seconds")
    try:
        with suppress(OSError):  # a full disk: nobody learns who holds it, and it is held all the same
            # Not worth waiting for the disk: whoever reads a part of it, or nothing, says so.
            note.write_text(json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": now}))
        yield
    finally:
        with suppress(OSError):
            note.unlink(missing_ok=True)
        lock.release()


def _unlockable(directory: Path, problem: OSError) -> ValueError:
    reason = problem.strerror or str(problem)
    return ValueError(
        f"{directory}: expected a directory that can be written to and locked, found: {reason}; take another one, on a "
        "disk of this machine if this one is not"
    )


def _holder(note: Path) -> str:
    found = read_object(note)
    if not {"pid", "host", "since"} <= found.keys():
        return "another process that is just starting"
    return f"process {found['pid']} on {found['host']} since {found['since']}"


def _holder_is_dead(note: Path) -> bool:
    found = read_object(note)
    here = found.get("host") == socket.gethostname() and isinstance(found.get("pid"), int)
    return here and not psutil.pid_exists(found["pid"])
