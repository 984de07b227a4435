"""This tree against one of its commits, whole studies in turns: python -m scripts.speed.against COMMIT [--trials N].

Each side runs `train.py -m study=…` of seeds of one small MLP on mnist1d (W2's net, 40 epochs), with one thread, in a
process of its own, once short and once long: what the long study takes more is its further epochs alone, without
start-up and what a trial costs beside its fit. All seconds are the processor's, which other work leaves alone, and a
ratio is of two studies that followed each other.
"""

import io
import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

from litmus.project import ROOT
from litmus.trial.arguments import Parser
from litmus.trial.command_line import answer
from scripts.speed.clock import BY_PROCESSOR, seconds_with_children
from scripts.speed.processes import ENVIRONMENT

STUDY = """# @package _global_
defaults:
  - override /data: mnist1d
  - override /model: mlp
  - override /hydra/sweeper: study
norm: none
dropout: 0.0
model:
  units: [100, 100]
study:
  question: Does a smaller rate lower the loss?
  factors:
    lr: [1.0e-3, 5.0e-4]
  quantities:
    loss: {metric: test/loss, at: best_val, scale: log, sesoi: 2%}
  predictions:
    lower: {kind: compare, better: {lr: 5.0e-4}, than: {lr: 1.0e-3}}
"""
SHORT, LONG = 5, 40


def main() -> None:
    """Runs the studies and tells the ratios."""
    parser = Parser(description=__doc__.partition("\n")[0])
    parser.add_argument("commit", help="with which this tree is compared; HEAD shows what is noise")
    parser.add_argument("--trials", type=int, default=16, help="of each study, an even number")
    parser.add_argument("--turns", type=int, default=3)
    wanted = parser.parse_args()
    if wanted.trials < 2 or wanted.trials % 2:
        parser.error(f"--trials: expected an even number from 2 on, found {wanted.trials}")
    os.environ[BY_PROCESSOR] = "1"
    with tempfile.TemporaryDirectory() as directory:
        trees = {wanted.commit: checked_out(wanted.commit, Path(directory) / "then"), "here": ROOT}
        study = Path(directory) / "configs" / "study"
        study.mkdir(parents=True)
        (study / "against.yaml").write_text(STUDY)
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in trees}
        for turn in range(wanted.turns):
            for name, tree in trees.items():
                place = Path(directory) / f"{name}-{turn}"
                seconds = [study_seconds(tree, place, wanted.trials, epochs) for epochs in (SHORT, LONG)]
                found[name].append((seconds[0], seconds[1]))
                print(f"{name}, {wanted.trials} trials: {told(seconds, wanted.trials)}", file=sys.stderr, flush=True)
    epoch, trial = (
        [of(own) / of(other) for other, own in zip(found[wanted.commit], found["here"], strict=True)]
        for of in (lambda pair: pair[1] - pair[0], lambda pair: pair[1])
    )
    print(f"an epoch, beside {wanted.commit}: {statistics.median(epoch):.2f} ({words(epoch)})")
    print(f"a study of {wanted.trials} trials of {LONG} epochs: {statistics.median(trial):.2f} ({words(trial)})")
    for name, pairs in found.items():
        print(f"{name}: {statistics.median(60 * wanted.trials / long for _, long in pairs):.0f} trials per minute")


def checked_out(commit: str, directory: Path) -> Path:
    """The files of a commit."""
    made = subprocess.run(["git", "archive", "--format=tar", commit], cwd=ROOT, capture_output=True)
    if made.returncode:
        sys.exit(f"expected a commit of {ROOT}, found {commit}: {made.stderr.decode().strip()}")
    with tarfile.open(fileobj=io.BytesIO(made.stdout)) as files:
        files.extractall(directory, filter="data")
    return directory


def study_seconds(tree: Path, place: Path, trials: int, epochs: int) -> float:
    """Seconds of the processor that a whole study takes, from the command to the last file."""
    asked = ["study=against", f"study.seeds={trials // 2}", f"epochs={epochs}"]
    where = [f"hydra.searchpath=[file://{place.parent / 'configs'}]", f"hydra.sweep.dir={place}/{epochs}"]
    command = [sys.executable, "train.py", "-m", *asked, *where]
    started = seconds_with_children()
    ended = subprocess.run(command, cwd=tree, env=ENVIRONMENT, capture_output=True, text=True)
    seconds = seconds_with_children() - started
    results = list((place / str(epochs)).rglob("result.json"))
    if ended.returncode or len(results) != trials:
        sys.exit(f"{' '.join(command)}: expected {trials} results, found {len(results)}: {ended.stderr.strip()}")
    return seconds


def told(seconds: Sequence[float], trials: int) -> str:
    """The seconds of a short and a long study, in words."""
    epoch = (seconds[1] - seconds[0]) / trials / (LONG - SHORT)
    return f"{seconds[0]:.1f} and {seconds[1]:.1f} s, {1e3 * epoch:.1f} ms an epoch"


def words(ratios: Sequence[float]) -> str:
    """Of each turn."""
    return ", ".join(f"{one:.2f}" for one in ratios)


if __name__ == "__main__":
    answer(main)
