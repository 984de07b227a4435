"""Equality to the bit."""

import torch
from torch import Tensor


def same_bits(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors are the same to the bit, the sign of a zero and what a NaN holds among them."""
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    return torch.equal(*(each.detach().contiguous().view(-1).view(torch.uint8) for each in (one, other)))
