"""A table of ages, estimated salaries and purchases, however it is written: columns by name, labels in words."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from litmus.training.text_table import (
    COMMA,
    DELIMITERS,
    POINT,
    Notation,
    TextTable,
    fitting,
    number,
    place,
    read_table,
    shortened,
)
from litmus.training.unfit import UnfitError

COLUMNS = ("User ID", "Gender", "Age", "EstimatedSalary", "Purchased")
NEEDED = ("Age", "EstimatedSalary", "Purchased")
# Other names of a column, taken where none has its own.
ALSO_CALLED = {
    "Age": ("age in years", "age years"),
    "EstimatedSalary": ("salary", "annual salary", "yearly salary", "income", "annual income"),
    "Purchased": ("purchase", "bought"),
}
LABELS = {
    **dict.fromkeys(("1", "yes", "y", "true", "t", "purchased", "bought"), "1"),
    **dict.fromkeys(("0", "no", "n", "false", "f", "not purchased", "not bought"), "0"),
}


class Bounds(NamedTuple):
    """What an age and a salary can be, both ends included."""

    age: tuple[int, int]
    salary: tuple[int, int]


class Purchases(NamedTuple):
    """Rows as `columns` has them: no padding, labels 0 and 1, whole numbers without a point.

    `lines` says where each row stands in the file, `told` how it was written.
    """

    columns: tuple[str, ...]
    rows: list[list[str]]
    lines: list[int]
    told: Mapping[str, Any]

    @property
    def text(self) -> str:
        """The table in one writing, whatever the file's was."""
        return "".join(",".join(row) + "\n" for row in [list(self.columns), *self.rows])

    def column(self, name: str) -> list[str]:
        """A column's cells."""
        at = self.columns.index(name)
        return [row[at] for row in self.rows]


def read_purchases(content: bytes, bounds: Bounds, needed: Sequence[str] = NEEDED) -> Purchases:
    """The table that the bytes hold, with those of `COLUMNS` that it has.

    Raises:
        UnfitError: names the first row and column that cannot be right: "…: expected …, found …".
    """
    expected = f"the columns {', '.join(needed[:-1])} and {needed[-1]}"
    table = read_table(content, expected, lambda names: set(needed) <= found_columns(names).keys())
    at = found_columns(table.names)
    columns = {name: [row.cells[index] for row in table.rows] for name, index in at.items()}
    _refuse_blanks(table, {name: columns[name] for name in needed})
    said = {"Purchased": [_label(cell) for cell in columns["Purchased"]]}
    notation = _notation(table, columns)
    for name, (low, high) in {"Age": bounds.age, "EstimatedSalary": bounds.salary}.items():
        said[name] = [_within(cell, notation, low, high) for cell in columns[name]]
    wanted = {
        "Age": "an age from {:,} to {:,}".format(*bounds.age),
        "EstimatedSalary": "a salary from {:,} to {:,}".format(*bounds.salary),
        "Purchased": "0 or 1, Yes or No, True or False, Purchased or Not Purchased",
    }
    for index, row in enumerate(table.rows):
        for name, what in wanted.items():
            if not said[name][index]:
                found = shortened(columns[name][index])
                raise UnfitError(f"{place(index, row.number)}, column {name}: expected {what}, found {found}")
    names = tuple(name for name in COLUMNS if name in at)
    rows = [list(cells) for cells in zip(*(said.get(name, columns[name]) for name in names), strict=True)]
    lines = [row.number for row in table.rows]
    if "User ID" in names:
        _refuse_doubles(rows, lines)
    return Purchases(names, rows, lines, _told(table, at, columns["Purchased"], notation))


def found_columns(names: Sequence[str]) -> dict[str, int]:
    """Each of `COLUMNS` that is there exactly once → its place; another name counts where its own is missing."""
    plain = [_plain(name) for name in names]
    found: dict[str, int] = {}
    for column in COLUMNS:
        for called in ((column,), ALSO_CALLED.get(column, ())):
            places = [index for index, name in enumerate(plain) if name in map(_plain, called)]
            if places:
                found |= {column: places[0]} if len(places) == 1 else {}
                break
    return found


def _plain(name: str) -> str:
    return "".join(character for character in name.casefold() if character.isalnum())


def _refuse_blanks(table: TextTable, columns: Mapping[str, Sequence[str]]) -> None:
    for index, row in enumerate(table.rows):
        for name, cells in columns.items():
            if not cells[index]:
                raise UnfitError(f"{place(index, row.number)}, column {name}: expected a value, found a blank cell")


def _label(cell: str) -> str:
    text = cell.casefold()
    whole, _, decimals = text.replace(",", ".").partition(".")
    return LABELS.get(whole if whole in ("0", "1") and not decimals.strip("0") else text, "")


def _notation(table: TextTable, columns: Mapping[str, Sequence[str]]) -> Notation:
    """The one in which both columns are written."""
    # Who separates cells by commas writes no decimals with them.
    possible = [POINT] if table.delimiter == "," else [POINT, COMMA]
    found = fitting([*columns["Age"], *columns["EstimatedSalary"]], possible)
    if len(found) > 1:
        for index, row in enumerate(table.rows):
            for name in ("Age", "EstimatedSalary"):
                one, other = (number(columns[name][index], notation) for notation in found)
                if one is not None and other is not None and one != other:
                    raise UnfitError(
                        f"{place(index, row.number)}, column {name}: expected a number with one reading, found "
                        f"{columns[name][index]}, which is {one:,.12g} or {other:,.12g}",
                        "write the numbers without marks between thousands",
                    )
    return found[0]


def _within(cell: str, notation: Notation, low: int, high: int) -> str:
    value = number(cell, notation)
    if value is None or not low <= value <= high:
        return ""
    return str(int(value)) if value.is_integer() else repr(value)


def _refuse_doubles(rows: Sequence[Sequence[str]], lines: Sequence[int]) -> None:
    """Two rows of one user that say the same are one row, twice; without users they may be two people."""
    first: dict[tuple[str, ...], str] = {}
    for index, (row, line) in enumerate(zip(rows, lines, strict=True)):
        here = place(index, line)
        if row[0] and tuple(row) in first:
            raise UnfitError(f"{here}: expected each row once, found {first[tuple(row)]} doubled")
        first.setdefault(tuple(row), here)


def _told(table: TextTable, at: Mapping[str, int], labels: Sequence[str], notation: Notation) -> dict[str, Any]:
    """How the file was read, for whoever wonders whether it was read right."""
    return {
        "encoding": table.encoding,
        "delimiter": DELIMITERS[table.delimiter],
        "decimal": {".": "point", ",": "comma"}[notation.decimal],
        "columns": {name: shortened(table.names[at[name]]) for name in NEEDED},
        "labels": {cell: int(_label(cell)) for cell in sorted(set(labels))},
    }
