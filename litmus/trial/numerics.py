"""What a machine makes of a configuration's arithmetic: the same settings give other last digits on another device."""

import os
from typing import Any

import pytorch_lightning as pl
import torch

# The first NVIDIA generation that can compute in TF32; on earlier ones its flags do nothing.
TENSOR_FLOAT_32 = (8, 0)
# With the value 0 it takes TF32 from NVIDIA's libraries, whatever torch asks of them and says that it does.
OVERRIDE = "NVIDIA_TF32_OVERRIDE"


def numerics(trainer: pl.Trainer) -> dict[str, Any]:
    """Kind of device, processes, threads where the processor computes, and the precision of float32 arithmetic.

    CUDA's libraries choose their kernels by the architecture and the number of multiprocessors, so these are in it, and
    which of several such devices it is, and its name, are not. `trainer.precision` is in the configuration.
    """
    device = trainer.strategy.root_device
    found: dict[str, Any] = {"device": device.type, "processes": trainer.world_size}
    if device.type == "cpu":
        found["threads"] = torch.get_num_threads()
    elif device.type == "cuda":
        found["architecture"] = _architecture(device)
    found["dtype"] = str(torch.get_default_dtype()).removeprefix("torch.")
    return found | {name: _stated(precision) for name, precision in _float32(device).items()}


def _architecture(device: torch.device) -> str:
    found = torch.cuda.get_device_properties(device)
    return f"sm_{found.major}{found.minor} × {found.multi_processor_count}"


def _float32(device: torch.device) -> dict[str, str]:
    """How products of float32 numbers are computed, where the device has a choice."""
    backends: Any = torch.backends
    if device.type == "cpu":
        return {"matmul": backends.mkldnn.matmul.fp32_precision, "convolution": backends.mkldnn.conv.fp32_precision}
    if device.type != "cuda" or torch.cuda.get_device_capability(device) < TENSOR_FLOAT_32:
        return {}
    if os.environ.get(OVERRIDE) == "0":
        return dict.fromkeys(("matmul", "convolution", "recurrence"), "ieee")
    return {
        "matmul": backends.cuda.matmul.fp32_precision,
        "convolution": backends.cudnn.conv.fp32_precision,
        "recurrence": backends.cudnn.rnn.fp32_precision,
    }


def _stated(precision: str) -> str:
    return "ieee" if precision == "none" else precision  # what nobody chose
