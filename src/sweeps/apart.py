"""A job in a process of its own: whatever ends that process ends nothing else."""

import multiprocessing
import pickle
import signal
from collections.abc import Sequence
from typing import Any

from hydra.core.singleton import Singleton
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


def run_apart(
    context: HydraContext, task: TaskFunction, config: DictConfig, overrides: Sequence[str], number: int
) -> str:
    """Runs one job of a sweep; how its process ended where it could not return, else nothing."""
    # What joblib's launcher sends its workers; a function of __main__ is sent by value.
    from joblib.externals import cloudpickle

    job = (number, list(overrides), context, config, task, Singleton.get_state())
    process = multiprocessing.get_context("spawn").Process(target=_work, args=(cloudpickle.dumps(job),))
    process.start()
    try:
        process.join()
    except BaseException:
        process.terminate()
        process.join()
        raise
    return ended(process.exitcode or 0)


def ended(code: int) -> str:
    """How a process ended, from its exit code; nothing where it ended well."""
    if code < 0:
        names = {one.value: one.name for one in signal.Signals}
        return f"its process was ended by {names.get(-code, f'signal {-code}')}"
    return f"its process ended with exit code {code}" if code else ""


def _work(job: bytes) -> None:
    from hydra_plugins.hydra_joblib_launcher._core import execute_job

    arguments: Any = pickle.loads(job)
    execute_job(*arguments)
