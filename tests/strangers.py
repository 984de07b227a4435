"""Modules and callbacks as anybody would write them, who has read Lightning's pages and none of ours."""

from collections import Counter
from types import FunctionType

import pytorch_lightning as pl
import torch
from torch.nn.functional import cross_entropy
from torch.optim import SGD

from litmus.contract import Target
from src.models.mlp import MLP
from tests.small_data import Blobs

# What Lightning offers to be called rather than calls itself.
OFFERED = {
    *("optimizers", "lr_schedulers", "print", "log", "log_dict", "all_gather", "manual_backward"),
    *("toggle_optimizer", "untoggle_optimizer", "toggled_optimizer", "freeze", "unfreeze"),
    *("to_onnx", "to_torchscript", "to_tensorrt", "save_hyperparameters", "remove_ignored_hparams"),
    "configure_sharded_model",  # the old name of configure_model
}


def functions_of(kind):
    """The public methods that Lightning's classes above `kind` have."""
    own = [base for base in kind.__mro__ if base.__module__.startswith("pytorch_lightning.")]
    names = {name for base in own for name, value in vars(base).items() if isinstance(value, FunctionType)}
    return sorted(name for name in names if not name.startswith("_") and name not in OFFERED)


MODULE_HOOKS = functions_of(pl.LightningModule)
CALLBACK_HOOKS = functions_of(pl.Callback)
DATA_HOOKS = ("on_before_batch_transfer", "transfer_batch_to_device", "on_after_batch_transfer")


def counting(base, names):
    """A subclass that counts the calls of these methods in `calls`, and lets each do what it did."""

    def counted(name):
        def method(self, *arguments, **keywords):
            self.calls[name] += 1
            return getattr(super(kind, self), name)(*arguments, **keywords)

        return method

    kind = type(f"Counting{base.__name__}", (base,), {"calls": Counter(), **{name: counted(name) for name in names}})
    return kind


class Plain(pl.LightningModule):
    """The first page of Lightning's documentation: what every count is held against."""

    def __init__(self):
        super().__init__()
        self.net = torch.nn.Sequential(torch.nn.Linear(6, 4), torch.nn.ReLU(), torch.nn.Linear(4, 3))

    def forward(self, x):
        return self.net(x)

    def training_step(self, batch, batch_idx):
        x, y = batch
        return cross_entropy(self(x), y)

    def validation_step(self, batch, batch_idx):
        self(batch[0])

    def test_step(self, batch, batch_idx):
        self(batch[0])

    def predict_step(self, batch, batch_idx):
        return self(batch[0])

    def configure_optimizers(self):
        return SGD(self.parameters(), lr=0.1)


class OwnStep(MLP):
    """Trains by its own step, which returns the loss."""

    def training_step(self, batch, batch_idx):
        x, y = batch[:2]
        return cross_entropy(self(x), y)


class OwnManualStep(MLP):
    """Optimizes by itself."""

    def __init__(self, *arguments, **keywords):
        super().__init__(*arguments, **keywords)
        self.automatic_optimization = False

    def training_step(self, batch, batch_idx):
        x, y = batch[:2]
        optimizer = self.optimizers()
        optimizer.zero_grad()
        loss = cross_entropy(self(x), y)
        self.manual_backward(loss)
        optimizer.step()
        return loss


class Idle(MLP):
    """Forgets to return the loss."""

    def training_step(self, batch, batch_idx):
        x, y = batch[:2]
        cross_entropy(self(x), y)


class Frozen(MLP):
    """Has nothing to train."""

    def __init__(self, *arguments, **keywords):
        super().__init__(*arguments, **keywords)
        self.requires_grad_(False)


class Forgetful(MLP):
    """Overrides what it can, and never calls super()."""

    def setup(self, stage):
        pass

    def configure_callbacks(self):
        return []

    def on_fit_start(self):
        pass

    def on_train_start(self):
        pass

    def on_train_epoch_start(self):
        pass

    def on_train_epoch_end(self):
        pass

    def on_train_end(self):
        pass

    def on_validation_start(self):
        pass

    def on_validation_epoch_start(self):
        pass

    def on_validation_epoch_end(self):
        pass

    def on_validation_end(self):
        pass

    def on_test_epoch_start(self):
        pass

    def on_test_epoch_end(self):
        pass

    def on_load_checkpoint(self, checkpoint):
        pass

    def on_save_checkpoint(self, checkpoint):
        pass

    def teardown(self, stage):
        pass


class WithBackbone(MLP):
    """A net in two parts, of which one is thawed later."""

    @property
    def backbone(self):
        return self.net[:2]


class PlainNet(torch.nn.Sequential):
    """No LightningModule, and told how many outputs it has to give."""

    def __init__(self, outputs):
        super().__init__(torch.nn.Flatten(), torch.nn.LazyLinear(outputs))


class Prices(Blobs):
    """Blobs with a real value each."""

    name, target = "prices", Target("real", 1)

    def load(self):
        source = super().load()
        return source._replace(y=source.x.mean(1))


class Tags(Blobs):
    """Blobs with two labels each."""

    name, target = "tags", Target("labels", 2)

    def load(self):
        source = super().load()
        return source._replace(y=(source.x[:, :2] > 0).float())


def small_blobs(**settings):
    """7 updates of 20 samples, 2 batches to validate and to test with."""
    return Blobs(**{"rows": 210, "batch_size": 20, "eval_batch_size": 25} | settings)
