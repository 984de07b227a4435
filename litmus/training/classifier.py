"""The LightningModule of every net here: loss, metrics, optimizer, and two ways through an epoch."""

from collections.abc import Callable
from functools import partial, wraps
from typing import Any

import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from pytorch_lightning.callbacks import BaseFinetuning
from torch import Tensor
from torch.nn.modules import module as torch_module
from torch.optim import Adam, Optimizer

from litmus.training.bookkeeping import Bookkeeping, counters
from litmus.training.plan import planned_updates
from litmus.training.schedule import Schedule
from litmus.training.stretches import reason_in_optimizer
from litmus.training.totals import Totals
from litmus.training.trainable import trainable
from litmus.training.update import plain_backward, plain_step

# How many updates may pass before a loss that is not finite is noticed: reading it back waits for the device.
CHECK_EVERY = 64


class Classifier(pl.LightningModule):
    """Cross-entropy training of a net given by a subclass's `forward`; binary cross-entropy for one logit.

    Where nothing asks for Lightning's work between updates, one `training_step` runs a whole *stretch* of updates
    (manual optimization; `trainer.global_step` counts each update); otherwise it is the ordinary step with automatic
    optimization. Both give bit-identical weights. A subclass may override whatever Lightning calls, with super() or
    without: what acts between updates takes the ordinary path, and the rest is kept by a callback, see `Bookkeeping`.

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
    # Of the length of a run it makes its schedule alone.
    plans_are_compared = True

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
        self.totals, self.evaluated = Totals(), Totals()
        self.tested: list[tuple[Tensor, Tensor]] = []
        self.single_step_reason: str | None = None
        self._share = 1.0

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

    def __init_subclass__(cls, **arguments: Any) -> None:
        """Adds the bookkeeping to the callbacks that a subclass brings, which need not call super()."""
        super().__init_subclass__(**arguments)
        own: Any = cls.configure_callbacks
        if not hasattr(own, "with_bookkeeping"):
            setattr(cls, "configure_callbacks", _with_bookkeeping(own))  # noqa: B010

    def configure_callbacks(self) -> list[pl.Callback]:
        """The bookkeeping, which needs no hook of this module's."""
        known: list[Any] = self.trainer.callbacks  # type: ignore[attr-defined]
        return [] if any(isinstance(callback, Bookkeeping) for callback in known) else [Bookkeeping(Classifier)]

    configure_callbacks.with_bookkeeping = True  # type: ignore[attr-defined]

    def configure_optimizers(self) -> Any:
        optimizer = self.make_optimizer(self._parameters_to_optimize())
        reason = reason_in_optimizer(optimizer)
        if reason is not None and not self.automatic_optimization:
            self.single_step_reason = reason
            self.automatic_optimization = True
            self.trainer.datamodule.train_stretches = False  # type: ignore[attr-defined]
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

    def _parameters_to_optimize(self) -> list[torch.nn.Parameter]:
        """All, frozen ones too; but a fine-tuning callback adds those it thaws to the optimizer by itself."""
        free = trainable(self)
        callbacks: list[Any] = self.trainer.callbacks  # type: ignore[attr-defined]
        return free if any(isinstance(callback, BaseFinetuning) for callback in callbacks) else list(self.parameters())

    def lr_scheduler_step(self, scheduler: Any, metric: Any) -> None:
        """Steps by update; steps by epoch wait for the validation and the end of the epoch, before the checkpoint."""
        if not isinstance(scheduler, Schedule):  # of a `configure_optimizers` of one's own
            super().lr_scheduler_step(scheduler, metric)
        elif scheduler.interval == "update":
            scheduler.step(self.trainer.callback_metrics)

    # ------------------------------------------------------------------ training

    def training_step(self, batch: Any, batch_idx: int) -> Tensor | None:
        if self.automatic_optimization:
            return self._single_step(*batch)
        self._stretch(*batch)
        return None

    def _single_step(self, x: Tensor, y: Tensor, share: float = 1.0) -> Tensor:
        self._share = 1.0  # it weighs its loss by itself
        logits = self(x)
        if len(y) == 0:  # this rank's share of a small last batch: it takes part, and adds nothing
            return logits.sum() * 0.0
        loss = self.criterion(logits, self.targets(y))
        correct = (self.predictions(logits.detach()) == y).sum()
        self.totals.add([loss.detach()], [len(y)], correct)
        if len(self.totals.losses) % CHECK_EVERY == 0 and self.trainer.world_size == 1:
            self._refuse_not_finite(len(self.totals.losses) - CHECK_EVERY)
        return loss if share == 1.0 else loss * share

    def _stretch(self, x: Tensor, y: Tensor, batch_size: int | None = None) -> None:
        """Every update of a stretch, with nothing between them but the schedule's step.

        A batch of another loader, which says no size, is a stretch of one update.
        """
        batch_size = batch_size or len(y)
        optimizer: Optimizer = self.optimizers(use_pl_optimizer=False)  # type: ignore[assignment]
        by_update = self.schedule is not None and self.schedule.interval == "update"
        forward, criterion = self.forward if _called_plainly(self) else self, self.criterion
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
        """Adds to `trainer.global_step`, which only Lightning's own optimizer wrapper would otherwise move."""
        for progress in counters(self.trainer):
            for counted in (progress.total, progress.current):
                counted.ready += updates
                counted.completed += updates

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

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self._evaluate(batch)

    def test_step(self, batch: Any, batch_idx: int) -> None:
        self.tested.append(self._evaluate(batch))

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

    def _record(self, metrics: dict[str, float]) -> None:
        """Makes metrics known to callbacks: `self.log` would round them to float32, and costs as much as an update."""
        for name, value in metrics.items():
            self.trainer.callback_metrics[name] = torch.tensor(value, dtype=torch.float64)


def _with_bookkeeping(own: Callable[[Any], Any]) -> Callable[[Any], list[pl.Callback]]:
    @wraps(own)
    def configure_callbacks(self: Any) -> list[pl.Callback]:
        brought = own(self) or []
        callbacks = [brought] if isinstance(brought, pl.Callback) else list(brought)
        present = any(isinstance(callback, Bookkeeping) for callback in callbacks)
        return callbacks if present else [*callbacks, *Classifier.configure_callbacks(self)]

    configure_callbacks.with_bookkeeping = True  # type: ignore[attr-defined]
    return configure_callbacks


def _called_plainly(module: torch.nn.Module) -> bool:
    """Whether calling the module is calling its `forward`: no hook, no other `__call__`, no compiled one."""
    hooks = (
        module._forward_hooks,
        module._forward_pre_hooks,
        module._backward_hooks,
        module._backward_pre_hooks,
        module._compiled_call_impl,
    )
    usual = type(module).__call__ is torch.nn.Module.__call__
    return usual and not any(hooks) and not torch_module._has_any_global_hook()
