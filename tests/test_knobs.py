"""Values that cannot be are refused by name, value and what was expected; nothing that a constructor takes is."""

import importlib
import inspect
import json
import sys

import pytest
import pytorch_lightning as pl
import torch
from omegaconf import OmegaConf
from torch.optim.lr_scheduler import LRScheduler

from litmus.training.stand_in import TOTAL
from litmus.trial.kinds import admits
from litmus.trial.knobs import check_knobs, check_part
from litmus.trial.making import make
from litmus.trial.signatures import MISSING, _source, _spec, signature_of
from tests.sweep_helpers import sweep

# Each of them, given to each knob below it, is refused: with the knob's name and the value in the sentence.
REFUSED = {
    ("true", "abc", "1.5", "[]", "[1]", "{a: 1}", "''", "-1", "0"): ("batch_size", "epochs", "updates_per_epoch"),
    ("true", "abc", "1e400", "[1]", "null"): ("lr", "dropout", "optimizer.eps", "optimizer.weight_decay"),
    ("abc", "1.5", "2", "null", "[]"): ("trainer.detect_anomaly", "optimizer.amsgrad"),
    ("true", "1.5", "abc", "[1]"): ("data.eval_batch_size", "trainer.accumulate_grad_batches", "seed", "threads"),
    ("1", "true", "[a]", "{a: 1}", "''"): ("callbacks.checkpoint.monitor", "model.initialization", "data.data_dir"),
    ("3", "abc", "[1, 2, 3]", "[a, b]", "[0.9, true]", "[0.9, 1.5]"): ("optimizer.betas",),
    ("true", "2.5", "[16, true]", "[16, 1.5]", "abc", "null"): ("model.units",),
}
ACCEPTED = {
    "batch_size": ("all", "7"),
    "model.units": ("64", "[]", "[8,8]"),
    "optimizer.weight_decay": ("0", "1", "1e-4"),
    "optimizer.fused": ("null", "true"),
    "trainer.devices": ("1", "auto", "[0]"),
    "trainer.deterministic": ("warn", "true", "null"),
    "trainer.gradient_clip_val": ("1", "0.5", "null"),
    "precision": ("32", "bf16-mixed", "null"),
    "updates_per_epoch": ("null",),
}


STOPPING = "callbacks=[default,early_stopping]"


def _composed(compose, *overrides):
    return compose(*overrides, "hydra.mode=RUN", "hydra.runtime.output_dir=nowhere")


@pytest.mark.briefly(*range(0, 18, 3))
@pytest.mark.parametrize("knob", [knob for knobs in REFUSED.values() for knob in knobs])
def test_a_value_of_another_kind_is_refused_by_name(compose, knob):
    config = _composed(compose, "+optimizer.amsgrad=false")
    for value in next(values for values, knobs in REFUSED.items() if knob in knobs):
        wrong = config.copy()
        OmegaConf.update(wrong, knob, OmegaConf.create(f"x: {value}").x, merge=False)
        with pytest.raises(ValueError, match="must be") as refused:
            check_knobs(wrong)
        assert str(refused.value).startswith(f"{knob} must be "), value
        assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize("knob", ACCEPTED)
def test_what_a_constructor_takes_is_not_refused(compose, knob):
    config = _composed(compose)
    for value in ACCEPTED[knob]:
        OmegaConf.update(config, knob, OmegaConf.create(f"x: {value}").x, merge=False)
        check_knobs(config)


@pytest.mark.briefly(*range(0, 10, 3))
@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["scheduler=step", "scheduler.scheduler.step_size=0"], "step_size must be a whole number from 1 on, got 0"),
        (["scheduler=exponential", "scheduler.scheduler.gamma=-1"], "gamma must be a number above 0, got -1"),
        (["scheduler=cosine", "scheduler.scheduler.T_max=soon"], "scheduler.scheduler.T_max must be a whole number"),
        (["callbacks=[early_stopping]", "callbacks.early_stopping.patience=x"], "patience must be a whole number from"),
        (
            ["epochs=2", "+trainer.min_epochs=3"],
            "trainer.min_epochs must be at most trainer.max_epochs, which is 2",
        ),
        (
            ["+trainer.max_steps=7", "+trainer.min_steps=8"],
            "trainer.min_steps must be at most trainer.max_steps, which is 7 here, got 8",
        ),
        (["+trainer.gradient_clip_algorithm=value"], "no gradient is clipped; type trainer.gradient_clip_val too"),
        (["+trainer.limit_predict_batches=1"], "trainer.limit_predict_batches would have no effect"),
        (["+trainer.logger=false"], "trainer.logger would have no effect: a run has those of the group logger, chosen"),
        (["+trainer.callbacks=[]"], "trainer.callbacks would have no effect"),
        (["trainer.limit_train_batches=0"], "trainer.limit_train_batches must be a number above 0 or null, got 0"),
        (["batching=geometric", "batching.reverse=2"], "batching.reverse must be true or false, got 2"),
        (["data=social_network_ads", "data.verify=abc"], "data.verify must be true or false, got abc"),
        (["scheduler.scheduler=plateau"], "scheduler.scheduler must be a mapping with a _target_ or null, got plateau"),
        (["+optimizer.betaz=[0.9,0.9]"], "no knob optimizer.betaz: torch.optim.Adam does not take it; did you mean"),
        (["logger=[wandb]", "+logger.wandb.projct=mine"], "did you mean logger.wandb.project?"),
    ],
)
def test_the_sentence_says_what_was_expected(compose, overrides, said):
    with pytest.raises(ValueError, match=r"knob|must be|no effect") as refused:
        check_knobs(_composed(compose, *overrides))
    assert said in str(refused.value)


@pytest.mark.briefly(3, 7)
@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["trainer.accelerator=abacus"], "trainer.accelerator=abacus"),
        (["trainer.devices=0", "trainer.accelerator=cpu"], "trainer.devices=0"),
        (["trainer.strategy=nonsense"], "trainer.strategy=nonsense"),
        (
            ["callbacks.checkpoint.monitor=val/los"],
            "whether more val/los is better is unknown (did you mean val/loss?)",
        ),
        (
            [STOPPING, "callbacks.early_stopping.monitor=x"],
            "whether more x is better is unknown: say callbacks.early_stopping.mode=min or",
        ),
        (
            [STOPPING, "callbacks.early_stopping.mode=up"],
            "callbacks.early_stopping.mode=up",
        ),
        (["optimizer=sgd", "optimizer.nesterov=true"], "optimizer.nesterov=true is not what torch.optim.SGD takes"),
        (["model._target_=src.models.mlp.MPL"], "src.models.mlp.MPL"),
        (["scheduler=plateau", "scheduler.scheduler.factor=3"], "scheduler.scheduler.factor=3 is not what torch."),
    ],
)
def test_what_another_library_refuses_is_told_by_knob_and_value_before_the_first_update(
    refused, tmp_path, overrides, said
):
    assert said in refused("model.units=[4]", *overrides)
    assert not (tmp_path / "run" / "metrics.csv").exists()


# ---------------------------------------------------------------------- laws, on constructors that nobody listed

LAYERS = ("Linear", "Conv2d", "LSTM", "Transformer", "BatchNorm2d", "Dropout", "Embedding", "GELU")


def _classes(module, kind):
    return [name for name, one in vars(module).items() if isinstance(one, type) and issubclass(one, kind)]


TARGETS = [
    *(f"torch.optim.{name}" for name in _classes(torch.optim, torch.optim.Optimizer) if name != "Optimizer"),
    *(f"torch.optim.lr_scheduler.{name}" for name in _classes(torch.optim.lr_scheduler, LRScheduler)),
    *(f"pytorch_lightning.callbacks.{name}" for name in _classes(pl.callbacks, pl.Callback)),
    *(f"torch.nn.{name}" for name in LAYERS),
    "pytorch_lightning.Trainer",
]


@pytest.mark.parametrize("target", TARGETS)
def test_a_constructor_is_read_as_python_has_it(target):
    """Names and defaults are those of `inspect`, and every default is of the kind that is taken."""
    module, _, name = target.rpartition(".")
    real = inspect.signature(getattr(importlib.import_module(module), name)).parameters.values()
    read = signature_of(target)
    named = {one.name: one for one in real if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)}
    passes_on = any(one.kind is one.VAR_KEYWORD for one in real)
    assert read.open or passes_on or set(named) == set(read.parameters)
    assert set(named) <= set(read.parameters) or not read.parameters
    for name, one in named.items() if read.parameters else ():
        known = read.parameters[name].default
        assert known is MISSING or known == one.default, name
        assert known is MISSING or admits(read.parameters[name].kind, known), name


STRANGER = """
from __future__ import annotations
from collections.abc import Sequence
from pathlib import Path
from typing import Optional, Union
import sizes
from sizes import Size, Width as Wide

class Base:
    def __init__(self, depth: int = 2, *, path: Path | None = None, **more):
        self.depth, self.more = depth, more

class Net(Base):
    def __init__(self, width: Wide = 3, size: Size | None = None, rate=0.1, flag=False, names: Sequence[str] = (),
                 kernel: sizes.Kernel = "box", level: Optional[sizes.Level] = None, **rest):
        super().__init__(**rest)
        if rate == 0.5:
            raise RuntimeError("rates of a half are not implemented")
        if flag:
            raise TypeError("no flags")
        if width == 99:
            raise ValueError(f"a width of {width} is too wide")
"""
SIZES = """
from enum import StrEnum
from typing import Literal
Width = Size = int | tuple[int, int]
Kernel = Literal["box", "gauss"]
class Level(StrEnum):
    LOW = "low"
"""


@pytest.fixture
def stranger(tmp_path, monkeypatch):
    """Checks the arguments of somebody's class that is found on the path; `module` is where it is."""
    (tmp_path / "their_net.py").write_text(STRANGER)
    (tmp_path / "sizes.py").write_text(SIZES)
    monkeypatch.syspath_prepend(tmp_path)
    for cached in (signature_of, _source, _spec):
        cached.cache_clear()
    yield lambda **given: OmegaConf.create({"model": {"_target_": "their_net.Net", **given}}).model
    for name in ("their_net", "sizes"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    "given",
    [
        {"width": 4},
        {"width": [4, 4]},
        {"size": None},
        {"size": [1, 2]},
        {"rate": 1},
        {"names": ["a"]},
        {"kernel": "gauss"},
        {"level": "low"},
        {"depth": 3, "path": "somewhere"},
        {"anything": "else"},
    ],
)
def test_a_strangers_class_is_given_what_it_takes(stranger, given):
    check_part(stranger(**given))
    assert make(stranger(**given)).depth == given.get("depth", 2)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"width": "wide"},
            "model.width must be a whole number or a list of 2 (a whole number, a whole number), got wide",
        ),
        (
            {"size": [1, 2, 3]},
            "model.size must be a whole number, a list of 2 (a whole number, a whole number) or null",
        ),
        ({"size": True}, "model.size must be"),
        ({"rate": "fast"}, "model.rate must be a number, as its default 0.1 is, got fast"),
        ({"flag": 1}, "model.flag must be true or false, as its default false is, got 1"),
        ({"names": "abc"}, "model.names must be a list of texts, got abc"),
        ({"kernel": "round"}, "model.kernel must be one of box, gauss, got round"),
        ({"depth": 1.5}, "model.depth must be a whole number, got 1.5"),
        (
            {"rate": 0.5},
            "model.rate=0.5 is not what their_net.Net takes (a number such as its default 0.1): rates of a",
        ),
        ({"flag": True}, "model.flag=true is not what their_net.Net takes"),
        ({"width": 99, "rate": 0.2}, "model.width=99 is not what their_net.Net takes"),
    ],
)
def test_a_strangers_class_refuses_by_knob_and_value(stranger, given, said):
    with pytest.raises(ValueError, match="model") as refused:
        make(stranger(**given))
    assert str(refused.value).startswith(said)


def test_a_mistake_in_the_code_stays_what_it_is(tmp_path, monkeypatch):
    (tmp_path / "their_bug.py").write_text(
        "class Net:\n    def __init__(self, width: int = 3):\n        self.nothing.x\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(AttributeError, match="nothing"):
        make(OmegaConf.create({"_target_": "their_bug.Net", "width": 4}))


@pytest.mark.long
def test_the_word_for_a_number_of_the_programs_own_is_no_mistake(compose):
    config = _composed(compose, "scheduler=cosine")
    assert config.scheduler.scheduler.T_max == TOTAL
    check_knobs(config)


def test_a_sweep_keeps_a_row_for_what_it_refused(tmp_path):
    wrong = "norm=bacth"
    with pytest.raises(ValueError, match="1 of 1 jobs failed"):
        sweep(tmp_path, wrong, "seed=0", f"hydra.sweep.dir={tmp_path}")
    result = json.loads((tmp_path / "0" / "result.json").read_text())
    assert result["status"] == "failed"
    assert wrong.partition("=")[0] in result["error"]
    assert result["config"]


@pytest.mark.parametrize("own", [None, "notes.md"])
def test_a_run_that_is_refused_before_it_began_leaves_nothing(tmp_path, refused, own):
    directory = tmp_path / "mine"
    if own:
        directory.mkdir()
        (directory / own).write_text("mine")
    assert "lr must be" in refused("lr=high", directory=directory)
    assert [path.name for path in tmp_path.rglob("*")] == (["mine", own] if own else [])
