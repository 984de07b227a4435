"""A point on a landscape: its gradients are right, its noise is fair, its course is the seed's, and it is drawn."""

import json
import math
import shutil

import numpy as np
import pytest
import torch

from answers.exhibits.gradient_noise import GradientNoise
from answers.exhibits.landscape import Landscape
from answers.exhibits.landscape_functions import FUNCTIONS, frame
from answers.make import draw_landscapes as script
from litmus.sweeps import study_sweep
from litmus.training.trajectory import read_trajectory
from litmus.trial.command_line import answer
from litmus.trial.history import read_history
from tests.data_helpers import require_ads
from tests.sweep_helpers import results, sweep

POINTS = torch.tensor([[0.3, -0.7], [1.2, 2.5], [-0.4, 0.1], [0.0, 3.0]], dtype=torch.float64)
RECORDED = "callbacks=trajectory"
WALK = ("model=landscape", "updates_per_epoch=1", "epochs=30", "optimizer=sgd", "lr=1", RECORDED)


def _gradient(function, point):
    leaf = point.clone().requires_grad_()
    return torch.autograd.grad(function.height(*leaf), leaf)[0]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_gradients_are_finite_differences(name):
    function, step = FUNCTIONS[name], 1e-6
    for point in POINTS:
        for axis, slope in enumerate(_gradient(function, point)):
            ahead = step * torch.eye(2, dtype=torch.float64)[axis]
            by_hand = (function.height(*(point + ahead)) - function.height(*(point - ahead))) / (2 * step)
            torch.testing.assert_close(slope, by_hand, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(("name", "length"), [("saddle", 10), ("round_saddle", 2)])
def test_a_saddle_is_flat_at_height_1_up_one_way_and_down_the_other_to_minima_at_0(name, length):
    def curvatures(point):
        height = FUNCTIONS[name].height
        return torch.autograd.functional.hessian(lambda at: height(*at), point)

    origin = torch.zeros(2, dtype=torch.float64)
    assert FUNCTIONS[name].height(*origin) == 1
    assert not _gradient(FUNCTIONS[name], origin).any()
    expected = torch.tensor([[1, 0], [0, -4 / length**2]], dtype=torch.float64)
    torch.testing.assert_close(curvatures(origin), expected)
    for side in (length, -length):
        bottom = torch.tensor([0, side], dtype=torch.float64)
        assert FUNCTIONS[name].height(*bottom) == 0
        assert not _gradient(FUNCTIONS[name], bottom).any()
        assert (torch.linalg.eigvalsh(curvatures(bottom)) > 0).all()


def test_a_plateau_is_flat_far_out_in_every_direction_and_a_well_inside():
    height = FUNCTIONS["plateau"].height
    assert height(*torch.zeros(2)) == 0
    for angle in torch.linspace(0, 6, 7, dtype=torch.float64):
        far = 4 * torch.stack([angle.cos(), angle.sin()])
        assert 0.999 < height(*far) < 1
        assert _gradient(FUNCTIONS["plateau"], far).norm() < 2e-3


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_start_is_as_deep_below_the_flat_as_asked_whatever_the_rotation(name):
    depths = []
    for seed in range(50):
        (x, y), turn = frame(FUNCTIONS[name], (1e-4, 1e-2), None, seed)
        depths.append(1 - float(FUNCTIONS[name].height(torch.tensor(0.0), torch.tensor(y, dtype=torch.float64))))
        torch.testing.assert_close(turn @ turn.T, torch.eye(2))
        assert frame(FUNCTIONS[name], (1e-4, 1e-2), 30, seed)[0] == (x, y)
    assert 0.99e-4 < min(depths) < 3e-4
    assert 3e-3 < max(depths) < 1.01e-2
    assert len(set(depths)) == 50


def test_thirty_degrees_turn_parameters_by_thirty_degrees():
    _, turn = frame(FUNCTIONS["saddle"], (0.1, 0.1), 30, 0)
    torch.testing.assert_close(turn @ torch.tensor([1.0, 0.0]), torch.tensor([math.sqrt(3) / 2, -0.5]))


def _point(**settings):
    return Landscape((2,), 0, **settings)


@pytest.mark.parametrize("rotation", [0, None])
def test_sampled_gradients_are_the_functions_own_plus_the_samples(rotation):
    """Over a whole pass they are the function's own; those of batches scatter about it as σ/√batch."""
    data = GradientNoise(noise=0.3, rows=4096, seed=3)
    data.setup()
    noise, labels = data.splits["train"]
    point = _point(function="plateau", rotation=rotation, depth=[0.2, 0.2])

    def gradient(samples):
        point.theta.grad = None
        point.criterion(point(samples), labels[: len(samples)]).backward()
        return point.theta.grad.clone()

    own = point.turn.T @ _gradient(point.function, point.turn @ point.theta.detach())
    assert own.norm() > 0.1
    torch.testing.assert_close(gradient(noise), own, rtol=0, atol=1e-6)
    torch.testing.assert_close(gradient(noise[:1]), own + noise[0], rtol=0, atol=1e-6)
    scatter = torch.stack([gradient(batch) - own for batch in noise.split(16)]).std(0)
    torch.testing.assert_close(scatter, torch.full((2,), 0.3 / 4), rtol=0.15, atol=0)


def test_validation_is_without_noise_and_describes_no_classes():
    data = GradientNoise(noise=0.3)
    data.setup()
    assert not data.splits["val"][0].any()
    assert not data.splits["test"][0].any()
    point = _point(function="saddle", seed=5)
    height = point.function.height(*(point.turn @ point.theta))
    torch.testing.assert_close(point.criterion(point(data.splits["val"][0]), None), height)
    described = data.describe()
    assert described["sizes"]["train"] == 4096
    assert not {"class_counts", "constant_accuracy"} & set(described)
    assert GradientNoise(seed=1).load().sha256 != GradientNoise(seed=0).load().sha256 == GradientNoise().load().sha256


def test_a_run_is_the_seeds_to_the_last_bit_and_tells_height_and_mean_height(trial, tmp_path):
    result = trial(*WALK, "seed=3", directory=tmp_path / "a", picture=True)
    again = trial(*WALK, "seed=3", directory=tmp_path / "b")
    trial(*WALK, "seed=4", directory=tmp_path / "c")
    paths = {name: read_trajectory(tmp_path / name / "trajectory.npz").weights for name in "abc"}
    assert np.array_equal(paths["a"], paths["b"])
    assert not np.isclose(paths["a"][0], paths["c"][0]).all()
    assert result["metrics"] == again["metrics"]
    assert {name.rpartition("/")[2] for name in result["metrics"]} == {"loss", "mean_loss"}

    rows = read_history(tmp_path / "a" / "metrics.csv")
    heights = [row["val/loss"] for row in rows]
    assert [row["val/mean_loss"] for row in rows] == pytest.approx(np.cumsum(heights) / np.arange(1, 31), rel=1e-5)
    (x, y), turn = frame(FUNCTIONS["saddle"], (1e-4, 1e-2), None, 3)
    assert turn.numpy() @ paths["a"][0] == pytest.approx((x, y), abs=1e-6)
    ends = FUNCTIONS["saddle"].height(*(turn @ torch.from_numpy(paths["a"][1:]).T))
    assert ends.tolist() == pytest.approx(heights, rel=1e-4, abs=1e-6)
    assert (tmp_path / "a" / "curves.png").stat().st_size > 0


def test_a_cut_run_goes_on_to_the_same_mean_height(trial, tmp_path):
    every_epoch = (*WALK, "callbacks.checkpoint.share=1")
    whole = trial(*every_epoch, directory=tmp_path / "whole")
    trial(*every_epoch, "epochs=12", directory=tmp_path / "cut")
    on = trial(*every_epoch, f"resume={tmp_path / 'cut'}", directory=tmp_path / "cut")
    assert on["metrics"] == whole["metrics"]
    last = [read_history(tmp_path / name / "metrics.csv")[-1]["val/mean_loss"] for name in ("cut", "whole")]
    assert last[0] == last[1]


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (("data=mnist1d",), "samples of shape (1, 40) in 10 classes; model=mlp learns those"),
        (("data=social_network_ads",), "samples of shape (2,) in 2 classes; model=mlp learns those"),
        (("model=mlp", "data=gradient_noise"), "got 0; data without classes are for model=landscape"),
        (("model=cnn", "data=gradient_noise"), "got 0; data without classes are for model=landscape"),
        (("model.function=sadle",), "model.function must be one of saddle, round_saddle, plateau, got sadle"),
        (("model.depth=[0.1]",), "model.depth must be a range between 0 and 1"),
        (("model.depth=[0.1,0]",), "model.depth must be a range between 0 and 1"),
        (("model.depth=0.1",), "model.depth must be a list of numbers, got 0.1"),
        (("model.rotation=left",), "model.rotation must be a number or null, got left"),
        (("data.noise=-1",), "data.noise must be a standard deviation from 0 on, got -1"),
        (("data.rows=1",), "data.rows must be a whole number from 2 on, got 1"),
    ],
)
def test_what_does_not_go_together_is_refused_in_one_sentence(refused, overrides, said):
    data = [f"data_dir={require_ads().parent}"] if "data=social_network_ads" in overrides else []
    assert said in refused(*(("model=landscape",) if "model=" not in overrides[0] else ()), *overrides, *data)


def test_a_landscape_predicts_no_classes():
    with pytest.raises(ValueError, match="predicts no classes"):
        _point().predict_step(None, 0)


@pytest.fixture(scope="module")
def smoked(tmp_path_factory):
    """A smoke run of the shipped study, without its report."""
    folder = tmp_path_factory.mktemp("study")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(study_sweep, "report", lambda directory, name: None)
        sweep(folder, "study=saddle", "study.smoke=true", "study.nuisance=null", "study.seeds=1", "threads=1")
    return folder / "studies" / "saddle-smoke"


@pytest.mark.xdist_group("landscape")
def test_the_study_runs_and_its_trajectories_are_drawn(smoked, capsys):
    found = results(smoked)
    assert len(found) == 8
    assert {result["status"] for result in found.values()} == {"completed"}
    script.main([str(smoked)])
    drawn = capsys.readouterr().out.split()
    assert drawn == [str(smoked / "figures" / f"trajectories-{name}.png") for name in ("saddle", "plateau")]
    for name in ("saddle", "plateau"):
        png = (smoked / "figures" / f"trajectories-{name}.png").read_bytes()
        assert png.startswith(b"\x89PNG")
        assert len(png) > 20_000
        svg = (smoked / "figures" / f"trajectories-{name}.svg").read_text()
        assert all(f"{name}_{optimizer}" in svg for optimizer in ("sgd", "momentum", "adam", "rmsprop"))


def _refusal(capsys, directory):
    with pytest.raises(SystemExit) as ended:
        answer(lambda: script.main([str(directory)]))
    assert ended.value.code == 1
    said = capsys.readouterr().err.strip()
    assert len(said.splitlines()) == 1
    return said


@pytest.mark.xdist_group("landscape")
def test_what_cannot_be_drawn_is_refused_in_one_sentence(smoked, tmp_path, capsys):
    assert "expected a study's directory with study.yaml in it, found none" in _refusal(capsys, tmp_path)
    other = shutil.copytree(smoked, tmp_path / "unrecorded")
    shutil.rmtree(other / "figures", ignore_errors=True)
    for path in other.rglob("trajectory.npz"):
        path.unlink()
    assert "callbacks=trajectory records them" in _refusal(capsys, other)
    assert not (other / "figures").exists()
    for path in other.rglob("result.json"):
        result = json.loads(path.read_text())
        path.write_text(json.dumps({**result, "config": {}}))
    assert "expected finished trials of model=landscape, found none" in _refusal(capsys, other)
