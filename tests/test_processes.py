"""Two processes on one global batch are one process on it."""

import json
import os
import subprocess
import sys

import pytest
import torch

from litmus.trial.history import read_history
from tests.conftest import ROOT

# Processes find each other by a free port, which two such tests at once could both find.
pytestmark = [pytest.mark.xdist_group("processes"), pytest.mark.long]


def _train(directory, *overrides):
    command = [sys.executable, "train.py", "epochs=3", "model.units=[16]", "threads=1", *overrides]
    environment = os.environ | {"PYTHONWARNINGS": "ignore", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, f"hydra.run.dir={directory}"], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr
    return json.loads((directory / "result.json").read_text())


# 3,600 samples at 101: 36 updates, the last of 65 samples, so that shares differ by one in every update.
UNEVEN = ("norm=none", "dropout=0.0", "batch_size=101", "optimizer=sgd", "lr=0.1", "data.eval_batch_size=99")


def test_two_processes_equal_one_process_on_the_same_global_batch(tmp_path):
    one = _train(tmp_path / "one", *UNEVEN)
    two = _train(tmp_path / "two", *UNEVEN, "trainer=ddp", "trainer.accelerator=cpu")
    assert two["hardware"]["processes"] == 2
    for part in ("updates", "samples", "epochs", "params"):
        assert one["counters"][part] == two["counters"][part]
    assert one["data"] == two["data"]
    for name, value in one["metrics"].items():
        assert two["metrics"][name] == pytest.approx(value, rel=1e-4, abs=2e-3), name
    first, second = (
        torch.load(tmp_path / run / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"]
        for run in ("one", "two")
    )
    for name, value in first.items():
        torch.testing.assert_close(second[name], value, rtol=1e-3, atol=1e-4)
    rows = [read_history(tmp_path / run / "metrics.csv") for run in ("one", "two")]
    assert [row["updates"] for row in rows[0]] == [row["updates"] for row in rows[1]] == [36, 72, 108]

    # the same two processes, cut after two epochs and resumed, as each child must be too
    cut = tmp_path / "cut"
    _train(cut, "epochs=2", *UNEVEN, "trainer=ddp", "trainer.accelerator=cpu")
    resumed = subprocess.run(
        [sys.executable, "train.py", f"resume={cut}", "epochs=3"],
        cwd=ROOT,
        env=os.environ | {"PYTHONWARNINGS": "ignore", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert resumed.returncode == 0, resumed.stderr
    assert json.loads((cut / "result.json").read_text())["metrics"] == two["metrics"]


BROKEN = """
import pytorch_lightning as pl

class Broken(pl.Callback):
    def on_train_batch_start(self, trainer, module, batch, batch_idx):
        if trainer.global_rank == 1 and trainer.global_step == 2:
            raise ValueError("the sensor of the second process is broken")
"""


def test_what_ended_the_second_process_is_what_the_run_tells(tmp_path):
    (tmp_path / "broken_part.py").write_text(BROKEN)
    command = [sys.executable, "train.py", "trainer=ddp", "trainer.accelerator=cpu", "model.units=[4]", "threads=1"]
    done = subprocess.run(
        [*command, "epochs=3", "+callbacks.broken._target_=broken_part.Broken", f"hydra.run.dir={tmp_path / 'run'}"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(tmp_path), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1
    assert done.stderr.strip() == "the sensor of the second process is broken"
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert result["status"] == "failed"
    assert result["error"] == "ValueError: the sensor of the second process is broken"
