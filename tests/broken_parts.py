"""Parts each of which breaks one law of a run, and no other: by their name here, what is typed to choose them."""

import os

import pytorch_lightning as pl
import torch
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from litmus.tasks.classification import Classification
from src.models.mlp import MLP
from tests.small_data import Blobs
from tests.strangers import Plain


class Refusing(MLP):
    def __init__(self, **arguments):
        raise ValueError("no net today")


class Entropic(MLP):
    """Its noise is the machine's."""

    def forward(self, x):
        noise = torch.Generator().manual_seed(int.from_bytes(os.urandom(7)))
        return super().forward(x + 1e-3 * torch.randn(x.shape, generator=noise) if self.training else x)


class Unordered(MLP):
    """Takes its columns as a set has them."""

    def forward(self, x):
        columns = {f"x{place}" for place in range(x.shape[1])}
        return super().forward(x[:, [int(name[1:]) for name in columns]])


class SelfSeeded(MLP):
    """Begins with the same weights, whatever the run is told."""

    def __init__(self, **arguments):
        torch.manual_seed(1)
        super().__init__(**arguments)


class Unseeded(Blobs):
    """Takes a seed and forgets it."""

    def __init__(self, seed=0, **arguments):
        super().__init__(seed=0, **arguments)


class Bucketed(Blobs):
    """Orders its rows by how many an update has."""

    def train_dataloader(self):
        x, y = self.splits["train"]
        epoch = 0 if self.trainer is None else self.trainer.current_epoch
        draw = torch.Generator().manual_seed(10_000 * self.seed + 100 * epoch + self.batch_size)
        order = torch.randperm(len(y), generator=draw)
        return DataLoader(TensorDataset(x[order], y[order]), self.batch_size)


class Counting(MLP):
    """Counts its updates, and keeps the number to itself."""

    calls = 0

    def forward(self, x):
        if not self.training:
            return super().forward(x)
        self.calls += 1
        return super().forward(x * (1 + 1e-3 * self.calls))


class TwoFaced(MLP):
    """Looks at how it is trained."""

    def forward(self, x):
        return super().forward(x * 1.01 if self.training and self.automatic_optimization else x)


class Unsaved(Plain):
    """Needs a width to be made, and keeps it nowhere."""

    def __init__(self, width):
        super().__init__()
        self.net[0] = torch.nn.Linear(6, width)
        self.net[2] = torch.nn.Linear(width, 3)

    def validation_step(self, batch, batch_idx):
        self.log("val/loss", F.cross_entropy(self(batch[0]), batch[1]))

    def test_step(self, batch, batch_idx):
        self.log("test/loss", F.cross_entropy(self(batch[0]), batch[1]))


class Following(MLP):
    """Is tested by how far its training had come."""

    def test_step(self, batch, batch_idx):
        x, *rest = batch
        super().test_step((x + self.trainer.global_step, *rest), batch_idx)


class Centred(MLP):
    """Compares a sample with those beside it."""

    def forward(self, x):
        return super().forward(x if self.training else x - x.mean(0))


class Late(MLP):
    """Finds out in training that it wants to see each update."""

    def on_train_start(self):
        self.on_train_batch_end = lambda outputs, batch, batch_idx: None


class Mute(Classification):
    """Knows no answer."""

    def constant(self, y):
        return super().constant(y) * torch.nan


class Batches(pl.LightningDataModule):
    """Ordinary data, of which little is promised and all of that kept."""

    def __init__(self, batch_size=20):
        super().__init__()
        self.batch_size = batch_size

    def loader(self, seed, shuffle=False):
        x = torch.randn(60, 6, generator=torch.Generator().manual_seed(seed))
        return DataLoader(TensorDataset(x, x[:, :3].argmax(1)), self.batch_size, shuffle)

    def train_dataloader(self):
        return self.loader(0, True)

    def val_dataloader(self):
        return self.loader(1)

    def test_dataloader(self):
        return self.loader(2)


def data(name="Blobs", module="tests.broken_parts"):
    knobs = ("seed", "batch_size", "updates_per_epoch")
    return ("~data", f"+data={{_target_: {module}.{name}, {', '.join(f'{knob}: ${{{knob}}}' for knob in knobs)}}}")


def model(name):
    return (f"model._target_=tests.broken_parts.{name}", "model.units=[8]")


BLOBS = ("batch_size=20", *data("Blobs", "tests.small_data"))
# Law → what breaks it.
BREAKS = {
    "composes": (*model("Refusing"), *BLOBS),
    "every knob is read": ("~data", "+data={_target_: tests.small_data.Blobs}", "model.units=[8]"),
    "trains, and the weights move": ("model._target_=tests.strangers.Idle", "model.units=[8]", *BLOBS),
    "the loss falls on 32 samples": ("optimizer=sgd", "+optimizer.maximize=true", "model.units=[8]", *BLOBS),
    "the same bits twice": (*model("Entropic"), *BLOBS),
    "the same bits in another process": (*model("Unordered"), *BLOBS),
    "another seed differs": (*model("SelfSeeded"), "model.dropout=0.0", "batch_size=20", *data("Unseeded")),
    "the order does not depend on the batch size": ("model.units=[8]", "batch_size=20", *data("Bucketed")),
    "cut and resumed = whole": (*model("Counting"), *BLOBS),
    "both paths give the same bits": (*model("TwoFaced"), *BLOBS),
    "a checkpoint loads as weights only and rebuilds alone": (
        *("~model", "+model={_target_: tests.broken_parts.Unsaved, width: 5}", *BLOBS),
    ),
    "evaluate.py repeats the test": (*model("Following"), *BLOBS),
    "those beside it in a batch do not matter to a sample": (*model("Centred"), *BLOBS),
    "hooks are called as often as by Lightning": (*model("Late"), *BLOBS),
    "the baseline is beaten, or said": ("task=classification", "task._target_=tests.broken_parts.Mute", *BLOBS),
}
