"""A knob that was typed has a reader, whoever wrote the parts; seed and rate have one in any case."""

import pytest

from tests.sweep_helpers import QUESTION, results, sweep, write_study

PARTS = '''
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader, TensorDataset

from src.models.mlp import MLP
from tests.small_data import Blobs
from tests.strangers import OwnStep, Plain


class Signals(Blobs):
    """Takes nothing of the run."""

    def __init__(self, rows=200):
        super().__init__(rows=rows)


class Own(Plain):
    """Has an optimizer of its own, and a rate."""

    def __init__(self, rate=0.1):
        super().__init__()
        self.save_hyperparameters()

    def validation_step(self, batch, batch_idx):
        self.log("val/loss", torch.nn.functional.cross_entropy(self(batch[0]), batch[1]))

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=self.hparams.rate)


class Idle(Own):
    """Says which of its knobs changes nothing."""

    def __init__(self, depth=1):
        super().__init__()
        self.without_effect = {"depth": "nothing is deep here"}


class Ignores(Own):
    """Names what it does not use."""

    def __init__(self, optimizer=None, scheduler=None):
        super().__init__()
        self.make = optimizer


class Half(Ignores):
    """Uses one of the two."""

    def configure_optimizers(self):
        return self.make(self.parameters())


class Keeps(MLP):
    """One of ours, that gives its base class no optimizer."""

    def __init__(self, input_shape, classes, units, optimizer=None):
        super().__init__(input_shape, classes, units)


class Judge(MLP):
    """Validates by the loss alone."""

    def validation_step(self, batch, batch_idx):
        self.log("val/loss", self.criterion(self(batch[0]), self.targets(batch[1])))

    def test_step(self, batch, batch_idx):
        self.log("test/loss", self.criterion(self(batch[0]), self.targets(batch[1])))


class JudgeOfTests(Judge):
    """Validates by what the task measures."""

    validation_step = MLP.validation_step


class Measures(Judge):
    """Measures by itself."""

    def validation_step(self, batch, batch_idx):
        super().validation_step(batch, batch_idx)
        for name, one in self.task.measured(self(batch[0]), batch[1]).items():
            self.log(f"val/{name}", one)


class OwnOptimizer(MLP):
    """One of ours, but for its optimizer."""

    def configure_optimizers(self):
        return self.chosen()

    def chosen(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


class OwnWay(OwnOptimizer):
    """Reads what it is given by a method of its own."""

    def chosen(self):
        return {"optimizer": self.make_optimizer(self.parameters())}


class OwnLoss(MLP):
    """A loss that knows no task."""

    def criterion(self, outputs, targets):
        return torch.nn.functional.cross_entropy(outputs, targets)


class OwnSplit(Blobs):
    """The last rows are tested, whatever is typed."""

    def split(self, source):
        rows = torch.arange(len(source.y))
        return {"train": rows[:100], "val": rows[100:150], "test": rows[150:]}


class Loaders(pl.LightningDataModule):
    """Batches of a size that is its own."""

    def loader(self, shuffle=False):
        x = torch.randn(60, 6, generator=torch.Generator().manual_seed(0))
        return DataLoader(TensorDataset(x, x[:, :3].argmax(1)), 10, shuffle)

    def train_dataloader(self):
        return self.loader(True)

    val_dataloader = test_dataloader = loader


class Sized(Loaders):
    """The same of a size that it is given."""

    def __init__(self, batch_size):
        super().__init__()
        self.batch_size = batch_size

    def loader(self, shuffle=False):
        return DataLoader(super().loader().dataset, self.batch_size, shuffle)

    def train_dataloader(self):
        return self.loader(True)

    val_dataloader = test_dataloader = loader
'''
CYCLE = """defaults: [constant]
interval: update
scheduler:
  _target_: torch.optim.lr_scheduler.OneCycleLR
  _partial_: true
  max_lr: {rate}
  total_steps: total
"""
FILES = {
    "data/mine": "_target_: readers_parts.Signals\n",
    "data/blind": "_target_: tests.small_data.Blobs\nbatch_size: ${batch_size}\n",
    "data/whole": "_target_: tests.small_data.Blobs\nbatch_size: ${batch_size}\nseed: ${seed}\n",
    "data/loaders": "_target_: readers_parts.Loaders\n",
    "data/fifty": "_target_: tests.small_data.Blobs\nbatch_size: 50\nseed: ${seed}\n",
    "data/sized": "_target_: readers_parts.Sized\nbatch_size: 50\n",
    "model/own": "_target_: readers_parts.Own\n",
    "model/idle": "_target_: readers_parts.Idle\ndepth: 1\n",
    "model/sgd": "_target_: readers_parts.OwnOptimizer\nunits: [4]\n",
    "model/way": "_target_: readers_parts.OwnWay\nunits: [4]\n",
    "model/loss": "_target_: readers_parts.OwnLoss\nunits: [4]\n",
    "data/last": "_target_: readers_parts.OwnSplit\nbatch_size: ${batch_size}\nseed: ${seed}\nval_fraction: 0.1\n",
    "model/step": "_target_: tests.strangers.OwnStep\nunits: [4]\n",
    "model/rated": "_target_: readers_parts.Own\nrate: ${lr}\n",
    "model/ignores": "_target_: readers_parts.Ignores\n",
    "model/half": "_target_: readers_parts.Half\n",
    "model/keeps": "_target_: readers_parts.Keeps\nunits: [4]\n",
    "model/judge": "_target_: readers_parts.Judge\nunits: [4]\n",
    "model/tests": "_target_: readers_parts.JudgeOfTests\nunits: [4]\n",
    "model/measures": "_target_: readers_parts.Measures\nunits: [4]\n",
    "scheduler/cycle": CYCLE.format(rate=0.5),
    "scheduler/follows": CYCLE.format(rate="${lr}"),
    "optimizer/bare": "_target_: torch.optim.SGD\n_partial_: true\n",
    "optimizer/fixed": "_target_: torch.optim.SGD\n_partial_: true\nlr: 0.05\n",
}


@pytest.fixture
def stranger(tmp_path, monkeypatch):
    """Where a stranger's files lie, as an override."""
    (tmp_path / "readers_parts.py").write_text(PARTS)
    for place, text in FILES.items():
        path = tmp_path / "configs" / f"{place}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    return f"hydra.searchpath=[file://{tmp_path / 'configs'}]"


SMALL = ("model.units=[4]", "epochs=1")


@pytest.mark.briefly(*range(0, 30, 7))
@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (
            ("data=mine", *SMALL),
            "configs/data/mine.yaml lacks the line seed: ${seed}, which readers_parts.Signals must take",
        ),
        (("data=blind", *SMALL), "configs/data/blind.yaml lacks the line seed: ${seed}"),
        (
            ("data=whole", "updates_per_epoch=3", *SMALL),
            "updates_per_epoch=3 would have no effect: no part of",
        ),
        (("data=whole", "data_dir=x", *SMALL), "as in configs/data/whole.yaml: data_dir: ${data_dir}"),
        (("data=whole", "optimizer=bare", *SMALL), "configs/optimizer/bare.yaml lacks the line lr: ${lr}"),
        (("data=whole", "optimizer=fixed", "lr=0.1", *SMALL), "lr=0.1 would have no effect"),
        (("data=whole", "+mixup=0.1", *SMALL), "+mixup=0.1 would have no effect"),
        (("data=whole", "model=own", "+dropout=0.1"), "+dropout=0.1 would have no effect"),
        (("data=whole", "model=own", "lr=0.1"), "lr=0.1 would have no effect"),
        (
            ("data=whole", "model=own", "optimizer=sgd"),
            "would have no effect: readers_parts.Own makes its own optim",
        ),
        (("data=whole", "model=own", "scheduler.warmup=1"), "scheduler.warmup=1 would have no effect"),
        (("data=loaders", "batch_size=20", *SMALL), "batch_size=20 would have no effect"),
        (("data=loaders", "batching=doubling", *SMALL), "an attribute or hyperparameter batch_size"),
        (("data=whole", "model=sgd", "optimizer.eps=0.1"), "OwnOptimizer has a configure_optimizers of its own"),
        (("data=whole", "model=sgd", "lr=0.2"), "lr=0.2 would have no effect"),
        (
            ("data=whole", "model=way", "scheduler=cosine"),
            "let configure_optimizers use self.make_scheduler or super()",
        ),
        (("data=whole", "model=loss", "task.label_smoothing=0.1"), "OwnLoss has a criterion of its own"),
        (("data=whole", "model=step", "task.label_smoothing=0.1"), "OwnStep has a training_step of its own"),
        (("data=last", "data.val_fraction=0.3", *SMALL), "OwnSplit has a split of its own that does not read it"),
        (("data=whole", "+model.foo=1", *SMALL), "there is no knob model.foo"),
        (("data=whole", "model.units=[]", "norm=batch"), "norm=batch would have no effect: model.units=[] has no"),
        (("data=whole", "model.units=[]", "model.activation=tanh"), "model.activation=tanh would have no effect"),
        (("data=whole", "model=idle", "model.depth=2"), "model.depth=2 would have no effect: nothing is deep here"),
        (
            ("data=whole", "+data.folds=4", "+data.test_fraction=0.3", *SMALL),
            "+data.test_fraction=0.3 would have no effect: data.folds=4 says which rows are tested; leave it out",
        ),
        (
            ("data=whole", "data.batch_size=64", *SMALL),
            "data.batch_size=64 would have no effect: batching.start=32 sets the size of the training's batches; leave "
            "it out, or type batch_size=64 instead",
        ),
        (
            ("data=fifty", *SMALL),
            "batch_size: 50 in configs/data/fifty.yaml would have no effect: batching.start=32 sets",
        ),
        (("data=sized", *SMALL), "write batch_size: ${batch_size} there, and type batch_size=50 instead"),
        (
            ("data=fifty", "batching=milestones", *SMALL),
            "would have no effect: batching.sizes sets the sizes of the trai",
        ),
        (
            ("data=whole", "batch_size=64", "batching=doubling", "batching.start=16", *SMALL),
            "batch_size=64 would have no",
        ),
        (
            ("data=whole", "batch_size=64", "batching=milestones", *SMALL),
            "batch_size=64 would have no effect: batching",
        ),
        (
            ("data=whole", "model=ignores", "optimizer=sgd"),
            "optimizer=sgd would have no effect: Ignores was given what makes the optimizer, and has not called it",
        ),
        (
            ("data=whole", "model=ignores", "lr=0.3"),
            "lr=0.3 would have no effect: Ignores was given what makes the opt",
        ),
        (
            ("data=whole", "model=half", "scheduler=cosine"),
            "scheduler=cosine would have no effect: Half was given what",
        ),
        (("data=whole", "model=keeps", "optimizer.eps=0.1"), "optimizer.eps=0.1 would have no effect: Keeps was given"),
        (
            ("data=whole", "scheduler=cycle", "lr=0.1", *SMALL),
            "lr=0.1 would have no effect: OneCycleLR sets rates of its own, by scheduler.scheduler.max_lr=0.5; leave "
            "it out, or let configs/scheduler/cycle.yaml say max_lr: ${lr}",
        ),
        (("data=whole", "scheduler=cycle", "optimizer.lr=0.1", *SMALL), "optimizer.lr=0.1 would have no effect"),
        (
            ("data=whole", "model=judge", "task.top_k=2"),
            "task.top_k=2 would have no effect: Judge has a test_step of its own that does not read it",
        ),
        (
            ("data=whole", "task.train_metrics=true", *SMALL),
            "task.train_metrics=true would have no effect: nothing is measured beside loss and acc",
        ),
        (
            ("data=whole", "model=step", "task.train_metrics=true", "task.top_k=2"),
            "task.train_metrics=true would have no effect: OwnStep has a training_step of its own",
        ),
        (("model=cnn", "model.layers=2", "model.pool_size=3"), "none of the 2 blocks ends with pooling"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_nobody_reads_is_refused_before_training(refused, stranger, typed, said):
    assert said in refused(stranger, *typed)


@pytest.mark.briefly(0)
@pytest.mark.parametrize(
    "typed",
    [
        ("data=whole", "model=rated", "lr=0.05", "batch_size=20", "seed=3"),
        ("data=whole", "optimizer=fixed", "+mine=3", "model.units=['${mine}']"),
        ("data=loaders", "model=own", "seed=2"),
        ("data=whole", "model=way", "lr=0.2", "optimizer.eps=1e-7"),
        ("data=last", "model=sgd"),
        ("data=whole", "data.seed=1", "seed=4", *SMALL),
        ("data=whole", "model.units=[]", "norm=none", "dropout=0.0"),
        ("data=whole", "+data.test_fraction=0.3", *SMALL),
        ("data=whole", "batching=doubling", "batching.start=16", *SMALL),
        ("data=fifty", "batch_size=50", *SMALL),
        ("data=fifty", "batching=matched_decay", *SMALL),
        ("data=whole", "batch_size=64", "batching.start=16", "model.units=['${batch_size}']"),
        ("data=sized", "batch_size=50", "model=own"),
        ("data=whole", "model=ignores"),
        ("data=whole", "model=half", "lr=0.05", "optimizer=sgd", "optimizer.momentum=0.5"),
        ("data=whole", "scheduler=follows", "lr=0.1", *SMALL),
        ("data=whole", "scheduler=cycle", *SMALL),
        ("data=whole", "model=tests", "task.top_k=2"),
        ("data=whole", "model=measures", "task.top_k=2"),
    ],
    ids=" ".join,
)
@pytest.mark.filterwarnings("ignore:.*does not have many workers")
def test_what_somebody_reads_trains_whatever_nobody_typed(trial, stranger, typed):
    assert trial(stranger, *typed, "epochs=1")["status"] == "completed"


@pytest.mark.long
def test_a_smoothing_that_a_file_says_counts_as_typed(refused, stranger, tmp_path):
    place = tmp_path / "configs" / "experiment" / "mine.yaml"
    place.parent.mkdir()
    place.write_text("# @package _global_\ntask:\n  label_smoothing: 0.1\n")
    assert "task.label_smoothing" in refused(stranger, "data=whole", "model=loss", "experiment=mine", "epochs=1")


@pytest.mark.briefly(0)
@pytest.mark.parametrize(
    ("changed", "shared", "said"),
    [
        ({"arms": {"a": {}, "b": {"optimizer": "sgd"}}}, {}, "the arm b: optimizer=sgd would have no effect"),
        ({"factors": {"lr": [0.1, 0.2]}}, {}, "lr=0.1 would have no effect"),
        (
            {"factors": {"model.units": [[4], [5]]}, "nuisance": {"lr": {"log": [0.1, 1], "trials": 3}}},
            {},
            "would have no effect",
        ),
    ],
    ids=str,
)
def test_an_arm_that_varies_what_nobody_reads_is_refused_before_any_trains(tmp_path, stranger, changed, shared, said):
    study = {name: value for name, value in QUESTION.items() if name not in ("factors", "predictions")} | changed
    defaults = [{"override /data": "whole"}, {"override /model": "sgd"}, {"override /hydra/sweeper": "study"}]
    write_study(tmp_path / "configs", study=study, defaults=defaults, **shared)
    with pytest.raises(ValueError, match="would have no effect") as refused:
        sweep(tmp_path / "configs", "study=tiny")
    assert said in str(refused.value)
    assert not results(tmp_path)
