"""The chain rule over a graph: path by path, and by recursion with and without a store; pure Python."""

from collections import Counter
from collections.abc import Iterator
from math import prod

from answers.make.backpropagation.graph import LOSS, Edge, Graph


def paths(graph: Graph, node: str) -> Iterator[list[Edge]]:
    """Every way from a node to the loss, as the edges along it."""
    if node == LOSS:
        yield []
        return
    for edge in graph.edges[node]:
        for rest in paths(graph, edge.target):
            yield [edge, *rest]


def along(path: list[Edge]) -> float:
    """What one path adds to the derivative: the product of its local derivatives."""
    return prod(edge.derivative for edge in path)


class ChainRule:
    """Derivatives of the loss by recursion: a node's is the sum over its edges of local × target's derivative.

    With `store`, which is memoization, a neuron's derivative is kept when it is first known: that is backpropagation.
    Without, it is worked out again for whoever asks.

    Attributes:
        multiplications: of a local derivative with a derivative of the loss, so far.
        stored: the derivatives kept, empty without `store`.
        reads: how often each stored one was read again.
    """

    def __init__(self, graph: Graph, store: bool) -> None:
        self.graph, self.store = graph, store
        self.multiplications = 0
        self.stored: dict[str, float] = {}
        self.reads: Counter[str] = Counter()

    def derivative(self, node: str) -> float:
        """∂L/∂node."""
        if node in self.stored:
            self.reads[node] += 1
            return self.stored[node]
        total = 0.0
        for edge in self.graph.edges[node]:
            if edge.target == LOSS:  # the local derivative is all there is
                total += edge.derivative
                continue
            total += edge.derivative * self.derivative(edge.target)
            self.multiplications += 1
        # Nobody asks for a weight's or a bias's derivative twice.
        if self.store and node not in self.graph.parameters:
            self.stored[node] = total
        return total

    def gradient(self) -> dict[str, float]:
        """∂L of every weight and bias."""
        return {name: self.derivative(name) for name in self.graph.parameters}
