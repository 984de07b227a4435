"""One optimization with Optuna, in a journal on disk: asks for points, learns from trials, goes on where it was cut."""

import itertools
import json
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, GPSampler, QMCSampler, RandomSampler, TPESampler
from optuna.storages import BaseStorage, InMemoryStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock
from optuna.trial import FrozenTrial, TrialState, create_trial

from litmus.seeds import derived_seed
from litmus.sweeps.once import Outcome
from litmus.sweeps.space import levels

SAMPLERS = ("tpe", "random", "qmc", "grid", "gp")
# These propose the better the more they have learned; the others' points are known beforehand.
LEARNING = ("tpe", "gp")
LISTED = ("qmc", "grid")


@dataclass(frozen=True)
class Point:
    """One trial of an optimization: its number and the values it tries."""

    number: int
    values: Mapping[str, Any]


def journal(path: Path) -> JournalStorage:
    """The storage in a file that several processes may append to.

    Raises:
        ValueError: for a line that cannot be read; half a line at the end is what a power loss leaves, and goes.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _silence_optuna()
    if path.is_file():
        with _locked(path):
            _mend(path)
    return JournalStorage(JournalFileBackend(str(path)))


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    lock = JournalFileSymlinkLock(str(path))  # as Optuna's writers take it
    lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _mend(path: Path) -> None:
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    for number, line in enumerate(whole.splitlines(), start=1):
        if not _is_entry(line):
            raise ValueError(
                f"{path} line {number}: expected an entry of Optuna's journal, found {line[:50]!r}; put a good copy "
                "there, or delete it: the same command then proposes the same points again and keeps the runs it finds"
            )
    if whole != content:
        with path.open("rb+") as file:
            file.truncate(len(whole))
        print(f"{path} ended in half a line, which was dropped: what it told is found out again", flush=True)


def _is_entry(line: bytes) -> bool:
    try:
        entry = json.loads(line)
    except ValueError:
        return False
    return isinstance(entry, dict) and {"op_code", "worker_id"} <= entry.keys()


def memory() -> InMemoryStorage:
    """The storage of an optimization that one process runs and remembers by other means."""
    _silence_optuna()
    return InMemoryStorage()


def _silence_optuna() -> None:
    optuna.logging.set_verbosity(logging.WARNING)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)


class Optimization:
    """Up to `total` trials over `space`, earlier ones of the same name in the storage included.

    Args:
        storage: see `journal` and `memory`.
        name: of the optimization in the storage.
        space: knob → distribution.
        sampler: one of SAMPLERS.
        seed: of the sampler.
        total: trials, all starts together.
        direction: minimize or maximize.
        metric: what is optimized, as optuna-dashboard labels it.
    """

    def __init__(
        self,
        storage: BaseStorage,
        name: str,
        space: Mapping[str, BaseDistribution],
        *,
        sampler: str,
        seed: int,
        total: int,
        direction: Literal["minimize", "maximize"] = "minimize",
        metric: str | None = None,
    ) -> None:
        self.space, self.sampler = dict(space), sampler
        self.study = optuna.create_study(storage=storage, study_name=name, direction=direction, load_if_exists=True)
        if metric is not None and self.study.metric_names != [metric]:
            self.study.set_metric_names([metric])
        self._seed = seed
        self.grid = grid_of(space, total) if sampler == "grid" else []
        self.total = min(total, len(self.grid)) if self.grid else total
        self._sequence = sequence_of(space, seed)
        self._drawn: list[dict[str, Any]] = []
        self._asked: set[int] = set()

    def ask(self, most: int) -> list[Point]:
        """At most so many new points to try next, and before them those of the total that a killed process left.

        Where a sampler learns, what it knew when it was asked decides what it proposes: points are asked for in rounds
        of `most`, and one that was cut is gone on with before the next, so that an interrupted search is the whole one.
        """
        begun = self.trials
        left = [
            trial
            for trial in begun[: self.total]
            if trial.state == TrialState.RUNNING and trial.number not in self._asked
        ]
        new = min(self._room(begun, left, most), self.total - len(begun))
        points = [Point(trial.number, trial.params) for trial in left]
        points += [self._new() for _ in range(max(0, new))]
        self._asked |= {point.number for point in points}
        return points

    def _room(self, begun: list[FrozenTrial], left: list[FrozenTrial], most: int) -> int:
        if not left or self.sampler not in LEARNING:
            return most - len(left)
        cut = begun[(len(begun) - 1) // most * most :]
        if not any(trial in left for trial in cut):
            return most
        # Once one of a round has ended the whole of it had been asked for.
        return 0 if any(trial.state.is_finished() for trial in cut) else most - len(cut)

    @property
    def trials(self) -> list[FrozenTrial]:
        """Every trial that was asked for, in order.

        Trials without their values are none: Optuna's own `ask` leaves them behind where it is killed.
        """
        trials = self.study.get_trials(deepcopy=False)
        return [trial for trial in trials if trial.params.keys() == self.space.keys()]

    def tell(self, point: Point, outcome: Outcome, score: float | None) -> None:
        """Learns what became of a point; a trial without a score has failed."""
        if outcome.state == "pruned":
            self.study.tell(point.number, state=TrialState.PRUNED)
        elif outcome.state == "completed" and score is not None:
            self.study.tell(point.number, score)
        else:
            self.study.tell(point.number, state=TrialState.FAIL)

    @property
    def finished(self) -> list[optuna.trial.FrozenTrial]:
        """Trials with a score, best first."""
        trials = self.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        sign = 1 if self.study.direction == optuna.study.StudyDirection.MINIMIZE else -1
        return sorted(trials, key=lambda trial: sign * float(trial.value or 0.0))

    def _new(self) -> Point:
        """The next point of the whole search, whichever process asks for it."""
        known = self.trials
        values = self._listed(known) if self.sampler in LISTED else self._proposed(known)
        # One entry of the journal, where Optuna's own `ask` writes one for the trial and one for each of its values:
        # a process may be killed between any two.
        self.study.add_trial(create_trial(state=TrialState.RUNNING, params=values, distributions=self.space))
        return Point(self.study.get_trials(deepcopy=False)[-1].number, values)

    def _listed(self, known: Sequence[FrozenTrial]) -> dict[str, Any]:
        """The next point of those that are known beforehand."""
        if self.sampler == "grid":
            tried = [trial.params for trial in known]
            return next(point for point in self.grid if point not in tried)
        while len(self._drawn) <= len(known):
            self._drawn.append(next(self._sequence))
        return self._drawn[len(known)]

    def _proposed(self, known: Sequence[FrozenTrial]) -> dict[str, Any]:
        """What a sampler that knows these trials, and nothing of what was proposed before, tries next."""
        sampler = _sampler(self.sampler, derived_seed("ask", self._seed, len(known)) % 2**32)
        study = optuna.create_study(storage=memory(), sampler=sampler, direction=self.study.direction)
        study.add_trials(known)
        return study.ask(self.space).params


def sequence_of(space: Mapping[str, BaseDistribution], seed: int) -> Iterator[dict[str, Any]]:
    """The endless low-discrepancy sequence over a space, always from its beginning: a function of the seed alone."""
    study = optuna.create_study(storage=memory(), sampler=QMCSampler(seed=seed, scramble=True))
    while True:
        yield study.ask(dict(space)).params


def grid_of(space: Mapping[str, BaseDistribution], total: int) -> list[dict[str, Any]]:
    """Every combination of the levels that `total` trials allow; see `levels`."""
    listed = levels(space, total)
    return [dict(zip(listed, values, strict=True)) for values in itertools.product(*listed.values())]


def _sampler(name: str, seed: int) -> BaseSampler:
    if name == "tpe":
        return TPESampler(seed=seed, constant_liar=True)
    if name == "gp":
        return GPSampler(seed=seed, deterministic_objective=False)
    return RandomSampler(seed=seed)
