"""What tells how seeds could be saved: the jitter of the last evaluations, practical sizes, resolution after tuning."""

import numpy as np
import pytest
import yaml

from litmus.claims.jitter import jitter_of, jitter_share, told
from litmus.claims.judgement import judge
from litmus.claims.measured import Measured
from litmus.claims.practical import improvement, practical
from litmus.claims.results import Results, Trial
from litmus.claims.runs import Run, results_from_runs
from litmus.claims.study import read_study
from litmus.claims.tuning import TuningRun
from scripts.seeds_needed import main as seeds_needed

NODE = {
    "question": "Which?",
    "arms": {"a": {"x": 1}, "b": {"x": 2}},
    "seeds": 10,
    "quantities": {"loss": {"metric": "test/loss", "at": "last", "sesoi": 0.1}},
    "predictions": {"it": {"kind": "compare", "better": "a", "than": "b"}},
}


def contrast_of(gains, node=NODE, tuning=()):
    study = read_study(node)
    trials = (Trial(arm, s, {"loss": 1 - gain * (arm == "a")}) for s, gain in enumerate(gains) for arm in study.arms)
    results = Results(tuple(trials), tuning=tuple(tuning))
    return Measured(study, results)(study.quantities["loss"], {"a": 1.0, "b": -1.0}, "a", "against b"), study, results


def curves(kept, moved, seeds, epochs, generator):
    """Curves of two arms whose difference keeps an amount for each seed and has noise at each evaluation."""
    own = kept * generator.normal(size=seeds)
    found = {arm: {} for arm in "ab"}
    for seed in range(seeds):
        shared = np.linspace(1, 0, epochs) + 0.001 * generator.normal(
            size=epochs
        )  # what both arms have is no part of their difference
        found["a"][seed] = shared + own[seed] + moved * generator.normal(size=epochs)
        found["b"][seed] = shared
    return found


@pytest.mark.parametrize("moved", [0.3, 1.0, 3.0])
def test_the_share_is_that_of_noise_drawn_anew_and_tells_what_a_mean_saves(moved):
    generator = np.random.default_rng(0)
    found = curves(1.0, moved, 400, 100, generator)
    differences = [found["a"][seed] - found["b"][seed] for seed in range(400)]
    share = jitter_share([one[-20:] for one in differences])
    assert share == pytest.approx(moved**2 / (1 + moved**2), abs=0.05)
    tails = np.var([one[-20:].mean() for one in differences], ddof=1)
    ends = np.var([one[-1] for one in differences], ddof=1)
    assert tails / ends == pytest.approx(1 - share + share / 20, rel=0.2)


def test_a_jitter_is_told_with_the_seeds_that_a_tail_saves_or_that_it_asks_another_question():
    generator = np.random.default_rng(1)
    contrast, _, _ = contrast_of(generator.normal(0.2, 0.2, 10))
    noisy = jitter_of(contrast, curves(0.02, 0.2, 10, 60, generator))
    assert noisy.tail <= noisy.now / 4
    assert f"would need some {noisy.tail} seeds instead of {noisy.now}" in told("it", contrast, noisy)
    rising = curves(0.02, 0.01, 10, 60, generator)
    rising["a"] = {seed: curve + np.linspace(0, 3, 60) for seed, curve in rising["a"].items()}
    assert "another question" in told("it", contrast, jitter_of(contrast, rising))


@pytest.mark.parametrize(("seeds", "epochs"), [(2, 60), (10, 6), (0, 60)])
def test_too_little_tells_nothing_of_jitter(seeds, epochs):
    contrast, _, _ = contrast_of([0.1, 0.2, 0.3])
    assert jitter_of(contrast, curves(1, 1, seeds, epochs, np.random.default_rng(0))) is None


def test_masses_are_those_of_the_interval_and_add_up():
    contrast, _, _ = contrast_of(np.linspace(-0.05, 0.35, 12))
    found = practical(contrast)
    assert found.worse + found.alike + found.better == pytest.approx(1)
    assert 1 - found.better == pytest.approx(float(contrast.p_above(0.1)))
    assert found.worse == pytest.approx(float(contrast.p_above(-0.1)))
    often = improvement(contrast)
    assert (often.share, often.pairs) == (pytest.approx(10 / 12), 12)
    assert 0.5 < often.low < often.share < often.high < 1
    assert improvement(contrast_of([0.0] * 4 + [0.1])[0]).share == pytest.approx(0.6)


def test_what_cannot_be_told_is_not():
    node = {**NODE, "quantities": {"loss": {"metric": "test/loss", "at": "last"}}}
    assert practical(contrast_of([0.1, 0.2, 0.3], node)[0]) is None
    assert practical(contrast_of([0.1, 0.2])[0]) is None
    nan = float("nan")
    assert improvement(contrast_of([nan, nan, 0.2, 0.1, 0.3, 0.2, 0.1])[0]) is None


def test_the_seeds_that_would_resolve_count_what_tuning_leaves_open():
    node = {**NODE, "quantities": {"loss": {"metric": "test/loss", "at": "best_val", "sesoi": 0.02}}}
    node |= {"nuisance": {"lr": {"linear": [0, 4], "trials": 5}}}
    generator = np.random.default_rng(0)
    runs = [
        TuningRun(arm, {"lr": float(place)}, seed, 0.03 * (place - 2) ** 2 + 0.1 * generator.normal())
        for arm in "ab"
        for place in range(5)
        for seed in range(3)
    ]
    gains = generator.normal(0.0, 0.02, 10)
    told_of = {}
    for name, tuning in (("known", ()), ("tuned", runs)):
        _, study, results = contrast_of(gains, node, tuning)
        told_of[name] = [one.message for one in judge(study, results).lint if one.code == "low_resolution"]
    assert "tune more" in told_of["tuned"][0]
    assert "tune more" not in " ".join(told_of["known"])


def test_a_tail_needs_ten_evaluations_and_says_what_to_do():
    node = {**NODE, "quantities": {"loss": {"metric": "val/loss", "at": "tail", "sesoi": 0.1}}}
    study = read_study(node)
    runs = [Run(arm, 0, {"epoch": np.arange(n), "val/loss": np.arange(n) * 1.0}) for arm, n in (("a", 50), ("b", 40))]
    results = results_from_runs(study, runs)
    assert results.values("loss", "a") == {0: 44.5}
    assert results.values("loss", "b") == {}
    assert "the last fifth of 40 evaluations are 8, and a tail needs 10" in results.findings[0].message


def test_the_seeds_that_comparisons_need_are_told_paired_and_not(tmp_path, capsys):
    generator = np.random.default_rng(0)
    lines = ["arm,seed,loss"]
    for seed in range(10):
        shared = generator.normal(0, 1)
        lines += [f"{arm},{seed},{shared + 0.1 * generator.normal() + (arm == 'b')}" for arm in "ab"]
    (tmp_path / "runs.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "study.yaml").write_text(yaml.safe_dump({"study": NODE}))
    seeds_needed([str(tmp_path / "study.yaml"), str(tmp_path / "runs.csv")])
    _, row = (line.split() for line in capsys.readouterr().out.splitlines())
    assert row[:3] == ["loss", "b", "a"]
    paired, apart, seeds, seeds_apart = (float(cell.replace(",", "")) for cell in row[3:7])
    assert paired < 0.3 < apart
    assert seeds < seeds_apart / 10
    assert row[7] == "5"


def test_seeds_needed_without_a_table_is_one_sentence(tmp_path):
    (tmp_path / "study.yaml").write_text(yaml.safe_dump({"study": NODE}))
    with pytest.raises(ValueError, match="needs a table of trials"):
        seeds_needed([str(tmp_path / "study.yaml")])
