"""What exact tests decide: shared rows make runs fewer, failures tell which side has more, and advice can be taken."""

import math
from dataclasses import replace

import numpy as np
import pytest

from litmus.claims.contrast import Contrast, count_failures
from litmus.claims.judgement import judge
from litmus.claims.leaf import Gain, Inside
from litmus.claims.lint import lint_design
from litmus.claims.quantity import read_quantity
from litmus.claims.resampling import Resampling
from litmus.claims.results import Results, Trial
from litmus.claims.study import read_study

SIMULATIONS = 4000
LIMIT = 0.025 + 4 * math.sqrt(0.025 * 0.975 / SIMULATIONS)  # four standard errors of the simulation
PAIR = {"a": 1.0, "b": -1.0}
TIME = {"metric": "val/loss", "at": {"time_to": 0.5}}
NAN = math.nan


def alike(folds, runs, arms=1):
    """Normal numbers (arms, runs, simulations) that correlate over runs as Nadeau and Bengio take it: by 1/folds."""
    generator = np.random.default_rng(3)
    common, own = (generator.normal(size=(arms, n, SIMULATIONS)) for n in (1, runs))
    return math.sqrt(1 / folds) * common + math.sqrt(1 - 1 / folds) * own


def shared(folds, repeats, kind, gain=0.0, corrected=True):
    """How often each side of a claim about equal arms is decided, in runs of repeated folds; `gain`: unequal times."""
    deal = Resampling(folds, repeats)
    ratio = deal.ratio if corrected else 0.0
    if kind == "time_to":
        values = np.round(4 * (alike(folds, deal.runs)[0] + gain))
        claim = Gain(Contrast(read_quantity("q", TIME), PAIR, values, ratio=ratio, test="sign"))
        return np.mean(claim.confirms()), np.mean(claim.rejects())
    drawn = alike(folds, deal.runs, arms=2)
    share = 0.3
    failed = drawn > np.quantile(drawn, 1 - share)
    if kind == "failures":
        values = np.where(failed.any(axis=0), NAN, drawn[0] - drawn[1])
        failures = count_failures(dict(zip(PAIR, failed, strict=True)), PAIR, worse_is_more=True)
        claim = Gain(Contrast(read_quantity("q", "test/loss"), PAIR, values, ratio=ratio, failures=failures))
        decided = failures.lost > 1
        return np.mean(claim.confirms() & decided), np.mean(claim.rejects() & decided)
    quantity = read_quantity("q", {"metric": "diverged"})
    if kind == "one arm":
        one = Contrast(quantity, {"a": 1.0}, failed[0].astype(float), ratio=ratio, test="share", oriented=False)
        return np.mean(Inside(one, low=share).confirms()), np.mean(Inside(one, high=share).confirms())
    claim = Gain(Contrast(quantity, PAIR, failed[1] * 1.0 - failed[0], ratio=ratio, test="share"))
    return np.mean(claim.confirms()), np.mean(claim.rejects())


@pytest.mark.parametrize("kind", ["time_to", "diverged", "one arm", "failures"])
def test_runs_that_share_rows_are_not_counted_as_independent(kind):
    for folds, repeats in ((5, 4), (10, 2), (10, 10), (20, 1)):
        assert max(shared(folds, repeats, kind)) <= LIMIT, (folds, repeats)
    assert min(shared(10, 10, kind, corrected=False)) > 0.05


def test_repeats_of_many_folds_decide_and_of_five_none():
    assert shared(10, 10, "time_to", gain=1.5)[0] > 0.8
    assert shared(20, 1, "time_to", gain=1.5)[0] > 0.8
    assert shared(5, 20, "time_to", gain=9)[0] == 0


def test_the_interval_of_a_median_over_shared_rows_is_what_the_test_does_not_reject():
    values = np.random.default_rng(1).normal(1.0, 0.8, 40)
    for ratio in (0.0, 1 / 19, 1 / 9):
        one = Contrast(read_quantity("q", TIME), PAIR, values, ratio=ratio, test="sign")
        low, high = one.interval
        assert one.p_above(low - 1e-9) < 0.025 <= one.p_above(low + 1e-9)
        assert one.p_below(high + 1e-9) < 0.025 <= one.p_below(high - 1e-9)
    few = Contrast(read_quantity("q", TIME), PAIR, values, ratio=1 / 4, test="sign")
    assert few.interval == (-math.inf, math.inf)


def test_the_interval_of_a_share_over_shared_rows_is_what_the_test_does_not_reject():
    values = np.array([1.0] * 6 + [0.0] * 14)
    quantity = read_quantity("q", {"metric": "diverged"})
    one = Contrast(quantity, {"a": 1.0}, values, ratio=1 / 9, test="share", oriented=False)
    low, high = one.interval
    assert (one.p_above(low), one.p_below(high)) == pytest.approx((0.025, 0.025))
    assert high - low > 1.5 * np.ptp(Contrast(quantity, {"a": 1.0}, values, test="share", oriented=False).interval)


def verdict(values, claim, quantity=None, **more):
    """The verdict on a claim about arms whose values are given."""
    quantity = quantity or {"metric": "test/loss", "sesoi": 0.05}
    runs = len(next(iter(values.values())))
    arms = {name: {"x": place} for place, name in enumerate(values)}
    node = {"question": "?", "arms": arms, "quantities": {"q": quantity}, "predictions": {"it": claim}}
    study = read_study({**node, **(more or {"seeds": runs})})
    trials = [
        Trial(arm, seed, {"q": float(value)}, {"updates": 1000})
        for arm, own in values.items()
        for seed, value in enumerate(own)
    ]
    return judge(study, Results(tuple(trials))).verdicts["it"]


def test_advice_over_shared_rows_asks_for_folds_where_no_repeat_helps():
    times = {"a": [100] * 20, "b": [500] * 20}
    claim = {"kind": "compare", "better": "a", "than": "b"}
    broken = {"a": 1 + 0.01 * np.arange(20) ** 2, "b": [NAN] * 20}
    for values, quantity in ((times, TIME), (broken, None)):
        found = verdict(values, claim, quantity, resampling={"folds": 5, "repeats": 4})
        assert found.verdict == "inconclusive"
        assert (
            "Runs that share rows count as fewer than 4 independent ones, and an exact test needs 6: no number of "
            "repeats decides it, more folds may." in found.reason
        )
        assert verdict(values, claim, quantity, resampling={"folds": 10, "repeats": 2}).verdict == "confirmed"
    few = {arm: own[:10] for arm, own in broken.items()}
    ten = verdict(few, claim, resampling={"folds": 10})
    assert ten.verdict == "inconclusive"
    assert "at least 14 pairs in which one side alone failed, all of one kind (37 under looks)." in ten.reason


SOUND, BREAKS = 1 + 0.01 * np.arange(10) ** 2, [NAN] * 8 + [1.0, 1.01]
ALIKE = {"kind": "equivalent", "arms": ["a", "b"]}


@pytest.mark.parametrize(
    "claim",
    [ALIKE, {"kind": "best", "arms": "b"}, {"kind": "bound", "arm": "a", "relative_to": "b", "low": -0.1, "high": 0.1}],
    ids=lambda claim: claim["kind"],
)
def test_whoever_failed_less_is_said_to_fail_less_whatever_was_claimed(claim):
    found = verdict({"a": SOUND, "b": BREAKS}, claim)
    assert found.verdict == "rejected"
    assert "a against b: runs that are not finite: a 0 of 10, b 8 of 10" in found.reason
    assert found.reason.endswith("It fails less often.")
    if claim["kind"] != "best":
        assert verdict({"a": BREAKS, "b": SOUND}, claim).reason.endswith("It fails more often.")


def test_failures_decide_a_bound_that_has_one_end():
    over = {"kind": "bound", "arm": "a", "relative_to": "b"}
    table = {"a": 1 + 0.01 * np.arange(20) ** 2, "b": [NAN] * 16 + [1.2] * 4}
    turned = {"a": table["b"], "b": table["a"]}
    for end, confirmed, rejected in (("low", table, turned), ("high", turned, table)):
        assert verdict(confirmed, {**over, end: 0}).verdict == "confirmed"
        assert verdict(rejected, {**over, end: 0}).verdict == "rejected"
    sixteen = verdict(table, {**over, "low": 0})
    assert sixteen.p_confirm == pytest.approx(0.5**16)
    alone = {"kind": "bound", "arm": "b", "low": 5}  # of a loss, a failed run is worse than any bar
    assert verdict(table, alone).verdict == "confirmed"
    assert verdict(table, {"kind": "bound", "arm": "b", "high": 5}).verdict == "rejected"


def test_a_level_that_diverges_is_no_gain_after_saturation():
    jitter = 0.01 * np.arange(10) ** 2 / 30
    values = {"w1": 2 + jitter, "w2": 1 + jitter[::-1], "w3": [NAN] * 8 + [1.0, 1.01]}
    claim = {"kind": "shape", "factor": "x", "form": "saturating", "at": 1}
    assert verdict(values, claim).verdict == "confirmed"


DIVERGED = {"metric": "diverged", "sesoi": 0.1}
TWELVE = {"a": [0] * 20, "b": [1] * 12 + [0] * 8}


@pytest.mark.parametrize(
    "claim",
    [ALIKE, {"kind": "compare", "better": "b", "than": "a", "by": -0.1},
     {"kind": "compare", "better": "a", "than": "b", "by": 0.1}],
    ids=["equivalent", "not worse", "better by"],
)  # fmt: skip
def test_by_how_much_two_arms_shares_differ_is_decided_by_no_number_of_seeds(claim):
    found = verdict(TWELVE, claim, DIVERGED)
    assert found.verdict == "inconclusive"
    assert "An exact test needs at least" not in found.reason
    assert (
        "No number of seeds decides it: of two arms an exact test tells which one diverges less often" in found.reason
    )


def test_who_diverges_less_is_advised_by_pairs():
    claim = {"kind": "compare", "better": "a", "than": "b"}
    found = verdict({"a": [0] * 9, "b": [1] * 4 + [0] * 5}, claim, DIVERGED)
    assert "An exact test needs at least 6 pairs in which one side alone failed, all of one kind" in found.reason
    assert verdict(TWELVE, claim, DIVERGED).verdict == "confirmed"


def gained(distances, test="sign"):
    """The rates at which a gain, more than one, and an equivalence within one are decided, of medians that are one."""
    one = Contrast(read_quantity("q", {**TIME, "sesoi": 1}), PAIR, distances, test=test)
    return {
        "gain": Gain(one, 0.0, 1.0).rejects(),
        "more": Gain(one, 1.0).confirms(),
        "within": Inside(one, -1.0, 1.0).confirms(),
    }


@pytest.mark.parametrize("n", [10, 20, 40])
def test_pairs_that_lie_on_a_bar_are_not_beyond_it(n):
    """Of counted epochs many gains are one epoch: whoever leaves those out finds the median beside one."""
    generator = np.random.default_rng(n)
    drawn = generator.choice([0.0, 1.0, 2.0], size=(n, SIMULATIONS), p=[0.22, 0.56, 0.22])
    for name, wrong in gained(drawn).items():
        assert np.mean(wrong) <= LIMIT, name
    for shares, wrong in (([0.45, 0.55, 0.0], "within"), ([0.0, 0.55, 0.45], "more"), ([0.45, 0.55, 0.0], "gain")):
        drawn = generator.choice([0.0, 1.0, 2.0], size=(n, SIMULATIONS), p=shares)
        assert np.mean(gained(drawn)[wrong]) <= LIMIT, wrong


def test_a_bar_that_a_logarithm_misses_by_rounding_is_the_bar():
    half = Contrast(read_quantity("q", {**TIME, "sesoi": "50%"}), PAIR, np.full(20, math.log(66) - math.log(33)))
    assert replace(half, test="sign").counts(math.log(2), 1) == (0, 20)


@pytest.mark.parametrize("runs", [3, 5, 10])
@pytest.mark.parametrize(
    "claim",
    [
        {"kind": "equivalent", "arms": [{"norm": "none"}, {"norm": "batch"}], "within": 0.1},
        {"kind": "interaction", "form": "none"},
        {"kind": "bound", "arm": {"norm": "none"}, "high": 0.1},
    ],
    ids=lambda claim: claim["kind"],
)
def test_that_no_run_of_several_arms_diverged_shows_no_share(claim, runs):
    node = {
        "question": "?",
        "factors": {"norm": ["none", "batch"], "dropout": [0, 1]},
        "quantities": {"q": DIVERGED},
        "predictions": {"it": claim},
        "seeds": runs,
    }
    study = read_study(node)
    made = tuple(Trial(arm, seed, {"q": 0.0}) for arm in study.arms for seed in range(runs))
    assert judge(study, Results(made)).verdicts["it"].verdict == "inconclusive"


def test_who_diverges_less_is_decided_of_sides_of_several_arms():
    node = {
        "question": "?",
        "factors": {"norm": ["none", "batch", "group"], "dropout": [0, 1, 2]},
        "quantities": {"q": DIVERGED},
        "predictions": {"it": {"kind": "compare", "better": {"norm": "batch"}, "than": {"norm": "none"}}},
    }
    study = read_study(node)
    assert len(study.arms) == 9
    for runs, verdict_of in ((5, "inconclusive"), (6, "confirmed")):
        made = [
            Trial(arm, seed, {"q": float(own["norm"] == "none" and own["dropout"] != seed % 3)})
            for arm, own in study.arms.items()
            for seed in range(runs)
        ]
        found = judge(study, Results(tuple(made))).verdicts["it"]
        assert (found.verdict, found.p_confirm) == (verdict_of, pytest.approx(0.5**runs))


def test_a_rise_that_no_run_has_is_known_of_the_median_alone():
    rise = {"metric": "val/loss", "at": "rise", "sesoi": 0.01}
    for runs, said in ((3, "inconclusive"), (5, "inconclusive"), (6, "confirmed")):
        assert verdict({"a": [0] * runs, "b": [0] * runs}, ALIKE, rise).verdict == said


@pytest.mark.parametrize(("runs", "said"), [(35, "inconclusive"), (36, "confirmed")])
def test_an_end_of_what_a_share_can_be_is_no_end(runs, said):
    for ends, value in (({"low": 0, "high": 0.1}, 0), ({"low": 0.9, "high": 1}, 1)):
        alone = {end: ends[end] for end in ends if 0 < ends[end] < 1}
        for claim in (ends, alone):
            found = verdict({"a": [value] * runs}, {"kind": "bound", "arm": "a", **claim}, DIVERGED)
            assert found.verdict == said
            if said == "inconclusive":
                assert "An exact test needs at least 36 runs, all of one kind" in found.reason
    with pytest.raises(ValueError, match="holds of every share: give low above 0, or high below 1"):
        verdict({"a": [0] * 5}, {"kind": "bound", "arm": "a", "low": 0, "high": 1}, DIVERGED)
    never = verdict({"a": [0] * 40}, {"kind": "bound", "arm": "a", "high": 0}, DIVERGED)
    assert never.reason.endswith("No number of runs shows that a share is exactly 0 or 1: leave the claim some room.")


@pytest.mark.parametrize(
    ("plan", "told"),
    [
        ({"seeds": 5}, "which needs 6 pairs all of one kind: 5 seeds cannot decide it."),
        ({"seeds": {"until": "decided", "most": 5}}, "which needs 8 pairs all of one kind: 5 seeds cannot decide it."),
        ({"resampling": {"folds": 5, "repeats": 4}}, "and no number of repeats of these folds decides it"),
        ({"resampling": {"folds": 10}}, "which needs 14 pairs all of one kind: 10 runs cannot decide it."),
        ({"resampling": {"folds": 10, "repeats": 2}}, ""),
        ({"seeds": 6}, ""),
        ({"seeds": {"until": "decided", "most": 10}}, ""),
    ],
)
def test_what_no_planned_run_can_decide_is_told_before_any(plan, told):
    claims = {
        "sooner": {"kind": "compare", "better": "a", "than": "b", "quantity": "time"},
        "fewer": {"kind": "compare", "better": "a", "than": "b", "quantity": "diverged"},
        "lower": {"kind": "compare", "better": "a", "than": "b", "quantity": "loss"},
        "alone": {"kind": "bound", "arm": "a", "high": 0.9, "quantity": "diverged"},
    }
    quantities = {"time": TIME, "diverged": "diverged", "loss": {"metric": "test/loss", "sesoi": "5%"}}
    arms = {"a": {"x": 1}, "b": {"x": 2}}
    study = read_study({"question": "?", "arms": arms, "quantities": quantities, "predictions": claims, **plan})
    found = [one for one in lint_design(study) if "exact test" in one.message]
    assert [one.predictions for one in found] == ([("sooner",), ("fewer",)] if told else [])
    assert all(told in one.message for one in found)


def test_what_no_seed_decides_is_not_waited_for():
    assert not verdict(TWELVE, ALIKE, DIVERGED, seeds={"until": "decided", "most": 40}).open
    sooner = {"kind": "compare", "better": "a", "than": "b"}
    assert verdict({"a": [0] * 5, "b": [1] * 4 + [0]}, sooner, DIVERGED, seeds={"until": "decided", "most": 40}).open


NEVER = math.inf


@pytest.mark.parametrize(
    ("claim", "a", "b", "said"),
    [
        ({"kind": "bound", "arm": "a", "high": 1500}, [NEVER] * 20, [NEVER] * 20, "inconclusive"),
        ({"kind": "bound", "arm": "a", "high": 1000}, [NEVER] * 20, [NEVER] * 20, "inconclusive"),
        ({"kind": "bound", "arm": "a", "high": 800}, [NEVER] * 20, [NEVER] * 20, "rejected"),
        ({"kind": "bound", "arm": "a", "low": 800}, [NEVER] * 20, [NEVER] * 20, "confirmed"),
        ({"kind": "bound", "arm": "a", "low": 1500}, [NEVER] * 20, [NEVER] * 20, "inconclusive"),
        ({"kind": "bound", "arm": "a", "high": 1500}, [900] * 20, [NEVER] * 20, "confirmed"),
        ({**ALIKE, "within": 100}, [NEVER] * 20, [NEVER] * 20, "inconclusive"),
        ({**ALIKE, "within": 100}, [950] * 20, [NEVER] * 20, "inconclusive"),
        ({**ALIKE, "within": 100}, [600] * 20, [NEVER] * 20, "rejected"),
        ({"kind": "compare", "better": "a", "than": "b", "by": 500}, [600] * 20, [NEVER] * 20, "inconclusive"),
        ({"kind": "compare", "better": "a", "than": "b", "by": 500}, [400] * 20, [NEVER] * 20, "confirmed"),
        ({"kind": "compare", "better": "b", "than": "a", "by": -100}, [NEVER] * 20, [NEVER] * 20, "inconclusive"),
        ({"kind": "compare", "better": "b", "than": "a", "by": -100}, [600] * 20, [NEVER] * 20, "rejected"),
        ({"kind": "compare", "better": "a", "than": "b"}, [400] * 11 + [NEVER] * 9, [NEVER] * 20, "confirmed"),
    ],
)
def test_of_runs_that_never_got_there_nothing_beyond_the_budget_is_shown(claim, a, b, said):
    """The budget is 1000; where a run would have got there later is decided by what speaks against the verdict."""
    found = verdict({"a": a, "b": b}, claim, {**TIME, "sesoi": 60})
    assert found.verdict == said
    if said == "inconclusive":
        unknown = (
            "Nothing beyond 1,000 is known of runs that never got there, nor shown by more seeds: train longer, or"
        )
        assert unknown in found.reason


def test_the_interval_of_times_of_which_some_are_unknown_is_what_the_test_does_not_reject():
    times = {"a": [300.0 + seed for seed in range(20)], "b": [700.0 - 2 * seed for seed in range(14)] + [NEVER] * 6}
    one = verdict(times, {**ALIKE, "within": 60}, {**TIME, "sesoi": 60}).leaf.contrast
    low, high = one.interval
    assert one.p_above(low - 1e-9) < 0.025 <= one.p_above(low + 1e-9)
    assert (one.p_above(math.nextafter(0, 1)), high) == (pytest.approx(0.5**20), math.inf)


@pytest.mark.parametrize(
    ("settings", "more", "runs", "said"),
    [
        ({"epochs": 10}, {}, 3, "confirmed"),
        ({"trainer.max_time": None}, {}, 3, "confirmed"),
        ({"callbacks.early_stopping.patience": 10}, {}, 5, "inconclusive"),
        ({"callbacks.mine._target_": "pytorch_lightning.callbacks.EarlyStopping"}, {}, 5, "inconclusive"),
        ({"trainer.max_time": "00:00:01:00"}, {}, 5, "inconclusive"),
        ({"callbacks.early_stopping.patience": 10}, {}, 6, "confirmed"),
        (None, {}, 5, "inconclusive"),
        (None, {"deterministic": True}, 3, "confirmed"),
    ],
)
@pytest.mark.parametrize("metric", ["epochs", "updates", "samples"])
def test_epochs_are_exact_only_where_nothing_can_end_a_run_early(metric, settings, more, runs, said):
    node = {"question": "?", "arms": {"a": {"x": 1}, "b": {"x": 2}}, "seeds": runs}
    node["quantities"] = {"q": {"metric": metric, "sesoi": 0.5, **more}}
    node["predictions"] = {"it": {"kind": "compare", "better": "a", "than": "b"}}
    study = read_study(node)
    made = Results(tuple(Trial(arm, seed, {"q": 9.0 + (arm == "b")}) for arm in study.arms for seed in range(runs)))
    resolved = settings and {arm: {**settings, **own} for arm, own in study.arms.items()}
    found = judge(study, made, resolved).verdicts["it"]
    assert found.verdict == said
    assert ("say `deterministic: true`" in found.reason) is (said == "inconclusive")


def test_epochs_that_vary_over_the_seeds_are_no_plan():
    """As exact as the differences are, 1 on each seed, three runs do not decide."""
    node = {"question": "?", "arms": {"a": {"x": 1}, "b": {"x": 2}}, "quantities": {"q": {"metric": "epochs"}}}
    node["predictions"] = {"it": {"kind": "compare", "better": "a", "than": "b"}}
    study = read_study(node)
    for more, said in ((1, "inconclusive"), (0, "confirmed")):
        made = [Trial(arm, s, {"q": 9.0 + more * s + (arm == "b")}) for arm in study.arms for s in range(5)]
        assert judge(study, Results(tuple(made)), study.arms).verdicts["it"].verdict == said
