"""A batch that grows with the gradient noise scale of McCandlish et al. 2018, arXiv:1812.06162."""

import math
from typing import Any, NamedTuple

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from litmus.training.batches import samples_of
from litmus.training.totals import widest
from src.callbacks.batch_schedules import check_count
from src.callbacks.batch_size import BatchSizeScheduler

# A batch grows only to a target well above it, and no faster than this, because the first estimates are rough.
HYSTERESIS = 1.5
MOST_GROWTH = 2


class Noise(NamedTuple):
    """Estimates of the gradient's covariance trace (of one sample) and of the true gradient's squared norm."""

    trace: float
    square: float


def _gradients(pl_module: nn.Module) -> list[Tensor]:
    return [parameter.grad for parameter in pl_module.parameters() if parameter.grad is not None]


def _square(tensors: list[Tensor]) -> Tensor:
    return torch.stack(torch._foreach_norm(tensors)).square().sum()


def estimate(small_square: float, large_square: float, small_inverse: float, large_inverse: float) -> Noise:
    """Unbiased estimates from squared gradient norms at two batch sizes, the inverses of which are given.

    E|G_B|² = |G|² + tr(Σ)/B at any B (appendix A.1 of the paper), so that two sizes give both unknowns; means
    over several updates may stand for each of the four.
    """
    trace = (small_square - large_square) / (small_inverse - large_inverse)
    return Noise(trace, large_square - trace * large_inverse)


def noise_scale(noise: Noise) -> float:
    """tr(Σ)/|G|², the batch size at which noise and signal are equal; infinite where no signal can be told."""
    if noise.trace <= 0:
        return 0.0
    return noise.trace / noise.square if noise.square > 0 else math.inf


def grown(now: int, target: float, stop: int) -> float:
    """The next size: towards the target if that is well above, never down, at most doubled."""
    return min(target, now * MOST_GROWTH, max(stop, now)) if target >= HYSTERESIS * now else now


class GrowWithNoise(BatchSizeScheduler):
    """Sets the batch size to the gradient noise scale as that grows.

    Every update is computed in two parts or more: their gradients are those of small batches, their mean that of the
    large one. It costs no forward or backward pass more, but one copy of the gradients and smaller batches on the
    device. Sums over an epoch, averaged over processes, are smoothed over epochs.

    Args:
        start, stop: the smallest and the largest size; `start` None is the datamodule's own.
        smoothing: the share of the earlier epochs in the estimate.
        coupling: `lr`, `multiple_of`, `max_per_device`, see BatchSizeScheduler.
    """

    ticks_per_stretch = False
    fewest_parts = 2

    def __init__(self, *, start: int | None = None, stop: int = 512, smoothing: float = 0.8, **coupling: Any) -> None:
        super().__init__("fixed", start=start, **coupling)
        if self.lr == "decay":
            raise ValueError("batching.lr=decay matches a schedule known in advance, which noise_scale is not")
        if self.reverse:
            raise ValueError("noise_scale cannot be reversed: reverse the sizes it took, as batching=milestones")
        check_count("stop", stop)
        if not 0 <= smoothing < 1:
            raise ValueError(f"batching.smoothing must be in [0, 1), got {smoothing}")
        self.stop = stop
        self.smoothing = smoothing
        self.noise = Noise(0.0, 0.0)
        self._forget_epoch()
        self._forget_update()
        self._multiple_given = self.multiple_of

    def sizes(self, epochs: int, start: int, rows: int | None) -> list[int] | None:
        # Halves of equal size on every process, whatever the target.
        self.multiple_of = math.lcm(self._multiple_given, 2 * self._world)
        return None

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        if stage == "fit" and trainer.precision == "16-mixed":
            raise ValueError("noise_scale cannot read gradients that are scaled: use precision=bf16-mixed or 32-true")
        super().setup(trainer, pl_module, stage)
        self._forget_epoch()
        self._forget_update()

    def _forget_update(self) -> None:
        self._samples: list[int] = []
        self._squares: list[Tensor | None] = []
        self._before: list[Tensor] = []

    def _forget_epoch(self) -> None:
        self._sums: list[Tensor] = []
        self._counted = torch.zeros(2, dtype=torch.float64)

    # ------------------------------------------------------------------ gradients of an update

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        super().on_train_batch_start(trainer, pl_module, batch, batch_idx)
        self._samples.append(samples_of(batch, trainer.train_dataloader, batch_idx))

    def on_after_backward(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        super().on_after_backward(trainer, pl_module)
        place = len(self._samples)
        # After the last part of several processes, gradients are already the mean over all of them.
        if place == trainer.accumulate_grad_batches and self._world > 1:
            return
        size, samples = self._real(self.size), self._samples[-1]
        gradients = _gradients(pl_module)
        part = gradients if not self._before else list(torch._foreach_sub(gradients, self._before))
        # A part's gradient was weighted by its share of the update.
        self._squares.append(_square(part) * (size / (samples * self._world)) ** 2 if samples else None)
        if place < trainer.accumulate_grad_batches:
            self._before = [gradient.clone() for gradient in gradients]

    def on_before_optimizer_step(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: Optimizer
    ) -> None:
        size = self._real(self.size)
        squares = [square for square in self._squares if square is not None]
        # The last update of an epoch may be smaller, and is left out.
        if sum(self._samples) == size // self._world and len(squares) == len(self._squares):
            measured = self._samples[: len(squares)]
            inverse = sum(1 / samples for samples in measured) / len(measured)
            self._sums.append(torch.stack([torch.stack(squares).mean(), _square(_gradients(pl_module))]))
            self._counted += torch.tensor([inverse, 1 / size], dtype=torch.float64)
        self._forget_update()

    # ------------------------------------------------------------------ decisions of an epoch

    def decide(self, trainer: pl.Trainer) -> float:
        if self._sums:
            device = trainer.strategy.root_device
            kind = widest(device)
            sums = torch.stack(self._sums).to(kind).sum(0)
            numbers = torch.cat([sums, self._counted.to(device, kind)]) / len(self._sums)
            reduced: Any = trainer.strategy.reduce(numbers, reduce_op="mean")
            now = estimate(*reduced.tolist())
            self.noise = Noise(
                *(
                    self.smoothing * before + (1 - self.smoothing) * new
                    for before, new in zip(self.noise, now, strict=True)
                )
            )
        self._forget_epoch()
        target = noise_scale(self.noise)
        trainer.callback_metrics["noise_scale"] = torch.tensor(target, dtype=torch.float64)
        return grown(self.size, target, self.stop)

    def recorded_metrics(self) -> set[str]:
        return super().recorded_metrics() | {"noise_scale"}

    def measured(self) -> dict[str, Any]:
        return {"noise": list(self.noise)}

    def restore_measured(self, state: dict[str, Any]) -> None:
        # Both estimates start at 0 and lag alike, so that their ratio needs no correction for it.
        self.noise = Noise(*state.get("noise", (0.0, 0.0)))
