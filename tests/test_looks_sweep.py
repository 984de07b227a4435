"""A study that runs look by look: it stops when nothing is left open, and goes on where it was killed."""

import json
import os
import signal
import subprocess

import pytest

from litmus.claims.study_file import read_study_file
from litmus.sweeps import study_sweep
from tests.sweep_helpers import QUESTION, command, environment, results, sweep, write_study
from tests.test_study_sweep import starts, wait_until

pytestmark = pytest.mark.long

SIZE = {"kind": "bound", "quantity": "size", "arm": {"dropout": 0.0}, "low": 1}
OPEN = {**QUESTION["predictions"]["off"], "quantity": "loss", "by": "0.01%"}
UNTIL = {"until": "decided", "most": 10}


def asked(seeds, **predictions):
    """The tiny study with the number of parameters, which is known exactly, as a second quantity."""
    quantities = {**QUESTION["quantities"], "size": {"metric": "params"}}
    return {**QUESTION, "seeds": seeds, "quantities": quantities, "predictions": predictions}


def looks(directory):
    """The seeds of each look that was recorded."""
    return [look["seeds"] for look in json.loads((directory / "looks.json").read_text())["looks"]]


@pytest.fixture
def unreported(monkeypatch):
    """The course with its looks and without its pages, whose pictures take seconds and have tests of their own."""

    def report(directory, name):
        study_sweep.record_look(directory, judged(directory))

    monkeypatch.setattr(study_sweep, "report", report)


def judged(directory):
    from litmus.report.study_directory import read_study_directory

    return read_study_directory(directory).judgement


def test_a_study_stops_at_the_look_that_leaves_nothing_open(tmp_path, unreported, capsys):
    write_study(tmp_path, study=asked(UNTIL, sized=SIZE))
    directory = tmp_path / "studies" / "tiny"
    sweep(tmp_path, "study=tiny")
    assert len(results(directory)) == 10
    assert looks(directory) == [list(range(5))]
    assert "look at 5 seeds: nothing is left open" in capsys.readouterr().out
    before = starts(directory)
    sweep(tmp_path, "study=tiny")
    assert starts(directory) == before
    assert looks(directory) == [list(range(5))]
    # A fixed number of seeds is a top-up of it.
    sweep(tmp_path, "study=tiny", "study.seeds=6")
    assert len(results(directory)) == 12
    found = judged(directory)
    assert (found.looks.corrected, len(found.looks.seeds)) == (True, 5)


def test_a_study_killed_in_the_middle_of_a_look_goes_on_there(tmp_path, unreported):
    write_study(tmp_path, study=asked(UNTIL, sized=SIZE, off=OPEN))
    directory = tmp_path / "studies" / "tiny"
    later = directory / "trials" / "dropout=0" / "seed=6" / "result.json"
    started = subprocess.Popen(
        command(tmp_path, "study=tiny"),
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_until(later.exists, started)
    finally:
        os.killpg(started.pid, signal.SIGKILL)
        started.wait()
    assert looks(directory) == [list(range(5))]
    before = {place: moment for place, moment in starts(directory).items() if int(place.rpartition("=")[2]) < 5}
    assert len(before) == 10
    half = judged(directory)
    assert len(half.looks.seeds) == 5
    sweep(tmp_path, "study=tiny")
    after = starts(directory)
    assert {place: after[place] for place in before} == before
    assert len(results(directory)) == 20
    assert looks(directory) == [list(range(5)), list(range(10))]
    verdicts = judged(directory).verdicts
    assert verdicts["sized"].frozen_at == 5
    assert verdicts["sized"].row() == half.verdicts["sized"].row()
    assert verdicts["off"].look == 10


def test_trials_run_without_a_look_and_machines_share_the_seeds_of_one(tmp_path, unreported, capsys):
    """The recipe of docs/studies.md, with a directory for each machine."""
    write_study(tmp_path, study=asked(UNTIL, sized=SIZE))
    sweep(tmp_path, "study=tiny", "study.seeds=[0,1,2]", "study.judge=false")
    sweep(tmp_path, "study=tiny", "study.seeds=[3,4]", "study.judge=false", "hydra.sweep.dir=other")
    directory = tmp_path / "studies" / "tiny"
    assert "is not judged (study.judge=false)" in capsys.readouterr().out
    assert not (directory / "looks.json").exists()
    assert not (tmp_path / "other" / "looks.json").exists()
    subprocess.run(["cp", "-r", f"{tmp_path}/other/trials/.", f"{directory}/trials/"], check=True)
    before = starts(directory)
    sweep(tmp_path, "study=tiny")
    assert starts(directory) == before
    assert looks(directory) == [list(range(5))]
    assert read_study_file(directory / "study.yaml").until


@pytest.mark.parametrize(
    ("seeds", "typed", "most", "until"),
    [
        (2, "{until: decided, most: 20}", 20, True),
        ([4, 3], "{until: decided}", 40, True),
        (UNTIL, "{until: decided}", 40, True),
        (UNTIL, "[7,8]", 2, False),
        (UNTIL, "3", 3, False),
    ],
)
def test_a_plan_is_typed_over_any_other(tmp_path, monkeypatch, seeds, typed, most, until):
    write_study(tmp_path, study=asked(seeds, sized=SIZE))
    found = []
    monkeypatch.setattr(study_sweep, "answer_study", lambda asked, *_: found.append(asked.study))
    sweep(tmp_path, "study=tiny", f"study.seeds={typed}")
    assert (len(found[0].seeds), found[0].until) == (most, until)


def test_smoke_and_tuning_run_with_it(tmp_path, unreported):
    nuisance = {"lr": {"log": [1e-4, 1e-2], "trials": 2, "sampler": "grid"}}
    write_study(tmp_path, study={**asked(UNTIL, sized=SIZE), "nuisance": nuisance})
    sweep(tmp_path, "study=tiny", "study.smoke=true")
    found = results(tmp_path / "studies" / "tiny-smoke")
    assert len([place for place in found if place.startswith("trials")]) == 4
    assert len([place for place in found if place.startswith("tuning")]) == 4
    sweep(tmp_path, "study=tiny")
    directory = tmp_path / "studies" / "tiny"
    found = results(directory)
    assert len([place for place in found if place.startswith("trials")]) == 10
    assert looks(directory) == [list(range(5))]
