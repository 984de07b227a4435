"""What the batch-size tests share: tiny data that count what is drawn, and fits that can be gone on with."""

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Checkpoint, ModelCheckpoint
from torch.utils.data import DataLoader, TensorDataset

from litmus.training.array_data_module import ArrayDataModule, Source
from litmus.trial.epoch_seed import EpochSeed
from src.callbacks.batch_size import BatchSizeScheduler
from src.models.mlp import MLP


def points(rows, seed=0):
    """Inputs (rows, 4), whose first column is the row's number, and labels of three classes."""
    draw = torch.Generator().manual_seed(seed)
    x = torch.randn(rows, 4, generator=draw)
    y = (x[:, 1] + x[:, 2] > 0).long() + (x[:, 3] > 0.5).long()
    x[:, 0] = torch.arange(rows) / rows
    return x, y


class Tiny(ArrayDataModule):
    """`rows` training samples, and ten more to validate with."""

    name, input_shape, classes = "tiny", (4,), 3

    def __init__(self, rows=100, **settings):
        super().__init__(**settings)
        self.rows = rows

    def load(self):
        return Source(*points(self.rows + 10), None, "")

    def split(self, source):
        return {"train": torch.arange(self.rows), "val": torch.arange(self.rows, self.rows + 10)}


class Ordinary(pl.LightningDataModule):
    """As anybody would write it: `batch_size`, a DataLoader, nothing that knows of a schedule."""

    def __init__(self, rows=100, batch_size=16, drop_last=False):
        super().__init__()
        self.rows, self.batch_size, self.drop_last = rows, batch_size, drop_last

    def train_dataloader(self):
        data = TensorDataset(*points(self.rows))
        return DataLoader(data, self.batch_size, shuffle=True, drop_last=self.drop_last)

    def val_dataloader(self):
        return DataLoader(TensorDataset(*points(10, seed=1)), 10)


class Recorder(pl.Callback):
    """By epoch: the rows in their order, the sizes of the updates, the learning rate, and how many validations."""

    ticks_per_stretch = True

    def __init__(self):
        self.rows, self.sizes, self.rates, self.validations = {}, {}, {}, 0

    def on_train_epoch_start(self, trainer, pl_module):
        loader, epoch = trainer.train_dataloader, trainer.current_epoch
        if hasattr(loader, "segments"):
            self.rows[epoch] = torch.cat(loader.segments).tolist()
            self.sizes[epoch] = loader.update_sizes
        self.rates[epoch] = trainer.optimizers[0].param_groups[0]["lr"]

    def on_validation_end(self, trainer, pl_module):
        self.validations += 1


def net(seed=0, **settings):
    """A small MLP with the weights of this seed."""
    torch.manual_seed(seed)
    return MLP((4,), 3, units=[8], **settings)


def fit(batching, data=None, model=None, epochs=5, start=None, keep=None, callbacks=(), **settings):
    """Fits on the CPU, from the checkpoint `start` if given; (trainer, recorder). `keep` gets every epoch's.

    `data=False` is a module with loaders of its own.
    """
    recorder = Recorder()
    callbacks = [EpochSeed(0), batching, recorder, *callbacks]
    if keep is not None:
        callbacks.append(ModelCheckpoint(keep, "{epoch}", save_top_k=-1, save_on_train_epoch_end=True))
    settings.setdefault("devices", 1)
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=epochs,
        callbacks=callbacks,
        logger=False,
        enable_checkpointing=any(isinstance(callback, Checkpoint) for callback in callbacks),
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        **settings,
    )
    trainer.fit(
        net() if model is None else model,
        datamodule=Tiny(batch_size=8) if data is None else data or None,
        ckpt_path=start,
        weights_only=True if start else None,
    )
    return trainer, recorder


def ramp(**settings):
    """8 → 64, doubling every epoch."""
    return BatchSizeScheduler("doubling", **{"start": 8, "stop": 64, "every": 1} | settings)


def state(trainer):
    """Everything a resumed run must have alike, bit by bit."""
    model, optimizer = trainer.lightning_module, trainer.optimizers[0]
    return {
        "weights": {name: value.clone() for name, value in model.state_dict().items()},
        "optimizer": optimizer.state_dict(),
        "updates": trainer.global_step,
        "epochs": trainer.current_epoch,
    }


def assert_same(found, expected):
    """Equal, to the last bit of every tensor in it."""
    if isinstance(expected, torch.Tensor):
        assert torch.equal(found, expected)
    elif isinstance(expected, dict):
        assert found.keys() == expected.keys()
        for name in expected:
            assert_same(found[name], expected[name])
    elif isinstance(expected, list | tuple):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert_same(one, other)
    else:
        assert found == expected
