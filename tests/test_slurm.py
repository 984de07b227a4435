"""A real Slurm, of one machine: whatever happens to the jobs of a study, its results are those without a cluster."""

import json
import os
import shutil
import signal
import subprocess
import time

import pytest

from tests.conftest import ROOT
from tests.sweep_helpers import command, environment, results, write_study

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("slurm")]
pytest.importorskip("hydra_plugins.hydra_submitit_launcher", reason="needs the extra `cluster`")
SCRIPT = ROOT / "scripts" / "local_slurm.sh"
LAUNCHER = ("hydra/launcher=submitit_slurm", "hydra.launcher.partition=cpu", "hydra.launcher.mem_gb=2")
EPOCHS = 200


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """The environment in which Slurm's commands speak to a cluster of our own."""
    directory = tmp_path_factory.mktemp("slurm")
    started = subprocess.run([SCRIPT, "start", directory], capture_output=True, text=True)
    if started.returncode:
        pytest.skip(f"Slurm does not start here: {started.stderr.strip()}")
    yield environment() | {"SLURM_CONF": str(directory / "slurm.conf"), "PATH": f"{os.environ['PATH']}:/usr/sbin"}
    subprocess.run([SCRIPT, "stop", directory], check=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A study of four trials, each of some seconds, and what they give without a cluster."""
    folder = tmp_path_factory.mktemp("study")
    write_study(folder, epochs=EPOCHS, updates_per_epoch=40)
    subprocess.run(
        command(folder, "study=tiny", *SEEDS), cwd=folder, env=environment(), check=True, capture_output=True
    )
    (folder / "studies").rename(folder / "alone")
    return folder


SEEDS = ("study.seeds=2",)


def started(folder, cluster, *arguments):
    shutil.rmtree(folder / "studies", ignore_errors=True)
    return waiting(folder, cluster, *arguments)


def waiting(folder, cluster, *arguments):
    """The process that waits for a study's jobs."""
    typed = command(folder, "study=tiny", *SEEDS, *LAUNCHER, *arguments)
    return subprocess.Popen(typed, cwd=folder, env=cluster, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def until(found, process, seconds=240):
    """What `found` returns once it is true, while a process waits."""
    end = time.monotonic() + seconds
    while not (what := found()):
        assert process.poll() is None, process.stdout.read()
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.2)
    return what


def queued(cluster, state):
    listed = subprocess.run(
        ["squeue", "--noheader", "--array", f"--states={state}", "--format=%i"],
        env=cluster,
        capture_output=True,
        text=True,
    )
    return listed.stdout.split()


def under_way(folder):
    """Trials that have trained some epochs, and have not ended."""
    trials = (folder / "studies/tiny/trials").rglob("metrics.csv")
    return [path.parent for path in trials if not (path.parent / "result.json").exists()]


def ended(folder, process):
    """What a study said, once it has ended; its trials and verdicts are those without a cluster."""
    said, _ = process.communicate(timeout=400)
    assert process.returncode == 0, said
    told = [
        {place: (one["status"], one["metrics"], one["config_hash"]) for place, one in results(folder / where).items()}
        for where in ("studies/tiny", "alone/tiny")
    ]
    assert told[0] == told[1]
    verdicts = [json.loads((folder / where / "tiny/verdicts.json").read_text()) for where in ("studies", "alone")]
    assert verdicts[0] == verdicts[1]
    assert "sacct" not in said
    return said


def test_several_trials_to_a_job_and_a_waiting_process_that_is_killed(cluster, folder):
    """What was queued runs without it, and the same command takes up what it did."""
    first = started(folder, cluster, "hydra.launcher.trials_per_job=2")
    until(lambda: under_way(folder), first)
    assert len(queued(cluster, "all")) == 2
    first.kill()
    first.communicate()
    ended(folder, waiting(folder, cluster, "hydra.launcher.trials_per_job=2"))


def test_jobs_that_are_requeued_and_one_that_is_cancelled(cluster, folder):
    """A requeued job goes on where its trial was; a cancelled one is asked for once more."""
    process = started(folder, cluster, "hydra.launcher.array_parallelism=2")
    until(lambda: len(under_way(folder)) == 2 and len(queued(cluster, "running")) == 2, process)
    for job in queued(cluster, "running"):
        subprocess.run(["scontrol", "requeue", job], env=cluster, check=True)
    cancelled = queued(cluster, "pending")[-1]
    subprocess.run(["scancel", cancelled], env=cluster, check=True)
    ended(folder, process)


def test_a_job_whose_time_is_over_stops_with_a_checkpoint_and_is_queued_again(cluster, folder):
    """As submitit has Slurm say so: by SIGUSR2, after which it asks for the job to be queued again."""
    process = started(folder, cluster, "hydra.launcher.trials_per_job=4")
    until(lambda: under_way(folder), process)
    (job,) = queued(cluster, "running")
    subprocess.run(["scancel", f"--signal={signal.SIGUSR2.name.removeprefix('SIG')}", job], env=cluster, check=True)
    ended(folder, process)


def test_two_processes_of_one_trial_are_started_by_slurm(cluster, folder):
    write_study(folder, "pair", {"question": "?", "arms": {"only": {}}, "seeds": [7], "quantities": QUANTITIES})
    typed = command(
        folder, "study=pair", *LAUNCHER, "hydra.launcher.tasks_per_node=2", "trainer=ddp", "trainer.devices=2"
    )
    done = subprocess.run(typed, cwd=folder, env=cluster, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr
    (result,) = results(folder / "studies" / "pair").values()
    assert result["status"] == "completed"
    assert result["numerics"]["processes"] == 2


QUANTITIES = {"loss": {"metric": "test/loss", "at": "best_val"}}
