"""Several processes of one trial: none outlives the first, and what ended one of them is what the trial tells."""

import os
import re
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from litmus.atomic import write_json
from litmus.legible import read_json

# The id of the process that the user started, for those that Lightning starts from it.
FIRST = "LITMUS_FIRST_PROCESS"
STORY = "process-{}.failed.json"
# Seconds: between looks; for a story to come over the file system; for the first process to end by itself after it.
LOOK, COMES, ENDS = 0.5, 2.0, 20.0
# Errors that say themselves what is wrong: any other may be the echo of what happened in another process.
SAID: tuple[type[Exception], ...] = (ValueError, FileNotFoundError, FloatingPointError)
# How torch's libraries for several processes speak of one that is gone.
ECHO = re.compile("gloo|nccl|peer", re.IGNORECASE)


def keep_together() -> None:
    """Called as the program starts: a process that Lightning starts for a trial ends when the first one is gone.

    Those of torchrun and Slurm have no first process in this sense: their launchers end them.
    """
    if not started_by_first():
        os.environ[FIRST] = str(os.getpid())
        return
    threading.Thread(target=_end_with, args=(int(os.environ[FIRST]),), daemon=True).start()


def started_by_first() -> bool:
    """Whether Lightning started this process from the one that the user started."""
    return os.environ.get("LOCAL_RANK", "0") not in ("", "0") and os.environ.get(FIRST, "").isdigit()


def own_rank() -> int:
    """The rank that this process was given, as far as that can be known before there is a trainer."""
    return int(os.environ["LOCAL_RANK"]) if started_by_first() else 0


def _end_with(first: int) -> None:
    is_parent = os.getppid() == first
    while os.getppid() == first if is_parent else _alive(first):
        time.sleep(LOOK)
    os._exit(1)  # the main thread may wait for the first process, outside of Python, for ever


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


@contextmanager
def one_story(directory: Path, rank: Callable[[], int], several: Callable[[], bool]) -> Iterator[None]:
    """Makes the error of whichever process failed first that of the first process.

    Args:
        directory: of the trial, which all processes see.
        rank: of this process, as far as is known when it is asked.
        several: whether there are other processes to listen to.
    """
    try:
        yield
    except Exception as problem:
        if rank() > 0:
            tell(directory, rank(), problem)
            raise
        if isinstance(problem, SAID) or not several():
            raise
        theirs = heard(directory, wait=COMES)
        forget(directory)
        if theirs is None and ECHO.search(str(problem)):
            theirs = RuntimeError(f"another process of this run ended without a word; this one heard: {problem}")
        if theirs is None:
            raise
        raise theirs from problem


def tell(directory: Path, rank: int, problem: Exception) -> None:
    """Leaves what ended this process for the first one; an echo of what another has told is not told again."""
    if isinstance(problem, SAID) or not heard(directory):
        write_json(directory / STORY.format(rank), {"kind": type(problem).__name__, "error": str(problem)})
    if started_by_first():
        if os.environ.get("LITMUS_FULL_ERROR") == "1":
            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
        # With any other code Lightning would kill the first process at once, before it has written its result.
        os._exit(0)


def heard(directory: Path, wait: float = 0.0) -> Exception | None:
    """The first error that another process has told, None if none does within so many seconds."""
    until = time.monotonic() + wait
    while True:
        stories = sorted(directory.glob(STORY.format("*")), key=lambda path: path.stat().st_mtime_ns)
        if stories:
            told = read_json(stories[0])
            kinds = {kind.__name__: kind for kind in SAID}
            if told["kind"] in kinds:
                return kinds[told["kind"]](told["error"])
            return RuntimeError(f"{told['kind']}: {told['error']}")
        if time.monotonic() >= until:
            return None
        time.sleep(0.1)


def forget(directory: Path) -> None:
    """Removes what other processes have told."""
    for story in directory.glob(STORY.format("*")):
        story.unlink(missing_ok=True)


def listen(directory: Path, end: Callable[[Exception], None]) -> None:
    """Ends this first process some time after another has told its error, should it still wait for that one.

    Args:
        directory: of the trial.
        end: leaves the result.
    """
    forget(directory)
    threading.Thread(target=_listen, args=(directory, end), daemon=True).start()


def _listen(directory: Path, end: Callable[[Exception], None]) -> None:
    while (problem := heard(directory)) is None:
        time.sleep(LOOK)
    time.sleep(ENDS)
    end(problem)
    os._exit(1)
