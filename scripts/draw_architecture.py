"""Rooms and who imports whom, drawn from the imports: python scripts/draw_architecture.py.

Writes docs/figures/architecture.png. A line's width is the number of imports; all lead
downwards. Everybody imports the ground floor, which is not drawn.
"""

import ast
from collections import Counter
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from litmus.paths import typed_path
from litmus.project import ROOT
from litmus.trial.arguments import Parser

# From what a user calls down to what knows nobody; a room of the engine that is missing here is on the ground floor.
FLOORS = (
    ("train.py · evaluate.py", "scripts"),
    ("src", "litmus.sweeps", "litmus.trial"),
    ("litmus.compare", "litmus.report"),
    ("litmus.training", "litmus.claims", "litmus.records"),
    ("litmus: words, contract …",),
)
DOORS = {"train": FLOORS[0][0], "evaluate": FLOORS[0][0], "hydra_plugins": "litmus.sweeps"}
GROUND = FLOORS[-1][0]
WIDE, HIGH = 2.3, 0.62


def room_of(module: str) -> str | None:
    """The room in which a module lies; None for what is not the project's."""
    first, _, rest = module.partition(".")
    if first == "litmus":
        room = f"litmus.{rest.partition('.')[0]}"
        return room if any(room in floor for floor in FLOORS) else GROUND
    return DOORS.get(first, first if any(first in floor for floor in FLOORS) else None)


def imports(root: Path) -> Counter[tuple[str, str]]:
    """How many import statements of each room lead to each other room."""
    found: Counter[tuple[str, str]] = Counter()
    for path in sorted(root.rglob("*.py")):
        module = ".".join(path.relative_to(root).with_suffix("").parts)
        here = room_of(module)
        if here is None:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            found.update((here, there) for name in names if (there := room_of(name)) not in (None, here))
    return found


def lines_of(root: Path) -> Counter[str]:
    """Lines of Python in each room."""
    found: Counter[str] = Counter()
    for path in sorted(root.rglob("*.py")):
        room = room_of(".".join(path.relative_to(root).with_suffix("").parts))
        if room is not None:
            found[room] += len(path.read_text(encoding="utf-8").splitlines())
    return found


def draw(root: Path) -> Figure:
    """The picture."""
    figure = Figure(figsize=(10, 6), layout="constrained")
    axes = figure.add_subplot()
    axes.set_axis_off()
    places = {}
    for level, rooms in enumerate(FLOORS):
        for index, room in enumerate(rooms):
            places[room] = (3.0 * (index - (len(rooms) - 1) / 2), 1.5 * (len(FLOORS) - level))
    for (here, there), count in imports(root).items():
        if GROUND in (here, there):
            continue
        (x, y), (to_x, to_y) = places[here], places[there]
        beside = y == to_y
        start, end = (x, y - HIGH / 2 * (not beside)), (to_x, to_y + HIGH / 2 * (not beside))
        axes.annotate(
            "",
            xy=end,
            xytext=start,
            arrowprops={"arrowstyle": "-|>", "lw": 0.5 + 0.35 * count**0.5, "color": "#8a8f98", "alpha": 0.75}
            | ({"shrinkA": 62, "shrinkB": 62} if beside else {}),
            zorder=1,
        )
    lines = lines_of(root)
    for room, (x, y) in places.items():
        colour = "#dcebe0" if room == "src" else "#e8ecf4" if room.startswith("litmus") else "#f3ead9"
        box = FancyBboxPatch(
            (x - WIDE / 2, y - HIGH / 2), WIDE, HIGH, boxstyle="round,pad=0.05", fc=colour, ec="#5a6270"
        )
        axes.add_patch(box)
        axes.text(x, y, f"{room}\n{lines[room]:,} lines", ha="center", va="center", fontsize=9, zorder=3)
    axes.set_xlim(-6, 6)
    axes.set_ylim(0.9, 1.5 * len(FLOORS) + 0.6)
    return figure


if __name__ == "__main__":
    parser = Parser(description=__doc__)
    parser.add_argument("-o", "--output", type=typed_path, default=ROOT / "docs" / "figures" / "architecture.png")
    picture = draw(ROOT)
    FigureCanvasAgg(picture).print_png(parser.parse_args().output)
