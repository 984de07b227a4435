"""The choices a layer offers by name, and layers on maps whose size they know."""

import math
from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor, nn

# Written out, so that a name which is none of them is refused without importing torch.
Norm = Literal["none", "batch", "layer", "instance", "group"]
Activation = Literal["relu", "tanh", "sigmoid", "gelu", "silu"]
Initialization = Literal["torch", "glorot_uniform"]
NORMS, INITIALIZATIONS = get_args(Norm), get_args(Initialization)
ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "gelu": nn.GELU, "silu": nn.SiLU}

_BATCH = {0: nn.BatchNorm1d, 1: nn.BatchNorm1d, 2: nn.BatchNorm2d}
_INSTANCE = {1: nn.InstanceNorm1d, 2: nn.InstanceNorm2d}
_CONVOLUTION = {1: nn.Conv1d, 2: nn.Conv2d}
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


def pool_layer(size: int, dimensions: int) -> nn.Module:
    """Max-pooling of windows of this width, which do not overlap, over 1 or 2 spatial dimensions."""
    return {1: MaxPool1d, 2: MaxPool2d}[dimensions](size)


class MaxPool1d(nn.MaxPool1d):
    """Torch's, and by windows on a device that has no deterministic backward pass of it."""

    def forward(self, x: Tensor) -> Tensor:
        return pooled_by_windows(x, self.kernel_size) if _lacks_backward(x) else super().forward(x)  # type: ignore[arg-type]


class MaxPool2d(nn.MaxPool2d):
    """Torch's, and by windows on a device that has no deterministic backward pass of it."""

    def forward(self, x: Tensor) -> Tensor:
        return pooled_by_windows(x, self.kernel_size) if _lacks_backward(x) else super().forward(x)  # type: ignore[arg-type]


def _lacks_backward(x: Tensor) -> bool:
    return x.device.type == "mps" and torch.are_deterministic_algorithms_enabled()


def pooled_by_windows(x: Tensor, size: int) -> Tensor:
    """The maximum of each window of maps (batch, channels, *lengths); equal largest values share the gradient."""
    spatial = range(2, x.dim())
    for dimension in spatial:
        x = x.narrow(dimension, 0, x.shape[dimension] // size * size)
    windows = x.reshape(*x.shape[:2], *(length for one in spatial for length in (x.shape[one] // size, size)))
    return windows.amax([2 * one - 1 for one in spatial])


def activation_layer(activation: str) -> nn.Module:
    """The elementwise non-linearity of that name."""
    if activation not in ACTIVATIONS:
        raise ValueError(f"activation must be one of {', '.join(ACTIVATIONS)}, got {activation}")
    return ACTIVATIONS[activation]()


class Residual(nn.Sequential):
    """Layers whose input is added to what they give (He et al. 2015, arXiv:1512.03385), both of one shape."""

    def forward(self, x: Tensor) -> Tensor:
        return x + super().forward(x)


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


class FeatureMaps:
    """Layers on signals or images, one after the other, and the size to which they have shrunk the maps so far.

    Args:
        input_shape: (channels, length) of a signal or (channels, height, width) of an image.

    Attributes:
        layers: so far.
        channels, size: of the maps that they give.

    Raises:
        ValueError: for samples that are neither, and layers that these maps are too small for.
    """

    def __init__(self, input_shape: Sequence[int]) -> None:
        if len(input_shape) not in (2, 3):
            raise ValueError(
                "CNN reads signals (channels, length) or images (channels, height, width), "
                f"got samples of shape {tuple(input_shape)}; model=mlp reads any shape"
            )
        self.layers: list[nn.Module] = []
        self.channels, *self.size = input_shape
        self.dimensions = len(self.size)

    @property
    def values(self) -> int:
        """Of all maps of one sample."""
        return self.channels * math.prod(self.size)

    def convolve(self, filters: int, kernel_size: int) -> None:
        """Adds a convolution with stride 1 that keeps the maps' size."""
        if kernel_size % 2 == 0:
            raise ValueError(f"model.kernel_size must be odd, so that maps keep their size, got {kernel_size}")
        kind = _CONVOLUTION[self.dimensions]
        self.layers.append(kind(self.channels, filters, kernel_size, padding=kernel_size // 2))
        self.channels = filters

    def normalize(self, norm: str) -> None:
        """Adds a norm of `norm_layer`."""
        if norm == "instance" and max(self.size) == 1:
            raise ValueError(
                f"norm=instance needs maps of more than one pixel, and after convolution {self._convolutions} they "
                "have shrunk to one; pool less (model.pool_after, model.pool_size) or choose another norm"
            )
        self.layers += norm_layer(norm, self.channels, self.dimensions)

    def activate(self, activation: str) -> None:
        """Adds the non-linearity of that name."""
        self.layers.append(activation_layer(activation))

    def drop(self, dropout: float) -> None:
        """Adds dropout of whole channels."""
        self.layers += dropout_layer(dropout, self.dimensions)

    def pool(self, size: int) -> None:
        """Adds a max-pool as wide as its stride."""
        if min(self.size) < size:
            raise ValueError(
                f"model.pool_size={size} is larger than the map {tuple(self.size)} after convolution "
                f"{self._convolutions}; pool less (model.pool_after) or by less"
            )
        self.layers.append(pool_layer(size, self.dimensions))
        self.size = [length // size for length in self.size]

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the maps that the layers so far give, (channels, *size)."""
        return (self.channels, *self.size)

    def skip(self, start: int, shape: tuple[int, ...]) -> None:
        """Adds maps of this shape, which come before layer `start`, to what the layers from there on give, if alike."""
        if shape == self.shape and not any(isinstance(layer, Residual) for layer in self.layers[start:]):
            self.layers[start:] = [Residual(*self.layers[start:])]

    @property
    def _convolutions(self) -> int:
        inside = (layer for one in self.layers for layer in one.modules())
        return sum(isinstance(layer, _CONVOLUTION[self.dimensions]) for layer in inside)
