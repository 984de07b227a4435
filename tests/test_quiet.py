"""What other libraries say of the environment in every run is said neither to users nor, as errors, to tests."""

import pytest
import pytorch_lightning as pl

from litmus.quiet import MESSAGES, WARNINGS


@pytest.fixture
def slurm_installed(tmp_path, monkeypatch):
    """A machine with Slurm's command, outside of any job."""
    command = tmp_path / "bin" / "srun"
    command.parent.mkdir()
    command.write_text("#!/bin/sh\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(command.parent), prepend=":")


def test_a_machine_with_slurm_trains_without_a_word_of_it(slurm_installed, trial, capfd):
    pl.Trainer(logger=False, enable_checkpointing=False, accelerator="cpu")  # as tests make them, without the program
    assert trial("epochs=1", "updates_per_epoch=2", "model.units=[4]")["status"] == "completed"
    said = "".join(capfd.readouterr())
    for hint in ("`srun`", "GPU available", "💡", *WARNINGS, *MESSAGES):
        assert hint not in said, hint


def test_hints_are_listed_once():
    from tests.conftest import ROOT

    listed = (ROOT / "pyproject.toml").read_text().partition("filterwarnings")[2]
    assert "ignore" not in listed
