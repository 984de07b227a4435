"""Any torch.nn.Module, trained as the project's own nets are."""

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from litmus.tasks.classification import Classification
from litmus.tasks.labels import Labels
from litmus.training.learner import Learner
from litmus.training.overridden import step_of_ones_own
from litmus.training.plain import module_of
from litmus.training.untouched import untouched

# Autograd's names of what leaves each number as it is, or at a bound.
ONLY_SHAPED = tuple(
    f"{name}Backward"
    for name in ("Alias", "Clamp", "Clone", "ReshapeAlias", "Select", "Slice", "Squeeze", "ToCopy", "Unsqueeze", "View")
)


class Net(Learner):
    """Wraps a net that maps samples (batch, *input_shape) to outputs (batch, outputs).

    Args:
        net: the net as plain data, {"_target_": package.Class, argument: …}, so that a checkpoint rebuilds it alone.
        input_shape: of a sample.
        input_dtype: of what is not real numbers: int64 for tokens.
        training: `task` (or `classes`), `optimizer` and `scheduler`, see Learner.

    Raises:
        ValueError: for a net that gives something else than outputs in the task's shape, as two samples of zeros show.
    """

    def __init__(
        self, net: Mapping[str, Any], input_shape: Sequence[int], input_dtype: str | None = None, **training: Any
    ) -> None:
        super().__init__(**training)
        self.net = module_of(net, "model.net")
        name = str(net["_target_"])
        if isinstance(self.net, pl.LightningModule):
            raise ValueError(f"{name} is a LightningModule, which is taken as it is: model._target_={name}")
        self._flat = False  # one output per sample, without a dimension of its own
        self._look_at_outputs(name, *self._outputs_of_zeros(name, tuple(input_shape), input_dtype))
        self._look_at_training(name, tuple(input_shape), input_dtype)
        self.outputs = self.task.outputs

    def forward(self, x: Tensor) -> Tensor:
        """Outputs (batch, outputs) of samples (batch, *input_shape)."""
        outputs = self.net(x)
        return outputs.unsqueeze(1) if self._flat else outputs

    def _outputs_of_zeros(self, name: str, shape: tuple[int, ...], dtype: str | None) -> tuple[Any, Any]:
        """What two samples of zeros give, and one; lazy layers get their shapes, and nothing else is left of it."""
        # What lazy layers draw here are their weights; what is drawn afterwards is what would be without this look.
        with untouched(self.net) as net, torch.no_grad():
            try:
                zeros = torch.zeros(2, *shape, dtype=getattr(torch, dtype) if dtype else None)
                given = net.eval()(zeros), net(zeros[:1])
            except Exception as problem:
                said = " ".join(str(problem).split()) or type(problem).__name__
                raise ValueError(
                    f"{name} cannot take two samples of zeros of the data's shape {shape}: {said}; what it must know "
                    "of the data is given as +model.net.ARGUMENT=fact:input_shape, fact:channels or fact:features"
                ) from problem
            if net.state_dict().keys() != self.net.state_dict().keys():  # its forward made layers, as lazy ones are
                modes = {name: layer.training for name, layer in self.net.named_modules()}
                self.net = net
                for name, layer in net.named_modules():
                    layer.training = modes.get(name, True)
            return given

    def _look_at_outputs(self, name: str, outputs: Any, alone: Any) -> None:
        expected = (2, self.task.outputs)
        if not isinstance(outputs, Tensor):
            raise ValueError(f"{name} gave a {type(outputs).__name__}, expected a tensor of outputs {expected}")
        shape = tuple(outputs.shape)
        self._flat = shape == (2,) and self.task.accept(1)
        if not self._flat and (len(shape) != 2 or not self.task.accept(shape[1])):
            raise ValueError(
                f"{name} gave {shape}, expected {expected}; give it the number as +model.net.<argument>=fact:outputs"
            )
        if alone.shape != outputs[:1].shape:
            raise ValueError(
                f"{name} gave {tuple(alone.shape)} for a single sample, expected {tuple(outputs[:1].shape)}, and the "
                "last batch may be one: flatten(1) and squeeze(1) leave the first dimension, squeeze() does not"
            )
        if type(self.task) is Classification and outputs.dim() == 2 and shape[1] > 1 and are_shares(outputs):
            raise ValueError(
                f"{name} gave probabilities, expected logits, of which the loss makes them: leave out softmax"
            )

    def _look_at_training(self, name: str, shape: tuple[int, ...], dtype: str | None) -> None:
        """The same of a copy that trains, as its first batch may set something; what zeros cannot train is let be."""
        outputs = None
        with untouched(self.net) as net, contextlib.suppress(Exception), torch.enable_grad():
            zeros = torch.zeros(2, *shape, dtype=getattr(torch, dtype) if dtype else None)
            outputs = net.train()(zeros)
        if not isinstance(outputs, Tensor):
            if outputs is None or step_of_ones_own(self, Learner):  # which may take them
                return
            raise ValueError(
                f"{name} gave a {type(outputs).__name__} in training, expected a tensor of outputs as in evaluation; "
                "leave out its auxiliary outputs, or make a LightningModule of it, whose training_step has them all"
            )
        if type(self.task) in (Classification, Labels) and ends_in_sigmoid(outputs):
            raise ValueError(
                f"{name} gave probabilities, expected logits, of which the loss makes them: leave out the last sigmoid"
            )


def are_shares(outputs: Tensor) -> bool:
    """Whether they are probabilities of classes (rows, classes)."""
    return bool((outputs >= 0).all() and torch.allclose(outputs.sum(1), outputs.new_ones(len(outputs)), atol=1e-5))


def ends_in_sigmoid(outputs: Tensor) -> bool:
    """Whether a sigmoid made them, of which at most the shape or the bounds were changed, as autograd knows."""
    step = outputs.grad_fn
    while step is not None and step.name().startswith(ONLY_SHAPED):
        step = step.next_functions[0][0] if step.next_functions else None
    return step is not None and step.name().startswith("SigmoidBackward")
