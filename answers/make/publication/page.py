"""The page of a published study: its report with the pictures and table rows that a reader of a repository needs."""

from __future__ import annotations

from dataclasses import replace

from answers.make.publication.paths import portable
from litmus.report.blocks import Block, Document, Gallery, Section, Table, Text
from litmus.report.document import document
from litmus.report.evidence import Evidence

# Pictures kept of each kind, by the first word of their name; kinds that are not named here stay.
MOST = {"heatmap": 2, "lines": 1, "cost": 1, "sensitivity": 1}
MOST_ROWS = 100


def page(evidence: Evidence, name: str) -> Document:
    """The report of a finished study as it is published under `name`; what is left out is said."""
    whole = document(replace(evidence, command=portable(evidence.command)))
    drawn = [picture.name for picture in whole.pictures if not picture.page_only]
    kept = chosen(evidence, drawn)
    sections = [
        replace(section, blocks=[one for block in section.blocks if (one := shortened(block, kept)) is not None])
        for section in whole.sections
    ]
    dropped = len(drawn) - len(kept)
    if dropped:
        sections[-1] = with_note(sections[-1], dropped)
    return replace(whole, title=name, sections=sections)


def chosen(evidence: Evidence, names: list[str]) -> set[str]:
    """The names of the pictures that are published."""
    selection = evidence.selection.replace("/", "-")
    single = {f"results-{evidence.leading.name}", f"curves-{selection}"}
    kept: set[str] = set()
    counts: dict[str, int] = {}
    for name in names:
        kind = name.partition("-")[0]
        counts[kind] = counts.get(kind, 0) + 1
        if name in single if kind in ("results", "curves") else counts[kind] <= MOST.get(kind, counts[kind]):
            kept.add(name)
    return kept


def shortened(block: Block, kept: set[str]) -> Block | None:
    """The block with the kept pictures and at most so many rows; None when nothing is left of it."""
    if isinstance(block, Gallery):
        pictures = [picture for picture in block.pictures if picture.name in kept]
        return replace(block, pictures=pictures) if pictures else None
    if isinstance(block, Table) and len(block.rows) > MOST_ROWS:
        caption = f"{block.caption} (the first {MOST_ROWS} of {len(block.rows)} rows)"
        return replace(block, caption=caption, rows=block.rows[:MOST_ROWS])
    return block


def with_note(section: Section, dropped: int) -> Section:
    """The last section, which says how to draw what is not shown."""
    note = f"{dropped} further figures are drawn by the command above, which ends with the whole report."
    return replace(section, blocks=[*section.blocks, Text(note)])
