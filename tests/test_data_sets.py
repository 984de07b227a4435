"""One question on several data sets: a verdict on each, one over all, and what others like them would show."""

import json

import numpy as np
import pytest
import yaml

from litmus.claims.datasets import random_effects
from litmus.claims.judgement import judge
from litmus.claims.results_table import results_from_rows
from litmus.claims.study import read_study
from scripts.report import main as report
from tests.sweep_helpers import QUESTION, results, sweep, write_study

pytestmark = pytest.mark.usefixtures("undrawn")

NODE = {
    "question": "Does it help everywhere?",
    "factors": {"norm": ["none", "batch"]},
    "data": ["ads", "mnist1d", "fashion"],
    "seeds": 10,
    "quantities": {"loss": {"metric": "test/loss", "scale": "log", "sesoi": "2%"}},
    "predictions": {
        "helps": {"kind": "compare", "better": {"norm": "batch"}, "than": {"norm": "none"}, "primary": True},
        "best": {"kind": "best", "arms": {"norm": "batch"}},
        "both": {"kind": "all_of", "of": ["helps", "best"]},
    },
}
GAINS = {"ads": 0.2, "mnist1d": 0.1, "fashion": -0.1}


def rows(gains=GAINS, level={"ads": 0.3, "mnist1d": 2.0, "fashion": 0.5}):  # noqa: B006
    generator = np.random.default_rng(0)
    return [
        {"norm": norm, "data": data, "seed": seed, "loss": level[data] * np.exp(0.01 * generator.normal() - own)}
        for data, gain in gains.items()
        for norm, own in (("none", 0.0), ("batch", gain))
        for seed in range(10)
    ]


def test_each_data_set_has_its_verdict_and_all_of_them_one():
    study = read_study(NODE)
    verdicts = judge(study, results_from_rows(study, rows())).verdicts
    assert {name: one.verdict for name, one in verdicts.items() if name.startswith("helps")} == {
        **{"helps": "confirmed", "helps@ads": "confirmed"},
        **{"helps@mnist1d": "confirmed", "helps@fashion": "rejected"},
    }
    # Levels that differ tenfold between data sets are no part of any comparison.
    assert verdicts["helps"].mean == pytest.approx(np.mean(list(GAINS.values())), abs=0.01)
    assert verdicts["best"].mean == pytest.approx(verdicts["helps"].mean)
    assert verdicts["both@fashion"].verdict == "rejected"
    assert [one.primary for one in verdicts.values()].count(True) == 1
    assert "than norm none's over 3 data sets (" in verdicts["helps"].reason
    assert "than norm none's on ads (" in verdicts["helps@ads"].reason


def test_one_data_set_alone_is_judged_as_it_would_be_by_itself():
    alone = read_study({key: value for key, value in NODE.items() if key != "data"})
    own = [{key: value for key, value in row.items() if key != "data"} for row in rows() if row["data"] == "ads"]
    study = read_study(NODE)
    there = judge(study, results_from_rows(study, rows())).verdicts["best@ads"]
    single = judge(alone, results_from_rows(alone, own)).verdicts["best"]
    assert (there.mean, there.low, there.high, there.p_confirm) == pytest.approx(
        (single.mean, single.low, single.high, single.p_confirm)
    )


def test_what_weakens_one_data_set_weakens_the_verdict_over_all():
    study = read_study(NODE)
    lost = [row for row in rows() if row["data"] != "ads" or row["seed"] < 2]
    judgement = judge(study, results_from_rows(study, lost))
    assert judgement.verdicts["helps@ads"].verdict == "inconclusive"
    assert judgement.verdicts["helps"].verdict == "inconclusive"
    assert judgement.verdicts["helps@mnist1d"].verdict == "confirmed"


def test_arms_may_be_named_and_data_sets_bring_settings_of_their_own():
    node = {
        **{key: value for key, value in NODE.items() if key != "factors"},
        "arms": {"plain": {"norm": "none"}, "normed": {"norm": "batch"}},
        "data": {"ads": {"data": "ads", "epochs": 5}, "mnist1d": "mnist1d"},
        "predictions": {"helps": {"kind": "compare", "better": "normed", "than": "plain"}},
    }
    study = read_study(node)
    assert study.arms["normed,data=ads"] == {"norm": "batch", "data": "ads", "epochs": 5}
    assert study.select("normed") == ("normed,data=ads", "normed,data=mnist1d")
    found = [{**row, "epochs": 5 if row["data"] == "ads" else ""} for row in rows() if row["data"] != "fashion"]
    judgement = judge(study, results_from_rows(study, found))
    assert judgement.verdicts["helps"].verdict == "confirmed"
    assert not [one.code for one in judgement.lint if one.code in ("unequal_budgets", "unnamed_differences")]


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (["ads"], "at least two data sets"),
        (["ads", "ads"], "lists a data set twice"),
        ({"ads": "ads", "b": {"norm": "batch"}}, "study.data.b sets norm, which its arms vary"),
        ("ads", "must be a mapping"),
    ],
)
def test_what_is_no_list_of_data_sets_is_one_sentence(data, told):
    with pytest.raises(ValueError, match=told):
        read_study({**NODE, "data": data})


def test_random_effects_by_hand_and_their_coverage():
    assert random_effects([0.1, 0.2], [0.1, 0.1]) is None
    same = random_effects([0.1, 0.1, 0.1], [0.05, 0.05, 0.05])
    assert (same.mean, same.tau) == pytest.approx((0.1, 0.0))
    # Without errors of their own, it is the t interval of the means.
    far = random_effects([0.0, 1.0, 2.0, 5.0], [1e-6] * 4)
    assert far.interval == pytest.approx((-1.4368, 5.4368), abs=1e-3)
    generator, missed = np.random.default_rng(0), 0
    for _ in range(600):
        errors = generator.uniform(0.1, 0.4, 4)
        found = random_effects(0.3 * generator.normal(size=4) + errors * generator.normal(size=4), errors)
        missed += not found.interval[0] <= 0 <= found.interval[1]
    assert missed / 600 < 0.07


def test_the_page_has_the_summary(tmp_path):
    (tmp_path / "study.yaml").write_text(yaml.safe_dump({"study": NODE}))
    lines = ["norm,data,seed,loss", *(",".join(map(str, row.values())) for row in rows())]
    (tmp_path / "runs.csv").write_text("\n".join(lines) + "\n")
    report([str(tmp_path / "study.yaml"), str(tmp_path / "runs.csv"), "-o", str(tmp_path / "out")])
    page = (tmp_path / "out" / "report.md").read_text()
    assert "SD between them" in page
    assert page.count("| baseline |") == 3  # each data set has its own, and every other arm is compared with it
    # Each data set has its own axis and its own best arm; its level, which differs, ranks nothing.
    assert sorted(path.stem for path in (tmp_path / "out" / "figures").glob("results-*.png")) == [
        *("results-loss-ads", "results-loss-fashion", "results-loss-mnist1d"),
    ]
    for data, best in (("ads", "batch"), ("mnist1d", "batch"), ("fashion", "none")):
        assert f"Best mean test loss on {data}: norm {best}, data {data} (" in page
    assert "best mean: norm batch, data ads, norm batch, data mnist1d, norm none, data fashion" in page
    assert json.loads((tmp_path / "out" / "verdicts.json").read_text())["helps@fashion"]["verdict"] == "rejected"


@pytest.mark.long
def test_a_sweep_runs_every_arm_on_every_data_set(tmp_path):
    (tmp_path / "data").mkdir()
    text = (
        "_target_: src.datamodules.mnist1d.MNIST1D\ndata_dir: ${data_dir}\nbatch_size: ${batch_size}\nseed: ${seed}\n"
    )
    for name in ("one", "two"):
        sizes = (
            "draw: fresh\ntrain: 60\nval: 20\ntest: 20\n"
            if name == "one"
            else "draw: fresh\ntrain: 80\nval: 20\ntest: 30\n"
        )
        (tmp_path / "data" / f"{name}.yaml").write_text(text + sizes)
    write_study(tmp_path, study={**QUESTION, "data": ["one", "two"]})
    sweep(tmp_path, "study=tiny")
    found = results(tmp_path / "studies" / "tiny" / "trials")
    assert len(found) == 8
    assert {result["data"]["sizes"]["test"] for place, result in found.items() if "data=two" in place} == {30}
    assert "different_rows" not in (tmp_path / "studies" / "tiny" / "verdicts.json").read_text()
