"""A study's trials share one kind of device, which is chosen once, said, and kept wherever the study goes on."""

import json
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

from litmus.sweeps import accelerator, study_sweep
from litmus.sweeps.accelerator import accelerator_of, decided
from litmus.sweeps.composition import one_accelerator
from litmus.trial.ranks import AUTO
from tests.sweep_helpers import QUESTION, results, sweep, write_study

pytestmark = pytest.mark.usefixtures("undrawn")

ONE_TRIAL = {**QUESTION, "seeds": 1}


def starts(directory):
    return {path.parent.name: path.stat().st_mtime_ns for path in sorted(Path(directory).rglob("trial.json"))}


@pytest.mark.parametrize(
    ("trainer", "kind", "expected"),
    [
        ({"accelerator": "auto", "devices": 1}, "gpu", "gpu"),
        ({"accelerator": "auto", "devices": "auto"}, "cpu", "cpu"),
        ({"accelerator": "auto", "devices": [2]}, "gpu", "gpu"),
        ({"accelerator": "auto", "devices": 1}, None, "auto"),
        ({"accelerator": "cuda", "devices": 1}, "cpu", "cuda"),
        ({"accelerator": "auto", "devices": 2}, "gpu", "auto"),
    ],
)
def test_what_was_left_open_is_pinned_and_nothing_else(trainer, kind, expected):
    typed, config = one_accelerator(("lr=1",), OmegaConf.create({"trainer": trainer}), kind)
    assert config.trainer.accelerator == expected
    pinned = expected != trainer["accelerator"]
    assert typed == (("lr=1", f"trainer.accelerator={expected}") if pinned else ("lr=1",))


def configuration(units, batch_size=32):
    return {
        "data": {"_target_": "tests.small_data.Blobs", "batch_size": batch_size},
        "model": {"_target_": "src.models.mlp.MLP", "units": units},
        "optimizer": {"_target_": "torch.optim.Adam", "_partial_": True, "lr": 0.1},
        "scheduler": {"_target_": "litmus.training.schedule.Schedule", "_partial_": True},
    }


@pytest.mark.parametrize(
    ("configs", "kind"),
    [
        ([configuration([4]), configuration([8])], "cpu"),
        ([configuration([4]), configuration([1000, 1000])], "gpu"),
        ([configuration([4]), configuration([8], batch_size="all")], "gpu"),
        ([configuration([4]) | {"trainer": {"precision": "16-mixed"}}], "gpu"),  # which the processor has not
        ([configuration([0]), configuration([4])], "cpu"),  # what cannot be built decides nothing
    ],
)
def test_one_arm_that_gains_takes_all_to_the_accelerator(monkeypatch, configs, kind):
    assert decided(configs) is None
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    assert decided(configs) == kind


@pytest.mark.long
def test_a_study_trains_on_one_kind_of_device_and_goes_on_with_it(tmp_path, monkeypatch, capsys):
    write_study(tmp_path, study=ONE_TRIAL)
    monkeypatch.setattr(study_sweep, "report", lambda directory, name: None)  # its pictures take seconds
    directory = tmp_path / "studies" / "tiny"
    with monkeypatch.context() as on_a_machine_with_an_accelerator:
        on_a_machine_with_an_accelerator.setattr(study_sweep, "accelerator_of", lambda *asked: "cpu")
        sweep(tmp_path, "study=tiny")
    assert "every trial on the processor" in capsys.readouterr().out
    found, before = results(directory), starts(directory)
    assert [result["config"]["trainer"]["accelerator"] for result in found.values()] == ["cpu", "cpu"]
    assert all("trainer.accelerator=cpu" in result["overrides"] for result in found.values())
    assert json.loads((directory / "command.json").read_text())["accelerator"] == "cpu"
    sweep(tmp_path, "study=tiny")  # on one without, which would pin nothing
    assert starts(directory) == before
    assert results(directory) == found


@pytest.mark.long
def test_a_study_of_a_machine_without_an_accelerator_stays_as_it_was_typed(tmp_path, monkeypatch, capsys):
    write_study(tmp_path, study=ONE_TRIAL)
    monkeypatch.setattr(study_sweep, "report", lambda directory, name: None)  # its pictures take seconds
    directory = tmp_path / "studies" / "tiny"
    sweep(tmp_path, "study=tiny")
    assert "every trial on" not in capsys.readouterr().out
    found, before = results(directory), starts(directory)
    assert [result["config"]["trainer"]["accelerator"] for result in found.values()] == ["auto", "auto"]
    monkeypatch.delenv(AUTO)
    monkeypatch.setattr(accelerator, "_may_have_one", lambda: pytest.fail("it began without one"))
    sweep(tmp_path, "study=tiny")
    assert starts(directory) == before


@pytest.mark.parametrize("stored", ["tpu", ["cpu"], {"cpu": 1}, 3, None])
def test_a_note_that_says_no_kind_of_device_pins_none(tmp_path, stored):
    (tmp_path / "command.json").write_text(json.dumps({"accelerator": stored}))
    assert accelerator_of(tmp_path, [], {}) is None


def test_the_process_of_the_sweep_asks_another_one_and_slurm_none(tmp_path, monkeypatch):
    monkeypatch.delenv(AUTO)
    monkeypatch.setattr(accelerator, "_may_have_one", lambda: True)
    asked = []

    class Apart:
        def __init__(self, workers, mp_context):
            assert (workers, mp_context.get_start_method()) == (1, "spawn")

        def __enter__(self):
            return self

        def __exit__(self, *problem):
            pass

        def submit(self, function, configs):
            asked.append((function, configs))
            return type("Later", (), {"result": lambda self: "gpu"})()

    class Arm:
        config = OmegaConf.create({"trainer": {"accelerator": "auto", "devices": 1}})

    monkeypatch.setattr(accelerator, "ProcessPoolExecutor", Apart)
    monkeypatch.setattr(accelerator, "resolved", OmegaConf.to_container)
    launchers = {"hydra._internal.core_plugins.basic_launcher.BasicLauncher": "gpu", "a.SlurmLauncher": None}
    for target, kind in launchers.items():
        assert accelerator_of(tmp_path, [Arm], {"_target_": target}) == kind
    assert asked == [(decided, [OmegaConf.to_container(Arm.config)])]
    monkeypatch.setenv(AUTO, "cpu")
    assert accelerator_of(tmp_path, [Arm], {"_target_": next(iter(launchers))}) is None
