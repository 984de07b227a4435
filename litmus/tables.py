"""CSV files that a spreadsheet shows as they are: a text that it would take for a formula begins with an apostrophe."""

import csv
import gzip
import io
import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from litmus.legible import legible

# How a formula begins, in full width too; and apostrophes before it, so that taking one off undoes putting one on.
FORMULA = re.compile(r"'*[=+\-@\t\n＝＋－＠]")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(inf|nan)")


def shielded(value: Any) -> Any:
    """A cell to write: text that is no number and could be a formula gets an apostrophe, the rest stays."""
    if not isinstance(value, str):
        return value
    text = legible(value)
    return f"'{text}" if FORMULA.match(text) and not NUMBER.fullmatch(text) else text


def unshielded(cell: str) -> str:
    """The text of a cell that `shielded` wrote; any other cell as it is."""
    text = legible(cell)
    return text[1:] if text.startswith("'") and FORMULA.match(text[1:]) else text


def table_text(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """The names of the columns and the rows as CSV."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([shielded(cell) for cell in row] for row in [columns, *rows])
    return text.getvalue()


def write_mappings(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Writes rows by name; what a row lacks is an empty cell."""
    text = table_text(columns, [[row.get(name, "") for name in columns] for row in rows])
    path.write_text(text, encoding="utf-8", newline="")


def read_mappings(path: Path, own: bool = False) -> list[dict[str, str]]:
    """Each row by the columns' names, in UTF-8; what a row lacks is empty, and so is all that it may have beyond them.

    Args:
        path: of the table, zipped where its name ends in .gz.
        own: the table is as `write_mappings` leaves one: no space is padding, no row is shorter or longer.

    Raises:
        ValueError: for bytes that are no text, a row of another length, or a column that stands twice.
    """
    try:
        opened = gzip.open if path.suffix == ".gz" else open
        with opened(path, "rt", newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, skipinitialspace=not own)
            header = reader.fieldnames or []
            names = {name: unshielded(name) if own else unshielded(name).strip() for name in header if name}
            _refuse_doubled([names[name] for name in header if name], path)
            rows = [_fitting(row, path, reader.line_num) for row in reader]
    except (csv.Error, gzip.BadGzipFile, zlib.error, EOFError) as problem:
        raise ValueError(
            f"{path}: expected a table in CSV, found one that cannot be read: {problem}; copy it anew from where "
            "it was written, or take it away"
        ) from problem
    if own and any(None in (*row, *row.values()) for row in rows):
        raise ValueError("a row does not have the first row's columns")
    return [{names[name]: unshielded(cell or "") for name, cell in row.items() if name in names} for row in rows]


def _refuse_doubled(names: Sequence[str], path: Path) -> None:
    """Of two columns of a name the last would be read; columns without a name are read by nobody."""
    doubled = next((name for place, name in enumerate(names) if name and name in names[:place]), None)
    if doubled is not None:
        raise ValueError(
            f"{path}: expected a name of its own for every column, found {doubled} twice; leave out, or call "
            "otherwise, all but the one that is meant"
        )


def _fitting(row: dict[Any, Any], path: Path, line: int) -> dict[Any, Any]:
    beyond = row.get(None) or []
    if any(cell.strip() for cell in beyond):
        most = len(row) - 1
        raise ValueError(
            f"{path} line {line}: expected {most} cells, as many as the table has columns, found {most + len(beyond)}; "
            "write decimals with a point, and quote a cell that holds a comma"
        )
    return row
