"""A directory is one run's: used again it is as new, held by one process, and nothing else in it is touched."""

import json
import os
import shlex
import signal

import pytest

import litmus.trial.place
from evaluate import evaluate
from litmus.sweeps.lock import claimed, held
from litmus.trial.command_line import imports, stop_when_told
from litmus.trial.place import ARTEFACTS, SWEEPS, clear, follows, occupied
from litmus.trial.resuming import run_named
from tests.sweep_helpers import sweep, write_study

EVERYTHING = ("callbacks=[default,trajectory]", "logger=[tensorboard,wandb]")
TINY = ("epochs=2", "updates_per_epoch=2", "model.units=[4]")
KEPT = {".lock", ".hydra/config.yaml", ".hydra/hydra.yaml", ".hydra/overrides.yaml"}


def files(directory):
    """Path → content of every file below."""
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


@pytest.mark.long
def test_all_that_a_run_leaves_is_known_and_a_second_run_finds_nothing_of_the_first(trial, refused, tmp_path):
    directory = tmp_path / "run"
    trial(*TINY, *EVERYTHING)
    evaluate(directory)
    known = {
        name
        for pattern in ARTEFACTS
        for found in directory.glob(pattern)
        for path in (found, *found.rglob("*"))
        if path.is_file()
        for name in [str(path.relative_to(directory))]
    }
    assert files(directory).keys() - known == KEPT
    assert "wandb.json" in known

    others = {name: name.encode() for name in ("notes.txt", "checkpoints/mine.ckpt", "tensorboard/x/y", "fit/z")}
    for name, content in others.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_bytes(content)
    refused(*TINY, "optimizer=sgd", "lr=1e30", "batch_size=all")
    left = files(directory)
    assert left.keys() == KEPT | others.keys() | {"result.json", "trial.json", "model.txt"}
    assert {name: left[name] for name in others} == others
    assert json.loads(left["result.json"])["status"] == "failed"
    assert json.loads(left["result.json"])["weights"] == {}


@pytest.mark.long
def test_a_second_run_of_another_kind_is_as_in_a_new_directory(trial, tmp_path):
    trial(*TINY, *EVERYTHING)
    (tmp_path / "run" / "tried.csv").touch()  # as runs of earlier versions left it
    again = trial(*TINY, "model=cnn", "model.filters=2", "~model.units", "+model.units=4")
    new = trial(*TINY, "model=cnn", "model.filters=2", "~model.units", "+model.units=4", directory=tmp_path / "new")
    assert again["metrics"] == new["metrics"]
    used, fresh = files(tmp_path / "run"), files(tmp_path / "new")
    assert used.keys() == fresh.keys()
    assert used["trial.json"] == fresh["trial.json"]


def test_files_that_no_run_has_written_are_not_replaced(refused, tmp_path):
    directory = tmp_path / "mine"
    directory.mkdir()
    (directory / "metrics.csv").write_text("my,own\n")
    (directory / "result.json").write_text("[1, 2]")
    with pytest.raises(ValueError, match=r"mine has result\.json, which a run would replace and which no run has"):
        clear(directory)
    assert files(directory) == {"metrics.csv": b"my,own\n", "result.json": b"[1, 2]"}


@pytest.mark.parametrize("name", SWEEPS)
def test_a_directory_of_many_runs_is_not_taken_for_one(refused, tmp_path, name):
    (tmp_path / name).touch()
    assert f"holds {SWEEPS[name]} ({name}), expected the directory of one run" in refused(*TINY, directory=tmp_path)
    assert not (tmp_path / "trial.json").exists()
    for door in (lambda: evaluate(tmp_path), lambda: run_named(str(tmp_path / "none" / ".."))):
        with pytest.raises(ValueError, match="expected"):
            door()


def test_a_runs_directory_is_named_in_one_way(trial, refused, tmp_path):
    """By output_dir all jobs of a multirun would write over each other."""
    said = refused(*TINY, f"output_dir={tmp_path / 'same'}", directory=tmp_path / "new")
    assert "the same one for every job: expected it left out; a run's directory is named by hydra.run.dir=…" in said
    assert not list(tmp_path.iterdir())
    trial("epochs=1", "updates_per_epoch=2", f"output_dir={tmp_path / 'x' / '..' / 'run'}")  # as a stored one has it
    assert (tmp_path / "run" / "result.json").is_file()


@pytest.mark.long
def test_jobs_are_not_written_to_one_output_dir(tmp_path):
    tiny = [*TINY, "threads=1", "output_dir=same"]
    with pytest.raises(ValueError, match="2 of 2 jobs failed"):
        sweep(tmp_path, *tiny, "seed=0,1", "hydra.sweep.dir=multirun")
    write_study(tmp_path)
    with pytest.raises(ValueError, match="output_dir=same would be another directory than Hydra's"):
        sweep(tmp_path, "study=tiny", "output_dir=same")
    with pytest.raises(ValueError, match="output_dir=same would be another directory than Hydra's"):
        sweep(tmp_path, *tiny, "search=random", "lr=0.1,0.2", "hydra.sweep.dir=search")
    assert not (tmp_path / "same").exists()
    assert not list(tmp_path.rglob("trial.json"))


@pytest.mark.parametrize("left", [{"command.json": '{"study": "placed"}'}, {"study.yaml": "x"}, {"search.json": "{}"}])
def test_a_multirun_leaves_the_directory_of_another_sweep_alone(tmp_path, left):
    (tmp_path / "taken").mkdir()
    for name, text in left.items():
        (tmp_path / "taken" / name).write_text(text)
    with pytest.raises(ValueError, match=r"^taken holds (the study|a search).*; take another hydra\.sweep\.dir for a"):
        sweep(tmp_path, *TINY, "seed=5", "hydra.sweep.dir=taken")
    assert {path.name: path.read_text() for path in (tmp_path / "taken").iterdir() if path.name != ".lock"} == left


@pytest.mark.long
def test_the_jobs_of_a_multirun_are_not_found_beside_those_of_a_longer_one(tmp_path):
    typed = (*TINY, "threads=1", "data=social_network_ads", "hydra.sweep.dir=mr")

    def seeds():
        return {path.parent.name: json.loads(path.read_text())["seed"] for path in tmp_path.glob("mr/*/result.json")}

    sweep(tmp_path, *typed, "seed=0,1")
    (tmp_path / "mr" / "notes").mkdir()
    (tmp_path / "mr" / "2026").mkdir()  # of no run
    sweep(tmp_path, *typed, "seed=3,4,5")
    assert seeds() == {"0": 3, "1": 4, "2": 5}
    before = (tmp_path / "mr" / "multirun.yaml").read_bytes()
    with pytest.raises(ValueError, match=r"^mr holds the run 2 of another multirun, .* take another hydra\.sweep\.dir"):
        sweep(tmp_path, *typed, "lr=0.1,0.01")
    assert seeds() == {"0": 3, "1": 4, "2": 5}
    assert (tmp_path / "mr" / "multirun.yaml").read_bytes() == before


def test_what_another_process_holds_is_not_written_and_can_be_read(trial, refused, tmp_path):
    from litmus.compare.comparison import compare

    directory = tmp_path / "run"
    trial(*TINY)
    with held(directory):
        before = files(directory)
        said = refused(*TINY, "lr=0.1", f"resume={directory}")
        assert f"{directory} is held by process {os.getpid()} on " in said
        with pytest.raises(ValueError, match="is held by process"):
            evaluate(directory)
        assert files(directory) == before
        assert compare([directory])
    evaluate(directory)


def test_whoever_waits_for_a_directory_is_named_when_it_has_it(tmp_path):
    with claimed(tmp_path), pytest.raises(ValueError, match=f"is held by process {os.getpid()}"), held(tmp_path):
        pass
    assert not (tmp_path / "lock.json").exists()


def test_a_place_that_cannot_be_locked_is_one_sentence(tmp_path):
    (tmp_path / "file").touch()
    said = "expected a directory that can be written to and locked, found: "
    with pytest.raises(ValueError, match=said) as caught, held(tmp_path / "file" / "run"):
        pass
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("trainer", "environment", "expected"),
    [
        ({"devices": 1}, {"LOCAL_RANK": "1", "SLURM_PROCID": "3"}, False),
        ({"devices": [1]}, {"LOCAL_RANK": "1"}, False),
        ({"devices": 2}, {}, False),
        ({"devices": 2}, {"LOCAL_RANK": "0"}, False),
        ({"devices": 2}, {"LOCAL_RANK": "1"}, True),
        ({"devices": "auto"}, {"SLURM_PROCID": "1"}, True),
        ({"devices": 1, "num_nodes": 2}, {"SLURM_PROCID": "1"}, True),
        ({"devices": 2}, {"LOCAL_RANK": "one"}, False),
    ],
)
def test_only_one_of_several_processes_that_train_together_leaves_the_directory_to_the_first(
    monkeypatch, tmp_path, trainer, environment, expected
):
    for name in ("RANK", "LOCAL_RANK", "NODE_RANK", "SLURM_PROCID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert follows(trainer) is expected
    with occupied(tmp_path, trainer):
        assert (tmp_path / "lock.json").exists() is not expected


def test_a_run_that_is_ended_before_it_is_built_leaves_a_result_and_a_command(trial, monkeypatch, tmp_path, capsys):
    def ended(config, directory):
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(litmus.trial.place, "given_to_parts", ended)
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        stop_when_told()
        with pytest.raises(SystemExit) as caught:
            trial(*TINY, directory=tmp_path / "my run")
    finally:
        signal.signal(signal.SIGTERM, before)
    assert caught.value.code == 130
    assert json.loads((tmp_path / "my run" / "result.json").read_text())["status"] == "interrupted"
    said = capsys.readouterr().err
    command = shlex.split(said.partition("interrupted; ")[2].removesuffix(" goes on\n"))
    assert command[:2] == ["python", "train.py"]
    assert run_named(command[2].removeprefix("resume=")) == tmp_path / "my run"


def test_an_import_that_is_interrupted_comes_to_its_end_first():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    reached = []
    try:
        with pytest.raises(KeyboardInterrupt), imports():  # noqa: PT012 - what comes after the signal is the point
            os.kill(os.getpid(), signal.SIGINT)
            reached.append("end")
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        with imports():
            os.kill(os.getpid(), signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
    assert reached == ["end"]


@pytest.mark.long
def test_a_resumed_run_that_is_refused_leaves_what_it_had_reached(trial, refused, tmp_path):
    first = trial(*TINY)
    last = tmp_path / "run" / "checkpoints" / "last.ckpt"
    whole = last.read_bytes()
    resume = f"resume={tmp_path / 'run'}"
    last.write_bytes(whole[:5000])
    assert "5,000 damaged bytes" in refused(*TINY, resume)
    last.write_bytes(whole)
    assert "the run began with scheduler.warmup=0" in refused(*TINY, resume, "scheduler.warmup=40")
    assert json.loads((tmp_path / "run" / "result.json").read_text()) == first
