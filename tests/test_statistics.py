"""Statistics: golden numbers, and agreement with scipy and simulation."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from litmus.claims.statistics import (
    bonferroni,
    holm,
    intersection_union,
    page,
    power,
    prediction_interval,
    resolvable_effect,
    seeds_needed,
    summarize,
)

A = np.array([1, 2, 3, 4, 5.5])
B = np.array([0.5, 1.2, 2.9, 3, 4])


def test_golden_interval():
    assert summarize(A - B).interval() == pytest.approx((0.1265, 1.4335), abs=5e-5)


def test_interval_and_p_are_scipys():
    ours = summarize(A - B)
    theirs = stats.ttest_rel(A, B, alternative="greater")
    assert ours.p_above(0.0) == pytest.approx(theirs.pvalue)
    assert ours.interval() == pytest.approx(stats.ttest_rel(A, B).confidence_interval())
    assert ours.p_below(0.5) == pytest.approx(stats.ttest_1samp(A - B, 0.5, alternative="less").pvalue)


@pytest.mark.parametrize("n", [3, 5, 20])
def test_one_more_value_falls_into_the_prediction_interval_as_often_as_it_says(n):
    values = np.random.default_rng(n).normal(2.0, 0.5, size=(4000, n + 1))
    ends = [prediction_interval(summarize(row[:-1])) for row in values]
    inside = np.mean([low <= row[-1] <= high for row, (low, high) in zip(values, ends, strict=True)])
    assert inside == pytest.approx(0.95, abs=4 * math.sqrt(0.95 * 0.05 / 4000))


def test_one_value_says_nothing_about_the_next():
    assert prediction_interval(summarize([1.0])) == (-math.inf, math.inf)


def test_golden_page():
    statistic, p_value = page([[1, 2, 3]] * 5)
    assert statistic == 70
    assert p_value == pytest.approx(1.286e-4, rel=1e-3)
    assert p_value == pytest.approx((1 / 6) ** 5)  # one of 6⁵ equally likely rankings


@pytest.mark.parametrize(("n", "effect"), [(3, 3.26), (5, 1.68), (10, 1.00), (20, 0.66)])
def test_golden_resolvable_effects(n, effect):
    assert resolvable_effect(n) == pytest.approx(effect, abs=5e-3)
    assert power(resolvable_effect(n), n) == pytest.approx(0.8, abs=1e-6)


@pytest.mark.parametrize("effect", [4.0, 1.68, 1.0, 0.5, 0.1])
def test_seeds_needed_is_the_first_that_suffices(effect):
    n = seeds_needed(effect)
    assert power(effect, n) >= 0.8
    assert n == 3 or power(effect, n - 1) < 0.8 or n > 200


def test_seeds_needed_gives_up():
    assert seeds_needed(0.0) is None
    assert seeds_needed(1e-4) is None
    # Resampled splits keep a floor of variance that no number of seeds removes.
    assert seeds_needed(1.0, ratio=0.25) is None
    assert seeds_needed(2.0, ratio=0.25) > seeds_needed(2.0)


def test_power_agrees_with_simulation():
    draws = np.random.default_rng(0).normal(1.2, 1, size=(6, 40_000))
    seen = (summarize(draws).p_above(0.0) < 0.025).mean()
    assert seen == pytest.approx(power(1.2, 6), abs=0.01)


def test_nadeau_bengio_widens_by_its_factor():
    plain, wide = summarize(A - B), summarize(A - B, ratio=0.25)
    assert wide.standard_error / plain.standard_error == pytest.approx(math.sqrt((1 / 5 + 0.25) / (1 / 5)))


def test_corrections():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([]) == []
    assert intersection_union([0.01, 0.04]) == 0.04
    assert bonferroni([0.01, 0.04]) == 0.02
    assert bonferroni([0.6, 0.7]) == 1


@settings(max_examples=50, deadline=None, database=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.randoms())
def test_holm_is_monotone_conservative_and_ignores_order(p_values, random):
    adjusted = holm(p_values)
    assert all(p <= q <= min(1, len(p_values) * p) + 1e-12 for p, q in zip(p_values, adjusted, strict=True))
    order = list(range(len(p_values)))
    random.shuffle(order)
    assert holm([p_values[i] for i in order]) == pytest.approx([adjusted[i] for i in order])


def test_a_spread_of_zero_is_exact_knowledge():
    exact = summarize([2.0, 2.0, 2.0])
    assert (exact.p_above(1.0), exact.p_above(2.0), exact.p_below(3.0)) == (0, 1, 0)
    assert summarize([1.0]).interval() == (-math.inf, math.inf)
    assert summarize([1.0]).p_above(0.0) == 1
