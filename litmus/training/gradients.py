"""The gradients of every update, for callbacks that look at them and leave them as they are."""

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.optim import Optimizer


class GradientWatcher(pl.Callback, ABC):
    """Sees every update's gradients after the backward pass, before they are clipped and a step is taken.

    A stretch of updates calls `see` by itself, so that watching costs no path. A subclass changes no gradient.
    """

    ticks_per_stretch = True

    @abstractmethod
    def see(self, optimizer: Optimizer) -> None:
        """Looks at the gradients of an optimizer's parameters."""

    def on_before_optimizer_step(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: Optimizer
    ) -> None:
        self.see(optimizer)


def watchers_of(trainer: pl.Trainer) -> list[GradientWatcher]:
    """The callbacks that look at gradients."""
    callbacks: list[Any] = trainer.callbacks  # type: ignore[attr-defined]
    return [callback for callback in callbacks if isinstance(callback, GradientWatcher)]


class GradientNorms(GradientWatcher):
    """Records the norm of the gradient of each layer, a mean over the epoch's updates.

    `grad_norm/NAME` is of the layer of that name with all its parameters, `grad_norm/all` of the whole net.
    `grad_norm/first_to_last` is the mean norm of the first layer of weights over that of the last: far below 1 the
    gradient vanishes on its way back, far above 1 it explodes. What had no gradient in an epoch has an empty cell.
    """

    def __init__(self) -> None:
        self._layers: dict[int, str] = {}
        self._weighted: list[str] = []
        # Of every optimizer by its parameters: the norms of each update (parameters,).
        self._seen: dict[tuple[int, ...], list[Tensor]] = {}

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._layers = {
            id(parameter): layer or "itself"
            for layer, owner in pl_module.named_modules()
            for parameter in owner._parameters.values()
            if parameter is not None
        }
        self._weighted = weighted_layers(pl_module)
        self._seen = {}

    def see(self, optimizer: Optimizer) -> None:
        held = [one for group in optimizer.param_groups for one in group["params"] if one.grad is not None]
        if held:
            norms = torch._foreach_norm([one.grad for one in held])
            self._seen.setdefault(tuple(map(id, held)), []).append(torch.stack(norms))

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        means = mean_norms(
            ([self._layers.get(one, "itself") for one in held], torch.stack(norms).cpu().double())
            for held, norms in self._seen.items()
        )
        self._seen = {}
        ends = [means.get(layer, math.nan) for layer in (self._weighted or [""])[:: max(1, len(self._weighted) - 1)]]
        if len(ends) == 2 and ends[1] > 0 and not math.isnan(ends[0]):
            means["first_to_last"] = ends[0] / ends[1]
        for name, value in means.items():
            trainer.callback_metrics[f"grad_norm/{name}"] = torch.tensor(value, dtype=torch.float64)


def mean_norms(seen: Iterable[tuple[Sequence[str], Tensor]]) -> dict[str, float]:
    """The mean over updates of the norm of each layer's gradient, and of all.

    Args:
        seen: the layer of each parameter, and norms (updates, parameters); a set of parameters that are updated
            together for each.
    """
    sums: dict[str, tuple[float, int]] = {}
    for layers, norms in seen:
        squares = norms.square()
        for layer in [*dict.fromkeys(layers), "all"]:
            own = [place for place, name in enumerate(layers) if layer in (name, "all")]
            total, updates = sums.get(layer, (0.0, 0))
            sums[layer] = total + float(squares[:, own].sum(1).sqrt().sum()), updates + len(norms)
    return {layer: total / updates for layer, (total, updates) in sums.items()}


def weighted_layers(module: nn.Module) -> list[str]:
    """The layers that hold matrices or kernels, in the order of their definition: norms and biases are none."""
    return [
        name
        for name, layer in module.named_modules()
        if any(parameter is not None and parameter.dim() > 1 for parameter in layer._parameters.values())
    ]


def in_order(names: Iterable[str]) -> list[str]:
    """Names of layers as a net has them: net.2 before net.10."""
    return sorted(names, key=lambda name: [int(part) if part.isdigit() else -1 for part in re.split(r"\D+", name)])
