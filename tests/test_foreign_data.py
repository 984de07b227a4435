"""An ordinary LightningDataModule: its own batches, in an order of (seed, pass), and what else can be had of it."""

import json
import random
from types import SimpleNamespace

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from lightning_fabric.utilities.data import _replace_dunder_methods
from lightning_fabric.utilities.distributed import DistributedSamplerWrapper
from pytorch_lightning.utilities.combined_loader import CombinedLoader
from pytorch_lightning.utilities.data import _update_dataloader
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    DistributedSampler,
    IterableDataset,
    RandomSampler,
    Sampler,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
    random_split,
)

import evaluate
from litmus.contract import Target
from litmus.seeds import derived_seed
from litmus.training.batches import refuse_unread_weights, samples_of
from litmus.training.foreign_data import ForeignData, adopted
from litmus.trial.epoch_seed import EpochSeed
from litmus.trial.history import History, read_history
from src.models.mlp import MLP
from tests.own_data import Points, arrays, whole_and_resumed
from tests.small_data import quiet_trainer
from tests.strangers import Plain
from tests.test_plain_trainer import bare

SMALL = ("model.units=[16]", "epochs=4", "lr=0.01")


class Loaders(pl.LightningDataModule):
    """As on Lightning's first page."""

    def __init__(self, batch_size=16, how="shuffle", keys=None, rows=200):
        super().__init__()
        self.batch_size, self.how, self.keys, self.rows = batch_size, how, keys, rows
        self.calls = []

    def prepare_data(self):
        self.calls.append("prepare")

    def setup(self, stage=None):
        self.calls.append(stage)
        x, y = map(torch.from_numpy, arrays(self.rows))
        if self.keys == "numbers":
            x[:, 0] = torch.arange(self.rows)
        fixed = torch.Generator().manual_seed(0) if self.how != "split by the global seed" else None
        self.train, self.val, self.test = random_split(TensorDataset(x, y), [140, 20, 40], generator=fixed)

    def collate(self, items):
        x, y = (torch.stack(column) for column in zip(*items, strict=True))
        return {"inputs": x, "target": y} if self.keys == "dictionary" else (x, y)

    def train_dataloader(self):
        settings = {"batch_size": self.batch_size, "collate_fn": self.collate}
        if self.how == "own generator":
            return DataLoader(self.train, shuffle=True, generator=torch.Generator().manual_seed(7), **settings)
        if self.how == "sampler":
            return DataLoader(self.train, sampler=WeightedRandomSampler(torch.ones(140), 140), **settings)
        if self.how == "workers":
            return DataLoader(self.train, shuffle=True, num_workers=1, persistent_workers=True, **settings)
        return DataLoader(self.train, shuffle=True, **settings)

    def val_dataloader(self):
        return DataLoader(self.val, 50, collate_fn=self.collate)

    def test_dataloader(self):
        return DataLoader(self.test, 50, collate_fn=self.collate)


class Noisy(Loaders):
    """Its items draw from the global generators."""

    def collate(self, items):
        x, y = super().collate(items)
        return x + 0.1 * (random.random() + float(np.random.rand()) + torch.rand(())), y


class Watching(Plain):
    def __init__(self):
        super().__init__()
        self.seen = []

    def training_step(self, batch, batch_idx):
        self.seen.append(batch[0][:, 0].tolist())
        return super().training_step(batch, batch_idx)


def seen(seed, epochs=2, batch_size=16, reload=1, **settings):
    data, model = adopted(Loaders(batch_size, keys="numbers", **settings), seed), Watching()
    bare(max_epochs=epochs, reload_dataloaders_every_n_epochs=reload).fit(model, datamodule=data)
    return [row for batch in model.seen for row in batch]


HOW = ("shuffle", "own generator", "sampler", "workers")


@pytest.mark.briefly("sampler")
@pytest.mark.parametrize("how", HOW)
@pytest.mark.filterwarnings("ignore:.*does not have many workers")
def test_the_order_is_of_seed_and_pass_whatever_else_was_drawn(how):
    first = seen(1, how=how)
    torch.randn(5)
    assert seen(1, how=how) == first == seen(1, how=how, reload=0)
    assert seen(2, how=how) != first
    assert first[:140] != first[140:]
    assert seen(1, how=how, batch_size=5) == first  # a sampler knows of no batches


class Together(Loaders):
    """Two loaders of the same rows, and a short one that begins anew; items draw from the global generators."""

    def loader(self, rows, size):
        items = TensorDataset(torch.arange(rows))
        sampler = DistributedSampler(items, 1, 0) if self.how == "distributed" else None
        own = torch.Generator() if self.how == "own generator" else None
        shuffle = None if sampler else True
        return DataLoader(items, size, shuffle, sampler, collate_fn=self.with_draws, generator=own)

    def with_draws(self, items):
        return [int(row) for (row,) in items], random.random(), np.random.rand()

    def train_dataloader(self):
        if self.how != "kept" or not hasattr(self, "kept"):
            self.kept = {"a": self.loader(24, 8), "b": self.loader(24, 8), "short": self.loader(8, 8)}
        return self.kept


def passed(data, number):
    """The orders of a pass, by loader, and all that was drawn."""
    data.trainer = SimpleNamespace(current_epoch=number, global_rank=0)
    orders, drawn = {"a": [], "b": [], "short": []}, []
    for batch, *_ in CombinedLoader(data.train_dataloader(), "max_size_cycle"):
        for name, (rows, *numbers) in batch.items():
            orders[name].append(rows)
            drawn += numbers
    return orders, drawn


@pytest.mark.parametrize("how", ["shuffle", "own generator", "distributed", "kept"])
def test_several_loaders_and_the_rounds_of_a_short_one_draw_apart_by_seed_and_pass(how):
    data = adopted(Together(how=how), 0)
    data.setup("fit")
    whole = [passed(data, number) for number in range(2)]
    orders, drawn = whole[0]
    assert orders["a"] != orders["b"]
    assert len({tuple(rows) for rows in orders["short"]}) == 3
    assert len(set(drawn)) == len(drawn)
    if how != "distributed":  # Lightning tells that one the epoch
        assert orders["a"] != whole[1][0]["a"]
    for again in (data, adopted(Together(how=how), 0)):  # as a resumed run, in whatever it finds
        random.random(), np.random.rand(), torch.rand(1)
        assert passed(again, 1) == whole[1]
    if how == "shuffle":  # as one loader alone
        order = torch.randperm(24, generator=torch.Generator().manual_seed(derived_seed("order", 0, 0)))
        assert [row for rows in orders["a"] for row in rows] == order.tolist()


def time_first(items):
    x, y = (torch.stack(column) for column in zip(*items, strict=True))
    return {"x": x.transpose(0, 1), "y": y}


class Reads(Plain):
    validation_step = pl.LightningModule.validation_step

    def training_step(self, batch, batch_idx):
        return self.net(torch.ones(len(batch["y"]), 6)).square().mean()


@pytest.mark.filterwarnings("ignore:.*does not have many workers")
def test_an_epochs_row_has_the_size_of_a_batch_sampler_and_samples_wherever_they_stand(tmp_path):
    rows = TensorDataset(torch.zeros(10, 3, 2), torch.zeros(10))
    loader = DataLoader(rows, batch_sampler=BatchSampler(RandomSampler(rows), 4, False), collate_fn=time_first)
    quiet_trainer(1, [History(str(tmp_path / "metrics.csv"))]).fit(Reads(), loader)
    (row,) = read_history(tmp_path / "metrics.csv")
    assert (row["batch_size"], row["samples"]) == (4, 10)


def test_the_samples_of_a_batch_are_those_that_are_in_it():
    rows = TensorDataset(torch.zeros(10, 3, 2), torch.zeros(10))
    for collate, found in (
        (time_first, [4, 4, 2]),
        (lambda items: time_first(items)["x"], [4, 4, 2]),
        (lambda items: time_first(items[1:])["y"], [3, 3, 1]),  # some are left out
    ):
        loader = DataLoader(rows, 4, collate_fn=collate)
        assert [samples_of(batch, loader, index) for index, batch in enumerate(loader)] == found
    assert samples_of(torch.zeros(3, 2), [torch.zeros(3, 2)], 0) == 3  # of no DataLoader


def test_weights_that_nobody_would_read_are_refused_as_a_third_part_is():
    batch = {"inputs": torch.zeros(2, 6), "target": torch.zeros(2).long(), "weight": torch.ones(2), "row": 0}
    with pytest.raises(ValueError, match="a batch's weight would have no effect: of a dictionary, inputs and target"):
        MLP((6,), 3, units=[4]).training_step(batch, 0)
    for word in ("sample_weight", "Weights", "attention_mask"):
        with pytest.raises(ValueError, match=f"a batch's {word} would have no effect"):
            refuse_unread_weights({word: 0})
    refuse_unread_weights({"weight_kg": 0, "masked": 0, "unweight": 0})


class Weighs(MLP):
    """Reads the weights by itself."""

    def training_step(self, batch, batch_idx):
        return super().training_step(batch, batch_idx) * batch["weight"].mean()


@pytest.mark.filterwarnings("ignore:.*does not have many workers")
def test_a_step_of_ones_own_may_read_weights_beside_the_models():
    columns = {"inputs": torch.randn(8, 6), "target": torch.arange(8) % 3, "weight": torch.full((8,), 2.0)}
    rows = [{name: column[place] for name, column in columns.items()} for place in range(8)]
    trainer = quiet_trainer(1)
    trainer.fit(Weighs((6,), 3, units=[4]), DataLoader(rows, 4), DataLoader(rows, 4))
    assert trainer.global_step == 2


class Drawn(Sampler):
    """An order that is drawn from one of the global generators, and knows of no other."""

    def __init__(self, draw):
        self.draw = draw

    def __len__(self):
        return 140

    def __iter__(self):
        yield from self.draw()


def _shuffled():
    random.shuffle(rows := list(range(140)))
    return rows


SAMPLERS = {
    "of torch": lambda: SubsetRandomSampler(range(140)),
    "by torch": lambda: Drawn(lambda: torch.randperm(140).tolist()),
    "by NumPy": lambda: Drawn(lambda: np.random.permutation(140).tolist()),
    "by Python": lambda: Drawn(_shuffled),
}


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_two_processes_share_out_one_order(monkeypatch, sampler):
    """As Lightning has it: each puts its loader's sampler into one that gives it its part."""
    monkeypatch.setattr(
        Loaders, "train_dataloader", lambda self: DataLoader(self.train, 16, sampler=SAMPLERS[sampler]())
    )
    data, parts = adopted(Loaders(keys="numbers"), 0), []
    whole = sorted(x[0].item() for x, _ in data.module.train)
    for rank in range(2):
        strategy = SimpleNamespace(root_device=torch.device("cpu"))
        data.trainer = SimpleNamespace(current_epoch=3, global_rank=rank, strategy=strategy)
        with _replace_dunder_methods(DataLoader, "dataset"):
            loader = data.train_dataloader()
        wrapper = DistributedSamplerWrapper(loader.sampler, num_replicas=2, rank=rank, shuffle=False)
        EpochSeed(0)._seed("order", 3, data.trainer)
        parts.append([row for x, _ in _update_dataloader(loader, wrapper) for row in x[:, 0].tolist()])
    assert sorted(parts[0] + parts[1]) == whole


def test_workers_that_stay_draw_what_new_ones_do(monkeypatch):
    """A resumed run has new ones in the middle of it."""

    class Keeps(Loaders):
        def train_dataloader(self):
            settings = {"shuffle": True, "num_workers": 1, "persistent_workers": True}
            self.kept = getattr(self, "kept", None) or DataLoader(Points(40, noise=1.0), 40, **settings)
            return self.kept

    def passes(begins):
        data = adopted(Keeps(), 0)
        data._passes = begins
        return [next(iter(data.train_dataloader()))[0] for _ in range(begins, 2)]

    monkeypatch.setattr(ForeignData, "_read", lambda self: None)  # which begins with a pass
    whole, resumed = passes(0), passes(1)
    assert torch.equal(whole[1], resumed[0])
    assert not torch.equal(whole[0].sort(0).values, whole[1].sort(0).values)


@pytest.mark.long
def test_it_is_set_up_once_and_its_loaders_are_read_before():
    module = Loaders()
    data = adopted(module, 0)
    assert module.calls == ["prepare", "fit", "test"]
    assert data.input_shape == (6,)
    assert (data.target.kind, data.target.number, data.classes) == ("classes", 3, 3)
    bare(max_epochs=1).fit(Plain(), datamodule=data)
    assert module.calls == ["prepare", "fit", "test"]
    described = data.describe()
    json.dumps(described)
    assert described["sizes"] == {"train": 140, "val": 20, "test": 40}
    y = torch.cat([y for _, y in data.test_dataloader()])
    assert described["class_counts"]["test"] == y.bincount().tolist()
    assert described["not_promised"]


class TornDown(Loaders):
    """Keeps nothing longer than Lightning says, and splits by the global generators whenever it is set up."""

    def __init__(self, batch_size=16):
        super().__init__(batch_size, "split by the global seed")
        self.splits = []

    def setup(self, stage):
        super().setup(stage)
        self.splits.append(self.test.indices)

    def teardown(self, stage):
        self.calls.append("end")
        self.train = self.val = self.test = None


@pytest.mark.long
def test_what_was_torn_down_is_set_up_again_as_it_was():
    module = TornDown()
    data = adopted(module, 0)
    trainer = bare(max_epochs=1)
    trainer.fit(Plain(), datamodule=data)
    trainer.test(Plain(), datamodule=data, verbose=False)
    assert module.calls == ["prepare", "fit", "test", "end", "prepare", "test", "end"]
    before = torch.get_rng_state()
    data.setup("test")
    assert module.splits[1:] == [module.splits[1]] * 3
    assert torch.equal(torch.get_rng_state(), before)


def test_the_global_generators_are_seeded_before_it_is_set_up():
    def split(seed):
        torch.randn(3)
        return adopted(Loaders(how="split by the global seed"), seed).module.train.indices

    assert split(1) == split(1) != split(2)


class Curriculum(pl.Callback):
    """Makes the data harder by the epoch, as a callback does who knows what data it is for."""

    def on_train_epoch_end(self, trainer, pl_module):
        trainer.datamodule.rows = 16 * (trainer.current_epoch + 1)


class Harder(Loaders):
    def train_dataloader(self):
        rows = min(self.rows, 140)
        return DataLoader(torch.utils.data.Subset(self.train, range(rows)), self.batch_size, shuffle=True)


def test_what_is_set_on_the_trainers_data_is_set_on_the_module(tmp_path):
    module, model = Harder(), Watching()
    data = adopted(module, 0)
    bare(max_epochs=3, reload_dataloaders_every_n_epochs=1, callbacks=[Curriculum()]).fit(model, datamodule=data)
    assert [len(batch) for batch in model.seen] == [16] * 8 + [12] + [16] + [16] * 2
    assert data.rows == module.rows == 48
    data.classes, data.seed, data._note = 7, 8, 9
    assert (module.classes, module.seed, module._note) == (7, 8, 9)
    del data._note
    assert not hasattr(module, "_note")
    data.val_dataloader = lambda: "others"
    assert data.val_dataloader() == module.val_dataloader() == "others"
    again = adopted(Harder(), 0)
    assert (again.classes, again.seed, data.splits.keys()) == (3, 0, {"train", "val", "test"})


class Silent(pl.LightningDataModule):
    """Says nothing of itself: an endless stream, without a test."""

    class Stream(IterableDataset):
        def __iter__(self):
            while True:
                yield torch.randn(6), torch.randint(3, ())

    def train_dataloader(self):
        return DataLoader(self.Stream(), 8)


class Declared(Loaders):
    classes = 5
    input_shape = (2, 3)
    target = "a word of its own"


def test_what_nobody_can_tell_is_left_open_and_what_the_module_says_is_believed():
    data = adopted(Silent(), 0)
    assert data.target is None
    assert not hasattr(data, "input_shape")
    assert data.describe()["sizes"] == {"train": None}
    assert adopted(Declared(), 0).target.number == 5
    assert adopted(Declared(), 0).input_shape == (2, 3)


def test_what_is_no_data_module_is_one_sentence():
    with pytest.raises(ValueError, match=r"data=dataset data.dataset._target_=tests.own_data.Points"):
        adopted(Points(), 0)
    with pytest.raises(ValueError, match=r"must make a LightningDataModule, builtins.dict is none"):
        adopted({}, 0)


def mine(tmp_path, name="Loaders", **settings):
    """What is typed for a module of one's own, whose YAML is two lines."""
    folder = tmp_path / "mine" / "data"
    folder.mkdir(parents=True, exist_ok=True)
    lines = [f"_target_: tests.test_foreign_data.{name}", "batch_size: ${batch_size}"]
    (folder / "mine.yaml").write_text("\n".join([*lines, *(f"{key}: {value}" for key, value in settings.items())]))
    return (f"hydra.searchpath=[file://{tmp_path / 'mine'}]", "data=mine", *SMALL)


CASES = [
    *(("Loaders", how, "null") for how in HOW[:3]),
    ("Loaders", "shuffle", "dictionary"),
    ("Noisy", "shuffle", "null"),
]


@pytest.mark.briefly("Noisy-shuffle-null")
@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_a_run_is_resumed_to_the_bit_and_evaluated(trial, tmp_path, capsys, case):
    name, how, keys = case
    whole, resumed = whole_and_resumed(trial, tmp_path, *mine(tmp_path, name, how=f"'{how}'", keys=keys))
    assert all(whole[part] == resumed[part] for part in ("metrics", "data", "counters", "config_hash"))
    assert whole["data"]["sizes"] == {"train": 140, "val": 20, "test": 40}
    assert whole["data"]["constant_accuracy"]["test"] < whole["metrics"]["test/acc"]
    capsys.readouterr()
    evaluate.evaluate(tmp_path / "whole", trust=True)
    assert "the same as in result.json, to the last bit" in capsys.readouterr().out


@pytest.mark.long
def test_another_seed_is_another_run(trial, tmp_path):
    first, second = (
        trial(*mine(tmp_path), f"seed={seed}", "epochs=1", directory=tmp_path / str(seed)) for seed in (0, 1)
    )
    assert first["data"]["sha256"] != second["data"]["sha256"]


@pytest.mark.long
def test_growing_batches_on_it_are_resumed_to_the_bit(trial, tmp_path):
    typed = (*mine(tmp_path), "batching=doubling", "batching.start=10", "batching.every=1", "batching.stop=40")
    whole, resumed = whole_and_resumed(trial, tmp_path, *typed)
    assert whole["counters"]["updates"] == 14 + 7 + 4 + 4
    assert all(whole[part] == resumed[part] for part in ("metrics", "data", "counters"))


class Several(Loaders):
    """Two loaders to validate with, and none to test with."""

    test_dataloader = pl.LightningDataModule.test_dataloader

    def val_dataloader(self):
        return [DataLoader(self.val, 50), DataLoader(self.test, 50)]


class Values(Loaders):
    """Real values (rows, 1) in float64."""

    def collate(self, items):
        x, y = super().collate(items)
        return x, (y + 0.5).double()[:, None]


@pytest.mark.long
def test_real_values_train_beside_their_baseline(trial, tmp_path):
    result = trial(*mine(tmp_path, "Values"), "epochs=20")
    assert result["data"]["target"] == {"kind": "real", "number": 1, "names": []}
    assert result["metrics"]["test/mae"] < result["baseline"]["test"]["mae"]


def test_several_loaders_and_no_test_are_no_reason_to_refuse():
    data = adopted(Several(), 0)
    assert data.sizes == {"train": 140, "val": None}
    bare(max_epochs=1, limit_val_batches=0).fit(Plain(), datamodule=data)


class NeedsTrainer(Loaders):
    """Asks its trainer for the number of processes, in whatever makes it, and splits by the global generators."""

    def __init__(self, batch_size=16):
        super().__init__(batch_size, "split by the global seed", "numbers")

    def prepare_data(self):
        self.processes = self.trainer.world_size

    def setup(self, stage=None):
        super().setup(stage)
        self.share = self.batch_size // self.trainer.world_size


def test_what_a_set_up_asks_its_trainer_is_asked_when_there_is_one():
    module = NeedsTrainer()
    data, trainer = adopted(module, 0), bare(max_epochs=1)
    assert data.target is None
    assert "'world_size'" in data.untold
    model = Watching()
    trainer.fit(model, datamodule=data)
    assert module.share == 16
    trained = {row for batch in model.seen for row in batch}
    trainer.test(model, datamodule=data, verbose=False)
    assert len(trained) == 140
    assert trained.isdisjoint(module.test.indices)  # it was drawn anew for the test, from the same


class Odd(Loaders):
    """Batches that are no pair of inputs and what a task knows."""

    def collate(self, items):
        x, y = super().collate(items)
        return {
            "keys": lambda: {"image": x, "label": y},
            "one in each": lambda: (x, torch.eye(3)[y]),
            "parts": lambda: (x, y, 0.5),
            "left out": lambda: (x, y.masked_fill(y == 0, -100)),
            "alike": lambda: (x, 0 * y),
            "unknown": lambda: (x, (y / 0).log()),
        }.get(self.keys, lambda: (x, y))()

    def train_dataloader(self):
        if self.keys in ("endless", "several"):
            return DataLoader(Silent.Stream(), 8) if self.keys == "endless" else [DataLoader(self.train, 8)] * 2
        rows = [one for one in self.train if self.keys != "rare" or one[1] < 2]
        return DataLoader(
            rows, 500 if self.keys == "small" else self.batch_size, collate_fn=self.collate, drop_last=True
        )


@pytest.mark.briefly(0, 6)
@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ("keys", "found a batch of keys image, label, no pair and no inputs and target; the module may say"),
        ("one in each", "Odd's targets: expected what their 3 columns are, classes, labels or values, found a single"),
        ("parts", "expected a batch to be a pair of inputs and target, or a dictionary with both, found 3 parts"),
        ("rare", "Odd, val: expected 2 classes 0 to 1, found 0, 1, 2; the module may say classes itself"),
        ("endless", "Odd.train_dataloader() has no length"),
        ("several", "Odd.train_dataloader() gives a list, not one loader"),
        ("small", "Odd.train_dataloader(): expected batches, found none; has it fewer rows than one, and drop_last?"),
        ("left out", "Odd: expected 3 classes 0 to 2, found -100, 1, 2; number them from 0 on"),
        ("alike", "Odd: expected two classes or more, found one alone in all 128 rows: 0"),
        ("unknown", "Odd: y: expected finite numbers, found "),
    ],
)
def test_batches_that_nobody_can_tell_the_task_of_are_one_sentence(refused, tmp_path, keys, said):
    assert said in refused(*mine(tmp_path, "Odd", keys=f"'{keys}'"))


@pytest.mark.parametrize("said", [None, Target("classes", 3)])
@pytest.mark.parametrize("keys", ["rare", "left out", "alike", "unknown"])
def test_targets_that_no_task_of_ours_takes_are_no_matter_of_a_model_with_a_loss_of_its_own(keys, said):
    module = Odd(keys=keys)
    module.target = said
    data = adopted(module, 0)
    json.dumps(described := data.describe())
    assert (described["sizes"]["val"], described["sizes"]["test"]) == (20, 40)
    assert data.target == said
    fits = said is not None and keys in ("rare", "alike")  # as far as anybody can count them
    assert ("class_counts" in described) == fits == (not data.unfit)
    assert len(described["sha256"]) == 64


class Buckets(Loaders):
    """Its batches have what a measure of their own gives them, and may be as many as are asked for."""

    def train_dataloader(self):
        size = self.batch_size if self.how == "asked for" else 35
        return DataLoader(self.train, batch_sampler=[range(0, 140)[k : k + size] for k in range(0, 140, size)])


@pytest.mark.parametrize("how", ["asked for", "shuffle"])
def test_whether_batches_follow_their_size_is_seen_without_changing_anything(how):
    data = adopted(Buckets(how=how), 0)
    before = torch.get_rng_state()
    assert data.heeds_batch_size() == (how == "asked for")
    assert not data.tells_size
    assert data.batch_size == 16
    assert torch.equal(torch.get_rng_state(), before)


def test_a_batch_size_that_is_typed_and_that_no_loader_heeds_is_refused(refused, tmp_path):
    said = "batch_size=20 would have no effect: Buckets.train_dataloader gives the same batches with another size"
    assert said in refused(*mine(tmp_path, "Buckets"), "batch_size=20")


class Without(Loaders):
    """Says by an empty list that there are no rows to test with."""

    def test_dataloader(self):
        return []


def test_an_empty_list_of_loaders_is_no_split():
    assert adopted(Without(), 0).sizes == {"train": 140, "val": 20}
    module = Without()
    module.test_dataloader = lambda: None  # as templates leave it
    assert adopted(module, 0).sizes == {"train": 140, "val": 20}
    module.train_dataloader = lambda: None
    with pytest.raises(ValueError, match=r"Without.train_dataloader\(\): expected loaders, found None; leave"):
        adopted(module, 0)


def test_an_adopted_module_stays_adopted():
    data = adopted(Loaders(), 0)
    assert isinstance(data, ForeignData)
    assert adopted(data, 0) is data
    assert data.rows == 200
    data.batch_size = 7
    assert data.module.batch_size == 7
