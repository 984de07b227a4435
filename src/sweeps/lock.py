"""One process at a time in a directory; the system frees what a dead process held, `kill -9` included."""

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

import psutil
from filelock import FileLock, Timeout

from src.atomic import write_json

# A killed process's own children may hold its lock until they notice that it is gone.
GRACE_SECONDS = 10.0


@contextmanager
def held(directory: Path) -> Iterator[None]:
    """Holds the directory for this process, and says so in lock.json.

    Raises:
        ValueError: if another process holds it, naming it.
    """
    directory.mkdir(parents=True, exist_ok=True)
    lock, note = FileLock(directory / ".lock"), directory / "lock.json"
    try:
        lock.acquire(timeout=0)
    except Timeout:
        try:
            lock.acquire(timeout=GRACE_SECONDS if _holder_is_dead(note) else 0)
        except Timeout:
            raise ValueError(
                f"{directory} is held by {_holder(note)}; wait for it, or end it and run the same command again"
            ) from None
    try:
        now = datetime.now().isoformat(sep=" ", timespec="seconds")
        write_json(note, {"pid": os.getpid(), "host": socket.gethostname(), "since": now})
        yield
    finally:
        note.unlink(missing_ok=True)
        lock.release()


@contextmanager
def claimed(directory: Path) -> Iterator[None]:
    """Waits until no other process works in a trial's directory, as a worker does whose sweep was killed."""
    directory.mkdir(parents=True, exist_ok=True)
    with FileLock(directory / ".lock"):
        yield


def _read(note: Path) -> dict[str, object]:
    with suppress(OSError, ValueError):
        return dict(json.loads(note.read_text()))
    return {}


def _holder(note: Path) -> str:
    found = _read(note)
    if not found:
        return "another process that is just starting"
    return f"process {found['pid']} on {found['host']} since {found['since']}"


def _holder_is_dead(note: Path) -> bool:
    found = _read(note)
    return found.get("host") == socket.gethostname() and not psutil.pid_exists(int(str(found["pid"])))
