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
    step = type(optimizer).step
    hooks = (
        optimizer._optimizer_step_pre_hooks,
        optimizer._optimizer_step_post_hooks,
        torch_optimizer._global_optimizer_pre_hooks,
        torch_optimizer._global_optimizer_post_hooks,
    )
    # torch's schedulers put their own `step` on the optimizer, and torch marks its wrapper with `hooked`.
    if any(hooks) or "step" in vars(optimizer) or not getattr(step, "hooked", False):
        return optimizer.step
    return partial(step.__wrapped__, optimizer)  # type: ignore[attr-defined]


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
