"""The floor: what the arithmetic of a multilayer perceptron costs in NumPy, without any library's bookkeeping.

Not to the bit what torch computes, and nothing that anybody should write; it shows how far a bare loop is from what
the machine can do.
"""

from typing import Any

import numpy as np
from torch import nn

from scripts.speed.bare import Splits
from scripts.speed.clock import seconds

NAME = "NumPy by hand"


def has_floor(net: nn.Module) -> bool:
    """Whether a net is one of linear layers and ReLUs alone."""
    return all(isinstance(layer, nn.Linear | nn.ReLU | nn.Flatten | nn.Sequential) for layer in net.modules())


def fit(net: nn.Module, splits: Splits, by_rmsprop: bool, batch_size: int, epochs: int) -> float:
    """Seconds to train for so many epochs, each with its training loss and a validation."""
    linear = [layer for layer in net.modules() if isinstance(layer, nn.Linear)]
    weights = [layer.weight.detach().numpy().copy() for layer in linear]
    biases = [layer.bias.detach().numpy().copy() for layer in linear]
    values = [*weights, *biases]
    first, second = ([np.zeros_like(one) for one in values] for _ in range(2))
    x, y = splits["train"][0].flatten(1).numpy(), splits["train"][1].numpy()
    val_x, val_y = splits["val"][0].flatten(1).numpy(), splits["val"][1].numpy()
    draw, updates, started = np.random.default_rng(0), 0, seconds()
    for _ in range(epochs):
        order, total = draw.permutation(len(y)), 0.0
        for start in range(0, len(y), batch_size):
            rows = order[start : start + batch_size]
            kept = _forward(weights, biases, x[rows])
            loss, d = _loss(kept[-1], y[rows])
            total += loss * len(rows)
            updates += 1
            gradients: list[Any] = [None] * len(values)
            for place in range(len(weights) - 1, -1, -1):
                gradients[place] = d.T @ kept[place]
                gradients[len(weights) + place] = d.sum(0)
                if place:
                    d = (d @ weights[place]) * (kept[place] > 0)
            for value, gradient, one, two in zip(values, gradients, first, second, strict=True):
                if by_rmsprop:
                    two *= 0.99
                    two += 0.01 * gradient * gradient
                    value -= 1e-3 * gradient / (np.sqrt(two) + 1e-8)
                    continue
                one += 0.1 * (gradient - one)
                two *= 0.999
                two += 0.001 * gradient * gradient
                scale = np.sqrt(1 - 0.999**updates)
                value -= (1e-3 / (1 - 0.9**updates)) * one / (np.sqrt(two) / scale + 1e-8)
        logits = _forward(weights, biases, val_x)[-1]
        _loss(logits, val_y), (_said(logits) == val_y).sum()
    return seconds() - started


def _forward(weights: list[Any], biases: list[Any], x: Any) -> list[Any]:
    kept = [x]
    for place, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        x = x @ weight.T + bias
        kept.append(np.maximum(x, 0) if place < len(weights) - 1 else x)
    return kept


def _loss(logits: Any, y: Any) -> tuple[float, Any]:
    if logits.shape[1] == 1:
        z = logits[:, 0]
        loss = (np.maximum(z, 0) - z * y + np.log1p(np.exp(-np.abs(z)))).mean()
        return float(loss), ((1 / (1 + np.exp(-z)) - y) / len(y))[:, None].astype(np.float32)
    shifted = logits - logits.max(1, keepdims=True)
    shares = np.exp(shifted)
    sums = shares.sum(1, keepdims=True)
    shares /= sums
    rows = np.arange(len(y))
    loss = (np.log(sums[:, 0]) - shifted[rows, y]).mean()
    shares[rows, y] -= 1
    return float(loss), shares / len(y)


def _said(logits: Any) -> Any:
    return logits[:, 0] > 0 if logits.shape[1] == 1 else logits.argmax(1)
