"""The batch that changes from epoch to epoch changes nothing else: order, coverage, validation, counts."""

import math
import re
import shlex
from functools import partial

import pytest
import pytorch_lightning as pl
import torch
from torch.optim import SGD
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, OneCycleLR, SequentialLR, StepLR
from torch.utils.data import DataLoader, TensorDataset

from litmus.training.foreign_data import adopted
from litmus.training.net import Net
from litmus.training.pretrained import Pretrained
from litmus.training.schedule import Schedule
from litmus.trial.history import History, read_history
from litmus.trial.making import instantiate
from src.callbacks.batch_size import BatchSizeScheduler
from src.callbacks.grow_on_plateau import GrowOnPlateau
from tests.batch_helpers import Ordinary, Tiny, assert_same, fit, net, points, ramp, state
from tests.conftest import ROOT
from tests.test_plain_trainer import bare


def with_schedule(scheduler=None, **settings):
    """A net whose SGD at 0.1 has this scheduler."""
    return net(optimizer=partial(SGD, lr=0.1), scheduler=partial(Schedule, scheduler=scheduler, **settings))


@pytest.mark.parametrize("reverse", [False, True], ids=["growing", "shrinking"])
def test_every_sample_once_per_epoch_in_an_order_that_no_schedule_changes(reverse):
    _, fixed = fit(BatchSizeScheduler(start=8))
    _, varied = fit(ramp(reverse=reverse))
    assert varied.rows == fixed.rows
    assert all(sorted(rows) == list(range(100)) for rows in varied.rows.values())
    sizes = [8, 16, 32, 64, 64]
    assert [sizes[0] for sizes in varied.sizes.values()] == (sizes[::-1] if reverse else sizes)
    assert varied.sizes[4 if reverse else 0] == [8] * 12 + [4]
    assert varied.validations == fixed.validations == 5


@pytest.mark.parametrize("updates_per_epoch", [None, 4])
@pytest.mark.parametrize("batching", [ramp, lambda: ramp(reverse=True), lambda: ramp(lr="decay")])
def test_planned_and_real_updates_agree(batching, updates_per_epoch):
    batching, planned = batching(), []

    class Plan(pl.Callback):
        def on_train_start(self, trainer, pl_module):
            planned.extend(trainer.datamodule.planned_update_counts)

    trainer, _ = fit(batching, Tiny(batch_size=8, updates_per_epoch=updates_per_epoch), callbacks=[Plan()])
    assert trainer.global_step == sum(planned)
    if updates_per_epoch is None:
        assert trainer.global_step == batching.total_updates(100, 5)


def test_a_fixed_size_computes_what_no_callback_computes():
    with_callback, _ = fit(BatchSizeScheduler())
    without, _ = fit(pl.Callback(), reload_dataloaders_every_n_epochs=1)
    assert_same(state(with_callback), state(without))


def test_a_second_fit_with_the_same_callback_starts_fresh():
    batching, data = ramp(lr="sqrt", start=None), Tiny(batch_size=8)
    first, seen = fit(batching, data)
    assert data.batch_size == 8
    assert not hasattr(data, "planned_batch_sizes")
    second, again = fit(batching, data)
    assert again.sizes == seen.sizes
    assert_same(state(second), state(first))
    with pytest.raises(ValueError, match="expected"):
        fit(batching, data, callbacks=[_Broken()])
    assert data.batch_size == 8


class _Broken(pl.Callback):
    def on_train_epoch_start(self, trainer, pl_module):
        if trainer.current_epoch == 2:
            raise ValueError("expected")


def test_the_record_has_size_updates_samples_and_rates(tmp_path):
    fit(ramp(lr="linear"), model=with_schedule(), callbacks=[History(str(tmp_path / "metrics.csv"))])
    rows = read_history(tmp_path / "metrics.csv")
    assert [row["batch_size"] for row in rows] == [8, 16, 32, 64, 64]
    assert [row["updates"] for row in rows] == [13, 20, 24, 26, 28]
    assert [row["samples"] for row in rows] == [100, 200, 300, 400, 500]
    assert [row["lr"] for row in rows] == pytest.approx([0.1, 0.2, 0.4, 0.8, 0.8])
    assert [row["lr_scale"] for row in rows] == [1, 2, 4, 8, 8]


# ---------------------------------------------------------------------- learning rates


def test_a_matched_decay_has_the_ramps_inverse_as_its_rates_and_one_size():
    _, seen = fit(ramp(lr="decay"), model=with_schedule())
    assert list(seen.rates.values()) == pytest.approx([0.1, 0.05, 0.025, 0.0125, 0.0125])
    assert {sizes[0] for sizes in seen.sizes.values()} == {8}
    _, seen = fit(ramp(lr="decay", reverse=True), model=with_schedule())
    assert list(seen.rates.values()) == pytest.approx([0.0125, 0.0125, 0.025, 0.05, 0.1])
    assert {sizes[0] for sizes in seen.sizes.values()} == {8}


def test_the_coupling_multiplies_what_a_scheduler_plans():
    _, seen = fit(ramp(lr="sqrt"), model=with_schedule(lambda optimizer: StepLR(optimizer, 2, 0.1)))
    expected = [0.1 * size**0.5 * step for size, step in zip((1, 2, 4, 8, 8), (1, 1, 0.1, 0.1, 0.01), strict=True)]
    assert list(seen.rates.values()) == pytest.approx(expected)


class Own(pl.LightningModule):
    """A user's module, whose scheduler is none of ours."""

    def __init__(self, scheduler, interval="epoch"):
        super().__init__()
        self.net, self.make, self.interval = torch.nn.Linear(4, 3), scheduler, interval

    def training_step(self, batch, batch_idx):
        return torch.nn.functional.cross_entropy(self.net(batch[0]), batch[1])

    def validation_step(self, batch, batch_idx):
        self.log("val/loss", self.training_step(batch, batch_idx))

    def configure_optimizers(self):
        optimizer = SGD(self.parameters(), lr=0.1)
        course = {"scheduler": self.make(optimizer, self.trainer), "interval": self.interval}
        return {"optimizer": optimizer, "lr_scheduler": course}


def test_rates_of_any_module_follow_whatever_the_scheduler_is_made_of():
    def two(optimizer, trainer):
        return SequentialLR(optimizer, [StepLR(optimizer, 1, 0.5), StepLR(optimizer, 9, 0.5)], milestones=[2])

    fixed = [0.1, 0.05, 0.1, 0.1, 0.1]  # the second of the two begins at the first rate again
    _, alone = fit(BatchSizeScheduler(start=8), Ordinary(), Own(two))
    _, seen = fit(ramp(lr="linear"), Ordinary(), Own(two))
    assert list(alone.rates.values()) == pytest.approx(fixed)
    expected = [rate * scale for rate, scale in zip(fixed, (1, 2, 4, 8, 8), strict=True)]
    assert list(seen.rates.values()) == pytest.approx(expected)


def test_a_length_in_updates_is_the_schedules_own():
    def cosine(optimizer, T_max):  # noqa: N803, as torch names it
        lengths.append(T_max)
        return CosineAnnealingLR(optimizer, T_max)

    from functools import partial

    lengths = []
    trainer, _ = fit(ramp(), model=with_schedule(partial(cosine, T_max="total"), interval="update"))
    assert lengths == [trainer.global_step]
    assert trainer.optimizers[0].param_groups[0]["lr"] == pytest.approx(0, abs=1e-9)
    with pytest.raises(ValueError, match="depends on the number of updates, which the batching does not tell"):
        fit(GrowOnPlateau(), model=with_schedule(partial(cosine, T_max="total"), interval="update"))


def estimated(optimizer, trainer):
    return CosineAnnealingLR(optimizer, trainer.estimated_stepping_batches)


def of_a_function(optimizer, trainer):
    whole = trainer.estimated_stepping_batches
    return LambdaLR(optimizer, lambda step: 0.5 * (1 + math.cos(math.pi * step / whole)))


@pytest.mark.briefly(0, 3)
@pytest.mark.parametrize(("batching", "updates"), [(ramp, 28), (lambda: BatchSizeScheduler(start=8), 65)])
@pytest.mark.parametrize("max_per_device", [None, 4])
@pytest.mark.parametrize("scheduler", [estimated, of_a_function])
def test_a_schedule_as_long_as_the_trainer_estimates_ends_with_the_last_update(
    batching, updates, max_per_device, scheduler
):
    batching = batching()
    batching.max_per_device = max_per_device
    trainer, _ = fit(batching, Ordinary(), Own(scheduler, "step"))
    assert trainer.global_step == updates
    assert trainer.optimizers[0].param_groups[0]["lr"] == pytest.approx(0, abs=1e-9)
    assert type(trainer) is pl.Trainer  # and put back


def test_where_updates_alone_end_a_run_they_are_what_the_trainer_estimates():
    trainer, _ = fit(BatchSizeScheduler(max_per_device=4), Ordinary(), Own(estimated, "step"), epochs=-1, max_steps=9)
    assert trainer.global_step == 9
    assert trainer.optimizers[0].param_groups[0]["lr"] == pytest.approx(0, abs=1e-9)


def test_lengths_in_updates_that_nobody_knows_or_that_are_of_one_size_are_refused():
    def reckoned(optimizer, trainer):
        return CosineAnnealingLR(optimizer, 5 * 13)

    with pytest.raises(ValueError, match=r"65 updates of one batch size, but this batching makes 28; .*estimated_st"):
        fit(ramp(), Ordinary(), Own(reckoned, "step"))
    with pytest.raises(ValueError, match="but nobody can know how many this batching makes"):
        fit(GrowOnPlateau(start=8), Ordinary(), Own(reckoned, "step"))
    for scheduler in (estimated, of_a_function):
        with pytest.raises(ValueError, match="asked for, and nobody can know how many updates this batching makes"):
            fit(GrowOnPlateau(start=8), Ordinary(), Own(scheduler, "step"))


def test_a_one_cycle_cannot_follow_the_batch():
    def cycle(optimizer):
        return OneCycleLR(optimizer, 0.1, total_steps=50)

    with pytest.raises(ValueError, match="OneCycleLR sets learning rates that cannot follow"):
        fit(ramp(lr="linear"), model=with_schedule(cycle))
    fit(ramp(), model=with_schedule(cycle))


# ---------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"val_check_interval": 2}, "val_check_interval=2 counts batches"),
        ({"accumulate_grad_batches": 2}, "batching.max_per_device"),
    ],
)
def test_what_a_varying_size_breaks_is_refused_and_a_fixed_size_has_it(settings, said):
    with pytest.raises(ValueError, match=said):
        fit(ramp(), **settings)
    fit(BatchSizeScheduler(), epochs=1, **settings)
    fit(ramp(lr="decay"), epochs=1, **settings)  # its batches are all of one size


@pytest.mark.parametrize("settings", [{"limit_train_batches": 2}, {"max_steps": 20}], ids=str)
def test_limits_are_warned_of(settings):
    with pytest.warns(UserWarning, match=f"trainer.{next(iter(settings))}"):
        fit(ramp(), **settings)


def test_a_schedule_that_leaves_one_sample_to_batch_norm_is_refused_with_what_would_work():
    def refusal(data):
        with pytest.raises(ValueError, match="norm=batch") as refused:
            fit(ramp(start=4, stop=33), data, net(norm="batch"))
        return str(refused.value)

    # 100 = 3·33 + 1 in the last epochs; 32 and 34 leave 4 and 32.
    assert "epoch 4 has one of 1 with batch_size=33 on 100 samples; 32 or 34 would work" in refusal(Tiny(batch_size=4))
    assert "epoch 4 has one of 1 with a batch size of 33 on 100 samples; 32 or 34 would work" in refusal(Ordinary())
    fit(ramp(start=4, stop=32), Tiny(batch_size=4), net(norm="batch"))
    fit(ramp(start=4, stop=33), Ordinary(drop_last=True), net(norm="batch"))


def test_one_size_for_all_epochs_is_no_matter_of_loaders_that_have_it_in_a_way_of_their_own():
    def train(loaders, **settings):
        data = Ordinary(batch_size=5)
        data.train_dataloader = lambda: loaders(TensorDataset(*points(100)), data.batch_size)
        return fit(BatchSizeScheduler(**settings), adopted(data, 0), AnyBatch(), epochs=2)

    trainer, _ = train(lambda rows, size: {"few": DataLoader(rows, size), "many": DataLoader(rows, 3 * size)})
    assert trainer.global_step == 2 * 20
    buckets = [range(30), range(30, 100)]
    train(lambda rows, size: DataLoader(rows, batch_sampler=buckets))
    train(lambda rows, size: DataLoader([(rows[:size])], batch_size=None))
    with pytest.raises(ValueError, match=r"batches of 5 were asked for, and .* gave batches of 7"):
        train(lambda rows, size: DataLoader(rows, 7))
    with pytest.raises(ValueError, match="of a size that it does not tell"):
        train(lambda rows, size: DataLoader(rows, batch_sampler=buckets), max_per_device=5)


class AnyBatch(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(4, 3)

    def training_step(self, batch, batch_idx):
        x, y = batch["few"] if isinstance(batch, dict) else batch
        return torch.nn.functional.cross_entropy(self.layer(x), y)

    def validation_step(self, batch, batch_idx):
        pass

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


class OfMaps(pl.LightningModule):
    """A batch norm of as many pixels as its net is asked for."""

    def __init__(self, pixels):
        super().__init__()
        self.pixels = pixels
        self.norm, self.head = torch.nn.BatchNorm2d(1), torch.nn.Linear(pixels**2, 3)

    def forward(self, x):
        return self.head(self.norm(x[:, : self.pixels**2].reshape(-1, 1, self.pixels, self.pixels)).flatten(1))

    def training_step(self, batch, batch_idx):
        return torch.nn.functional.cross_entropy(self(batch[0]), batch[1])

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


@pytest.mark.parametrize("adopt", [False, True])
@pytest.mark.filterwarnings("ignore:You passed in a `val_dataloader`")
def test_one_sample_is_enough_where_each_channel_has_several_values_or_the_norm_is_frozen(adopt):
    """33 = 8·4 + 1."""
    made = partial(Ordinary, 33, 4) if adopt else partial(Tiny, 33, batch_size=4)
    data = (lambda: adopted(made(), 0)) if adopt else made
    model = OfMaps(2) if adopt else Net({"_target_": f"{__name__}.Maps"}, (4,), classes=3)
    trainer, _ = fit(BatchSizeScheduler(), data(), model, epochs=1)
    assert trainer.global_step == 9
    norm = next(name for name, layer in net(norm="batch").named_modules() if isinstance(layer, torch.nn.BatchNorm1d))
    frozen = Pretrained(frozen=[norm])
    trainer, _ = fit(BatchSizeScheduler(), data(), net(norm="batch"), epochs=1, callbacks=[frozen])
    assert trainer.global_step == 9
    for one in (net(norm="batch"), OfMaps(1)) if adopt else (net(norm="batch"),):
        with pytest.raises(ValueError, match="norm=batch needs two samples"):
            fit(BatchSizeScheduler(), data(), one, epochs=1)


class Maps(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.norm, self.head = torch.nn.BatchNorm2d(1), torch.nn.Linear(4, 3)

    def forward(self, x):
        return self.head(self.norm(x.reshape(-1, 1, 2, 2)).flatten(1))


def test_data_that_cannot_change_are_refused_loudly():
    class Stubborn(Ordinary):
        def train_dataloader(self):
            self.batch_size, wanted = 8, self.batch_size
            loader = super().train_dataloader()
            self.batch_size = wanted
            return loader

    said = r"batches of 16 were asked for, and Stubborn\.train_dataloader gave batches of 8; it must make"
    with pytest.raises(ValueError, match=said):
        fit(ramp(), Stubborn())

    class Without(Ordinary):
        def __init__(self):
            super().__init__()
            del self.batch_size

    with pytest.raises(ValueError, match="hyperparameter batch_size that its train_dataloader uses, got Without"):
        fit(ramp(), Without())

    class Alone(Ordinary):
        val_dataloader = pl.LightningDataModule.val_dataloader  # there is nothing to validate with

    class Late(Alone):
        """As was asked for once: nobody reads it again."""

        loader = None

        def train_dataloader(self):
            self.loader = self.loader or super().train_dataloader()
            return self.loader

    class Untold(Alone):
        """Batches that are made beforehand, of whatever size."""

        def train_dataloader(self):
            return DataLoader(TensorDataset(*points(self.rows)), batch_size=None)

    for stubborn, given in ((Late, "gave batches of 16"), (Untold, "gave batches of a size that it does not tell")):
        data, model = stubborn(), Sees()
        with pytest.raises(ValueError, match=given):
            fit(ramp(), data, model)
        assert not model.seen  # before training
        assert data.batch_size == 16  # and put back


class Doubles(pl.Callback):
    """Sets the batch size itself, in one of the hooks."""

    def __init__(self, hook):
        setattr(self, hook, lambda trainer, *others: self.double(trainer.datamodule))

    def double(self, data):
        data.batch_size *= 2


@pytest.mark.parametrize("hook", ["on_train_epoch_start", "on_train_epoch_end"])
@pytest.mark.parametrize("make", [Ordinary, lambda: adopted(Ordinary(), 0), lambda: Tiny(batch_size=16)])
def test_a_second_master_of_the_batch_size_is_refused_with_both_names(hook, make):
    said = r"expected batching alone to set the batch size, to 16, found it set to 32 by another \(.*Doubles.*MLP\)"
    with pytest.raises(ValueError, match=said):
        fit(BatchSizeScheduler("fixed"), make(), epochs=2, callbacks=[Doubles(hook)])


# ---------------------------------------------------------------------- anybody's data


class Sees(pl.LightningModule):
    """Notes the sizes of its batches."""

    def __init__(self):
        super().__init__()
        self.net, self.seen = torch.nn.Linear(4, 3), []

    def training_step(self, batch, batch_idx):
        self.seen.append((self.current_epoch, len(batch[0])))
        return torch.nn.functional.cross_entropy(self.net(batch[0]), batch[1])

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)

    def sizes(self):
        return [max(size for epoch, size in self.seen if epoch == number) for number in range(5)]


class ByHyperparameter(pl.LightningDataModule):
    """As `save_hyperparameters` is meant."""

    def __init__(self, batch_size=16):
        super().__init__()
        self.save_hyperparameters()

    def train_dataloader(self):
        return DataLoader(TensorDataset(*points(100)), self.hparams.batch_size, shuffle=True)


class OwnLoader(Sees):
    """A module that brings its data, as in Lightning's first examples."""

    def __init__(self, batch_size=16, by_hyperparameter=False):
        super().__init__()
        if by_hyperparameter:
            self.save_hyperparameters()
        else:
            self.batch_size = batch_size

    def train_dataloader(self):
        size = self.hparams.batch_size if "batch_size" in self.hparams else self.batch_size
        return DataLoader(TensorDataset(*points(100)), size, shuffle=True)


class OwnData(OwnLoader):
    """A module that makes its data when it is set up, as Lightning says that it should."""

    def setup(self, stage):
        assert not hasattr(self, "data")
        self.data = TensorDataset(*points(100))

    def train_dataloader(self):
        return DataLoader(self.data, self.batch_size, shuffle=True)


@pytest.mark.briefly(0)
@pytest.mark.parametrize("max_per_device", [None, 16])
def test_the_size_is_found_where_lightnings_own_tools_find_it(max_per_device):
    def trained(model, data):
        fit(ramp(max_per_device=max_per_device), data, model)
        return model.sizes()

    whole = [8, 16, 32, 64, 64]
    parts = whole if max_per_device is None else [min(size, max_per_device) for size in whole]
    data = ByHyperparameter()
    assert trained(Sees(), data) == parts
    assert dict(data.hparams) == {"batch_size": 16}
    adopted_data = ByHyperparameter()
    assert trained(Sees(), adopted(adopted_data, 0)) == parts
    assert dict(adopted_data.hparams) == {"batch_size": 16}
    for by_hyperparameter in (False, True):
        own = OwnLoader(by_hyperparameter=by_hyperparameter)
        assert trained(own, False) == parts
        assert (own.hparams.batch_size if by_hyperparameter else own.batch_size) == 16
    own = OwnData()
    assert trained(own, False) == parts
    assert "setup" not in vars(own)
    # What has a size of its own that nobody reads: a loader that was handed over.
    given = DataLoader(TensorDataset(*points(100)), 16)
    with pytest.raises(ValueError, match="batches of 8 were asked for, and whoever made the loader gave batches of 16"):
        bare(callbacks=[ramp()]).fit(OwnLoader(), given)


# ---------------------------------------------------------------------- through the command line

# Weights that move, and too little to change an answer.
STUCK = ("batching.monitor=val/acc", "batching.mode=max", "lr=1e-8", "model.units=[]")


@pytest.mark.long
@pytest.mark.parametrize(
    ("overrides", "sizes"),
    [
        (["batching=geometric", "batching.start=100", "batching.stop=1600"], [100, 200, 400, 800, 1600]),
        (["batching=linear", "batching.stop=512", "batching.multiple_of=32"], [32, 160, 288, 384, 512]),
        (["batching=milestones", "batching.sizes={0: 32, 2: 64, 3: 128}"], [32, 32, 64, 128, 128]),
        (["batching=doubling", "batching.every=2", "batching.reverse=true"], [128, 64, 64, 32, 32]),
        (["batching=doubling", "batching.every=2", "batching.max_per_device=50"], [32, 32, 64, 64, 128]),
        (["batching=matched_decay", "batching.schedule=milestones", "batching.sizes={0: 32, 2: 64}"], [32] * 5),
        (["batching=on_plateau", "batching.patience=0", *STUCK], [32, 32, 64, 128, 256]),
        (["batching=geometric", "batching.stop=all"], [32, 104, 339, 1105, 3600]),
        (["batch_size=all"], [3600] * 5),
    ],
    ids=lambda value: " ".join(value) if isinstance(value[0], str) else "",
)
def test_the_commands_do_what_they_say(trial, tmp_path, overrides, sizes):
    result = trial(*overrides, "epochs=5", *(["model.units=[8]"] if "model.units=[]" not in overrides else []))
    rows = read_history(tmp_path / "run" / "metrics.csv")
    assert [row["batch_size"] for row in rows] == sizes
    assert result["counters"]["updates"] == sum(-(-3600 // size) for size in sizes)
    assert result["counters"]["samples"] == 18000


PAGE = (ROOT / "docs" / "progressive_batch.md").read_text()


@pytest.mark.briefly(*range(0, 13, 3))
@pytest.mark.parametrize("command", re.findall(r"python train\.py ((?!-m).*?)(?: *#.*|`.*)?$", PAGE, re.MULTILINE))
def test_the_commands_of_the_page_make_a_callback(compose, command):
    config = compose(*shlex.split(command))
    assert isinstance(instantiate(config.batching), BatchSizeScheduler)


@pytest.mark.long
def test_a_varying_size_is_drawn_under_the_loss(trial, tmp_path, monkeypatch):
    from matplotlib.axes import Axes

    drawn = []
    step = Axes.step
    monkeypatch.setattr(Axes, "step", lambda self, *values, **look: (drawn.append(values), step(self, *values, **look)))
    trial("batching=doubling", "batching.every=1", "epochs=3", "model.units=[8]", picture=True)
    assert drawn == [([1, 2, 3], [32, 64, 128])]
    trial("epochs=2", "model.units=[8]", directory=tmp_path / "fixed", picture=True)
    assert len(drawn) == 1
    assert (tmp_path / "run" / "curves.png").stat().st_size > 10_000


def test_making_the_loader_anew_less_often_is_refused():
    with pytest.raises(ValueError, match="every_n_epochs=2 would have no effect: batching has the loader made anew"):
        fit(BatchSizeScheduler("fixed"), reload_dataloaders_every_n_epochs=2)
