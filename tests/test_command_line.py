"""What is typed wrongly is answered in one sentence, at once, and nothing is trained."""

import copy
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from litmus.sweeps.overrides import unreadable
from litmus.trial.arguments import readable_arguments, refuse_no_option, refuse_no_place, without_hyphens
from litmus.trial.command_line import answer, sweep_arguments
from tests.conftest import ROOT

WITHOUT_TORCH = """
import contextlib, io, json, runpy, sys
names, told = ("torch", "pytorch_lightning", "wandb", "optuna", "matplotlib"), []
for sys.argv[1:] in json.loads(sys.argv[1]):
    code, out, error = 0, io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
        try:
            runpy.run_path("train.py", run_name="__main__")
        except SystemExit as end:
            code = end.code or 0
    told.append((code, [name for name in names if name in sys.modules], out.getvalue(), error.getvalue().strip()))
print(json.dumps(told))
"""
ANSWERS = [
    (["--help"], "model: cnn, "),
    (["--help"], "batch_size: 32"),
    (["--cfg", "job", "model=cnn"], "src.models.cnn.CNN"),
    (["nrom=batch"], "there is no knob nrom in this configuration; did you mean norm?"),
    (["optimizer.amsgrad=true"], "torch.optim.Adam takes it: add it with a plus, as in +optimizer.amsgrad=VALUE"),
    (["optimizer.amsgard=true"], "in this configuration; did you mean +optimizer.amsgrad?"),
    (
        ["trainer.logger=false"],
        "there is no knob trainer.logger: logger is a group of its own, chosen by file, as in logger",
    ),
    (["model.unitz=[3]"], "there is no knob model.unitz in this configuration; did you mean model.units?"),
    (["model=resnet"], "model has no choice resnet; expected one of cnn, "),
    (["callbacks=[nope]"], "callbacks has no choice nope; expected one of checkpoint, "),
    (["resume=nowhere"], "resume=nowhere: expected a run's directory with .hydra/config.yaml in it, found none"),
    (["epochs"], "epochs"),
    (["--lr=0.003", "--batch_size=64"], "--lr=0.003: a knob has no hyphens, expected lr=0.003; in the command of a "),
    (
        ["tuner=tpe"],
        "a search tries settings: python train.py -m search=tpe ",
    ),
    (["data=social_network_ads", "data.verify=abc"], "data.verify must be true or false, got abc"),
    (["-m", "study=norm_helps", "study.smoke=perhaps"], "study.smoke must be true or false"),
    (["optimizer=sgd", "optimizer.momentum=-1"], "optimizer.momentum must be a number from 0 on, got -1"),
    (["scheduler=null"], "scheduler=null leaves the run without scheduler, which every run has: leave it out, or"),
    (["~data"], "data=null leaves the run without data"),
    (["seed=1,2", "lr=0.1"], "seed=1,2 gives several values, one run each: expected one value, or -m, as in python tr"),
    (["seed=range(3)"], "or -m, as in python train.py -m seed=range(3)"),
    (["logger=csv,wandb"], "one value that is a list is logger=[csv,wandb]"),
    (["-x"], "unrecognized arguments: -x; a knob is typed as KNOB=VALUE"),
    (["--cfg", "jbo"], "invalid choice: 'jbo'"),
    (["precision=16-foo", "trainer.accelerator=gpu"], "precision must be one of 64, 32, 16, transformer-engine"),
]


@pytest.mark.long
def test_help_cfg_and_a_misspelt_override_are_answered_without_torch():
    environment = {name: value for name, value in os.environ.items() if not name.endswith("FULL_ERROR")}
    command = [sys.executable, "-c", WITHOUT_TORCH, json.dumps([typed for typed, _ in ANSWERS])]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for (typed, said), (code, heavy, out, error) in zip(ANSWERS, json.loads(done.stdout), strict=True):
        assert heavy == [], typed
        if typed[0] == "--help" or typed[1:2] == ["job"]:
            assert (code, said in out) == (0, True), typed
        else:
            assert code == 1, typed
            assert said in error
            assert len(error.splitlines()) == 1


@pytest.mark.briefly(*range(0, 16, 3))
@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["epochs=0"], "epochs must be a whole number from 1 on, got 0"),
        (["epochs=1.5"], "got 1.5"),
        (["lr=-1"], "lr must be a number above 0, got -1"),
        (["lr=fast"], "got fast"),
        (["seed=-1"], "seed must be a whole number from 0"),
        (["seed=abc"], "seed must be a whole number from 0 to 2³²-1, got abc"),
        (["dropout=1.0"], "dropout must be in [0, 1), got 1.0"),
        (
            ["batch_size=5000"],
            "batch_size must be at most the 3600 samples of the training set, got 5000; batch_size=all",
        ),
        (["norm=batch", "batch_size=59"], "58 or 60 would work"),
        (["scheduler=plateau", "scheduler.interval=update"], "use scheduler.interval=epoch"),
        (["scheduler.warmup=25"], "scheduler.warmup must be a whole number of epochs below the run's 25, got 25"),
        (["callbacks.checkpoint.monitor=val/los"], "more val/los is better is unknown (did you mean val/loss?)"),
        (
            ["trainer.limit_train_batches=10", "trainer.accumulate_grad_batches=2"],
            "use updates_per_epoch, which counts updates",
        ),
        (["model.depth=3"], "there is no knob model.depth"),
        (["+model.depth=3"], "model.depth: src.models.mlp.MLP does not take it; it takes units, layers, norm"),
        (["data.folds=5", "data.fold=5"], "got fold 5 of 5"),
        (["+epochs=3"], "epochs is a knob that is there; leave the + before epochs= out"),
        (["~epochs"], "reads epochs, which is not there; leave ~epochs out, or type a value for"),
    ],
)
def test_a_value_that_cannot_be_is_answered_in_one_sentence(compose, refused, capsys, typed, said):
    if typed[0].startswith(("model.depth", "+epochs")):  # Hydra composes nothing of it
        from litmus.trial.command_line import answer

        with pytest.raises(SystemExit):
            answer(lambda: compose(*typed))
        assert said in capsys.readouterr().err
        return
    assert said in refused(*typed, "model.units=[4]")


def test_an_unexpected_error_names_its_type_and_where_to_look(capsys, monkeypatch):
    from litmus.trial.command_line import answer

    monkeypatch.setenv("LITMUS_FULL_ERROR", "0")
    with pytest.raises(SystemExit):
        answer(lambda: {}["missing"])
    assert capsys.readouterr().err == "KeyError: 'missing' (HYDRA_FULL_ERROR=1 shows where)\n"
    monkeypatch.setenv("LITMUS_FULL_ERROR", "1")
    with pytest.raises(KeyError):
        answer(lambda: {}["missing"])


def test_what_nobody_reads_any_more_costs_nothing(monkeypatch):
    """Whoever prints goes on behind `| head`, rich among them, which would end the process."""
    from rich.console import Console

    reader, writer = os.pipe()
    with os.fdopen(writer, "w", buffering=1) as stream:
        monkeypatch.setattr(sys, "stdout", stream)

        def speaks():
            print("first", flush=True)
            os.close(reader)
            for _ in range(3):
                print("nobody reads this", flush=True)
                Console().print("nor this")
            return "done"

        assert answer(speaks) == "done"
        assert sys.stdout is stream
        assert os.fstat(stream.fileno()).st_rdev == Path(os.devnull).stat().st_rdev


def test_a_stream_that_may_lose_its_reader_is_copied_as_the_stream_is(monkeypatch):
    """Workers are sent what a function of theirs has at hand."""
    with Path(os.devnull).open("w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        assert answer(lambda: copy.copy(sys.stdout) is sys.stdout)
        answer(lambda: sys.stdout.writelines(["one", "two"]))


def test_options_may_stand_between_knobs():
    refuse_no_option(["lr=0.1", "--cfg", "job", "epochs=2"])


def test_several_values_are_many_runs_where_a_file_says_so(tmp_path):
    """Hydra alone knows how many runs were asked for."""
    assert sweep_arguments(["experiment=many", "lr=0.1,0.2"]) == ["experiment=many", "lr=0.1,0.2"]


@pytest.mark.long
def test_a_run_whose_reader_is_gone_is_the_whole_run(tmp_path):
    words = ["train.py", "epochs=2", "updates_per_epoch=2", "callbacks.progress.every_seconds=0", "model.units=[4]"]
    with subprocess.Popen(
        [sys.executable, *words, f"hydra.run.dir={tmp_path / 'run'}"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as run:
        assert "MLP on MNIST1D" in run.stdout.readline()
        run.stdout.close()
    assert run.returncode == 0
    assert json.loads((tmp_path / "run" / "result.json").read_text())["status"] == "completed"


@pytest.mark.parametrize("arguments", [["--simulations", "x"], ["--simulations", "1"], ["--only"], ["nothing"]])
def test_a_script_says_what_is_wrong_with_its_options_in_one_sentence(monkeypatch, capsys, arguments):
    from scripts.simulate import main

    monkeypatch.setattr(sys, "argv", ["scripts/simulate.py", *arguments])
    monkeypatch.setenv("LITMUS_FULL_ERROR", "0")
    with pytest.raises(SystemExit) as ended:
        answer(main)
    assert ended.value.code == 1
    said = capsys.readouterr().err
    assert said.endswith("; --help tells what it takes\n")
    assert said.count("\n") == 1


@pytest.mark.long
def test_a_sweep_goes_on_after_a_failed_job_and_names_it(tmp_path):
    command = [sys.executable, "train.py", "-m", "norm=batch,instance,none", "seed=0,1", "epochs=1", "model.units=[4]"]
    done = subprocess.run(
        [*command, "threads=1", f"hydra.sweep.dir={tmp_path}"], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    results = {path.parent.name: json.loads(path.read_text()) for path in tmp_path.glob("*/result.json")}
    statuses = {name: result["status"] for name, result in results.items()}
    assert statuses == {
        "0": "completed",
        "1": "completed",
        "2": "failed",
        "3": "failed",
        "4": "completed",
        "5": "completed",
    }
    assert results["2"]["error"].startswith("ValueError: norm=instance normalizes over space")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "norm=instance normalizes over space" in done.stderr


def test_a_directory_without_a_name_or_a_place_is_one_sentence(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    for argument, said in (
        ("resume=", "expected the directory of an interrupted run, found nothing"),
        (f"hydra.run.dir={tmp_path}/file", f"found the file {tmp_path}/file"),
        (f"hydra.sweep.dir='{tmp_path}/file/below'", f"found the file {tmp_path}/file"),
    ):
        with pytest.raises(ValueError, match=re.escape(said)):
            refuse_no_place(["epochs=1", argument])
    fine = ["resume=null", f"hydra.run.dir={tmp_path}/new/one", "hydra.run.dir=${oc.env:HOME}/x", "hydra.run.dir=a b"]
    refuse_no_place(fine)
    monkeypatch.setattr(os, "access", lambda place, mode: False)  # root may write anywhere
    with pytest.raises(ValueError, match=f"expected a place that can be written, {tmp_path} cannot"):
        refuse_no_place([f"hydra.run.dir={tmp_path}/new"])


@pytest.mark.parametrize("value", ["", "''", '""', "null"])
@pytest.mark.parametrize("knob", ["hydra.sweep.dir", "hydra.run.dir", "+hydra.run.dir", "++hydra.sweep.dir"])
def test_a_directory_without_a_name_is_none(knob, value):
    """It would be the project itself, as of a variable that is not set."""
    with pytest.raises(ValueError, match=f"^{re.escape(knob)}={value}: expected a directory, found nothing"):
        refuse_no_place(["epochs=1", f"{knob}={value}"])


@pytest.mark.parametrize(
    "typed", [f"{plus}hydra.output_subdir={value}" for plus in ("", "+", "++") for value in ("x", "")]
)
def test_hydra_writes_no_configuration_before_the_directory_is_the_runs(typed):
    """Of a refused run it replaced the stored one, and made somebody's directory one of a run, which is emptied."""
    for command in (["lr=-1", typed], ["-m", "seed=1,2", typed]):
        with pytest.raises(ValueError, match=r"output_subdir=x?: a run writes \.hydra itself, .*; leave it out"):
            refuse_no_place(command)
    refuse_no_place(["hydra.output_subdir=null"])  # as the processes are given that Lightning starts


def test_a_file_in_the_place_of_a_directory_is_one_sentence(tmp_path):
    from litmus.trial.command_line import sentence

    place = tmp_path / "place"
    place.mkdir()
    (tmp_path / "file").touch()
    for attempt, said in (
        (lambda: (tmp_path / "file").mkdir(), "file: expected a directory, found a file"),
        (lambda: (tmp_path / "file" / "below").mkdir(), "below: expected a directory, found a file"),
        (lambda: (tmp_path / "file").replace(place), f"{place}: expected a file, found a directory"),
    ):
        with pytest.raises(OSError) as problem:  # noqa: PT011 - which kind is the system's
            attempt()
        assert sentence(problem.value).endswith(said)
    assert sentence(FileNotFoundError("our own words")) == "our own words"


def test_a_multirun_without_a_job_says_so(tmp_path):
    from litmus.sweeps.plain import Surviving, tell_failures

    with pytest.raises(ValueError, match="no job was run: expected a value of each knob that varies"):
        tell_failures(Surviving(None, None, None, None), tmp_path)


@pytest.mark.long
def test_the_first_word_comes_before_torch(tmp_path):
    program = (
        "import sys, runpy, litmus.job as first\n"
        "told = first.first_word\n"
        "def end(config): print(told(config), 'torch' in sys.modules); sys.exit(7)\n"
        f"first.first_word = end; sys.argv[1:] = ['epochs=1', 'hydra.run.dir={tmp_path}']\n"
        "runpy.run_path('train.py', run_name='__main__')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 7, done.stderr
    assert done.stdout == f"MLP on MNIST1D, 1 epoch, in {os.path.relpath(tmp_path, ROOT)} False\n"


def test_what_an_agent_of_w_and_b_types_are_knobs(monkeypatch):
    typed = ["logger=wandb", "--lr=0.003", "--norm=None", "--model.units=[4, 4]", "--cfg", "job", "--info=all"]
    monkeypatch.setenv("WANDB_SWEEP_ID", "sweep")
    expected = ["logger=wandb", "lr=0.003", "norm=null", "model.units=[4, 4]", "--cfg", "job", "--info=all"]
    assert without_hyphens(typed) == expected
    for refused in (["--verbose"], ["--lr", "0.003"]):  # ${args_no_boolean_flags}, ${args_no_equals}
        with pytest.raises(ValueError, match=r"\$\{args_no_hyphens\}"):
            without_hyphens(refused)
    with pytest.raises(ValueError, match="one run of each command"):
        without_hyphens(["-m", "lr=1,2"])
    monkeypatch.setattr("sys.stderr", io.StringIO())
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's job in the background ignores it
    try:
        for environment, code in (("sweep", 0), (None, 130)):  # an agent that stops runs early counts failures
            if environment is None:
                monkeypatch.delenv("WANDB_SWEEP_ID")
            with pytest.raises(SystemExit) as ended:
                answer(lambda: os.kill(os.getpid(), signal.SIGINT) or time.sleep(5))
            assert ended.value.code == code
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("lr=1e-3,", "lr=1e-3,: expected a value after the last comma, found none"),
        ("model.units=[4,", "model.units=[4,: expected a number, a word, a [list] or a {mapping}"),
        ("name=a b(c", "quote the text: 'name=\"a b(c\"'"),
        ("lr", "lr: expected KNOB=VALUE, found no ="),
        ("a b=1", "a b=1: expected KNOB=VALUE, found a knob of several words"),
        ("lr=choice(1,2)", None),
        ("+model.net.width=${lr}", None),
    ],
)
def test_what_hydras_grammar_cannot_read_is_answered_in_our_words(argument, said):
    found = unreadable(["epochs=1", "--cfg", argument])
    assert found is None if said is None else said in found


def test_options_stand_anywhere_and_values_have_knobs():
    assert readable_arguments(["epochs=1", "-m", "seed=1,2"]) == ["-m", "epochs=1", "seed=1,2"]
    for argument in ("=3", "", "++=2", "~"):
        with pytest.raises(ValueError, match="found no knob"):
            readable_arguments([argument])
