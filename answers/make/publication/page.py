"""The page of a published study: its report with the pictures and table rows that a reader of a repository needs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from answers.make.publication.paths import portable
from answers.make.publication.small import small_svg
from litmus.report.blocks import Block, Document, Gallery, Table, Text
from litmus.report.document import document
from litmus.report.evidence import Evidence
from litmus.report.render import markdown
from litmus.report.write import write

# Pictures kept of each kind, by the first word of their name; kinds that are not named here stay. What tuning and cost
# look like stands in the tables beside them, and no verdict hangs on it.
MOST = {"heatmap": 2, "lines": 1, "cost": 0, "sensitivity": 0}
MOST_ROWS = 100
MORE = "The command above ends with the whole report, which has more figures."


def page(evidence: Evidence, name: str) -> Document:
    """The report of a finished study as it is published under `name`; what is left out is said."""
    whole = document(replace(evidence, command=portable(evidence.command)))
    drawn = [picture.name for picture in whole.pictures if not picture.page_only]
    kept = chosen(evidence, drawn)
    sections = [
        replace(section, blocks=[one for block in section.blocks if (one := shortened(block, kept)) is not None])
        for section in whole.sections
    ]
    if len(kept) < len(drawn):
        sections[-1] = replace(sections[-1], blocks=[*sections[-1].blocks, Text(MORE)])
    return replace(whole, title=name, sections=sections)


def write_pictures(shown: Document, figures: Path) -> str:
    """The drawings of a page, small and sharp at any width, and the page's text, which shows them."""
    for picture in shown.pictures:
        write(figures / f"{picture.file.name}.svg", small_svg(picture.file.svg))
    return markdown(shown, "svg")


def chosen(evidence: Evidence, names: list[str]) -> set[str]:
    """The names of the pictures that are published."""
    selection = evidence.selection.replace("/", "-")
    leading = (f"results-{evidence.leading.name}", f"curves-{selection}")
    single = {f"{name}{own.suffix}" for name in leading for own in evidence.on_each}
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
