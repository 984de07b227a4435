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
from litmus.training.file_data_module import FileDataModule, sha256_of, targets_of
from litmus.training.source import standardised
from litmus.training.unfit import refuse_foreign

# Whole numbers with at most so many different values are classes where nothing was said, with more real values.
MOST_WHOLE_CLASSES = 20
# Texts with more different values in a column are names or sentences, of which a table learns nothing.
MOST_CATEGORIES = 100
# As the reader renames a name that it has seen already.
DOUBLED = re.compile(r".*_duplicated_\d+")
ENDINGS = (".csv", ".tsv", ".txt", ".parquet", ".pq")


class Table(FileDataModule):
    """Numbers standardised, texts and true or false as one column of 0 and 1 for each category.

    Args:
        target: the column that is asked for, or several.
        features: the columns to learn from; null is all others.
        drop: columns to leave out.
        missing: refuse, or impute: the train rows' median for numbers, a category of its own for texts.
        missing_values: what stands for a missing value, beside an empty cell.
        delimiter, decimal: of a CSV, between its cells and before decimals.
        common: the arguments of `FileDataModule`.
    """

    def __init__(
        self,
        *,
        target: str | Sequence[str] | None = None,
        features: Sequence[str] | None = None,
        drop: Sequence[str] = (),
        missing: Literal["refuse", "impute"] = "refuse",
        missing_values: Sequence[str] = (),
        delimiter: str = ",",
        decimal: Literal[".", ","] = ".",
        **common: Any,
    ) -> None:
        super().__init__(**common)
        if not target:
            raise ValueError("data.target must name the column that is asked for, got none; type data.target=COLUMN")
        if missing not in ("refuse", "impute"):
            raise ValueError(f"data.missing must be refuse or impute, got {missing}")
        self.asked = [target] if isinstance(target, str) else list(target)
        self.features = None if features is None else list(features)
        self.drop = list(drop)
        self.impute = missing == "impute"
        self.missing_values = list(missing_values)
        self.delimiter, self.decimal = delimiter, decimal
        self.categories: dict[str, int] = {}

    def load(self) -> Source:
        path = self.found()
        frame = self._read(path)
        for name in (*self.asked, *(self.features or ()), *self.drop):
            if name not in frame.columns:
                near = difflib.get_close_matches(name, frame.columns, 1)
                hint = f"did you mean {near[0]}?" if near else "data.target, data.features and data.drop name columns"
                raise ValueError(f"{path}: expected a column {name}, found {_listed(frame.columns)}; {hint}")
        names = self.features or [name for name in frame.columns if name not in (*self.asked, *self.drop)]
        doubled = next((name for name in frame.columns if DOUBLED.fullmatch(name)), None)
        if doubled is not None or "" in names:
            found = f"{doubled.rpartition('_duplicated_')[0]} twice" if doubled else "one without, as of a saved index"
            remedy = "name it otherwise" if doubled else "data.drop=[''] leaves it out"
            raise ValueError(f"{path}: expected a name of its own for every column, found {found}; {remedy}")
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
            if path.suffix.lower() in (".parquet", ".pq"):
                frame = pl.read_parquet(path)
            else:
                with path.open("rb") as file:
                    begins = file.read(1 << 20)
                refuse_foreign(begins, "a table of cells")
                if b"\0" in begins:
                    raise ValueError("expected text in UTF-8, found a binary file or UTF-16")
                delimiter = "\t" if path.suffix.lower() == ".tsv" else self.delimiter
                # All rows decide what a column is: the first ones do not speak for the others.
                missing = ["", *self.missing_values]
                how: dict[str, Any] = {"separator": delimiter, "decimal_comma": self.decimal == ","}
                frame = pl.read_csv(path, **how, infer_schema_length=None, null_values=missing)
                frame = frame.with_columns(self._numbers(column) for column in frame if column.dtype == pl.String)
        except (pl.exceptions.PolarsError, ValueError, OSError) as problem:
            said, remedy = " ".join(str(problem).split())[:160], getattr(problem, "remedy", "")
            remedy = remedy or ("save it as CSV in UTF-8" if "utf" in said.lower() else "mend the file")
            told = (
                said if said.startswith("expected") else f"expected a table, found a file that cannot be read ({said})"
            )
            raise ValueError(f"{path}: {told}; {remedy}") from None
        if frame.height == 0:
            raise ValueError(f"{path}: expected rows below the columns' names, found none")
        return frame.rename({name: name.strip() for name in frame.columns if name != name.strip()})

    def _numbers(self, column: pl.Series) -> pl.Series:
        """A CSV's column of texts, as numbers if padding alone has made texts of them."""
        cells = column.str.strip_chars()
        if (cells == column).all():
            return column
        cells = cells.set(cells.is_in(["", *self.missing_values]), None)
        cells = cells.str.replace(",", ".", literal=True) if self.decimal == "," else cells
        for kind in (pl.Int64, pl.Float64):
            numbers = cells.cast(kind, strict=False)
            if numbers.count() and numbers.count() == cells.count():
                return numbers
        return column

    def _feature(self, column: pl.Series, what: str) -> np.ndarray:
        """(rows, 1) float64 of numbers, NaN where one is missing; (rows, categories) bool of anything else."""
        column = _plain(column, what)
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
        texts = column.fill_null("missing").to_numpy().astype(str)
        categories = np.unique(texts)
        if len(categories) > MOST_CATEGORIES:
            raise ValueError(
                f"{what}: expected at most {MOST_CATEGORIES} categories, found {len(categories)} such as "
                f"{categories[0]}; make numbers of it, or leave it out: data.drop=[{column.name}]"
            )
        return texts[:, None] == categories

    def _target(self, columns: list[pl.Series], path: Path) -> tuple[Tensor, Target | None]:
        plain = [_plain(column, f"{path}, target {column.name}") for column in columns]
        for column in plain:
            if column.null_count():
                first = column.is_null().arg_true()[0]
                raise ValueError(
                    f"{path}, target {column.name}: expected a target in every row, found none in row {first + 1} and "
                    f"{column.null_count() - 1} others; take these rows out of the table"
                )
        what = f"{path}, target {_listed(self.asked)}"
        if len(plain) > 1:
            text = next((one for one in columns if not (one.dtype.is_numeric() or one.dtype == pl.Boolean)), None)
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
            return targets_of(places, "classes", what, [f"{name:g}" for name in classes])
        y, target = targets_of(values.astype(np.float64), "real" if self.kind == "auto" else self.kind, what)
        return y, target or Target("real", 1, (column.name,))


def _plain(column: pl.Series, what: str) -> pl.Series:
    """Numbers, or texts without padding; a missing one is null.

    Raises:
        ValueError: for other kinds of values, infinite ones, and for texts among numbers.
    """
    if column.dtype.is_numeric():
        column = column.cast(pl.Float64) if column.dtype.is_decimal() else column
        column = column.fill_nan(None) if column.dtype.is_float() else column
        if column.dtype.is_float() and column.is_infinite().any():
            row = column.is_infinite().arg_true()[0]
            raise ValueError(f"{what}: expected finite numbers, found {column[row]} in row {row + 1}; mend the cell")
        return column
    if column.dtype not in (pl.String, pl.Boolean, pl.Categorical, pl.Enum, pl.Null):
        raise ValueError(
            f"{what}: expected numbers, texts, or true and false, found {column.dtype}; make numbers of it, or leave "
            f"it out: data.drop=[{column.name}]"
        )
    column = column.cast(pl.String).str.strip_chars()
    column = column.set(column == "", None)
    numeric = column.cast(pl.Float64, strict=False)
    texts = (column.is_not_null() & numeric.is_null()).arg_true()
    if 0 < len(texts) < numeric.count():
        raise ValueError(
            f"{what}: expected numbers as in {numeric.count()} rows, found {column[texts[0]]} in row {texts[0] + 1}; "
            f"mend the cell, or say that it stands for a missing value: data.missing_values=['{column[texts[0]]}']"
        )
    return column


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:12])
    return f"{shown}, …" if len(names) > 12 else shown or "none"
