"""An event file, whole or not there."""

from collections.abc import Iterable
from itertools import chain
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.summary.writer.record_writer import RecordWriter

from litmus.atomic import replacing

# TensorBoard reads any file with this in its name, in the order of names: after those named by their time.
NAME = "events.out.tfevents.result"


def write_events(folder: Path, events: Iterable[Event]) -> None:
    """Writes the events as the folder's result file, in place of an earlier one."""
    with replacing(folder / NAME) as part, part.open("wb") as file:
        writer = RecordWriter(file)
        for event in chain([Event(file_version="brain.Event:2")], events):
            writer.write(event.SerializeToString())
