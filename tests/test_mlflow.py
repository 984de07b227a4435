"""MLflow: one run per trial, local files, which goes on as who it was. With the real package where it is installed."""

import importlib.util
import json
import sys
from types import ModuleType, SimpleNamespace

import pytest

from tests.sweep_helpers import sweep

TINY = ("epochs=2", "updates_per_epoch=3", "model.units=[4]", "threads=1", "logger=mlflow")
missing = importlib.util.find_spec("mlflow") is None


class MlflowException(Exception):  # noqa: N818
    """As MLflow's."""


class Client:
    """The few calls of MLflow's client that are made, and what it refuses."""

    stores: dict = {}  # noqa: RUF012

    def __init__(self, uri):
        assert uri.startswith("file:///")
        self.experiments, self.runs = self.stores.setdefault(uri, ({}, {}))

    def get_experiment_by_name(self, name):
        found = self.experiments.get(name)
        return found and SimpleNamespace(experiment_id=found, lifecycle_stage="active")

    def create_experiment(self, name, artifact_location=None):
        assert name not in self.experiments
        self.experiments[name] = str(len(self.experiments))
        return self.experiments[name]

    def create_run(self, experiment_id, tags):
        run_id = f"run{len(self.runs)}"
        data = SimpleNamespace(params={}, metrics={}, tags=dict(tags))
        info = SimpleNamespace(run_id=run_id, experiment_id=experiment_id, status="RUNNING")
        self.runs[run_id] = SimpleNamespace(info=info, data=data, history={})
        return self.runs[run_id]

    def get_run(self, run_id):
        if run_id not in self.runs:
            raise MlflowException(run_id)
        return self.runs[run_id]

    def log_batch(self, run_id, metrics=(), params=()):
        run = self.runs[run_id]
        for one in params:
            assert run.data.params.setdefault(one.key, one.value) == one.value  # none may change
            assert len(one.value) <= 500
        for one in metrics:
            run.history.setdefault(one.key, []).append(one)
            run.data.metrics[one.key] = one.value

    def get_metric_history(self, run_id, name):
        return self.runs[run_id].history.get(name, [])

    def set_tag(self, run_id, key, value):
        self.runs[run_id].data.tags[key] = value

    def set_terminated(self, run_id, status):
        self.runs[run_id].info.status = status

    def update_run(self, run_id, status):
        self.runs[run_id].info.status = status

    def search_runs(self, experiment_ids):
        return [run for run in self.runs.values() if run.info.experiment_id in experiment_ids]


def module(name, **content):
    made = ModuleType(name)
    made.__dict__.update(content)
    return made


@pytest.fixture
def fake(monkeypatch):
    def entity(key, value, timestamp=None, step=None):
        return SimpleNamespace(key=key, value=value, timestamp=timestamp, step=step)

    monkeypatch.setattr(Client, "stores", {})
    context = module("mlflow.tracking.context", resolve_tags=dict)
    parts = {
        "mlflow": module("mlflow", set_tracking_uri=lambda uri: None, MlflowException=MlflowException),
        "mlflow.tracking": module("mlflow.tracking", MlflowClient=Client, context=context),
        "mlflow.tracking.context": context,
        "mlflow.entities": module("mlflow.entities", Param=entity, Metric=entity),
        "mlflow.utils": module("mlflow.utils"),
        "mlflow.utils.mlflow_tags": module("mlflow.utils.mlflow_tags", MLFLOW_RUN_NAME="mlflow.runName"),
    }
    for name, made in parts.items():
        monkeypatch.setitem(sys.modules, name, made)
    monkeypatch.setattr("pytorch_lightning.loggers.mlflow._MLFLOW_AVAILABLE", True)


@pytest.fixture
def real():
    pytest.importorskip("mlflow", reason="MLflow is an extra: pip install '.[mlflow]'")


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.long)])
def client(request, tmp_path, monkeypatch):
    """Makes MLflow's client for the folder of the tests."""
    request.getfixturevalue(request.param)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", str(tmp_path / "ml runs"))

    def made():
        from mlflow.tracking import MlflowClient

        return MlflowClient((tmp_path / "ml runs").as_uri())

    return made


def run_of(client, directory):
    kept = json.loads((directory / "mlflow.json").read_text())
    return client.get_run(kept["run_id"])


def points(client, run, name):
    return [(one.step, one.value) for one in client.get_metric_history(run.info.run_id, name)]


def test_a_run_is_one_run_with_its_curves_settings_and_result(trial, tmp_path, client):
    result = trial(*TINY, "lr=0.01")
    mlflow = client()
    run = run_of(mlflow, tmp_path / "run")
    assert mlflow.get_experiment_by_name("litmus").experiment_id == run.info.experiment_id
    assert run.info.status == "FINISHED"
    assert run.data.tags["mlflow.runName"].endswith("lr=0.01 seed 0")
    assert [step for step, _ in points(mlflow, run, "val/loss")] == [3, 6]
    assert run.data.metrics["result/test/loss"] == pytest.approx(result["metrics"]["test/loss"])
    assert (run.data.params["lr"], run.data.params["model.units"]) == ("0.01", "[4]")
    assert not any(name.startswith(("logger", "output_dir")) for name in run.data.params)
    assert (run.data.tags["status"], run.data.tags["arm_id"]) == ("completed", result["arm"])


@pytest.mark.long
def test_a_run_that_goes_on_is_the_same_run_and_has_each_epoch_once(trial, tmp_path, client):
    trial(*TINY)
    first = json.loads((tmp_path / "run" / "mlflow.json").read_text())
    trial(*TINY, f"resume={tmp_path / 'run'}", "epochs=4")
    mlflow = client()
    assert json.loads((tmp_path / "run" / "mlflow.json").read_text()) == first
    run = run_of(mlflow, tmp_path / "run")
    assert points(mlflow, run, "epoch") == [(3, 0.0), (6, 1.0), (9, 2.0), (12, 3.0)]
    assert (run.info.status, run.data.params["epochs"]) == ("FINISHED", "2")  # as it began: MLflow lets none change
    trial(*TINY)  # in the same directory, and not resumed: another run
    assert json.loads((tmp_path / "run" / "mlflow.json").read_text()) != first


@pytest.mark.long
def test_a_sweeps_runs_are_an_experiment_of_theirs_and_a_failed_one_says_so(trial, tmp_path, client):
    with pytest.raises(SystemExit):
        trial(*TINY, "optimizer=sgd", "lr=1e30", directory=tmp_path / "bad")
    sweep(tmp_path, *TINY, "lr=0.1,0.01", "hydra.sweep.dir=multirun/rates")
    mlflow = client()
    bad = run_of(mlflow, tmp_path / "bad")
    assert bad.info.status == "FAILED"
    assert bad.data.tags["error"].startswith("FloatingPointError")
    found = mlflow.search_runs([mlflow.get_experiment_by_name("multirun/rates").experiment_id])
    assert sorted(run.data.tags["arm"] for run in found) == ["lr=0.01", "lr=0.1"]


@pytest.mark.skipif(not missing, reason="MLflow is installed")
def test_without_the_package_one_sentence_says_what_to_install(refused, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", str(tmp_path / "store"))
    assert refused(*TINY) == "logger=mlflow needs MLflow: pip install '.[mlflow]'"
    assert not (tmp_path / "store").exists()
