"""Runs with a recorded trajectory, as paths: what they differ in, their rows, and the score at every row."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from omegaconf import OmegaConf

from answers.make.descent.surface import Score, score
from litmus.claims.factors import is_factor
from litmus.training.trajectory import read_trajectory
from litmus.trial.description import flat
from litmus.trial.history import read_history
from litmus.trial.making import instantiate
from litmus.trial.stored import read_stored

Curve = NDArray[np.float64]


@dataclass(frozen=True)
class Descent:
    """A run's path: weights (rows, parameters), and for each row the updates, the epochs and the scores.

    `epochs` are passes through the training rows, whatever the run called an epoch.
    """

    directory: Path
    label: str
    seed: int
    weights: Curve
    updates: Curve
    epochs: Curve
    train: Score
    val: Score
    model: Any
    data: Any

    def row_at(self, clock: str, value: float) -> int:
        """The last row at which `updates` or `epochs` has not gone past a value."""
        return int(np.flatnonzero(getattr(self, clock) <= value * (1 + 1e-9))[-1])


def read_descents(directories: Sequence[Path], trust: bool = False) -> list[Descent]:
    """The paths of these runs, each labelled by the settings in which it differs from the others.

    Raises:
        ValueError: for a directory without a run or without a whole trajectory.
    """
    configs = [_config(directory, trust) for directory in directories]
    labels = labels_of([flat(OmegaConf.to_container(config)) for config in configs])  # type: ignore[arg-type]
    return [
        _descent(directory, config, label)
        for directory, config, label in zip(directories, configs, labels, strict=True)
    ]


def labels_of(settings: Sequence[dict[str, Any]]) -> list[str]:
    """What sets each run's flat settings apart: batch size 32; of another class, its name alone: optimizer Adam."""
    varied = [
        key
        for key in settings[0]
        if is_factor(key)
        and key != "epochs"
        and all(key in given for given in settings)  # one that a run lacks is its default then, whatever that was
        and len({str(given[key]) for given in settings}) > 1
    ]
    # What a class takes differs because the class does.
    told = [key for key in varied if key.endswith("._target_") or f"{key.rpartition('.')[0]}._target_" not in varied]
    return [", ".join(_words(key, given[key]) for key in told) or "run" for given in settings]


def _words(key: str, value: Any) -> str:
    node, _, last = key.rpartition(".")
    return f"{node} {str(value).rpartition('.')[2]}" if last == "_target_" else f"{key.replace('_', ' ')} {value}"


def refuse_apart(paths: Sequence[Descent]) -> None:
    """One surface is that of one net on the same rows, and one plane goes through one start.

    Raises:
        ValueError: naming the run that is apart from the first.
    """
    first = paths[0]
    for path in paths[1:]:
        rows = zip(first.data.splits["train"], path.data.splits["train"], strict=True)
        if not all(torch.equal(own, other) for own, other in rows):
            what = "training rows"
        elif not np.array_equal(first.weights[0], path.weights[0]):
            what = "initial weights"
        else:
            continue
        raise ValueError(
            f"{path.directory}: expected the {what} of {first.directory}, found others; runs of one seed share "
            "a surface if they share data, net and initialization"
        )


def _config(directory: Path, trust: bool) -> Any:
    for needed in (".hydra/config.yaml", "metrics.csv"):
        if not (directory / needed).is_file():
            raise ValueError(f"{directory}: expected the directory of a run with {needed} in it, found none")
    config: Any = read_stored(directory, trust)
    config.output_dir = str(directory)
    return config


def _descent(directory: Path, config: Any, label: str) -> Descent:
    recorded = read_trajectory(directory / "trajectory.npz")
    if len(recorded.weights) < 2 or not np.isfinite(recorded.weights).all():
        found = "the first alone" if len(recorded.weights) < 2 else "some that are not finite"
        raise ValueError(f"{directory}: expected finite weights along the run, found {found}: it diverged or was cut")
    data = instantiate(config.data)
    data.setup()
    model = instantiate(config.model, input_shape=data.input_shape, classes=data.classes)
    history = read_history(directory / "metrics.csv")
    # Rows within an epoch: its updates are of one size but for the last.
    samples = np.interp(
        recorded.updates, [0.0, *(row["updates"] for row in history)], [0.0, *(row["samples"] for row in history)]
    )
    weights = recorded.weights.astype(float)
    return Descent(
        directory,
        label,
        int(config.seed),
        weights,
        recorded.updates.astype(float),
        samples / data.train_size,
        score(model, weights, *data.splits["train"]),
        score(model, weights, *data.splits["val"]),
        model,
        data,
    )
