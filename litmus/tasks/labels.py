"""Several labels at once, each there or not: binary cross-entropy of each."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor
from torchmetrics import Metric

from litmus.contract import Target
from litmus.tasks.task import CERTAIN, Task


class Labels(Task):
    """A logit for each label; accuracy is the share of labels that are right.

    Args:
        target: its labels.
        metrics, train_metrics: see Task.
    """

    kind = "labels"
    mean = "acc"
    scored = ("f1", "subset_accuracy")

    def __init__(
        self,
        target: Target | Mapping[str, Any],
        metrics: Mapping[str, Any] | None = None,
        train_metrics: bool = False,
    ) -> None:
        super().__init__(target, metrics, train_metrics)
        self.values = self.target.number

    def targets(self, y: Tensor) -> Tensor:
        """Labels (batch, number), 0 or 1."""
        return y.float().reshape(len(y), self.values)

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The mean over samples and labels."""
        return F.binary_cross_entropy_with_logits(outputs, targets)

    def tally(self, outputs: Tensor, y: Tensor) -> Tensor:
        """How many labels are right."""
        return ((outputs > 0) == (self.targets(y) > 0)).sum()

    def answers(self, outputs: Tensor) -> Tensor:
        """The probability (batch, number) of each label."""
        return outputs.float().sigmoid()

    def scores(self, outputs: Tensor, y: Tensor) -> dict[str, float]:
        """Macro F1, and the share of samples all of whose labels are right."""
        from torchmetrics.functional.classification import multilabel_f1_score

        said, y = outputs.cpu() > 0, self.targets(y).cpu() > 0
        f1 = multilabel_f1_score(said.long(), y.long(), num_labels=self.values, average="macro")
        return {"f1": float(f1), "subset_accuracy": int((said == y).all(1).sum()) / len(y)}

    def judged(self, metric: Metric, answers: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Probabilities and labels, both (samples, number)."""
        return answers, self.targets(y).long()

    def constant(self, y: Tensor) -> Tensor:
        """The logits of the labels' shares, which are finite for a label that all or none have."""
        return self.targets(y).cpu().double().mean(0).logit().clamp(-CERTAIN, CERTAIN).float()

    def columns(self, answers: Tensor, y: Tensor) -> dict[str, list[Any]]:
        """Whether each label is there, and its probability."""
        names: Sequence[Any] = self.target.names or range(self.values)
        there, rows = self.targets(y).long().T.tolist(), answers.T.tolist()
        columns: dict[str, list[Any]] = {f"label_{name}": one for name, one in zip(names, there, strict=True)}
        return columns | {
            f"probability_{name}": [f"{share:.6g}" for share in one] for name, one in zip(names, rows, strict=True)
        }
