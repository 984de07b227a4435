"""Fragile verdicts: one seed or one skewed arm decides; marked at every n, capped from ten seeds on."""

import csv
import json

import numpy as np
import pytest
import yaml
from scipy.stats import skew

from litmus.claims.fragility import MOST_SKEW, skewness
from litmus.claims.judgement import judge, judge_predictions
from litmus.claims.measured import Measured
from litmus.claims.results import Results, Trial
from litmus.claims.study import read_study
from scripts.report import main

pytestmark = pytest.mark.usefixtures("undrawn")

ARMS = ("a", "b")


def asked(prediction=None, seeds=10):
    return {
        "question": "Is b better?",
        "arms": {"a": {"norm": "none"}, "b": {"norm": "batch"}},
        "seeds": seeds,
        "quantities": {"it": {"metric": "test/loss", "sesoi": 0.1}},
        "predictions": {"claim": prediction or {"kind": "compare", "better": "b", "than": "a"}},
    }


def results(gains):
    """Trials whose paired gain of b over a is as given."""
    trials = []
    for seed, gain in enumerate(gains):
        trials += [Trial("a", seed, {"it": 10 + 0.01 * seed}), Trial("b", seed, {"it": 10 + 0.01 * seed - gain})]
    return Results(tuple(trials))


def verdict(gains, prediction=None):
    return judge(read_study(asked(prediction, len(gains))), results(gains)).verdicts["claim"]


def test_the_skewness_is_the_bias_corrected_one():
    generator = np.random.default_rng(0)
    for n in (3, 5, 10, 40):
        values = generator.exponential(size=n)
        assert skewness(values) == pytest.approx(skew(values, bias=False))
        assert skewness(-values) == pytest.approx(-skewness(values))
    assert skewness(np.ones(5)) == skewness(np.empty(0)) == skewness(np.array([0.0, 1.0])) == 0
    assert skewness(np.full(10, 1 / 3) + np.array([1e-17] + [0] * 9)) == 0


@pytest.mark.long
def test_leaving_one_seed_out_is_what_it_says():
    """Against the plain way: the verdict of each table that lacks a seed."""
    generator = np.random.default_rng(1)
    seen = set()
    for _ in range(60):
        gains = generator.normal(0.9, 1, 6)
        study = read_study(asked(seeds=6))
        own = judge_predictions(study, Measured(study, results(gains)))["claim"].verdict
        others = []
        for gone in range(6):
            kept = tuple(trial for trial in results(gains).trials if trial.seed != gone)
            others.append(judge_predictions(study, Measured(study, Results(kept)))["claim"].verdict)
        hangs = any(other != own for other in others) or bool(abs(skew(gains, bias=False)) > MOST_SKEW)
        expected = hangs and own != "inconclusive"
        found = verdict(gains)
        assert bool(found.fragile) is expected
        seen.add((found.verdict, expected, hangs))
    assert {("confirmed", True, True), ("confirmed", False, False), ("inconclusive", False, True)} <= seen


def test_marked_below_ten_seeds_and_capped_from_ten_on():
    steady = np.array([1.0, 1.1, 0.9, 1.05, 0.95, 1.02, 0.98, 1.07, 0.93, 1.0])
    assert verdict(steady).fragile == ""
    assert verdict(steady).verdict == "confirmed"
    odd = np.array([*steady[:9], 6.0])
    few = verdict(odd[[0, 1, 2, 3, 4, 5, 6, 9]] * np.array([1, 1, 1, 1, 1, 1, 1, 0.4]))
    assert few.verdict == "confirmed"
    assert few.row()["fragile"] is True
    assert "[fragile: the seeds' differences are skewed" in few.reason
    many = verdict(np.array([*steady[:9], 2.4]))
    assert many.verdict == "inconclusive"
    assert many.reason.startswith("Undecided (fragile: the seeds' differences are skewed, G₁ = 3.")


def test_what_the_mark_caps_at_a_look_is_decided_at_a_later_one():
    """Fragile at ten seeds: nothing is frozen there, the study goes on, and twenty decide."""
    study = read_study({**asked(), "seeds": {"until": "decided", "most": 40}})
    gains = np.random.default_rng(7).normal(0.9, 1, 20)
    five, ten, twenty = (judge(study, results(gains[:n])) for n in (5, 10, 20))
    assert five.verdicts["claim"].verdict == "inconclusive"
    assert ten.verdicts["claim"].reason.startswith("Undecided (fragile: without seed")
    assert (ten.verdicts["claim"].frozen_at, ten.settled) == (None, False)
    assert (twenty.verdicts["claim"].verdict, twenty.verdicts["claim"].fragile) == ("confirmed", "")
    assert (twenty.verdicts["claim"].frozen_at, twenty.settled) == (20, True)


def test_a_direction_that_hangs_on_no_seed_stays_known_where_the_size_does():
    """An estimate just above sesoi says no less than one just below it."""
    spread = np.resize([-0.03, 0.03, -0.01, 0.01], 20)
    above, below = verdict(0.1005 + spread), verdict(0.0995 + spread)
    known = "the direction is shown, its size is open"
    assert above.reason.startswith(f"Undecided (fragile: without seed 1 it is inconclusive; {known}), otherwise ")
    assert known in below.reason.lower()
    assert [(one.verdict, one.direction) for one in (above, below)] == [("inconclusive", "as predicted")] * 2
    assert verdict(0.15 + spread).verdict == "confirmed"
    wide = verdict(np.array([0.8, 2.9, 0.3, 1.4, -0.7, 0.7, 1.9, -0.3, 0.4, 1.6]))
    assert wide.reason.startswith("Undecided (fragile: without seed 3 it is inconclusive), otherwise ")
    assert wide.direction == "open"


def test_an_exact_test_is_marked_and_not_capped():
    """Six of ten pairs differ, all in one direction: one fewer decides nothing, and skew is no matter."""
    quantity = {"metric": "val/loss", "at": {"time_to": 0.5, "unit": "updates"}}
    study = read_study({**asked(), "quantities": {"it": quantity}})
    times = [(100.0, 50.0)] * 6 + [(100.0, 100.0)] * 4
    trials = [
        Trial(arm, seed, {"it": time}) for seed, pair in enumerate(times) for arm, time in zip(ARMS, pair, strict=True)
    ]
    found = judge(study, Results(tuple(trials))).verdicts["claim"]
    assert (found.verdict, found.n) == ("confirmed", 10)
    assert found.fragile == "without seed 0 it is inconclusive"


def test_what_lint_caps_has_no_mark():
    """The mark is of decisions."""
    node = {**asked(seeds=5), "quantities": {"it": {"metric": "test/loss"}}}  # a gain of which no size is asked
    plain = judge(read_study(asked(seeds=5)), results([1.0, 1.1, 0.9, 1.0, 2.2])).verdicts["claim"]
    capped = judge(read_study(node), results([1.0, 1.1, 0.9, 1.0, 2.2])).verdicts["claim"]
    assert (plain.verdict, bool(plain.fragile), plain.marks) == ("confirmed", True, ("fragile",))
    assert (capped.verdict, capped.fragile, capped.marks) == ("inconclusive", "", ())


def test_what_is_counted_is_not_fragile_with_three_seeds():
    study = read_study(
        {
            **asked({"kind": "bound", "arm": "a", "low": 151, "high": 151}, seeds=3),
            "quantities": {"it": {"metric": "params", "at": "last", "direction": "down"}},
        }
    )
    trials = tuple(Trial(arm, seed, {"it": 151.0}) for arm in ARMS for seed in range(3))
    found = judge(study, Results(trials)).verdicts["claim"]
    assert (found.verdict, found.fragile) == ("confirmed", "")


@pytest.mark.long
def test_one_skewed_arm_of_ten_seeds_decides_less_often_than_without_the_rule():
    """One arm's losses are exponential, both means are equal: either verdict about the sign would be false."""
    generator = np.random.default_rng(2)
    study = read_study(asked({"kind": "bound", "arm": "b", "relative_to": "a", "low": 0.0}))
    before = after = 0
    for _ in range(400):
        gains = 1 - generator.exponential(size=10) + 0.05 * generator.normal(size=10)
        plain = judge_predictions(study, Measured(study, results(gains)))["claim"].verdict
        before += plain != "inconclusive"
        after += judge(study, results(gains)).verdicts["claim"].verdict != "inconclusive"
    assert before > 400 * 0.08
    assert after < 0.75 * before  # what remains is printed, and nobody claims 2.5 %


def test_a_normal_sample_is_seldom_marked_for_its_skew():
    generator = np.random.default_rng(3)
    shares = {n: np.mean([abs(skewness(generator.normal(size=n))) > MOST_SKEW for _ in range(2000)]) for n in (10, 20)}
    assert shares[10] < 0.05
    assert shares[20] < 0.01


def test_the_mark_stands_in_every_output(tmp_path, capsys):
    """Through the public door: verdicts.json, page, Markdown, terminal."""
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(asked(seeds=5)))
    with (tmp_path / "results.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["arm", "seed", "it"])
        for trial in results([1.0, 1.1, 0.9, 1.0, 2.2]).trials:
            writer.writerow([trial.arm, trial.seed, trial.values["it"]])
    out = tmp_path / "out"
    main([str(tmp_path / "study.yaml"), str(tmp_path / "results.csv"), "-o", str(out)])
    row = json.loads((out / "verdicts.json").read_text())["claim"]
    assert (row["verdict"], row["fragile"]) == ("confirmed", True)
    assert "✓ confirmed (fragile)" in (out / "report.md").read_text()
    assert "[fragile: the seeds" in (out / "report.html").read_text()
    assert "(fragile)" in capsys.readouterr().out
