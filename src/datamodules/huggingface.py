"""A data set of Hugging Face's `datasets`, saved on disk by `save_to_disk`."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from litmus.training.array_data_module import Source
from litmus.training.file_data_module import FileDataModule, floats, listed, numbers, targets_of


class HuggingFace(FileDataModule):
    """Columns of numbers, lists of numbers or images as inputs, one column or several as the target.

    Of several splits `test` is the official test set; the rows of all others are one set, split by the seed.

    Args:
        target: the target's column, or several.
        inputs: the inputs' columns; null is all others. One may be images or lists of one length, several are numbers.
        common: the arguments of `FileDataModule`.
    """

    def __init__(
        self, *, target: str | Sequence[str] = "label", inputs: str | Sequence[str] | None = None, **common: Any
    ) -> None:
        super().__init__(**common)
        self.asked = listed(target)
        self.inputs = None if inputs is None else listed(inputs)
        if both := [name for name in self.inputs or () if name in self.asked]:
            raise ValueError(
                f"data.inputs and data.target: expected a column in one of them, found {both[0]} in both; leave it out "
                "of data.inputs"
            )

    def load(self) -> Source:
        try:
            import datasets
        except ImportError:
            raise ValueError("data=huggingface needs the package datasets, found none; pip install datasets") from None
        path = self.found()
        try:
            stored = datasets.load_from_disk(str(path))
        except Exception as problem:
            said = " ".join(str(problem).split())[:100]
            raise ValueError(f"{path}: expected a data set that save_to_disk wrote, found none ({said})") from None
        parts = dict(stored) if isinstance(stored, datasets.DatasetDict) else {"all": stored}
        rows = [part for name, part in parts.items() if name != "test"] + [parts[n] for n in parts if n == "test"]
        whole = datasets.concatenate_datasets(rows)
        names = self.inputs or [name for name in whole.column_names if name not in self.asked]
        missing = next((name for name in [*self.asked, *names] if name not in whole.column_names), None)
        if missing is not None or not names:
            raise ValueError(
                f"{path}: expected the column {missing or 'of inputs'}, found {', '.join(whole.column_names)}; "
                "data.target and data.inputs name columns"
            )
        columns = [_column(whole, name, str(path)) for name in names]
        if len(columns) > 1 and any(column.ndim > 1 for column in columns):
            raise ValueError(
                f"{path}: expected numbers in each of {', '.join(names)}, or one column; data.inputs chooses"
            )
        x = columns[0] if columns[0].ndim > 1 else np.stack(columns, 1)
        feature = whole.features[self.asked[0]]
        labels = feature.names if len(self.asked) == 1 and isinstance(feature, datasets.ClassLabel) else ()
        values = [np.asarray(whole.with_format(None)[name][:]) for name in self.asked]
        y, target = targets_of(
            values[0] if len(values) == 1 else np.stack(values, 1), self.kind, f"{path}, target", labels
        )
        test = None
        if "test" in parts and len(parts) > 1:
            test = torch.arange(len(whole)) >= len(whole) - len(parts["test"])
        return Source(floats(x, f"{path}, inputs"), y, test, "", target)


def _column(whole: Any, name: str, path: str) -> np.ndarray:
    """One input's values: (rows,), (rows, numbers) or, of images, (rows, channels, height, width) from 0 to 1."""
    import datasets

    image = isinstance(whole.features[name], datasets.Image)
    values = [np.asarray(value) for value in whole.with_format(None)[name][:]]
    shapes = sorted({value.shape for value in values})
    if len(shapes) > 1:
        raise ValueError(
            f"{path}, {name}: expected one shape in all rows, found {shapes[0]} and {shapes[1]}; resize them"
        )
    stacked = numbers(np.stack(values), f"{path}, {name}")
    if not image:
        return stacked
    stacked = stacked[..., None] if stacked.ndim == 3 else stacked
    return stacked.transpose(0, 3, 1, 2) / np.float32(255)
