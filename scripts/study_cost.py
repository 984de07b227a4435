"""What a study costs beside its fits, in seconds of the processor: python scripts/study_cost.py [--first] [--seeds N].

Without --first it runs a study of short trials in this process, and tells the median of a trial and of its fit; with
it, it tells what passes before the first job begins, and ends there. No trial is in a pack, where fits go on in turns.
"""

import runpy
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from litmus.project import ROOT
from litmus.sweeps import launching, once
from litmus.trial.arguments import Parser
from litmus.trial.command_line import answer

STUDY = """# @package _global_
defaults:
  - override /hydra/sweeper: study
study:
  question: Does dropout help?
  factors:
    dropout: [0.0, 0.1]
  quantities:
    loss: {metric: test/loss, at: best_val, scale: log, sesoi: 2%}
  predictions:
    helps: {kind: compare, better: {dropout: 0.0}, than: {dropout: 0.1}}
"""
SHORT = ("epochs=2", "updates_per_epoch=4", "model.units=[32]")
# The first trials import and warm up.
WARM = 4


def main() -> None:
    """Runs the study and tells."""
    parser = Parser(description=__doc__.partition("\n")[0])
    parser.add_argument("--first", action="store_true", help="only what passes before the first job")
    parser.add_argument("--seeds", type=int, default=12, help="of each of its two arms")
    wanted = parser.parse_args()
    begun: list[float] = []
    fits: list[float] = []
    usual = once.once

    def job(*given: Any) -> None:
        begun.append(time.process_time())
        if wanted.first:
            print(f"before the first of {2 * wanted.seeds} jobs: {begun[0]:.2f} s", flush=True)
            sys.exit()
        from litmus.trial import run

        if not fits:
            run.fit = timed(run.fit, fits)
        usual(*given)

    setattr(once, "once", job)  # noqa: B010
    launching.MOST = 1
    with tempfile.TemporaryDirectory() as place:
        (Path(place) / "study").mkdir()
        (Path(place) / "study" / "cost.yaml").write_text(STUDY)
        asked = ["study=cost", f"study.seeds={wanted.seeds}", "study.judge=false", *SHORT]
        where = [f"hydra.searchpath=[file://{place}]", f"hydra.sweep.dir={place}/trials"]
        sys.argv = ["train.py", "-m", *asked, *where]
        runpy.run_path(str(ROOT / "train.py"), run_name="__main__")
    trials = [after - before for before, after in zip(begun[WARM:], begun[WARM + 1 :], strict=False)]
    trial, fit = statistics.median(trials), statistics.median(fits[WARM:])
    print(f"a trial {trial:.3f} s, its fit {fit:.3f} s, beside it {trial - fit:.3f} s")


def timed(call: Any, seconds: list[float]) -> Any:
    """The same call, whose seconds are noted."""

    def noted(*given: Any) -> Any:
        started = time.process_time()
        result = call(*given)
        seconds.append(time.process_time() - started)
        return result

    return noted


if __name__ == "__main__":
    answer(main)
