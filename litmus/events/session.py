"""One run as TensorBoard's events: the hyperparameters it began with, its curves by updates, its result."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams import api_pb2, metadata
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo, SessionStartInfo

from litmus.events.hyperparameters import Scalar
from litmus.records.record import Record

# The table shows a tag's last value: the result has tags of its own, since the best epoch is not the last.
RESULT = "result/"
STEP = "updates"
STATUSES = {
    "completed": api_pb2.STATUS_SUCCESS,
    "unfinished": api_pb2.STATUS_RUNNING,
    "failed": api_pb2.STATUS_FAILURE,
    "diverged": api_pb2.STATUS_FAILURE,
}


@dataclass(frozen=True)
class Session:
    """A row of the HParams table: a run with its hyperparameters; `ended` is in seconds since 1970."""

    record: Record
    hyperparameters: Mapping[str, Scalar]
    ended: float

    @property
    def metrics(self) -> dict[str, float]:
        """The metrics and counters of its result that are numbers."""
        return {name: value for name, value in self.record.summary.items() if math.isfinite(value)}

    @property
    def seconds(self) -> float:
        """How long it has fitted."""
        curve = self.record.history.get("seconds")
        return self.metrics.get("seconds", 0.0 if curve is None else float(curve[-1]))

    @property
    def began(self) -> float:
        """When its fit would have begun, had nothing interrupted it."""
        return self.ended - self.seconds

    def row(self) -> Iterator[Event]:
        """What the HParams table shows of it."""
        begin = SessionStartInfo(start_time_secs=self.began)
        for name, value in self.hyperparameters.items():
            kind = "bool" if isinstance(value, bool) else "string" if isinstance(value, str) else "number"
            setattr(begin.hparams[name], f"{kind}_value", value)
        yield event_of(metadata.SESSION_START_INFO_TAG, HParamsPluginData(session_start_info=begin), self.began)
        result = {f"{RESULT}{name}": value for name, value in self.metrics.items()}
        yield scalars(result, int(self.metrics.get(STEP, 0)), self.ended)
        status = STATUSES.get(self.record.status, api_pb2.STATUS_UNKNOWN)
        end = SessionEndInfo(status=status, end_time_secs=self.ended)
        yield event_of(metadata.SESSION_END_INFO_TAG, HParamsPluginData(session_end_info=end), self.ended)

    def curves(self) -> Iterator[Event]:
        """Every row of its metrics.csv at its number of updates; `seconds` is what TensorBoard calls relative time."""
        history = self.record.history
        names = [name for name in history if name != STEP]
        for place in range(len(history.get(STEP, ()))):
            row = {name: float(history[name][place]) for name in names}
            yield scalars(row, int(history[STEP][place]), self.began + row.get("seconds", 0.0))


def scalars(values: Mapping[str, float], step: int, wall_time: float) -> Event:
    """One event with all of these values that are finite."""
    known = {name: value for name, value in values.items() if math.isfinite(value)}
    shown = [Summary.Value(tag=name, simple_value=value) for name, value in known.items()]
    return Event(step=step, wall_time=wall_time, summary=Summary(value=shown))


def event_of(tag: str, content: HParamsPluginData, wall_time: float) -> Event:
    """What the HParams plugin reads under one of its tags."""
    value = Summary.Value(tag=tag, metadata=metadata.create_summary_metadata(content), tensor=metadata.NULL_TENSOR)
    return Event(wall_time=wall_time, summary=Summary(value=[value]))
