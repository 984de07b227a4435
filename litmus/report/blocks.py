"""What a report is made of: blocks that both the page and the Markdown file know how to show."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

# Numbers with what belongs to them, and the words that stand where a number is missing.
_ONE = r"[±+−<>≥≤]*\s?(?:\d[\d,.]*(?:e[+-]?\d+)?|∞)(?: ?(?:%|s|min|h))?"
NUMBERLIKE = re.compile(
    r"—|baseline|diverged|not reached|no trial|not run|"
    rf"(?:{_ONE})?(?: ± {_ONE})?(?: ?\[{_ONE}, {_ONE}\])?(?: of \d+)?(?: \(n = \d+\))?"
)


@dataclass(frozen=True)
class Text:
    """One paragraph."""

    kind: ClassVar[str] = "text"
    text: str


@dataclass(frozen=True)
class Points:
    """A list of sentences."""

    kind: ClassVar[str] = "points"
    items: Sequence[str]


@dataclass(frozen=True)
class Code:
    """Commands to copy."""

    kind: ClassVar[str] = "code"
    text: str


# A table of more rows is folded: a page is read, not scrolled.
MOST_OPEN_ROWS = 12


@dataclass(frozen=True)
class Table:
    """Cells as they are shown; a folded table is opened by its caption."""

    kind: ClassVar[str] = "table"
    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    folded: bool = False

    @cached_property
    def numeric(self) -> list[bool]:
        """Which columns hold numbers, and are set flush right."""
        return [
            index > 0 and all(NUMBERLIKE.fullmatch(row[index]) for row in self.rows)
            for index in range(len(self.columns))
        ]


@dataclass(frozen=True)
class Picture:
    """A figure, its content in words for those who cannot see it, its caption; drawn when first looked at."""

    name: str
    alt: str
    caption: str
    drawing: Callable[[], tuple[str, bytes]]

    @cached_property
    def drawn(self) -> tuple[str, bytes]:
        """The figure as SVG and as PNG."""
        return self.drawing()

    @property
    def svg(self) -> str:
        """The figure for pages."""
        return self.drawn[0]

    @property
    def png(self) -> bytes:
        """The figure for everything else."""
        return self.drawn[1]


@dataclass(frozen=True)
class Gallery:
    """Pictures side by side where there is room, at most so many in a row."""

    kind: ClassVar[str] = "gallery"
    pictures: Sequence[Picture]
    columns: int = 2


@dataclass(frozen=True)
class Slot:
    """A question that no data of the study answers: the author's words if there are any, beside the evidence."""

    kind: ClassVar[str] = "slot"
    name: str
    question: str
    evidence: Sequence[str]
    answer: str = ""


Block = Text | Points | Code | Table | Gallery | Slot


@dataclass(frozen=True)
class Section:
    """A titled part of the report; `id` is its anchor."""

    id: str
    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Ruling:
    """One line of the verdict box; `marks` stand beside the verdict's word."""

    id: str
    claim: str
    source: str
    verdict: str
    reason: str
    primary: bool = False
    marks: Sequence[str] = ()


@dataclass(frozen=True)
class Document:
    """The whole report: a title, what it is about, the rulings, the sections."""

    title: str
    lead: str
    rulings: Sequence[Ruling]
    sections: Sequence[Section]
    tally: str = ""

    @property
    def pictures(self) -> list[Picture]:
        """Every figure, in order."""
        blocks = [block for section in self.sections for block in section.blocks]
        return [picture for block in blocks if isinstance(block, Gallery) for picture in block.pictures]
