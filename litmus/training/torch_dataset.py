"""A torch Dataset of your own, read once: then it is data like any other here."""

from typing import Any

import numpy as np

from litmus.training.array_data_module import Source
from litmus.training.file_data_module import FileDataModule, floats, targets_of
from litmus.training.foreign_data import generators, set_generators

# How many of the items are read once more: what draws from a generator of its own changes some of them.
READ_TWICE = 20


class TorchDataset(FileDataModule):
    """The items (input, target) of a map-style Dataset, stacked.

    Args:
        dataset: the Dataset; what it draws at random would be drawn once for all epochs, so it is refused.
        common: the arguments of `FileDataModule`, but `path`.
    """

    def __init__(self, *, dataset: Any = None, **common: Any) -> None:
        if not hasattr(dataset, "__getitem__") or not hasattr(dataset, "__len__"):
            raise ValueError(
                f"data.dataset must be a Dataset with a length, got {type(dataset).__name__}; type "
                "data.dataset._target_=package.Class +data.dataset.ARGUMENT=…"
            )
        super().__init__(path=type(dataset).__name__, **common)
        self.dataset = dataset

    def load(self) -> Source:
        before = generators()
        try:
            items = [self._item(place) for place in range(len(self.dataset))]
            drawn = not all(map(_same, before, generators()))
            # What seeds itself by the item may draw: all are read again, in another order and another state.
            again = reversed(range(len(items))) if drawn else range(0, len(items), max(1, len(items) // READ_TWICE))
            changed = next((place for place in again if not all(map(_same, items[place], self._item(place)))), None)
        finally:
            set_generators(*before)
        if changed is not None:
            raise ValueError(
                f"{self.name}: expected the same item whenever it is asked for, found item {changed} changed; take its "
                "random transforms out and put them into data.augment"
            )
        shapes = sorted({x.shape for x, _ in items})
        if len(shapes) != 1:
            raise ValueError(f"{self.name}: expected items of one shape, found {shapes[:2] or 'no item'}; resize them")
        x, values = (np.stack(column) for column in zip(*items, strict=True))
        y, target = targets_of(values, self.kind, f"{self.name}, targets")
        return Source(floats(x, f"{self.name}, inputs"), y, None, "", target)

    def _item(self, place: int) -> tuple[np.ndarray, np.ndarray]:
        item = self.dataset[place]
        if not isinstance(item, tuple | list) or len(item) != 2:
            raise ValueError(f"{self.name}: expected items (input, target), found {type(item).__name__}")
        return np.asarray(item[0]), np.asarray(item[1])


def _same(one: Any, other: Any) -> bool:
    """Whether two arrays, or two states of a generator, are the same, NaN as well."""
    if isinstance(one, tuple):
        return all(map(_same, one, other))
    return np.array_equal(one, other) or (isinstance(one, np.ndarray) and one.tobytes() == other.tobytes())
