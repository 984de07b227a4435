"""What is measured: each workload's sides and the ratios asked of them."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch.nn.functional as F
from torch import Tensor
from torch.optim import Adam, RMSprop

from scripts.speed import bare, extras, floor, ours, processes, template

OURS = "ours"
Sides = dict[str, Callable[[], float]]


class Target(NamedTuple):
    """What the first side's time should be beside another's: `reach` and `stretch` times it, or so many times faster.

    Without another side the number itself, in the workload's unit, is what `reach` and `stretch` bound.
    """

    side: str
    against: str | None
    reach: float
    stretch: float | None = None
    faster: bool = False


class Workload(NamedTuple):
    """Something to do, by several sides: each call of a side does it once and gives seconds per unit."""

    name: str
    title: str
    unit: str
    sides: Callable[[Path, bool], Sides]
    targets: tuple[Target, ...]
    repetitions: int = 7


def binary(logits: Tensor, labels: Tensor) -> Tensor:
    """Binary cross-entropy of one logit."""
    return F.binary_cross_entropy_with_logits(logits.squeeze(1), labels.float())


def training(
    overrides: list[str],
    optimizer: Callable[..., Any],
    epochs: dict[str, int],
    *,
    updates: int | None = None,
) -> Callable[[Path, bool], Sides]:
    """Sides that train the same net on the same rows; `epochs` says how many each goes through to be timed."""

    def sides(directory: Path, quick: bool) -> Sides:
        splits, module = ours.parts_of(directory, *overrides)
        batch_size = next(int(word.partition("=")[2]) for word in overrides if word.startswith("batch_size="))
        criterion = binary if module.classes == 2 else F.cross_entropy
        rows = None if updates is None else updates * batch_size
        (x, y), val = splits["train"], splits["val"]
        seen = {"train": (x[:rows].clone(), y[:rows].clone()), "val": val}
        counts = {side: max(1, count // 4) if quick else count for side, count in epochs.items()}
        places = iter(range(10**6))

        def net() -> Any:
            return ours.parts_of(directory, *overrides)[1].net

        def by_us() -> float:
            here = directory / str(next(places))
            return ours.fit(here, *overrides, f"epochs={counts[OURS]}") / counts[OURS]

        def by_hand() -> float:
            epochs = counts["bare loop"]
            return bare.fit(net(), seen, optimizer, criterion, batch_size, epochs, updates) / epochs

        def by_template() -> float:
            here = directory / str(next(places))
            new = template.Module(net(), module.classes, criterion, optimizer)
            seconds = template.fit(here, new, splits, batch_size, counts["template-like"], updates)
            return seconds / counts["template-like"]

        every: Sides = {OURS: by_us, "bare loop": by_hand, "template-like": by_template}
        if floor.has_floor(module.net) and updates is None:
            by_rmsprop, epochs_of_floor = optimizer.func is RMSprop, counts["bare loop"]  # type: ignore[attr-defined]
            every[floor.NAME] = lambda: (
                floor.fit(net(), seen, by_rmsprop, batch_size, epochs_of_floor) / epochs_of_floor
            )
        every |= extras.sides(module.net, splits, optimizer, batch_size)
        return {side: call for side, call in every.items() if side in {*counts, *extras.NAMES, floor.NAME}}

    return sides


def packs(directory: Path, quick: bool) -> Sides:
    """An epoch of W2's net for each of eight seeds that train in one pack, and by itself."""
    overrides = ["data=mnist1d", "batch_size=32", "model.units=[100,100]", "norm=none", "dropout=0.0"]
    splits, _ = ours.parts_of(directory, *overrides)
    epochs, places = (5 if quick else 20), iter(range(10**6))

    def packed() -> float:
        return ours.fit_packed(directory / str(next(places)), 8, *overrides, f"epochs={epochs}") / epochs

    def alone() -> float:
        return ours.fit(directory / str(next(places)), *overrides, f"epochs={epochs}") / epochs

    def by_hand() -> float:
        net = ours.parts_of(directory, *overrides)[1].net
        return bare.fit(net, splits, ADAM, F.cross_entropy, 32, epochs) / epochs

    module = ours.parts_of(directory, *overrides)[1]
    every = {OURS: packed, "alone": alone, "bare loop": by_hand}
    return every | extras.sides(module.net, splits, ADAM, 32, ("JAX", "scikit-learn"))


def averaged(directory: Path, quick: bool) -> Sides:
    """An epoch of W2's net whose weights are averaged by a moving average, or over the tail of training, or not."""
    overrides, places = [*MNIST1D, *PLAIN, "model.units=[100,100]"], iter(range(10**6))
    epochs = 5 if quick else 20

    def fit(*average: str) -> float:
        return ours.fit(directory / str(next(places)), *overrides, f"epochs={epochs}", *average) / epochs

    return {"ema": partial(fit, "average=ema"), "tail": partial(fit, "average=tail"), "no average": fit}


def reduced_precision(directory: Path, quick: bool) -> Sides:
    """The same convolutional net in fp32 and, by option, in bfloat16 with channels last."""
    places = iter(range(10**6))
    updates = 10 if quick else 30

    def fit(*overrides: str) -> float:
        here = directory / str(next(places))
        return ours.fit(here, *FASHION, "epochs=1", f"updates_per_epoch={updates}", *overrides) / updates

    return {OURS: partial(fit, "precision=bf16-mixed", "model.channels_last=true"), "fp32": fit}


def data_path(directory: Path, quick: bool) -> Sides:
    """Reading Fashion-MNIST's training images in shuffled batches of 64."""
    splits, _ = ours.parts_of(directory, *FASHION)

    def by_us() -> float:
        seconds, samples = ours.read_training_data(directory, *FASHION)
        return seconds / samples

    samples = 1280 if quick else 6400
    return {OURS: by_us, "template-like": lambda: template.read_training_data(splits, 64, samples) / samples}


def sweep(directory: Path, quick: bool) -> Sides:
    """Jobs of one process after its first: what each takes beyond the seconds of its fit."""
    jobs = 4 if quick else 8
    overheads: Iterator[float] = iter(())

    def one() -> float:
        nonlocal overheads
        found = next(overheads, None)
        if found is None:
            overheads = iter(processes.sweep_overheads(directory, jobs))
            found = next(overheads)
        return found

    return {OURS: one}


def start_up(directory: Path, quick: bool) -> Sides:
    """Whole processes, from start to end."""
    return {
        "--help": partial(processes.seconds_of, "train.py", "--help"),
        "import torch": partial(processes.seconds_of, "-c", "import torch"),
        "misspelt": partial(processes.seconds_of, "train.py", "modell=mlp", ends_with=1),
    }


def memory(directory: Path, quick: bool) -> Sides:
    """Resident memory of a sweep's process: the most after the twentieth job, beside that at the twentieth."""
    return {OURS: partial(processes.memory_growth, directory, 40 if quick else 200)}


MNIST1D = ["data=mnist1d", "data.draw=fresh", "data.train=4000", "batch_size=32"]
PLAIN = ["norm=none", "dropout=0.0"]  # as the loops that it is measured beside
ADS = [*PLAIN, "data=social_network_ads", "data.split=tail", "optimizer=rmsprop", "batch_size=1", "model.units=[10,10]"]
FASHION = ["data=fashion_mnist", "data.val_fraction=0.01", "model=cnn", "batch_size=64"]
ADAM = partial(Adam, lr=1e-3, fused=True)

WORKLOADS = (
    Workload(
        "mlp",
        "W2: mnist1d MLP 40-100-100-10, batch 32, Adam",
        "s per epoch",
        training(
            [*MNIST1D, *PLAIN, "model.units=[100,100]"],
            ADAM,
            {OURS: 40, "bare loop": 40, "template-like": 4},
        ),
        (Target(OURS, "bare loop", 0.55, 0.45), Target(OURS, "template-like", 5, 10, faster=True)),
    ),
    Workload(
        "packs",
        "W2's MLP, each of eight seeds in a pack",
        "s per epoch",
        packs,
        (Target(OURS, "bare loop", 0.37, 0.27), Target(OURS, "alone", 0.8, 0.65)),
    ),
    Workload(
        "average",
        "W2's MLP, averaged",
        "s per epoch",
        averaged,
        (Target("ema", "no average", 1.15, 1.1), Target("tail", "no average", 1.15, 1.05)),
    ),
    Workload(
        "cnn",
        "W2: mnist1d CNN 4×32, batch 32, Adam",
        "s per epoch",
        training([*MNIST1D, "model=cnn"], ADAM, {OURS: 8, "bare loop": 8, "template-like": 2}),
        (Target(OURS, "bare loop", 1.4, 1.1),),
    ),
    Workload(
        "ads",
        "W1: ads MLP 2-10-10-1, batch 1, RMSprop",
        "s per epoch",
        training(ADS, partial(RMSprop, lr=1e-3), {OURS: 20, "bare loop": 20, "template-like": 2}),
        (Target(OURS, "bare loop", 0.45, 0.35), Target(OURS, "template-like", 5, 10, faster=True)),
    ),
    Workload(
        "fashion",
        "W3: Fashion-MNIST CNN 4×32, batch 64, 30 updates and a validation on 600",
        "s",
        training([*FASHION, "updates_per_epoch=30"], ADAM, {OURS: 1, "bare loop": 1, "template-like": 1}, updates=30),
        (Target(OURS, "bare loop", 1.1, 1.0),),
    ),
    Workload(
        "data",
        "W3: its data path alone",
        "s per sample",
        data_path,
        (Target(OURS, "template-like", 20, 50, faster=True),),
    ),
    Workload(
        "bf16",
        "W3: bf16-mixed and channels last",
        "s per update",
        reduced_precision,
        (Target(OURS, "fp32", 1.5, 1.75, faster=True),),
    ),
    Workload("sweep", "-m: a further job, beyond its fit", "s", sweep, (Target(OURS, None, 0.4, 0.25),)),
    Workload(
        "start",
        "start-up",
        "s",
        start_up,
        (Target("--help", "import torch", 0.3, 0.2), Target("misspelt", "import torch", 0.3, 0.2)),
    ),
    Workload("memory", "memory over 200 jobs of a sweep", "× the 20th job's", memory, (Target(OURS, None, 1.05),), 1),
)
