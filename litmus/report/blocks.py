"""What a report is made of: blocks that both the page and the Markdown file know how to show."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar
from zlib import crc32

# Numbers with what belongs to them, and the words that stand where a number is missing.
_ONE = r"[±+−<>≥≤]*\s?(?:\d[\d,.]*(?:e[+-]?\d+)?|∞)(?: ?(?:%|s|min|h))?"
NUMBERLIKE = re.compile(
    r"—|baseline|diverged|not reached|no trial|not run|"
    rf"(?:{_ONE})?(?: ± {_ONE})?(?: ?\[{_ONE}, {_ONE}\])?(?: of \d+)?(?: \(n = \d+\))?"
)


@dataclass(frozen=True)
class Text:
    """One paragraph; with a caption it is folded under it."""

    kind: ClassVar[str] = "text"
    group: ClassVar[str] = ""
    text: str
    caption: str = ""


@dataclass(frozen=True)
class Points:
    """A list of sentences."""

    kind: ClassVar[str] = "points"
    group: ClassVar[str] = ""
    items: Sequence[str]


@dataclass(frozen=True)
class Code:
    """Commands to copy."""

    kind: ClassVar[str] = "code"
    group: ClassVar[str] = ""
    text: str


# A table of more rows, and claims beyond so many, are folded: a page is read, not scrolled.
MOST_OPEN_ROWS, MOST_OPEN_CLAIMS = 6, 6


@dataclass(frozen=True)
class Table:
    """Cells as they are shown; a folded table is opened by its caption, those of a `group` together by the group's."""

    kind: ClassVar[str] = "table"
    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    folded: bool = False
    group: str = ""

    @cached_property
    def numeric(self) -> list[bool]:
        """Which columns hold numbers, and are set flush right."""
        return [
            index > 0 and all(NUMBERLIKE.fullmatch(row[index]) for row in self.rows)
            for index in range(len(self.columns))
        ]


def name_of_file(name: str) -> str:
    """The name without what means something to a path, to a page or to Markdown; those of other names stay apart."""
    plain = re.sub(r"[^\w.@=,+-]", "-", name)
    return plain if plain == name else f"{plain}-{crc32(name.encode()):08x}"


@dataclass(frozen=True)
class Picture:
    """A figure, its content in words for those who cannot see it, its caption; drawn when first looked at.

    Its `name` is that of its files and in the page, of what may stand in both: a prediction's own may hold anything.
    `narrow` is the same for small screens, and for files unless `linked`; `page_only` stands in no file of its own.
    """

    name: str
    alt: str
    caption: str
    drawing: Callable[[], tuple[str, bytes]]
    narrow: Picture | None = None
    linked: bool = False
    page_only: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", name_of_file(self.name))

    @cached_property
    def drawn(self) -> tuple[str, bytes]:
        """The figure as SVG and as PNG."""
        return self.drawing()

    @property
    def file(self) -> Picture:
        """The one that files show."""
        return self if self.narrow is None or self.linked else self.narrow

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
    """Pictures side by side where there is room, at most so many in a row; with a caption they are folded under it.

    Those of a `group` are opened together with the tables beside them.
    """

    kind: ClassVar[str] = "gallery"
    pictures: Sequence[Picture]
    columns: int = 2
    caption: str = ""
    group: str = ""


@dataclass(frozen=True)
class Slot:
    """A question that no data of the study answers: the author's words if there are any, beside the evidence."""

    kind: ClassVar[str] = "slot"
    group: ClassVar[str] = ""
    name: str
    question: str
    evidence: Sequence[str]
    answer: str = ""


Block = Text | Points | Code | Table | Gallery | Slot


@dataclass(frozen=True)
class Section:
    """A titled part of the report; `id` is its anchor; a folded one is opened by its title."""

    id: str
    title: str
    blocks: Sequence[Block]
    folded: bool = False


@dataclass(frozen=True)
class Ruling:
    """A prediction's verdict; `marks` stand beside its word, `effect` is the mean and the interval that it hangs on."""

    id: str
    claim: str
    source: str
    verdict: str
    reason: str
    primary: bool = False
    marks: Sequence[str] = ()
    effect: tuple[str, str] = ("", "")
    conjunction: bool = False

    @property
    def name(self) -> str:
        """The prediction's name in words."""
        return self.id.replace("_", " ")


@dataclass(frozen=True)
class Document:
    """The whole report: a title, what it is about, the rulings, the sections.

    `size` is how much was run, `headline` the main prediction's picture, `limits` what weakens the verdicts.
    """

    title: str
    lead: str
    rulings: Sequence[Ruling]
    sections: Sequence[Section]
    tally: str = ""
    headline: Picture | None = None
    size: str = ""
    limits: Sequence[str] = ()

    @property
    def main(self) -> Ruling | None:
        """The prediction that the headline shows."""
        shown = [
            one
            for one in self.rulings
            if self.headline and self.headline.file.name == name_of_file(f"headline-{one.id}")
        ]
        return next(iter([*shown, *self.rulings]), None)

    @property
    def claims(self) -> list[tuple[Ruling, list[Ruling]]]:
        """Every other claim once: the ruling on it as a whole, and on its parts where there are several."""
        groups: dict[str, list[Ruling]] = {}
        for ruling in self.rulings:
            if ruling is not self.main:
                groups.setdefault(ruling.claim or ruling.id, []).append(ruling)
        return [
            (next((one for one in group if one.conjunction), group[0]), [one for one in group if not one.conjunction])
            for group in groups.values()
        ]

    @property
    def open_claims(self) -> int:
        """So many of the other claims are told at once; a single one more is not worth a fold."""
        return MOST_OPEN_CLAIMS if len(self.claims) > MOST_OPEN_CLAIMS + 1 else len(self.claims)

    @property
    def pictures(self) -> list[Picture]:
        """Every figure, in order."""
        blocks = [block for section in self.sections for block in section.blocks]
        first = [self.headline] if self.headline is not None else []
        return [*first, *(picture for block in blocks if isinstance(block, Gallery) for picture in block.pictures)]
