"""How sharp the loss is where the weights are: its curvatures, and its rise around."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import pytorch_lightning as pl
import torch
from torch import Generator, Tensor, nn

from litmus.training.learner import Learner
from litmus.training.plan import is_last_epoch
from litmus.training.rows import generator

Product = Callable[[Tensor], Tensor]
# A curvature this small beside the largest is flat: most of a net's are, and their signs are noise.
FLAT = 1e-3


class Spectrum(NamedTuple):
    """The largest and smallest eigenvalue of a Hessian, and the share of its eigenvalues that are negative, 0 to 1."""

    largest: float
    smallest: float
    negative_share: float


class Sharpness(pl.Callback):
    """Records the curvature of the training loss on a fixed batch, as an evaluation sees the net (no dropout).

    `sharpness/eigenvalue` is the largest eigenvalue of the Hessian and `sharpness/smallest` the smallest, by Lanczos'
    iteration; `sharpness/negative_share` the share of directions that bend down by more than a thousandth of the
    largest, the index of a saddle (Dauphin et al. 2014, arXiv:1406.2572), by stochastic Lanczos quadrature (Ghorbani
    et al. 2019, arXiv:1901.10159). Where the parameters are few, all eigenvalues are computed. `sharpness/ascent` is
    how much the loss rises a step of length `rho` up the gradient (SAM, Foret et al. 2021, arXiv:2010.01412), and
    `sharpness/adaptive_ascent` the same with steps in proportion to each weight (ASAM, Kwon et al. 2021,
    arXiv:2102.11600): it stays where a net is rescaled and computes the same, the others do not.

    Args:
        every: epochs between measurements; None measures after the last epoch alone.
        samples: of the fixed batch, drawn from the training rows.
        steps, probes: of Lanczos' iteration, and of its random starts.
        rho, adaptive_rho: lengths of the ascents.

    Raises:
        ValueError: for numbers that cannot be, or a module or data that it cannot measure.
    """

    ticks_per_stretch = True

    def __init__(
        self,
        every: int | None = None,
        samples: int = 512,
        steps: int = 20,
        probes: int = 3,
        rho: float = 0.05,
        adaptive_rho: float = 0.5,
    ) -> None:
        for name, number in (("every", every), ("samples", samples), ("steps", steps), ("probes", probes)):
            if number is not None and number < 1:
                raise ValueError(f"callbacks.sharpness.{name} must be a whole number from 1 on, got {number}")
        for name, length in (("rho", rho), ("adaptive_rho", adaptive_rho)):
            if not 0 < length < float("inf"):
                raise ValueError(f"callbacks.sharpness.{name} must be above 0, got {length}")
        self.every, self.samples = every, samples
        self.steps, self.probes = steps, probes
        self.rho, self.adaptive_rho = rho, adaptive_rho

    def recorded_metrics(self) -> set[str]:
        """What it adds to the metrics of an epoch."""
        names = ("eigenvalue", "smallest", "negative_share", "ascent", "adaptive_ascent")
        return {f"sharpness/{name}" for name in names}

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if not isinstance(pl_module, Learner) or "train" not in getattr(trainer.datamodule, "splits", {}):  # type: ignore[attr-defined]
            raise ValueError(
                f"callbacks=sharpness needs to know what the loss of a batch is, which {type(pl_module).__name__} on "
                f"{type(trainer.datamodule).__name__} does not tell; model=net on data of arrays does"  # type: ignore[attr-defined]
            )

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        due = self.every is not None and (trainer.current_epoch + 1) % self.every == 0
        if not due and not is_last_epoch(trainer):
            return
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        found = self.measured(pl_module, *data.splits["train"])
        for name, value in found.items():
            trainer.callback_metrics[f"sharpness/{name}"] = torch.tensor(value, dtype=torch.float64)

    def measured(self, module: Learner, x: Tensor, y: Tensor) -> dict[str, float]:
        """All of it, at the module's weights, on rows of these that are the same whenever it is asked."""
        rows = torch.randperm(len(y), generator=generator("sharpness"))[: self.samples].to(y.device)
        x, y = x[rows], y[rows]
        weights = [one for one in module.parameters() if one.requires_grad]
        with _as_evaluated(module), torch.enable_grad(), torch.autocast(x.device.type, enabled=False):

            def loss() -> Tensor:
                return module.criterion(module(x), module.targets(y))

            at, product = _curvature(loss, weights)
            spectrum = spectrum_of(product, at.numel(), self.steps, self.probes, generator("sharpness", "probes"))
            ascents = {
                name: rise(loss, weights, at, length, adaptive)
                for name, length, adaptive in (
                    ("ascent", self.rho, False),
                    ("adaptive_ascent", self.adaptive_rho, True),
                )
            }
        return {
            "eigenvalue": spectrum.largest,
            "smallest": spectrum.smallest,
            "negative_share": spectrum.negative_share,
            **ascents,
        }


def spectrum_of(product: Product, size: int, steps: int, probes: int, draw: Generator) -> Spectrum:
    """Of a symmetric matrix (size, size), known by its products with vectors (size,) float64.

    Args:
        product: the matrix times a vector.
        size: its rows; where these are no more than the products that probes would take, all are computed.
        steps, probes: of Lanczos' iteration and its random starts.
        draw: of the starts.
    """
    if size <= steps * probes:
        matrix = torch.stack([product(one) for one in torch.eye(size, dtype=torch.float64)])
        values = torch.linalg.eigvalsh((matrix + matrix.T) / 2)
        weights = torch.full_like(values, 1 / size)
    else:
        found = [lanczos(product, _start(size, draw), steps) for _ in range(probes)]
        values, weights = (torch.cat(column) for column in zip(*found, strict=True))
        weights = weights / probes
    bends_down = values < -FLAT * values.abs().max()
    return Spectrum(float(values.max()), float(values.min()), float(weights[bends_down].sum()))


def lanczos(product: Product, start: Tensor, steps: int) -> tuple[Tensor, Tensor]:
    """Ritz values (at most steps,) of a symmetric matrix, and the share of the start that each stands for.

    Every vector is orthogonalized against all before, without which the largest value is found again and again.
    """
    basis, diagonal, beside = [start / start.norm()], [], []
    for _ in range(steps):
        image = product(basis[-1])
        diagonal.append(image @ basis[-1])
        kept = torch.stack(basis)
        for _ in range(2):  # once leaves what rounding left
            image = image - kept.T @ (kept @ image)
        length = image.norm()
        if len(basis) == steps or length <= 1e-10 * max(map(abs, diagonal)):
            break
        beside.append(length)
        basis.append(image / length)
    matrix = torch.diag(torch.stack(diagonal))
    if beside:
        off = torch.stack(beside)
        matrix = matrix + torch.diag(off, 1) + torch.diag(off, -1)
    values, vectors = torch.linalg.eigh(matrix)
    return values, vectors[0].square()


def rise(
    loss: Callable[[], Tensor], weights: list[nn.Parameter], gradient: Tensor, rho: float, adaptive: bool
) -> float:
    """How much the loss rises a step of length `rho` up its gradient; adaptive is in units of each weight's size."""
    before = [one.detach().clone() for one in weights]
    scale = torch.cat([one.flatten().abs().cpu().double() for one in before]) if adaptive else torch.ones(())
    upward = scale * gradient
    if not float(upward.norm()) > 0:
        return 0.0
    step = rho * scale * upward / upward.norm()
    with torch.no_grad():
        low = float(loss())
        try:
            for one, part in zip(weights, step.split([one.numel() for one in weights]), strict=True):
                one.add_(part.view(one.shape).to(one.device, one.dtype))
            return float(loss()) - low
        finally:
            for one, was in zip(weights, before, strict=True):
                one.copy_(was)


def _curvature(loss: Callable[[], Tensor], weights: list[nn.Parameter]) -> tuple[Tensor, Product]:
    """The gradient (parameters,) float64 and the Hessian's product with a vector, both on the CPU."""
    gradients = torch.autograd.grad(loss(), weights, create_graph=True, allow_unused=True, materialize_grads=True)
    sizes = [one.numel() for one in weights]

    def product(vector: Tensor) -> Tensor:
        parts = [part.view(one.shape).to(one) for part, one in zip(vector.split(sizes), weights, strict=True)]
        known = [(own, part) for own, part in zip(gradients, parts, strict=True) if own.requires_grad]
        if not known:  # a loss that is linear in every weight
            return torch.zeros_like(vector)
        own, along = zip(*known, strict=True)
        rows = torch.autograd.grad(own, weights, along, retain_graph=True, allow_unused=True, materialize_grads=True)
        return torch.cat([row.flatten() for row in rows]).cpu().double()

    return torch.cat([own.detach().flatten() for own in gradients]).cpu().double(), product


def _start(size: int, draw: Generator) -> Tensor:
    """Signs alone: of all random starts those whose estimate of a trace varies least."""
    return torch.randint(0, 2, (size,), generator=draw, dtype=torch.float64) * 2 - 1


@contextmanager
def _as_evaluated(module: nn.Module) -> Iterator[None]:
    training = [(layer, layer.training) for layer in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for layer, was in training:
            layer.training = was
