"""Out of memory: half as many samples at once, from the last checkpoint, the same mathematics, and it says so."""

import gc
import weakref
from functools import partial
from itertools import count

import pytest
import torch

import litmus.trial.memory
import litmus.trial.run
import src.models.mlp
from litmus.training.pack import Pack
from litmus.trial.history import read_history
from litmus.trial.memory import give_back_memory


@pytest.fixture
def memory(monkeypatch):
    """A device whose memory holds so many samples in training, of every net made from now on."""
    forward = src.models.mlp.MLP.forward
    allowed = {"train": 10**9, "val": 10**9, "error": torch.OutOfMemoryError, "said": "out of memory (simulated)"}

    def limited(self, x):
        if len(x) > allowed["train" if self.training else "val"]:
            raise allowed["error"](allowed["said"])
        return forward(self, x)

    monkeypatch.setattr(src.models.mlp.MLP, "forward", limited)
    return allowed


def _last(directory):
    return torch.load(directory / "checkpoints" / "last.ckpt", weights_only=True)


RAMP = ("batching=doubling", "batching.every=1", "model.units=[8]", "epochs=4", "callbacks.checkpoint.share=1")


@pytest.mark.long
@pytest.mark.briefly(0)
@pytest.mark.parametrize(("error", "said"), [(torch.OutOfMemoryError, ""), (RuntimeError, "CUDA out of memory.")])
def test_a_run_that_outgrows_its_memory_ends_as_one_that_fits(trial, tmp_path, memory, capsys, error, said):
    plain = trial(*RAMP, directory=tmp_path / "plain")
    memory |= {"train": 70, "error": error, "said": said or "out of memory (simulated)"}
    retried = trial(*RAMP, directory=tmp_path / "retried")
    assert "oom" not in plain["counters"]
    assert retried["counters"]["oom"] == [{"epoch": 2, "max_per_device": 64}]
    assert "out of memory with 128 samples at once in epoch 2: going on with 64" in capsys.readouterr().out
    for name in ("updates", "samples", "epochs"):
        assert retried["counters"][name] == plain["counters"][name]
    rows = read_history(tmp_path / "retried" / "metrics.csv")
    assert [(row["epoch"], row["batch_size"]) for row in rows] == [(0, 32), (1, 64), (2, 128), (3, 256)]
    weights = [_last(tmp_path / name)["state_dict"] for name in ("plain", "retried")]
    torch.testing.assert_close(*weights)


@pytest.mark.long
def test_without_a_checkpoint_it_starts_again_with_the_same_seed_and_halves_until_it_fits(trial, tmp_path, memory):
    stale = tmp_path / "retried" / "checkpoints" / "last.ckpt"  # of another run, which must not be gone on from
    stale.parent.mkdir(parents=True)
    stale.write_bytes(b"not this run's")
    (tmp_path / "retried" / "trial.json").write_text("{}")
    run = ("batch_size=512", "model.units=[8]", "epochs=2")
    trial(*run, directory=tmp_path / "plain")
    memory["train"] = 100
    retried = trial(*run, directory=tmp_path / "retried")
    assert [limit["max_per_device"] for limit in retried["counters"]["oom"]] == [256, 128, 64]
    torch.testing.assert_close(*(_last(tmp_path / name)["state_dict"] for name in ("plain", "retried")))


@pytest.mark.long
def test_a_resumed_run_remembers_the_limit(trial, tmp_path, memory):
    memory["train"] = 70
    trial(*RAMP)
    resumed = trial(*RAMP, "epochs=5", f"resume={tmp_path / 'run'}")
    assert resumed["counters"]["oom"] == [{"epoch": 2, "max_per_device": 64}]
    assert resumed["counters"]["epochs"] == 5


@pytest.mark.briefly("batch norm")
@pytest.mark.parametrize(
    ("overrides", "limits", "said"),
    [
        (["norm=batch"], {"train": 70}, "batching.max_per_device=64 if that is meant"),
        ([], {"train": 0}, "OutOfMemoryError: out of memory (simulated)"),
        ([], {"val": 70}, "OutOfMemoryError: out of memory (simulated)"),
        ([], {"train": 70, "error": RuntimeError, "said": "shapes differ"}, "RuntimeError: shapes differ"),
    ],
    ids=["batch norm", "not one sample fits", "in the validation", "another error"],
)
def test_what_smaller_parts_cannot_mend_ends_the_run(refused, memory, overrides, limits, said):
    memory |= limits
    assert said in refused(*RAMP, *overrides)


@pytest.mark.long
def test_a_run_frees_the_data_of_earlier_ones(trial, tmp_path, monkeypatch):
    made, alive = [], []
    fit = litmus.trial.run.fit

    def tracked(build, parts, *others):
        alive.append([reference() for reference in made])
        made.append(weakref.ref(parts.data))
        return fit(build, parts, *others)

    monkeypatch.setattr(litmus.trial.run, "fit", tracked)
    gc.disable()
    try:
        for number in range(3):
            trial("epochs=1", "model.units=[8]", directory=tmp_path / str(number))
    finally:
        gc.enable()
    assert alive == [[], [None], [None, None]]


@pytest.mark.long
def test_what_the_trials_of_a_job_held_is_freed_with_it(trial, tmp_path, monkeypatch):
    made = []
    fit = litmus.trial.run.fit

    def tracked(build, parts, *others):
        made.append(weakref.ref(parts.data))
        return fit(build, parts, *others)

    monkeypatch.setattr(litmus.trial.run, "fit", tracked)
    monkeypatch.setattr(litmus.trial.memory, "_freezes", count(1))  # as in a process that has run nothing yet
    monkeypatch.setattr(litmus.trial.memory, "_unfreed", False)
    calls = [partial(trial, "epochs=1", "model.units=[8]", directory=tmp_path / str(one)) for one in range(3)]
    gc.disable()
    try:
        Pack().run(calls)
        give_back_memory()
        held = [reference() for reference in made]
    finally:
        gc.enable()
        gc.unfreeze()
    assert held == [None] * 3
