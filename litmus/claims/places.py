"""Where the parts of a study lie, and the names that its directories bear."""

from pathlib import Path
from urllib.parse import quote


def file_safe(name: str) -> str:
    """The name as a directory's: signs that a file system or a glob would read otherwise are written as %2F is."""
    quoted = quote(name, safe="=,+")
    return f"%2E{quoted[1:]}" if quoted.startswith(".") else quoted


def trial_place(arm: str, seed: int) -> Path:
    """The directory of a trial, from the study's."""
    return Path("trials") / file_safe(arm) / f"seed={seed}"


def tuning_place(arm: str) -> Path:
    """The directory of an arm's tuning, from the study's."""
    return Path("tuning") / file_safe(arm)
