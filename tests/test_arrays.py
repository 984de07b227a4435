"""Order, batches and splits: functions of the seed alone, every sample exactly once."""

import itertools
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from litmus.training.loader import ArrayLoader
from litmus.training.rows import Position, generator, pass_order, pieces, stratified_folds, stratified_split
from tests.small_data import Blobs


def _order(data, epochs):
    """The samples of each epoch as the training sees them; y carries each sample's row."""
    seen = []
    for epoch in range(epochs):
        strategy = SimpleNamespace(root_device=torch.device("cpu"))
        data.trainer = SimpleNamespace(
            current_epoch=epoch, accumulate_grad_batches=1, callbacks=[], global_rank=0, world_size=1, strategy=strategy
        )
        seen.append(torch.cat([batch[1] for batch in data.train_dataloader()]))
    return seen


def _numbered(**arguments):
    data = Blobs(**arguments)
    data.setup()
    x, y = data.splits["train"]
    data.splits["train"] = (x, torch.arange(len(y)))
    return data


@settings(max_examples=30, deadline=None)
@given(rows=st.integers(2, 60), sizes=st.lists(st.integers(1, 70), min_size=2, max_size=4), seed=st.integers(0, 9))
def test_the_order_does_not_depend_on_the_batch_size(rows, sizes, seed):
    orders = []
    for size in sizes:
        taken, _ = pieces(rows, size, None, Position(3, 0))
        order = pass_order(rows, seed, 3)
        orders.append(torch.cat([order[piece] for piece in taken]))
    assert all(torch.equal(order, orders[0]) for order in orders)
    assert torch.equal(orders[0].sort().values, torch.arange(rows))


def test_orders_differ_by_pass_and_by_seed():
    orders = [tuple(pass_order(50, seed, number).tolist()) for seed in range(3) for number in range(3)]
    assert len(set(orders)) == 9


@pytest.mark.parametrize(
    ("rows", "size", "batches"),
    [(400, 150, [150, 150, 100]), (320, 250, [250, 70]), (64, 64, [64]), (5, 1, [1] * 5)],
)
def test_the_last_partial_batch_is_kept(rows, size, batches):
    x = torch.arange(rows).float().unsqueeze(1)
    loader = ArrayLoader(x, torch.arange(rows), [torch.arange(rows)], size)
    assert [len(y) for _, y in loader] == batches == loader.update_sizes
    assert len(loader) == len(batches)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(1, 40),
    plan=st.lists(st.tuples(st.integers(1, 50), st.integers(1, 9)), min_size=1, max_size=6),
)
def test_updates_per_epoch_goes_on_through_the_same_permutation(rows, plan):
    """However epochs cut the passes and batches grow and shrink, the samples are those of pass after pass."""
    position, seen = Position(0, 0), []
    for size, updates in plan:
        start = position
        taken, position = pieces(rows, size, updates, position)
        lengths = [piece.stop - piece.start for piece in taken]
        assert sum(-(-length // size) for length in lengths) == updates
        for later, piece in enumerate(taken):
            seen += pass_order(rows, 7, start.number + later)[piece].tolist()
    endless = itertools.chain.from_iterable(pass_order(rows, 7, number).tolist() for number in itertools.count())
    assert seen == list(itertools.islice(endless, len(seen)))


def test_the_datamodule_follows_the_passes():
    data = _numbered(rows=100, batch_size=7, updates_per_epoch=4, seed=5)
    n = data.train_size
    seen = torch.cat(_order(data, 7)).tolist()
    expected = torch.cat([pass_order(n, 5, number) for number in range(5)]).tolist()
    assert seen == expected[: len(seen)]
    assert [len(updates) for updates in data.planned_updates([7] * 7)] == [4] * 7


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(1, 50),
    size=st.integers(1, 20),
    world=st.integers(1, 3),
    accumulate=st.integers(1, 4),
)
def test_ranks_and_parts_share_each_update_and_weigh_to_its_mean(rows, size, world, accumulate):
    """Averaged over ranks, divided by the parts, the items' means times their shares are the update's mean."""
    values = torch.randn(rows, dtype=torch.float64)
    numbers = torch.arange(rows)
    loaders = [
        ArrayLoader(values, numbers, [numbers], size, rank=rank, world=world, accumulate=accumulate)
        for rank in range(world)
    ]
    items = [list(loader) for loader in loaders]
    assert {len(own) for own in items} == {len(loaders[0])}
    for update, start in enumerate(range(0, rows, size)):
        own = [item for rank in items for item in rank[update * accumulate : (update + 1) * accumulate]]
        assert sorted(torch.cat([item[1] for item in own]).tolist()) == list(range(start, min(start + size, rows)))
        total = sum(
            item[0].mean() * (item[2] if len(item) == 3 else 1.0) / accumulate / world for item in own if len(item[0])
        )
        assert torch.allclose(torch.as_tensor(total), values[start : start + size].mean())


def test_stretches_are_the_same_batches():
    x, y = torch.randn(100, 3), torch.arange(100)
    segments = [torch.randperm(60), torch.randperm(40)]
    single = ArrayLoader(x, y, segments, 7)
    many = ArrayLoader(x, y, segments, 7, stretches=True)
    many.batches_per_gather = single.batches_per_gather = 3
    batches = [part for stretch in many for part in stretch[1].split(stretch[2])]
    assert [part.tolist() for part in batches] == [batch[1].tolist() for batch in single]
    assert len(many) == len(list(many))


@settings(max_examples=50, deadline=None)
@given(
    counts=st.lists(st.integers(1, 40), min_size=1, max_size=5),
    shares=st.lists(st.floats(0, 0.5), min_size=1, max_size=2),
    seed=st.integers(0, 5),
)
def test_splits_are_disjoint_of_the_asked_size_and_stratified(counts, shares, seed):
    labels = torch.cat([torch.full((count,), label) for label, count in enumerate(counts)])
    sizes = [int(share * len(labels)) for share in shares]
    parts = stratified_split(labels, sizes, generator(seed))
    assert [len(part) for part in parts] == sizes
    assert len(torch.cat(parts).unique()) == sum(sizes)
    for label, count in enumerate(counts):
        assert abs((labels[parts[0]] == label).sum() - sizes[0] * count / len(labels)) < 1


@settings(max_examples=50, deadline=None)
@given(counts=st.lists(st.integers(1, 30), min_size=1, max_size=4), folds=st.integers(2, 6), seed=st.integers(0, 3))
def test_folds_partition_the_rows_evenly_by_class(counts, folds, seed):
    labels = torch.cat([torch.full((count,), label) for label, count in enumerate(counts)])
    if folds > len(labels):
        return
    parts = stratified_folds(labels, folds, generator(seed))
    assert sorted(torch.cat(parts).tolist()) == list(range(len(labels)))
    for label in range(len(counts)):
        held = [(labels[part] == label).sum().item() for part in parts]
        assert max(held) - min(held) <= 1


def test_cross_validation_tests_every_row_once_and_keeps_the_splits_apart():
    tested = []
    for fold in range(5):
        data = Blobs(rows=97, folds=5, fold=fold, seed=2)
        rows = data.split(data.load())
        everything = torch.cat(list(rows.values()))
        assert len(everything) == len(everything.unique()) == 97
        tested.append(rows["test"])
    assert sorted(torch.cat(tested).tolist()) == list(range(97))


def test_splits_follow_the_seed():
    first, again, other = (Blobs(seed=seed).split(Blobs().load()) for seed in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["val"], other["val"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"batch_size": 129}, "batch_size=all is the full batch"),
        ({"batch_size": 0}, "whole number from 1 on, or all, got 0"),
        ({"batch_size": 2.5}, "got 2.5"),
        ({"updates_per_epoch": 0}, "updates_per_epoch"),
        ({"eval_batch_size": 0}, "eval_batch_size"),
        ({"folds": 1}, "folds from 2 on"),
        ({"folds": 3, "fold": 3}, "got fold 3 of 3"),
        ({"fold": 2}, "needs data.folds"),
        ({"val_fraction": 1.0}, "must be in"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(arguments, said):
    with pytest.raises(ValueError, match=said):
        Blobs(**arguments).setup()


def test_the_full_batch_is_one_update():
    data = Blobs(batch_size="all")
    data.setup()
    assert [len(batch[1]) for batch in data.train_dataloader()] == [data.train_size]
