"""Uploads offline runs: each once and whole, however often this is started, and with a reason where it fails."""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack

from litmus.compare.wandb.offline import OfflineRun
from litmus.compare.wandb.server import PATIENCE
from litmus.sweeps.lock import held

# So many runs in one call of wandb sync, which uploads some of them side by side.
TOGETHER = 10
SETTLE_SECONDS = 2.0


def upload(
    runs: Sequence[OfflineRun], entity: str | None, project: str | None, tell: Callable[[int], None]
) -> dict[OfflineRun, str]:
    """Uploads the runs; why those that are not at W&B now are not.

    Args:
        runs: from `offline_runs`.
        entity: None is the one that each run was logged for.
        project: None is the one that each run was logged for.
        tell: is called with the number of runs that are uploaded so far.
    """
    options = [*(["--entity", entity] if entity else []), *(["--project", project] if project else [])]
    failed: dict[OfflineRun, str] = {}
    done = 0
    batches = _batches(runs)
    for place, (batch, again) in enumerate(batches):
        lost = _upload_batch(batch, options, again, lambda own, before=done: tell(before + own))  # type: ignore[misc]
        failed |= lost
        done += len(batch) - len(lost)
        if len(lost) == len(batch) > 1:  # nothing gets through: it will not for the others
            others = [run for later, _ in batches[place + 1 :] for run in later]
            return failed | dict.fromkeys(others, "not tried after these failures")
    return failed


def _batches(runs: Sequence[OfflineRun]) -> list[tuple[list[OfflineRun], bool]]:
    """Runs that are uploaded together; one whose id W&B may know goes alone, by another id, and is marked so."""
    fresh = [run for run in runs if not run.known]
    batches = [(fresh[start : start + TOGETHER], False) for start in range(0, len(fresh), TOGETHER)]
    return [*batches, *(([run], True) for run in runs if run not in fresh)]


def _upload_batch(
    batch: Sequence[OfflineRun], options: Sequence[str], again: bool, tell: Callable[[int], None]
) -> dict[OfflineRun, str]:
    with ExitStack() as stack:
        held_elsewhere = _hold(batch, stack)
        free = [run for run in batch if run not in held_elsewhere]
        if free and again:
            free[0].rename()
            options = [*options, "--id", free[0].id]
        return held_elsewhere | (_upload_held(free, options, tell) if free else {})


def _hold(batch: Sequence[OfflineRun], stack: ExitStack) -> dict[OfflineRun, str]:
    """Holds the directories of the runs' trials; why those that cannot be held cannot."""
    lost = {}
    for run in batch:
        try:
            stack.enter_context(held(run.trial))
        except ValueError as problem:
            lost[run] = str(problem)
    return lost


def _upload_held(
    batch: Sequence[OfflineRun], options: Sequence[str], tell: Callable[[int], None]
) -> dict[OfflineRun, str]:
    by_id = {run.id: run for run in batch} | {run.directory.name.rpartition("-")[2]: run for run in batch}
    failed: dict[OfflineRun, str] = {}
    finished: set[OfflineRun] = set()
    last = ""
    for run in batch:
        _settle(run)
        run.begin()
    command = [sys.executable, "-m", "wandb", "sync", *options, *(str(run.directory) for run in batch)]
    for line in _lines(command):
        problem = line.partition("ERROR ")[2]
        last = problem or last
        for run_id in re.findall(r"[a-z0-9]+", line):
            named = by_id.get(run_id)
            if named is not None and problem:
                failed.setdefault(named, re.sub(r"^\[[^]]*\] ", "", problem).partition(". ")[0].strip())
            elif named is not None and "Finished syncing" in line and named not in failed and named.finish():
                finished.add(named)
                tell(len(finished))
    for run in batch:
        if run not in failed and run not in finished and not run.finish():
            failed[run] = last.strip() or "wandb sync ended without saying why"
    tell(len(batch) - len(failed))
    return failed


def _lines(command: Sequence[str]) -> Iterator[str]:
    """What the command prints, line by line; it ends with its reader."""
    environment = PATIENCE | {"WANDB_ERROR_REPORTING": "false"} | os.environ | {"WANDB_SILENT": "false"}
    environment.pop("WANDB_MODE", None)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as logs:  # W&B's of the command itself
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment | {"WANDB_DIR": logs},
        )
        assert process.stdout is not None
        try:
            yield from process.stdout
        finally:
            process.kill()
            process.stdout.close()
            process.wait()


def _settle(run: OfflineRun) -> None:
    """Waits until a run whose trial has just ended is written to its end, a moment after the trial's result."""
    age = time.time() - (run.trial / "result.json").stat().st_mtime
    if 0 <= age < SETTLE_SECONDS:
        time.sleep(SETTLE_SECONDS - age)
