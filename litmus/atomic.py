"""Files that are either whole or not there."""

import errno
import json
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

# An unfinished file that nobody has written to for so long was left by a process that is gone.
ABANDONED_SECONDS = 3600
# A full disk, a full share of one, and one that may only be read.
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path that becomes `path` if the block ends well and vanishes if not: nobody reads a part.

    The name is the process's own: several may write the same file at once, and the last whole one stays.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.part")
    with naming(path, part):
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep_up(path)
        try:
            yield part
            # Without this a power loss can leave the new name on an empty file.
            with part.open("rb+") as file:
                os.fsync(file.fileno())
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)


@contextmanager
def naming(path: Path, part: Path | None = None) -> Iterator[None]:
    """Lets the system's error tell which file it is about: of a full disk it names none, else the temporary one."""
    try:
        yield
    except OSError as problem:
        unnamed = problem.filename is None and problem.errno in NO_ROOM
        temporary = part is not None and problem.filename2 is None and str(problem.filename) == str(part)
        if unnamed or temporary:
            problem.filename = str(path)
        raise


def _sweep_up(path: Path) -> None:
    for left in path.parent.glob(f".{path.name}.*.part"):
        with suppress(FileNotFoundError):  # another process may sweep it up first
            if time.time() - left.stat().st_mtime > ABANDONED_SECONDS:
                left.unlink()


def write_json(path: Path, content: dict[str, Any] | list[Any]) -> None:
    """Writes `content` as indented JSON, whole or not at all; numbers that JSON lacks become null."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(_without_nan(content), indent=2, default=str) + "\n")


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(entry) for entry in value]
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    return value
