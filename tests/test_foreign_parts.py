"""Parts that nobody here has seen: each trains, is validated and tested, goes on and is tested again to the bit."""

import csv
import math
import shutil

import pytest
import torch

from evaluate import evaluate
from litmus.trial.history import read_history

PARTS = '''
import random

import numpy as np
import pytorch_lightning as pl
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from litmus.contract import Target
from litmus.training.array_data_module import ArrayDataModule, Source


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv1d(width, width, 3, padding=1), nn.BatchNorm1d(width), nn.ReLU(),
                                    nn.Conv1d(width, width, 3, padding=1), nn.BatchNorm1d(width))

    def forward(self, x):
        return (x + self.layers(x)).relu()


class ResNet(nn.Module):
    def __init__(self, in_channels=3, num_classes=1000, width=6, blocks=2):
        super().__init__()
        self.stem = nn.Conv1d(in_channels, width, 5, stride=2)
        self.blocks = nn.Sequential(*(Block(width) for _ in range(blocks)))
        self.head = nn.LazyLinear(num_classes)
        self.drop = nn.Dropout(0.2)

    def forward(self, x):
        return self.head(self.drop(self.blocks(self.stem(x)).mean(2)))


class Transformer(nn.Module):
    def __init__(self, input_shape, outputs, width=8):
        super().__init__()
        channels, length = input_shape
        self.embed = nn.Linear(channels, width)
        self.place = nn.Parameter(torch.randn(length, width) * 0.1)
        layer = nn.TransformerEncoderLayer(width, 2, 16, dropout=0.1, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        self.head = nn.Linear(width, outputs)

    def forward(self, x):
        return self.head(self.encoder(self.embed(x.transpose(1, 2)) + self.place).mean(1))


class Perceptron(nn.Module):
    def __init__(self, in_features, outputs, width=8, flat=False):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(in_features, width), nn.Tanh(), nn.Linear(width, outputs))
        self.flat = flat

    def forward(self, x):
        return self.layers(x).squeeze(1) if self.flat else self.layers(x)


class Shares(Perceptron):
    def forward(self, x):
        return super().forward(x).softmax(1)


class Squeezed(Perceptron):
    def forward(self, x):
        return super().forward(x).squeeze()


class Words(nn.Module):
    """Embeds whole numbers."""

    def __init__(self, outputs):
        super().__init__()
        self.table, self.head = nn.Embedding(20, 4), nn.Linear(4, outputs)

    def forward(self, x):
        return self.head(self.table(x).mean(1))


class HalfFrozen(Perceptron):
    def __init__(self, in_features, outputs):
        super().__init__(in_features, outputs)
        self.layers[1].requires_grad_(False)


class Plain(nn.Module):
    def __init__(self, width=3):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(40, width))

    def forward(self, x):
        return self.layers(x)


class OwnModule(pl.LightningModule):
    """The first page of Lightning's documentation."""

    def __init__(self, width=16, rate=0.05, schedule=True, drop=0.1):
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.Sequential(nn.Flatten(), nn.Linear(40, width), nn.ReLU(), nn.Dropout(drop), nn.Linear(width, 10))

    def forward(self, x):
        return self.net(x)

    def training_step(self, batch, batch_idx):
        x, y = batch
        loss = F.nll_loss(self(x).log_softmax(1), y)
        self.log("train/nll", loss, on_epoch=True, on_step=False)
        return loss

    def _step(self, batch, split):
        x, y = batch
        outputs = self(x)
        self.log(f"{split}/nll", F.cross_entropy(outputs, y))
        self.log(f"{split}/acc", (outputs.argmax(1) == y).float().mean())

    def validation_step(self, batch, batch_idx):
        self._step(batch, "val")

    def test_step(self, batch, batch_idx):
        self._step(batch, "test")

    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.parameters(), lr=self.hparams.rate, momentum=0.9)
        return [optimizer], [torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.8)] * self.hparams.schedule


class TakesMaker(OwnModule):
    """As a well-known template has it: the makers of optimizer and scheduler are hyperparameters."""

    def __init__(self, optimizer, scheduler=None):
        super().__init__()
        self.save_hyperparameters()

    def configure_optimizers(self):
        optimizer = self.hparams.optimizer(params=self.parameters())
        if self.hparams.scheduler is None:
            return {"optimizer": optimizer}
        plan = {"scheduler": self.hparams.scheduler(optimizer=optimizer), "monitor": "val/acc", "interval": "epoch"}
        return {"optimizer": optimizer, "lr_scheduler": plan}


class OfItsOwn(OwnModule):
    """Makes its layers late, plans by a metric, keeps a buffer to itself, and draws from every generator."""

    def __init__(self, rate):
        super().__init__(rate=rate)
        self.save_hyperparameters()
        self.net = None
        self.register_buffer("seen", torch.zeros(()), persistent=False)

    def configure_model(self):
        if self.net is None:
            self.net = nn.Sequential(nn.Flatten(), nn.Linear(40, 10))

    def training_step(self, batch, batch_idx):
        self.seen += 1
        drawn = random.random() + float(np.random.rand())
        return F.cross_entropy(self(batch[0] * (1 + 0.01 * self.seen) + 0.1 * drawn), batch[1])

    def test_step(self, batch, batch_idx):
        self._step((batch[0] + torch.rand_like(batch[0]), batch[1]), "test")

    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.parameters(), lr=self.hparams.rate)
        plan = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=0, threshold=0.9)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": plan, "monitor": "val/nll"}}


class Brings(OwnModule):
    def __init__(self, what, rate, **settings):
        super().__init__(rate=rate)
        self.brought = lambda: getattr(pl.callbacks, what)(**settings)

    def configure_callbacks(self):
        return self.brought()


class Unoptimized(OwnModule):
    def configure_optimizers(self):
        return None


class Loaded(OwnModule):
    def train_dataloader(self):
        return []


class Untested(OwnModule):
    test_step = pl.LightningModule.test_step


class Unvalidated(OwnModule):
    validation_step = pl.LightningModule.validation_step


class Signals(ArrayDataModule):
    """10 classes of signals (1, 40)."""

    name, input_shape, classes = "signals", (1, 40), 10
    rows = 400

    def draw(self):
        generator = torch.Generator().manual_seed(1)
        centres = torch.randn(10, 1, 40, generator=generator)
        y = torch.arange(self.rows) % 10
        return centres[y] + torch.randn(self.rows, 1, 40, generator=generator), y

    def load(self):
        x, y = self.draw()
        return Source(x, y, None, "signals")


class Pairs(Signals):
    name, classes = "pairs", 2

    def load(self):
        x, y = self.draw()
        return Source(x, y % 2, None, "pairs")


class Prices(Signals):
    """2,000 rows with a real target."""

    name, rows, classes = "prices", 2000, 0
    target = Target("real", 1, ("price",))

    def load(self):
        x, _ = self.draw()
        return Source(x, 3 + x.mean((1, 2)) * 10, None, "prices")


class Places(Prices):
    name, rows, target = "places", 300, Target("real", 2, ("north", "east"))

    def load(self):
        x, _ = self.draw()
        return Source(x, x[:, 0, :2] * 2, None, "places")


class Tags(Prices):
    name, rows, target = "tags", 400, Target("labels", 3, ("red", "round", "sweet"))

    def load(self):
        x, y = self.draw()
        return Source(x, torch.stack([y < 3, y % 2 == 0, x[:, 0, 0] > 0], 1).float(), None, "tags")


class Dictionaries(pl.LightningDataModule):
    """An ordinary data module whose batches are dictionaries."""

    input_shape, target = (1, 40), Target("classes", 10)

    def _loader(self, rows):
        data = Signals()
        x, y = data.draw()
        return DataLoader([{"inputs": one, "target": label, "row": 0} for one, label in zip(x[:rows], y[:rows])], 20)

    def train_dataloader(self):
        return self._loader(200)

    def val_dataloader(self):
        return self._loader(60)

    def test_dataloader(self):
        return self._loader(40)


class Texts(pl.LightningDataModule):
    """Rows of whole numbers, with classes (rows, 1) of a narrow type."""

    def __init__(self, batch_size):
        super().__init__()
        self.batch_size = batch_size

    def _loader(self, seed):
        x = torch.randint(20, (80, 6), generator=torch.Generator().manual_seed(seed))
        return DataLoader(TensorDataset(x, (x[:, :1] % 3).to(torch.uint8)), self.batch_size)

    def train_dataloader(self):
        return self._loader(0)

    def val_dataloader(self):
        return self._loader(1)

    def test_dataloader(self):
        return self._loader(2)


def stops_in(place):
    from pytorch_lightning.callbacks import LambdaCallback

    def stop(trainer, pl_module):
        if trainer.current_epoch == 2 and place.endswith("/cut"):
            raise InterruptedError("cut")

    return LambdaCallback(on_train_epoch_start=stop)
'''
DATA = """_target_: foreign_parts.{name}
seed: ${{seed}}
batch_size: ${{batch_size}}
updates_per_epoch: ${{updates_per_epoch}}
data_dir: ${{data_dir}}
"""
CONFIGS = {
    "data/texts": "_target_: foreign_parts.Texts\nbatch_size: ${batch_size}\n",
    **{f"data/{name.lower()}": DATA.format(name=name) for name in ("Signals", "Pairs", "Prices", "Places", "Tags")},
    "optimizer/nadam": "_target_: torch.optim.NAdam\n_partial_: true\nlr: ${lr}\n",
    "scheduler/onecycle": """defaults: [constant]
interval: update
scheduler:
  _target_: torch.optim.lr_scheduler.OneCycleLR
  _partial_: true
  max_lr: ${lr}
  total_steps: total
""",
}
RATE = "+model.rate=${lr}"  # it has an optimizer of its own
ACC = "callbacks.checkpoint.monitor=val/acc"
SHORT = ("batch_size=40", "epochs=4", "callbacks.checkpoint.share=1", "lr=0.01")
AUROC = "task.metrics={auroc: {_target_: torchmetrics.classification.MulticlassAUROC, num_classes: fact:classes}}"


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    """A folder of anybody's: Python and YAML that nothing here names."""
    folder = tmp_path_factory.mktemp("stranger")
    (folder / "foreign_parts.py").write_text(PARTS)
    for place, text in CONFIGS.items():
        (folder / "configs" / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / "configs" / f"{place}.yaml").write_text(text)
    return folder


@pytest.fixture
def run(stranger, trial, monkeypatch, tmp_path):
    """A trial of foreign parts in the directory of this name."""
    monkeypatch.syspath_prepend(str(stranger))

    def runs(*overrides, name="whole", **arguments):
        path = f"hydra.searchpath=[file://{stranger / 'configs'}]"
        return trial(path, *SHORT, *overrides, directory=tmp_path / name, **arguments)

    return runs


@pytest.fixture
def refuses(stranger, refused, monkeypatch):
    monkeypatch.syspath_prepend(str(stranger))
    path = f"hydra.searchpath=[file://{stranger / 'configs'}]"
    return lambda *overrides: refused(path, *SHORT, *overrides)


def net(name, *more):
    return ("model=net", f"model.net._target_=foreign_parts.{name}", *more)


def module(name, *more):
    return ("data=signals", "model=net", f"model._target_=foreign_parts.{name}", "~model.net", *more)


COURSES = {
    "a residual net": ("data=signals", *net("ResNet", "+model.net.width=4")),
    "a residual net on two classes": ("data=pairs", *net("ResNet")),
    "a transformer": ("data=signals", *net("Transformer")),
    "a net of torch's own": (
        "data=signals",
        "model=net",
        "model.net._target_=torch.nn.Sequential",
        "+model.net._args_=[{_target_: torch.nn.Flatten}, {_target_: torch.nn.LazyLinear, out_features: fact:outputs}]",
    ),
    "regression": ("data=prices", *net("Perceptron")),
    "regression of one number without a dimension": ("data=prices", *net("Perceptron", "+model.net.flat=true")),
    "regression of two by their absolute error": ("data=places", *net("Perceptron"), "task.loss=mae"),
    "regression by our own net": ("data=prices", "model.units=[8]", "task=regression", "task.loss=huber"),
    "several labels": ("data=tags", *net("Perceptron")),
    "several labels by our own net": ("data=tags", "model.units=[8]", "callbacks.checkpoint.monitor=val/acc"),
    "a loss and metrics": (
        *("data=signals", "model.units=[8]", "task.label_smoothing=0.1", "task.top_k=3", AUROC),
        *("task.class_weights=[1,1,1,1,1,2,2,2,2,2]", "callbacks.checkpoint.monitor=val/auroc"),
    ),
    "weights of two classes": ("data=pairs", "model.units=[8]", "task.class_weights=[1,3]", "task.label_smoothing=0.1"),
    "an optimizer and a scheduler": (*("data=signals", *net("Perceptron"), "optimizer=nadam", "scheduler=onecycle"),),
    "frozen layers": ("data=signals", *net("HalfFrozen")),
    "growing batches": ("data=signals", *net("ResNet"), "batching=doubling", "batch_size=10"),
    "growing batches in parts": (
        *("data=prices", *net("Transformer"), "batching=doubling", "batch_size=30", "batching.max_per_device=25"),
    ),
    "a module's own step": (
        *("data=signals", "model=net", "model._target_=foreign_parts.OwnModule", "~model.net", RATE, "+model.width=12"),
        "callbacks.checkpoint.monitor=val/nll",
    ),
    "growing batches on a module's own step": (
        *("data=signals", "model=net", "model._target_=foreign_parts.OwnModule", "~model.net", RATE),
        *("callbacks.checkpoint.monitor=val/acc", "batching=doubling", "batch_size=10"),
    ),
    "growing batches in unequal parts on a module's own step": (
        *(
            "data=signals",
            "model=net",
            "model._target_=foreign_parts.OwnModule",
            "~model.net",
            RATE,
            "batching=doubling",
        ),
        *("callbacks.checkpoint.monitor=val/acc", "batch_size=30", "batching.max_per_device=25"),
    ),
    "a module that is given the makers of its optimizer and scheduler": (
        *("data=signals", "model=net", "model._target_=foreign_parts.TakesMaker", "~model.net", "optimizer=nadam"),
        *("scheduler=step", "scheduler.scheduler.step_size=2"),
        "callbacks.checkpoint.monitor=val/acc",
    ),
    "what a module keeps, plans and draws by itself": module("OfItsOwn", RATE, ACC),
    "whole numbers": ("data=texts", *net("Words"), "batch_size=20"),
}
DRAWS_IN_ITS_TEST = ("what a module keeps, plans and draws by itself",)
STOPS = "+callbacks.stops={_target_: foreign_parts.stops_in, place: ${output_dir}}"


def same(first, second):
    if isinstance(first, torch.Tensor):
        return torch.equal(first, second)
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(same(first[key], second[key]) for key in first)
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(map(same, first, second))
    return first == second


def columns(course):
    """Those of predictions.csv, by what a course's data ask for."""
    names = ("red", "round", "sweet")
    return {
        "prices": ["row", "target", "prediction"],
        "places": ["row", "target_north", "target_east", "prediction_north", "prediction_east"],
        "tags": ["row", *(f"label_{one}" for one in names), *(f"probability_{one}" for one in names)],
        "pairs": ["row", "label", "prediction", *(f"probability_{k}" for k in range(2))],
        "signals": ["row", "label", "prediction", *(f"probability_{k}" for k in range(10))],
        "texts": ["row", "label", "prediction", *(f"probability_{k}" for k in range(3))],
    }[COURSES[course][0].removeprefix("data=")]


@pytest.mark.briefly("several labels by our own net")
@pytest.mark.parametrize("course", COURSES)
@pytest.mark.filterwarnings("ignore:.*does not have many workers", "ignore:.*No (negative|positive) samples")
def test_it_trains_goes_on_and_is_tested_again_to_the_bit(run, tmp_path, course, capsys):
    whole = run(*COURSES[course], STOPS)
    assert whole["status"] == "completed", whole["error"]
    with pytest.raises(SystemExit):
        run(*COURSES[course], STOPS, name="cut")
    shutil.move(tmp_path / "cut", tmp_path / "gone on")
    resumed = run(*COURSES[course], STOPS, f"resume={tmp_path / 'gone on'}", name="gone on")
    assert resumed["metrics"] == whole["metrics"]
    assert (resumed["best_epoch"], resumed["config_hash"]) == (whole["best_epoch"], whole["config_hash"])
    for name in ("best.ckpt", "last.ckpt"):
        stored = [
            torch.load(tmp_path / place / "checkpoints" / name, weights_only=True) for place in ("whole", "gone on")
        ]
        for part in ("state_dict", "optimizer_states", "lr_schedulers"):
            assert same(stored[0].get(part), stored[1].get(part)), (name, part)
    rows = read_history(tmp_path / "whole" / "metrics.csv")
    assert any(row.keys() & {"val/loss", "val/nll"} for row in rows)
    assert any(name.startswith("test/") for name in whole["metrics"])
    assert whole["baseline"]["test"]["loss"] > 0
    assert whole["data"]["sizes"]["test"] > 0
    assert whole["task"]["target"]["number"] > 0
    capsys.readouterr()
    evaluate(tmp_path / "whole", trust=True)
    assert "the same as in result.json, to the last bit" in capsys.readouterr().out
    predictions = tmp_path / "whole" / "predictions.csv"
    assert predictions.exists() == (course not in DRAWS_IN_ITS_TEST)  # the net alone would say something else
    if predictions.exists():
        head, *rows = csv.reader(predictions.read_text().splitlines())
        assert head == columns(course)
        assert len(rows) == whole["data"]["sizes"]["test"]
    if whole["config"]["model"]["_target_"] == "litmus.training.net.Net":
        loads_alone(tmp_path / "whole" / "checkpoints" / "best.ckpt")


def loads_alone(path):
    """The weights make the net that they are of, without any configuration."""
    from litmus.training.net import Net

    model = Net.load_from_checkpoint(path, weights_only=True)
    assert same(dict(model.state_dict()), torch.load(path, weights_only=True)["state_dict"])
    known = model.hparams
    inputs = torch.zeros(3, *known["input_shape"], dtype=getattr(torch, known.get("input_dtype") or "float32"))
    assert model(inputs).shape == (3, model.task.outputs)


@pytest.mark.long
def test_unequal_parts_of_an_update_are_the_whole_of_it_on_a_step_of_ones_own(run, tmp_path):
    model = ("data=signals", "model=net", "model._target_=foreign_parts.OwnModule", "~model.net", RATE, "+model.drop=0")
    for name, most in (("whole", "null"), ("parts", "17")):
        run(*model, "callbacks.checkpoint.monitor=val/acc", f"batching.max_per_device={most}", name=name)
    stored = [torch.load(tmp_path / name / "checkpoints" / "last.ckpt")["state_dict"] for name in ("whole", "parts")]
    for name, value in stored[0].items():
        torch.testing.assert_close(stored[1][name], value, rtol=1e-4, atol=1e-5)


@pytest.mark.long
def test_several_seeds_differ_and_one_does_not(run):
    runs = [run(*COURSES["regression"], f"seed={seed}", name=str(at))["metrics"] for at, seed in enumerate((0, 0, 1))]
    assert runs[0] == runs[1] != runs[2]


# ---------------------------------------------------------------------- what numbers are


@pytest.mark.long
def test_what_is_learned_beats_whoever_always_says_the_same(run):
    learned = run("data=prices", *net("Perceptron"), "epochs=20")
    constant = learned["baseline"]["test"]
    assert learned["metrics"]["test/loss"] < 0.2 * constant["loss"]
    assert learned["metrics"]["test/mae"] < 0.5 * constant["mae"]
    assert learned["metrics"]["test/r2"] > 0.8
    assert learned["metrics"]["test/rmse"] == pytest.approx(math.sqrt(learned["metrics"]["test/loss"]), rel=1e-5)


@pytest.mark.long
def test_metrics_of_the_training_are_asked_for(run, tmp_path):
    run("data=signals", "model.units=[8]", AUROC, "task.train_metrics=true", "epochs=2")
    rows = read_history(tmp_path / "whole" / "metrics.csv")
    assert all(0 <= row["train/auroc"] <= 1 and 0 <= row["val/auroc"] <= 1 for row in rows)


# ---------------------------------------------------------------------- what is refused


@pytest.mark.briefly(0, 8, 16, 24)
@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (
            ("data=signals", *net("Plain", "+model.net.width=7")),
            "Plain gave (2, 7), expected (2, 10); give it the number as +model.net.<argument>=fact:outputs",
        ),
        (("data=signals", *net("Shares")), "Shares gave probabilities, expected logits"),
        (("data=signals", *net("Squeezed")), "Squeezed gave (10,) for a single sample, expected (1, 10)"),
        (
            module("Unoptimized", RATE, ACC),
            "expected Unoptimized.configure_optimizers to return an optimizer, found none",
        ),
        (module("Loaded"), "Loaded.train_dataloader would have no effect: the batches are those of data=foreign_parts"),
        (
            module(
                "Brings", RATE, ACC, "+model.what=EarlyStopping", "+model.monitor=val/acc", "callbacks=[early_stopping]"
            ),
            "EarlyStopping of the configuration would have no effect: Brings.configure_callbacks puts another in its",
        ),
        (
            module("Brings", RATE, ACC, "+model.what=EarlyStopping", "+model.monitor=val/acc"),
            "EarlyStopping.mode=min would keep the worst: more val/acc is better",
        ),
        (
            module("Brings", RATE, ACC, "+model.what=StochasticWeightAveraging", "+model.swa_lrs=0.1"),
            "that no validation sees",
        ),
        (
            ("data=signals", "model.units=[8]", "callbacks.checkpoint.directory=elsewhere"),
            "checkpoints, where resume=DIR, evaluate.py and reports look for it",
        ),
        (("data=signals", "model=net"), "model.net._target_ must be the path of a class, got none"),
        (
            ("data=signals", "model=net", "model._target_=foreign_parts.Plain", "~model.net"),
            "foreign_parts.Plain made a Plain; a plain torch.nn.Module is wrapped: type model=net model.net._target_=",
        ),
        (("data=signals", *net("OwnModule")), "is a LightningModule, which is taken as it is"),
        (("data=signals", *net("Nothing")), "model.net._target_=foreign_parts.Nothing: expected the path of a class"),
        (("data=signals", *net("ResNet", "+model.net.widht=4")), "did you mean model.net.width?"),
        (("data=prices", *net("ResNet", "+model.net.num_classes=fact:classes")), "fact:classes is nothing that these"),
        (("data=signals", *net("Plain", "+model.net.width=fact:outptus")), "fact:outptus is nothing that these data"),
        (("data=signals", "task.loss=mae", "model.units=[8]"), "task.loss"),
        (("data=signals", "task=regression", "model.units=[8]"), "is for real values, and the data ask for 10 classes"),
        (("data=signals", "task.top_k=10", "model.units=[8]"), "task.top_k must be a number of classes below all 10"),
        (("data=signals", "task.class_weights=[1,2]", "model.units=[8]"), "task.class_weights must be 10 numbers"),
        (("data=prices", "task.loss=cubic", "model.units=[8]"), "must be one of mse, mae, huber, got cubic"),
        (
            ("data=signals", "model.units=[8]", AUROC.replace("auroc:", "error:")),
            "task.metrics.error has a name of which less is better",
        ),
        (
            ("data=signals", "model.units=[8]", AUROC.replace("auroc:", "loss:")),
            "task.metrics.loss has the name of what is recorded anyhow",
        ),
        (
            ("data=signals", "model.units=[8]", AUROC.replace("fact:classes", "fact:classes, average: none")),
            "task.metrics.auroc gives 10 numbers, expected one",
        ),
        (
            ("data=signals", "model.units=[8]", "callbacks.checkpoint.monitor=val/auroc"),
            "callbacks.checkpoint.monitor=val/auroc among the metrics of an epoch",
        ),
        (
            ("data=signals", "model=net", "model._target_=foreign_parts.OwnModule", "~model.net", RATE, "task.top_k=2"),
            "task.top_k would have no effect: foreign_parts.OwnModule has steps and a loss of its own",
        ),
        (
            *[("data=signals", "model=net", "model._target_=foreign_parts.Unvalidated", "~model.net", RATE)],
            "is a metric of the validation, and Unvalidated has no validation_step",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:.*Average argument")
def test_what_cannot_be_is_refused_before_training(refuses, tmp_path, overrides, said):
    assert said in refuses(*overrides)


def test_a_metric_of_ones_own_name_is_watched_the_way_it_says(run, refuses, tmp_path):
    """`quality` is a word that nobody knows: torchmetrics says which way it is better."""
    quality = AUROC.replace("auroc:", "quality:")
    result = run("data=signals", "model.units=[8]", quality, "callbacks.checkpoint.monitor=val/quality")
    rows = read_history(tmp_path / "whole" / "metrics.csv")
    assert rows[result["best_epoch"]]["val/quality"] == max(row["val/quality"] for row in rows)
    said = refuses(
        *("data=signals", "model.units=[8]", quality, "callbacks.checkpoint.monitor=val/quality"),
        "callbacks.checkpoint.mode=min",
    )
    assert "would keep the worst" in said


def test_a_module_without_a_test_is_completed_and_says_so_when_tested_again(run, tmp_path):
    overrides = ("model=net", "model._target_=foreign_parts.Untested", "~model.net", RATE)
    result = run("data=signals", *overrides, "callbacks.checkpoint.monitor=val/acc")
    assert result["status"] == "completed"
    with pytest.raises(ValueError, match=r"no test metrics.*its model has no test_step"):
        evaluate(tmp_path / "whole", trust=True)


@pytest.mark.long
def test_an_edited_part_is_another_arm(run, stranger):
    before = run(*COURSES["regression"], name="a")
    path = stranger / "foreign_parts.py"
    from litmus.trial import code

    path.write_text(path.read_text().replace("nn.Tanh()", "nn.ReLU()"))
    code._modules.cache_clear(), code._read.cache_clear()  # as another process sees it
    try:
        after = run(*COURSES["regression"], name="b")
    finally:
        path.write_text(PARTS)
        code._modules.cache_clear(), code._read.cache_clear()
    assert before["config_hash"] == after["config_hash"]
    assert before["arm"] != after["arm"]


@pytest.mark.filterwarnings("ignore:.*does not have many workers")
def test_batches_that_are_dictionaries(stranger, monkeypatch):
    monkeypatch.syspath_prepend(str(stranger))
    import foreign_parts

    from litmus.training.net import Net
    from tests.small_data import optimizer_of, quiet_trainer, seeded

    plain = {"_target_": "foreign_parts.Perceptron", "in_features": 40, "outputs": 10}
    model = seeded(Net, plain, (1, 40), classes=10, optimizer=optimizer_of("Adam", lr=0.01))
    trainer = quiet_trainer(4)
    trainer.fit(model, datamodule=foreign_parts.Dictionaries())
    assert trainer.callback_metrics["val/acc"] > 0.2
    trainer.test(model, datamodule=foreign_parts.Dictionaries(), verbose=False)
    assert trainer.callback_metrics["test/acc"] > 0.2
    assert "test/f1" in trainer.callback_metrics
