"""Which device a trial computes on: no accelerator for a net too small to gain, and of several one per process."""

import os
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from filelock import FileLock, Timeout
from omegaconf import DictConfig
from torch.utils.flop_counter import FlopCounterMode

from litmus.training.untouched import untouched
from litmus.trial.ranks import AUTO, one_device

# Multiply-adds of the forward passes of one update from which `auto` takes an accelerator. Below, an update is less
# arithmetic than calls, and a call costs more on an accelerator. Measured on an H100 against one thread beside it, as a
# study's trial has: docs/accelerators.md says how, how sharp this is, and what was not measured.
WORTH_AN_ACCELERATOR = 4_000_000
CUDA = ("auto", "gpu", "cuda")
# Of these Lightning makes bfloat16 on a processor, and the run would not be what its record says.
FLOAT16 = ("16-mixed", "16")


def placed(trainer: DictConfig, model: pl.LightningModule, data: Any) -> DictConfig:
    """The trainer's configuration with the device of a trial on one device decided, where that was left open.

    Args:
        trainer: its configuration.
        model, data: of the trial, before anything is loaded.

    Raises:
        ValueError: for a device that this machine lacks, and for float16 on a processor.
    """
    changed = trainer.copy()
    if trainer.get("accelerator") == "auto" and os.environ.get(AUTO):
        changed.accelerator = os.environ[AUTO]
    refuse_absent(changed)
    refuse_float16(changed)
    if not one_device(trainer.get("devices")):
        return changed
    if changed.get("accelerator") == "auto" and not float16(changed) and needless(model, data) is not None:
        changed.accelerator = "cpu"
    if changed.get("accelerator") not in CUDA or not torch.cuda.is_available():
        if changed.get("accelerator") in ("auto", "cpu") or not torch.accelerator.is_available():
            changed.devices = 1  # the one device with some number, where there are no numbers
    elif str(changed.devices) == "1" and torch.cuda.device_count() > 1:
        changed.devices = [own_device()]
    return changed


def refuse_absent(trainer: Mapping[str, Any]) -> None:
    """Refuses an accelerator that was typed, or a number of a CUDA device, which this machine lacks.

    Raises:
        ValueError: naming what there is.
    """
    accelerator, devices = trainer.get("accelerator"), trainer.get("devices")
    if str(devices) in ("0", "[]", ""):
        raise ValueError(f"trainer.devices={devices}: expected a number of devices from 1 on, a list of them or auto")
    known = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not known.get(str(accelerator), accelerator != "gpu" or any(known.values())):
        name = {"cuda": "a CUDA device", "mps": "Apple's MPS"}.get(str(accelerator), "a CUDA device or Apple's MPS")
        raise ValueError(
            f"trainer.accelerator={accelerator}: expected {name}, found none on this machine; "
            "take trainer.accelerator=cpu, or auto for what there is"
        )
    if accelerator not in ("gpu", "cuda") or not known["cuda"]:
        return
    there, numbers = torch.cuda.device_count(), _numbers(devices)
    if numbers and max(numbers) >= there:
        has = "1 CUDA device, number 0" if there == 1 else f"{there} CUDA devices, numbers 0 to {there - 1}"
        raise ValueError(f"trainer.devices={devices}: this machine has {has}; take trainer.devices=1 for any one of it")


def float16(trainer: Mapping[str, Any]) -> bool:
    """Whether a trainer's configuration asks for mixed float16, which is for accelerators alone."""
    return str(trainer.get("precision")) in FLOAT16


def refuse_float16(trainer: Mapping[str, Any]) -> None:
    """Refuses mixed float16 where the processor computes.

    Raises:
        ValueError: with what there is instead.
    """
    accelerator = trainer.get("accelerator")
    on_processor = accelerator == "cpu" or (accelerator == "auto" and not torch.accelerator.is_available())
    if float16(trainer) and on_processor:
        raise ValueError(
            f"precision={trainer.get('precision')}: the processor does not mix float16, expected bf16-mixed there, or "
            "an accelerator"
        )


def _numbers(devices: Any) -> list[int]:
    """Of the devices that trainer.devices asks for; none where it leaves them open, or says what Lightning refuses."""
    listed = devices.split(",") if isinstance(devices, str) and "," in devices else devices
    try:
        if isinstance(listed, str | int):
            return list(range(int(listed)))
        return [int(one) for one in listed or () if str(one).strip()]
    except ValueError:
        return []


def needless(model: pl.LightningModule, data: Any) -> int | None:
    """The multiply-adds of an update for which an accelerator, which there is, would be no faster; None otherwise."""
    samples, shape = getattr(data, "batch_size", None), getattr(data, "input_shape", None)
    if not torch.accelerator.is_available() or not isinstance(samples, int) or shape is None:
        return None
    needed = multiply_adds(model, shape)
    return None if needed is None or needed * samples >= WORTH_AN_ACCELERATOR else needed * samples


def told(asked: Mapping[str, Any], data: Any, model: pl.LightningModule, trainer: pl.Trainer) -> str | None:
    """What whoever waits for the run should know of the device and the precision that it computes with."""
    return told_of_choice(asked, data, model, trainer) or told_of_precision(trainer)


def told_of_precision(trainer: pl.Trainer) -> str | None:
    """A sentence where mixed bfloat16 is asked of a processor that has no instructions for it."""
    if trainer.precision != "bf16-mixed" or trainer.strategy.root_device.type != "cpu":
        return None
    known = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
    if known is None or not torch.backends.mkldnn.is_available() or known():
        return None
    return (
        "this processor has no bfloat16 and imitates it, which takes some ten times as long for a convolution: "
        "precision=32-true is the faster one here"
    )


def told_of_choice(asked: Mapping[str, Any], data: Any, model: pl.LightningModule, trainer: pl.Trainer) -> str | None:
    """A sentence where `auto`, asked of the trainer's configuration, left an accelerator idle."""
    if asked.get("accelerator") != "auto" or trainer.strategy.root_device.type != "cpu" or AUTO in os.environ:
        return None
    needed = needless(model, data)
    if needed is None:
        return None
    return (
        f"on the processor: {needed / 1e6:.2g} million multiply-adds an update are too few for the accelerator to "
        "gain; trainer.accelerator=gpu takes it"
    )


def multiply_adds(model: pl.LightningModule, shape: Sequence[int]) -> int | None:
    """Of the forward pass of one sample of this shape; None where the net cannot be asked by itself."""
    counter = FlopCounterMode(display=False)
    with untouched(model) as copied:
        try:
            with torch.no_grad(), counter:
                copied.eval()(torch.zeros(1, *shape))
        except Exception:  # a net of anybody's, which may need more than its input
            return None
    return int(counter.get_total_flops()) // 2


@cache
def own_device() -> int:
    """The number of the CUDA device that this process computes on: the least taken by other processes of its kind.

    Its lock is held until the process ends, however it ends: trials that follow each other in it stay on the device,
    and those that run beside each other share none while one is free.
    """
    for place in count():
        for number in range(torch.cuda.device_count()):
            if _take(number, place):
                return number
    raise AssertionError("unreachable")


@cache
def _places() -> list[FileLock]:
    return []


def _take(number: int, place: int) -> bool:
    identity = torch.cuda.get_device_properties(number).uuid  # CUDA_VISIBLE_DEVICES gives others other numbers
    lock = FileLock(Path(tempfile.gettempdir()) / f"litmus-{identity}.{place}.lock", mode=0o666)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return False
    _places().append(lock)
    return True
