"""A trial leaves a true and complete record, and the same seed leaves the same one."""

import csv
import json
import math

import pytest
import torch

from litmus.records.record import read_record
from litmus.trial.history import read_history
from tests.data_helpers import require_ads

TINY = ("model.units=[16]", "epochs=3")


def _weights(directory, name="best"):
    return torch.load(directory / "checkpoints" / f"{name}.ckpt", weights_only=True)["state_dict"]


def test_the_version_of_torch_names_its_build(monkeypatch):
    from litmus.trial import record

    monkeypatch.setattr(record, "version", lambda package: "2.14.1")
    monkeypatch.setattr(torch, "__version__", "2.14.1+cu130")
    assert record.versions.__wrapped__()["torch"] == "2.14.1+cu130"


def test_the_result_says_what_was_run_on_what_and_what_came_out(trial, tmp_path):
    result = trial(*TINY, "batch_size=100")
    assert result["status"] == "completed"
    assert result["error"] is None
    splits = {f"{split}/{metric}" for split in ("train", "val", "test") for metric in ("loss", "acc")}
    assert splits | {"test/f1", "test/calibration_error"} == set(result["metrics"])
    # 40·16+16 and 16·10+10 weights; 36 updates of 100 in each of three epochs
    assert result["counters"] | {"seconds": 0} == {
        "params": 826,
        "epochs": 3,
        "updates": 108,
        "samples": 10800,
        "seconds": 0,
        "path": "by hand",
    }
    assert result["data"]["sizes"] == {"train": 3600, "val": 400, "test": 1000}
    for split, counts in result["data"]["class_counts"].items():
        assert sum(counts) == result["data"]["sizes"][split]
        assert 0.05 < result["data"]["constant_accuracy"][split] < 0.15
    assert result["config"]["model"]["units"] == [16]
    assert result["config"]["output_dir"] == "."
    assert result["seed"] == 0
    assert result["versions"]["torch"] == torch.__version__
    assert {"device", "cores", "threads"} <= set(result["hardware"])
    rows = read_history(tmp_path / "run" / "metrics.csv")
    assert [row["epoch"] for row in rows] == [0, 1, 2]
    assert [row["updates"] for row in rows] == [36, 72, 108]
    best = rows[result["best_epoch"]]
    assert best["val/loss"] == min(row["val/loss"] for row in rows) == result["metrics"]["val/loss"]
    assert best["train/acc"] == result["metrics"]["train/acc"]


@pytest.mark.long
def test_the_curves_are_a_picture_with_ink(trial, tmp_path):
    from matplotlib.image import imread

    trial(*TINY, picture=True)
    picture = imread(tmp_path / "run" / "curves.png")
    assert picture.shape[0] > 300
    assert picture.shape[1] > 800
    assert (picture[..., :3].std(axis=(0, 1)) > 0.05).all()


def test_the_curves_say_whose_they_are_what_was_chosen_and_what_guessing_gives(trial, tmp_path, monkeypatch):
    from matplotlib.figure import Figure

    drawn = []
    save = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda own, *args, **kw: (drawn.append(own), save(own, *args, **kw)))
    result = trial(*TINY, picture=True)
    (figure,) = drawn
    assert [text.get_text() for text in figure.texts] == ["mnist1d · MLP · seed 0"]
    (legend,) = figure.legends
    chosen = result["best_epoch"] + 1
    assert [text.get_text() for text in legend.get_texts()] == [
        "training",
        "validation",
        f"chosen epoch {chosen}",
        "test",
        f"always guessing: {result['baseline']['test']['acc']:.3f}",
    ]
    for axes, metric in zip(figure.axes, ("test/loss", "test/acc"), strict=True):
        points = [tuple(line.get_xydata()[0]) for line in axes.lines if line.get_marker() == "D"]
        assert points == [(chosen, result["metrics"][metric])]
    assert result["baseline"]["test"]["acc"] in [line.get_ydata()[0] for line in figure.axes[1].lines]


@pytest.mark.long
def test_metrics_are_means_over_samples_whatever_the_batch(trial, tmp_path):
    """The recorded loss and accuracy equal those computed here, in float64, from the stored weights."""
    from src.models.mlp import MLP

    result = trial(*TINY, "data.eval_batch_size=77", "callbacks.checkpoint.share=1")
    model = MLP.load_from_checkpoint(tmp_path / "run" / "checkpoints" / "best.ckpt", weights_only=True).double()
    from src.datamodules.mnist1d import MNIST1D

    data = MNIST1D(data_dir=result["config"]["data_dir"], val_fraction=0.1)
    data.setup()
    for split in ("val", "test"):
        x, y = data.splits[split]
        with torch.no_grad():
            logits = model(x.double())
        loss = torch.nn.functional.cross_entropy(logits, y).item()
        assert result["metrics"][f"{split}/loss"] == pytest.approx(loss, rel=1e-5)
        assert result["metrics"][f"{split}/acc"] == (logits.argmax(1) == y).double().mean().item()


@pytest.mark.briefly(0)
@pytest.mark.parametrize("overrides", [(), ("model=cnn", "model.filters=4", "dropout=0.3", "norm=batch")])
def test_the_same_seed_gives_the_same_bits_and_another_seed_does_not(trial, tmp_path, overrides):
    short = ("epochs=2", "updates_per_epoch=9", *overrides)
    first = trial(*short, directory=tmp_path / "a")
    torch.rand(7)  # whatever the process did before
    again = trial(*short, directory=tmp_path / "b")
    other = trial(*short, "seed=1", directory=tmp_path / "c")
    assert first["metrics"] == again["metrics"] != other["metrics"]
    for name, value in _weights(tmp_path / "a").items():
        assert torch.equal(value, _weights(tmp_path / "b")[name])
    assert first["config_hash"] == again["config_hash"] != other["config_hash"]


@pytest.mark.long
def test_where_a_run_is_kept_does_not_change_its_hash(trial, tmp_path):
    hashes = {
        trial("epochs=1", "updates_per_epoch=9", *overrides, directory=tmp_path / str(place))["config_hash"]
        for place, overrides in enumerate([(), (f"resume={tmp_path / '1'}",)])
    }
    assert len(hashes) == 1


def test_evaluate_repeats_the_test_from_the_directory_alone(trial, tmp_path, capsys):
    from evaluate import evaluate

    result = trial(*TINY, "data.eval_batch_size=100")
    evaluate(tmp_path / "run")
    assert "the same as in result.json" in capsys.readouterr().out
    with (tmp_path / "run" / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    right = sum(row["label"] == row["prediction"] for row in rows)
    assert right / len(rows) == result["metrics"]["test/acc"]
    assert len(rows) == 1000
    for row in rows[:50]:
        assert sum(float(row[f"probability_{label}"]) for label in range(10)) == pytest.approx(1, abs=1e-4)


def test_evaluate_says_what_a_directory_lacks(tmp_path):
    from evaluate import evaluate

    with pytest.raises(ValueError, match=r"\.hydra/config\.yaml, found none"):
        evaluate(tmp_path)


@pytest.mark.briefly(0)
@pytest.mark.parametrize("batch_size", [32, 3600])
def test_a_loss_that_is_not_finite_ends_the_run_as_failed(refused, tmp_path, batch_size):
    said = refused("optimizer=sgd", "lr=1e30", "epochs=3", f"batch_size={batch_size}")
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert result["status"] == "failed"
    assert "epoch" in said
    assert "update" in said
    assert said in result["error"]
    for values in result["metrics"].values():
        assert math.isfinite(values)


@pytest.mark.long
def test_a_run_whose_losses_a_norm_keeps_finite_has_diverged_as_well(refused, trial, tmp_path):
    tiny = ["epochs=2", "updates_per_epoch=5", "model.units=[8]", "norm=batch"]
    assert trial(*tiny, "optimizer=sgd", "lr=10", directory=tmp_path / "poor")["status"] == "completed"
    said = refused(*tiny, "optimizer=sgd", "lr=1e9")
    assert "a million times what guessing gives (2.3)" in said
    record = read_record(tmp_path / "run")
    assert record.diverged


@pytest.mark.long
def test_the_last_good_checkpoint_stays_when_the_loss_explodes(refused, trial, tmp_path):
    """A rate that grows tenfold an epoch explodes after some good ones."""
    said = refused(
        "optimizer=sgd",
        "lr=1e-3",
        "epochs=60",
        "scheduler=exponential",
        "scheduler.scheduler.gamma=10",
        "callbacks.checkpoint.share=1",
    )
    epoch = int(said.partition("in epoch ")[2].partition(",")[0])
    last = torch.load(tmp_path / "run" / "checkpoints" / "last.ckpt", weights_only=True)
    assert last["epoch"] == epoch - 1
    assert all(value.isfinite().all() for value in last["state_dict"].values())


@pytest.mark.long
def test_a_run_without_a_test_set_reports_its_validation(trial, capsys):
    require_ads()
    result = trial("data=social_network_ads", "data.split=tail", "epochs=1")
    assert not [name for name in result["metrics"] if name.startswith("test/")]
    # 004: the majority class of the first 320 rows is right on 29 of the last 80
    assert result["data"]["constant_accuracy"]["val"] == 0.3625
    assert result["data"]["constant_accuracy"]["train"] == 228 / 320
    assert "val/acc" in capsys.readouterr().out


def test_directories_differ_for_runs_of_the_same_second():
    from litmus.trial.command_line import _run_directory

    assert len({_run_directory("runs") for _ in range(200)}) == 200
