"""The layers of the net in a table: for whoever is looking, and in the run's directory."""

import contextlib
import math
import sys
from typing import Any

import pytorch_lightning as pl
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from litmus.atomic import replacing
from litmus.paths import typed_path
from litmus.training.untouched import untouched


class TerminalSummary(pl.Callback):
    """A line for each layer with what it gives for a sample and how many parameters it has.

    Shapes are those that a sample of zeros takes, and unknown (…) where a net of anybody's does not take one.

    Args:
        max_depth: layers within layers that are shown; 0 shows none, -1 all.
        path: of a file with the same table; None writes none.
    """

    def __init__(self, max_depth: int = 2, path: str | None = None) -> None:
        self.max_depth = max_depth
        self.path = typed_path(path) if path else None

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if not trainer.is_global_zero or self.max_depth == 0 or not (self.path or sys.stdout.isatty()):
            return
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        table = layer_table(pl_module, getattr(data, "input_shape", None), self.max_depth)
        if sys.stdout.isatty():
            Console().print(table)
        if self.path:
            with replacing(self.path) as path, path.open("w", encoding="utf-8") as file:
                Console(file=file, width=200).print(table)


def layer_table(module: pl.LightningModule, input_shape: tuple[int, ...] | None, depth: int = 2) -> Table:
    """The layers down to a depth, in the order of their definition; the module's own sum is below."""
    layers = {name: layer for name, layer in module.named_modules() if name and _within(name, depth)}
    shapes = output_shapes(module, layers, input_shape)
    own = list(module.parameters())
    total, free = (_count(parameters) for parameters in (own, [one for one in own if one.requires_grad]))
    frozen = "" if free == total else f", {free:,} of them trained"
    table = Table(caption=f"{total:,} parameters{frozen}", caption_justify="left")
    for column, where in (("layer", "left"), ("kind", "left"), ("gives", "left"), ("parameters", "right")):
        table.add_column(column, justify=where, no_wrap=True)  # type: ignore[arg-type]
    for name, layer in layers.items():
        number = _count(layer.parameters())
        table.add_row(name, type(layer).__name__, shapes.get(name, "…"), f"{number:,}" if number else "")
    return table


def output_shapes(
    module: pl.LightningModule, layers: dict[str, nn.Module], input_shape: tuple[int, ...] | None
) -> dict[str, str]:
    """What each layer gives for one sample of zeros, as `32 × 14 × 14`; nothing is drawn or left of the look."""
    found: dict[str, str] = {}
    if input_shape is None:
        return found

    # A net of anybody's may want other samples: what it says to these is no concern of a table's.
    with untouched(module) as copied, torch.no_grad(), contextlib.suppress(Exception):
        names = {layer: name for name, layer in copied.named_modules() if name in layers}

        def note(layer: nn.Module, _inputs: Any, outputs: Any) -> None:
            found.setdefault(names[layer], _shape(outputs))

        with contextlib.ExitStack() as hooks:
            for layer in names:
                hooks.callback(layer.register_forward_hook(note).remove)
            copied.eval()(torch.zeros(1, *input_shape, device=module.device))
    return found


def _within(name: str, depth: int) -> bool:
    return depth < 0 or name.count(".") < depth


def _count(parameters: Any) -> int:
    return sum(math.prod(one.shape) for one in parameters if not is_lazy(one))


def _shape(outputs: Any) -> str:
    if isinstance(outputs, Tensor):
        return " × ".join(map(str, outputs.shape[1:])) or "1"
    if isinstance(outputs, list | tuple):
        return ", ".join(map(_shape, outputs))
    return "…"
