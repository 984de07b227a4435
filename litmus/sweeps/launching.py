"""Jobs through whichever launcher was chosen; one that cannot start is a failed trial, not the end of the sweep."""

import json
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.plugins import Plugins
from hydra.types import TaskFunction
from omegaconf import DictConfig, OmegaConf

from litmus.legible import read_object
from litmus.project import put_on_path
from litmus.sweeps.apart import run_apart
from litmus.sweeps.composition import Composition, holding, resolved
from litmus.sweeps.metrics import refuse_unrecorded
from litmus.sweeps.once import Outcome, attempts, fail, outcome_of
from litmus.sweeps.overrides import override
from litmus.sweeps.packs import MOST, Packing, gathered
from litmus.sweeps.workers import at_once, cores, kind_of
from litmus.trial.command_line import sentence


@dataclass(frozen=True)
class Job:
    """One run: its directory under the sweep's, its overrides, and the hash of what it is asked.

    Trials of the same `kin` may go into one pack; None is alone.
    """

    place: Path
    overrides: tuple[str, ...]
    asked_hash: str
    kin: str | None = None


class Launching:
    """Runs jobs of one sweep by Hydra's launcher.

    Args:
        composition: composes them, here and in the workers.
        task: what a job runs.
        directory: of the sweep.
        configs: of all jobs, as far as their data go.
        asked: metric → the key that asks for it, of those that not every run records.
    """

    def __init__(
        self,
        composition: Composition,
        task: TaskFunction,
        directory: Path,
        configs: Sequence[DictConfig],
        asked: Mapping[str, str] | None = None,
    ) -> None:
        self.asked = asked or {}
        self.directory, self.configs = directory, configs
        self.settings: Mapping[str, Any] = composition.master.hydra.launcher
        self.packing = Packing(composition.context, task, composition.master)
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=composition.context, task_function=self.packing, config=composition.master
        )
        self.started = 0
        self._given = (composition.context, task, composition.master)
        if kind_of(self.settings) != "basic":
            put_on_path()  # a worker finds the project whatever directory it is started in

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
            prepare_data(self.configs, min(self.width, cores()) if kind_of(self.settings) == "joblib" else 0)
        while jobs and self.asked:  # one trial tells whether the others are worth their time
            self._run_batch(jobs[:1])
            refuse_unrecorded(self.asked, self.directory / jobs[0].place)
            self.asked = {} if self.outcome(jobs[0]).state == "completed" else self.asked
            jobs = jobs[1:]
        for batch in self._batches(jobs):
            self._run_batch(batch)

    def _run_batch(self, batch: Sequence[Job]) -> None:
        """Runs jobs side by side; those of which one may have ended a process run once more, each alone."""
        suspects = [job for job in batch if attempts(read_object(self.directory / job.place / "trial.json")) > 1]
        left = [job for job in batch if job not in suspects]
        while left:
            problem = self._launch(left)
            lost = [job for job in left if self.outcome(job).state in ("running", "waiting")]
            begun = [job for job in lost if self.outcome(job).state == "running"]
            if lost and not begun and len(left) == 1:
                self._convict(left[0], problem.get(left[0], ""))
            elif lost and not begun:  # one that cannot be launched keeps the others from it
                for job in lost:
                    self._run_batch([job])
                return
            suspects += begun
            left = [job for job in lost if job not in begun] if begun else []
        for job in suspects:
            self._run_alone(job)

    def _run_alone(self, job: Job) -> None:
        if kind_of(self.settings) in ("local", "slurm"):  # each of their jobs has a process of its own
            problem = self._launch([job]).get(job, "")
        else:
            problem = run_apart(*self._given, self._typed(job), self.started)
        if self.outcome(job).state in ("running", "waiting"):
            self._convict(job, problem)

    def _convict(self, job: Job, problem: str) -> None:
        fail(self.directory / job.place, job.asked_hash, problem or "its process ended silently")

    def _batches(self, jobs: Sequence[Job]) -> Iterator[list[Job]]:
        # submitit's local executor starts a process for every job at once.
        size = self.width if kind_of(self.settings) == "local" else max(1, len(jobs))
        for start in range(0, len(jobs), size):
            yield list(jobs[start : start + size])

    def _launch(self, jobs: Sequence[Job]) -> dict[Job, str]:
        """Launches the jobs; why those that Hydra could not start did not."""
        packs = [[jobs[place] for place in pack] for pack in gathered([job.kin for job in jobs], self._most(len(jobs)))]
        if hasattr(self.launcher, "trials_per_job"):  # what it counts are packs here: as many jobs as trials would make
            each = int(self.settings.get("trials_per_job") or 1)
            self.launcher.trials_per_job = -(-len(packs) // -(-len(jobs) // each))
        first, self.started = self.started, self.started + len(jobs)
        number = first + len(packs)
        self.packing.others = {}
        for one, *others in packs:
            self.packing.others[one.place.as_posix()] = [
                (self._typed(job), place) for place, job in enumerate(others, number)
            ]
            number += len(others)
        try:
            returned = self.launcher.launch([self._typed(pack[0]) for pack in packs], initial_job_idx=first)
        except Exception as error:
            return dict.fromkeys(jobs, f"its process ended: {sentence(error)}")
        errors = (getattr(one, "_return_value", None) for one in returned)
        return {
            job: sentence(error)
            for pack, error in zip(packs, errors, strict=False)
            if isinstance(error, BaseException)
            for job in pack
        }

    def _most(self, jobs: int) -> int:
        """How many trials a pack may have, so that every worker has one; of a cluster's job, as many as it has."""
        kind = kind_of(self.settings)
        if kind in ("basic", "joblib"):
            return min(MOST, -(-jobs // self.width))
        each = int(self.settings.get("trials_per_job") or 1)
        if kind not in ("local", "slurm") or not hasattr(self.launcher, "trials_per_job"):
            return 1
        return min(MOST, each)

    def _typed(self, job: Job) -> list[str]:
        return [*job.overrides, override("hydra.sweep.subdir", job.place.as_posix())]


def placed(config: DictConfig, default: str | None, suffix: str = "") -> tuple[DictConfig, Path]:
    """The configuration with the sweep's directory, as asked for, else `default`, else the new one that it names."""
    directory = str(config.hydra.sweep.dir) if default is None or asks_for_place(config) else default
    directory = directory.rstrip("/") + suffix
    config = holding(config, "hydra.sweep.dir", directory)
    # The launchers would name every job on the terminal, where the sweep shows them in one table.
    logging.getLogger("hydra_plugins").setLevel(logging.WARNING)
    OmegaConf.update(config, "hydra.hydra_logging.root.level", "WARNING", force_add=True)
    return config, Path(directory)


def asks_for_place(config: DictConfig) -> bool:
    """Whether `hydra.sweep.dir` was typed, or a chosen file has another than the program's own."""
    if any(str(entry).lstrip("+").partition("=")[0] == "hydra.sweep.dir" for entry in config.hydra.overrides.hydra):
        return True
    homes = [one.path for one in config.hydra.runtime.config_sources if one.provider == "main"]
    file = Path(homes[0]) / f"{config.hydra.job.config_name}.yaml" if homes else None
    own: Any = OmegaConf.load(file) if file is not None and file.is_file() else OmegaConf.create()
    nodes = [OmegaConf.to_container(one, resolve=False) for one in (own, config)]
    asked = [((node.get("hydra") or {}).get("sweep") or {}).get("dir") for node in nodes if isinstance(node, dict)]
    return asked[0] is not None and asked[0] != asked[1]


def prepare_data(configs: Sequence[DictConfig], workers: int) -> None:
    """Fetches or draws what these configurations need, in a worker: this process then never imports torch.

    Args:
        workers: as many as the trials will use, whom joblib's launcher finds warm; 0 for trials that are run elsewhere,
            beside which an idle worker would only keep its memory for five minutes.

    Raises:
        ValueError: if data cannot be had, in the words of the data set.
    """
    from joblib import Parallel, delayed
    from joblib.externals.loky import get_reusable_executor

    every = {json.dumps(resolved(config)["data"], sort_keys=True) for config in configs}
    # Of one worker joblib makes none.
    Parallel(n_jobs=max(2, workers), backend="loky")(delayed(_prepare)(json.loads(text)) for text in sorted(every))
    if not workers:
        get_reusable_executor().shutdown(wait=True)


def _prepare(data: dict[str, Any]) -> None:
    from litmus.trial.making import instantiate

    instantiate(data).prepare_data()
