"""Recomputing in one picture: memory by depth, then memory and time by the number of segments."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from litmus.atomic import replacing

MIB = 2**20
STORED, TWICE = "#0072b2", "#d55e00"


def draw(by_depth: Mapping[int, Sequence[Any]], plain: Any, by_segments: Mapping[int, Any], path: Path) -> None:
    """Draws what was measured of nets by depth (stored, computed twice), and of the deepest by number of segments."""
    figure = Figure(figsize=(10, 3.3), layout="constrained")
    FigureCanvasAgg(figure)
    depth, memory, time = figure.subplots(1, 3)
    for place, (colour, label) in enumerate(((STORED, "stored"), (TWICE, "computed twice"))):
        peaks = [measured[place].peak / MIB for measured in by_depth.values()]
        depth.plot(list(by_depth), peaks, "o-", color=colour, label=label)
    memory.plot(list(by_segments), [one.peak / MIB for one in by_segments.values()], "o-", color=TWICE)
    memory.axhline(plain.peak / MIB, color=STORED)
    time.plot(list(by_segments), [one.seconds / plain.seconds for one in by_segments.values()], "o-", color=TWICE)
    time.axhline(1, color=STORED)
    held = "most memory at once, MiB"
    depth.set(xlabel="hidden layers of width 128", ylabel=held, xticks=list(by_depth)[1:])
    memory.set(xlabel=f"segments of {max(by_depth)} hidden layers", ylabel=held)
    time.set(xlabel=f"segments of {max(by_depth)} hidden layers", ylabel="time of an update, ×")
    depth.legend(frameon=False, loc="upper left")
    for axes in (depth, memory, time):
        axes.set_ylim(0)
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    with replacing(path) as part:
        figure.savefig(part, dpi=110, format="png")
