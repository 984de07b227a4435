"""A data set as it came, and the sentences that refuse one which nothing can be learned from."""

import hashlib
from typing import Any, NamedTuple

import torch
from torch import Tensor

from litmus.contract import Target
from litmus.training.mapped import MappedRows, refuse_not_finite_rows

MOST_NAMED = 5
# In double precision all rows at once would take thrice the memory of the data.
ROWS_AT_ONCE = 4096
# Real targets that rounding to float32 moves by more of their deviation stay as they are until they are standardised.
ROUNDED_AWAY = 1e-4


class Source(NamedTuple):
    """A data set as it came: inputs (rows, *input_shape), or on disk, and targets, both on the CPU.

    Targets are (rows,) whole numbers 0 to n-1 for n classes, (rows,) or (rows, values) float for real values, (rows,
    labels) whole numbers 0 and 1 for several labels. `test` marks the rows of an official test set, None where there is
    none; `sha256` is the files' fingerprint, empty is that of inputs and targets themselves; `target` says what the
    targets mean, None is as their type tells.
    """

    x: Tensor | MappedRows
    y: Tensor
    test: Tensor | None = None
    sha256: str = ""
    target: Target | None = None


def checked(found: Any, whose: str, declared: Target | None = None) -> Source:
    """The source with float32 or float64 inputs, a target and a fingerprint.

    Args:
        found: what `load` has returned.
        whose: the name of the class that loads it.
        declared: what that class itself says of its targets: then not every class need have rows.

    Raises:
        ValueError: for anything that training could not, or should not, begin with.
    """
    if not isinstance(found, Source):
        raise ValueError(
            f"{whose}.load() must return a Source, got {type(found).__name__}; write "
            "`return Source(x=x, y=y)` (from litmus.training.array_data_module import Source)"
        )
    for name, tensor in (("x", found.x), ("y", found.y)):
        if isinstance(tensor, MappedRows) and name == "x":
            continue
        if not isinstance(tensor, Tensor) or tensor.is_complex():
            kind = tensor.dtype if isinstance(tensor, Tensor) else type(tensor).__name__
            raise ValueError(f"{whose}: {name} must be a tensor of numbers, got {kind}; torch.from_numpy makes one")
    x, y = found.x, found.y
    if x.dim() < 2 or y.dim() < 1 or len(x) != len(y) or len(x) == 0:
        raise ValueError(
            f"{whose}: expected x (rows, values…) and y with as many rows, got {tuple(x.shape)} and {tuple(y.shape)}"
        )
    if found.test is not None and (found.test.dtype != torch.bool or found.test.shape != (len(x),)):
        raise ValueError(f"{whose}: test must be true or false for each of the {len(x)} rows, or None")
    if isinstance(x, MappedRows):
        refuse_not_finite_rows(x, f"{whose}: x")
    else:
        x = x if x.dtype == torch.float64 else x.float()
        refuse_not_finite(x, f"{whose}: x")
    y, target = with_target(y, found.target or declared, whose, every_class=declared is None)
    sha256 = found.sha256 or fingerprint(*(one for one in (found.x, found.y) if isinstance(one, Tensor)))
    return Source(x, y, found.test, sha256, target)


def with_target(y: Tensor, target: Target | None, whose: str, every_class: bool = True) -> tuple[Tensor, Target]:
    """The targets in the type that their kind has, and what they mean: as it was said, else as their type tells.

    Raises:
        ValueError: where they are not what was said, or nothing can be learned of them.
    """
    y = y.squeeze(1) if y.dim() == 2 and y.shape[1] == 1 else y
    kind = target.kind if target else "real" if y.is_floating_point() else "classes" if y.dim() == 1 else "labels"
    if target is None and (columns := what_columns_are(y)):
        raise ValueError(f"{whose}: {columns}; y.argmax(1) are classes, target=Target(kind, number) says it otherwise")
    if kind == "classes":
        return _classes(y, target, whose, every_class)
    refuse_not_finite(y, f"{whose}: y")
    number = y.shape[1] if y.dim() == 2 else 1
    if y.dim() > 2 or (target and target.number != number):
        expected = f"(rows, {target.number})" if target else "(rows,) or (rows, values)"
        raise ValueError(f"{whose}: expected targets {expected}, got {tuple(y.shape)}")
    if kind == "labels" and not bool(((y == 0) | (y == 1)).all()):
        raise ValueError(f"{whose}: several labels of a row are 0 or 1 each, found {_some(y[(y != 0) & (y != 1)])}")
    if bool((y == y[0]).all()):
        raise ValueError(f"{whose}: expected targets that differ, found the same in all {len(y)} rows: {_some(y[0])}")
    return narrowed(y) if kind == "real" else y.float(), target or Target(kind, number)


def narrowed(y: Tensor) -> Tensor:
    """Real targets in float32, or in float64 where rounding moves one by more than a share of their deviation.

    All others are rounded before they are standardised: no net sees the difference, and runs keep their bits.
    """
    rounded = y.float()
    if y.dtype in (torch.float16, torch.bfloat16, torch.float32):
        return rounded
    exact = y.double()
    moved, deviation = (rounded.double() - exact).abs().amax(0), exact.std(0, correction=0)
    return exact if bool(((moved > ROUNDED_AWAY * deviation) & (deviation > 0)).any()) else rounded


def learnable(y: Tensor, whose: str) -> Tensor:
    """Real targets in float32, as a loss takes them.

    Raises:
        ValueError: where few of their different values are left of it.
    """
    for value in y.reshape(len(y), -1).T if y.dtype == torch.float64 else ():
        there, left = len(value.unique()), len(value.float().unique())
        if 2 * left < there:
            raise ValueError(
                f"{whose}: expected targets that differ in single precision, found {there} values of which {left} are "
                f"left, such as {value[0].item()}; standardise them, or subtract what they have in common"
            )
    return y.float()


def _classes(y: Tensor, target: Target | None, whose: str, every_class: bool) -> tuple[Tensor, Target]:
    if y.dim() != 1 or y.is_floating_point():
        raise ValueError(
            f"{whose}: classes are whole numbers (rows,), got {tuple(y.shape)} of {y.dtype}; y.long() makes them, and "
            "y.argmax(1) of one column for each class"
        )
    y = y.long()
    present, counts = y.unique(return_counts=True)
    number = target.number if target else len(present)
    remedy = "number them from 0 on without a gap: `y = y.unique(return_inverse=True)[1]`"
    refuse_other_classes(y, Target("classes", max(number, 2)), whose, remedy)
    if not every_class:
        return y, target or Target("classes", number)
    if len(present) < 2:
        raise ValueError(f"{whose}: expected two classes or more, found one alone in all {len(y)} rows: {_some(y[:1])}")
    names = target.names if target and target.names else tuple(map(str, range(number)))
    if len(present) < number:
        absent = next(k for k in range(number) if k not in present)
        raise ValueError(f"{whose}: expected rows of each of the {number} classes, found none of {names[absent]}")
    if int(counts.min()) < 2:
        rare = names[int(present[counts.argmin()])]
        raise ValueError(
            f"{whose}: expected two rows or more of every class, found one of {rare}, which cannot be both learned and "
            "tested; leave it out or join it with another class"
        )
    return y, target or Target("classes", number)


def refuse_other_classes(y: Tensor, target: Target, whose: str, remedy: str = "say how many there are") -> None:
    """Refuses classes that a target does not have.

    Raises:
        ValueError: with those that are there.
    """
    if len(y) and (int(y.min()) < 0 or int(y.max()) >= target.number):
        raise ValueError(
            f"{whose}: expected {target.number} classes 0 to {target.number - 1}, found {_some(y.unique())}; {remedy}"
        )


def what_columns_are(y: Tensor) -> str:
    """The question that targets (rows, columns) with a single 1 in every row ask; empty for others."""
    if y.dim() != 2 or y.shape[1] < 2 or not bool(((y == 0) | (y == 1)).all() and (y.sum(1) == 1).all()):
        return ""
    return f"expected what their {y.shape[1]} columns are, classes, labels or values, found a single 1 in every row"


def refuse_not_finite(values: Tensor, what: str) -> None:
    """Refuses NaN and infinite values, naming the first row that has one."""
    # A sum tells in one pass and without a copy; finite values may yet sum to more than there is.
    if not values.is_floating_point() or bool(values.sum().isfinite()):
        return
    rows = (~values.isfinite()).flatten(1).any(1) if values.dim() > 1 else ~values.isfinite()
    if bool(rows.any()):
        row = int(rows.nonzero()[0])
        found = values[row][~values[row].isfinite()].flatten()[0].item()
        raise ValueError(
            f"{what}: expected finite numbers, found {found} in row {row} (counted from 0) and "
            f"{int(rows.sum()) - 1} others; leave these rows out or put values in"
        )


def strata(y: Tensor, target: Target | None) -> Tensor:
    """(rows,) groups whose shares every split keeps: classes, combinations of labels; real values are one group."""
    if target is None or target.kind == "classes":
        return y
    return torch.zeros(len(y), dtype=torch.int64) if target.kind == "real" else y.unique(dim=0, return_inverse=True)[1]


def standardised(values: Tensor, train: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Values (rows, …) less the train rows' mean over their population deviation; both, shaped as one row.

    There is a mean for each of a row's values, or, where a row has several dimensions, for each of its first: the
    channels of an image. What does not vary is only shifted.
    """
    seen = values[train].double()
    over = [0, *range(2, values.dim())]
    mean, deviation = seen.mean(dim=over, keepdim=True), seen.std(dim=over, correction=0, keepdim=True)
    deviation[deviation == 0] = 1.0
    return ((values.double() - mean) / deviation).float(), mean[0], deviation[0]


def standardised_each(values: Tensor) -> Tensor:
    """Values (rows, …) less each row's own mean over its own deviation, where a row has channels in each of these.

    What TensorFlow calls per-image standardization, and an InstanceNorm before the first layer: brightness and contrast
    are gone. What does not vary is only shifted.
    """
    over = list(range(2, values.dim())) or [1]

    def each(wide: Tensor) -> Tensor:
        mean, deviation = wide.mean(dim=over, keepdim=True), wide.std(dim=over, correction=0, keepdim=True)
        return ((wide - mean) / deviation.masked_fill(deviation == 0, 1.0)).float()

    return torch.cat([each(part.double()) for part in values.split(ROWS_AT_ONCE)])


def fingerprint(*tensors: Tensor) -> str:
    """The sha256 of shapes, types and values."""
    found = hashlib.sha256()
    for tensor in tensors:
        found.update(repr((tuple(tensor.shape), str(tensor.dtype))).encode())
        found.update(tensor.contiguous().numpy().tobytes())
    return found.hexdigest()


def _some(values: Tensor) -> str:
    told = values.flatten()[:MOST_NAMED].tolist()
    shown = ", ".join(str(value) if isinstance(value, int) else f"{value:g}" for value in told)
    return shown + (", …" if values.numel() > MOST_NAMED else "")
