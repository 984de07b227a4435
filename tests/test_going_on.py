"""`resume=DIR epochs=N` is the whole run of N epochs, to the bit, or a sentence that says why it cannot be."""

import json
import os
import re
import sys
from types import SimpleNamespace

import pytest
import torch
from omegaconf import open_dict
from pytorch_lightning import Callback
from torch.optim.lr_scheduler import LambdaLR, LRScheduler

from litmus.sweeps.composition import as_job
from litmus.sweeps.once import once
from litmus.trial.course import Course, reads_length
from litmus.trial.description import resolved
from litmus.trial.going_on import NEW, CannotGoOnError, refuse_other_numerics
from litmus.trial.history import read_history
from litmus.trial.identity import asked_hash
from src.models.mlp import MLP

TINY = ("model.units=[4]", "data.val_fraction=0.9", "batch_size=64", "norm=batch", "dropout=0.1", "lr=0.01")
HERE = "tests.test_going_on"


class Fades(MLP):
    """A stranger's net that plans by the length of the run."""

    def on_train_epoch_start(self):
        super().on_train_epoch_start()
        self.share = self.current_epoch / self.trainer.max_epochs


class Counts(Callback):
    """A stranger's callback that does."""

    def on_fit_start(self, trainer, pl_module):
        self.last = getattr(trainer, "max_epochs")  # noqa: B009 - as strangers may


class Ramp(LRScheduler):
    """A stranger's scheduler, with a length by a name of its own."""

    def __init__(self, optimizer, steps_in_all):
        self.inverse = 1 / steps_in_all
        super().__init__(optimizer)

    def get_lr(self):
        return [rate * (1 - self.inverse * self.last_epoch) for rate in self.base_lrs]


def halving(optimizer):
    return LambdaLR(optimizer, lambda epoch: 0.5**epoch)


def _scheduler(target, *more):
    node = ", ".join([f"_target_: {target}", "_partial_: true", *more])
    return [f"scheduler.scheduler={{{node}}}"]


LONGER = {
    "constant": [],
    "step": ["scheduler=step", "scheduler.scheduler.step_size=2"],
    "warm-up": ["scheduler.warmup=1"],
    "warm-up by update": ["scheduler.warmup=1", "scheduler.interval=update"],
    "plateau": ["scheduler=plateau", "scheduler.scheduler.patience=0"],
    "doubling": ["batching=doubling", "batching.every=2", "batching.lr=linear"],
    "milestones": ["batching=milestones", "batching.sizes={0: 32, 2: 64, 4: 128}"],
    "on_plateau": ["batching=on_plateau", "batching.patience=0", "batching.lr=sqrt"],
    "updates_per_epoch": ["updates_per_epoch=5"],
    "early stopping": ["callbacks=[default,early_stopping]", "callbacks.early_stopping.patience=1"],
    "a fixed length": _scheduler("torch.optim.lr_scheduler.LinearLR", "total_iters: 4"),
}
REFUSED = {
    "cosine": (["scheduler=cosine"], "with epochs=5 instead of 3, CosineAnnealingLR.T_max would be"),
    "cosine by epoch": (["scheduler=cosine", "scheduler.interval=epoch"], "CosineAnnealingLR.T_max would be 5, not 3;"),
    "a stranger's scheduler": (
        [*_scheduler(f"{HERE}.Ramp", "steps_in_all: total")],
        "Ramp.inverse would be 0.2, not 0.33",
    ),
    "linear batches": (["batching=linear"], "with epochs=5 instead of 3, epoch 1 would have had 176, not 288;"),
    "reversed batches": (
        ["batching=doubling", "batching.every=1", "batching.reverse=true"],
        "epoch 0 would have had 400, not 256;",
    ),
    "matched decay": (["batching=matched_decay"], "the batch sizes are planned over the whole run"),
    "a knob that follows": (
        [*_scheduler("torch.optim.lr_scheduler.LinearLR", 'total_iters: "${epochs}"')],
        "the run began with scheduler.scheduler.total_iters=3 and would go on with 5, since epochs went from 3 to 5:",
    ),
    "a function": (_scheduler(f"{HERE}.halving"), "a function in LambdaLR may have planned by the run's 3 epochs"),
    "a stranger's net": ([f"model._target_={HERE}.Fades"], "Fades may have planned by the run's 3 epochs"),
    "a stranger's callback": ([f"+callbacks.counts._target_={HERE}.Counts"], "Counts may have planned by the run's"),
}


def _same_run(one, other):
    for name in ("last", "best"):
        first, second = (torch.load(path / "checkpoints" / f"{name}.ckpt", weights_only=True) for path in (one, other))
        for key, value in first["state_dict"].items():
            assert torch.equal(value, second["state_dict"][key]), (name, key)
        assert first["global_step"] == second["global_step"]
    rows = [read_history(path / "metrics.csv") for path in (one, other)]
    assert [{**row, "seconds": 0} for row in rows[0]] == [{**row, "seconds": 0} for row in rows[1]]
    results = [json.loads((path / "result.json").read_text()) for path in (one, other)]
    for name in ("status", "config_hash", "asked_hash", "arm", "numerics", "metrics", "best_epoch", "config"):
        assert results[0][name] == results[1][name], name


@pytest.mark.briefly("plateau")
@pytest.mark.parametrize("case", LONGER)
def test_a_longer_run_is_the_whole_one(trial, tmp_path, case):
    typed = [*TINY, *LONGER[case]]
    if case == "milestones":  # which are all sizes: another beside them is refused
        typed.remove("batch_size=64")
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    trial(*typed, "epochs=5", directory=whole)
    trial(*typed, "epochs=3", directory=resumed)
    trial(*typed, "epochs=5", f"resume={resumed}", directory=resumed)
    _same_run(whole, resumed)


@pytest.mark.briefly("a knob that follows")
@pytest.mark.parametrize("case", REFUSED)
def test_what_was_planned_over_another_length_is_refused(trial, refused, tmp_path, case):
    typed, said = REFUSED[case]
    first = trial(*TINY, *typed, "epochs=3")
    rows = (tmp_path / "run" / "metrics.csv").read_text()
    told = refused(*TINY, *typed, "epochs=5", f"resume={tmp_path / 'run'}")
    assert said in told
    assert told.endswith("start a new run")
    assert (tmp_path / "run" / "metrics.csv").read_text() == rows
    again = trial(*TINY, *typed, "epochs=3", f"resume={tmp_path / 'run'}")
    assert again["metrics"] == first["metrics"]


@pytest.mark.long
def test_a_shorter_run_than_what_is_done_is_refused(trial, refused, tmp_path):
    trial(*TINY, "epochs=3")
    told = refused(*TINY, "epochs=2", f"resume={tmp_path / 'run'}")
    assert told == "3 epochs are done, got epochs=2: type epochs=3, or start a new run"


@pytest.mark.long
def test_a_run_goes_on_with_the_threads_it_began_with(trial, refused, tmp_path):
    trial(*TINY, "epochs=1", threads=2)
    told = refused(*TINY, "epochs=2", f"resume={tmp_path / 'run'}", threads=1)
    assert told == "the run began with 2 threads and would go on with 1: type threads=2"
    result = trial(*TINY, "epochs=2", f"resume={tmp_path / 'run'}", threads=2)
    torch.set_num_threads(1)
    assert result["numerics"]["threads"] == 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"device": "cuda"},
            "the run began on cpu and would go on on cuda: take a machine with cpu, or start a new run",
        ),
        (
            {"processes": 2},
            "the run began with processes 1 and would go on with 2: set it as it was, or start a new run",
        ),
        ({"matmul": "tf32"}, "the run began with matmul ieee and would go on with tf32"),
    ],
)
def test_other_numerics_are_refused(change, said):
    began = {"device": "cpu", "processes": 1, "threads": 1, "dtype": "float32", "matmul": "ieee"}
    refuse_other_numerics(began, dict(began))
    with pytest.raises(CannotGoOnError, match=said):
        refuse_other_numerics(began, {**began, **change})


def test_a_configuration_that_was_edited_in_between_is_refused(trial, refused, tmp_path):
    trial(*TINY, "epochs=1")
    told = refused(*TINY, "epochs=2", "dropout=0.2", f"resume={tmp_path / 'run'}")
    assert told.startswith("the run began with dropout=0.1 and would go on with 0.2")


@pytest.mark.long
def test_a_checkpoint_of_an_earlier_version_goes_on_at_its_own_length_only(trial, tmp_path):
    first = trial(*TINY, "epochs=2")
    last, stored = tmp_path / "run" / "checkpoints" / "last.ckpt", tmp_path / "run" / ".hydra" / "config.yaml"
    checkpoint = torch.load(last, weights_only=True)
    del checkpoint["callbacks"]["Course"]
    torch.save(checkpoint, last)
    trainer = SimpleNamespace(state=SimpleNamespace(fn="fit"))
    with pytest.raises(CannotGoOnError, match=r"of an earlier version .* go on with epochs=2, or start a new run"):
        Course({"epochs": 3}, stored).on_load_checkpoint(trainer, None, checkpoint)
    assert trial(*TINY, "epochs=2", f"resume={tmp_path / 'run'}")["metrics"] == first["metrics"]


def test_lightnings_own_planners_are_known_and_what_only_shows_the_length_is_not(compose):
    from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint, RichProgressBar, StochasticWeightAveraging

    from litmus.trial.checkpoint import BestAndLast
    from litmus.trial.history import History
    from litmus.trial.progress import TimeLeft

    harmless = [
        EarlyStopping("val/loss"),
        ModelCheckpoint(),
        RichProgressBar(),
        TimeLeft(),
        History("x"),
        BestAndLast("x"),
    ]
    assert not [one for one in harmless if reads_length(one)]
    assert reads_length(StochasticWeightAveraging(0.1))


def test_a_trial_of_a_sweep_that_began_elsewhere_is_run_anew(compose, tmp_path):
    """On another kind of device, say: nothing of what it has is this machine's, and it must not fail for ever."""
    with as_job(compose(*TINY, f"output_dir={tmp_path}", "hydra.mode=RUN")) as config:
        (tmp_path / "checkpoints").mkdir()
        (tmp_path / "checkpoints" / "last.ckpt").write_text("of the other machine")
        begun = {"asked_hash": asked_hash(resolved(config))}
        (tmp_path / "trial.json").write_text(json.dumps(begun))
        calls = []

        def trial(resume):
            calls.append((resume, (tmp_path / "checkpoints" / "last.ckpt").exists()))
            if resume:
                raise CannotGoOnError("the run began on cuda and would go on on cpu")

        once(config, trial)
    assert calls == [(True, True), (False, False)]
    assert json.loads((tmp_path / "trial.json").read_text())["asked_hash"] == begun["asked_hash"]
    assert not (tmp_path / "result.json").exists()


OWN = """import torch


class Net(torch.nn.Linear):
    def __init__(self, features, outputs):
        super().__init__(features, outputs)

    def forward(self, x):
        return super().forward(x.flatten(1))
"""
WITH_OWN = ("model=net", "model.net._target_=mine_to_edit.Net", "+callbacks.cut._target_=tests.test_going_on.Cut")


class Cut(Callback):
    """Interrupts a run in its second epoch while it is told to, as somebody at the keyboard would; notes what began."""

    def on_train_epoch_start(self, trainer, pl_module):
        if trainer.current_epoch == 1 and "CUT" in os.environ:
            raise KeyboardInterrupt
        print(f"epoch {trainer.current_epoch} begins")


@pytest.fixture
def edited(tmp_path, monkeypatch):
    """A stranger's net in a folder of its own, and what edits it: its code is read anew, as by another process."""
    from litmus.trial import code

    (tmp_path / "own").mkdir()
    monkeypatch.syspath_prepend(tmp_path / "own")
    monkeypatch.delitem(sys.modules, "mine_to_edit", raising=False)  # of another test's folder
    file = tmp_path / "own" / "mine_to_edit.py"

    def write(text):
        file.write_text(text)
        code._read.cache_clear()
        code._modules.cache_clear()

    write(OWN)
    yield write
    code._read.cache_clear()
    code._modules.cache_clear()


@pytest.mark.long
def test_a_run_that_was_cut_goes_on_with_the_code_it_began_with(trial, refused, tmp_path, monkeypatch, capsys, edited):
    """It trained on with other code, and its record named that one for all of it."""
    resume, share = f"resume={tmp_path / 'run'}", "callbacks.checkpoint.share=1"
    monkeypatch.setenv("CUT", "1")
    with pytest.raises(SystemExit):
        trial(*WITH_OWN, share, "epochs=2", "updates_per_epoch=2")
    monkeypatch.delenv("CUT")
    capsys.readouterr()
    before = (tmp_path / "run" / "result.json").read_text()
    edited(OWN.replace("x.flatten(1)", "2 * x.flatten(1)"))
    told = refused(*WITH_OWN, share, "epochs=2", "updates_per_epoch=2", resume)
    assert told.startswith(f"the run began with code {json.loads(before)['code']} and would go on with ")
    assert told.endswith(": put the code back, or start a new run")
    assert (tmp_path / "run" / "result.json").read_text() == before
    edited(OWN + "\n# What does not count.\n")
    ended = trial(*WITH_OWN, share, "epochs=2", "updates_per_epoch=2", resume)
    assert ended["code"] == json.loads(before)["code"]
    edited(OWN.replace("x.flatten(1)", "3 * x.flatten(1)"))  # nothing is trained any more
    again = trial(*WITH_OWN, share, "epochs=2", "updates_per_epoch=2", resume)
    assert again["metrics"] == ended["metrics"]
    told = refused(*WITH_OWN, share, "epochs=3", "updates_per_epoch=2", resume)
    assert told.startswith(f"the run began with code {ended['code']} and would go on with {again['code']}")


@pytest.mark.long
def test_a_checkpoint_that_names_no_code_goes_on(trial, tmp_path, edited):
    first = trial(*WITH_OWN, "epochs=1", "updates_per_epoch=2")
    last = tmp_path / "run" / "checkpoints" / "last.ckpt"
    checkpoint = torch.load(last, weights_only=True)
    assert checkpoint["callbacks"]["Course"].pop("code") == first["code"]
    torch.save(checkpoint, last)
    edited(OWN + "\n\nchanged = True\n")
    resume = f"resume={tmp_path / 'run'}"
    assert trial(*WITH_OWN, "epochs=2", "updates_per_epoch=2", resume)["counters"]["epochs"] == 2


@pytest.mark.long
def test_a_trial_of_a_sweep_whose_code_was_edited_is_run_anew(compose, tmp_path, monkeypatch, capsys, edited):
    """Half of it would be the one's, half the other's, and a study counted it as the other's."""
    from litmus.job import job

    typed = (*WITH_OWN, "epochs=3", "updates_per_epoch=2", "threads=1", "callbacks.checkpoint.share=1", "seed=5")
    config = compose(*typed, f"output_dir={tmp_path / 'run'}", "hydra.mode=MULTIRUN")
    with open_dict(config):
        config.hydra.runtime.choices.study = "mine"
        config.hydra.launcher = {"_target_": "hydra._internal.core_plugins.basic_launcher.BasicLauncher"}
    with as_job(config) as asked:
        monkeypatch.setenv("CUT", "1")
        with pytest.raises(KeyboardInterrupt):
            job(asked)
        monkeypatch.delenv("CUT")
        cut = json.loads((tmp_path / "run" / "result.json").read_text())
        edited(OWN.replace("x.flatten(1)", "2 * x.flatten(1)"))
        capsys.readouterr()
        job(asked)
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert (cut["status"], result["status"]) == ("interrupted", "completed")
    assert cut["code"] != result["code"]
    assert re.findall("epoch (.) begins", capsys.readouterr().out) == ["0", "1", "2"]


@pytest.mark.long
def test_a_table_that_is_gone_is_refused_where_the_run_trains_further(trial, refused, tmp_path):
    """The rows of what was done were left out, and the run was compared as if it had none."""
    first, table = trial(*TINY, "epochs=2", "updates_per_epoch=2"), tmp_path / "run" / "metrics.csv"
    rows, resume = table.read_text(), f"resume={tmp_path / 'run'}"
    table.unlink()
    before = (tmp_path / "run" / "result.json").read_text()
    told = refused(*TINY, "epochs=4", "updates_per_epoch=2", resume)
    assert told == f"{table}: expected the rows of the 2 epochs that are done, found no file; put it back, or {NEW}"
    assert (tmp_path / "run" / "result.json").read_text() == before
    assert trial(*TINY, "epochs=2", "updates_per_epoch=2", resume)["metrics"] == first["metrics"]
    table.write_text(rows)
    trial(*TINY, "epochs=4", "updates_per_epoch=2", resume)
    assert table.read_text().startswith(rows)
    assert len(read_history(table)) == 4


@pytest.mark.long
def test_predictions_of_other_weights_go_when_a_run_goes_on(trial, tmp_path):
    from evaluate import evaluate

    directory = tmp_path / "run"
    trial(*TINY, "epochs=1", "updates_per_epoch=2")
    evaluate(directory)
    predictions = (directory / "predictions.csv").read_bytes()
    trial(*TINY, "epochs=1", "updates_per_epoch=2", f"resume={directory}")  # the same weights
    assert (directory / "predictions.csv").read_bytes() == predictions
    result = trial(*TINY, "epochs=3", "updates_per_epoch=2", f"resume={directory}")
    assert result["best_epoch"] > 0
    assert not (directory / "predictions.csv").exists()
