"""Recomputing in one picture: memory by depth, memory by segments, time."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from src.atomic import replacing

MIB = 2**20
STORED, TWICE = "#0072b2", "#d55e00"


def draw(by_depth: Mapping[int, Sequence[Any]], plain: Any, by_segments: Mapping[int, Any], path: Path) -> None:
    """Draws what was measured of nets by depth (without, with), and of the deepest by number of segments."""
    figure = Figure(figsize=(10, 3.3), layout="constrained")
    FigureCanvasAgg(figure)
    memory, parts, time = figure.subplots(1, 3)
    for place, (colour, label) in enumerate(((STORED, "stored"), (TWICE, "computed twice, √n segments"))):
        peaks = [measured[place].peak / MIB for measured in by_depth.values()]
        memory.plot(list(by_depth), peaks, "o-", color=colour, label=label)
    memory.set(title="by depth", xlabel="blocks of width 128", ylabel="most memory at once, MiB", ylim=0)
    memory.legend(frameon=False)
    parts.plot(list(by_segments), [one.peak / MIB for one in by_segments.values()], "o-", color=TWICE)
    parts.axhline(plain.peak / MIB, color=STORED, linestyle="--")
    parts.set(
        title=f"{max(by_depth)} blocks, by segments", xlabel="segments", ylabel="most memory at once, MiB", ylim=0
    )
    time.plot(list(by_depth), [twice.seconds / one.seconds for one, twice in by_depth.values()], "o-", color=TWICE)
    time.axhline(1, color=STORED, linestyle="--")
    time.set(title="by depth", xlabel="blocks of width 128", ylabel="time of an update ×", ylim=(0, 1.6))
    for axes in (memory, parts, time):
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    with replacing(path) as part:
        figure.savefig(part, dpi=110, format="png")
