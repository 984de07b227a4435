"""The plane in the space of weights that lies closest to paths with a common start."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float64]


class Plane(NamedTuple):
    """`origin` (parameters,), orthonormal `axes` (2, parameters), and the share `explained` (2,) along each axis."""

    origin: Rows
    axes: Rows
    explained: Rows

    def coordinates(self, weights: Rows) -> Rows:
        """Where the shadows of weights (rows, parameters) fall: (rows, 2)."""
        return (weights - self.origin) @ self.axes.T

    def weights(self, coordinates: Rows) -> Rows:
        """The weights (rows, parameters) at places (rows, 2) of the plane."""
        return self.origin + coordinates @ self.axes

    def held(self, weights: Rows) -> float:
        """The share of the weights' squared distances from the origin that lies in the plane; 1 at the origin."""
        distance = float(((weights - self.origin) ** 2).sum())
        return float((self.coordinates(weights) ** 2).sum()) / distance if distance else 1.0


def plane_of(paths: Sequence[Rows]) -> Plane:
    """The plane through the paths' common first row that holds most of their squared distances from it.

    These are the two leading principal directions of all rows together, taken about the start as Li et al. 2018
    (arXiv:1712.09913, section 7) take them about the end: the start is then in the plane, and the contours there are
    those that the first steps see. Each axis points to where the paths are on average.

    Raises:
        ValueError: for paths that start apart, or that do not leave their start in two directions.
    """
    origin = np.asarray(paths[0][0], dtype=float)
    apart = [place for place, path in enumerate(paths) if not np.array_equal(path[0], origin)]
    if apart:
        raise ValueError(f"expected paths from one start, found other initial weights in path {apart[0] + 1}")
    moves = np.concatenate([np.asarray(path, dtype=float) - origin for path in paths])
    _, singular, directions = np.linalg.svd(moves, full_matrices=False)
    if np.count_nonzero(singular > singular[:1] * 1e-12) < 2:
        raise ValueError("expected paths that leave their start in two directions, found none that span a plane")
    axes = directions[:2]
    axes *= np.where((moves @ axes.T).mean(0) < 0, -1.0, 1.0)[:, None]
    return Plane(origin, axes, singular[:2] ** 2 / (singular**2).sum())


def grid_around(coordinates: Rows, points: int, margin: float = 0.12) -> tuple[Rows, Rows]:
    """Equally spaced places (points,) along each axis, past all coordinates by a share of their larger extent."""
    low, high = coordinates.min(0), coordinates.max(0)
    room = margin * float((high - low).max())
    return (
        np.linspace(low[0] - room, high[0] + room, points),
        np.linspace(low[1] - room, high[1] + room, points),
    )


def random_walks_held(walks: int, steps: int, parameters: int, seed: int = 0) -> float:
    """What the same plane would hold of walks without any aim: a high share alone says little.

    See Antognini & Sohl-Dickstein 2018, arXiv:1806.08805.
    """
    draw = np.random.default_rng(seed)
    start = np.zeros((1, parameters))
    paths = [np.concatenate([start, draw.standard_normal((steps, parameters)).cumsum(0)]) for _ in range(walks)]
    return float(plane_of(paths).explained.sum())
