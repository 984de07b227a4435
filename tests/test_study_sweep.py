"""A study's course: every trial once, whatever interrupts it, and the truth about those that failed."""

import json
import os
import signal
import subprocess
import time
from types import SimpleNamespace
from urllib.parse import quote, unquote

import pytest
import torch

from litmus.atomic import write_json
from litmus.claims.study_file import file_safe, read_study_file
from litmus.legible import legible
from litmus.records.directories import arm_of, folders
from litmus.sweeps import study_sweep
from litmus.sweeps.generation import refuse_earlier, refuse_other
from litmus.sweeps.launching import placed
from litmus.sweeps.lock import held
from litmus.sweeps.once import outcome_of
from litmus.sweeps.overrides import override, parsed
from litmus.sweeps.smoke import smoke_overrides
from litmus.sweeps.workers import at_once, refuse_many_processes
from litmus.trial.command_line import sentence, sweep_arguments
from litmus.trial.history import read_history
from litmus.trial.identity import asked_hash
from tests.sweep_helpers import QUESTION, command, environment, results, sweep, write_study

pytestmark = pytest.mark.usefixtures("undrawn")

ONE_ARM = {key: value for key, value in QUESTION.items() if key not in ("factors", "predictions")} | {
    "arms": {"only": {}}
}
PLACES = {f"trials/dropout={level}/seed={seed}" for level in ("0", "0.5") for seed in (0, 1)}


def starts(directory):
    """When each trial last began, by its place."""
    return {
        str(path.parent.relative_to(directory)): path.stat().st_mtime_ns
        for path in (directory / "trials").rglob("trial.json")
    }


def test_a_study_leaves_question_arms_trials_and_report_and_runs_each_trial_once(tmp_path, capsys):
    write_study(tmp_path)
    sweep(tmp_path, "study=tiny")
    directory = tmp_path / "studies" / "tiny"
    found = results(directory)
    assert set(found) == PLACES
    assert all(result["status"] == "completed" for result in found.values())
    study = read_study_file(directory / "study.yaml")
    assert study.question == QUESTION["question"]
    settings = json.loads((directory / "arms.json").read_text())
    assert list(settings) == list(study.arms)
    assert [settings[arm]["dropout"] for arm in study.arms] == [0.0, 0.5]
    for arm in study.arms:
        assert not {"seed", "data.seed", "output_dir", "data_dir", "threads"} & settings[arm].keys()
    for name in ("report.html", "report.md", "results.csv", "verdicts.json"):
        assert (directory / name).stat().st_size > 0
    said = capsys.readouterr().out
    assert said.index("few_seeds") < said.index("4 of 4 trials") < said.index("inconclusive")

    before = starts(directory)
    sweep(tmp_path, "study=tiny", "study.seeds=3")
    after = starts(directory)
    assert {place: after[place] for place in before} == before
    assert set(after) - set(before) == {f"trials/dropout={level}/seed=2" for level in ("0", "0.5")}
    assert "6 of 6 trials" in capsys.readouterr().out


@pytest.mark.long
def test_a_study_pins_one_thread_whatever_the_launcher_unless_another_number_is_typed(tmp_path, unreported):
    write_study(tmp_path, study={**ONE_ARM, "seeds": 1}, threads=None)
    directory = tmp_path / "studies" / "tiny"
    sweep(tmp_path, "study=tiny")
    before = starts(directory)
    sweep(tmp_path, "study=tiny", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
    assert starts(directory) == before
    (result,) = results(directory).values()
    assert result["numerics"]["threads"] == 1
    sweep(tmp_path, "study=tiny", "threads=2", "hydra.sweep.dir=two")
    torch.set_num_threads(1)
    (two,) = results(tmp_path / "two").values()
    assert two["numerics"]["threads"] == 2
    assert two["arm"] != result["arm"]


@pytest.mark.briefly(2)
@pytest.mark.parametrize(
    ("note", "said"),
    [
        ({"study": "tiny"}, "holds trials of an earlier version"),
        (None, "expected the note of the version that began these trials, found none, and"),
        ("half a line", "expected the note of the version that began these trials, found one that cannot be read, and"),
    ],
)
def test_trials_that_may_be_of_an_earlier_version_are_left_alone(tmp_path, note, said):
    write_study(tmp_path)
    for arguments, file in ((["study=tiny"], "command.json"), (["search=tpe", "lr=interval(0.1,1)"], "search.json")):
        directory = tmp_path / file.partition(".")[0]
        trial = directory / "trials" / "only" / "seed=0"
        trial.mkdir(parents=True)
        (trial / "trial.json").write_text('{"config_hash": "0123456789abcdef"}')
        if note is not None:
            (directory / file).write_text(json.dumps(note) if isinstance(note, dict) else note)
        before = {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}
        with pytest.raises(ValueError, match=said):
            sweep(tmp_path, *arguments, f"hydra.sweep.dir={directory.name}")
        after = {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}
        assert after == before


@pytest.mark.parametrize("note", [None, "half a line"])
def test_a_study_whose_note_was_lost_goes_on_where_its_trials_vouch_for_it(tmp_path, note):
    config = {"seed": 3, "lr": 0.1, "model": {"_target_": "x.Y", "units": None}}
    write_json(tmp_path / "trials" / "a" / "seed=0" / "result.json", {"status": "failed"})
    result = tmp_path / "trials" / "a" / "seed=3" / "result.json"
    write_json(result, {"config": config, "asked_hash": asked_hash(config)})
    if note is not None:
        (tmp_path / "command.json").write_text(note)
    refuse_earlier(tmp_path, "command.json")
    write_json(result, {"config": config, "asked_hash": "0123456789abcdef"})
    with pytest.raises(ValueError, match="no finished trial tells that it was this one"):
        refuse_earlier(tmp_path, "command.json")


@pytest.mark.long
def test_seeds_that_replace_those_of_a_look_are_refused_before_they_run(tmp_path, monkeypatch):
    write_study(tmp_path)
    directory = tmp_path / "studies" / "tiny"
    directory.mkdir(parents=True)
    (directory / "looks.json").write_text('{"looks": [{"seeds": [0, 1, 2, 3, 4]}]}')
    with pytest.raises(ValueError, match="of the seeds 0, 1, 2, 3, 4, which these do not continue; ask") as caught:
        sweep(tmp_path, "study=tiny", "study.seeds=[5,6,7,8,9]")
    assert "\n" not in str(caught.value)
    assert {path.name for path in directory.iterdir()} == {"looks.json"}
    ran = []
    monkeypatch.setattr(study_sweep, "run_trials", lambda *_: ran.append("trials"))
    sweep(tmp_path, "study=tiny", "study.seeds=[5,6,7,8,9]", "study.judge=false")
    assert ran


@pytest.mark.briefly(0)
@pytest.mark.parametrize(
    ("left", "typed", "said"),
    [
        ({"study.yaml": "study: {}", "command.json": '{"study": "first"}'}, ["study=tiny"], "the study first; take"),
        ({"search.json": "{}"}, ["study=tiny"], "a search; take"),
        (
            {"study.yaml": "study: {}", "command.json": '{"study": "tiny"}'},
            ["search=tpe", "lr=interval(0.1,1)"],
            "the study",
        ),
        ({"study.yaml": "study: {}"}, ["search=tpe", "lr=interval(0.1,1)"], "the study; take"),
    ],
)
def test_a_directory_of_another_sweep_is_left_alone(tmp_path, left, typed, said):
    write_study(tmp_path)
    directory = tmp_path / "taken"
    directory.mkdir()
    for name, text in left.items():
        (directory / name).write_text(text)
    with pytest.raises(
        ValueError, match=f"^taken holds {said}.* another hydra.sweep.dir for (the study tiny|a search)$"
    ):
        sweep(tmp_path, *typed, "hydra.sweep.dir=taken")
    assert {path.name: path.read_text() for path in directory.iterdir()} == left


@pytest.mark.briefly(0, 4)
@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["study=tiny", "lr=high"], "lr must be"),
        (["study=tiny", "model.layers=3", "dropout=2"], "dropout"),
        (["search=tpe", "lr=interval(0.1,1)", "epochs=few"], "epochs"),
    ],
)
@pytest.mark.parametrize("own", [None, "there", "notes"])
def test_what_is_refused_before_it_began_leaves_nothing(tmp_path, typed, said, own):
    write_study(tmp_path)
    directory = tmp_path / "results" / "mine"
    if own:
        directory.mkdir(parents=True)
    if own == "notes":
        (directory / "notes.md").write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ValueError, match=said):
        sweep(tmp_path, *typed, "hydra.sweep.dir=results/mine")
    assert sorted(path for path in tmp_path.rglob("*")) == before


def test_a_study_that_was_killed_before_it_noted_its_name_goes_on(tmp_path):
    (tmp_path / "study.yaml").write_text("study: {}")
    refuse_other(tmp_path, "tiny")
    (tmp_path / "command.json").write_text('{"study": "tiny"}')
    refuse_other(tmp_path, "tiny")


@pytest.mark.long
def test_only_trials_whose_configuration_changed_run_again(tmp_path, unreported):
    arms = {"a": {"lr": 0.001}, "b/c": {"lr": 0.002}}
    write_study(tmp_path, study={**ONE_ARM, "arms": arms})
    sweep(tmp_path, "study=tiny")
    directory = tmp_path / "studies" / "tiny"
    before, old = starts(directory), results(directory)
    write_study(tmp_path, study={**ONE_ARM, "arms": {**arms, "b/c": {"lr": 0.003}}, "question": "Another one?"})
    sweep(tmp_path, "study=tiny")
    again = {place for place, moment in starts(directory).items() if moment != before[place]}
    assert again == {f"trials/b%2Fc/seed={seed}" for seed in (0, 1)}
    new = results(directory)
    for place in again:
        assert new[place]["config"]["lr"] == 0.003
        assert new[place]["asked_hash"] != old[place]["asked_hash"]
        assert [row["epoch"] for row in read_history(directory / place / "metrics.csv")] == [0]


@pytest.mark.long
def test_a_failed_trial_is_a_row_with_its_error_and_is_tried_again_unless_it_diverged(tmp_path, unreported, capsys):
    arms = {"good": {}, "wrong": {"data.val_fraction": 2}, "wild": {"norm": "none", "optimizer": "sgd", "lr": 1e30}}
    write_study(tmp_path, study={**ONE_ARM, "arms": arms})
    sweep(tmp_path, "study=tiny")
    directory = tmp_path / "studies" / "tiny"
    found, before = results(directory), starts(directory)
    assert {result["status"] for place, result in found.items() if "good" in place} == {"completed"}
    wrong = found["trials/wrong/seed=0"]
    assert wrong["status"] == "failed"
    assert "val_fraction" in wrong["error"]
    said = capsys.readouterr().out
    assert "6 of 6 trials · 2 failed · 2 diverged" in said
    assert "val_fraction" in said
    sweep(tmp_path, "study=tiny")
    again = {place for place, moment in starts(directory).items() if moment != before[place]}
    assert again == {f"trials/wrong/seed={seed}" for seed in (0, 1)}


@pytest.mark.long
def test_a_study_whose_trials_all_fail_says_so_in_one_sentence(tmp_path):
    write_study(tmp_path, data={"val_fraction": 2})
    with pytest.raises(ValueError, match=r"all 4 trials of studies/tiny failed, .*val_fraction") as caught:
        sweep(tmp_path, "study=tiny")
    assert "\n" not in sentence(caught.value)
    assert len(results(tmp_path / "studies" / "tiny")) == 4


@pytest.mark.long
def test_knobs_are_tuned_per_arm_on_seeds_of_their_own_and_totals_are_totals(tmp_path, unreported, capsys):
    nuisance = {"lr": {"log": [1e-5, 1e-2], "trials": 3, "sampler": "grid"}}
    write_study(tmp_path, study={**QUESTION, "nuisance": nuisance})
    sweep(tmp_path, "study=tiny", "study.pruner=halving")
    directory = tmp_path / "studies" / "tiny"
    found = results(directory)
    tuned = {place: result for place, result in found.items() if place.startswith("tuning")}
    assert len([place for place in tuned if "/trial=" in place]) == 6 * 3
    for level in ("0", "0.5"):
        own = {result["config"]["lr"]: result for place, result in tuned.items() if f"dropout={level}/" in place}
        # with so narrow a net the largest rate is best after one epoch: the range goes on, twice at most
        grid = [1e-5, 10**-3.5, 1e-2, 10**-0.5, 10]
        assert sorted(own) == pytest.approx(grid[: len(own)], rel=1e-3)
        assert len(own) in (4, 5)
        seeds = {result["seed"] for place, result in tuned.items() if f"dropout={level}/" in place}
        assert seeds == {10_000, 10_001, 10_002}
        best = json.loads((directory / "tuning" / f"dropout={level}" / "best.json").read_text())
        assert len(best["runs"]) == 3 * len(own)
        for seed in (0, 1):
            assert found[f"trials/dropout={level}/seed={seed}"]["config"]["lr"] == best["values"]["lr"]
    assert "2 × 3 tuning trials × 3 seeds" in capsys.readouterr().out
    before = starts(directory)
    sweep(tmp_path, "study=tiny", "study.pruner=halving", "study.nuisance.lr.trials=3", "study.seeds=3")
    assert {place: moment for place, moment in starts(directory).items() if place in before} == before
    assert {place for place in results(directory) if place.startswith("tuning")} == set(tuned)


@pytest.mark.long
def test_kill_9_loses_at_most_the_running_epochs_and_a_second_process_is_told_who_holds_the_study(tmp_path, unreported):
    """Two workers, killed with their parent in the middle of the first trials; then one process goes on."""
    study = {**QUESTION, "seeds": 1}
    write_study(tmp_path, study=study, epochs=80, threads=None, callbacks={"checkpoint": {"share": 1}})
    directory = tmp_path / "studies" / "tiny"
    curves = directory / "trials" / "dropout=0" / "seed=0" / "metrics.csv"
    two_workers = ("study=tiny", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
    parent = subprocess.Popen(
        command(tmp_path, *two_workers),
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_until(lambda: curves.exists() and len(read_history(curves)) > 10, parent)
        with pytest.raises(ValueError, match=f"held by process {parent.pid} on .* since") as told:
            sweep(tmp_path, "study=tiny")
        assert "\n" not in str(told.value)
    finally:
        os.killpg(parent.pid, signal.SIGKILL)
        parent.wait()
    assert not results(directory)
    before = read_history(curves)
    sweep(tmp_path, "study=tiny", "threads=1")
    found = results(directory)
    assert set(found) == {place for place in PLACES if place.endswith("seed=0")}
    assert {result["status"] for result in found.values()} == {"completed"}
    assert {result["counters"]["epochs"] for result in found.values()} == {80}
    kept = read_history(curves)[: len(before) - 2]
    # the clock of a resumed run goes on: equal seconds are the same rows, not repeated ones
    assert [row["seconds"] for row in kept] == [row["seconds"] for row in before[: len(before) - 2]]


def wait_until(condition, running, seconds=90):
    limit = time.monotonic() + seconds
    while not condition():
        assert running.poll() is None, "the sweep ended by itself"
        assert time.monotonic() < limit
        time.sleep(0.05)


@pytest.mark.briefly(0)
@pytest.mark.parametrize(
    ("typed", "in_file", "expected"),
    [
        ((), {}, "studies/tiny"),
        (("hydra.sweep.dir=there",), {}, "there"),
        (("++hydra.sweep.dir=there",), {}, "there"),
        (("hydra.sweep.dir=${run_directory:there}",), {}, None),
        (("hydra.sweep.subdir=there",), {}, "studies/tiny"),
        ((), {"hydra": {"sweep": {"dir": "there"}}}, "there"),
        (("hydra.sweep.dir=here",), {"hydra": {"sweep": {"dir": "there"}}}, "here"),
    ],
)
def test_a_study_runs_where_it_is_told_to_however_that_is_said(compose, tmp_path, typed, in_file, expected):
    write_study(tmp_path, **in_file)
    config = compose(f"hydra.searchpath=[file://{tmp_path}]", "hydra.mode=MULTIRUN", "study=tiny", *typed)
    own, directory = placed(config, "studies/tiny")
    assert str(directory) == own.hydra.sweep.dir
    assert directory.is_relative_to("there") if expected is None else str(directory) == expected
    assert placed(config, "studies/tiny", "-smoke")[1].name == f"{directory.name}-smoke"


def test_a_lock_of_a_dead_process_is_taken_over(tmp_path):
    (tmp_path / "lock.json").write_text('{"pid": 999999999, "host": "elsewhere", "since": "long ago"}')
    with held(tmp_path):
        assert json.loads((tmp_path / "lock.json").read_text())["pid"] == os.getpid()
        with pytest.raises(ValueError, match=f"held by process {os.getpid()}"), held(tmp_path):
            pass
    assert not (tmp_path / "lock.json").exists()


@pytest.mark.long
def test_a_study_runs_through_submitit(tmp_path, unreported):
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher", reason="needs the extra `cluster`")
    write_study(tmp_path, study={**ONE_ARM, "seeds": [7]})
    sweep(tmp_path, "study=tiny", "hydra/launcher=submitit_local")
    found = results(tmp_path / "studies" / "tiny")
    assert list(found) == ["trials/only/seed=7"]
    assert {result["status"] for result in found.values()} == {"completed"}


@pytest.mark.briefly(0, 4, 7)
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["study.sedes=3"], "unknown key 'sedes'; did you mean 'seeds'"),
        (["study.smoke=perhaps"], "study.smoke must be true or false"),
        (["study.tuning_seeds=0"], "study.tuning_seeds must be a whole number from 1 on"),
        (["study.pruner=hope"], "study.pruner must be one of"),
        (["norm=none,batch"], "the values that a study compares stand in its file"),
        (["dropout=0.3"], "the arms vary dropout in this study"),
        (["seed=3"], "list the seeds, as in study.seeds=[3]"),
        (["nrom=batch"], "there is no knob nrom"),
        (["trainer=ddp"], "take trainer=default, or hydra/launcher=submitit_slurm"),
        (["epochs=0"], "epochs must be a whole number from 1 on"),
        (["study.factors.dropuot=[0]"], "the arm dropout=0,dropuot=0: there is no knob dropuot"),
    ],
)
def test_mistakes_are_answered_in_one_sentence_before_anything_runs(tmp_path, arguments, said):
    write_study(tmp_path)
    with pytest.raises(Exception) as caught:  # noqa: PT011 - the sentence is what counts
        sweep(tmp_path, "study=tiny", *arguments)
    told = sentence(caught.value)
    assert said in told
    assert "\n" not in told
    assert not results(tmp_path)


def test_a_study_without_m_says_that_it_needs_it():
    with pytest.raises(ValueError, match=r"study=tiny asks for many trials: it needs -m"):
        sweep_arguments(["study=tiny"])


@pytest.mark.parametrize(
    "value",
    [0.1, 1e-30, 3, True, None, "none", "a b", "1e-3", "null", "it's", [64, 32], ["a", "b c"], {0: 32, 20: 64}, ""],
)
def test_overrides_are_read_back_as_they_were_meant(value):
    (read,) = parsed([override("knob", value)], None)
    assert read.value() == value
    assert type(read.value()) is type(value)


def test_places_of_arms_are_their_names_where_a_file_system_takes_them():
    assert file_safe("dropout=0.1,norm=none") == "dropout=0.1,norm=none"
    names = ["a/b", "a b", "model.units=[64,64]", "..", "a%2Fb", "ä"]
    assert len({file_safe(name) for name in names}) == len(names)
    assert not [name for name in names if set("/[]* ") & set(file_safe(name)) or file_safe(name).startswith(".")]


def test_names_of_any_length_have_a_place_of_their_own(tmp_path):
    long = ["中" * 28, "中" * 29, "中" * 60, "中" * 61, "x" * 255, "x" * 256, "x" * 300, "." * 300, "x" * 299 + "/"]
    places = [file_safe(name) for name in long]
    assert len({*places}) == len(long)
    for name, place in zip(long, places, strict=True):
        (tmp_path / place).mkdir()
        assert (place == quote(name)) == (len(quote(name)) <= 255 and name[0] != "."), "short names stay as they are"
    study = SimpleNamespace(arms=dict.fromkeys(long))
    assert [arm_of(folder.name, study) for folder in folders(tmp_path)] == [
        long[places.index(folder.name)] for folder in folders(tmp_path)
    ]
    assert [arm_of(legible(unquote(place)), study) for place in places] == long
    assert arm_of("y", study) is None


def test_how_many_trials_a_launcher_runs_at_once(monkeypatch):
    monkeypatch.setattr("litmus.sweeps.workers.cores", lambda: 8)
    joblib = {"_target_": "hydra_plugins.hydra_joblib_launcher.joblib_launcher.JoblibLauncher"}
    assert [at_once({**joblib, "n_jobs": jobs}) for jobs in (-1, 2, 3)] == [8, 2, 3]
    with pytest.raises(ValueError, match=r"hydra\.launcher\.n_jobs must be .* got 0"):
        at_once({**joblib, "n_jobs": 0})
    assert at_once({"_target_": "hydra._internal.core_plugins.basic_launcher.BasicLauncher"}) == 1
    local = {"_target_": "hydra_plugins.hydra_submitit_launcher.submitit_launcher.LocalLauncher", "cpus_per_task": 4}
    assert at_once(local) == 2
    slurm = {"_target_": local["_target_"].replace("Local", "Slurm"), "tasks_per_node": 2}
    refuse_many_processes({"strategy": "ddp", "devices": 2}, slurm)
    refuse_many_processes({"strategy": "auto", "devices": 1}, joblib)
    for launcher, trainer in ((joblib, {"strategy": "auto", "devices": 2}), (local, {"strategy": "ddp", "devices": 2})):
        with pytest.raises(ValueError, match="would start the whole sweep again"):
            refuse_many_processes(trainer, launcher)


def test_an_outcome_is_what_the_files_say(tmp_path):
    assert outcome_of(tmp_path, "a").state == "waiting"
    (tmp_path / "trial.json").write_text('{"asked_hash": "a"}')
    assert outcome_of(tmp_path, "a").state == "running"
    assert outcome_of(tmp_path, "b").state == "waiting"
    for status, error, state in (
        ("completed", None, "completed"),
        ("failed", "ValueError: no", "failed"),
        ("failed", "FloatingPointError: loss", "diverged"),
    ):
        (tmp_path / "result.json").write_text(json.dumps({"status": status, "error": error, "asked_hash": "a"}))
        assert outcome_of(tmp_path, "a").state == state
        assert outcome_of(tmp_path, "b").state == "waiting"
    (tmp_path / "result.json").write_text('{"status": "compl')
    assert outcome_of(tmp_path, "a").state == "running"


def test_a_smoke_run_keeps_arms_apart():
    configs = {
        "a": {"epochs": 5, "updates_per_epoch": None},
        "b": {"epochs": 320, "updates_per_epoch": 100},
        "c": {"epochs": 320, "updates_per_epoch": None},
    }
    shrunk = smoke_overrides(configs)
    assert [shrunk[arm][:2] for arm in configs] == [
        ["epochs=1", "updates_per_epoch=2"],
        ["epochs=2", "updates_per_epoch=1"],
        ["epochs=2", "updates_per_epoch=2"],
    ]
