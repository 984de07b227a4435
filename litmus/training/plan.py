"""What the trainer's settings and the data's batch sizes mean for a net, known before the first update."""

import math
import warnings
from itertools import islice
from typing import Any

import torch
from pytorch_lightning.callbacks import GradientAccumulationScheduler
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parameter import is_lazy

from litmus.training.pretrained import Pretrained, lies_below
from litmus.training.untouched import untouched


def takes_all(limit: Any) -> bool:
    """Whether a limit on batches, or an interval of them, is all that there are: the share 1.0, and not one batch."""
    return isinstance(limit, float) and limit == 1.0


def planned_updates(trainer: Any, to_the_end: bool = True) -> list[int] | None:
    """Updates of each epoch as far as the data can tell; None where nobody can know them.

    Args:
        trainer: about to train.
        to_the_end: of the run, where trainer.max_steps ends it; else as if it did not.
    """
    batches = _planned_batches(trainer)
    if batches is None:
        return None
    ends = to_the_end and trainer.max_steps != -1
    limit, left = trainer.limit_train_batches, trainer.max_steps if ends else math.inf
    updates = []
    for epoch, whole in enumerate(batches):
        limited = min(whole, limit) if isinstance(limit, int) else int(whole * limit)
        updates.append(int(min(left, -(-limited // batches_per_update(trainer, epoch)))))
        left -= updates[-1]
    return updates


def estimating_by_plan(trainer: Any) -> Any:
    """The trainer's class, but that `estimated_stepping_batches` are the planned updates, not those of one batch size.

    Args:
        trainer: about to train, for whose data the updates are planned, or known to be decided during training.
    """
    kind: Any = type(trainer)
    updates = planned_updates(trainer)

    class Planned(kind):
        @property
        def estimated_stepping_batches(self) -> int:
            if updates is None:
                if trainer.max_steps != -1 and (trainer.max_epochs or -1) == -1:
                    return int(trainer.max_steps)
                raise ValueError(
                    "trainer.estimated_stepping_batches was asked for, and nobody can know how many updates this "
                    "batching makes; let the scheduler step by epoch, or leave the batching out"
                )
            return sum(updates)

    Planned.__name__, Planned.__qualname__ = kind.__name__, kind.__qualname__
    return Planned


def updates_before_validation(trainer: Any) -> int | None:
    """Updates before the first validation; None where nobody can know them."""
    every, within = trainer.check_val_every_n_epoch, trainer.val_check_batch
    if within in (None, math.inf) or not trainer.lightning_module.automatic_optimization:
        return None
    if every is None:  # it counts batches, whatever the epochs are
        return int(-(-within // batches_per_update(trainer, 0)))
    planned = planned_updates(trainer, to_the_end=False)
    if planned is None:
        return None
    if within >= trainer.num_training_batches:
        return sum(planned[:every])
    accumulated = batches_per_update(trainer, every - 1)
    if -(-trainer.num_training_batches // accumulated) != planned[every - 1]:  # batches are parts of updates
        return None
    return sum(planned[: every - 1]) + int(-(-within // accumulated))


def _planned_batches(trainer: Any) -> list[int] | None:
    """Batches of each epoch before any limit; one is an update unless the trainer accumulates."""
    epochs = trainer.max_epochs or 1
    data = trainer.lightning_module if trainer.datamodule is None else trainer.datamodule
    if hasattr(data, "planned_update_counts"):  # whoever sets the batch size has planned them
        return data.planned_update_counts
    if hasattr(data, "planned_updates"):
        sizes = getattr(data, "planned_batch_sizes", [data.update_size] * epochs)
        return None if sizes is None else [len(updates) for updates in data.planned_updates(sizes)]
    if trainer.estimated_stepping_batches == math.inf or trainer.num_training_batches == math.inf:
        return None
    return [trainer.num_training_batches] * epochs


def batches_per_update(trainer: Any, epoch: int) -> int:
    """Batches of an update in this epoch."""
    own = [callback for callback in trainer.callbacks if isinstance(callback, GradientAccumulationScheduler)]
    return own[0].get_accumulate_grad_batches(epoch) if own else trainer.accumulate_grad_batches


def refuse_limits_of_parts(trainer: Any, split: bool = False) -> None:
    """A limit on batches counts updates only while an update is one batch.

    Args:
        trainer: about to train.
        split: a callback will make an update of several.

    Raises:
        ValueError: naming the knob that counts updates.
    """
    accumulates = split or trainer.accumulate_grad_batches > 1 or getattr(trainer.datamodule, "accumulate", 1) > 1
    if accumulates and not takes_all(trainer.limit_train_batches):
        raise ValueError(
            f"trainer.limit_train_batches={trainer.limit_train_batches} would count parts of accumulated updates; "
            "use updates_per_epoch, which counts updates"
        )


def refuse_cut_passes(trainer: Any, batches: int) -> None:
    """Refuses a limit that ends an epoch of so many batches, which the next one goes on from, before them.

    Raises:
        ValueError: naming both settings.
    """
    limit = trainer.limit_train_batches
    left = min(batches, limit) if isinstance(limit, int) else int(batches * limit)
    if left < batches and trainer.max_epochs != 1 and not trainer.overfit_batches:
        raise ValueError(
            f"updates_per_epoch and trainer.limit_train_batches={limit} would both end an epoch, and what lies between "
            "the two would be passed over; use updates_per_epoch alone, which goes on where the last epoch ended"
        )


def refuse_counts_of_batches(trainer: Any) -> None:
    """Refuses, or warns of, settings that count batches, of which a varying size makes more or fewer."""
    if isinstance(trainer.val_check_interval, int) and trainer.check_val_every_n_epoch is not None:
        raise ValueError(
            f"trainer.val_check_interval={trainer.val_check_interval} counts batches, of which a varying batch size "
            "leaves fewer or more; use a share of the epoch, such as 1.0"
        )
    if not takes_all(trainer.limit_train_batches):
        warnings.warn(
            "trainer.limit_train_batches counts batches: epochs see other numbers of samples as the batch size varies",
            stacklevel=2,
        )
    if trainer.max_steps != -1:
        warnings.warn(
            "trainer.max_steps may end the run before the batch size has gone its way; trainer.max_epochs does not",
            stacklevel=2,
        )


def refuse_accumulation(trainer: Any) -> None:
    """Refuses a second master over how many parts an update has."""
    if trainer.accumulate_grad_batches != 1:
        raise ValueError(
            f"trainer.accumulate_grad_batches must be 1 where batching sets the updates, got "
            f"{trainer.accumulate_grad_batches}; batching.max_per_device says how many samples go through at once"
        )
    if any(isinstance(callback, GradientAccumulationScheduler) for callback in trainer.callbacks):
        raise ValueError(
            "GradientAccumulationScheduler and this batching would both set the parts of an update; "
            "batching=milestones with batching.max_per_device does what both are for"
        )


def is_last_epoch(trainer: Any) -> bool:
    """Whether no epoch follows the one that ends."""
    stopped = trainer.should_stop and trainer.fit_loop._can_stop_early
    epochs, steps = trainer.fit_loop.max_epochs, trainer.max_steps
    done = epochs is not None and 0 <= epochs <= trainer.current_epoch + 1
    return stopped or done or 0 <= steps <= trainer.global_step


def has_batch_norm(module: nn.Module) -> bool:
    """Whether a layer normalizes over the batch."""
    return any(isinstance(layer, _BatchNorm) and layer.affine for layer in module.modules())


def needs_two_samples(trainer: Any, module: nn.Module) -> bool:
    """Whether a batch norm would have one value in a channel of a single sample, whose variance does not exist.

    Those that are frozen normalize by the variance that they have. How many values a channel has, a sample of zeros
    shows; of a module that does not take one nobody knows it.
    """
    kept = [one for callback in trainer.callbacks if isinstance(callback, Pretrained) for one in callback.frozen]
    layers = {
        name: layer
        for name, layer in module.named_modules()
        if isinstance(layer, _BatchNorm)
        and (layer.running_mean is None or not any(lies_below(name, prefix) for prefix in kept))
    }
    shape = getattr(trainer.datamodule, "input_shape", None)
    if not layers or shape is None or any(map(is_lazy, module.parameters())):
        return bool(layers)
    values: dict[str, float] = {}

    def look(name: str) -> Any:
        def see(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            values[name] = min(values.get(name, math.inf), inputs[0].numel() // inputs[0].shape[1])

        return see

    kind = getattr(torch, getattr(trainer.datamodule, "input_dtype", "float32"))
    with untouched(module) as copied, torch.no_grad():
        within = dict(copied.named_modules())
        handles = [within[name].register_forward_pre_hook(look(name)) for name in layers]
        try:
            copied.eval()(torch.zeros(1, *shape, dtype=kind, device=next(module.parameters()).device))
        except Exception:  # whatever else it wants than inputs
            return True
        finally:
            for handle in handles:
                handle.remove()
    return any(values.get(name, 1) < 2 for name in layers)


def refuse_batch_of_one(trainer: Any, module: nn.Module) -> None:
    """Batch norm cannot train on one value: its variance does not exist.

    Raises:
        ValueError: naming the epoch, and batch sizes that would work.
    """
    data, epochs = trainer.datamodule, trainer.max_epochs or 1
    if not has_batch_norm(module):
        return
    sizes = getattr(data, "planned_batch_sizes", None) or [data.update_size] * epochs
    for epoch, updates in enumerate(data.planned_updates(sizes)):
        if _smallest_part(trainer, sizes[epoch], updates) > 1:
            continue
        if not needs_two_samples(trainer, module):
            return
        near = (
            size
            for size in sorted(range(2, data.train_size + 1), key=lambda size: abs(size - sizes[epoch]))
            if min(_smallest_part(trainer, size, plan) for plan in data.planned_updates([size] * min(epochs, 50))) > 1
        )
        raise ValueError(
            f"norm=batch needs two samples or more in every batch, and epoch {epoch} has one of {min(updates)} with "
            f"batch_size={sizes[epoch]} on {data.train_size} samples; "
            f"{' or '.join(str(size) for size in sorted(islice(near, 2)))} would work"
        )


def _smallest_part(trainer: Any, size: int, updates: list[int]) -> int:
    """Samples that go through the net at once in the smallest of these updates, each split as one of `size` is."""
    return min(updates) // (trainer.world_size * trainer.datamodule.parts(size))
