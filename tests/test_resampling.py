"""Studies by cross-validation: every run its own fold, alike for all arms, and a variance that counts shared rows."""

import math

import numpy as np
import pytest

from litmus.claims.judgement import judge
from litmus.claims.results import Results, Trial
from litmus.claims.study import read_study
from scripts.simulate import resampled
from tests.sweep_helpers import QUESTION, results, sweep, write_study

pytestmark = pytest.mark.usefixtures("undrawn")

TINY = {"data": {"draw": "fresh", "train": 60, "val": 20, "test": 20}, "updates_per_epoch": 2}
FOLDED = {key: value for key, value in QUESTION.items() if key != "seeds"} | {"resampling": {"folds": 3, "repeats": 2}}


def asked(**more):
    return read_study({**FOLDED, **more})


@pytest.mark.long
def test_runs_share_no_fold_and_arms_share_all(tmp_path, unreported):
    write_study(tmp_path, study=FOLDED, **TINY)
    sweep(tmp_path, "study=tiny")
    found = results(tmp_path / "studies" / "tiny")
    places = {}
    for place, result in found.items():
        arm, data = place.split("/")[1], result["config"]["data"]
        assert (result["status"], data["folds"]) == ("completed", 3)
        places.setdefault(arm, []).append((data["seed"], data["fold"], result["data"]["sizes"]["test"]))
    first, second = places.values()
    assert first == second
    assert sorted((deal, fold) for deal, fold, _ in first) == [(deal, fold) for deal in range(2) for fold in range(3)]
    assert sum(tested for deal, _, tested in first if deal == 0) == 100


def test_data_without_folds_are_refused_in_one_sentence(tmp_path):
    write_study(tmp_path, study=FOLDED, defaults=[{"override /hydra/sweeper": "study"}, {"override /data": "mine"}])
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "mine.yaml").write_text("_target_: mine.Data\nseed: ${seed}\n")
    with pytest.raises(ValueError, match=r"mine.Data have no data.fold"):
        sweep(tmp_path, "study=tiny")


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"seeds": 5}, "both resampling and seeds"),
        ({"resampled": {"n_test": 1, "n_train": 2}}, "both resampling and resampled"),
        ({"resampling": {"folds": 1}}, "folds from 2"),
        ({"resampling": {"folds": 3, "repeats": 0.5}}, "got 3 and 0.5"),
        ({"resampling": {"fold": 3}}, "did you mean 'folds'"),
        ({"resampling": 5}, "must be a mapping"),
    ],
)
def test_what_cannot_be_dealt_is_one_sentence(more, told):
    with pytest.raises(ValueError, match=told):
        asked(**more)


def test_equal_learners_on_shared_rows_are_not_called_different_and_would_be_without_the_correction():
    for folds, repeats in ((5, 1), (5, 4)):
        assert resampled(folds, repeats, 4000) <= 0.025 + 4 * math.sqrt(0.025 * 0.975 / 4000)
    assert resampled(5, 4, 2000, corrected=False) > 0.1
    assert resampled(5, 4, 2000, gain=2.0) > 0.5


def test_the_interval_is_that_of_nadeau_and_bengio():
    study = asked(resampling={"folds": 5, "repeats": 2})
    gains = np.random.default_rng(0).normal(0.1, 0.1, 10)
    trials = [
        Trial(arm, run, {"loss": 1.0 if arm == "dropout=0" else float(np.exp(gain))})
        for run, gain in enumerate(gains)
        for arm in study.arms
    ]
    verdict = judge(study, Results(tuple(trials))).verdicts["off"]
    half = 2.262157 * gains.std(ddof=1) * math.sqrt(1 / 10 + 1 / 4)
    assert (verdict.low, verdict.high) == pytest.approx((gains.mean() - half, gains.mean() + half), rel=1e-5)
