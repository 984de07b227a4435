"""Social_Network_Ads.csv: age and estimated salary of 400 users of a shop, and whether they bought."""

import base64
import csv
import hashlib
import math
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from src.datamodules.arrays import ArrayDataModule, Source
from src.datamodules.files import ensure, read

FILE = "Social_Network_Ads.csv"
COLUMNS = ("User ID", "Gender", "Age", "EstimatedSalary", "Purchased")
MIRRORS = (
    "https://raw.githubusercontent.com/aviralwebdev12/ML/bdcfd05179fa2d3f33dbe336077b54353ff032cc/Social_Network_Ads.csv",
    "https://raw.githubusercontent.com/SatadruMukherjee/Dataset/32a733791c73a6308675ad8b9d3892e9773132aa/Social_Network_Ads.csv",
)
LABELS = {"0": "0", "1": "1", "not purchased": "0", "purchased": "1"}

# The pinned table as text; and to tell where another differs, two bytes of sha256 per row, four per column.
TABLE_SHA256 = "b2432367de9b6de697317a34adf4d788af54364bbd8a0edb3b2a040a05a6ce36"
COLUMN_CHECKS = ("5e668afb", "a45dcd3e", "76088d13", "057b2585", "7a2cdaa6")
ROW_CHECKS = base64.b64decode(
    "3QJOGUE+90Npu/YD35ctwiHpM1jngqQnePbBWCkrp7fszpsHWQ3vl63ByqD/nMHB9h489ANkJu8H2VJoiLSNey1PZnG28l0XOj8S"
    "8bQvjjLOuL1U0ew4J99LNwmJ6mZbuMKk+6Lh271jK4xigg8ThPo/83sIrgnDK3CfTfc8Z9iI2UV3Bu94AO61BUjTL+KZGd0/VITQ"
    "6LEgpbA0bTjsEBCa6tz0f8WTZZHhp6jJZCH9inlb3tLsE7yZcS0GI0iOkva0UaM46NHbfM0rY+eFVMcI/BZ7pQ8Vbs/saCYkCgIc"
    "UeLMWwwB7nbDcKr36VUufC4Ox+LKENA19OWJM5934epMBqRAmkSErxS7QiKlbmypATTKjgIO4ctS8zhFLVNNIFQYsuZPxMupGQmq"
    "mk7VxuRS/Cs6+wuhY3yVtBovWwh+uiJd/eHPOqEOR6nJGKNvZwcJYWoC2ehUjIW+wTLQWvBEGgVOBRr+wGvnycqFTheRpHWQL2Pq"
    "cV9z3YpVWksWUZr2eqPMonN6tJZNAc8vEQ1Hjhg15OVCINDY65jDiitddBdRxMCcx1LtjYW6XzZs6MY/eSkRAT3EPEayhbB0vp4P"
    "lTKPToNxzkydjUC3y3nNwzEX6U7+t3FcFsH/mPqa57cMxMgen5nd0ayJFqG3O0ywgwpoxcuzTZEb+05yes2OY8iXykv8cfr8ceNi"
    "T2zt7nn2uAWzHx5YUAb29Wgb2Vep8xpV7DPuPHMkqajflAks6+sGk4Cq+0jrN5nbI291OwOUINx3gklKWnx2SipZwMvCjm02m7dD"
    "G2bdw5k3zk2SKK8c2YK4hDr9R6/R399j8VjCHQqf05lPzxGBr08tBsaI8Zb0+4aNeHrTDoN9+vmBbuK0N4yEaewg0rQjTngH586/"
    "OJjmOiJwFRyWYmhKZniQGWKVS02YMaYuxV/vZdGBdd1C/wLKurFOBWQDhx5fSVqwe9tckQ/SNJqw5i+54DSu0X8V+XFPS2avD/cq"
    "Rgi587wvS4D99nY0ohM7Y0Qll2Z90EZb2OardG6eWPMIL+Av6i0+iNXJQr/VTZmf4C0="
)


class Bounds(NamedTuple):
    """What an age and a salary can be, both ends included."""

    age: tuple[int, int]
    salary: tuple[int, int]


PINNED_BOUNDS = Bounds(age=(18, 60), salary=(15_000, 150_000))
ANY_BOUNDS = Bounds(age=(1, 120), salary=(1, 10**9))


class SocialNetworkAds(ArrayDataModule):
    """Age and salary (2,), standardised by the train rows' mean and deviation.

    Args:
        split: "stratified" draws validation and test by `seed`; "tail" is the notes' own: the last fifth of
            the rows, in file order, is the validation set, none is the test set, the scaler sees all rows.
        verify: whether the table must be the pinned 400 rows; without it, any table of the same columns.
        mirrors: addresses of the file; None is the public ones. Without `verify` nothing is fetched.
        timeout: seconds without a byte after which a mirror is given up.
        common: the arguments of `ArrayDataModule`.
    """

    name = "social_network_ads"
    input_shape = (2,)
    classes = 2

    def __init__(
        self,
        *,
        split: Literal["stratified", "tail"] = "stratified",
        verify: bool = True,
        mirrors: list[str] | None = None,
        timeout: float = 30.0,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        if split not in ("stratified", "tail"):
            raise ValueError(f"data.split must be stratified or tail, got {split}")
        if split == "tail" and common.get("val_fraction", 0.2) != 0.2:
            raise ValueError(f"data.split=tail validates on the last fifth, got val_fraction={self.val_fraction}")
        if split == "tail" and self.folds is not None:
            raise ValueError(f"data.split=tail is one split and has no folds, got data.folds={self.folds}")
        self.tail = split == "tail"
        self.verify = verify
        self.mirrors = list(MIRRORS if mirrors is None else mirrors)
        self.timeout = timeout

    def load(self) -> Source:
        target = self.data_dir / FILE
        path = ensure(target, pinned_rows, mirrors=self.mirrors if self.verify else (), timeout=self.timeout)
        rows = read(path, pinned_rows if self.verify else any_rows, target)
        return Source(
            x=torch.tensor([[float(row[2]), float(row[3])] for row in rows]),
            y=torch.tensor([int(row[4]) for row in rows]),
            test=None,
            sha256=_sha256(_text(rows)),
        )

    def split(self, source: Source) -> dict[str, Tensor]:
        """Stratified by the seed, or the notes' own: train on the first four fifths, validate on the rest."""
        if not self.tail:
            return super().split(source)
        rows = torch.arange(len(source.y))
        last = len(rows) * 4 // 5  # as Keras cuts validation_split=0.2
        return {"train": rows[:last], "val": rows[last:]}

    def scale(self, x: Tensor, rows: dict[str, Tensor]) -> Tensor:
        """Each column less its mean, over its population deviation, both of the train rows only."""
        seen = (x if self.tail else x[rows["train"]]).double()
        std = seen.std(dim=0, correction=0)
        std[std == 0] = 1.0
        return ((x.double() - seen.mean(dim=0)) / std).float()

    def notes(self) -> dict[str, Any]:
        return {
            "split": "tail: the last fifth, in file order" if self.tail else "stratified",
            "scaler": "fitted on all rows (leaks)" if self.tail else "fitted on the train rows",
            "verified": self.verify,
        }


def any_rows(content: bytes) -> list[list[str]]:
    """The rows of a table of these columns, normalised: no padding, labels 0 and 1, whole numbers as such.

    Raises:
        ValueError: names the first row and column that cannot be right: "…: expected …, found …".
    """
    return [cells for _, cells in _rows(content, ANY_BOUNDS)]


def pinned_rows(content: bytes) -> list[list[str]]:
    """The rows as in `any_rows`, where they are the pinned 400 and nothing else.

    Raises:
        ValueError: names the first row, and the column, that differs.
    """
    numbered = _rows(content, PINNED_BOUNDS)
    rows = [cells for _, cells in numbered]
    if _sha256(_text(rows)) != TABLE_SHA256:
        raise ValueError(f"{_difference(numbered)} (data.verify=false trains on a table of your own)")
    return rows


def _text(rows: list[list[str]]) -> str:
    return "".join(",".join(row) + "\n" for row in [list(COLUMNS), *rows])


def _rows(content: bytes, bounds: Bounds) -> list[tuple[int, list[str]]]:
    """Each row's line in the file and its normalised cells."""
    lines = [(number, line) for number, line in enumerate(_lines(content), 1) if line.strip()]
    if not lines:
        raise ValueError(f"expected the columns {', '.join(COLUMNS)}, found an empty file")
    header = _cells(lines[0][1])
    if [_squeezed(cell) for cell in header] != [_squeezed(column) for column in COLUMNS]:
        raise ValueError(f"expected the columns {', '.join(COLUMNS)}, found {', '.join(header)}")
    if len(lines) == 1:
        raise ValueError("expected rows below the columns' names, found none")
    rows: list[tuple[int, list[str]]] = []
    first_place: dict[tuple[str, ...], str] = {}
    for line, text in lines[1:]:
        place = _place(len(rows), line)
        cells = _normalised(_cells(text), place, bounds)
        if tuple(cells) in first_place:
            raise ValueError(f"{place}: expected each row once, found {first_place[tuple(cells)]} doubled")
        first_place[tuple(cells)] = place
        rows.append((line, cells))
    return rows


def _lines(content: bytes) -> list[str]:
    try:
        return content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"expected text in UTF-8, found byte {content[error.start]:#04x} at {error.start}") from error


def _cells(line: str) -> list[str]:
    # a line at a time, so that a stray quote cannot swallow the lines after it
    return [" ".join(cell.split()) for cell in next(csv.reader([line], skipinitialspace=True))]


def _squeezed(column: str) -> str:
    return column.replace(" ", "").casefold()


def _place(index: int, line: int) -> str:
    return f"row {index + 1} (line {line})"


def _normalised(cells: list[str], place: str, bounds: Bounds) -> list[str]:
    if len(cells) != len(COLUMNS):
        raise ValueError(f"{place}: expected {len(COLUMNS)} cells, {COLUMNS[0]} to {COLUMNS[-1]}, found {len(cells)}")
    for column, cell in zip(COLUMNS, cells, strict=True):
        if not cell:
            raise ValueError(f"{place}, column {column}: expected a value, found a blank cell")
    user, gender, age, salary, label = cells
    if label.casefold() not in LABELS:
        raise ValueError(f"{place}, column Purchased: expected 0, 1, Purchased or Not Purchased, found {label}")
    return [
        user,
        gender,
        _number(age, f"{place}, column Age: expected an age", bounds.age),
        _number(salary, f"{place}, column EstimatedSalary: expected a salary", bounds.salary),
        LABELS[label.casefold()],
    ]


def _number(cell: str, expected: str, bounds: tuple[int, int]) -> str:
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    low, high = bounds
    if not low <= value <= high:
        raise ValueError(f"{expected} from {low:,} to {high:,}, found {cell}")
    return str(int(value)) if value.is_integer() else cell


def _difference(numbered: list[tuple[int, list[str]]]) -> str:
    """Where a table that is not the pinned one first differs from it, by the checks of rows and columns."""
    wanted = [ROW_CHECKS[start : start + 2] for start in range(0, len(ROW_CHECKS), 2)]
    found = [hashlib.sha256(",".join(cells).encode()).digest()[:2] for _, cells in numbered]
    counts = f"expected the {len(wanted)} pinned rows, found {len(found)}"
    first = next((row for row, pair in enumerate(zip(wanted, found, strict=False)) if pair[0] != pair[1]), None)
    if first is None:
        first = min(len(wanted), len(found))
    if len(found) < len(wanted):
        line = numbered[first][0] if first < len(found) else numbered[-1][0] + 1
        return f"{_place(first, line)}: {counts}, the first that is missing belongs here"
    first = min(first, len(found) - 1)
    place = _place(first, numbered[first][0])
    if len(found) > len(wanted):
        return f"{place}: {counts}, the first that is too many is here"
    columns = [
        column
        for place_in_row, (column, check) in enumerate(zip(COLUMNS, COLUMN_CHECKS, strict=True))
        if _sha256("\n".join(cells[place_in_row] for _, cells in numbered))[:8] != check
    ]
    cells = ",".join(numbered[first][1])
    return f"{place}, column {', '.join(columns)}: expected the pinned value, found {cells}"


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
