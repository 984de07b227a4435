"""What nets reach by their size: the front, and how far the others are above it."""

import pytest

from answers.make.draw_performance import STUDIES, Arm, above_front, arms_of, draw, front, picture, table
from answers.make.publication.summary import read_summaries


def test_the_front_is_what_none_of_as_few_parameters_beats():
    arms = [
        Arm("s", name, params, loss, 300) for name, params, loss in (("a", 10, 0.5), ("b", 20, 0.6), ("c", 30, 0.4))
    ]
    assert [arm.name for arm in front(arms)] == ["a", "c"]
    assert above_front(arms) == pytest.approx([0, 1 / 6, 0])
    assert arms[0].efficiency == pytest.approx(0.2)


def test_the_published_nets_are_drawn_and_listed(tmp_path):
    arms = arms_of(read_summaries(STUDIES))
    assert len(arms) > 20
    assert not any(arm.study.endswith("as_reported") for arm in arms)
    assert table(arms).count("\n") == len(arms) + 1
    picture(arms).canvas.draw()
    with pytest.raises(ValueError, match="found none"):
        draw(tmp_path, tmp_path / "x.png")
