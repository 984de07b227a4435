"""Nets: their size, what may look at batch-mates, and what they refuse."""

import itertools

import pytest
import torch
from torch import nn

from src.models.cnn import CNN
from src.models.layers import NORMS, pooled_by_windows
from src.models.mlp import MLP


def _parameters(net):
    return sum(parameter.numel() for parameter in net.parameters())


JOURNAL = {"units": 128, "pool_after": (2,), "dropout": 0.1, "norm": "instance"}


@pytest.mark.parametrize(
    ("net", "parameters"),
    [
        (lambda: MLP((2,), 2, units=(10, 10)), 151),  # 003, model.summary()
        (lambda: MLP((1, 28, 28), 10), 269_322),  # 001, baseline 256/256
        (lambda: CNN((1, 28, 28), 10, **JOURNAL), 832_298),  # 004, Part 4
        (lambda: CNN((1, 28, 28), 10, norm="instance"), 832_298),  # the same by default
        (lambda: CNN((1, 28, 28), 10, layers=6, filters=64, **JOURNAL | {"pool_after": (2, 4)}), 588_106),  # Part 5
        (
            lambda: CNN((1, 28, 28), 10, layers=5, convs_per_layer=2, pool_after=(2, 4), pool_size=3, units=32),
            93_130,  # Part 1
        ),
    ],
)
def test_parameter_counts_are_the_documents(net, parameters):
    assert _parameters(net()) == parameters


SHAPES = {"mlp": (MLP, (6,)), "signals": (CNN, (1, 16)), "images": (CNN, (1, 12, 12))}


def _net(kind, norm, **arguments):
    make, shape = SHAPES[kind]
    small = {"units": (8,)} if make is MLP else {"units": 8, "layers": 2, "filters": 4}
    torch.manual_seed(0)
    return make(shape, 3, norm=norm, **small, **arguments), torch.randn(5, *shape)


@pytest.mark.parametrize(("kind", "norm"), list(itertools.product(SHAPES, NORMS)))
def test_only_batch_norm_looks_at_batch_mates(kind, norm):
    if (kind, norm) == ("mlp", "instance"):
        with pytest.raises(ValueError, match="choose batch, layer or group"):
            _net(kind, norm)
        return
    net, x = _net(kind, norm)
    with torch.no_grad():
        alone, together = net.train()(x[:2])[:1], net(x)[:1]
        assert torch.allclose(alone, together, atol=1e-5) == (norm != "batch")
        torch.testing.assert_close(net.eval()(x[:2])[:1], net(x)[:1])


@pytest.mark.parametrize("norm", ["instance", "layer", "group"])
def test_norms_of_a_sample_forget_its_brightness_and_contrast(norm):
    """004, Part 3: such a norm removes each image's own scale, here exactly after a convolution without bias."""
    net, x = _net("images", norm)
    first = net.net[:2]
    first[0].bias.data.zero_()
    first[0].padding = (0, 0)
    with torch.no_grad():
        torch.testing.assert_close(first(3 * x), first(x), rtol=1e-3, atol=1e-3)


def test_instance_norm_has_no_parameters_and_others_have():
    counts = {norm: _parameters(_net("images", norm)[0]) - _parameters(_net("images", "none")[0]) for norm in NORMS}
    assert counts == {"none": 0, "instance": 0, "batch": 16, "layer": 16, "group": 16}


def test_the_order_is_convolution_norm_relu_dropout_pool():
    net, _ = _net("images", "batch", dropout=0.1, pool_after=(1,))
    kinds = [type(layer).__name__ for layer in net.net[:5]]
    assert kinds == ["Conv2d", "BatchNorm2d", "ReLU", "Dropout2d", "MaxPool2d"]
    kinds = [type(layer).__name__ for layer in _net("signals", "batch", dropout=0.1, pool_after=(1,))[0].net[:5]]
    assert kinds == ["Conv1d", "BatchNorm1d", "ReLU", "Dropout1d", "MaxPool1d"]
    kinds = [type(layer).__name__ for layer in _net("mlp", "batch", dropout=0.1)[0].net[1:5]]
    assert kinds == ["Linear", "BatchNorm1d", "ReLU", "Dropout"]


def test_dropout_in_a_cnn_drops_whole_channels():
    net, x = _net("images", "none", dropout=0.5)
    with torch.no_grad():
        maps = net.train().net[:3](x.abs() + 10)
    dead = (maps == 0).flatten(2).all(2)
    assert dead.any()
    assert not dead.all()


def test_glorot_uniform_is_keras_default():
    net = MLP((2,), 2, units=(10, 10), initialization="glorot_uniform")
    for layer in net.net:
        if isinstance(layer, torch.nn.Linear):
            assert not layer.bias.any()
            limit = (6 / (layer.in_features + layer.out_features)) ** 0.5
            assert layer.weight.abs().max() <= limit
            assert layer.weight.abs().max() > limit / 2


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: CNN((2,), 2), "got samples of shape"),
        (lambda: CNN((1, 40), 10, norm="instance", layers=8, pool_after=(1, 2, 3, 4, 5)), "shrunk to one"),
        (lambda: CNN((1, 4), 10, pool_after=(1, 2, 3, 4)), "larger than the map \\(1,\\) after convolution 3"),
        (lambda: CNN((1, 40), 10, pool_after=(5,)), "blocks from 1 to 4"),
        (lambda: CNN((1, 40), 10, kernel_size=4), "must be odd"),
        (lambda: CNN((1, 40), 10, layers=0), "model.layers"),
        (lambda: CNN((1, 40), 10, channels_last=True), "layout of images"),
        (lambda: MLP((2,), 2, dropout=1.0), r"\[0, 1\), got 1.0"),
        (lambda: MLP((2,), 2, norm="bacth"), "must be one of none, batch"),
        (lambda: MLP((2,), 2, activation="relo"), "must be one of relu"),
        (lambda: MLP((2,), 2, initialization="xavier"), "must be one of torch"),
        (lambda: MLP((2,), 2, units=(0,)), "widths from 1 on"),
        (lambda: MLP((2,), 2, units="abc"), "widths from 1 on, as .256,256., got abc"),
        (lambda: MLP((2,), 2, dropout="abc"), "got abc"),
        (lambda: CNN((1, 40), 10, filters=2.5), "model.filters must be a whole number from 1 on, got 2.5"),
        (lambda: MLP((2,), 1), "classes must be 2"),
    ],
)
def test_what_cannot_be_is_refused_naming_the_way_out(make, said):
    with pytest.raises(ValueError, match=said):
        make()


def test_channels_last_changes_the_layout_and_not_the_function():
    plain, x = _net("images", "batch")
    other, _ = _net("images", "batch", channels_last=True)
    with torch.no_grad():
        torch.testing.assert_close(plain.eval()(x), other.eval()(x), rtol=1e-4, atol=1e-5)
    assert other.net[0].weight.is_contiguous(memory_format=torch.channels_last)


def test_probabilities_and_predictions_agree_for_one_logit_and_for_many():
    for classes in (2, 4):
        net = MLP((6,), classes, units=(5,))
        logits = torch.randn(20, net.outputs)
        probabilities = net.probabilities(logits)
        assert probabilities.shape == (20, classes)
        torch.testing.assert_close(probabilities.sum(1), torch.ones(20))
        assert torch.equal(probabilities.argmax(1), net.predictions(logits))
    y = torch.tensor([0, 1, 1])
    logit = torch.tensor([[0.3], [-2.0], [1.0]])
    binary = MLP((6,), 2)
    by_hand = -torch.log(binary.probabilities(logit)[range(3), y]).mean()
    torch.testing.assert_close(binary.criterion(logit, binary.targets(y)), by_hand)


def test_a_convolution_is_followed_by_its_parts_in_the_order_asked_for():
    order = ["pool", "dropout", "activation", "norm"]
    net = CNN((1, 8, 8), 10, layers=2, filters=4, norm="batch", dropout=0.1, pool_after=[1], order=order).net
    kinds = [nn.Conv2d, nn.MaxPool2d, nn.Dropout2d, nn.ReLU, nn.BatchNorm2d]
    assert all(map(isinstance, net[:5], kinds))
    assert all(map(isinstance, net[5:9], [kinds[0], *kinds[2:]]))  # block 2 is not pooled
    assert net(torch.zeros(3, 1, 8, 8)).shape == (3, 10)


def test_an_order_that_lacks_a_part_is_refused():
    with pytest.raises(ValueError, match=r"model\.order must have each of norm, activation, dropout, pool once, got"):
        CNN((1, 8, 8), 10, order=["norm", "activation", "pool"])


def test_one_width_and_a_number_of_layers_is_the_list_of_widths():
    torch.manual_seed(0)
    short = MLP((2,), 3, units=5, layers=2)
    torch.manual_seed(0)
    written = MLP((2,), 3, units=[5, 5])
    torch.testing.assert_close(short.state_dict(), written.state_dict(), rtol=0, atol=0)
    assert _parameters(MLP((2,), 3, units=5, layers=0)) == _parameters(MLP((2,), 3, units=[]))


@pytest.mark.parametrize("units", [{"units": 5}, {"units": [5, 5], "layers": 2}, {"units": 5, "layers": -1}])
def test_a_width_without_a_number_of_layers_is_refused(units):
    with pytest.raises(ValueError, match=r"model\.layers is a number of hidden layers and needs one width for all"):
        MLP((2,), 3, **units)


@pytest.mark.parametrize(("shape", "size"), [((3, 2, 11), 2), ((3, 2, 9), 3), ((2, 4, 7, 10), 2), ((2, 1, 9, 8), 4)])
def test_pooling_by_windows_is_max_pooling(shape, size):
    """On a device where torch's has no deterministic backward pass; the values of these inputs are all different."""
    x = torch.randperm(torch.Size(shape).numel()).float().reshape(shape).requires_grad_()
    torchs = (nn.functional.max_pool1d if len(shape) == 3 else nn.functional.max_pool2d)(x, size)
    ours = pooled_by_windows(x, size)
    weights = torch.randn_like(torchs)
    expected, found = (torch.autograd.grad((pooled * weights).sum(), x)[0] for pooled in (torchs, ours))
    assert torch.equal(ours, torchs)
    assert torch.equal(found, expected)
