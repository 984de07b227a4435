"""The run's own record: one row per epoch in metrics.csv, the same row to every logger."""

import csv
from pathlib import Path
from typing import Any, TextIO

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Checkpoint

from litmus.atomic import replacing
from litmus.paths import typed_path
from litmus.tables import shielded, unshielded
from litmus.training.batches import samples_of, sizes_in
from litmus.training.epoch_metrics import EpochMetrics
from litmus.training.pack import own_seconds
from litmus.trial.course import trains_further
from litmus.trial.going_on import NEW, CannotGoOnError
from litmus.words import count

FIRST_COLUMNS = ("epoch", "updates", "samples", "seconds", "batch_size", "lr")


def read_history(path: Path) -> list[dict[str, float]]:
    """The complete rows of a metrics.csv; a last row that a crash cut short is left out.

    Raises:
        ValueError: for a row that is damaged elsewhere, naming its line.
    """
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    if not lines:
        return []
    header = [unshielded(name) for name in next(csv.reader([lines[0]]))]
    rows = []
    for number, line in enumerate(lines[1:], start=2):
        cells = next(csv.reader([line]), [])
        if number == len(lines) and (not line.endswith("\n") or len(cells) != len(header)):
            break
        try:
            rows.append({name: float(cell) for name, cell in zip(header, cells, strict=True) if cell != ""})
        except ValueError:
            raise ValueError(
                f"{path} line {number}: expected {len(header)} numbers, got {line.strip()!r}; "
                "the file was changed after the run wrote it"
            ) from None
    return rows


class History(Checkpoint):
    """Writes a row per epoch: epoch, updates, samples, seconds, batch_size, lr, then every metric of that epoch.

    It is a Checkpoint to Lightning so that it runs after the module's own end of the epoch, which logs the metrics.
    `samples` counts what updates were made from, over all processes; `seconds` is time spent fitting, added up over
    interruptions; `lr` is the rate the epoch began with. What an epoch did not measure is an empty cell, and what a
    module logs under one of these names stands as logged/NAME.

    Args:
        path: of the table; rows of epochs that a resumed run repeats are dropped from it.
    """

    # It adds up the samples of batches, however many updates one holds.
    ticks_per_stretch = True
    tells_of_epochs = True

    def __init__(self, path: str) -> None:
        self.path = typed_path(path)
        self._metrics = EpochMetrics()
        self._trained = self._waiting = self._updates = 0
        self.seconds = 0.0
        self.samples = 0
        self.epochs = 0
        self._clock = 0.0
        self._file: TextIO | None = None
        self._columns: list[str] = []
        self._began: dict[str, float] = {}

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        if stage == "fit":
            self.seconds, self.samples, self.epochs = 0.0, 0, 0

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        if trainer.state.fn != "fit" or not trainer.is_global_zero or self.path.exists():
            return
        epochs = checkpoint["loops"]["fit_loop"]["epoch_progress"]["current"]["processed"]
        if epochs and trains_further(trainer, checkpoint, epochs):
            raise CannotGoOnError(
                f"{self.path}: expected the rows of the {count(epochs, 'epoch')} that are done, found no file; put it "
                f"back, or {NEW}"
            )

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._clock = own_seconds()
        self._metrics.take(trainer)
        if trainer.is_global_zero:
            self._keep_rows_before(trainer.current_epoch)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        # Read now: schedulers and growing batches set the next epoch's before this one's row is written.
        self._began = {f"lr{f'/{place}' * (place > 0)}": rate for place, rate in enumerate(_learning_rates(trainer))}
        self._began["batch_size"] = _batch_size(trainer.train_dataloader, trainer.accumulate_grad_batches)
        self._trained, self._waiting, self._updates = 0, 0, trainer.global_step

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        # Parts of an update that is never made, because the run ends before, trained nothing.
        self._waiting += samples_of(batch, trainer.train_dataloader, batch_idx)
        if trainer.global_step != self._updates:
            self._updates = trainer.global_step
            self._trained, self._waiting = self._trained + self._waiting, 0

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        now = own_seconds()
        self.seconds, self._clock = self.seconds + now - self._clock, now
        self.samples += self._over_all_processes(trainer)
        self.epochs = trainer.current_epoch + 1
        row: dict[str, float] = {
            "epoch": trainer.current_epoch,
            "updates": trainer.global_step,
            "samples": self.samples,
            "seconds": round(self.seconds, 6),
            **self._began,
        }
        for name, value in sorted(self._metrics.take(trainer).items()):
            # A module may log an epoch or a rate of its own, which must not stand for the run's.
            row[f"logged/{name}" if name in row else name] = float(value)
        if trainer.is_global_zero:
            self._append(row)
        for logger in trainer.loggers:
            logger.log_metrics(row, step=trainer.global_step)

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        self._close()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        self._close()

    def state_dict(self) -> dict[str, Any]:
        return {"seconds": self.seconds, "samples": self.samples, "epochs": self.epochs}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.seconds, self.samples, self.epochs = (state_dict[name] for name in ("seconds", "samples", "epochs"))

    def _over_all_processes(self, trainer: pl.Trainer) -> int:
        if trainer.world_size == 1:
            return self._trained
        own = torch.tensor(self._trained, device=trainer.strategy.root_device)
        return int(trainer.strategy.reduce(own, reduce_op="sum"))

    def _keep_rows_before(self, epoch: int) -> None:
        self._close()
        self._columns = []
        if not self.path.exists():
            return
        kept = [number for number, row in enumerate(read_history(self.path), start=1) if row["epoch"] < epoch]
        if not kept:
            self.path.unlink()
            return
        lines = self.path.read_text(encoding="utf-8").splitlines(keepends=True)
        self._columns = [unshielded(name) for name in next(csv.reader(lines[:1]))]
        with replacing(self.path) as path:
            path.write_text("".join([lines[0], *(lines[number] for number in kept)]), encoding="utf-8", newline="")

    def _append(self, row: dict[str, float]) -> None:
        new = [name for name in row if name not in (*FIRST_COLUMNS, *self._columns)]
        if new and self._columns:
            self._add_columns(new)
        elif not self._columns:
            self._columns = [*FIRST_COLUMNS, *new]
        fresh = not self.path.exists()
        if self._file is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("a", encoding="utf-8", newline="")
        writer = csv.DictWriter(self._file, self._columns)
        if fresh:
            writer.writerow({name: shielded(name) for name in self._columns})
        writer.writerow(row)
        self._file.flush()

    def _add_columns(self, names: list[str]) -> None:
        """Writes the table anew with more columns: a metric may be measured in some epochs only."""
        self._close()
        with self.path.open(encoding="utf-8", newline="") as file:
            _, *rows = csv.reader(file)
        self._columns = [*self._columns, *names]
        with replacing(self.path) as path, path.open("w", encoding="utf-8", newline="") as file:
            names_written = [shielded(name) for name in self._columns]
            csv.writer(file).writerows([names_written, *([*row, *("" for _ in names)] for row in rows)])

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def _learning_rates(trainer: pl.Trainer) -> list[float]:
    return [float(group["lr"]) for optimizer in trainer.optimizers for group in optimizer.param_groups]


def _batch_size(loader: Any, parts: int) -> int:
    """Samples of a full update over all processes."""
    if hasattr(loader, "update_sizes"):  # which splits an update itself
        return (getattr(loader, "batch_size", None) or 0) * parts // loader.accumulate
    told = sizes_in(loader)
    size = told[0] or 0 if len(told) == 1 else 0
    samplers = (getattr(one, "sampler", None) for one in (loader, getattr(loader, "batch_sampler", None)))
    return size * parts * max(getattr(sampler, "num_replicas", 1) for sampler in samplers)
