"""Social_Network_Ads.csv: age and estimated salary of 400 users of a shop, and whether they bought."""

import base64
import hashlib
from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor

from litmus.files import ensure, read, read_one
from litmus.training.array_data_module import ArrayDataModule, Source
from litmus.training.text_table import place, shortened
from litmus.training.unfit import UnfitError
from src.datamodules.purchases import COLUMNS, Bounds, Purchases, read_purchases

FILE = "Social_Network_Ads.csv"
INPUTS = ("Age", "EstimatedSalary")
MIRRORS = (
    "https://raw.githubusercontent.com/aviralwebdev12/ML/bdcfd05179fa2d3f33dbe336077b54353ff032cc/Social_Network_Ads.csv",
    "https://raw.githubusercontent.com/SatadruMukherjee/Dataset/32a733791c73a6308675ad8b9d3892e9773132aa/Social_Network_Ads.csv",
)

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


PINNED_BOUNDS = Bounds(age=(18, 60), salary=(15_000, 150_000))
ANY_BOUNDS = Bounds(age=(1, 120), salary=(1, 10**9))


class SocialNetworkAds(ArrayDataModule):
    """Age and salary (2,), standardised by the train rows' mean and deviation.

    Args:
        split: "stratified" draws validation and test by `seed`; "tail" is the notes' own: the last fifth of
            the rows, in file order, is the validation set, none is the test set, the scaler sees all rows.
        verify: whether the table must be the pinned 400 rows; without it, any table with the columns Age,
            EstimatedSalary and Purchased, in any order and beside others.
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
        self.told: Mapping[str, Any] = {}

    def load(self) -> Source:
        target = self.data_dir / FILE
        if self.verify:
            paths = ensure(target, pinned_table, mirrors=self.mirrors, timeout=self.timeout)
            table = read(paths, pinned_table, f"put a good copy at {target}")
        else:
            paths = ensure(target, own_table, remedy=f"put your table at {target}")
            table = read_one(paths, own_table, "mend the table")
        self.told = table.told
        return Source(
            x=torch.tensor([[float(cell) for cell in pair] for pair in zip(*map(table.column, INPUTS), strict=True)]),
            y=torch.tensor([int(cell) for cell in table.column("Purchased")]),
            test=None,
            sha256=_sha256(table.text),
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

    def without_effect(self, knob: str) -> str:
        """The notes' own split has no test set."""
        return (
            "data.split=tail tests no rows" if knob == "test_fraction" and self.tail else super().without_effect(knob)
        )

    def notes(self) -> dict[str, Any]:
        return {
            "split": "tail: the last fifth, in file order" if self.tail else "stratified",
            "scaler": self._scaling or ("fitted on all rows (leaks)" if self.tail else "fitted on the train rows"),
            "verified": self.verify,
            "read": dict(self.told),
        }


def own_table(content: bytes) -> Purchases:
    """A table of one's own.

    Raises:
        UnfitError: names the first row and column that cannot be right: "…: expected …, found …".
    """
    return read_purchases(content, ANY_BOUNDS)


def pinned_table(content: bytes) -> Purchases:
    """The pinned 400 rows and nothing else.

    Raises:
        UnfitError: names the first row, and the column, that differs.
    """
    try:
        table = read_purchases(content, PINNED_BOUNDS, COLUMNS)
        if _sha256(table.text) != TABLE_SHA256:
            raise UnfitError(_difference(list(zip(table.lines, table.rows, strict=True))))
    except UnfitError as problem:
        if problem.remedy or not _readable(content):
            raise
        raise UnfitError(
            str(problem), "put the pinned table there, or type data.verify=false to train on this one"
        ) from None
    return table


def _readable(content: bytes) -> bool:
    try:
        own_table(content)
    except UnfitError:
        return False
    return True


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
        return f"{place(first, line)}: {counts}, the first that is missing belongs here"
    first = min(first, len(found) - 1)
    here = place(first, numbered[first][0])
    if len(found) > len(wanted):
        return f"{here}: {counts}, the first that is too many is here"
    columns = [
        column
        for index, (column, check) in enumerate(zip(COLUMNS, COLUMN_CHECKS, strict=True))
        if _sha256("\n".join(cells[index] for _, cells in numbered))[:8] != check
    ]
    cells = shortened(",".join(numbered[first][1]), 200)
    return f"{here}, column {', '.join(columns)}: expected the pinned value, found {cells}"


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
