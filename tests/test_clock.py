"""Wall time: no verdict but its own hangs on it, and on a shared machine equal work is not compared by it."""

import csv
import json

import numpy as np
import pytest
import yaml

from litmus.claims.judgement import judge
from litmus.claims.lint.active import shared_machine
from litmus.claims.measured import Measured
from litmus.claims.results_table import results_from_rows
from litmus.claims.study import read_study
from scripts.report import main
from tests.report_data import NODE, write_study

pytestmark = pytest.mark.usefixtures("undrawn")

ASKED = {
    "question": "Is b faster and better?",
    "arms": {"a": {"norm": "none"}, "b": {"norm": "batch"}},
    "seeds": 8,
    "resampled": {"n_test": 40, "n_train": 320},
    "quantities": {
        "loss": {"metric": "test/loss", "scale": "log", "sesoi": "2%"},
        "cost": {"metric": "seconds", "at": "last", "scale": "log", "sesoi": "5%"},
    },
    "predictions": {
        "better": {"kind": "compare", "quantity": "loss", "better": "b", "than": "a"},
        "faster": {"kind": "compare", "quantity": "cost", "better": "b", "than": "a"},
    },
}


def table(seconds=(2.0, 1.0), updates=(100, 100), load=None, noise=0.01, seed=0):
    generator = np.random.default_rng(seed)
    rows = []
    for seed in range(8):
        for place, arm in enumerate("ab"):
            loss = (0.5 - 0.1 * place) * np.exp(generator.normal(0, 0.02))
            row = {"arm": arm, "seed": seed, "loss": loss, "updates": updates[place]}
            row["cost"] = seconds[place] * np.exp(np.random.default_rng(seed + 99 * place).normal(0, noise))
            rows.append(row if load is None else {**row, "load": load})
    return rows


def door(tmp_path, rows, node=ASKED):
    """What the public door writes."""
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(node))
    with (tmp_path / "results.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    out = tmp_path / "out"
    main([str(tmp_path / "study.yaml"), str(tmp_path / "results.csv"), "-o", str(out)])
    return out


def test_no_other_verdict_hangs_on_how_fast_the_machine_was(tmp_path):
    texts = []
    for place, rows in enumerate((table(), table((1.0, 30.0), noise=0.5), table((1.0, 1.0), noise=2.0))):
        (tmp_path / str(place)).mkdir()
        texts.append((door(tmp_path / str(place), rows) / "verdicts.json").read_text())
    assert len(set(texts)) == 1
    row = json.loads(texts[0])["faster"]
    assert (row["verdict"], row["mean"], row["p_confirm"]) == ("on the clock", None, None)
    clock = json.loads((tmp_path / "0" / "out" / "wall_clock.json").read_text())
    assert clock["faster"]["verdict"] == "confirmed"
    assert "confirmed" in (tmp_path / "0" / "out" / "report.md").read_text()


def test_a_study_that_ran_slower_has_the_same_verdicts_to_the_byte(tmp_path):
    texts = []
    for factor in (1.0, 7.3):
        directory = write_study(tmp_path / str(factor))
        generator = np.random.default_rng(int(factor))
        for path in directory.rglob("result.json"):
            result = json.loads(path.read_text())
            result["counters"]["seconds"] *= factor * generator.random()
            path.write_text(json.dumps(result))
        main([str(directory), "-o", str(tmp_path / f"out-{factor}")])
        texts.append((tmp_path / f"out-{factor}" / "verdicts.json").read_text())
        assert not (tmp_path / f"out-{factor}" / "wall_clock.json").exists()
    assert texts[0] == texts[1]
    assert set(json.loads(texts[0])) == {*NODE["predictions"], "lint"}


@pytest.mark.briefly(0)
@pytest.mark.parametrize(
    ("updates", "load", "verdict", "level"),
    [
        ((100, 100), 1.1, "confirmed", None),  # alone
        ((100, 100), 2.0, "inconclusive", "error"),  # another trial beside it
        ((100, 1000), 2.0, "confirmed", None),  # ten times the work
        ((100, 100), None, "confirmed", "warning"),  # nobody knows
    ],
)
def test_equal_work_is_not_timed_on_a_shared_machine(tmp_path, updates, load, verdict, level):
    out = door(tmp_path, table(updates=updates, load=load))
    found = json.loads((out / "wall_clock.json").read_text())
    assert found["faster"]["verdict"] == verdict
    assert [one["level"] for one in found["lint"] if one["code"] == "shared_machine"] == ([level] if level else [])
    if level == "error":
        assert "cannot be judged: the machine was shared" in found["faster"]["reason"]
    # Judged again from what was written, it says the same.
    again = tmp_path / "again"
    main([str(tmp_path / "study.yaml"), str(out / "results.csv"), "-o", str(again)])
    assert (again / "wall_clock.json").read_text() == (out / "wall_clock.json").read_text()


def test_seconds_take_no_correction_for_overlapping_splits():
    study = read_study(ASKED)
    contrast = Measured(study, results_from_rows(study, table()))
    weights = {"b": 1.0, "a": -1.0}
    loss, cost = (contrast(study.quantities[name], weights) for name in ("loss", "cost"))
    assert loss.summary.standard_error == pytest.approx(loss.summary.sd * np.sqrt(1 / 8 + 40 / 320))
    assert cost.summary.standard_error == pytest.approx(cost.summary.sd * np.sqrt(1 / 8))


def test_conjunctions_with_wall_time_are_on_the_clock_too():
    node = {**ASKED, "predictions": {**ASKED["predictions"], "both": {"kind": "all_of", "of": ["better", "faster"]}}}
    study = read_study(node)
    assert set(judge(study, results_from_rows(study, table())).timed) == {"faster", "both"}


def test_the_best_of_more_evaluations_is_not_compared_with_the_best_of_fewer():
    best = {"metric": "val/loss", "at": "best", "scale": "log", "sesoi": "2%"}
    node = {**ASKED, "quantities": {"loss": best}, "predictions": {"better": ASKED["predictions"]["better"]}}
    study = read_study(node)
    for epochs, verdict in (((10, 10), "confirmed"), ((10, 100), "inconclusive")):
        rows = [{**row, "epochs": epochs[row["arm"] == "b"]} for row in table()]
        assert judge(study, results_from_rows(study, rows)).verdicts["better"].verdict == verdict


def test_a_machine_that_nobody_knows_is_told_once_for_all_arms():
    arms = [f"a{place}" for place in range(9)]
    study = read_study(
        {
            "question": "?", "arms": {arm: {"x": arm} for arm in arms}, "seeds": 3,
            "quantities": {"seconds": {"metric": "seconds", "sesoi": "5%", "scale": "log"}},
            "predictions": {"first": {"kind": "best", "quantity": "seconds", "arms": ["a0"]}},
        }
    )  # fmt: skip
    rows = [{"arm": arm, "seed": seed, "seconds": 1.0 + seed, "updates": 9} for arm in arms for seed in range(3)]
    found = list(shared_machine(study, results_from_rows(study, rows)))
    assert [one.message for one in found] == [
        "Whether the machine was shared while a0, a1, a2 and 6 more were timed was not recorded."
    ]
    assert found[0].predictions == ("first",)
