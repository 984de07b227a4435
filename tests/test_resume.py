"""An interrupted run, gone on with, is the uninterrupted run: to the bit, wherever it was cut."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from functools import partial

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import BackboneFinetuning, EarlyStopping, EMAWeightAveraging
from torch.optim.lr_scheduler import CosineAnnealingLR, ExponentialLR, ReduceLROnPlateau
from torchmetrics import MaxMetric, MetricCollection, RunningMean
from torchmetrics.classification import MulticlassAccuracy, MulticlassPrecision, MulticlassRecall

import litmus
from litmus.training.schedule import Schedule
from litmus.trial.checkpoint import BestAndLast
from litmus.trial.command_line import resumed_arguments
from litmus.trial.history import History, read_history
from litmus.trial.resuming import goes_on
from tests.conftest import ROOT
from tests.small_data import Blobs, optimizer_of, quiet_trainer, seeded
from tests.strangers import Plain, WithBackbone, small_blobs

EPOCHS = 6


class PowerCut(pl.Callback):
    """Ends the process's fit in the middle of an epoch, after its first updates."""

    ticks_per_stretch = True

    def __init__(self, epoch):
        self.epoch = epoch

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        if trainer.current_epoch == self.epoch:
            raise InterruptedError("power cut")


class ActsOnBatches(pl.Callback):
    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        pass


def _averaged():
    return EMAWeightAveraging(decay=0.8)


def _thawed():
    return BackboneFinetuning(unfreeze_backbone_at_epoch=2, lambda_func=_constant, train_bn=False)


def _constant(epoch):
    return 1.0


# Settings of the net, of the data, of the trainer, and callbacks.
COURSES = {
    "constant": ({}, {}, {}),
    "cosine by update": (
        {
            "scheduler": partial(
                Schedule, scheduler=partial(CosineAnnealingLR, T_max="total"), interval="update", warmup=2
            )
        },
        {},
        {},
    ),
    "plateau": (
        {"scheduler": partial(Schedule, scheduler=partial(ReduceLROnPlateau, patience=0, threshold=0.3), warmup=1)},
        {},
        {},
    ),
    "updates_per_epoch": ({}, {"updates_per_epoch": 5, "batch_size": 24}, {}),
    "ended by max_steps": ({"scheduler": partial(ExponentialLR, gamma=0.5)}, {}, {"max_steps": 21}),
    "validated every second epoch": (
        {"scheduler": partial(Schedule, scheduler=partial(ReduceLROnPlateau, patience=0, threshold=0.3), warmup=1)},
        {},
        {"check_val_every_n_epoch": 2},
    ),
    "averaged weights": ({}, {}, {}, _averaged),
    "averaged weights, validated every second epoch": ({}, {}, {"check_val_every_n_epoch": 2}, _averaged),
    "a backbone thawed later": ({}, {}, {}, _thawed),
}


def _parts(directory, course, single_steps, min_delta):
    net, data, _, *extra = COURSES[course]
    model = seeded(
        WithBackbone, (6,), 3, units=(8,), dropout=0.3, norm="batch", optimizer=optimizer_of("Adam", lr=3e-2), **net
    )
    callbacks = [
        EarlyStopping("val/loss", patience=2, min_delta=min_delta),
        History(str(directory / "metrics.csv")),
        BestAndLast(str(directory), share=1),
    ]
    callbacks += [make() for make in extra]
    if single_steps:
        callbacks.append(ActsOnBatches())
    return model, Blobs(**{"batch_size": 20} | data), callbacks


def _fit(directory, course, *, cut=None, resume=False, single_steps=False, min_delta=0.0):
    model, data, callbacks = _parts(directory, course, single_steps, min_delta)
    settings = COURSES[course][2]
    trainer = quiet_trainer(EPOCHS, [*callbacks, *([PowerCut(cut)] if cut is not None else [])], **settings)
    start = str(directory / "last.ckpt") if resume and (directory / "last.ckpt").exists() else None
    try:
        trainer.fit(model, datamodule=data, ckpt_path=start, weights_only=True if start else None)
    except InterruptedError:
        assert cut is not None
    return trainer


def _same(first, second):
    assert type(first) is type(second)
    if isinstance(first, torch.Tensor):
        return torch.equal(first, second)
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(_same(first[key], second[key]) for key in first)
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(map(_same, first, second))
    return first == second


def _assert_same_run(whole, resumed):
    # The loops' counters of batches within an epoch may differ; weights, optimizer, schedule, callbacks may not.
    first, second = (torch.load(path / "last.ckpt", weights_only=True) for path in (whole, resumed))
    for part in ("epoch", "global_step", "state_dict", "optimizer_states", "lr_schedulers", "Blobs"):
        assert _same(first.get(part), second.get(part)), part
    kept = [
        {**entry, "callbacks": {name: state for name, state in entry["callbacks"].items() if "History" not in name}}
        for entry in (first, second)
    ]
    assert _same(kept[0]["callbacks"], kept[1]["callbacks"])
    best = [torch.load(path / "best.ckpt", weights_only=True) for path in (whole, resumed)]
    assert _same(best[0], best[1])
    rows = [read_history(path / "metrics.csv") for path in (whole, resumed)]
    assert [{**row, "seconds": 0} for row in rows[0]] == [{**row, "seconds": 0} for row in rows[1]]


@pytest.mark.briefly("averaged weights-stretches")
@pytest.mark.parametrize("single_steps", [False, True], ids=["stretches", "single steps"])
@pytest.mark.parametrize("course", COURSES)
def test_cut_in_any_epoch_and_resumed_is_the_uninterrupted_run(tmp_path, course, single_steps):
    (tmp_path / "whole").mkdir()
    whole = _fit(tmp_path / "whole", course, single_steps=single_steps)
    for cut in range(whole.current_epoch):
        directory = tmp_path / f"cut{cut}"
        directory.mkdir()
        _fit(directory, course, cut=cut, single_steps=single_steps)
        _fit(directory, course, resume=True, single_steps=single_steps)
        _assert_same_run(tmp_path / "whole", directory)


@pytest.mark.long
def test_a_checkpoint_of_one_path_goes_on_along_the_other(tmp_path):
    for name, first, second in (("a", False, False), ("b", False, True), ("c", True, False)):
        (tmp_path / name).mkdir()
        _fit(tmp_path / name, "cosine by update", cut=3, single_steps=first)
        trainer = _fit(tmp_path / name, "cosine by update", resume=True, single_steps=second)
        assert trainer.global_step == trainer.current_epoch * 7
    for name in ("b", "c"):
        first, second = (torch.load(tmp_path / run / "last.ckpt", weights_only=True) for run in ("a", name))
        for part in ("global_step", "state_dict", "optimizer_states", "lr_schedulers"):
            assert _same(first[part], second[part]), part


class Gathers(Plain):
    """Metrics that go on from epoch to epoch, one that Lightning resets, and one that its own hook does."""

    def __init__(self):
        super().__init__()
        self.best, self.recent, self.accuracy = MaxMetric(), RunningMean(2), MulticlassAccuracy(3)
        self.all = MetricCollection({"p": MulticlassPrecision(3), "r": MulticlassRecall(3)})
        self.seen = []

    def on_train_start(self):
        self.best.reset()  # as a well-known template does

    def training_step(self, batch, batch_idx):
        self.accuracy(self(batch[0]), batch[1])
        self.log("train/acc", self.accuracy, on_step=False, on_epoch=True)
        return super().training_step(batch, batch_idx)

    def validation_step(self, batch, batch_idx):
        self.all.update(self(batch[0]), batch[1])

    def on_validation_epoch_end(self):
        for metric in (self.best, self.recent):
            metric.update(1 / (1 + self.current_epoch))
        values = [self.best.compute(), self.recent.compute(), *self.all.compute().values()]
        self.log("val/loss", values[1])
        self.seen.append([float(value) for value in values])


def test_what_metrics_have_gathered_is_gone_on_with(tmp_path):
    def fit(place, *callbacks, resume=False):
        trainer = quiet_trainer(3, [*callbacks, BestAndLast(str(place), share=1)])
        start = str(place / "last.ckpt") if resume else None
        module = seeded(Gathers)
        try:
            trainer.fit(module, datamodule=small_blobs(), ckpt_path=start, weights_only=True if start else None)
        except InterruptedError:
            assert callbacks
        return module.seen, float(trainer.callback_metrics["train/acc"])

    whole, accuracy = fit(tmp_path / "whole")
    fit(tmp_path / "cut", PowerCut(1))
    rest, resumed = fit(tmp_path / "cut", resume=True)
    assert whole[len(whole) - len(rest) :] == rest
    assert 0 < len(rest) < 3
    assert resumed == accuracy


def test_early_stopping_that_had_ended_the_run_keeps_it_ended(tmp_path):
    """The last checkpoint is written in the epoch that stops; resuming from it must not train one more."""
    stopped = _fit(tmp_path, "constant", min_delta=9.0)
    assert stopped.current_epoch == 3
    again = _fit(tmp_path, "constant", resume=True, min_delta=9.0)
    assert again.current_epoch == stopped.current_epoch
    assert again.global_step == stopped.global_step


def test_rows_of_repeated_epochs_and_a_half_written_one_are_dropped(tmp_path):
    _fit(tmp_path, "constant", cut=4)
    table = tmp_path / "metrics.csv"
    complete = read_history(table)
    table.write_text(table.read_text() + "4,35,700,0.1")
    assert read_history(table) == complete
    table.write_text(table.read_text() + "\n5,1\n")
    with pytest.raises(ValueError, match="line 6"):
        read_history(table)


def test_kept_rows_stay_as_they_were_written(tmp_path):
    _fit(tmp_path, "constant", cut=3)
    before = (tmp_path / "metrics.csv").read_text()
    _fit(tmp_path, "constant", resume=True)
    assert (tmp_path / "metrics.csv").read_text().startswith(before)


def test_a_damaged_checkpoint_is_refused_and_a_finished_run_repeats_its_result(trial, refused, tmp_path):
    first = trial("epochs=2", "model.units=[8]")
    resume = f"resume={tmp_path / 'run'}"
    own = {"overrides": first["overrides"], "load": first["load"]}  # the machine's load is of the moment
    assert trial("epochs=2", "model.units=[8]", resume) | own == first
    last = tmp_path / "run" / "checkpoints" / "last.ckpt"
    last.write_bytes(last.read_bytes()[:5000])
    assert "expected a whole checkpoint, found 5,000 damaged bytes" in refused("epochs=2", "model.units=[8]", resume)


def test_a_directory_without_a_run_and_a_changed_knob_are_refused(tmp_path):
    with pytest.raises(ValueError, match="found none"):
        resumed_arguments([f"resume={tmp_path}"])
    (tmp_path / ".hydra").mkdir()
    (tmp_path / ".hydra" / "config.yaml").write_text("lr: 0.1")
    with pytest.raises(ValueError, match="got lr=1 model=cnn; start a new run"):
        resumed_arguments([f"resume={tmp_path}", "lr=1", "model=cnn"])
    assert resumed_arguments(["lr=1"]) == ["lr=1"]
    assert f"hydra.run.dir={tmp_path}" in resumed_arguments([f"resume={tmp_path}", "epochs=9"])


def test_a_resumed_run_stays_where_it_is(tmp_path, monkeypatch):
    """It was told to go elsewhere, went on where it was, and wrote over that."""
    monkeypatch.chdir(tmp_path)
    run = tmp_path / "run"
    (run / ".hydra").mkdir(parents=True)
    (run / ".hydra" / "config.yaml").write_text("lr: 0.1")
    for knob in ("hydra.run.dir", "+hydra.run.dir", "++hydra.run.dir"):
        with pytest.raises(ValueError, match=r"keeps its configuration and its directory .*, got \+*hydra\.run\.dir="):
            resumed_arguments(["resume=run", f"{knob}={tmp_path / 'fork'}", "epochs=2"])
    for same in ("run", "./run/", f"'{run}'", str(run)):
        assert f"hydra.run.dir={run}" in resumed_arguments(["resume=run", f"hydra.run.dir={same}"])
    with pytest.raises(ValueError, match="keeps its configuration and its directory"):
        litmus.run("resume=run", directory="fork")


def test_the_value_of_an_option_is_no_knob_of_a_resumed_run(tmp_path):
    (tmp_path / ".hydra").mkdir()
    (tmp_path / ".hydra" / "config.yaml").write_text("lr: 0.1")
    resume = f"resume={tmp_path}"
    for option in (["--config-dir", "X"], ["--cfg", "job"], ["-c", "job", "--resolve"], ["--info"], ["--config-dir=X"]):
        for typed in ([resume, "epochs=2", *option], [*option, "epochs=2", resume], ["epochs=2", *option, resume]):
            found = resumed_arguments(typed)
            assert found[4 : 5 + len(option)] == [*option, "epochs=2"]
    for typed in (["--config-dir", "X", "lr=1"], ["lr=1", "--cfg", "job"], ["--info", "lr=1"], ["--resolve", "lr=1"]):
        with pytest.raises(ValueError, match="may change\\), got lr=1; start a new run"):
            resumed_arguments([*typed, resume])
    with pytest.raises(ValueError, match="got --config-name other; start a new run"):
        resumed_arguments([resume, "--config-name", "other"])


def test_the_command_that_goes_on_names_what_a_resumed_run_was_given(tmp_path):
    """It was told to train the epochs of the first command, and called itself completed after those."""
    directory = tmp_path / "run"
    assert goes_on(directory, {"epochs": 3}).endswith(f" resume={directory}")
    (directory / ".hydra").mkdir(parents=True)
    (directory / ".hydra" / "config.yaml").write_text("epochs: 400\nmodel: {recompute: false, units: '${width}'}")
    as_stored = {"epochs": 400, "model": {"recompute": False, "units": 1}}
    assert goes_on(directory, as_stored).endswith(f" resume={directory}")
    assert goes_on(directory, {**as_stored, "epochs": 800}).endswith(f" resume={directory} epochs=800")
    both = goes_on(directory, {"epochs": 800, "model": {"recompute": True}})
    assert both.endswith(f" resume={directory} epochs=800 model.recompute=True")
    assert "epochs=800" in resumed_arguments(shlex.split(both)[2:])
    (directory / ".hydra" / "config.yaml").write_text("lr: 0.1\nepochs: 400")
    assert goes_on(directory, {"epochs": 400, "model": {}}).endswith(f" resume={directory}")


def test_a_run_that_would_begin_anew_is_not_called_one_that_is_gone_on_with(tmp_path, trial, refused):
    """With a plus, in a sweep or from a file, a new run trained in a place of its own, and said that it went well."""
    trial("epochs=1", "model.units=[8]", directory=tmp_path / "run")
    new = tmp_path / "new"
    for typed in (f"+resume={tmp_path / 'run'}", f"++resume={tmp_path / 'run'}"):
        assert "without a plus before it, and neither in a sweep nor" in refused("epochs=1", typed, directory=new)
    assert not new.exists()


@pytest.mark.long
def test_killed_and_resumed_from_the_command_line_gives_the_same_result(tmp_path):
    """kill -9 at no particular moment, then `resume=DIR`; and the same by Ctrl+C."""
    # A checkpoint at every epoch, so that there is one long before the end however slow the disk is.
    shape = ["epochs=250", "dropout=0.2", "model.units=[64]", "threads=1", "callbacks.checkpoint.share=1"]
    command = [sys.executable, "train.py", *shape]
    environment = os.environ | {"PYTHONWARNINGS": "ignore"}

    def start(*arguments):
        return subprocess.Popen(
            [*command[:2], *arguments],
            cwd=ROOT,
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
            stdout=subprocess.DEVNULL,
            # A shell that starts the tests in the background has them, and whatever they start, ignore Ctrl+C.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    results = {}
    runs = {
        name: start(*command[2:], f"hydra.run.dir={tmp_path / name}") for name in ("whole", "killed", "interrupted")
    }
    waiting = {"killed": signal.SIGKILL, "interrupted": signal.SIGINT}
    while waiting and all(runs[name].poll() is None for name in waiting):
        for name in [name for name in waiting if (tmp_path / name / "checkpoints" / "last.ckpt").exists()]:
            runs[name].send_signal(waiting.pop(name))
        time.sleep(0.005)
    for name, process in runs.items():
        _, said = process.communicate(timeout=120)
        if name == "interrupted":
            assert process.returncode == 130
            assert f"resume={tmp_path / name}" in said
            assert "Traceback" not in said
            assert json.loads((tmp_path / name / "result.json").read_text())["status"] == "interrupted"
    assert not (tmp_path / "killed" / "result.json").exists()
    for process in [start(f"resume={tmp_path / name}") for name in ("killed", "interrupted")]:
        _, said = process.communicate(timeout=120)
        assert process.returncode == 0, said
    for name in runs:
        results[name] = json.loads((tmp_path / name / "result.json").read_text())
    for name in ("killed", "interrupted"):
        for part in ("status", "metrics", "best_epoch", "config", "config_hash", "data", "seed"):
            assert results[name][part] == results["whole"][part], (name, part)
        assert results[name]["counters"] | {"seconds": 0} == results["whole"]["counters"] | {"seconds": 0}
        assert len(read_history(tmp_path / name / "metrics.csv")) == 250
