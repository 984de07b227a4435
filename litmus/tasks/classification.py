"""One of several classes: cross-entropy, accuracy."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics import Metric

from litmus.contract import Target
from litmus.tasks.task import CERTAIN, Task, count_by_class


class Classification(Task):
    """Cross-entropy; of two classes, binary cross-entropy of one logit, or cross-entropy of two where a net gives two.

    Args:
        target: its classes.
        label_smoothing: share of a label that is spread over all classes, in the loss of every split.
        class_weights: a factor for each class, by which its samples' losses count; a run puts the numbers in the place
            of "balanced". The loss is the mean over samples,
            not over weights as torch's `weight` has it, which would depend on how a batch is composed.
        top_k: `top{k}_acc` is measured: whether the class is among the k likeliest.
        metrics, train_metrics: see Task.
    """

    kind = "classes"
    mean = "acc"
    scored = ("f1", "calibration_error")

    def __init__(
        self,
        target: Target | Mapping[str, Any],
        label_smoothing: float = 0.0,
        class_weights: Sequence[float] | Literal["balanced"] | None = None,
        top_k: int | None = None,
        metrics: Mapping[str, Any] | None = None,
        train_metrics: bool = False,
    ) -> None:
        if top_k is not None:
            self.own = (f"top{top_k}_acc",)
        super().__init__(target, metrics, train_metrics)
        classes = self.target.number
        if not 0 <= label_smoothing < 1:
            raise ValueError(f"task.label_smoothing must be in [0, 1), got {label_smoothing}")
        if top_k is not None and not 1 <= top_k < classes:
            raise ValueError(f"task.top_k must be a number of classes below all {classes}, got {top_k}")
        if isinstance(class_weights, str):
            raise ValueError(
                f"task.class_weights must be {classes} numbers, one per class, or balanced, which a run turns into "
                f"them by the train rows, got {class_weights}"
            )
        weights = list(class_weights or [])
        if class_weights is not None and (len(weights) != classes or min(weights) < 0 or not 0 < sum(weights) < 1e30):
            raise ValueError(f"task.class_weights must be {classes} numbers from 0 on, one per class, got {weights}")
        self.label_smoothing, self.top_k = label_smoothing, top_k
        self.weights = torch.tensor(weights) if weights else None

    def read(self, y: Tensor) -> Tensor:
        """Labels (batch,) int64, of any whole numbers and of a column of them."""
        return (y if y.dim() == 1 else y.squeeze(1)).long()

    def targets(self, y: Tensor) -> Tensor:
        """Labels (batch,); as numbers for one logit."""
        return y.float() if self.outputs == 1 else y

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The mean over samples of cross-entropy, smoothed and weighted as asked."""
        if self.weights is not None:
            if self.weights.device != outputs.device:
                self.weights = self.weights.to(outputs.device)
            return (self._losses(outputs, targets, "none") * self.weights[targets.long()]).mean()
        return self._losses(outputs, targets, "mean")

    def _losses(self, outputs: Tensor, targets: Tensor, reduction: str) -> Tensor:
        if self.outputs > 1:
            return F.cross_entropy(outputs, targets, reduction=reduction, label_smoothing=self.label_smoothing)
        if self.label_smoothing:
            targets = targets * (1 - self.label_smoothing) + self.label_smoothing / 2
        return F.binary_cross_entropy_with_logits(outputs.squeeze(1), targets, reduction=reduction)

    def predictions(self, outputs: Tensor) -> Tensor:
        """The class (batch,) of each row of logits."""
        return (outputs.squeeze(1) > 0).long() if self.outputs == 1 else outputs.argmax(1)

    def tally(self, outputs: Tensor, y: Tensor) -> Tensor:
        """How many are right."""
        return (self.predictions(outputs) == y).sum()

    def answers(self, outputs: Tensor) -> Tensor:
        """Probabilities (batch, classes), for two classes as well."""
        if self.outputs > 1:
            return outputs.float().softmax(1)
        positive = outputs.float().sigmoid()
        return torch.cat([1 - positive, positive], 1)

    def scores(self, outputs: Tensor, y: Tensor) -> dict[str, float]:
        """Macro F1 and the expected calibration error."""
        # Imported where used: a fit alone does not need them.
        from torchmetrics.functional.classification import multiclass_calibration_error, multiclass_f1_score

        # On the CPU: some counting operations have no deterministic kernel elsewhere.
        probabilities, y, classes = self.answers(outputs).cpu(), y.cpu(), self.target.number
        return {
            "f1": float(multiclass_f1_score(probabilities, y, num_classes=classes, average="macro")),
            "calibration_error": float(multiclass_calibration_error(probabilities, y, num_classes=classes)),
        }

    def measured(self, outputs: Tensor, y: Tensor) -> dict[str, float]:
        """Top-k accuracy and the torchmetrics."""
        found = super().measured(outputs, y)
        if self.top_k is not None:
            top = self.answers(outputs).topk(self.top_k, dim=1).indices
            found[self.own[0]] = int((top == y[:, None]).any(1).sum()) / len(y)
        return found

    def judged(self, metric: Metric, answers: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Probabilities (samples, classes), of the second class alone (samples,) for a Binary… metric, and labels."""
        return (answers[:, 1] if type(metric).__name__.startswith("Binary") else answers), y

    def constant(self, y: Tensor) -> Tensor:
        """The logarithms of the classes' shares: no constant has less cross-entropy, and the majority class is said."""
        counts = count_by_class(y, self.target.number)
        logits = (counts / counts.sum()).log().clamp(min=-CERTAIN).float()
        return logits[1:] - logits[:1] if self.outputs == 1 else logits

    def columns(self, answers: Tensor, y: Tensor) -> dict[str, list[Any]]:
        """Label, prediction and the probability of each class."""
        rows = answers.tolist()
        shares = {f"probability_{k}": [f"{row[k]:.6g}" for row in rows] for k in range(answers.shape[1])}
        return {"label": y.tolist(), "prediction": [row.index(max(row)) for row in rows], **shares}

    def accept(self, outputs: int) -> bool:
        """A logit for each class, or one for the second of two."""
        if self.target.number == 2 and outputs in (1, 2):
            self.outputs = outputs
        return outputs == self.outputs
