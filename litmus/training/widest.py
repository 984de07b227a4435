"""The widest floating-point numbers of a kind of device: sums of float32 are exact in float64, which not all have."""

import torch

# Kinds of device that refuse float64, even to be moved there.
WITHOUT_FLOAT64 = {"mps"}


def widest(device: torch.device) -> torch.dtype:
    """Float64 where the device has it, else float32."""
    return torch.float32 if device.type in WITHOUT_FLOAT64 else torch.float64
