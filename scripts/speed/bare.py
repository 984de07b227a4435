"""The reference: the loop that a careful person writes for one experiment, in a process with nothing else in it."""

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context
from typing import Any

import torch
from torch import Tensor, nn

from scripts.speed.clock import seconds

Splits = dict[str, tuple[Tensor, Tensor]]


@cache
def _own_process() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, mp_context=get_context("spawn"))


def fit(*arguments: Any) -> float:
    """What `fit_here` gives in a process of its own, where no setting of ours helps or hinders it."""
    return _own_process().submit(fit_here, *arguments).result()


def fit_here(
    net: nn.Module,
    splits: Splits,
    make_optimizer: Callable[..., Any],
    criterion: Callable[[Tensor, Tensor], Tensor],
    batch_size: int,
    epochs: int,
    updates: int | None = None,
    eval_batch_size: int = 256,
) -> float:
    """Seconds to train for so many epochs (of so many updates), each with its training loss and a validation."""
    torch.set_num_threads(1)
    optimizer = make_optimizer(net.parameters())
    (x, y), (val_x, val_y) = splits["train"], splits["val"]
    started = seconds()
    for _ in range(epochs):
        net.train()
        order = torch.randperm(len(y))
        total = torch.zeros(())
        for rows in order[: len(y) if updates is None else updates * batch_size].split(batch_size):
            inputs, labels = x[rows], y[rows]
            loss = criterion(net(inputs), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.detach() * len(rows)
        net.eval()
        val_loss, right = torch.zeros(()), torch.zeros((), dtype=torch.long)
        with torch.no_grad():
            for inputs, labels in zip(val_x.split(eval_batch_size), val_y.split(eval_batch_size), strict=True):
                logits = net(inputs)
                val_loss += criterion(logits, labels) * len(labels)
                predicted = logits.argmax(1) if logits.shape[1] > 1 else (logits.squeeze(1) > 0).long()
                right += (predicted == labels).sum()
        float(total), float(val_loss), int(right)
    return seconds() - started
