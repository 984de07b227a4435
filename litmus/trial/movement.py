"""Whether training trained: a run whose weights are what they were is no result."""

from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.nn.parameter import is_lazy

from litmus.training.pretrained import trainable


class Movement(pl.Callback):
    """Compares the parameters with what they were when training began, until one has changed in any bit."""

    def __init__(self) -> None:
        self.moved: bool | None = None
        self._start: dict[str, Tensor] | None = None

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        if stage == "fit":
            self.moved, self._start = None, None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        trainable(pl_module)
        if not any(optimizer.param_groups for optimizer in trainer.optimizers):
            raise ValueError(
                f"expected {type(pl_module).__name__}.configure_optimizers to return an optimizer, found none: "
                + ("nothing would be trained" if pl_module.automatic_optimization else "its state would not be kept")
            )
        if not self.moved:
            # On the CPU, where memory is not what a net is made to fit into; let go as soon as something moved.
            self._start = {name: _bits(value) for name, value in pl_module.named_parameters() if not is_lazy(value)}

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self._start is None:
            return
        self.moved = any(
            name not in self._start or not torch.equal(self._start[name], _bits(value))
            for name, value in pl_module.named_parameters()
        )
        if self.moved:
            self._start = None

    def state_dict(self) -> dict[str, Any]:
        return {"moved": self.moved}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.moved = state_dict["moved"]

    def refuse_idle(self, trainer: pl.Trainer) -> None:
        """Refuses a fit that has ended without training anything.

        Raises:
            ValueError: saying what may be the reason.
        """
        if trainer.global_step == 0:
            raise ValueError(
                "expected a run to make updates, got 0 of them: its training set has no batch, epochs, "
                "trainer.max_steps or trainer.limit_train_batches is 0, or a training_step of one's own steps its "
                "optimizer past self.optimizers()"
            )
        if self.moved is not False:  # None: no epoch was trained here, the run had ended before
            return
        raise ValueError(
            f"expected {trainer.global_step} updates to change the weights, found every parameter as it was, to the "
            "last bit: a training_step of one's own that returns None, a learning rate of 0 or too small for the "
            "weights' precision, or a loss that does not depend on what is trained"
        )


def _bits(parameter: Tensor) -> Tensor:
    """Its bytes (n,) on the CPU, as a copy: NaN equals itself, and 0 is not −0."""
    return parameter.detach().to("cpu", copy=True).contiguous().flatten().view(torch.uint8)
