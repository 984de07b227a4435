"""What passed silently once: each fault in a small study that fires its rule, beside a near neighbour that does not."""

import copy
from dataclasses import replace

import pytest

from litmus.claims.judgement import judge
from litmus.claims.lint import lint_design, lint_results
from litmus.claims.results import Results, Trial
from litmus.claims.study import read_study

LOSS = {"metric": "test/loss", "scale": "log", "sesoi": "2%"}
ACCURACY = {"metric": "test/acc", "at": "best_val", "sesoi": 0.005}
TWO = {"a": {"norm": "none"}, "b": {"norm": "batch"}}
COMPARE = {"kind": "compare", "better": "b", "than": "a"}
ALIKE = {"kind": "equivalent", "arms": ["a", "b"]}


def study(arms=TWO, prediction=COMPARE, quantity=LOSS, nuisance=None, **more):
    node = {
        "question": "Is b better?",
        "arms": arms,
        "seeds": 10,
        "quantities": {"it": quantity},
        "predictions": {"claim": prediction},
        "nuisance": {"lr": {"log": [1e-4, 1e-2]}} if nuisance is None else nuisance,
        **more,
    }
    return read_study(copy.deepcopy(node))


def fired(asked, configs=None):
    """(code, level) of what lint says of the claim, but for what it says of the number of seeds."""
    resolved = None if configs is None else {arm: {"lr": 0.001, **configs.get(arm, {})} for arm in asked.arms}
    findings = [one for one in lint_design(asked, resolved) if one.code not in ("few_seeds", "low_resolution")]
    assert all(one.message.endswith(".") and one.concerns("claim") for one in findings)
    return {(one.code, one.level) for one in findings}


def both(**difference):
    """Two arms that differ by norm, and in the second's other settings."""
    return {"a": {"norm": "none"}, "b": {"norm": "batch", **difference}}


NAMED = {"kind": "equivalent", "arms": [{"norm": "none"}, {"norm": "batch"}]}
UNLIKE = {
    "a": {"norm": "none", "dropout": 0.0},
    "b": {"norm": "none", "dropout": 0.5},
    "c": {"norm": "batch", "dropout": 0.0},
}
AVERAGED = {"kind": "compare", "better": {"norm": "batch"}, "than": {"norm": "none"}}
FOUR = {"a": {"norm": "none"}, "b": {"norm": "batch"}, "c": {"norm": "layer"}, "d": {"norm": "group"}}
DEPTHS = {"a": {"model.layers": 2}, "b": {"model.layers": 6}}
UNTUNED: dict = {}

CASES = {
    "equivalence with unnamed differences": (
        (study(both(dropout=0.1, epochs=9), NAMED), ("unnamed_differences", "warning")),
        study(TWO, NAMED),
    ),
    "an order with unnamed differences": (
        (study(both(dropout=0.1), {"kind": "order", "arms": ["b", "a"]}), ("unnamed_differences", "warning")),
        study(both(), {"kind": "order", "arms": ["b", "a"]}),
    ),
    "a bound on a gain with unnamed differences": (
        (
            study(both(dropout=0.1), {"kind": "bound", "arm": "b", "relative_to": "a", "low": "1%"}),
            ("unnamed_differences", "warning"),
        ),
        study(both(dropout=0.1), {"kind": "bound", "arm": "b", "low": 0.1}),
    ),
    "unbalanced averages": (
        (study(UNLIKE, AVERAGED), ("unbalanced_average", "warning")),
        study({**UNLIKE, "d": {"norm": "batch", "dropout": 0.5}}, AVERAGED),
    ),
    "other test sets": (
        (study(both(**{"data.test_fraction": 0.4})), ("different_rows", "error")),
        study(both(), fixed={"data.test_fraction": 0.4}),
    ),
    "other folds behind a best arm": (
        (
            study({**FOUR, "d": {"norm": "group", "data.fold": 1}}, {"kind": "best", "arms": ["b"]}),
            ("different_rows", "error"),
        ),
        study({**FOUR, "d": {"norm": "group", "data.train": 100}}, {"kind": "best", "arms": ["b"]}),
    ),
    "depth at one shared rate": (
        (study(DEPTHS, nuisance=UNTUNED), ("one_learning_rate", "warning")),
        study(DEPTHS),
    ),
    "width at one shared rate": (
        (
            study({"a": {"hidden_size": 8}, "b": {"hidden_size": 64}}, nuisance=UNTUNED),
            ("one_learning_rate", "warning"),
        ),
        study({"a": {"hidden_size": 8, "lr": 0.1}, "b": {"hidden_size": 8, "lr": 0.2}}, nuisance=UNTUNED),
    ),
    "a nuisance with one trial": (
        (study(nuisance={"lr": {"log": [1e-4, 1e-2], "trials": 1}}), ("one_trial", "warning")),
        study(nuisance={"lr": {"log": [1e-4, 1e-2], "trials": 3}}),
    ),
    "a margin of 60 %": (
        (study(prediction={**COMPARE, "by": "-60%"}), ("wide_margin", "error")),
        study(prediction={**COMPARE, "by": "-4%"}),
    ),
    "a gain that may be a loss of 60 %": (
        (study(prediction={"kind": "bound", "arm": "b", "relative_to": "a", "low": "-60%"}), ("wide_margin", "error")),
        study(prediction={"kind": "bound", "arm": "b", "relative_to": "a", "low": "-2%", "high": "3%"}),
    ),
    "a gain between a trifling loss and anything": (
        (
            study(prediction={"kind": "bound", "arm": "b", "relative_to": "a", "low": "-2%", "high": "60%"}),
            ("wide_margin", "error"),
        ),
        study(prediction={"kind": "bound", "arm": "b", "relative_to": "a", "high": "60%"}),
    ),
    "a loss between 40 % and 60 %, which calls nothing alike": (
        (study(prediction={**COMPARE, "by": "-60%"}), ("wide_margin", "error")),
        study(prediction={"kind": "bound", "arm": "b", "relative_to": "a", "low": "-60%", "high": "-40%"}),
    ),
    "equivalence within five sesoi": (
        (study(prediction={**ALIKE, "within": "40%"}), ("wide_margin", "error")),
        study(prediction={**ALIKE, "within": 0.04}),
    ),
    "equivalence within anything, without a sesoi": (
        (
            study(prediction={**ALIKE, "within": "40%"}, quantity={"metric": "test/loss", "scale": "log"}),
            ("no_sesoi", "error"),
        ),
        study(prediction={**ALIKE, "within": "2%"}),
    ),
    "declared deterministic": (
        (study(quantity={**LOSS, "deterministic": True}), ("declared_exact", "error")),
        study(quantity={"metric": "params", "at": "last", "direction": "down", "sesoi": 10, "deterministic": True}),
    ),
    "epochs through the trainer": (
        (study(both(**{"trainer.max_epochs": 40})), ("unnamed_differences", "warning")),
        study(both(), fixed={"trainer.max_epochs": 40}),
    ),
    "training loss as the verdict's metric": (
        (study(quantity={**LOSS, "metric": "train/loss"}), ("training_metric", "warning")),
        study(quantity={"metric": "train/loss", "at": "roughness", "sesoi": 0.01}),
    ),
    "best is everything but the worst": (
        (study(FOUR, {"kind": "best", "arms": ["a", "b", "c"]}), ("hardly_fails", "warning")),
        study(FOUR, {"kind": "best", "arms": ["a", "b"]}),
    ),
    "an arm with other numbers": (
        (study(both(precision="bf16-mixed")), ("different_numerics", "error")),
        study({"a": {"precision": "32-true"}, "b": {"precision": "bf16-mixed"}}),
    ),
    "an arm on another device": (
        (study(both(**{"trainer.accelerator": "gpu"}), AVERAGED), ("different_numerics", "error")),
        study(both(), AVERAGED, fixed={"trainer.accelerator": "gpu"}),
    ),
    "an arm with more threads": (
        (study(both(threads=4), AVERAGED), ("different_numerics", "error")),
        study({"a": {"threads": 1}, "b": {"threads": 4}}),
    ),
}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_fault_fires_its_rule_and_its_neighbour_does_not(case):
    (faulty, expected), neighbour = CASES[case]
    assert expected in fired(faulty)
    assert fired(neighbour) == set()


def test_an_error_of_these_caps_what_the_numbers_would_confirm():
    asked = study(prediction={**COMPARE, "by": "-60%"})
    trials = [Trial(arm, seed, {"it": 0.5 + 0.001 * seed + 0.1 * (arm == "a")}) for arm in "ab" for seed in range(10)]
    verdict = judge(asked, Results(tuple(trials))).verdicts["claim"]
    assert verdict.verdict == "inconclusive"
    assert "lint: wide_margin" in verdict.reason


def test_resolved_settings_are_compared_for_every_kind():
    """What nobody typed differs all the same: a default of a chosen group, four times the epochs."""
    for kind in (ALIKE, COMPARE, {"kind": "order", "arms": ["b", "a"]}, {"kind": "best", "arms": ["b"]}):
        configs = {"a": {"norm": "none", "trainer.max_epochs": 10}, "b": {"norm": "batch", "trainer.max_epochs": 40}}
        assert fired(study(prediction=kind), configs) == {
            ("unnamed_differences", "warning"),
            ("unequal_budgets", "warning"),
        }
        alike = {arm: {**own, "trainer.max_epochs": 10, "model.norm": own["norm"]} for arm, own in configs.items()}
        assert fired(study(prediction=kind), alike) == set()


def test_what_takes_a_named_value_follows_it():
    arms = {"a": {"width": 16}, "b": {"width": 64}}
    prediction = {"kind": "compare", "better": {"width": 64}, "than": {"width": 16}}
    configs = {arm: {**own, "model.units": [own["width"], 8], "head.size": own["width"]} for arm, own in arms.items()}
    assert fired(study(arms, prediction), configs) == set()
    configs["b"]["head.size"] = 32
    assert fired(study(arms, prediction), configs) == {("unnamed_differences", "warning")}


def looked(study, **arms):
    """Codes of what lint says of results: arm → (values of `it` by seed, counters)."""
    trials = [
        Trial(arm, seed, {"it": value}, counters=dict(counters))
        for arm, (values, counters) in arms.items()
        for seed, value in enumerate(values)
    ]
    return {one.code for one in lint_results(study, Results(tuple(trials)))}


CURVE = {"metric": "val/loss", "sesoi": 0.01}


@pytest.mark.parametrize(
    ("at", "other", "expected"),
    [
        ("best", {"epochs": 100, "updates": 1000}, True),  # ten times as many draws
        ("best", {"epochs": 10, "updates": 5}, False),
        ("auc", {"epochs": 100, "updates": 1000}, True),
        ("auc", {"epochs": 100, "updates": 100}, False),  # as many updates, looked at more often
        ("last", {"epochs": 100, "updates": 1000}, False),
    ],
)
def test_curves_of_other_lengths_are_not_compared_by_their_best_or_their_mean(at, other, expected):
    asked = study(quantity={**CURVE, "at": at})
    few = ([0.5, 0.6, 0.7], {"epochs": 10, "updates": 100})
    assert ("unequal_evaluations" in looked(asked, a=few, b=([0.4, 0.5, 0.6], other))) is expected


def test_where_nobody_counted_epochs_those_that_were_asked_for_tell_how_often_a_run_was_evaluated():
    asked = study(both(epochs=100), quantity={**CURVE, "at": "best"}, fixed={})
    arms = {"a": {**asked.arms["a"], "epochs": 10}, "b": asked.arms["b"]}
    uncounted = {"a": ([0.5, 0.6, 0.7], {}), "b": ([0.4, 0.5, 0.6], {})}
    assert "unequal_evaluations" in looked(replace(asked, arms=arms), **uncounted)
    assert "unequal_evaluations" not in looked(asked, **uncounted)


@pytest.mark.parametrize(("times", "expected"), [([900.0, 950.0, 1000.0], True), ([200.0, 250.0, 300.0], False)])
def test_a_difference_in_time_is_more_than_the_seldomer_evaluated_arm_is_off(times, expected):
    asked = study(quantity={"metric": "val/loss", "at": {"time_to": 0.5, "unit": "updates"}, "sesoi": 10})
    seldom = ([1000.0, 1000.0, 1100.0], {"epochs": 10, "updates": 2000})  # each 200 updates
    assert ("coarse_clock" in looked(asked, a=seldom, b=(times, {"epochs": 200, "updates": 2000}))) is expected
    assert "coarse_clock" not in looked(asked, a=seldom, b=(times, {"epochs": 10, "updates": 2000}))


def test_arms_that_are_evaluated_as_often_differ_in_seconds_by_their_speed():
    asked = study(quantity={"metric": "val/loss", "at": {"time_to": 0.5, "unit": "seconds"}, "sesoi": 1})
    counters = {"epochs": 20, "updates": 200}
    slow = ([10.6, 10.7, 10.5], {**counters, "seconds": 21.2})
    assert "coarse_clock" not in looked(asked, a=([10.0, 10.1, 9.9], {**counters, "seconds": 20.0}), b=slow)
