"""W&B without asking it anything: whether there is a key for its server, and runs that were kept offline."""

import netrc
import os
import shlex
from pathlib import Path
from urllib.parse import urlparse

from litmus.words import count

# Who a run is at W&B, kept beside its result.
IDENTITY = "wandb.json"


def offline_run(trial: Path) -> Path | None:
    """The directory of a trial's latest run if that is offline."""
    found = [path for path in trial.glob("wandb/*run-*") if any(path.glob("*.wandb"))]
    latest = max(found, key=lambda path: path.name.removeprefix("offline-"), default=None)
    return latest if latest is not None and latest.name.startswith("offline-") else None


def is_synced(run: Path) -> bool:
    """Whether `wandb sync` has uploaded it."""
    return any(run.glob("*.wandb.synced"))


def told_of_run(trial: Path) -> str:
    """Where a trial's offline run is and what uploads it; empty where there is none."""
    run = offline_run(trial)
    return "" if run is None or is_synced(run) else f"offline W&B run: wandb sync {_typed(run)} uploads it"


def told_of_sweep(directory: Path) -> str:
    """How many offline runs are below a directory and what uploads them; empty where there are none."""
    runs = [offline_run(path.parent) for path in directory.rglob(IDENTITY)]
    left = sum(run is not None and not is_synced(run) for run in runs)
    if not left:
        return ""
    where = _typed(directory)
    return f"{count(left, 'offline W&B run')} in {where}: python scripts/wandb_views.py {where} --sync uploads them"


def _typed(path: Path) -> str:
    return shlex.quote(os.path.relpath(path))


SERVER = "https://api.wandb.ai"


def server() -> str:
    """The address of the W&B server in use."""
    return os.environ.get("WANDB_BASE_URL", SERVER).rstrip("/")


def find_key() -> str | None:
    """The key for the server in use, from WANDB_API_KEY or from `wandb login` (which writes ~/.netrc)."""
    if os.environ.get("WANDB_API_KEY"):
        return os.environ["WANDB_API_KEY"]
    try:
        found = netrc.netrc(os.environ.get("NETRC")).authenticators(urlparse(server()).hostname or "")
    except (OSError, netrc.NetrcParseError):
        return None
    return None if found is None else found[2]


def has_key() -> bool:
    """Whether there is a key for the server in use."""
    return find_key() is not None
