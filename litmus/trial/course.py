"""What a run was planned as and computed with, kept in its checkpoints for whoever goes on with it."""

import ast
import functools
import inspect
import json
import os
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FunctionType
from typing import Any

import pytorch_lightning as pl
import torch
from omegaconf import OmegaConf
from pytorch_lightning.callbacks import ProgressBar

from litmus.contract import batch_sizes_of
from litmus.training.averaging import averaging_of
from litmus.trial.checkpoint import BestAndLast
from litmus.trial.going_on import (
    NEW,
    CannotGoOnError,
    refuse_other_code,
    refuse_other_configuration,
    refuse_other_numerics,
    refuse_other_plan,
)
from litmus.trial.identity import TOLD_BY_NUMERICS, computing, without
from litmus.trial.progress import TimeLeft

# By these a part learns how long the run will be.
LENGTHS = ("max_epochs", "estimated_stepping_batches")
# These only show it.
SHOWING = (ProgressBar, TimeLeft)


class Course(pl.Callback):
    """Refuses to go on with a run in another way than it began, before anything is trained.

    Args:
        config: the run's, resolved.
        stored: the configuration that the run began with, for checkpoints of earlier versions.
        code: the fingerprint of the code that trains; None where it is not known, and not compared.
    """

    def __init__(self, config: Mapping[str, Any], stored: Path | None = None, code: str | None = None) -> None:
        self.code = code
        self.config = json.loads(json.dumps(without(computing(config), TOLD_BY_NUMERICS), default=str))
        self.stored = stored
        self._numerics: dict[str, Any] = {}
        self._plan: dict[str, Any] | None = None
        self._before: dict[str, Any] | None = None
        self._done = 0

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        if stage == "fit":
            self._before, self._plan = None, None

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        if trainer.state.fn != "fit":
            return
        self._before = checkpoint["callbacks"].get(self.state_key)
        self._done = checkpoint["loops"]["fit_loop"]["epoch_progress"]["current"]["processed"]
        if self._before is None:
            self._refuse_other_length()
            return
        refuse_other_numerics(self._before["numerics"], numerics(trainer))
        refuse_other_configuration(self._before["config"], self.config)
        if trains_further(trainer, checkpoint, self._done):
            refuse_other_code(self._before.get("code"), self.code)  # none in what an earlier version wrote
        self._compare(trainer)

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        # Schedulers are made, and a checkpoint's state has not been put into them yet.
        self._numerics, self._plan = numerics(trainer), plan_of(trainer)
        self._compare(trainer)

    def state_dict(self) -> dict[str, Any]:
        return {"config": self.config, "numerics": self._numerics, "plan": self._plan, "code": self.code}

    def _compare(self, trainer: pl.Trainer) -> None:
        # Some strategies restore a checkpoint after `on_fit_start`, others before.
        if self._before is None or self._plan is None or self._before["plan"]["epochs"] == self._plan["epochs"]:
            return
        refuse_other_plan(self._before["plan"], self._plan, self._done)
        was, got = self._before["plan"]["epochs"], self._plan["epochs"]
        for planner in planners(trainer):
            raise CannotGoOnError(
                f"{planner} may have planned by the run's {was} epochs, which no checkpoint tells, got epochs={got}; "
                f"{NEW}"
            )

    def _refuse_other_length(self) -> None:
        if self.stored is None or not self.stored.is_file():
            return
        was, got = OmegaConf.select(OmegaConf.load(self.stored), "epochs"), self.config.get("epochs")
        if was != got:
            raise CannotGoOnError(
                f"the checkpoint is of an earlier version and does not say what was planned over its {was} epochs, got "
                f"epochs={got}: go on with epochs={was}, or {NEW}"
            )


def trains_further(trainer: pl.Trainer, checkpoint: Mapping[str, Any], done: int) -> bool:
    """Whether a checkpoint after so many epochs is not the end of the run, by its length or by early stopping."""
    kept = (one.state_key for one in trainer.callbacks if isinstance(one, BestAndLast))  # type: ignore[attr-defined]
    stopped = any(checkpoint["callbacks"].get(key, {}).get("stopped") for key in kept)
    epochs, steps, updates = trainer.max_epochs, trainer.max_steps, checkpoint["global_step"]
    if (epochs is not None and 0 <= epochs <= done) or 0 <= steps <= updates:
        return False
    return not stopped or done < (trainer.min_epochs or 0) or updates < (trainer.min_steps or 0)


def plan_of(trainer: pl.Trainer) -> dict[str, Any]:
    """How long the run is, and all that is planned over its length, before the first update."""
    batching, averaging = batch_sizes_of(trainer), averaging_of(trainer)
    return {
        "epochs": trainer.max_epochs,
        "sizes": None if batching is None else batching.planned_sizes,
        "first": None if batching is None else batching.first,
        "averaged": None if averaging is None else averaging.total,
        "schedulers": {name: _plain(part.state_dict()) for name, part in _schedulers(trainer).items()},
    }


def planners(trainer: pl.Trainer) -> list[str]:
    """What may be another course for another length of the run, and cannot be compared."""
    opaque = [f"a function in {name}" for name, part in _schedulers(trainer).items() if _is_opaque(part)]
    return opaque + [type(one).__name__ for one in (*trainer.callbacks, trainer.lightning_module) if reads_length(one)]  # type: ignore[attr-defined]


def _schedulers(trainer: pl.Trainer) -> dict[str, Any]:
    """Every scheduler by its name, those that others consist of first."""
    found = [part for config in trainer.lr_scheduler_configs for part in _parts(config.scheduler)]
    names = [name for name, _ in found]
    unique = [name if names.count(name) == 1 else f"{name} {place}" for place, name in enumerate(names)]
    return dict(zip(unique, [part for _, part in found], strict=True))


def _parts(scheduler: Any) -> Iterator[tuple[str, Any]]:
    for part in (
        *(getattr(scheduler, name, None) for name in ("main", "warmup")),
        *getattr(scheduler, "_schedulers", ()),
    ):
        if hasattr(part, "state_dict"):
            yield from _parts(part)
    yield type(scheduler).__name__, scheduler


def _plain(node: Any) -> Any:
    """The numbers and texts of a scheduler's state; what it consists of speaks for itself."""
    if isinstance(node, Mapping):
        kept = {str(name): _plain(value) for name, value in node.items()}
        return {name: value for name, value in kept.items() if value is not None and value != {}}
    if isinstance(node, list | tuple):
        return [_plain(value) for value in node]
    return node if isinstance(node, bool | int | float | str) else None


def _is_opaque(scheduler: Any) -> bool:
    """Whether it holds a function of somebody's own, which no checkpoint has."""
    held = [entry for value in vars(scheduler).values() for entry in (value if isinstance(value, list) else [value])]
    functions = [one.func if isinstance(one, functools.partial) else one for one in held]
    return any(isinstance(one, FunctionType) and not one.__module__.startswith("torch.") for one in functions)


def reads_length(part: Any) -> bool:
    """Whether the code of a callback or module asks how long the run is, as far as nobody has looked at it.

    A class with `plans_are_compared = True` makes of that length nothing but what `plan_of` holds.
    """
    if isinstance(part, SHOWING):
        return False
    compared = [kind for kind in type(part).__mro__ if vars(kind).get("plans_are_compared")]
    classes = [one for one in type(part).__mro__ if not any(issubclass(kind, one) for kind in compared)]
    return any(_mentions(one) for one in classes if not one.__module__.startswith("torch."))


@functools.cache
def _mentions(kind: type) -> bool:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(kind)))
    except (OSError, TypeError, SyntaxError):
        return False
    return any(
        getattr(node, "attr", None) in LENGTHS or getattr(node, "value", None) in LENGTHS for node in ast.walk(tree)
    )


# The first NVIDIA generation that can compute in TF32; on earlier ones its flags do nothing.
TENSOR_FLOAT_32 = (8, 0)
# With the value 0 it takes TF32 from NVIDIA's libraries, whatever torch asks of them and says that it does.
OVERRIDE = "NVIDIA_TF32_OVERRIDE"


def numerics(trainer: pl.Trainer) -> dict[str, Any]:
    """Kind of device, processes, threads where the processor computes, and the precision of float32 arithmetic.

    CUDA's libraries choose their kernels by the architecture and the number of multiprocessors, so these are in it, and
    which of several such devices it is, and its name, are not. `trainer.precision` is in the configuration.
    """
    device = trainer.strategy.root_device
    found: dict[str, Any] = {"device": device.type, "processes": trainer.world_size}
    if device.type == "cpu":
        found["threads"] = torch.get_num_threads()
    elif device.type == "cuda":
        found["architecture"] = _architecture(device)
    found["dtype"] = str(torch.get_default_dtype()).removeprefix("torch.")
    return found | {name: _stated(precision) for name, precision in _float32(device).items()}


def _architecture(device: torch.device) -> str:
    found = torch.cuda.get_device_properties(device)
    return f"sm_{found.major}{found.minor} × {found.multi_processor_count}"


def _float32(device: torch.device) -> dict[str, str]:
    """How products of float32 numbers are computed, where the device has a choice."""
    backends: Any = torch.backends
    if device.type == "cpu":
        return {"matmul": backends.mkldnn.matmul.fp32_precision, "convolution": backends.mkldnn.conv.fp32_precision}
    if device.type != "cuda" or torch.cuda.get_device_capability(device) < TENSOR_FLOAT_32:
        return {}
    if os.environ.get(OVERRIDE) == "0":
        return dict.fromkeys(("matmul", "convolution", "recurrence"), "ieee")
    return {
        "matmul": backends.cuda.matmul.fp32_precision,
        "convolution": backends.cudnn.conv.fp32_precision,
        "recurrence": backends.cudnn.rnn.fp32_precision,
    }


def _stated(precision: str) -> str:
    return "ieee" if precision == "none" else precision  # what nobody chose
