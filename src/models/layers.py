"""The choices a layer offers by name: normalization, activation, initialization."""

import math
from typing import Literal, get_args

from torch import nn

# Written out, so that a name which is none of them is refused without importing torch.
Norm = Literal["none", "batch", "layer", "instance", "group"]
Activation = Literal["relu", "tanh", "sigmoid", "gelu", "silu"]
Initialization = Literal["torch", "glorot_uniform"]
NORMS, INITIALIZATIONS = get_args(Norm), get_args(Initialization)
ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "gelu": nn.GELU, "silu": nn.SiLU}

_BATCH = {0: nn.BatchNorm1d, 1: nn.BatchNorm1d, 2: nn.BatchNorm2d}
_INSTANCE = {1: nn.InstanceNorm1d, 2: nn.InstanceNorm2d}
_CHANNEL_DROPOUT = {0: nn.Dropout, 1: nn.Dropout1d, 2: nn.Dropout2d}


def norm_layer(norm: str, channels: int, dimensions: int) -> list[nn.Module]:
    """The layer, if any, that normalizes `channels` feature maps with 0, 1 or 2 spatial dimensions.

    `layer` normalizes over all of one sample, `group` over up to eight groups of its channels, `instance` (without
    affine parameters) over each channel of it, `batch` over each channel of the batch.

    Raises:
        ValueError: for an unknown name, or instance norm without a spatial dimension.
    """
    if norm == "none":
        return []
    if norm == "batch":
        return [_BATCH[dimensions](channels)]
    if norm == "layer":
        return [nn.LayerNorm(channels) if dimensions == 0 else nn.GroupNorm(1, channels)]
    if norm == "group":
        return [nn.GroupNorm(math.gcd(channels, 8), channels)]
    if norm != "instance":
        raise ValueError(f"norm must be one of {', '.join(NORMS)}, got {norm}")
    if dimensions == 0:
        raise ValueError(
            "norm=instance normalizes over space, which an MLP does not have; choose batch, layer or group"
        )
    return [_INSTANCE[dimensions](channels)]


def dropout_layer(dropout: float, dimensions: int) -> list[nn.Module]:
    """Dropout of single units, or of whole channels where there are spatial dimensions; nothing at 0."""
    if not isinstance(dropout, int | float) or not 0 <= dropout < 1:
        raise ValueError(f"dropout must be in [0, 1), got {dropout}")
    return [_CHANNEL_DROPOUT[dimensions](dropout)] if dropout else []


def activation_layer(activation: str) -> nn.Module:
    """The elementwise non-linearity of that name."""
    if activation not in ACTIVATIONS:
        raise ValueError(f"activation must be one of {', '.join(ACTIVATIONS)}, got {activation}")
    return ACTIVATIONS[activation]()


def initialize(module: nn.Module, initialization: str) -> None:
    """Draws the weights anew: `torch` keeps PyTorch's own, `glorot_uniform` with zero biases is Keras' default."""
    if initialization not in INITIALIZATIONS:
        raise ValueError(f"initialization must be one of {', '.join(INITIALIZATIONS)}, got {initialization}")
    if initialization == "torch":
        return
    for layer in module.modules():
        if isinstance(layer, nn.Linear | nn.Conv1d | nn.Conv2d):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
