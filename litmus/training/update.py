"""The two calls of an update, without what torch wraps around them and a stretch does not ask for."""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim import optimizer as torch_optimizer


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
