"""Draws where the seeds of a study of landscapes went, from its directory into its figures/.

python answers/make/draw_landscapes.py studies/saddle      trajectories-FUNCTION.png and .svg, a panel per arm

Arms have the colours of the report. A new report removes the figures with its own old ones: draw them after it.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from litmus.claims.quantity import Quantity
from litmus.paths import typed_path
from litmus.records.record import Record
from litmus.report.blocks import Picture
from litmus.report.evidence import Evidence
from litmus.report.figures.picture import picture
from litmus.report.figures.sheet import wrapped
from litmus.report.figures.style import INK, MUTED, PAPER, colour_of
from litmus.trial.arguments import Parser
from litmus.trial.command_line import answer

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95, 1.05, 1.5, 2, 3, 5, 8, 13)
Path2D = NDArray[np.float64]


def main(given: list[str] | None = None) -> None:
    """Draws a picture of each landscape that the study's trials were on."""
    parser = Parser(description=__doc__)
    parser.add_argument("directory", type=typed_path, help="a study's")
    directory = parser.parse_args(given).directory

    from litmus.report.study_directory import read_study_directory
    from litmus.report.write import write

    for made in pictures(read_study_directory(directory), directory):
        for ending, content in (("svg", made.svg), ("png", made.png)):
            write(directory / "figures" / f"{made.name}.{ending}", content)
        print(directory / "figures" / f"{made.name}.png")


def pictures(evidence: Evidence, directory: Path) -> list[Picture]:
    """A picture of each landscape.

    Raises:
        ValueError: where trials were on none, or did not record their weights.
    """
    arms: dict[str, dict[str, list[Path2D]]] = {}
    for (arm, _), record in evidence.records.items():
        function = record.settings.get("model.function")
        if record.done and function is not None:
            arms.setdefault(str(function), {}).setdefault(arm, []).append(path_of(record))
    if not arms:
        raise ValueError(f"{directory}: expected finished trials of model=landscape, found none; see study=saddle")
    return [draw_landscape(function, paths, evidence) for function, paths in arms.items()]


def path_of(record: Record) -> Path2D:
    """Where a trial was (updates + 1, 2), in the landscape's own axes, from before its first update on."""
    from answers.exhibits.landscape_functions import chosen, frame
    from litmus.training.trajectory import read_trajectory

    own = {name: record.settings[f"model.{name}"] for name in ("function", "depth", "rotation", "seed")}
    _, turn = frame(chosen(own["function"]), own["depth"], own["rotation"], own["seed"])
    return np.asarray(read_trajectory(record.directory / "trajectory.npz").weights @ turn.numpy().T, dtype=float)


def draw_landscape(function: str, arms: Mapping[str, Sequence[Path2D]], evidence: Evidence) -> Picture:
    """One landscape: its contours, and every arm's paths in a panel of their own."""
    escape = next((one for one in evidence.study.quantities.values() if one.at == "time_to"), None)
    low, high = window([path for paths in arms.values() for path in paths])
    wide = (high - low)[1] > 2 * (high - low)[0]
    columns = 1 if wide or len(arms) == 1 else 2
    rows = -(-len(arms) // columns)
    told = "; ".join(f"{arm} {escaped(evidence, escape, arm)}" for arm in arms) if escape else ", ".join(arms)
    return picture(
        f"trajectories-{function}",
        alt=f"Paths of {len(arms)} arms on the {function}, a line per seed: {told}.",
        caption=f"Paths on the {function} from their starts (black): a line per seed, a dot per update.",
        draw=partial(
            draw_panels,
            function=function,
            arms=arms,
            evidence=evidence,
            escape=escape,
            limits=(low, high),
            shape=(rows, columns),
        ),
        height=0.5 + rows * (1.15 if wide else 2.3),
    )


def draw_panels(
    axes: Any,
    function: str,
    arms: Mapping[str, Sequence[Path2D]],
    evidence: Evidence,
    escape: Quantity | None,
    limits: tuple[Path2D, Path2D],
    shape: tuple[int, int],
) -> None:
    """The panels, y to the right, x upwards; the contour that counts as escaped is drawn in ink."""
    figure, (low, high) = axes.figure, limits
    axes.remove()
    x, y, heights = surface(function, low, high)
    panels = figure.subplots(*shape, sharex=True, sharey=True, squeeze=False)
    for panel in panels.flat[len(arms) :]:
        panel.remove()
    for panel, (arm, paths) in zip(panels.flat, arms.items(), strict=False):
        panel.contour(y, x, heights, levels=LEVELS, colors=MUTED, linewidths=0.5, alpha=0.6)
        if escape is not None:
            panel.contour(y, x, heights, levels=[escape.threshold], colors=INK, linewidths=0.9)
        for path in paths:
            colour = colour_of(arm, evidence.shown)
            panel.plot(
                path[:, 1], path[:, 0], ".-", color=colour, linewidth=0.4, markersize=1.6, alpha=0.5, rasterized=True
            )
        starts = np.array([path[0] for path in paths])
        panel.plot(starts[:, 1], starts[:, 0], ".", color=INK, markersize=3, zorder=4)
        panel.set_title("\n".join(wrapped(arm, 360 / shape[1])))
        if escape is not None:
            # Beside the title there is room in wide panels only; others have it in their corner.
            told = escaped(evidence, escape, arm)
            wide = shape[1] == 1
            panel.text(
                x=0.995,
                y=1.03 if wide else 0.99,
                s=told if wide else told.replace(", ", "\n"),
                va="bottom" if wide else "top",
                ha="right",
                transform=panel.transAxes,
                color=MUTED,
                bbox={"facecolor": PAPER, "edgecolor": "none", "alpha": 0.8, "pad": 1},
                in_layout=False,
            )
        panel.grid(False)
        panel.set(xlim=(low[1], high[1]), ylim=(low[0], high[0]))
    told = f"; heavy contour: height {escape.threshold:g}" if escape is not None else ""
    figure.supxlabel(f"y, the way down (a dot per update{told})", fontsize=10.5)
    figure.supylabel("x", fontsize=10.5)


def window(paths: Sequence[Path2D]) -> tuple[Path2D, Path2D]:
    """Lowest and highest (x, y) shown: where the paths go, but for the few that go farthest, and some room."""
    low = np.percentile([path.min(0) for path in paths], 5, axis=0)
    high = np.percentile([path.max(0) for path in paths], 95, axis=0)
    room = 0.08 * (high - low)
    return low - room, high + room


def surface(function: str, low: Path2D, high: Path2D) -> tuple[Path2D, Path2D, Path2D]:
    """x, y and the height over a grid (points, points)."""
    import torch

    from answers.exhibits.landscape_functions import chosen

    x, y = np.meshgrid(np.linspace(low[0], high[0], 121), np.linspace(low[1], high[1], 241), indexing="ij")
    return x, y, chosen(function).height(torch.from_numpy(x), torch.from_numpy(y)).numpy()


def escaped(evidence: Evidence, escape: Quantity, arm: str) -> str:
    """How long the middle seed took, and how many never got there."""
    values = list(evidence.results.values(escape.name, arm).values())
    never = sum(not np.isfinite(value) for value in values)
    told = f", {never} of {len(values)} never" if never else ""
    if 2 * never >= len(values):
        return f"escape: {told.removeprefix(', ') or 'not measured'}"
    return f"median {np.median(values):g} {escape.unit}{told}"


if __name__ == "__main__":
    answer(main)
