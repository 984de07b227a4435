"""The test of a finished run, once more: with its weights, its data and the numerics that it had."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from hydra.utils import instantiate
from torch import Tensor

from litmus.trial.finished import Finished
from litmus.trial.record import weights_in
from litmus.trial.run import refuse_damaged


def loaded(directory: Path, finished: Finished) -> tuple[Any, pl.LightningModule, bool]:
    """The run's data, its best net, and whether the weights are known to be those that it ended with.

    Raises:
        ValueError: if weights or data are damaged, or not those of the run.
    """
    best = directory / "checkpoints" / "best.ckpt"
    recorded = (finished.result.get("weights") or {}).get(best.name)
    if recorded is not None and recorded != (found := weights_in(directory)[best.name]):
        raise ValueError(
            f"{best}: expected the weights that the run ended with, sha256 {recorded[:16]}…, found {found[:16]}…; "
            "another run has been here, or one that was gone on with and killed: resume it, or run it again"
        )
    refuse_damaged(best)
    model = _net(best, finished)
    data = instantiate(finished.config.data, _convert_="all")
    if not hasattr(data, "splits"):
        raise ValueError(f"expected data of a module of this project, which has splits, found {type(data).__name__}")
    data.setup("test")
    if "test" not in data.splits:
        raise ValueError(f"this split of {data.name} has no test set; its result.json has the validation's metrics")
    was, now = (finished.result.get("data") or {}).get("sha256"), data.describe().get("sha256")
    if was is not None and was != now:
        raise ValueError(
            f"expected the {data.name} that the run had, sha256 {was[:16]}…, found other data, {now[:16]}…"
        )
    return data, model, recorded is not None


def _net(best: Path, finished: Finished) -> pl.LightningModule:
    from hydra.utils import get_class

    target = finished.config.model._target_
    try:
        kind: Any = get_class(target)
        model: pl.LightningModule = kind.load_from_checkpoint(best, map_location="cpu", weights_only=True)
    except Exception as problem:  # whatever is wrong with the bytes or the names in them, of however many readers
        told = " ".join(str(problem).split())[:200]
        raise ValueError(f"{best}: expected the weights of a {target}, found something else: {told}") from problem
    return model


def tested(data: Any, model: pl.LightningModule, finished: Finished) -> tuple[dict[str, float], tuple[Tensor, Tensor]]:
    """The test metrics; and (samples, classes) probabilities with (samples,) labels."""
    settings: Any = finished.config.trainer
    if finished.threads is not None:
        torch.set_num_threads(finished.threads)  # sums of many threads round otherwise
    trainer = pl.Trainer(
        accelerator=settings.accelerator,
        devices=1,
        precision=settings.precision,
        deterministic=settings.deterministic,
        limit_test_batches=settings.get("limit_test_batches"),
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.test(model, datamodule=data, verbose=False)
    metrics = {name: float(value) for name, value in trainer.callback_metrics.items() if name.startswith("test/")}
    batches: Any = trainer.predict(model, dataloaders=data.test_dataloader())
    probabilities, labels = (torch.cat(column) for column in zip(*batches, strict=True))
    return metrics, (probabilities, labels)


def compared(metrics: Mapping[str, float], recorded: Mapping[str, float | None]) -> tuple[str, str]:
    """What to say where nothing differs, and what differs, empty where nothing does."""
    both = [name for name in recorded if name in metrics]
    differing = [name for name in both if not _equal(metrics[name], recorded[name])]
    told = ", ".join(f"{name} is {metrics[name]!r} here and {recorded[name]!r} in result.json" for name in differing)
    left = [name for name in recorded if name not in metrics]
    if left:
        return f"not compared with result.json: {', '.join(left)}, which this test did not measure", told
    return "the same as in result.json, to the last bit", told


def _equal(measured: float, recorded: float | None) -> bool:
    return not math.isfinite(measured) if recorded is None else measured == recorded
