"""The verdict table that ends a run on the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from litmus.claims.finding import Finding
from litmus.claims.judgement import Judgement
from litmus.claims.scale import effect
from litmus.claims.sentence import needed
from litmus.claims.verdict import OPEN, Verdict
from litmus.report.effects import SYMBOLS

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

# Yellow cannot be read on white.
COLOURS = {"confirmed": "green", "rejected": "red", "inconclusive": "bold"}
LEVELS = {"error": "red", "warning": "bold"}
# So many verdicts are told in a sentence each, below which a table adds nothing; of more, the main one is.
MOST_SENTENCES = 3


def print_verdicts(
    judgement: Judgement, console: Console | None = None, name: str = "", notes: Sequence[str] = ()
) -> None:
    """Lint findings, errors first, then a row per prediction, the sentence of the primary one, and notes.

    A few predictions have all their sentences.
    """
    from rich.console import Console
    from rich.text import Text

    console = console or Console()
    for finding in judgement.lint:
        console.print(lint_line(finding))
    verdicts = sorted(judgement.verdicts.values(), key=lambda verdict: not verdict.primary)
    if verdicts:
        console.print(table(verdicts, name))
        for verdict in verdicts if len(verdicts) <= MOST_SENTENCES else verdicts[:1]:
            console.print(Text.assemble((f"{verdict.id}  ", "bold"), verdict.reason))
        console.print(Text(judgement.looks.note))
    for note in notes:
        console.print(Text(note))


def lint_line(finding: Finding) -> Text:
    """A finding with its level and its code."""
    from rich.text import Text

    return Text.assemble((f"{finding.level} ", LEVELS[finding.level]), (f"{finding.code}: ", "bold"), finding.message)


def table(verdicts: Sequence[Verdict], name: str) -> Table:
    """A row per prediction: its verdict and direction, what was found and what it needed, over how many seeds."""
    from rich.table import Table
    from rich.text import Text

    made = Table(title=name or None, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for column in ("prediction", "verdict", "found", "needed", "seeds"):
        made.add_column(column, overflow="fold", justify="right" if column == "seeds" else "left")
    for verdict in verdicts:
        title = f"{verdict.id} (primary)" if verdict.primary else verdict.id
        marks = [f"({mark})" for mark in verdict.marks]
        runs = verdict.direction if verdict.verdict != "confirmed" and verdict.direction != OPEN else None
        marks += [runs] if runs else []
        ruling = Text(" ".join([SYMBOLS[verdict.verdict], verdict.verdict, *marks]), style=COLOURS[verdict.verdict])
        found = need = "—"
        if verdict.leaf is not None:
            mean, interval = effect(verdict.leaf.contrast)
            found = f"{mean} {interval}" if interval.startswith("[") else mean
            need = needed(verdict.leaf)
        made.add_row(Text(title), ruling, Text(found), Text(need), f"{verdict.n}" if verdict.n else "—")
    return made
