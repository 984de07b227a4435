"""What a batch holds, whatever loader it came from."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor


def samples_in(batch: Any) -> int:
    """The samples of a batch: the length of the first tensor in it, 0 where it has none."""
    if isinstance(batch, Tensor):
        return len(batch) if batch.dim() else 0
    parts = batch.values() if isinstance(batch, Mapping) else batch if isinstance(batch, list | tuple) else ()
    return next((samples for part in parts if (samples := samples_in(part))), 0)


def pair(batch: Any) -> Any:
    """Inputs and targets of a batch, and what a loader of this project adds to them; of a dictionary, by its keys.

    Raises:
        ValueError: for a dictionary without the two.
    """
    if not isinstance(batch, Mapping):
        return batch
    missing = [key for key in ("inputs", "target") if key not in batch]
    if missing:
        raise ValueError(
            f"a batch that is a dictionary has inputs and target, found none of the name {missing[0]} "
            f"among {', '.join(map(str, batch))}"
        )
    return batch["inputs"], batch["target"]
