"""Paths of descent: the plane they are seen in, and the surface, which is the net's own loss."""

import csv
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.utils import vector_to_parameters

from answers.make import draw_descent
from answers.make.descent.paths import labels_of, read_descents, refuse_apart
from answers.make.descent.plane import grid_around, plane_of, random_walks_held
from answers.make.descent.surface import score
from litmus.training.trajectory import read_trajectory
from litmus.trial.command_line import answer
from src.models.cnn import CNN
from src.models.mlp import MLP
from tests.data_helpers import require_ads


def _paths(seed, lengths, parameters):
    draw = np.random.default_rng(seed)
    start = draw.standard_normal(parameters)
    return [
        start + np.concatenate([np.zeros((1, parameters)), draw.standard_normal((length, parameters)).cumsum(0)])
        for length in lengths
    ]


@given(
    seed=st.integers(0, 10**6),
    lengths=st.lists(st.integers(2, 12), min_size=1, max_size=3),
    parameters=st.integers(2, 30),
)
@settings(max_examples=40, deadline=None)
def test_a_path_projected_and_back_loses_what_is_not_explained(seed, lengths, parameters):
    paths = _paths(seed, lengths, parameters)
    plane, rows = plane_of(paths), np.concatenate(paths)
    back = plane.weights(plane.coordinates(rows))
    lost = ((rows - back) ** 2).sum() / ((rows - plane.origin) ** 2).sum()
    assert lost == pytest.approx(1 - plane.explained.sum(), abs=1e-12)
    assert plane.held(rows) == pytest.approx(plane.explained.sum(), abs=1e-12)
    np.testing.assert_allclose(plane.axes @ plane.axes.T, np.eye(2), atol=1e-10)
    np.testing.assert_allclose(plane.coordinates(back), plane.coordinates(rows), atol=1e-9)
    np.testing.assert_array_equal(plane.coordinates(paths[0][:1]), np.zeros((1, 2)))
    assert (plane.coordinates(rows).mean(0) >= 0).all()


def test_no_other_plane_through_the_start_holds_more():
    paths = _paths(0, [20, 30], 8)
    plane, rows = plane_of(paths), np.concatenate(paths)
    draw = np.random.default_rng(1)
    for _ in range(200):
        axes = np.linalg.qr(draw.standard_normal((8, 2)))[0].T
        assert plane._replace(axes=axes).held(rows) < plane.held(rows)


def test_paths_that_lie_in_a_plane_are_seen_as_they_are():
    """A picture in the plane keeps distances, whatever the space around it."""
    draw = np.random.default_rng(0)
    axes = np.linalg.qr(draw.standard_normal((50, 2)))[0].T
    flat = np.concatenate([np.zeros((1, 2)), draw.standard_normal((9, 2))])
    plane = plane_of([3.0 + flat @ axes])
    seen = plane.coordinates(3.0 + flat @ axes)
    assert plane.explained.sum() == pytest.approx(1)
    apart = [np.linalg.norm(points[:, None] - points[None], axis=-1) for points in (flat, seen)]
    np.testing.assert_allclose(apart[1], apart[0], atol=1e-10)


def test_the_grid_reaches_past_all_paths_and_walks_hold_what_theory_says():
    first, second = grid_around(np.array([[0.0, 1.0], [4.0, 2.0]]), 11, margin=0.25)
    assert (first[0], first[-1], second[0], second[-1]) == (-1.0, 5.0, 0.0, 3.0)
    # The eigenvalues of min(s, t) are 1/((k − ½)²π²) and add up to ½: 8/π² and 8/9π² of it.
    assert random_walks_held(1, 300, 3000) == pytest.approx(8 / math.pi**2 * (1 + 1 / 9), abs=0.01)


@pytest.mark.parametrize(
    ("paths", "words"),
    [
        ([np.zeros((3, 4)), np.ones((3, 4))], "other initial weights in path 2"),
        ([np.zeros((3, 4))], "found none that span a plane"),
        ([np.outer(np.arange(3), np.ones(4))], "found none that span a plane"),
    ],
    ids=["apart", "still", "straight"],
)
def test_paths_without_a_plane_are_refused(paths, words):
    with pytest.raises(ValueError, match=words):
        plane_of(paths)


NETS = {
    "two classes": lambda: MLP((2,), 2, units=(4,)),
    "three classes": lambda: MLP((2,), 3, units=(4, 3), dropout=0.5, norm="layer"),
    "images": lambda: CNN((1, 8, 8), 3, layers=2, filters=4, units=4, norm="group", dropout=0.2),
}


@pytest.mark.parametrize("make", NETS.values(), ids=NETS)
def test_the_surface_is_the_nets_own_loss(make, monkeypatch):
    """Point by point with the weights put into the net, in the plane of a path, at its shadow and off it."""
    torch.manual_seed(0)
    net = make()
    x = torch.randn(17, *net.hparams["input_shape"])
    y = torch.randint(net.classes, (17,))
    size = sum(parameter.numel() for parameter in net.parameters())
    (path,) = _paths(0, [6], size)
    plane = plane_of([0.1 * path])
    rows = np.concatenate([0.1 * path, plane.weights(plane.coordinates(0.1 * path))])
    before = [parameter.clone() for parameter in net.parameters()]
    found = score(net, rows, x, y)
    assert net.training
    assert all(map(torch.equal, before, net.parameters()))
    monkeypatch.setattr("answers.make.descent.surface.SAMPLES_AT_ONCE", 40)  # two rows at a time
    np.testing.assert_allclose(score(net, rows, x, y).loss, found.loss, rtol=1e-12)
    net = net.double().eval()
    for row, loss, accuracy in zip(rows, found.loss, found.accuracy, strict=True):
        vector_to_parameters(torch.tensor(row), net.parameters())
        logits = net(x.double())
        targets = y.double() if net.outputs == 1 else y
        assert float(net.criterion(logits, targets).detach()) == pytest.approx(loss, rel=1e-9)
        assert float((net.predictions(logits) == y).double().mean()) == pytest.approx(accuracy)


def test_a_surface_that_parameters_do_not_determine_is_refused():
    x, y = torch.randn(3, 2), torch.tensor([0, 1, 0])
    with pytest.raises(ValueError, match="found running statistics"):
        score(MLP((2,), 2, units=(4,), norm="batch"), np.zeros((1, 25)), x, y)
    with pytest.raises(ValueError, match=r"rows of the net's 17 parameters, found an array of \(2, 5\)"):
        score(MLP((2,), 2, units=(4,)), np.zeros((2, 5)), x, y)


def test_a_path_is_labelled_by_what_sets_its_run_apart():
    sgd = {"seed": 0, "lr": 0.1, "batch_size": 32, "optimizer._target_": "torch.optim.SGD", "optimizer.momentum": 0.0}
    adam = {"seed": 1, "lr": 0.1, "batch_size": 32, "optimizer._target_": "torch.optim.Adam", "optimizer.eps": 1e-8}
    assert labels_of([sgd, adam | {"lr": 0.2}]) == ["lr 0.1, optimizer SGD", "lr 0.2, optimizer Adam"]
    assert labels_of([sgd, sgd | {"optimizer.momentum": 0.9}]) == ["optimizer.momentum 0.0", "optimizer.momentum 0.9"]
    assert labels_of([sgd, sgd | {"batch_size": "all"}]) == ["batch size 32", "batch size all"]
    assert labels_of([sgd, sgd | {"seed": 1, "dropout": 0.0}]) == ["run", "run"]


@pytest.fixture
def runs(trial, tmp_path):
    """Two short runs from one start, as the published picture's."""
    knobs = ["data=social_network_ads", "data.split=tail", "model.units=[3]", "optimizer=sgd", "lr=0.3"]
    knobs += [f"data_dir={require_ads().parent}", "callbacks=trajectory", "updates_per_epoch=10", "epochs=4"]
    directories = [tmp_path / "32", tmp_path / "all"]
    for directory in directories:
        trial(*knobs, f"batch_size={directory.name}", directory=directory)
    return directories


def test_runs_become_paths_with_their_recorded_losses_and_a_picture(runs, tmp_path, capsys):
    paths = read_descents(runs)
    assert [path.label for path in paths] == ["batch size 32", "batch size all"]
    assert [path.epochs.tolist() for path in paths] == [[0, 1, 2, 3, 4], [0, 10, 20, 30, 40]]
    for path, directory in zip(paths, runs, strict=True):
        with (directory / "metrics.csv").open() as file:
            recorded = list(csv.DictReader(file))
        # Kept in float32 by the run, and worked out in float64 here.
        np.testing.assert_allclose(path.val.loss[1:], [float(row["val/loss"]) for row in recorded], rtol=1e-5)
        np.testing.assert_allclose(path.val.accuracy[1:], [float(row["val/acc"]) for row in recorded])
    assert paths[1].row_at("epochs", 35) == 3
    draw_descent.draw(runs, tmp_path / "picture.png", points=7)
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
    lines = [line.split() for line in capsys.readouterr().out.splitlines() if line.startswith("batch size")]
    assert [line[3:5] for line in lines] == [["40", "4"], ["0", "0"], ["40", "4"], ["40", "40"]]


def test_runs_that_share_no_surface_or_left_no_path_are_named(runs, tmp_path, monkeypatch, capsys):
    def said(*arguments):
        monkeypatch.setattr("sys.argv", ["draw_descent.py", *map(str, arguments), "-o", str(tmp_path / "none.png")])
        with pytest.raises(SystemExit) as ended:
            answer(draw_descent.main)
        assert ended.value.code == 1
        assert not (tmp_path / "none.png").exists()
        return capsys.readouterr().err.strip()

    first, second = read_descents(runs)
    stored = runs[1] / "trajectory.npz"
    rows = read_trajectory(stored)
    np.savez(stored, **rows._replace(weights=rows.weights + 1)._asdict())
    assert said(*runs).startswith(f"{runs[1]}: expected the initial weights of {runs[0]}, found others")
    np.savez(stored, **rows._replace(weights=rows.weights * np.inf)._asdict())
    assert "expected finite weights along the run, found some that are not finite" in said(*runs)
    np.savez(stored, **{name: column[:1] for name, column in rows._asdict().items()})
    assert "found the first alone" in said(*runs)
    second.data.splits["train"] = first.data.splits["val"]
    with pytest.raises(ValueError, match="expected the training rows of"):
        refuse_apart([first, second])
    stored.write_bytes(stored.read_bytes()[:300])
    assert "found 300 damaged bytes" in said(*runs)
    stored.unlink()
    assert "found no file; callbacks=trajectory records them" in said(*runs)
    assert said(tmp_path / "nowhere").endswith(
        "expected the directory of a run with .hydra/config.yaml in it, found none"
    )
    assert said(runs[0], "--points", 1) == "--points must be 2 or more along each axis, got 1"


def test_a_configuration_that_names_what_is_not_known_is_not_drawn(trial, tmp_path):
    trial("epochs=2", "updates_per_epoch=2", "model.units=[4]", "callbacks=trajectory")
    stored = tmp_path / "run" / ".hydra" / "config.yaml"
    stored.write_text(stored.read_text() + "x: {_target_: os.getpid}\n")
    with pytest.raises(ValueError, match=r"os\.getpid.*trust=true"):
        read_descents([tmp_path / "run"])
