"""How far a run's treatment had come where the run was judged: its training loss, its scheduled knobs, that epoch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from litmus.claims.measure import judged_epoch
from litmus.claims.quantity import Quantity
from litmus.claims.reductions import Curve, History

# Knobs that differ by less, as a share of them, are one number.
ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class Course:
    """`train` is the training loss by epoch, `knobs` learning rates and batch size, `judged` a quantity's epoch."""

    train: Curve
    knobs: Mapping[str, Curve]
    judged: Mapping[str, int]

    def same_until(self, other: Course, epoch: int) -> bool:
        """Whether the training losses are equal to the bit up to and with an epoch."""
        own, others = self.train[: epoch + 1], other.train[: epoch + 1]
        return len(own) > epoch and np.array_equal(own, others, equal_nan=True)

    def apart(self, other: Course) -> int | None:
        """The first epoch with another training loss; None where all that both have are equal."""
        shared = min(len(self.train), len(other.train))
        own, others = self.train[:shared], other.train[:shared]
        differing = np.flatnonzero((own != others) & ~(np.isnan(own) & np.isnan(others)))
        return int(differing[0]) if len(differing) else None

    @property
    def moves(self) -> Curve:
        """How much the knobs change from each epoch to the next, in logarithms, all of them added up."""
        return self._moves(self.knobs)

    def _moves(self, knobs: Mapping[str, Curve]) -> Curve:
        steps = np.zeros(max(0, len(self.train) - 1))
        for knob in knobs.values():
            known = np.log(np.where(knob > 0, knob, np.nan))  # a rate of 0 is no multiple of any other
            change = np.nan_to_num(np.abs(np.diff(known)))
            steps += np.where(change > ROUNDING, change, 0.0)
        return steps

    @property
    def first_move(self) -> int | None:
        """The first epoch that begins with another learning rate or batch size than the one before; None for never."""
        moving = np.flatnonzero(self.moves)
        return int(moving[0]) + 1 if len(moving) else None

    def share(self, quantity: str, other: Course | None = None) -> float | None:
        """The share of the run's whole change of knobs that had happened where a quantity is judged; None without.

        Beside another run it is that of the difference of their knobs: what both do alike, as a warm-up, is no change.
        None as well where only the other run makes the difference.
        """
        moves = self.moves if other is None else self._moves(self._against(other))
        if other is not None and not (moves * self.moves[: len(moves)]).any():
            return None
        total = float(moves.sum())
        return float(moves[: self.judged[quantity]].sum()) / total if total > 0 else None

    def _against(self, other: Course) -> dict[str, Curve]:
        """The knobs as multiples of another run's, which keeps its last values where it is shorter."""
        found = {}
        for name, knob in self.knobs.items():
            if name in other.knobs:
                theirs = np.pad(other.knobs[name], (0, max(0, len(knob) - len(other.knobs[name]))), mode="edge")
                with np.errstate(divide="ignore", invalid="ignore"):
                    found[name] = knob / theirs[: len(knob)]
            else:
                found[name] = knob
        return found


def course_of(history: History, quantities: Iterable[Quantity], tested: int | None = None) -> Course | None:
    """The course of a run with a training loss by epoch, which tested the weights of one; None for other runs."""
    train = history.get("train/loss")
    if train is None or not len(train):
        return None
    knobs = {
        name: np.asarray(curve, dtype=float)
        for name, curve in history.items()
        if name.partition("/")[0] in ("lr", "batch_size") and len(curve) == len(train)
    }
    found = ((quantity.name, judged_epoch(quantity, history, tested)) for quantity in quantities)
    judged = {name: epoch for name, epoch in found if epoch is not None and epoch < len(train)}
    return Course(np.asarray(train, dtype=float), knobs, judged)
