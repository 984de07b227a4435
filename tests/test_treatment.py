"""Arms that are still the same run, or have their schedule before them, where they are judged: nothing is decided."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from litmus.claims.course import course_of
from litmus.claims.judgement import judge
from litmus.claims.quantity import Quantity
from litmus.claims.results_table import results_from_rows
from litmus.claims.runs import Run, results_from_runs
from litmus.claims.study import read_study
from litmus.records.record import Record
from litmus.records.trials import chosen_place
from litmus.report.evidence import evidence_of
from litmus.report.sections.treatment import section
from scripts.report import main

EPOCHS = 20


def asked(quantity=None, prediction=None, arms=None, seeds=9, **more):
    return {
        "question": "Does a schedule help?",
        "arms": arms or {"constant": {"scheduler": "constant"}, "step": {"scheduler": "step"}},
        "seeds": seeds,
        "quantities": {"it": quantity or {"metric": "test/loss", "at": "best_val", "scale": "log", "sesoi": "2%"}},
        "predictions": {"claim": prediction or {"kind": "compare", "better": "step", "than": "constant"}},
        **more,
    }


def run(arm, seed, best, begins=EPOCHS, gain=0.0, lr=None, batch_size=None, train=None):
    """A run that is best at an epoch; from `begins` on it is not what its seed alone makes of it."""
    generator = np.random.default_rng(seed)
    loss = np.linspace(2, 1, EPOCHS) + generator.normal(0, 0.01, EPOCHS)
    val = np.abs(np.arange(EPOCHS) - best) / 100 + 0.5
    loss[begins:] *= 0.9
    value = 0.5 + 0.01 * generator.random() - (gain if best >= begins else 0)
    history = {
        "epoch": np.arange(EPOCHS),
        "train/loss": loss if train is None else train,
        "val/loss": val,
        "lr": np.full(EPOCHS, 0.1) if lr is None else np.asarray(lr),
        "batch_size": np.full(EPOCHS, 32.0) if batch_size is None else np.asarray(batch_size),
    }
    return Run(arm, seed, history, {"test/loss": value})


def stepped(at):
    return np.where(np.arange(EPOCHS) < at, 0.1, 0.01)


def judged(runs, node=None):
    study = read_study(node or asked())
    results = results_from_runs(study, runs)
    return judge(study, results), evidence_of("study", study, results, runs=runs)


@pytest.mark.parametrize(("alike", "capped"), [(9, True), (4, True), (3, False), (0, False)])
def test_more_than_a_third_of_seeds_that_are_the_same_run_cap_the_verdict(alike, capped):
    runs = [run("constant", seed, best=9) for seed in range(9)]
    runs += [run("step", seed, 9, begins=12 if seed < alike else 5, gain=0.2, lr=stepped(5)) for seed in range(9)]
    judgement, _ = judged(runs)
    verdict = judgement.verdicts["claim"]
    assert any(finding.code == "same_run" for finding in judgement.lint) is capped
    assert ("cannot be judged: the arms were still the same run" in verdict.reason) is capped
    assert verdict.verdict == ("inconclusive" if capped else "confirmed")


def test_equal_training_up_to_another_epoch_or_to_another_value_is_another_run():
    """Averaged weights train alike and are judged on their own."""
    same = [run("constant", seed, best=9) for seed in range(9)]
    averaged = [
        Run("step", one.seed, one.history, {"test/loss": one.summary["test/loss"] * (0.8 + 0.001 * one.seed)})
        for one in same
    ]
    arms = {"constant": {"average": "none"}, "step": {"average": "ema"}}
    assert judged([*same, *averaged], asked(arms=arms))[0].verdicts["claim"].verdict == "confirmed"


@pytest.mark.parametrize(("best", "capped"), [(4, True), (12, False)])
@pytest.mark.parametrize("knob", ["lr", "batch_size"])
def test_a_schedule_needs_half_of_its_change_behind_it(best, capped, knob):
    """The runs differ from the first epoch on; the rate falls, or the batch grows, by as much in each epoch."""
    ramp = {"lr": np.geomspace(0.1, 0.001, EPOCHS), "batch_size": np.geomspace(32, 512, EPOCHS)}[knob]
    runs = [run("constant", seed, best) for seed in range(9)]
    runs += [run("step", seed, best, begins=1, gain=0.2, **{knob: ramp}) for seed in range(9)]
    judgement, evidence = judged(runs)
    assert any(finding.code == "early_judgement" for finding in judgement.lint) is capped
    assert judgement.verdicts["claim"].verdict == ("inconclusive" if capped else "confirmed")
    # What differs in more than its schedule is another treatment.
    other = asked(arms={"constant": {"scheduler": "constant"}, "step": {"scheduler": "step", "dropout": 0.1}})
    assert judged(runs, other)[0].verdicts["claim"].verdict == "confirmed"
    (table,) = [block for block in section(evidence).blocks if hasattr(block, "rows")]
    row = next(row for row in table.rows if row[0] == "step")
    assert row[2] == str(best + 1)
    assert row[4] == "2"
    assert row[5] == "2"
    assert row[6] == f"{round(100 * best / (EPOCHS - 1))} %"


@pytest.mark.parametrize(("best", "capped"), [(6, True), (11, True), (17, False)])
def test_a_warm_up_that_both_arms_share_is_no_part_of_what_tells_them_apart(best, capped):
    """The rates differ from epoch 16 on alone; tuned ones differ by a factor as well."""
    warm = np.minimum(1.0, np.linspace(0.01, 2, EPOCHS))
    runs = [run("constant", seed, best, lr=0.1 * warm) for seed in range(9)]
    runs += [run("step", seed, best, begins=1, gain=0.2, lr=0.3 * warm * stepped(16)) for seed in range(9)]
    judgement, _ = judged(runs)
    assert any(finding.code == "early_judgement" for finding in judgement.lint) is capped
    assert judgement.verdicts["claim"].verdict == ("inconclusive" if capped else "confirmed")


def test_a_plateau_that_never_came_is_no_treatment_though_its_rate_was_tuned():
    """Two tuned rates make two runs; the schedules did nothing."""
    runs = [run("constant", seed, 15, lr=np.full(EPOCHS, 0.1)) for seed in range(9)]
    runs += [run("step", seed, 15, begins=0, gain=0.2, lr=np.full(EPOCHS, 0.2)) for seed in range(9)]
    tuned = asked(nuisance={"lr": {"log": [0.01, 1.0]}})
    assert judged(runs, tuned)[0].verdicts["claim"].verdict == "inconclusive"
    # Batches of another size are another treatment from the first update on.
    sizes = [Run(one.arm, one.seed, {**one.history, "batch_size": np.full(EPOCHS, 32.0 + 32 * (one.arm == "step"))},
                 one.summary) for one in runs]  # fmt: skip
    arms = {
        "constant": {"batching": "fixed", "batching.start": 32},
        "step": {"batching": "fixed", "batching.start": 64},
    }
    assert judged(sizes, {**tuned, "arms": arms})[0].verdicts["claim"].verdict == "confirmed"


def test_what_never_moves_and_what_never_differs_is_told_so():
    _, evidence = judged([run(arm, seed, 9) for arm in ("constant", "step") for seed in range(9)])
    (table,) = [block for block in section(evidence).blocks if hasattr(block, "rows")]
    assert [row[4:6] for row in table.rows] == [["—", "never on 9 of 9"], ["never on 9 of 9", "never on 9 of 9"]]


# Bare tables, through the public door.


def door(tmp_path, node, rows):
    """The verdicts.json of a study file and a table."""
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(node))
    with (tmp_path / "results.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    main([str(tmp_path / "study.yaml"), str(tmp_path / "results.csv"), "-o", str(tmp_path / "out")])
    return json.loads((tmp_path / "out" / "verdicts.json").read_text())


def test_a_table_of_equal_losses_is_not_judged_negligible(tmp_path, capsys):
    """As lr_decay's plateau: nine seeds of ten are the constant run, the tenth makes no difference either."""
    generator = np.random.default_rng(0)
    rows = []
    for seed in range(10):
        loss = float(np.exp(generator.normal(0, 0.05)))
        rows += [{"arm": "constant", "seed": seed, "it": loss}]
        rows += [{"arm": "step", "seed": seed, "it": loss * (0.999 if seed == 9 else 1)}]
    found = door(tmp_path, asked(seeds=10), rows)
    assert found["claim"]["verdict"] == "inconclusive"
    assert "cannot be judged: the arms were still the same run" in found["claim"]["reason"]
    assert "still the same run" in " ".join(capsys.readouterr().out.split())


ACCURACY = {"metric": "test/acc", "at": "best_val", "sesoi": 0.02}


def agreeing(rows, seeds, share, generator, digits=None):
    """Accuracies of two nets that give the same answer on a share of the rows."""
    table = []
    for seed in range(seeds):
        right = generator.random(rows) < 0.9
        other = np.where(generator.random(rows) < share, right, generator.random(rows) < 0.9)
        for arm, answers in (("constant", right), ("step", other)):
            value = float(answers.mean())
            table.append({"arm": arm, "seed": seed, "it": value if digits is None else round(value, digits)})
    return table


@pytest.mark.long
@pytest.mark.parametrize("digits", [None, 4, 3])
def test_accuracies_over_few_rows_tie_by_chance_and_are_judged(digits):
    """Nets that agree on 90 % of 80 rows tie on more than a third of the seeds in many studies: no verdict is lost."""
    generator = np.random.default_rng(1)
    study = read_study(asked(ACCURACY))
    tied = 0
    for _ in range(200):
        table = agreeing(80, 9, 0.9, generator, digits)
        values = {(row["arm"], row["seed"]): row["it"] for row in table}
        tied += sum(values["constant", seed] == values["step", seed] for seed in range(9)) > 3
        findings = judge(study, results_from_rows(study, table)).lint
        assert not any(finding.code == "same_run" for finding in findings)
    assert tied > 40  # the rule for losses would have capped these


def test_accuracies_over_many_rows_and_counts():
    generator = np.random.default_rng(2)
    study = read_study(asked(ACCURACY))
    table = [row for row in agreeing(10_000, 9, 1.0, generator) if row["arm"] == "constant"]
    twice = [{**row, "arm": arm} for row in table for arm in ("constant", "step")]
    assert any(finding.code == "same_run" for finding in judge(study, results_from_rows(study, twice)).lint)
    counted = read_study(asked({"metric": "params", "at": "last", "direction": "down", "sesoi": 10}))
    equal = [{"arm": arm, "seed": seed, "it": 151} for arm in ("constant", "step") for seed in range(9)]
    assert not any(finding.code == "same_run" for finding in judge(counted, results_from_rows(counted, equal)).lint)


def told_same(metric, first, second, sesoi=0.01):
    study = read_study(asked({"metric": metric, "sesoi": sesoi, "direction": "down"}, seeds=len(first)))
    both = zip(first, second, strict=True)
    rows = [
        {"arm": arm, "seed": seed, "it": value}
        for seed, pair in enumerate(both)
        for arm, value in zip(("constant", "step"), pair, strict=True)
    ]
    judgement = judge(study, results_from_rows(study, rows))
    return any(finding.code == "same_run" for finding in judgement.lint)


FEW = [0.0] * 12 + [0.02] * 8
OTHERS = [0, 0.02, 0, 0.04, 0.02, 0.04, 0.06, 0, 0.02, 0, 0, 0.02, 0.02, 0.02, 0.04, 0.06, 0.02, 0.02, 0.04, 0.02]


@pytest.mark.parametrize(
    ("metric", "first", "second"),
    [
        ("test/acc", [1.0] * 20, [1.0] * 10 + [0.95] * 10),
        ("test/acc", [100.0] * 20, [100.0] * 10 + [95.0] * 10),
        ("test/error", FEW, OTHERS),
        ("test_error", FEW, FEW[:10] + OTHERS[10:]),
        ("test/zero_one_loss", FEW, OTHERS),
        ("test/hamming_loss", FEW, FEW[:10] + OTHERS[10:]),
        ("val/top_5_error", FEW, FEW[:10] + OTHERS[10:]),
        # Four digits of 1,500 rows, which some number of fewer rows fits by accident; and what counts no rows.
        ("test/acc", [1.0] * 20, [1.0] * 10 + [0.9993] * 10),
        ("test/spearman", [1.0] * 20, [1.0] * 10 + [0.9993] * 10),
    ],
)
def test_good_values_over_few_rows_tie_on_any_seeds_and_are_judged(metric, first, second):
    assert not told_same(metric, first, second)


@pytest.mark.parametrize(
    "metric", ["test/loss", "test/mse", "test/acc", "test/zero_one_loss", "test/classification_loss"]
)
@pytest.mark.parametrize("digits", [17, 4])
@pytest.mark.parametrize(("alike", "same"), [(9, True), (4, True), (3, False), (0, False)])
def test_equal_values_on_equal_seeds_alone_are_those_of_one_run(metric, digits, alike, same):
    generator = np.random.default_rng(4)
    first = [round(float(value), digits) for value in 0.1 + 0.05 * generator.random(9)]
    second = [value - (0 if seed < alike else 0.0301 + seed / 1000) for seed, value in enumerate(first)]
    assert told_same(metric, first, second) is same


def test_losses_in_three_digits_are_those_of_one_run_where_other_seeds_have_others():
    first = [0.351, 0.342, 0.360, 0.355, 0.347, 0.339, 0.351, 0.344, 0.358]
    assert told_same("test/loss", first, [*first[:5], *(round(value - 0.02, 3) for value in first[5:])])


def test_arms_on_one_side_and_arms_that_no_contrast_compares_may_be_the_same():
    arms = {"a": {"norm": "none"}, "b": {"norm": "batch"}, "c": {"norm": "group"}}
    node = asked(arms=arms, prediction={"kind": "best", "arms": ["a"]})
    generator = np.random.default_rng(3)
    rows = []
    for seed in range(9):
        loss = float(np.exp(generator.normal(0, 0.01)))
        rows += [{"arm": "a", "seed": seed, "it": 0.5 * loss + 0.01 * generator.random()}]
        rows += [{"arm": arm, "seed": seed, "it": loss} for arm in "bc"]
    study = read_study(node)
    assert judge(study, results_from_rows(study, rows)).verdicts["claim"].verdict == "confirmed"


def test_a_test_is_of_the_epoch_that_was_chosen_wherever_it_is_judged():
    history = {"epoch": np.arange(4.0), "train/loss": np.arange(4.0), "val/loss": np.array([3.0, 1.0, 2.0, 2.5])}
    last, own = Quantity("last", "test/loss", at="last"), Quantity("own", "val/loss", at="last")
    assert course_of(history, [last, own], tested=1).judged == {"last": 1, "own": 3}
    assert course_of(history, [last]).judged == {"last": 3}
    record = Record(Path(), "completed", "", content={"best_epoch": 1}, history=history)
    assert (chosen_place(record), chosen_place(Record(Path(), "completed", "", history=history))) == (1, None)
