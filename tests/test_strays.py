"""What a study's or an experiment's file adds to a run and nobody reads is refused before anything trains."""

from copy import deepcopy

import pytest
import yaml
from hydra.errors import HydraException

from litmus.sweeps.metrics import misspelt
from litmus.trial.command_line import sentence
from litmus.trial.knobs import check_knobs
from tests.sweep_helpers import QUESTION, results, sweep, write_study


@pytest.fixture
def experiment(compose, tmp_path):
    """Checks a run whose experiment file holds this."""

    def checked(content, *typed):
        path = tmp_path / "experiment" / "mine.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text("# @package _global_\n" + yaml.safe_dump(content))
        place = f"hydra.searchpath=[file://{tmp_path}]"
        check_knobs(compose(place, "experiment=mine", "hydra.runtime.output_dir=nowhere", *typed))

    return checked


@pytest.mark.briefly(0, 9)
@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"epoch": 3}, "epoch=3 would have no effect: no part of this run reads epoch; did you mean epochs?"),
        ({"LR": 0.1}, "did you mean lr?"),
        ({"warm": None}, "warm=null would have no effect: no part of this run reads warm; leave it out, or give it"),
        ({"modle": {"units": [4]}}, "modle: with units would have no effect: no part of this run reads modle; did you"),
        ({"a": "${b}", "b": 3}, "no part of this run reads a;"),
        ({"a": {"x": 1, "y": "${a.x}"}}, "no part of this run reads a;"),
        *(({name: 3}, f"no part of this run reads {name};") for name in ("name", "version", "env", "job", "runs")),
        ({"study": {"question": "Which?"}}, "study: with question would have no effect: no study was chosen; python"),
        ({"search": {"trials": 3}}, "search: with trials would have no effect: no search was chosen; python train.py"),
        ({"lrr": 0.1, "model": {"units": "${units}"}, "units": [4]}, "did you mean lr?"),
        ({"data": {"val_fractoin": 0.1}}, "there is no knob data.val_fractoin"),
        ({"task": {"label_smoothin": 0.1}}, "did you mean task.label_smoothing?"),
        ({"weights": {"form": "runs/x"}}, "did you mean weights.from?"),
        ({"average": {"share": 0.1}}, "choose its file, as average=NAME"),
        ({"callbacks": {"early_stopping": {"patience": 3}}}, "callbacks=[early_stopping]"),
        ({"callbacks": {"checkpoints": {"share": 1}}}, "did you mean callbacks.checkpoint?"),
    ],
    ids=str,
)
def test_what_a_file_says_and_nobody_reads_is_refused(experiment, content, said):
    with pytest.raises(ValueError, match=r"no effect|no knob|makes nothing") as refused:
        experiment(content)
    assert said in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.briefly(0, 4)
@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"model": "cnn"}, "write '- override /model: cnn' in the file's defaults, or type model=cnn"),
        ({"task": "regression"}, "task: regression in a file chooses nothing"),
        ({"trainer": "debug"}, "trainer: debug in a file chooses nothing"),
        ({"logger": "csv"}, "logger: csv in a file chooses nothing"),
        ({"average": "ema"}, "type average=ema"),
        ({"data": None}, "data=null leaves the run without data"),
        ({"weights": "runs/x"}, "write 'weights: {from: DIR}'"),
    ],
    ids=str,
)
def test_a_word_in_the_place_of_a_groups_settings_is_told_the_line_that_chooses(experiment, content, said):
    with pytest.raises(ValueError, match=r"in a file|leaves the run") as refused:
        experiment(content)
    assert said in str(refused.value)


def test_an_experiment_without_the_line_that_makes_it_global_is_told_it(compose, tmp_path):
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text("lr: 0.1\n")
    config = compose(f"hydra.searchpath=[file://{tmp_path}]", "experiment=mine", "hydra.runtime.output_dir=nowhere")
    with pytest.raises(ValueError, match=r"lr would have no effect.*# @package _global_"):
        check_knobs(config)


def test_a_list_in_the_place_of_a_groups_settings_is_told_where_parts_are_chosen(experiment):
    with pytest.raises(HydraException) as refused:
        experiment({"callbacks": ["early_stopping"]})
    assert "'- override /callbacks: [early_stopping]'" in sentence(refused.value)


@pytest.mark.briefly(0, 3)
@pytest.mark.parametrize(
    "content",
    [
        {"width": 5, "model": {"units": ["${width}"]}},
        {"mine": {"w": 5}, "model": {"units": ["${mine.w}"]}},
        {"w": 5, "model": {"units": ["${oc.select:w,4}"]}},
        {"w": 5, "wide": "${w}", "model": {"units": ["${..wide}"]}},
        {"tag": "x", "hydra": {"run": {"dir": "runs/${tag}"}}},
        {"norm": "batch", "dropout": 0.1, "precision": "32-true"},
        {"task": {"label_smoothing": 0.1, "top_k": 2}, "weights": {"only": ["net.0"]}},
    ],
    ids=str,
)
def test_a_knob_of_ones_own_that_something_names_is_let_through(experiment, content):
    experiment(content)


def test_a_knob_of_the_projects_own_file_may_be_read_by_some_of_its_models_alone(experiment):
    with pytest.raises(ValueError, match="no part of this run reads norm"):
        experiment({"norm": "batch"}, "model=net", "model.net._target_=torch.nn.Flatten")
    experiment({"updates_per_epoch": 3}, "~data", "+data._target_=tests.small_data.Blobs")


@pytest.mark.long
@pytest.mark.parametrize(
    ("changed", "shared", "said"),
    [
        ({}, {"epoch": 3}, "no part of this run reads epoch; did you mean epochs?"),
        ({}, {"data": {"val_fractoin": 0.1}}, "there is no knob data.val_fractoin"),
        ({"factors": None, "arms": {"a": {}, "b": {"epoch": 3}}}, {}, "the arm b: there is no knob epoch"),
        ({"factors": None, "arms": {"a": {}, "b": {"+epoch": 3}}}, {}, "the arm b: +epoch=3 would have no effect"),
        ({"factors": {"+epoch": [1, 2]}}, {}, "+epoch=1 would have no effect"),
        ({"fixed": {"task.top": 2}}, {}, "there is no knob task.top"),
        ({"nuisance": {"lrr": {"log": [1e-3, 1e-2], "trials": 3}}}, {}, "there is no knob lrr"),
    ],
    ids=str,
)
def test_a_study_is_refused_before_its_first_trial(tmp_path, changed, shared, said):
    study = {name: value for name, value in (deepcopy(QUESTION) | changed).items() if value is not None}
    study.pop("predictions")
    write_study(tmp_path, study=study, **shared)
    with pytest.raises(ValueError, match=r"knob|no effect") as refused:
        sweep(tmp_path, "study=tiny")
    assert said in str(refused.value)
    assert not results(tmp_path)


def test_a_metric_that_is_nearly_one_that_runs_record_is_told_before_training():
    where = "study.quantities.loss.metric"
    (told,) = misspelt({"test/los": where, "test/auroc": where, "test/mae": where})
    assert told.message.startswith(f"{where}=test/los is no metric")
    assert "did you mean test/loss?" in told.message
