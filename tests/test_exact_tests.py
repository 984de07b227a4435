"""What exact tests decide of runs that share rows, and what they advise."""

import math

import numpy as np
import pytest

from litmus.claims.contrast import Contrast, count_failures
from litmus.claims.judgement import judge
from litmus.claims.leaf import Gain, Inside
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
