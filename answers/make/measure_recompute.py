"""What `model.recompute` saves and costs: memory and time of an update, by depth, by net and by number of segments.

python answers/make/measure_recompute.py     a minute on one thread: the tables and the figure of answers/docs/memory.md
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from answers.make.recompute.measuring import Update, peak_bytes, seconds, stored_bytes, update_of
from answers.make.recompute.picture import draw
from litmus.project import ROOT
from litmus.trial.arguments import Parser
from litmus.trial.command_line import answer
from litmus.trial.memory import keep_big_buffers
from src.models.cnn import CNN
from src.models.mlp import MLP

MIB = 2**20
DEPTHS = (2, 4, 8, 16, 32)
DEEP: dict[str, Any] = {"units": 128, "norm": "layer", "layers": DEPTHS[-1]}
SEGMENTS = (2, 3, 4, 6, 8, 11, 16, 24, 33)
BATCH = 1024
BUDGET = 16
# A net, the shape of its samples, a batch and the settings of its constructor.
NETS: dict[str, tuple[Any, tuple[int, ...], int, dict[str, Any]]] = {
    **{f"MLP {depth} × 128, layer norm": (MLP, (128,), BATCH, DEEP | {"layers": depth}) for depth in DEPTHS},
    "MLP 8 × 1024, layer norm": (MLP, (128,), 256, DEEP | {"units": 1024, "layers": 8}),
    "CNN 6 × 32, batch norm, dropout": (CNN, (1, 28, 28), 64, {"layers": 6, "norm": "batch", "dropout": 0.1}),
}


@dataclass(frozen=True)
class Measured:
    """Bytes and seconds of an update; `state` are the bytes of parameters, gradients and Adam's two moments."""

    stored: int
    peak: int
    seconds: float
    state: int


def measured(updates: Sequence[Update], rounds: int) -> list[Measured]:
    """Each update, timed in turns with the others."""
    times = seconds(updates, rounds)
    states = [4 * sum(parameter.nbytes for parameter in update.net.parameters()) for update in updates]
    sizes = [(stored_bytes(update), peak_bytes(update)) for update in updates]
    return [Measured(*size, time, state) for size, time, state in zip(sizes, times, states, strict=True)]


def deepest(budget: int, recompute: bool) -> int:
    """The most hidden layers of width 128 whose update holds no more than so many bytes at once."""

    def fits(depth: int) -> bool:
        return peak_bytes(update_of(MLP, (128,), BATCH, **DEEP | {"layers": depth, "recompute": recompute})) <= budget

    low, high = 1, 2
    while fits(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def by_net(rounds: int) -> dict[str, list[Measured]]:
    """Each net with and without recomputing."""
    return {
        name: measured([update_of(*net, **settings, recompute=recompute) for recompute in (False, True)], rounds)
        for name, (*net, settings) in NETS.items()
    }


def table(found: dict[str, list[Measured]]) -> list[str]:
    """The rows of `by_net` as Markdown."""
    lines = [
        "| net | stored, MiB | with `recompute=true` | most at once, MiB | with | time of an update, ms | with | × |"
        " parameters, gradients, Adam, MiB |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, (plain, twice) in found.items():
        cells = [f"{plain.stored / MIB:.2f}", f"{twice.stored / MIB:.2f}", f"{plain.peak / MIB:.2f}"]
        cells += [f"{twice.peak / MIB:.2f}", f"{1e3 * plain.seconds:.1f}", f"{1e3 * twice.seconds:.1f}"]
        cells += [f"{twice.seconds / plain.seconds:.2f}", f"{plain.state / MIB:.2f}"]
        lines.append(f"| {' | '.join([name, *cells])} |")
    return lines


def main() -> None:
    """Measures, prints and draws."""
    parser = Parser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15, help="timings of which the median counts")
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    keep_big_buffers()  # as trials do
    found = by_net(rounds)
    print("\n".join(table(found)), "\n", sep="")
    tried = (False, *SEGMENTS)
    plain, *parts = measured([update_of(MLP, (128,), BATCH, **DEEP, recompute=one) for one in tried], rounds)
    print("| segments | stored, MiB | most at once, MiB | time × |\n|---|---|---|---|")
    for name, one in zip(("none", *SEGMENTS), (plain, *parts), strict=True):
        print(f"| {name} | {one.stored / MIB:.2f} | {one.peak / MIB:.2f} | {one.seconds / plain.seconds:.2f} |")
    without, twice = (deepest(BUDGET * MIB, recompute) for recompute in (False, True))
    print(
        f"\nIn {BUDGET} MiB: {without} hidden layers; with recompute=true {twice}, {twice / without:.1f} times as many"
    )
    deep = {depth: found[f"MLP {depth} × 128, layer norm"] for depth in DEPTHS}
    draw(deep, plain, dict(zip(SEGMENTS, parts, strict=True)), ROOT / "answers" / "docs" / "figures" / "recompute.png")


if __name__ == "__main__":
    answer(main)
