"""Which device a trial computes on, on machines that there are none of here: with stand-ins for what torch finds."""

import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch
from omegaconf import OmegaConf

from litmus.trial import devices
from litmus.trial.devices import WORTH_AN_ACCELERATOR, multiply_adds, placed
from litmus.trial.ranks import AUTO, on_one_device
from src.models.cnn import CNN
from src.models.mlp import MLP
from tests.conftest import ROOT
from tests.small_data import Blobs

MANY = """
import sys, torch
from types import SimpleNamespace
torch.cuda.device_count = lambda: 2
torch.cuda.get_device_properties = lambda number: SimpleNamespace(uuid=f"{sys.argv[1]}-{number}")
from litmus.trial.devices import own_device
print(own_device(), own_device(), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def two_gpus(monkeypatch):
    monkeypatch.delenv(AUTO, raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(devices, "own_device", lambda: 1)


def choice(model=None, data=None, **trainer):
    made = placed(OmegaConf.create({"accelerator": "auto", "devices": 1} | trainer), model or MLP((6,), 3), data)
    return made.accelerator, made.devices


SMALL, LARGE = Blobs(batch_size=32), Blobs(batch_size="all")


@pytest.mark.parametrize(
    ("trainer", "data", "expected"),
    [
        ({}, SMALL, ("cpu", 1)),
        ({}, LARGE, ("auto", [1])),
        ({"accelerator": "gpu"}, SMALL, ("gpu", [1])),
        ({"accelerator": "cuda", "devices": "1"}, SMALL, ("cuda", [1])),
        ({"accelerator": "gpu", "devices": [0]}, SMALL, ("gpu", [0])),
        ({"accelerator": "gpu", "devices": 2}, SMALL, ("gpu", 2)),
        ({"devices": 2}, SMALL, ("auto", 2)),
        ({"accelerator": "cpu", "devices": [1]}, SMALL, ("cpu", 1)),
        ({"accelerator": "cpu", "devices": 2}, SMALL, ("cpu", 2)),
    ],
)
def test_a_device_is_chosen_where_it_was_left_open(two_gpus, trainer, data, expected):
    assert choice(data=data, **trainer) == expected


def test_a_machine_without_an_accelerator_has_nothing_to_choose(monkeypatch):
    monkeypatch.delenv(AUTO)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)
    assert choice(data=SMALL) == ("auto", 1)
    assert choice(data=SMALL, devices="3,") == ("auto", 1)


def test_the_environment_says_what_auto_is(two_gpus, monkeypatch):
    monkeypatch.setenv(AUTO, "cpu")
    assert choice(data=LARGE) == ("cpu", 1)
    assert choice(data=LARGE, devices="auto") == ("cpu", "auto")
    assert choice(data=LARGE, accelerator="gpu") == ("gpu", [1])


@pytest.mark.parametrize("asked", ["auto", None])
def test_a_job_takes_one_device_where_a_run_would_take_all(asked):
    config = OmegaConf.create({"trainer": {"devices": asked}})
    assert on_one_device(config).trainer.devices == 1
    assert config.trainer.devices == asked
    assert on_one_device(OmegaConf.create({"trainer": {"devices": [3]}})).trainer.devices == [3]


@pytest.mark.xdist_group("processes")
@pytest.mark.long
def test_processes_take_the_device_that_fewest_have_and_the_dead_give_theirs_back(tmp_path):
    def start():
        process = subprocess.Popen(
            [sys.executable, "-c", MANY, tmp_path.name],
            cwd=ROOT, env={"TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT), "PATH": ""},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        first, second = process.stdout.readline().split()
        assert first == second  # a process keeps its own
        return process, int(first)

    started = [start() for _ in range(3)]
    try:
        assert [number for _, number in started] == [0, 1, 0]
        started[1][0].kill()
        started[1][0].wait()
        started.append(start())
        assert started[-1][1] == 1
    finally:
        for process, _ in started:
            process.kill()
            process.communicate()


@pytest.mark.parametrize(
    ("model", "shape", "expected"),
    [
        (MLP((6,), 3, units=(10,), norm="batch", dropout=0.5), (6,), 6 * 10 + 10 * 3),
        (CNN((1, 8), 3, layers=1, filters=4, units=5), (1, 8), 8 * 3 * 4 + 32 * 5 + 5 * 3),
    ],
)
def test_the_multiply_adds_of_a_sample_leave_no_trace(model, shape, expected):
    before = {name: value.clone() for name, value in model.state_dict().items()}
    torch.manual_seed(3)
    drawn = torch.rand(3)
    torch.manual_seed(3)
    assert multiply_adds(model, shape) == expected
    assert model.training
    assert torch.equal(torch.rand(3), drawn)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_net_that_cannot_be_asked_is_left_to_lightning(two_gpus):
    class Demanding(MLP):
        def forward(self, x, y):
            return x

    assert choice(Demanding((6,), 3), SMALL) == ("auto", [1])
    assert choice(data=SimpleNamespace(input_shape=(6,))) == ("auto", [1])


@pytest.mark.parametrize(
    ("trainer", "said"),
    [
        (
            {"accelerator": "gpu", "devices": [5]},
            r"devices=\[5\]: this machine has 2 CUDA devices, numbers 0 to 1",
        ),
        ({"accelerator": "cuda", "devices": "2,"}, "this machine has 2 CUDA devices"),
        ({"accelerator": "gpu", "devices": 3}, "this machine has 2 CUDA devices"),
        ({"accelerator": "gpu", "devices": [0, 2]}, "this machine has 2 CUDA devices"),
        ({"accelerator": "mps"}, r"trainer\.accelerator=mps: expected Apple's MPS, found none on this machine"),
    ],
)
def test_a_device_that_is_not_there_is_one_sentence(two_gpus, trainer, said):
    with pytest.raises(ValueError, match=said):
        choice(data=SMALL, **trainer)


@pytest.mark.parametrize("devices", [1, "1", [1], "1,", "0,1", 2, -1, "auto", "many"])
def test_what_is_there_or_left_open_is_not_refused(two_gpus, devices):
    assert choice(data=SMALL, accelerator="gpu", devices=devices)[0] == "gpu"


@pytest.mark.parametrize("accelerator", ["gpu", "cuda", "mps"])
def test_an_accelerator_that_is_typed_where_there_is_none_is_one_sentence(monkeypatch, accelerator):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(ValueError, match=f"accelerator={accelerator}: expected .*, found none on this machine"):
        choice(data=SMALL, accelerator=accelerator)
    assert choice(data=SMALL, accelerator="cpu") == ("cpu", 1)


def test_float16_is_for_accelerators(two_gpus, monkeypatch):
    assert choice(data=SMALL, precision="16-mixed") == ("auto", [1])
    assert choice(data=SMALL, precision="bf16-mixed") == ("cpu", 1)
    with pytest.raises(ValueError, match=r"precision=16-mixed: .*expected bf16-mixed there"):
        choice(data=LARGE, precision="16-mixed", accelerator="cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)
    with pytest.raises(ValueError, match="precision=16: "):
        choice(data=SMALL, precision=16)


@pytest.mark.parametrize(("native", "said"), [(False, ["imitates it", "precision=32-true"]), (True, [])])
def test_a_processor_that_imitates_bfloat16_is_told_of(trial, capsys, monkeypatch, native, said):
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: native)
    trial("precision=bf16-mixed", "trainer.accelerator=cpu", "epochs=1", "updates_per_epoch=1", "model.units=[4]")
    printed = capsys.readouterr().out
    assert [word for word in ("imitates it", "precision=32-true") if word in printed] == said


@pytest.mark.parametrize("devices", [0, "0", [], ""])
def test_no_device_is_one_sentence(devices):
    with pytest.raises(ValueError, match="expected a number of devices from 1 on"):
        choice(data=SMALL, devices=devices)


def test_auto_takes_an_accelerator_from_a_number_of_multiply_adds_on(two_gpus):
    model, needed = MLP((30,), 10, units=(100,)), 30 * 100 + 100 * 10
    enough, left = divmod(WORTH_AN_ACCELERATOR, needed)
    assert (multiply_adds(model, (30,)), left) == (needed, 0)
    for batch_size, kind in ((enough - 1, "cpu"), (enough, "auto")):
        assert choice(model, SimpleNamespace(input_shape=(30,), batch_size=batch_size))[0] == kind
