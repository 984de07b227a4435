"""Data are seen before they are trained on."""

import pytest
import torch

from litmus.contract import Target
from litmus.trial.command_line import answer
from litmus.trial.look import draw
from scripts import data as script


@pytest.mark.long
def test_it_says_what_a_run_would_learn_from_and_draws_it(tmp_path, capsys):
    picture = tmp_path / "samples.png"
    script.main(["data=mnist1d", "data.rows=200", "-o", str(picture)])
    said = capsys.readouterr().out
    assert "mnist1d: samples of 1 × 40, 10 classes" in said
    assert "200" in said
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.briefly("target0-shape0", "target1-shape3")
@pytest.mark.parametrize("shape", [(2,), (7,), (3, 8, 8), (2, 8, 8), (2, 30)])
@pytest.mark.parametrize("target", [Target("classes", 3, ("a", "b", "c")), Target("real", 1)])
def test_every_shape_of_data_has_a_picture(tmp_path, shape, target):
    x, y = torch.randn(30, *shape), torch.arange(30) % 3
    draw(tmp_path / "x.png", x, y if target.kind == "classes" else y.float(), target)
    assert (tmp_path / "x.png").stat().st_size > 2000


def test_a_mistake_is_one_sentence(capsys):
    for knobs in (["data=nope"], ["data.rows=0"], ["data.rows=many"], ["data=arrays"]):
        with pytest.raises(SystemExit) as ended:
            answer(lambda knobs=knobs: script.main(knobs))
        assert ended.value.code == 1
        said = capsys.readouterr().err.strip()
        assert len(said.splitlines()) == 1
        assert "Traceback" not in said
