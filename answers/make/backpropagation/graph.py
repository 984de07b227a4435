"""The computational graph of a small net of sigmoids, with the local derivative on each edge; pure Python."""

import math
from collections.abc import Sequence
from typing import NamedTuple

Matrix = Sequence[Sequence[float]]
LOSS = "L"


class Edge(NamedTuple):
    """To which node the value goes, and the derivative of that node's value by this one's."""

    target: str
    derivative: float


class Graph(NamedTuple):
    """The edges that leave each node, the nodes' values, and the names of the weights and biases among them."""

    edges: dict[str, list[Edge]]
    values: dict[str, float]
    parameters: list[str]


def neuron(layer: int, place: int) -> str:
    """The output of a neuron, both numbers from 1 on; layer 0 is the inputs."""
    return f"o{layer}_{place}" if layer else f"x_{place}"


def weight(layer: int, source: int, place: int) -> str:
    """The weight from neuron `source` of the layer before to neuron `place`."""
    return f"w{layer}_{source}{place}"


def network(weights: Sequence[Matrix], biases: Sequence[Sequence[float]], inputs: Sequence[float], label: int) -> Graph:
    """The graph of binary cross-entropy of a net whose every neuron is a sigmoid, the last one alone in its layer.

    Args:
        weights: by layer, a row per neuron, as torch's Linear has them.
        biases: by layer.
        inputs: one sample.
        label: 0 or 1.

    Raises:
        ValueError: for a last layer of several neurons.
    """
    if len(biases[-1]) != 1:
        raise ValueError(f"expected one output neuron, found {len(biases[-1])}")
    edges: dict[str, list[Edge]] = {}
    values = {neuron(0, place): value for place, value in enumerate(inputs, start=1)}
    parameters = []
    before = list(inputs)
    for layer, (rows, offsets) in enumerate(zip(weights, biases, strict=True), start=1):
        outputs = []
        for place, (row, offset) in enumerate(zip(rows, offsets, strict=True), start=1):
            total = sum(weight * value for weight, value in zip(row, before, strict=True)) + offset
            output = 1 / (1 + math.exp(-total))
            slope = output * (1 - output)
            for source, (factor, value) in enumerate(zip(row, before, strict=True), start=1):
                name = weight(layer, source, place)
                parameters.append(name)
                values[name] = factor
                edges[name] = [Edge(neuron(layer, place), slope * value)]
                edges.setdefault(neuron(layer - 1, source), []).append(Edge(neuron(layer, place), slope * factor))
            bias = f"b{layer}_{place}"
            parameters.append(bias)
            values[bias] = offset
            edges[bias] = [Edge(neuron(layer, place), slope)]
            values[neuron(layer, place)] = output
            outputs.append(output)
        before = outputs
    (output,) = before
    edges[neuron(len(weights), 1)] = [Edge(LOSS, (output - label) / (output * (1 - output)))]
    values[LOSS] = -math.log(output if label else 1 - output)
    return Graph(edges, values, parameters)
