"""Gradients without autograd for nets that are a chain of known layers: the same kernels, and none of its bookkeeping.

Autograd takes as long to note what was computed, and to find its way back, as a small net takes to compute. What is
written here calls the kernels that autograd would call, in the order in which it would, and so gives the same bits; but
which kernels these are is torch's affair and may change with its version, a shape or the machine. So nothing of it is
believed: see `Proven`.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules import module as torch_module

from litmus.tasks.classification import Classification
from litmus.tasks.labels import Labels
from litmus.tasks.regression import Regression
from litmus.training.direct_step import same_bits
from litmus.training.overridden import overridden

# Gradients of one update: from inputs and targets to the mean loss and the outputs; they lie in the parameters.
Gradients = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
aten = torch.ops.aten


class Known(NamedTuple):
    """A layer: what it gives of `x` with what its way back needs, and that way back to the gradient of its input.

    Whoever is first in the chain is asked for none (`wanted` is False), as no gradient of the inputs is used.
    """

    forward: Callable[[Tensor], tuple[Tensor, Any]]
    backward: Callable[[Tensor, Any, bool], Tensor]
    # What it computes with beside its input: if this changes, it must be proven again.
    told: tuple[Any, ...]


# ---------------------------------------------------------------------- layers


def linear(layer: nn.Linear) -> Known:
    """x Wᵀ + b."""
    weight, bias, multiply, product = layer.weight, layer.bias, F.linear, torch.mm

    def forward(x: Tensor) -> tuple[Tensor, Tensor]:
        return multiply(x, weight, bias), x

    def backward(d: Tensor, x: Tensor, wanted: bool) -> Tensor:
        weight.grad = product(d.t(), x)
        if bias is not None:
            bias.grad = d.sum(0)
        return product(d, weight) if wanted else d

    return Known(forward, backward, (bias is None,))


def of_output(function: Callable[[Tensor], Tensor], derivative: Callable[[Tensor, Tensor], Tensor]) -> Known:
    """An activation whose derivative is a function of what it gives."""

    def forward(x: Tensor) -> tuple[Tensor, Tensor]:
        y = function(x)
        return y, y

    return Known(forward, lambda d, y, wanted: derivative(d, y), ())


def of_input(function: Callable[[Tensor], Tensor], derivative: Callable[[Tensor, Tensor], Tensor]) -> Known:
    """An activation whose derivative is a function of what it is given."""
    return Known(lambda x: (function(x), x), lambda d, x, wanted: derivative(d, x), ())


def relu(layer: nn.ReLU) -> Known:
    """The larger of x and 0."""
    derivative = aten.threshold_backward.default
    return of_output(torch.relu, lambda d, y: derivative(d, y, 0))


def gelu(layer: nn.GELU) -> Known:
    """x Φ(x), exact or by tanh."""
    kind = layer.approximate
    derivative = partial(aten.gelu_backward.default, approximate=kind)
    return of_input(partial(F.gelu, approximate=kind), derivative)._replace(told=(kind,))


def dropout(layer: nn.Dropout) -> Known:
    """Each value 0 with probability p, the others divided by 1 − p; drawn from the global generator."""
    stays = 1 - layer.p
    if not layer.training or layer.p == 0:
        return Known(lambda x: (x, None), lambda d, nothing, wanted: d, (0,))

    def forward(x: Tensor) -> tuple[Tensor, Tensor]:
        factors = torch.empty_like(x).bernoulli_(stays).div_(stays)
        return x * factors, factors

    return Known(forward, lambda d, factors, wanted: d * factors, (layer.p,))


def flatten(layer: nn.Flatten) -> Known:
    """All values of a sample in a row."""
    return Known(lambda x: (x.flatten(1), x.shape), lambda d, shape, wanted: d.reshape(shape), ())


def identity(layer: nn.Module) -> Known:
    """The same."""
    return Known(lambda x: (x, None), lambda d, nothing, wanted: d, ())


def batch_norm(layer: nn.BatchNorm1d) -> Known:
    """Each feature normalized over the batch, which the running means and variances take in."""
    weight, bias, mean, variance = layer.weight, layer.bias, layer.running_mean, layer.running_var
    momentum, eps, counted, mask = layer.momentum or 0.0, layer.eps, layer.num_batches_tracked, (True, True, True)
    normalize, back = torch.native_batch_norm, aten.native_batch_norm_backward.default

    def forward(x: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor]]:
        counted.add_(1)  # type: ignore[union-attr]
        y, center, scale = normalize(x, weight, bias, mean, variance, True, momentum, eps)
        return y, (x, center, scale)

    def backward(d: Tensor, kept: tuple[Tensor, Tensor, Tensor], wanted: bool) -> Tensor:
        x, center, scale = kept
        d, weight.grad, bias.grad = back(d, x, weight, mean, variance, center, scale, True, eps, mask)
        return d

    return Known(forward, backward, (momentum, eps))


def layer_norm(layer: nn.LayerNorm) -> Known:
    """Each sample normalized over its features."""
    weight, bias, shape, eps, mask = layer.weight, layer.bias, list(layer.normalized_shape), layer.eps, (True,) * 3
    normalize, back = torch.native_layer_norm, aten.native_layer_norm_backward.default

    def forward(x: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor]]:
        y, center, scale = normalize(x, shape, weight, bias, eps)
        return y, (x, center, scale)

    def backward(d: Tensor, kept: tuple[Tensor, Tensor, Tensor], wanted: bool) -> Tensor:
        x, center, scale = kept
        d, weight.grad, bias.grad = back(d, x, shape, center, scale, weight, bias, mask)
        return d

    return Known(forward, backward, (eps,))


# By the exact class: a subclass may compute something else.
LAYERS: dict[type, tuple[Callable[[Any], Known], Callable[[Any], bool]]] = {
    nn.Linear: (linear, lambda layer: True),
    nn.ReLU: (relu, lambda layer: not layer.inplace),
    nn.Tanh: (lambda layer: of_output(torch.tanh, aten.tanh_backward.default), lambda layer: True),
    nn.Sigmoid: (lambda layer: of_output(torch.sigmoid, aten.sigmoid_backward.default), lambda layer: True),
    nn.SiLU: (lambda layer: of_input(F.silu, aten.silu_backward.default), lambda layer: not layer.inplace),
    nn.GELU: (gelu, lambda layer: True),
    nn.Dropout: (dropout, lambda layer: not layer.inplace and layer.p < 1),
    nn.Flatten: (flatten, lambda layer: (layer.start_dim, layer.end_dim) == (1, -1)),
    nn.Identity: (identity, lambda layer: True),
    nn.LayerNorm: (layer_norm, lambda layer: layer.weight is not None and layer.bias is not None),
    nn.BatchNorm1d: (
        batch_norm,
        lambda layer: layer.training and layer.affine and layer.track_running_stats and layer.momentum is not None,
    ),
}


# ---------------------------------------------------------------------- losses


def cross_entropy(outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """The mean cross-entropy of logits, and its gradient."""
    shares = torch.log_softmax(outputs, 1)
    loss, weight = aten.nll_loss_forward.default(shares, targets, None, 1, -100)
    d = aten.nll_loss_backward.default(_one(), shares, targets, None, 1, -100, weight)
    return loss, aten._log_softmax_backward_data.default(d, shares, 1, outputs.dtype)


def binary_cross_entropy(outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """The mean of one logit's, and its gradient."""
    logits = outputs.squeeze(1)
    loss = F.binary_cross_entropy_with_logits(logits, targets)
    return loss, logits.sigmoid().sub_(targets).div_(len(logits)).unsqueeze_(1)


def by_autograd(
    criterion: Callable[[Tensor, Tensor], Tensor], outputs: Tensor, targets: Tensor
) -> tuple[Tensor, Tensor]:
    """Any loss of outputs and targets alone, and its gradient: autograd's part is short here."""
    with torch.enable_grad():
        outputs = outputs.detach().requires_grad_()
        loss = criterion(outputs, targets)
    return loss.detach(), torch.autograd.grad(loss, outputs)[0]


_ones: list[Tensor] = []


def _one() -> Tensor:
    if not _ones:
        _ones.append(torch.ones(()))
    return _ones[0]


def loss_of(module: Any, base: type) -> Gradients | None:
    """The loss by which a module is trained, if it is a known function of outputs and targets and nothing else."""
    if overridden(module, ("criterion", "targets"), base) or type(module.task) not in (
        Classification,
        Regression,
        Labels,
    ):
        return None
    task = module.task
    if type(task) is Classification and task.weights is None and not task.label_smoothing:
        return cross_entropy if task.outputs > 1 else binary_cross_entropy
    return partial(by_autograd, module.criterion)


# ---------------------------------------------------------------------- nets


def called_plainly(module: nn.Module) -> bool:
    """Whether calling the module is calling its class's `forward`: no hook, no other `__call__`, no compiled one."""
    hooks = (
        module._forward_hooks,
        module._forward_pre_hooks,
        module._backward_hooks,
        module._backward_pre_hooks,
        module._compiled_call_impl,
    )
    usual = type(module).__call__ is nn.Module.__call__
    return usual and not any(hooks) and not torch_module._has_any_global_hook()


def _calls_one(self: Any, x: Tensor) -> Tensor:
    return self.net(x)


def delegate(module: nn.Module) -> nn.Module | None:
    """The module within that `forward` calls and does nothing else, as its compiled code says; None if it does more."""
    code, known = getattr(type(module).forward, "__code__", None), _calls_one.__code__
    if code is None or (code.co_code, code.co_argcount, code.co_flags & 0x0F) != (
        known.co_code,
        known.co_argcount,
        known.co_flags & 0x0F,
    ):
        return None
    found = getattr(module, code.co_names[0], None)
    return found if isinstance(found, nn.Module) else None


def chain(module: nn.Module) -> Iterator[nn.Module | None]:
    """The layers that a call of the module goes through one after the other; None for one that nobody knows."""
    if not called_plainly(module) or "forward" in vars(module):
        yield None
    elif type(module) is nn.Sequential:
        for layer in module:
            yield from chain(layer)
    elif type(module) in LAYERS:
        yield module
    else:
        told = getattr(module, "called_by_forward", None)
        within = told() if callable(told) else delegate(module)
        if within is None:
            yield None
        else:
            yield from chain(within)


class ByHand:
    """The gradients of a module that is a chain of known layers under a known loss.

    Attributes:
        layers: in their order.
        told: everything beside inputs and targets by which its kernels are chosen.
        buffers: that a forward pass changes.
    """

    def __init__(self, layers: list[nn.Module], loss: Gradients) -> None:
        made = [LAYERS[type(layer)][0](layer) for layer in layers]
        self.layers = layers
        self.forwards = [one.forward for one in made]
        # Layers before the first with parameters have nothing to learn.
        first = next((place for place, layer in enumerate(layers) if list(layer.parameters(False))), len(layers))
        self.backwards = [(place, made[place].backward, place > first) for place in reversed(range(first, len(layers)))]
        self.loss = loss
        self.told = (*((type(layer), *one.told) for layer, one in zip(layers, made, strict=True)),)
        self.buffers = [buffer for layer in layers for buffer in layer.buffers(False)]

    def __call__(self, x: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """The mean loss and the outputs; gradients lie in the parameters. To be called without autograd."""
        kept = []
        for forward in self.forwards:
            x, one = forward(x)
            kept.append(one)
        loss, d = self.loss(x, targets)
        for place, backward, wanted in self.backwards:
            d = backward(d, kept[place], wanted)
        return loss, x


def by_hand(module: Any, base: type, parameters: list[Tensor], x: Tensor) -> ByHand | None:
    """The module's gradients by hand, where all of it is known and nothing else looks at autograd's work.

    Args:
        module: a Learner.
        base: the class whose loss is known.
        parameters: that are optimized.
        x: inputs of some updates.
    """
    loss, layers = loss_of(module, base), list(chain(module))
    if loss is None or any(layer is None or not LAYERS[type(layer)][1](layer) for layer in layers):
        return None
    own = [parameter for layer in layers for parameter in layer.parameters(False)]  # type: ignore[union-attr]
    same = {id(one) for one in own} == {id(one) for one in module.parameters()} == {id(one) for one in parameters}
    plain = all(
        type(one) is nn.Parameter
        and one.requires_grad
        and one.device.type == "cpu"
        and one.dtype == torch.float32
        and not one._backward_hooks
        and not getattr(one, "_post_accumulate_grad_hooks", None)
        for one in own
    )
    watched = torch.is_anomaly_enabled() or torch._C._autograd._top_saved_tensors_default_hooks(True)
    if not same or len(own) != len(set(map(id, own))) or not plain or watched:
        return None
    usual = type(x) is Tensor and x.device.type == "cpu" and x.dtype == torch.float32 and not x.requires_grad
    return ByHand(layers, loss) if own and usual else None


# ---------------------------------------------------------------------- proof


class Proofs:
    """Which gradients by hand, and which steps by kernels alone, were in this fit torch's own to the bit."""

    def __init__(self) -> None:
        self.held: set[Any] = set()
        self.failed = False
        self.steps: set[Any] = set()


class Proven:
    """Gradients by hand for every kind of update for which they were seen to be autograd's, and autograd's else.

    Each number of samples is tried once, on the update in which it comes first, with the run's own weights, samples and
    draws: loss, outputs, all gradients, buffers and the generator's state afterwards must be the same to the bit. One
    difference, and the rest of the fit is autograd's.
    """

    def __init__(self, hand: ByHand, autograd: Gradients, parameters: list[Tensor], proofs: Proofs) -> None:
        self.hand, self.autograd, self.parameters, self.proofs = hand, autograd, parameters, proofs
        self.told = (hand.told, torch.get_num_threads())

    def __call__(self, x: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        if self.proofs.failed:
            with torch.enable_grad():
                return self.autograd(x, targets)
        key = (x.shape, self.told)
        return self.hand(x, targets) if key in self.proofs.held else self._tried(key, x, targets)

    def held(self, x: Tensor) -> bool:
        """Whether an update of such inputs was proven."""
        return not self.proofs.failed and (x.shape, self.told) in self.proofs.held

    def _tried(self, key: Any, x: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        before, drawn = [buffer.clone() for buffer in self.hand.buffers], torch.get_rng_state()
        try:
            found = self._state(self.hand(x, targets))
        except Exception:  # a kernel that this torch does not have, a shape that no layer takes: autograd will say so
            found = []
        for buffer, value in zip(self.hand.buffers, before, strict=True):
            buffer.copy_(value)
        torch.set_rng_state(drawn)
        with torch.enable_grad():
            loss, outputs = self.autograd(x, targets)
        expected = self._state((loss.detach(), outputs.detach()))
        if len(found) == len(expected) and all(map(same_bits, found, expected)):
            self.proofs.held.add(key)
        else:
            self.proofs.failed = True
        return loss, outputs

    def _state(self, given: tuple[Tensor, Tensor]) -> list[Tensor]:
        gradients = [torch.empty(0) if one.grad is None else one.grad for one in self.parameters]
        return [*given, *gradients, *(buffer.clone() for buffer in self.hand.buffers), torch.get_rng_state()]
