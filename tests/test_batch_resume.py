"""A run that goes on from any epoch's checkpoint is the run that was never interrupted, bit by bit."""

import subprocess
import sys
from functools import partial

import pytest
from pytorch_lightning.callbacks import ModelCheckpoint
from torch.optim import SGD, Adam
from torch.optim.lr_scheduler import CosineAnnealingLR, ReduceLROnPlateau

from litmus.training.schedule import Schedule
from src.callbacks.batch_size import BatchSizeScheduler
from src.callbacks.grow_on_plateau import GrowOnPlateau
from src.callbacks.noise_scale import GrowWithNoise
from tests.batch_helpers import Ordinary, Tiny, assert_same, fit, net, ramp, state
from tests.conftest import ROOT

EPOCHS = 5
# A resumed run here keeps no checkpoints of its own.
pytestmark = pytest.mark.filterwarnings("ignore:Be aware that when using `ckpt_path`")


def scheduled(scheduler, **settings):
    """A net with Adam, dropout's random numbers, and this scheduler."""
    course = partial(Schedule, scheduler=scheduler, **settings)
    return net(dropout=0.2, optimizer=partial(Adam, lr=0.01), scheduler=course)


def cosine():
    return scheduled(partial(CosineAnnealingLR, T_max="total"), interval="update", warmup=1)


def plateau():
    return scheduled(lambda optimizer: ReduceLROnPlateau(optimizer, patience=0, factor=0.5))


def falling():
    """A learning rate so high that the validation soon gets worse."""
    return net(optimizer=partial(SGD, lr=3.0))


def passes(**settings):
    return Tiny(batch_size=8, updates_per_epoch=5, **settings)


def tiny():
    return Tiny(batch_size=8)


CASES = {
    "ramp with linear rates and a cosine by update": (partial(ramp, lr="linear"), tiny, cosine),
    "shrinking, with root rates and a plateau": (partial(ramp, lr="sqrt", reverse=True), tiny, plateau),
    "matched decay": (partial(ramp, lr="decay"), tiny, cosine),
    "across passes through the data": (ramp, passes, net),
    "accumulated": (partial(ramp, max_per_device=20), tiny, cosine),
    "on plateau": (partial(GrowOnPlateau, stop=64, patience=0, lr="linear"), tiny, falling),
    "noise scale": (partial(GrowWithNoise, stop=64, lr="sqrt"), tiny, net),
    "an ordinary loader": (partial(ramp, lr="linear"), Ordinary, net),
    "an ordinary loader, accumulated": (partial(ramp, max_per_device=20), Ordinary, net),
}


@pytest.mark.briefly("ramp with linear rates and a cosine by update", "on plateau", "across passes through the data")
@pytest.mark.parametrize("case", CASES)
def test_resuming_from_every_epoch_changes_nothing(tmp_path, case):
    batching, data, model = CASES[case]
    whole, seen = fit(batching(), data(), model(), EPOCHS, keep=tmp_path)
    expected = state(whole)
    kept = next(callback for callback in whole.callbacks if isinstance(callback, BatchSizeScheduler)).state_dict()
    assert len(set(map(tuple, seen.sizes.values()))) > 1 or "decay" in case or "ordinary" in case
    for epoch in range(EPOCHS - 1):
        again = batching()
        resumed, later = fit(again, data(), model(), EPOCHS, start=tmp_path / f"epoch={epoch}.ckpt")
        assert_same(state(resumed), expected)
        assert_same(again.state_dict(), kept)
        for recorded, all_recorded in ((later.rows, seen.rows), (later.sizes, seen.sizes), (later.rates, seen.rates)):
            assert recorded == {number: value for number, value in all_recorded.items() if number > epoch}


def test_the_measured_schedules_of_these_cases_do_grow():
    for case in ("on plateau", "noise scale"):
        batching, data, model = CASES[case]
        _, seen = fit(batching(), data(), model(), EPOCHS)
        sizes = [sizes[0] for sizes in seen.sizes.values()]
        assert sizes[0] == 8
        assert sizes == sorted(sizes)
        assert sizes[-1] > 8, case


def test_a_longer_run_goes_on_along_its_own_plan(tmp_path):
    """`epochs` may change on resuming: sizes and coupled rates are then those of the longer run's epoch."""

    def along():
        return BatchSizeScheduler("linear", start=10, stop=50, lr="linear")

    def sgd():
        return net(optimizer=partial(SGD, lr=0.1))

    fit(along(), tiny(), sgd(), 3, keep=tmp_path)
    _, seen = fit(along(), tiny(), sgd(), 5, start=tmp_path / "epoch=2.ckpt")
    assert {epoch: sizes[0] for epoch, sizes in seen.sizes.items()} == {3: 40, 4: 50}
    assert list(seen.rates.values()) == pytest.approx([0.4, 0.5])


def test_a_checkpoint_of_the_validations_end_goes_on_where_a_plan_says_how(tmp_path):
    def early(folder):
        return ModelCheckpoint(tmp_path / folder, "{epoch}", save_top_k=-1, save_on_train_epoch_end=False)

    whole, _ = fit(ramp(), tiny(), callbacks=[early("planned")])
    resumed, seen = fit(ramp(), tiny(), start=tmp_path / "planned" / "epoch=1.ckpt")
    assert [sizes[0] for sizes in seen.sizes.values()] == [32, 64, 64]
    assert_same(state(resumed)["weights"], state(whole)["weights"])
    fit(GrowOnPlateau(), tiny(), callbacks=[early("measured")])
    with pytest.raises(ValueError, match="save_on_train_epoch_end=True"):
        fit(GrowOnPlateau(), tiny(), start=tmp_path / "measured" / "epoch=1.ckpt")


TWO_PROCESSES = """
import sys
import warnings
from functools import partial
from pathlib import Path

import torch

warnings.filterwarnings("ignore")
from tests.batch_helpers import Ordinary, Tiny, assert_same, fit, net, ramp
from tests.test_batch_resume import EPOCHS, GrowWithNoise, cosine

folder = Path(sys.argv[1])
two = {"devices": 2, "strategy": "ddp_fork"}
tiny = partial(Tiny, rows=99, batch_size=8)  # odd: the processes' shares of an epoch's last update differ
cases = {
    "rates": (partial(ramp, lr="linear"), tiny, cosine, range(EPOCHS - 1)),
    "noise": (partial(GrowWithNoise, stop=64), tiny, net, (0, 2)),
    "parts": (partial(ramp, max_per_device=10), Ordinary, net, (1,)),
}


def run(name, place, start=None, **settings):
    batching, data, model, _ = cases[name]
    fit(batching(), data(), model(), EPOCHS, start=start, keep=folder / place, **settings)
    kept = torch.load(folder / place / f"epoch={EPOCHS - 1}.ckpt", weights_only=True)
    scheduler = next(state for name, state in kept["callbacks"].items() if "Checkpoint" not in name)
    names = ("state_dict", "optimizer_states", "lr_schedulers", "global_step", "epoch", "Tiny")
    return {name: kept[name] for name in names if name in kept}, scheduler


if __name__ == "__main__":
    torch.set_num_threads(1)
    for name, case in cases.items():
        expected = run(name, name, **two)
        assert expected[1]["size"] > 8, (name, expected[1])
        for epoch in case[-1]:
            assert_same(run(name, f"{name}-{epoch}", folder / name / f"epoch={epoch}.ckpt", **two), expected)
    cases["one"] = (ramp, tiny, net, ())
    one, both = run("one", "one"), run("one", "both", **two)
    torch.testing.assert_close(both[0]["state_dict"], one[0]["state_dict"])
    assert both[0]["global_step"] == one[0]["global_step"] == 28
    print("done")
"""


@pytest.mark.xdist_group("processes")
@pytest.mark.long
def test_two_processes_resume_exactly(tmp_path):
    script = tmp_path / "two.py"
    script.write_text(TWO_PROCESSES)
    ended = subprocess.run(
        [sys.executable, str(script), str(tmp_path)],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    assert "done" in ended.stdout
