"""What loggers receive: every epoch's row, and one run per job."""

import json

import pytest


def test_tensorboard_has_every_metric_by_updates(trial, tmp_path):
    trial("logger=[csv,tensorboard]", "epochs=3", "model.units=[8]", "batch_size=100")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    from litmus.trial.history import read_history

    events = EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    events.Reload()
    rows = read_history(tmp_path / "run" / "metrics.csv")
    for name in ("train/loss", "val/acc", "lr", "samples"):
        scalars = events.Scalars(name)
        assert [scalar.step for scalar in scalars] == [36, 72, 108]
        assert [scalar.value for scalar in scalars] == pytest.approx([row[name] for row in rows])
    assert events.Scalars("test/acc")


@pytest.mark.long
def test_tensorboard_has_a_row_for_each_run_that_has_a_result(trial, tmp_path):
    """As TensorBoard's own HParams plugin reads it."""
    from google.protobuf.json_format import MessageToDict
    from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
    from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
    from tensorboard.context import RequestContext
    from tensorboard.plugins.base_plugin import TBContext
    from tensorboard.plugins.hparams import api_pb2, list_session_groups
    from tensorboard.plugins.hparams.backend_context import Context

    tiny = ("logger=tensorboard", "epochs=2", "model.units=[4]", "norm=batch", "dropout=0.0", "batch_size=200")
    result = trial(*tiny, directory=tmp_path / "good")
    with pytest.raises(SystemExit):
        trial(*tiny, "optimizer=sgd", "lr=1e30", directory=tmp_path / "bad")
    curves = EventMultiplexer(size_guidance={"tensors": 0}).AddRunsFromDirectory(str(tmp_path)).Reload()
    context = Context(TBContext(data_provider=MultiplexerDataProvider(curves, str(tmp_path))))
    request = api_pb2.ListSessionGroupsRequest(allowed_statuses=[0, 1, 2, 3], start_index=0, slice_size=100)
    (row,) = list_session_groups.Handler(RequestContext(), context, "", request).run().session_groups
    metrics = {value.name.tag.removeprefix("result/"): value.value for value in row.sessions[0].metric_values}
    assert row.name == "good/tensorboard"
    shown = ("val/loss", "test/loss", "test/acc")  # with more columns no score is in sight
    assert metrics == pytest.approx({name: result["metrics"][name] for name in shown}, rel=1e-6)
    known = MessageToDict(row)["hparams"]
    assert (known["norm"], known["model.units"], known["lr"]) == ("batch", "[4]", 1e-3)
    # What nobody typed is filled in, and a whole number is no 0.0000.
    assert (known["data"], known["model"], known["seed"], known["batch_size"]) == ("mnist1d", "mlp", "0", "200")
    others = curves.Tensors("good/tensorboard", "result/updates")
    assert others[-1].tensor_proto.float_val[0] == result["counters"]["updates"]


@pytest.mark.long
@pytest.mark.xdist_group("wandb")
def test_wandb_runs_offline_without_a_prompt_and_one_per_job(trial, tmp_path, monkeypatch):
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    import wandb

    for seed in (0, 1):
        directory = tmp_path / str(seed)
        result = trial("logger=wandb", "epochs=1", "model.units=[4]", f"seed={seed}", directory=directory)
        assert wandb.run is None
        assert result["status"] == "completed"
        assert len(list((directory / "wandb").glob("offline-run-*/*.wandb"))) == 1
        assert (directory / "metrics.csv").exists()
    # a job that fails leaves no run open for the next to fall into
    with pytest.raises(SystemExit):
        trial("logger=wandb", "epochs=1", "optimizer=sgd", "lr=1e30", directory=tmp_path / "failed")
    assert wandb.run is None
    assert json.loads((tmp_path / "failed" / "result.json").read_text())["status"] == "failed"


@pytest.mark.parametrize(
    ("key", "login", "found"),
    [(None, False, False), ("0" * 40, False, True), (None, True, True)],
)
def test_a_key_is_found_where_wandb_puts_it(tmp_path, monkeypatch, key, login, found):
    from litmus.trial.wandb_logger import has_key

    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    if key:
        monkeypatch.setenv("WANDB_API_KEY", key)
    file = tmp_path / "netrc"
    if login:
        file.write_text(f"machine api.wandb.ai\n  login user\n  password {'0' * 40}\n")
        file.chmod(0o600)
    monkeypatch.setenv("NETRC", str(file))
    assert has_key() == found


@pytest.mark.parametrize("typed", ["logger=null", "logger=[]", "callbacks=null", "callbacks.progress=null"])
def test_none_of_them_is_asked_for_as_of_any_group(trial, typed):
    assert trial("epochs=1", "updates_per_epoch=1", "model.units=[4]", typed)["status"] == "completed"
