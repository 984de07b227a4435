"""Updates of several nets of one shape at once: the bits that each gives alone, by fewer and larger calls.

A small net's update is some forty calls that take a microsecond or two each, whatever they compute. K nets that differ
in their weights, their samples, their rate, decay or dropout make the same calls; stacked, one call serves all K. Which
calls give each net its own bits is torch's affair, as in `by_hand`, and so nothing is believed: an operation whose
stacked form gives other bits is called for each net in turn, and the first update as a whole must be what the nets
compute alone, to the bit, or it is not used.

Products of matrices are as exact as they are aligned: MKL rounds otherwise where a matrix does not begin on a multiple
of 64 bytes, as every tensor of its own does: where a net's part of a stack does not, it is multiplied apart, as a copy.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn
from torch.optim import Optimizer

from litmus.training.by_hand import LAYERS, ByHand, Known, aten, cross_entropy
from litmus.training.direct_step import kernels_of, same_bits


@dataclass
class Stretch:
    """Updates of one net that wait to be made: what makes them, and what they gave.

    Args:
        hand: the net's gradients by hand, which were seen to be autograd's for batches of this shape.
        optimizer: whose step by kernels alone was seen to be torch's.
        x, y: inputs and targets (updates, batch, …).
        after: what follows each update, None if nothing does.
        draws: the generator that the net's dropout draws from.
    """

    hand: ByHand
    optimizer: Optimizer
    x: Tensor
    y: Tensor
    after: Callable[[], Any] | None
    draws: Generator
    losses: list[Tensor] = field(default_factory=list)
    outputs: list[Tensor] = field(default_factory=list)

    @property
    def gains(self) -> bool:
        """Whether stacking it could gain: larger products take as long together as apart, and then longer."""
        samples = len(self.x[0]) if len(self.x) > 1 else 0
        return 0 < samples * sum(one.numel() for one in self.parameters) <= MOST_PRODUCTS

    @property
    def made(self) -> int:
        """How many of the updates are made."""
        return len(self.losses)

    @property
    def parameters(self) -> list[Any]:
        """What the optimizer has, in its order."""
        return [one for group in self.optimizer.param_groups for one in group["params"]]

    @property
    def kind(self) -> Any:
        """What all nets of one stack have in common."""
        # The probability of a dropout is each net's own; whether there is one at all is not.
        layers = [
            (type(layer), () if type(layer) is nn.Dropout and told != (0,) else told, *_shapes(layer))
            for layer, (_, *told) in zip(self.hand.layers, self.hand.told, strict=True)
        ]
        groups = [(len(group["params"]), bool(group.get("momentum"))) for group in self.optimizer.param_groups]
        loss = self.hand.loss is cross_entropy
        return (
            *(str(layers), loss, type(self.optimizer).__name__, str(groups)),
            *(self.x.shape[1:], self.y.shape[1:], self.y.dtype, torch.get_num_threads()),
        )

    def alone(self) -> None:
        """The first update as the net makes it by itself."""
        torch.set_rng_state(self.draws.get_state())
        loss, outputs = self.hand(self.x[0], self.y[0])
        kernels_of(self.optimizer)()
        self.losses.append(loss)
        self.outputs.append(outputs)
        self.draws.set_state(torch.get_rng_state())


# Samples of an update × parameters of a net, measured with eight nets: beyond, a tenth is gained, and then nothing.
MOST_PRODUCTS = 3 << 20


def _shapes(layer: nn.Module) -> list[torch.Size]:
    return [one.shape for one in (*layer.parameters(False), *layer.buffers(False))]


class Tried:
    """What was found out: by the kind of a stack, which operations are stacked; None where it is not used."""

    def __init__(self) -> None:
        self.found: dict[Any, list[bool] | None] = {}


def together(stretches: Sequence[Stretch], tried: Tried) -> int:
    """Makes updates of all these nets, as many as each has; how many were made.

    Args:
        stretches: of one kind. Their `after` is called after each update, in their order.
        tried: what stacks were found to be exact, and is added to.
    """
    key = (len(stretches), stretches[0].kind)
    if tried.found.get(key, ()) is None or not all(map(_aligned, stretches)):
        return 0
    updates = min(len(one.x) for one in stretches)
    with torch.no_grad():
        expected = before = None
        if key not in tried.found:
            before = _State(stretches)
            for one in stretches:
                one.alone()
            expected = _State(stretches)
            before.put_back()
        exact = True
        with Stack(stretches, updates, tried.found.get(key)) as stack:
            for place in range(updates):
                if expected is not None:
                    exact = stack.gives(expected) and stack.gains
                    tried.found[key], expected = stack.choices() if exact else None, None
                else:
                    stack.update(place)
                if not exact:
                    break
                stack.after()
            if exact:
                stack.give()
        if before is not None and not exact:
            before.put_back()
    return updates if exact else 0


def _aligned(one: Stretch) -> bool:
    """Whether inputs and parameters begin where each net's part of a stack does."""
    whole = one.x[0].numel() * one.x.element_size() % LINE == 0
    return whole and not any(each.data_ptr() % LINE for each in (one.x, *one.parameters))


# Bytes that the processor computes with at once, at most, and on a multiple of which torch allocates.
LINE = 64


class _State:
    """All that an update changes, as it is."""

    def __init__(self, stretches: Sequence[Stretch]) -> None:
        self.stretches = stretches
        self.kept = [_changed(one) for one in stretches]
        self.values = [[tensor.clone() for tensor in tensors] for tensors in self.kept]
        self.draws = [one.draws.get_state() for one in stretches]
        self.gave = [[one.clone() for one in (*stretch.losses, *stretch.outputs)] for stretch in stretches]
        self.gradients = [[one.grad for one in stretch.parameters] for stretch in stretches]

    def put_back(self) -> None:
        for stretch, tensors, values, state in zip(self.stretches, self.kept, self.values, self.draws, strict=True):
            for tensor, value in zip(tensors, values, strict=True):
                tensor.copy_(value)
            stretch.draws.set_state(state)
            stretch.losses.clear()
            stretch.outputs.clear()

    def is_now(self) -> bool:
        """Whether everything is the same now, to the bit, the gradients among it."""
        now = _State(self.stretches)
        pairs = zip(
            (*self.values, *self.gave, *self.gradients, self.draws),
            (*now.values, *now.gave, *now.gradients, now.draws),
            strict=True,
        )
        return all(len(one) == len(other) and all(map(same_bits, one, other)) for one, other in pairs)


def _changed(one: Stretch) -> list[Tensor]:
    states = [one.optimizer.state.get(parameter) or {} for parameter in one.parameters]
    kept = [value for state in states for _, value in sorted(state.items()) if isinstance(value, Tensor)]
    return [*(parameter.data for parameter in one.parameters), *one.hand.buffers, *kept]


# ---------------------------------------------------------------------- operations


class Operation:
    """One that is called on the stack where that gives each net its bits, and else for each net in turn.

    Args:
        whole: from stacked tensors to a stacked one.
        apart: the same, net by net.
        product: whether it multiplies matrices, and needs aligned ones.
        chosen: which of the two, where it was tried before.
    """

    def __init__(
        self, whole: Callable[..., Tensor], apart: Callable[..., Tensor], product: bool, chosen: bool | None
    ) -> None:
        self.whole, self.apart, self.product, self.chosen = whole, apart, product, chosen

    def __call__(self, *given: Any) -> Tensor:
        if self.chosen is None:
            return self._tried(*given)
        return self.whole(*given) if self.chosen else self.apart(*given)

    def _tried(self, *given: Any) -> Tensor:
        """Tries it on what it is given and on drawn values: two orders of a short sum often agree by chance."""
        drawn, found = Generator().manual_seed(0), self.apart(*given)
        if self.product and any(one.stride(0) * one.element_size() % LINE for one in (*given, found)):
            self.chosen = False
            return found
        rounds = min(MOST_ROUNDS, 1 + COMPARED // max(1, found.numel()))
        try:
            self.chosen = self._same(*given) and all(
                self._same(*(_drawn(one, drawn) for one in given)) for _ in range(rounds)
            )
        except RuntimeError:
            self.chosen = False
        return self(*given)

    def _same(self, *given: Any) -> bool:
        expected = self.apart(*given).clone()  # both may write into the same gradients
        return same_bits(self.whole(*given), expected)


# Values of each operation that are compared before it is believed, and how often it is called for that at most.
COMPARED, MOST_ROUNDS = 1 << 14, 64


def _drawn(one: Tensor, generator: Generator) -> Tensor:
    """Other values, in the same layout, where they are no indices."""
    return torch.empty_like(one).normal_(generator=generator) if one.is_floating_point() else one


def each_product(of: Callable[..., Tensor], out: Tensor | None = None) -> Callable[..., Tensor]:
    """A product net by net, each of matrices that begin as a tensor of their own would."""

    def apart(*given: Tensor) -> Tensor:
        matrices = [[one.clone() if one.data_ptr() % LINE else one for one in stacked] for stacked in given]
        found = [of(*one) for one in zip(*matrices, strict=True)]
        return torch.stack(found) if out is None else torch.stack(found, out=out)

    return apart


# What makes an operation of the stack from its two forms, and whether it is a product.
Make = Callable[..., Operation]


def linear(layers: Sequence[nn.Linear], make: Make, stack: "Stack") -> Known:
    """x Wᵀ + b, from (nets, batch, in) to (nets, batch, out)."""
    weight, weight_gradient = stack.stacked([layer.weight for layer in layers])
    has_bias = layers[0].bias is not None
    given: tuple[Tensor, ...] = (weight,)
    if has_bias:
        bias, bias_gradient = stack.stacked([layer.bias for layer in layers])
        given = (weight, bias)
        multiply = make(
            lambda x, weight, bias: torch.baddbmm(bias.unsqueeze(1), x, weight.transpose(1, 2)),
            each_product(F.linear),
            product=True,
        )
        summed = make(
            lambda d: torch.sum(d, 1, out=bias_gradient),
            lambda d: torch.stack([one.sum(0) for one in d], out=bias_gradient),
        )
    else:
        multiply = make(
            lambda x, weight: torch.bmm(x, weight.transpose(1, 2)),
            each_product(F.linear),
            product=True,
        )
    of_weight = make(
        lambda d, x: torch.bmm(d.transpose(1, 2), x, out=weight_gradient),
        each_product(lambda d, x: torch.mm(d.t(), x), out=weight_gradient),
        product=True,
    )
    of_input = make(torch.bmm, each_product(torch.mm), product=True)

    def backward(d: Tensor, x: Tensor, wanted: bool) -> Tensor:
        of_weight(d, x)
        if has_bias:
            summed(d)
        return of_input(d, weight) if wanted else d

    return Known(lambda x: (multiply(x, *given), x), backward, ())


def activation(known: Known, make: Make) -> Known:
    """Of each value by itself; the same for all nets."""
    forward = make(lambda x: known.forward(x)[0], lambda x: torch.stack([known.forward(one)[0] for one in x]))
    derivative = make(
        lambda d, kept: known.backward(d, kept, True),
        lambda d, kept: torch.stack([known.backward(*one, True) for one in zip(d, kept, strict=True)]),
    )
    probe = torch.ones(1)
    of_output = known.forward(probe)[1] is not probe

    def both(x: Tensor) -> tuple[Tensor, Tensor]:
        y = forward(x)
        return y, y if of_output else x

    return Known(both, lambda d, kept, wanted: derivative(d, kept), ())


def dropout(layers: Sequence[nn.Dropout], draws: Sequence[Generator]) -> Known:
    """With each net's own probability and draws."""
    each = [(1 - layer.p, generator) for layer, generator in zip(layers, draws, strict=True)]

    def forward(x: Tensor) -> tuple[Tensor, Tensor]:
        factors = torch.empty_like(x)
        for own, (stays, generator) in zip(factors, each, strict=True):
            own.bernoulli_(stays, generator=generator).div_(stays)
        return x * factors, factors

    return Known(forward, lambda d, factors, wanted: d * factors, ())


def each_by_itself(known: Sequence[Known]) -> Known:
    """A layer of which nothing is stacked but what it gives."""

    def forward(x: Tensor) -> tuple[Tensor, list[Any]]:
        given = [one.forward(own) for one, own in zip(known, x, strict=True)]
        return torch.stack([y for y, _ in given]), [kept for _, kept in given]

    def backward(d: Tensor, kept: list[Any], wanted: bool) -> Tensor:
        return torch.stack([one.backward(own, past, wanted) for one, own, past in zip(known, d, kept, strict=True)])

    return Known(forward, backward, ())


# By the exact class; what is not here is computed by each net itself.
PLAIN = (nn.ReLU, nn.Tanh, nn.Sigmoid, nn.SiLU, nn.GELU)


# ---------------------------------------------------------------------- the stack


class Stack:
    """The parameters of several nets as one tensor each, of which every net's own are views while the block runs."""

    def __init__(self, stretches: Sequence[Stretch], updates: int, choices: list[bool] | None) -> None:
        self.stretches, self.updates = stretches, updates
        self._known = None if choices is None else iter(choices)
        self._operations: list[Operation] = []
        self._own: list[tuple[Any, Tensor]] = []
        self._gradients: list[tuple[Any, Tensor]] = []
        # Of each update, what the nets' losses are made of, and their outputs.
        self._gave: list[tuple[Tensor, Tensor]] = []

    def __enter__(self) -> "Stack":
        try:
            return self._entered()
        except BaseException:
            self._leave()
            raise

    def _entered(self) -> "Stack":
        first = self.stretches[0].hand
        self.layers = [self._layer(place, type(layer)) for place, layer in enumerate(first.layers)]
        self.backwards = [(place, wanted) for place, _, wanted in first.backwards]
        # (updates, nets, batch, …)
        self.x = torch.stack([one.x[: self.updates] for one in self.stretches], 1)
        self.y = torch.stack([one.y[: self.updates] for one in self.stretches], 1)
        usual = all(one.hand.loss is cross_entropy for one in self.stretches) and bool((self.y >= 0).all())
        self.losses: Callable[[Sequence[Tensor]], Tensor] = torch.stack  # type: ignore[assignment]
        self.loss = self._cross_entropy() if usual else self._each_loss
        self.follows = [one.after for one in self.stretches if one.after is not None]
        self.step = self._steps()
        return self

    def __exit__(self, *problem: object) -> None:
        self._leave()

    def _leave(self) -> None:
        for parameter, gradient in self._gradients:
            parameter.grad = gradient.clone()
        for parameter, own in self._own:
            own.copy_(parameter.data)
            parameter.data = own

    @property
    def gains(self) -> bool:
        """Whether most products are stacked; calling each apart, from copies, takes longer than the rest saves."""
        products = [one.chosen for one in self._operations if one.product and one.chosen is not None]
        return 2 * sum(products) > len(products)

    def choices(self) -> list[bool]:
        """What was chosen, for the next stack of the kind; what never came is called apart."""
        return [bool(one.chosen) for one in self._operations]

    def stacked(self, parameters: Sequence[Any]) -> tuple[Tensor, Tensor]:
        """The parameters (nets, …) and their gradients."""
        values, gradients = (_rows(len(parameters), parameters[0]) for _ in range(2))
        torch.stack([one.data for one in parameters], out=values)
        for parameter, value, gradient in zip(parameters, values, gradients, strict=True):
            self._own.append((parameter, parameter.data))
            parameter.data, parameter.grad = value, gradient
            self._gradients.append((parameter, gradient))
        return values, gradients

    def update(self, place: int) -> None:
        """One update of every net."""
        x, kept = self.x[place], []
        for layer in self.layers:
            x, one = layer.forward(x)
            kept.append(one)
        losses, d = self.loss(x, place)
        for number, wanted in self.backwards:
            d = self.layers[number].backward(d, kept[number], wanted)
        self.step()
        self._gave.append((losses, x))

    def gives(self, expected: _State) -> bool:
        """Makes the first update; whether it is to the bit what the nets gave alone."""
        try:
            self.update(0)
        except Exception:  # a kernel that this torch does not have, or has otherwise
            return False
        self.give()
        return expected.is_now()

    def give(self) -> None:
        """Gives the nets what their updates gave since the last time."""
        outputs = torch.stack([outputs for _, outputs in self._gave], 1).flatten(1, 2)
        losses = self.losses([losses for losses, _ in self._gave])
        for stretch, each, own in zip(self.stretches, losses.t().contiguous(), outputs, strict=True):
            stretch.losses.extend(each.unbind())
            stretch.outputs.append(own)
        self._gave.clear()

    def after(self) -> None:
        """What the nets have to do after an update."""
        for one in self.follows:
            one()

    def _make(self, whole: Callable[..., Tensor], apart: Callable[..., Tensor], product: bool = False) -> Operation:
        made = Operation(whole, apart, product, None if self._known is None else next(self._known, None))
        self._operations.append(made)
        return made

    def _layer(self, place: int, kind: type) -> Known:
        layers: list[Any] = [one.hand.layers[place] for one in self.stretches]
        if kind is nn.Linear:
            return linear(layers, self._make, self)
        if kind is nn.Dropout and any(layer.training and layer.p for layer in layers):
            return dropout(layers, [one.draws for one in self.stretches])
        known = [LAYERS[kind][0](layer) for layer in layers]
        if kind in PLAIN:
            return activation(known[0], self._make)
        if kind is nn.Flatten:
            return Known(lambda x: (x.flatten(2), x.shape), lambda d, shape, wanted: d.reshape(shape), ())
        return known[0] if kind in (nn.Identity, nn.Dropout) else each_by_itself(known)

    def _cross_entropy(self) -> Callable[[Tensor, int], tuple[Any, Tensor]]:
        rows, one, weight = self.y.flatten(1), torch.ones(()), torch.tensor(float(self.y.shape[2]))
        share = float(-one / weight)
        # Of every sample, what its loss is made of: the logarithm of its target's share.
        taken: Tensor

        def of_rows(outputs: Tensor, targets: Tensor) -> Tensor:
            nonlocal taken
            shares = torch.log_softmax(outputs.flatten(0, 1), 1)
            taken = shares.gather(1, targets.unsqueeze(1)).squeeze(1)
            d = aten.nll_loss_backward.default(one, shares, targets, None, 1, -100, weight)
            return aten._log_softmax_backward_data.default(d, shares, 1, outputs.dtype).view(outputs.shape)

        def apart(outputs: Tensor, targets: Tensor) -> Tensor:
            nonlocal taken
            shares = torch.cat([torch.log_softmax(own, 1) for own in outputs])
            taken = shares.gather(1, targets.unsqueeze(1)).squeeze(1)
            pairs = zip(outputs, targets.view(len(outputs), -1), strict=True)
            return torch.stack([cross_entropy(*pair)[1] for pair in pairs])

        # The loss's gradient by the logarithms, (classes, nets * batch) of each update.
        shared, now = list[Tensor](), 0

        # Over a row of few classes torch's kernel is some twenty times slower than over as many columns of samples.
        def of_columns(outputs: Tensor, targets: Tensor) -> Tensor:
            nonlocal taken
            if not shared:
                none_yet = torch.zeros(self.updates, outputs.shape[2], rows.shape[1])
                shared.extend(none_yet.scatter_(1, rows.unsqueeze(1), share))
            shares = torch.log_softmax(outputs.flatten(0, 1).t().contiguous(), 0)
            taken = shares.gather(0, targets.unsqueeze(0)).squeeze(0)
            d = aten._log_softmax_backward_data.default(shared[now], shares, 0, outputs.dtype)
            return d.t().contiguous().view(outputs.shape)

        gradient = self._make(of_columns, self._make(of_rows, apart))
        none = torch.zeros(self.y.shape[2], dtype=torch.long)
        loss_of: Any = torch._C._nn.nll_loss_nd

        def each_mean(logarithms: Tensor) -> Tensor:
            return torch.stack([loss_of(own, none, None, 1, -100) for own in logarithms.flatten(0, 1).unsqueeze(2)])

        means = self._make(lambda logarithms: means_in_order(logarithms.flatten(0, 1)), each_mean)

        def losses(taken: Sequence[Tensor]) -> Tensor:
            return means(torch.stack([*taken]).view(len(taken), *self.y.shape[1:])).view(len(taken), -1)

        def loss(outputs: Tensor, place: int) -> tuple[Any, Tensor]:
            nonlocal now
            now = place
            d = gradient(outputs, rows[place])
            return taken, d

        self.losses = losses
        return loss

    def _each_loss(self, outputs: Tensor, place: int) -> tuple[Any, Tensor]:
        found = [
            one.hand.loss(own, targets)
            for one, own, targets in zip(self.stretches, outputs, self.y[place], strict=True)
        ]
        return torch.stack([loss for loss, _ in found]), torch.stack([d for _, d in found])

    def _counting(self, optimizers: Sequence[Optimizer]) -> Callable[[], Any] | None:
        """Counts a step of all parameters at once; None where none are counted."""
        counters = [state["step"] for one in optimizers for state in one.state.values() if "step" in state]
        if not counters:
            return None
        together = torch.stack(counters)
        for counter, own in zip(counters, together, strict=True):
            self._own.append((counter, counter.data))
            counter.data = own
        return lambda: together.add_(1)

    def _steps(self) -> Callable[[], Any]:
        """A step of every optimizer: by one call for all whose rates, decays and all else are the same."""
        optimizers = [one.optimizer for one in self.stretches]
        count = self._counting(optimizers)
        alike: list[list[Optimizer]] = []
        for one in optimizers:
            known = next((others for others in alike if _settings(others[0]) == _settings(one)), None)
            if known is None:
                alike.append([one])
            else:
                known.append(one)
        steps = [self._step_of(those, counts=count is None) for those in alike]
        if count is not None:
            steps.insert(0, count)

        def step() -> None:
            for one in steps:
                one()

        return steps[0] if len(steps) == 1 else step

    def _step_of(self, optimizers: Sequence[Optimizer], counts: bool) -> Callable[[], Any]:
        """A step of optimizers of the same settings, by one call as long as these are the same."""
        whole = kernels_of(*optimizers, counts=counts)
        if len(optimizers) == 1 or not self.follows:
            return whole
        each = [kernels_of(one, counts=counts) for one in optimizers]

        def step() -> None:
            first = _settings(optimizers[0])
            if all(_settings(one) == first for one in optimizers[1:]):
                whole()
                return
            for one in each:
                one()

        return step


def means_in_order(logarithms: Tensor) -> Tensor:
    """The mean loss (n,) of each row (n, samples), added in the order of torch itself, all rows at once.

    It is that of `nll_loss_forward`'s kernel: 16 at a time, or more of very many, these sums again, and so on.
    """
    samples = logarithms.shape[1]
    power = max(4, ((samples - 1).bit_length() if samples > 1 else 0) // LEVELS)
    mask = (1 << power) - 1
    sums = logarithms.new_zeros(LEVELS, len(logarithms)).unbind()
    for place, column in enumerate(logarithms.t().contiguous()):
        sums[0].sub_(column)
        for level in range(LEVELS - 1):
            if place & (mask << level * power):
                break
            sums[level + 1].add_(sums[level])
            sums[level].zero_()
    total = torch.zeros_like(sums[0])
    for one in sums:
        total.add_(one)
    return total.div_(samples)


LEVELS = 8


def _rows(nets: int, like: Tensor) -> Tensor:
    """Room for (nets, …) tensors like this one, each aligned."""
    line = LINE // like.element_size()
    rows = like.new_empty(nets, -(-like.numel() // line) * line)
    return rows[:, : like.numel()].unflatten(1, like.shape)


def _settings(optimizer: Optimizer) -> list[dict[str, Any]]:
    groups = optimizer.param_groups
    return [{name: own for name, own in one.items() if name not in ("params", "initial_lr")} for one in groups]
