"""One optimization with Optuna, in a journal on disk: asks for points, learns from trials, goes on where it was cut."""

import itertools
import json
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, GPSampler, QMCSampler, RandomSampler, TPESampler
from optuna.storages import BaseStorage, InMemoryStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock
from optuna.trial import FrozenTrial, TrialState

from src.seeds import derived_seed
from src.sweeps.outcome import Outcome
from src.sweeps.space import levels

SAMPLERS = ("tpe", "random", "qmc", "grid", "gp")
# These propose the better the more they have learned; the others' points are known beforehand.
LEARNING = ("tpe", "gp")


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
        _mend(path)
    return JournalStorage(JournalFileBackend(str(path)))


def _mend(path: Path) -> None:
    lock = JournalFileSymlinkLock(str(path))
    lock.acquire()
    try:
        content = path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        for number, line in enumerate(whole.splitlines(), start=1):
            try:
                json.loads(line)
            except ValueError:
                raise ValueError(
                    f"{path} line {number}: expected an entry of Optuna's journal, found {line[:60]!r}; put a "
                    "good copy there, or delete it: the same command then proposes its points anew and keeps the runs it finds"
                ) from None
        if whole != content:
            with path.open("rb+") as file:
                file.truncate(len(whole))
            print(f"{path} ended in half a line, which was dropped: what it told is asked for again", flush=True)
    finally:
        lock.release()


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
        grid: the points of the sampler `grid` in their order, if not those of `grid_of`.
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
        grid: Sequence[dict[str, Any]] | None = None,
    ) -> None:
        self.space, self.sampler = dict(space), sampler
        self.study = optuna.create_study(storage=storage, study_name=name, direction=direction, load_if_exists=True)
        if metric is not None and self.study.metric_names != [metric]:
            self.study.set_metric_names([metric])
        self._seed = seed
        self.grid = list(grid_of(space, total) if grid is None else grid) if sampler == "grid" else []
        self.total = min(total, len(self.grid)) if self.grid else total
        self._listed = self.grid if sampler == "grid" else sequence_of(space, seed) if sampler == "qmc" else None
        self._drawn: list[dict[str, Any]] = []
        self._asked: set[int] = set()
        self._close_half_asked()

    def ask(self, most: int) -> list[Point]:
        """At most so many new points to try next, and before them those that a killed process left.

        Where a sampler learns, what it knew when it was asked decides what it proposes: points are asked for in rounds
        of `most`, and one that was cut is gone on with before the next, so that an interrupted search is the whole one.
        """
        begun = self._begun()
        left = [trial for trial in begun if trial.state == TrialState.RUNNING and trial.number not in self._asked]
        new = min(self._room(begun, left, most), self.total - len(begun))
        points = [Point(trial.number, trial.params) for trial in left]
        points += [self._new(len(begun) + place) for place in range(max(0, new))]
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
    def tried(self) -> int:
        """Trials that were ever asked for, those aside that were killed before they had their values."""
        return len(self._begun())

    def _begun(self) -> list[FrozenTrial]:
        trials = self.study.get_trials(deepcopy=False)
        return [trial for trial in trials if trial.params.keys() == self.space.keys()]

    def _close_half_asked(self) -> None:
        # A sampler would take them for trials that run.
        for trial in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            if trial.params.keys() != self.space.keys():
                self.study.tell(trial.number, state=TrialState.FAIL)

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

    def _new(self, place: int) -> Point:
        """The point at this place of the whole search, whichever process asks for it."""
        if self._listed is not None:
            # Optuna's own grid sampler ends with an error where trials are asked for and told one by one.
            waiting = self.study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
            if not waiting:  # else a killed process has put it there
                self.study.enqueue_trial(self._point(place))
        self.study.sampler = _sampler(self.sampler, derived_seed("ask", self._seed, place) % 2**32)
        trial = self.study.ask(self.space)
        return Point(trial.number, trial.params)

    def _point(self, place: int) -> dict[str, Any]:
        if isinstance(self._listed, list):
            return dict(self._listed[place])
        while len(self._drawn) <= place:
            self._drawn.append(next(self._listed))  # type: ignore[arg-type]
        return self._drawn[place]


def sequence_of(space: Mapping[str, BaseDistribution], seed: int) -> Iterator[dict[str, Any]]:
    """The endless low-discrepancy sequence over a space, always from its beginning: a function of the seed alone."""
    study = optuna.create_study(storage=memory(), sampler=QMCSampler(seed=seed, scramble=True))
    while True:
        yield study.ask(dict(space)).params


def grid_of(
    space: Mapping[str, BaseDistribution], total: int, counts: Mapping[str, int] | None = None, spread: str = "ends"
) -> list[dict[str, Any]]:
    """Every combination of the levels that `total` trials allow; see `levels`."""
    listed = levels(space, total, counts, spread)
    return [dict(zip(listed, values, strict=True)) for values in itertools.product(*listed.values())]


def _sampler(name: str, seed: int) -> BaseSampler:
    if name == "tpe":
        return TPESampler(seed=seed, constant_liar=True)
    if name == "gp":
        return GPSampler(seed=seed, deterministic_objective=False)
    return RandomSampler(seed=seed)
