"""The settings of a run that tunes itself: fitted one by one, remembered on disk, the best of them tested."""

import shutil
import time
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.loggers import Logger

from litmus.sweeps.optimization import Point
from litmus.sweeps.search_report import shown
from litmus.trial.making import make
from litmus.trial.parts import Parts, build
from litmus.trial.place import SCRATCH
from litmus.trial.progress import time_left
from litmus.trial.run import outcome, test
from litmus.tuner.plan import Plan
from litmus.tuner.setting import configured, fitted
from litmus.tuner.tried import Tried, as_text, curve, read_tried, totals, winner, write_curve, write_tried
from litmus.words import count


class Tuner:
    """Fits settings and keeps the weights of the best; tried.csv on disk is what an interrupted run goes on from.

    Args:
        config: of the run, with its `tuner` node.
        directory: of the run.
        resume: takes up what the run has tried before it was interrupted.

    Raises:
        ValueError: for a tuner that cannot be, or a run that cannot be gone on with.

    Attributes:
        loggers: the run's own: the fits have none.
        tried: what came of each setting, in order.
    """

    def __init__(self, config: DictConfig, directory: Path, resume: bool = False) -> None:
        self.config, self.directory = config, directory
        self.loggers: list[Logger] = []
        self.tried: list[Tried] = []
        self._points: list[Point] = []
        self._final: Parts | None = None
        self._tested: dict[str, float] = {}
        self._start = time.monotonic()
        self.plan = Plan(config)
        if resume:
            self._go_on()
        self._before = len(self.tried)

    @property
    def best(self) -> int | None:
        """The place of the best setting so far; None while no fit gave a score."""
        return winner(self.tried, self.plan.monitor, self.plan.better)

    def begin(self, settings: dict[str, Any]) -> None:
        """Makes the loggers; `settings` are what these are told of the run."""
        loggers = (self.config.logger or {}).values()
        self.loggers += [make(logger) for logger in loggers]
        for logger in self.loggers:
            logger.log_hyperparams(settings)

    def _go_on(self) -> None:
        stored = self.directory / ".hydra" / "config.yaml"
        if self.config.resume is not None and (epochs := OmegaConf.load(stored).epochs) != self.config.epochs:
            raise ValueError(
                f"the settings of {self.directory} have {count(epochs, 'epoch')}, got epochs={self.config.epochs}; "
                "start a new run"
            )
        path = self.directory / "tried.csv"
        for line, one in enumerate(read_tried(path, list(self.plan.space.knobs)), start=2):
            point = self.plan.next()
            if point is None or as_text(point.values) != one.values:
                proposed = "no setting more" if point is None else as_text(point.values)
                raise ValueError(
                    f"{path} line {line}: expected {proposed}, found {dict(one.values)}; the file was changed, or "
                    "written with another version of Optuna: start a new run"
                )
            self._learn(point, one)

    def step(self) -> bool:
        """Fits the next setting; False when there is none."""
        point = self.plan.next()
        if point is None:
            return False
        place, values = self.directory / SCRATCH, self.plan.space.values(point.values)
        one = fitted(self.config, values, point.values, place, self.plan.monitor, self.plan.worst)
        self._learn(point, one)
        if self.best == len(self.tried) - 1:
            (self.directory / "checkpoints").mkdir(parents=True, exist_ok=True)
            (place / "checkpoints" / "best.ckpt").replace(self.directory / "checkpoints" / "best.ckpt")
        # After the weights: a run that is killed in between fits this setting again, to the same weights.
        monitor = self.plan.monitor
        write_tried(self.directory / "tried.csv", self.tried, list(self.plan.space.knobs), monitor)
        write_curve(self.directory / "metrics.csv", self.tried, monitor, self.plan.better)
        row = curve(self.tried, monitor, self.plan.better)[-1]
        for logger in self.loggers:
            logger.log_metrics(row, step=int(row["updates"]))
        return True

    def _learn(self, point: Point, one: Tried) -> None:
        self.plan.tell(point, one.metrics[self.plan.monitor])
        self._points.append(point)
        self.tried.append(one)

    def end(self) -> None:
        """Tests the best setting, with its best weights: the one time that test data are seen.

        Raises:
            FloatingPointError: if every fit diverged.
            ValueError: if none gave a score.
        """
        if self.best is None:
            kind = FloatingPointError if all(one.status == "diverged" for one in self.tried) else ValueError
            raise kind(
                f"none of the {count(len(self.tried), 'setting')} gave a {self.plan.monitor}: {self.tried[0].error}"
            )
        # Also where an interruption came between the last fit and the last row.
        write_curve(self.directory / "metrics.csv", self.tried, self.plan.monitor, self.plan.better)
        values = self.plan.space.values(self._points[self.best].values)
        self._final = build(configured(self.config, values, self.directory))
        if hasattr(self._final.data, "splits"):
            self._final.data.setup("test")
        self._tested = test(self._final)
        for logger in self.loggers:
            logger.log_metrics(self._tested, step=int(totals(self.tried)["updates"]))
        shutil.rmtree(self.directory / SCRATCH, ignore_errors=True)

    def reached(self) -> dict[str, Any]:
        """Metrics of the best setting, counters of all, facts: what result.json has of the run, as far as it got."""
        found = outcome(self._final, self._tested)
        if self.best is None:
            return found | {"counters": {**totals(self.tried), "settings": len(self.tried)}}
        one, values = self.tried[self.best], dict(self._points[self.best].values)
        return {
            **found,
            "metrics": {**one.metrics, **self._tested},
            "best_epoch": self.best,
            "counters": {"params": one.counters["params"], **totals(self.tried), "settings": len(self.tried)},
            "tuned": {"setting": self.best + 1, "values": values, "best_epoch": one.best_epoch},
        }

    def progress(self) -> str:
        """The last setting, how it did, and the time left."""
        one, done = self.tried[-1], len(self.tried)
        point, monitor = self._points[-1].values, self.plan.monitor
        words = [f"setting {done}/{self.plan.trials}", ", ".join(f"{knob} {shown(point[knob])}" for knob in point)]
        words.append(f"{monitor} {one.metrics[monitor]:.4f}" if one.status == "completed" else one.status)
        if self.best is not None:
            words.append(f"best {self.tried[self.best].metrics[monitor]:.4f}")
        here = done - self._before
        left = time_left(time.monotonic() - self._start, here, here + self.plan.trials - done)
        return " · ".join([*words, f"{left:.0f} s left"])
