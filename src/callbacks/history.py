"""The run's own record: one row per epoch in metrics.csv, the same row to every logger."""

import csv
import time
from pathlib import Path
from typing import Any, TextIO

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Checkpoint

from src.atomic import replacing
from src.paths import typed_path

FIRST_COLUMNS = ("epoch", "updates", "samples", "seconds", "batch_size", "lr")


def read_history(path: Path) -> list[dict[str, float]]:
    """The complete rows of a metrics.csv; a last row that a crash cut short is left out.

    Raises:
        ValueError: for a row that is damaged elsewhere, naming its line.
    """
    lines = path.read_text().splitlines(keepends=True)
    if not lines:
        return []
    header = next(csv.reader([lines[0]]))
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
    """Writes a row per epoch: epoch, updates, samples, seconds, batch_size, lr, then every metric logged.

    It is a Checkpoint to Lightning so that it runs after the module's own end of the epoch, which logs the metrics.
    `seconds` is time spent fitting, added up over interruptions; `lr` is the rate the epoch began with.

    Args:
        path: of the table; rows of epochs that a resumed run repeats are dropped from it.
    """

    def __init__(self, path: str) -> None:
        self.path = typed_path(path)
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

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._clock = time.perf_counter()
        if trainer.is_global_zero:
            self._keep_rows_before(trainer.current_epoch)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        # Read now: schedulers and growing batches set the next epoch's before this one's row is written.
        self._began = {f"lr{f'/{place}' * (place > 0)}": rate for place, rate in enumerate(_learning_rates(trainer))}
        loader: Any = trainer.train_dataloader
        self._began["batch_size"] = _batch_size(loader, trainer.accumulate_grad_batches)
        self._epoch_samples = _samples(loader, int(trainer.num_training_batches))

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        now = time.perf_counter()
        self.seconds, self._clock = self.seconds + now - self._clock, now
        self.samples += self._epoch_samples
        self.epochs = trainer.current_epoch + 1
        row: dict[str, float] = {
            "epoch": trainer.current_epoch,
            "updates": trainer.global_step,
            "samples": self.samples,
            "seconds": round(self.seconds, 6),
            **self._began,
        }
        row |= {name: float(value) for name, value in sorted(trainer.callback_metrics.items())}
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

    def _keep_rows_before(self, epoch: int) -> None:
        self._close()
        self._columns = []
        if not self.path.exists():
            return
        kept = [number for number, row in enumerate(read_history(self.path), start=1) if row["epoch"] < epoch]
        if not kept:
            self.path.unlink()
            return
        lines = self.path.read_text().splitlines(keepends=True)
        self._columns = next(csv.reader(lines[:1]))
        with replacing(self.path) as path:
            path.write_text("".join([lines[0], *(lines[number] for number in kept)]), newline="")

    def _append(self, row: dict[str, float]) -> None:
        if not self._columns:
            self._columns = [*FIRST_COLUMNS, *(name for name in row if name not in FIRST_COLUMNS)]
        fresh = not self.path.exists()
        if self._file is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("a", newline="")
        writer = csv.DictWriter(self._file, self._columns, extrasaction="ignore")
        if fresh:
            writer.writeheader()
        writer.writerow(row)
        self._file.flush()

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def _learning_rates(trainer: pl.Trainer) -> list[float]:
    return [float(group["lr"]) for optimizer in trainer.optimizers for group in optimizer.param_groups]


def _batch_size(loader: Any, parts: int) -> int:
    """Samples of a full update over all processes."""
    size = getattr(loader, "batch_size", None) or 0
    if hasattr(loader, "update_sizes"):
        return size
    return size * parts * getattr(getattr(loader, "sampler", None), "num_replicas", 1)


def _samples(loader: Any, items: int) -> int:
    """Samples an epoch of so many items trains on, over all processes."""
    if hasattr(loader, "update_sizes"):
        cut_short = items < len(loader)
        return sum(loader.update_sizes[: items // loader.accumulate] if cut_short else loader.update_sizes)
    sampler = getattr(loader, "sampler", None)
    if sampler is None:
        return 0
    batch_size = loader.batch_size or 1
    drawn = len(sampler) - len(sampler) % batch_size * bool(loader.drop_last)
    return min(drawn, items * batch_size) * getattr(sampler, "num_replicas", 1)
