"""Tables as text: encoding, delimiter and quotes found out, never guessed between two that fit."""

import codecs
import csv
import io
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from litmus.training.unfit import UnfitError, refuse_foreign

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}
# The longer marks first: that of UTF-32 begins with that of UTF-16.
ENCODINGS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
MOST_NAMES = 12


class Line(NamedTuple):
    """Cells without padding, and the line of the file that they begin in."""

    number: int
    cells: list[str]


class TextTable(NamedTuple):
    """`names` are the first line's; every row has a cell for each."""

    names: list[str]
    rows: list[Line]
    delimiter: str
    encoding: str


def read_table(content: bytes, expected: str, fits: Callable[[Sequence[str]], bool]) -> TextTable:
    """The table that the bytes hold.

    Args:
        content: of the file.
        expected: the columns, for the sentence that says they are not there.
        fits: whether these are the names of a table that was asked for; it decides which delimiter is meant.

    Raises:
        UnfitError: names the line that cannot be right, or what the file is instead.
    """
    refuse_foreign(content, expected)
    text, encoding = _decoded(content)
    text, told = _without_preface(text)
    header = next(line for line in text.split("\n") if line.strip())
    possible = told or list(DELIMITERS)
    split = {delimiter: _split(header, delimiter) for delimiter in possible}
    fitting = [delimiter for delimiter, names in split.items() if fits(names)]
    if len(fitting) != 1:
        names = max(split.values(), key=len)
        raise UnfitError(f"expected {expected}, found {shortened(', '.join(names[:MOST_NAMES]), 200)}")
    (delimiter,) = fitting
    lines = [line for line in _lines(text, delimiter) if any(line.cells)]
    names = _without_end(lines[0].cells, 0)
    rows = [Line(line.number, _without_end(line.cells, len(names))) for line in lines[1:]]
    for index, row in enumerate(rows):
        if len(row.cells) != len(names):
            wanted = f"{len(names)} cells, {shortened(names[0]) or 'the unnamed first'} to {shortened(names[-1])}"
            raise UnfitError(f"{place(index, row.number)}: expected {wanted}, found {len(row.cells)}")
    if not rows:
        raise UnfitError("expected rows below the columns' names, found none")
    return TextTable(names, rows, delimiter, encoding)


def place(index: int, line: int) -> str:
    """How a row is named: as it is counted, and where it stands in the file."""
    return f"row {index + 1} (line {line})"


def shortened(text: str, most: int = 60) -> str:
    """The text as a sentence can quote it: in one line, nothing in it that a terminal obeys, cut."""
    shown = "".join(character if character.isprintable() else "\ufffd" for character in " ".join(text.split()))
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"


def _decoded(content: bytes) -> tuple[str, str]:
    marked = next((name for mark, name in ENCODINGS.items() if content.startswith(mark)), "utf-8")
    if marked in ("utf-8", "utf-8-sig") and b"\0" in content:
        raise UnfitError(
            f"expected text, found a binary file that begins {content[:4].hex(' ')}", "save it as CSV in UTF-8"
        )
    for encoding in (marked,) if marked != "utf-8" else ("utf-8", "cp1252", "latin-1"):
        try:
            return re.sub("\r\n?", "\n", content.decode(encoding).lstrip("\ufeff")), encoding
        except UnicodeDecodeError as error:
            damage = error
    raise UnfitError(
        f"expected text in {marked.upper()}, as its first bytes say, found {damage.reason} at {damage.start}"
    )


def _without_preface(text: str) -> tuple[str, list[str]]:
    """The text with an empty line in place of Excel's `sep=;`, and the delimiter that it names."""
    first = re.match(r"\s*\"?sep=([,;\t|])\"?[ ,;\t|]*(?=\n)", text, re.IGNORECASE)
    return (re.sub(r"[^\n]", "", first[0]) + text[first.end() :], [first[1]]) if first else (text, [])


def _lines(text: str, delimiter: str) -> list[Line]:
    """As CSV has it; a line at a time where that does not come out even: a stray quote then spoils its own line."""
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True)
        lines, begins = [], 1
        for cells in reader:
            lines.append(Line(begins, [_trimmed(cell) for cell in cells]))
            begins = reader.line_num + 1
        filled = [line.cells for line in lines if any(line.cells)]
        width = len(_without_end(filled[0], 0))
        if all(len(_without_end(cells, width)) == width for cells in filled):
            return lines
    except csv.Error:
        pass
    return [Line(number, _split(line, delimiter)) for number, line in enumerate(text.split("\n"), 1)]


def _split(line: str, delimiter: str) -> list[str]:
    try:
        cells = next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])
    except csv.Error:  # a cell of more characters than the reader takes
        cells = line.split(delimiter)
    return [_trimmed(cell) for cell in cells]


def _trimmed(cell: str) -> str:
    return " ".join(cell.split())


def _without_end(cells: list[str], width: int) -> list[str]:
    """The cells without the blank ones after the first `width`, which delimiters at the line's end leave."""
    end = len(cells)
    while end > width and not cells[end - 1]:
        end -= 1
    return cells[:end]


class Notation(NamedTuple):
    """The marks before decimals and between thousands; spaces and apostrophes may stand between thousands too."""

    decimal: str
    thousands: str


POINT, COMMA = Notation(".", ","), Notation(",", ".")


def fitting(cells: Sequence[str], notations: Sequence[Notation]) -> list[Notation]:
    """The notations in which the most cells are numbers, one for each different reading of them all."""
    readings: dict[Notation, list[float | None]] = {
        notation: [number(cell, notation) for cell in cells] for notation in notations
    }
    read = {notation: sum(value is not None for value in values) for notation, values in readings.items()}
    best = [notation for notation in notations if read[notation] == max(read.values())]
    different = {repr(readings[notation]): notation for notation in reversed(best)}
    return [notation for notation in best if notation in different.values()]


def number(cell: str, notation: Notation) -> float | None:
    """The cell's number, None where it is none in this notation."""
    if cell.isdecimal():
        return float(cell)
    decimal = re.escape(notation.decimal)
    for mark in (notation.thousands, " ", "'", "’"):
        shortest = 2 if mark == "," else 3  # 1,11,300 is how India writes it
        groups = rf"\d{{1,3}}({re.escape(mark)}\d{{{shortest},3}})*{re.escape(mark)}\d{{3}}"
        if re.fullmatch(rf"[+-]?{groups}({decimal}\d*)?", cell):
            cell = cell.replace(mark, "")
            break
    if notation.thousands in cell:
        return None
    try:
        return float(cell.replace(notation.decimal, "."))
    except ValueError:
        return None
