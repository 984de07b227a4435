"""Eight multilayer perceptrons that train at once in JAX: a compiled scan over an epoch's updates, mapped over nets."""

import os
from itertools import pairwise
from typing import Any

os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")

import jax
import jax.numpy as jnp
import numpy as np

from scripts.speed.clock import seconds

NETS, RATE, DECAYS, EPS = 8, 1e-3, (0.9, 0.999), 1e-8
Net = list[tuple[jax.Array, jax.Array]]


def fit(widths: tuple[int, ...], train: Any, val: Any, batch_size: int, epochs: int) -> float:
    """Seconds per epoch and net, compilation aside: each with its own order of the rows, Adam, and a validation.

    Args:
        widths: of inputs, hidden layers and outputs.
        train, val: (inputs, labels).
    """
    x, y = (jnp.asarray(part) for part in train)
    updates = len(y) // batch_size
    draw = np.random.default_rng(0)

    def run(net: Net, first: Net, second: Net, count: jax.Array, order: jax.Array) -> Any:
        def update(state: Any, rows: jax.Array) -> Any:
            net, first, second, count = state
            loss, gradients = jax.value_and_grad(_loss)(net, x[rows], y[rows])
            count = count + 1
            first = jax.tree.map(lambda one, d: DECAYS[0] * one + (1 - DECAYS[0]) * d, first, gradients)
            second = jax.tree.map(lambda one, d: DECAYS[1] * one + (1 - DECAYS[1]) * d * d, second, gradients)
            scales = [1 - decay**count for decay in DECAYS]

            def moved(value: jax.Array, one: jax.Array, two: jax.Array) -> jax.Array:
                return value - RATE * (one / scales[0]) / (jnp.sqrt(two / scales[1]) + EPS)

            return (jax.tree.map(moved, net, first, second), first, second, count), loss

        state, losses = jax.lax.scan(update, (net, first, second, count), order)
        logits = _forward(state[0], jnp.asarray(val[0]))
        right = (_said(logits) == jnp.asarray(val[1])).sum()
        return state, losses.mean(), _loss(state[0], *map(jnp.asarray, val)), right

    epoch = jax.jit(jax.vmap(run))
    net = [
        (draw.normal(0, a**-0.5, (NETS, a, b)).astype(np.float32), np.zeros((NETS, b), np.float32))
        for a, b in pairwise(widths)
    ]
    zeros = jax.tree.map(np.zeros_like, net)
    state: Any = (net, zeros, zeros, np.zeros(NETS, np.float32))

    def orders() -> np.ndarray:
        each = [draw.permutation(len(y))[: updates * batch_size] for _ in range(NETS)]
        return np.stack(each).reshape(NETS, updates, batch_size)

    state, *_ = jax.block_until_ready(epoch(*state, orders()))  # compiles
    started = seconds()
    for _ in range(epochs):
        state, *means = jax.block_until_ready(epoch(*state, orders()))
        [np.asarray(one) for one in means]
    return (seconds() - started) / epochs / NETS


def _forward(net: Net, x: jax.Array) -> jax.Array:
    for weight, bias in net[:-1]:
        x = jax.nn.relu(x @ weight + bias)
    return x @ net[-1][0] + net[-1][1]


def _loss(net: Net, x: jax.Array, y: jax.Array) -> jax.Array:
    logits = _forward(net, x)
    if logits.shape[1] == 1:
        z = logits[:, 0]
        return (jnp.maximum(z, 0) - z * y + jnp.log1p(jnp.exp(-jnp.abs(z)))).mean()
    return -jnp.take_along_axis(jax.nn.log_softmax(logits), y[:, None], 1).mean()


def _said(logits: jax.Array) -> jax.Array:
    return logits[:, 0] > 0 if logits.shape[1] == 1 else logits.argmax(1)
