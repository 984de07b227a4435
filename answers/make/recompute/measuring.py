"""What an update of a net stores between forward and backward, the most that it holds at once, and its time."""

import statistics
import time
import weakref
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only

from litmus.training.learner import Learner

CLASSES = 10


@dataclass(frozen=True)
class Update:
    """A net with a batch to compute a gradient from."""

    net: Learner
    x: Tensor
    y: Tensor

    @property
    def known(self) -> list[Tensor]:
        """What is there before and after."""
        return [*self.net.parameters(), *self.net.buffers(), self.x, self.y]

    def loss(self) -> Tensor:
        """The forward pass."""
        return self.net.criterion(self.net(self.x), self.net.targets(self.y))

    def gradient(self) -> None:
        """Forward and backward pass; gradients of an earlier one go first."""
        self.net.zero_grad()
        self.loss().backward()


def update_of(make: Callable[..., Learner], shape: Sequence[int], batch: int, **settings: Any) -> Update:
    """The update of a net on a batch of noise, the same for the same settings."""
    torch.manual_seed(0)
    net = make(tuple(shape), CLASSES, **settings)
    return Update(net, torch.randn(batch, *shape), torch.randint(CLASSES, (batch,)))


def stored_bytes(update: Update) -> int:
    """Bytes that the forward pass keeps for the backward pass, each storage once, without parameters and the batch."""
    known = {tensor.untyped_storage().data_ptr() for tensor in update.known}
    found: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in known:
            found[storage.data_ptr()] = storage.nbytes()
        return tensor

    with saved_tensors_hooks(keep, lambda tensor: tensor):
        kept = update.loss()  # held, so that no storage is freed and its address used again
    del kept
    return sum(found.values())


class Held(TorchDispatchMode):
    """Bytes of all tensors that were made while it is on and are alive; `peak` is the most at once.

    Args:
        known: tensors that were there before, whose views count nothing.
    """

    def __init__(self, known: Iterable[Tensor]) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._seen: weakref.WeakSet[Any] = weakref.WeakSet(tensor.untyped_storage() for tensor in known)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = func(*args, **(kwargs or {}))
        tree_map_only(Tensor, self._see, given)
        return given

    def _see(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        if storage not in self._seen:
            self._seen.add(storage)
            self.now += storage.nbytes()
            self.peak = max(self.peak, self.now)
            weakref.finalize(storage, self._forget, storage.nbytes())

    def _forget(self, size: int) -> None:
        self.now -= size


def peak_bytes(update: Update) -> int:
    """The most that forward and backward pass hold at once, gradients included, beside parameters and the batch."""
    update.net.zero_grad()
    if update.x.is_cuda:
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        update.loss().backward()
        return torch.cuda.max_memory_allocated() - before
    with Held(update.known) as held:
        update.loss().backward()
    return held.peak


def seconds(updates: Sequence[Update], rounds: int) -> list[float]:
    """The median time of each update; they take turns, so that what slows the machine slows all.

    On the CPU it is the processor's time, which other work on the same cores takes no part in; torch computes with one
    thread.
    """
    clock = time.perf_counter if updates[0].x.is_cuda else time.process_time
    times: list[list[float]] = [[] for _ in updates]
    for turn in range(rounds + 1):
        for update, own in zip(updates, times, strict=True):
            start = clock()
            update.gradient()
            if update.x.is_cuda:
                torch.cuda.synchronize()
            if turn:  # the first warms up
                own.append(clock() - start)
    return [statistics.median(own) for own in times]
