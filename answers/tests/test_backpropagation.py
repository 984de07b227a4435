"""The chain rule, path by path and by recursion, is autograd's gradient; storing changes the count, not the result."""

import math
import random
from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from answers.make.backpropagation.chain_rule import ChainRule, along, paths
from answers.make.backpropagation.counts import count, net_of
from answers.make.backpropagation.graph import LOSS, network
from answers.make.backpropagation.kept import kept_for_backward
from src.models.mlp import MLP

SHAPES = st.lists(st.integers(1, 3), min_size=0, max_size=3)


def _drawn(shape, seed):
    draw = random.Random(seed)
    weights = [
        [[draw.uniform(-2, 2) for _ in range(before)] for _ in range(after)] for before, after in pairwise(shape)
    ]
    biases = [[draw.uniform(-2, 2) for _ in range(after)] for after in shape[1:]]
    return weights, biases, [draw.uniform(-2, 2) for _ in range(shape[0])], draw.randrange(2)


def _autograd(weights, biases, inputs, label):
    """The loss and the derivatives by name, from torch alone."""
    leaves = [
        (torch.tensor(rows, dtype=torch.double, requires_grad=True), torch.tensor(offsets, dtype=torch.double))
        for rows, offsets in zip(weights, biases, strict=True)
    ]
    value = torch.tensor(inputs, dtype=torch.double)
    for matrix, offset in leaves:
        value = torch.sigmoid(matrix @ value + offset.requires_grad_())
    loss = F.binary_cross_entropy(value, torch.tensor([float(label)], dtype=torch.double))
    loss.backward()
    found = {}
    for layer, (matrix, offset) in enumerate(leaves, start=1):
        for place, row in enumerate(matrix.grad.tolist(), start=1):
            found |= {f"w{layer}_{source}{place}": slope for source, slope in enumerate(row, start=1)}
            found[f"b{layer}_{place}"] = float(offset.grad[place - 1])
    return float(loss.detach()), found


@given(inputs=st.integers(1, 3), hidden=SHAPES, seed=st.integers(0, 10**6))
@settings(max_examples=40, deadline=None)
def test_path_sums_and_both_recursions_are_autograds_gradient(inputs, hidden, seed):
    net = _drawn([inputs, *hidden, 1], seed)
    graph = network(*net)
    loss, truth = _autograd(*net)
    assert graph.values[LOSS] == pytest.approx(loss)
    assert graph.parameters == list(truth)
    gradients = [ChainRule(graph, store=store).gradient() for store in (False, True)]
    gradients.append({name: math.fsum(map(along, paths(graph, name))) for name in truth})
    for gradient in gradients:
        assert gradient == pytest.approx(truth, rel=1e-9, abs=1e-12)


@given(hidden=SHAPES)
@settings(max_examples=25, deadline=None)
def test_the_counts_are_those_of_a_tree_without_storing_and_of_a_graph_with(hidden):
    graph, widths = net_of(hidden), [2, *hidden, 1]
    counted = count(graph, len(hidden))
    # For each weight and bias one multiplication, unless the loss comes next; the output's count is 0.
    below, naive = 0, 0
    for layer in range(len(widths) - 1, 0, -1):
        last = layer == len(widths) - 1
        below = 0 if last else widths[layer + 1] * (1 + below)
        naive += widths[layer] * (widths[layer - 1] + 1) * (1 + below)
    inner = sum(before * after for before, after in pairwise(widths[1:]))
    assert counted.naive == naive
    assert counted.storing == len(graph.parameters) + inner
    assert counted.stored == sum(widths[1:])
    assert counted.paths == math.prod(widths[2:])


def test_the_notes_net_has_two_paths_and_its_stored_derivatives_are_read_by_all_who_feed_the_neuron():
    graph = net_of([2, 2])
    ways = [[edge.target for edge in path] for path in paths(graph, "w1_11")]
    assert ways == [["o1_1", "o2_1", "o3_1", LOSS], ["o1_1", "o2_2", "o3_1", LOSS]]
    rule = ChainRule(graph, store=True)
    rule.gradient()
    # Two weights and a bias feed each neuron, and the neurons of the layer before; the first of them finds nothing.
    assert dict(rule.reads) == {"o1_1": 2, "o1_2": 2, "o2_1": 4, "o2_2": 4, "o3_1": 4}
    naive = ChainRule(graph, store=False)
    naive.gradient()
    assert (naive.multiplications, rule.multiplications) == (45, 21)
    assert not naive.stored


def test_one_more_layer_multiplies_the_work_without_storing_and_adds_to_it_with():
    counts = [count(net_of([3] * depth), depth) for depth in range(2, 7)]
    ratios = [after.naive / before.naive for before, after in pairwise(counts)]
    steps = [after.storing - before.storing for before, after in pairwise(counts)]
    assert all(ratio > 3 for ratio in ratios)
    assert ratios[-1] == pytest.approx(3, rel=0.05)
    assert len(set(steps)) == 1


def test_what_is_kept_for_the_backward_pass_grows_with_the_batch_and_with_the_depth():
    def kept(hidden, batch):
        return kept_for_backward(MLP((2,), 2, units=[10] * hidden), torch.randn(batch, 2), torch.ones(batch).long())

    # Of each row its two inputs, ten values per hidden layer, the logit and the label, in four bytes each.
    assert [kept(2, batch) for batch in (1, 32)] == [24 * 4, 32 * 24 * 4]
    assert kept(5, 7) == 7 * 54 * 4


def test_a_net_with_two_outputs_is_refused():
    with pytest.raises(ValueError, match="expected one output neuron, found 2"):
        network([[[1.0], [1.0]]], [[0.0, 0.0]], [1.0], 1)


def test_the_script_draws_and_says_what_it_computed(monkeypatch, tmp_path, capsys):
    from answers.make import draw_backpropagation as script
    from answers.make.backpropagation import counts
    from tests.data_helpers import require_ads

    require_ads()
    monkeypatch.setattr(counts, "WIDTHS", {2: 3, 4: 2})
    script.draw(tmp_path / "picture.png")
    said = capsys.readouterr().out
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
    (line,) = [line for line in said.splitlines() if line.startswith("their sum")]
    by_paths, autograd = line.removeprefix("their sum ").split(", autograd ")
    assert by_paths == autograd
    assert said.count("= -0.00") == 2
