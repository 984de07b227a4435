"""When many updates may run inside one `training_step`, and when each must be a step of the trainer's own."""

import inspect
from collections.abc import Iterable, Iterator
from types import FunctionType
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import GradientAccumulationScheduler, LearningRateMonitor, ModelCheckpoint
from pytorch_lightning.plugins.precision import MixedPrecision, Precision
from pytorch_lightning.profilers import PassThroughProfiler
from pytorch_lightning.strategies import SingleDeviceStrategy
from torch.optim import Optimizer

from litmus.training.overridden import TRANSFER, between_updates, defining, of_evaluation, overridden, shadowed
from litmus.training.plan import takes_all
from litmus.training.reading import called_by, calls_of, functions_in, names_in, own_classes, uses_arguments

PROGRESS_BARS = "pytorch_lightning.callbacks.progress."
# What the trainer says of batches, by name.
OF_BATCHES = {"num_training_batches", "estimated_stepping_batches", "is_last_batch", "train_dataloader", "fit_loop"}
LOG = frozenset(("log", "log_dict"))
# What an update calls of a module, its layers and its task.
IN_AN_UPDATE = ("forward", "__call__", "criterion", "loss", "targets", "read", "tally", "predictions")
LIMITS = {
    "validation": "limit_val_batches",
    "test": "limit_test_batches",
    "predict": "limit_predict_batches",
}


def reason_for_single_steps(trainer: Any, module: pl.LightningModule, base: type) -> str | None:
    """What this trainer, module or data ask that needs one update per `training_step`; None if nothing is.

    A stretch does the arithmetic of its updates and nothing else, so whatever Lightning does between updates
    (clipping, accumulation, scaled losses, synchronization of processes, hooks of callbacks, module and data) takes
    the ordinary path. `base` is the class whose own methods a stretch stands for.
    """
    if not getattr(module, "fast", True):
        return "fast=false asks for it"
    reason = reason_in_settings(trainer)
    if reason is not None:
        return reason
    for callback in trainer.callbacks:
        if isinstance(callback, GradientAccumulationScheduler):
            return "gradients are accumulated"
        if not all(_by_stretch(callback, name) for name in _overridden_hooks(callback)):
            return f"{type(callback).__name__} acts on every batch"
    return (
        _overrides(module, between_updates(pl.LightningModule), base)
        or _overrides(trainer.datamodule, TRANSFER, pl.LightningDataModule)
        or _shadows(trainer.strategy, trainer.precision_plugin)
        or _counts_batches((*trainer.callbacks, *module.modules()))
        or _logs(module)
    )


def reason_in_settings(trainer: Any) -> str | None:
    """The same of the trainer's settings alone, cheap enough to be asked every epoch: callbacks may change them."""
    checks = {
        "the data come from a DataLoader": not hasattr(trainer.datamodule, "train_stretches"),
        "there are several processes": type(trainer.strategy) is not SingleDeviceStrategy,
        "precision is neither 32-true nor bf16-mixed": not _plain_precision(trainer.precision_plugin),
        "gradients are clipped": bool(trainer.gradient_clip_val),
        "gradients are accumulated": trainer.accumulate_grad_batches != 1,
        "updates are split over max_per_device": getattr(trainer.datamodule, "max_per_device", None) is not None,
        "batches are limited": not takes_all(trainer.limit_train_batches) or trainer.overfit_batches != 0,
        "the number of updates is limited": trainer.max_steps != -1,
        "validation runs within the epoch": not takes_all(trainer.val_check_interval),
        "validation waits for a number of batches": trainer.check_val_every_n_epoch is None,
        "a profiler is on": type(trainer.profiler) is not PassThroughProfiler,
        "anomalies are being detected": trainer._detect_anomaly,
    }
    return next((reason for reason, holds in checks.items() if holds), None)


def reason_for_single_batches(trainer: Any, module: pl.LightningModule, base: type, *stages: str) -> str | None:
    """What needs an ordinary batch per step in these evaluations (validation, test, predict); None if nothing does."""
    if not all(takes_all(getattr(trainer, LIMITS[stage])) for stage in stages):
        return "batches of the evaluation are limited"
    if type(trainer.profiler) is not PassThroughProfiler:
        return "a profiler is on"
    for names in map(of_evaluation, stages):
        for callback in trainer.callbacks:
            own = [name for name in names if overridden(callback, (name,), pl.Callback)]
            if not all(_by_stretch(callback, name) for name in own):
                return f"{type(callback).__name__} acts on every batch"
        reason = _overrides(module, names, base) or _overrides(trainer.datamodule, TRANSFER, pl.LightningDataModule)
        if reason is not None:
            return reason
    return _shadows(trainer.strategy, trainer.precision_plugin)


def judges_by_row(module: Any) -> bool:
    """Whether what is said of targets is this engine's own, and so the same of many batches at once as of each."""
    names = ("read", "targets", "tally")
    kinds = [defining(part, name) for part in (module, module.task) for name in names if hasattr(part, name)]
    return all(kind is not None and kind.__module__.startswith("litmus.") for kind in kinds)


def reason_in_optimizer(optimizer: Optimizer) -> str | None:
    """Why an optimizer must be given the loss to call, or asked to forget its gradients; None if it need not."""
    kind = defining(optimizer, "step")
    closure = inspect.signature(type(optimizer).step).parameters.get("closure")
    needed = closure is not None and closure.default is inspect.Parameter.empty
    own = kind is not None and not kind.__module__.startswith(("torch.optim.", "litmus."))
    if needed or (own and uses_arguments(inspect.unwrap(type(optimizer).step))):
        return f"{type(optimizer).__name__} calls the loss itself"
    return _overrides(optimizer, ("zero_grad",), Optimizer)


def _plain_precision(plugin: Precision) -> bool:
    """Whether a precision asks for nothing between updates: bfloat16, unlike float16, needs no scaling of the loss."""
    return type(plugin) is Precision or (type(plugin) is MixedPrecision and plugin.scaler is None)


def _overridden_hooks(callback: pl.Callback) -> list[str]:
    return [name for name in between_updates(pl.Callback) if overridden(callback, (name,), pl.Callback)]


def _by_stretch(callback: pl.Callback, hook: str) -> bool:
    """Whether a callback's hook need not see every update.

    Who says `ticks_per_stretch` says it of the hooks that its class has then, not of those that a subclass adds; nor
    does a subclass of one of Lightning's own callbacks do only what that does.
    """
    kind = defining(callback, hook)
    if kind is None:
        return bool(vars(callback).get("ticks_per_stretch", False))
    if kind is ModelCheckpoint:
        return callback._every_n_train_steps == 0 and callback._train_time_interval is None  # type: ignore[attr-defined]
    if kind is LearningRateMonitor:
        return callback.logging_interval == "epoch"  # type: ignore[attr-defined]
    if kind.__module__.startswith(PROGRESS_BARS):
        return True
    if not getattr(callback, "ticks_per_stretch", False):
        return False
    said = defining(callback, "ticks_per_stretch")
    return said is None or issubclass(said, kind)


def _overrides(part: object, names: tuple[str, ...], base: type) -> str | None:
    name = None if part is None else overridden(part, names, base)
    return None if name is None else f"{type(part).__name__} overrides {name}"


def _counts_batches(parts: Iterable[object]) -> str | None:
    """Who reads of the trainer what counts batches, which are stretches here."""
    looked_at = set[type]()
    for part in parts:
        kinds = _which_see_batches(part)
        begin = list(_given(part))
        begin += functions_in(one for kind in kinds if kind not in looked_at for one in vars(kind).values())
        looked_at.update(kinds)
        for function in called_by(begin, kinds):
            found = OF_BATCHES & names_in(function.__code__)
            if found:
                return f"{type(part).__name__} reads {min(found)}"
    return None


def _which_see_batches(part: object) -> list[type]:
    """A part's own classes without those that say `ticks_per_stretch`."""
    kinds = own_classes(part)
    said = next((kind for kind in kinds if vars(kind).get("ticks_per_stretch", False)), None)
    return kinds if said is None else [kind for kind in kinds if not issubclass(said, kind)]


def _logs(module: pl.LightningModule) -> str | None:
    """Who has values of each update written: the trainer would weigh them as those of a stretch, and write the last."""
    parts = [*module.modules(), *filter(None, [getattr(module, "task", None)])]
    kinds = list(dict.fromkeys(kind for part in parts for kind in own_classes(part)))
    begin = [one for part in parts for one in _given(part)]
    begin += functions_in(vars(kind).get(name) for kind in kinds for name in IN_AN_UPDATE)
    for function in called_by(begin, kinds):
        if names_in(function.__code__) & LOG and calls_of(function.__code__, LOG, function.__globals__):
            return f"{type(module).__name__} logs within an update"
    return None


def _given(part: object) -> Iterator[FunctionType]:
    """Functions that an object itself was given, hooks of layers among them."""
    kept = vars(part)
    hooks = (one for name in ("_forward_hooks", "_forward_pre_hooks") for one in kept.get(name, {}).values())
    return functions_in((*kept.values(), *hooks))


def _shadows(*parts: object) -> str | None:
    for part in parts:
        name = shadowed(part)
        if name is not None:
            return f"{type(part).__name__} was given another {name}"
    return None
