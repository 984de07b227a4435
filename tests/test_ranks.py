"""A run of one process is one, whatever its surroundings say of others; several are followed, and not for ever."""

import itertools
import os

import pytest
from pytorch_lightning.utilities import rank_zero_only

from litmus.sweeps import once
from litmus.sweeps.workers import refuse_many_processes
from litmus.trial.ranks import RANKS, follows, own_environment, several
from tests.sweep_helpers import results, sweep

pytestmark = pytest.mark.long

TINY = ("epochs=1", "updates_per_epoch=1", "model.units=[4]")
SURROUNDINGS = {
    "a task of srun": {
        "SLURM_PROCID": "1", "SLURM_LOCALID": "1", "SLURM_NODEID": "0", "SLURM_NTASKS": "4", "SLURM_JOB_ID": "77",
        "SLURM_JOB_NAME": "train", "SLURM_JOB_NODELIST": "n1", "SLURM_NTASKS_PER_NODE": "4",
    },
    "the first task of srun": {"SLURM_PROCID": "0", "SLURM_NTASKS": "4", "SLURM_JOB_NAME": "train"},
    "torchrun": {
        "RANK": "3", "LOCAL_RANK": "1", "GROUP_RANK": "1", "WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "2",
        "TORCHELASTIC_RUN_ID": "x", "MASTER_ADDR": "localhost", "MASTER_PORT": "1", "NODE_RANK": "1",
    },
    "a shell that kept one": {"LOCAL_RANK": "2"},
    "jsrun": {"LSB_JOBID": "1", "LSB_DJOB_RANKFILE": "x", "JSM_NAMESPACE_LOCAL_RANK": "1", "JSM_NAMESPACE_SIZE": "4"},
    "nonsense": {"RANK": "", "LOCAL_RANK": "none", "SLURM_PROCID": "-1", "SLURM_NTASKS": "x"},
}  # fmt: skip


@pytest.fixture(params=SURROUNDINGS)
def surroundings(request, monkeypatch):
    """The environment, and what Lightning takes from it when it is imported."""
    told = SURROUNDINGS[request.param]
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(rank_zero_only, "rank", 1)
    return told


def test_a_run_of_one_process_takes_no_notice(trial, tmp_path, surroundings):
    result = trial(*TINY, "logger=csv", "data=social_network_ads")
    assert result["status"] == "completed"
    assert result["counters"]["updates"] == 1
    assert result["hardware"]["processes"] == 1
    assert (tmp_path / "run" / "metrics.csv").is_file()
    assert {name: os.environ[name] for name in surroundings} == surroundings, "what a shell has is given back"


def test_sweeps_of_such_runs_take_no_notice(tmp_path, monkeypatch):
    for name, value in (SURROUNDINGS["a task of srun"] | SURROUNDINGS["torchrun"]).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(rank_zero_only, "rank", 1)
    sweep(tmp_path, "seed=1,2", *TINY, "data=social_network_ads", "hydra.sweep.dir=plain")
    assert {one["status"] for one in results(tmp_path / "plain").values()} == {"completed"}
    assert len(results(tmp_path / "plain")) == 2


ONE = [
    {"devices": 1}, {"devices": "1"}, {"devices": [1]}, {"devices": [0]}, {"devices": ["0"]}, {"devices": "3,"},
    {"devices": "auto", "accelerator": "cpu"}, {"devices": "auto", "accelerator": "mps"}, {"accelerator": "cpu"},
    {"devices": 1, "num_nodes": 1},
]  # fmt: skip
MANY = [
    {"devices": 2}, {"devices": "2"}, {"devices": [0, 1]}, {"devices": "0,1"}, {"devices": -1}, {"devices": "-1"},
    {"devices": "auto"}, {"devices": "auto", "accelerator": "gpu"}, {"devices": 1, "num_nodes": 2},
]  # fmt: skip


@pytest.mark.parametrize("trainer", ONE)
def test_one_device_is_one_process(monkeypatch, trainer):
    for name in RANKS:
        monkeypatch.setenv(name, "1")
    assert not several(trainer)
    assert not follows(trainer)
    refuse_many_processes(trainer, {"_target_": "BasicLauncher"})
    with own_environment(trainer):
        assert not set(RANKS) & set(os.environ)


@pytest.mark.parametrize(
    ("trainer", "name"), list(itertools.product(MANY, ["RANK", "LOCAL_RANK", "NODE_RANK", "SLURM_PROCID"]))
)
def test_several_devices_are_followed(monkeypatch, trainer, name):
    for other in RANKS:
        monkeypatch.delenv(other, raising=False)
    assert not follows(trainer)
    monkeypatch.setenv(name, "1")
    assert follows(trainer)
    with own_environment(trainer):
        assert os.environ[name] == "1"


@pytest.mark.parametrize("devices", ["'1'", "[1]", "[0]", "'0,'"])
def test_a_sweep_of_runs_on_one_device_runs(tmp_path, devices):
    sweep(
        tmp_path,
        "seed=1",
        f"trainer.devices={devices}",
        "trainer.accelerator=cpu",
        *TINY,
        "data=social_network_ads",
        "hydra.sweep.dir=plain",
    )
    assert [one["status"] for one in results(tmp_path / "plain").values()] == ["completed"]


def test_nobody_waits_for_ever_for_a_first_process(tmp_path, monkeypatch, compose):
    monkeypatch.setattr(once, "PATIENCE_SECONDS", 0.2)
    monkeypatch.setenv("SLURM_PROCID", "1")
    config = compose("trainer.devices=2", f"output_dir={tmp_path}")
    with pytest.raises(ValueError, match=r"expected the first of this trial's processes to begin it within 0.2 s"):
        once.follow(tmp_path, "asked", lambda resume: None)
    assert follows(config.trainer)
