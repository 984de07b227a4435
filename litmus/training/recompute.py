"""Activations computed twice instead of stored: less memory for more time, and the same gradients to the bit."""

import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from itertools import accumulate, pairwise

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd
from torch.utils.checkpoint import checkpoint

# Each of these begins a block: what follows it up to the next is cheap beside it.
WEIGHTED = (nn.Linear, nn.Conv1d, nn.Conv2d)


def sequential(layers: Sequence[nn.Module], recompute: bool | int, input_shape: Sequence[int]) -> nn.Sequential:
    """The layers one after the other, with the same names of parameters whatever `recompute` is.

    Args:
        layers: of the net.
        recompute: False stores every activation; a number is how many segments of about the same memory the blocks
            are split into, of each of which (but the last, whose turn comes at once) training stores the input alone;
            True is the number that needs least memory, about the square root of the number of blocks.
        input_shape: of a sample.

    Raises:
        ValueError: for another number of segments than the blocks allow.
    """
    if recompute is False:
        return nn.Sequential(*layers)
    starts = [place for place, layer in enumerate(layers) if _any_within([layer], WEIGHTED)]
    blocks = len(starts)
    if blocks < 2:
        raise ValueError(f"model.recompute needs a net of 2 blocks or more, got {blocks}; false stores its activations")
    if recompute is not True and not (isinstance(recompute, int) and 2 <= recompute <= blocks):
        raise ValueError(
            f"model.recompute must be false, true or a number of segments from 2 to the net's {blocks} blocks, "
            f"got {recompute}"
        )
    values = values_of(layers, input_shape)
    inputs = [values[start - 1] if start else 0 for start in starts]
    held = [sum(values[start:stop]) for start, stop in pairwise([*starts, len(layers)])]
    tried = range(2, min(blocks, 4 * math.isqrt(blocks)) + 1) if recompute is True else [recompute]
    best = min((alike(held, segments) for segments in tried), key=lambda first: most_values(held, inputs, first))
    # What stands before the first block belongs to it.
    return Recomputing(layers, [0, *(starts[block] for block in best[1:]), len(layers)])


def values_of(layers: Sequence[nn.Module], input_shape: Sequence[int]) -> list[int]:
    """How many values each layer gives for a sample; nothing is drawn, and no batch norm counts it."""
    found, x = [], torch.zeros(2, *input_shape)  # some norms take no single sample
    with torch.no_grad():
        for layer in layers:
            x = layer.eval()(x)
            layer.train()
            found.append(x[0].numel())
    return found


def alike(held: Sequence[int], segments: int) -> list[int]:
    """The first block of each segment, so that all hold about the same; `held` are the values of each block."""
    before = [0, *accumulate(held)]
    first = [0]
    for segment in range(1, segments):
        ideal = segment * before[-1] / segments
        after = bisect_left(before, ideal)
        nearest = after - (ideal - before[after - 1] <= before[after] - ideal)
        # One block at least for each segment, this one and those to come.
        first.append(min(max(nearest, first[-1] + 1), len(held) - (segments - segment)))
    return first


def most_values(held: Sequence[int], inputs: Sequence[int], first: Sequence[int]) -> int:
    """The most values at once in the backward pass: a segment's own and the inputs of those up to it."""
    stored = accumulate(inputs[block] for block in first)
    own = (sum(held[start:stop]) for start, stop in pairwise([*first, len(held)]))
    return max(map(sum, zip(stored, own, strict=True)))


class Recomputing(nn.Sequential):
    """Layers in segments: segment i is `layers[bounds[i]:bounds[i + 1]]`."""

    def __init__(self, layers: Sequence[nn.Module], bounds: Sequence[int]) -> None:
        super().__init__(*layers)
        self.bounds = tuple(bounds)

    def forward(self, x: Tensor) -> Tensor:
        """What `nn.Sequential` gives."""
        if not torch.is_grad_enabled():
            return super().forward(x)
        layers = list(self)
        *stored, last = (layers[start:stop] for start, stop in pairwise(self.bounds))
        for segment in stored:
            x = _recomputed(segment, x)
        return _in_turn(last, x)


def _recomputed(segment: Sequence[nn.Module], x: Tensor) -> Tensor:
    norms = [layer for layer in _within(segment) if isinstance(layer, _BatchNorm) and layer.training]
    return checkpoint(
        _in_turn,
        segment,
        x,
        use_reentrant=False,
        # The second time must drop the same units.
        preserve_rng_state=_any_within(segment, (_DropoutNd,)),
        context_fn=lambda: (nullcontext(), _statistics_kept(norms)),
    )


def _within(segment: Sequence[nn.Module]) -> Iterator[nn.Module]:
    """The layers, and those within them."""
    for layer in segment:
        yield from layer.modules()


def _any_within(segment: Sequence[nn.Module], kinds: tuple[type, ...]) -> bool:
    return any(isinstance(layer, kinds) for layer in _within(segment))


def _in_turn(layers: Sequence[nn.Module], x: Tensor) -> Tensor:
    for layer in layers:
        x = layer(x)
    return x


@contextmanager
def _statistics_kept(norms: Sequence[nn.Module]) -> Iterator[None]:
    """While the second time goes on, batch norms count into copies: no batch is counted twice."""
    kept = [dict(norm._buffers) for norm in norms]
    for norm, buffers in zip(norms, kept, strict=True):
        norm._buffers.update({name: None if buffer is None else buffer.clone() for name, buffer in buffers.items()})
    try:
        yield
    finally:
        for norm, buffers in zip(norms, kept, strict=True):
            norm._buffers.update(buffers)
