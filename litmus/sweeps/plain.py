"""A plain multirun: every combination is run, whatever becomes of the others, and what failed is named at the end."""

import re
import shlex
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict

from litmus.legible import read_object
from litmus.sweeps.apart import run_apart
from litmus.sweeps.overrides import override
from litmus.trial.command_line import sentence
from litmus.words import count

# What the user need not read again of each job.
HIDDEN = ("hydra.", "hydra/")
# How configs/train.yaml names the jobs' directories, and what that gives.
NUMBERED, NUMBER = "${hydra.job.num}", re.compile(r"0|[1-9][0-9]*")


class Surviving(Launcher):
    """A launcher whose jobs may fail, or end their process, and keep no other job from running.

    Args:
        launcher: the one that was chosen.
        context, task, config: what it was set up with.

    Attributes:
        jobs: how many were launched.
        failed: number of a job → its overrides, its directory, its error.
    """

    def __init__(self, launcher: Launcher, context: HydraContext, task: TaskFunction, config: DictConfig) -> None:
        self.launcher, self.context, self.task, self.config = launcher, context, task, config
        self.jobs = 0
        self.failed: dict[int, tuple[list[str], Path, str]] = {}
        self.places: set[Path] = set()

    def setup(self, **given: Any) -> None:
        """Nothing: the chosen launcher is set up already."""

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Runs all jobs; those that failed are noted, and return nothing.

        Raises:
            ValueError: before any of them runs, if one would write over another.
        """
        numbers = range(initial_job_idx, initial_job_idx + len(job_overrides))
        left = {number: list(overrides) for number, overrides in zip(numbers, job_overrides, strict=True)}
        self._refuse_same_place(left)
        self.jobs += len(left)
        start, found, alone = time.time(), [], dict[int, list[str]]()
        while left:
            try:
                returned = self.launcher.launch(list(left.values()), initial_job_idx=min(left))
            except Exception:
                left, begun = self._lost(left, start)
                alone |= begun
                if not begun:  # it is no process's death that keeps them from being launched
                    alone, left = alone | left, {}
                left = {number: self._in_its_place(number, overrides) for number, overrides in left.items()}
                continue
            for number, one in zip(left, returned, strict=True):
                found.append(self._noted(number, left[number], one))
            break
        for number, overrides in alone.items():
            how = run_apart(self.context, self.task, self.config, overrides, number)
            if any(self._lost({number: overrides}, start)):
                self._note(number, overrides, how or "its process ended silently")
        return found

    def _refuse_same_place(self, jobs: dict[int, list[str]]) -> None:
        sweep: Any = OmegaConf.to_container(self.config.hydra.sweep, resolve=False)
        if any(own in sweep["subdir"] for own in ("${hydra.job.num}", "${hydra.job.id}")):
            return
        for number, overrides in jobs.items():
            place = self._place(number, overrides)
            if place in self.places:
                raise ValueError(
                    f"hydra.sweep.subdir={sweep['subdir']} gives several jobs the directory {place}, where each would "
                    "write over the one before; name all that varies in it, or leave it out, and jobs are numbered"
                )
            self.places.add(place)

    def _noted(self, number: int, overrides: list[str], one: JobReturn) -> JobReturn:
        if one.status == JobStatus.FAILED:
            self._note(number, overrides, sentence(one._return_value))
            one.status, one.return_value = JobStatus.COMPLETED, None
        return one

    def _note(self, number: int, overrides: list[str], error: str) -> None:
        # Last words of any kind, in a line that any terminal can show.
        shown = " ".join(error.encode("utf-8", "backslashreplace").decode().split())
        self.failed[number] = (overrides, self._place(number, overrides), shown)

    def _in_its_place(self, number: int, overrides: list[str]) -> list[str]:
        """Overrides that keep a job's directory where others are numbered anew."""
        place = self._place(number, overrides).relative_to(str(self.config.hydra.sweep.dir))
        return [*overrides, override("hydra.sweep.subdir", place.as_posix())]

    def _lost(self, jobs: dict[int, list[str]], start: float) -> tuple[dict[int, list[str]], dict[int, list[str]]]:
        """Of jobs that were launched together, those not begun and those that were begun and left no result."""
        waiting, begun = {}, {}
        for number, overrides in jobs.items():
            place = self._place(number, overrides)
            result = place / "result.json"
            if result.is_file() and result.stat().st_mtime >= start:
                found = read_object(result)
                if found.get("status") != "completed":
                    self._note(number, overrides, str(found.get("error")))
            elif (place / "trial.json").is_file() and (place / "trial.json").stat().st_mtime >= start:
                begun[number] = overrides
            else:
                waiting[number] = overrides
        return waiting, begun

    def _place(self, number: int, overrides: Sequence[str]) -> Path:
        config = self.context.config_loader.load_sweep_config(self.config, list(overrides))
        with open_dict(config):
            config.hydra.job.num = number
        return Path(str(config.hydra.sweep.dir)) / str(config.hydra.sweep.subdir)


def refuse_others(directory: Path, subdir: str, jobs: int) -> None:
    """Refuses a directory of a study or a search, and one in which jobs of a longer multirun would stay beside these.

    Args:
        directory: of the multirun.
        subdir: as it is typed; jobs whose directories have other names than their numbers are not looked for.
        jobs: how many there will be.

    Raises:
        ValueError: naming what is there, and the way out.
    """
    from litmus.sweeps.generation import found_in

    if there := found_in(directory):
        raise ValueError(f"{directory} holds {there}; take another hydra.sweep.dir for a multirun")
    if subdir != NUMBERED:
        return
    numbers = [int(path.parent.name) for path in directory.glob("*/trial.json") if NUMBER.fullmatch(path.parent.name)]
    if left := sorted(number for number in numbers if number >= jobs):
        raise ValueError(
            f"{directory} holds the run {left[0]} of another multirun, which would be taken for one of these "
            f"{count(jobs, 'job')}; take another hydra.sweep.dir, or remove it"
        )


def tell_failures(launcher: Surviving, directory: Path) -> None:
    """Names every job that failed, in a table, and says how to compare the others.

    Raises:
        ValueError: if there is one, or no job at all.
    """
    if not launcher.jobs:
        raise ValueError("no job was run: expected a value of each knob that varies, found a knob with none")
    if not launcher.failed:
        return
    rows = [("job", "overrides", "directory", "error")]
    for number, (overrides, place, error) in sorted(launcher.failed.items()):
        typed = " ".join(entry for entry in overrides if not entry.startswith(HIDDEN))
        rows.append((str(number), typed, str(place), error))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    print()
    for row in rows:
        print("  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]]), flush=True)
    raise ValueError(
        f"{len(launcher.failed)} of {launcher.jobs} jobs failed; python scripts/compare.py "
        f"{shlex.quote(str(directory))} shows all of them side by side"
    )
