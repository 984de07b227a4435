"""The weights along a run: from the first to the last, whole, and the same whether or not the run was cut."""

import numpy as np
import pytest
import torch

from litmus.training.trajectory import RecordWeights, Trajectory, flat, kept, read_trajectory
from litmus.trial.checkpoint import BestAndLast
from src.models.mlp import MLP
from tests.small_data import Blobs, optimizer_of, quiet_trainer, seeded
from tests.test_resume import PowerCut

EPOCHS = 4


def _model(lr=3e-2):
    return seeded(MLP, (6,), 3, units=(4,), dropout=0.3, optimizer=optimizer_of("Adam", lr=lr))


def _fit(directory, *, epochs=EPOCHS, cut=None, resume=False, model=None, record=True, data=None, **settings):
    directory.mkdir(exist_ok=True)
    model = model or _model()
    callbacks = [RecordWeights(str(directory / "trajectory.npz"), **settings)] if record else []
    callbacks += [BestAndLast(str(directory), share=1), *([PowerCut(cut)] if cut is not None else [])]
    trainer = quiet_trainer(epochs, callbacks)
    last = directory / "last.ckpt"
    start = str(last) if resume and last.exists() else None
    data = Blobs(**(data or {"batch_size": 20}))
    try:
        trainer.fit(model, datamodule=data, ckpt_path=start, weights_only=True if start else None)
    except InterruptedError:
        assert cut is not None
    return model


def _rows(directory):
    return read_trajectory(directory / "trajectory.npz")


def _checkpointed(directory):
    state = torch.load(directory / "last.ckpt", weights_only=True)["state_dict"]
    return torch.cat([value.flatten() for value in state.values()]).numpy()


SETTINGS = {
    "every epoch": {},
    "every second epoch": {"every": 2},
    "every third update": {"every": 3, "interval": "update"},
    "epochs of 3 updates": {"data": {"batch_size": 24, "updates_per_epoch": 3}},
}


@pytest.mark.briefly("every third update")
@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_it_begins_with_the_initial_weights_and_ends_with_the_checkpoints(tmp_path, settings):
    _fit(tmp_path, **settings)
    rows = _rows(tmp_path)
    np.testing.assert_array_equal(rows.weights[0], flat(_model()))
    np.testing.assert_array_equal(rows.weights[-1], _checkpointed(tmp_path))
    per_epoch = 3 if "data" in settings else 7
    assert (rows.epochs[-1], rows.updates[-1]) == (EPOCHS, EPOCHS * per_epoch)
    interval = settings.get("interval", "epoch")
    counted = rows.counted(interval).tolist()
    last = counted[-1]
    assert counted == sorted({*range(0, last, settings.get("every", 1)), last})
    if interval == "epoch":
        assert rows.updates.tolist() == [epoch * per_epoch for epoch in rows.epochs]


def test_recording_changes_no_weight_and_only_rows_within_epochs_give_up_stretches(tmp_path):
    models = {
        "not": _fit(tmp_path / "not", record=False),
        "epoch": _fit(tmp_path / "epoch"),
        "update": _fit(tmp_path / "update", interval="update"),
    }
    for model in models.values():
        np.testing.assert_array_equal(flat(model), flat(models["not"]))
    assert models["epoch"].single_step_reason is None
    assert "RecordWeights" in models["update"].single_step_reason
    by_epoch, by_update = _rows(tmp_path / "epoch"), _rows(tmp_path / "update")
    assert by_update.updates.tolist() == list(range(EPOCHS * 7 + 1))
    np.testing.assert_array_equal(by_update.weights[by_epoch.updates], by_epoch.weights)
    np.testing.assert_array_equal(by_update.epochs, by_update.updates // 7)


@pytest.mark.long
@pytest.mark.briefly("every epoch")
@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_cut_in_any_epoch_and_resumed_is_the_same_file(tmp_path, settings):
    _fit(tmp_path / "whole", **settings)
    for cut in range(EPOCHS):
        directory = tmp_path / f"cut{cut}"
        _fit(directory, cut=cut, **settings)
        _fit(directory, resume=True, **settings)
        assert (directory / "trajectory.npz").read_bytes() == (tmp_path / "whole" / "trajectory.npz").read_bytes()


@pytest.mark.briefly(0)
@pytest.mark.parametrize("settings", [SETTINGS["every second epoch"], SETTINGS["every third update"]])
def test_a_finished_run_that_goes_on_is_the_longer_run(tmp_path, settings):
    """Its last row need not be one of the longer run's."""
    _fit(tmp_path / "whole", **settings)
    _fit(tmp_path / "longer", epochs=1, **settings)
    _fit(tmp_path / "longer", resume=True, **settings)
    assert (tmp_path / "longer" / "trajectory.npz").read_bytes() == (tmp_path / "whole" / "trajectory.npz").read_bytes()
    _fit(tmp_path / "longer", resume=True, **settings)
    assert (tmp_path / "longer" / "trajectory.npz").read_bytes() == (tmp_path / "whole" / "trajectory.npz").read_bytes()


def test_rows_after_the_checkpoint_and_an_earlier_runs_file_are_forgotten(tmp_path):
    """As after kill -9: the file has been written, the checkpoint of that epoch has not."""
    _fit(tmp_path / "whole")
    _fit(tmp_path / "killed", epochs=2)
    (tmp_path / "killed" / "trajectory.npz").write_bytes((tmp_path / "whole" / "trajectory.npz").read_bytes())
    _fit(tmp_path / "killed", resume=True)
    assert (tmp_path / "killed" / "trajectory.npz").read_bytes() == (tmp_path / "whole" / "trajectory.npz").read_bytes()
    _fit(tmp_path / "killed", epochs=1)
    assert _rows(tmp_path / "killed").epochs.tolist() == [0, 1]


def test_a_run_that_diverges_leaves_its_path(tmp_path):
    with pytest.raises(FloatingPointError):
        _fit(tmp_path, model=seeded(MLP, (6,), 3, units=(4,), optimizer=optimizer_of("SGD", lr=1e20)))
    np.testing.assert_array_equal(_rows(tmp_path).weights[0], flat(seeded(MLP, (6,), 3, units=(4,))))


def _table(*counted):
    numbers = np.array(counted)
    return Trajectory(numbers, numbers * 7, np.zeros((len(numbers), 2), dtype=np.float32))


def test_kept_rows_are_on_the_interval_and_complete():
    assert kept(_table(0, 2, 4, 5), 5, 2, "epoch").epochs.tolist() == [0, 2, 4]
    assert kept(_table(0, 1, 2, 3), 14, 7, "update").updates.tolist() == [0, 7, 14]
    for recorded, done in ((_table(0, 2, 3), 3), (_table(1, 2), 2), (_table(0, 1), 2)):
        with pytest.raises(ValueError, match=f"expected a row of weights every 1 epoch up to {done}, found"):
            kept(recorded, done, 1, "epoch")


def test_bytes_that_are_no_trajectory_are_named_in_one_sentence(tmp_path):
    path = tmp_path / "trajectory.npz"
    with pytest.raises(ValueError, match=r"found no file; callbacks=trajectory records them"):
        read_trajectory(path)
    _fit(tmp_path)
    whole = path.read_bytes()
    draw = np.random.default_rng(0)
    damaged = [whole[:size] for size in (0, 1, 100, len(whole) // 2, len(whole) - 1)]
    for _ in range(100):
        changed = bytearray(whole)
        changed[draw.integers(len(whole) - 400)] ^= 0xFF  # what precedes the directory of the archive
        damaged.append(bytes(changed))
    for content in damaged:
        path.write_bytes(content)
        try:
            read_trajectory(path)
        except ValueError as problem:
            said = str(problem)
            assert said.startswith(f"{path}: expected ")
            assert "\n" not in said
        else:
            assert len(content) == len(whole)  # a byte that zip does not check, as a date
    for name, columns in {
        "found": {"epochs": np.arange(3), "updates": np.arange(2), "weights": np.zeros((3, 2))},
        r"epochs \(\)": {"epochs": np.int64(1), "updates": np.arange(1), "weights": np.zeros((1, 2))},
        "KeyError": {"epochs": np.arange(3)},
    }.items():
        np.savez(path, **columns)
        with pytest.raises(ValueError, match=name):
            read_trajectory(path)
    np.save(tmp_path / "other.npy", np.zeros(3))
    with pytest.raises(ValueError, match="damaged"):
        read_trajectory(tmp_path / "other.npy")


@pytest.mark.parametrize(
    ("settings", "words"), [({"interval": "batch"}, "epoch or update, got batch"), ({"every": 0}, "from 1 on, got 0")]
)
def test_impossible_arguments_are_refused(settings, words):
    with pytest.raises(ValueError, match=words):
        RecordWeights("trajectory.npz", **settings)


@pytest.mark.long
def test_the_command_line_records_and_refuses_to_go_on_with_a_damaged_file(trial, refused, tmp_path):
    knobs = ["callbacks=trajectory", "model.units=[4]", "updates_per_epoch=3"]
    result = trial(*knobs, "epochs=2")
    path = tmp_path / "run" / "trajectory.npz"
    rows = read_trajectory(path)
    assert rows.weights.shape == (3, result["counters"]["params"])
    assert rows.updates.tolist() == [0, 3, 6]
    path.write_bytes(path.read_bytes()[:500])
    assert "found 500 damaged bytes" in refused(*knobs, "epochs=3", f"resume={tmp_path / 'run'}")
    path.unlink()
    assert "found no file" in refused(*knobs, "epochs=3", f"resume={tmp_path / 'run'}")
