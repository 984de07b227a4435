"""What other libraries say of the environment in every run is said neither to users nor, as errors, to tests."""

import logging

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


def test_what_lightning_logs_of_a_cuda_device_is_not_said(caplog):
    """In the words and by the loggers of its sources, for machines that have none."""
    from inspect import getsource

    from lightning_fabric.accelerators import cuda as fabrics
    from pytorch_lightning.accelerators import cuda

    from litmus.quiet import silence_lightning

    silence_lightning()
    assert 'f"LOCAL_RANK: {' in getsource(cuda)
    assert 'f"You are using a CUDA device' in getsource(fabrics)
    with caplog.at_level(logging.INFO):
        cuda._log.info("LOCAL_RANK: 0 - CUDA_VISIBLE_DEVICES: [0]")
        fabrics.rank_zero_info("You are using a CUDA device ('NVIDIA H100 80GB HBM3') that has Tensor Cores.")
        assert not caplog.records
        cuda._log.info("something of this run")
        fabrics.rank_zero_info("something of this run")
    assert len(caplog.records) == 2


def test_tf32_that_was_asked_of_torch_by_its_present_name_ends_no_run(monkeypatch):
    """Lightning's look at it, as on a device with tensor cores; without a run's silence torch refuses it."""
    import torch
    from lightning_fabric.accelerators import cuda as fabrics
    from pytorch_lightning.accelerators import cuda

    from litmus.quiet import silence_lightning

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(fabrics, "_is_ampere_or_later", lambda device: True)
    silence_lightning()
    torch.backends.cuda.matmul.fp32_precision = "tf32"
    try:
        for module in (fabrics, cuda):
            module._check_cuda_matmul_precision(torch.device("cuda", 0))
    finally:
        torch.backends.cuda.matmul.fp32_precision = "none"
