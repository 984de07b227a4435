"""What trials compute together is what each computes alone, to the bit, or is not used."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from functools import partial

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from omegaconf import OmegaConf
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, ReduceLROnPlateau

import litmus.sweeps.launching
from litmus.sweeps import packs
from litmus.sweeps.packs import Packing, common_of, gathered, kin_of
from litmus.training import packed
from litmus.training.averaging import ExponentialAverage
from litmus.training.pack import Pack
from litmus.training.schedule import Schedule
from litmus.trial.history import History, read_history
from src.models.mlp import MLP
from tests.small_data import Blobs, optimizer_of, quiet_trainer, seeded
from tests.sweep_helpers import QUESTION, command, environment, results, sweep, write_study
from tests.test_by_hand import assert_bits, end

pytest.importorskip("greenlet")
COSINE = partial(Schedule, scheduler=partial(CosineAnnealingLR, T_max="total"), interval="update", warmup=1)
PLATEAU = partial(Schedule, scheduler=partial(ReduceLROnPlateau, factor=0.5, patience=0))
ADAM = partial(optimizer_of, "Adam", fused=True)
PACKED, ALONE = "by hand, in packs", "by hand"


class Draws(pl.Callback):
    """Keeps what the global generators give at each epoch's end."""

    def __init__(self):
        self.drawn = []

    def on_train_epoch_end(self, trainer, pl_module):
        self.drawn.append((random.random(), np.random.random(), float(torch.rand(()))))


def fitted(member, make=MLP, optimizer=ADAM, epochs=3, schedule=None, callbacks=(), fast=True, **data):
    """One of several fits that differ in seed, order, rate and, where they have it, decay and dropout."""
    pl.seed_everything(member, verbose=False)
    classes = data.pop("classes", 3)
    net = {"dropout": 0.1 * (member + 1)} if data.pop("drops", False) else {}
    own = {"lr": 0.01 * (member + 1)} if data.pop("rates", True) else {"lr": 0.01}
    model = seeded(make, (16,), classes, optimizer=optimizer(**own), scheduler=schedule, seed=member, **net)
    model.fast = fast
    trainer = quiet_trainer(epochs=epochs, callbacks=[Draws(), *(one() for one in callbacks)])
    rows = {"rows": 190, "batch_size": 16, "seed": member, **data}
    trainer.fit(model, datamodule=Blobs(shape=(16,), classes=classes, **rows))
    return model, trainer


def drawn(trainer):
    return next(one for one in trainer.callbacks if isinstance(one, Draws)).drawn


def law(path, *members, **more):
    """Fits of a pack are what they are alone; which way each took."""
    alone = [fitted(member, **more) for member in members]
    packed = Pack().run([partial(fitted, member, **more) for member in members])
    for one, other in zip(alone, packed, strict=True):
        assert_bits(end(*one), end(*other))
        assert drawn(one[1]) == drawn(other[1])
    assert [model.path for model, _ in packed] == [path] * len(members)


@pytest.mark.briefly("layer norm", "many classes")
@pytest.mark.parametrize(
    "more",
    [
        {"schedule": COSINE},
        {
            "make": partial(MLP, units=(8, 32), norm="batch"),
            "optimizer": partial(ADAM, weight_decay=0.1),
            "drops": True,
        },
        {"make": partial(MLP, units=(24,), activation="tanh"), "optimizer": partial(optimizer_of, "SGD", fused=True)},
        {
            "make": partial(MLP, units=(16, 16), norm="layer", activation="gelu", dropout=0.5),
            "optimizer": partial(optimizer_of, "SGD", fused=True, momentum=0.9, nesterov=True),
            "schedule": PLATEAU,
            "rates": False,
        },
        {"optimizer": partial(optimizer_of, "RMSprop", foreach=True, momentum=0.9), "classes": 2, "batch_size": 32},
        {"make": partial(MLP, units=(5, 40), activation="silu"), "updates_per_epoch": 11, "batch_size": 48},
        # A softmax of more classes than a register holds rounds otherwise by columns.
        {"classes": 20, "schedule": COSINE},
    ],
    ids=["cosine", "batch norm", "plain sgd", "layer norm", "two classes", "other widths", "many classes"],
)
def test_a_pack_is_its_trials_alone_to_the_bit(more):
    law(PACKED, 0, 1, 2, **more)


class Twice(nn.Linear):
    """Nobody's class but mine."""

    def forward(self, x):
        return super().forward(x) * 2


class Mine(MLP):
    """Something that no pack knows."""

    def __init__(self, *arguments, **keywords):
        super().__init__(*arguments, **keywords)
        self.net[1] = Twice(16, 256)


class Hooked(MLP):
    """A hook on a layer."""

    def __init__(self, *arguments, **keywords):
        super().__init__(*arguments, **keywords)
        self.net[1].register_forward_hook(lambda layer, x, y: y * 2)


class EveryBatch(pl.Callback):
    """Looks at every batch."""

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        torch.rand(())


@pytest.mark.briefly("own step")
@pytest.mark.parametrize(
    ("path", "more"),
    [
        ("stretches", {"make": Mine}),
        ("stretches", {"make": Hooked}),
        ("steps", {"callbacks": [EveryBatch]}),
        ("steps", {"fast": False}),
        (ALONE, {"callbacks": [ExponentialAverage]}),
        # A stack of these would begin no net on a multiple of 64 bytes; MKL rounds otherwise then.
        (ALONE, {"make": partial(MLP, units=(10, 10)), "batch_size": 5}),
        (ALONE, {"optimizer": partial(optimizer_of, "Adagrad")}),
    ],
    ids=["own step", "own hook", "watched batches", "slow", "averaged", "misaligned", "other optimizer"],
)
def test_what_no_pack_can_serve_runs_alone(path, more):
    law(path, 0, 1, epochs=2, **more)


def test_a_stack_that_gives_other_bits_is_not_used(monkeypatch):
    true = packed.Stack.update

    def wrong(stack, place):
        true(stack, place)
        with torch.no_grad():
            stack.stretches[1].parameters[0][0, 0] += 1e-6

    monkeypatch.setattr(packed.Stack, "update", wrong)
    law(ALONE, 0, 1, epochs=2, drops=True)


@pytest.mark.briefly("names1-by hand")
@pytest.mark.parametrize(("names", "path"), [(["baddbmm"], PACKED), (["baddbmm", "bmm"], ALONE)])
def test_a_product_that_rounds_otherwise_is_not_stacked(monkeypatch, names, path):
    for name in names:
        true = getattr(torch, name)
        monkeypatch.setattr(torch, name, lambda *given, true=true, **more: true(*given, **more).add_(1e-7))
    law(path, 0, 1, epochs=2)


def test_one_that_diverges_leaves_and_the_others_go_on():
    def diverging(member):
        return fitted(member, optimizer=lambda lr: ADAM(lr=1e30 if member == 1 else lr), classes=2, epochs=4)

    alone = [fitted(member, classes=2, epochs=4) for member in (0, 2)]
    first, second, third = Pack().run([partial(diverging, member) for member in range(3)])
    with pytest.raises(FloatingPointError) as problem:
        diverging(1)
    assert type(second) is FloatingPointError
    assert str(second) == str(problem.value)
    for one, other in zip(alone, (first, third), strict=True):
        assert_bits(end(*one), end(*other))
    assert third[0].path == PACKED


class Interrupts(pl.Callback):
    """Ctrl+C in the second epoch."""

    def on_train_epoch_start(self, trainer, pl_module):
        if trainer.current_epoch == 1:
            raise KeyboardInterrupt


def test_an_interruption_reaches_all_that_have_begun():
    told, before = [], signal.getsignal(signal.SIGTERM)

    def member(number):
        try:
            fitted(number, callbacks=[Interrupts] if number == 1 else [])
        except SystemExit as left:  # Lightning's answer to Ctrl+C
            told.append(number)
            raise KeyboardInterrupt from left

    with pytest.raises(KeyboardInterrupt):
        Pack(may_begin=lambda: not told).run([partial(member, number) for number in range(3)])
    assert sorted(told) == [0, 1, 2]
    assert signal.getsignal(signal.SIGTERM) is before


def test_what_an_interrupted_import_left_is_not_said_in_place_of_the_interruption(monkeypatch):
    """Of half a library nothing can be imported."""

    def interrupted(config):
        raise KeyboardInterrupt

    monkeypatch.setattr(packs.HydraConfig, "get", lambda: OmegaConf.create({"sweep": {"subdir": "one"}}))
    monkeypatch.setitem(sys.modules, "litmus.trial.memory", None)
    with pytest.raises(KeyboardInterrupt):
        Packing(None, interrupted, None)({})


# A library's import that is told to stop, as by a scheduler, in the middle.
TOLD_TO_STOP = """
import os, signal, sys

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "{module}" and self in sys.meta_path:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), signal.SIGTERM)

sys.meta_path.insert(0, Finder())
"""


@pytest.mark.long
@pytest.mark.parametrize("module", ["torch.nn", "torch._dynamo", "lightning_fabric.strategies"])
def test_a_study_that_is_told_to_stop_while_a_library_is_imported_records_no_failure(tmp_path, module):
    (tmp_path / "path").mkdir()
    (tmp_path / "path" / "sitecustomize.py").write_text(TOLD_TO_STOP.format(module=module))
    write_study(tmp_path)
    done = subprocess.run(
        command(tmp_path, "study=tiny"), cwd=tmp_path, capture_output=True, text=True, timeout=300,
        env=environment() | {"PYTHONPATH": str(tmp_path / "path")},
    )  # fmt: skip
    assert done.returncode == 130, done.stdout + done.stderr
    assert done.stderr.splitlines()[-1] == "interrupted; the same command goes on where studies/tiny was cut"
    assert all(result["status"] == "interrupted" for result in results(tmp_path / "studies" / "tiny").values())


@pytest.mark.long
def test_seconds_of_a_pack_are_shared(tmp_path):
    def member(number):
        fitted(number, callbacks=[partial(History, str(tmp_path / f"{number}.csv"))], epochs=6)
        return read_history(tmp_path / f"{number}.csv")[-1]["seconds"]

    member(9)
    started = time.perf_counter()
    own = Pack().run([partial(member, number) for number in range(4)])
    assert sum(own) < time.perf_counter() - started
    assert max(own) < 3 * min(own)


def test_trials_are_gathered_by_what_they_have_in_common(compose):
    def kin(*typed, values=None, extra=()):
        return kin_of(common_of(compose(*typed)), values or {}, extra)

    usual = kin()
    assert usual == kin("lr=0.1", "seed=7") == kin(values={"lr": 0.5, "optimizer.weight_decay": 0.1})
    assert len({usual, kin("batch_size=64"), kin("dropout=0.0"), kin(values={"batch_size": 64})}) == 4
    assert kin("dropout=0.1") == kin("dropout=0.5") != kin("dropout=0.1", values={"dropout": 0.0})
    assert kin("fast=false") is kin("average=ema") is kin("logger=tensorboard") is kin("+trainer.max_time=9") is None
    assert kin(extra=["callbacks.pruning=…"]) is None
    # Nets of which no pack can serve any would only wait for each other.
    assert kin("model=cnn") is kin("model=net", "model.net._target_=torch.nn.Flatten") is None
    assert kin("model._target_=tests.test_packs.Mine") is not None
    assert gathered(["a", "b", "a", None, "a", None, "b"], 2) == [[0, 2], [1, 6], [3], [4], [5]]
    assert gathered(["a", "a"], 1) == [[0], [1]]


@pytest.mark.parametrize("samples", [1, 5, 16, 17, 32, 48, 257, 600])
def test_losses_are_added_in_the_order_of_torch(samples):
    logarithms = torch.randn(50, samples, generator=torch.Generator().manual_seed(samples)) - 2
    none = torch.zeros(samples, dtype=torch.long)
    expected = torch.stack([nn.functional.nll_loss(row.unsqueeze(1), none) for row in logarithms])
    assert_bits(expected, packed.means_in_order(logarithms))


STUDY = {"epochs": 2, "model": {"units": [16]}, "data": {"rows": 200}, "updates_per_epoch": 12}


def said(result):
    """A result without what two runs of the same trial have of their own."""
    counters = {name: value for name, value in result["counters"].items() if name not in ("seconds", "path")}
    return {**result, "counters": counters, "load": None, "weights": None, "timestamp": None}


@pytest.mark.long
def test_a_study_in_packs_is_the_study(tmp_path, monkeypatch):
    study = {**QUESTION, "factors": {"optimizer.weight_decay": [0.0, 0.1]}, "predictions": {}}
    study["predictions"] = {
        "none": {"kind": "compare", "better": {"optimizer.weight_decay": 0.0}, "than": {"optimizer.weight_decay": 0.1}}
    }
    read = []
    true = packs.settings_of
    monkeypatch.setattr(packs, "settings_of", lambda config: read.append(config) or true(config))
    for name, most in (("packed", 4), ("alone", 1)):
        write_study(tmp_path / name, study=study, **STUDY)
        monkeypatch.setattr(litmus.sweeps.launching, "MOST", most)
        sweep(tmp_path / name, "study=tiny", "study.judge=false")
    assert len(read) == 4  # once for an arm and sweep, not for every trial: thousands of these would wait a minute
    packed, alone = (results(tmp_path / name) for name in ("packed", "alone"))
    assert packed.keys() == alone.keys()
    for place in packed:
        assert said(packed[place]) == said(alone[place])
        paths = [tmp_path / name / place / "metrics.csv" for name in ("packed", "alone")]
        rows = [[{**row, "seconds": 0} for row in read_history(path)] for path in paths]
        assert rows[0] == rows[1]
    assert {one["counters"]["path"] for one in packed.values()} == {PACKED}
    assert {one["counters"]["path"] for one in alone.values()} == {ALONE}
    places = [tmp_path / name for name in ("packed", "alone")]
    assert len({frozenset(path.relative_to(place) for path in place.rglob("*")) for place in places}) == 1


@pytest.mark.long
def test_a_study_that_is_killed_within_a_pack_goes_on_to_the_same_bits(tmp_path):
    long = {**STUDY, "epochs": 150, "callbacks": {"checkpoint": {"share": 1}}}
    for name in ("cut", "whole"):
        write_study(tmp_path / name, **long)
    asked = ("study=tiny", "study.judge=false", "hydra.sweep.dir=done")
    child = subprocess.Popen(command(tmp_path / "cut", *asked), cwd=tmp_path / "cut", env=environment())
    try:
        until = time.monotonic() + 120
        while not list((tmp_path / "cut").rglob("last.ckpt")) and time.monotonic() < until:
            time.sleep(0.05)
    finally:
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
    begun = list((tmp_path / "cut").rglob("trial.json"))
    assert begun
    assert any("metrics" not in json.loads(path.read_text()) for path in begun)
    for name in ("cut", "whole"):
        sweep(tmp_path / name, *asked)
    cut, whole = (results(tmp_path / name / "done") for name in ("cut", "whole"))
    assert {place: said(one) for place, one in cut.items()} == {place: said(one) for place, one in whole.items()}
