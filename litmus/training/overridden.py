"""What a stranger's module, callback or data override of what Lightning calls: lists that Lightning itself gives."""

import re
from functools import cache
from inspect import getattr_static
from types import FunctionType
from typing import Any

import pytorch_lightning as pl

# Hooks that are called once an epoch, an evaluation or a fit.
SELDOM = re.compile(
    r"on_(fit|exception|save_checkpoint|load_checkpoint|sanity_check)_?\w*"
    r"|on_(train|validation|test|predict)(_epoch)?_(start|end)"
    r"|on_(validation|test|predict)_model_\w+"
)
STAGES = ("validation", "test", "predict")
# Of what Lightning's module has, these do nothing between two updates, or do it on both paths alike.
HARMLESS = {
    *("forward", "validation_step", "test_step", "predict_step", "setup", "teardown"),
    *("configure_callbacks", "configure_model", "configure_sharded_model", "strict_loading", "load_from_checkpoint"),
    *("prepare_data", "train_dataloader", "val_dataloader", "test_dataloader", "predict_dataloader"),
    *("hparams", "hparams_initial", "save_hyperparameters", "remove_ignored_hparams", "example_input_array"),
    *("print", "freeze", "unfreeze", "to_onnx", "to_torchscript", "to_tensorrt"),
}
TRANSFER = ("on_before_batch_transfer", "transfer_batch_to_device", "on_after_batch_transfer")


def _of_an_evaluation(name: str) -> bool:
    return name.startswith(tuple(f"on_{stage}_batch_" for stage in STAGES))


@cache
def between_updates(kind: type) -> tuple[str, ...]:
    """What may act between two updates of all that Lightning calls of a `pl.LightningModule` or a `pl.Callback`.

    Everything counts but what is known to be called seldom, so that a hook which a later Lightning adds counts too.
    """
    own = [base for base in kind.__mro__ if base.__module__.startswith("pytorch_lightning.")]
    names = {name for base in own for name in vars(base) if not name.startswith("_") and not name.isupper()}
    if kind is pl.Callback:
        names = {name for name in names if name.startswith("on_")}
    names -= HARMLESS
    return tuple(sorted(name for name in names if not SELDOM.fullmatch(name) and not _of_an_evaluation(name)))


def of_evaluation(stage: str) -> tuple[str, ...]:
    """What is called for every batch of this evaluation: validation, test or predict."""
    return (f"{stage}_step", f"on_{stage}_batch_start", f"on_{stage}_batch_end", *TRANSFER)


def overridden(part: object, names: tuple[str, ...], base: type) -> str | None:
    """The first of these names that a part has otherwise than its base class: in its class or on the object itself."""
    for name in names:
        if not hasattr(base, name):
            continue
        if name in vars(part) or getattr_static(type(part), name) is not getattr_static(base, name):
            return name
    return None


def defining(part: object, name: str) -> type | None:
    """The class that a part has this attribute from, None where the object itself has it."""
    return None if name in vars(part) else next(kind for kind in type(part).__mro__ if name in vars(kind))


def shadowed(part: object) -> str | None:
    """A method of its class that the object itself replaces."""
    return next((name for name in vars(part) if isinstance(getattr(type(part), name, None), FunctionType)), None)


def step_of_ones_own(module: Any, base: type) -> bool:
    """Whether the module trains by a `training_step` other than its base class's."""
    return overridden(module, ("training_step",), base) is not None
