"""Calls are counted by calling, and one update of fifty rows is their mean of fifty."""

import numpy as np
import pytest

from answers.make.draw_gradient_descent import calls, fifty, surface
from answers.make.memoization.calls import counted, every, fibonacci, places
from answers.make.memoization.fifty_rows import RATE, descended, gradient, loss_at


@pytest.mark.parametrize("n", [0, 1, 2, 7, 12])
def test_both_ways_give_the_number_and_the_store_saves_all_but_a_linear_number_of_calls(n):
    plain, stored = fibonacci(n, False), fibonacci(n, True)
    numbers = [0, 1]
    while len(numbers) <= n + 1:
        numbers.append(sum(numbers[-2:]))
    assert plain.value == stored.value == numbers[n]
    assert counted(plain) == 2 * numbers[n + 1] - 1  # known in closed form
    assert counted(stored) == max(1, 2 * n - 1)
    assert len(set(places(plain).values())) == counted(plain)
    assert not any(call.read for call in every(plain))


def _rows(rows=50):
    draw = np.random.default_rng(0)
    x = draw.normal(size=(rows, 2))
    return x, (x.sum(1) + draw.normal(size=rows) > 0).astype(float)


def test_the_gradient_is_the_losss_and_the_one_update_is_the_mean_of_the_rows():
    found = descended(*_rows())
    assert (len(found.single), len(found.batch)) == (51, 2)
    at, step = found.single[3], 1e-6
    for axis in range(2):
        ahead = step * np.eye(2)[axis]
        by_hand = np.diff(loss_at(found, np.stack([at - ahead, at + ahead])))[0] / (2 * step)
        assert gradient(at, found.x, found.y)[axis] == pytest.approx(by_hand, rel=1e-5)
    rows = [gradient(found.batch[0], found.x[row : row + 1], found.y[row : row + 1]) for row in range(50)]
    np.testing.assert_allclose(found.batch[0] - found.batch[1], RATE * np.mean(rows, axis=0))


def test_the_pictures_are_drawn():
    found = descended(*_rows())
    for figure in (calls(), fifty(found), surface(found)):
        figure.canvas.draw()
