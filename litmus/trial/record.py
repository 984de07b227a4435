"""What a run leaves behind in result.json, and where it ran: versions, the code's commit, the hardware."""

import platform
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil
import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import Logger

from litmus.atomic import write_json
from litmus.trial.command_line import innermost
from litmus.trial.description import identified
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


PACKAGES = ("torch", "pytorch-lightning", "torchmetrics", "hydra-core", "omegaconf", "numpy", "mnist1d")


@lru_cache(maxsize=1)
def versions() -> dict[str, str]:
    """Of Python and of the packages that numbers can depend on."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    found["torch"] = str(torch.__version__)  # with its build, 2.14.1+cu130, where its metadata may say 2.14.1
    return found


@lru_cache(maxsize=1)
def git() -> dict[str, Any] | None:
    """Commit, and whether files differed from it; None outside a checkout."""
    try:
        commit = _git("rev-parse", "HEAD")
        return {"commit": commit.strip(), "dirty": bool(_git("status", "--porcelain").strip())}
    except (OSError, subprocess.SubprocessError):
        return None


def _git(*arguments: str) -> str:
    here = Path(__file__).parent  # the code's checkout, wherever the run was started
    return subprocess.run(["git", *arguments], cwd=here, capture_output=True, text=True, check=True, timeout=10).stdout


def hardware(trainer: pl.Trainer) -> dict[str, Any]:
    """Device, processes, processor, cores, threads and memory; of a CUDA device its software too."""
    device = trainer.strategy.root_device
    return {
        "device": device.type,
        "device_name": torch.cuda.get_device_name(device) if device.type == "cuda" else processor(),
        **(_cuda(device) if device.type == "cuda" else {}),
        "processes": trainer.world_size,
        "processor": processor(),
        "cores": psutil.cpu_count(logical=False),
        "threads": torch.get_num_threads(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
    }


def load() -> float:
    """How many processes wanted a core in the last minute: with more than this run's own, the machine was shared."""
    return round(psutil.getloadavg()[0], 2)


def _cuda(device: torch.device) -> dict[str, Any]:
    return {
        "device_number": device.index,
        "device_memory_gib": round(torch.cuda.get_device_properties(device).total_memory / 2**30, 1),
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
        "driver": _driver(),
    }


@lru_cache(maxsize=1)
def _driver() -> str | None:
    asked = ("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader")
    try:
        told = subprocess.run(asked, capture_output=True, text=True, check=True, timeout=10).stdout.split()
    except (OSError, subprocess.SubprocessError):
        return None
    return told[0] if told else None


@lru_cache(maxsize=1)
def processor() -> str:
    """The name of the processor, as well as the system tells it."""
    try:
        with open("/proc/cpuinfo") as file:  # noqa: PTH123 - Linux only; platform.processor() is empty there
            names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
        return names[0] if names else platform.machine()
    except OSError:
        return platform.processor() or platform.machine()
