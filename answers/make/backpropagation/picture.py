"""The graph of the net 2-2-2-1 with the two paths from its first weight to the loss, and what storing saves."""

from collections.abc import Sequence
from typing import Any

from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from answers.make.backpropagation.chain_rule import ChainRule, along
from answers.make.backpropagation.counts import Count
from answers.make.backpropagation.graph import LOSS, Edge, Graph
from litmus.report.figures.style import INK, MUTED, SERIES, SETTINGS

PLACES = {
    **{"x_1": (0.0, 1.0), "x_2": (0.0, -1.0), "o1_1": (1.6, 1.0), "o1_2": (1.6, -1.0)},
    **{"o2_1": (3.4, 1.0), "o2_2": (3.4, -1.0), "o3_1": (5.2, 0.0), LOSS: (6.6, 0.0)},
}
NAMES = {
    **{"x_1": "x₁", "x_2": "x₂", "o1_1": "o₁₁", "o1_2": "o₁₂", "o2_1": "o₂₁", "o2_2": "o₂₂", "o3_1": "ŷ", LOSS: "L"},
    "w1_11": "w₁₁",
}
# The first path, the second, and what they share.
COLOURS = (SERIES[0], SERIES[1], INK)


def number(value: float, digits: int = 4) -> str:
    """A number as it is written, with a minus sign."""
    return f"{value:.{digits}f}".replace("-", "−")


def product(way: list[Edge]) -> str:
    """The factors along a path, negative ones in brackets, and what they make."""
    factors = (number(edge.derivative) for edge in way)
    return " × ".join(f"({text})" if "−" in text else text for text in factors) + f" = {number(along(way), 6)}"


def picture(graph: Graph, ways: Sequence[list[Edge]], storing: ChainRule, counts: dict[int, list[Count]]) -> Figure:
    """The graph on the left, the counts on the right."""
    with rc_context(SETTINGS):
        figure = Figure(figsize=(13, 5.6), layout="constrained")
        FigureCanvasAgg(figure)
        left, right = figure.subplots(1, 2, width_ratios=[9, 4])
        _draw_graph(left, graph, ways, storing)
        _draw_counts(right, counts)
        return figure


def _draw_graph(axes: Any, graph: Graph, ways: Sequence[list[Edge]], storing: ChainRule) -> None:
    owners: dict[tuple[str, str], set[int]] = {}
    for which, way in enumerate(ways):
        sources = ["x_1", *(edge.target for edge in way)]
        for source, edge in zip(sources, way, strict=False):
            owners.setdefault((source, edge.target), set()).add(which)
    for source, edges in graph.edges.items():
        for edge in edges:
            if source in PLACES:
                _draw_edge(axes, graph, source, edge, owners.get((source, edge.target), set()))
    for node, (across, up) in PLACES.items():
        axes.scatter(across, up, s=1900, facecolor="white", edgecolor=INK, zorder=3, linewidth=1.2)
        axes.text(across, up, f"{NAMES[node]}\n{number(graph.values[node], 3)}", ha="center", va="center", zorder=4)
        if node in storing.stored:
            low = up <= 0
            axes.text(
                across,
                up + (-0.42 if low else 0.42),
                f"∂L/∂{NAMES[node]} = {number(storing.stored[node])}\nstored, read {storing.reads[node]} times more",
                ha="center",
                va="top" if low else "bottom",
                fontsize=9,
                color=SERIES[2],
            )
    lines = [f"via {NAMES[way[1].target]}:  {product(way)}" for way in ways]
    lines.append(f"∂L/∂w₁₁ = their sum = {number(sum(map(along, ways)), 6)}, which is autograd's")
    for row, (line, colour) in enumerate(zip(lines, COLOURS, strict=True)):
        axes.text(0.0, -2.05 - 0.27 * row, line, color=colour, fontsize=11)
    axes.set(xlim=(-0.4, 7.0), ylim=(-2.7, 1.85), title="Both ways from w₁₁ to the loss, with local derivatives")
    axes.axis("off")


def _draw_edge(axes: Any, graph: Graph, source: str, edge: Edge, owners: set[int]) -> None:
    (from_x, from_y), (to_x, to_y) = PLACES[source], PLACES[edge.target]
    colour = MUTED if not owners else COLOURS[2] if len(owners) > 1 else COLOURS[min(owners)]
    axes.annotate(
        "",
        (to_x, to_y),
        (from_x, from_y),
        arrowprops={
            "arrowstyle": "-|>",
            "color": colour,
            "linewidth": 2.4 if owners else 0.8,
            "shrinkA": 21,
            "shrinkB": 21,
        },
    )
    if not owners:
        return
    first = source == "x_1"  # the path begins at the weight on this connection
    symbol = f"∂{NAMES[edge.target]}/∂{NAMES['w1_11' if first else source]}"
    value = graph.edges["w1_11"][0].derivative if first else edge.derivative
    share = 0.5 if from_y == to_y else 0.42
    axes.text(
        from_x + share * (to_x - from_x),
        from_y + share * (to_y - from_y) + 0.05,
        f"{'w₁₁ = ' + number(graph.values['w1_11'], 3) if first else ''}\n{symbol}\n{number(value)}".strip(),
        ha="center",
        va="center",
        fontsize=9.5,
        color=colour,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.2},
    )


def _draw_counts(axes: Any, counts: dict[int, list[Count]]) -> None:
    for (width, rows), marker in zip(counts.items(), "os", strict=True):
        depth = [row.hidden for row in rows]
        for colour, way, name in ((SERIES[1], "naive", "without storing"), (SERIES[2], "storing", "storing")):
            axes.plot(
                depth,
                [getattr(row, way) for row in rows],
                color=colour,
                marker=marker,
                markersize=5,
                label=f"{name}, width {width}",
            )
    axes.set(yscale="log", xlabel="hidden layers", title="Multiplications for the whole gradient")
    axes.legend()
