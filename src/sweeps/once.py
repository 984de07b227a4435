"""A trial of a sweep, in its own directory: run once, gone on with when it was cut, never twice at the same time."""

import os
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from src.atomic import write_json
from src.sweeps.lock import claimed
from src.sweeps.outcome import outcome_of, read_json
from src.trial.command_line import sentence
from src.trial.description import resolved
from src.trial.identity import asked_hash
from src.trial.place import clear

SPEAKING = ("progress", "summary")


def once(config: DictConfig, trial: Callable[[bool], float | None]) -> None:
    """Calls `trial(resume)` unless its directory already holds the result of this configuration.

    A checkpoint of the same configuration is gone on with, what another one left is removed. A failure is recorded in
    result.json and ends only this trial.
    """
    directory, asked = Path(config.output_dir), asked_hash(resolved(config))
    if int(os.environ.get("LOCAL_RANK") or os.environ.get("SLURM_PROCID") or 0):
        follow(directory, asked, trial)
        return
    with claimed(directory):
        if outcome_of(directory, asked).final:
            return
        begun = directory / "trial.json"
        resume = read_json(begun).get("asked_hash") == asked
        if not resume:
            clear(directory)
        (directory / "result.json").unlink(missing_ok=True)
        write_json(begun, {"asked_hash": asked, "pid": os.getpid()})
        try:
            trial(resume)
        except Exception as error:
            if os.environ.get("LITMUS_FULL_ERROR") == "1":
                traceback.print_exc()
            if not (directory / "result.json").exists():
                fail(directory, asked, sentence(error))


def follow(directory: Path, asked: str, trial: Callable[[bool], float | None]) -> None:
    """Takes part in a trial of several processes once the first of them, which owns the directory, has begun it."""
    while read_json(directory / "trial.json").get("asked_hash") != asked:
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
