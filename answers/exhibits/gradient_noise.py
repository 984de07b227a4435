"""The noise that sampling adds to a gradient: data for a landscape, where nothing else is learned from."""

import hashlib

import torch
from torch import Tensor

from litmus.training.array_data_module import ArrayDataModule, Source
from litmus.training.rows import generator

EVALUATED = 8  # rows of zeros to validate and to test with, enough for as many processes


class GradientNoise(ArrayDataModule):
    """Gaussian samples (2,) of mean zero to train with, zeros to validate and test with.

    Args:
        noise: standard deviation of a sample's coordinates; that of an update's mean is noise/√batch_size.
        rows: training samples. Their own mean is taken off, so that a whole pass adds nothing to the gradient.
        seed: draws the samples and the order.
        batch_size, updates_per_epoch: as in `ArrayDataModule`.
    """

    name = "gradient_noise"
    input_shape = (2,)
    classes = 0

    def __init__(
        self,
        *,
        noise: float = 0.1,
        rows: int = 4096,
        batch_size: int = 32,
        updates_per_epoch: int | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(batch_size=batch_size, updates_per_epoch=updates_per_epoch, seed=seed)
        if not isinstance(noise, int | float) or not 0 <= noise < float("inf"):
            raise ValueError(f"data.noise must be a standard deviation from 0 on, got {noise}")
        if not isinstance(rows, int) or rows < 2:
            raise ValueError(f"data.rows must be a whole number from 2 on, got {rows}")
        self.noise, self.rows = noise, rows

    def load(self) -> Source:
        drawn = torch.randn(self.rows, 2, generator=generator("gradient noise", self.seed), dtype=torch.float64)
        noise = self.noise * (drawn - drawn.mean(0))
        x = torch.cat([noise, torch.zeros(2 * EVALUATED, 2)]).float()
        return Source(
            x=x,
            y=torch.zeros(len(x), dtype=torch.int64),
            test=None,
            sha256=hashlib.sha256(x.numpy().astype("<f4").tobytes()).hexdigest(),
        )

    def split(self, source: Source) -> dict[str, Tensor]:
        """The noise trains, the zeros validate and test."""
        parts = torch.arange(len(source.y)).split([self.rows, EVALUATED, EVALUATED])
        return dict(zip(("train", "val", "test"), parts, strict=True))

    def describe(self) -> dict[str, object]:
        """Name, sizes, sha256 and the noise; there are no classes to count."""
        sizes = {name: len(y) for name, (_, y) in self.splits.items()}
        return {"name": self.name, "sizes": sizes, "sha256": self._sha256, "noise": self.noise}
