"""What a net's outputs mean: a loss, the mean recorded beside it, and what is measured over a whole split."""

import inspect
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor, nn
from torchmetrics import Metric

from litmus.contract import Kind, Target
from litmus.direction import direction_of
from litmus.training.plain import module_of

# A logarithm of a probability is no less than this, as in torch's own cross-entropy of probabilities: of what never
# was in the training, and is in the test, a constant prediction has a loss that can be written down.
CERTAIN = 100.0
KINDS = {"classes": "classes", "real": "real values", "labels": "labels"}


class Task:
    """The meaning of outputs (samples, outputs) for a target; a subclass for each kind.

    Args:
        target: what the data ask for.
        metrics: torchmetrics by the names that they are recorded by, as plain data: {"auroc": {"_target_": …}}. Each is
            computed over the whole of a split, for val and test.
        train_metrics: whether they are computed for the training too, whose outputs are then kept for an epoch.

    Raises:
        ValueError: for data of another kind, or a metric that cannot be recorded by its name.

    Attributes:
        kind: of the targets that it is for.
        mean: what is recorded beside the loss.
        own: what it measures of a split by itself.
        outputs: numbers that a net gives for a sample.
        values: numbers of a sample that `tally` counts, by which its sum is divided.
    """

    # Mean and deviation (1, number) by which the data have standardised real targets.
    _standardised_by: tuple[Tensor, Tensor] | None = None

    kind: Kind
    mean: str
    own: tuple[str, ...] = ()
    _given: dict[str, Any]

    def __new__(cls, *arguments: Any, **keywords: Any) -> "Task":
        """Notes what it is made with, also by a subclass of anybody's, so that it can be made again."""
        task = super().__new__(cls)
        if not (arguments or keywords):  # a copy, which has it already
            return task
        signature = inspect.signature(cls)
        given = signature.bind(*arguments, **keywords).arguments
        usual = signature.parameters
        task._given = {name: one for name, one in given.items() if name != "target" and one != usual[name].default}
        return task

    def __init__(
        self,
        target: Target | Mapping[str, Any],
        metrics: Mapping[str, Any] | None = None,
        train_metrics: bool = False,
    ) -> None:
        if isinstance(target, Mapping):
            target = Target(target["kind"], target["number"], tuple(target["names"]))
        if target.kind != self.kind:
            raise ValueError(
                f"task={type(self).__name__.lower()} is for {KINDS[self.kind]}, and the data ask for {target.number} "
                f"{KINDS[target.kind]}; task=auto takes what they ask for"
            )
        self.target = target
        self.outputs = target.outputs
        self.values = 1
        self.train_metrics = train_metrics
        for name in metrics or {}:
            if name in ("loss", self.mean, *self.own, *self.scored):
                raise ValueError(f"task.metrics.{name} has the name of what is recorded anyhow; take another")
        self.metrics = {name: _metric(name, plain) for name, plain in (metrics or {}).items()}

    # ------------------------------------------------------------------ what a kind says

    scored: tuple[str, ...] = ()

    def read(self, y: Tensor) -> Tensor:
        """Targets of a batch of anybody's, as data of this project have them."""
        return y

    def targets(self, y: Tensor) -> Tensor:
        """Targets as the data have them, in the type and shape that the loss takes."""
        raise NotImplementedError

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The mean loss (a scalar) over a batch of outputs (batch, outputs)."""
        raise NotImplementedError

    def tally(self, outputs: Tensor, y: Tensor) -> Tensor:
        """The sum (a scalar) over a batch of what `mean` is the mean of."""
        raise NotImplementedError

    def answers(self, outputs: Tensor) -> Tensor:
        """What a reader takes the outputs for: probabilities, or values."""
        raise NotImplementedError

    def scores(self, outputs: Tensor, y: Tensor) -> dict[str, float]:
        """What the test tells beyond, from all its outputs and targets; `scored` has the names."""
        return {}

    def measured(self, outputs: Tensor, y: Tensor) -> dict[str, float]:
        """What is measured of a whole split: what the task measures itself, and the torchmetrics asked for."""
        # On the CPU: some counting operations have no deterministic kernel elsewhere.
        answers, y = self.answers(outputs).cpu(), y.cpu()
        return {name: _value(name, metric, *self.judged(metric, answers, y)) for name, metric in self.metrics.items()}

    def judged(self, metric: Metric, answers: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Predictions and targets in the shapes that a torchmetric takes."""
        return answers, y

    def constant(self, y: Tensor) -> Tensor:
        """The outputs (outputs,) of whoever always says the same and has seen these targets of the training."""
        raise NotImplementedError

    def columns(self, answers: Tensor, y: Tensor) -> dict[str, list[Any]]:
        """The columns of predictions.csv, from all answers and targets of a split."""
        raise NotImplementedError

    # ------------------------------------------------------------------ what follows

    @property
    def measures(self) -> bool:
        """Whether outputs must be kept to be measured."""
        return bool(self.own or self.metrics)

    @property
    def higher_is_better(self) -> dict[str, bool | None]:
        """Which way each recorded metric is better, without the split; None where nobody says."""
        by_name = {name: direction_of(name) for name in ("loss", self.mean, *self.own, *self.scored)}
        known: dict[str, bool | None] = {name: None if way is None else way == "up" for name, way in by_name.items()}
        return known | {name: metric.higher_is_better for name, metric in self.metrics.items()}

    def accept(self, outputs: int) -> bool:
        """Whether a net may give so many numbers for each sample; if so, the task reads them that way from now on."""
        return outputs == self.outputs

    def baseline(self, targets: Mapping[str, Tensor]) -> dict[str, dict[str, float]]:
        """Loss and mean, by split, of whoever always says what is best for the training's targets."""
        constant, found = self.constant(targets["train"]), {}
        for split, y in targets.items():
            if len(y):
                outputs = constant.to(y.device).expand(len(y), -1)
                loss, tally = self.loss(outputs, self.targets(y)), self.tally(outputs, y)
                found[split] = {"loss": float(loss), self.mean: float(tally) / (len(y) * self.values)}
        return found

    def plain(self) -> dict[str, Any]:
        """Plain data from which `task_of` makes it again."""
        target = {**asdict(self.target), "names": list(self.target.names)}
        return {"_target_": f"{type(self).__module__}.{type(self).__qualname__}", "target": target, **self._given}


def refuse_parameters(task: Task) -> None:
    """Refuses a task that would be trained: only the parameters of a model are, and are kept in its checkpoints.

    Raises:
        ValueError: naming the attribute.
    """
    for name, part in vars(task).items():
        parameters = part.parameters() if isinstance(part, nn.Module) else (part,)
        if any(isinstance(one, nn.Parameter) and one.requires_grad for one in parameters):
            raise ValueError(
                f"{type(task).__name__}.{name} would be neither trained nor kept: expected a task without parameters; "
                "make it a part of the model, or freeze it by requires_grad_(False)"
            )


def _metric(name: str, plain: Any) -> Metric:
    place = f"task.metrics.{name}"
    if not isinstance(plain, Mapping) or "_target_" not in plain:
        raise ValueError(f"{place} must be a mapping with the _target_ of a torchmetrics class, got {plain}")
    metric = module_of(plain, place)
    if not isinstance(metric, Metric):
        raise ValueError(f"{place}._target_ must be a class of torchmetrics, got {plain['_target_']}")
    way, better = direction_of(name), metric.higher_is_better
    if None not in (way, better) and (way == "up") != better:
        raise ValueError(
            f"{place} has a name of which {'more' if way == 'up' else 'less'} is better, and "
            f"{type(metric).__name__} is better the {'more' if better else 'less'} it is; name it otherwise"
        )
    return metric


def _value(name: str, metric: Metric, predictions: Tensor, y: Tensor) -> float:
    metric.reset()
    metric.update(predictions, y)
    value = metric.compute()
    metric.reset()
    if not isinstance(value, Tensor) or value.numel() != 1:
        told = f"{value.numel()} numbers" if isinstance(value, Tensor) else f"a {type(value).__name__}"
        raise ValueError(f"task.metrics.{name} gives {told}, expected one; an average makes one of several")
    return float(value)


def count_by_class(y: Tensor, classes: int) -> Tensor:
    """How many samples (classes,) each class has."""
    return torch.bincount(y.cpu(), minlength=classes).double()
