"""A board: the event files of all runs of a study, a sweep or a single run, made from what they left."""

import math
import os
import secrets
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from litmus.claims.notation import text
from litmus.events.experiment import experiment
from litmus.events.file import write_events
from litmus.events.hyperparameters import Scalar, hyperparameters, setting
from litmus.events.session import Session
from litmus.records.directories import Place, find
from litmus.records.reading import read
from litmus.records.record import Record

FOLDER = "board"


@dataclass(frozen=True)
class Board:
    """Where a board was written, how many runs it shows, and those that were left out, each with its reason."""

    folder: Path
    runs: int
    skipped: Mapping[Path, str]


def write_board(directory: Path) -> Board:
    """Writes DIR/board, in place of an earlier one; damaged runs are left out.

    Raises:
        FileNotFoundError: when there is no such directory, or no run in it.
        ValueError: when all of its runs are damaged.
    """
    records = {place: read(place) for place in find([directory])}
    skipped = {place.path: reason for place, record in records.items() if (reason := damage(record))}
    sessions = alike([session_of(place, record) for place, record in records.items() if place.path not in skipped])
    if not sessions:
        place, reason = next(iter(skipped.items()))
        raise ValueError(f"{directory}: expected a readable run, found {len(skipped)} damaged: {place}: {reason}")
    folder = directory / FOLDER
    part = folder.with_name(f".{FOLDER}.{os.getpid()}-{secrets.token_hex(4)}.part")
    try:
        columns = [experiment(sessions)]
        for session in sessions:
            name = run_name(session.record.directory, directory)
            write_events(part / name, [*columns, *session.curves(), *session.row()])
            columns = []
        put(part, folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return Board(folder, len(sessions), skipped)


def damage(record: Record) -> str:
    """Why a run cannot be shown, or nothing."""
    if record.status == "damaged":
        return record.error
    for column in ("updates", "seconds"):
        if record.history and not all(math.isfinite(value) for value in record.history.get(column, [math.nan])):
            return f"metrics.csv: expected {column} in every row, found rows without"
    return ""


def session_of(place: Place, record: Record) -> Session:
    """The run's row, ended when its newest file was written: the same however often a board is made."""
    files = [path for name in ("result.json", "metrics.csv") if (path := record.directory / name).is_file()]
    ended = max((path.stat().st_mtime for path in files), default=record.directory.stat().st_mtime)
    told: dict[str, Scalar] = {"arm": place.arm, "part": place.part} if place.arm else {}
    return Session(record, told | hyperparameters(record), ended)


def alike(sessions: Sequence[Session]) -> list[Session]:
    """The sessions with each hyperparameter wherever its run knows it, and of one type in all of them."""
    names = dict.fromkeys(name for session in sessions for name in session.hyperparameters)
    rows: list[dict[str, Scalar]] = [{} for _ in sessions]
    for name in names:
        values = [session.hyperparameters.get(name, setting(session.record, name)) for session in sessions]
        mixed = len({type(value) for value in values if value is not None}) > 1
        for row, value in zip(rows, values, strict=True):
            if value is not None:
                row[name] = text(value) if mixed else value
    return [replace(session, hyperparameters=row) for session, row in zip(sessions, rows, strict=True)]


def run_name(place: Path, directory: Path) -> str:
    """What TensorBoard calls a run: ARM/seed=0, tuning/ARM/trial=0, a job's folder."""
    parts = place.relative_to(directory).parts
    shown = parts[1:] if parts[:1] == ("trials",) else parts
    return "/".join(shown) or directory.resolve().name


def put(part: Path, folder: Path) -> None:
    """Makes `part` the folder; an earlier one is moved aside in one step and then removed."""
    aside = part.with_suffix(".old")
    with suppress(FileNotFoundError):
        folder.rename(aside)
    part.rename(folder)
    shutil.rmtree(aside, ignore_errors=True)
