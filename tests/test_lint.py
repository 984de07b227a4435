"""Lint: each rule fires on its fault, keeps quiet without it, and errors cap verdicts."""

import copy
import math
import re
from collections import defaultdict
from dataclasses import replace

import pytest

from litmus.claims.judgement import judge
from litmus.claims.lint import DESIGN_RULES, RESULTS_RULES, lint_design, lint_results
from litmus.claims.results import Results, Trial
from litmus.claims.study import read_study
from litmus.claims.tuning import TuningRun

SOUND = {
    "question": "Is batch norm better than none?",
    "factors": {"norm": ["none", "batch", "instance"]},
    "nuisance": {"lr": {"log": [1e-4, 1e-2]}},
    "seeds": 10,
    "quantities": {"loss": {"metric": "test/loss", "scale": "log", "sesoi": "8%"}},
    "predictions": {"better": {"kind": "compare", "better": {"norm": "batch"}, "than": {"norm": "none"}}},
}


def sound(**changes):
    """The sound study with top-level changes; None removes a key."""
    node = {**copy.deepcopy(SOUND), **changes}
    return read_study({key: value for key, value in node.items() if value is not None})


def found(findings, code):
    return [finding for finding in findings if finding.code == code]


def one(findings, code, level):
    (finding,) = found(findings, code)
    assert finding.level == level
    assert finding.message.endswith(".")
    return finding


def trials(study, losses=(0.40, 0.30, 0.31), seeds=10, **counters):
    """A tidy set of trials: an arm-specific loss with a little seed-specific noise."""
    made = []
    for index, arm in enumerate(study.arms):
        for seed in range(seeds):
            loss = losses[index] * (1 + 0.01 * ((seed * (index + 3)) % 7))
            own = {name: values[index] for name, values in counters.items()}
            made.append(Trial(arm, seed, dict.fromkeys(study.quantities, loss), own))
    return Results(tuple(made))


def test_a_sound_study_is_clean():
    study = sound()
    assert lint_design(study) == []
    results = trials(study, params=(100, 100, 100), updates=(10, 10, 10), seconds=(1.0, 1.2, 1.1))
    assert [finding.code for finding in lint_results(study, results)] == ["tuning_not_counted"]  # of a bare table
    assert judge(study, results).verdicts["better"].verdict == "confirmed"


def test_every_rule_is_a_sentence():
    assert all(rule.__doc__ for rule in (*DESIGN_RULES, *RESULTS_RULES))


def test_duplicate_arms_cap_the_verdicts_that_compare_them():
    study = sound()
    configs = {arm: {"lr": 0.1} for arm in study.arms}
    configs["norm=instance"] = {"lr": 0.2}
    finding = one(lint_design(study, configs), "duplicate_arms", "error")
    assert finding.message.startswith(
        "The arms norm=none and norm=batch have the same settings; norm changes no setting"
    )
    verdict = judge(study, trials(study), configs).verdicts["better"]
    assert verdict.verdict == "inconclusive"
    assert verdict.reason.startswith("Undecided (lint: duplicate_arms), otherwise confirmed")


def test_missing_cell():
    study = sound(
        predictions={"it": {"kind": "interaction", "factors": {"norm": ["none", "group"], "dropout": [0, 1]}}},
        factors={"norm": ["none", "batch"], "dropout": [0, 1]},
    )
    message = one(lint_design(study), "missing_cell", "error").message
    assert "(norm group, dropout 0), (norm group, dropout 1)" in message


@pytest.mark.parametrize("data", [None, ["mnist1d", "fashion_mnist"]])
def test_a_baseline_that_no_arm_is(data):
    """Reports would be without gains, and not say why."""
    factors = {"norm": ["none", "batch"], "dropout": [0, 1]}
    study = sound(factors=factors, baseline={"norm": "layer"}, data=data)
    message = one(lint_design(study), "missing_cell", "warning").message
    assert message == "The baseline is (norm layer), which no arm has: no gain is told; name an arm."
    assert not [
        finding
        for finding in lint_design(sound(factors=factors, baseline={"norm": "none"}, data=data))
        if finding.code == "missing_cell"
    ]


@pytest.mark.parametrize(("kind", "level"), [("best", "error"), ("shape", "error"), ("order", "warning")])
def test_a_dose_without_zero(kind, level):
    node = {
        "best": {"kind": "best", "arms": {"dropout": 0.1}},
        "shape": {"kind": "shape", "factor": "dropout", "form": "falling"},
        "order": {"kind": "order", "arms": [{"dropout": 0.1}, {"dropout": 0.3}]},
    }[kind]
    factors = {"dropout": [0.1, 0.3, 0.5]}
    one(lint_design(sound(factors=factors, predictions={"dose": node})), "missing_off_level", level)
    with_zero = sound(factors={"dropout": [0.0, 0.1, 0.3, 0.5]}, predictions={"dose": node})
    assert not found(lint_design(with_zero), "missing_off_level")
    excused = sound(factors=factors, predictions={"dose": node}, off={"dropout": None})
    assert not found(lint_design(excused), "missing_off_level")


def test_a_shape_needs_three_levels():
    shape = {"rises": {"kind": "shape", "factor": "depth", "form": "rising"}}
    one(lint_design(sound(factors={"depth": [1, 2]}, predictions=shape)), "few_levels", "error")


def test_differences_that_a_comparison_does_not_name_are_listed():
    study = sound()
    configs = {arm: {"norm": arm.split("=")[1], "model.norm": arm.split("=")[1], "epochs": 3} for arm in study.arms}
    assert not found(lint_design(study, configs), "unnamed_differences")
    configs["norm=batch"]["epochs"] = 5
    assert "in more than it names: epochs" in one(lint_design(study, configs), "unnamed_differences", "warning").message


def test_named_arms_may_differ_in_one_group_of_settings():
    arms = {"fixed": {"batching": "fixed"}, "ramp": {"batching": "geometric", "batching.start": 32}}
    predictions = {"it": {"kind": "compare", "better": "ramp", "than": "fixed"}}
    assert not found(lint_design(sound(factors=None, arms=arms, predictions=predictions)), "unnamed_differences")
    arms["ramp"]["dropout"] = 0.1
    study = sound(factors=None, arms=arms, predictions=predictions)
    assert "dropout" in one(lint_design(study), "unnamed_differences", "warning").message


def test_optimizers_need_their_own_learning_rate():
    factors = {"optimizer": ["sgd", "adam"]}
    predictions = {"it": {"kind": "compare", "better": {"optimizer": "adam"}, "than": {"optimizer": "sgd"}}}
    one(lint_design(sound(factors=factors, predictions=predictions, nuisance=None)), "one_learning_rate", "warning")
    assert not found(lint_design(sound(factors=factors, predictions=predictions)), "one_learning_rate")


def test_equal_epochs_are_not_equal_updates():
    study = sound(factors={"batch_size": [32, 512]}, predictions={})
    assert "batch_size goes from 32" in one(lint_design(study), "unequal_budgets", "warning").message


def test_a_roughness_of_two_epochs_is_told_before_anything_runs():
    study = sound(
        quantities={
            "loss": {"metric": "test/loss", "scale": "log", "sesoi": "8%"},
            "roughness": {"metric": "val/loss", "at": "roughness", "sesoi": 0.01},
        },
        predictions={
            "better": {"kind": "compare", "quantity": "loss", "better": {"norm": "batch"}, "than": {"norm": "none"}},
            "calmer": {
                "kind": "compare",
                "quantity": "roughness",
                "better": {"norm": "batch"},
                "than": {"norm": "none"},
            },
        },
    )
    configs = {arm: {**overrides, "epochs": 2 if arm == "norm=none" else 3} for arm, overrides in study.arms.items()}
    finding = one(lint_design(study, configs), "short_curves", "error")
    assert finding.message == "The quantity roughness needs 3 epochs: norm=none has 2."
    assert finding.predictions == ("calmer",)
    assert not found(lint_design(study, {arm: {"epochs": 3} for arm in study.arms}), "short_curves")


def test_unequal_budgets_print_all_that_is_counted_and_no_seconds():
    study = sound()
    results = trials(study, updates=(100, 12_500, 100), epochs=(3, 3, 3), seconds=(1, 9, 1))
    message = one(lint_results(study, results), "unequal_budgets", "warning").message
    assert message.endswith("epochs 3, updates 100 (norm=none) to 12500 (norm=batch), samples not recorded.")
    alone = trials(study, updates=(100, 100, 100), seconds=(1, 9, 1))
    assert not found(lint_results(study, alone), "unequal_budgets")


def test_sizes_may_differ_only_where_size_is_studied():
    study = sound()
    one(lint_results(study, trials(study, params=(100, 120, 100))), "unequal_sizes", "warning")
    assert not found(lint_results(study, trials(study, params=(100, 105, 100))), "unequal_sizes")
    deep = sound(factors={"depth": [1, 2, 3]}, predictions={})
    assert not found(lint_results(deep, trials(deep, params=(1, 2, 3))), "unequal_sizes")


@pytest.mark.parametrize(
    ("quantity", "level"),
    [
        ({"metric": "test/loss", "at": "best"}, "error"),
        ({"metric": "test/loss", "at": "best_val", "select": "test/loss"}, "error"),
        ({"metric": "test/loss", "at": "last", "select": "test/loss"}, "error"),  # so is the learning rate
        ({"metric": "val/loss", "at": "best_val"}, "warning"),
        ({"metric": "val/loss", "at": "last"}, "warning"),  # the learning rate is tuned on validation
    ],
)
def test_selection_and_verdict_on_the_same_split(quantity, level):
    study = sound(quantities={"loss": {**quantity, "scale": "log", "sesoi": "8%"}})
    one(lint_design(study), "selection_split", level)


def test_statistics_from_outside_the_train_split():
    study = sound()
    configs = {arm: {"norm": arm, "data.statistics": "all"} for arm in study.arms}
    assert "data.statistics is all" in one(lint_design(study, configs), "statistics_split", "error").message


@pytest.mark.parametrize(("seeds", "level"), [(2, "error"), (3, "warning")])
def test_few_seeds(seeds, level):
    one(lint_design(sound(seeds=seeds)), "few_seeds", level)


def test_fine_questions_ask_for_ten_seeds():
    fine = {"same": {"kind": "equivalent", "arms": [{"norm": "batch"}, {"norm": "instance"}]}}
    one(lint_design(sound(seeds=5, predictions=fine)), "few_seeds", "warning")
    assert not found(lint_design(sound(seeds=5)), "few_seeds")


def test_no_sesoi():
    one(lint_design(sound(quantities={"loss": "test/loss"})), "no_sesoi", "error")
    bound = {"it": {"kind": "bound", "arm": {"norm": "none"}, "high": 0.3}}
    assert not found(lint_design(sound(quantities={"loss": "test/loss"}, predictions=bound)), "no_sesoi")


def test_resolution_says_how_many_seeds_would_do():
    study = sound(quantities={"loss": {"metric": "test/loss", "scale": "log", "sesoi": "2%"}})
    planned = one(lint_design(study), "low_resolution", "warning").message
    # A difference has √2 × 0.045 = 0.0636; 10 seeds see 0.996 of it, 1 − e^−0.0634; 2 % is 0.32 SD.
    assert "10 seeds show differences of 6.14 % or more" in planned
    assert "you said 2 % matters. 80 seeds would show 2 %." in planned
    measured = one(lint_results(study, trials(study)), "low_resolution", "warning").message
    assert "measured SD" in measured
    shares = {"accuracy": {"metric": "test/acc", "at": "best_val", "sesoi": 0.002, "sd": 0.02}}
    points = one(lint_design(sound(quantities=shares)), "low_resolution", "warning").message
    assert re.search(r"differences of [\d.]+ pts or more .*SD [\d.]+ pts\); you said 0.2 pts matters", points)


def test_a_mostly_diverged_arm_is_told():
    study = sound()
    broken = [
        Trial(t.arm, t.seed, {"loss": float("nan")} if t.arm == "norm=none" and t.seed < 6 else t.values)
        for t in trials(study).trials
    ]
    judgement = judge(study, Results(tuple(broken)))
    assert "norm=none 6 of 10" in one(judgement.lint, "not_finite", "warning").message
    assert judgement.verdicts["better"].verdict == "confirmed"


def measured(metric, values, **more):
    """What is said of arms with such values on ten seeds."""
    quantity = {"metric": metric, "sesoi": 0.01, "direction": "up", **more}
    study = sound(quantities={"it": quantity})
    spread = [0.01 * ((3 * seed) % 7 - 3) for seed in range(10)]
    made = [
        Trial(arm, seed, {"it": value * (1 + (seed + 2) % 3 * spread[seed] / 10)})
        for arm, value in zip(study.arms, values, strict=True)
        for seed in range(10)
    ]
    return study, Results(tuple(made))


@pytest.mark.briefly(0, 5)
@pytest.mark.parametrize("more", [{}, {"at": "last"}, {"at": "rise"}, {"scale": "log", "sesoi": "1%"}])
@pytest.mark.parametrize("metric", ["test/acc", "val_accuracy", "test/f1"])
def test_per_cents_under_the_name_of_a_share_are_not_judged(metric, more):
    judgement = judge(*measured(metric, (95.0, 97.2, 80.0), **more))
    message = one(judgement.lint, "not_a_share", "error").message
    assert "holds values up to 97" in message
    assert f"{metric} is a share between 0 and 1" in message
    assert f"another name, as {metric}_percent" in message
    assert judgement.verdicts["better"].verdict == "inconclusive"
    assert "lint: not_a_share" in judgement.verdicts["better"].reason
    assert not found(judge(*measured(f"{metric}_percent", (95.0, 97.2, 80.0), **more)).lint, "not_a_share")


@pytest.mark.parametrize(
    ("metric", "values", "more"),
    [
        ("test/acc", (0.95, 0.972, 0.8), {}),
        ("test/auroc", (0.95, 1.0000001 / 1.006, 0.8), {}),
        ("test/adjusted_accuracy", (-0.05, 0.1, -0.02), {}),
        ("delta/acc", (-0.2, -0.1, 0.1), {}),
        ("val/acc", (240.0, 120.0, 200.0), {"at": {"time_to": 0.7, "unit": "updates"}}),
        ("test/loss", (95.0, 97.2, 80.0), {}),
    ],
)
def test_what_a_share_may_be_and_what_is_none_is_judged(metric, values, more):
    """A difference of shares and an accuracy adjusted for chance may be negative; single precision goes beyond one."""
    assert not found(judge(*measured(metric, values, **more)).lint, "not_a_share")


@pytest.mark.parametrize(("score", "value", "fires"), [(0.9, 0.9, False), (90.0, 0.9, True), (0.9, 90.0, True)])
def test_per_cents_among_the_tuning_runs_of_a_share_are_told(score, value, fires):
    study = sound(quantities={"it": {"metric": "test/acc", "sesoi": 0.01, "select": "val/acc"}})
    _, results = measured("test/acc", (0.9, 0.95, 0.8))
    runs = tuple(TuningRun("norm=batch", {"lr": 1e-3}, 100 + seed, score, {"it": value}) for seed in range(3))
    findings = lint_results(study, Results(results.trials, tuning=runs))
    assert [finding.predictions for finding in found(findings, "not_a_share")] == [("better",)] * fires


def test_identical_arms_are_an_error():
    study = sound()
    same = [Trial(t.arm, t.seed, {"loss": 0.3 + t.seed / 100}) for t in trials(study).trials]
    errors = found(lint_results(study, Results(tuple(same))), "no_spread")
    assert errors
    assert all(finding.level == "error" for finding in errors)


def test_errors_come_first():
    study = sound(seeds=2, nuisance=None, factors={"optimizer": ["a", "b", "c"]}, predictions={})
    levels = [finding.level for finding in judge(study, trials(study, seeds=2)).lint]
    assert levels == sorted(levels)
    assert {"error", "warning"} <= set(levels)


def test_an_error_caps_the_direction_too():
    study = sound(quantities={"loss": {"metric": "test/loss", "scale": "log"}})
    found = judge(study, trials(study, seeds=10)).verdicts["better"]
    assert (found.verdict, found.direction, found.open) == ("inconclusive", "open", False)


def test_what_was_run_counts_not_what_was_planned():
    study = sound(seeds=2)
    judgement = judge(study, trials(study, seeds=10))
    assert not found(judgement.lint, "few_seeds")
    assert judgement.verdicts["better"].verdict == "confirmed"


def test_censored_runs_are_told_and_an_arm_that_mostly_never_arrives_is_not_said_to_lose_without_a_test():
    time_to = {"metric": "val/loss", "at": {"time_to": 0.5, "unit": "updates"}, "sesoi": 10}
    study = sound(quantities={"speed": time_to})
    never = float("inf")
    results = Results(
        tuple(
            Trial(arm, seed, {"speed": never if arm == "norm=none" and seed else 100.0 + seed})
            for arm in study.arms
            for seed in range(5)
        )
    )
    judgement = judge(study, results)
    message = one(judgement.lint, "not_finite", "warning").message
    assert "never reached the threshold (censored)" in message
    assert "norm=none 4 of 5" in message
    assert judgement.verdicts["better"].verdict == "inconclusive"
    assert "never got there: batch 0 of 5, none 4 of 5" in judgement.verdicts["better"].reason


def arriving(ends):
    """Three arms that take 100 to 104, 500 and 100 updates; two of five runs of the second never arrive."""
    study = sound(quantities={"speed": {"metric": "val/loss", "at": {"time_to": 0.5, "unit": "updates"}, "sesoi": 10}})
    times = {arm: 500.0 if arm == "norm=none" else 100.0 for arm in study.arms}
    made = [
        Trial(arm, seed, {"speed": math.inf if times[arm] == 500 and seed > 2 else times[arm]}, {"updates": ends[arm]})
        for arm in study.arms
        for seed in range(5)
    ]
    return judge(study, Results(tuple(made))).verdicts["better"]


def test_a_run_that_never_arrives_counts_as_the_budget_that_all_arms_share():
    found = arriving(defaultdict(lambda: 1000.0))
    contrast = found.contrasts[0].contrast
    assert sorted(contrast.values) == [400, 400, 400, 900, 900]
    assert (contrast.left_out, contrast.censored, contrast.budget) == (0, 2, 1000)
    assert "(5 seeds, 2 runs that never got there count as 1,000)" in found.reason


def test_a_run_that_never_arrives_is_left_out_where_budgets_differ():
    found = arriving(defaultdict(lambda: 1000.0, {"norm=none": 600.0}))
    contrast = found.contrasts[0].contrast
    assert list(contrast.values) == [400, 400, 400]
    assert (contrast.left_out, contrast.censored, contrast.budget) == (2, 0, None)


def rising(values):
    """A study of how much validation loss rises, with the same rise for each arm on every seed."""
    study = sound(
        quantities={
            "loss": {"metric": "test/loss", "scale": "log", "sesoi": "8%"},
            "rise": {"metric": "val/loss", "at": "rise", "sesoi": 0.1},
        },
        predictions={
            "better": {"kind": "compare", "quantity": "loss", "better": {"norm": "batch"}, "than": {"norm": "none"}},
            "lasting": {"kind": "compare", "quantity": "rise", "better": {"norm": "batch"}, "than": {"norm": "none"}},
            "alone": {"kind": "all_of", "of": ["better"]},
            "both": {"kind": "all_of", "of": ["better", "lasting"]},
        },
    )
    made = [Trial(trial.arm, trial.seed, {**trial.values, "rise": values}) for trial in trials(study).trials]
    return study, Results(tuple(made))


def test_a_fault_of_one_quantity_leaves_conjunctions_about_others_alone():
    study, results = rising(0.3)
    for finding in found(lint_results(study, results), "no_spread"):
        assert set(finding.predictions) == {"lasting", "both"}
    verdicts = judge(study, results).verdicts
    assert [verdicts[name].verdict for name in study.predictions] == [
        *("confirmed", "inconclusive", "confirmed", "inconclusive")
    ]


@pytest.mark.parametrize("data", [None, ["one", "other"]])
def test_a_conjunction_is_no_surer_than_its_members(data):
    """Its own verdict is capped by whatever caps one of them, and is of the regime that one of them is of."""
    study = sound(
        quantities={"loss": {"metric": "test/loss", "scale": "log", "sesoi": "8%"}, "free": {"metric": "test/loss"}},
        predictions={
            "better": {**SOUND["predictions"]["better"], "quantity": "loss"},
            "wide": {"kind": "equivalent", "arms": [{"norm": "batch"}, {"norm": "instance"}], "within": "60%",
                     "quantity": "loss"},
            "no_size": {"kind": "compare", "quantity": "free", "better": {"norm": "batch"}, "than": {"norm": "none"}},
            "one": {"kind": "all_of", "of": ["better", "wide"]},
            "other": {"kind": "all_of", "of": ["no_size"]},
            "deep": {"kind": "all_of", "of": ["other", "better"]},
            "sure": {"kind": "all_of", "of": ["better"]},
        },
        data=data,
    )  # fmt: skip
    made = [replace(one, values={**one.values}) for one in trials(study, losses=(0.40, 0.30, 0.31) * 2).trials]
    verdicts = judge(study, Results(tuple(made))).verdicts
    for name in ("wide", "no_size", "one", "other", "deep"):
        assert verdicts[name].verdict == "inconclusive", name
        if data:
            assert verdicts[f"{name}@one"].verdict == "inconclusive", name
    assert [verdicts[name].verdict for name in ("better", "sure")] == ["confirmed"] * 2
    assert "lint: wide_margin" in verdicts["one"].reason
    assert "lint: no_sesoi" in verdicts["deep"].reason


def test_a_conjunction_is_of_the_regime_of_its_members():
    better = SOUND["predictions"]["better"]
    study = sound(
        predictions={
            "there": {**better, "regime": "document", "source": "?"},
            "here": better,
            "both": {"kind": "all_of", "of": ["here", "there"]},
            "deep": {"kind": "all_of", "of": ["both"]},
            "only": {"kind": "all_of", "of": ["here"]},
        }
    )
    verdicts = judge(study, trials(study)).verdicts
    marked = [name for name, one in verdicts.items() if "in the document's regime only" in one.marks]
    assert marked == ["there", "both", "deep"]


def test_a_shape_of_two_levels_is_none_on_several_data_sets_either():
    shape = {"kind": "shape", "factor": "dropout", "form": "rising"}
    study = sound(factors={"dropout": [0.0, 0.5]}, predictions={"it": shape}, data=["one", "other"])
    for finding in found(lint_design(study), "few_levels"):
        assert finding.level == "error"
        assert "it" in finding.predictions
    assert len(found(lint_design(study), "few_levels")) == 2


def test_that_no_run_lost_anything_of_its_best_is_a_result():
    study, results = rising(0.0)
    assert found(lint_results(study, results), "no_spread") == []
    assert judge(study, results).verdicts["lasting"].verdict == "rejected"
