"""The verdict table that ends a run on the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from litmus.claims.judgement import Judgement
from litmus.claims.verdict import OPEN
from litmus.report.effects import SYMBOLS

if TYPE_CHECKING:
    from rich.console import Console

# Yellow cannot be read on white.
COLOURS = {"confirmed": "green", "rejected": "red", "inconclusive": "bold"}


def print_verdicts(
    judgement: Judgement, console: Console | None = None, name: str = "", notes: Sequence[str] = ()
) -> None:
    """Lint findings, errors first, then a row per prediction: its verdict, direction and the one sentence; notes."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = console or Console()
    for finding in judgement.lint:
        colour = "red" if finding.level == "error" else "yellow"
        console.print(Text.assemble((f"{finding.level} ", colour), (f"{finding.code}: ", "bold"), finding.message))
    table = Table(title=name or None, title_justify="left", show_lines=True)
    table.add_column("prediction", overflow="fold")
    table.add_column("verdict")
    table.add_column("why", ratio=1)
    for verdict in judgement.verdicts.values():
        title = f"{verdict.id} (primary)" if verdict.primary else verdict.id
        marks = f"\n({', '.join(verdict.marks)})" if verdict.marks else ""
        runs = verdict.direction if verdict.verdict != "confirmed" and verdict.direction != OPEN else None
        marks += f"\n{runs}" if runs else ""
        ruling = Text(f"{SYMBOLS[verdict.verdict]} {verdict.verdict}{marks}", style=COLOURS[verdict.verdict])
        table.add_row(Text(title), ruling, Text(verdict.reason))
    if judgement.verdicts:
        console.print(table)
        console.print(Text(judgement.looks.note))
    for note in notes:
        console.print(Text(note))
