"""This project's side: a trial through train.py's own configuration, timed from its first epoch to its last file."""

import os
from functools import partial
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from hydra import compose, initialize_config_dir

from litmus.project import ROOT
from litmus.training.learner import PACKED
from litmus.training.pack import Pack
from litmus.trial.command_line import register_resolvers
from litmus.trial.hydra_versions import BASE
from litmus.trial.parts import Parts
from litmus.trial.parts import build as build_parts
from scripts.speed.clock import seconds


class Stopwatch(pl.Callback):
    """Notes when the first epoch begins; has no batch hook, so that the trial runs as without it."""

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.started = seconds()


def build(directory: Path, *overrides: str) -> Parts:
    """The parts of the trial that `python train.py threads=1 …` with these overrides would run."""
    register_resolvers()
    everywhere = [f"output_dir={directory}", "threads=1", f"data_dir={os.environ.get('DATA_DIR', ROOT / 'data')}"]
    with initialize_config_dir(str(ROOT / "configs"), **BASE):
        config = compose("train", overrides=[*everywhere, *overrides])
    return build_parts(config)


def fit(directory: Path, *overrides: str) -> float:
    """Seconds from the first epoch's start until the last checkpoint is on the disk."""
    data, model, trainer, _ = build(directory, *overrides)
    stopwatch = Stopwatch()
    callbacks: list[Any] = trainer.callbacks
    callbacks.insert(0, stopwatch)
    trainer.fit(model, datamodule=data)
    return seconds() - stopwatch.started


def fit_packed(directory: Path, seeds: int, *overrides: str) -> float:
    """Seconds of each of so many seeds that train in one pack, from its setting up until its last checkpoint."""
    built = [build(directory / str(seed), *overrides, f"seed={seed}") for seed in range(seeds)]
    started = seconds()
    Pack().run([partial(parts.trainer.fit, parts.model, datamodule=parts.data) for parts in built])
    ended = seconds()
    paths = {str(getattr(parts.model, "path", None)) for parts in built}
    if paths != {PACKED}:
        raise RuntimeError(f"expected {seeds} seeds that train in packs, found {', '.join(sorted(paths))}")
    return (ended - started) / seeds


def read_training_data(directory: Path, *overrides: str) -> tuple[float, int]:
    """Seconds to go once through the training batches, as a stretch of updates goes, and their samples."""
    data = build(directory, *overrides).data
    data.setup("fit")
    data.train_stretches = True
    started, samples = seconds(), 0
    for x, y, batch_size in data.train_dataloader():
        for inputs, _ in zip(x.split(batch_size), y.split(batch_size), strict=True):
            samples += len(inputs)
    return seconds() - started, samples


def parts_of(directory: Path, *overrides: str) -> tuple[dict[str, tuple[torch.Tensor, torch.Tensor]], Any]:
    """The data's splits and the untrained module, for the other sides."""
    data, model, *_ = build(directory, *overrides)
    data.setup("fit")
    return data.splits, model
