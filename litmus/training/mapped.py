"""Rows of arrays on disk that need not fit in memory: mapped, read when they are gathered, scaled as they come."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

# Rows that are read at once where all are looked through.
READ_AT_ONCE = 4096


@dataclass(frozen=True)
class MappedRows:
    """Inputs (rows, …) in shards on disk, as far as a data module looks at a tensor; what is gathered is a tensor.

    Args:
        shards: arrays (rows, …) of one shape and type, as `np.load(…, mmap_mode="r")` gives them.
        rows: those that it has, of all shards one after the other; None is all.
        then: what becomes of every part (rows, …) float32 or float64 that is read.
        device: where gathered rows are put.
    """

    shards: Sequence[NDArray[np.generic]]
    rows: Tensor | None = None
    then: Callable[[Tensor], Tensor] | None = None
    device: torch.device = torch.device("cpu")  # noqa: RUF009 - immutable

    @cached_property
    def _ends(self) -> NDArray[np.int64]:
        return np.cumsum([len(shard) for shard in self.shards])

    def __len__(self) -> int:
        return int(self._ends[-1]) if self.rows is None else len(self.rows)

    @property
    def shape(self) -> tuple[int, ...]:
        """(rows, …); numbers without further dimensions are rows of one value."""
        return (len(self), *(self.shards[0].shape[1:] or (1,)))

    def element_size(self) -> int:
        """Bytes of a value once it is read."""
        return 4

    def index_select(self, dimension: int, places: Tensor) -> Tensor:
        """The rows at these places, in their order, read from disk in the order in which they lie there."""
        assert dimension == 0
        wanted = (places.cpu() if self.rows is None else self.rows[places.cpu()]).numpy()
        kind = np.float64 if self.shards[0].dtype.itemsize > 4 else np.float32
        found = np.empty((len(wanted), *self.shape[1:]), kind)
        order = np.argsort(wanted, kind="stable")
        cuts = [0, *np.searchsorted(wanted[order], self._ends).tolist()]
        for shard, (low, high) in enumerate(pairwise(cuts)):
            if low < high:
                here = order[low:high]
                begin = int(self._ends[shard]) - len(self.shards[shard])
                found[here] = self.shards[shard][wanted[here] - begin].reshape(len(here), *self.shape[1:])
        part = torch.from_numpy(found)
        return (part if self.then is None else self.then(part)).float().to(self.device)

    def __getitem__(self, places: Tensor | slice) -> Tensor:
        known = places if isinstance(places, slice) else places.cpu()  # which may lie on the device
        return self.index_select(0, torch.arange(len(self))[known])

    def split(self, size: int) -> Iterator[Tensor]:
        """All rows in their order, so many at a time."""
        return (self[start : start + size] for start in (range(0, len(self), size)))

    def chosen(self, places: Tensor) -> "MappedRows":
        """Those rows alone; nothing is read."""
        return replace(self, rows=places if self.rows is None else self.rows[places])

    def to(self, device: torch.device) -> "MappedRows":
        """The same, gathered onto a device."""
        return replace(self, device=device)

    def float(self) -> "MappedRows":
        """Itself: what is gathered is float32."""
        return self

    def dim(self) -> int:
        """How many dimensions the rows have, all together."""
        return len(self.shape)


def windowed_order(rows: int, window: int, block: int, draw: torch.Generator) -> Tensor:
    """A permutation (rows,) in which rows that are near in time lie near on disk.

    Blocks of consecutive rows are put in a drawn order, and every window of so many rows is shuffled: what training
    visits within a window lies in window / block places of the disk, and a pass visits every row once.
    """
    starts = torch.randperm(-(-rows // block), generator=draw) * block
    order = (starts[:, None] + torch.arange(block)).flatten()
    order = order[order < rows]
    return torch.cat([part[torch.randperm(len(part), generator=draw)] for part in order.split(window)])


def moments(x: MappedRows, train: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and population deviation over the train rows, each as one row, in two passes through them.

    As `standardised` has them: of each value, or where rows have several dimensions of each of the first.
    """
    over = [0, *range(2, x.dim())]
    seen = x.chosen(train)

    def mean_of(function: Callable[[Tensor], Tensor]) -> Tensor:
        total, values = torch.zeros(()), 0
        for start in range(0, len(seen), READ_AT_ONCE):
            part = function(_wide(seen, start))
            total = total + part.sum(dim=over, keepdim=True)
            values += part.numel() // max(1, part.shape[1])
        return total / values

    mean = mean_of(lambda part: part)
    deviation = mean_of(lambda part: (part - mean).square()).sqrt()
    deviation[deviation == 0] = 1.0
    return mean, deviation


def _wide(x: MappedRows, start: int) -> Tensor:
    return x[start : start + READ_AT_ONCE].double()


def refuse_not_finite_rows(x: MappedRows, what: str) -> None:
    """Refuses NaN and infinite values, naming the first row that has one; all rows are read once."""
    for start in range(0, len(x), READ_AT_ONCE):
        part = x[start : start + READ_AT_ONCE]
        if not bool(part.sum().isfinite()) and not bool((fine := part.flatten(1).isfinite().all(1)).all()):
            row = start + int((~fine).nonzero()[0])
            raise ValueError(
                f"{what}: expected finite numbers, found others in row {row} (counted from 0); leave such rows out or "
                "put values in"
            )
