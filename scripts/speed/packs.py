"""An update in a pack against one alone, in turns by the processor's clock: python -m scripts.speed.packs [WIDTH …]."""

import statistics
import sys
import time
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn

from litmus.training.by_hand import ByHand, cross_entropy
from litmus.training.direct_step import direct_step
from litmus.training.packed import Stretch, Tried, together
from litmus.trial.command_line import answer
from litmus.trial.memory import keep_big_buffers

NETS, SAMPLES, UPDATES, TURNS = 8, 32, 120, 7


def main() -> None:
    """Measures an MLP 40-WIDTH…-10 and tells."""
    torch.set_num_threads(1)
    keep_big_buffers()
    widths = [40, *(int(word) for word in sys.argv[1:] or ["100", "100"]), 10]
    print(f"{NETS} nets {'-'.join(map(str, widths))}: {statistics.median(beside_alone(widths)):.2f} of an update alone")


def beside_alone(widths: Sequence[int], turns: int = TURNS) -> list[float]:
    """What an update of an MLP of these widths takes in a pack of eight, in updates alone, by turns."""
    chains = [[layer for pair in pairwise(widths) for layer in (nn.Linear(*pair), nn.ReLU())][:-1] for _ in range(NETS)]
    optimizers = [torch.optim.Adam(nn.Sequential(*one).parameters(), fused=True) for one in chains]
    x, y = torch.randn(NETS, UPDATES, SAMPLES, 40), torch.randint(10, (NETS, UPDATES, SAMPLES))
    tried, ratios = Tried(), []

    def alone() -> None:
        for chain, optimizer, inputs, targets in zip(chains, optimizers, x, y, strict=True):
            hand, step = ByHand([*chain], cross_entropy), direct_step(optimizer, set())
            for pair in zip(inputs, targets, strict=True):
                hand(*pair)
                step()

    def packed() -> None:
        given = zip(chains, optimizers, x, y, strict=True)
        stretches = [
            Stretch(ByHand([*chain], cross_entropy), optimizer, inputs, targets, None, torch.Generator())
            for chain, optimizer, inputs, targets in given
        ]
        together(stretches, tried)

    with torch.no_grad():
        for turn in range(turns + 1):
            began = time.process_time()
            alone()
            between = time.process_time()
            packed()
            if turn:  # the first makes states and tries the stack
                ratios.append((time.process_time() - between) / (between - began))
    return ratios


if __name__ == "__main__":
    answer(main)
