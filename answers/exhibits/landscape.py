"""A point on a landscape, trained as a net is."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from answers.exhibits.landscape_functions import chosen, frame
from litmus.training.learner import Learner


class Landscape(Learner):
    """Two parameters θ that go downhill by stochastic gradients: a sample ξ has the loss f(θ) + ξ·θ, gradient ∇f + ξ.

    Samples are noise of mean zero to train with and zeros to validate with, so that `val/loss` is the height f(θ)
    itself. `val/mean_loss` is its mean over the validations so far: low for a point that came down early, and what a
    learning rate can be tuned by.

    Args:
        input_shape, classes: those of data=gradient_noise: (2,), and no classes.
        function: saddle, round_saddle or plateau, see `landscape_functions`.
        depth: how deep below the flat, whose height is 1, it starts: the range of a log-uniform draw.
        rotation: angle in degrees between the parameters' axes and the landscape's; None draws it.
        seed: draws start and rotation, the same for every optimizer.
        training: `optimizer` and `scheduler`, see Learner.
    """

    fewest_classes = 0
    means = ("loss",)
    turn: Tensor
    seen: Tensor

    def __init__(
        self,
        input_shape: Sequence[int],
        classes: int,
        function: str = "saddle",
        depth: Sequence[float] = (1e-4, 1e-2),
        rotation: float | None = None,
        seed: int = 0,
        **training: Any,
    ) -> None:
        if tuple(input_shape) != (2,) or classes != 0:
            raise ValueError(
                f"a landscape is walked on data=gradient_noise, samples of shape (2,) without classes, got samples of "
                f"shape {tuple(input_shape)} in {classes} classes; model=mlp learns those"
            )
        super().__init__(classes, **training)
        self.function = chosen(function)
        point, turn = frame(self.function, depth, rotation, seed)
        self.theta = nn.Parameter(turn.T @ torch.tensor(point))
        self.register_buffer("turn", turn)
        # Sum and number of the heights so far: part of the state, so that a resumed run has the same mean.
        self.register_buffer("seen", torch.zeros(2))

    def forward(self, x: Tensor) -> Tensor:
        """The loss (batch,) of each sample of noise (batch, 2)."""
        return self.function.height(*(self.turn @ self.theta)) + x @ self.theta

    def criterion(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The mean of the samples' losses; they have no targets."""
        return logits.mean()

    def predictions(self, logits: Tensor) -> Tensor:
        """The one label (batch,) that noise has; no accuracy is recorded."""
        return torch.zeros_like(logits, dtype=torch.int64)

    def scores(self, logits: Tensor, y: Tensor) -> dict[str, float]:
        """None: where nothing is classified, the loss says all."""
        return {}

    def on_validation_epoch_end(self) -> None:
        super().on_validation_epoch_end()
        if self.trainer.state.fn != "fit":
            return
        self.seen += torch.stack([self.trainer.callback_metrics["val/loss"], torch.ones(())]).to(self.seen)
        total, validations = self.seen.tolist()
        self._record({"val/mean_loss": total / validations})

    def predict_step(self, batch: Any, batch_idx: int) -> tuple[Tensor, Tensor]:
        raise ValueError("a landscape predicts no classes; its test loss is in result.json")
