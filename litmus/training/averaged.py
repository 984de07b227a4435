"""The weights of a module that can be averaged, and their average."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from litmus.training.direct_step import unchanged

# Too coarse to be averaged in: a thousandth of a difference would be lost.
COARSE = (torch.float16, torch.bfloat16)


class Averaged:
    """A running average of a module's floating parameters and buffers, as far as its checkpoints have them.

    Whole numbers (how many batches a batch norm has seen) are no part of it. A buffer is looked up by its name whenever
    it is read: modules put new tensors in its place.

    Args:
        module: with the shapes that it keeps.
    """

    def __init__(self, module: nn.Module) -> None:
        self._parameters = {name: value for name, value in module.named_parameters() if _floating(value)}
        self._buffers: dict[str, tuple[nn.Module, str]] = {}
        seen: set[int] = set()
        for place, owner in module.named_modules():
            for name, value in owner._buffers.items():
                kept = value is not None and name not in owner._non_persistent_buffers_set
                if kept and _floating(value) and id(value) not in seen:
                    seen.add(id(value))
                    self._buffers[f"{place}.{name}".lstrip(".")] = (owner, name)
        self._average: list[Tensor] = []
        self._shown: list[Tensor] | None = None
        self._untrained: dict[int, Tensor] = {}

    @property
    def names(self) -> list[str]:
        """Of all that is averaged, parameters first."""
        return [*self._parameters, *self._buffers]

    @property
    def known(self) -> bool:
        """Whether there is an average by now."""
        return bool(self._average)

    @torch.no_grad()
    def add(self, weight: float) -> None:
        """Moves the average towards the present weights by this share of the way; the first is what they are."""
        now = self._now()
        if not self._average:
            self._average = [_wide(value).clone() for value in now]
            return
        for place, value in enumerate(now):
            if value.dtype in COARSE:
                now[place] = value.float()
        for place in range(len(self._parameters), len(now)):
            if now[place].shape != self._average[place].shape:  # a queue that grows: nothing to average with
                self._average[place] = _wide(now[place]).clone()
        torch._foreach_lerp_(self._average, now, weight)

    @torch.no_grad()
    def show(self, buffers: list[Tensor] | None = None) -> None:
        """Puts the average in the place of the weights, until `hide`; other averages of the buffers if given."""
        if not self._average or self._shown is not None:
            return
        first = len(self._parameters)
        average = self._average if buffers is None else [*self._average[:first], *buffers]
        self._shown = [value.clone() for value in self._now()]
        self._put(average)
        self._untrained = {place: now.clone() for place, now in enumerate(self._now()) if not now.requires_grad}

    @torch.no_grad()
    def hide(self) -> None:
        """Puts the weights back; what was set meanwhile, such as a threshold that a validation chose, stays."""
        if self._shown is None:
            return
        now = self._now()
        for place, seen in self._untrained.items():
            if not unchanged(now[place], seen):
                self._shown[place], self._average[place] = now[place].clone(), _wide(now[place]).clone()
        self._put(self._shown)
        self._shown, self._untrained = None, {}

    @property
    def buffers(self) -> list[Tensor]:
        """The averages of the buffers alone."""
        return self._average[len(self._parameters) :]

    def state(self) -> dict[str, Tensor]:
        """The average by name; empty before there is one."""
        return dict(zip(self.names, self._average, strict=True)) if self._average else {}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Takes back what `state` gave."""
        if state:
            self._average = [
                state[name].to(device=now.device, copy=True) for name, now in zip(self.names, self._now(), strict=True)
            ]

    def _now(self) -> list[Tensor]:
        buffers: list[Any] = [owner._buffers[name] for owner, name in self._buffers.values()]
        return [*self._parameters.values(), *buffers]

    def _put(self, values: list[Tensor]) -> None:
        first = len(self._parameters)
        for parameter, value in zip(self._parameters.values(), values[:first], strict=True):
            parameter.copy_(value)
        for (owner, name), value in zip(self._buffers.values(), values[first:], strict=True):
            now: Any = owner._buffers[name]
            if now.shape == value.shape:
                now.copy_(value)
            else:
                owner._buffers[name] = value.to(now.dtype)


def _floating(value: Any) -> bool:
    return bool(value.is_floating_point() or value.is_complex())


def _wide(value: Tensor) -> Tensor:
    return value.float() if value.dtype in COARSE else value.detach()
