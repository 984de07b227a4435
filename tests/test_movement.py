"""A run that trained nothing is never completed: it says what may be the reason."""

import json
import shutil

import pytest
import torch
from pytorch_lightning.callbacks import LambdaCallback

from litmus.trial.movement import Movement
from src.models.mlp import MLP
from tests.small_data import optimizer_of, quiet_trainer, seeded
from tests.strangers import small_blobs

SMALL = ("model.units=[8]", "updates_per_epoch=3", "epochs=2")
STILL = "expected 6 updates to change the weights, found every parameter as it was, to the last bit"
NONE = "expected a run to make updates, got 0 of them"


@pytest.mark.briefly(0)
@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["model._target_=tests.strangers.Idle"], STILL),
        (["model._target_=tests.strangers.Frozen"], "that can be trained, found all 4 frozen; unfreeze some"),
        (["optimizer.lr=0"], STILL),
        (["lr=1e-30", "optimizer=sgd"], STILL),
        (["+trainer.max_steps=0"], NONE),
    ],
)
@pytest.mark.filterwarnings("ignore:.*returned `None`")
def test_a_run_that_trains_nothing_fails_in_one_sentence(refused, tmp_path, overrides, said):
    assert said in refused(*SMALL, *overrides)
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert result["status"] == "failed"
    assert not [name for name in result["metrics"] if name.startswith("test/")]


@pytest.mark.long
def test_steps_of_ones_own_complete(trial, tmp_path):
    for name in ("OwnStep", "OwnManualStep", "Forgetful"):
        result = trial(*SMALL, f"model._target_=tests.strangers.{name}", directory=tmp_path / name)
        assert result["status"] == "completed"
        assert result["counters"]["updates"] == 6


@pytest.mark.long
def test_a_run_that_had_ended_stays_completed_when_resumed(trial, tmp_path):
    first = trial(*SMALL)
    again = trial(*SMALL, f"resume={tmp_path / 'run'}")
    assert (again["status"], again["metrics"]) == ("completed", first["metrics"])


@pytest.mark.long
def test_what_moved_before_an_interruption_counts_after_it(trial, tmp_path):
    """The rate may be nothing in the last epochs: the whole run completes, and so must the resumed one."""
    decay = [
        "scheduler=step",
        "scheduler.scheduler.step_size=1",
        "scheduler.scheduler.gamma=1e-30",
        "callbacks.checkpoint.share=1",
    ]
    stops = "+callbacks.mine={_target_: tests.test_movement.stops_in, place: ${output_dir}}"
    with pytest.raises(SystemExit):
        trial(*SMALL, *decay, stops)
    shutil.copytree(tmp_path / "run", tmp_path / "cut")
    for name in ("cut", "whole"):
        resume = [f"resume={tmp_path / name}"] if name == "cut" else []
        assert trial(*SMALL, *decay, stops, *resume, directory=tmp_path / name)["status"] == "completed"


def stops_in(place):
    """Cuts the run of a directory of this name in its second epoch."""

    def stop(trainer, pl_module):
        if trainer.current_epoch == 1 and place.endswith("/run"):
            raise InterruptedError("cut")

    return LambdaCallback(on_train_epoch_start=stop)


def _fit(model, epochs=2):
    movement = Movement()
    trainer = quiet_trainer(epochs, [movement])
    trainer.fit(model, datamodule=small_blobs())
    return movement, trainer


def test_a_single_bit_is_movement_and_a_moved_buffer_is_not():
    class Norm(MLP):
        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.0)

    still, trainer = _fit(seeded(Norm, (6,), 3, units=(4,), norm="batch"))
    with pytest.raises(ValueError, match="found every parameter as it was"):
        still.refuse_idle(trainer)

    class OneBit(Norm):
        def on_train_end(self):
            pass

        def on_train_epoch_end(self):
            with torch.no_grad():
                self.net[1].bias[0] = torch.nextafter(self.net[1].bias[0], torch.tensor(9.0))

    moved, trainer = _fit(seeded(OneBit, (6,), 3, units=(4,)))
    moved.refuse_idle(trainer)


def test_parameters_that_have_no_shape_yet_and_some_that_are_frozen_do_no_harm():
    class Lazy(MLP):
        def __init__(self):
            super().__init__((6,), 3, units=(4,), optimizer=optimizer_of("SGD", lr=0.1))
            self.net = torch.nn.Sequential(torch.nn.LazyLinear(4), torch.nn.Linear(4, 3))
            self.net[1].bias.requires_grad_(False)

    movement, trainer = _fit(seeded(Lazy))
    movement.refuse_idle(trainer)
    assert movement.moved
