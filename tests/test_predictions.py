"""Prediction kinds: error rates by simulation, verdicts by hand, invariances."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from litmus.claims.contrast import Contrast
from litmus.claims.judgement import judge, judge_predictions
from litmus.claims.leaf import Gain
from litmus.claims.prediction import registry
from litmus.claims.results import Results, Trial
from litmus.claims.results_table import results_from_rows
from litmus.claims.statistics import power
from litmus.claims.study import read_study
from scripts.simulate import BOUND, COMPARE, CROSS, SESOI, X1, X2, X4, decisions, edges, normal, study_of

SIMULATIONS = 20_000
LIMIT = 0.025 + 4 * math.sqrt(0.025 * 0.975 / SIMULATIONS)  # four standard errors of the simulation


def simulate(study, means, n=5, name="it"):
    """(confirmed, rejected) rates when the arms, in order, have these means and SD 1 per run."""
    drawn = normal(np.random.default_rng(7), means, (n, SIMULATIONS))
    scores = dict(zip(study.arms, drawn, strict=True))
    confirmed, rejected = decisions(study.predictions[name], study, scores, looks=False)
    return float(np.mean(confirmed)), float(np.mean(rejected))


RISING = {"kind": "shape", "factor": "x", "form": "rising"}
EDGES = edges()


@pytest.mark.briefly(*range(0, 22, 2))
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


REASONS = {
    "": "Higher is shown, and the estimate reaches the 0.5 that the claim needs.",
    "too small": "0.300 higher than x 2's (95 %: 0.268 to 0.332 higher; 5 seeds). Too small to matter: the claim needs",
    "negligible": "was not different from x 2's",
    "opp": "lower than x 2's (95 %: 0.332 to 0.268 lower; 5 seeds). Wrong direction: the claim needs it 0.5 higher.",
}


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
    assert found.cause.startswith(why)
    assert REASONS[why] in found.reason


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
        "Rejected: dropout 0.1's test loss was 1.2 % lower than dropout 0's (95 %: 1.4 to 1.0 % lower; 5 seeds). "
        "Too small to matter: the claim needs it 2 % lower."
    )


def test_fewer_than_three_seeds_are_always_inconclusive():
    for prediction in (COMPARE, BOUND, {"kind": "best", "arms": X1}, {"kind": "equivalent", "arms": [X1, X2]}):
        study = study_of(prediction)
        for n in (1, 2):
            table = {"x=1": [90, 91][:n], "x=2": [1, 1.5][:n], "x=4": [0.1, 0.4][:n]}
            assert judged(study, table).verdicts["it"].verdict == "inconclusive"


def scores(study, a, b):
    """The verdict of x=1 against x=2 with these values per seed."""
    return judged(study, {"x=1": a, "x=2": b, "x=4": np.arange(len(a)) ** 2 / 7}).verdicts["it"]


@pytest.mark.parametrize(("n", "verdict"), [(5, "inconclusive"), (6, "confirmed")])
def test_failures_decide_by_an_exact_test_of_the_pairs(n, verdict):
    """McNemar on pairs: (1/2)⁵ = 0.031 is too much, (1/2)⁶ = 0.016 is not."""
    study = study_of({"kind": "compare", "better": X1, "than": X2})
    fails, holds = [math.nan] * n, [0.1 * seed**2 for seed in range(n)]
    won = scores(study, holds, fails)
    assert won.verdict == verdict
    assert won.p_confirm == pytest.approx(0.5**n)
    assert f"x 1 0 of {n}, x 2 {n} of {n}" in won.reason
    assert (won.mean, won.low) == (None, None)
    lost = scores(study, fails, holds)
    assert lost.verdict == ("rejected" if verdict == "confirmed" else verdict)
    assert lost.cause == ("diverged" if verdict == "confirmed" else "")
    if verdict == "inconclusive":
        assert "An exact test needs at least 6 pairs in which one side alone failed" in won.reason
        assert "(8 under looks)" in won.reason


def test_more_than_one_lost_pair_caps_what_the_means_say():
    study = study_of({"kind": "compare", "better": X1, "than": X2})
    clear, nan = 9 + np.arange(10) ** 2 / 50, math.nan
    assert scores(study, [nan, *clear[1:]], np.zeros(10) + WOBBLE[0]).verdict == "confirmed"
    two = scores(study, [nan, nan, *clear[2:]], [0.0] * 10)
    assert two.verdict == "inconclusive"
    assert "more than one pair lost, so that failures decide" in two.reason
    both = scores(study, [nan, nan, *clear[2:]], [nan, nan, *[0.0] * 8])
    assert both.verdict == "inconclusive"


def test_an_average_with_lost_pairs_is_compared_only_with_as_many_arms():
    study = study_of({"kind": "compare", "better": X1, "than": {"x": [2, 4]}})
    found = judged(study, {"x=1": np.arange(8) ** 2, "x=2": [math.nan] * 8, "x=4": np.zeros(8)}).verdicts["it"]
    assert found.verdict == "inconclusive"
    assert "a mean over the others would be one of lucky runs" in found.reason
    study = study_of({"kind": "compare", "better": {"a": 0}, "than": {"a": 1}}, factors=CROSS)
    nan = [math.nan] * 8
    table = {"a=0,b=0": np.arange(8) ** 2, "a=0,b=1": np.arange(8), "a=1,b=0": nan, "a=1,b=1": np.arange(8) / 3}
    assert judged(study, table).verdicts["it"].verdict == "confirmed"
    study = study_of({"kind": "interaction"}, factors=CROSS)
    assert judged(study, table).verdicts["it"].verdict == "inconclusive"


def test_an_arm_whose_runs_mostly_fail_lies_beyond_a_bar_only_by_a_test():
    study = study_of({"kind": "bound", "arm": X1, "low": 1})  # more is better: a failed run is worse than any bar
    for n, verdict in ((5, "inconclusive"), (6, "rejected")):
        table = {"x=1": [math.nan] * n, "x=2": np.arange(n) ** 2, "x=4": np.arange(n)}
        assert judged(study, table).verdicts["it"].verdict == verdict


def counted(at, prediction, **columns):
    """The verdict on values of a quantity that is no mean: `diverged`, or the time to a threshold."""
    quantity = {"metric": "diverged"} if at is None else {"metric": "val/loss", "at": at}
    study = read_study(
        {
            "question": "Is it so?",
            "arms": {name: {"x": name} for name in columns},
            "quantities": {"q": {**quantity, "sesoi": 10} if at else quantity},
            "predictions": {"it": prediction},
        }
    )
    made = [
        Trial(arm, seed, {"q": float(value)}, {"updates": 1000})
        for arm, values in columns.items()
        for seed, value in enumerate(values)
    ]
    return judge(study, Results(tuple(made))).verdicts["it"]


TIME = {"time_to": 0.5, "unit": "updates"}
FASTER = {"kind": "compare", "better": "a", "than": "b"}


@pytest.mark.parametrize(("n", "verdict"), [(5, "inconclusive"), (6, "confirmed")])
def test_time_to_is_a_sign_test_that_counts_who_never_arrives_as_the_budget(n, verdict):
    found = counted(TIME, FASTER, a=[100] * n, b=[500, math.inf] * (n // 2) + [500] * (n % 2))
    assert (found.verdict, found.n) == (verdict, n)
    assert found.p_confirm == pytest.approx(0.5**n)
    assert counted(TIME, FASTER, a=[500] * n, b=[100] * n).p_reject == pytest.approx(0.5**n)


def test_ties_of_times_have_no_say():
    found = counted(TIME, FASTER, a=[100] * 9, b=[100] * 3 + [500] * 6)
    assert found.p_confirm == pytest.approx(0.5**6)
    equal = counted(TIME, FASTER, a=[100] * 9, b=[100] * 9)
    assert (equal.p_confirm, equal.p_reject) == (1, pytest.approx(0.5**9))  # nine gains are below the 10 that matter


@pytest.mark.parametrize(("n", "verdict"), [(5, "inconclusive"), (6, "rejected")])
def test_that_no_run_diverged_rejects_a_share_of_a_half_by_clopper_and_pearson(n, verdict):
    found = counted(None, {"kind": "bound", "arm": "a", "low": 0.5}, a=[0] * n)
    assert (found.verdict, found.p_reject) == (verdict, pytest.approx(0.5**n))
    assert found.high == pytest.approx(1 - 0.025 ** (1 / n))
    half = counted(None, {"kind": "bound", "arm": "a", "low": 0.05}, a=[1] * n)
    assert half.verdict == "confirmed"  # 0.05⁵


def test_times_are_advised_by_their_signs():
    """Five of five ahead will most likely decide by twenty, four of five may not even by forty."""
    early = {"kind": "bound", "arm": "a", "high": 500}
    assert counted(TIME, early, a=[100] * 5).seeds_needed == 20
    assert counted(TIME, FASTER, a=[100] * 5, b=[500] * 5).seeds_needed == 20
    assert counted(TIME, early, a=[100] * 4 + [900]).seeds_needed is None


def test_divergence_of_two_arms_is_mcnemars():
    found = counted(None, FASTER, a=[0] * 9, b=[1] * 6 + [0] * 3)
    assert (found.verdict, found.p_confirm) == ("confirmed", pytest.approx(0.5**6))


def test_only_what_the_design_fixes_is_exact():
    assert counted(None, {"kind": "bound", "arm": "a", "high": 0.5}, a=[0] * 5).verdict == "inconclusive"
    study = study_of({"kind": "bound", "arm": X1, "low": 1})
    assert not study.quantities["score"].deterministic
    node = {
        "question": "?",
        "arms": {"a": {}},
        "quantities": {name: {"metric": name} for name in ("params", "samples")},
    }
    assert all(quantity.deterministic for quantity in read_study(node).quantities.values())


@pytest.mark.parametrize(
    ("gain", "direction"), [(0.9, "as predicted"), (0.3, "as predicted"), (0.0, "open"), (-0.3, "opposite")]
)
def test_direction_is_told_beside_size(gain, direction):
    study = study_of({"kind": "compare", "better": X1, "than": X2})
    found = scores(study, gain + WOBBLE, WOBBLE[::-1])
    assert found.direction == direction
    assert (found.cause == "opposite") == (direction == "opposite")


def test_an_undecided_size_may_have_a_direction_and_what_is_printed_was_shown():
    study = study_of({"kind": "compare", "better": X1, "than": X2})
    found = scores(study, np.array([0.2, 0.6, 0.4, 0.55, 0.3]), WOBBLE)
    assert (found.verdict, found.direction) == ("inconclusive", "as predicted")
    assert "The direction is shown, its size is open: the claim needs it 0.5 higher" in found.reason
    sure = scores(study, np.array([0.3, 1.0, 0.6, 0.7, 0.4]), WOBBLE)
    assert sure.verdict == "confirmed"
    assert sure.low < SESOI < sure.mean
    assert "Higher is shown, and the estimate reaches the 0.5 that the claim needs." in sure.reason
    by = study_of({"kind": "compare", "better": X1, "than": X2, "by": 1})
    assert "More than 1 higher is shown, as claimed." in scores(by, 3 + WOBBLE, -WOBBLE).reason
    equal = study_of({"kind": "equivalent", "arms": [X1, X2]})
    assert scores(equal, WOBBLE, WOBBLE[::-1]).direction is None


def test_the_whole_span_comes_before_the_weakest_step():
    table = {"x=1": WOBBLE, "x=2": 1 + WOBBLE[::-1], "x=4": 3 + WOBBLE**2}
    found = judged(study_of(RISING), table).verdicts["it"]
    assert found.verdict == "confirmed"
    assert found.reason.startswith("Confirmed: x 4's score was 3.002 higher than x 1's ")
    assert "Weakest step: x 2's score was 1.000 higher than x 1's " in found.reason
    assert found.leaf.contrast.subject == "x 2"
    assert found.mean == pytest.approx(float(found.leaf.contrast.mean))
    order = study_of({"kind": "order", "arms": [X4, X2, X1]})
    assert "score was 3.002 higher" in judged(order, table).verdicts["it"].reason.partition("Weakest step")[0]


def test_what_peaks_does_not_rise():
    """Each step falls by less than sesoi, both together by more."""
    both = {"peaks": {"kind": "shape", "factor": "x", "form": "peak", "at": 2, "quantity": "score"}}
    study = study_of({**RISING, "primary": True}, levels=(1, 2, 3, 4), **both)
    jitter = WOBBLE / 100
    table = {"x=1": jitter, "x=2": 9 + jitter[::-1], "x=3": 8.6 - jitter, "x=4": 8.2 + jitter**2}
    found = judged(study, table).verdicts
    assert (found["peaks"].verdict, found["it"].verdict) == ("confirmed", "rejected")


@pytest.mark.parametrize("form", ["rising", "falling"])
def test_a_rise_that_one_step_refutes_is_not_called_as_predicted(form):
    study = study_of({**RISING, "form": form}, levels=(1, 2, 3, 4))
    table = dict(zip(study.arms, np.array([[0.0], [6.0], [3.0], [9.0]]) + WOBBLE * [[1], [-1], [2], [3]], strict=True))
    if form == "falling":
        table = dict(zip(study.arms, reversed(table.values()), strict=True))
    found = judged(study, table).verdicts["it"]
    assert (found.verdict, found.cause, found.direction) == ("rejected", "opposite", "opposite")
    # A step that falls by less than matters refutes nothing.
    level = dict(
        zip(table, (table["x=1"], table["x=3"], table["x=3"] - 0.2 + WOBBLE[::-1] / 9, table["x=4"]), strict=True)
    )
    assert judged(study, level).verdicts["it"].direction == "as predicted"


def test_what_an_earlier_look_has_shown_is_said_to_be_of_that_look():
    study = replace(study_of({"kind": "compare", "better": X1, "than": X2}), until=True, seeds=tuple(range(10)))
    early, late = 0.49 + WOBBLE, [-1.0, 4.0, -1.2, 4.2, 1.5]  # a gain, smaller than matters; then a scatter
    found = scores(study, [*early, *late], [0.0] * 10)
    assert (found.verdict, found.look, found.low < 0) == ("confirmed", 10, True)
    assert found.reason.startswith("Confirmed, look at 10 seeds: ")
    assert "Higher is shown, and the estimate reaches the 0.5 that the claim needs. The look at 5 seeds" in found.reason
    clear = scores(study, [*early, *(0.8 + WOBBLE)], [0.0] * 10)
    assert (clear.verdict, "has shown it" in clear.reason) == ("confirmed", False)


@pytest.mark.long
def test_advice_holds_its_promise():
    """Of studies that are told "about N seeds", at least 80 % are decided by then, whatever their mean truly is."""
    study = study_of({"kind": "compare", "better": X1, "than": X2}, sesoi=0.1)
    generator = np.random.default_rng(3)
    kept = []
    for _ in range(800):
        truth = generator.normal(0, 1.5)
        gains = generator.normal(truth, 1, 40)
        first = scores(study, gains[:5], np.zeros(5))
        if first.seeds_needed is None or first.verdict != "inconclusive":
            continue
        contrast = Contrast(study.quantities["score"], {"a": 1.0, "b": -1.0}, gains[: first.seeds_needed])
        earlier = tuple(Contrast(contrast.quantity, contrast.weights, gains[:n]) for n in (5, 10, 20))
        kept.append(Gain(replace(contrast, earlier=earlier[:1], corrected=True), 0.0, 0.1))
    decided = [bool(claim.confirms() or claim.rejects()) for claim in kept]
    assert len(decided) > 100
    assert np.mean(decided) >= 0.8 - 2 * math.sqrt(0.16 / len(decided))


def test_advice_counts_holm_and_says_why_no_number_is_affordable():
    table = {"x=1": [1.3, 0.2, 1.0, 0.5, -0.2], "x=2": WOBBLE, "x=4": WOBBLE**2}
    claims = {f"c{i}": {"kind": "compare", "better": X1, "than": X2, "quantity": "score"} for i in range(9)}
    alone = study_of({"kind": "compare", "better": X1, "than": X2, "primary": True}, sesoi=0.1, **claims)
    found = judged(alone, table).verdicts
    assert found["it"].seeds_needed in (10, 20, 40)
    assert found["c0"].seeds_needed is None or found["c0"].seeds_needed > found["it"].seeds_needed
    near = scores(study_of({"kind": "compare", "better": X1, "than": X2}), 0.5 + 20 * WOBBLE, -WOBBLE)
    assert near.seeds_needed is None
    assert "more seeds may not help (with 40, the last look, the chance to decide is" in near.reason
    assert "SD from that line" in near.reason
    last = scores(study_of({"kind": "compare", "better": X1, "than": X2}), 0.5 + 3 * np.sin(np.arange(40)), [0.0] * 40)
    assert "No look is planned after 40 seeds" in last.reason


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


@pytest.mark.parametrize("smaller", [7, 33, 50, 100, 5000, 93_130])
def test_what_is_exactly_as_claimed_is_confirmed_whatever_a_logarithm_is_rounded_to(smaller):
    half = {"kind": "bound", "arm": "a", "relative_to": "b"}
    study = read_study(
        {
            "question": "Is it half as large?",
            "arms": {"a": {"width": 1}, "b": {"width": 2}},
            "quantities": {"params": {"metric": "params", "sesoi": "10%"}},
            "predictions": {
                "at_least": {**half, "low": "50%"},
                "exactly": {**half, "low": "50%", "high": "50%"},
                "by": {"kind": "compare", "better": "a", "than": "b", "by": "50%"},
                "less": {**half, "high": "49%"},
                "more": {"kind": "compare", "better": "a", "than": "b", "by": "51%"},
            },
        }
    )
    rows = [{"arm": arm, "seed": s, "params": size * smaller} for arm, size in (("a", 1), ("b", 2)) for s in range(3)]
    verdicts = judge(study, results_from_rows(study, rows)).verdicts
    assert [v.verdict for v in verdicts.values()] == [*["confirmed"] * 3, *["rejected"] * 2]


def test_a_count_of_ones_own_is_told_how_to_be_one():
    def flops(**more):
        node = {
            "question": "Which is cheaper?",
            "arms": {"a": {"depth": 1}, "b": {"depth": 2}},
            "quantities": {"q": {"metric": "flops", "direction": "down", **more}},
            "predictions": {"it": {"kind": "compare", "better": "a", "than": "b"}},
        }
        study = read_study(node)
        return judge(study, results_from_rows(study, rows))

    rows = [{"arm": arm, "seed": seed, "q": cost} for arm, cost in (("a", 1e6), ("b", 2e6)) for seed in range(5)]
    said = flops().verdicts["it"]
    assert said.verdict == "inconclusive"
    assert "if the design fixes it, say `deterministic: true`" in said.reason
    found = flops(deterministic=True)
    assert found.verdicts["it"].verdict == "confirmed"
    assert not any(finding.code in ("declared_exact", "no_spread") for finding in found.lint)


def test_holm_spares_the_primary_only():
    claims = {f"c{i}": {"kind": "compare", "better": X1, "than": X2, "quantity": "score"} for i in range(9)}
    gain = np.array([0.2, 1.6, 0.9, 1.2, 0.4])  # p = 0.007 one-sided: alone enough, not nine times
    table = {"x=1": gain, "x=2": [0.0] * 5, "x=4": WOBBLE}
    study = study_of({"kind": "compare", "better": X1, "than": X2, "primary": True}, **claims)
    verdicts = judged(study, table).verdicts
    assert verdicts["it"].verdict == "confirmed"
    assert verdicts["it"].adjusted == verdicts["it"].p_confirm
    assert verdicts["c0"].verdict == "inconclusive"
    assert "Undecided once all 9 secondary predictions are counted (p 0.13, limit 0.025)" in verdicts["c0"].reason
    assert verdicts["c0"].adjusted == pytest.approx(9 * verdicts["c0"].p_confirm)


def test_order_prints_page():
    study = study_of({"kind": "order", "arms": [X1, X2, X4]})
    found = judged(study, {"x=1": 9 + WOBBLE, "x=2": 5 - WOBBLE, "x=4": 1 + WOBBLE**2}).verdicts["it"]
    assert found.verdict == "confirmed"
    assert "Page's L = 70, p = 0.00013" in found.reason


def test_inconclusive_says_how_many_seeds():
    study = study_of({"kind": "compare", "better": X1, "than": X2}, sesoi=0.1)
    found = judged(study, {"x=1": [1.3, 0.2, 1.0, 0.5, -0.2], "x=2": WOBBLE, "x=4": WOBBLE**2}).verdicts["it"]
    assert found.verdict == "inconclusive"
    assert found.seeds_needed in (10, 20, 40)
    assert f"About {found.seeds_needed} seeds, {found.seeds_needed - 5} more, should settle it." in found.reason


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


@pytest.mark.long
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
    assert verdict.reason == "Undecided: no arm has x 3."


@pytest.mark.parametrize(
    ("prediction", "message"),
    [
        ({"kind": "compair", "better": X1, "than": X2}, "kind must be one of"),
        ({"kind": "compare", "better": X1}, "lacks the key 'than'"),
        ({"kind": "compare", "better": X1, "than": X2, "bye": 1}, "unknown key 'bye'; did you mean 'by'"),
        ({"kind": "compare", "better": "x=9", "than": X2}, "unknown arm 'x=9'"),
        ({"kind": "compare", "better": {"y": 1}, "than": X2}, "unknown factor 'y'; known: x"),
        ({"kind": "compare", "better": X1, "than": X1}, "x 1 and x 1 both hold the arm x=1"),
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


@pytest.mark.parametrize(("level", "told"), [(None, "null"), ("none", "none"), ("1_0", "1_0")])
def test_a_shape_leaves_out_no_level_without_a_number_unless_it_is_told_to(level, told):
    factors = {"x": [level, 0.1, 1, 10]}
    claim = {"kind": "shape", "factor": "x", "form": "rising"}
    refusal = rf"must have numbers as levels, got {told}; name those meant, as in given: {{x: \[0.1, 1, 10\]}}$"
    with pytest.raises(ValueError, match=refusal):
        study_of(claim, factors=factors)
    study = study_of({**claim, "given": {"x": [0.1, 1, 10]}}, factors=factors)
    assert study.predictions["it"].named_arms(study) == ("x=0.1", "x=1", "x=10")


WIDE = {"x": [1, 2]}


@pytest.mark.parametrize(
    ("prediction", "apart"),
    [
        ({"kind": "compare", "better": WIDE, "than": X2}, {"than": X4}),
        ({"kind": "compare", "better": X2, "than": [X4, WIDE]}, {"than": [X4, {"x": [1, 4]}]}),
        ({"kind": "order", "arms": [X1, X2, X1]}, {"arms": [X4, X2, X1]}),
        ({"kind": "equivalent", "arms": [X4, WIDE, X1]}, {"arms": [X4, WIDE]}),
        ({"kind": "bound", "arm": X1, "relative_to": WIDE, "low": 0}, {"relative_to": X4}),
        ({"kind": "interaction", "neither": X1, "first": X2, "second": X4, "both": WIDE}, None),
    ],
)
def test_cells_whose_difference_is_taken_share_no_arm(prediction, apart):
    with pytest.raises(ValueError, match=r"both hold the arm x=\d; name cells that share no arm$"):
        study_of(prediction)
    if apart is not None:
        study_of({**prediction, **apart})


def test_the_set_of_an_optimum_may_name_an_arm_twice_since_its_rivals_are_all_others():
    study = study_of({"kind": "best", "arms": [X1, WIDE], "among": [X2, X4]})
    assert study.predictions["it"].sides(study) == (["x=1", "x=2"], ["x=4"])


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
    assert reason.startswith("Rejected: better's test loss was 19.7 % lower than claimed's ")
    assert reason.endswith("Another arm is better than the one that is claimed to be best.")


@pytest.mark.parametrize("form", ["synergy", "redundancy"])
def test_a_2x2_has_the_same_sign_in_whatever_order_its_levels_are_listed(form):
    def asked(*, dropout=(0.0, 0.1), norm=("none", "batch"), **more):
        node = {
            "question": "?",
            "factors": {"dropout": dropout, "norm": norm},
            "seeds": 6,
            "quantities": {"q": {"metric": "test/loss", "sesoi": 0.02}},
            "predictions": {"it": {"kind": "interaction", "form": form, **more.pop("claim", {})}},
        }
        study = read_study({**node, **more})
        means = {(0.0, norm[0]): 0.6, (0.1, norm[0]): 0.58, (0.0, norm[-1]): 0.58, (0.1, norm[-1]): 0.48}
        if norm[0] == "batch":
            means = {(d, "none" if n == "batch" else "batch"): value for (d, n), value in means.items()}
        made = [
            Trial(arm, seed, {"q": means[own["dropout"], own["norm"]] + 0.003 * math.sin(seed + 7 * place)})
            for place, (arm, own) in enumerate(study.arms.items())
            for seed in range(6)
        ]
        return judge(study, Results(tuple(made))).verdicts["it"]

    said = "confirmed" if form == "synergy" else "rejected"
    for dropout in ((0.0, 0.1), (0.1, 0.0)):
        for norm in (("none", "batch"), ("batch", "none")):
            found = asked(dropout=dropout, norm=norm)
            assert found.verdict == said
            assert "neither:" not in found.reason
    unknown = asked(norm=("group", "batch"))
    assert (
        "[neither: dropout 0, norm group; first: dropout 0.1, norm group; second: dropout 0, norm batch; both: "
        "dropout 0.1, norm batch]" in unknown.reason
    )
    assert "neither:" not in asked(norm=("group", "batch"), off={"norm": "group"}).reason
    turned = {"dropout": [0.1, 0.0], "norm": ["none", "batch"]}
    assert asked(claim={"factors": turned}).verdict != said  # what a prediction lists is [off, on] as it is listed
