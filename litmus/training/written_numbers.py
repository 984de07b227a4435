"""Numbers as people and programs write them: 19000, 19,000, 19 000, 19.000,50; refused where two readings fit."""

import re
from collections.abc import Sequence
from typing import NamedTuple


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
