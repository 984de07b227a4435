"""What any data set can be asked for: other scales, and fewer rows to learn from."""

import pytest
import torch

from litmus.training.array_data_module import ArrayDataModule, Source
from litmus.training.rows import generator, nested_rows
from src.datamodules.fashion_mnist import FashionMNIST
from src.datamodules.mnist1d import MNIST1D
from src.datamodules.social_network_ads import SocialNetworkAds


class Pictures(ArrayDataModule):
    """Images whose brightness and contrast differ, of classes of unequal shares."""

    def load(self):
        draw = torch.Generator().manual_seed(0)
        x = torch.randn(200, 2, 3, 3, generator=draw, dtype=torch.float64)
        x = x * torch.rand(200, 1, 1, 1, generator=draw) + 5 * torch.randn(200, 2, 1, 1, generator=draw)
        x[7, 1] = 3.0  # one channel of one image does not vary
        return Source(x, (torch.arange(200) % 10 < 3).long())


def _loaded(**settings):
    data = Pictures(batch_size=4, **settings)
    data.prepare_data()
    data.setup("fit")
    return data


class Official(Pictures):
    """Its last rows are the test set."""

    def load(self):
        return super().load()._replace(test=torch.arange(200) >= 150)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (Pictures(test_fraction=0.3), ""),
        (Pictures(folds=4), "data.folds=4 says which rows are tested"),
        (Official(), "the data have a test set of their own"),
        (MNIST1D(draw="fresh"), "data.draw=fresh tests data.test rows"),
        (MNIST1D(draw="fresh", folds=4), "data.folds=4 says which rows are tested"),
        (SocialNetworkAds(split="tail"), "data.split=tail tests no rows"),
    ],
)
def test_a_share_to_test_on_says_where_it_decides_nothing(data, why):
    assert data.without_effect("test_fraction") == why
    assert not data.without_effect("val_fraction")
    if isinstance(data, Pictures):
        data.setup()
        assert data.without_effect("test_fraction") == why
        assert "_loaded" not in vars(data)


def test_no_scale_is_the_data_and_each_scale_is_what_it_says():
    own, plain = _loaded(), _loaded(scale="none")
    assert torch.equal(own.splits["train"][0], plain.splits["train"][0])
    x = _loaded(scale="standard").splits["train"][0]
    torch.testing.assert_close(x.mean((0, 2, 3)), torch.zeros(2), atol=1e-5, rtol=0)
    torch.testing.assert_close(x.std((0, 2, 3), correction=0), torch.ones(2))
    source = Pictures().load().x
    dimmed = [one.splits["test"][0] for one in (_loaded(scale="per_image"), _Dimmed.loaded(scale="per_image"))]
    torch.testing.assert_close(*dimmed)  # brightness and contrast are gone
    everything = torch.cat([x for x, _ in _loaded(scale="per_image").splits.values()])
    still = everything.std((2, 3), correction=0) == 0
    assert int(still.sum()) == 1
    torch.testing.assert_close(everything.std((2, 3), correction=0)[~still], torch.ones(len(source) * 2 - 1))
    assert not everything.isnan().any()


class _Dimmed(Pictures):
    def load(self):
        x, *rest = super().load()
        return Source(0.3 * x - 2.0, *rest)

    @classmethod
    def loaded(cls, **settings):
        data = cls(batch_size=4, **settings)
        data.setup("fit")
        return data


def test_fewer_rows_are_among_more_keep_their_shares_and_hold_out_the_same():
    whole = _loaded()
    few, more = _loaded(rows=20), _loaded(rows=63)
    for data in (few, more):
        for name in ("val", "test"):
            assert torch.equal(data.splits[name][0], whole.splits[name][0])
    rows = [{tuple(x.flatten().tolist()) for x in data.splits["train"][0]} for data in (few, more, whole)]
    assert [len(one) for one in rows] == [20, 63, whole.train_size]
    assert rows[0] < rows[1] < rows[2]
    share = whole.splits["train"][1].double().mean()
    for data in (few, more):
        y = data.splits["train"][1]
        assert abs(y.sum() - share * len(y)) <= 1
    assert rows[0] != {tuple(x.flatten().tolist()) for x in _loaded(rows=20, seed=1).splits["train"][0]}
    assert few.describe()["sizes"]["train"] == 20


def test_all_rows_are_all_rows_and_more_are_refused():
    labels = torch.tensor([0, 0, 0, 1, 2, 2])
    assert nested_rows(labels, 6, generator(0)).tolist() == list(range(6))
    for settings, words in (
        ({"rows": 1000}, "must be at most the 144 train rows there are, got 1000"),
        ({"rows": 0}, "from 1 on, or null, got 0"),
        ({"rows": 1}, "found none of 1"),
        ({"scale": "min_max"}, "data.scale must be none, standard, per_image or null, got min_max"),
    ):
        with pytest.raises(ValueError, match=words):
            _loaded(**settings)


def test_fashion_mnist_has_its_bytes_back():
    from src.datamodules.fashion_mnist import MEAN, STD

    standard = ((torch.arange(256, dtype=torch.float64) / 255 - MEAN) / STD).float()
    assert FashionMNIST().raw(standard).tolist() == list(range(256))


@pytest.mark.long
def test_the_command_line_has_them_on_all_three_data_sets(trial, tmp_path):
    base = ["model.units=[4]", "updates_per_epoch=2", "epochs=1"]
    sizes = []
    for knobs in (["data.rows=100"], ["data.scale=per_image", "data.rows=50"]):
        sizes.append(trial(*base, *knobs, directory=tmp_path / str(len(sizes)))["data"]["sizes"]["train"])
    result = trial(*base, "data=social_network_ads", "data.scale=none", "data.rows=40", directory=tmp_path / "ads")
    assert [*sizes, result["data"]["sizes"]["train"]] == [100, 50, 40]
    assert result["data"]["scaler"] == "none"
