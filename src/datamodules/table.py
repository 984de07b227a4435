"""A table of your own, CSV or Parquet: a column is asked for, the others are what it is learned from."""

import difflib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl
import torch
from torch import Tensor

from litmus.contract import Target
from litmus.training.array_data_module import Source
from litmus.training.file_data_module import FileDataModule, listed, sha256_of, targets_of
from litmus.training.notation import as_numbers, refuse_unread_numbers
from litmus.training.source import standardised
from litmus.training.text_table import shortened
from litmus.training.unfit import UnfitError, refuse_foreign

# Whole numbers with at most so many different values are classes where nothing was said, with more real values.
MOST_WHOLE_CLASSES = 20
# Texts with more different values in a column are names or sentences, of which a table learns nothing.
MOST_CATEGORIES = 100
# As the reader renames a name that it has seen already.
DOUBLED = re.compile(r"(.*)_duplicated_\d+")
DELIMITERS = ",;\t|"
# From here on, not every whole number is a float.
FIRST_INEXACT = 2**53
ENDINGS = (".csv", ".tsv", ".txt", ".parquet", ".pq")


class Table(FileDataModule):
    """Numbers standardised, texts and true or false as one column of 0 and 1 for each category.

    Args:
        target: the column that is asked for, or several.
        features: the columns to learn from; null is all others.
        drop: columns to leave out.
        categories: columns whose values are categories, even where they are numbers or look like them.
        missing: refuse, or impute: the train rows' median for numbers, a category of its own for texts.
        missing_values: what stands for a missing value, beside an empty cell.
        delimiter, decimal: of a CSV, between its cells and before decimals; a .tsv has tabs unless another than the
            comma is said.
        common: the arguments of `FileDataModule`.
    """

    def __init__(
        self,
        *,
        target: str | Sequence[str] | None = None,
        features: str | Sequence[str] | None = None,
        drop: str | Sequence[str] = (),
        categories: str | Sequence[str] | None = None,
        missing: Literal["refuse", "impute"] = "refuse",
        missing_values: Any = (),
        delimiter: str = ",",
        decimal: Literal[".", ","] = ".",
        **common: Any,
    ) -> None:
        super().__init__(**common)
        if not target:
            raise ValueError("data.target must name the column that is asked for, got none; type data.target=COLUMN")
        if missing not in ("refuse", "impute"):
            raise ValueError(f"data.missing must be refuse or impute, got {missing}")
        delimiter = "\t" if delimiter == "\\t" else delimiter
        if not isinstance(delimiter, str) or len(delimiter.encode()) != 1:
            raise ValueError(f"data.delimiter must be a single character such as ; got {delimiter}")
        if decimal not in (".", ","):
            raise ValueError(f"data.decimal must be . or a comma, got {decimal}")
        self.asked = listed(target)
        self.features = None if features is None else listed(features)
        self.drop, self.as_categories = listed(drop), listed(categories)
        if both := [name for name in self.features or () if name in self.drop]:
            raise ValueError(
                f"data.features and data.drop: expected a column in one of them, found {both[0]} in both; leave it out "
                "of one"
            )
        self.impute = missing == "impute"
        self.missing_values = [text for value in _listed_values(missing_values) for text in _written(value)]
        self.delimiter, self.decimal = delimiter, decimal
        self.categories: dict[str, int] = {}

    def load(self) -> Source:
        path = self.found()
        frame = self._read(path)
        for name in (*self.asked, *(self.features or ()), *self.drop, *self.as_categories):
            if name not in frame.columns:
                near = difflib.get_close_matches(name, frame.columns, 1)
                hint = f"did you mean {near[0]}?" if near else "data.target, features, drop and categories name columns"
                raise ValueError(f"{path}: expected a column {name}, found {_listed(frame.columns)}; {hint}")
        names = self.features or [name for name in frame.columns if name not in (*self.asked, *self.drop)]
        if "" in names:
            raise ValueError(
                f"{path}: expected a name of its own for every column, found one without, as of a saved index; "
                "data.drop=[''] leaves it out"
            )
        if not names or len({*names, *self.asked}) < len(names) + len(self.asked):
            raise ValueError(
                f"{path}: expected columns to learn from beside {_listed(self.asked)}, found {_listed(names)}"
            )
        parts = {name: self._feature(frame[name], f"{path}, column {name}") for name in names}
        self.categories = {name: part.shape[1] for name, part in parts.items() if part.dtype == bool}
        self._numeric = torch.tensor([part.dtype != bool for part in parts.values() for _ in part.T])
        x = torch.from_numpy(np.concatenate([part.astype(np.float64) for part in parts.values()], 1))
        self._absent = x.isnan()  # none but where they are to be imputed
        y, target = self._target([frame[name] for name in self.asked], path)
        return Source(x.masked_fill(self._absent, 0), y, None, sha256_of(path), target)

    def scale(self, x: Tensor, rows: dict[str, Tensor]) -> Tensor:
        """Numbers standardised, after what is missing was put in; categories stay 0 and 1."""
        if self._absent.any():
            seen = torch.where(self._absent, torch.nan, x)
            x = torch.where(self._absent, seen[rows["train"]].nanmedian(0).values.nan_to_num(), x)
        return torch.where(self._numeric, standardised(x, rows["train"])[0], x.float()) if self.standardise else x

    def notes(self) -> dict[str, Any]:
        columns = {"numbers": int(self._numeric.sum()), "categories": self.categories}
        return {"columns": columns, "imputed": int(self._absent.sum()), **super().notes()}

    def _read(self, path: Path) -> pl.DataFrame:
        if path.suffix.lower() not in ENDINGS:
            raise ValueError(
                f"{path}: expected a table that ends in .csv, .tsv or .parquet, found {path.suffix or 'none'}"
            )
        try:
            frame = self._parquet(path) if path.suffix.lower() in (".parquet", ".pq") else self._csv(path)
        except (pl.exceptions.PolarsError, ValueError, OSError) as problem:
            said, remedy = " ".join(str(problem).split())[:160], getattr(problem, "remedy", "")
            remedy = remedy or ("save it as CSV in UTF-8" if "utf" in said.lower() else "mend the file")
            told = (
                said if said.startswith("expected") else f"expected a table, found a file that cannot be read ({said})"
            )
            raise ValueError(f"{path}: {told}; {remedy}") from None
        if frame.height == 0:
            raise ValueError(f"{path}: expected rows below the columns' names, found none")
        return frame

    def _csv(self, path: Path) -> pl.DataFrame:
        with path.open("rb") as file:
            begins = file.read(1 << 20)
        refuse_foreign(begins, "a table of cells")
        if b"\0" in begins:
            raise ValueError("expected text in UTF-8, found a binary file or UTF-16")
        between = self._between(begins, path.suffix.lower() == ".tsv")
        how: dict[str, Any] = {"separator": between, "decimal_comma": self.decimal == ","}
        texts: dict[str, Any] = {}
        if self.as_categories:  # 01 and 1 are two
            named = pl.read_csv(path, n_rows=0, **how).columns
            texts = {name: pl.String for name in named if name.strip() in self.as_categories}
        missing = ["", *self.missing_values]
        # All rows decide what a column is: the first ones do not speak for the others.
        frame = pl.read_csv(path, **how, infer_schema_length=None, null_values=missing, schema_overrides=texts)
        frame = _with_names_of_their_own(frame)
        frame = frame.with_columns(self._of_csv(column) for column in frame)
        return frame.filter(~pl.all_horizontal(pl.all().is_null()))  # a blank line is no row

    def _parquet(self, path: Path) -> pl.DataFrame:
        typed = [("delimiter", self.delimiter, ","), ("decimal", self.decimal, ".")]
        if other := next((f"data.{knob}={value}" for knob, value, default in typed if value != default), None):
            raise UnfitError(f"expected a CSV for {other}, found Parquet, which has numbers as such", "leave it out")
        frame = _with_names_of_their_own(pl.read_parquet(path))
        return frame.with_columns(self._of_parquet(column) for column in frame)

    def _between(self, begins: bytes, tabs: bool) -> str:
        """What stands between a CSV's cells, refused where its first line has another such mark and not this one."""
        # The comma is what nobody has said.
        between = "\t" if tabs and self.delimiter == "," else self.delimiter
        lines = begins.decode(errors="replace").splitlines()
        header = next((line for line in lines if line.strip()), "")
        other = next((mark for mark in DELIMITERS if mark in header), None)
        if between not in header and other is not None:
            told = {"\t": "tabs", " ": "spaces"}.get(between, between)
            mark = "\\t" if other == "\t" else other
            remedy = "name it .csv" if tabs and other == "," else f"""type 'data.delimiter="{mark}"'"""
            raise UnfitError(f"expected {told} between the columns' names, found {shortened(header)}", remedy)
        return between

    def _of_csv(self, column: pl.Series) -> pl.Series:
        """A column of texts as numbers if it holds nothing else; padding and missing values make no texts of them."""
        cells = self._without_missing(column)
        if cells.dtype != pl.String or column.name in self.as_categories:
            return cells
        numbers = as_numbers(cells, self.decimal)
        return numbers if numbers.count() and numbers.count() == cells.count() else cells

    def _of_parquet(self, column: pl.Series) -> pl.Series:
        """The column in the type that it says; texts that were but for what is missing numbers are as in a CSV."""
        if not self.missing_values or column.dtype not in (pl.String, pl.Categorical, pl.Enum):
            return self._without_missing(column)
        texts = column.cast(pl.String)
        taken = texts.str.strip_chars().is_in(self.missing_values).any()
        return self._of_csv(texts) if taken else column

    def _without_missing(self, column: pl.Series) -> pl.Series:
        if column.dtype.is_numeric() and self.missing_values:
            numbers = as_numbers(pl.Series(self.missing_values), self.decimal).cast(pl.Float64).drop_nulls()
            return column.set(column.cast(pl.Float64).is_in(numbers.to_list()).fill_null(False), None)
        if column.dtype != pl.String:
            return column
        cells = column.str.strip_chars()
        return cells.set(cells.is_in(["", *self.missing_values]).fill_null(False), None)

    def _feature(self, column: pl.Series, what: str) -> np.ndarray:
        """(rows, 1) float64 of numbers, NaN where one is missing; (rows, categories) bool of anything else."""
        column = self._plain(column, what)
        absent = int(column.null_count())
        if absent == len(column):
            raise ValueError(f"{what}: expected values, found none in any row; leave it out: data.drop=[{column.name}]")
        if absent and not self.impute:
            first = column.is_null().arg_true()[0]
            raise ValueError(
                f"{what}: expected a value in every row, found none in row {first + 1} and {absent - 1} others; "
                "data.missing=impute puts the train rows' median (texts: a category of its own) in, data.drop leaves "
                "the column out"
            )
        if column.dtype.is_numeric():
            return column.cast(pl.Float64).to_numpy()[:, None]
        own = "missing"
        while (column == own).any():  # a category of that name is there already
            own += "_"
        texts = column.fill_null(own).to_numpy().astype(str)
        categories = np.unique(texts)
        if len(categories) > MOST_CATEGORIES:
            raise ValueError(
                f"{what}: expected at most {MOST_CATEGORIES} categories, found {len(categories)} such as "
                f"{categories[0]}; make numbers of it, or leave it out: data.drop=[{column.name}]"
            )
        return texts[:, None] == categories

    def _target(self, columns: list[pl.Series], path: Path) -> tuple[Tensor, Target | None]:
        plain = [self._plain(column, f"{path}, target {column.name}") for column in columns]
        for column in plain:
            if column.null_count():
                first = column.is_null().arg_true()[0]
                raise ValueError(
                    f"{path}, target {column.name}: expected a target in every row, found none in row {first + 1} and "
                    f"{column.null_count() - 1} others; take these rows out of the table"
                )
        what = f"{path}, target {_listed(self.asked)}"
        if len(plain) > 1:
            text = next((one for one in columns if not _is_value(one) or one.name in self.as_categories), None)
            if text is not None:
                raise ValueError(
                    f"{what}: expected numbers, or true and false, in each of several, found texts in {text.name}; ask "
                    "for one column of texts, or make numbers of them"
                )
            values = np.stack([column.to_numpy() for column in columns], 1)
            labels = values.dtype.kind in "iub" and bool(np.isin(values, (0, 1)).all())
            asked = "real" if self.kind == "auto" and not labels else self.kind
            y, _ = targets_of(values, asked, what)  # which asks where each row has a single 1
            if asked == "classes" and y.dim() > 1:
                raise ValueError(f"{what}: expected a single 1 in every row of columns that are classes, found others")
            return y, Target("labels" if asked == "auto" else asked, len(plain), tuple(self.asked))
        (column,) = plain
        values = column.to_numpy()
        if not column.dtype.is_numeric():
            return targets_of(values.astype(str), self.kind, what)
        whole = bool((values == np.floor(values)).all())
        few = len(np.unique(values)) <= MOST_WHOLE_CLASSES
        if self.kind == "classes" or (self.kind == "auto" and whole and few):
            classes, places = np.unique(values, return_inverse=True)
            return targets_of(places, "classes", what, [_digits(name) for name in classes])
        y, target = targets_of(values.astype(np.float64), "real" if self.kind == "auto" else self.kind, what)
        return y, target or Target("real", 1, (column.name,))

    def _plain(self, column: pl.Series, what: str) -> pl.Series:
        """Numbers, or texts without padding; a missing one is null.

        Raises:
            ValueError: for other kinds of values, infinite ones, and for texts among numbers.
        """
        if column.dtype.is_numeric():
            column = column.cast(pl.Float64) if column.dtype.is_decimal() else column
            column = column.fill_nan(None) if column.dtype.is_float() else column
            if column.dtype.is_float() and column.is_infinite().any():
                row = column.is_infinite().arg_true()[0]
                raise ValueError(
                    f"{what}: expected finite numbers, found {column[row]} in row {row + 1}; mend the cell"
                )
            return column.cast(pl.String) if column.name in self.as_categories else column
        if column.dtype not in (pl.String, pl.Boolean, pl.Categorical, pl.Enum, pl.Null):
            raise ValueError(
                f"{what}: expected numbers, texts, or true and false, found {column.dtype}; make numbers of it, or "
                f"leave it out: data.drop=[{column.name}]"
            )
        cells = column.cast(pl.String).str.strip_chars()
        cells = cells.set(cells == "", None)
        if column.name not in self.as_categories:
            refuse_unread_numbers(cells, what, self.decimal, self.missing_values)
        return cells


def _with_names_of_their_own(frame: pl.DataFrame) -> pl.DataFrame:
    """The columns by their names without padding.

    Raises:
        UnfitError: for two of the same name.
    """
    names = [name.strip() for name in frame.columns]
    plain = [found[1] if (found := DOUBLED.fullmatch(name)) and found[1] in names else name for name in names]
    doubled = next((name for name in plain if plain.count(name) > 1), None)
    if doubled is not None:
        found_there = f"{doubled} twice" if doubled else "several without"
        raise UnfitError(f"expected a name of its own for every column, found {found_there}", "name it otherwise")
    return frame.rename(dict(zip(frame.columns, names, strict=True)))


def _listed_values(values: Any) -> list[Any]:
    return list(values) if isinstance(values, Sequence) and not isinstance(values, str) else [values]


def _written(value: Any) -> list[str]:
    """How a file may write what was typed; [nan] and [null] without quotes are no texts."""
    if value is None or isinstance(value, bool) or value != value:
        name = "null" if value is None else str(value).lower()
        return [name, name.capitalize(), name.upper(), *(["NaN"] if name == "nan" else [])]
    return [str(value)]


def _is_value(column: pl.Series) -> bool:
    return column.dtype.is_numeric() or column.dtype == pl.Boolean


def _digits(value: Any) -> str:
    """The name of a class that is a number: all of its digits, none behind a whole one."""
    whole = float(value).is_integer() and abs(value) < FIRST_INEXACT
    return str(int(value)) if isinstance(value, np.integer) or whole else repr(float(value))


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:12])
    return f"{shown}, …" if len(names) > 12 else shown or "none"
