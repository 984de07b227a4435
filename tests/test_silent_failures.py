"""What once reported success and was none, each through the command line as a stranger meets it.

The laws have tests of their own elsewhere, in haste. These know no module of this project by name: copied into a
checkout of 29561e1, the last before the contract, all of them fail.
"""

import csv
import json
import os
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
PARTS = """
import os
from pathlib import Path
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader, TensorDataset
from {net_module} import {net} as Net
from {data_module} import {data} as Data


class OwnStep(Net):
    def training_step(self, batch, index):
        x, y = batch[:2]
        return torch.nn.functional.cross_entropy(self(x), y)


class OwnHook(Net):
    def on_before_optimizer_step(self, optimizer):
        with Path(os.environ["CALLS"]).open("a") as file:
            file.write("x")


class Plain(pl.LightningDataModule):
    def __init__(self, batch_size: int = 32):
        super().__init__()
        self.batch_size = batch_size
        generator = torch.Generator().manual_seed(0)
        x = torch.randn(160, 8, generator=generator)
        self.rows = TensorDataset(x, (x[:, 0] > 0).long() + 2 * (x[:, 1] > 0).long())
        self.classes, self.input_shape = 4, (8,)

    def train_dataloader(self):
        return DataLoader(self.rows, self.batch_size, shuffle=True)

    def val_dataloader(self):
        return DataLoader(self.rows, 32)

    test_dataloader = val_dataloader
"""


@pytest.fixture
def stranger(tmp_path, forks):
    """A folder with a stranger's module and the files that choose its parts; `run(program, *typed)` runs a program."""
    shipped = {
        group: yaml.safe_load((ROOT / "configs" / group / f"{name}.yaml").read_text(encoding="utf-8"))
        for group, name in (("model", "mlp"), ("data", "mnist1d"))
    }
    net = shipped["model"].get("model", shipped["model"])["_target_"].rpartition(".")
    data = shipped["data"].get("data", shipped["data"])["_target_"].rpartition(".")
    named = {"net_module": net[0], "net": net[2], "data_module": data[0], "data": data[2]}
    source = PARTS
    for name, value in named.items():
        source = source.replace(f"{{{name}}}", value)
    (tmp_path / "stranger.py").write_text(source)
    text = (ROOT / "configs" / "model" / "mlp.yaml").read_text(encoding="utf-8")
    for own in ("OwnStep", "OwnHook"):
        _file(tmp_path, "model", own, text.replace(".".join(net[::2]), f"stranger.{own}"))
    _file(tmp_path, "data", "only_target", "_target_: stranger.Data\n")
    _file(tmp_path, "data", "plain", "_target_: stranger.Plain\nbatch_size: ${batch_size}\n")
    _file(tmp_path, "optimizer", "no_rate", "_target_: torch.optim.SGD\n_partial_: true\n")
    place = f"hydra.searchpath=[file://{tmp_path / 'configs'}]"
    environment = {
        **{**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)]), "OMP_NUM_THREADS": "1"},
        **{"CALLS": str(tmp_path / "calls"), "PYTHONDONTWRITEBYTECODE": "1"},
    }

    def run(program, *typed):
        typed = (place, *typed) if program == "train.py" else typed
        if program.endswith(".py"):
            script = ROOT / program
        else:
            script = tmp_path / "program.py"
            script.write_text(program)
        done = forks.run([script, *typed], ROOT, environment)
        assert "Traceback" not in done.stderr, done.stderr
        return done

    return run


def _file(folder, group, name, text):
    path = folder / "configs" / group / f"{name}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _trained(done, directory):
    assert done.returncode == 0, done.stderr
    with (directory / "metrics.csv").open() as file:
        rows = [{name: float(value or "nan") for name, value in row.items()} for row in csv.DictReader(file)]
    return json.loads((directory / "result.json").read_text()), rows


def _run(directory):
    return f"hydra.run.dir={directory}"


@pytest.mark.long
def test_a_step_of_ones_own_trains(stranger, tmp_path):
    result, rows = _trained(stranger("train.py", "model=OwnStep", "epochs=3", _run(tmp_path / "a")), tmp_path / "a")
    assert result["counters"]["updates"] > 0
    assert rows[-1]["val/loss"] < rows[0]["val/loss"] - 0.1


@pytest.mark.long
def test_a_hook_of_ones_own_is_called_at_each_update(stranger, tmp_path):
    result, _ = _trained(stranger("train.py", "model=OwnHook", "epochs=1", _run(tmp_path / "a")), tmp_path / "a")
    assert len((tmp_path / "calls").read_text()) == result["counters"]["updates"]


@pytest.mark.long
@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (("data=only_target", "seed=3", "batch_size=16"), "seed"),  # of no effect on its rows and their order
        (("optimizer=no_rate", "lr=0.5"), "lr would have no effect"),
        (("callbacks.checkpoint.monitor=val/acc", "callbacks.checkpoint.mode=min"), "val/acc"),  # the worst epoch
        (("+callbacks.swa={_target_: pytorch_lightning.callbacks.StochasticWeightAveraging, swa_lrs: 0.1}",), "verag"),
    ],
    ids=["data", "optimizer", "mode", "swa"],
)
def test_what_would_have_no_effect_is_refused_before_training(stranger, tmp_path, typed, said):
    done = stranger("train.py", "epochs=2", *typed, _run(tmp_path / "a"))
    assert done.returncode == 1
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "a" / "metrics.csv").exists()


@pytest.mark.long
def test_a_plain_trainer_and_our_data_see_another_order_in_each_epoch(stranger):
    program = """
import torch, warnings
warnings.simplefilter("ignore")
import pytorch_lightning as pl
from stranger import Data
seen = []
class Reads(pl.LightningModule):
    automatic_optimization = False
    def training_step(self, batch, index):
        if index == 0: seen.append(batch[0].clone())
    def configure_optimizers(self): return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], 0.1)
data = Data(data_dir="data", batch_size=32)
trainer = pl.Trainer(max_epochs=3, logger=False, enable_checkpointing=False, enable_progress_bar=False,
                     enable_model_summary=False, limit_val_batches=0, accelerator="cpu")
trainer.fit(Reads(), data)
print(len({batch.numpy().tobytes() for batch in seen}))
"""
    done = stranger(program)
    assert done.stdout.split()[-1] == "3", done.stderr


@pytest.mark.long
def test_an_ordinary_data_module_is_described_and_evaluated(stranger, tmp_path):
    done = stranger("train.py", "data=plain", "epochs=3", "batch_size=16", _run(tmp_path / "a"))
    result, _ = _trained(done, tmp_path / "a")
    assert result["data"]["sizes"]["train"] == 160
    assert result["counters"]["updates"] == 30
    done = stranger("evaluate.py", str(tmp_path / "a"))
    if "trust=true" in done.stderr:  # it says what it would run, and asks
        done = stranger("evaluate.py", str(tmp_path / "a"), "trust=true")
    assert done.returncode == 0, done.stderr


@pytest.mark.long
def test_real_targets_are_predicted_as_numbers(stranger, tmp_path):
    table = tmp_path / "table.csv"
    table.write_text("a,y\n" + "".join(f"{k / 50},{3 + 2.5 * k / 50:.3f}\n" for k in range(200)))
    typed = ("data=table", f"data.path={table}", "data.target=y", "task=regression", "epochs=3")
    done = stranger("train.py", *typed, _run(tmp_path / "a"))
    result, _ = _trained(done, tmp_path / "a")
    assert "test/acc" not in result["metrics"]
    assert stranger("evaluate.py", str(tmp_path / "a")).returncode == 0
    with (tmp_path / "a" / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    kinds = {"target": set[float](), "prediction": set[float]()}
    for row in rows:
        for name, found in kinds.items():
            found.add(float(next(value for column, value in row.items() if column.startswith(name))))
    assert min(kinds["target"]) >= 3  # as the table has them
    assert max(kinds["target"]) <= 13
    assert min(map(len, kinds.values())) > 10
    assert not any(value.is_integer() for value in kinds["prediction"])


@pytest.mark.long
def test_an_average_is_the_net_that_is_tested_as_it_is_the_one_that_is_validated(stranger, tmp_path):
    """Its validation rows are its test rows."""
    typed = ("data=plain", "epochs=3", "+callbacks.ema={_target_: pytorch_lightning.callbacks.EMAWeightAveraging}")
    done = stranger("train.py", *typed, _run(tmp_path / "a"))
    if done.returncode == 1:  # refused in one sentence, before training
        assert len(done.stderr.strip().splitlines()) == 1
        assert not (tmp_path / "a" / "metrics.csv").exists()
        return
    result, _ = _trained(done, tmp_path / "a")
    assert result["metrics"]["val/loss"] == pytest.approx(result["metrics"]["test/loss"], rel=1e-5)


@pytest.mark.long
def test_the_best_epoch_of_a_metric_that_rises_is_its_highest(stranger, tmp_path):
    typed = ("callbacks.checkpoint.monitor=val/acc", "epochs=4", "lr=0.003")
    result, rows = _trained(stranger("train.py", *typed, _run(tmp_path / "a")), tmp_path / "a")
    heights = [row["val/acc"] for row in rows]
    assert max(heights) > min(heights)
    assert result["metrics"]["val/acc"] == pytest.approx(max(heights))


@pytest.mark.long
def test_an_edited_part_is_no_replicate_of_what_it_was(stranger, tmp_path):
    for seed, width in enumerate((1, 2)):
        edited = (tmp_path / "stranger.py").read_text() + f"\n\nclass Wide{width}(OwnStep):\n    width = {width}\n"
        (tmp_path / "stranger.py").write_text(edited.replace("x, y = batch[:2]", f"x, y = batch[:2]  # {width}"))
        typed = ("model=OwnStep", "epochs=1", f"seed={seed}", _run(tmp_path / "both" / str(width)))
        _trained(stranger("train.py", *typed), tmp_path / "both" / str(width))
    done = stranger("scripts/compare.py", str(tmp_path / "both"))
    assert done.returncode == 0, done.stderr
    assert "2 runs of 2 arms" in done.stdout
