"""One optimization with Optuna, in a journal on disk: asks for points, learns from trials, goes on where it was cut."""

import itertools
import logging
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, GPSampler, QMCSampler, RandomSampler, TPESampler
from optuna.storages import BaseStorage, InMemoryStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

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
    """The storage in a file that several processes may append to."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _silence_optuna()
    return JournalStorage(JournalFileBackend(str(path)))


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
        self.grid = list(grid_of(space, total) if grid is None else grid) if sampler == "grid" else []
        self.total = min(total, len(self.grid)) if self.grid else total
        # The same seed after a resume would propose the same points again; a sequence goes on by itself.
        self.study.sampler = _sampler(sampler, seed, len(self.study.trials))
        self._asked: set[int] = set()

    def ask(self, most: int) -> list[Point]:
        """At most so many points to try next: first those that a killed process left, then new ones."""
        left = [
            Point(trial.number, trial.params)
            for trial in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
            if trial.number not in self._asked and trial.params.keys() == self.space.keys()
        ][:most]
        new = min(most - len(left), self.total - self.tried)
        points = [*left, *(self._new() for _ in range(max(0, new)))]
        self._asked |= {point.number for point in points}
        return points

    @property
    def tried(self) -> int:
        """Trials that were ever asked for, those aside that were killed before they had their values."""
        trials = self.study.get_trials(deepcopy=False)
        return sum(trial.state.is_finished() or trial.params.keys() == self.space.keys() for trial in trials)

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
        if self.grid:
            self._enqueue_untried()
        trial = self.study.ask(self.space)
        return Point(trial.number, trial.params)

    def _enqueue_untried(self) -> None:
        # Optuna's own grid sampler ends with an error where trials are asked for and told one by one.
        trials = self.study.get_trials(deepcopy=False)
        tried = [trial.params for trial in trials]
        untried = next((point for point in self.grid if point not in tried), None)
        if untried is not None and not any(trial.state == TrialState.WAITING for trial in trials):
            self.study.enqueue_trial(untried)


def grid_of(
    space: Mapping[str, BaseDistribution], total: int, counts: Mapping[str, int] | None = None, spread: str = "ends"
) -> list[dict[str, Any]]:
    """Every combination of the levels that `total` trials allow; see `levels`."""
    listed = levels(space, total, counts, spread)
    return [dict(zip(listed, values, strict=True)) for values in itertools.product(*listed.values())]


def _sampler(name: str, seed: int, tried: int) -> BaseSampler:
    if name == "tpe":
        return TPESampler(seed=seed + tried, constant_liar=True)
    if name == "gp":
        return GPSampler(seed=seed + tried, deterministic_objective=False)
    if name == "qmc":
        return QMCSampler(seed=seed, scramble=True)
    return RandomSampler(seed=seed + tried)
