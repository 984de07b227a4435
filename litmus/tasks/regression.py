"""Real values: squared, absolute or Huber's error."""

from collections.abc import Callable, Mapping
from typing import Any, Literal, get_args

import torch.nn.functional as F
from torch import Tensor
from torchmetrics import Metric

from litmus.contract import Target
from litmus.tasks.task import Task
from litmus.training.totals import widest

Loss = Literal["mse", "mae", "huber"]
LOSSES: Mapping[str, Callable[..., Tensor]] = {"mse": F.mse_loss, "mae": F.l1_loss, "huber": F.huber_loss}

# The torchmetrics of errors beside the values, or of their logarithms: of standardised values they say nothing.
OF_ZERO = (
    *("MeanAbsolutePercentageError", "SymmetricMeanAbsolutePercentageError", "WeightedMeanAbsolutePercentageError"),
    *("CosineSimilarity", "MeanSquaredLogError", "NormalizedRootMeanSquaredError", "TweedieDevianceScore"),
)


class Regression(Task):
    """One or several real values per sample; the mean absolute error is recorded beside the loss, R² and RMSE too.

    Args:
        target: its values.
        loss: mse, mae or huber (squared up to an error of 1, absolute beyond).
        metrics, train_metrics: see Task.
    """

    kind = "real"
    mean = "mae"
    own = ("rmse", "r2")

    def __init__(
        self,
        target: Target | Mapping[str, Any],
        loss: Loss = "mse",
        metrics: Mapping[str, Any] | None = None,
        train_metrics: bool = False,
    ) -> None:
        super().__init__(target, metrics, train_metrics)
        if loss not in get_args(Loss):
            raise ValueError(f"task.loss must be one of {', '.join(get_args(Loss))}, got {loss}")
        self.name, self.values = loss, self.target.number
        self._error = LOSSES[loss]

    def targets(self, y: Tensor) -> Tensor:
        """Values (batch, number)."""
        return y.float().reshape(len(y), self.values)

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The mean over samples and their values."""
        return self._error(outputs, targets)

    def tally(self, outputs: Tensor, y: Tensor) -> Tensor:
        """The sum of the absolute errors."""
        errors = (outputs - self.targets(y)).abs()
        # Float32 numbers add up exactly in float64, in whatever order and parts.
        return errors.to(widest(errors.device)).sum()

    def answers(self, outputs: Tensor) -> Tensor:
        """The values themselves."""
        return outputs.float()

    def measured(self, outputs: Tensor, y: Tensor) -> dict[str, float]:
        """The root of the mean squared error; R², the mean of the values' own; the torchmetrics."""
        targets = self.targets(y).cpu().double()
        squares = (outputs.cpu().double() - targets) ** 2
        spread = (targets - targets.mean(0)) ** 2
        r2 = 1 - squares.sum(0) / spread.sum(0)
        return {"rmse": float(squares.mean().sqrt()), "r2": float(r2.mean()), **super().measured(outputs, y)}

    def judged(self, metric: Metric, answers: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Both (samples, number), or (samples,) of one value; in their own unit where its zero counts."""
        shape = (len(y),) if self.values == 1 else (len(y), self.values)
        pair = (answers, self.targets(y))
        if self._standardised_by is not None and any(kind.__name__ in OF_ZERO for kind in type(metric).__mro__):
            mean, deviation = (part.flatten().cpu() for part in self._standardised_by)
            pair = (answers * deviation + mean, self.targets(y) * deviation + mean)
        return pair[0].reshape(shape), pair[1].reshape(shape)

    def constant(self, y: Tensor) -> Tensor:
        """The mean of each value; the median where absolute errors are the loss."""
        targets = self.targets(y).cpu().double()
        return (targets.quantile(0.5, 0) if self.name == "mae" else targets.mean(0)).float()

    def columns(self, answers: Tensor, y: Tensor) -> dict[str, list[Any]]:
        """Target and prediction of each value."""
        names = [""] if self.values == 1 else [f"_{name}" for name in self.target.names or range(self.values)]
        columns: dict[str, list[Any]] = {}
        for kind, table in (("target", self.targets(y)), ("prediction", answers)):
            columns |= {f"{kind}{name}": column.tolist() for name, column in zip(names, table.T, strict=True)}
        return columns
