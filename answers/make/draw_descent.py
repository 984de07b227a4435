"""Draws paths of descent on the surface of the training loss, and prints what they reach.

python answers/make/draw_descent.py                            draws answers/docs/figures/descent.png: 2 minutes
python answers/make/draw_descent.py RUN [RUN …] -o PICTURE     draws runs with callbacks=trajectory

The first trains the notes' MLP 2-10-10-1 on Social_Network_Ads, on the notes' own split, by plain gradient descent with
batches of 1, 32 and all 320 rows. Runs of one seed have to start from the same weights, as those of one net do.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from litmus.paths import typed_path
from litmus.project import ROOT
from litmus.trial.arguments import Parser
from litmus.trial.command_line import answer
from litmus.trial.resuming import trusted

PUBLISHED = (
    *("data=social_network_ads", "data.split=tail", "model=mlp", "norm=none", "dropout=0.0", "model.units=[10,10]"),
    *("model.initialization=glorot_uniform", "optimizer=sgd", "lr=0.1", "batch_size=1,32,all"),
    # An epoch of the run is ten updates here, so that each path has a row of weights every ten.
    *("updates_per_epoch=10", "epochs=960", "seed=range(5)", "callbacks=trajectory", "threads=1"),
)


def train(folder: Path) -> list[Path]:
    """Trains the published runs; their directories."""
    print(f"python train.py -m {' '.join(PUBLISHED)}", flush=True)
    command = [sys.executable, "train.py", "-m", *PUBLISHED, f"hydra.sweep.dir={folder}"]
    ended = subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    if ended.returncode:
        sys.exit(ended.returncode)  # train.py has said why
    return sorted((path.parent for path in folder.glob("*/result.json")), key=lambda path: int(path.name))


def draw(runs: list[Path], target: Path, points: int, trust: bool = False) -> None:
    """Draws the runs, and prints where the paths are after equally many epochs and updates.

    Raises:
        ValueError: for runs that cannot be drawn on one surface.
    """
    from answers.make.descent.paths import read_descents, refuse_apart
    from answers.make.descent.picture import equal, picture, save
    from answers.make.descent.plane import plane_of
    from answers.make.descent.surface import score

    if points < 2:
        raise ValueError(f"--points must be 2 or more along each axis, got {points}")
    paths = read_descents(runs, trust)
    shown = [path for path in paths if path.seed == paths[0].seed]
    refuse_apart(shown)
    plane = plane_of([path.weights for path in shown])
    save(picture(paths, plane, shown, points), target)
    print(f"seed {shown[0].seed}; in the plane: {plane.explained.sum():.1%} of all squared distances from the start")
    head = ("", "updates", "epochs", "in plane", "train loss", "its shadow's", "val loss", "val acc")
    print("{:16}{:>9}{:>9}{:>10}{:>12}{:>14}{:>10}{:>9}".format(*head))
    for clock in ("epochs", "updates"):
        for path in shown:
            row = path.row_at(clock, equal(paths, clock))
            here = path.weights[row : row + 1]
            shadow = score(path.model, plane.weights(plane.coordinates(here)), *path.data.splits["train"]).loss[0]
            print(
                f"{path.label:16}{path.updates[row]:9,.0f}{path.epochs[row]:9,.0f}{plane.held(here):10.1%}"
                f"{path.train.loss[row]:12.4f}{shadow:14.4f}{path.val.loss[row]:10.4f}{path.val.accuracy[row]:9.4f}"
            )
    print(target)


def main() -> None:
    """Reads the command line."""
    parser = Parser(description=__doc__)
    parser.add_argument("runs", type=typed_path, nargs="*", help="directories of runs; none trains the published ones")
    parser.add_argument(
        "-o", "--output", type=typed_path, default=ROOT / "answers" / "docs" / "figures" / "descent.png"
    )
    parser.add_argument("--points", type=int, default=101, help="of the grid, along each axis")
    asked = parser.parse_args()
    runs = [run for run in asked.runs if not str(run).startswith("trust=")]
    if runs:
        draw(runs, asked.output, asked.points, trusted([str(run) for run in asked.runs]))
        return
    with tempfile.TemporaryDirectory() as folder:
        draw(train(Path(folder)), asked.output, asked.points)


if __name__ == "__main__":
    answer(main)
