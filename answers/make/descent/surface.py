"""Loss and accuracy of one net at many weights, exactly, all weights of a chunk in one pass."""

from copy import deepcopy
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.func import functional_call, vmap

# So many samples go through at once, over all weights of a chunk.
SAMPLES_AT_ONCE = 200_000


class Score(NamedTuple):
    """Mean loss (rows,) and accuracy (rows,) over all samples."""

    loss: NDArray[np.float64]
    accuracy: NDArray[np.float64]


def score(model: Any, weights: NDArray[Any], x: Tensor, y: Tensor) -> Score:
    """The net's own loss at weights (rows, parameters), flat in the order of `model.parameters()`, in float64.

    Args:
        model: a Learner, as it evaluates: without dropout.
        x, y: inputs (samples, *input_shape) and labels (samples,).

    Raises:
        ValueError: for a net of another size, or one with running statistics, which its parameters do not determine.
    """
    model = deepcopy(model).double().eval()  # the caller's own stays as it is
    names = [name for name, _ in model.named_parameters()]
    shapes = [parameter.shape for parameter in model.parameters()]
    if next(model.buffers(), None) is not None:
        raise ValueError(
            "expected a net that its parameters determine, found running statistics, as norm=batch has them"
        )
    sizes = [shape.numel() for shape in shapes]
    if weights.ndim != 2 or weights.shape[1] != sum(sizes):
        raise ValueError(f"expected rows of the net's {sum(sizes):,} parameters, found an array of {weights.shape}")
    inputs, targets = x.double(), model.targets(y)
    targets = targets.double() if targets.is_floating_point() else targets

    def at(row: Tensor) -> tuple[Tensor, Tensor]:
        parts = zip(names, row.split(sizes), shapes, strict=True)
        logits = functional_call(model, {name: part.view(shape) for name, part, shape in parts}, (inputs,))
        return model.criterion(logits, targets), (model.predictions(logits) == y).double().mean()

    rows = torch.as_tensor(np.asarray(weights, dtype=float))
    with torch.no_grad():
        loss, accuracy = vmap(at, chunk_size=max(1, SAMPLES_AT_ONCE // len(y)))(rows)
    return Score(loss.numpy(), accuracy.numpy())
