"""The two calls of an update without what torch wraps around them: the optimizer's kernels, and the backward pass.

A fused step of a small net's Adam takes a quarter of its time to compute; the rest gathers, sorts and checks the same
tensors as the step before. Here they are gathered once for many updates, and what a step computes is tried before it
is believed: see `direct_step`.
"""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import torch
from torch import Tensor
from torch.optim import SGD, Adam, AdamW, Optimizer, RMSprop
from torch.optim import optimizer as torch_optimizer

Step = Callable[[], Any]


def direct_step(optimizer: Optimizer, trusted: set[Any]) -> Step:
    """A step by the kernels alone where one was seen to be torch's to the bit, and torch's `plain_step` else.

    It is tried once in a fit, on copies, beside the first step of torch's that finds the optimizer's state made.

    Args:
        optimizer: whose parameters all get a gradient in every update.
        trusted: what was tried in this fit already.
    """
    step, known = plain_step(optimizer), type(optimizer) in KERNELS and is_plain(optimizer)
    if not known or hasattr(optimizer, "grad_scale") or hasattr(optimizer, "found_inf"):
        return step
    if not all(_usual(optimizer, group) for group in optimizer.param_groups):
        return step
    chosen: Step | None = None

    def direct() -> None:
        nonlocal chosen
        if chosen is None:
            chosen = _tried(optimizer, step, trusted)
        else:
            chosen()

    return direct


def _tried(optimizer: Optimizer, step: Step, trusted: set[Any]) -> Step | None:
    """Makes torch's step, or ours where it is trusted, and says what to call from now on; None to try again."""
    groups = optimizer.param_groups
    if not all(_begun(optimizer, group) for group in groups):  # the first step makes the state
        step()
        return None
    parameters = [one for group in groups for one in group["params"]]
    key = _key(optimizer)
    here = _Tensors(optimizer, {one: one for one in parameters})
    if key in trusted:
        call = here.step()
        call()
        return call
    copies = {one: _copy(one) for one in parameters}
    ours = _Tensors(optimizer, copies, copied=True)
    try:
        ours.step()()
    except Exception:  # a kernel that this torch does not have, or has otherwise
        step()
        return step
    step()
    if not all(map(same_bits, ours.everything(), here.everything())):
        return step
    trusted.add(key)
    return here.step()


def _key(optimizer: Optimizer) -> Any:
    groups = optimizer.param_groups
    return (type(optimizer), *((len(group["params"]), bool(group.get("momentum"))) for group in groups))


def is_direct(optimizer: Optimizer, trusted: set[Any]) -> bool:
    """Whether the optimizer's next step would be made by the kernels alone, which were tried before."""
    known = type(optimizer) in KERNELS and is_plain(optimizer) and _key(optimizer) in trusted
    return known and all(_usual(optimizer, one) and _begun(optimizer, one) for one in optimizer.param_groups)


def kernels_of(*optimizers: Optimizer, counts: bool = True) -> Step:
    """A step of optimizers that `is_direct` and whose settings are the same, group by group, by one call for all.

    Without `counts` whoever calls it adds one to all that count their steps.
    """
    calls: list[Step] = []
    for groups in zip(*(one.param_groups for one in optimizers), strict=True):
        parameters = [parameter for group in groups for parameter in group["params"]]
        owners = [one for one, group in zip(optimizers, groups, strict=True) for _ in group["params"]]
        states = [owner.state.get(one) or {} for owner, one in zip(owners, parameters, strict=True)]
        make = KERNELS[type(optimizers[0])]
        calls.append(make(groups[0], parameters, states, counts))
    return calls[0] if len(calls) == 1 else lambda: [call() for call in calls]


def _begun(optimizer: Optimizer, group: dict[str, Any]) -> bool:
    """Whether the optimizer has made its state of a group's parameters; SGD without momentum has none."""
    none = type(optimizer) is SGD and not group["momentum"]
    return none or all(optimizer.state.get(one) for one in group["params"])


def _copy(parameter: Tensor) -> Tensor:
    copied = parameter.detach().clone()
    copied.grad = None if parameter.grad is None else parameter.grad.clone()
    return copied


def _usual(optimizer: Optimizer, group: dict[str, Any]) -> bool:
    """Whether a group asks for nothing but the plain step on the CPU."""
    plain = not any(group.get(name) for name in ("amsgrad", "capturable", "differentiable", "maximize", "centered"))
    numbers = all(not isinstance(value, Tensor) for name, value in group.items() if name != "params")
    numbers = numbers and not any(isinstance(beta, Tensor) for beta in group.get("betas", ()))
    by_one_kernel = group.get("fused") or (type(optimizer) is RMSprop and group.get("foreach"))
    tensors = all(one.device.type == "cpu" and one.dtype == torch.float32 for one in group["params"])
    return bool(plain and numbers and by_one_kernel and tensors and group["params"])


class _Tensors:
    """The tensors that a step works on, group by group, or copies of them."""

    def __init__(self, optimizer: Optimizer, of: dict[Tensor, Tensor], copied: bool = False) -> None:
        self.make = KERNELS[type(optimizer)]
        self.groups: list[tuple[dict[str, Any], list[Tensor], list[dict[str, Any]]]] = []
        for group in optimizer.param_groups:
            states = [optimizer.state.get(one) or {} for one in group["params"]]
            if copied:
                states = [{name: _cloned(value) for name, value in state.items()} for state in states]
            self.groups.append((group, [of[one] for one in group["params"]], states))

    def step(self) -> Step:
        """All groups' kernels, on the gradients of then."""
        calls = [self.make(*group) for group in self.groups]
        if len(calls) == 1:
            return calls[0]

        def all_groups() -> None:
            for call in calls:
                call()

        return all_groups

    def everything(self) -> list[Tensor]:
        """All that a step changes."""
        tensors: list[Tensor] = []
        for _, parameters, states in self.groups:
            tensors += parameters
            tensors += [value for state in states for _, value in sorted(state.items()) if isinstance(value, Tensor)]
        return tensors


def _cloned(value: Any) -> Any:
    return value.clone() if isinstance(value, Tensor) else value


def _each(states: list[dict[str, Any]], name: str) -> list[Tensor]:
    return [state[name] for state in states]


def _gradients(parameters: list[Tensor]) -> Any:
    return [parameter.grad for parameter in parameters]


def _adam(group: dict[str, Any], parameters: list[Tensor], states: list[dict[str, Any]], counts: bool = True) -> Step:
    first, second, steps = _each(states, "exp_avg"), _each(states, "exp_avg_sq"), _each(states, "step")
    kernel = torch._fused_adamw_ if group["decoupled_weight_decay"] else torch._fused_adam_
    one, add = torch.ones(()), torch._foreach_add_
    fixed = partial(kernel, amsgrad=False, maximize=False, grad_scale=None, found_inf=None)

    def step() -> None:
        beta1, beta2 = group["betas"]
        if counts:
            add(steps, one, alpha=1.0)
        fixed(
            parameters,
            _gradients(parameters),
            first,
            second,
            [],
            steps,
            lr=group["lr"],
            beta1=beta1,
            beta2=beta2,
            weight_decay=group["weight_decay"],
            eps=group["eps"],
        )

    return step


def _sgd(group: dict[str, Any], parameters: list[Tensor], states: list[dict[str, Any]], counts: bool = True) -> Step:
    kept = _each(states, "momentum_buffer") if group["momentum"] else []
    kernel = partial(torch._fused_sgd_, maximize=False, is_first_step=False, grad_scale=None, found_inf=None)

    def step() -> None:
        kernel(
            parameters,
            _gradients(parameters),
            kept,
            weight_decay=group["weight_decay"],
            momentum=group["momentum"],
            lr=group["lr"],
            dampening=group["dampening"],
            nesterov=group["nesterov"],
        )

    return step


def _rmsprop(
    group: dict[str, Any], parameters: list[Tensor], states: list[dict[str, Any]], counts: bool = True
) -> Step:
    squares, steps = _each(states, "square_avg"), _each(states, "step")
    kept = _each(states, "momentum_buffer") if group["momentum"] else []
    add, one = torch._foreach_add_, torch.ones(())
    # torch wraps each number into a tensor, once for every parameter and step.
    numbers: tuple[float, float] | None = None
    alpha = eps = one

    def step() -> None:
        nonlocal numbers, alpha, eps
        if numbers != (group["alpha"], group["eps"]):
            numbers = group["alpha"], group["eps"]
            alpha, eps = (torch.tensor(value, dtype=torch.float32) for value in numbers)
        gradients = _gradients(parameters)
        if counts:
            add(steps, one, alpha=1.0)
        if group["weight_decay"] != 0:
            gradients = list(torch._foreach_add(gradients, parameters, alpha=group["weight_decay"]))
        torch._foreach_mul_(squares, alpha)
        torch._foreach_addcmul_(squares, gradients, gradients, value=1 - group["alpha"])
        roots = torch._foreach_sqrt(squares)
        add(roots, eps, alpha=1.0)
        if kept:
            torch._foreach_mul_(kept, group["momentum"])
            torch._foreach_addcdiv_(kept, gradients, roots)
            add(parameters, kept, alpha=-group["lr"])
        else:
            torch._foreach_addcdiv_(parameters, gradients, roots, value=-group["lr"])

    return step


# By the exact class: a subclass may do something else.
KERNELS: dict[type, Callable[..., Step]] = {Adam: _adam, AdamW: _adam, SGD: _sgd, RMSprop: _rmsprop}


def plain_step(optimizer: Optimizer) -> Callable[[], Any]:
    """`optimizer.step` without the label and the hooks that torch wraps around it, where nobody asked for any.

    The wrapper takes as long as a small net's arithmetic: a seventh of a whole update of an MLP 40-100-100-10.
    """
    if not is_plain(optimizer):
        return optimizer.step
    optimizer._opt_called = True  # type: ignore[attr-defined]  # what the step of a scheduler's would note
    return partial(type(optimizer).step.__wrapped__, optimizer)  # type: ignore[attr-defined]


def is_plain(optimizer: Optimizer) -> bool:
    """Whether `optimizer.step` is its class's, with nothing of anybody's around it."""
    step = type(optimizer).step
    hooks = (
        optimizer._optimizer_step_pre_hooks,
        optimizer._optimizer_step_post_hooks,
        torch_optimizer._global_optimizer_pre_hooks,
        torch_optimizer._global_optimizer_post_hooks,
    )
    own = vars(optimizer).get("step")
    # torch's schedulers put a `step` on the optimizer that notes its call, and torch marks its wrapper with `hooked`.
    noting = getattr(own, "_wrapped_by_lr_sched", False) and getattr(own, "__wrapped__", None) is step
    return not any(hooks) and (own is None or noting) and getattr(step, "hooked", False)


def plain_backward(device: torch.device) -> Callable[[Tensor], None]:
    """`Tensor.backward` for scalar losses, without what it prepares for compiled graphs and other threads.

    On the CPU it calls torch's engine as `backward` itself does: a ninth of a whole update of an MLP 40-100-100-10, and
    the difference to ten times the speed of ordinary Lightning. Should a torch of the future have another engine,
    and on other devices, it is `Tensor.backward`.
    """
    if device.type != "cpu" or not _engine_as_known():
        return Tensor.backward
    run, one = torch.autograd.Variable._execution_engine.run_backward, torch.ones(())

    def backward(loss: Tensor) -> None:
        run((loss,), (one,), False, False, (), allow_unreachable=True, accumulate_grad=True)

    return backward


@lru_cache(maxsize=1)
def _engine_as_known() -> bool:
    leaf, one = torch.ones((), requires_grad=True), torch.ones(())
    try:
        engine = torch.autograd.Variable._execution_engine
        engine.run_backward((leaf * 3,), (one,), False, False, (), allow_unreachable=True, accumulate_grad=True)
    except (AttributeError, TypeError, RuntimeError):
        return False
    return leaf.grad is not None and leaf.grad.item() == 3


def same_bits(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors are the same to the bit, the sign of a zero and what a NaN holds among them."""
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    return torch.equal(*(each.detach().contiguous().view(-1).view(torch.uint8) for each in (one, other)))


def unchanged(one: Tensor, other: Tensor) -> bool:
    """Whether a tensor is what it was, NaNs as well; where it is, told sooner than by `same_bits`."""
    alike = one.shape == other.shape and one.dtype == other.dtype
    return alike and (torch.equal(one, other) or same_bits(one, other))
