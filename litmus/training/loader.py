"""Whole batches by index from tensors that already are on the training device."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Generator, Tensor

from litmus.training.augment import augmented
from litmus.training.batches import Share, Size

# What one gather copies at a time: large enough that its cost vanishes, small enough to stay in the cache.
GATHER_BYTES = 8 << 20


class ArrayLoader:
    """Batches of `x` and `y` in the order of `segments`, each segment cut into batches of `batch_size`.

    An item is a pair (x, y) of one batch. With `stretches` it is (x, y, Size) of many consecutive batches, which
    `x.split(batch_size)` gives back: whoever takes stretches saves the loop's work between batches.

    Args:
        x, y: tensors (rows, …) and (rows,) on the training device; x may be `MappedRows`, which are gathered onto it.
        segments: row indices on that device; a batch never spans two. None is all rows in their order, uncopied.
        batch_size: samples of one update, over all ranks.
        rank, world: this process takes every `world`-th sample of each update, from its `rank`-th on.
        accumulate: items into which each update is split; the trainer divides each item's loss by it.
        stretches: many batches per item; only where an update is one item of one process.
        augment: functions on the inputs of one update, see `augmented`; every rank and path computes the same ones.
        generators: one for each segment, of which these draw.

    Items whose loss must not count as the plain mean are lists with a third element, the Share that makes the mean over
    the whole update exact: with samples spread over items and ranks, the means' average is not the mean.
    """

    def __init__(
        self,
        x: Tensor,
        y: Tensor,
        segments: list[Tensor] | None,
        batch_size: int,
        *,
        rank: int = 0,
        world: int = 1,
        accumulate: int = 1,
        stretches: bool = False,
        augment: Sequence[Callable[..., Any]] = (),
        generators: Sequence[Generator] = (),
    ) -> None:
        self.x, self.y = x, y
        self.segments = segments
        self.batch_size = batch_size
        self.rank, self.world = rank, world
        self.accumulate = accumulate
        self.stretches = stretches
        self.augment, self.generators = augment, generators
        row_bytes = max(1, math.prod(x.shape[1:]) * x.element_size())
        self.batches_per_gather = max(1, GATHER_BYTES // (row_bytes * batch_size))
        self._lengths = [len(x)] if segments is None else [len(rows) for rows in segments]

    @property
    def update_sizes(self) -> list[int]:
        """Samples of each update, over all ranks, in order."""
        sizes = []
        for length in self._lengths:
            full, rest = divmod(length, self.batch_size)
            sizes += [self.batch_size] * full + [rest] * (rest > 0)
        return sizes

    @property
    def items_per_stretch(self) -> int:
        """Items that hold what one item of many batches would."""
        return 1 if self.stretches else self.batches_per_gather

    def __len__(self) -> int:
        if self.stretches:
            per_item = self.batches_per_gather * self.batch_size
            return sum(-(-length // per_item) for length in self._lengths)
        return len(self.update_sizes) * self.accumulate

    def __iter__(
        self,
    ) -> Iterator[tuple[Tensor, Tensor] | tuple[Tensor, Tensor, Size] | tuple[Tensor, Tensor, Share]]:
        self._begin()
        for x, y in self._gathered():
            if self.stretches:
                yield x, y, Size(self.batch_size)
                continue
            for update_x, update_y in zip(x.split(self.batch_size), y.split(self.batch_size), strict=True):
                yield from self._items(update_x, update_y)

    def _begin(self) -> None:
        """What comes before an iteration's first batch."""

    def _gathered(self) -> Iterator[tuple[Tensor, Tensor]]:
        samples = self.batches_per_gather * self.batch_size
        if self.segments is None:
            yield from zip(self.x.split(samples), self.y.split(samples), strict=True)
            return
        for place, segment in enumerate(self.segments):
            for rows in segment.split(samples):
                x = self.x.index_select(0, rows)
                if self.augment:
                    draw = self.generators[place]
                    x = torch.cat([augmented(self.augment, part, draw) for part in x.split(self.batch_size)])
                yield x, self.y.index_select(0, rows)

    def _items(self, x: Tensor, y: Tensor) -> Iterator[tuple[Tensor, Tensor] | tuple[Tensor, Tensor, Share]]:
        samples = len(x)
        if self.world > 1:
            x, y = x[self.rank :: self.world], y[self.rank :: self.world]
        for part_x, part_y in zip(x.tensor_split(self.accumulate), y.tensor_split(self.accumulate), strict=True):
            share = len(part_x) * self.world * self.accumulate / samples
            # A list: a step that takes (x, y) alone can be spared the third element, see Shares.
            yield (part_x, part_y) if share == 1 else [part_x, part_y, Share(share)]  # type: ignore[misc]
