"""submitit's launchers: several trials to a job, jobs watched in the queue, and stops that are gone on from.

`hydra/launcher=submitit_slurm` and `submitit_local` are these where the extra `cluster` is installed: the same knobs,
and `hydra.launcher.trials_per_job`, since each job pays its wait in the queue and every import by itself.

Source: https://github.com/facebookincubator/submitit, whose launcher for Hydra gives each trial a job, leaves at the
first job that fails while others run, and never hears of a cancelled one where a cluster keeps no accounts.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from hydra.core.plugins import Plugins
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn
from hydra_plugins.hydra_submitit_launcher.config import BaseQueueConf, LocalQueueConf, SlurmQueueConf
from hydra_plugins.hydra_submitit_launcher.submitit_launcher import BaseSubmititLauncher

from litmus.trial.hydra_versions import store

# A trial's overrides and its number.
Numbered = tuple[list[str], int]


class Several(BaseSubmititLauncher):
    """Launches jobs of several trials each, and waits for every one of them.

    Args:
        trials_per_job: trials that a job runs one after the other.
    """

    def __init__(self, trials_per_job: int = 1, **params: Any) -> None:
        super().__init__(**params)
        if trials_per_job < 1:
            raise ValueError(f"hydra.launcher.trials_per_job must be a whole number from 1 on, got {trials_per_job}")
        self.trials_per_job = trials_per_job

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """What Hydra says of each trial, once every job has ended.

        Raises:
            Exception: what ended a job before it had run all of its trials, of the first such.
        """
        import submitit  # it takes a moment

        from litmus.sweeps.queue import watch

        numbered = [(list(one), number) for number, one in enumerate(job_overrides, initial_job_idx)]
        step = self.trials_per_job
        bundles = [numbered[start : start + step] for start in range(0, len(numbered), step)]
        folder = self.params["submitit_folder"]
        retries = self.params.get("max_num_timeout")
        executor = submitit.AutoExecutor(
            folder=folder,
            cluster=self._EXECUTOR,
            **({} if retries is None else {f"{self._EXECUTOR}_max_num_timeout": retries}),
        )
        shared = {field.name for field in fields(BaseQueueConf)}
        executor.update_parameters(
            **{
                name if name in shared else f"{self._EXECUTOR}_{name}": value
                for name, value in self.params.items()
                if name not in ("submitit_folder", "max_num_timeout")
            }
        )
        watch(self._EXECUTOR)
        jobs = executor.map_array(self, bundles, [Singleton.get_state()] * len(bundles))
        ends = [ended(job) for job in jobs]
        for end in ends:
            if isinstance(end, Exception):
                raise end
        return [one for end in ends if isinstance(end, list) for one in end]

    def __call__(self, trials: Sequence[Numbered], state: dict[type, Singleton]) -> list[JobReturn]:
        """Runs the trials of one job, in the job."""
        from litmus.sweeps.queue import stops_as_by_hand

        Singleton.set_state(state)  # with it Hydra imports all plugins anew, this module and submitit's own too
        register()
        with stops_as_by_hand():
            return [
                BaseSubmititLauncher.__call__(self, overrides, "hydra.sweep.dir", number, f"job_id_for_{number}", state)
                for overrides, number in trials
            ]


def ended(job: Any) -> list[JobReturn] | Exception:
    """What a job returned of its trials, waited for, or what ended it."""
    try:
        returned: list[JobReturn] = job.results()[0]
    except Exception as error:  # whatever it was, the other jobs are waited for
        return error
    return returned


class SlurmLauncher(Several):
    """Jobs of a Slurm cluster."""

    _EXECUTOR = "slurm"


class LocalLauncher(Several):
    """Processes on this machine that stand for a cluster's jobs."""

    _EXECUTOR = "local"


@dataclass
class Slurm(SlurmQueueConf):
    """The knobs of submitit's Slurm launcher, and how many trials a job has."""

    _target_: str = "hydra_plugins.litmus._cluster.SlurmLauncher"
    trials_per_job: int = 1


@dataclass
class Local(LocalQueueConf):
    """The knobs of submitit's local launcher, and how many trials a job has."""

    _target_: str = "hydra_plugins.litmus._cluster.LocalLauncher"
    trials_per_job: int = 1


def register() -> None:
    """Puts these in the place of submitit's own, whose names users know."""
    for launcher in (SlurmLauncher, LocalLauncher):
        Plugins.instance().register(launcher)
    for name, node in (("submitit_slurm", Slurm), ("submitit_local", Local)):
        store("hydra/launcher", name, node)
