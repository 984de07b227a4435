"""Lightning's MLflow logger, for runs that go on as who they were, and for local files that need no server."""

import math
import os
import re
from argparse import Namespace
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytorch_lightning.loggers as loggers
from filelock import FileLock
from pytorch_lightning.loggers.logger import rank_zero_experiment
from pytorch_lightning.utilities import rank_zero_only

from litmus.atomic import write_json
from litmus.claims.factors import is_place, told_by
from litmus.legible import legible, legible_values, read_object
from litmus.paths import typed_path
from litmus.trial.epoch_rows import EpochRows, Row, is_row
from litmus.trial.tensorboard_logger import RESULT

# Who a run is at MLflow, kept beside its result.
IDENTITY = "mlflow.json"
# Files need no leave from a server, and a run tells nobody of itself.
QUIET = {"MLFLOW_ALLOW_FILE_STORE": "true", "MLFLOW_DISABLE_TELEMETRY": "true"}
ENDED = {"completed": "FINISHED", "pruned": "FINISHED", "interrupted": "KILLED"}
NOT_IN_NAMES = re.compile(r"[^\w./ -]+", re.ASCII)


class MLFlowLogger(loggers.MLFlowLogger):
    """A trial as one MLflow run, however often the trial goes on.

    Its curves are by updates, one point per epoch; its parameters are the settings, and what tells arms apart is in its
    tags; `result/…` are the metrics of its end, since the best epoch is not the last.

    Args:
        directory: of the trial.
        uri: of MLflow's server, or a folder of this machine.
        experiment: the study or sweep that the trial belongs to; None is litmus.
        study, arm, factors, seed, name, job_type: as for W&B.

    Raises:
        ValueError: where MLflow is not installed.
    """

    def __init__(
        self,
        directory: str,
        uri: str = "mlruns",
        experiment: str | None = None,
        study: str | None = None,
        arm: str | None = None,
        factors: Mapping[str, Any] | None = None,
        seed: int | None = None,
        name: str | None = None,
        job_type: str = "trial",
    ) -> None:
        for variable, value in QUIET.items():
            os.environ.setdefault(variable, value)
        try:
            import mlflow  # noqa: F401  # here, since it reads those, and only who asks for it waits for it
        except ModuleNotFoundError as missing:
            if missing.name != "mlflow":
                raise
            raise ValueError("logger=mlflow needs MLflow: pip install '.[mlflow]'") from None
        self.directory = typed_path(directory)
        self.store = None if "://" in uri or uri == "databricks" else typed_path(uri.removeprefix("file:")).absolute()
        arm = arm or told_by(factors)
        tags = {"study": study, "arm": arm, "seed": seed, "job_type": job_type, "directory": self.directory}
        self._last_epoch, self._status, self._known = -1.0, "", set[str]()
        self._rows = EpochRows()
        with self._alone():
            super().__init__(
                experiment_name=experiment or "litmus",
                run_name=legible(name or (f"{arm} seed {seed}" if arm else self.directory.name)),
                tracking_uri=uri if self.store is None else self.store.as_uri(),
                tags=legible_values({key: str(value) for key, value in tags.items() if value is not None}),
            )

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        """MLflow's client; its run is begun, or gone on with, when it is first asked for."""
        if self._initialized:
            return self._mlflow_client
        kept = read_object(self.directory / IDENTITY)
        known = kept.get("uri") == self._tracking_uri and kept.get("run_id")
        if known:
            self._go_on(str(known))
        with self._alone():  # of several that begin at once the first makes the experiment
            client = super().experiment
        if self._run_id != known:
            write_json(self.directory / IDENTITY, {"run_id": self._run_id, "uri": self._tracking_uri})
        return client

    def _go_on(self, run_id: str) -> None:
        """Takes up a run that MLflow still has."""
        client = self._mlflow_client
        try:
            run = client.get_run(run_id)
        except Exception as problem:
            if type(problem).__name__ != "MlflowException":
                raise
            return  # deleted there: it becomes a run again
        self._run_id, self._known = run_id, set(run.data.params)
        self._last_epoch = max((one.value for one in client.get_metric_history(run_id, "epoch")), default=-1.0)
        client.update_run(run_id, status="RUNNING")

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace) -> None:
        """Settings but those of this run's place; each once, since MLflow lets none change."""
        given = vars(params) if isinstance(params, Namespace) else params
        _ = self.experiment  # which knows what a run that goes on has
        named = {_name(key): value for key, value in given.items() if value is not None and not is_place(key)}
        fresh = {key: value for key, value in named.items() if key not in self._known}
        self._known |= fresh.keys()
        super().log_hyperparams(legible_values(fresh))

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Each epoch's row once, also where a run goes on from before it."""
        self._log_rows(self._rows.due(metrics, step))

    def _log_rows(self, rows: Iterable[Row]) -> None:
        for metrics, step in rows:
            _ = self.experiment  # which knows how far a run is that goes on
            if is_row(metrics):
                if metrics["epoch"] <= self._last_epoch:
                    continue
                self._last_epoch = metrics["epoch"]
            super().log_metrics({_name(key): one for key, one in metrics.items() if not math.isnan(one)}, step)

    @rank_zero_only
    def log_result(self, result: Mapping[str, Any]) -> None:
        """Adds the result's metrics and counters, and how the run ended."""
        if not self._initialized:
            return
        numbers = {**result["metrics"], **result["counters"]}
        found = {f"{RESULT}{key}": one for key, one in numbers.items() if isinstance(one, int | float)}
        self._log_rows([*self._rows.left(), (found, result["counters"].get("updates"))])
        told = {key: result[key] for key in ("status", "error", "arm", "code") if result.get(key)}
        for key, value in told.items():
            self._mlflow_client.set_tag(self._run_id, "arm_id" if key == "arm" else key, legible(str(value)))
        self._status = ENDED.get(result["status"], "FAILED")

    @rank_zero_only
    def finalize(self, status: str = "success") -> None:
        """Ends the run; Lightning says so after every fit and test, and whoever wrote the result says it last."""
        self._log_rows(self._rows.left())
        super().finalize(self._status or status)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Holds a folder of files, which MLflow fills without asking whether another process does."""
        if self.store is None:
            yield
            return
        self.store.mkdir(parents=True, exist_ok=True)
        with FileLock(Path(f"{self.store}.lock")):
            yield


def _name(key: str) -> str:
    """A name as MLflow takes it."""
    return NOT_IN_NAMES.sub("_", key.lstrip("+~"))
