"""The average of the weights: what it is, on every path, and that it is the net wherever a net is judged."""

import json
import os
import subprocess
import sys
from functools import partial

import pytest
import pytorch_lightning as pl
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

from litmus.training.averaged import Averaged
from litmus.training.averaging import ExponentialAverage, TailAverage, averaging_of
from litmus.trial.again import loaded
from litmus.trial.again import tested as measured_again
from litmus.trial.checkpoint import BestAndLast
from litmus.trial.finished import read_finished
from litmus.trial.history import read_history
from src.callbacks.batch_size import BatchSizeScheduler
from src.callbacks.grow_on_plateau import GrowOnPlateau
from src.models.mlp import MLP
from tests.conftest import ROOT
from tests.small_data import optimizer_of, quiet_trainer, seeded
from tests.strangers import OwnManualStep, OwnStep, small_blobs
from tests.test_resume import ActsOnBatches, PowerCut
from tests.test_validated import Loaders
from tests.test_validated import _scripted as scripted

EPOCHS, BATCHES = 5, 7
SMALL = ("model.units=[8]", "updates_per_epoch=5", "epochs=4")
RULES = {"ema": partial(ExponentialAverage, 0.2), "tail": partial(TailAverage, 0.5)}


class Stranger(pl.LightningModule):
    """A module of anybody's, with a batch norm and a buffer that it puts anew after every step."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 3))
        self.tied = self.net[3]
        self.register_buffer("seen", torch.zeros(2))
        self.register_buffer("scratch", torch.zeros(1), persistent=False)

    def forward(self, x):
        return self.net(x)

    def training_step(self, batch, batch_idx):
        self.seen = 0.9 * self.seen + batch[0].mean().detach()
        self.scratch = self.scratch + 1
        return cross_entropy(self(batch[0]), batch[1])

    def validation_step(self, batch, batch_idx):
        self.log("val/loss", cross_entropy(self(batch[0]), batch[1]))

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1, momentum=0.9)


class OtherLoaders(Loaders):
    """The same samples whenever they are asked for, in an order of the loader's."""

    def train_dataloader(self):
        generator = torch.Generator().manual_seed(3)
        x, y = torch.randn(50, 6, generator=generator), torch.arange(50) % 3
        return DataLoader(TensorDataset(x, y), 8, shuffle=True)

    def val_dataloader(self):
        return DataLoader(TensorDataset(torch.ones(10, 6), torch.arange(10) % 3), 10)


class Follows(pl.Callback):
    """Keeps the weights after every update."""

    def __init__(self):
        self.seen = []

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        if len(self.seen) < trainer.global_step:
            self.seen.append({name: value.clone() for name, value in pl_module.state_dict().items()})


def _mlp(**settings):
    return seeded(
        MLP, (6,), 3, units=(8,), dropout=0.2, norm="batch", optimizer=optimizer_of("Adam", lr=3e-2), **settings
    )


def _stranger():
    return seeded(Stranger)


def _fit(directory, rule, model=_mlp, callbacks=(), data=small_blobs, resume=False, **settings):
    kept = BestAndLast(str(directory), share=1)
    trainer = quiet_trainer(EPOCHS, [RULES[rule](), *callbacks, kept], **settings)
    start = str(directory / "last.ckpt") if resume else None
    module = model()
    try:
        trainer.fit(module, datamodule=data(), ckpt_path=start, weights_only=True if start else None)
    except InterruptedError:
        assert any(isinstance(callback, PowerCut) for callback in callbacks)
    return trainer, module


def _kept(directory, name="best"):
    return torch.load(directory / f"{name}.ckpt", weights_only=True)


def _same(first, second):
    assert first.keys() == second.keys()
    return all(torch.equal(value, second[name]) for name, value in first.items())


def _average_of(directory):
    states = _kept(directory, "last")["callbacks"]
    return next(state for state in states.values() if "average" in state)


# ---------------------------------------------------------------------- what it is


@pytest.mark.parametrize("make", [_mlp, _stranger])
def test_the_tail_is_the_mean_of_the_weights_after_each_of_the_last_updates(tmp_path, make):
    follows = Follows()
    _fit(tmp_path, "tail", make, [follows])
    kept, total = _kept(tmp_path)["state_dict"], EPOCHS * BATCHES
    last = follows.seen[total - round(total / 2) :]
    assert len(follows.seen) == total
    for name, value in kept.items():
        if value.is_floating_point():
            mean = torch.stack([state[name] for state in last]).double().mean(0)
            torch.testing.assert_close(value.double(), mean, rtol=1e-5, atol=1e-6)
        else:  # a count of batches is no mean of counts
            assert torch.equal(value, follows.seen[-1][name])
    assert not _same(kept, follows.seen[-1])


@pytest.mark.long
def test_the_exponential_average_reaches_back_its_share_of_the_run_after_its_warm_up(tmp_path):
    follows = Follows()
    trainer, module = _fit(tmp_path, "ema", _stranger, [follows], max_epochs=30)
    total, weight, expected = 30 * BATCHES, averaging_of(trainer).weight, None
    assert weight(1) == 1
    assert weight(total) == 1 / (0.2 * total)
    assert [weight(update) for update in (2, 10, 42)] == [1 / 2, 1 / 10, 1 / 42]
    for update, state in enumerate(follows.seen, start=1):
        now = state["net.0.weight"].double()
        expected = now if expected is None else expected + weight(update) * (now - expected)
    torch.testing.assert_close(module.net[0].weight.detach().double(), expected, rtol=1e-5, atol=1e-6)


def test_coarse_weights_are_averaged_in_float32_and_buffers_may_grow():
    module = nn.Linear(3, 2, dtype=torch.bfloat16)
    module.register_buffer("queue", torch.zeros(1))
    averaged = Averaged(module)
    module.requires_grad_(False).weight.fill_(1.0)
    averaged.add(1.0)
    module.weight.fill_(2.0)
    module.queue = torch.ones(2)
    for _ in range(10):
        averaged.add(0.001)  # each step alone is lost in bfloat16
    assert 1.009 < float(averaged.state()["weight"][0, 0]) < 1.011
    averaged.show()
    assert float(module.weight[0, 0]) == pytest.approx(1.01, abs=0.01)
    assert torch.equal(module.queue, torch.ones(2))
    averaged.hide()
    assert float(module.weight[0, 0]) == 2.0


# ---------------------------------------------------------------------- paths, and going on


@pytest.mark.briefly(1)
@pytest.mark.parametrize("rule", RULES)
def test_both_paths_give_the_same_bits(tmp_path, rule):
    fast, _ = _fit(tmp_path / "fast", rule)
    single, _ = _fit(tmp_path / "single", rule, callbacks=[ActsOnBatches()])
    assert fast.lightning_module.single_step_reason is None
    assert single.lightning_module.single_step_reason is not None
    for name in ("best", "last"):
        first, second = (_kept(tmp_path / path, name)["state_dict"] for path in ("fast", "single"))
        assert _same(first, second)
    first, second = (_average_of(tmp_path / path) for path in ("fast", "single"))
    assert first["updates"] == second["updates"] == EPOCHS * BATCHES
    assert _same(first["average"], second["average"])


COURSES = {
    "fast": {},
    "single steps": {"callbacks": [ActsOnBatches]},
    "accumulated": {"accumulate_grad_batches": 3},
    "growing": {"callbacks": [partial(BatchSizeScheduler, "doubling", every=2)]},
    "growing, split": {"callbacks": [partial(BatchSizeScheduler, "doubling", every=2, max_per_device=15)]},
    "validated every second epoch": {"check_val_every_n_epoch": EPOCHS},
    "foreign": {"model": _stranger},
    "foreign data": {"model": _stranger, "data": OtherLoaders},
    "a step of one's own": {"model": partial(seeded, OwnStep, (6,), 3, units=(4,))},
}


@pytest.mark.briefly("growing-tail")
@pytest.mark.filterwarnings("ignore:batch norm sees the parts")
@pytest.mark.parametrize(
    ("course", "rule"), [(course, list(RULES)[number % 2]) for number, course in enumerate(COURSES)]
)
def test_a_run_that_was_cut_and_gone_on_with_is_the_whole_run(tmp_path, rule, course):
    settings = dict(COURSES[course])
    makers = settings.pop("callbacks", [])
    torch.manual_seed(5)
    _fit(tmp_path / "whole", rule, callbacks=[make() for make in makers], **settings)
    for cut in (1, EPOCHS - 1):
        place = tmp_path / f"cut {cut}"
        torch.manual_seed(5)
        _fit(place, rule, callbacks=[*(make() for make in makers), PowerCut(cut)], **settings)
        torch.manual_seed(7)
        _fit(place, rule, callbacks=[make() for make in makers], resume=True, **settings)
        for name in ("best", "last"):
            assert _same(_kept(tmp_path / "whole", name)["state_dict"], _kept(place, name)["state_dict"])
        assert _same(_average_of(tmp_path / "whole")["average"], _average_of(place)["average"])
    assert not _same(*(_kept(tmp_path / "whole", name)["state_dict"] for name in ("best", "last")))


def test_training_goes_on_from_the_weights_and_not_from_their_average(tmp_path):
    trainer = quiet_trainer(EPOCHS, [BestAndLast(str(tmp_path / "plain"), share=1)])
    trainer.fit(_mlp(), datamodule=small_blobs())
    _fit(tmp_path / "averaged", "ema")
    assert _same(*(_kept(tmp_path / run, "last")["state_dict"] for run in ("plain", "averaged")))


def test_whoever_tests_without_a_checkpoint_tests_the_average(tmp_path):
    _, module = _fit(tmp_path, "tail")
    assert _same(dict(module.state_dict()), _kept(tmp_path)["state_dict"])


# ---------------------------------------------------------------------- what is chosen


@pytest.mark.briefly("average=tail")
@pytest.mark.parametrize("typed", ["average=ema average.share=0.3", "average=tail"])
def test_the_average_is_validated_chosen_kept_tested_and_evaluated(trial, tmp_path, capsys, typed):
    import evaluate

    raw = trial(*SMALL, "model.norm=batch", directory=tmp_path / "raw")
    result = trial(*SMALL, "model.norm=batch", *typed.split())
    assert result["metrics"]["test/loss"] != raw["metrics"]["test/loss"]
    assert result["config_hash"] != raw["config_hash"]
    assert result["average"]["planned_updates"] == result["average"]["updates"] == 20
    rows = read_history(tmp_path / "run" / "metrics.csv")
    assert rows[result["best_epoch"]]["val/loss"] == result["metrics"]["val/loss"]
    evaluate.evaluate(tmp_path / "run")
    assert "the same as in result.json, to the last bit" in capsys.readouterr().out


@pytest.mark.parametrize(("rule", "epoch"), [("tail", 4), ("ema", 1)])
def test_the_tail_is_judged_at_the_end_though_an_earlier_epoch_validated_better(tmp_path, rule, epoch):
    losses = [1.0, 0.5, 0.7, 0.9, 0.8]
    trainer, _ = _fit(tmp_path, rule, partial(scripted, losses))
    kept = next(callback for callback in trainer.callbacks if isinstance(callback, BestAndLast))
    assert (kept.best_epoch, kept.best_score) == (epoch, losses[epoch])
    assert _kept(tmp_path)["global_step"] == (epoch + 1) * BATCHES


@pytest.mark.long
def test_null_is_as_if_nothing_had_been_typed(compose):
    from litmus.sweeps.composition import hash_of

    place = ("hydra.runtime.output_dir=here", "hydra.mode=RUN")
    assert hash_of(compose("average=null", *place)) == hash_of(compose(*place))
    assert hash_of(compose("experiment=mnist1d_cnn", "average=null", *place)) != hash_of(compose(*place))
    assert hash_of(compose("average=ema", *place)) != hash_of(compose(*place))


REFUSED = {
    "average=ema batching=on_plateau": "average=ema needs to know how many updates the run will have, which nobody can",
    "average=tail batching=noise_scale": "average=tail needs to know how many updates the run will have",
    "average=tail callbacks=[default,early_stopping]": "and EarlyStopping may end the run before them",
    "average=tail +trainer.max_time={hours:1}": "and Timer may end the run before them",
    "average=tail +trainer.max_steps=7": "trainer.max_steps ends within an epoch",
    "average=tail trainer.check_val_every_n_epoch=3": "is judged at the run's end, where no validation would be",
    "average=tail +trainer.val_check_interval=0.4": "where no validation would be with trainer.val_check_interval=0.4",
    "average=ema callbacks.checkpoint.monitor=train/loss": "is measured on the weights that are trained",
    "average=ema trainer.limit_val_batches=0": "no epoch would be validated: trainer.limit_val_batches=0",
    "average=ema average.share=0": "average.share must be above 0 and at most 1",
    "average=tail average.share=1.5": "average.share must be above 0 and at most 1",
    "average=ema average.share=much": "average.share must be a number, got much",
    "average=ema +callbacks.mine={_target_:pytorch_lightning.callbacks.EMAWeightAveraging}": "one average of the",
    "average=ema model._target_=tests.strangers.OwnManualStep": "where OwnManualStep steps its optimizers by itself",
}


@pytest.mark.briefly(1)
@pytest.mark.parametrize("typed", REFUSED)
def test_what_could_not_be_kept_is_refused_in_a_sentence_before_training(refused, tmp_path, typed):
    assert REFUSED[typed] in refused(*SMALL, *typed.split())
    assert not (tmp_path / "run" / "metrics.csv").exists()


def test_data_without_a_length_and_sizes_that_are_decided_later_are_refused(tmp_path):
    for callbacks, data, model in (
        ([], partial(Loaders, stream=True), _stranger),
        ([GrowOnPlateau(stop=80)], small_blobs, _mlp),
        ([], small_blobs, partial(seeded, OwnManualStep, (6,), 3, units=(4,))),
    ):
        with pytest.raises(ValueError, match="needs to know how many updates the run will have, which nobody can"):
            _fit(tmp_path, "ema", model, callbacks, data)


def test_a_tail_that_something_cut_off_is_no_result(tmp_path):
    class Ends(pl.Callback):
        def on_train_epoch_end(self, trainer, pl_module):
            trainer.should_stop = trainer.current_epoch == 2

    with pytest.raises(ValueError, match=r"last 18 of 35 planned updates, and the run ended after 21"):
        _fit(tmp_path, "tail", callbacks=[Ends()])


@pytest.mark.long
def test_another_length_is_another_average(refused, trial, tmp_path):
    trial(*SMALL, "average=ema")
    said = refused(*SMALL, "average=ema", "epochs=6", f"resume={tmp_path / 'run'}")
    assert (
        "the average of the weights is planned over the whole run: with epochs=6 instead of 4, it would be over 30"
        in said
    )


@pytest.mark.xdist_group("processes")
@pytest.mark.long
def test_two_processes_keep_one_average(tmp_path, forks):
    def train(name, *overrides):
        words = ["train.py", "epochs=3", "model.units=[16]", "threads=1", "model.norm=batch", "average=ema"]
        words += ["updates_per_epoch=6", *overrides, f"hydra.run.dir={tmp_path / name}"]
        environment = os.environ | {"PYTHONWARNINGS": "ignore", "OMP_NUM_THREADS": "1"}
        if "trainer=ddp" in overrides:
            command = [sys.executable, *words]
            done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240)
        else:
            done = forks.run(words, ROOT, environment)
        assert done.returncode == 0, done.stderr
        return json.loads((tmp_path / name / "result.json").read_text())

    ddp = ("trainer=ddp", "trainer.accelerator=cpu")
    plain = ("model.norm=none", "model.dropout=0.0", "optimizer=sgd", "lr=0.1")  # each process draws its own masks
    one, two = train("one", *plain), train("two", *plain, *ddp)
    for name, value in one["metrics"].items():
        assert two["metrics"][name] == pytest.approx(value, rel=1e-4, abs=2e-3), name
    # Each process has a batch norm's statistics of its own: what is judged is the average of the first's.
    normed = train("normed", "average.share=0.5", *ddp)
    finished = read_finished(tmp_path / "normed")
    again = measured_again(loaded(tmp_path / "normed", finished)[0], finished)[0]
    for name in ("test/loss", "test/acc"):
        assert normed["metrics"][name] == pytest.approx(again[name], rel=1e-6), name
