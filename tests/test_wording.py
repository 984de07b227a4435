"""How reports write: no digit that the spread does not support, columns that line up, and a sentence per verdict."""

import math

import numpy as np
import pytest

from litmus.claims.judgement import judge
from litmus.claims.notation import spelled
from litmus.claims.results_table import results_from_rows
from litmus.claims.scale import effect
from litmus.claims.sentence import needed
from litmus.claims.study import read_study
from litmus.words import aligned, between, count, duration, metric_text, plain, plus_minus, probability, sentence


@pytest.mark.parametrize(
    ("column", "shown"),
    [
        ([0.516, 0.37, 0.4], ["0.516", "0.370", "0.400"]),
        ([12.34, 5.0], ["12.3", "5.0"]),
        ([-0.5, 0.25], ["−0.500", "0.250"]),
        ([123.4, 99.96], ["123", "100"]),
        ([0.5, 0.0001], ["0.5", "0.0001"]),  # one number of decimals would hide the smaller
        ([0.5, 0.0], ["0.5", "0"]),
        ([12500.0, 300.0], ["12,500", "300"]),
    ],
)
def test_a_column_lines_up_where_sizes_are_alike(column, shown):
    assert [aligned(value, column) for value in column] == shown


def test_a_spread_decides_the_digits():
    assert plus_minus(0.351234, 0.0189) == "0.351 ± 0.019"
    assert plus_minus(-12.3456, 2.1) == "−12.3 ± 2.1"
    assert plus_minus(0.5, 0.0) == "0.5"
    assert plus_minus(math.nan, 0.1) == "—"
    assert between(0.3311, 0.3722) == "[0.331, 0.372]"
    assert between(-math.inf, 1) == "—"
    assert (plus_minus(-0.001, 0.5), between(-0.001, 0.5)) == ("0.00 ± 0.50", "[0.00, 0.50]")  # a zero has no sign


def test_a_number_alone_is_short_and_complete():
    assert [plain(value) for value in (None, math.nan, math.inf, -math.inf)] == ["—", "—", "∞", "−∞"]
    assert [plain(value) for value in (12500, -3, 0.35144, 3.2e-05)] == ["12,500", "−3", "0.3514", "3.2e-05"]
    assert [probability(p) for p in (0.0004, 0.0312)] == ["< 0.001", "0.031"]
    assert [duration(seconds) for seconds in (12.34, 270, 7560)] == ["12.3 s", "4.5 min", "2.1 h"]


def test_what_decimals_cannot_tell_has_significant_digits_and_every_minus_is_one():
    assert plus_minus(1.5e-9, 7e-10) == "1.5e-09 ± 7e-10"
    assert between(-1.234e-9, 2.2e-8) == "[−1.2e-09, 2.2e-08]"
    assert plus_minus(0.5, 1e-9) == "0.5 ± 1e-09"
    assert plain(-1.287e-9) == "−1.287e-09"


def test_metrics_have_four_decimals_and_those_that_these_cannot_tell_have_digits():
    assert [metric_text(value) for value in (0.699, 1.0, 0.0, -0.65, 12.5)] == [
        "0.6990", "1.0000", "0.0000", "−0.6500", "12.5000",
    ]  # fmt: skip
    assert [metric_text(value) for value in (1.234e-6, 2.5678e17, math.nan)] == ["1.234e-06", plain(2.5678e17), "—"]


def test_one_is_no_plural():
    assert [count(number, "epoch") for number in (0, 1, 2, 1000)] == ["0 epochs", "1 epoch", "2 epochs", "1,000 epochs"]


def norms(gains, claim, quantity=None):
    """The verdicts on `batch` against `none`, whose ratio per seed is given."""
    study = read_study(
        {
            "question": "Does a norm help?",
            "factors": {"norm": ["none", "batch"]},
            "quantities": {"loss": quantity or {"metric": "test/loss", "sesoi": "2%"}},
            "predictions": {"it": claim},
        }
    )
    off = [0.300, 0.310, 0.305, 0.295, 0.300, 0.302, 0.298, 0.307, 0.301, 0.299][: len(gains)]
    rows = [{"norm": "none", "seed": s, "loss": value} for s, value in enumerate(off)]
    rows += [{"norm": "batch", "seed": s, "loss": off[s] * gain} for s, gain in enumerate(gains)]
    return judge(study, results_from_rows(study, rows)).verdicts["it"]


BATCH = {"kind": "compare", "better": {"norm": "batch"}, "than": {"norm": "none"}}
SPREAD = np.array([-0.010, 0.007, 0.012, -0.004, -0.006, 0.009, -0.011, 0.003, 0.005, -0.005])


@pytest.mark.parametrize(
    ("gains", "claim", "said"),
    [
        (
            0.9 + SPREAD,
            BATCH,
            "Confirmed: batch's test loss was 10.0 % lower than none's (95 %: 10.6 to 9.4 % lower; 10 seeds). "
            "Lower is shown, and the estimate reaches the 2 % that the claim needs.",
        ),
        (
            1.004 + SPREAD,
            BATCH,
            "Rejected: batch's test loss was 0.4 % higher than none's (95 %: 0.2 % lower to 1.0 % higher; 10 seeds). "
            "Wrong direction: the claim needs it 2 % lower.",
        ),
        (
            0.9 + SPREAD,
            {**BATCH, "by": "20%"},
            "Rejected: batch's test loss was 10.0 % lower than none's (95 %: 10.6 to 9.4 % lower; 10 seeds). "
            "Smaller than claimed: the claim needs it 20 % lower.",
        ),
        (
            1 + SPREAD,
            {**BATCH, "by": "-2%"},
            "Confirmed: batch's test loss was not different from none's (95 %: 0.6 % lower to 0.6 % higher; 10 seeds). "
            "At most 2 % higher is shown, as claimed.",
        ),
        (
            1 + SPREAD,
            {"kind": "equivalent", "arms": [{"norm": "batch"}, {"norm": "none"}]},
            "Confirmed: batch's test loss was not different from none's (95 %: 0.6 % lower to 0.6 % higher; 10 seeds). "
            "Within ±2 % is shown, as claimed.",
        ),
        (
            1 + SPREAD,
            {"kind": "bound", "arm": {"norm": "batch"}, "high": 0.2},
            "Rejected: batch's test loss was 0.3017 (95 %: 0.2971 to 0.3063; 10 seeds). "
            "Outside of what is claimed: the claim needs at most 0.2.",
        ),
        (
            [0.9, 0.91],
            BATCH,
            "Undecided: batch's test loss was 9.5 % lower than none's (2 seeds). At least 3 seeds are needed.",
        ),
        (
            15 * np.exp(40 * SPREAD),
            BATCH,
            "Rejected: batch's test loss was 15 times as high as none's (95 %: 12 to 19 times as high; 10 seeds). "
            "Wrong direction: the claim needs it 2 % lower.",
        ),
        (
            0.5 * np.exp(600 * SPREAD),
            BATCH,
            "Undecided: batch's test loss was 50.0 % lower than none's (95 %: 98.5 % lower to 17 times as high; ",
        ),
        ([0.9] * 5, BATCH, "Undecided: the test loss of batch and none differs by the same amount on every seed."),
    ],
)
def test_every_verdict_is_a_sentence_with_words_for_signs(gains, claim, said):
    assert norms(np.asarray(gains), claim).reason.startswith(said)


def test_what_is_open_says_where_the_estimate_lies():
    assert "(95 %: " in (near := norms(0.981 + 4 * SPREAD, BATCH).reason)
    assert "The claim needs it 2 % lower; the estimate lies on that line, so more seeds may not help" in near


ENERGY = {"metric": "energy", "direction": "down"}


def pairs(higher, claim, quantity, base=1.0, spread=0.1):
    """The verdict on a against b, which is that much lower; with what its table says it needed, and found."""
    study = read_study(
        {
            "question": "?",
            "arms": {"a": {"x": 0}, "b": {"x": 1}},
            "quantities": {"q": quantity},
            "predictions": {"p": claim},
        }
    )
    rows = [{"arm": "b", "seed": seed, "q": base} for seed in range(10)]
    rows += [{"arm": "a", "seed": seed, "q": base + higher + spread * one} for seed, one in enumerate(SPREAD)]
    verdict = judge(study, results_from_rows(study, rows)).verdicts["p"]
    return verdict, needed(verdict.leaf), " ".join(effect(verdict.leaf.contrast))


@pytest.mark.briefly(0, 7)
@pytest.mark.parametrize("direction", ["down", "up"])
@pytest.mark.parametrize(
    ("ends", "worse_by", "words", "table"),
    [
        ({"high": -0.02}, 0.03, "More than 0.02 {worse} is shown", "more than 0.02 worse"),
        ({"high": -0.02}, 0.01, "the claim needs it more than 0.02 {worse}", "more than 0.02 worse"),
        ({"low": -0.02}, 0.03, "the claim needs it at most 0.02 {worse}", "at most 0.02 worse"),
        ({"low": -0.02}, 0.01, "At most 0.02 {worse} is shown", "at most 0.02 worse"),
        ({"high": 0}, 0.03, "{Worse} is shown", "worse"),
        ({"low": 0}, 0.03, "the claim needs it not {worse}", "not worse"),
        ({"low": 0}, -0.03, "Not {worse} is shown", "not worse"),
        ({"low": 0.02}, -0.03, "At least 0.02 {better} is shown", "≥ 0.02"),
        ({"high": 0.02}, 0.03, "{Worse} or less than 0.02 {better} is shown", "a gain below 0.02"),
        ({"high": 0.02}, -0.01, "Less than 0.02 {better} is shown", "a gain below 0.02"),
        ({"low": -0.05, "high": -0.01}, 0.03, "From 0.05 {worse} to 0.01 {worse} is shown", "0.01 to 0.05 worse"),
        ({"low": -0.05, "high": 0}, 0.03, "From 0.05 {worse} to no different is shown", "0 to 0.05 worse"),
        (
            {"low": -0.05, "high": 0.02},
            0.03,
            "From 0.05 {worse} to 0.02 {better}",
            "at most 0.05 worse and a gain below 0.02",
        ),
        ({"low": 0, "high": 0.05}, -0.03, "From no different to 0.05 {better}", "≥ 0 and a gain below 0.05"),
        ({"low": -0.05, "high": 0.05}, 0.03, "Within ±0.05 is shown", "within ±0.05"),
    ],
)
def test_each_end_of_a_bound_is_told_on_its_side(ends, worse_by, words, table, direction):
    worse, better = ("higher", "lower") if direction == "down" else ("lower", "higher")
    claim = {"kind": "bound", "arm": "a", "relative_to": "b", **ends}
    quantity = {**ENERGY, "direction": direction, "sesoi": 0.01}
    verdict, need, _ = pairs(worse_by if direction == "down" else -worse_by, claim, quantity)
    assert words.format(worse=worse, better=better, Worse=worse.capitalize()) in verdict.reason
    assert need == table


A_BETTER, ALIKE = {"kind": "compare", "better": "a", "than": "b"}, {"kind": "equivalent", "arms": ["a", "b"]}
LOG, POINTS = {**ENERGY, "scale": "log"}, {"metric": "test/acc"}


@pytest.mark.parametrize(
    ("quantity", "claim", "base", "higher", "spread", "words", "table"),
    [
        ({**LOG, "sesoi": "0.02%"}, A_BETTER, 2.0, -6e-4, 2e-3,
         "was 0.0300 % lower than b's (95 %: 0.0306 to 0.0294 % lower;", "−0.0300 % [−0.0306, −0.0294]"),
        ({**POINTS, "sesoi": 2e-4}, A_BETTER, 0.9966, 4e-4, 2e-2,
         "was 0.040 points higher than b's (95 %: 0.028 to 0.052 points higher;", "+0.040 pts [+0.028, +0.052]"),
        ({**POINTS, "sesoi": 2e-2}, A_BETTER, 0.8, 4e-2, 1.0,
         "was 4.0 points higher than b's (95 %: 3.4 to 4.6 points higher;", "+4.0 pts [+3.4, +4.6]"),
        ({**ENERGY, "sesoi": 1e-11}, A_BETTER, 2e-9, -1e-9, 1e-9,
         "was 1e-09 lower than b's (95 %: 1.01e-09 to 9.94e-10 lower;", "−1e-09 [−1.01e-09, −9.94e-10]"),
        ({**LOG, "sesoi": "50%"}, A_BETTER, 0.1, -0.1 + 1e-6, 1e-5,
         "was 100,304 times lower than b's (95 %: 106,", "÷100,304 [÷106,"),
        ({**LOG, "sesoi": "50%"}, A_BETTER, 1.0, -0.95, 1.0,
         "was 95.1 % lower than b's (95 %: 95.6 to 94.4 % lower;", "−95.1 % [−95.6, −94.4]"),
        ({"metric": "params"}, A_BETTER, 1e6, -1234.0, 0.0, "were 1,234 lower than b's (10 seeds)", "−1,234 exactly"),
    ],
)  # fmt: skip
def test_what_is_shown_is_told_in_digits_that_show_it(quantity, claim, base, higher, spread, words, table):
    verdict, _, found = pairs(higher, claim, quantity, base, spread)
    assert verdict.verdict == "confirmed"
    assert words in verdict.reason
    assert found.startswith(table)


def test_a_median_of_zero_says_on_how_many_seeds_they_differ():
    claim = {"question": "?", "arms": {"a": {"x": 0}, "b": {"x": 1}}, "predictions": {"p": A_BETTER}}
    study = read_study({**claim, "quantities": {"q": {**ENERGY, "metric": "val/loss", "at": {"time_to": 0.5}}}})
    rows = [{"arm": "b", "seed": seed, "q": 3} for seed in range(40)]
    rows += [{"arm": "a", "seed": seed, "q": 3 - (seed % 4 == 0)} for seed in range(40)]
    said = judge(study, results_from_rows(study, rows)).verdicts["p"].reason
    assert "not different from b's in the median, and lower on 10 of the 10 seeds that differ (95 %: 0 to 0;" in said
    assert "Lower is shown" in said


@pytest.mark.parametrize(
    ("direction", "sesoi", "words", "table"),
    [
        ("down", "50%", "between 50 % lower and 100 % higher", "in [−50, +100] %"),
        ("up", "50%", "between 33.3 % lower and 50 % higher", "in [−33.3, +50] %"),
        ("down", "2%", "within ±2 %", "within ±2 %"),
        ("up", "0.02%", "within ±0.02 %", "within ±0.02 %"),
    ],
)
def test_a_margin_on_the_log_scale_is_told_by_both_ends_where_they_differ(direction, sesoi, words, table):
    verdict, need, _ = pairs(2.0, ALIKE, {**LOG, "direction": direction, "sesoi": sesoi})
    assert f"the claim needs it {words}" in verdict.reason
    assert need == table


def test_an_arm_has_one_spelling_and_a_factor_stays_where_its_level_is_no_word():
    def asked(*levels):
        claim = {"it": {"kind": "bound", "arm": {"norm": levels[0]}, "low": 1}}
        return read_study(
            {"question": "?", "factors": {"norm": list(levels)}, "quantities": {"q": "test/loss"}, "predictions": claim}
        )

    words = asked("none", "batch", True, 0.1)
    for said, spelling in (("norm=none", "none"), ("norm none", "none"), ("against norm batch", "against batch")):
        assert spelled(words, said) == spelled(words, spelled(words, said)) == spelling
    assert spelled(words, "norm=true") == "norm true"
    assert spelled(words, "norm=0.1") == "norm 0.1"
    assert spelled(words, "norm from 3 to 5") == "norm from 3 to 5"


def test_a_sentence_capitalizes_words_and_no_names():
    assert sentence("the arms differ") == "The arms differ."
    assert sentence("cosine, plateau differ.", ["cosine"]) == "cosine, plateau differ."
    for name in ("units_2", "model.lr", "val/loss", "norm=batch", "x1"):
        assert sentence(f"{name}: why?").startswith(name)


def test_an_arm_that_is_called_on_something_keeps_its_name():
    study = read_study(
        {
            "question": "Does pretraining help?",
            "arms": {"scratch": {"lr": 1}, "trained on ads": {"lr": 2}},
            "quantities": {"loss": {"metric": "test/loss", "sesoi": "2%"}},
            "predictions": {"it": {"kind": "compare", "better": "scratch", "than": "trained on ads"}},
        }
    )
    rows = [{"arm": "scratch", "seed": seed, "loss": 0.3 + offset} for seed, offset in enumerate(SPREAD)]
    rows += [{"arm": "trained on ads", "seed": seed, "loss": 0.4 + offset} for seed, offset in enumerate(SPREAD)]
    reason = judge(study, results_from_rows(study, rows)).verdicts["it"].reason
    assert "lower than trained on ads's (" in reason


def test_no_end_is_rounded_onto_what_decides():
    """Lower would be shown of "5.0 % lower to 0", and ±2 % not shown of "2.0 % lower to 1.0 % higher"."""
    assert (
        "2.56 % lower than none's (95 %: 5.01 to 0.04 % lower; 10 seeds)" in norms(0.975 + 4.23 * SPREAD, BATCH).reason
    )
    alike = norms(0.995 + 2.56 * SPREAD, {"kind": "equivalent", "arms": [{"norm": "batch"}, {"norm": "none"}]})
    assert "(95 %: 2.01 % lower to 0.99 % higher; 10 seeds). The claim needs it within ±2 %" in alike.reason


def test_a_level_is_told_as_it_was_typed_whatever_it_holds():
    study = read_study(
        {"question": "?", "factors": {"data": ["C:\\data", "D:\\x", r"E:\1"]}, "quantities": {"q": "test/loss"}}
    )
    assert [spelled(study, arm) for arm in study.arms] == ["C:\\data", "D:\\x", r"E:\1"]
