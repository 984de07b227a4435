"""The data modules under a bare Trainer, or under none: every epoch is the pass that it should be."""

import copy
import csv
from functools import partial

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import LambdaCallback, ProgressBar
from pytorch_lightning.loggers import CSVLogger
from torchmetrics.classification import MulticlassAccuracy, MulticlassAUROC

from litmus.contract import Target
from litmus.tasks.classification import Classification
from litmus.training.augment import Crop, Flip
from litmus.training.rows import pass_order
from src.models.mlp import MLP
from tests.small_data import Blobs, quiet_trainer, seeded
from tests.strangers import Plain

ROWS = 128


class Watching(Plain):
    """Notes the rows of every update, which are in the inputs."""

    def __init__(self):
        super().__init__()
        self.seen = {}

    def training_step(self, batch, batch_idx):
        self.seen.setdefault(self.current_epoch, []).append(batch[0][:, 0].long())
        return super().training_step(batch, batch_idx)


class Numbered(Blobs):
    """The rows' numbers are their inputs."""

    def setup(self, stage=None):
        super().setup(stage)
        x, y = self.splits["train"]
        self.splits["train"] = (torch.arange(len(x)).float()[:, None].expand(-1, 6).contiguous(), y)


def bare(**settings):
    """A Trainer as in a notebook: nothing of ours, Lightning's defaults."""
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu"}
    return pl.Trainer(**(quiet | {"enable_checkpointing": False, "max_epochs": 3} | settings))


def expected(passes, seed=5, rows=ROWS):
    return torch.cat([pass_order(rows, seed, number) for number in range(passes)])


@pytest.mark.briefly(0)
@pytest.mark.parametrize("reload", [0, 1, 2])
@pytest.mark.parametrize("updates", [None, 3, 20])
def test_a_bare_trainer_sees_pass_after_pass(reload, updates):
    data, model = Numbered(batch_size=10, updates_per_epoch=updates, seed=5), Watching()
    bare(reload_dataloaders_every_n_epochs=reload).fit(model, datamodule=data)
    seen = torch.cat([torch.cat(rows) for rows in model.seen.values()])
    assert torch.equal(seen, expected(6)[: len(seen)])
    assert [len(rows) for rows in model.seen.values()] == [updates or 13] * 3


@pytest.mark.briefly(1)
@pytest.mark.parametrize("updates", [None, 20])
def test_both_paths_of_a_net_of_this_project_learn_the_same_with_and_without_the_flag(updates):
    weights = []
    for reload, callbacks in ((0, []), (1, []), (0, [Slow()]), (1, [Slow()])):
        data = Blobs(batch_size=10, updates_per_epoch=updates, seed=5)
        model = seeded(MLP, (6,), 3, units=[8])
        quiet_trainer(3, callbacks, reload_dataloaders_every_n_epochs=reload).fit(model, datamodule=data)
        assert (model.single_step_reason is None) == (not callbacks)
        weights.append(torch.cat([parameter.detach().flatten() for parameter in model.parameters()]))
    assert all(torch.equal(one, weights[0]) for one in weights)


class Slow(pl.Callback):
    """Acts on every batch, so that none is part of a stretch."""

    def on_train_batch_end(self, *arguments):
        pass


@pytest.mark.parametrize("updates", [None, 20])
def test_without_a_trainer_each_iteration_is_the_next_epoch(updates):
    data = Numbered(batch_size=10, updates_per_epoch=updates, seed=5)
    data.setup("fit")
    loader = data.train_dataloader()
    seen = [x[:, 0].long() for _ in range(2) for x, _ in loader]
    seen += [x[:, 0].long() for x, _ in data.train_dataloader()]
    seen = torch.cat(seen)
    assert torch.equal(seen, expected(6)[: len(seen)])


@pytest.mark.briefly("20-1")
@pytest.mark.parametrize("reload", [0, 1])
@pytest.mark.parametrize("updates", [None, 20])
def test_a_bare_trainer_goes_on_where_its_checkpoint_ended(tmp_path, reload, updates):
    def fit(epochs, start=None):
        data, model = Numbered(batch_size=10, updates_per_epoch=updates, seed=5), Watching()
        trainer = bare(max_epochs=epochs, reload_dataloaders_every_n_epochs=reload)
        trainer.fit(model, datamodule=data, ckpt_path=start)
        trainer.save_checkpoint(tmp_path / f"{epochs}.ckpt")
        return model.seen

    whole = fit(4)
    fit(2)
    resumed = fit(4, tmp_path / "2.ckpt")
    assert list(resumed) == [2, 3]
    assert all(torch.equal(torch.cat(resumed[epoch]), torch.cat(whole[epoch])) for epoch in resumed)


# ------------------------------------------------------------------ augmentation


class Pictures(Blobs):
    """Blobs of (2, 5, 4)."""

    def __init__(self, **settings):
        super().__init__(shape=(2, 5, 4), **settings)


def noisy(x):
    """As torchvision's and kornia's: draws from torch's global generator."""
    return x + torch.randn_like(x)


AUGMENTS = ([Crop(1), Flip()], [noisy], [Flip(), noisy, Crop(2)])


def batches(data, epochs=1):
    data.setup("fit")
    return [x for _ in range(epochs) for x, _ in data.train_dataloader()]


@pytest.mark.parametrize("augment", AUGMENTS)
def test_augmentation_is_a_function_of_seed_and_pass_and_leaves_the_rest_alone(augment):
    def whole(seed=0, augment=augment):
        return torch.cat(batches(Pictures(batch_size=16, seed=seed, augment=augment), 2))

    before = torch.default_generator.get_state()
    first = whole()
    torch.randn(7)
    assert torch.equal(first, whole())
    assert not torch.equal(first, whole(seed=1))
    assert not torch.equal(first, whole(augment=None))
    torch.default_generator.set_state(before)
    whole()
    assert torch.equal(torch.default_generator.get_state(), before)
    data = Pictures(augment=augment)
    data.setup()
    for loader, name in ((data.val_dataloader(), "val"), (data.test_dataloader(), "test")):
        assert torch.equal(torch.cat([x for x, _ in loader]), data.splits[name][0])


def test_what_is_augmented_differs_by_pass_and_by_sample():
    changed, clean = (batches(Pictures(batch_size="all", augment=augment), 2) for augment in ([noisy], None))
    noise = [after - before for after, before in zip(changed, clean, strict=True)]
    assert not torch.allclose(noise[0], noise[1])
    assert noise[0].std(0).min() > 0.5


@pytest.mark.parametrize("shape", [(3, 9), (2, 5, 4), (1, 3, 4, 5)])
def test_crop_shifts_whole_samples_and_fills_with_zeros(shape):
    x = torch.rand(64, *shape) + 1
    cropped = Crop(2)(x, torch.Generator().manual_seed(0))
    shifts = set()
    for before, after in zip(x, cropped, strict=True):
        kept = after != 0
        assert kept.any()
        assert set(after[kept].tolist()) <= set(before.flatten().tolist())
        assert torch.equal(kept.flatten(1).any(0).expand(len(kept), -1), kept.flatten(1))  # the same in every channel
        shifts.add(tuple(kept[0].flatten().tolist()))
    assert len(shifts) > 4
    assert torch.equal(Flip(1.0)(x, torch.Generator()), x.flip(-1))
    assert torch.equal(Flip(0.0)(x, torch.Generator()), x)


@pytest.mark.briefly(0)
@pytest.mark.parametrize("augment", AUGMENTS)
def test_both_paths_augment_alike_and_a_resumed_run_as_the_whole_one(tmp_path, augment):
    def fit(epochs, callbacks=(), start=None):
        data = Pictures(batch_size=10, updates_per_epoch=9, augment=augment)
        model = seeded(MLP, (2, 5, 4), 3, units=[8], dropout=0.1)
        trainer = quiet_trainer(epochs, callbacks)
        trainer.fit(model, datamodule=data, ckpt_path=start)
        trainer.save_checkpoint(tmp_path / f"{epochs}.ckpt")
        return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])

    whole = fit(4)
    assert torch.equal(whole, fit(4, [Slow()]))
    fit(2)
    assert torch.equal(whole, fit(4, start=tmp_path / "2.ckpt"))


@pytest.mark.parametrize("parts", [{"world": 2}, {"accumulate": 3}, {"world": 2, "accumulate": 2}])
def test_ranks_and_parts_of_an_update_see_the_same_augmented_samples(parts):
    from litmus.training.loader import ArrayLoader

    x, y, rows = torch.randn(40, 2, 5), torch.arange(40), torch.randperm(40)

    def seen(**how):
        draw = torch.Generator().manual_seed(3)
        loader = ArrayLoader(x, y, [rows], 12, augment=[noisy, Flip()], generators=[draw], **how)
        return {int(label): row for item in loader for row, label in zip(item[0], item[1], strict=True)}

    whole = seen()
    shared = {}
    for rank in range(parts.get("world", 1)):
        shared |= seen(rank=rank, **parts)
    assert len(shared) == len(whole) == 40
    assert all(torch.equal(row, shared[label]) for label, row in whole.items())


@pytest.mark.parametrize(
    ("augment", "said"),
    [
        ([lambda x: x[:, :, 1:]], r"data.augment\[0\] \(<lambda>\) must keep a batch's shape and type"),
        ([Flip(), lambda x: x.double()], r"data.augment\[1\]"),
        ([lambda x: None], "got NoneType"),
    ],
)
def test_augmentation_that_changes_more_than_values_is_refused(augment, said):
    with pytest.raises(ValueError, match=said):
        batches(Pictures(augment=augment))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Pictures(augment=["flip"]), r"data.augment\[0\] must be a function"),
        (lambda: Crop(0), "padding must be"),
        (lambda: Flip(1.5), "probability must be in"),
        (lambda: batches(Blobs(augment=[Crop()])), r"expected inputs \(batch, channels, …\)"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(make, said):
    with pytest.raises(ValueError, match=said):
        make()


@pytest.mark.long
def test_augmentation_from_the_command_line(trial, tmp_path):
    crop = "{_target_: litmus.training.augment.Crop, padding: 2}"
    flip = "{_target_: litmus.training.augment.Flip}"
    typed = ("model.units=[8]", "epochs=2", f"data_dir={tmp_path}")
    plain = trial(*typed, directory=tmp_path / "plain")
    null = trial(*typed, "data.augment=null", directory=tmp_path / "null")
    with_both = trial(*typed, f"data.augment=[{crop},{flip}]", directory=tmp_path / "both")
    assert plain["config_hash"] == null["config_hash"] != with_both["config_hash"]
    assert plain["metrics"]["train/loss"] != with_both["metrics"]["train/loss"]


# ---------------------------------------------------------------------------------- what a module logs


AUROC = {"_target_": "torchmetrics.classification.MulticlassAUROC", "num_classes": 3}


class Silent(ProgressBar):
    """A bar that prints nothing, and notes what it would end an epoch with."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_train_epoch_end(self, trainer, pl_module):
        self.seen.append(self.get_metrics(trainer, pl_module))


def task_with_auroc():
    return Classification(Target("classes", 3), metrics={"auroc": AUROC}, train_metrics=True)


class Logs(pl.LightningModule):
    """The same net as anybody would write it, with torchmetrics and `self.log`."""

    def __init__(self, net):
        super().__init__()
        self.net, self.rate = net, torch.optim.SGD
        for split in ("train", "val", "test"):
            setattr(self, f"{split}_acc", MulticlassAccuracy(3, average="micro"))
            setattr(self, f"{split}_auroc", MulticlassAUROC(3))

    def step(self, batch, split):
        x, y = batch[:2]
        outputs = self.net(x)
        loss = torch.nn.functional.cross_entropy(outputs, y)
        self.log(f"{split}/loss", loss, on_step=False, on_epoch=True, prog_bar=True, batch_size=len(y))
        for name, of in (("acc", outputs), ("auroc", outputs.softmax(1))):
            metric = getattr(self, f"{split}_{name}")
            metric.update(of.detach(), y)
            self.log(f"{split}/{name}", metric, on_step=False, on_epoch=True, prog_bar=name == "acc")
        return loss

    def training_step(self, batch, batch_idx):
        return self.step(batch, "train")

    def validation_step(self, batch, batch_idx):
        self.step(batch, "val")

    def test_step(self, batch, batch_idx):
        self.step(batch, "test")

    def configure_optimizers(self):
        return torch.optim.SGD(self.net.parameters(), lr=0.1)


def of_epochs(folder):
    """The rows of a CSVLogger: (step, epoch) → name → value."""
    rows = {}
    with (folder / "metrics.csv").open() as file:
        for row in csv.DictReader(file):
            place = (int(row.pop("step")), int(float(row.pop("epoch"))))
            rows.setdefault(place, {}).update({name: float(value) for name, value in row.items() if value})
    return rows


@pytest.mark.parametrize("stepwise", [False, True])
def test_a_plain_trainer_shows_what_it_shows_of_any_module(tmp_path, stepwise):
    """Named values, epochs and steps, wherever Lightning shows what a module logs."""

    def shown(module, name):
        data = Blobs(rows=100, batch_size=10, seed=5)
        logger = CSVLogger(tmp_path, name=name, version="")
        bar = Silent()
        hooks = [LambdaCallback(on_train_batch_start=lambda *_: None)] if stepwise else []
        settings = {"logger": logger, "log_every_n_steps": 1, "enable_progress_bar": True, "max_epochs": 2}
        trainer = bare(**settings, callbacks=[bar, *hooks])
        trainer.fit(module, datamodule=data)
        fitted = trainer.logged_metrics, trainer.callback_metrics, trainer.progress_bar_metrics
        (tested,) = trainer.test(module, datamodule=data, verbose=False)
        (validated,) = trainer.validate(module, datamodule=data, verbose=False)
        logger.save()
        return [*fitted, *bar.seen, tested, validated], of_epochs(tmp_path / name)

    ours = seeded(MLP, (6,), 3, units=(4,), optimizer=partial(torch.optim.SGD, lr=0.1), task=task_with_auroc())
    theirs = Logs(copy.deepcopy(ours.net))
    (own, own_rows), (wanted, rows) = shown(ours, "ours"), shown(theirs, "theirs")
    for found, expected in zip([*own, *own_rows.values()], [*wanted, *rows.values()], strict=True):
        assert set(expected) <= set(found)
        assert {name: float(found[name]) for name in expected} == pytest.approx(
            {name: float(value) for name, value in expected.items()}, abs=1e-5
        )
    assert list(own_rows) == list(rows)


def test_nobody_pays_where_nobody_looks(monkeypatch):
    """`self.log` is not called for a run without loggers and bar, and the values are there."""
    monkeypatch.setattr(MLP, "log", lambda *arguments, **named: pytest.fail("called"))
    trainer = bare(max_epochs=1)
    trainer.fit(seeded(MLP, (6,), 3, units=(4,)), datamodule=Blobs(rows=100, batch_size=10))
    assert {"train/loss", "train/acc", "val/loss", "val/acc"} <= trainer.logged_metrics.keys()
    assert trainer.logged_metrics["val/loss"] == trainer.callback_metrics["val/loss"]


@pytest.mark.parametrize("updates", [None, 5])
def test_batches_that_are_to_be_overfitted_are_the_same_in_every_epoch(tmp_path, updates):
    def fit(start=None, epochs=3):
        data, model = Numbered(batch_size=10, updates_per_epoch=updates, seed=5), Watching()
        trainer = bare(max_epochs=epochs, overfit_batches=2, limit_val_batches=0)
        trainer.fit(model, datamodule=data, ckpt_path=start, weights_only=True if start else None)
        trainer.save_checkpoint(tmp_path / "last.ckpt")
        return {epoch: torch.cat(rows) for epoch, rows in model.seen.items()}

    whole = fit(epochs=2) | fit(tmp_path / "last.ckpt")
    assert whole.keys() == {0, 1, 2}
    assert all(torch.equal(rows, expected(1)[:20]) for rows in whole.values())
