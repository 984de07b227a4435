"""A plain convolutional net, for signals and images alike."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from litmus.training.learner import Learner
from litmus.training.recompute import sequential
from src.models.layers import Activation, FeatureMaps, Initialization, Norm, Residual, activation_layer, initialize

ORDER = ("norm", "activation", "dropout", "pool")


class CNN(Learner):
    """`layers` blocks of Conv → norm → ReLU → dropout (→ max-pool after some), then Linear → ReLU → Linear.

    Convolutions keep the size of the map (stride 1, "same" padding); dropout drops whole channels.

    Args:
        input_shape: (channels, length) of a signal or (channels, height, width) of an image.
        classes: number of classes, two have one logit; None where a task says what the outputs are.
        layers, convs_per_layer: blocks, and convolutions (with norm, ReLU and dropout each) in a block.
        filters: channels of every convolution.
        kernel_size: its width.
        units: width of the hidden linear layer.
        pool_after: blocks, counted from 1, that a max-pool follows; None is every second block but the last.
        pool_size: its width and stride.
        norm: none, batch, layer, instance or group.
        dropout: probability of a channel's being dropped.
        order: what follows a convolution, in any order of norm, activation, dropout, pool.
        activation, initialization: as in MLP.
        channels_last: NHWC memory layout for images: faster with bf16-mixed, slower with instance norm.
        recompute: false, true or a number of segments whose activations training computes twice and does not store.
        skip: whether each convolution that keeps the shape adds its input to what is given up to a pool.
        training: `task`, `optimizer` and `scheduler`, see Learner.

    Source: 004_0f2da5427b3cc5b5.txt; the defaults on 28×28 are its 832,298-parameter net.
    """

    def __init__(
        self,
        input_shape: Sequence[int],
        classes: int | None = None,
        layers: int = 4,
        filters: int = 32,
        kernel_size: int = 3,
        units: int = 128,
        convs_per_layer: int = 1,
        pool_after: Sequence[int] | None = None,
        pool_size: int = 2,
        norm: Norm = "none",
        dropout: float = 0.0,
        order: Sequence[str] = ORDER,
        activation: Activation = "relu",
        initialization: Initialization = "torch",
        channels_last: bool = False,
        recompute: bool | int = False,
        skip: bool | None = None,
        **training: Any,
    ) -> None:
        super().__init__(classes, **training)
        _refuse_counts(layers=layers, filters=filters, kernel_size=kernel_size, units=units)
        _refuse_counts(convs_per_layer=convs_per_layer, pool_size=pool_size)
        pools = range(2, layers, 2) if pool_after is None else pool_after
        if not pools:
            self.without_effect = {"pool_size": f"none of the {layers} blocks ends with pooling"}
        _refuse_places(pools, layers, order)

        maps = FeatureMaps(input_shape)
        for block in range(1, layers + 1):
            for convolution in range(1, convs_per_layer + 1):
                start, shape = len(maps.layers), maps.shape
                maps.convolve(filters, kernel_size)
                pools_here = block in pools and convolution == convs_per_layer
                for part in (part for part in order if part != "pool" or pools_here):
                    if part == "norm":
                        maps.normalize(norm)
                    elif part == "activation":
                        maps.activate(activation)
                    elif part == "dropout":
                        maps.drop(dropout)
                    else:
                        if skip:
                            maps.skip(start, shape)
                        maps.pool(pool_size)
                if skip and not pools_here:
                    maps.skip(start, shape)
        if skip and not any(isinstance(layer, Residual) for layer in maps.layers):
            raise ValueError(
                f"model.skip=true needs a convolution that keeps the shape of its maps, and none of these "
                f"{layers} blocks of {filters} filters has one"
            )
        head = [
            nn.Flatten(),
            nn.Linear(maps.values, units),
            activation_layer(activation),
            nn.Linear(units, self.outputs),
        ]

        self.net = sequential([*maps.layers, *head], recompute, input_shape)
        initialize(self.net, initialization)
        if channels_last and maps.dimensions != 2:
            raise ValueError(f"model.channels_last is a layout of images, got samples of shape {tuple(input_shape)}")
        if channels_last:
            self.net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, x: Tensor) -> Tensor:
        """Outputs (batch, outputs), for classes logits, of signals or images (batch, *input_shape)."""
        return self.net(x)


def _refuse_counts(**counts: int) -> None:
    for name, count in counts.items():
        if not isinstance(count, int) or count < 1:
            raise ValueError(f"model.{name} must be a whole number from 1 on, got {count}")


def _refuse_places(pools: Sequence[int], layers: int, order: Sequence[str]) -> None:
    if not all(1 <= block <= layers for block in pools):
        raise ValueError(f"model.pool_after must name blocks from 1 to {layers}, got {list(pools)}")
    if sorted(order) != sorted(ORDER):
        raise ValueError(f"model.order must have each of {', '.join(ORDER)} once, got {list(order)}")
