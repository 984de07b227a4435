"""Tables as W&B and MLflow export them are judged like a table of trials; what is not clear is one sentence."""

import csv
import json

import numpy as np
import pytest

from litmus.claims.judgement import judge
from litmus.claims.results_table import results_from_rows
from litmus.claims.study import read_study
from scripts.report import main as report

pytestmark = pytest.mark.usefixtures("undrawn")

NODE = {
    "question": "Which?",
    "factors": {"norm": ["none", "batch"], "model.dropout": [0.0, 0.1]},
    "seeds": 5,
    "quantities": {"loss": {"metric": "test/loss", "sesoi": 0.01}, "accuracy": {"metric": "test/acc", "sesoi": 0.01}},
    "predictions": {
        "it": {"kind": "compare", "quantity": "loss", "better": {"norm": "batch"}, "than": {"norm": "none"}}
    },
}


def trials():
    generator = np.random.default_rng(0)
    for seed in range(5):
        for norm in ("none", "batch"):
            for dropout in ("0.0", "0.1"):
                yield norm, dropout, seed, 0.5 - 0.1 * (norm == "batch") + 0.01 * generator.normal()


def wandb(**more):
    """As the runs table of W&B is exported."""
    return [
        {
            **{
                "Name": f"run-{k}",
                "State": "finished",
                "Notes": "-",
                "User": "me",
                "Tags": "",
                "Created": "2026-01-01",
            },
            **{
                "Runtime": "12",
                "Sweep": "",
                "model.dropout": dropout,
                "model.norm": norm,
                "seed": str(seed),
                "lr": "1e-3",
            },
            **{"epoch": "9", "test/acc": "0.8", "test/loss": repr(loss), **more},
        }
        for k, (norm, dropout, seed, loss) in enumerate(trials())
    ]


def wandb_api():
    """As the documented loop over W&B's API writes it, with whole dictionaries in cells."""
    return [
        {
            "name": f"run-{k}",
            "summary": str({"test/loss": loss, "test/acc": float("nan"), "_step": 3}),
            "config": str({"seed": seed, "model": {"dropout": float(dropout), "norm": norm}}),
        }
        for k, (norm, dropout, seed, loss) in enumerate(trials())
    ]


def mlflow(**more):
    """As mlflow.search_runs().to_csv() writes it."""
    return [
        {
            **{"run_id": f"{k:032x}", "experiment_id": "1", "status": "FINISHED", "start_time": "2026-01-01 00:00:00"},
            **{"metrics.test/loss": repr(loss), "metrics.test/acc": "0.8", "params.model/dropout": dropout},
            **{"params.norm": norm, "params.seed": str(seed), "tags.mlflow.runName": f"run-{k}", **more},
        }
        for k, (norm, dropout, seed, loss) in enumerate(trials())
    ]


@pytest.mark.parametrize("made", [wandb, wandb_api, mlflow])
def test_an_export_is_the_table_that_it_is_of(made):
    study = read_study(NODE)
    plain = [
        {"norm": norm, "model.dropout": dropout, "seed": seed, "loss": loss, "accuracy": ""}
        for norm, dropout, seed, loss in trials()
    ]
    expected, found = results_from_rows(study, plain), results_from_rows(study, made())
    assert {arm: found.values("loss", arm) for arm in study.arms} == {
        arm: expected.values("loss", arm) for arm in study.arms
    }
    assert found.findings == ()


def test_runs_that_did_not_finish_have_no_value_and_a_second_try_counts():
    rows = wandb()
    rows[0] |= {"State": "crashed", "test/loss": "0.1"}
    rows[1] |= {"State": "failed", "test/loss": ""}
    rows.append({**rows[0], "State": "finished", "test/loss": "0.45"})
    rows.append({**rows[2], "Job Type": "tune", "seed": "10000"})
    results = results_from_rows(read_study(NODE), rows)
    first, second = list(read_study(NODE).arms)[:2]
    assert results.values("loss", first)[0] == 0.45
    assert 0 not in results.values("loss", second)
    assert 10_000 not in results.values("loss", list(read_study(NODE).arms)[2])
    assert len(results.trials) == 20
    assert "2 runs of the export did not finish" in results.findings[0].message


LOST = {"wandb": [{"State": "crashed"}, {"State": "killed"}, {"test/loss": ""}], "mlflow": [{"status": "FAILED"}]}


@pytest.mark.parametrize(("made", "cells"), [(globals()[name], one) for name, each in LOST.items() for one in each])
@pytest.mark.parametrize("lost", [1, 2])
def test_more_than_one_run_of_an_export_that_gave_no_value_leaves_the_rest_undecided(made, cells, lost):
    study = read_study(NODE)
    rows = made()
    batch = [place for place, row in enumerate(rows) if "batch" in (row.get("model.norm"), row.get("params.norm"))]
    places = batch[2 : 2 + 2 * lost : 2]
    second = [{**rows[place]} for place in places]
    for place in places:
        rows[place] |= cells
    verdict = judge(study, results_from_rows(study, rows)).verdicts["it"]
    assert verdict.verdict == ("confirmed" if lost == 1 else "inconclusive")
    if lost == 2:
        assert verdict.reason.startswith("Undecided: 2 of 5 pairs were lost to runs without a value")
        assert verdict.reason.endswith("let them finish, or run the same command again.")
        assert not verdict.open
        again = judge(study, results_from_rows(study, [*rows, *second])).verdicts["it"]
        assert (again.verdict, again.n) == ("confirmed", 5)


@pytest.mark.parametrize("state", ["running", "pending", "preempted"])
def test_runs_that_may_still_give_a_value_are_missing_and_not_lost(state):
    study = read_study(NODE)
    rows = wandb()
    for place in (2, 6):
        rows[place] |= {"State": state}
    assert rows[2]["model.norm"] == "batch"
    judgement = judge(study, results_from_rows(study, rows))
    assert judgement.verdicts["it"].verdict == "confirmed"
    assert {"missing_seeds", "unfinished_run"} <= {finding.code for finding in judgement.lint}


def test_a_table_of_ones_own_may_have_a_name_and_a_state():
    rows = [{**row, "Name": "x", "State": "Ohio", "norm": row["model.norm"]} for row in wandb()]
    rows = [row for row in rows if row["model.dropout"] == "0.0"]
    study = read_study({**NODE, "factors": {"norm": ["none", "batch"], "State": ["Ohio", "Iowa"]}})
    results = results_from_rows(study, [{**row, "loss": row["test/loss"]} for row in rows])
    assert {trial.arm for trial in results.trials} == {"norm=none,State=Ohio", "norm=batch,State=Ohio"}


def test_runs_of_other_questions_are_left_out_and_told():
    rows = [*wandb(), {**wandb()[0], "model.norm": "layer"}]
    results = results_from_rows(read_study(NODE), rows)
    assert len(results.trials) == 20
    assert "line 22" in results.findings[0].message


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (
            lambda: [{k: v for k, v in row.items() if k != "model.norm"} for row in wandb()],
            "no column for the factor norm",
        ),
        (lambda: [{k: v for k, v in row.items() if k != "seed"} for row in wandb()], "no column for the seed seed"),
        (lambda: [{k: v for k, v in row.items() if k != "test/loss"} for row in wandb()], "for the quantity loss"),
        (lambda: wandb(**{"data.norm": "batch"}), "several columns that could be the factor norm"),
        (lambda: wandb(State="running"), r"none of the export's 20 runs finished \(line 2 is running\)"),
        (lambda: wandb(loss="3"), "several columns that could be the quantity loss"),
        (lambda: [{**row, "config": "{'seed': "} for row in wandb_api()], "no dictionary of values"),
    ],
)
def test_what_is_missing_or_not_clear_is_one_sentence(rows, told):
    with pytest.raises(ValueError, match=told) as problem:
        results_from_rows(read_study(NODE), rows())
    assert "\n" not in str(problem.value)


def test_an_arm_that_leaves_a_setting_alone_has_one_value_of_it():
    node = {**NODE, "arms": {"plain": {}, "normed": {"norm": "batch"}}, "factors": None}
    node["predictions"] = {"it": {"kind": "compare", "quantity": "loss", "better": "normed", "than": "plain"}}
    study = read_study({key: value for key, value in node.items() if value is not None})
    rows = [row for row in wandb() if row["model.dropout"] == "0.0"]
    assert len(results_from_rows(study, rows).values("loss", "plain")) == 5
    with pytest.raises(
        ValueError, match="the arm plain leaves norm alone, and its runs in the export have layer, none"
    ):
        results_from_rows(study, [*rows, {**rows[0], "model.norm": "layer", "seed": "7"}])


def test_an_export_is_judged_from_the_terminal(tmp_path):
    import yaml

    (tmp_path / "study.yaml").write_text(yaml.safe_dump({"study": NODE}))
    with (tmp_path / "export.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(mlflow()[0]))
        writer.writeheader()
        writer.writerows(mlflow())
    report([str(tmp_path / "study.yaml"), str(tmp_path / "export.csv"), "-o", str(tmp_path / "out")])
    assert json.loads((tmp_path / "out" / "verdicts.json").read_text())["it"]["verdict"] == "confirmed"
