"""Augmentation: functions on whole batches of training inputs, with random numbers of their own."""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Generator, Tensor
from torch.nn.functional import pad


class Crop:
    """Shifts each sample by up to `padding` places along each of its dimensions but the first; zeros come in.

    For inputs (batch, channels, …): images, signals. Source: the usual augmentation of CIFAR, He et al. 2015,
    arXiv:1512.03385, section 4.2.
    """

    def __init__(self, padding: int = 4) -> None:
        if not isinstance(padding, int) or padding < 1:
            raise ValueError(f"augment.Crop: padding must be a whole number from 1 on, got {padding}")
        self.padding = padding

    def __call__(self, x: Tensor, generator: Generator) -> Tensor:
        if x.dim() < 3:
            raise ValueError(f"augment.Crop: expected inputs (batch, channels, …), got {tuple(x.shape)}")
        for dimension in range(2, x.dim()):
            shifts = torch.randint(2 * self.padding + 1, (len(x),), generator=generator).to(x.device)
            length = x.shape[dimension]
            padded = pad(x, (0, 0) * (x.dim() - 1 - dimension) + (self.padding, self.padding))
            places = shifts[:, None] + torch.arange(length, device=x.device)
            shape = [len(x)] + [1] * (x.dim() - 1)
            shape[dimension] = length
            x = padded.take_along_dim(places.reshape(shape), dimension)
        return x


class Flip:
    """Mirrors each sample along its last dimension (left and right of an image) with this probability."""

    def __init__(self, probability: float = 0.5) -> None:
        if not isinstance(probability, int | float) or not 0 <= probability <= 1:
            raise ValueError(f"augment.Flip: probability must be in [0, 1], got {probability}")
        self.probability = probability

    def __call__(self, x: Tensor, generator: Generator) -> Tensor:
        chosen = (torch.rand(len(x), generator=generator) < self.probability).to(x.device)
        return torch.where(chosen.reshape([-1] + [1] * (x.dim() - 1)), x.flip(-1), x)


def augmented(functions: Sequence[Callable[..., Any]], x: Tensor, generator: Generator) -> Tensor:
    """The batch (batch, *input_shape) after all functions, in their order.

    A function that names a parameter `generator` is given it. Any other (torchvision's, kornia's) draws from torch's
    global generators, which are seeded from `generator` for it and put back: what else draws from them, dropout above
    all, draws the same with augmentation and without.

    Raises:
        ValueError: where a function gives anything but a batch of the same shape and type.
    """
    for place, function in enumerate(functions):
        changed = function(x, generator=generator) if takes_generator(function) else _drawn(function, x, generator)
        if not isinstance(changed, Tensor) or changed.shape != x.shape or changed.dtype != x.dtype:
            name = getattr(function, "__name__", type(function).__name__)
            got = f"{tuple(changed.shape)} {changed.dtype}" if isinstance(changed, Tensor) else type(changed).__name__
            raise ValueError(
                f"data.augment[{place}] ({name}) must keep a batch's shape and type, {tuple(x.shape)} {x.dtype}, "
                f"got {got}; validation and test see the inputs without it"
            )
        x = changed
    return x


def takes_generator(function: Callable[..., Any]) -> bool:
    """Whether a function names a parameter `generator`."""
    try:
        return "generator" in inspect.signature(function).parameters
    except (TypeError, ValueError):  # of a function that is no Python
        return False


def _drawn(function: Callable[..., Any], x: Tensor, generator: Generator) -> Any:
    seed = int(torch.randint(2**62, (), generator=generator))
    elsewhere = x.device.type != "cpu"
    with torch.random.fork_rng([x.device] if elsewhere else [], device_type=x.device.type if elsewhere else "cuda"):
        (torch.manual_seed if elsewhere else torch.default_generator.manual_seed)(seed)
        return function(x)
