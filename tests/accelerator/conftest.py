"""The accelerator that these tests run on; without one they are skipped and say so."""

import os

import pytest
import torch


@pytest.fixture(scope="session")
def device():
    """cuda or mps; LITMUS_TEST_DEVICE=cpu shows the laws themselves to hold where there is neither."""
    asked = os.environ.get("LITMUS_TEST_DEVICE")
    if asked:
        return asked
    if torch.cuda.is_available():
        return "cuda"
    if torch.backends.mps.is_available():
        return "mps"
    pytest.skip("torch finds neither a CUDA device nor MPS on this machine")


@pytest.fixture
def cuda(device):
    """The same where it is CUDA."""
    if device != "cuda":
        pytest.skip(f"only CUDA has this, and the tests run on {device}")
    return device


@pytest.fixture(autouse=True)
def as_before():
    """Lightning switches deterministic algorithms on for the whole process."""
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    yield
    torch.use_deterministic_algorithms(before[0], warn_only=before[1])
