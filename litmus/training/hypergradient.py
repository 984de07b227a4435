"""Hypergradient descent: a learning rate that goes down its own gradient while the weights go down theirs."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim import AdamW


class HypergradientAdamW(AdamW):
    """AdamW whose rate rises while updates keep their direction, and falls where they turn back.

    The derivative of the loss by the rate that the last step was taken with is the scalar product of this gradient and
    that step's direction. The multiplicative rule of Baydin et al. 2018 (arXiv:1703.04782): the rate is multiplied by
    1 - hyper_lr · cos(gradient, last step), so that neither the loss's scale nor the rate's matters. `lr` is where it
    begins; the rate is part of the optimizer's state, and stands in metrics.csv.

    Args:
        params, betas, eps, weight_decay: as AdamW's.
        lr: to begin with.
        hyper_lr: the largest share by which an update changes the rate, below 1.

    Raises:
        ValueError: for another `hyper_lr`.
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
        hyper_lr: float = 0.02,
    ) -> None:
        if not 0 <= hyper_lr < 1:
            raise ValueError(f"optimizer.hyper_lr must be from 0 up to, and without, 1, got {hyper_lr}")
        super().__init__(params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, foreach=True)
        for group in self.param_groups:
            group["hyper_lr"] = hyper_lr

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One update, of the rate first."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        held = [[one for one in group["params"] if one.grad is not None] for group in self.param_groups]
        for group, weights in zip(self.param_groups, held, strict=True):
            known = [one for one in weights if "moved" in self.state[one]]
            if known:
                cosine = _cosine([one.grad for one in known], [self.state[one]["moved"] for one in known])
                group["lr"] *= 1 - group["hyper_lr"] * cosine
        before = [[one.detach().clone() for one in weights] for weights in held]
        super().step()
        for weights, were in zip(held, before, strict=True):
            for one, was in zip(weights, were, strict=True):
                self.state[one]["moved"] = one.detach() - was
        return loss


def _cosine(one: list[Tensor], other: list[Tensor]) -> float:
    """Of the angle between two lists of tensors, each taken as one vector; 0 where either is nothing."""
    product = torch.stack([(a * b).sum() for a, b in zip(one, other, strict=True)])
    lengths = torch.stack(torch._foreach_norm(one)).norm() * torch.stack(torch._foreach_norm(other)).norm()
    return float(product.sum() / lengths) if float(lengths) > 0 else 0.0
