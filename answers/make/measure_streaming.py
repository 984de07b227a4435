"""What the batch size costs where data stay on disk: memory of an update, time of an epoch, memory of the data.

python answers/make/measure_streaming.py       a minute on one thread: the table and answers/docs/figures/streaming.png
"""

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from answers.make.recompute.measuring import peak_bytes, update_of
from litmus.atomic import replacing
from litmus.paths import typed_path
from litmus.project import ROOT
from litmus.report.figures.style import SERIES, SETTINGS
from litmus.training.arrays import Arrays
from litmus.trial.arguments import Parser
from litmus.trial.command_line import answer
from src.models.mlp import MLP

MIB = 2**20
FEATURES, SHARDS, UNITS = 128, 8, 256
SIZES = (8, 32, 128, 512, 2048, 8192)


class Measured(NamedTuple):
    """Of one batch size: the most bytes that an update holds, and seconds of an epoch from disk and from memory."""

    bytes: int
    disk: float
    memory: float


def written(folder: Path, rows: int) -> None:
    """Shards of noise, and the same rows in one file."""
    draw = np.random.default_rng(0)
    x = draw.standard_normal((rows, FEATURES), dtype=np.float32)
    y = (x[:, 0] > 0).astype(np.int64)
    (folder / "shards").mkdir()
    for shard, own in enumerate(np.array_split(np.arange(rows), SHARDS)):
        np.save(folder / "shards" / f"x_{shard}.npy", x[own])
        np.save(folder / "shards" / f"y_{shard}.npy", y[own])
    np.savez(folder / "whole.npz", x=x, y=y)


def held() -> int:
    """Bytes of this process that no file backs: what is mapped from disk is not among them."""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("RssAnon"))


def loaded(path: Path) -> tuple[Arrays, int]:
    """The data of a path, and by how much this process grew for them."""
    before = held()
    data = Arrays(path=path, scale="none", val_fraction=0.05, test_fraction=0.05)
    data.setup("fit")
    return data, held() - before


def epoch(data: Arrays, size: int, net: Any) -> float:
    """Seconds of a pass through the training rows, by plain gradient descent."""
    data.batch_size = size
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    began = time.perf_counter()
    for x, y, *_ in data.train_dataloader():
        optimizer.zero_grad()
        net.criterion(net(x), net.targets(y)).backward()
        optimizer.step()
    return time.perf_counter() - began


def measured(disk: Arrays, memory: Arrays, size: int, rounds: int) -> Measured:
    """A batch size, from disk and from memory in turns."""
    net = MLP((FEATURES,), 2, units=[UNITS, UNITS])
    times = [(epoch(disk, size, net), epoch(memory, size, net)) for _ in range(rounds)]
    most = peak_bytes(update_of(MLP, (FEATURES,), size, units=[UNITS, UNITS]))
    disk_time, memory_time = (statistics.median(column) for column in zip(*times, strict=True))
    return Measured(most, disk_time, memory_time)


def draw(found: dict[int, Measured], path: Path) -> None:
    """Memory and time by batch size."""
    with rc_context(SETTINGS):
        figure = Figure(figsize=(10, 3.6), layout="constrained")
        FigureCanvasAgg(figure)
        memory, seconds = figure.subplots(1, 2)
        memory.plot(list(found), [one.bytes / MIB for one in found.values()], "o-", color=SERIES[0])
        memory.set(xscale="log", yscale="log", xlabel="batch size", ylabel="most memory of an update, MiB")
        for name, colour, label in (("disk", SERIES[0], "from disk"), ("memory", SERIES[1], "from memory")):
            seconds.plot(list(found), [getattr(one, name) for one in found.values()], "o-", color=colour, label=label)
        seconds.set(xscale="log", yscale="log", xlabel="batch size", ylabel="seconds of an epoch")
        seconds.legend(frameon=False)
        for axes in (memory, seconds):
            axes.set_xticks(list(found), [str(size) for size in found])
            axes.minorticks_off()
        with replacing(path) as part:
            figure.savefig(part, dpi=90, format="png")


def main() -> None:
    """Measures, prints and draws."""
    parser = Parser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=1, help="epochs of which the median counts")
    parser.add_argument(
        "-o", "--output", type=typed_path, default=ROOT / "answers" / "docs" / "figures" / "streaming.png"
    )
    asked = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        written(Path(folder), asked.rows)
        (disk, grown), (memory, whole) = (loaded(Path(folder) / name) for name in ("shards", "whole.npz"))
        print(f"{asked.rows:,} rows of {FEATURES}: {4 * FEATURES * asked.rows / MIB:.0f} MiB")
        print(f"the process grows by {grown / MIB:.0f} MiB with them on disk, by {whole / MIB:.0f} MiB in memory")
        found = {size: measured(disk, memory, size, asked.rounds) for size in SIZES}
    print("| batch size | an update holds, MiB | an epoch from disk, s | from memory, s |\n|---:|---:|---:|---:|")
    for size, one in found.items():
        print(f"| {size:,} | {one.bytes / MIB:.2f} | {one.disk:.1f} | {one.memory:.1f} |")
    draw(found, asked.output)


if __name__ == "__main__":
    answer(main)
