"""The LightningModule of every net here: what a task says of its outputs, optimizer, two ways through an epoch."""

from collections.abc import Callable, Mapping
from functools import partial, wraps
from types import MappingProxyType
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import BaseFinetuning
from torch import Tensor
from torch.optim import Adam, Optimizer

from litmus.contract import Target, tells_of_epochs
from litmus.tasks.kinds import is_usual, task_of, usual_task
from litmus.tasks.task import Task, refuse_parameters
from litmus.training.averaging import averaging_of
from litmus.training.batches import pair, refuse_unread_weights
from litmus.training.bookkeeping import Bookkeeping, counters
from litmus.training.by_hand import ByHand, Gradients, Proofs, Proven, by_hand, called_plainly
from litmus.training.direct_step import direct_step, is_direct, plain_backward, plain_step
from litmus.training.gradients import watchers_of
from litmus.training.overridden import step_of_ones_own
from litmus.training.pack import generator_here, pack_here
from litmus.training.packed import Stretch
from litmus.training.plan import planned_updates
from litmus.training.pretrained import trainable
from litmus.training.schedule import Schedule
from litmus.training.stretches import judges_by_row, reason_in_optimizer
from litmus.training.totals import Totals

# How many updates may pass before a loss that is not finite is noticed: reading it back waits for the device.
CHECK_EVERY = 64
# How the updates of a fit were computed, from the plainest on; all give the same bits.
STEPS, STRETCHES, BY_HAND, PACKED = "steps", "stretches", "by hand", "by hand, in packs"


class Learner(pl.LightningModule):
    """Training of a net given by a subclass's `forward`, for a task that says what its outputs mean.

    Where nothing asks for Lightning's work between updates, one `training_step` runs a whole *stretch* of updates
    (manual optimization; `trainer.global_step` counts each update); otherwise it is the ordinary step with automatic
    optimization. Both give bit-identical weights. A subclass may override whatever Lightning calls, with super() or
    without: what acts between updates takes the ordinary path, and the rest is kept by a callback, see `Bookkeeping`.

    Args:
        classes: number of classes, for the usual task of classes; two have one logit. None where a task is given.
        optimizer: makes the optimizer from the parameters; None is Adam at 1e-3.
        scheduler: makes a Schedule, or a torch scheduler stepped by epoch, from the optimizer; None is constant.
        task: what the outputs mean, or its plain data.

    Raises:
        FloatingPointError: when a loss becomes NaN or infinite, naming epoch and update.

    Attributes:
        means: what is recorded of each split, out of loss and what the task has beside it.
        fewest_classes: with which it can be made.
        outputs: numbers that the net gives for each sample.
        packs: whether its net is a chain of layers that packs know: trials of a study that are alike then share a
            process (litmus/sweeps/packs.py).
        without_effect: arguments of its own that change nothing as it was made, and why: typed, they are refused.
        fast: False makes every update a step of the trainer's own, with the same bits.
        path: by which the last fit computed its updates: steps, stretches, or stretches by hand, alone or some of them
            together with other trials of a pack; None before any.
    """

    fewest_classes = 2
    # Of the length of a run it makes its schedule alone.
    plans_are_compared = True
    packs = False
    fast = True
    without_effect: Mapping[str, str] = MappingProxyType({})

    def __init__(
        self,
        classes: int | None = None,
        optimizer: Callable[..., Optimizer] | None = None,
        scheduler: Callable[..., Any] | None = None,
        task: Task | Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.save_hyperparameters(ignore=["optimizer", "scheduler", "task"], logger=False)
        self.task = self._task_of(classes, task_of(task) if isinstance(task, Mapping) else task)
        if self.task is not None and (classes is None or not is_usual(self.task)):
            self.save_hyperparameters({"task": self.task.plain()}, logger=False)
        self.classes = self.task.target.number if self.task and self.task.kind == "classes" else classes or 0
        self.outputs: int = self.task.outputs if self.task else classes or 0
        self.make_optimizer = optimizer
        self.make_scheduler = scheduler
        self.schedule: Schedule | None = None
        self.totals, self.evaluated = Totals(), Totals()
        # Outputs and targets of the epoch that are kept to be measured, of the training and of an evaluation.
        self.trained: list[tuple[Tensor, Tensor]] = []
        self.tested: list[tuple[Tensor, Tensor]] = []
        # Those of an evaluation whose loss is not taken yet: it is one mean over a stretch, in however many batches.
        self.answered: list[tuple[Tensor, Tensor]] = []
        self.single_step_reason: str | None = None
        self.path: str | None = STEPS
        self.proofs = Proofs()
        self._share = 1.0

    def _task_of(self, classes: int | None, task: Task | None) -> Any:
        if classes is not None and classes < self.fewest_classes:
            hint = "; data without classes are for model=landscape" if classes == 0 else ""
            raise ValueError(f"classes must be 2 or more, got {classes}{hint}")
        if task is None:
            if classes is None:
                raise ValueError(f"{type(self).__name__} needs the number of classes, or a task, to know what to learn")
            return usual_task(Target("classes", classes)) if classes else None
        if classes is not None and (task.kind, task.target.number) != ("classes", classes):
            found = f"{task.target.number} {task.target.kind}"
            raise ValueError(f"model.classes={classes} is not what the data ask for: {found}; leave it out")
        refuse_parameters(task)
        return task

    def told(self, **parts: Any) -> None:
        """Takes the optimizer, scheduler and task that the constructor of a subclass did not ask for."""
        self.make_optimizer = self.make_optimizer or parts.get("optimizer")
        self.make_scheduler = self.make_scheduler or parts.get("scheduler")
        if parts.get("task") is not None and self.task is not None:
            self.task = self._task_of(self.classes or None, parts["task"])

    # ------------------------------------------------------------------ what a batch means

    @property
    def means(self) -> tuple[str, ...]:
        """What is recorded of each split."""
        return ("loss", self.task.mean)

    def targets(self, y: Tensor) -> Tensor:
        """Targets as the data have them, in the type and shape that the loss takes."""
        return y if self.task is None else self.task.targets(y)

    def criterion(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The mean loss over a batch, from outputs (batch, outputs)."""
        return self.task.loss(outputs, targets)

    def predictions(self, logits: Tensor) -> Tensor:
        """The class (batch,) of each row of logits."""
        return self.task.predictions(logits)

    def tally(self, outputs: Tensor, y: Tensor) -> Tensor:
        """The sum over a batch of what is recorded beside the loss."""
        if self.task is None or self.task.kind == "classes":
            return (self.predictions(outputs) == y).sum()
        return self.task.tally(outputs, y)

    def probabilities(self, logits: Tensor) -> Tensor:
        """What a reader takes outputs for: probabilities (batch, classes), for two classes as well, or values."""
        return self.task.answers(logits)

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
        return [] if any(isinstance(callback, Bookkeeping) for callback in known) else [Bookkeeping(Learner)]

    configure_callbacks.with_bookkeeping = True  # type: ignore[attr-defined]

    def configure_optimizers(self) -> Any:
        optimizer = (self.make_optimizer or partial(Adam, lr=1e-3))(self._parameters_to_optimize())
        reason = reason_in_optimizer(optimizer)
        if reason is not None and not self.automatic_optimization:
            self.single_step_reason, self.path = reason, STEPS
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
        if isinstance(batch, Mapping) and not step_of_ones_own(self, Learner):
            refuse_unread_weights(batch)
        if self.automatic_optimization:
            return self._single_step(*self._read(batch))
        self._stretch(*pair(batch))
        return None

    def _read(self, batch: Any) -> Any:
        """Inputs, targets, and what a loader of this project adds to them."""
        x, y, *added = pair(batch)
        return (x, self._labels(y), *added)

    def _labels(self, y: Tensor) -> Tensor:
        return y if self.task is None else self.task.read(y)

    def _single_step(self, x: Tensor, y: Tensor, share: float = 1.0) -> Tensor:
        self._share = 1.0  # it weighs its loss by itself
        logits = self(x)
        if len(y) == 0:  # this rank's share of a small last batch: it takes part, and adds nothing
            return logits.sum() * 0.0
        loss = self.criterion(logits, self.targets(y))
        self._count([loss.detach()], [len(y)], logits.detach(), y)
        if len(self.totals.losses) % CHECK_EVERY == 0 and self.trainer.world_size == 1:
            self._refuse_not_finite(len(self.totals.losses) - CHECK_EVERY)
        return loss if share == 1.0 else loss * share

    def _stretch(self, x: Tensor, y: Tensor, batch_size: int | None = None) -> None:
        """Every update of a stretch, with nothing between them but the steps of an average and of the schedule, and a
        look at the gradients where somebody asked for it.

        Where somebody's own code says what targets mean, which may draw, it says so of each update, as in a step of its
        own. A batch of another loader, which says no size, is a stretch of one update. Lightning has put the
        precision's context around the whole stretch; it belongs around each forward pass and no backward one.
        """
        batch_size = batch_size or len(y)
        optimizer: Optimizer = self.optimizers(use_pl_optimizer=False)  # type: ignore[assignment]
        by_update = self.schedule is not None and self.schedule.interval == "update"
        parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        at_once = judges_by_row(self)
        gradients: Gradients = self._by_autograd(parameters, x.device, at_once)
        hand = by_hand(self, Learner, parameters, x) if at_once else None
        if hand is not None:
            gradients = Proven(hand, gradients, parameters, self.proofs)
        step = plain_step(optimizer) if hand is None else direct_step(optimizer, self.proofs.steps)
        averaging, watchers = averaging_of(self.trainer), watchers_of(self.trainer)
        start = len(self.totals.losses)
        losses, logits, sizes = list[Tensor](), list[Tensor](), list[int]()
        together, packed = 0, self.path == PACKED
        # Whoever may read trainer.global_step meanwhile; of nets by hand nobody's code runs.
        read, counted = hand is None or averaging is not None, 0
        with torch.autocast(x.device.type, enabled=False), torch.set_grad_enabled(hand is None):
            y = self._labels(y) if at_once else y
            every = self.targets(y) if at_once else y
            # Nothing but the schedule may come between updates that are made together with those of other trials.
            may_meet = pack_here() is not None and averaging is None and not watchers
            for inputs, targets in zip(x.split(batch_size), every.split(batch_size), strict=True):
                if together:  # this one is made
                    together -= 1
                    continue
                if may_meet and hand is not None and self._is_proven(gradients, optimizer, inputs):
                    may_meet, done = False, batch_size * len(sizes)
                    met = self._met(hand, optimizer, x[done:], every[done:], batch_size, by_update)
                    losses, logits, sizes = losses + met.losses, logits + met.outputs, sizes + [batch_size] * met.made
                    if met.made:
                        packed = True
                        together = met.made - 1
                        continue
                loss, outputs = gradients(inputs, targets)
                for watcher in watchers:
                    watcher.see(optimizer)
                step()
                if read:
                    self._count_updates(1)
                    counted += 1
                if averaging is not None:
                    averaging.after_update(self)
                losses.append(loss.detach())
                logits.append(outputs.detach())
                sizes.append(len(inputs))
                if by_update:
                    self.schedule.step({})  # type: ignore[union-attr]
        if self.path not in (STEPS, STRETCHES):  # else updates before these were made so, maybe of the run that goes on
            all_by_hand = hand is not None and not self.proofs.failed
            self.path = (PACKED if packed else BY_HAND) if all_by_hand else STRETCHES
        if at_once:
            self._count(losses, sizes, torch.cat(logits), y)
        self._count_updates(len(sizes) - counted)
        # The loop itself adds one for the stretch.
        self.trainer.fit_loop.epoch_loop._batches_that_stepped -= 1
        self._refuse_not_finite(start)

    def _is_proven(self, gradients: Gradients, optimizer: Optimizer, inputs: Tensor) -> bool:
        """Whether an update of these inputs would be made by hand and by kernels that were tried, as in a pack."""
        return isinstance(gradients, Proven) and gradients.held(inputs) and is_direct(optimizer, self.proofs.steps)

    def _met(
        self, hand: ByHand, optimizer: Optimizer, x: Tensor, y: Tensor, batch_size: int, by_update: bool
    ) -> Stretch:
        """What was made of these samples' whole batches together with other trials."""
        whole = len(x) // batch_size
        x, y = (one[: whole * batch_size].unflatten(0, (whole, batch_size)) for one in (x, y))
        after = partial(self.schedule.step, {}) if by_update and self.schedule is not None else None
        stretch = Stretch(hand, optimizer, x, y, after, generator_here())
        pack = pack_here()
        if pack is not None and stretch.gains:
            pack.meet(stretch)
        return stretch

    def _by_autograd(self, parameters: list[Tensor], device: torch.device, at_once: bool) -> Gradients:
        """The gradients of an update as autograd finds them; one whose targets are not known at once counts itself."""
        forward, criterion = self.forward if called_plainly(self) else self, self.criterion
        backward, forward_context = plain_backward(device), self.trainer.precision_plugin.forward_context

        def gradients(inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
            with forward_context():
                if at_once:
                    outputs = forward(inputs)
                    loss = criterion(outputs, targets)
                else:
                    outputs = loss = self._single_step(inputs, self._labels(targets))
            for parameter in parameters:  # what zero_grad does, without its label for profilers
                parameter.grad = None
            backward(loss)
            return loss, outputs

        return gradients

    def _count(self, losses: list[Tensor], sizes: list[int], outputs: Tensor, y: Tensor) -> None:
        self.totals.add(losses, sizes, self.tally(outputs, y))
        if self.task is not None and self.task.train_metrics:
            self.trained.append((outputs, y))

    def _count_updates(self, updates: int) -> None:
        """Adds to `trainer.global_step`, which only Lightning's own optimizer wrapper would otherwise move."""
        for progress in counters(self.trainer):
            for counted in (progress.total, progress.current):
                counted.ready += updates
                counted.completed += updates
        # By which loggers number what a module logs.
        self.trainer.fit_loop.epoch_loop._batches_that_stepped += updates

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
        kept = self._evaluate(batch)
        if self.task is not None and self.task.measures:
            self.tested.append(kept)

    def test_step(self, batch: Any, batch_idx: int) -> None:
        self.tested.append(self._evaluate(batch))

    def measured(self, outputs: Tensor, y: Tensor) -> dict[str, float]:
        """What is measured of a whole split, from all its outputs and targets."""
        return self.task.measured(outputs, y) if self.task is not None and self.task.measures else {}

    def scores(self, logits: Tensor, y: Tensor) -> dict[str, float]:
        """What the test tells beyond the means, from all logits (samples, outputs) and labels (samples,)."""
        return self.task.scores(logits, y)

    def predict_step(self, batch: Any, batch_idx: int) -> tuple[Tensor, Tensor]:
        """What the outputs (batch, outputs) are taken for, probabilities or values; and the targets."""
        x, y, *size = self._read(batch)
        logits = [self(part) for part in x.split(*size)] if size else [self(x)]
        return self.probabilities(torch.cat(logits)), y

    def _evaluate(self, batch: Any) -> tuple[Tensor, Tensor]:
        x, y, *size = self._read(batch)
        parts = x.split(*size) if size else (x,)
        self.answered.append((torch.cat([self(part) for part in parts]), y))
        return self.answered[-1]

    def _judge(self) -> None:
        """Adds the loss of what was answered since the last call, as a step would take it."""
        logits, y = (one[0] if len(one) == 1 else torch.cat(one) for one in zip(*self.answered, strict=True))
        with self.trainer.precision_plugin.forward_context():
            loss = self.criterion(logits, self.targets(y))
            self.evaluated.add([loss], [len(y)], self.tally(logits, y))
        self.answered.clear()

    def _record(self, metrics: dict[str, float]) -> None:
        """Makes metrics known to callbacks, and to whatever else of the trainer shows what a module logs.

        `self.log` costs as much as an update: where somebody else writes the rows of the epochs, or nothing shows them,
        they are only left where they are looked for.
        """
        trainer = self.trainer
        found = {name: torch.tensor(value, dtype=torch.float64) for name, value in metrics.items()}
        trainer.callback_metrics.update(found)
        if tells_of_epochs(trainer):
            return
        trainer.logged_metrics.update(found)
        if trainer.loggers or trainer.progress_bar_callback is not None or trainer.state.fn != "fit":
            several = trainer.world_size > 1  # who have the same value each
            for name, one in found.items():
                shown = name.partition("/")[2] in self.means
                self.log(name, one, on_step=False, on_epoch=True, prog_bar=shown, batch_size=1, sync_dist=several)


def _with_bookkeeping(own: Callable[[Any], Any]) -> Callable[[Any], list[pl.Callback]]:
    @wraps(own)
    def configure_callbacks(self: Any) -> list[pl.Callback]:
        brought = own(self) or []
        callbacks = [brought] if isinstance(brought, pl.Callback) else list(brought)
        present = any(isinstance(callback, Bookkeeping) for callback in callbacks)
        return callbacks if present else [*callbacks, *Learner.configure_callbacks(self)]

    configure_callbacks.with_bookkeeping = True  # type: ignore[attr-defined]
    return configure_callbacks
