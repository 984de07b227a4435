"""Whatever monitors a metric keeps what is better: the mode follows from the metric, a contradiction is refused."""

import pytest
import torch
from pytorch_lightning import Callback
from pytorch_lightning.callbacks import EarlyStopping

from litmus.direction import mode_of
from litmus.training.schedule import Schedule
from litmus.trial.checkpoint import BestAndLast
from litmus.trial.history import read_history
from litmus.trial.parts import build
from src.callbacks.grow_on_plateau import GrowOnPlateau

TINY = ("model.units=[4]", "threads=1", "output_dir=nowhere")


class Watches(Callback):
    """A stranger's."""

    def __init__(self, monitor="val/loss", mode="min", colour="red"):
        self.monitor, self.mode = monitor, mode


class HandsOn(EarlyStopping):
    """A stranger's, which names none of what it hands on."""

    def __init__(self, **keywords):
        super().__init__(**keywords)


class Speaks(Callback):
    """A stranger's whose mode is no direction."""

    def __init__(self, monitor="val/acc", mode="quiet"):
        self.monitor, self.mode = monitor, mode


def _callback(name, number=-1):
    return lambda parts: next(one for one in parts.trainer.callbacks if type(one).__name__ == name)


def _plateau(parts):
    return parts.model.make_scheduler(torch.optim.SGD(parts.model.parameters(), lr=0.1), updates=[1], epochs=1).main


def _added(target, monitor, name="mine"):
    return f"+callbacks.{name}={{_target_: {target}, monitor: {monitor}}}"


HERE = "tests.test_direction"
# What is typed to watch a metric, the knob of the mode, and the part that it reaches.
MONITORS = {
    "checkpoint": (
        lambda m: [f"callbacks.checkpoint.monitor={m}"],
        "callbacks.checkpoint.mode",
        _callback("BestAndLast"),
    ),
    "early stopping": (
        lambda m: ["callbacks=[default,early_stopping]", f"callbacks.early_stopping.monitor={m}"],
        "callbacks.early_stopping.mode",
        _callback("EarlyStopping"),
    ),
    "plateau": (lambda m: ["scheduler=plateau", f"scheduler.monitor={m}"], "scheduler.scheduler.mode", _plateau),
    "on_plateau": (
        lambda m: ["batching=on_plateau", f"batching.monitor={m}"],
        "batching.mode",
        _callback("GrowOnPlateau"),
    ),
    "Lightning's checkpoint": (
        lambda m: [_added("pytorch_lightning.callbacks.ModelCheckpoint", m, "lightnings")],
        "+callbacks.lightnings.mode",
        _callback("ModelCheckpoint"),
    ),
    "a stranger's": (lambda m: [_added(f"{HERE}.Watches", m)], "+callbacks.mine.mode", _callback("Watches")),
    "a stranger's that hands on": (
        lambda m: [_added(f"{HERE}.HandsOn", m, "handing")],
        "+callbacks.handing.mode",
        _callback("HandsOn"),
    ),
}


@pytest.mark.briefly(0, 3)
@pytest.mark.parametrize(
    ("metric", "given", "mode"),
    [
        ("val/loss", [], "min"),
        ("val/acc", ["=null"], "max"),
        ("val/acc", ["=max"], "max"),
        ("val/zeta", ["=max"], "max"),
    ],
)
def test_the_mode_follows_from_the_metric(compose, metric, given, mode):
    """All parts of one run at once; a metric of unknown direction is watched as is said."""
    typed = [
        line for typing, knob, _ in MONITORS.values() for line in (*typing(metric), *(knob + one for one in given))
    ]
    parts = build(compose(*TINY, *typed))
    assert {name: part(parts).mode for name, (_, _, part) in MONITORS.items()} == dict.fromkeys(MONITORS, mode)


@pytest.mark.briefly("checkpoint", "plateau", "a stranger's")
@pytest.mark.parametrize(("typed", "knob", "part"), MONITORS.values(), ids=MONITORS)
def test_a_mode_that_keeps_the_worst_and_a_metric_of_unknown_direction_are_refused(compose, typed, knob, part):
    name = knob.lstrip("+")
    with pytest.raises(ValueError, match=rf"^{name}=max would keep the worst: .* take {name}=min, or null"):
        part(build(compose(*TINY, *typed("val/loss"), f"{knob}=max")))
    with pytest.raises(
        ValueError, match=rf"^whether more val/zeta is better is unknown: say {name}=min or {name}=max$"
    ):
        part(build(compose(*TINY, *typed("val/zeta"))))


def test_from_python_too():
    for metric, mode in (("val/loss", "min"), ("val/acc", "max"), ("val/f1", "max"), ("val/my_error", "min")):
        assert mode_of(metric, None, "here") == mode_of(metric, mode, "here") == mode
    with pytest.raises(ValueError, match=r"^here=min would keep the worst: .* take here=max, or null"):
        mode_of("val/acc", "min", "here")
    assert BestAndLast("here", "val/acc").mode == GrowOnPlateau(monitor="val/acc").mode == "max"
    for make in (
        lambda: BestAndLast("here", "val/acc", mode="min"),
        lambda: GrowOnPlateau(monitor="val/f1", mode="min"),
    ):
        with pytest.raises(ValueError, match="would keep the worst"):
            make()
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau
    assert Schedule(optimizer, [1], 1, plateau, monitor="val/acc").main.mode == "max"
    cycle = torch.optim.lr_scheduler.CyclicLR  # its mode is no direction

    def cycling(optimizer):
        return cycle(optimizer, 0.1, 0.2, mode="triangular2")

    assert Schedule(optimizer, [1], 1, cycling).main.mode == "triangular2"
    with pytest.raises(ValueError, match=r"^here must be min, max or null, .* got up"):
        mode_of("val/loss", "up", "here")


@pytest.mark.long
def test_a_mode_that_is_no_direction_and_what_watches_nothing_are_left_alone(compose):
    parts = build(compose(*TINY, f"+callbacks.mine._target_={HERE}.Speaks"))
    assert _callback("Speaks")(parts).mode == "quiet"
    watching_nothing = "+callbacks.mine={_target_: pytorch_lightning.callbacks.ModelCheckpoint, mode: null}"
    assert _callback("ModelCheckpoint")(build(compose(*TINY, watching_nothing))).monitor is None


def test_the_epoch_that_is_best_on_accuracy_is_kept(trial, tmp_path):
    result = trial("callbacks.checkpoint.monitor=val/acc", "epochs=6", "lr=0.02", "model.units=[8]")
    accuracies = [row["val/acc"] for row in read_history(tmp_path / "run" / "metrics.csv")]
    assert len(set(accuracies)) > 1
    assert result["best_epoch"] == accuracies.index(max(accuracies))


def test_a_contradiction_is_one_sentence(refused):
    said = refused("callbacks.checkpoint.monitor=val/acc", "callbacks.checkpoint.mode=min")
    assert said.startswith("callbacks.checkpoint.mode=min would keep the worst: more val/acc is better;")
