"""replication.md: the numbers that the documents report, each of one run, beside what the same arm gives over seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from answers.make.publication.kept import read_kept
from answers.make.publication.rows import DOCUMENT
from answers.make.publication.tables import RESULTS
from litmus.claims.contrast import FEWEST_SEEDS
from litmus.claims.notation import number
from litmus.claims.quantity import Quantity
from litmus.claims.results import COUNTERS
from litmus.claims.results_table import read_results
from litmus.claims.schema import keys, mapping, way_out, words
from litmus.claims.statistics import prediction_interval, summarize
from litmus.claims.study_file import read_study_file
from litmus.report.render import rendered
from litmus.words import between, plain, plus_minus

FILE = "reported.yaml"
PAGE = "replication.md"


@dataclass(frozen=True)
class Reported:
    """A table of a document: the value that it gives for each arm of a study, of one quantity."""

    document: str
    part: str
    study: str
    quantity: str
    values: Mapping[str, float]
    note: str = ""


@dataclass(frozen=True)
class Replica:
    """A document's number beside ours: mean ± SD and its interval, and where one more run falls with 95 %."""

    arm: str
    reported: float
    ours: str
    mean: str
    run: str
    seeds: int
    verdict: str


@dataclass(frozen=True)
class ReplicaTable:
    """The replicas of one table of a document."""

    reported: Reported
    label: str
    rows: tuple[Replica, ...]


def read_reported(root: Path) -> list[Reported]:
    """The documents' numbers in reported.yaml, in its order; none without a file.

    Raises:
        ValueError: for an entry that lacks something.
    """
    return read_kept(root / FILE, "source, study, quantity, values", read_entry)


def read_entry(entry: Any, where: str) -> Reported:
    """One table of the file."""
    node = mapping(entry, where)
    needed = ["source", "study", "quantity", "values"]
    keys(node, where, [*needed, "note"], needed)
    source = DOCUMENT.match(words(node["source"], f"{where}.source"))
    if source is None:
        raise ValueError(f"{where}.source must name a document and its part, got {node['source']!r}")
    values = {}
    for arm, value in mapping(node["values"], f"{where}.values").items():
        found = number(value)
        if found is None or not math.isfinite(found):
            raise ValueError(f"{where}.values: the number that is reported for {arm} must be a number, got {value!r}")
        values[str(arm)] = found
    study, quantity = (words(node[key], f"{where}.{key}") for key in ("study", "quantity"))
    return Reported(source[1], source[2], study, quantity, values, " ".join(str(node.get("note") or "").split()))


def replicas(root: Path, entry: Reported, where: str = FILE) -> ReplicaTable:
    """A document's table beside ours; without rows where the study is not published.

    Raises:
        ValueError: for an arm or a quantity that the study does not have.
    """
    directory = root / entry.study
    if not (directory / "study.yaml").is_file():
        return ReplicaTable(entry, entry.quantity, ())
    study = read_study_file(directory / "study.yaml")
    counted = entry.quantity in COUNTERS
    known = study.quantities | {name: Quantity(name, name, deterministic=True) for name in COUNTERS}
    if entry.quantity not in known:
        raise ValueError(
            f"{where}: study {entry.study} has no quantity {entry.quantity!r}; {way_out(entry.quantity, list(known))}"
        )
    quantity = known[entry.quantity]
    results = read_results(study, directory / RESULTS)
    rows = []
    for arm, reported in entry.values.items():
        if arm not in study.arms:
            raise ValueError(f"{where}: study {entry.study} has no arm {arm!r}; {way_out(arm, list(study.arms))}")
        runs = results.counts(quantity.name, arm) if counted else list(results.finite(quantity.name, arm).values())
        rows.append(replica(arm, reported, quantity, runs))
    return ReplicaTable(entry, quantity.label, tuple(rows))


def replica(arm: str, reported: float, quantity: Quantity, runs: list[float]) -> Replica:
    """One number: on a log scale the interval and the range of one run are those of the logarithms."""
    plainly = summarize(runs)
    if len(runs) < FEWEST_SEEDS:
        return Replica(arm, reported, "—", "—", "—", len(runs), "too few runs")
    if float(plainly.sd) == 0:
        same = reported == runs[0]
        return Replica(arm, reported, plain(runs[0], 6), "—", "—", len(runs), "the same" if same else "another number")
    natural = math.exp if quantity.scale == "log" else float
    summary = summarize(quantity.transform(runs))
    low, high = (natural(float(end)) for end in prediction_interval(summary))
    if low <= reported <= high:
        verdict = "could be one of ours"
    else:
        verdict = f"{'lower' if reported < low else 'higher'} than ours"
    return Replica(
        arm,
        reported,
        plus_minus(float(plainly.mean), float(plainly.sd)),
        between(*(natural(float(end)) for end in summary.interval())),
        between(low, high),
        len(runs),
        verdict,
    )


def replication_markdown(root: Path) -> str:
    """The page; empty when no document's number is kept."""
    tables = [replicas(root, entry) for entry in read_reported(root)]
    if not tables:
        return ""
    verdicts = [row.verdict for table in tables for row in table.rows]
    tally = {word: verdicts.count(word) for word in dict.fromkeys(verdicts)}
    return rendered(
        Path(__file__).with_name("replication.md.j2"), tables=tables, tally=tally, number=lambda value: plain(value, 6)
    )
