"""A search: the points that were asked for, each once, however often it is interrupted; and an honest end."""

import csv
import json

import optuna
import pytest
from omegaconf import OmegaConf
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from litmus.sweeps import search_report
from litmus.sweeps.once import Outcome
from litmus.sweeps.optimization import SAMPLERS, Optimization, grid_of, journal
from litmus.sweeps.overrides import parsed
from litmus.sweeps.pruner import pruning
from litmus.sweeps.search_sweep import keep_question, wanted_by
from litmus.sweeps.space import search_space
from litmus.trial.command_line import sentence
from litmus.trial.pruning import PRUNERS
from tests.sweep_helpers import results, sweep

TINY = ("epochs=1", "model.units=[4]", "threads=1")
RATE = "lr=tag(log,interval(1e-4,1e-1))"
SPACE = {"lr": FloatDistribution(1e-4, 1e-1, log=True), "norm": CategoricalDistribution(["none", "batch"])}


def spanned(*arguments):
    return search_space(parsed(arguments, None))


def test_every_kind_of_sweep_becomes_its_distribution():
    assert spanned(RATE) == {"lr": FloatDistribution(1e-4, 1e-1, log=True)}
    assert spanned("lr=interval(0,1)") == {"lr": FloatDistribution(0, 1)}
    assert spanned("batch_size=tag(log,int(interval(16,256)))") == {"batch_size": IntDistribution(16, 256, log=True)}
    assert spanned("epochs=range(5,21,5)") == {"epochs": IntDistribution(5, 20, step=5)}
    assert spanned("norm=none,batch") == {"norm": CategoricalDistribution(["none", "batch"])}
    assert spanned("dropout=choice(0.0,0.1)") == {"dropout": CategoricalDistribution([0.0, 0.1])}
    assert spanned("model.units=[8],[8,8]") == {"model.units": CategoricalDistribution(["[8]", "[8,8]"])}
    assert spanned("epochs=3") == {}


def test_a_grid_has_every_choice_and_equal_steps():
    grid = grid_of(SPACE, 8)
    assert [point["lr"] for point in grid if point["norm"] == "none"] == [1e-4, 1e-3, 1e-2, 1e-1]
    assert len(grid) == 8


def optimization(tmp_path, sampler, total):
    return Optimization(journal(tmp_path / "journal.log"), "it", SPACE, sampler=sampler, seed=0, total=total)


@pytest.mark.parametrize("sampler", [name for name in SAMPLERS if name != "gp"])  # gp is tpe to all but Optuna
def test_totals_are_totals_and_what_was_left_comes_first(tmp_path, sampler):
    first = optimization(tmp_path, sampler, 4)
    begun = first.ask(3)
    first.tell(begun[0], Outcome("completed"), 1.0)
    first.tell(begun[1], Outcome("diverged"), None)

    second = optimization(tmp_path, sampler, 8)  # the process was killed, and its command given again for more
    points = second.ask(100)
    assert points[0] == begun[2]
    second.tell(points[0], Outcome("completed"), 0.0)
    points += second.ask(100)  # a sampler that learns asks for no more before it knows this
    assert [point.number for point in points] == [2, 3, 4, 5, 6, 7]
    values = [tuple(point.values.values()) for point in [*begun, *points[1:]]]
    assert len(set(values)) == 8
    for number, point in enumerate(points[1:], start=1):
        second.tell(point, Outcome("completed"), float(number))
    assert second.ask(100) == []
    assert second.finished[0].number == 2
    assert optimization(tmp_path, sampler, 8).ask(100) == []


@pytest.mark.long
def test_a_search_is_resumable_and_ends_with_pictures_and_the_command_of_the_best(tmp_path, monkeypatch, capsys):
    typed = ("search=tpe", RATE, "norm=none,batch", *TINY, "hydra.sweep.dir=found")
    with monkeypatch.context() as patch:  # the pictures of half of it take seconds
        patch.setattr(search_report, "draw", lambda *_: [])
        sweep(tmp_path, *typed, "search.trials=3")
    directory = tmp_path / "found"
    first = results(directory)
    assert sorted(first) == ["trials/0", "trials/1", "trials/2"]
    sweep(tmp_path, *typed, "search.trials=5")
    found = results(directory)
    assert sorted(found) == [f"trials/{number}" for number in range(5)]
    assert {place: found[place] for place in first} == first
    rates = {place: result["config"]["lr"] for place, result in found.items()}
    assert len(set(rates.values())) == 5
    best = min(found, key=lambda place: found[place]["metrics"]["val/loss"])
    said = capsys.readouterr().out
    assert f"lr={rates[best]}" in said.splitlines()[-1]
    assert said.splitlines()[-1].startswith("python train.py epochs=1")
    with (directory / "trials.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["state"] for row in rows] == ["complete"] * 5
    assert float(rows[int(best.partition("/")[2])]["val/loss"]) == found[best]["metrics"]["val/loss"]
    for name in ("history", "slice", "contour", "importances"):
        assert (directory / f"{name}.png").stat().st_size > 10_000
    with pytest.raises(ValueError, match="found holds a search with another space"):
        sweep(tmp_path, "search=tpe", RATE, *TINY, "hydra.sweep.dir=found")


@pytest.mark.briefly("1")
@pytest.mark.parametrize("knobs", [1, 2, 3])
def test_no_panel_and_no_colour_bar_of_a_searchs_pictures_lies_over_another(tmp_path, monkeypatch, knobs):
    from matplotlib.figure import Figure

    drawn = {}
    save = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda own, path, **kw: (drawn.update({own: path}), save(own, path, **kw)))
    space = {"lr": SPACE["lr"], "dropout": FloatDistribution(0, 0.5), "norm": SPACE["norm"]}
    study = optuna.create_study()
    for place in range(6):
        values = {"lr": 10.0 ** -(1 + place / 2), "dropout": place / 10, "norm": ("none", "batch")[place % 2]}
        asked = dict(list(space.items())[:knobs])
        values = {knob: values[knob] for knob in asked}
        study.add_trial(optuna.trial.create_trial(params=values, distributions=asked, value=1.0 + place % 4))
    search_report.draw(study, list(space)[:knobs], "val/loss", tmp_path)
    assert len(drawn) >= 2
    for figure in drawn:
        panels = [axes.get_window_extent() for axes in figure.axes]
        assert not [1 for place, one in enumerate(panels) for other in panels[:place] if one.overlaps(other)]


@pytest.mark.long
def test_a_search_whose_trials_all_fail_says_so_in_one_sentence(tmp_path):
    with pytest.raises(ValueError, match=r"none of the 2 trials of found gave a val/loss: .*val_fraction") as caught:
        sweep(tmp_path, "search=random", RATE, *TINY, "data.val_fraction=2", "search.trials=2", "hydra.sweep.dir=found")
    assert "\n" not in sentence(caught.value)


@pytest.mark.long
@pytest.mark.briefly("median")
@pytest.mark.parametrize("pruner", ["median", "halving"])
def test_a_hopeless_run_is_pruned_and_recorded_as_such(trial, tmp_path, pruner):
    """Six good runs are known; the seventh does not learn, and is ended after the epochs that the rule gives it."""
    path = tmp_path / "journal.log"
    one = optuna.create_study(storage=journal(path), study_name="it", pruner=PRUNERS[pruner](optuna.pruners))
    for _ in range(6):
        known = one.ask()
        for epoch in range(20):
            known.report(1 / (epoch + 1), epoch)
            assert not known.should_prune()
        one.tell(known, 1 / 20)
    bad = one.ask()
    extra = pruning(pruner, path, "it", bad.number, "val/loss")
    with pytest.raises(SystemExit):
        trial("epochs=20", "model.units=[4]", "lr=1e-9", *extra)
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert result["status"] == "pruned"
    assert 1 <= result["counters"]["epochs"] < 20
    assert "worse than the" in result["error"]
    reported = one.trials[bad.number].intermediate_values
    assert sorted(reported) == list(range(result["counters"]["epochs"]))
    assert pruning("none", path, "it", 0, "val/loss") == []


@pytest.mark.briefly(0, 3, 6)
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["search=tpe"], "search=tpe has no knob to search"),
        (["search=tpe", "lr=interval(3,1)"], "an interval needs low < high"),
        (["search=tpe", "lr=tag(log,interval(0,1))"], "both above 0 with log"),
        (["search=tpe", RATE, "search.trials=0"], "search.trials must be a whole number from 1 on"),
        (["search=tpe", RATE, "search.pruner=hope"], "search.pruner must be one of"),
        (["search=tpe", RATE, "search.sampler=hope"], "search.sampler must be one of"),
        (
            ["search=tpe", RATE, "search.metric=val/beauty"],
            "whether more is better is unknown; say search.direction=up",
        ),
        (["search=tpe", "nrom=none,batch"], "there is no knob nrom"),
    ],
)
def test_mistakes_are_answered_in_one_sentence_before_anything_runs(tmp_path, arguments, said):
    with pytest.raises(Exception) as caught:  # noqa: PT011 - the sentence is what counts
        sweep(tmp_path, *arguments, *TINY, "hydra.sweep.dir=found")
    assert said in sentence(caught.value)
    assert "\n" not in sentence(caught.value)
    assert not results(tmp_path)


def wanted(**asked):
    node = {"sampler": "tpe", "trials": 3, "metric": "val/loss", "pruner": "none", "seed": 0, "at_once": None, **asked}
    return wanted_by(OmegaConf.create({"search": node}), ["search=tpe", RATE], None)


def test_a_metric_of_ones_own_is_searched_by_the_direction_that_is_said():
    assert wanted(metric="val/iou", direction="up").goal == "maximize"
    assert wanted(metric="val/surprise", direction="down").goal == "minimize"
    assert [wanted(metric=metric).goal for metric in ("val/loss", "val/acc")] == ["minimize", "maximize"]
    for asked, said in (
        ({"metric": "val/iou"}, "say search.direction=up or down"),
        ({"metric": "val/iou", "direction": "max"}, "search.direction must be one of down, up"),
        ({"metric": "val/loss", "direction": "up"}, "looks for the worst val/loss, which is better down"),
    ):
        with pytest.raises(ValueError, match=said):
            wanted(**asked)


@pytest.mark.parametrize("metric", ["test/loss", "test/iou"])
def test_no_search_chooses_by_the_test_set(metric):
    with pytest.raises(ValueError, match=f"by the test set, .*; take search.metric={metric.replace('test', 'val')}"):
        wanted(metric=metric, direction=None if metric.endswith("loss") else "up")


def test_a_directory_has_one_search_with_one_direction_and_an_earlier_one_that_said_none_goes_on(tmp_path, compose):
    base = compose("hydra.runtime.output_dir=runs/here")
    keep_question(wanted(metric="val/iou", direction="up"), base, tmp_path)
    with pytest.raises(ValueError, match="holds a search with another direction"):
        keep_question(wanted(metric="val/iou", direction="down"), base, tmp_path)
    keep_question(wanted(), base, (earlier := tmp_path / "earlier"))
    stored = json.loads((earlier / "search.json").read_text())
    (earlier / "search.json").write_text(
        json.dumps({key: value for key, value in stored.items() if key != "direction"})
    )
    keep_question(wanted(), base, earlier)


@pytest.mark.long
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_optuna_dashboard_reads_a_searchs_journal(tmp_path, monkeypatch):
    from optuna_dashboard import wsgi
    from werkzeug.test import Client

    from litmus.sweeps.optimization import journal

    tiny = ("epochs=1", "updates_per_epoch=2", "model.units=[4]", "threads=1")
    monkeypatch.setattr(search_report, "draw", lambda *_: [])
    sweep(tmp_path, "search=tpe", "lr=tag(log,interval(1e-4,1e-1))", *tiny, "search.trials=2", "hydra.sweep.dir=it")
    client = Client(wsgi(journal(tmp_path / "it" / "journal.log")))
    (summary,) = client.get("/api/studies").get_json()["study_summaries"]
    assert (summary["study_name"], summary["directions"]) == ("search", ["minimize"])
    shown = client.get(f"/api/studies/{summary['study_id']}").get_json()
    assert shown["objective_names"] == ["val/loss"]
    for trial in shown["trials"]:
        result = json.loads((tmp_path / "it" / "trials" / str(trial["number"]) / "result.json").read_text())
        assert trial["values"] == [pytest.approx(result["metrics"]["val/loss"])]
        assert [float(one["param_external_value"]) for one in trial["params"]] == [result["config"]["lr"]]
