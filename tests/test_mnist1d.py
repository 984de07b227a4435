"""MNIST-1D: the published draw to the last digit, fresh draws by seed, and a cache that cannot lie."""

import hashlib
import random

import numpy as np
import pytest
import torch

from src.datamodules import mnist1d
from src.datamodules.mnist1d import MNIST1D, cached_signals, draw_signals

pytestmark = pytest.mark.xdist_group("mnist1d")  # one published draw for all of them


@pytest.fixture(scope="module")
def published():
    return draw_signals(5_000, 42)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, published):
    """Where the published draw is kept, which takes seconds and is made once."""
    place = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mnist1d, "draw_signals", lambda rows, seed: {(5_000, 42): published}[rows, seed])
        load(place)
    return place


@pytest.fixture
def small():
    """A fresh draw in a fraction of a second."""
    return {"draw": "fresh", "train": 43, "val": 21, "test": 57}


def load(folder, **arguments):
    return MNIST1D(data_dir=folder, **arguments).load()


@pytest.mark.long
def test_the_published_draw_is_the_frozen_file(published):
    # All references were computed from the authors' mnist1d_data.pkl, x followed by x_test:
    # github.com/greydanus/mnist1d, sha256 e95257676e9fb04568e46dda007da22cc8664ccba1451456afde55d7f6dd6aa5.
    x, y = published
    assert hashlib.sha256(y.astype("<i8").tobytes()).hexdigest() == (
        "6feec4a017698c7fe237c8854cbd2e338c6dd5c16240f6fa79daefaaa129e169"
    )
    assert x.shape == (5_000, 40)
    np.testing.assert_allclose(x[0, :3], [-0.3320056673693902, -0.4719103656557236, -0.778697076293495], rtol=1e-13)
    np.testing.assert_allclose(x[-1, -3:], [0.6598756470890784, 0.8777343497528006, 1.193151836835276], rtol=1e-13)
    # every element enters with its own weight
    weighed = (x * np.cos(np.arange(x.size)).reshape(x.shape)).sum()
    np.testing.assert_allclose([np.abs(x).sum(), weighed], [148316.17264806535, 445.71845196597246], rtol=1e-11)


def test_the_default_is_the_published_draw_with_its_test_set(folder, published):
    source = load(folder)
    assert torch.equal(source.x, torch.tensor(published[0], dtype=torch.float32)[:, None])
    assert torch.equal(source.y, torch.tensor(published[1]))
    assert torch.equal(source.test, torch.arange(5_000) >= 4_000)
    assert (source.x.dtype, source.y.dtype) == (torch.float32, torch.int64)


def test_published_does_not_depend_on_the_seed_and_fresh_does(folder, tmp_path, small):
    assert torch.equal(load(folder, seed=0).x, load(folder, seed=1).x)
    assert not torch.equal(load(tmp_path, seed=0, **small).x, load(tmp_path, seed=1, **small).x)
    assert torch.equal(load(tmp_path / "a", seed=1, **small).x, load(tmp_path / "b", seed=1, **small).x)


@pytest.mark.long
def test_a_fresh_draw_with_the_published_seed_and_sizes_is_the_published_one(tmp_path):
    fresh = load(tmp_path, draw="fresh", train=3_000, val=1_000, test=1_000, seed=42)
    assert torch.equal(fresh.x, load(tmp_path).x)


def test_a_fresh_draw_has_exactly_the_sizes_asked_for(tmp_path, small):
    data = MNIST1D(data_dir=tmp_path, **small)
    source = data.load()
    rows = data.split(source)
    assert {name: len(chosen) for name, chosen in rows.items()} == {"train": 43, "val": 21, "test": 57}
    assert torch.cat(list(rows.values())).tolist() == list(range(121))
    assert source.x.shape == (121, 1, 40)
    assert source.test is None
    assert set(source.y.tolist()) == set(range(10))


def test_a_fresh_draw_is_standardised_as_a_whole(tmp_path):
    x = load(tmp_path, draw="fresh", train=100, val=50, test=50).x.double()
    assert abs(x.mean()) < 1e-6
    assert abs(x.std(correction=0) - 1) < 1e-6


def test_folds_take_all_rows_of_a_fresh_draw(tmp_path, small):
    tests = []
    for fold in range(5):
        data = MNIST1D(data_dir=tmp_path, folds=5, fold=fold, **small)
        tests += data.split(data.load())["test"].tolist()
    assert sorted(tests) == list(range(121))


def test_drawing_leaves_every_global_generator_as_it_was():
    def draws():
        return random.random(), np.random.random(), torch.rand(1).item()

    for seed in (random.seed, np.random.seed, torch.manual_seed):
        seed(7)
    expected = draws()
    for seed in (random.seed, np.random.seed, torch.manual_seed):
        seed(7)
    draw_signals(10, 3)
    assert draws() == expected


def test_what_was_drawn_once_is_read(tmp_path, monkeypatch):
    first = cached_signals(tmp_path, 25, 1)
    (path,) = tmp_path.iterdir()
    monkeypatch.setattr(mnist1d, "draw_signals", lambda rows, seed: pytest.fail("drawn again"))
    second = cached_signals(tmp_path, 25, 1)
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert list(tmp_path.iterdir()) == [path]


def test_each_argument_has_a_cache_of_its_own(tmp_path):
    digests = {cached_signals(tmp_path, rows, seed)[2] for rows in (10, 11) for seed in (0, 1)}
    assert len(digests) == len(list(tmp_path.iterdir())) == 4


@pytest.mark.parametrize("damage", ["empty", "text", "truncated", "other", "pickle"])
def test_a_damaged_cache_is_drawn_again(tmp_path, damage):
    x, y, sha256 = cached_signals(tmp_path, 20, 0)
    (path,) = tmp_path.iterdir()
    good = path.read_bytes()
    if damage == "other":  # whole, but not what its sha256 says
        np.savez(path, x=x + 1, y=y, sha256=sha256)
    elif damage == "pickle":
        np.savez(path, x=x.astype(object), y=y, sha256=sha256)
    else:
        path.write_bytes({"empty": b"", "text": b"no", "truncated": good[: len(good) // 2]}[damage])
    again = cached_signals(tmp_path, 20, 0)
    assert np.array_equal(again[0], x)
    assert path.read_bytes() == good


@pytest.mark.long
def test_no_single_altered_byte_of_a_cache_changes_the_data(tmp_path, monkeypatch):
    good_x, good_y, sha256 = cached_signals(tmp_path, 10, 0)
    (path,) = tmp_path.iterdir()
    good = path.read_bytes()
    monkeypatch.setattr(mnist1d, "draw_signals", lambda rows, seed: (good_x.astype(float), good_y))
    for place in range(0, len(good), 13):
        path.write_bytes(good[:place] + bytes([good[place] ^ 0xFF]) + good[place + 1 :])
        x, y, found = cached_signals(tmp_path, 10, 0)
        assert np.array_equal(x, good_x)
        assert np.array_equal(y, good_y)
        assert found == sha256


def test_a_folder_that_cannot_be_written_to_does_not_end_the_run(tmp_path):
    (tmp_path / "file").write_text("in the way")
    x, *_ = cached_signals(tmp_path / "file" / "mnist1d", 10, 0)
    assert x.shape == (10, 40)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"draw": "new"}, "data.draw must be published or fresh, got new"),
        ({"test": 500}, "sizes of data.draw=fresh"),
        ({"draw": "fresh", "val": 0}, "must be at least 1"),
        ({"draw": "fresh", "seed": -1}, "seed must be in"),
        ({"draw": "fresh", "val_fraction": 0.2}, "takes data.val rows"),
    ],
)
def test_arguments_that_would_do_nothing_or_cannot_be_are_refused(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        MNIST1D(**arguments)
