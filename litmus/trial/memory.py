"""Memory: big buffers are kept between updates and freed between runs; where it runs out, a run goes on with less."""

import ctypes
import gc
from contextlib import suppress
from functools import cache
from itertools import count
from pathlib import Path

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.memory import garbage_collection_cuda, is_oom_error

from litmus.contract import batch_sizes_of
from litmus.training.pack import pack_here
from litmus.training.plan import has_batch_norm


def next_limit(problem: RuntimeError, trainer: pl.Trainer, model: pl.LightningModule) -> list[dict[str, int]]:
    """All limits so far of a run that ended with this problem, and half of what the device was given last.

    Raises:
        RuntimeError: the problem itself, where smaller parts would not help.
        ValueError: where smaller parts would compute something else.
    """
    scheduler = batch_sizes_of(trainer)
    out_of_memory = is_oom_error(problem) or "out of memory" in str(problem).lower()
    # With several processes the others wait for the one that failed.
    if not out_of_memory or scheduler is None or not scheduler.failed_in_training or trainer.world_size > 1:
        raise problem
    size, epoch = scheduler.per_device, trainer.current_epoch
    if size == 1:
        raise problem
    half = -(-size // 2)
    if has_batch_norm(model):
        raise ValueError(
            f"out of memory with {size} samples at once in epoch {epoch}, and batch norm would compute something else "
            f"from fewer: choose a smaller batch size, or batching.max_per_device={half} if that is meant"
        ) from problem
    print(f"out of memory with {size} samples at once in epoch {epoch}: going on with {half}", flush=True)
    return [*scheduler.out_of_memory, {"epoch": epoch, "max_per_device": half}]


def limit(trainer: pl.Trainer, limits: list[dict[str, int]]) -> None:
    """Makes a new trainer keep to these limits."""
    scheduler = batch_sizes_of(trainer)
    if scheduler is None or not limits:
        return
    caps = [entry["max_per_device"] for entry in limits]
    scheduler.max_per_device = min([*caps, scheduler.max_per_device or caps[0]])
    scheduler.out_of_memory = limits + [entry for entry in scheduler.out_of_memory if entry not in limits]
    garbage_collection_cuda()


def limits_in(checkpoint: Path, trainer: pl.Trainer) -> list[dict[str, int]]:
    """The limits that the run of this checkpoint had to keep to: they decide how training is set up."""
    scheduler = batch_sizes_of(trainer)
    if scheduler is None or not checkpoint.exists():
        return []
    states = torch.load(checkpoint, weights_only=True, map_location="cpu", mmap=True)["callbacks"]
    return states.get(scheduler.state_key, {}).get("out_of_memory", [])


# Of glibc's malloc.h.
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
KEPT_BYTES = 1 << 30


@cache
def keep_big_buffers() -> None:
    """Has glibc reuse freed memory, up to a gigabyte, that it would return to the system; elsewhere nothing.

    Every update of a convolutional net frees its activations and needs the same again: without this each of their pages
    is fetched anew, which takes a tenth of the time of a net 4×32 on 28×28 images.
    """
    with suppress(AttributeError, OSError, TypeError):  # another C library
        libc = ctypes.CDLL(None)
        libc.mallopt(TRIM_THRESHOLD, KEPT_BYTES)
        libc.mallopt(MMAP_THRESHOLD, KEPT_BYTES)


_freezes = count(1)
_unfreed = False


def begin_run() -> None:
    """Frees earlier runs, and knows from now on that there is one to free."""
    global _unfreed
    free_earlier_runs()
    _unfreed = True


def free_earlier_runs() -> None:
    """Frees what earlier runs of this process left: Lightning's objects refer to each other in circles, with the data.

    Python looks for circles by the number of objects and not by their size: a study of an MLP on Fashion-MNIST grew to
    5.5 GB. What was imported before the first run, and while it ran, is not searched, which takes half a second each
    time otherwise. While trials of a pack go on in turns nothing is freed: what lives then would count as imported.
    """
    global _unfreed
    if pack_here() is not None:
        return
    if _unfreed:
        gc.collect()
    if next(_freezes) <= 2:
        gc.freeze()
    _unfreed = False


def give_back_memory() -> None:
    """Frees earlier runs and gives the system what they left to glibc, for processes that wait between their jobs.

    joblib takes a worker that has grown by 300 MB for one that leaks, ends it and starts another, with a warning.
    """
    free_earlier_runs()
    with suppress(AttributeError, OSError, TypeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)
