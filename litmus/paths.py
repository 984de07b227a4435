"""Paths as they were typed: ~ is the home directory, and a relative one begins where the command was typed."""

from contextlib import suppress
from pathlib import Path

from hydra.core.hydra_config import HydraConfig


def typed_directory() -> Path:
    """Where the command was typed: with hydra.job.chdir=true a job works elsewhere."""
    if HydraConfig.initialized() and HydraConfig.get().job.chdir:
        return Path(HydraConfig.get().runtime.cwd)
    return Path()


def typed_path(text: str | Path) -> Path:
    """The path that a user meant; what begins with ~ and names nobody's home stays as it is."""
    path = Path(text)
    with suppress(RuntimeError):
        path = path.expanduser()
    return typed_directory() / path
