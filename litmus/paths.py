"""Paths as they were typed: ~ is the home directory, and a relative one begins where the command was typed."""

import sys
from contextlib import suppress
from pathlib import Path


def typed_directory() -> Path:
    """Where the command was typed: with hydra.job.chdir=true a job works elsewhere."""
    hydra = sys.modules.get("hydra.core.hydra_config")  # which takes a while to import, and no script has a job of it
    if hydra is not None and hydra.HydraConfig.initialized() and hydra.HydraConfig.get().job.chdir:
        return Path(hydra.HydraConfig.get().runtime.cwd)
    return Path()


def typed_path(text: str | Path) -> Path:
    """The path that a user meant; what begins with ~ and names nobody's home stays as it is."""
    path = Path(text)
    with suppress(RuntimeError):
        path = path.expanduser()
    return typed_directory() / path
