"""Draws the notes' two experiments, loss and accuracy of both splits, into answers/docs/figures/ads_notes.png.

python answers/make/draw_ads_notes.py                         trains both with several seeds and draws them: 3 minutes
python answers/make/draw_ads_notes.py RUN [RUN …] -o PICTURE  draws finished runs, a column for each batch size

The dots are what the notes report (003_8aa604c828c4218c.txt, the example log lines of both experiments).
"""

import math
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from litmus.legible import read_json
from litmus.paths import typed_path
from litmus.project import ROOT
from litmus.trial.arguments import Parser
from litmus.trial.command_line import answer
from litmus.trial.history import read_history

SEEDS = {"ads_notes": 5, "ads_notes_large_batch": 10}
KNOBS = ("threads=1", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
METRICS = {"loss": "loss", "acc": "accuracy"}
REPORTED: dict[int, dict[str, dict[int, float]]] = {
    1: {
        "train/loss": {1: 0.5813, 2: 0.4220, 500: 0.2696},
        "train/acc": {1: 0.7688, 2: 0.8469, 500: 0.9156},
        "val/loss": {1: 0.8103, 2: 0.8065, 500: 0.1856},
        "val/acc": {1: 0.5875, 2: 0.6000, 500: 0.9375},
    },
    250: {
        "train/loss": {1: 0.6440, 2: 0.6296, 10: 0.5758},
        "train/acc": {1: 0.7125, 2: 0.7125, 10: 0.7125},
        "val/loss": {1: 0.7794, 2: 0.7736, 10: 0.7487},
        "val/acc": {1: 0.3625, 2: 0.3625, 10: 0.3625},
    },
}


class Run(NamedTuple):
    """A finished run's rows by epoch, and what always guessing the training rows' shares scores."""

    batch_size: Any
    seed: int
    rows: list[dict[str, float]]
    constant: dict[str, float]


def train(folder: Path) -> list[Path]:
    """Trains both experiments; the runs' directories."""
    for experiment, seeds in SEEDS.items():
        typed = ["train.py", "-m", f"experiment={experiment}", f"seed=range({seeds})", *KNOBS]
        print(f"python {' '.join(typed)}", flush=True)
        command = [sys.executable, *typed, f"hydra.sweep.dir={folder / experiment}"]
        ended = subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL)
        if ended.returncode:
            sys.exit(ended.returncode)  # train.py has said why
    return sorted(path.parent for path in folder.glob("*/*/result.json"))


def read(directory: Path) -> Run:
    """The run in this directory.

    Raises:
        ValueError: if it holds none that is finished.
    """
    if not (directory / "result.json").is_file():
        raise ValueError(f"{directory}: expected the directory of a finished run with result.json in it, found none")
    result = read_json(directory / "result.json")
    if result["status"] != "completed":
        raise ValueError(f"{directory}: expected a finished run, found one that is {result['status']}")
    return Run(
        result["config"]["batch_size"],
        result["seed"],
        read_history(directory / "metrics.csv"),
        constant_scores(result["data"]["class_counts"]),
    )


def constant_scores(counts: dict[str, list[int]]) -> dict[str, float]:
    """Loss and accuracy, by row counts, of giving every row the training rows' shares of the classes."""
    shares = [count / sum(counts["train"]) for count in counts["train"]]
    guess = shares.index(max(shares))
    scores = {}
    for split, own in counts.items():
        scores[f"{split}/acc"] = own[guess] / sum(own)
        scores[f"{split}/loss"] = -sum(
            count * math.log(share) for count, share in zip(own, shares, strict=True) if count
        ) / sum(own)
    return scores


def draw(runs: list[Run], target: Path) -> None:
    """A column for each batch size, losses above accuracies."""
    import numpy as np
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from litmus.atomic import replacing
    from litmus.report.figures.style import INK, SETTINGS
    from litmus.trial.curves import COLOURS

    sizes = sorted({run.batch_size for run in runs}, key=lambda size: (isinstance(size, str), size))
    with rc_context(SETTINGS):
        figure = Figure(figsize=(5.5 * len(sizes) + 0.5, 6.6), layout="constrained")
        FigureCanvasAgg(figure)
        panels = figure.subplots(len(METRICS), len(sizes), sharex="col", sharey="row", squeeze=False)
        for column, size in zip(panels.T, sizes, strict=True):
            own = [run for run in runs if run.batch_size == size]
            for axes, metric in zip(column, METRICS, strict=True):
                for split, colour in COLOURS.items():
                    name = f"{split}/{metric}"
                    curves = [[row[name] for row in run.rows] for run in own]
                    epochs = range(1, min(map(len, curves)) + 1)
                    for curve in curves:
                        axes.plot(epochs, curve[: len(epochs)], color=colour, linewidth=0.5, alpha=0.4)
                    middle = np.median([curve[: len(epochs)] for curve in curves], axis=0)
                    axes.plot(epochs, middle, color=colour, label=split)
                    axes.axhline(own[0].constant[name], color=colour, linestyle=":", linewidth=1.4)
                    reported = REPORTED.get(size, {}).get(name, {})
                    axes.plot(reported.keys(), reported.values(), "o", color=colour, markeredgecolor="white", zorder=4)
            updates = own[0].rows[-1]["updates"]
            column[0].set_title(f"batch size {size}: {updates:,.0f} updates, {len(own)} seed{'s' * (len(own) > 1)}")
            column[-1].set(xlabel="epoch")
        for row, label in zip(panels, METRICS.values(), strict=True):
            row[0].set(ylabel=label)
        legend = panels[0, 0]
        legend.plot([], [], ":", color=INK, label="guessing the training rows' shares")
        legend.plot([], [], "o", color=INK, label="as the notes report")
        legend.legend()
        with replacing(target) as part:
            figure.savefig(part, dpi=100, format="png")


def table(runs: list[Run]) -> None:
    """Prints where each run ended, and where its validation loss was lowest."""
    print(f"{'batch':>5}{'seed':>5}{'updates':>9}{'train loss':>12}{'val loss':>10}{'val acc':>9}   lowest val loss")
    for run in sorted(runs, key=lambda run: (str(run.batch_size), run.seed)):
        last, best = run.rows[-1], min(run.rows, key=lambda row: row["val/loss"])
        print(
            f"{run.batch_size!s:>5}{run.seed:5}{last['updates']:9,.0f}{last['train/loss']:12.4f}{last['val/loss']:10.4f}"
            f"{last['val/acc']:9.4f}   {best['val/loss']:.4f} after epoch {best['epoch'] + 1:.0f}, "
            f"train loss {best['train/loss']:.4f}"
        )
    print("guessing: " + ", ".join(f"{name} {value:.4f}" for name, value in runs[0].constant.items()))


def main() -> None:
    """Reads the command line."""
    parser = Parser(description=__doc__)
    parser.add_argument(
        "runs", type=typed_path, nargs="*", help="directories of finished runs; none trains both experiments"
    )
    parser.add_argument(
        "-o", "--output", type=typed_path, default=ROOT / "answers" / "docs" / "figures" / "ads_notes.png"
    )
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        runs = [read(directory) for directory in asked.runs or train(Path(folder))]
    draw(runs, asked.output)
    table(runs)
    print(asked.output)


if __name__ == "__main__":
    answer(main)
