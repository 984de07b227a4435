"""Which rows are of which split, and in which order an epoch visits them: by the seed, never by the batch size."""

from typing import NamedTuple

import torch
from torch import Generator, Tensor

from litmus.seeds import derived_seed


def generator(*key: object) -> Generator:
    """A generator of its own for each use of a seed."""
    return Generator().manual_seed(derived_seed(*key))


def pass_order(rows: int, seed: int, number: int) -> Tensor:
    """The permutation (rows,) of pass `number` through the training set."""
    return torch.randperm(rows, generator=generator("order", seed, number))


class Position(NamedTuple):
    """A place in the endless sequence of passes: the pass and the samples of it already used."""

    number: int
    offset: int


def pieces(rows: int, batch_size: int, updates: int | None, start: Position) -> tuple[list[slice], Position]:
    """The slices of consecutive passes that an epoch of so many updates takes, and where it ends.

    A pass keeps its last partial batch, and the next pass begins with a batch of its own. `updates=None` is what is
    left of one pass.
    """
    taken = []
    number, offset = start
    while updates is None or updates > 0:
        in_pass = -(-(rows - offset) // batch_size)
        count = in_pass if updates is None else min(updates, in_pass)
        stop = min(rows, offset + count * batch_size)
        taken.append(slice(offset, stop))
        number, offset = (number + 1, 0) if stop == rows else (number, stop)
        if updates is None:
            break
        updates -= count
    return taken, Position(number, offset)


def stratified_split(labels: Tensor, sizes: list[int], generator: Generator) -> list[Tensor]:
    """Disjoint sorted row indices of exactly these sizes; every class keeps its share, to whole rows.

    Raises:
        ValueError: if the sizes ask for more rows than there are.
    """
    if sum(sizes) > len(labels) or min(sizes, default=0) < 0:
        raise ValueError(f"expected split sizes that sum to at most {len(labels)} rows, got {sizes}")
    left = [_shuffled_rows(labels, label, generator) for label in labels.unique()]
    parts = []
    for size in sizes:
        counts = _largest_remainder([len(rows) for rows in left], size)
        parts.append(torch.cat([rows[:count] for rows, count in zip(left, counts, strict=True)]).sort().values)
        left = [rows[count:] for rows, count in zip(left, counts, strict=True)]
    return parts


def nested_rows(labels: Tensor, size: int, generator: Generator) -> Tensor:
    """So many places among `labels`, in order, in the shares of their classes; fewer are among more."""
    order = torch.empty(len(labels), dtype=torch.float64)
    for label in labels.unique():
        rows = _shuffled_rows(labels, label, generator)
        order[rows] = (torch.arange(len(rows), dtype=torch.float64) + 0.5) / len(rows)
    return order.argsort(stable=True)[:size].sort().values


def stratified_folds(labels: Tensor, folds: int, generator: Generator) -> list[Tensor]:
    """The rows dealt into so many disjoint folds whose sizes, and whose counts of each class, differ by one at most.

    Raises:
        ValueError: if there are fewer than two folds or more folds than rows.
    """
    if not 2 <= folds <= len(labels):
        raise ValueError(f"data.folds must be between 2 and the {len(labels)} rows there are, got {folds}")
    by_class = torch.cat([_shuffled_rows(labels, label, generator) for label in labels.unique()])
    return [by_class[fold::folds].sort().values for fold in range(folds)]


def _shuffled_rows(labels: Tensor, label: Tensor, generator: Generator) -> Tensor:
    rows = (labels == label).nonzero().flatten()
    return rows[torch.randperm(len(rows), generator=generator)]


def _largest_remainder(counts: list[int], size: int) -> list[int]:
    """Whole numbers that sum to `size`, in proportion to `counts` and never above them."""
    total = sum(counts)
    if size == 0:
        return [0] * len(counts)
    shares = [divmod(size * count, total) for count in counts]
    whole = [share for share, _ in shares]
    by_remainder = sorted(range(len(counts)), key=lambda place: -shares[place][1])
    for place in by_remainder[: size - sum(whole)]:
        whole[place] += 1
    return whole
