"""Lightning's W&B logger, for runs that never ask, and that comparisons can be drawn of."""

import math
import os
import secrets
from argparse import Namespace
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pytorch_lightning.loggers as loggers
from pytorch_lightning.loggers.logger import rank_zero_experiment
from pytorch_lightning.utilities import rank_zero_only

from litmus.atomic import write_json
from litmus.claims.factors import is_place, told_by
from litmus.legible import legible, legible_values, read_object
from litmus.paths import typed_path
from litmus.trial.arguments import AGENT
from litmus.trial.epoch_rows import UNITS, EpochRows, Row, is_row
from litmus.trial.history import read_history
from litmus.trial.offline import IDENTITY, has_key

# What a curve can be drawn over; every row of a run's history has all four.
PLACE = ("id", "project", "entity")
AT_WANDB = (*PLACE, "group", "name", "job_type", "tags")


class WandbLogger(loggers.WandbLogger):
    """A trial as one W&B run, online where a key is configured and else offline, however often the trial goes on.

    Its history has one row per epoch. Its configuration is flat, with what tells arms apart first. Its summary ends as
    the trial's result. `wandb sync` uploads an offline run.

    Args:
        directory: of the trial; the run's files go into wandb/ there.
        project: at W&B; empty is litmus, as an empty variable of the environment is none.
        entity: the user or team that owns the project; None is the user's own.
        group: the study or sweep that the trial belongs to.
        study: the study's name.
        arm: None is what `factors` say.
        factors: knob → value, of what tells arms apart.
        seed: of the trial.
        name: None is arm and seed.
        job_type: `tune` or `trial`.
        tags: empty ones are left out.
        resume: given where a run goes on by a command that does not name it again: it stays who it was.
    """

    def __init__(
        self,
        directory: str,
        project: str | None = "litmus",
        entity: str | None = None,
        group: str | None = None,
        study: str | None = None,
        arm: str | None = None,
        factors: Mapping[str, Any] | None = None,
        seed: int | None = None,
        name: str | None = None,
        job_type: str = "trial",
        tags: Sequence[str | None] = (),
        resume: str | None = None,
    ) -> None:
        if job_type not in ("tune", "trial"):
            raise ValueError(f"logger.wandb.job_type must be tune or trial, got {job_type!r}")
        self.directory = typed_path(directory)
        arm = arm or told_by(factors)
        name = name or (f"{arm} seed {seed}" if arm else self.directory.name)
        kept = self._kept()
        self.identity: dict[str, Any] = legible_values(
            {
                **{
                    "id": secrets.token_hex(4),
                    "project": project or "litmus",
                    "entity": entity or None,
                    "group": group and cut(group),
                },
                **{"study": study, "arm": arm, "seed": seed, "name": cut(name), "job_type": job_type},
                **{"tags": [cut(tag, 64) for tag in tags if tag], "factors": dict(factors or {})},
                **(kept if resume else {key: kept[key] for key in ("id", "replaces") if key in kept}),
            }
        )
        self.mode: Any = os.environ.get("WANDB_MODE") or ("online" if has_key() else "offline")
        if self.mode == "offline":
            os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
            os.environ.setdefault("WANDB_SILENT", "true")
        super().__init__(
            self.identity["name"], str(self.directory), project=self.identity["project"], id=self.identity["id"]
        )
        # A run that the server already has goes on there; offline, the whole of it is written again.
        self._resume: Any = "allow" if kept and self.mode == "online" else None
        self._last_epoch = -1.0
        self._caught_up = False
        self._rows = EpochRows()

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        """The run, begun when it is first asked for."""
        if self._experiment is None:
            # Imported where used: what only makes the logger need not wait for it.
            import wandb

            self.directory.mkdir(parents=True, exist_ok=True)
            if self.mode != "disabled":
                write_json(self.directory / IDENTITY, self.identity)
            # Under an agent of a sweep W&B says which run this is, and where.
            own = AT_WANDB if AGENT not in os.environ else tuple(key for key in AT_WANDB if key not in PLACE)
            run = wandb.init(
                **{key: self.identity[key] for key in own},
                dir=str(self.directory),
                mode=self.mode,
                resume=self._resume,
            )
            found = {key: getattr(run, key, None) or self.identity[key] for key in PLACE}
            if self.mode != "disabled" and any(self.identity[key] != found[key] for key in PLACE):
                self.identity |= found
                write_json(self.directory / IDENTITY, self.identity)
            for unit in UNITS:
                run.define_metric(unit)
            run.define_metric("*", step_metric="updates")
            self._last_epoch = run.summary.get("epoch", -1.0)
            self._experiment = run
        return self._experiment

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace) -> None:
        """Settings as `model/units`, since W&B reads a dot as a level; those of this run's place are left out."""
        given = vars(params) if isinstance(params, Namespace) else params
        settings = {
            key.replace(".", "/"): value for key, value in given.items() if not is_place(key) and key != "threads"
        }
        factors = {config_key(knob): value for knob, value in self.identity["factors"].items()}
        first = {"arm": self.identity["arm"], "study": self.identity["study"], "seed": self.identity["seed"], **factors}
        known = {key: settings.get(key, value) for key, value in first.items()}
        super().log_hyperparams({key: value for key, value in known.items() if value is not None} | settings)

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """An epoch's row once, also where a run goes on from before it; the test, which has no epoch, as summary."""
        if all(name.startswith("test/") for name in metrics):
            self.experiment.summary.update(dict(metrics))
        else:
            self._log_rows(self._rows.due(metrics, step))

    def _log_rows(self, rows: Iterable[Row]) -> None:
        for metrics, step in rows:
            if is_row(metrics):
                self._catch_up(metrics["epoch"])
                self._log_epoch(metrics)
            else:
                self.experiment.log({"updates": step, **metrics})

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Logs what no epoch's row came for."""
        self._log_rows(self._rows.left())
        super().finalize(status)

    @rank_zero_only
    def log_result(self, result: Mapping[str, Any]) -> None:
        """Makes the result's metrics and counters the run's summary."""
        if self._experiment is None:
            return
        self._log_rows(self._rows.left())
        self._catch_up(result["counters"].get("epochs", 0))
        numbers = {**result["metrics"], **result["counters"]}
        facts = {
            "status": result["status"],
            "error": result["error"] and legible(result["error"]),
            "best_epoch": result["best_epoch"],
        }
        summary = {name: value for name, value in numbers.items() if isinstance(value, int | float)} | facts
        self.experiment.summary.update({name: value for name, value in summary.items() if value is not None})
        # A label may be that of several arms: runs of other code were told the same.
        known = {key: result[name] for key, name in (("arm_id", "arm"), ("code", "code")) if result.get(name)}
        self.experiment.config.update(known, allow_val_change=True)

    def _catch_up(self, epoch: float) -> None:
        """Logs the epochs before this one that an earlier process trained and this run does not have."""
        if self._caught_up:
            return
        self._caught_up = True
        path = self.directory / "metrics.csv"
        for row in read_history(path) if path.exists() else ():
            if row["epoch"] < epoch:
                self._log_epoch(row)

    def _log_epoch(self, row: Mapping[str, float]) -> None:
        run = self.experiment  # asked first: it knows which epochs the server has
        if row["epoch"] > self._last_epoch:
            self._last_epoch = row["epoch"]
            run.log({name: value for name, value in row.items() if not math.isnan(value)})

    def _kept(self) -> dict[str, Any]:
        return read_object(self.directory / IDENTITY)


def cut(text: str, most: int = 128) -> str:
    """The text without its middle where it is longer than W&B takes, which an offline run would learn too late."""
    return text if len(text) <= most else f"{text[: most // 2 - 1]}…{text[-(most // 2) :]}"


def config_key(knob: str) -> str:
    """The name of a knob in a run's configuration at W&B."""
    return knob.lstrip("+~").replace(".", "/")
