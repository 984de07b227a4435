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
from src.trial.description import describe
from src.trial.place import clear

SPEAKING = ("progress", "summary")


def once(config: DictConfig, trial: Callable[[bool], float | None]) -> None:
    """Calls `trial(resume)` unless its directory already holds the result of this configuration.

    A checkpoint of the same configuration is gone on with, what another one left is removed. A failure is recorded in
    result.json and ends only this trial.
    """
    directory, config_hash = Path(config.output_dir), str(describe(config, [])["config_hash"])
    if int(os.environ.get("LOCAL_RANK") or os.environ.get("SLURM_PROCID") or 0):
        follow(directory, config_hash, trial)
        return
    with claimed(directory):
        if outcome_of(directory, config_hash).final:
            return
        begun = directory / "trial.json"
        resume = read_json(begun).get("config_hash") == config_hash
        if not resume:
            clear(directory)
        (directory / "result.json").unlink(missing_ok=True)
        write_json(begun, {"config_hash": config_hash, "pid": os.getpid()})
        try:
            trial(resume)
        except Exception as error:
            if os.environ.get("LITMUS_FULL_ERROR") == "1":
                traceback.print_exc()
            if not (directory / "result.json").exists():
                fail(directory, config_hash, sentence(error))


def follow(directory: Path, config_hash: str, trial: Callable[[bool], float | None]) -> None:
    """Takes part in a trial of several processes once the first of them, which owns the directory, has begun it."""
    while read_json(directory / "trial.json").get("config_hash") != config_hash:
        time.sleep(0.1)
    if not outcome_of(directory, config_hash).final:
        trial(True)  # from a checkpoint, if the first process has left one


def silent(config: DictConfig) -> DictConfig:
    """The configuration without the callbacks that speak to somebody who watches one run."""
    changed = config.copy()
    kept = {name: entry for name, entry in (config.callbacks or {}).items() if name not in SPEAKING}
    OmegaConf.update(changed, "callbacks", kept, merge=False)
    return changed


def fail(directory: Path, config_hash: str, error: str, **more: object) -> None:
    """Writes down a trial that failed before it could do so itself."""
    write_json(directory / "result.json", {"status": "failed", "error": error, "config_hash": config_hash, **more})
