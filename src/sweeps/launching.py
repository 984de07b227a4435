"""Jobs through whichever launcher was chosen; one that cannot start is a failed trial, not the end of the sweep."""

import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.plugins import Plugins
from hydra.types import TaskFunction
from omegaconf import DictConfig, OmegaConf

from src.sweeps.composition import Composition, hold
from src.sweeps.data import prepare_data
from src.sweeps.once import fail
from src.sweeps.outcome import Outcome, outcome_of
from src.sweeps.overrides import override
from src.sweeps.workers import at_once, cores, kind_of, threads_each
from src.trial.command_line import sentence


@dataclass(frozen=True)
class Job:
    """One run: its directory under the sweep's, its overrides, and the hash of what it is asked."""

    place: Path
    overrides: tuple[str, ...]
    asked_hash: str


class Launching:
    """Runs jobs of one sweep by Hydra's launcher.

    Args:
        composition: composes them, here and in the workers.
        task: what a job runs.
        directory: of the sweep.
        configs: of all jobs, as far as their data go.
    """

    def __init__(
        self, composition: Composition, task: TaskFunction, directory: Path, configs: Sequence[DictConfig]
    ) -> None:
        self.directory, self.configs = directory, configs
        self.settings: Mapping[str, Any] = composition.master.hydra.launcher
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=composition.context, task_function=task, config=composition.master
        )
        self.started = 0
        threads = threads_each(self.settings) if composition.master.threads is None else None
        self.common = [] if threads is None else [f"threads={threads}"]
        if kind_of(self.settings) != "basic":
            # A worker finds the project whatever directory it is started in.
            root = str(Path(__file__).parents[2])
            known = os.environ.get("PYTHONPATH", "").split(os.pathsep)
            os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys([root, *filter(None, known)]))

    @property
    def width(self) -> int:
        """Jobs that run side by side."""
        return at_once(self.settings)

    def outcome(self, job: Job) -> Outcome:
        """What became of a job."""
        return outcome_of(self.directory / job.place, job.asked_hash)

    def to_run(self, jobs: Iterable[Job]) -> list[Job]:
        """The jobs without a final result; what they failed with before is forgotten."""
        left = [job for job in jobs if not self.outcome(job).final]
        for job in left:
            (self.directory / job.place / "result.json").unlink(missing_ok=True)
        return left

    def run(self, jobs: Sequence[Job]) -> None:
        """Runs the jobs; afterwards each has a result.json."""
        if jobs and self.started == 0 and self.width > 1:
            prepare_data(self.configs, min(self.width, cores()))
        for batch in self._batches(jobs):
            left = batch
            while left:
                problem = self._launch(left)
                without_result = [job for job in left if self.outcome(job).state in ("running", "waiting")]
                if len(without_result) == len(left):
                    for job in left:
                        fail(self.directory / job.place, job.asked_hash, problem.get(job, "its process ended silently"))
                    break
                left = without_result  # a worker that died took its neighbours' jobs along: they get another chance

    def _batches(self, jobs: Sequence[Job]) -> Iterator[list[Job]]:
        # submitit's local executor starts a process for every job at once.
        size = self.width if kind_of(self.settings) == "local" else max(1, len(jobs))
        for start in range(0, len(jobs), size):
            yield list(jobs[start : start + size])

    def _launch(self, jobs: Sequence[Job]) -> dict[Job, str]:
        """Launches the jobs; why those that Hydra could not start did not."""
        overrides = [
            [*job.overrides, *self.common, override("hydra.sweep.subdir", job.place.as_posix())] for job in jobs
        ]
        first, self.started = self.started, self.started + len(jobs)
        try:
            returned = self.launcher.launch(overrides, initial_job_idx=first)
        except Exception as error:
            return dict.fromkeys(jobs, f"its process ended: {sentence(error)}")
        errors = (getattr(one, "_return_value", None) for one in returned)
        return {
            job: sentence(error) for job, error in zip(jobs, errors, strict=False) if isinstance(error, BaseException)
        }


def keep_place(config: DictConfig, default: str | None, suffix: str = "") -> Path:
    """The sweep's directory: as typed, else `default`, else the new one that the configuration names; for every job."""
    typed = any(entry.startswith("hydra.sweep.dir=") for entry in config.hydra.overrides.hydra)
    directory = str(config.hydra.sweep.dir) if typed or default is None else default
    directory = directory.rstrip("/") + suffix
    hold(config, "hydra.sweep.dir", directory)
    # The launchers would name every job on the terminal, where the sweep shows them in one table.
    logging.getLogger("hydra_plugins").setLevel(logging.WARNING)
    OmegaConf.update(config, "hydra.hydra_logging.root.level", "WARNING", force_add=True)
    return Path(directory)
