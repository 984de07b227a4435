"""Prediction kinds: error rates by simulation, verdicts by hand, invariances."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from litmus.claims.contrast import Contrast
from litmus.claims.judgement import judge, judge_predictions
from litmus.claims.prediction import registry
from litmus.claims.results import Results, Trial
from litmus.claims.results_table import results_from_rows
from litmus.claims.statistics import power
from litmus.claims.study import read_study

SIMULATIONS = 20_000
LIMIT = 0.025 + 4 * math.sqrt(0.025 * 0.975 / SIMULATIONS)  # four standard errors of the simulation
SESOI = 0.5


def study_of(prediction, levels=(1, 2, 4), sesoi=SESOI, factors=None, **more):
    """One prediction about a score (more is better) over the levels of x."""
    return read_study(
        {
            "question": "Does it hold?",
            "factors": factors or {"x": list(levels)},
            "quantities": {"score": {"metric": "score", "sesoi": sesoi}},
            "predictions": {"it": {"quantity": "score", **prediction}, **more},
        }
    )


def simulate(study, means, n=5, name="it"):
    """(confirmed, rejected) rates when the arms, in order, have these means and SD 1 per run."""
    noise = np.random.default_rng(7).normal(size=(len(means), n, SIMULATIONS))
    scores = dict(zip(study.arms, np.asarray(means, dtype=float)[:, None, None] + noise, strict=True))

    def contrast(quantity, weights, subject="", reference="", oriented=True, rivals=True):
        sign = quantity.sign if oriented else 1
        values = sum(sign * weight * scores[arm] for arm, weight in weights.items())
        return Contrast(quantity, weights, values, subject, reference, oriented)

    claim = study.predictions[name].test(study, contrast)
    return float(np.mean(claim.confirms())), float(np.mean(claim.rejects()))


X1, X2, X4 = {"x": 1}, {"x": 2}, {"x": 4}
CROSS = {"a": [0, 1], "b": [0, 1]}  # cells in order: neither, b, a, both
COMPARE = {"kind": "compare", "better": X1, "than": [X2, X4]}
BOUND = {"kind": "bound", "arm": X1, "low": -1, "high": 1}
RISING = {"kind": "shape", "factor": "x", "form": "rising"}

# kind, prediction, factors, means at the edge of "false", means at the edge of "true"
EDGES = [
    ("compare", {"kind": "compare", "better": X1, "than": X2}, None, (0, 0, 0), (SESOI, 0, 0)),
    ("compare each", COMPARE, None, (0, 0, -9), (SESOI, 0, 0)),
    ("compare by", {**COMPARE, "by": 2}, None, (2, 0, -9), (2, 0, 0)),
    ("not worse", {"kind": "compare", "better": X1, "than": X2, "by": -1}, None, (-1, 0, 0), (-1, 0, 0)),
    ("order", {"kind": "order", "arms": [X1, X2, X4]}, None, (9, 0, 0), (2 * SESOI, SESOI, 0)),
    ("order ties", {"kind": "order", "arms": [X1, X2, X4], "ties": True}, None, (9, -SESOI, 0), (9, 0, SESOI)),
    ("best", {"kind": "best", "arms": X1}, None, (0, 0, -9), (0, 0, 0)),
    ("best of set", {"kind": "best", "arms": [X1, X2]}, None, (0, 0, 0), (0, 0, 0)),
    ("equivalent", {"kind": "equivalent", "arms": [X1, X2]}, None, (SESOI, 0, 0), (SESOI, 0, 0)),
    ("equivalent 3", {"kind": "equivalent", "arms": [X1, X2, X4], "within": 4}, None, (4, 0, 2), (4, 0, 2)),
    ("synergy", {"kind": "interaction", "form": "synergy"}, CROSS, (0, 1, 1, 2), (0, 0, 0, SESOI)),
    ("redundancy", {"kind": "interaction", "form": "redundancy"}, CROSS, (0, 1, 1, 2), (0, 1, 1, 2 - SESOI)),
    ("no interaction", {"kind": "interaction", "form": "none"}, CROSS, (0, 0, 0, SESOI), (0, 0, 0, SESOI)),
    ("bound", BOUND, None, (1, 0, 0), (1, 0, 0)),
    ("bound below", {"kind": "bound", "arm": X1, "high": 1}, None, (1, 0, 0), (1, 0, 0)),
    ("gain in bounds", {**BOUND, "relative_to": X2}, None, (1, 0, 0), (-1, 0, 0)),
    ("rising", {"kind": "shape", "factor": "x", "form": "rising"}, None, (0, 0, 0), (0, 0, SESOI)),
    ("rising, a fall", RISING, None, (0, 9, 9 - SESOI), (0, 9, 9 - SESOI)),
    ("falling", {"kind": "shape", "factor": "x", "form": "falling"}, None, (0, 0, 0), (SESOI, 0, 0)),
    (
        "saturating",
        {"kind": "shape", "factor": "x", "form": "saturating", "at": 2},
        None,
        (0, 9, 9 + SESOI),
        (0, SESOI, 0),
    ),
    (
        "diminishing",
        {"kind": "shape", "factor": "x", "form": "diminishing", "axis": "log2"},
        None,
        (0, 9, 18),
        (0, SESOI, SESOI),
    ),
    ("peak", {"kind": "shape", "factor": "x", "form": "peak"}, None, (0, 0, -9), (0, SESOI, 0)),
]


@pytest.mark.parametrize(("name", "prediction", "factors", "null", "truth"), EDGES, ids=[edge[0] for edge in EDGES])
def test_neither_side_errs_more_than_it_may(name, prediction, factors, null, truth):
    study = study_of(prediction, factors=factors)
    assert simulate(study, null)[0] <= LIMIT, "confirmed although false"
    assert simulate(study, truth)[1] <= LIMIT, "rejected although true"


def test_flat_line_confirms_no_claim_of_a_difference():
    flat = {"peak": (0,) * 5, "saturating": (0,) * 5, "diminishing": (0,) * 5}
    for form, means in flat.items():
        study = study_of({"kind": "shape", "factor": "x", "form": form}, levels=(1, 2, 3, 4, 5), sesoi=1e-6)
        assert simulate(study, means)[0] <= LIMIT


def test_all_of_errs_no_more_than_its_weakest_member():
    both = {
        "up": {"kind": "compare", "better": X2, "than": X1},
        "more": {"kind": "compare", "better": X4, "than": X2},
    }
    study = study_of({"kind": "all_of", "of": ["up", "more"], "quantity": ""}, **both)
    assert simulate(study, (0, 9, 9))[0] <= LIMIT
    assert simulate(study, (0, SESOI, 2 * SESOI))[1] <= LIMIT


def test_every_kind_is_simulated():
    assert {edge[1]["kind"] for edge in EDGES} | {"all_of"} == set(registry())


@pytest.mark.parametrize("n", [3, 5, 10])
def test_power_is_the_noncentral_t(n):
    study = study_of({"kind": "compare", "better": X1, "than": X2}, sesoi=1e-6)
    confirmed, _ = simulate(study, (2, 0, 0), n=n)
    assert confirmed == pytest.approx(power(2 / math.sqrt(2), n), abs=0.015)
    study = study_of({"kind": "interaction"}, factors=CROSS, sesoi=1e-6)
    confirmed, _ = simulate(study, (0, 0, 0, 2), n=n)
    assert confirmed == pytest.approx(power(2 / 2, n), abs=0.015)


def test_clear_cases_are_decided():
    """With effects of many SDs every kind confirms what is so and rejects what is not."""
    cases = [
        (COMPARE, (9, 0, 0), (0, 9, 0)),
        ({"kind": "order", "arms": [X1, X2, X4]}, (18, 9, 0), (9, 18, 0)),
        ({"kind": "best", "arms": [X1, X2]}, (0, 9, 0), (0, 0, 9)),
        ({"kind": "equivalent", "arms": [X1, X2], "within": 9}, (0, 0, 0), (0, 30, 0)),
        ({**BOUND, "low": -9, "high": 9}, (0, 0, 0), (30, 0, 0)),
        ({"kind": "shape", "factor": "x", "form": "peak", "at": 2}, (0, 9, 0), (0, 9, 18)),
        ({"kind": "shape", "factor": "x", "form": "falling"}, (18, 9, 0), (0, 9, 18)),
    ]
    for prediction, true, false in cases:
        study = study_of(prediction)
        assert simulate(study, true, n=10)[0] > 0.99
        assert simulate(study, false, n=10)[1] > 0.99


def judged(study, table):
    """The verdicts of a table {arm: values}."""
    rows = [{"arm": arm, "seed": s, "score": v} for arm, values in table.items() for s, v in enumerate(values)]
    return judge(study, results_from_rows(study, rows))


WOBBLE = np.array([0.0, 0.03, -0.02, 0.01, -0.03])


def test_the_golden_contrast_is_confirmed_with_its_interval():
    table = {"x=1": [1, 2, 3, 4, 5.5], "x=2": [0.5, 1.2, 2.9, 3, 4], "x=4": [9, 9.5, 9, 9.3, 9.1]}
    verdict = judged(study_of({"kind": "compare", "better": X1, "than": X2, "primary": True}), table).verdicts["it"]
    assert verdict.verdict == "confirmed"
    assert (verdict.low, verdict.high) == pytest.approx((0.1265, 1.4335), abs=5e-5)
    assert verdict.mean == pytest.approx(0.78)
    assert verdict.seeds_needed is None


@pytest.mark.parametrize(
    ("gain", "verdict", "why"),
    [
        (0.9, "confirmed", ""),
        (0.3, "rejected", "too small"),
        (0.0, "rejected", "negligible"),
        (-0.3, "rejected", "opp"),
    ],
)
def test_one_verdict_per_region(gain, verdict, why):
    study = study_of({"kind": "compare", "better": X1, "than": X2})
    found = judged(study, {"x=1": gain + WOBBLE, "x=2": WOBBLE[::-1], "x=4": WOBBLE**2}).verdicts["it"]
    assert found.verdict == verdict
    assert why in found.reason


def test_the_reason_reads_like_the_specification():
    study = read_study(
        {
            "question": "Does light dropout help?",
            "factors": {"dropout": [0.0, 0.1]},
            "quantities": {"loss": {"metric": "test/loss", "sesoi": "2%"}},
            "predictions": {"it": {"kind": "compare", "better": {"dropout": 0.1}, "than": {"dropout": 0}}},
        }
    )
    off = [0.300, 0.310, 0.305, 0.295, 0.300]
    factor = [0.988, 0.990, 0.985, 0.989, 0.988]
    rows = [{"dropout": "0.0", "seed": s, "loss": off[s]} for s in range(5)]
    rows += [{"dropout": "0.10", "seed": s, "loss": off[s] * factor[s]} for s in range(5)]
    found = judge(study, results_from_rows(study, rows)).verdicts["it"]
    assert found.reason == (
        "Rejected (too small): dropout 0.1 changed test loss by −1.2 % [−1.4, −1.0] against dropout 0 "
        "(5 paired seeds; needed ≥ 2 %)."
    )


def test_fewer_than_three_seeds_are_always_inconclusive():
    for prediction in (COMPARE, BOUND, {"kind": "best", "arms": X1}, {"kind": "equivalent", "arms": [X1, X2]}):
        study = study_of(prediction)
        for n in (1, 2):
            table = {"x=1": [90, 91][:n], "x=2": [1, 1.5][:n], "x=4": [0.1, 0.4][:n]}
            assert judged(study, table).verdicts["it"].verdict == "inconclusive"


def test_an_infeasible_arm_loses_and_a_lucky_one_does_not_win():
    study = study_of({"kind": "compare", "better": X1, "than": X2})
    nan = math.nan
    table = {"x=1": WOBBLE, "x=2": [nan, nan, nan, 9, 9], "x=4": WOBBLE}
    won = judged(study, table).verdicts["it"]
    assert won.verdict == "confirmed"
    assert "x=2 (3 of 5 runs are not finite)" in won.reason
    assert (won.mean, won.low) == (None, None)
    assert judged(study, {**table, "x=1": table["x=2"], "x=2": WOBBLE}).verdicts["it"].verdict == "rejected"
    both = judged(study, {**table, "x=1": table["x=2"]}).verdicts["it"]
    assert both.verdict == "inconclusive"
    assert "not finite" in both.reason


def test_identical_arms_are_an_error_not_an_equality():
    study = study_of({"kind": "equivalent", "arms": [X1, X2]})
    found = judged(study, {"x=1": WOBBLE, "x=2": WOBBLE, "x=4": -WOBBLE})
    assert found.verdicts["it"].verdict == "inconclusive"
    assert any(finding.code == "no_spread" and finding.level == "error" for finding in found.lint)


def test_counted_values_are_exact():
    study = read_study(
        {
            "question": "How large is it?",
            "arms": {"net": {"depth": 4}},
            "quantities": {"params": {"metric": "params"}},
            "predictions": {
                "about": {"kind": "bound", "arm": "net", "low": 90_000, "high": 110_000, "primary": True},
                "exactly": {"kind": "bound", "arm": "net", "low": 93_130, "high": 93_130},
                "small": {"kind": "bound", "arm": "net", "high": 50_000},
            },
        }
    )
    rows = [{"arm": "net", "seed": seed, "params": 93_130} for seed in range(3)]
    verdicts = judge(study, results_from_rows(study, rows)).verdicts
    assert [v.verdict for v in verdicts.values()] == ["confirmed", "confirmed", "rejected"]


def test_holm_spares_the_primary_only():
    claims = {f"c{i}": {"kind": "compare", "better": X1, "than": X2, "quantity": "score"} for i in range(9)}
    gain = np.array([0.2, 1.6, 0.9, 1.2, 0.4])  # p = 0.007 one-sided: alone enough, not nine times
    table = {"x=1": gain, "x=2": [0.0] * 5, "x=4": WOBBLE}
    study = study_of({"kind": "compare", "better": X1, "than": X2, "primary": True}, **claims)
    verdicts = judged(study, table).verdicts
    assert verdicts["it"].verdict == "confirmed"
    assert verdicts["it"].adjusted == verdicts["it"].p_confirm
    assert verdicts["c0"].verdict == "inconclusive"
    assert "Holm" in verdicts["c0"].reason
    assert verdicts["c0"].adjusted == pytest.approx(9 * verdicts["c0"].p_confirm)


def test_order_prints_page():
    study = study_of({"kind": "order", "arms": [X1, X2, X4]})
    found = judged(study, {"x=1": 9 + WOBBLE, "x=2": 5 - WOBBLE, "x=4": 1 + WOBBLE**2}).verdicts["it"]
    assert found.verdict == "confirmed"
    assert "Page's L = 70, p = 0.00013" in found.reason


def test_inconclusive_says_how_many_seeds():
    study = study_of({"kind": "compare", "better": X1, "than": X2}, sesoi=0.1)
    found = judged(study, {"x=1": [1.0, -0.5, 0.8, 0.1, -0.2], "x=2": WOBBLE, "x=4": WOBBLE**2}).verdicts["it"]
    assert found.verdict == "inconclusive"
    assert 5 < found.seeds_needed < 100
    assert f"about {found.seeds_needed} seeds" in found.reason


def test_resampled_splits_widen_the_interval():
    table = {"x=1": [1, 2, 3, 4, 5.5], "x=2": [0.5, 1.2, 2.9, 3, 4], "x=4": [9, 9.5, 9, 9.3, 9.1]}
    node = {
        "question": "Does it hold on one small table?",
        "arms": {name: {"x": name} for name in table},
        "quantities": {"score": {"metric": "score", "sesoi": 0.1}},
        "predictions": {"it": {"kind": "compare", "better": "x=1", "than": "x=2"}},
    }
    plain = judged(read_study(node), table).verdicts["it"]
    wide = judged(read_study({**node, "resampled": {"n_test": 80, "n_train": 320}}), table).verdicts["it"]
    assert (plain.verdict, wide.verdict) == ("confirmed", "inconclusive")
    assert wide.mean == plain.mean


numbers = st.floats(-3, 3).map(lambda x: round(x, 3))
tables = st.lists(st.lists(numbers, min_size=5, max_size=5, unique=True), min_size=4, max_size=4)
EVERY = {
    "compare": {"kind": "compare", "better": {"a": 1, "b": 1}, "than": [{"a": 0, "b": 1}, {"a": 1, "b": 0}]},
    "main": {"kind": "compare", "better": {"a": 1}, "than": {"a": 0}},
    "order": {"kind": "order", "arms": [{"a": 1, "b": 1}, {"a": 0, "b": 1}, {"a": 0, "b": 0}]},
    "best": {"kind": "best", "arms": [{"a": 1}]},
    "equivalent": {"kind": "equivalent", "arms": [{"a": 1}, {"a": 0}]},
    "shape": {"kind": "shape", "factor": "a", "form": "rising"},
    "interaction": {"kind": "interaction", "factors": CROSS},
    "gain": {"kind": "bound", "arm": {"a": 1}, "relative_to": {"a": 0}, "low": -0.5, "high": 2},
    "all": {"kind": "all_of", "of": ["main", "equivalent"]},
}


def every(direction="up", reverse=False):
    """A study with every kind over a 2×2."""
    levels = [1, 0] if reverse else [0, 1]
    return read_study(
        {
            "question": "Is anything so?",
            "factors": {"b": levels, "a": levels} if reverse else {"a": levels, "b": levels},
            "quantities": {"score": {"metric": "score", "sesoi": 0.4, "direction": direction}},
            "predictions": EVERY,
        }
    )


def outcomes(study, table, seeds=range(5), sign=1):
    """Verdict and rounded numbers of every prediction."""
    cells = [(a, b) for a in (0, 1) for b in (0, 1)]
    rows = [
        {"a": a, "b": b, "seed": seed, "score": sign * value}
        for (a, b), values in zip(cells, table, strict=True)
        for seed, value in zip(seeds, values, strict=True)
    ]
    verdicts = judge(study, results_from_rows(study, rows)).verdicts
    return {k: (v.verdict, v.n, round(v.p_confirm, 9), round(v.p_reject, 9)) for k, v in verdicts.items()}


@settings(max_examples=15, deadline=None, database=None)
@given(tables, st.permutations(range(5)))
def test_verdicts_ignore_names_of_seeds_order_of_arms_and_the_sign_of_the_metric(table, seeds):
    expected = outcomes(every(), table)
    assert outcomes(every(), table, seeds=[10 * seed + 3 for seed in seeds]) == expected
    assert outcomes(every(reverse=True), table) == expected
    assert outcomes(every(direction="down"), table, sign=-1) == expected


def test_missing_levels_are_told_and_not_judged():
    study = study_of({"kind": "compare", "better": X1, "than": {"x": 3}})
    verdict = judge_predictions(study, None)["it"]
    assert verdict.reason == "Inconclusive: no arm has x 3."


@pytest.mark.parametrize(
    ("prediction", "message"),
    [
        ({"kind": "compair", "better": X1, "than": X2}, "kind must be one of"),
        ({"kind": "compare", "better": X1}, "lacks the key 'than'"),
        ({"kind": "compare", "better": X1, "than": X2, "bye": 1}, "unknown key 'bye'; did you mean 'by'"),
        ({"kind": "compare", "better": "x=9", "than": X2}, "unknown arm 'x=9'"),
        ({"kind": "compare", "better": {"y": 1}, "than": X2}, "unknown factor 'y'; known: x"),
        ({"kind": "compare", "better": X1, "than": X1}, "is the arm of `better` itself"),
        ({"kind": "compare", "better": X1, "than": X2, "quantity": "loss"}, "unknown quantity 'loss'; known: score"),
        ({"kind": "compare", "better": X1, "than": X2, "by": "2%"}, "needs scale: log"),
        ({"kind": "order", "arms": [X1]}, "at least two cells"),
        ({"kind": "best", "arms": [X1, X2, X4]}, "nothing is left to beat"),
        ({"kind": "equivalent", "arms": [X1, X2], "within": 0}, "greater than 0"),
        ({"kind": "shape", "factor": "y", "form": "rising"}, "unknown factor 'y'"),
        ({"kind": "shape", "factor": "x", "form": "wavy"}, "form must be one of"),
        ({"kind": "shape", "factor": "x", "form": "rising", "at": 2}, "belongs to saturating and peak"),
        ({"kind": "shape", "factor": "x", "form": "peak", "at": 4}, "between the first and last"),
        ({"kind": "interaction"}, "must name two factors"),
        ({"kind": "interaction", "neither": X1}, "all of neither, first, second, both"),
        ({"kind": "bound", "arm": X1}, "needs low, high, or both"),
        ({"kind": "bound", "arm": X1, "low": 2, "high": 1}, "low <= high"),
        ({"kind": "all_of", "of": ["that"]}, "unknown prediction 'that'"),
        ({"kind": "all_of", "of": ["it"]}, "cannot contain itself"),
    ],
)
def test_impossible_predictions_are_refused_in_one_sentence(prediction, message):
    with pytest.raises(ValueError, match=r"study\.predictions") as caught:
        study_of(prediction)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_rejected_optimum_names_the_arm_that_beats_it():
    node = {
        "question": "Which is the best?",
        "arms": {"claimed": {"lr": 1}, "better": {"lr": 2}},
        "seeds": 5,
        "quantities": {"loss": {"metric": "test/loss", "scale": "log", "sesoi": "2%"}},
        "predictions": {"best": {"kind": "best", "arms": ["claimed"]}},
    }
    study = read_study(node)
    losses = {("claimed", seed): 0.5 * (1 + seed / 1000) for seed in range(5)}
    losses |= {("better", seed): 0.4 * (1 + seed**2 / 1000) for seed in range(5)}
    results = Results(tuple(Trial(arm, seed, {"loss": loss}) for (arm, seed), loss in losses.items()))
    reason = judge(study, results).verdicts["best"].reason
    assert reason.startswith("Rejected (beaten): better changed test loss by −19.")
