"""What a run says while it goes on, and of the net that it trains."""

import re

import pytest
import torch
from rich.console import Console

from litmus.trial.summary import layer_table, output_shapes
from litmus.words import metric_text
from src.models.cnn import CNN


@pytest.mark.long
def test_a_line_for_every_epoch_on_request(trial, tmp_path, capsys):
    knobs = ["model.units=[4]", "updates_per_epoch=2", "epochs=2"]
    trial(*knobs, directory=tmp_path / "quiet")
    assert "epoch 1/2" not in capsys.readouterr().out
    trial(*knobs, "callbacks.progress.every_seconds=0")
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("epoch ")]
    number = r"[\d.e-]+"
    expected = rf"epoch (\d)/2 · train/loss {number} · train/acc {number} · val/loss ({number}) · val/acc {number} · "
    found = [re.match(expected + r"\d+\.\d\d s · \d+ s left$", line) for line in lines]
    assert [one and one[1] for one in found] == ["1", "2"]
    rows = (tmp_path / "run" / "metrics.csv").read_text().splitlines()
    place = rows[0].split(",").index("val/loss")
    own = [metric_text(float(row.split(",")[place])) for row in rows[1:]]  # each line is of its own epoch
    assert own == [one[2] for one in found]


@pytest.mark.long
def test_an_epoch_without_a_validation_says_no_earlier_ones(trial, capsys):
    knobs = ["model.units=[4]", "updates_per_epoch=2", "epochs=3", "trainer.check_val_every_n_epoch=2"]
    trial(*knobs, "callbacks.progress.every_seconds=0")
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("epoch ")]
    assert ["val/loss" in line for line in lines] == [False, True, False]


@pytest.mark.long
def test_the_layers_stand_in_the_runs_directory_and_change_no_bit_of_it(trial, tmp_path):
    knobs = ["model=cnn", "model.filters=4", "model.units=8", "norm=batch", "dropout=0.2"]
    knobs += ["updates_per_epoch=2", "epochs=1"]
    metrics = trial(*knobs)["metrics"]
    assert trial(*knobs, "~callbacks.summary", directory=tmp_path / "without")["metrics"] == metrics
    table = (tmp_path / "run" / "model.txt").read_text()
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in table.splitlines() if line.startswith("│")]
    rows = {row[0]: row[1:] for row in cells}
    assert rows["net.0"] == ["Conv1d", "4 × 40", "16"]
    assert rows["net.2"] == ["ReLU", "4 × 40", ""]  # no column of zeros
    assert rows["net"][1] == "10"
    assert f"{int(rows['net'][2].replace(',', '')):,} parameters" in table


@pytest.mark.parametrize("shape", [None, (3, 3, 3)])
def test_a_net_that_takes_no_such_sample_has_a_table_without_shapes(shape):
    model = CNN((1, 40), 10, filters=2, units=4)
    before = torch.get_rng_state()
    assert output_shapes(model, dict(model.named_modules()), shape) == {}
    assert torch.equal(before, torch.get_rng_state())
    assert model.training
    assert not any(layer._forward_hooks for layer in model.modules())
    console = Console(width=120)
    with console.capture() as printed:
        console.print(layer_table(model, shape))
    assert "…" in printed.get()
