"""What loggers receive: every epoch's row, and one run per job."""

import json
import pickle
from pathlib import Path

import pytest

from litmus.trial.epoch_rows import EpochRows, is_row


@pytest.mark.long
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


def told(epochs, updates):
    """What Lightning and the run's history tell a logger of a module that logs by steps and by epochs."""
    for epoch in range(epochs):
        for step in range(epoch * updates, (epoch + 1) * updates):
            yield {"train_loss": step / 10, "epoch": epoch}, step
        yield {"val/loss": 1.0 - epoch, "epoch": epoch}, step
        row = {"updates": step + 1, "samples": 8 * (step + 1), "seconds": 1.0, "lr": 0.1}
        yield {"epoch": epoch, **row, "train_loss": step / 10, "train/spread": 2.0, "val/loss": 1.0 - epoch}, step + 1
        yield {"train/spread": 2.0, "epoch": epoch}, step
    yield {"test/loss": 0.5, "epoch": epochs}, step + 1


def test_what_a_module_logs_for_itself_costs_no_row_and_stands_once():
    rows = EpochRows()
    found = [one for metrics, step in told(3, 4) for one in rows.due(metrics, step)]
    found += rows.left()
    whole = [metrics for metrics, _ in found if is_row(metrics)]
    assert [row["epoch"] for row in whole] == [0, 1, 2]
    assert whole == [metrics for metrics, _ in told(3, 4) if is_row(metrics)]
    rest = [(metrics, step) for metrics, step in found if not is_row(metrics)]
    # The last of an epoch's steps is the row's; an epoch's loss is the row's alone, and only a row says its epoch.
    assert rest == [
        *(({"train_loss": step / 10}, step) for step in range(12) if step % 4 != 3), ({"test/loss": 0.5}, 12)
    ]  # fmt: skip


def test_anybodys_logger_is_told_of_an_epoch_once():
    from pytorch_lightning.loggers import Logger

    from litmus.trial.epoch_rows import told_once

    class Mine(Logger):
        name, version = "mine", 0

        def __init__(self):
            super().__init__()
            self.rows = []

        def log_hyperparams(self, params):
            pass

        def log_metrics(self, metrics, step):
            self.rows.append((metrics, step))

        def finalize(self, status):
            self.rows.append(status)

    rows = EpochRows()
    expected = [one for metrics, step in told(3, 4) for one in rows.due(metrics, step)]
    logger = told_once(Mine())
    for metrics, step in told(3, 4):
        logger.log_metrics(metrics=metrics, step=step)
    logger.finalize("success")
    assert logger.rows == [*expected, *rows.left(), "success"]


def test_anybodys_logger_is_pickled_with_its_trainer(tmp_path):
    from pytorch_lightning.loggers import CSVLogger

    from litmus.trial.epoch_rows import told_once

    logger = pickle.loads(pickle.dumps(told_once(CSVLogger(tmp_path))))
    for metrics, step in told(2, 2):
        logger.log_metrics(metrics, step)
    logger.finalize("success")
    rows = EpochRows()
    expected = [one for metrics, step in told(2, 2) for one in rows.due(metrics, step)]
    found = Path(logger.experiment.metrics_file_path).read_text().splitlines()
    assert len(found) == 1 + len([*expected, *rows.left()])


def test_nothing_is_left_of_a_run_that_ends_with_an_epoch():
    rows = EpochRows()
    for metrics, step in [*told(1, 1)][:-1]:
        assert all(found for found, _ in rows.due(metrics, step))
    assert not [*rows.left()]


def test_tensorboard_has_a_modules_own_losses_once(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    from litmus.trial.tensorboard_logger import TensorBoardLogger

    one = TensorBoardLogger(tmp_path, name="", version="")
    for metrics, step in told(3, 4):
        one.log_metrics(metrics, step)
    one.finalize("success")
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    assert [scalar.step for scalar in events.Scalars("val/loss")] == [4, 8, 12]
    assert [scalar.step for scalar in events.Scalars("train_loss")] == [0, 1, 2, 4, 4, 5, 6, 8, 8, 9, 10, 12]
    assert [scalar.value for scalar in events.Scalars("epoch")] == [0, 1, 2]
    assert [scalar.step for scalar in events.Scalars("test/loss")] == [12]


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


@pytest.mark.long
@pytest.mark.parametrize("typed", ["logger=null", "logger=[]", "callbacks=null", "callbacks.progress=null"])
def test_none_of_them_is_asked_for_as_of_any_group(trial, typed):
    assert trial("epochs=1", "updates_per_epoch=1", "model.units=[4]", typed)["status"] == "completed"
