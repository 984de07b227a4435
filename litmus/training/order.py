"""Which rows an epoch visits, in which order: a function of the seed and the pass, never of the batch size."""

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
