"""Apple's MPS has no float64: nothing is moved to the device of a run, or made there, in that type.

The device is the CPU here, and told apart by how a tensor comes to it: `to(device)`, or made with `device=`.
"""

import traceback

import numpy as np
import pytest
import torch
from torch.overrides import TorchFunctionMode

import litmus.training.totals


class Moves(TorchFunctionMode):
    """Remembers whatever of float64 is moved to, or made on, a device that is named by an object of torch's."""

    def __init__(self):
        super().__init__()
        self.found = []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        made = func(*args, **kwargs)
        device = any(isinstance(one, torch.device) for one in [*args, kwargs.get("device")])
        of_another = func is torch.Tensor.to and any(isinstance(one, torch.Tensor) for one in args[1:])
        if device and not of_another and isinstance(made, torch.Tensor) and made.dtype == torch.float64:
            stack = traceback.extract_stack()[:-1]
            # At its end a Trainer takes what was recorded away from the device.
            if not any(one.name == "teardown" and "logger_connector" in one.filename for one in stack):
                own = next(one for one in reversed(stack) if "/torch/" not in one.filename)
                self.found.append(f"{own.filename}:{own.lineno} {own.line}")
        return made


@pytest.fixture
def table(tmp_path):
    """A regression of float64 columns."""
    draw = np.random.default_rng(0)
    rows = draw.normal(size=(90, 3))
    path = tmp_path / "t.csv"
    np.savetxt(path, rows, delimiter=",", header="a,b,target", comments="")
    return path


@pytest.fixture
def arrays(tmp_path):
    """Inputs of float64 that nobody scales."""
    draw = np.random.default_rng(0)
    np.savez(tmp_path / "a.npz", x=draw.normal(size=(90, 4)), y=np.arange(90) % 2)
    return tmp_path / "a.npz"


TINY = ("epochs=2", "model.units=[4]", "batch_size=16")
RUNS = {
    "by hand": (*TINY, "data=table", "data.target=target", "data.path={table}"),
    "arrays": (*TINY, "data=arrays", "data.path={arrays}", "data.scale=none", "average=ema"),
    "plateau": (
        *TINY,
        "data=arrays",
        "data.path={arrays}",
        "batching=on_plateau",
        "callbacks=[sharpness,gradient_norms]",
    ),
    "noise": (
        *TINY,
        "data=arrays",
        "data.path={arrays}",
        "batching=noise_scale",
        "callbacks=[trajectory]",
        "fast=false",
    ),
}


@pytest.mark.briefly("arrays")
@pytest.mark.parametrize("name", RUNS)
def test_nothing_of_float64_comes_to_the_device(trial, table, arrays, name, monkeypatch):
    monkeypatch.setattr(litmus.training.totals, "WITHOUT_FLOAT64", {"cpu"})
    with Moves() as moves:
        result = trial(*(one.format(table=table, arrays=arrays) for one in RUNS[name]))
    assert result["status"] == "completed"
    assert sorted(set(moves.found)) == []
