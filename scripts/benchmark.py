"""Ratios of speed, measured in turns: python scripts/benchmark.py [--quick] [--only NAME] [--cpu] [--markdown].

Every workload runs ours, the bare loop and the rest as A B A B … with one thread; a ratio is the median over the turns.
A ratio under 1.2 is noise, and a time without its machine means nothing: see docs/speed.md.
"""

import argparse
import gc
import logging
import os
import platform
import statistics
import sys
import tempfile
import warnings
from datetime import date
from pathlib import Path
from typing import Any

from litmus.paths import typed_path
from litmus.trial.arguments import Parser
from litmus.trial.command_line import answer

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from rich.console import Console
from rich.table import Table

from litmus.atomic import write_json
from litmus.quiet import silence_lightning
from litmus.trial.record import processor, versions
from scripts.speed import floor
from scripts.speed.clock import BY_PROCESSOR
from scripts.speed.extras import NAMES
from scripts.speed.workloads import OURS, WORKLOADS, Target, Workload

COLUMNS = ("workload", "ours", "against", "ratio", "reach", "stretch", "met")


def measure(workload: Workload, directory: Path, quick: bool) -> dict[str, list[float]]:
    """Seconds (or what the workload's unit says) of every side, in turns."""
    sides = workload.sides(directory, quick)
    found: dict[str, list[float]] = {side: [] for side in sides}
    for _ in range(min(workload.repetitions, 3) if quick else workload.repetitions):
        for side, call in sides.items():
            gc.collect()
            found[side].append(call())
    return found


def ratio(target: Target, found: dict[str, list[float]]) -> float:
    """The median over the turns: the machine's drift hits both sides of a turn alike."""
    own = found[target.side]
    if target.against is None:
        return statistics.median(own)
    other = found[target.against]
    turns = zip(other, own, strict=True) if target.faster else zip(own, other, strict=True)
    return statistics.median(above / below for above, below in turns)


def met(target: Target, value: float) -> str:
    """Which of the two was met."""
    for name, bound in (("stretch", target.stretch), ("reach", target.reach)):
        if bound is not None and (value >= bound if target.faster else value <= bound):
            return name
    return "no"


def rows(workload: Workload, found: dict[str, list[float]]) -> list[dict[str, Any]]:
    """A row per target."""
    return [
        {
            "workload": workload.name,
            "title": workload.title,
            "unit": workload.unit,
            "side": target.side,
            "against": target.against,
            "ratio": ratio(target, found),
            "faster": target.faster,
            "reach": target.reach,
            "stretch": target.stretch,
            "met": met(target, ratio(target, found)),
        }
        for target in workload.targets
    ]


def amount(value: float) -> str:
    """A time in the unit that keeps it readable."""
    for factor, unit in ((1, "s"), (1e3, "ms"), (1e6, "µs")):
        if value * factor >= 0.9995 or unit == "µs":
            return f"{value * factor:.3g} {unit}"
    raise AssertionError


def cells(row: dict[str, Any], medians: dict[str, float]) -> list[str]:
    """One row of the table, as text."""
    sign = "≥ {:g}× faster" if row["faster"] else "≤ {:g}×" if row["against"] or row["unit"][0] == "×" else "≤ {:g} s"
    own = medians[row["side"]]
    value = f"{row['ratio']:.2f}× faster" if row["faster"] else f"{row['ratio']:.2f}{'×' if '×' in sign else ' s'}"
    title = row["title"] if row["side"] == "ours" else f"{row['title']}: {row['side']}"
    return [
        title,
        f"{own:.3f}×" if row["unit"][0] == "×" else amount(own),
        "–" if row["against"] is None else f"{row['against']} {amount(medians[row['against']])}",
        value,
        sign.format(row["reach"]),
        "" if row["stretch"] is None else sign.format(row["stretch"]),
        row["met"],
    ]


def arguments() -> argparse.Namespace:
    parser = Parser(description=__doc__.partition("\n")[0])
    names = [workload.name for workload in WORKLOADS]
    parser.add_argument("--only", action="append", choices=names, help="this workload; may be given several times")
    parser.add_argument("--quick", action="store_true", help="shorter and fewer turns: to see that it works")
    parser.add_argument("--cpu", action="store_true", help="seconds of the processor, which other work leaves alone")
    parser.add_argument("--markdown", action="store_true", help="print the table for the README")
    parser.add_argument("--output", type=typed_path, default=Path("benchmark.json"))
    return parser.parse_args()


def main() -> None:
    """Measures, prints, writes benchmark.json."""
    wanted = arguments()
    if wanted.cpu:
        os.environ[BY_PROCESSOR] = "1"
    torch.set_num_threads(1)
    silence_lightning()
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", module="pytorch_lightning")  # what it says to the template-like side
    table: list[list[str]] = []
    record: dict[str, Any] = {
        "machine": f"{processor()}, {os.cpu_count()} cores, {platform.system()}",
        "date": date.today().isoformat(),
        "versions": versions(),
        "quick": wanted.quick,
        "clock": "processor" if wanted.cpu else "wall",
        "workloads": {},
        "rows": [],
    }
    with tempfile.TemporaryDirectory() as directory:
        for workload in WORKLOADS:
            if wanted.only and workload.name not in wanted.only:
                continue
            print(f"{workload.title} …", file=sys.stderr, flush=True)
            found = measure(workload, Path(directory), wanted.quick)
            medians = {side: statistics.median(values) for side, values in found.items()}
            record["workloads"][workload.name] = {"unit": workload.unit, "medians": medians, "turns": found}
            record["rows"] += rows(workload, found)
            table += [cells(row, medians) for row in rows(workload, found)]
            for side in sorted(medians.keys() & {floor.NAME, *NAMES}):
                times = f"{medians[OURS] / medians[side]:.2f}×"
                table.append(
                    [workload.title, amount(medians[OURS]), f"{side} {amount(medians[side])}", times, "", "", ""]
                )
    write_json(wanted.output, record)
    if wanted.markdown:
        print("\n".join("| " + " | ".join(line) + " |" for line in [[*COLUMNS], ["---"] * len(COLUMNS), *table]))
        print(f"\n{record['machine']}, one thread; torch {torch.__version__}.")
        return
    drawn = Table(title=f"{record['machine']}, one thread")
    for column in COLUMNS:
        drawn.add_column(column)
    for line in table:
        drawn.add_row(*line)
    Console(width=max(150, Console().width)).print(drawn)


if __name__ == "__main__":
    answer(main)
