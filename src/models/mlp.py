"""A multilayer perceptron on inputs of any shape."""

import math
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from litmus.training.learner import Learner
from litmus.training.recompute import sequential
from src.models.layers import (
    Activation,
    Initialization,
    Norm,
    Residual,
    activation_layer,
    dropout_layer,
    initialize,
    norm_layer,
)


class MLP(Learner):
    """Flatten, then Linear → norm → activation → dropout per entry of `units`, then one linear layer of logits.

    Args:
        input_shape: shape of one sample.
        classes: number of classes, two have one logit; None where a task says what the outputs are.
        units: width of each hidden layer, or of all `layers` of them; an empty list is logistic regression.
        layers: number of hidden layers, where `units` is one number.
        norm: none, batch, layer or group.
        dropout: probability of a hidden unit's being dropped.
        activation: relu, tanh, sigmoid, gelu or silu.
        initialization: torch, or glorot_uniform with zero biases as Keras has it.
        recompute: false, true or a number of segments whose activations training computes twice and does not store.
        skip: whether each hidden layer as wide as what comes before adds that to what it gives.
        training: `task`, `optimizer` and `scheduler`, see Learner.
    """

    packs = True

    def __init__(
        self,
        input_shape: Sequence[int],
        classes: int | None = None,
        units: Sequence[int] | int = (256, 256),
        layers: int | None = None,
        norm: Norm = "none",
        dropout: float = 0.0,
        activation: Activation = "relu",
        initialization: Initialization = "torch",
        recompute: bool | int = False,
        skip: bool | None = None,
        **training: Any,
    ) -> None:
        super().__init__(classes, **training)
        if isinstance(units, int) != (layers is not None) or (layers is not None and layers < 0):
            raise ValueError(
                "model.layers is a number of hidden layers and needs one width for all, as model.units=256 "
                f"model.layers=2; model.units=[256,256] needs none; got model.units={units} model.layers={layers}"
            )
        units = [units] * layers if isinstance(units, int) and layers is not None else units
        if not isinstance(units, list | tuple) or not all(isinstance(width, int) and width >= 1 for width in units):
            raise ValueError(f"model.units must be a list of widths from 1 on, as [256,256], got {units}")
        net: list[nn.Module] = [nn.Flatten()]
        width = math.prod(input_shape)
        for hidden in units:
            block = [nn.Linear(width, hidden), *norm_layer(norm, hidden, 0), activation_layer(activation)]
            block += dropout_layer(dropout, 0)
            net += [Residual(*block)] if skip and width == hidden and len(net) > 1 else block
            width = hidden
        if skip and not any(isinstance(layer, Residual) for layer in net):
            raise ValueError(f"model.skip=true needs a hidden layer as wide as the one before, got model.units={units}")
        if not units:
            idle = {"norm": norm != "none", "dropout": dropout > 0, "activation": True}
            why = "model.units=[] has no hidden layer"
            self.without_effect = {name: why for name, said in idle.items() if said}
        self.net = sequential([*net, nn.Linear(width, self.outputs)], recompute, input_shape)
        initialize(self.net, initialization)

    def forward(self, x: Tensor) -> Tensor:
        """Outputs (batch, outputs), for classes logits, of samples (batch, *input_shape)."""
        return self.net(x)
