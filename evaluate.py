"""A finished run, again, from its own directory: python evaluate.py DIR prints its test and writes predictions.csv."""

import argparse
import csv
from pathlib import Path
from typing import Any

from litmus.trial.command_line import answer


def evaluate(directory: Path, trust: bool = False) -> None:
    """Tests the best weights of the run in `directory` and writes a row per test sample to predictions.csv.

    Args:
        directory: of the run.
        trust: whether its stored configuration may name what this project does not know.

    Raises:
        ValueError: if the directory holds no finished run, or one whose test comes out otherwise here.
    """
    from litmus.sweeps.lock import held
    from litmus.trial.finished import read_finished

    # Twice: nothing is written where no finished run is, and what is held was not changed in between.
    read_finished(directory, trust)
    with held(directory):
        _evaluate(directory, read_finished(directory, trust))


def _evaluate(directory: Path, finished: Any) -> None:
    from rich.console import Console

    from litmus.quiet import silence_lightning
    from litmus.trial.again import compared, elsewhere, loaded, tested
    from litmus.trial.run import baseline, test_table

    silence_lightning()
    parts, verified = loaded(directory, finished)
    metrics, columns, numerics = tested(parts, finished)
    same, differing = compared(metrics, finished.tested)
    if differing and not verified:
        raise ValueError(f"{directory}: {differing}, and nothing tells whether best.ckpt is this run's; run it again")
    if not isinstance(columns, str):
        write_predictions(directory / "predictions.csv", columns)
    Console().print(test_table(metrics, parts.data.describe(), baseline(parts.data, parts.task)))
    if isinstance(columns, str):
        print(f"no predictions.csv: {columns}")
    if differing:
        otherwise = elsewhere(numerics, finished.result.get("numerics"))
        cause = f", computed otherwise: {otherwise}" if otherwise else ""
        raise ValueError(f"{directory}: {differing}, with the same weights and data{cause}")
    print(same)


def write_predictions(path: Path, columns: dict[str, list[Any]]) -> None:
    """A row per test sample, numbered, in these columns."""
    from litmus.atomic import replacing

    with replacing(path) as part, part.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["row", *columns])
        writer.writerows([row, *cells] for row, cells in enumerate(zip(*columns.values(), strict=True)))


def main() -> None:
    """Reads the directory from the command line."""
    from litmus.trial.resuming import trusted

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path, help="of a finished run")
    parser.add_argument(
        "trust", nargs="?", default="trust=false", help="trust=true: what it names may run, whatever it is"
    )
    asked = parser.parse_args()
    if not asked.trust.startswith("trust="):
        raise ValueError(f"expected a directory, and trust=true if need be, got {asked.trust}")
    evaluate(asked.directory.expanduser().resolve(), trusted([asked.trust]))


if __name__ == "__main__":
    answer(main)
