"""What loggers are told of an epoch, once: what a module logs, Lightning hands on, and the run's own row has again."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytorch_lightning.loggers import Logger

UNITS = ("epoch", "updates", "samples", "seconds")
Row = tuple[Mapping[str, float], int | None]


def is_row(metrics: Mapping[str, float]) -> bool:
    """Whether it is an epoch's row in the run's own history, and not what Lightning hands on of a module's logging."""
    return metrics.keys() >= set(UNITS)


class EpochRows:
    """Keeps what a module logged at a step until the next step, or an epoch's row, which takes the names that it has.

    The means of an epoch's training come after its row, and are left out if it has them. A curve by steps stays one;
    what is measured once an epoch is one point, by the row's updates and samples. The epoch that Lightning adds to each
    is left out: it would stand for one that has ended.
    """

    def __init__(self) -> None:
        self._kept: list[Row] = []
        self._last: Mapping[str, float] = {}

    def due(self, metrics: Mapping[str, float], step: int | None) -> Iterator[Row]:
        """What is to be logged now that this is told."""
        whole, kept = is_row(metrics), self._kept
        if whole or any(at != step for _, at in kept):
            self._kept = []
            for row, at in kept:
                left = {name: value for name, value in row.items() if not (whole and name in metrics)}
                if left:
                    yield left, at
        if whole:
            self._last = metrics
            yield metrics, step
        else:
            known = self._last if self._last.get("epoch") == metrics.get("epoch") else ("epoch",)
            if new := {name: value for name, value in metrics.items() if name not in known}:
                self._kept.append((new, step))

    def left(self) -> Iterator[Row]:
        """What was told last and no row came for."""
        kept, self._kept = self._kept, []
        yield from kept


def told_once(logger: "Logger") -> "Logger":
    """Anybody's logger, which is told of each epoch once as those here are."""
    if isinstance(getattr(logger, "_rows", None), EpochRows):
        return logger
    rows = EpochRows()
    # No functions of here: whoever pickles a trainer pickles its loggers.
    vars(logger).update(log_metrics=partial(_log, logger, rows), finalize=partial(_finalize, logger, rows))
    return logger


def _log(logger: "Logger", rows: EpochRows, metrics: Mapping[str, float], step: int | None = None) -> None:
    for row, at in rows.due(metrics, step):
        type(logger).log_metrics(logger, dict(row), step=at)


def _finalize(logger: "Logger", rows: EpochRows, status: str) -> None:
    for row, at in rows.left():
        type(logger).log_metrics(logger, dict(row), step=at)
    type(logger).finalize(logger, status)
