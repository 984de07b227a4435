"""Whatever a stranger's part does around its test: what was tested is tested again, and predictions are of the test."""

import csv
import json

import pytest
import pytorch_lightning as pl
import torch
from torch.nn.functional import cross_entropy, nll_loss
from torch.utils.data import DataLoader, TensorDataset

import evaluate
from tests.own_data import arrays


class Parts(pl.LightningDataModule):
    """Three splits of pairs."""

    def __init__(self, batch_size=20):
        super().__init__()
        self.batch_size = batch_size

    def made(self, split):
        x, y = map(torch.from_numpy, arrays(60))
        return TensorDataset(x, y) if split == "train" else TensorDataset(x[:30], y[:30])

    def train_dataloader(self):
        return DataLoader(self.made("train"), self.batch_size, shuffle=True)

    def val_dataloader(self):
        return DataLoader(self.made("val"), 15)

    def test_dataloader(self):
        return DataLoader(self.made("test"), 15)


class Turned(Parts):
    """Inputs are the other way round when they come to the device."""

    def on_after_batch_transfer(self, batch, dataloader_idx):
        x, y = batch
        return [1 - 5 * x, y]


class Triples(Parts):
    """Inputs, target and the number of the row."""

    def made(self, split):
        x, y = super().made(split).tensors
        return TensorDataset(x, y, torch.arange(len(y)))


class Twice(Parts):
    """Two loaders for the validation, and two for the test."""

    def val_dataloader(self):
        return [super().val_dataloader(), super().val_dataloader()]

    def test_dataloader(self):
        return [super().test_dataloader(), super().test_dataloader()]


class Tokens(Parts):
    """A class for each of four places; the last batch has fewer."""

    def made(self, split):
        x, y = super().made(split).tensors
        return TensorDataset(x, y[:, None].repeat(1, 4))

    def test_dataloader(self):
        def cut(items):
            x, y = (torch.stack(column) for column in zip(*items, strict=True))
            return x, y[:, : 1 + len(y) % 4]

        return DataLoader(self.made("test"), 14, collate_fn=cut)


class TornDown(Parts):
    """Has its rows only as long as Lightning says."""

    def setup(self, stage):
        self.rows = super().made("train")

    def made(self, split):
        return self.rows

    def teardown(self, stage):
        self.rows = None


class NeedsTrainer(TornDown):
    def setup(self, stage):
        super().setup(stage)
        self.share = self.batch_size // self.trainer.world_size


class LeftOut(Parts):
    """Some targets are such as a loss leaves out; how many classes there are is said."""

    classes = 3

    def made(self, split):
        x, y = super().made(split).tensors
        return TensorDataset(x, y.masked_fill(torch.arange(len(y)) % 5 == 0, -100))


class Late(Parts):
    """Its rows depend on the epoch."""

    def train_dataloader(self):
        rows = 20 + 20 * self.trainer.current_epoch
        return DataLoader(TensorDataset(*(part[:rows] for part in self.made("train").tensors)), self.batch_size)


class Own(pl.LightningModule):
    """A step of its own, and a fourth epoch that forgets everything."""

    def __init__(self):
        super().__init__()
        self.net = torch.nn.Linear(6, 3)

    def forward(self, x):
        return self.net(x)

    def on_train_epoch_start(self):
        if self.current_epoch == 3:
            self.net.weight.data.fill_(0)

    def training_step(self, batch, batch_idx):
        return cross_entropy(self(batch[0]), batch[1])

    def evaluated(self, batch, split):
        x, y = batch[:2]
        outputs = self(x)
        self.log(f"{split}/loss", cross_entropy(outputs, y))
        self.log(f"{split}/acc", (outputs.argmax(1) == y).float().mean())

    def validation_step(self, batch, batch_idx):
        self.evaluated(batch, "val")

    def test_step(self, batch, batch_idx):
        self.evaluated(batch, "test")

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=0.05)


class TurnsItself(Own):
    def on_after_batch_transfer(self, batch, dataloader_idx):
        return [1 - 5 * batch[0], *batch[1:]]


class TurnsInItsStep(Own):
    """What no reader of its forward can know."""

    def training_step(self, batch, batch_idx):
        return super().training_step((1 - 5 * batch[0], batch[1]), batch_idx)

    def evaluated(self, batch, split):
        super().evaluated((1 - 5 * batch[0], batch[1]), split)


class Shares(Own):
    def forward(self, x):
        return self.net(x).softmax(1)

    def training_step(self, batch, batch_idx):
        return nll_loss(self(batch[0]).log(), batch[1])


class Saves(Own):
    """Keeps a number that is no buffer, and puts it where Lightning says."""

    def __init__(self):
        super().__init__()
        self.scale = 1.0

    def on_train_epoch_end(self):
        self.scale += 0.5 * (-1) ** self.current_epoch

    def forward(self, x):
        return self.scale * super().forward(x)

    def on_save_checkpoint(self, checkpoint):
        checkpoint["scale"] = self.scale
        checkpoint["callbacks"].pop("mine", None)

    def on_load_checkpoint(self, checkpoint):
        self.scale = checkpoint["scale"]


class SavesAnObject(Saves):
    def on_save_checkpoint(self, checkpoint):
        checkpoint["scale"] = torch.nn.Linear(1, 1)


class Hidden(Own):
    """A buffer that no state_dict has, in which every epoch leaves something."""

    def __init__(self):
        super().__init__()
        self.register_buffer("shift", torch.zeros(3), persistent=False)

    def on_train_epoch_start(self):
        super().on_train_epoch_start()
        self.shift += torch.tensor([0.5, 0.0, -0.5])

    def forward(self, x):
        return self.net(x) + self.shift


class UnderAttack(Own):
    """Its test needs gradients."""

    def test_step(self, batch, batch_idx):
        x, y = batch
        with torch.enable_grad():
            x = x.clone().requires_grad_()
            (gradient,) = torch.autograd.grad(cross_entropy(self(x), y), x)
        self.log("test/loss", cross_entropy(self(x.detach() + 0.1 * gradient.sign()), y))


class Named(Own):
    """Logs what the run itself records, and a test by a name of its own."""

    def evaluated(self, batch, split):
        super().evaluated(batch, split)
        if split == "val":
            self.log_dict({"epoch": 99.0, "lr": 7.0})
        else:
            self.log("how_good", 0.5)


class Tells(Own):
    """Steps that are told which loader a batch is from."""

    def validation_step(self, batch, batch_idx, dataloader_idx=0):
        self.evaluated(batch, "val")

    def test_step(self, batch, batch_idx, dataloader_idx=0):
        self.evaluated(batch, "test")


class Places(Own):
    """Says the same of every place."""

    def of(self, batch):
        x, y = batch
        return cross_entropy(self(x)[:, :, None].expand(-1, -1, y.shape[1]), y)

    def training_step(self, batch, batch_idx):
        return self.of(batch)

    def evaluated(self, batch, split):
        self.log(f"{split}/loss", self.of(batch))


MORE = {
    UnderAttack: ["++trainer.inference_mode=false"],
    Tells: ["callbacks.checkpoint.monitor=val/loss/dataloader_idx_0"],
}


def typed(folder, data, model, *more):
    """What is typed for two parts of one's own, whose YAML is two lines."""
    for group, part in (("data", data), ("model", model)):
        (folder / group).mkdir(parents=True, exist_ok=True)
        size = "batch_size: ${batch_size}\n" * (group == "data")
        (folder / group / "mine.yaml").write_text(f"_target_: {__name__}.{part.__name__}\n{size}")
    return (f"hydra.searchpath=[file://{folder}]", "data=mine", "model=mine", "epochs=3", "batch_size=20", *more)


@pytest.mark.filterwarnings("ignore:You have overridden `on_after_batch_transfer` in `LightningModule`")
@pytest.mark.briefly(0, 3)
@pytest.mark.parametrize(
    ("data", "model", "predicted"),
    [
        (Turned, Own, True),
        (Parts, TurnsItself, True),
        (Parts, TurnsInItsStep, False),
        (Parts, Shares, False),
        (Triples, Own, False),
        (Parts, Saves, True),
        (Parts, Hidden, True),
        (Twice, Tells, False),
        (Parts, UnderAttack, True),
        (Tokens, Places, False),
        (Late, Own, False),
        (TornDown, Own, True),
        (NeedsTrainer, Own, False),
        (LeftOut, Own, False),
        (Parts, Named, True),
    ],
)
def test_what_was_tested_is_tested_again_and_predicted_as_it_was(trial, tmp_path, capsys, data, model, predicted):
    result = trial(*typed(tmp_path, data, model, *MORE.get(model, ())))
    assert result["status"] == "completed"
    capsys.readouterr()
    evaluate.evaluate(tmp_path / "run", trust=True)
    assert "the same as in result.json, to the last bit" in capsys.readouterr().out
    path = tmp_path / "run" / "predictions.csv"
    assert path.exists() == predicted
    if predicted and "test/acc" in result["metrics"]:
        rows = list(csv.DictReader(path.read_text().splitlines()))
        right = sum(row["label"] == row["prediction"] for row in rows) / len(rows)
        assert right == pytest.approx(result["metrics"]["test/acc"])


@pytest.mark.long
@pytest.mark.parametrize("model", [Saves, Hidden])
def test_the_best_epoch_is_tested_with_all_that_it_was(trial, tmp_path, model):
    """A longer run whose best epoch is the shorter one's last has the same test."""
    result = trial(*typed(tmp_path, Parts, model, "epochs=4"), directory=tmp_path / "long")
    assert result["best_epoch"] < 3
    epochs = f"epochs={result['best_epoch'] + 1}"
    short = trial(*typed(tmp_path, Parts, model, epochs), directory=tmp_path / "short")
    tested = {name: value for name, value in result["metrics"].items() if name.startswith("test")}
    assert tested == {name: short["metrics"][name] for name in tested}


def test_the_metric_of_one_loader_of_several_is_what_was_meant(refused, tmp_path):
    said = refused(*typed(tmp_path, Twice, Tells, "epochs=1"))
    assert "callbacks.checkpoint.monitor=val/loss/dataloader_idx_0" in said


def test_what_a_module_logs_by_the_names_of_the_run_stands_beside_them(trial, tmp_path):
    result = trial(*typed(tmp_path, Parts, Named))
    rows = list(csv.DictReader((tmp_path / "run" / "metrics.csv").read_text().splitlines()))
    assert [float(row["epoch"]) for row in rows] == [0, 1, 2]
    assert {float(row["logged/epoch"]) for row in rows} == {99.0}
    assert {float(row["logged/lr"]) for row in rows} == {7.0}
    assert result["metrics"]["test/how_good"] == 0.5


class Unvalidated(Parts):
    val_dataloader = pl.LightningDataModule.val_dataloader


class EmptilyValidated(Parts):
    def val_dataloader(self):
        return []


@pytest.mark.briefly(0)
@pytest.mark.parametrize(
    ("data", "model", "more", "said"),
    [
        (Twice, Own, (), "Own.validation_step takes no dataloader_idx"),
        (
            Parts,
            SavesAnObject,
            (),
            "SavesAnObject.on_save_checkpoint: expected tensors and plain data, which can be read back without running "
            "them, found torch.nn.modules.linear.Linear",
        ),
        (Unvalidated, Own, (), "callbacks.checkpoint waits for val/loss, but no epoch of this run would be validated"),
        (EmptilyValidated, Own, (), "its validation data have no batch"),
        (Parts, Own, ("trainer.check_val_every_n_epoch=10",), "check_val_every_n_epoch=10 is more than epochs=3"),
    ],
)
@pytest.mark.filterwarnings(
    "ignore:Total length of `list` across ranks is zero", "ignore:You defined a `validation_step`"
)
def test_what_would_be_lost_at_the_end_is_refused_before_training(refused, tmp_path, data, model, more, said):
    assert said in refused(*typed(tmp_path, data, model, *more))
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert result["counters"].get("updates", 0) == 0
