"""What a batch holds, whatever loader it came from."""

from typing import Any

import torch
from torch import Tensor


def samples_in(batch: Any) -> int:
    """The samples of a batch: the length of the first tensor in it, 0 where it has none."""
    leaves = torch.utils._pytree.tree_leaves(batch)
    return next((len(leaf) for leaf in leaves if isinstance(leaf, Tensor) and leaf.dim()), 0)
