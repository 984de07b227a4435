"""How reports write numbers: no digit that the spread does not support, and columns that line up."""

import math

import pytest

from litmus.words import aligned, between, count, duration, plain, plus_minus, probability


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


def test_a_number_alone_is_short_and_complete():
    assert [plain(value) for value in (None, math.nan, math.inf, -math.inf)] == ["—", "—", "∞", "−∞"]
    assert [plain(value) for value in (12500, -3, 0.35144, 3.2e-05)] == ["12,500", "−3", "0.3514", "3.2e-05"]
    assert [probability(p) for p in (0.0004, 0.0312)] == ["< 0.001", "0.031"]
    assert [duration(seconds) for seconds in (12.34, 270, 7560)] == ["12.3 s", "4.5 min", "2.1 h"]


def test_one_is_no_plural():
    assert [count(number, "epoch") for number in (0, 1, 2, 1000)] == ["0 epochs", "1 epoch", "2 epochs", "1,000 epochs"]
