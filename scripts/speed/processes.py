"""Measurements of whole processes: start-up, sweeps, memory."""

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil

from litmus.legible import read_json
from litmus.project import ROOT
from scripts.speed.clock import seconds_with_children

# One thread for every library, also where `threads=1` comes too late: this is what all sides get.
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "DATA_DIR": os.environ.get("DATA_DIR", str(ROOT / "data"))}
# Jobs after which a sweep's memory must not grow any more.
WARM = 20


def seconds_of(*arguments: str, ends_with: int = 0) -> float:
    """Seconds that `python …` takes in all."""
    started = seconds_with_children()
    ended = subprocess.run([sys.executable, *arguments], cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True)
    seconds = seconds_with_children() - started
    if ended.returncode != ends_with:
        raise RuntimeError(f"python {' '.join(arguments)} was to end with {ends_with}: {ended.stderr.strip()}")
    return seconds


def sweep_overheads(directory: Path, jobs: int) -> list[float]:
    """Seconds beyond its fit that each job of a real sweep takes, less the first, which imports everything.

    Hydra composes every job's configuration once more before the first: each job's share of that is counted.
    """
    target = directory / f"sweep-{time.monotonic_ns()}"
    seconds_of("train.py", "-m", f"seed=range({jobs})", "epochs=3", "threads=1", f"hydra.sweep.dir={target}")
    results = [target / str(job) / "result.json" for job in range(jobs)]
    ended = [result.stat().st_mtime for result in results]
    fits = [read_json(result)["counters"]["seconds"] for result in results]
    checked = (target / "0" / ".hydra" / "config.yaml").stat().st_mtime - (target / "multirun.yaml").stat().st_mtime
    share = checked / (jobs + 1)  # all jobs once, then the first again
    return [ended[job] - ended[job - 1] - fits[job] + share for job in range(1, jobs)]


def memory_growth(directory: Path, jobs: int) -> float:
    """The most resident memory after job WARM of a sweep of tiny jobs, beside that when job WARM ended."""
    target = directory / f"memory-{time.monotonic_ns()}"
    small = ["epochs=1", "updates_per_epoch=2", "model.units=[8]", "threads=1", f"hydra.sweep.dir={target}"]
    command = [sys.executable, "train.py", "-m", f"seed=range({jobs})", *small]
    sizes: list[int] = []
    with subprocess.Popen(command, cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.DEVNULL) as process:
        watched = psutil.Process(process.pid)
        while process.poll() is None and len(sizes) < jobs:
            if (target / str(len(sizes)) / "result.json").exists():
                sizes.append(watched.memory_info().rss)
            time.sleep(0.005)
    if len(sizes) < jobs:
        raise RuntimeError(f"the sweep in {target} ended after {len(sizes)} of {jobs} jobs")
    return max(sizes[WARM:]) / sizes[WARM - 1]
