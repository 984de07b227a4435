"""How to get these numbers again: command, code, versions, machines, trials, time, and every failure."""

from __future__ import annotations

import math
from typing import Any

from litmus.claims.notation import listing
from litmus.claims.registration import told as told_of_the_study
from litmus.records.facts import distinct
from litmus.report.blocks import Block, Code, Section, Table, Text
from litmus.report.evidence import Evidence
from litmus.words import count, duration


def section(evidence: Evidence) -> Section:
    """What the trials recorded about themselves; what they did not is said to be unknown."""
    blocks: list[Block] = [Code(evidence.command)] if evidence.command else []
    rows = [["trials", trials(evidence)], ["time", time(evidence)], ["seeds", seeds(evidence)]]
    if evidence.sources:
        rows += [[f"file {name}", f"sha256 {digest}"] for name, digest in evidence.sources.items()]
    rows += [list(row) for row in told_of_the_study(evidence.registered)]
    contents = [record.content for record in evidence.records.values() if record.content]
    if contents:
        rows.append(["code", code(contents)])
        rows.append(["versions", told([content.get("versions") for content in contents])])
        rows.append(["hardware", told([content.get("hardware") for content in contents])])
    else:
        rows.append(["code, versions, hardware", "not recorded: the trials came as a table"])
    blocks.append(Table("How these numbers came about", ["what", "value"], rows))
    failed = failures(evidence)
    if failed:
        blocks.append(Table(f"{count(len(failed), 'trial')} that did not end well", ["arm", "seed", "why"], failed))
    blocks.append(
        Text("Every trial is a row of results.csv; every verdict is in verdicts.json; figures are in figures/.")
    )
    return Section("reproducibility", "Reproducibility", blocks)


def trials(evidence: Evidence) -> str:
    """How many of how many."""
    done = sum(bool(t.values) and (t.arm, t.seed) not in evidence.errors for t in evidence.results.trials)
    wanted = len(evidence.study.arms) * len(evidence.asked)
    tuning = f", and {count(len(evidence.tuning), 'tuning trial')}" if evidence.tuning else ""
    grid = f"{count(len(evidence.study.arms), 'arm')} × {count(len(evidence.asked), 'seed')}"
    return f"{done} with results of {wanted} asked for ({grid}){tuning}"


def time(evidence: Evidence) -> str:
    """The sum of all trials' fitting time."""
    seconds = [
        t.counters["seconds"] for t in evidence.results.trials if math.isfinite(t.counters.get("seconds", math.nan))
    ]
    return f"{duration(math.fsum(seconds))} of fitting in {count(len(seconds), 'trial')}" if seconds else "not recorded"


def seeds(evidence: Evidence) -> str:
    """The seeds that were found."""
    found = sorted({trial.seed for trial in evidence.results.trials})
    return listing(found, 30) or "none"


def code(contents: list[Any]) -> str:
    """Commits, and whether files differed from them."""
    found = distinct([content.get("git") for content in contents])
    shown = []
    for git in found:
        if not git:
            shown.append("no commit recorded")
        else:
            changes = " with uncommitted changes" if git.get("dirty") else ""
            shown.append(f"commit {str(git.get('commit', '?'))[:12]}{changes}")
    return listing(shown, 5)


def told(values: list[Any]) -> str:
    """name value, name value; several sets are numbered."""
    found = [value for value in distinct(values) if value]
    sets = [", ".join(f"{name} {value}" for name, value in one.items() if value is not None) for one in found]
    if len(sets) < 2:
        return sets[0] if sets else "not recorded"
    return "; ".join(f"({place}) {one}" for place, one in enumerate(sets[:4], start=1)) + (
        f"; and {len(sets) - 4} more" if len(sets) > 4 else ""
    )


def failures(evidence: Evidence) -> list[list[str]]:
    """Trials that ended without values: from their records, or as empty rows of a table."""
    rows = [[arm, str(seed), error] for (arm, seed), error in sorted(evidence.errors.items())]
    for trial in evidence.results.trials:
        if not trial.values and (trial.arm, trial.seed) not in evidence.errors:
            rows.append([trial.arm, str(trial.seed), "no value of any quantity"])
    return rows
