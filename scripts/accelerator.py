"""Where an accelerator begins to gain: python scripts/accelerator.py, on a machine with one; needs nothing trained."""

import os
import time
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any

import torch
from torch import Tensor

from litmus.training.direct_step import plain_backward, plain_step
from litmus.trial.arguments import Parser
from litmus.trial.command_line import answer
from litmus.trial.devices import multiply_adds
from src.models.cnn import CNN
from src.models.mlp import MLP

SIGNAL, IMAGE = (1, 40), (1, 28, 28)
NETS: dict[str, tuple[Callable[..., Any], tuple[int, ...]]] = {
    "mlp 8": (partial(MLP, units=(8,)), SIGNAL),
    "mlp 64": (partial(MLP, units=(64,)), SIGNAL),
    "mlp 256-256": (partial(MLP, units=(256, 256)), SIGNAL),
    "mlp 256-256 batch": (partial(MLP, units=(256, 256), norm="batch", dropout=0.1), SIGNAL),
    "mlp 1024-1024": (partial(MLP, units=(1024, 1024)), SIGNAL),
    "mlp 2048x4": (partial(MLP, units=(2048,) * 4), SIGNAL),
    "mlp image 256-256": (partial(MLP, units=(256, 256)), IMAGE),
    "cnn signal 8": (partial(CNN, filters=8), SIGNAL),
    "cnn signal 32": (partial(CNN), SIGNAL),
    "cnn signal 32 batch": (partial(CNN, norm="batch", dropout=0.1), SIGNAL),
    "cnn signal 128": (partial(CNN, filters=128), SIGNAL),
    "cnn image 8": (partial(CNN, filters=8), IMAGE),
    "cnn image 32": (partial(CNN), IMAGE),
}
BATCHES = (8, 32, 128, 512, 2048)
MOST_ON_ONE_THREAD = 1e9  # multiply-adds; beyond them an update takes a tenth of a second and tells nothing new


def loop(make: Callable[..., Any], shape: tuple[int, ...], device: str, batch: int, engine: bool) -> Callable[[], Any]:
    """An update as a stretch makes it, on data that lie on the device."""
    torch.manual_seed(0)
    model = make(shape, 10).to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    x, y = torch.randn(batch, *shape, device=device), torch.randint(10, (batch,), device=device)
    step, parameters = plain_step(optimizer), list(model.parameters())
    backward = _engine(device) if engine else plain_backward(torch.device(device))

    def update() -> None:
        loss = model.criterion(model.forward(x), y)
        for parameter in parameters:
            parameter.grad = None
        backward(loss)
        step()

    return update


def _engine(device: str) -> Callable[[Tensor], Any]:
    run, one = torch.autograd.Variable._execution_engine.run_backward, torch.ones((), device=device)
    return lambda loss: run((loss,), (one,), False, False, (), allow_unreachable=True, accumulate_grad=True)


def graph(make: Callable[..., Any], shape: tuple[int, ...], batch: int) -> Callable[[], Any]:
    """An update recorded once as a CUDA graph and replayed, on the same batch: what recording could give at most."""
    torch.manual_seed(0)
    model = make(shape, 10).cuda()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True, capturable=True)
    x, y = torch.randn(batch, *shape, device="cuda"), torch.randint(10, (batch,), device="cuda")

    def whole() -> None:
        optimizer.zero_grad(set_to_none=True)
        model.criterion(model.forward(x), y).backward()
        optimizer.step()

    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            whole()
    torch.cuda.current_stream().wait_stream(side)
    recorded = torch.cuda.CUDAGraph()
    with torch.cuda.graph(recorded):
        whole()
    return recorded.replay


def microseconds(update: Callable[[], Any], seconds: float, wait: Callable[[], Any]) -> float:
    """Of one update, over updates of so many seconds."""
    update()
    wait()
    started, updates, chunk = time.perf_counter(), 0, 1
    while (spent := time.perf_counter() - started) < seconds:
        for _ in range(chunk):
            update()
        wait()
        updates += chunk
        chunk = min(100, max(1, updates // 3))
    return spent / updates * 1e6


def main() -> None:
    """Prints a row per net and batch size: microseconds of an update, each way in turns."""
    parser = Parser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=0.15, help="of updates in each turn")
    parser.add_argument("--turns", type=int, default=5, help="the median of so many, A B A B")
    parser.add_argument("--only", default="", help="nets whose name begins so")
    parser.add_argument("--batches", type=int, nargs="+", default=BATCHES)
    parser.add_argument("--ways", action="store_true", help="the backward pass by its engine, and a graph (CUDA)")
    asked = parser.parse_args()
    if not torch.accelerator.is_available():
        raise SystemExit("expected an accelerator to measure, found none")
    kind = str(torch.accelerator.current_accelerator())
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # as Lightning does where runs are to repeat
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    print("net", "batch", "multiply_adds", "1 thread", kind, *(("engine", "graph") if asked.ways else ()), sep="\t")
    for name, (make, shape) in NETS.items():
        for batch in asked.batches if name.startswith(asked.only) else ():
            needed = (multiply_adds(make(shape, 10), shape) or 0) * batch
            ways = {"1 thread": loop(make, shape, "cpu", batch, False)} if needed < MOST_ON_ONE_THREAD else {}
            ways[kind] = loop(make, shape, kind, batch, False)
            if asked.ways and kind == "cuda":
                ways |= {"engine": loop(make, shape, kind, batch, True), "graph": graph(make, shape, batch)}
            found: dict[str, list[float]] = {way: [] for way in ways}
            for _ in range(asked.turns):
                for way, update in ways.items():
                    found[way].append(microseconds(update, asked.seconds, torch.accelerator.synchronize))
            shown = ["1 thread", kind, *(("engine", "graph") if asked.ways and kind == "cuda" else ())]
            told = [f"{median(found[way]):.0f}" if way in found else "–" for way in shown]
            print(name, batch, f"{needed:.2e}", *told, sep="\t", flush=True)


if __name__ == "__main__":
    answer(main)
