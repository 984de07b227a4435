"""Every configuration file works; every model × data × norm trains or is refused in one sentence."""

import itertools
from importlib.util import find_spec

import pytest
import pytorch_lightning as pl
from hydra.core.hydra_config import HydraConfig

from litmus.trial.history import read_history
from litmus.trial.parts import build
from src.models.layers import NORMS
from tests.conftest import ROOT
from tests.data_helpers import require_ads, require_fashion_mnist
from tests.own_data import TYPED

GROUPS = {folder.name: folder for folder in (ROOT / "configs").iterdir() if folder.is_dir()}
CHOICES = [(group, path.stem) for group, folder in sorted(GROUPS.items()) for path in sorted(folder.glob("*.yaml"))]
# These have tests of their own: a study and a search are sweeps.
SWEPT = ("study", "search")


def _data(name, tmp_path):
    if name == "social_network_ads":
        return f"data_dir={require_ads().parent}"
    if name == "fashion_mnist":
        return f"data_dir={require_fashion_mnist()}"
    return f"data_dir={ROOT / 'data'}"


# What a choice cannot do without.
OTHER_DATA = "+data={{_target_: tests.strangers.{}, seed: ${{seed}}}}"
PARTNERS = {
    ("model", "net"): ("model.net._target_=tests.strangers.PlainNet",),
    ("task", "regression"): ("~data", OTHER_DATA.format("Prices")),
    ("task", "labels"): ("~data", OTHER_DATA.format("Tags")),
}
# Choices that bind each other; one of these goes with one of each of the others, and every file stands in some row.
BOUND = [pair for pair in CHOICES if pair[0] in ("data", "experiment", "model", "task")]
FREE = [[pair for pair in CHOICES if pair[0] == group] for group in sorted(GROUPS)]
FREE = [pairs for pairs in FREE if pairs[0][0] not in (*SWEPT, *(group for group, _ in BOUND))]
ROWS = [(bound, *(pairs[row % len(pairs)] for pairs in FREE)) for row, bound in enumerate(BOUND)]
ALONE = [(pair,) for pair in CHOICES if pair[0] not in SWEPT]


def test_every_configuration_file_stands_in_a_row():
    assert {pair for row in ROWS for pair in row} == {pair for row in ALONE for pair in row}


@pytest.mark.briefly(*range(0, len(ROWS), 2))
@pytest.mark.parametrize("row", [*ROWS, *ALONE], ids=lambda row: " ".join("=".join(pair) for pair in row))
def test_every_configuration_file_composes_and_instantiates(compose, tmp_path, row, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", str(tmp_path / "mlruns"))
    typed = []
    for group, choice in row:
        if choice == "mlflow" and find_spec("mlflow") is None:
            if len(row) == 1:
                pytest.skip("MLflow is an extra: pip install '.[mlflow]'")
            continue
        typed.append(f"{group}=[{choice}]" if group in ("callbacks", "logger") else f"{group}={choice}")
        needs_files = group == "data" and choice in TYPED
        typed += TYPED[choice](tmp_path) if needs_files else PARTNERS.get((group, choice), ())
    config = compose(*typed, f"hydra.runtime.output_dir={tmp_path}", "hydra.mode=RUN", "trainer.accelerator=cpu")
    HydraConfig.instance().set_config(config)
    data, model, trainer, _ = build(config)
    assert isinstance(data, pl.LightningDataModule)
    assert isinstance(model, pl.LightningModule)
    assert isinstance(trainer, pl.Trainer)
    assert len(trainer.loggers) == len(config.logger or {})


@pytest.mark.parametrize("path", sorted((ROOT / "configs").rglob("*.yaml")), ids=lambda path: path.stem)
def test_the_package_header_is_the_first_line_where_there_is_one(path):
    lines = path.read_text().splitlines()
    headers = [number for number, line in enumerate(lines) if line.startswith("# @package")]
    assert headers in ([], [0])


@pytest.mark.parametrize("name", [path.stem for path in (ROOT / "configs" / "experiment").glob("*.yaml")])
def test_an_experiment_says_what_it_reproduces_what_to_expect_and_what_it_costs(name):
    text = (ROOT / "configs" / "experiment" / f"{name}.yaml").read_text()
    header = "\n".join(line for line in text.splitlines() if line.startswith("#"))
    for word in ("Reproduces:", "Expected:", "Cost:", f"python train.py experiment={name}"):
        assert word in header, word


DATA = ("mnist1d", "fashion_mnist", "social_network_ads")
SMALL = {"mlp": ("model.units=[8]",), "cnn": ("model.filters=4", "model.units=8", "model.layers=2")}
REFUSED = {
    ("mlp", "mnist1d", "instance"): "does not have",
    ("cnn", "social_network_ads", "none"): "got samples of shape (2,)",
}


# What a norm does hangs on the net and on the dimensions of its samples, and no further on the data.
TRIED = [
    (model, data, norm)
    for model, data, norm in itertools.product(SMALL, DATA, NORMS)
    if norm == "none" or data == "mnist1d" or (model, data) == ("cnn", "fashion_mnist")
]


@pytest.mark.briefly(
    "mlp-mnist1d-instance", "mlp-social_network_ads-none", "cnn-mnist1d-batch", "cnn-social_network_ads-none"
)
@pytest.mark.parametrize(("model", "data", "norm"), TRIED, ids=lambda value: value)
def test_every_model_with_every_data_and_norm_trains_two_batches_or_is_refused(
    trial, refused, tmp_path, model, data, norm
):
    overrides = [f"model={model}", f"data={data}", f"norm={norm}", *SMALL[model], _data(data, tmp_path)]
    overrides += ["trainer=debug", "trainer.detect_anomaly=false", "trainer.limit_val_batches=2", "dropout=0.1"]
    if (model, data, norm) in REFUSED:
        assert REFUSED[model, data, norm] in refused(*overrides)
        return
    result = trial(*overrides)
    assert result["status"] == "completed"
    assert result["counters"]["updates"] == 2
    assert result["counters"]["samples"] == 64


def _paired(group, other):
    """The choices of two groups, each of the larger one once."""
    one, two = (sorted(path.stem for path in (ROOT / "configs" / name).glob("*.yaml")) for name in (group, other))
    return [(one[n % len(one)], two[n % len(two)]) for n in range(max(len(one), len(two)))]


@pytest.mark.briefly("adamw-cosine", "sgd-step")
@pytest.mark.parametrize(("optimizer", "scheduler"), _paired("optimizer", "scheduler"))
def test_every_optimizer_and_every_scheduler_learns(trial, optimizer, scheduler):
    result = trial(
        f"optimizer={optimizer}",
        f"scheduler={scheduler}",
        "scheduler.warmup=1",
        "epochs=3",
        "model.units=[16]",
        f"lr={0.1 if optimizer == 'sgd' else 0.003}",
    )
    assert result["metrics"]["train/acc"] > 0.2


def test_the_readable_default_names_every_group_and_knob():
    text = (ROOT / "configs" / "train.yaml").read_text()
    for group in GROUPS:
        assert f"- {group}:" in text, group
    for knob in ("seed", "epochs", "updates_per_epoch", "lr", "batch_size", "data_dir", "resume"):
        assert f"\n{knob}:" in text, knob


@pytest.mark.long
def test_any_torch_optimizer_and_scheduler_is_one_yaml(compose, trial, tmp_path):
    """As a user would add them: a file in each folder, here in a folder of their own on Hydra's search path."""
    for group, text in {
        "optimizer": "_target_: torch.optim.NAdam\n_partial_: true\nlr: ${lr}\n",
        "scheduler": "_target_: torch.optim.lr_scheduler.CosineAnnealingWarmRestarts\n_partial_: true\nT_0: 2\n",
    }.items():
        (tmp_path / "mine" / group).mkdir(parents=True)
        (tmp_path / "mine" / group / "mine.yaml").write_text(text)
    found = f"hydra.searchpath=[file://{tmp_path / 'mine'}]"
    result = trial(found, "optimizer=mine", "scheduler=mine", "epochs=4")
    rates = [row["lr"] for row in read_history(tmp_path / "run" / "metrics.csv")]
    assert rates == pytest.approx([1e-3, 5e-4, 1e-3, 5e-4])
    assert result["metrics"]["train/acc"] > 0.3
