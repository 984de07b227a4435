"""A data set that costs nothing: what tests of the training itself learn from."""

from functools import partial

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Checkpoint

from litmus.seeds import derived_seed
from litmus.training.array_data_module import ArrayDataModule, Source
from litmus.trial.epoch_seed import EpochSeed


class Blobs(ArrayDataModule):
    """Gaussian blobs (rows, *shape), one per class."""

    name = "blobs"

    def __init__(self, rows=200, shape=(6,), classes=3, val_fraction=0.2, test_fraction=0.2, **arguments):
        super().__init__(val_fraction=val_fraction, test_fraction=test_fraction, **arguments)
        self.rows, self.input_shape, self.classes = rows, tuple(shape), classes

    def load(self):
        generator = torch.Generator().manual_seed(derived_seed("blobs"))
        y = torch.randint(self.classes, (self.rows,), generator=generator)
        centres = torch.randn(self.classes, *self.input_shape, generator=generator)
        x = centres[y] + torch.randn(self.rows, *self.input_shape, generator=generator)
        return Source(x, y, None, "blobs")


def quiet_trainer(epochs=3, callbacks=(), **arguments):
    """A Trainer that says nothing, with the reload that every run has."""
    settings = {
        "max_epochs": epochs,
        "accelerator": "cpu",
        "logger": False,
        "enable_checkpointing": any(isinstance(callback, Checkpoint) for callback in callbacks),
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "num_sanity_val_steps": 0,
        "reload_dataloaders_every_n_epochs": 1,
        "log_every_n_steps": 1,
        "callbacks": [EpochSeed(0), *callbacks],
    }
    return pl.Trainer(**(settings | arguments))


def seeded(kind, *arguments, seed=0, **keywords):
    """A net whose weights are a function of the seed."""
    torch.manual_seed(seed)
    return kind(*arguments, **keywords)


def optimizer_of(name, **arguments):
    """A maker of that torch optimizer."""
    return partial(getattr(torch.optim, name), **arguments)
