"""The learning rate's course: linear warm-up, then any scheduler of torch's, stepped by update or by epoch."""

from collections.abc import Callable, Iterator
from functools import partial
from inspect import signature
from typing import Any

import pytorch_lightning as pl
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ConstantLR, CyclicLR, LinearLR, LRScheduler, OneCycleLR, ReduceLROnPlateau

from litmus.direction import has_mode, mode_of
from litmus.training.stand_in import TOTAL

INTERVALS = ("epoch", "update")
# Those that set a rate of their own, whatever the optimizer's was.
SETTING_RATES = (OneCycleLR, CyclicLR)
# The arguments by which torch's schedulers know how many steps they have.
LENGTHS = ("total_steps", "T_max", "total_iters")


class Schedule:
    """Warm-up and scheduler as one object that the trainer checkpoints.

    Args:
        optimizer: whose learning rate it sets.
        updates: planned updates of each epoch, None where nobody can know them.
        scheduler: makes a torch scheduler from the optimizer; None keeps the rate constant. An argument of it with the
            value "total" (`T_max: total`) is replaced by the number of steps that follow the warm-up.
        interval: a step after every update, or after every epoch's validation.
        warmup: epochs over which the rate rises linearly to its value.
        monitor: what ReduceLROnPlateau watches; its `mode` follows from the metric.

    Raises:
        ValueError: for an unknown interval, a warm-up as long as the run, a plateau stepped by update, or a length in
            updates that nobody can know.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        updates: list[int] | None,
        epochs: int,
        scheduler: Callable[[Optimizer], LRScheduler] | None = None,
        interval: str = "epoch",
        warmup: int = 0,
        monitor: str = "val/loss",
    ) -> None:
        if interval not in INTERVALS:
            raise ValueError(f"scheduler.interval must be epoch or update, got {interval}")
        if not isinstance(warmup, int) or warmup < 0 or (warmup and warmup >= epochs):
            raise ValueError(
                f"scheduler.warmup must be a whole number of epochs below the run's {epochs}, got {warmup}"
            )
        self.optimizer = optimizer
        self.interval = interval
        self.monitor = monitor
        self.steps = 0  # of this process: whoever would take one sees whether somebody has
        self.warmup_steps = warmup
        total = epochs - warmup
        if interval == "update" and (warmup or _asks_for_total(scheduler)):
            if updates is None:
                raise ValueError(
                    "this scheduler's length depends on the number of updates, which the batching does not tell in "
                    "advance; use scheduler.interval=epoch or a schedule that depends on the epoch alone"
                )
            self.warmup_steps = sum(updates[:warmup])
            total = sum(updates[warmup:])
        self.main = None if scheduler is None else _prepared(scheduler, total, monitor)(optimizer)
        self.plateau = isinstance(self.main, ReduceLROnPlateau)
        if self.plateau and interval == "update":
            raise ValueError("scheduler=plateau waits for a validation: use scheduler.interval=epoch")
        self.warmup = None
        if self.warmup_steps:
            start = 1 / (self.warmup_steps + 1)
            self.warmup = LinearLR(optimizer, start_factor=start, total_iters=self.warmup_steps)

    @property
    def warming(self) -> bool:
        """Whether the next step is one of the warm-up."""
        return self.warmup is not None and self.warmup.last_epoch < self.warmup_steps

    @property
    def waits(self) -> bool:
        """Whether the next step needs a metric, and must wait for an epoch that has it."""
        return self.plateau and not self.warming

    def step(self, metrics: dict[str, Any]) -> None:
        """One step of whichever of the two is on."""
        self.steps += 1
        if self.warming:
            self.warmup.step()  # type: ignore[union-attr]
        elif self.plateau:
            if self.monitor not in metrics:
                raise ValueError(
                    f"scheduler.monitor={self.monitor} is not among the metrics {', '.join(sorted(metrics))}"
                )
            self.main.step(float(metrics[self.monitor]))  # type: ignore[union-attr, arg-type]
        elif self.main is not None:
            self.main.step()

    def scale(self, ratio: float) -> None:
        """Multiplies the rate, now and in all the schedule still plans, by `ratio`."""
        for group in self.optimizer.param_groups:
            group["lr"] *= ratio
            if "initial_lr" in group:
                group["initial_lr"] *= ratio
        for part in (self.warmup, self.main):
            if hasattr(part, "base_lrs"):
                part.base_lrs = [rate * ratio for rate in part.base_lrs]  # type: ignore[union-attr]

    def state_dict(self) -> dict[str, Any]:
        parts = {"warmup": self.warmup, "main": self.main}
        return {name: part.state_dict() for name, part in parts.items() if part is not None}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        for name, part in (("warmup", self.warmup), ("main", self.main)):
            if part is not None:
                part.load_state_dict(state_dict[name])


class SchedulerMaker:
    """What a module of anybody's, which names `scheduler`, is given: it makes the chosen scheduler of an optimizer.

    Of the optimizer alone it makes torch's, as Lightning takes it; the module says itself how often it steps. With
    `updates` and `epochs`, as a Learner gives them, it makes a Schedule.

    Args:
        whole: makes the Schedule; its keywords are the knobs.

    Attributes:
        called: whether anybody has made one.
    """

    def __init__(self, whole: partial[Schedule]) -> None:
        self.whole, self.called = whole, False

    def __call__(self, optimizer: Optimizer, *length: Any, **lengths: Any) -> Any:
        self.called = True
        if length or lengths:
            return self.whole(optimizer, *length, **lengths)
        return _of_optimizer_alone(optimizer, **self.whole.keywords)


def _of_optimizer_alone(
    optimizer: Optimizer,
    scheduler: Callable[[Optimizer], LRScheduler] | None = None,
    interval: str = "epoch",
    warmup: int = 0,
    monitor: str = "val/loss",
) -> LRScheduler:
    """A scheduler of torch's; a constant one where none is chosen.

    Raises:
        ValueError: for knobs that would have no effect, or that only whoever knows the run's length can follow.
    """
    idle = [
        f"scheduler.{knob}={value}"
        for knob, value, usual in (("warmup", warmup, 0), ("interval", interval, "epoch"))
        if value != usual
    ]
    idle += [
        f"scheduler.scheduler.{knob}={TOTAL}"
        for knob, value in getattr(scheduler, "keywords", {}).items()
        if value == TOTAL
    ]
    if idle:
        raise ValueError(
            f"{' and '.join(idle)} would have no effect: the model makes its scheduler of the optimizer alone, and "
            "says itself when it steps; type another value, or let it call scheduler(optimizer, updates=…, epochs=…)"
        )
    if scheduler is None:
        return ConstantLR(optimizer, factor=1.0, total_iters=0)
    return _prepared(scheduler, 0, monitor)(optimizer)


def _asks_for_total(scheduler: Callable[[Optimizer], LRScheduler] | None) -> bool:
    return TOTAL in getattr(scheduler, "keywords", {}).values()


def _prepared(scheduler: Callable[..., LRScheduler], total: int, monitor: str) -> Callable[[Optimizer], LRScheduler]:
    """The maker with the arguments that only the run knows: its length, and which way its metric is better."""
    keywords = getattr(scheduler, "keywords", {})
    known: dict[str, Any] = {name: total for name, value in keywords.items() if value == TOTAL}
    given = keywords.get("mode")
    if has_mode(signature(scheduler).parameters, given):
        known["mode"] = mode_of(monitor, given, "scheduler.scheduler.mode")
    return partial(scheduler, **known)


def scale_learning_rates(trainer: pl.Trainer, ratio: float) -> None:
    """Multiplies every learning rate by `ratio`, now and in all that the schedulers still plan."""
    done = []
    for scheduler in _schedulers(trainer):
        if hasattr(scheduler, "scale"):
            scheduler.scale(ratio)
            done.append(scheduler.optimizer)
            continue
        for part in _parts(scheduler):
            if hasattr(part, "base_lrs"):
                part.base_lrs = [rate * ratio for rate in part.base_lrs]
    for optimizer in trainer.optimizers:
        if any(optimizer is already for already in done):
            continue
        for group in optimizer.param_groups:
            for name in ("lr", "initial_lr"):
                if name in group:
                    group[name] = group[name] * ratio


def refuse_cycles(trainer: pl.Trainer, coupling: str) -> None:
    """Refuses schedulers that write rates of their own making over any that follow the batch size."""
    for scheduler in _schedulers(trainer):
        for part in _parts(scheduler):
            if isinstance(part, SETTING_RATES):
                raise ValueError(
                    f"{type(part).__name__} sets learning rates that cannot follow the batch size: use "
                    f"batching.lr=none instead of {coupling}, or another scheduler"
                )


def refuse_lengths(trainer: pl.Trainer, planned: list[int] | None) -> None:
    """Refuses schedulers stepped by update that are as long as a run of one size, by which somebody reckoned."""
    own: Any = pl.Trainer.estimated_stepping_batches
    estimate, total = own.fget(trainer), None if planned is None else sum(planned)
    if estimate == total:
        return
    for config in trainer.lr_scheduler_configs:
        # A schedule with a `scale` of its own was given the planned updates.
        if config.interval != "step" or hasattr(config.scheduler, "scale"):
            continue
        for part in _parts(config.scheduler):
            if any(getattr(part, length, None) == estimate for length in LENGTHS):
                real = (
                    "nobody can know how many this batching makes; step it by epoch"
                    if total is None
                    else f"this batching makes {total}; give it trainer.estimated_stepping_batches, which is that"
                )
                raise ValueError(
                    f"{type(part).__name__} is as long as the {estimate} updates of one batch size, but {real}"
                )


def _schedulers(trainer: pl.Trainer) -> list[Any]:
    return [config.scheduler for config in trainer.lr_scheduler_configs]


def _parts(scheduler: Any) -> Iterator[Any]:
    """The scheduler and those it consists of."""
    yield scheduler
    for part in (*getattr(scheduler, "_schedulers", ()), getattr(scheduler, "main", None)):
        if part is not None:
            yield from _parts(part)
