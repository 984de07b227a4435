"""Landscapes in two dimensions where training is said to stall: of height 1 where they are flat, 0 at the bottom.

Their strongest curvature is 1 (plateau: at the bottom of its well), so that a learning rate means the same on each;
their way down is the y axis. A start is as deep below the flat as is asked for.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Generator, Tensor

from litmus.seeds import derived_seed


class Function(NamedTuple):
    """`height(x, y)`; `distance(depth)`, the y at which (0, y) lies so deep below the flat; the SD of a start's x."""

    height: Callable[[Tensor, Tensor], Tensor]
    distance: Callable[[float], float]
    across: float


def saddle(length: float) -> Function:
    """x²/2 + (1 − (y/length)²)²: a saddle at 0 and minima at (0, ±length), so that the way down ends.

    Its curvatures are 1 across and −4/length² along y at the saddle, 1 and 8/length² at the minima. Starts lie in the
    valley across, x ~ N(0, 1), and near its floor's highest point: close to the stable manifold, y = 0.
    """

    def height(x: Tensor, y: Tensor) -> Tensor:
        return x**2 / 2 + (1 - (y / length) ** 2) ** 2

    return Function(height, lambda depth: length * math.sqrt(1 - math.sqrt(1 - depth)), across=1.0)


def plateau() -> Function:
    """1 − exp(−(x² + y²)/2): a well of width 1 in a plain that is flat in all directions and never ends.

    The gradient fades as exp(−r²/2)·r: saturation, as behind a sigmoid, which is how nets come by plateaus.
    """

    def height(x: Tensor, y: Tensor) -> Tensor:
        return 1 - torch.exp(-(x**2 + y**2) / 2)

    return Function(height, lambda depth: math.sqrt(-2 * math.log(depth)), across=0.0)


# A net's negative curvatures lie in the bulk near zero, its strongest positive ones far outside (Sagun et al. 2017,
# arXiv:1706.04454): −0.04 against 1 on `saddle`; on `round_saddle`, the control, they are equally strong.
FUNCTIONS = {"saddle": saddle(10.0), "round_saddle": saddle(2.0), "plateau": plateau()}


def chosen(name: str) -> Function:
    """The landscape of that name."""
    if name not in FUNCTIONS:
        raise ValueError(f"model.function must be one of {', '.join(FUNCTIONS)}, got {name}")
    return FUNCTIONS[name]


def frame(
    function: Function, depth: Sequence[float], degrees: float | None, seed: int
) -> tuple[tuple[float, float], Tensor]:
    """A start (x, y), its depth below the flat drawn log-uniformly from the range, and the way the axes lie.

    The matrix (2, 2) turns parameters θ into (x, y): by an angle in degrees, or by any where it is None. Methods with a
    step size per parameter notice which way the parameters' axes lie.
    """
    known = isinstance(depth, Sequence) and len(depth) == 2 and all(isinstance(end, int | float) for end in depth)
    if not known or not 0 < depth[0] <= depth[1] < 1:
        raise ValueError(f"model.depth must be a range between 0 and 1, as [1e-4,1e-2], got {depth}")
    if degrees is not None and (not isinstance(degrees, int | float) or not math.isfinite(degrees)):
        raise ValueError(f"model.rotation must be an angle in degrees, or null to draw it, got {degrees}")
    draw = Generator().manual_seed(derived_seed("landscape", seed))
    share, turned = torch.rand(2, generator=draw).tolist()
    across = torch.randn((), generator=draw).item()
    low, high = (math.log(end) for end in depth)
    point = (function.across * across, function.distance(math.exp(low + share * (high - low))))
    angle = 2 * math.pi * turned if degrees is None else math.radians(degrees)
    return point, torch.tensor([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
