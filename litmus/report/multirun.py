"""Any plain Hydra multirun as a table: arms found from the overrides, seeds grouped, failures listed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from litmus.claims.statistics import summarize
from litmus.legible import legible
from litmus.records.arms import is_known, varied
from litmus.records.gathering import GatheredRun, counted_of, gather
from litmus.records.record import Record
from litmus.report.blocks import Block, Document, Points, Section, Table, Text
from litmus.words import count, duration, plain, plus_minus

# Shown in this order before any other metric.
FIRST = ("test/loss", "test/acc", "val/loss", "val/acc", "train/loss", "train/acc")


@dataclass(frozen=True)
class Tabulation:
    """A multirun's jobs by the name of their arm; `common` are the overrides that all share, `varied` the other knobs.

    `notes` say what to know before reading the means.
    """

    name: str
    runs: Mapping[str, Sequence[GatheredRun]]
    common: Mapping[str, str]
    varied: Sequence[str]
    notes: Sequence[str] = ()

    @cached_property
    def arms(self) -> dict[str, list[Record]]:
        """Each arm's jobs."""
        return {arm: [run.record for run in runs] for arm, runs in self.runs.items()}

    @property
    def records(self) -> list[Record]:
        """All jobs."""
        return [record for records in self.arms.values() for record in records]

    def counted(self, arm: str) -> list[Record]:
        """An arm's completed jobs, each seed once."""
        return [run.record for run in self.runs[arm] if run.counted]

    @property
    def metrics(self) -> list[str]:
        """Every metric and counter that some completed job recorded, the usual ones first."""
        names = [name for record in self.records if record.done for name in record.summary]
        known = dict.fromkeys(names)
        return [*(name for name in FIRST if name in known), *(name for name in known if name not in FIRST)]

    def values(self, arm: str, metric: str) -> list[float]:
        """An arm's finite values of a metric."""
        found = (record.summary.get(metric, math.nan) for record in self.counted(arm))
        return [value for value in found if math.isfinite(value)]


def read_multirun(directory: Path) -> Tabulation:
    """The jobs of a multirun directory, in the arms that a comparison of it has.

    Raises:
        FileNotFoundError: when there is none.
    """
    if not directory.is_dir():
        raise FileNotFoundError(f"{directory}: expected a directory of runs, found nothing; name another")
    try:
        found = gather([directory])
    except FileNotFoundError as nothing:
        raise FileNotFoundError(
            f"{directory}: expected a study's directory (study.yaml) or a multirun's (jobs with result.json), "
            "found neither"
        ) from nothing
    known = [run.record for run in found.runs if is_known(run.record)]
    typed = dict.fromkeys(key for record in known for key in record.overrides if key != "seed")
    different = varied([[record] for record in known])
    common = {key: known[0].overrides[key] for key in typed if len({one.overrides.get(key) for one in known}) == 1}
    runs: dict[str, list[GatheredRun]] = {}
    for arm, own in found.arms.items():
        runs.setdefault(arm.label, []).extend(own)
    return Tabulation(legible(directory.resolve().name), runs, common, different, found.notes)


def rows(table: Tabulation, metrics: Sequence[str]) -> list[list[str]]:
    """One row per arm: n of how many jobs, then mean ± sd per metric."""
    found = []
    for arm, runs in table.runs.items():
        done = len(table.counted(arm))
        cells = []
        for metric in metrics:
            values = table.values(arm, metric)
            summary = summarize(values)
            shown = plus_minus(float(summary.mean), float(summary.sd)) if values else "—"
            # A mean over fewer runs than the row says is not that row's mean.
            cells.append(shown if len(values) in (0, done) else f"{shown} (n = {len(values)})")
        found.append([arm, counted_of(runs), *cells])
    return found


def headline(table: Tabulation) -> list[str]:
    """The metrics for the terminal: the test set's if any, else validation's, and the seconds."""
    metrics = table.metrics
    for split in ("test/", "val/", "train/"):
        own = [name for name in metrics if name.startswith(split)]
        if own:
            return [*own[:3], *(name for name in ("seconds",) if name in metrics)]
    return metrics[:4]


def failures(table: Tabulation) -> list[list[str]]:
    """Jobs without a result: arm, seed, directory, status, error."""
    return [
        [
            arm,
            plain(record.seed) if record.seed is not None else "—",
            legible(record.directory.name),
            record.status,
            record.error,
        ]
        for arm, records in table.arms.items()
        for record in records
        if not record.done
    ]


def notes(table: Tabulation) -> list[str]:
    """What to know before reading the means."""
    told = [*table.notes]
    seeds = {arm: [record.seed for record in table.counted(arm)] for arm in table.runs}
    sets = {tuple(sorted({s for s in own if s is not None})) for own in seeds.values()}
    if len(sets) > 1:
        told.append("The arms do not have the same seeds, so differences between their means are not paired.")
    if any(len(own) < 3 for own in seeds.values()):
        told.append("Some arms have fewer than 3 results: their means decide nothing.")
    return told


def document(table: Tabulation) -> Document:
    """The small report of a multirun."""
    failed = failures(table)
    metrics = table.metrics
    seconds = [s for record in table.records if math.isfinite(s := record.summary.get("seconds", math.nan))]
    shared = ", ".join(f"{key}={value}" for key, value in table.common.items())
    lead = f"{count(len(table.records), 'job')} in {count(len(table.arms), 'arm')}"
    lead += f", {len(failed)} without a result" if failed else ""
    lead += f", {duration(math.fsum(seconds))} of fitting" if seconds else ""
    blocks: list[Block] = [Text("A description, not a verdict: for verdicts, write a study.")]
    if shared:
        blocks.append(Text(f"All jobs: {shared}."))
    if told := notes(table):
        blocks.append(Points(told))
    head = headline(table)
    blocks.append(Table("Mean ± SD over seeds", ["arm", "n", *head], rows(table, head)))
    rest = [name for name in metrics if name not in head]
    if rest:
        blocks.append(Table("Everything else that was recorded", ["arm", "n", *rest], rows(table, rest), folded=True))
    parts = [Section("results", "Results", blocks)]
    if failed:
        columns = ["arm", "seed", "job", "status", "why"]
        parts.append(Section("failures", "Jobs without a result", [Table("Not in any mean", columns, failed)]))
    return Document(table.name, f"{lead}.", [], parts)
