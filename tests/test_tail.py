"""Judging the mean over a run's tail: its weights are kept, each tested once, and none is chosen."""

import numpy as np
import pytest

from litmus.records.record import read_record
from litmus.report.study_directory import read_study_directory
from tests.sweep_helpers import QUESTION, results, sweep, write_study

pytestmark = pytest.mark.usefixtures("undrawn")

RUN = (
    *("data.draw=fresh", "data.train=60", "data.val=20", "data.test=20"),
    *("model.units=[4]", "epochs=12", "updates_per_epoch=1"),
)
TAIL = ("callbacks=tail", "callbacks.tail.share=0.25", "callbacks.tail.least=3")


@pytest.mark.long
def test_the_tail_is_tested_epoch_by_epoch_and_changes_nothing_else(trial, tmp_path):
    plain, with_tail = trial(*RUN, directory=tmp_path / "plain"), trial(*RUN, *TAIL, directory=tmp_path / "tail")
    assert with_tail["metrics"] == plain["metrics"]
    assert [len(values) for values in with_tail["tail"].values()] == [3] * len(with_tail["tail"])
    record = read_record(tmp_path / "tail")
    assert with_tail["tail"]["val/loss"] == pytest.approx(record.history["val/loss"][-3:])
    # A run that ends after the tenth epoch, judged at its end by its only tail epoch, is the first of the three.
    short = ("callbacks=tail", "callbacks.tail.share=0.1", "callbacks.tail.least=1", "epochs=10")
    ended = trial(*RUN, *short, directory=tmp_path / "short")
    assert ended["tail"]["test/loss"] == pytest.approx(with_tail["tail"]["test/loss"][:1])
    assert record.summary["test/loss (tail)"] == pytest.approx(np.mean(with_tail["tail"]["test/loss"]))
    assert not (tmp_path / "tail" / "tail").exists()


@pytest.mark.long
def test_a_finished_run_that_is_resumed_keeps_the_tests_of_its_tail(trial, tmp_path):
    """The weights that were tested are gone, and result.json lost what they gave."""
    first = trial(*RUN, *TAIL)
    again = trial(*RUN, *TAIL, f"resume={tmp_path / 'run'}")
    assert [name for name in first["tail"] if name.startswith("test/")]
    assert again["tail"] == first["tail"]
    assert list(again["tail"]) == list(first["tail"])


@pytest.mark.long
@pytest.mark.parametrize(
    ("typed", "told"),
    [
        (("callbacks.tail.least=10",), "of 12 epochs these are 3, and fewer than 10 say little"),
        (("callbacks=[tail,early_stopping]",), "EarlyStopping may end the run before them"),
        (("average=ema",), "averages its weights"),
    ],
)
def test_a_tail_that_would_be_none_is_refused(refused, typed, told):
    assert told in refused(*RUN, *TAIL, *typed)


def rate(result):
    return result["config"]["lr"]


@pytest.mark.long
def test_a_study_judges_and_tunes_at_the_tail(tmp_path, unreported):
    study = {
        **QUESTION,
        "nuisance": {"lr": {"choices": [0.01, 0.001], "trials": 2, "sampler": "grid"}},
        "tuning_seeds": 1,
        "quantities": {"loss": {"metric": "test/loss", "at": "tail", "sesoi": "2%"}},
    }
    tail = {"tail": {"_target_": "litmus.trial.tail.Tail", "directory": "${output_dir}/tail", "least": 2}}
    data = {"draw": "fresh", "train": 60, "val": 20, "test": 20}
    write_study(tmp_path, study=study, data=data, epochs=10, updates_per_epoch=1, callbacks=tail)
    sweep(tmp_path, "study=tiny")
    directory = tmp_path / "studies" / "tiny"
    values = {place: np.mean(result["tail"]["test/loss"]) for place, result in results(directory / "trials").items()}
    tuning, measured = results(directory / "tuning"), read_study_directory(directory).results
    for trial in measured.trials:
        assert trial.values["loss"] == pytest.approx(values[f"{trial.arm}/seed={trial.seed}"])
    for run in measured.tuning:
        tried = next(
            one for name, one in tuning.items() if name.startswith(run.arm) and rate(one) == run.settings["lr"]
        )
        assert run.score == pytest.approx(np.mean(tried["tail"]["val/loss"]))


@pytest.mark.long
def test_an_average_is_an_arm_like_any_other_and_what_it_changes_is_told(tmp_path, unreported, capsys):
    arms = {"raw": {}, "ema": {"average": "ema"}}
    study = {**QUESTION, "arms": arms, "predictions": {"it": {"kind": "compare", "better": "ema", "than": "raw"}}}
    del study["factors"]
    write_study(tmp_path, study=study, data={"draw": "fresh", "train": 60, "val": 20, "test": 20}, updates_per_epoch=2)
    sweep(tmp_path, "study=tiny")
    assert "averaged: it: one side is judged by averaged weights" in " ".join(capsys.readouterr().out.split())
    found = results(tmp_path / "studies" / "tiny" / "trials")
    assert {place.split("/")[0] for place, result in found.items() if "average" in result} == {"ema"}


@pytest.mark.long
def test_a_study_at_the_tail_of_runs_that_keep_none_is_one_sentence(tmp_path):
    study = {**QUESTION, "quantities": {"loss": {"metric": "test/loss", "at": "tail", "sesoi": "2%"}}}
    write_study(tmp_path, study=study)
    with pytest.raises(ValueError, match="judged at: tail, and its runs keep none"):
        sweep(tmp_path, "study=tiny")
