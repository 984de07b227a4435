"""Whole runs on an accelerator: what they say of the machine, what repeats, and who chooses the device."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from evaluate import evaluate
from litmus.trial.ranks import AUTO
from tests.conftest import ROOT
from tests.sweep_helpers import process, results, write_study

TINY = ("epochs=3", "model.units=[64]", "dropout=0.2")
OF_CUDA = ("device_name", "device_number", "device_memory_gib", "cuda", "cudnn", "driver")


def bits(directory):
    """Every weight of the best epoch."""
    return torch.load(directory / "checkpoints" / "best.ckpt", weights_only=True, map_location="cpu")["state_dict"]


def told(result):
    """What a run found, without how long it took and where."""
    counters = {name: value for name, value in result["counters"].items() if name != "seconds"}
    return result["metrics"], counters, result["best_epoch"], result["config_hash"], result["arm"]


@pytest.mark.parametrize("choices", [(), ("model=cnn",), ("precision=bf16-mixed",), ("batching=doubling",)], ids=str)
def test_a_run_repeats_and_its_test_does(trial, device, tmp_path, capsys, choices):
    typed = (*(TINY if "model=cnn" not in choices else ("epochs=2",)), *choices, f"trainer.accelerator={device}")
    first, second = (trial(*typed, directory=tmp_path / name) for name in ("first", "second"))
    assert first["status"] == "completed"
    assert first["numerics"]["device"] == device
    assert told(first) == told(second)
    torch.testing.assert_close(bits(tmp_path / "second"), bits(tmp_path / "first"), rtol=0, atol=0)
    capsys.readouterr()
    evaluate(tmp_path / "first")
    assert "the same as in result.json, to the last bit" in capsys.readouterr().out


def test_a_run_killed_at_any_moment_goes_on_to_the_same_result(trial, device, tmp_path):
    shape = ["epochs=60", "dropout=0.2", "model.units=[64]", "threads=1", "callbacks.checkpoint.share=1"]
    typed = [*shape, f"trainer.accelerator={device}"]
    whole = trial(*typed, directory=tmp_path / "whole")
    place = tmp_path / "cut"
    started = subprocess.Popen([sys.executable, "train.py", *typed, f"hydra.run.dir={place}"], cwd=ROOT)
    while not (place / "checkpoints" / "last.ckpt").exists():
        assert started.poll() is None
        time.sleep(0.05)
    time.sleep(0.3)
    started.send_signal(signal.SIGKILL)
    started.wait()
    assert not (place / "result.json").exists()
    subprocess.run([sys.executable, "train.py", f"resume={place}"], cwd=ROOT, check=True, capture_output=True)
    resumed = json.loads((place / "result.json").read_text())
    assert told(resumed) == told(whole)
    torch.testing.assert_close(bits(place), bits(tmp_path / "whole"), rtol=0, atol=0)


def test_result_json_says_what_computed(trial, cuda, tmp_path):
    result = trial(*TINY, f"trainer.accelerator={cuda}")
    hardware, numerics = result["hardware"], result["numerics"]
    assert all(hardware[name] is not None for name in OF_CUDA)
    assert hardware["device_name"] == torch.cuda.get_device_name(0)
    assert hardware["cuda"] == torch.version.cuda
    assert numerics["architecture"].startswith("sm_")
    assert {"matmul", "convolution", "recurrence"} <= numerics.keys()
    assert "threads" not in numerics
    processor = trial(*TINY, "trainer.accelerator=cpu", directory=tmp_path / "processor")
    assert not set(OF_CUDA[1:]) & processor["hardware"].keys()
    assert processor["config_hash"] != result["config_hash"]


def test_the_hash_follows_tf32_and_so_do_the_bits(trial, cuda, tmp_path):
    typed = ("epochs=1", "model.units=[256,256]", f"trainer.accelerator={cuda}")
    exact = trial(*typed, directory=tmp_path / "exact")
    torch.backends.cuda.matmul.fp32_precision = "tf32"
    try:
        rounded = trial(*typed, directory=tmp_path / "rounded")
    finally:
        torch.backends.cuda.matmul.fp32_precision = "none"
    assert (exact["numerics"]["matmul"], rounded["numerics"]["matmul"]) == ("ieee", "tf32")
    assert exact["config_hash"] != rounded["config_hash"]
    assert exact["metrics"] != rounded["metrics"]


def test_the_hash_follows_tf32_that_the_environment_takes_away_and_so_do_the_bits(cuda, tmp_path):
    """In processes of their own, for the libraries read it once; of a net whose convolutions torch gives TF32."""
    found = {}
    for value in (None, "0"):
        place = tmp_path / str(value)
        typed = ["model=cnn", "epochs=1", f"trainer.accelerator={cuda}", f"hydra.run.dir={place}"]
        asked = {} if value is None else {"NVIDIA_TF32_OVERRIDE": value}
        inherited = {name: known for name, known in os.environ.items() if name != "NVIDIA_TF32_OVERRIDE"}
        subprocess.run([sys.executable, "train.py", *typed], cwd=ROOT, env=inherited | asked, check=True)
        found[value] = json.loads((place / "result.json").read_text()), bits(place)
    (rounded, some), (exact, other) = found[None], found["0"]
    assert (rounded["numerics"]["convolution"], exact["numerics"]["convolution"]) == ("tf32", "ieee")
    assert rounded["config_hash"] != exact["config_hash"]
    assert any(not torch.equal(some[name], other[name]) for name in some)


def test_a_test_on_another_kind_of_device_is_the_same_or_names_both(trial, cuda, tmp_path):
    """Run on the accelerator, and told to have been run on the processor, where it is then tested."""
    trial(*TINY, f"trainer.accelerator={cuda}", directory=tmp_path / "run")
    path = tmp_path / "run" / "result.json"
    result = json.loads(path.read_text())
    result["numerics"]["device"] = "cpu"
    result["metrics"]["test/loss"] += 1e-9  # as far apart as devices may be
    path.write_text(json.dumps(result))
    with pytest.raises(ValueError, match=r"computed otherwise: .*architecture sm_\d+ × \d+ then and none now"):
        evaluate(tmp_path / "run")


def test_a_device_that_is_not_there_is_one_sentence(cuda, tmp_path):
    typed = [f"trainer.accelerator={cuda}", "trainer.devices=[99]", f"hydra.run.dir={tmp_path / 'absent'}"]
    ended = subprocess.run([sys.executable, "train.py", *typed], cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 1
    assert "trainer.devices=[99]: this machine has" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_what_is_printed_says_nothing_of_the_machine(cuda, tmp_path):
    place = tmp_path / "run"
    typed = [*TINY, f"trainer.accelerator={cuda}", f"hydra.run.dir={place}"]
    trained = subprocess.run([sys.executable, "train.py", *typed], cwd=ROOT, capture_output=True, text=True)
    tested = subprocess.run([sys.executable, "evaluate.py", str(place)], cwd=ROOT, capture_output=True, text=True)
    assert (trained.returncode, tested.returncode) == (0, 0), trained.stderr + tested.stderr
    said = trained.stdout + trained.stderr + tested.stdout + tested.stderr
    assert not [hint for hint in ("LOCAL_RANK", "Tensor Cores", "GPU available", "💡") if hint in said]


@pytest.mark.parametrize("largest", [8, 2048], ids=["small arms", "an arm that gains"])
def test_arms_of_a_study_share_a_device(device, tmp_path, monkeypatch, largest):
    """With `auto`, which would take the processor for one arm and the accelerator for the other."""
    monkeypatch.delenv(AUTO)
    question = {
        "question": "Does the width matter?",
        "arms": {"narrow": {"model.units": [4, 4]}, "wide": {"model.units": [largest, largest]}},
        "seeds": 2,
        "quantities": {"loss": {"metric": "test/loss", "at": "best_val", "sesoi": "2%"}},
        "predictions": {"wide": {"kind": "compare", "better": "wide", "than": "narrow"}},
    }
    write_study(tmp_path, study=question, batch_size=32)
    launcher = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
    ended = process(tmp_path, "study=tiny", "hydra.sweep.dir=swept", *launcher)
    assert ended.returncode == 0, ended.stderr
    found = results(tmp_path / "swept")
    assert len(found) == 4
    expected = device if largest > 8 else "cpu"
    assert {result["numerics"]["device"] for result in found.values()} == {expected}
    pinned = "auto" if device == "cpu" else ("cpu", "gpu")[largest > 8]
    assert {result["config"]["trainer"]["accelerator"] for result in found.values()} == {pinned}
    assert ("every trial on" in ended.stdout) == (device != "cpu")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "swept").rglob("trial.json")}
    assert process(tmp_path, "study=tiny", "hydra.sweep.dir=swept", *launcher).returncode == 0
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "swept").rglob("trial.json")} == before


def test_auto_takes_the_accelerator_for_a_net_that_gains(trial, device, tmp_path, capsys, monkeypatch):
    monkeypatch.delenv(AUTO)
    small = trial("epochs=1", "model.units=[8]", directory=tmp_path / "small")
    assert small["numerics"]["device"] == "cpu"
    said = capsys.readouterr().out
    assert ("trainer.accelerator=gpu takes it" in said) == (device != "cpu")
    large = trial("epochs=1", "model.units=[2048,2048]", "batch_size=256", directory=tmp_path / "large")
    assert large["numerics"]["device"] == device
    assert "trainer.accelerator=gpu" not in capsys.readouterr().out


def test_a_study_of_two_workers_on_one_device_is_that_of_one(device, tmp_path):
    write_study(tmp_path, trainer={"accelerator": device, "devices": 1}, epochs=2)
    alone = process(tmp_path, "study=tiny", "hydra.sweep.dir=alone")
    side = process(tmp_path, "study=tiny", "hydra.sweep.dir=side", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
    assert (alone.returncode, side.returncode) == (0, 0), alone.stderr + side.stderr
    first, second = results(tmp_path / "alone"), results(tmp_path / "side")
    assert len(first) == len(second) == 4
    assert {place: told(result) for place, result in first.items()} == {
        place: told(result) for place, result in second.items()
    }
    assert {result["numerics"]["device"] for result in first.values()} == {device}


@pytest.mark.parametrize("devices", ["1", "[0]", "auto"])
def test_a_job_of_a_sweep_takes_one_device(device, tmp_path, devices):
    ended = process(
        tmp_path,
        *("seed=1,2", "epochs=1", "model.units=[4]", "hydra.sweep.dir=plain"),
        *(f"trainer.accelerator={device}", f"trainer.devices={devices}"),
    )
    assert ended.returncode == 0, ended.stderr
    found = results(tmp_path / "plain").values()
    assert [result["hardware"]["processes"] for result in found] == [1, 1]


@pytest.mark.long
def test_the_tests_leave_the_accelerator_alone_unless_they_ask(trial):
    assert os.environ[AUTO] == "cpu"
    assert trial("epochs=1", "model.units=[2048]", "batch_size=256")["numerics"]["device"] == "cpu"
