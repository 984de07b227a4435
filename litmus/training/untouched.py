"""A look at a net of which nothing is left in it, whatever its forward pass notes: it may be anybody's."""

import copy
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.seed import isolate_rng
from torch import nn
from torch.nn.parameter import is_lazy


@contextmanager
def untouched(module: nn.Module) -> Iterator[nn.Module]:
    """A copy of a module to be called, or itself where lazy layers get their shapes, or where it cannot be copied.

    Then weights, buffers and what else its layers hold are put back. So are the states of all global generators.
    """
    with ExitStack() as afterwards:
        drawn = isolate_rng(torch.cuda.is_initialized())  # which an exception would have forget
        drawn.__enter__()
        afterwards.callback(drawn.__exit__, None, None, None)
        found = None if any(map(is_lazy, _tensors(module))) else _copy(module)
        if found is not None:
            yield found
            return
        before = [(layer, dict(vars(layer)), _tensors_of(layer), _held(layer)) for layer in module.modules()]
        tensors = [(one, one.detach().clone()) for one in _tensors(module) if not is_lazy(one)]
        try:
            yield module
        finally:
            for layer, were, own, held in before:
                layer.training = were["training"]
                if _held(layer) == held:  # else the look gave it its layers or weights, which is what it was for
                    vars(layer).clear()
                    vars(layer).update(were | own)
            with torch.no_grad():
                for one, was in tensors:
                    one.copy_(was)


def _tensors_of(layer: nn.Module) -> dict[str, dict[str, Any]]:
    return {name: dict(vars(layer)[name]) for name in ("_parameters", "_buffers")}


def _held(layer: nn.Module) -> Any:
    """Its layers and tensors, by name, and whether they have a shape."""
    shaped = {
        name: {key: is_lazy(one) for key, one in own.items() if one is not None}
        for name, own in _tensors_of(layer).items()
    }
    return {*layer._modules}, shaped


def _tensors(module: nn.Module) -> list[torch.Tensor]:
    return [*module.parameters(), *module.buffers()]


def _hooks(layer: nn.Module) -> Iterator[Any]:
    for name in ("_forward_pre_hooks", "_forward_hooks", "_backward_pre_hooks", "_backward_hooks"):
        for hook in vars(layer)[name].values():
            yield hook.func if isinstance(hook, partial) else hook


def _copy(module: nn.Module) -> Any:
    # A copy keeps functions as they are: a hook that holds a part would be one of the module itself.
    if any(getattr(hook, "__closure__", None) for layer in module.modules() for hook in _hooks(layer)):
        return None
    try:
        found: Any = copy.deepcopy(module)
        if isinstance(module, pl.LightningModule) and module._trainer is not None:
            found.trainer = module._trainer
    except Exception:  # it holds what cannot be copied: a lock, a tensor that autograd has made
        return None
    return found
