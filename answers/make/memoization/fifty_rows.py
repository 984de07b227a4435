"""Fifty rows and a neuron with two weights: one update of their mean gradient, or one of every row's own."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from src.datamodules.social_network_ads import SocialNetworkAds

ROWS, RATE = 50, 0.5
START = (-1.5, -1.0)


class Descent(NamedTuple):
    """Inputs (rows, 2), labels (rows,), and the weights (updates + 1, 2) along both ways from one start."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    single: NDArray[np.float64]
    batch: NDArray[np.float64]


def one_and_fifty(data_dir: str | Path) -> Descent:
    """Both ways through the first fifty training rows, at one rate."""
    data = SocialNetworkAds(data_dir=data_dir, rows=ROWS)
    data.setup()
    x, y = (part.double().numpy() for part in data.splits["train"])
    return descended(x, y)


def descended(x: NDArray[np.float64], y: NDArray[np.float64]) -> Descent:
    """The same on any rows."""
    start = np.array(START)
    single = [start]
    for row in range(len(x)):
        single.append(single[-1] - RATE * gradient(single[-1], x[row : row + 1], y[row : row + 1]))
    return Descent(x, y, np.array(single), np.array([start, start - RATE * gradient(start, x, y)]))


def gradient(weights: NDArray[np.float64], x: NDArray[np.float64], y: NDArray[np.float64]) -> Any:
    """Of the mean cross-entropy of a sigmoid neuron without a bias, by its weights (2,)."""
    return (1 / (1 + np.exp(-x @ weights)) - y) @ x / len(x)


def loss_at(found: Descent, weights: NDArray[np.float64]) -> Any:
    """The mean cross-entropy of all rows at each of these weights (places, 2)."""
    scores = weights @ found.x.T
    return (np.logaddexp(0, scores) - scores * found.y).mean(axis=1)
