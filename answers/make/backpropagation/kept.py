"""The memory that storing costs: what autograd keeps between the forward and the backward pass."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks


def kept_for_backward(model: Any, x: Tensor, y: Tensor) -> int:
    """Bytes that autograd keeps of one forward pass of a Learner, its weights aside.

    Args:
        x, y: inputs (batch, *input_shape) and labels (batch,).
    """
    weights = {parameter.data_ptr() for parameter in model.parameters()}
    kept: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        if tensor.data_ptr() not in weights:
            kept[tensor.data_ptr()] = tensor  # held until all are counted, so that no other takes its place
        return tensor

    with saved_tensors_hooks(keep, lambda tensor: tensor), torch.enable_grad():
        model.criterion(model(x), model.targets(y))
    return sum(tensor.nbytes for tensor in kept.values())
