"""Lightning's TensorBoard logger, with a row of the HParams table for the run when it ends."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning.loggers as loggers
from pytorch_lightning.utilities import rank_zero_only

from litmus.events.experiment import experiment
from litmus.events.file import write_events
from litmus.events.hyperparameters import hyperparameters
from litmus.events.session import Session
from litmus.records.record import Record, read_overrides


class TensorBoardLogger(loggers.TensorBoardLogger):
    """As Lightning's, whose own table would hold what is known before the first update."""

    @rank_zero_only
    def log_result(self, result: Mapping[str, Any]) -> None:
        """Writes the run's hyperparameters, final metrics and status, in place of those of an earlier attempt."""
        overrides = read_overrides(result["overrides"])
        record = Record(Path(self.log_dir), result["status"], result["error"] or "", result, overrides=overrides)
        session = Session(record, hyperparameters(record), ended=time.time())
        # TensorBoard takes the columns from any one of the runs, so they must not be those of a run without a test.
        columns = [experiment([session], whole=False)] if record.done else []
        write_events(Path(self.log_dir), [*columns, *session.row()])
