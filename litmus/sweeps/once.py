"""A trial of a sweep, in its own directory: run once, gone on with when it was cut; and what became of it."""

import os
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from litmus.atomic import write_json
from litmus.legible import read_object
from litmus.sweeps.lock import claimed
from litmus.trial.command_line import sentence
from litmus.trial.description import resolved
from litmus.trial.going_on import CannotGoOnError
from litmus.trial.identity import SPEAKING, asked_hash
from litmus.trial.place import clear
from litmus.trial.ranks import follows

# For the first of several processes to begin a trial.
PATIENCE_SECONDS = 600.0


def once(config: DictConfig, trial: Callable[[bool], float | None]) -> None:
    """Calls `trial(resume)` unless its directory already holds the result of this configuration.

    A checkpoint of the same configuration is gone on with, what another one left is removed. A failure is recorded in
    result.json and ends only this trial.
    """
    directory, asked = Path(config.output_dir), asked_hash(resolved(config))
    if follows(config.trainer):
        follow(directory, asked, trial)
        return
    with claimed(directory):
        if outcome_of(directory, asked).final:
            return
        begun, known = directory / "trial.json", read_object(directory / "trial.json")
        resume = known.get("asked_hash") == asked
        if not resume:
            clear(directory)
        (directory / "result.json").unlink(missing_ok=True)
        own = {"asked_hash": asked, "pid": os.getpid()}
        write_json(begun, {**own, "attempts": 1 + (attempts(known) if resume else 0)})
        try:
            try:
                trial(resume)
            except CannotGoOnError:  # begun on another kind of machine, or with other threads: none of it is this one's
                clear(directory)
                write_json(begun, {**own, "attempts": 1})
                trial(False)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            if os.environ.get("LITMUS_FULL_ERROR") == "1":
                traceback.print_exc()
            if not (directory / "result.json").exists():
                fail(directory, asked, sentence(error))
        finally:
            # Only a process that dies leaves its attempt counted.
            write_json(begun, {**own, "attempts": 0})


def attempts(begun: Mapping[str, Any]) -> int:
    """How often a trial was begun in a process that died of it, from its trial.json."""
    found = begun.get("attempts", 0)
    return found if isinstance(found, int) else 0


def follow(directory: Path, asked: str, trial: Callable[[bool], float | None]) -> None:
    """Takes part in a trial of several processes once the first of them, which owns the directory, has begun it.

    Raises:
        ValueError: if it does not begin in time.
    """
    start = time.monotonic()
    while read_object(directory / "trial.json").get("asked_hash") != asked:
        if time.monotonic() - start > PATIENCE_SECONDS:
            raise ValueError(
                f"{directory}: expected the first of this trial's processes to begin it within {PATIENCE_SECONDS:g} s, "
                "found no trial.json of it; start all of its processes, or unset RANK, LOCAL_RANK and SLURM_PROCID"
            )
        time.sleep(0.1)
    if not outcome_of(directory, asked).final:
        trial(True)  # from a checkpoint, if the first process has left one


def silent(config: DictConfig) -> DictConfig:
    """The configuration without the callbacks that speak to somebody who watches one run."""
    changed = config.copy()
    kept = {name: entry for name, entry in (config.callbacks or {}).items() if name not in SPEAKING}
    OmegaConf.update(changed, "callbacks", kept, merge=False)
    return changed


def fail(directory: Path, asked: str, error: str, **more: object) -> None:
    """Writes down a trial that failed before it could do so itself."""
    write_json(directory / "result.json", {"status": "failed", "error": error, "asked_hash": asked, **more})


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
