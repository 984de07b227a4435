"""Files that are either whole or not there."""

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


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path that becomes `path` if the block ends well and vanishes if not: nobody reads a part.

    The name is the process's own: several may write the same file at once, and the last whole one stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in path.parent.glob(f".{path.name}.*.part"):
        with suppress(FileNotFoundError):  # another process may sweep it up first
            if time.time() - left.stat().st_mtime > ABANDONED_SECONDS:
                left.unlink()
    part = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.part")
    try:
        yield part
        # Without this a power loss can leave the new name on an empty file.
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


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
