"""The gradient noise scale: unbiased where it is known, and a batch that only grows, and only when it is worth it."""

import math

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader, TensorDataset

from src.callbacks.noise_scale import GrowWithNoise, Noise, estimate, grown, noise_scale
from tests.batch_helpers import Ordinary, Tiny, fit, net


def test_the_estimator_is_unbiased_on_a_quadratic_with_known_noise():
    """Loss ½|w - c|² with c ~ N(0, diag(s²)): gradients are w - c, their covariance diag(s²), their mean w."""
    random = np.random.default_rng(0)
    deviations, w = np.array([0.5, 1.0, 2.0]), np.array([1.0, -1.0, 0.5])
    draws, small, large = 20_000, 4, 16
    parts = (w - random.normal(0, deviations, (draws, large // small, small, 3))).mean(2)
    small_squares = (parts**2).sum(-1).mean(1)
    large_squares = (parts.mean(1) ** 2).sum(-1)
    each = np.array(
        [estimate(*squares, 1 / small, 1 / large) for squares in zip(small_squares, large_squares, strict=True)]
    )
    error = each.std(0, ddof=1) / math.sqrt(draws)
    expected = np.array([(deviations**2).sum(), (w**2).sum()])
    assert (abs(each.mean(0) - expected) < 4 * error).all()
    assert (error < 0.02 * expected).all()  # so that a bias of a tenth would be seen
    # Means over updates may stand for each of the four numbers.
    together = estimate(small_squares.mean(), large_squares.mean(), 1 / small, 1 / large)
    assert together == pytest.approx(tuple(each.mean(0)))


class Quadratic(pl.LightningModule):
    """Never moves, so that every update measures the same gradient."""

    def __init__(self, w):
        super().__init__()
        self.w = torch.nn.Parameter(torch.tensor(w))

    def training_step(self, batch, batch_idx):
        return 0.5 * (self.w - batch[0]).square().sum(1).mean()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.0)


class Centres(pl.LightningDataModule):
    batch_size = 16

    def __init__(self, centres):
        super().__init__()
        self.centres = centres

    def train_dataloader(self):
        return DataLoader(TensorDataset(self.centres), self.batch_size, shuffle=True)


@pytest.mark.long
@pytest.mark.parametrize("cap", [None, 4], ids=["halves", "quarters"])
def test_the_callback_measures_what_the_data_have(cap):
    """Batches without replacement: the two sizes' difference is the rows' own covariance, whatever the share drawn."""
    w, rows = [1.0, -1.0, 0.5], 4096
    centres = torch.randn(rows, 3, generator=torch.Generator().manual_seed(1)) * torch.tensor([0.5, 1.0, 2.0])
    callback = GrowWithNoise(stop=16, smoothing=0.5, max_per_device=cap)
    fit(callback, Centres(centres), Quadratic(w), epochs=4, limit_val_batches=0)
    trace, square = (
        centres.var(0).sum(),
        (torch.tensor(w) - centres.mean(0)).square().sum() - centres.var(0).sum() / rows,
    )
    known = 1 - 0.5**4  # the estimates start at 0
    assert callback.noise.trace / known == pytest.approx(float(trace), rel=0.1)
    assert callback.noise.square / known == pytest.approx(float(square), rel=0.1)
    assert noise_scale(callback.noise) == pytest.approx(float(trace / square), rel=0.15)


@pytest.mark.parametrize("data", [Tiny(96, batch_size=8), Ordinary(96, 8)], ids=["arrays", "an ordinary loader"])
def test_a_part_is_weighed_by_what_it_holds(data):
    """One epoch at a rate of zero: the estimate is that of the gradients computed here, part by part."""
    seen = []

    class Batches(pl.Callback):
        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
            seen.append((batch[0].clone(), batch[1].clone()))

    callback, model = GrowWithNoise(start=8, stop=8, smoothing=0.0), net(optimizer=_still)
    fit(callback, data, model, 1, callbacks=[Batches()])

    def gradient(x, y):
        model.zero_grad()
        torch.nn.functional.cross_entropy(model(x), y).backward()
        return torch.cat([parameter.grad.flatten() for parameter in model.parameters()]).double()

    assert [len(y) for _, y in seen] == [4] * 24
    small = [gradient(*batch) for batch in seen]
    large = [(one + other) / 2 for one, other in zip(small[::2], small[1::2], strict=True)]
    squares = [float(torch.stack([part.square().sum() for part in parts]).mean()) for parts in (small, large)]
    assert callback.noise == pytest.approx(estimate(*squares, 1 / 4, 1 / 8), rel=1e-4)


def _still(parameters):
    return torch.optim.SGD(parameters, lr=0.0)


def test_measuring_does_not_change_what_is_computed():
    from src.callbacks.batch_size import BatchSizeScheduler

    measured, _ = fit(GrowWithNoise(start=8, stop=8))
    plain, _ = fit(BatchSizeScheduler(start=8))
    torch.testing.assert_close(measured.lightning_module.state_dict(), plain.lightning_module.state_dict())


def test_growth_is_monotone_late_and_at_most_a_doubling():
    assert grown(32, 47.9, 512) == 32
    assert grown(32, 48, 512) == 48
    assert grown(32, 1000, 512) == 64
    assert grown(32, math.inf, 40) == 40
    assert grown(64, 1, 512) == 64
    assert grown(600, 10_000, 512) == 600  # a start above the stop stays
    random, size = np.random.default_rng(0), 8
    for target in random.uniform(0, 600, 200):
        size, before = grown(size, target, 512), size
        assert before <= size <= min(2 * before, 512)


def test_the_scale_is_their_ratio_where_there_is_one():
    assert noise_scale(Noise(6.0, 2.0)) == 3.0
    assert noise_scale(Noise(6.0, -1.0)) == math.inf
    assert noise_scale(Noise(-1.0, 2.0)) == 0.0


@pytest.mark.long
def test_the_record_has_the_noise_scale(trial, tmp_path):
    from litmus.trial.history import read_history

    trial("batching=noise_scale", "model.units=[8]", "epochs=3", "batching.multiple_of=16")
    rows = read_history(tmp_path / "run" / "metrics.csv")
    assert all(row["noise_scale"] > 0 for row in rows)
    sizes = [row["batch_size"] for row in rows]
    assert sizes == sorted(sizes)
    assert all(size % 16 == 0 for size in sizes)
