"""Data that stay on disk are trained on as data in memory are, and a cut run goes on in the middle of a pass."""

import numpy as np
import pytest
import torch

from evaluate import evaluate
from litmus.training.arrays import Arrays
from litmus.training.mapped import MappedRows, windowed_order
from litmus.training.rows import generator

ROWS = 300


def _written(folder, rows=ROWS, shards=4, kind=np.float32):
    folder.mkdir()
    draw = np.random.default_rng(0)
    x = draw.normal(3, 2, (rows, 5)).astype(kind)
    y = (x[:, 0] > 3).astype(np.int64)
    np.savez(folder.with_suffix(".npz"), x=x, y=y)
    for place, part in enumerate(np.array_split(np.arange(rows), shards)):
        np.save(folder / f"x_{place}.npy", x[part])
        np.save(folder / f"y_{place}.npy", y[part])
    return folder


def _loaded(path, **settings):
    data = Arrays(path=path, batch_size=16, **settings)
    data.prepare_data()
    data.setup("fit")
    return data


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.uint8])
@pytest.mark.parametrize("settings", [{}, {"scale": "none"}, {"scale": "standard", "rows": 50}, {"standardise": False}])
def test_what_is_read_is_what_is_in_memory(tmp_path, settings, kind):
    folder = _written(tmp_path / "shards", kind=kind)
    mapped, whole = _loaded(folder, **settings), _loaded(folder.with_suffix(".npz"), **settings)
    for name, (x, y) in whole.splits.items():
        assert isinstance(mapped.splits[name][0], MappedRows)
        assert torch.equal(mapped.splits[name][1], y)
        torch.testing.assert_close(mapped.splits[name][0][:], x, rtol=1e-6, atol=1e-6)
    assert mapped.input_shape == whole.input_shape
    for of_disk, of_memory in zip(mapped.val_dataloader(), whole.val_dataloader(), strict=True):
        torch.testing.assert_close(of_disk, of_memory, rtol=1e-6, atol=1e-6)


def test_rows_are_taken_by_an_index_that_lies_on_an_accelerator(tmp_path):
    """Whose stand-in torch would index nothing on the processor by."""

    class OnDevice:
        def cpu(self):
            return torch.tensor([70, 3])

    rows = _loaded(_written(tmp_path / "shards")).splits["train"][0]
    assert torch.equal(rows[OnDevice()], rows[torch.tensor([70, 3])])


@pytest.mark.parametrize(("rows", "window", "block"), [(1, 4, 2), (100, 20, 5), (103, 20, 7), (50, 500, 500)])
def test_a_pass_visits_every_row_once_and_stays_near(rows, window, block):
    order = windowed_order(rows, window, block, generator(1))
    assert sorted(order.tolist()) == list(range(rows))
    assert torch.equal(order, windowed_order(rows, window, block, generator(1)))
    for part in order.split(window):
        assert len({int(row) // block for row in part}) <= window // block + 2
    assert rows < 3 or not torch.equal(order, windowed_order(rows, window, block, generator(2)))


@pytest.mark.long
def test_it_trains_augments_and_goes_on_exactly(trial, tmp_path):
    folder = _written(tmp_path / "shards")
    knobs = ["data=arrays", f"data.path={folder}", "data.window=64", "data.block=8", "model.units=[4]"]
    knobs += ["updates_per_epoch=7", "batch_size=16"]
    whole = trial(*knobs, "epochs=4")
    assert whole["data"]["sizes"]["train"] == 216
    cut = tmp_path / "cut"
    trial(*knobs, "epochs=2", directory=cut)
    assert trial(*knobs, "epochs=4", f"resume={cut}", directory=cut)["metrics"] == whole["metrics"]
    by_step = trial(*knobs, "epochs=4", "trainer.gradient_clip_val=1e9", directory=tmp_path / "step")
    assert by_step["metrics"] == whole["metrics"]


def test_shards_that_cannot_be_are_refused_in_a_sentence(tmp_path):
    folder = _written(tmp_path / "shards")
    with pytest.raises(ValueError, match=r"data\.window must be data\.block rows or more, got 4 and 256"):
        _loaded(folder, window=4)
    with pytest.raises(ValueError, match="are for a folder of shards"):
        _loaded(folder.with_suffix(".npz"), window=400)
    for name, array, words in (
        ("x_9.npy", np.zeros((3, 5)), "as many shards"),
        ("y_9.npy", np.zeros(2, int), "a target for each of the 3 rows of x_9.npy, found 2"),
        ("x_9.npy", np.zeros((3, 6)), r"expected rows of shape \(5,\), found \(3, 6\)"),
        ("x_9.npy", np.full((2, 5), np.nan), "found others in row 300"),
        ("x_9.npy", np.array([{}, {}]), "expected an array, found"),
    ):
        np.save(folder / name, array)
        with pytest.raises(ValueError, match=words):
            _loaded(folder)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="found 0 and 0"):
        _loaded(tmp_path / "empty")


@pytest.mark.long
def test_it_goes_together_with_all_else_and_is_tested_again(trial, tmp_path, capsys):
    folder = _written(tmp_path / "shards")
    knobs = ["data=arrays", f"data.path={folder}", "model.units=[4]", "epochs=2", "batching=doubling"]
    knobs += ["batching.start=16", "average=ema", "callbacks=[sharpness,gradient_norms]", "data.scale=per_image"]
    result = trial(*knobs, "data.folds=3", "data.fold=1", "data.rows=90", "callbacks.sharpness.samples=50")
    assert result["data"]["sizes"]["train"] == 90
    assert result["metrics"]["sharpness/eigenvalue"] > 0
    evaluate(tmp_path / "run")
    assert "the same as in result.json, to the last bit" in capsys.readouterr().out
