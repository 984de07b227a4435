"""Draws what the published convolutional nets reach by their size, and which of them no other beats in both.

python answers/make/draw_performance.py       answers/docs/figures/performance.png, and a table: 5 s

Each dot is an arm of a published study of document 004, its mean test loss over seeds. The *front* are the arms that no
arm of as few parameters beats. The journal's efficiency score is 1 / (test loss × parameters), as near as its rounded
numbers tell; it prefers the smallest net whatever that does. Beside it stands how far an arm is above the front: the
share by which the best arm of as many parameters or fewer has the lower loss, 0 on the front.
"""

from pathlib import Path
from typing import NamedTuple

from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from answers.make.publication.rows import AS_REPORTED
from answers.make.publication.summary import Summary, read_summaries
from litmus.atomic import replacing
from litmus.paths import typed_path
from litmus.project import ROOT
from litmus.report.figures.pareto import frontier
from litmus.report.figures.style import DASHES, INK, SERIES, SETTINGS
from litmus.trial.arguments import Parser
from litmus.trial.command_line import answer

STUDIES = ROOT / "answers" / "studies"


class Arm(NamedTuple):
    """An arm of a published study: parameters, mean test loss, updates that each run made."""

    study: str
    name: str
    params: float
    loss: float
    updates: float

    @property
    def efficiency(self) -> float:
        """The journal's score: 1 / (test loss × parameters)."""
        return 1 / (self.loss * self.params)


def arms_of(summaries: list[Summary], beginning: str = "cnn_") -> list[Arm]:
    """The arms of the studies whose names begin so and that are no document's own regime."""
    chosen = [one for one in summaries if one.name.startswith(beginning) and not one.name.endswith(AS_REPORTED)]
    return [
        Arm(one.name, name, arm["params"], arm["loss"], arm["updates"])
        for one in chosen
        for name, arm in one.arms.items()
        if {"params", "loss", "updates"} <= arm.keys()
    ]


def above_front(arms: list[Arm]) -> list[float]:
    """By what share of its own loss each arm is above the best of as many parameters or fewer."""
    return [1 - min(other.loss for other in arms if other.params <= arm.params) / arm.loss for arm in arms]


def front(arms: list[Arm]) -> list[Arm]:
    """The arms that none of as few parameters beats, the smallest first."""
    kept = frontier({str(place): (arm.params, arm.loss) for place, arm in enumerate(arms)}, -1)
    return [arms[int(place)] for place in kept]


def picture(arms: list[Arm]) -> Figure:
    """Loss over parameters, a colour for each study, and the front."""
    with rc_context(SETTINGS):
        figure = Figure(figsize=(10, 4.8), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots()
        for place, study in enumerate(dict.fromkeys(arm.study for arm in arms)):
            own = [arm for arm in arms if arm.study == study]
            ends = sorted({pick(arm.updates for arm in own) for pick in (min, max)})
            updates = " to ".join(f"{count:,.0f}" for count in ends)
            marker = "o" if place < len(SERIES) else "^"
            label = f"{study}, {updates} updates"
            points = ([arm.params for arm in own], [arm.loss for arm in own])
            axes.plot(*points, marker, color=SERIES[place % len(SERIES)], label=label, linestyle="none")
        best = front(arms)
        steps = ([arm.params for arm in best], [arm.loss for arm in best])
        axes.plot(*steps, DASHES[1], color=INK, lw=1, drawstyle="steps-post", label="front")
        axes.set(xscale="log", yscale="log", xlabel="parameters", ylabel="test loss, mean over seeds")
        axes.set_yticks([0.2, 0.3, 0.4, 0.6], ["0.2", "0.3", "0.4", "0.6"])
        axes.minorticks_off()
        figure.legend(loc="outside right upper", frameon=False)
        return figure


def table(arms: list[Arm]) -> str:
    """The arms by loss, as Markdown."""
    lines = [
        "| study | arm | parameters | updates | test loss | above the front | 1 / (loss × parameters) |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    for arm, above in sorted(zip(arms, above_front(arms), strict=True), key=lambda pair: pair[0].loss):
        cells = [arm.study, arm.name, f"{arm.params:,.0f}", f"{arm.updates:,.0f}", f"{arm.loss:.4f}"]
        lines.append(f"| {' | '.join([*cells, f'{above:.1%}', f'{arm.efficiency:.2e}'])} |")
    return "\n".join(lines)


def draw(studies: Path, target: Path) -> None:
    """Draws and prints.

    Raises:
        ValueError: where no such study is published.
    """
    arms = arms_of(read_summaries(studies))
    if not arms:
        raise ValueError(f"{studies}: expected published studies whose names begin with cnn_, found none")
    print(table(arms))
    with replacing(target) as part:
        picture(arms).savefig(part, dpi=90, format="png")
    print(target)


def main() -> None:
    """Reads the command line."""
    parser = Parser(description=__doc__)
    parser.add_argument(
        "studies", type=typed_path, nargs="?", default=STUDIES, help="what is published; answers/studies"
    )
    parser.add_argument(
        "-o", "--output", type=typed_path, default=ROOT / "answers" / "docs" / "figures" / "performance.png"
    )
    asked = parser.parse_args()
    draw(asked.studies, asked.output)


if __name__ == "__main__":
    answer(main)
