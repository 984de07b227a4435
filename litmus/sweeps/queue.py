"""What a cluster's queue says of jobs, and its signals to them."""

import getpass
import logging
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from submitit.core.job_environment import JobEnvironment
from submitit.slurm.slurm import SlurmInfoWatcher, SlurmJob

# Slurm forgets a job some minutes after its end (MinJobAge, 300 s by default): it is asked more often than that.
SECONDS = 30


class QueueWatcher(SlurmInfoWatcher):
    """The states of jobs from squeue, which every Slurm has; sacct needs accounts that small clusters do not keep."""

    def _make_command(self) -> list[str] | None:
        if not self._registered - self._finished:
            return None
        return ["squeue", "--noheader", "--array", "--states=all", f"--user={getpass.getuser()}", "--format=%i|%T|%N"]

    def read_info(self, string: bytes | str) -> dict[str, dict[str, str]]:
        """Job → its state; one that the queue has forgotten has ended."""
        text = string if isinstance(string, str) else string.decode()
        rows = (line.split("|") for line in text.splitlines() if line.count("|") == 2)
        told = {number: {"JobID": number, "State": state, "NodeList": nodes} for number, state, nodes in rows}
        gone = {number: {"JobID": number, "State": "COMPLETED", "NodeList": ""} for number in self._registered}
        return gone | told


def watch(executor: str) -> None:
    """Jobs of Slurm are watched by their queue; what submitit would say at each look is not said."""
    logging.getLogger("submitit").setLevel(logging.ERROR)
    if executor == "slurm":
        SlurmJob.watcher = QueueWatcher(delay_s=SECONDS)


@contextmanager
def stops_as_by_hand() -> Iterator[None]:
    """Within, a scheduler's signals end the trial as Ctrl+C does: what it reached is written, and is gone on with.

    SIGTERM comes before a job is killed: preempted, requeued or cancelled. SIGUSR2 comes before its time is over:
    submitit has the job queued again, and leaves by SystemExit, which a trial would record as its own failure.
    """

    def stop(number: int, frame: FrameType | None) -> None:
        try:
            if callable(before := known.get(number)) and number != signal.SIGTERM:
                before(number, frame)
        except BaseException as left:
            raise KeyboardInterrupt(f"stopped by the scheduler: {left}") from left
        raise KeyboardInterrupt("stopped by the scheduler")

    numbers = (signal.SIGTERM, JobEnvironment._usr_sig())
    known: dict[int, Any] = {number: signal.getsignal(number) for number in numbers}
    for number in numbers:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number, before in known.items():
            signal.signal(number, before)
