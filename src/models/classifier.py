"""The LightningModule of every net here: loss, metrics, optimizer, and two ways through an epoch."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.optim import Adam, Optimizer

from src.models.plan import planned_updates, refuse_batch_of_one, refuse_limits_of_parts
from src.models.schedule import Schedule
from src.models.stretches import needs_closure, reason_for_single_steps
from src.models.totals import Totals
from src.models.update import plain_backward, plain_step

# How many updates may pass before a loss that is not finite is noticed: reading it back waits for the device.
CHECK_EVERY = 64


class Classifier(pl.LightningModule):
    """Cross-entropy training of a net given by a subclass's `forward`; binary cross-entropy for one logit.

    Where nothing asks for Lightning's work between updates, one `training_step` runs a whole *stretch* of updates
    (manual optimization; `trainer.global_step` counts each update); otherwise it is the ordinary step with automatic
    optimization. Both give bit-identical weights.

    Args:
        classes: number of classes; two have one logit.
        optimizer: makes the optimizer from the parameters; None is Adam at 1e-3.
        scheduler: makes a Schedule, or a torch scheduler stepped by epoch, from the optimizer; None is constant.

    Raises:
        FloatingPointError: when a loss becomes NaN or infinite, naming epoch and update.

    Attributes:
        means: what is recorded of each split, out of loss and acc; a subclass that classifies nothing has no acc.
        fewest_classes: with which it can be made.
    """

    means: tuple[str, ...] = ("loss", "acc")
    fewest_classes = 2

    def __init__(
        self,
        classes: int,
        optimizer: Callable[..., Optimizer] | None = None,
        scheduler: Callable[..., Any] | None = None,
    ) -> None:
        super().__init__()
        self.save_hyperparameters(ignore=["optimizer", "scheduler"], logger=False)
        if classes < self.fewest_classes:
            hint = "; data without classes are for model=landscape" if classes == 0 else ""
            raise ValueError(f"classes must be 2 or more, got {classes}{hint}")
        self.classes = classes
        self.outputs = 1 if classes == 2 else classes
        self.make_optimizer = optimizer or partial(Adam, lr=1e-3)
        self.make_scheduler = scheduler
        self.schedule: Schedule | None = None
        self.totals = Totals()
        self.single_step_reason: str | None = None
        self._updates_restored: int | None = None

    # ------------------------------------------------------------------ what a batch means

    def targets(self, y: Tensor) -> Tensor:
        """Labels (batch,) in the type the loss takes."""
        return y.float() if self.outputs == 1 else y

    def criterion(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The mean loss over a batch, from logits (batch, outputs)."""
        if self.outputs == 1:
            return F.binary_cross_entropy_with_logits(logits.squeeze(1), targets)
        return F.cross_entropy(logits, targets)

    def predictions(self, logits: Tensor) -> Tensor:
        """The class (batch,) of each row of logits."""
        return (logits.squeeze(1) > 0).long() if self.outputs == 1 else logits.argmax(1)

    def probabilities(self, logits: Tensor) -> Tensor:
        """Probabilities (batch, classes), for two classes as well."""
        if self.outputs > 1:
            return logits.float().softmax(1)
        positive = logits.float().sigmoid()
        return torch.cat([1 - positive, positive], 1)

    # ------------------------------------------------------------------ setting up

    @property
    def _data(self) -> Any:
        """The trainer's datamodule, None where plain DataLoaders were given."""
        return getattr(self.trainer, "datamodule", None)

    def setup(self, stage: str) -> None:
        data = self._data
        if hasattr(data, "eval_stretches"):  # a limit on evaluation counts batches, so it gets batches
            data.eval_stretches = self.trainer.limit_val_batches == 1.0 == self.trainer.limit_test_batches
        if stage != "fit":
            return
        refuse_limits_of_parts(self.trainer)
        self.automatic_optimization = True
        self.single_step_reason = reason_for_single_steps(self.trainer)
        self.automatic_optimization = self.single_step_reason is not None
        if hasattr(data, "train_stretches"):
            data.train_stretches = not self.automatic_optimization
            refuse_batch_of_one(self.trainer, self)

    def configure_optimizers(self) -> Any:
        optimizer = self.make_optimizer(self.parameters())
        if needs_closure(optimizer) and not self.automatic_optimization:
            self.automatic_optimization = True
            self._data.train_stretches = False
        if self.make_scheduler is None:
            return optimizer
        epochs = self.trainer.max_epochs or 1
        arguments: dict[str, Any] = {"optimizer": optimizer, "updates": planned_updates(self.trainer), "epochs": epochs}
        if getattr(self.make_scheduler, "func", self.make_scheduler) is Schedule:
            self.schedule = self.make_scheduler(**arguments)
        else:
            self.schedule = Schedule(scheduler=self.make_scheduler, **arguments)
        course: dict[str, Any] = {"scheduler": self.schedule}
        if self.automatic_optimization:
            course["interval"] = "step" if self.schedule.interval == "update" else "epoch"
        return {"optimizer": optimizer, "lr_scheduler": course}

    def lr_scheduler_step(self, scheduler: Any, metric: Any) -> None:
        """Steps by update; steps by epoch wait for the validation and the end of the epoch, before the checkpoint."""
        if scheduler.interval == "update":
            scheduler.step(self.trainer.callback_metrics)

    # ------------------------------------------------------------------ training

    def on_train_start(self) -> None:
        if self._updates_restored is not None and not self.automatic_optimization:
            # The ordinary path, which wrote this checkpoint, moved one of the two counters alone.
            self._count_updates(self._updates_restored - self.trainer.global_step)
        self._updates_restored = None

    def on_train_epoch_start(self) -> None:
        self.totals = Totals()

    def training_step(self, batch: Any, batch_idx: int) -> Tensor | None:
        if self.automatic_optimization:
            return self._single_step(*batch)
        self._stretch(*batch)
        return None

    def _single_step(self, x: Tensor, y: Tensor, share: float = 1.0) -> Tensor:
        logits = self(x)
        if len(y) == 0:  # this rank's share of a small last batch: it takes part, and adds nothing
            return logits.sum() * 0.0
        loss = self.criterion(logits, self.targets(y))
        correct = (self.predictions(logits.detach()) == y).sum()
        self.totals.add([loss.detach()], [len(y)], correct)
        if len(self.totals.losses) % CHECK_EVERY == 0 and self.trainer.world_size == 1:
            self._refuse_not_finite(len(self.totals.losses) - CHECK_EVERY)
        return loss if share == 1.0 else loss * share

    def _stretch(self, x: Tensor, y: Tensor, batch_size: int) -> None:
        """Every update of a stretch, with nothing between them but the schedule's step."""
        optimizer: Optimizer = self.optimizers(use_pl_optimizer=False)  # type: ignore[assignment]
        by_update = self.schedule is not None and self.schedule.interval == "update"
        forward, criterion = self.forward, self.criterion
        backward, step = plain_backward(x.device), plain_step(optimizer)
        parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        start = len(self.totals.losses)
        losses, logits, sizes = [], [], []
        for inputs, targets in zip(x.split(batch_size), self.targets(y).split(batch_size), strict=True):
            outputs = forward(inputs)
            loss = criterion(outputs, targets)
            for parameter in parameters:  # what zero_grad does, without its label for profilers
                parameter.grad = None
            backward(loss)
            step()
            losses.append(loss.detach())
            logits.append(outputs.detach())
            sizes.append(len(inputs))
            if by_update:
                self.schedule.step({})  # type: ignore[union-attr]
        self.totals.add(losses, sizes, (self.predictions(torch.cat(logits)) == y).sum())
        self._count_updates(len(sizes))
        self._refuse_not_finite(start)

    def _count_updates(self, updates: int) -> None:
        """Adds to `trainer.global_step`, which only Lightning's own optimizer wrapper would otherwise move.

        Lightning reads it from one of two counters, by the kind of optimization; both are kept alike, so that a
        checkpoint of one path can go on along the other.
        """
        loop = self.trainer.fit_loop.epoch_loop
        automatic: Any = loop.automatic_optimization.optim_progress.optimizer.step
        for progress in (automatic, loop.manual_optimization.optim_step_progress):
            for counted in (progress.total, progress.current):
                counted.ready += updates
                counted.completed += updates

    def on_train_epoch_end(self) -> None:
        self._log_means("train", self.totals)
        if self.schedule is not None and self.schedule.interval == "epoch":
            self.schedule.step(self.trainer.callback_metrics)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self._updates_restored = checkpoint["global_step"]

    def _refuse_not_finite(self, start: int) -> None:
        place = self.totals.first_not_finite(start)
        if place is None:
            return
        raise FloatingPointError(
            f"the training loss became {float(self.totals.losses[place])} in epoch {self.current_epoch}, update "
            f"{place // self.trainer.accumulate_grad_batches + 1} of it; a smaller lr or trainer.gradient_clip_val=1 "
            "may help; the last good checkpoint stays"
        )

    # ------------------------------------------------------------------ evaluation

    def on_validation_epoch_start(self) -> None:
        self.evaluated = Totals()

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self._evaluate(batch)

    def on_validation_epoch_end(self) -> None:
        self._log_means("val", self.evaluated)

    def on_test_epoch_start(self) -> None:
        self.evaluated = Totals()
        self.tested: list[tuple[Tensor, Tensor]] = []

    def test_step(self, batch: Any, batch_idx: int) -> None:
        self.tested.append(self._evaluate(batch))

    def on_test_epoch_end(self) -> None:
        logits = torch.cat([logits for logits, _ in self.tested])
        y = torch.cat([y for _, y in self.tested])
        self.tested = []
        self._log_means("test", self.evaluated)
        if self.trainer.world_size > 1:
            logits, y = self._from_all_ranks(logits), self._from_all_ranks(y)
        self._record({f"test/{name}": score for name, score in self.scores(logits, y).items()})
        tested = {name: float(score) for name, score in self.trainer.callback_metrics.items()}
        for logger in self.trainer.loggers:
            logger.log_metrics(tested, step=self.trainer.global_step)

    def scores(self, logits: Tensor, y: Tensor) -> dict[str, float]:
        """What the test tells beyond the means, from all logits (samples, outputs) and labels (samples,)."""
        # Imported where used: a fit alone does not need them.
        from torchmetrics.functional.classification import multiclass_calibration_error, multiclass_f1_score

        # On the CPU: some counting operations have no deterministic kernel elsewhere.
        probabilities, y = self.probabilities(logits).cpu(), y.cpu()
        return {
            "f1": float(multiclass_f1_score(probabilities, y, num_classes=self.classes, average="macro")),
            "calibration_error": float(multiclass_calibration_error(probabilities, y, num_classes=self.classes)),
        }

    def predict_step(self, batch: Any, batch_idx: int) -> tuple[Tensor, Tensor]:
        """Probabilities (batch, classes) and labels (batch,)."""
        x, y, *size = batch
        logits = [self(part) for part in x.split(*size)] if size else [self(x)]
        return self.probabilities(torch.cat(logits)), y

    def _evaluate(self, batch: Any) -> tuple[Tensor, Tensor]:
        x, y, *size = batch
        parts = x.split(*size) if size else (x,)
        logits = torch.cat([self(part) for part in parts])
        loss = self.criterion(logits, self.targets(y))
        self.evaluated.add([loss], [len(y)], (self.predictions(logits) == y).sum())
        return logits, y

    def _from_all_ranks(self, tensor: Tensor) -> Tensor:
        """Rows of every rank, whose numbers may differ by one, in rank order."""
        longest = int(self.trainer.strategy.reduce(torch.tensor(len(tensor), device=self.device), reduce_op="max"))
        missing = longest - len(tensor)
        padded = torch.cat([tensor, tensor.new_zeros(missing, *tensor.shape[1:])])
        present = torch.arange(longest, device=self.device) < len(tensor)
        gathered: Any = self.all_gather([padded, present])
        rows, kept = (ranks.flatten(0, 1) for ranks in gathered)
        return rows[kept]

    # ------------------------------------------------------------------ metrics

    def _log_means(self, split: str, totals: Totals) -> None:
        sums = totals.sums(self.device)
        if self.trainer.world_size > 1:
            gathered: Any = self.all_gather(sums.to(self.device))
            sums = gathered.sum(0)
        loss, correct, samples = sums.tolist()
        if samples == 0:
            return
        if split != "test" and not math.isfinite(loss):
            if split == "train" and self.trainer.world_size == 1:
                self._refuse_not_finite(0)
            raise FloatingPointError(
                f"the {split} loss became {loss / samples} at the end of epoch {self.current_epoch}, after update "
                f"{self.trainer.global_step}; a smaller lr or trainer.gradient_clip_val=1 may help; the last good "
                "checkpoint stays"
            )
        means = {"loss": loss / samples, "acc": correct / samples}
        self._record({f"{split}/{name}": means[name] for name in self.means})

    def _record(self, metrics: dict[str, float]) -> None:
        """Makes metrics known to callbacks: `self.log` would round them to float32, and costs as much as an update."""
        for name, value in metrics.items():
            self.trainer.callback_metrics[name] = torch.tensor(value, dtype=torch.float64)
