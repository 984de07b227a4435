"""A job in a process of its own: whatever ends that process ends nothing else."""

import multiprocessing
import pickle
import signal
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Connection

from hydra.core.singleton import Singleton
from hydra.core.utils import JobStatus, run_job, setup_globals
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

from litmus.trial.command_line import sentence, stop_when_told

# For a job that is interrupted together with its sweep, before it is told so.
PATIENCE_SECONDS = 5.0


def run_apart(
    context: HydraContext, task: TaskFunction, config: DictConfig, overrides: Sequence[str], number: int
) -> str:
    """Runs one job of a sweep; how its process ended where it could not return, or why it could not begin."""
    import cloudpickle  # a function of __main__ is sent by value, as by joblib

    job = (number, list(overrides), context, config, task, Singleton.get_state())
    spawning = multiprocessing.get_context("spawn")
    said, saying = spawning.Pipe(duplex=False)
    process = spawning.Process(target=_work, args=(cloudpickle.dumps(job), saying))
    process.start()
    saying.close()
    try:
        process.join()
    except BaseException:
        process.join(PATIENCE_SECONDS)  # Ctrl+C on a terminal interrupts it too, and it has a result to write
        process.terminate()
        process.join()
        raise
    with suppress(EOFError):  # it ended before it could say anything
        return str(said.recv())
    return ended(process.exitcode or 0)


def ended(code: int) -> str:
    """How a process ended, from its exit code; nothing where it ended well."""
    if code < 0:
        names = {one.value: one.name for one in signal.Signals}
        return f"its process was ended by {names.get(-code, f'signal {-code}')}"
    return f"its process ended with exit code {code}" if code else ""


def _work(job: bytes, saying: Connection) -> None:
    stop_when_told()
    number, overrides, context, config, task, state = pickle.loads(job)
    setup_globals()
    Singleton.set_state(state)
    own = context.config_loader.load_sweep_config(config, overrides)
    with open_dict(own):
        own.hydra.job.id, own.hydra.job.num = f"{own.hydra.job.name}_{number}", number
    returned = run_job(task, own, "hydra.sweep.dir", "hydra.sweep.subdir", context)
    error = returned._return_value if returned.status == JobStatus.FAILED else None
    saying.send("" if error is None else sentence(error))
