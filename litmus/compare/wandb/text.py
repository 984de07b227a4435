"""What a report says before its panels, as Markdown."""

from collections.abc import Iterable, Mapping, Sequence

from litmus.records.record import Record
from litmus.report import multirun
from litmus.report.evidence import Evidence
from litmus.report.figures.forest import ruled
from litmus.report.render import escaped

MOST_TRIALS = 10


def of_study(evidence: Evidence) -> list[str]:
    """The question, every prediction with its claim, its verdict and why, and what weakens the design."""
    told = [f"**{escaped(evidence.study.question)}**"]
    if evidence.study.source:
        told.append(f"Source: {escaped(evidence.study.source)}")
    rows = [
        [one.id + " (primary)" * one.primary, one.claim, ruled(one), one.reason]
        for one in evidence.judgement.verdicts.values()
    ]
    if rows:
        told.append(table(["prediction", "claim", "verdict", "why"], rows))
    findings = [f"- {one.level} {escaped(one.code)}: {escaped(one.message)}" for one in evidence.judgement.lint]
    return [*told, *(["\n".join(findings)] if findings else [])]


def of_multirun(found: multirun.Tabulation) -> list[str]:
    """The mean ± SD of each arm."""
    head = multirun.headline(found)
    rows = table(["arm", "n", *head], multirun.rows(found, head))
    return ["A description, not a verdict: for verdicts, write a study.", rows]


def of_search(records: Sequence[Record], space: Sequence[str], metric: str, direction: str) -> list[str]:
    """The best trials."""
    done = [record for record in records if record.done and metric in record.summary]
    done.sort(key=lambda record: record.summary[metric], reverse=direction == "up")
    rows = [_row(record.directory.name, record.overrides, space, record.summary[metric]) for record in done]
    return [f"The best of {len(records)} trials:", table(["trial", *space, metric], rows[:MOST_TRIALS])]


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [columns, ["---"] * len(columns), *([escaped(cell) for cell in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _row(name: str, settings: Mapping[str, str], space: Sequence[str], value: float) -> list[str]:
    return [name, *(settings.get(knob, "") for knob in space), f"{value:.4g}"]
