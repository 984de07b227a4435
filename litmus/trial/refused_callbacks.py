"""Callbacks of Lightning's that no run here can keep its promises with."""

from collections.abc import Sequence
from typing import Any

from pytorch_lightning.callbacks import (
    BatchSizeFinder,
    LearningRateFinder,
    ModelPruning,
    StochasticWeightAveraging,
)

REASONS: dict[type, str] = {
    StochasticWeightAveraging: (
        "averages weights that no validation sees, so that its net could be neither chosen nor tested; "
        "average=ema and average=tail average and are validated"
    ),
    ModelPruning: (
        "replaces every weight by two others while training, so that best.ckpt would not fit the net that a test "
        "builds; prune the finished net, from its best.ckpt"
    ),
    BatchSizeFinder: (
        "would train with another batch_size than the run records; choose it before, as -m batch_size=32,64,128, or "
        "let batching.max_per_device split what does not fit"
    ),
    LearningRateFinder: (
        "would train with another lr than the run records; search for it, as -m search=tpe "
        "'lr=tag(log,interval(1e-4,1e-1))'"
    ),
}


def refuse_callbacks(callbacks: Sequence[Any]) -> None:
    """Refuses callbacks whose net would not be the one that is validated, tested, kept and recorded.

    Raises:
        ValueError: naming the callback and the way out.
    """
    for callback in callbacks:
        for kind, reason in REASONS.items():
            if isinstance(callback, kind):
                raise ValueError(f"{type(callback).__name__} {reason}")
