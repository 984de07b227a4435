"""A run that tunes itself: the best of what it tried, the same however it is interrupted, tested once."""

import csv
import json
import math
from collections import Counter

import pytest
from hydra.core.hydra_config import HydraConfig
from pytorch_lightning.loggers import Logger

from litmus.report.study_directory import read_study_directory
from litmus.training.array_data_module import ArrayDataModule
from litmus.trial.checkpoint import better
from litmus.trial.history import read_history
from litmus.tuner import tuner
from litmus.tuner.plan import Plan
from litmus.tuner.tried import Tried, curve, read_tried, winner
from tests.sweep_helpers import sweep, write_study

TINY = ("epochs=2", "updates_per_epoch=4", "model.units=[8]")
RATE = "tuner.space={lr:{log:[1e-4,1e-1]}}"
SPACE = "tuner.space={lr:{log:[1e-4,1e-1]},batch_size:{log:[8,64],whole:true},norm:{choices:[none,batch]}}"


class Rows(Logger):
    """Remembers what it is told."""

    def __init__(self):
        super().__init__()
        self.told = []

    def log_hyperparams(self, params):
        self.told.append(params)

    def log_metrics(self, metrics, step=None):
        self.told.append((step, metrics))

    name, version = "rows", "0"


def table(directory):
    with (directory / "tried.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def without_seconds(rows):
    return [{name: cell for name, cell in row.items() if "seconds" not in name} for row in rows]


def test_the_result_is_that_of_the_best_setting_and_nobody_else_saw_the_test(trial, tmp_path, monkeypatch, capsys):
    seen, load = Counter(), ArrayDataModule.test_dataloader
    monkeypatch.setattr(ArrayDataModule, "test_dataloader", lambda self: seen.update(test=1) or load(self))
    rows = Rows()
    monkeypatch.setattr(tuner, "make", lambda node: rows)
    result = trial("tuner=random", "tuner.trials=5", SPACE, *TINY, "logger=[tensorboard]")
    assert seen["test"] == 1
    directory = tmp_path / "run"
    tried = table(directory)
    scores = [float(row["val/loss"]) for row in tried]
    best = scores.index(min(scores))
    assert len(set(scores)) == 5
    assert result["metrics"]["val/loss"] == scores[best]
    assert result["best_epoch"] == best
    assert result["tuned"]["setting"] == best + 1
    assert result["counters"]["updates"] == sum(int(row["fit_updates"]) for row in tried) == 5 * 8
    assert result["counters"]["settings"] == 5
    assert sorted(path.name for path in directory.iterdir()) == [
        *(".hydra", ".lock", "checkpoints", "curves.png", "metrics.csv", "result.json", "trial.json", "tried.csv")
    ]
    settings, *steps, tested = rows.told
    assert settings["tuner.trials"] == 5
    assert [(step, row["val/loss_tried"]) for step, row in steps] == list(zip(range(8, 41, 8), scores, strict=True))
    assert tested == (40, {name: value for name, value in result["metrics"].items() if name.startswith("test/")})

    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("MLP on MNIST1D, ")
    assert said[1].startswith("setting 1/5 · lr ")
    assert "'logger=[tensorboard]'" in said[-2]
    (command,) = (line for line in said if line.startswith("python train.py"))
    again = trial(*command.replace("'", "").split()[2:], "logger=csv", directory=tmp_path / "again")
    assert again["metrics"] == result["metrics"]
    for word in ("lr", "batch_size", "norm"):
        assert str(again["config"][word]) == tried[best][word]


@pytest.mark.parametrize(
    ("sampler", "trials", "cut", "where"),
    [("tpe", 13, 11, "fitted"), ("qmc", 4, 2, "write_tried"), ("grid", 4, 1, "write_curve")],
)
def test_an_interrupted_run_goes_on_to_what_it_would_have_been(
    trial, tmp_path, monkeypatch, sampler, trials, cut, where
):
    asked = (f"tuner={sampler}", f"tuner.trials={trials}", SPACE, *TINY)
    whole = trial(*asked, directory=tmp_path / "whole")
    work, done = getattr(tuner, where), []

    def interrupted(*arguments):
        if len(done) == cut:
            raise KeyboardInterrupt
        done.append(arguments)
        return work(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(tuner, where, interrupted)
        with pytest.raises(SystemExit):
            trial(*asked, directory=tmp_path / "cut")
    stopped = json.loads((tmp_path / "cut" / "result.json").read_text())
    assert stopped["status"] == "interrupted"
    assert not [name for name in stopped["metrics"] if name.startswith("test/")]
    before = table(tmp_path / "cut")
    assert len(before) == cut + (where == "write_curve")
    went_on = trial(*asked, f"resume={tmp_path / 'cut'}", directory=tmp_path / "cut")
    assert table(tmp_path / "cut")[: len(before)] == before
    for name in ("metrics", "best_epoch", "tuned"):
        assert went_on[name] == whole[name]
    assert without_seconds([went_on["counters"]]) == without_seconds([whole["counters"]])
    assert without_seconds(table(tmp_path / "cut")) == without_seconds(table(tmp_path / "whole"))
    curves = [without_seconds(read_history(tmp_path / place / "metrics.csv")) for place in ("cut", "whole")]
    assert curves[0] == curves[1]


def test_a_fit_that_fails_is_a_row_and_never_the_best(trial, tmp_path):
    asked = ("tuner=grid", "optimizer=sgd", *TINY)
    space = "tuner.space={lr:{choices:[1e30,1e-3]},batch_size:{choices:[100000,32]}}"
    result = trial(*asked, "tuner.trials=4", space)
    rows = table(tmp_path / "run")
    states = {(float(row["lr"]), int(row["batch_size"])): row["status"] for row in rows}
    assert states == {
        (1e30, 32): "diverged",
        (1e-3, 32): "completed",
        **{(lr, 100_000): "failed" for lr in (1e30, 1e-3)},
    }
    assert [row["val/loss"] for row in rows if row["status"] != "completed"] == ["inf"] * 3
    assert all(row["error"] for row in rows if row["status"] != "completed")
    assert result["tuned"]["values"] == {"lr": 1e-3, "batch_size": 32}
    assert math.isfinite(result["metrics"]["test/loss"])
    assert read_history(tmp_path / "run" / "metrics.csv")[-1]["val/loss"] == result["metrics"]["val/loss"]


@pytest.mark.parametrize(
    ("space", "error"),
    [
        ("{lr:{choices:[1e30,1e29]}}", "FloatingPointError: none of the 2 settings gave a val/loss: "),
        ("{lr:{choices:[1e30]},batch_size:{choices:[32,99999]}}", "ValueError: none of the 2 settings gave a val/loss"),
    ],
)
def test_a_run_without_any_score_fails_in_one_sentence(trial, refused, tmp_path, space, error):
    said = refused("tuner=grid", "tuner.trials=2", f"tuner.space={space}", "optimizer=sgd", *TINY)
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert result["error"].startswith(error)
    assert said in result["error"]
    assert result["status"] == "failed"
    assert result["counters"]["settings"] == 2


@pytest.mark.parametrize("mode", ["min", "max"])
def test_the_curve_is_the_best_so_far_and_the_first_of_equals_is_chosen(mode):
    worst = math.inf if mode == "min" else -math.inf
    scores = [worst, 0.5, 0.7, 0.5, 0.2, 0.9, worst, 0.9, 0.2]
    tried = [Tried({"lr": "1"}, "completed", {"val/loss": score}, {"updates": 3}) for score in scores]

    def wins(score, best):
        return better(score, best, mode)

    rows = curve(tried, "val/loss", wins)
    assert [row["val/loss_tried"] for row in rows] == scores
    extreme = min if mode == "min" else max
    assert [row["val/loss"] for row in rows] == [extreme(scores[: n + 1]) for n in range(len(scores))]
    assert [row["updates"] for row in rows] == [3 * (n + 1) for n in range(len(scores))]
    assert winner(tried, "val/loss", wins) == (4 if mode == "min" else 5)
    assert winner(tried[:1], "val/loss", wins) is None


@pytest.fixture
def plan(compose, tmp_path):
    """The plan of a command, and the settings that it proposes when a score is a function of the rate."""

    def proposed(*overrides):
        config = compose(*overrides, f"hydra.runtime.output_dir={tmp_path}", "hydra.mode=RUN")
        HydraConfig.instance().set_config(config)
        made = Plan(config)
        settings = []
        while (point := made.next()) is not None:
            settings.append(dict(point.values))
            made.tell(point, math.inf if len(settings) == 3 else abs(math.log10(point.values["lr"]) + 2))
        return settings

    return proposed


def levels(settings, knob):
    return sorted({setting[knob] for setting in settings})


def test_a_grid_has_every_combination_of_its_levels_in_an_order_of_the_seed(plan):
    space = "tuner.space={lr:{log:[1e-4,1e-1]},dropout:{linear:[0,0.5]},batch_size:{log:[16,256],whole:true}}"
    grid = plan("tuner=grid", "tuner.trials=27", space)
    assert len(grid) == len({tuple(setting.values()) for setting in grid}) == 27
    assert levels(grid, "lr") == pytest.approx([1e-4, 10**-2.5, 1e-1])
    assert levels(grid, "dropout") == [0, 0.25, 0.5]
    assert levels(grid, "batch_size") == [16, 64, 256]
    other = plan("tuner=grid", "tuner.trials=27", space, "seed=1")
    assert other != grid
    assert sorted(map(repr, other)) == sorted(map(repr, grid))
    rates = [setting["lr"] for setting in grid]
    assert rates != sorted(rates)

    middles = plan("tuner=grid", "tuner.trials=27", "tuner.spread=middles", space)
    assert levels(middles, "lr") == pytest.approx([10**-3.5, 10**-2.5, 10**-1.5])
    assert levels(middles, "dropout") == pytest.approx([1 / 12, 0.25, 5 / 12])
    counted = plan("tuner=grid", "tuner.trials=27", "tuner.space={lr:{log:[1e-4,1],levels:9},dropout:{linear:[0,1]}}")
    assert levels(counted, "lr") == pytest.approx([10 ** (-n / 2) for n in range(8, -1, -1)])
    assert levels(counted, "dropout") == [0, 0.5, 1]
    assert len(plan("tuner=grid", "tuner.trials=5", space)) == 5
    single = plan("tuner=grid", "tuner.trials=3", "tuner.space={lr:{log:[1e-4,1e-2],levels:1},dropout:{linear:[0,1]}}")
    assert levels(single, "lr") == pytest.approx([1e-3])


@pytest.mark.parametrize("sampler", ["random", "qmc", "tpe"])
def test_settings_are_a_function_of_the_seed_and_lie_in_the_space(plan, sampler):
    asked = (f"tuner={sampler}", "tuner.trials=30", SPACE)
    settings = plan(*asked)
    assert settings == plan(*asked)
    assert settings[0] != plan(*asked, "seed=1")[0]
    assert len({setting["lr"] for setting in settings}) == 30
    assert all(1e-4 <= setting["lr"] <= 1e-1 for setting in settings)
    assert all(isinstance(setting["batch_size"], int) and 8 <= setting["batch_size"] <= 64 for setting in settings)
    assert levels(settings, "norm") == ["batch", "none"]


def test_tpe_learns_and_random_does_not(plan):
    """Both begin with the same points; TPE's later ones come nearer to the best rate."""
    random, tpe = (plan(f"tuner={name}", "tuner.trials=30", RATE) for name in ("random", "tpe"))
    assert tpe[:10] == random[:10]
    distances = [[abs(math.log10(setting["lr"]) + 2) for setting in found[10:]] for found in (random, tpe)]
    assert sum(distances[1]) < 0.7 * sum(distances[0])


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["tuner=tpe"], "tuner has no knob to tune; give it a space, as in 'tuner.space={lr: {log: [1e-4, 1e-1]}}'"),
        (["+tuner.trials=3"], "tuner has no sampler; choose one, as in tuner=tpe"),
        (["tuner=tpe", RATE, "tuner.trials=0"], "tuner.trials must be a whole number from 1 on, got 0"),
        (["tuner=tpe", RATE, "tuner.sampler=gp"], "tuner.sampler must be one of"),
        (["tuner=grid", RATE, "tuner.spread=all"], "tuner.spread must be one of ends, middles"),
        (
            ["tuner=tpe", "tuner.space={nrom:{choices:[a]}}"],
            "there is no knob nrom in this configuration; did you mean norm?",
        ),
        (["tuner=tpe", "tuner.space={lr:{log:[1,0.1]}}"], "tuner.space.lr.log must be [low, high] of positive numbers"),
        (["tuner=tpe", "tuner.space={lr:{lag:[1,2]}}"], "tuner.space.lr has the unknown key 'lag'; did you mean 'log'"),
        (["tuner=tpe", "tuner.space={lr:{log:[1,2],levels:0}}"], "tuner.space.lr.levels must be a whole number"),
        (["tuner=tpe", "tuner.space={lr:{log:[1,2.5],whole:true}}"], "tuner.space.lr must go from a whole number"),
        (["tuner=tpe", "tuner.space={lr:{choices:[1,2],levels:2}}"], "tuner.space.lr: whole and levels are of ranges"),
        (["tuner=tpe", "tuner.space={seed:{choices:[1,2]}}"], "tuner.space.seed: all settings have the same seed"),
        (["tuner=tpe", "tuner.space={optimizer:{choices:[adam]}}"], "python train.py -m search=tpe optimizer=…"),
        (["tuner=tpe", "tuner.space={model.units.0:{choices:[4,8]}}"], "tuner.space.model.units.0 is a part of a list"),
        (["tuner=tpe", RATE, "~callbacks.checkpoint"], "a run that tunes itself needs callbacks.checkpoint"),
        (["tuner=tpe", RATE, "trainer=ddp"], "a run that tunes itself fits in one process"),
    ],
)
def test_mistakes_are_answered_in_one_sentence_before_anything_is_fitted(refused, tmp_path, overrides, said):
    assert said in refused(*overrides, *TINY)
    assert not (tmp_path / "run" / "tried.csv").exists()


def test_what_cannot_be_gone_on_with_says_so(trial, refused, tmp_path):
    directory = tmp_path / "run"
    result = trial("tuner=random", "tuner.trials=2", RATE, *TINY)
    path, whole = directory / "tried.csv", (directory / "tried.csv").read_text()
    asked = ("tuner=random", "tuner.trials=2", *TINY, f"resume={directory}")
    for text, said in (
        (whole.replace("completed,0.", "completed,1."), "line 2: expected {'lr': "),
        (whole[: len(whole) - 30], "expected a row with lr and numbers for each setting, found something else"),
    ):
        path.write_text(text)
        assert said in refused(*asked, RATE)
        assert path.read_text() == text
        assert json.loads((directory / "result.json").read_text()) == result
    path.write_text(whole)
    assert [one.values["lr"] for one in read_tried(path, ["lr"])] == [row["lr"] for row in table(directory)]


def test_a_study_of_runs_that_tune_themselves_shows_the_expected_best_by_setting(tmp_path):
    study = {
        "question": "Does TPE beat random search?",
        "arms": {"random": {"tuner": "random"}, "tpe": {"tuner": "tpe"}},
        "seeds": 2,
        "quantities": {"loss": {"metric": "test/loss", "sesoi": "2%", "scale": "log"}},
    }
    space = {"lr": {"log": [1e-4, 1e-1]}}
    write_study(tmp_path, study=study, tuner={"trials": 3, "space": space}, updates_per_epoch=4)
    sweep(tmp_path, "study=tiny")
    directory = tmp_path / "studies" / "tiny"
    assert {len(read_history(place / "metrics.csv")) for place in directory.glob("trials/*/*")} == {3}
    report = (directory / "report.md").read_text()
    assert "val/loss by settings tried: mean, 95 % t band" in report
    assert not [line for line in report.splitlines() if " by epoch" in line]
    assert "| tuned | lr | log \\[0.0001,0.1\\] | by every run itself, on validation |" in report
    (constant,) = (line for line in report.splitlines() if line.startswith("Held constant"))
    assert "batch_size 32" in constant
    assert " lr " not in constant
    evidence = read_study_directory(directory)
    assert not evidence.errors
    assert evidence.counter("updates", "tpe") == 12
