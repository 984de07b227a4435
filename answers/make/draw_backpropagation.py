"""Draws backpropagation in a net 2-2-2-1 into answers/docs/figures/backpropagation.png, and counts what storing saves.

python answers/make/draw_backpropagation.py      10 s

The net is this project's MLP with sigmoids, freshly initialised; the sample is the first buyer of Social_Network_Ads.
Every number is computed: each path's product, their sum, autograd's derivative, and the multiplications of both ways.
"""

import os
from pathlib import Path

import torch

from answers.make.backpropagation.chain_rule import ChainRule, along, paths
from answers.make.backpropagation.counts import WIDTHS, count_by_depth
from answers.make.backpropagation.graph import Graph, network
from answers.make.backpropagation.kept import kept_for_backward
from answers.make.backpropagation.picture import picture
from litmus.atomic import replacing
from litmus.paths import typed_path
from litmus.project import ROOT
from litmus.trial.arguments import Parser
from litmus.trial.command_line import answer
from src.datamodules.social_network_ads import SocialNetworkAds
from src.models.mlp import MLP

COLUMNS = ("hidden layers", "width", "paths from a weight", "without storing", "storing", "stored")


def graph_of(model: MLP, x: torch.Tensor, y: torch.Tensor) -> Graph:
    """The graph of an MLP of sigmoids at one sample (1, features)."""
    layers = [layer for layer in model.net if isinstance(layer, torch.nn.Linear)]
    return network(
        [layer.weight.tolist() for layer in layers],
        [layer.bias.tolist() for layer in layers],
        x[0].tolist(),
        int(y[0]),
    )


def by_autograd(model: MLP, x: torch.Tensor, y: torch.Tensor) -> dict[str, float]:
    """The same derivatives as torch gives them, by the graph's names."""
    model.zero_grad()
    model.criterion(model(x), model.targets(y).to(x.dtype)).backward()
    found: dict[str, float] = {}
    layers = [layer for layer in model.net if isinstance(layer, torch.nn.Linear)]
    for number, layer in enumerate(layers, start=1):
        assert layer.weight.grad is not None
        assert layer.bias.grad is not None
        for place, (row, bias) in enumerate(zip(layer.weight.grad, layer.bias.grad, strict=True), start=1):
            found |= {f"w{number}_{source}{place}": float(value) for source, value in enumerate(row, start=1)}
            found[f"b{number}_{place}"] = float(bias)
    return found


def check(graph: Graph, truth: dict[str, float]) -> None:
    """Both recursions and the sums over paths give autograd's derivatives.

    Raises:
        AssertionError: naming the first that does not.
    """
    gradients = [ChainRule(graph, store).gradient() for store in (False, True)]
    gradients.append({name: sum(map(along, paths(graph, name))) for name in graph.parameters})
    for gradient in gradients:
        torch.testing.assert_close(gradient, truth)


def draw(target: Path) -> None:
    """Draws, counts, and says what was counted."""
    data = SocialNetworkAds(data_dir=os.environ.get("DATA_DIR", ROOT / "data"), split="tail")
    data.setup()
    rows, labels = data.splits["train"]
    first = int(labels.nonzero()[0])
    x, y = rows[first : first + 1].double(), labels[first : first + 1]
    torch.manual_seed(0)
    model = MLP((2,), 2, units=[2, 2], activation="sigmoid", initialization="glorot_uniform").double()
    graph, truth = graph_of(model, x, y), by_autograd(model, x, y)
    check(graph, truth)

    ways, storing = list(paths(graph, "w1_11")), ChainRule(graph, store=True)
    storing.gradient()
    inputs = ", ".join(f"{value:.4f}" for value in x[0].tolist())
    print(f"row {first + 1} of the training rows: x = {inputs}, y = {int(y)}, L = {graph.values['L']:.4f}")
    for way in ways:
        factors = " × ".join(f"{edge.derivative:.6f}" for edge in way)
        print(f"w1_11 → {' → '.join(edge.target for edge in way)}: {factors} = {along(way):.8f}")
    print(f"their sum {sum(map(along, ways)):.8f}, autograd {truth['w1_11']:.8f}")
    for name in storing.stored:
        print(f"∂L/∂{name} = {storing.stored[name]:.6f} stored, read {storing.reads[name]} times more")
    counts = {width: count_by_depth(width) for width in WIDTHS}
    print("multiplications for the whole gradient, counted:")
    print("{:>13}{:>7}{:>23}{:>17}{:>9}{:>8}".format(*COLUMNS))
    for width, found in counts.items():
        for row in found:
            print(f"{row.hidden:13}{width:7}{row.paths:23,}{row.naive:17,}{row.storing:9,}{row.stored:8}")
    print("bytes that autograd keeps for the backward pass of an MLP of layers of 10:")
    for hidden in (2, 4, 8):
        net = MLP((2,), 2, units=[10] * hidden)
        sizes = {batch: kept_for_backward(net, rows[:batch], labels[:batch]) for batch in (1, 32, 250, 320)}
        print(f"{hidden} hidden layers: " + ", ".join(f"{kept:,} for {batch}" for batch, kept in sizes.items()))
    with replacing(target) as part:
        picture(graph, ways, storing, counts).savefig(part, dpi=100, format="png")
    print(target)


def main() -> None:
    """Reads the command line."""
    parser = Parser(description=__doc__)
    parser.add_argument(
        "-o", "--output", type=typed_path, default=ROOT / "answers" / "docs" / "figures" / "backpropagation.png"
    )
    draw(parser.parse_args().output)


if __name__ == "__main__":
    answer(main)
