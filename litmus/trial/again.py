"""The test of a finished run, once more: with its weights, its data and the numerics that it had."""

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from omegaconf import DictConfig
from torch import Tensor

from litmus.tasks.task import Task
from litmus.training.batches import pair
from litmus.training.file_data_module import FileDataModule
from litmus.training.foreign_data import ForeignData, adopted
from litmus.training.learner import Learner
from litmus.training.net import are_shares
from litmus.training.overridden import TRANSFER, overridden
from litmus.trial.checkpoint import BUFFERS, fill
from litmus.trial.course import numerics
from litmus.trial.epoch_seed import EpochSeed
from litmus.trial.finished import Finished, test_metrics, weights_in
from litmus.trial.making import instantiate
from litmus.trial.parts import Parts, model_of, seed_everything, told_of
from litmus.trial.ranks import AUTO
from litmus.trial.run import refuse_damaged
from litmus.trial.stored import typed_where

# Two means of the same answers: one over samples, one over batches of which the last is smaller.
SAME_SHARE = 0.02


def loaded(directory: Path, finished: Finished) -> tuple[Parts, bool]:
    """The run's data, best net and task, and whether the weights are known to be those that it ended with.

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
    seed_everything(finished.config.seed)  # as the run did
    data = adopted(instantiate(finished.config.data), finished.config.seed)
    if isinstance(data, FileDataModule):
        data.typed_in = typed_where(directory)
    if not isinstance(data, ForeignData):  # which is set up already, or waits for a trainer
        data.setup("test")
    if "test" not in data.splits:
        raise ValueError(f"this split of {data.name} has no test set; its result.json has the validation's metrics")
    was, now = (finished.result.get("data") or {}).get("sha256"), data.describe().get("sha256")
    if was is not None and was != now:
        raise ValueError(
            f"expected the {data.name} that the run had, sha256 {was[:16]}…, found other data, {now[:16]}…"
        )
    config, task = told_of(finished.config, data)
    return Parts(data, _net(best, config, data, task), None, task), recorded is not None


def _net(best: Path, config: DictConfig, data: Any, task: Task | None) -> pl.LightningModule:
    """The net as the run made it, with its best weights."""
    model = model_of(config, data, task)
    model.configure_model()  # where a module may make layers; it does nothing when it is called again
    try:
        checkpoint = torch.load(best, map_location="cpu", weights_only=True)
        model.on_load_checkpoint(checkpoint)
        model.load_state_dict(checkpoint["state_dict"], strict=model.strict_loading)
        fill(model, checkpoint.get(BUFFERS, {}))
    except Exception as problem:  # whatever is wrong with the bytes or the names in them, of however many readers
        told, target = " ".join(str(problem).split())[:200], config.model._target_
        raise ValueError(f"{best}: expected the weights of a {target}, found something else: {told}") from problem
    return model


def tested(parts: Parts, finished: Finished) -> tuple[dict[str, float], dict[str, list[Any]] | str, dict[str, Any]]:
    """Test metrics; columns of predictions.csv, or why there are none; and the numerics."""
    settings: Any = finished.config.trainer
    if finished.threads is not None:
        torch.set_num_threads(finished.threads)  # sums of many threads round otherwise
    trainer = pl.Trainer(
        accelerator=_accelerator(finished),
        devices=1,
        precision=settings.precision,
        deterministic=settings.deterministic,
        limit_test_batches=settings.get("limit_test_batches"),
        limit_predict_batches=settings.get("limit_test_batches"),
        inference_mode=settings.get("inference_mode", True),
        callbacks=[EpochSeed(finished.config.seed)],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.test(parts.model, datamodule=parts.data, verbose=False)
    metrics = test_metrics(trainer)
    return metrics, _columns(trainer, parts, metrics), numerics(trainer)


def _columns(trainer: pl.Trainer, parts: Parts, metrics: Mapping[str, float]) -> dict[str, list[Any]] | str:
    model, task = parts.model, parts.task
    whose = f"{type(model).__name__}.forward"
    none = f"batches are not inputs and target, or {whose} makes no outputs of the inputs that the task has"
    if "test" in getattr(parts.data, "several", ()):
        return "the test has several loaders"
    if task is None or getattr(parts.data, "unfit", None):
        return none
    own = not isinstance(model, Learner) or overridden(model, ("predict_step",), Learner)
    reader = Reader(model, task) if own else model
    batches: Any = trainer.predict(reader, datamodule=AsPredicted(parts.data))
    if not all(batches):
        return none
    answers, y = (torch.cat(column) for column in zip(*batches, strict=True))
    if own:
        if contradiction := _contradiction(task, answers, y, metrics):
            return f"{whose} {contradiction}"
        answers = task.answers(answers)
    if (scale := getattr(parts.data, "target_scale", None)) is not None:  # in the target's own unit
        mean, deviation = (part.flatten() for part in scale)
        answers, y = (column.reshape(len(y), -1) * deviation + mean for column in (answers, y))
    return task.columns(answers, y)


def _contradiction(task: Task, outputs: Tensor, y: Tensor, metrics: Mapping[str, float]) -> str:
    """How outputs are not those by which the module's own test has measured; empty where nothing speaks against it."""
    if task.kind != "classes":
        return ""
    if outputs.shape[1] > 1 and are_shares(outputs):
        return "gives probabilities, and the task makes them of logits"
    name, found = f"test/{task.mean}", float(task.tally(outputs, y)) / len(y)
    if name in metrics and not math.isclose(found, metrics[name], abs_tol=SAME_SHARE):
        return f"has a {name} of {found:.4f} on the test's batches, and its test_step one of {metrics[name]:.4f}"
    return ""


class AsPredicted(pl.LightningDataModule):
    """The batches of the data's test, to be predicted, which come to the model as they do in a test."""

    def __init__(self, data: Any) -> None:
        super().__init__()
        data.prepare_data()  # the test before it may have torn them down
        data.setup("test")
        loaders = data.test_dataloader()  # not within a prediction, where Lightning notes how a loader is made
        vars(self)["predict_dataloader"] = lambda: loaders
        for hook in TRANSFER:
            setattr(self, hook, getattr(data, hook))


class Reader(pl.LightningModule):
    """Reads the outputs of anybody's module, if its `forward` gives them in the task's shape."""

    def __init__(self, model: pl.LightningModule, task: Task) -> None:
        super().__init__()
        self.model, self.task = model, task
        for hook in TRANSFER:
            setattr(self, hook, getattr(model, hook))

    def predict_step(self, batch: Any, batch_idx: int) -> tuple[Tensor, ...]:
        """Outputs and targets of a batch, nothing where they are something else."""
        try:
            x, y, *_ = pair(batch)
            outputs = self.model(x)
        except Exception:  # batches are of other parts, it wants something else than inputs, or has no forward
            return ()
        known = isinstance(outputs, Tensor) and outputs.dim() == 2 and len(outputs) == len(y)
        return (outputs, self.task.read(y)) if known and self.task.accept(outputs.shape[1]) else ()


def _accelerator(finished: Finished) -> str:
    """The kind of device that the run computed on, and what there is where there is none of the kind."""
    kind = finished.device
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    return kind if kind is not None and available.get(kind) else os.environ.get(AUTO) or "auto"


def elsewhere(here: Mapping[str, Any], recorded: Mapping[str, Any] | None) -> str:
    """How this test was computed otherwise than the run's: device cuda then and cpu now; empty where it was not."""
    then = recorded or {}
    changed = [name for name in dict.fromkeys((*then, *here)) if name in then and then[name] != here.get(name)]
    return ", ".join(f"{name} {then[name]} then and {here.get(name, 'none')} now" for name in changed)


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
