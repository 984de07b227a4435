"""Draws every choice of `batching` into docs/figures/batch_schedules.png, and counts the updates of each.

python answers/make/draw_batch_schedules.py      40 s: the two measured schedules are real runs of train.py
"""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from litmus.project import ROOT
from litmus.trial.command_line import answer
from litmus.trial.history import read_history
from src.callbacks.batch_schedules import learning_rate_scale
from src.callbacks.batch_size import BatchSizeScheduler

SAMPLES, EPOCHS = 4000, 100
# As they are typed; the control is drawn for doubling.
PLANNED: dict[str, dict[str, Any]] = {
    "fixed": {"schedule": "fixed", "start": 32},
    "linear": {"schedule": "linear", "start": 32, "stop": 512},
    "geometric": {"schedule": "geometric", "start": 32, "stop": 512},
    "doubling": {"schedule": "doubling", "start": 32, "stop": 512, "every": 20},
    "milestones": {"schedule": "milestones", "sizes": {0: 32, 10: 128, 50: 512}},
    "doubling reversed": {"schedule": "doubling", "start": 32, "stop": 512, "every": 20, "reverse": True},
    "matched_decay of doubling": {"schedule": "doubling", "start": 32, "stop": 512, "every": 20, "lr": "decay"},
}
MEASURED = {"on_plateau": ["batching=on_plateau", "batching.patience=2"], "noise_scale": ["batching=noise_scale"]}


def measured(overrides: list[str]) -> list[dict[str, float]]:
    """The record of a run of the default MLP on mnist1d with these overrides."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "train.py", *overrides, f"epochs={EPOCHS}", f"hydra.run.dir={folder}"]
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        return read_history(Path(folder) / "metrics.csv")


def main() -> None:
    """Draws and counts."""
    figure = Figure(figsize=(9, 6.6), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(3, 3, sharex=True, sharey=True).flat
    print(f"{'batching':28}{'updates':>8}   of {EPOCHS} epochs of {SAMPLES:,} samples")
    for name, settings in PLANNED.items():
        scheduler, axes = BatchSizeScheduler(**settings), next(panels)
        start = settings.get("start", 32)
        sizes = scheduler.sizes(EPOCHS, start, SAMPLES) or []
        decays = settings.get("lr") == "decay"
        axes.step(range(EPOCHS), [start] * EPOCHS if decays else sizes, where="post", color="#0072b2")
        if decays:
            rates = [start * learning_rate_scale(size, start, "decay") for size in sizes]
            axes.step(range(EPOCHS), rates, where="post", color="#d55e00", linestyle="--")
            axes.text(2, 4, "learning rate", color="#d55e00")
        axes.set_title(
            f"{name.partition(' of ')[0]}: {scheduler.total_updates(SAMPLES, EPOCHS):,} updates", fontsize=10
        )
        print(f"{name:28}{scheduler.total_updates(SAMPLES, EPOCHS):>8,}")
    for name, overrides in MEASURED.items():
        rows, axes = measured(overrides), next(panels)
        axes.step([row["epoch"] for row in rows], [row["batch_size"] for row in rows], where="post", color="#0072b2")
        if name == "noise_scale":
            scales = [row["noise_scale"] for row in rows]
            axes.plot([row["epoch"] for row in rows], scales, color="#009e73", linestyle=":")
            axes.text(98, 2, "dotted: measured scale", color="#009e73", ha="right")
        axes.set_title(f"{name}: a run on mnist1d", fontsize=10)
        print(f"{name:28}{rows[-1]['updates']:>8,.0f}   of {EPOCHS} epochs of 3,600: python train.py", *overrides)
    for axes in figure.axes:
        axes.set_yscale("log", base=2)
        axes.set(ylim=(1.5, 4096), yticks=[2, 32, 512])
        axes.yaxis.set_major_formatter("{x:.0f}")
        axes.minorticks_off()
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    figure.supxlabel("epoch")
    figure.supylabel("samples per update")
    picture = ROOT / "docs" / "figures" / "batch_schedules.png"
    picture.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(picture, dpi=100)


if __name__ == "__main__":
    answer(main)
