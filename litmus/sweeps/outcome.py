"""What became of a trial, read from its directory."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from litmus.legible import read_object

# What running again would only repeat: a loss that is not finite comes back with the same seed.
FINAL = ("completed", "pruned", "diverged")


@dataclass(frozen=True)
class Outcome:
    """`state`: completed, pruned, diverged, failed, interrupted, running (begun, without a result) or waiting."""

    state: str
    error: str = ""
    result: Mapping[str, Any] = field(default_factory=dict)

    @property
    def final(self) -> bool:
        """Whether the trial need not run again."""
        return self.state in FINAL

    @property
    def lost(self) -> bool:
        """Whether the trial gave no value."""
        return self.state in ("failed", "diverged")


def outcome_of(directory: Path, asked: str) -> Outcome:
    """The outcome of a trial that was asked for by this hash; one of another counts as waiting."""
    result = read_object(directory / "result.json")
    if result.get("asked_hash") != asked:
        begun = not result and read_object(directory / "trial.json").get("asked_hash") == asked
        return Outcome("running" if begun else "waiting")
    status, error = str(result.get("status")), " ".join(str(result.get("error") or "").split())
    if status == "failed" and error.startswith("FloatingPointError"):
        status = "diverged"
    return Outcome(status, error, result)
