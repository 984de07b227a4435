"""What a batch holds, whatever loader it came from, and how much the parts of an update count."""

import re
from collections.abc import Iterator, Mapping, Sized
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.utilities.combined_loader import CombinedLoader
from torch import Tensor
from torch.utils.data import BatchSampler

# At the end of the name of what a batch says of how much its samples, or parts of them, count.
WEIGHING = re.compile(r"(^|[\W_])(weights?|masks?)$", re.IGNORECASE)


def samples_in(batch: Any) -> int:
    """The samples of a batch: the length of the first tensor in it, 0 where it has none."""
    if isinstance(batch, Tensor):
        return len(batch) if batch.dim() else 0
    parts = batch.values() if isinstance(batch, Mapping) else batch if isinstance(batch, list | tuple) else ()
    return next((samples for part in parts if (samples := samples_in(part))), 0)


def samples_of(batch: Any, loader: Any, index: int) -> int:
    """The same, as its loader tells it where not every tensor has the samples first (time, batch, …).

    Args:
        batch: of the loader.
        loader: of the training.
        index: of the batch in the epoch.
    """
    sampler = getattr(loader, "batch_sampler", None)
    if type(sampler) is not BatchSampler or not isinstance(sampler.sampler, Sized):
        return samples_in(batch)
    told = min(sampler.batch_size, len(sampler.sampler) - index * sampler.batch_size)
    shapes = list(_shapes(batch))
    second = bool(shapes) and all(len(shape) > 1 and shape[1] == told for shape in shapes)
    return told if told > 0 and (second or any(shape[0] == told for shape in shapes)) else samples_in(batch)


def _shapes(batch: Any) -> Iterator[tuple[int, ...]]:
    if isinstance(batch, Tensor):
        yield from [tuple(batch.shape)] if batch.dim() else []
    parts = batch.values() if isinstance(batch, Mapping) else batch if isinstance(batch, list | tuple) else ()
    for part in parts:
        yield from _shapes(part)


class Size(int):
    """Samples of an update, which an ArrayLoader adds to a batch that holds many."""


class Share(float):
    """What the mean of a part counts in its update, which an ArrayLoader adds where that is not one."""


def pair(batch: Any) -> Any:
    """Inputs and targets of a batch, and what an ArrayLoader adds to them; of a dictionary, by its keys.

    Raises:
        ValueError: for a dictionary without the two, and for more or fewer parts of anybody's.
    """
    if isinstance(batch, list | tuple) and len(batch) == (3 if isinstance(batch[-1], Size | Share) else 2):
        return batch
    if not isinstance(batch, Mapping):
        found = f"{len(batch)} parts" if isinstance(batch, list | tuple) else f"a {type(batch).__name__}"
        raise ValueError(
            f"expected a batch to be a pair of inputs and target, or a dictionary with both, found {found}; a "
            "training_step of a module of your own may take anything"
        )
    missing = [key for key in ("inputs", "target") if key not in batch]
    if missing:
        raise ValueError(
            f"a batch that is a dictionary has inputs and target, found none of the name {missing[0]} "
            f"among {', '.join(map(str, batch))}"
        )
    return batch["inputs"], batch["target"]


def refuse_unread_weights(batch: Any) -> None:
    """Refuses a dictionary with weights or masks, which a pair's readers leave unread; a row's number does no harm.

    Raises:
        ValueError: naming them.
    """
    keys = map(str, batch) if isinstance(batch, Mapping) else ()
    found = [key for key in keys if WEIGHING.search(key)]
    if found:
        raise ValueError(
            f"a batch's {', '.join(found)} would have no effect: of a dictionary, inputs and target are read; leave it "
            "out, or read it in a training_step of a module of your own"
        )


def share_of(batch: Any) -> float:
    """The factor that makes the mean over a whole update exact, which ArrayLoader's parts carry."""
    return batch[2] if isinstance(batch, list) and len(batch) == 3 and isinstance(batch[2], Share) else 1.0


def weigh(loss: Tensor, share: float) -> None:
    """Lets a part of an update count by its samples: its loss stays what it is, its gradients are multiplied."""
    if share != 1.0:
        loss.register_hook(lambda gradient: gradient * share)


class Shares(pl.Callback):
    """Weighs the parts of updates for a module of anybody's, whose step sees (x, y) and no third element."""

    def __init__(self) -> None:
        self._share = 1.0

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, index: int) -> None:
        self._share = share_of(batch)
        if self._share != 1.0:
            del batch[2:]

    def on_before_backward(self, trainer: pl.Trainer, pl_module: pl.LightningModule, loss: Tensor) -> None:
        weigh(loss, self._share)


def sizes_in(loaders: Any) -> list[int | None]:
    """The batch size that each loader says it has."""
    found = loaders if isinstance(loaders, CombinedLoader) else CombinedLoader(loaders)
    return [
        getattr(loader, "batch_size", None) or getattr(getattr(loader, "batch_sampler", None), "batch_size", None)
        for loader in found.flattened
    ]
