"""Other libraries on the same rows, where they happen to be installed: scikit-learn, Keras and JAX."""

import importlib.util
import sys
import warnings
from collections.abc import Callable, Iterable
from typing import Any

from torch import nn
from torch.optim import RMSprop

from scripts.speed.bare import Splits
from scripts.speed.clock import seconds

NAMES = {"scikit-learn": "sklearn", "Keras": "keras", "JAX": "jax"}


def sides(
    net: nn.Module,
    splits: Splits,
    optimizer: Callable[..., Any],
    batch_size: int,
    names: Iterable[str] = ("scikit-learn", "Keras"),
) -> dict[str, Callable[[], float]]:
    """Seconds per epoch of a multilayer perceptron of the same widths; nothing for convolutional nets.

    That of JAX is each of eight nets' that train at once: what a pack is here.
    """
    linear = [layer for layer in net.modules() if isinstance(layer, nn.Linear)]
    if any(isinstance(layer, nn.Conv1d | nn.Conv2d) for layer in net.modules()):
        return {}
    widths = [layer.out_features for layer in linear]
    (x, y), (val_x, val_y) = splits["train"], splits["val"]
    # Copies: whoever sends a tensor to a process moves its memory, and an array on it would be left behind.
    rows, labels = x.flatten(1).numpy().copy(), y.numpy().copy()
    held_out = (val_x.flatten(1).numpy().copy(), val_y.numpy().copy())
    by_rmsprop = getattr(optimizer, "func", optimizer) is RMSprop

    def by_scikit_learn() -> float:
        from sklearn.neural_network import MLPClassifier

        # It has no RMSprop; Adam costs it the same.
        model = MLPClassifier(tuple(widths[:-1]), batch_size=batch_size, max_iter=3, n_iter_no_change=10)
        started = seconds()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(rows, labels)
        return (seconds() - started) / 3

    def by_keras() -> float:
        import keras

        keras.utils.set_random_seed(0)
        hidden = [keras.layers.Dense(width, activation="relu") for width in widths[:-1]]
        last = keras.layers.Dense(widths[-1], activation="sigmoid" if widths[-1] == 1 else "softmax")
        model = keras.Sequential([keras.layers.Input((rows.shape[1],)), *hidden, last])
        loss = "binary_crossentropy" if widths[-1] == 1 else "sparse_categorical_crossentropy"
        model.compile("rmsprop" if by_rmsprop else "adam", loss, metrics=["accuracy"])
        model.fit(rows, labels, batch_size, 1, 0, validation_data=held_out)  # builds its graph
        started = seconds()
        model.fit(rows, labels, batch_size, 2, 0, validation_data=held_out)
        return (seconds() - started) / 2

    def by_jax() -> float:
        from scripts.speed.jax_packs import fit

        return fit((rows.shape[1], *widths), (rows, labels), held_out, batch_size, epochs=3)

    calls = {"scikit-learn": by_scikit_learn, "Keras": by_keras, "JAX": by_jax}
    missing = [name for name in names if importlib.util.find_spec(NAMES[name]) is None]
    for name in missing:
        print(f"  no row of {name}: {NAMES[name]} is not installed", file=sys.stderr, flush=True)
    return {name: calls[name] for name in names if name not in missing}
