"""The net that was validated is the one that is chosen, kept, tested and evaluated; no other is."""

import json
from functools import partial

import pytest
import pytorch_lightning as pl
import torch
from torch.optim.lr_scheduler import ReduceLROnPlateau
from torch.utils.data import DataLoader, TensorDataset

from litmus.training.averaging import ExponentialAverage
from litmus.training.schedule import Schedule
from litmus.trial.checkpoint import BestAndLast
from litmus.trial.history import History, read_history
from src.callbacks.batch_size import BatchSizeScheduler
from src.callbacks.grow_on_plateau import GrowOnPlateau
from src.models.mlp import MLP
from tests.small_data import optimizer_of, quiet_trainer, seeded
from tests.strangers import Plain, small_blobs

SMALL = ("model.units=[8]", "updates_per_epoch=5")
LIGHTNINGS = "pytorch_lightning.callbacks"


class Swaps(pl.Callback):
    """Shows the validation twice the weights that are trained, as an average of one's own would show others."""

    def on_validation_start(self, trainer, pl_module):
        self._scale(pl_module, 2.0)

    def on_validation_end(self, trainer, pl_module):
        self._scale(pl_module, 0.5)

    @staticmethod
    def _scale(pl_module, factor):
        for value in pl_module.parameters():
            value.data.mul_(factor)


class SwapsByItself(MLP):
    """The same as a module's own hooks."""

    def on_validation_epoch_start(self):
        Swaps._scale(self, 2.0)

    def on_validation_epoch_end(self):
        Swaps._scale(self, 0.5)


class Renames(pl.Callback):
    """Replaces a weight by another of another name, as pruning does."""

    def on_train_epoch_start(self, trainer, pl_module):
        if trainer.current_epoch == 1:
            pl_module.register_buffer("mask", torch.ones(3))


CASES = {
    "nothing": (),
    "averaged": (f"+callbacks.mine={{_target_: {LIGHTNINGS}.EMAWeightAveraging, decay: 0.9}}",),
    "averaged by epoch": (f"+callbacks.mine={{_target_: {LIGHTNINGS}.WeightAveraging}}", "norm=batch"),
    "swapped by a callback": (f"+callbacks.mine._target_={__name__}.Swaps",),
    "swapped by the module": (f"model._target_={__name__}.SwapsByItself",),
    "a backbone thawed": (
        "model._target_=tests.strangers.WithBackbone",
        f"+callbacks.mine={{_target_: {LIGHTNINGS}.BackboneFinetuning, unfreeze_backbone_at_epoch: 1}}",
    ),
    "accumulated": (f"+callbacks.mine={{_target_: {LIGHTNINGS}.GradientAccumulationScheduler, scheduling: {{1: 2}}}}",),
    "validated twice an epoch": ("trainer.val_check_interval=0.4",),
    "validated every second epoch": ("trainer.check_val_every_n_epoch=2",),
}
CASES = {name: tuple(part.replace("trainer.val", "+trainer.val") for part in case) for name, case in CASES.items()}


@pytest.mark.briefly("averaged")
@pytest.mark.filterwarnings("ignore:.*BackboneFinetuning")
@pytest.mark.parametrize("case", CASES)
def test_best_ckpt_is_the_net_of_the_recorded_validation_and_of_the_recorded_test(trial, compose, tmp_path, case):
    from hydra.utils import get_class

    from litmus.trial.making import instantiate

    result = trial(*SMALL, "epochs=4", *CASES[case])
    config = compose(*SMALL, *CASES[case])
    model = get_class(config.model._target_).load_from_checkpoint(
        tmp_path / "run" / "checkpoints" / "best.ckpt", weights_only=True
    )
    trainer, data = quiet_trainer(), instantiate(config.data)
    plain = MLP.load_from_checkpoint(tmp_path / "run" / "checkpoints" / "best.ckpt", weights_only=True)
    found = {}
    for run in (trainer.validate, trainer.test):
        run(plain, datamodule=data, verbose=False)
        found |= {name: float(value) for name, value in trainer.callback_metrics.items()}
    assert type(model).__name__ == config.model._target_.rpartition(".")[2]
    for name in ("val/loss", "val/acc", "test/loss", "test/acc"):
        assert found[name] == result["metrics"][name], name
    rows = read_history(tmp_path / "run" / "metrics.csv")
    assert rows[result["best_epoch"]]["val/loss"] == result["metrics"]["val/loss"]


@pytest.mark.long
def test_evaluating_an_averaged_net_repeats_its_test(trial, tmp_path, capsys):
    import evaluate

    trial(*SMALL, "epochs=3", *CASES["averaged"])
    evaluate.evaluate(tmp_path / "run")
    assert "the same as in result.json, to the last bit" in capsys.readouterr().out


REFUSED = {
    "StochasticWeightAveraging": ("swa_lrs: 0.01", "averages weights that no validation sees"),
    "ModelPruning": ("pruning_fn: l1_unstructured", "replaces every weight by two others"),
    "BatchSizeFinder": ("mode: power", "would train with another batch_size than the run records"),
    "LearningRateFinder": ("num_training_steps: 10", "would train with another lr than the run records"),
}


@pytest.mark.briefly("ModelPruning")
@pytest.mark.parametrize("name", REFUSED)
def test_callbacks_that_break_a_promise_are_refused_by_name_before_training(refused, tmp_path, name):
    argument, said = REFUSED[name]
    answer = refused(*SMALL, f"+callbacks.mine={{_target_: {LIGHTNINGS}.{name}, {argument}}}")
    assert answer.startswith(f"{name} {said}")
    assert not (tmp_path / "run" / "metrics.csv").exists()


@pytest.mark.long
def test_weights_that_take_other_names_are_refused_and_what_was_best_stays(refused, tmp_path):
    said = refused(*SMALL, "epochs=3", f"+callbacks.mine._target_={__name__}.Renames", "callbacks.checkpoint.share=1")
    assert "expected the weights to keep the names they had when training began, found mask added or gone" in said
    assert MLP.load_from_checkpoint(tmp_path / "run" / "checkpoints" / "best.ckpt", weights_only=True)


# ---------------------------------------------------------------------- epochs without a validation


def test_an_epoch_without_a_validation_has_empty_cells_and_is_never_the_best(trial, tmp_path):
    result = trial(*SMALL, "epochs=5", "trainer.check_val_every_n_epoch=2", picture=True)
    rows = read_history(tmp_path / "run" / "metrics.csv")
    assert [row["epoch"] for row in rows if "val/loss" in row] == [1, 3]
    assert all("train/loss" in row for row in rows)
    assert result["best_epoch"] in (1, 3)
    assert result["metrics"]["val/loss"] == rows[result["best_epoch"]]["val/loss"]
    assert result["metrics"]["train/loss"] == rows[result["best_epoch"]]["train/loss"]
    assert (tmp_path / "run" / "curves.png").stat().st_size > 10_000


def _scripted(losses):
    """A net whose validation gives these losses, in this order."""

    left = list(losses)

    class Scripted(MLP):
        def on_validation_epoch_end(self):
            self._record({"val/loss": left.pop(0)})

    return seeded(Scripted, (6,), 3, units=(4,), optimizer=optimizer_of("SGD", lr=0.1))


def _fit(model, epochs, callbacks=(), data=None, **settings):
    trainer = quiet_trainer(epochs, callbacks, **settings)
    trainer.fit(model, datamodule=data or small_blobs())
    return trainer


def test_the_plateau_counts_validations_and_not_the_epochs_between_them():
    model = _scripted([1.0, 1.1, 0.5])
    model.make_scheduler = partial(Schedule, scheduler=partial(ReduceLROnPlateau, patience=0, factor=0.5))
    trainer = _fit(model, 6, check_val_every_n_epoch=2)
    assert trainer.optimizers[0].param_groups[0]["lr"] == 0.05  # lowered by the second of three, once


def test_the_warm_up_does_not_wait_for_a_validation():
    model = _scripted([1.0, 1.0])
    model.make_scheduler = partial(Schedule, scheduler=partial(ReduceLROnPlateau, patience=5), warmup=3)
    trainer = _fit(model, 4, check_val_every_n_epoch=2)
    assert trainer.optimizers[0].param_groups[0]["lr"] == pytest.approx(0.1)


def test_early_stopping_and_growing_batches_count_validations():
    stopping = pl.callbacks.EarlyStopping("val/loss", patience=1)
    trainer = _fit(_scripted([1.0, 1.1, 1.2, 1.3]), 8, [stopping], check_val_every_n_epoch=2)
    assert trainer.current_epoch == 4
    growing = GrowOnPlateau(stop=80, patience=0)
    data = small_blobs()
    sizes = []

    class Records(pl.Callback):
        def on_train_epoch_start(self, trainer, pl_module):
            sizes.append(data.batch_size)

    _fit(_scripted([1.0, 1.1, 1.2]), 7, [growing, Records()], data, check_val_every_n_epoch=2)
    assert sizes == [20, 20, 20, 20, 40, 40, 80]


def test_a_pruner_hears_of_validated_epochs_alone(tmp_path):
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    from litmus.trial.pruning import Pruning

    path = str(tmp_path / "journal.log")
    study = optuna.create_study(study_name="s", storage=JournalStorage(JournalFileBackend(path)))
    study.ask()
    _fit(_scripted([3.0, 2.0]), 5, [Pruning(path, "s", 0)], check_val_every_n_epoch=2)
    assert study.trials[0].intermediate_values == {1: 3.0, 3: 2.0}


@pytest.mark.briefly(1)
@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (
            ["trainer.limit_val_batches=0"],
            "BestAndLast waits for val/loss, but no epoch of this run would be validated",
        ),
        (["trainer.limit_val_batches=0"], "trainer.limit_val_batches=0; give it a share above 0"),
        (
            ["trainer.check_val_every_n_epoch=4"],
            "trainer.check_val_every_n_epoch=4 is more than epochs=3; use 3 or fewer",
        ),
        (["trainer.limit_val_batches=0", "~callbacks.checkpoint", "scheduler=plateau"], "scheduler=plateau waits for"),
        (["trainer.limit_val_batches=0", "~callbacks.checkpoint", "batching=on_plateau"], "GrowOnPlateau waits for"),
        (
            [
                "trainer.limit_val_batches=0",
                "callbacks.checkpoint.monitor=train/loss",
                "callbacks=[default,early_stopping]",
            ],
            "EarlyStopping waits for val/loss",
        ),
        (["+trainer.max_steps=3"], "trainer.max_steps=3 ends it before the first, after 5 updates; use 5 or more"),
        (
            ["+trainer.max_steps=7", "trainer.check_val_every_n_epoch=2"],
            "trainer.max_steps=7 ends it before the first, after 10 updates",
        ),
        (
            ["+trainer.max_steps=1", "+trainer.val_check_interval=0.5"],
            "trainer.max_steps=1 ends it before the first, after 2 updates",
        ),
        (
            ["+trainer.max_steps=8", "+trainer.val_check_interval=9", "trainer.check_val_every_n_epoch=null"],
            "trainer.max_steps=8 ends it before the first, after 9 updates",
        ),
    ],
)
def test_waiting_for_a_validation_that_never_comes_is_refused(refused, tmp_path, overrides, said):
    assert said in refused(*SMALL, "epochs=3", *overrides)
    assert not (tmp_path / "run" / "metrics.csv").exists()


@pytest.mark.briefly(0)
@pytest.mark.parametrize(
    ("overrides", "updates"),
    [
        (["+trainer.max_steps=5"], 5),
        (["+trainer.max_steps=2", "+trainer.val_check_interval=0.5"], 2),
        (["+trainer.max_steps=5", "trainer.accumulate_grad_batches=2"], 5),
        (["+trainer.max_steps=9", "+trainer.val_check_interval=9", "trainer.check_val_every_n_epoch=null"], 9),
    ],
)
def test_a_run_that_ends_with_its_first_validation_is_judged(trial, capsys, overrides, updates):
    result = trial(*SMALL, "epochs=3", *overrides)
    assert f"{updates} updates" in capsys.readouterr().out
    assert "val/loss" in result["metrics"]


@pytest.mark.long
def test_a_run_may_choose_by_its_training_without_any_validation(trial, tmp_path):
    result = trial(*SMALL, "epochs=3", "trainer.limit_val_batches=0", "callbacks.checkpoint.monitor=train/loss")
    losses = [row["train/loss"] for row in read_history(tmp_path / "run" / "metrics.csv")]
    assert result["best_epoch"] == losses.index(min(losses))
    assert "val/loss" not in result["metrics"]
    assert "test/loss" in result["metrics"]


def test_an_epoch_is_judged_by_its_last_validation_with_the_weights_of_that_moment(tmp_path):
    """7 batches, a validation after 3 and after 6: the epoch ends one update later, with weights nobody has judged."""
    seen = []

    class Sees(pl.Callback):
        def on_validation_end(self, trainer, pl_module):
            seen.append((trainer.global_step, {name: value.clone() for name, value in pl_module.state_dict().items()}))

    best = BestAndLast(str(tmp_path))
    _fit(_scripted([0.1, 1.0, 0.9, 0.8, 0.7, 0.9]), 3, [Sees(), best], val_check_interval=0.5)
    kept = torch.load(best.best_path, weights_only=True)
    assert [step for step, _ in seen] == [3, 6, 10, 13, 17, 20]
    assert (best.best_epoch, best.best_score, kept["global_step"]) == (1, 0.8, 13)
    assert all(torch.equal(kept["state_dict"][name], value) for name, value in seen[3][1].items())


class Chooses(Plain):
    """Its validation chooses what its test goes by, and leaves it wherever a module may keep it."""

    def __init__(self):
        super().__init__()
        self.net = torch.nn.Sequential(torch.nn.Linear(6, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 3))
        self.register_buffer("threshold", torch.zeros(()))
        self.register_buffer("hidden", torch.zeros(()), persistent=False)
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))
        self.held, self.told = torch.nn.Parameter(torch.zeros(()), requires_grad=False), 0.0
        self.losses = [0.9, 0.5, 0.7, 0.8, 0.9]

    def validation_step(self, batch, batch_idx):
        self.count += 1
        self(batch[0])

    def on_validation_epoch_end(self):
        self.told = self.losses[self.current_epoch]
        for value in (self.threshold, self.hidden, self.held):
            value.data.fill_(self.told)
        self.log("val/loss", self.told)

    def on_save_checkpoint(self, checkpoint):
        checkpoint["told"] = self.told


class SwapsAll(pl.Callback):
    """An average of somebody's, of buffers as well: shown and put back as a whole, but for what it does not know."""

    def on_validation_start(self, trainer, pl_module):
        self.own = {name: value.clone() for name, value in pl_module.net.state_dict().items()}
        pl_module.net.load_state_dict({name: 2 * value for name, value in self.own.items()})

    def on_validation_end(self, trainer, pl_module):
        self.shown = {name: value.clone() for name, value in pl_module.net.state_dict().items()}
        pl_module.net.load_state_dict(self.own)


@pytest.mark.parametrize("shows", [None, SwapsAll, partial(ExponentialAverage, 0.5)], ids=["none", "swapped", "ema"])
def test_what_a_validation_sets_itself_is_in_the_weights_of_its_epoch_as_it_left_it(tmp_path, shows):
    best, seen = BestAndLast(str(tmp_path)), []

    class Sees(pl.Callback):
        def on_validation_batch_end(self, trainer, pl_module, *others):
            seen.append({name: value.clone() for name, value in pl_module.net.state_dict().items()})

    shown = [shows()] if shows else []
    trainer = _fit(seeded(Chooses), 5, [*shown, Sees(), best], small_blobs(updates_per_epoch=2))
    kept = torch.load(best.best_path, weights_only=True)
    found = [kept["state_dict"]["threshold"], kept["state_dict"]["held"], kept["buffers"]["hidden"]]
    assert [float(value) for value in (*found, kept["told"])] == pytest.approx([0.5] * 4)
    validated = seen[len(seen) // 5]
    assert all(torch.equal(kept["state_dict"][f"net.{name}"], value) for name, value in validated.items())
    assert int(kept["state_dict"]["count"]) == 2 * len(seen) // 5
    if shows is None:
        assert float(trainer.lightning_module.threshold) == pytest.approx(0.9)


class Teaches(Plain):
    """Follows its own weights with a teacher that no optimizer knows, and saves itself once more."""

    def __init__(self):
        super().__init__()
        self.net = torch.nn.Linear(6, 3)
        self.teacher = torch.nn.Linear(6, 3).requires_grad_(False)

    def on_train_batch_end(self, outputs, batch, batch_idx):
        for mine, own in zip(self.teacher.parameters(), self.net.parameters(), strict=True):
            mine.data.lerp_(own.data, 0.3)

    def validation_step(self, batch, batch_idx):
        self.log("val/loss", torch.nn.functional.cross_entropy(self.teacher(batch[0]), batch[1]))

    def on_save_checkpoint(self, checkpoint):
        checkpoint["again"] = self.net.state_dict()


@pytest.mark.parametrize("average", [None, 0.5])
def test_what_a_module_moves_after_an_update_is_what_was_validated(tmp_path, average):
    best, seen = BestAndLast(str(tmp_path)), []

    class Sees(pl.Callback):
        def on_validation_batch_end(self, trainer, pl_module, *others):
            seen.append({name: value.clone() for name, value in pl_module.state_dict().items()})

    shown = [ExponentialAverage(average)] if average else []
    _fit(seeded(Teaches), 4, [*shown, Sees(), best], small_blobs(updates_per_epoch=2))
    kept = torch.load(best.best_path, weights_only=True)
    validated = seen[best.best_epoch * len(seen) // 4]
    assert all(torch.equal(kept["state_dict"][name], value) for name, value in validated.items())
    assert all(torch.equal(kept["again"][name], validated[f"net.{name}"]) for name in kept["again"])


# ---------------------------------------------------------------------- what was trained on


class Stops(pl.Callback):
    def __init__(self, batches):
        self.left = batches

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.left -= 1
        trainer.should_stop = self.left == 0


class Loaders(pl.LightningDataModule):
    """Foreign data: 50 samples in batches of 8."""

    def __init__(self, drop_last=False, stream=False):
        super().__init__()
        self.drop_last, self.stream = drop_last, stream

    def train_dataloader(self):
        x, y = torch.randn(50, 6), torch.randint(3, (50,))
        data = TensorDataset(x, y)
        if not self.stream:
            return DataLoader(data, 8, drop_last=self.drop_last)

        class Stream(torch.utils.data.IterableDataset):
            def __iter__(self):
                yield from data

        return DataLoader(Stream(), 8)

    def val_dataloader(self):
        return DataLoader(TensorDataset(torch.randn(10, 6), torch.randint(3, (10,))), 10)


ROWS = 134
SAMPLES = {
    "whole epochs": ({}, (), small_blobs, [ROWS, 2 * ROWS]),
    "max_steps": ({"max_steps": 9}, (), small_blobs, [ROWS, ROWS + 40]),
    "max_steps in the last batch": ({"max_steps": 7}, (), small_blobs, [ROWS]),
    "stopped by a callback": ({}, (9,), small_blobs, [ROWS, ROWS + 40]),
    "limited": ({"limit_train_batches": 2}, (), small_blobs, [40, 80]),
    "accumulated": ({"accumulate_grad_batches": 3}, (), small_blobs, [ROWS, 2 * ROWS]),
    "accumulated and stopped": ({"accumulate_grad_batches": 3}, (5,), small_blobs, [60]),
    "a loader": ({}, (), Loaders, [50, 100]),
    "a loader that drops its rest": ({}, (), partial(Loaders, drop_last=True), [48, 96]),
    "a loader, stopped": ({}, (3,), Loaders, [24]),
    "a stream": ({}, (), partial(Loaders, stream=True), [50, 100]),
    "across passes": ({}, (), partial(small_blobs, updates_per_epoch=9), [174, 2 * 174]),
}


@pytest.mark.parametrize("case", SAMPLES)
def test_samples_are_those_that_updates_were_made_from(tmp_path, case):
    settings, stops, make, expected = SAMPLES[case]
    data = make()
    callbacks = [Stops(*stops)] if stops else []
    model = seeded(MLP, (6,), 3, units=(4,))
    _fit(model, 2, [*callbacks, history := History(str(tmp_path / "metrics.csv"))], data, **settings)
    assert [row["samples"] for row in read_history(tmp_path / "metrics.csv")] == expected
    assert history.samples == expected[-1]


def test_split_updates_count_their_samples_once(tmp_path):
    model = seeded(MLP, (6,), 3, units=(4,))
    data = small_blobs(batch_size=33)
    _fit(model, 2, [BatchSizeScheduler(max_per_device=10), History(str(tmp_path / "metrics.csv"))], data)
    assert [row["samples"] for row in read_history(tmp_path / "metrics.csv")] == [ROWS, 2 * ROWS]


@pytest.mark.long
def test_a_run_cut_by_time_counts_what_it_did(trial, tmp_path):
    result = trial("model.units=[8]", "epochs=100000", "+trainer.max_time={milliseconds: 300}", "batch_size=100")
    rows = read_history(tmp_path / "run" / "metrics.csv")
    assert rows[0]["samples"] == 3600
    full, part = divmod(result["counters"]["updates"], 36)
    assert result["counters"]["samples"] == full * 3600 + part * 100
    assert json.loads((tmp_path / "run" / "result.json").read_text())["status"] == "completed"
