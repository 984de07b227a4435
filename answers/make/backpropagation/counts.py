"""How many multiplications a whole gradient takes, counted by taking it."""

import random
from itertools import pairwise
from types import MappingProxyType
from typing import NamedTuple

from answers.make.backpropagation.chain_rule import ChainRule, paths
from answers.make.backpropagation.graph import Graph, network

# Width of the hidden layers: how many layers are tried. Without storing, one more multiplies the time by the width.
WIDTHS = MappingProxyType({2: 12, 4: 6})


class Count(NamedTuple):
    """Of one net: hidden layers, paths from a first weight, multiplications both ways, and derivatives kept."""

    hidden: int
    paths: int
    naive: int
    storing: int
    stored: int


def net_of(units: list[int], seed: int = 0) -> Graph:
    """A net with two inputs, these hidden layers and one output, all weights drawn."""
    draw = random.Random(seed)
    shape = [2, *units, 1]
    weights = [
        [[draw.uniform(-1, 1) for _ in range(before)] for _ in range(after)] for before, after in pairwise(shape)
    ]
    biases = [[draw.uniform(-1, 1) for _ in range(after)] for after in shape[1:]]
    return network(weights, biases, [draw.uniform(-1, 1) for _ in range(2)], 1)


def count(graph: Graph, hidden: int) -> Count:
    """Takes the gradient of all weights and biases both ways."""
    rules = {store: ChainRule(graph, store) for store in (False, True)}
    for rule in rules.values():
        rule.gradient()
    return Count(
        hidden,
        sum(1 for _ in paths(graph, graph.parameters[0])),
        rules[False].multiplications,
        rules[True].multiplications,
        len(rules[True].stored),
    )


def count_by_depth(width: int) -> list[Count]:
    """The counts of nets with one hidden layer of this width, with two, and so on."""
    return [count(net_of([width] * hidden), hidden) for hidden in range(1, WIDTHS[width] + 1)]
