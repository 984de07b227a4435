"""A run that begins from another's weights, and what of a net stays as it was."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

MOST_NAMED = 4


class Pretrained(pl.Callback):
    """Puts the weights of a checkpoint into a module before it is trained, and keeps what is frozen from any change.

    Parameters that are frozen take no gradient, and so no update and no weight decay. Layers below a frozen prefix that
    keep a state of their own (the running mean and variance of a batch norm) are in evaluation mode: they normalize by
    that state and leave it as it is. Their other layers (dropout) train on. A run that goes on from its own checkpoint
    takes its weights from there.

    Args:
        checkpoint: gives the file with the weights, when they are needed; None begins from the module's own.
        only: prefixes of the names that are taken; None takes all, which must then be the module's.
        frozen: prefixes of the names that are kept. A prefix ends where a part of a name does: net.1 is not net.10.

    Raises:
        ValueError: before training, for a file that is none of weights, names or shapes that do not fit, a prefix of
            nothing; at the end of the first epoch or of the run, if something frozen was changed all the same.
    """

    def __init__(
        self,
        checkpoint: Callable[[], Path] | None = None,
        only: Sequence[str] | None = None,
        frozen: Sequence[str] | None = None,
    ) -> None:
        self.checkpoint, self.only, self.frozen = checkpoint, only, list(frozen or ())
        self._kept: dict[str, Tensor] = {}
        self._restored = False

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        if stage != "fit":
            return
        self._restored = False
        if self.frozen:
            pl_module.configure_model()  # where a module may make layers; it does nothing when it is called again
        names = list(pl_module.state_dict())
        for prefix in self.frozen:
            if not any(lies_below(name, prefix) for name in names):
                raise ValueError(f"weights.frozen={prefix}: expected the beginning of a name, {_told(pl_module)}")
        for name, parameter in pl_module.named_parameters(remove_duplicate=False):
            if self._is_frozen(name):
                parameter.requires_grad_(False)

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        self._restored = True

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self.checkpoint is not None and not self._restored:
            take_weights(pl_module, self.checkpoint(), self.only)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._kept = {
            name: value.detach().clone()
            for name, value in _by_all_names(pl_module).items()
            if self._is_frozen(name) and not is_lazy(value)
        }

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        # Anybody may have called train() since the last epoch.
        for name, layer in pl_module.named_modules(remove_duplicate=False):
            if self._is_frozen(name) and any(value is not None for value in layer._buffers.values()):
                layer.training = False

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.current_epoch == 0:
            self._refuse_changed(pl_module)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._refuse_changed(pl_module)
        self._kept = {}

    def _refuse_changed(self, pl_module: pl.LightningModule) -> None:
        now = _by_all_names(pl_module)
        for name, value in self._kept.items():
            if name not in now or not torch.equal(value.nan_to_num(), now[name].to(value.device).nan_to_num()):
                raise ValueError(
                    f"weights.frozen: expected {name} to stay as it was, found it changed by training: a callback or "
                    f"{type(pl_module).__name__} itself sets it; leave that out, or do not freeze it"
                )

    def _is_frozen(self, name: str) -> bool:
        return any(lies_below(name, prefix) for prefix in self.frozen)


def _by_all_names(module: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers; one that is tied is there by each of its names, any of which may be the frozen one."""
    parameters = module.named_parameters(remove_duplicate=False)
    return {**dict(parameters), **dict(module.named_buffers(remove_duplicate=False))}


def take_weights(module: pl.LightningModule, checkpoint: Path, only: Sequence[str] | None = None) -> None:
    """Puts the weights of a checkpoint into a module: all of them, or all below some prefixes.

    Raises:
        ValueError: for a file that holds none, or others than the module has.
    """
    try:
        loaded = torch.load(checkpoint, map_location="cpu", weights_only=True)
        found = loaded["state_dict"]
        if not isinstance(found, Mapping) or not found or not all(isinstance(name, str) for name in found):
            raise TypeError("it has no state_dict")
    except Exception as problem:  # whatever is wrong with the bytes, of however many readers
        told = " ".join(str(problem).split())[:160]
        raise ValueError(f"{checkpoint}: expected the weights of a net, found something else: {told}") from problem
    own = module.state_dict()
    for prefix in only or ():
        for names, whose in ((own, "this net"), (found, "the other run's net")):
            if not any(lies_below(name, prefix) for name in names):
                raise ValueError(f"weights.only={prefix}: {whose} has no such name; {_fitting(module, own, found)}")
    taken = {name: value for name, value in found.items() if _is_among(name, only)}
    other = _difference({name: value for name, value in own.items() if _is_among(name, only)}, taken)
    if other:
        raise ValueError(
            f"{checkpoint}: expected the weights of this net, found {other}; {_fitting(module, own, found)}"
        )
    try:
        if only is None:
            module.on_load_checkpoint(loaded)
        module.load_state_dict(taken, strict=only is None)
    except Exception as refused:
        told = " ".join(str(refused).split())[:160]
        raise ValueError(f"{checkpoint}: {type(module).__name__} does not take these weights: {told}") from refused


def lies_below(name: str, prefix: str) -> bool:
    """Whether a name is that of a prefix or of something in it: net.1.weight lies below net.1, net.10 does not."""
    return name == prefix or name.startswith(f"{prefix}.")


def _is_among(name: str, prefixes: Sequence[str] | None) -> bool:
    return prefixes is None or any(lies_below(name, prefix) for prefix in prefixes)


def _difference(own: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    """The first that is otherwise, in words; empty if nothing is."""
    missing, more = [name for name in own if name not in found], [name for name in found if name not in own]
    if missing or more:
        told = [f"no {', '.join(missing[:MOST_NAMED])}"] if missing else []
        return " and ".join([*told, *([f"{', '.join(more[:MOST_NAMED])} that it has not"] if more else [])])
    for name, value in own.items():
        here, there = _shape(value), _shape(found[name])
        if here != there and here is not None:
            return f"{name} of shape {there} instead of {here}"
    return ""


def _shape(value: Any) -> tuple[int, ...] | None:
    return tuple(value.shape) if isinstance(value, Tensor) and not is_lazy(value) else None


def _fitting(module: nn.Module, own: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    """The largest parts of both nets that fit each other, as they would be typed."""
    fitting: list[str] = []
    for prefix, _ in module.named_modules():
        if not prefix or _is_among(prefix, fitting):
            continue
        here, there = ({name: one for name, one in names.items() if lies_below(name, prefix)} for names in (own, found))
        if here and not _difference(here, there):
            fitting.append(prefix)
    return f"take the parts that fit: weights.only=[{','.join(fitting)}]" if fitting else "no part of the two nets fits"


def _told(module: nn.Module) -> str:
    names = [name for name, _ in module.named_modules() if name and name.count(".") < 2]
    return f"such as {', '.join(names[: 2 * MOST_NAMED])}"


def trainable(module: nn.Module) -> list[nn.Parameter]:
    """The parameters that are not frozen.

    Raises:
        ValueError: if there are none.
    """
    parameters = list(module.parameters())
    free = [parameter for parameter in parameters if parameter.requires_grad]
    if not free:
        found = f"all {len(parameters)} frozen" if parameters else "none at all"
        raise ValueError(
            f"expected {type(module).__name__} to have parameters that can be trained, found {found}; "
            + ("unfreeze some (requires_grad=True)" if parameters else "add layers that have some")
        )
    return free
