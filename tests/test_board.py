"""TensorBoard on what runs left: its own HParams plugin reads back every hyperparameter and every result."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from google.protobuf.json_format import MessageToDict
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.context import RequestContext
from tensorboard.plugins.base_plugin import TBContext
from tensorboard.plugins.hparams import api_pb2, get_experiment, list_session_groups
from tensorboard.plugins.hparams.backend_context import Context

from litmus.events.board import write_board
from litmus.trial.command_line import answer
from litmus.trial.history import read_history
from scripts import board as script
from tests.conftest import ROOT
from tests.report_data import write_study, write_trial
from tests.sweep_helpers import sweep

SUCCESS, FAILURE, RUNNING = (f"STATUS_{name}" for name in ("SUCCESS", "FAILURE", "RUNNING"))


def _table(folder):
    """The columns and the rows of the HParams table that TensorBoard shows of a folder, and its curves."""
    curves = EventMultiplexer(size_guidance={"tensors": 0}).AddRunsFromDirectory(str(folder)).Reload()
    context = Context(TBContext(data_provider=MultiplexerDataProvider(curves, str(folder))))
    request = api_pb2.ListSessionGroupsRequest(allowed_statuses=[0, 1, 2, 3], start_index=0, slice_size=10_000)
    arguments = (RequestContext(), context, "")
    found = list_session_groups.Handler(*arguments, request).run()
    rows = {}
    for group in found.session_groups:
        (session,) = group.sessions
        metrics = {value.name.tag.removeprefix("result/"): value.value for value in session.metric_values}
        rows[group.name] = (MessageToDict(group)["hparams"], metrics, api_pb2.Status.Name(session.status))
    told = get_experiment.Handler(*arguments, api_pb2.GetExperimentRequest()).run()
    return {info.name: info for info in told.hparam_infos}, rows, curves


def _files(folder):
    return {path.relative_to(folder): path.read_bytes() for path in sorted(Path(folder).rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def studied(tmp_path_factory):
    """A study's directory with a failed trial, and the table of its board."""
    directory = write_study(tmp_path_factory.mktemp("studies") / "dropout_norm")
    board = write_board(directory)
    assert (board.folder, board.runs, board.skipped) == (directory / "board", 44, {})
    return directory, *_table(board.folder)


def test_every_trial_and_tuning_trial_is_a_row_with_its_result(studied):
    directory, _, rows, _ = studied
    places = {path.parent for path in directory.rglob("result.json")}
    assert {directory / "trials" / name for name in rows if not name.startswith("tuning/")} | {
        directory / name for name in rows if name.startswith("tuning/")
    } == places
    for place in places:
        result = json.loads((place / "result.json").read_text())
        _, metrics, status = rows[str(place.relative_to(directory)).removeprefix("trials/")]
        assert metrics == pytest.approx(result["metrics"] | result["counters"], rel=1e-6)
        assert status == {"completed": SUCCESS, "failed": FAILURE}[result["status"]]
    assert sum(status == FAILURE for _, _, status in rows.values()) == 1


def test_factors_come_first_and_root_knobs_after_them(studied):
    _, columns, rows, _ = studied
    assert [name for name, column in columns.items() if column.differs] == [
        "arm",
        "dropout",
        "lr",
        "norm",
        "part",
        "seed",
    ]
    assert {"epochs", "batch_size"} <= columns.keys()
    assert not [name for name in columns if name.startswith("data.")]
    assert sorted(MessageToDict(columns["norm"])["domainDiscrete"]) == ["instance", "none"]
    assert columns["lr"].domain_interval.min_value == pytest.approx(3e-4)
    row, _, _ = rows["dropout=0.1,norm=instance/seed=3"]
    assert row == {
        **{"arm": "dropout=0.1,norm=instance", "part": "trial", "dropout": 0.1, "norm": "instance"},
        **{"lr": 1e-3, "seed": 3.0, "epochs": 12.0, "batch_size": 32.0},
    }
    assert rows["tuning/dropout=0,norm=none/trial=5"][0]["part"] == "tuning"


def test_curves_are_those_of_metrics_csv_by_updates_and_seconds(studied):
    directory, _, _, curves = studied
    name = "dropout=0,norm=none/seed=1"
    written = read_history(directory / "trials" / name / "metrics.csv")
    for column in ("val/loss", "train/acc", "samples", "epoch", "seconds"):
        shown = curves.Tensors(name, column)
        assert [event.step for event in shown] == [row["updates"] for row in written]
        assert [event.tensor_proto.float_val[0] for event in shown] == pytest.approx([row[column] for row in written])
        passed = np.diff([event.wall_time for event in shown])
        np.testing.assert_allclose(passed, np.diff([row["seconds"] for row in written]), atol=1e-5)


def test_a_second_board_is_the_same_and_one_of_fewer_runs_has_fewer(studied, tmp_path):
    directory = shutil.copytree(studied[0], tmp_path / "copy")
    before = _files(directory / "board")
    assert _files(write_board(directory).folder) == before
    shutil.rmtree(directory / "trials" / "dropout=0,norm=none" / "seed=0")
    assert write_board(directory).runs == 43
    assert set(before) - set(_files(directory / "board")) == {
        Path("dropout=0,norm=none/seed=0/events.out.tfevents.result")
    }
    assert not list(directory.glob(".board*"))


def _runs(directory, count, **arguments):
    generator = np.random.default_rng(0)
    for job in range(count):
        write_trial(directory / str(job), "", job, 0.5, generator, **arguments)
    return directory


def _change(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_damaged_runs_are_left_out_and_listed(tmp_path, capsys):
    directory = _runs(tmp_path, 6)
    (directory / "0" / "result.json").write_text("{")
    (directory / "1" / "metrics.csv").write_text("epoch,updates,seconds\n0,x,1\n")
    _change(directory / "2" / "result.json", metrics=[1])
    (directory / "3" / "metrics.csv").write_text("epoch,val/loss\n0,1\n")
    (directory / "4" / "result.json").unlink()
    (directory / "4" / ".hydra").mkdir()
    (directory / "4" / ".hydra" / "overrides.yaml").write_text("[norm=batch, lr=0.01]")
    script.main([str(directory), "--files"])
    said = capsys.readouterr().out.splitlines()
    assert said[0] == f"2 runs in {directory / 'board'}"
    assert sorted(line.split(": ")[1] for line in said[1:]) == [str(directory / str(job)) for job in range(4)]
    assert "line 2" in said[2]
    assert "metrics are list" in said[3]
    assert "expected updates in every row" in said[4]
    _, rows, curves = _table(directory / "board")
    # a run that has not ended shows what it has
    assert rows["4"] == ({"norm": "batch", "lr": 0.01}, {}, RUNNING)
    assert len(curves.Tensors("4", "val/loss")) == 12
    for job in (4, 5):
        shutil.rmtree(directory / str(job))
    with pytest.raises(ValueError, match=r"expected a readable run, found 4 damaged: .*0: result.json cannot be read"):
        write_board(directory)


def test_a_setting_that_is_a_number_here_and_a_word_there_is_a_word_everywhere(tmp_path):
    directory = _runs(tmp_path, 2)
    result = json.loads((directory / "1" / "result.json").read_text())
    config = result["config"] | {
        "batch_size": "all",
        "updates_per_epoch": 100,
        "model": {"units": [8, 8], "bias": True},
    }
    typed = ["model.units=[8,8]", "model.bias=true", "batching=fixed", "logger=tensorboard", "study=it"]
    _change(directory / "1" / "result.json", config=config, overrides=typed)
    columns, rows, _ = _table(write_board(directory).folder)
    assert [rows[job][0]["batch_size"] for job in ("0", "1")] == ["32", "all"]
    assert "updates_per_epoch" not in rows["0"][0]
    told = {name: rows["1"][0][name] for name in ("updates_per_epoch", "model.units", "model.bias", "batching")}
    assert told == {"updates_per_epoch": 100, "model.units": "[8,8]", "model.bias": True, "batching": "fixed"}
    assert not columns.keys() & {"logger", "study"}


@pytest.mark.parametrize(
    ("given", "told"), [([], "say whose board"), (["nowhere"], "nowhere: expected a directory with runs")]
)
def test_what_is_missing_is_said_in_one_sentence(given, told, capsys):
    with pytest.raises(SystemExit) as ended:
        answer(lambda: script.main(given))
    assert ended.value.code == 1
    said = capsys.readouterr()
    assert told in said.err
    assert len((said.err + said.out).strip().splitlines()) == 1


def test_make_board_asks_whose():
    make = ["make", "-s", "-o", ".venv/installed", f"BIN={Path(sys.executable).parent}", "board"]
    run = subprocess.run(make, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert run.returncode != 0
    said, *rest = run.stderr.splitlines()
    assert said.startswith("say whose board: make board DIR=")
    assert all(re.match(r"make(\[\d+\])?:", line) for line in rest)


def test_the_live_logger_fills_the_table_as_the_board_does(trial, tmp_path):
    tiny = ("logger=tensorboard", "epochs=2", "model.units=[4]", "norm=batch", "batch_size=200")
    result = trial(*tiny, directory=tmp_path / "runs" / "good")
    with pytest.raises(SystemExit):
        trial(*tiny, "optimizer=sgd", "lr=1e30", directory=tmp_path / "runs" / "bad")
    _, live, curves = _table(tmp_path / "runs")
    row, metrics, status = live["good/tensorboard"]
    assert status == SUCCESS
    assert metrics == pytest.approx(result["metrics"] | result["counters"], rel=1e-6)
    assert (row["norm"], row["model.units"], row["lr"]) == ("batch", "[4]", 1e-3)
    assert [event.step for event in curves.Tensors("good/tensorboard", "val/loss")] == [18, 36]
    assert live["bad/tensorboard"][2] == FAILURE
    _, made, _ = _table(write_board(tmp_path / "runs").folder)
    for name in ("good", "bad"):
        hyperparameters, metrics, status = made[name]
        assert (metrics, status) == live[f"{name}/tensorboard"][1:]
        assert live[f"{name}/tensorboard"][0].items() <= hyperparameters.items()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_optuna_dashboard_reads_a_searchs_journal(tmp_path):
    from optuna_dashboard import wsgi
    from werkzeug.test import Client

    from litmus.sweeps.optimization import journal

    tiny = ("epochs=1", "updates_per_epoch=2", "model.units=[4]", "threads=1")
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
