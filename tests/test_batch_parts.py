"""An update in parts is the same update, to float tolerance, with arrays and with ordinary loaders alike."""

from functools import partial

import pytest
import pytorch_lightning as pl
import torch
from torch.optim import SGD

from litmus.training.gradients import GradientNorms
from litmus.training.ordinary_loader import Rows, exact_parts
from litmus.trial.history import History, read_history
from src.callbacks.batch_size import BatchSizeScheduler
from tests.batch_helpers import Ordinary, Tiny, fit, net, ramp


def sgd():
    return net(optimizer=partial(SGD, lr=0.5))


def assert_close(one, other):
    torch.testing.assert_close(one.lightning_module.state_dict(), other.lightning_module.state_dict())
    assert one.global_step == other.global_step


class Parts(pl.Callback):
    """The sizes of what went through the net, by epoch."""

    def __init__(self):
        self.sizes = {}

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        self.sizes.setdefault(trainer.current_epoch, []).append(len(batch[1]))


def test_one_update_of_512_is_four_of_128_accumulated():
    data = Tiny(512, batch_size=8)
    whole, _ = fit(BatchSizeScheduler(start=512), Tiny(512, batch_size=8), sgd(), 1)
    seen = Parts()
    parts, _ = fit(BatchSizeScheduler(start=512, max_per_device=128), data, sgd(), 1, callbacks=[seen])
    assert seen.sizes == {0: [128] * 4}
    assert_close(parts, whole)
    (x, y), expected = data.splits["train"], sgd()
    torch.nn.functional.cross_entropy(expected(x), y).backward()
    for name, parameter in expected.named_parameters():
        found = dict(parts.lightning_module.named_parameters())[name]
        torch.testing.assert_close(found.detach(), (parameter - 0.5 * parameter.grad).detach())


@pytest.mark.briefly(0, 3)
@pytest.mark.parametrize("cap", [3, 10, 20, 33, 64])
def test_any_cap_splits_arrays_exactly(cap):
    """64 by 3 and 100 by 64 included: shares of unequal parts weigh what they hold."""
    whole, _ = fit(ramp(), model=sgd())
    seen = Parts()
    parts, _ = fit(ramp(max_per_device=cap), model=sgd(), callbacks=[seen])
    assert max(size for sizes in seen.sizes.values() for size in sizes) <= cap
    assert_close(parts, whole)


@pytest.mark.briefly(0, 3)
@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize(("rows", "cap"), [(100, 8), (100, 16), (99, 32), (65, 16), (128, 16)])
def test_ordinary_loaders_are_split_exactly_to_the_last_smaller_update(rows, cap, drop_last):
    """The rows that `drop_last` drops depend on the part's size, so those are chosen that lose none of an update."""
    if drop_last and rows % 64:
        rows -= rows % 64
    data = partial(Ordinary, rows, drop_last=drop_last)
    whole, _ = fit(BatchSizeScheduler(start=64), data(), sgd(), 3)
    seen = Parts()
    parts, _ = fit(BatchSizeScheduler(start=64, max_per_device=cap), data(), sgd(), 3, callbacks=[seen])
    assert max(seen.sizes[0]) == cap
    assert_close(parts, whole)


def test_a_cap_that_cannot_split_an_ordinary_loader_is_refused_or_met_by_smaller_parts():
    assert exact_parts(150, 1, 4) == 5
    assert exact_parts(96, 2, 3) == 3
    with pytest.raises(ValueError, match=r"cannot be divided by 2 processes; batching\.multiple_of=2"):
        exact_parts(33, 2, 1)
    with pytest.raises(ValueError, match=r"about 2 equal parts on each of 1 processes; batching\.multiple_of=2"):
        fit(BatchSizeScheduler(start=31, max_per_device=16), Ordinary())


def test_limits_that_may_cut_an_update_are_refused():
    with (
        pytest.raises(ValueError, match="would count parts of accumulated updates"),
        pytest.warns(UserWarning, match="limit_train_batches"),
    ):
        fit(ramp(max_per_device=20), limit_train_batches=3)


def test_a_cap_that_nothing_exceeds_changes_nothing():
    data = Tiny(batch_size=8)
    capped, _ = fit(ramp(max_per_device=64), data)
    assert capped.lightning_module.single_step_reason is None
    split, _ = fit(ramp(max_per_device=63), data)
    assert split.lightning_module.single_step_reason == "updates are split over max_per_device"
    assert data.max_per_device is None
    assert split.accumulate_grad_batches == 1


@pytest.mark.parametrize(("cap", "accumulated"), [(None, 4), (10, 1), (None, 1)])
def test_the_record_of_arrays_has_the_updates_size_however_it_is_made(tmp_path, cap, accumulated):
    history = History(str(tmp_path / "metrics.csv"))
    batching = BatchSizeScheduler(start=32 // accumulated, max_per_device=cap)
    fit(batching, Tiny(batch_size=8), epochs=1, callbacks=[history], accumulate_grad_batches=accumulated)
    assert [row["batch_size"] for row in read_history(history.path)] == [32]


def test_whoever_looks_at_gradients_sees_those_of_a_whole_update_wherever_it_stands():
    """The last update of an ordinary loader has fewer parts, and a smaller one among them."""
    seen = []
    for cap in (None, 16):
        batching = BatchSizeScheduler(start=64, max_per_device=cap)
        trainer, _ = fit(GradientNorms(), Ordinary(), sgd(), 2, callbacks=[batching])
        metrics = trainer.callback_metrics
        seen.append({name: float(value) for name, value in metrics.items() if name.startswith("grad_norm")})
    assert len(seen[0]) > 2
    assert seen[1] == pytest.approx(seen[0], rel=1e-4)


def test_the_record_of_an_ordinary_loader_has_the_updates_size(tmp_path):
    path = tmp_path / "metrics.csv"
    fit(ramp(max_per_device=16), Ordinary(), callbacks=[History(str(path))])
    rows = read_history(path)
    assert [row["batch_size"] for row in rows] == [8, 16, 32, 64, 64]
    assert [row["updates"] for row in rows] == [13, 20, 24, 26, 28]
    assert [row["samples"] for row in rows] == [100, 200, 300, 400, 500]


def test_rows_count_as_samplers_do():
    for rows, world, size in ((100, 1, 32), (99, 2, 16), (64, 2, 8)):
        for drop_last in (False, True):
            sampler = torch.utils.data.DistributedSampler(range(rows), world, 0)
            loader = torch.utils.data.DataLoader(range(rows), size, sampler=sampler, drop_last=drop_last)
            batches = [len(batch) for batch in loader]
            assert Rows(rows, drop_last, world).batches(size) == (len(batches), batches[-1])


def test_batch_norm_is_warned_that_it_sees_parts():
    with pytest.warns(UserWarning, match="batch norm sees the parts"):
        fit(ramp(max_per_device=20), model=net(norm="batch"))
