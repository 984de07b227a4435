"""result.json of a run, written however it ends."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import Logger

from litmus.atomic import write_json
from litmus.trial.command_line import innermost
from litmus.trial.description import identified
from litmus.trial.environment import git, versions
from litmus.trial.finished import weights_in
from litmus.trial.resuming import goes_on


@contextmanager
def recorded(
    directory: Path,
    description: dict[str, Any],
    reached: Callable[[], dict[str, Any] | None],
    loggers: Sequence[Logger],
) -> Iterator[dict[str, Any]]:
    """Writes result.json when the block has ended, well or not, and ends the loggers' runs.

    Args:
        directory: of the run.
        description: of the run, see `describe`; what it says of who the run is goes into the result.
        reached: metrics, counters and facts as far as the run got, `numerics` among them once they are known; None in a
            process that writes nothing.
        loggers: read at the end.

    Yields:
        The result, empty until the block has ended.
    """
    result: dict[str, Any] = {}
    status, error = "failed", None
    try:
        yield result
        status = "completed"
    except (KeyboardInterrupt, SystemExit) as interruption:
        # Lightning answers Ctrl+C with SystemExit. Any other is a part's own, and the end of this run alone.
        if isinstance(interruption, SystemExit) and not isinstance(interruption.__context__, KeyboardInterrupt):
            error = f"SystemExit: {interruption.code}"
            raise RuntimeError(f"a part of the run called sys.exit({interruption.code!r})") from interruption
        status, error = "interrupted", "interrupted"
        told = f"interrupted; {goes_on(directory, description['config'])} goes on"
        raise KeyboardInterrupt(told) from interruption
    except BaseException as problem:
        status = "pruned" if type(problem).__name__ == "TrialPruned" else "failed"
        cause = innermost(problem)
        error = f"{type(cause).__name__}: {cause}"
        raise
    finally:
        found = reached()
        if found is not None:
            result |= {"status": status, "error": error, **found, **identified(description, found.get("numerics"))}
            result |= {"weights": weights_in(directory), "versions": versions(), "git": git()}
            directory.mkdir(parents=True, exist_ok=True)
            write_json(directory / "result.json", result)
            for logger in loggers:
                if hasattr(logger, "log_result"):
                    logger.log_result(result)
        close_loggers(loggers, status)


def close_loggers(loggers: Sequence[Logger], status: str) -> None:
    """Ends every logger's run: an open W&B run would swallow the next job of a sweep."""
    for logger in loggers:
        logger.finalize("success" if status == "completed" else "failed")
    if "wandb" in sys.modules and sys.modules["wandb"].run is not None:
        sys.modules["wandb"].finish(exit_code=0 if status in ("completed", "pruned") else 1)
