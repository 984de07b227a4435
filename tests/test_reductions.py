"""Reductions: one number from a curve, by hand and by law."""

import math

import numpy as np
import pytest

from litmus.claims.measure import measure
from litmus.claims.quantity import read_quantity
from litmus.claims.reductions import rise, roughness
from litmus.claims.runs import Run, results_from_runs
from litmus.claims.study import read_study
from litmus.direction import direction_of

HISTORY = {
    "epoch": np.arange(1, 6),
    "updates": 10 * np.arange(1, 6),
    "samples": 320 * np.arange(1, 6),
    "seconds": 0.5 * np.arange(1, 6),
    "train/loss": np.array([1.0, 0.8, 0.6, 0.4, 0.2]),
    "val/loss": np.array([1.0, 0.7, 0.5, 0.6, 0.9]),
    "val/acc": np.array([0.1, 0.3, 0.6, 0.7, 0.5]),
    "test/loss": np.array([1.1, 0.8, 0.55, 0.65, 0.95]),
}


def reduced(metric, at, **more):
    return measure(read_quantity("q", {"metric": metric, "at": at, **more}), HISTORY, {"params": 100, "test/acc": 0.7})


@pytest.mark.parametrize(
    ("metric", "at", "expected"),
    [
        ("val/loss", "last", 0.9),
        ("val/loss", "best", 0.5),
        ("val/acc", "best", 0.7),
        ("test/loss", "best_val", 0.55),
        ("val/loss", "rise", (0.9 - (0.7 + 0.6) / 2 + 0.9 - (0.5 + 0.9) / 2) / 2),
        ("val/acc", "rise", ((0.3 + 0.7) / 2 - 0.5 + (0.6 + 0.5) / 2 - 0.5) / 2),
        ("val/loss", "auc", (0.5 * 1.0 + 0.7 + 0.5 + 0.6 + 0.5 * 0.9) / 4),
        ("val/loss", {"time_to": 0.6}, 30),
        ("val/acc", {"time_to": 0.6, "unit": "samples"}, 960),
        ("val/loss", {"time_to": 0.7, "unit": "seconds"}, 1.0),
        ("val/loss", {"time_to": 0.1}, math.inf),
        ("gap", "last", 0.7),
        ("diverged", "last", 0.0),
        ("updates", "last", 50),
        ("params", "last", 100),
        ("test/acc", "best_val", 0.7),
    ],
)
def test_by_hand(metric, at, expected):
    assert reduced(metric, at) == pytest.approx(expected)


def test_selection_may_be_by_another_metric():
    assert reduced("test/loss", "best_val", select="val/acc") == pytest.approx(0.65)


@pytest.mark.parametrize("metric", ["val/iou", "test/iou"])
def test_a_metric_whose_name_says_no_direction_chooses_its_best_epoch_by_the_direction_it_is_given(metric):
    """The worst epoch was judged, and the worst rate of the tuning runs taken."""
    iou = {"epoch": np.arange(4), "updates": 10.0 * np.arange(1, 5), "val/iou": np.array([0.1, 0.5, 0.9, 0.8])}
    iou["test/iou"] = iou["val/iou"]
    node = {"metric": metric, "at": "best_val", "select": "val/iou"}
    assert measure(read_quantity("q", {**node, "direction": "up"}), iou) == 0.9
    assert measure(read_quantity("q", {**node, "direction": "down"}), iou) == 0.1
    assert read_quantity("q", {**node, "direction": "up"}).select_direction == "up"
    with pytest.raises(ValueError, match="select: whether more val/iou is better is unknown"):
        read_quantity("q", {"metric": "test/loss", "select": "val/iou", "direction": "down"})


@pytest.mark.parametrize(("at", "up", "down"), [({"time_to": 0.5}, 20, 10), ("rise", None, None), ("best", 0.9, 0.1)])
def test_a_direction_is_the_metrics_own_and_less_of_how_long_and_how_much_it_lost_is_better(at, up, down):
    iou = {"updates": 10.0 * np.arange(1, 5), "val/iou": np.array([0.1, 0.5, 0.9, 0.8])}
    for direction, expected in (("up", up), ("down", down)):
        quantity = read_quantity("q", {"metric": "val/iou", "at": at, "direction": direction})
        expected = rise(iou["val/iou"], 1 if direction == "up" else -1) if at == "rise" else expected
        assert measure(quantity, iou) == pytest.approx(expected)
        assert quantity.direction == ("down" if at != "best" else direction)
    with pytest.raises(ValueError, match="direction is that of val/acc itself, which is up, got down; leave it out"):
        read_quantity("q", {"metric": "val/acc", "at": {"time_to": 0.5}, "direction": "down"})


def test_a_score_of_what_is_better_when_less_is_less():
    assert {direction_of(f"val/{name}") for name in ("brier_score", "fid_score", "davies_bouldin_score")} == {"down"}
    assert {direction_of(f"val/{name}") for name in ("f1_score", "score", "my_score")} == {"up"}


@pytest.mark.parametrize(
    ("way", "names"),
    [
        ("down", "zero_one_loss hamming_loss brier_score_loss max_error mean_squared_log_error regret_score"),
        (
            "down",
            "val_loss train_loss_epoch loss_per_token seconds_per_epoch memory_mb updates_to_threshold top_5_error",
        ),
        (
            "down",
            "reward_loss acc_gap error_score calibration_error loss/cifar10 mean_absolute_percentage_error samples",
        ),
        ("up", "balanced_accuracy f1_macro f1_samples precision_at_k recall_at_10 recall_at_fixed_precision acc_top5"),
        ("up", "cohen_kappa_score acc/cifar10 acc/dataloader_idx_0 acc_percent silhouette_score r2_score accuracy_ema"),
        ("down", "loss_ce memory_peak time_elapsed en_to_de/loss neg/loss mae_raw"),
        ("up", "accuracy_balanced neg/recall r2_adjusted f1_positive reward_episode"),
        (None, "neg_log_loss neg_mean_squared_error neg_brier_score minus_loss inverse_mse d2_log_loss_score"),
        (None, "accuracy_drop acc_std acc/std error_reduction loss_scale time_saved survival_time"),
        (None, "time_to_accuracy time_to_failure samples_per_second epochs_survived explained_variance"),
    ],
)
def test_a_direction_is_told_by_a_name_only_where_no_word_may_turn_it_round(way, names):
    for name in names.split():
        assert (name, direction_of(name), direction_of(f"test/{name}")) == (name, way, way)


def test_roughness_is_the_noise_about_a_line():
    noise = np.random.default_rng(0).normal(0, 0.3, 100_000)
    assert roughness(np.linspace(0, 50, 100_000) + noise) == pytest.approx(0.3, rel=0.02)
    assert roughness(np.linspace(0, 1, 50)) == pytest.approx(0, abs=1e-12)


@pytest.mark.briefly(0)
@pytest.mark.parametrize("sign", [1, -1])
def test_the_rise_of_flat_noise_does_not_grow_with_the_number_of_epochs(sign):
    """|last − best| would be 0.85, 1.5 and 2.5 of the noise."""
    generator = np.random.default_rng(0)
    found = [np.mean([rise(generator.normal(size=n), sign) for _ in range(4000)]) for n in (3, 10, 30, 100)]
    assert max(found) < 0.35
    assert found == sorted(found, reverse=True)
    assert abs(found[-1]) < 0.08


def test_a_curve_that_falls_to_its_end_lost_nothing_and_one_that_rises_keeps_its_rise():
    x = np.linspace(0, 1, 40)
    assert rise(np.exp(-3 * x)) == 0
    assert rise(-np.exp(-3 * x), sign=1) == 0
    assert [rise(np.array(curve)) for curve in ([1.0], [2.0, 1.0], [3.0, 2.0, 1.0])] == [0, 0, 0]
    noise = np.random.default_rng(1).normal(0, 0.05, (500, 40))
    falling = np.mean([rise(4 * np.exp(-4 * x) + one) for one in noise])
    assert abs(falling) < 0.02
    valley = np.where(x < 0.3, 0.3 - x, (x - 0.3) * 0.7)
    assert np.mean([rise(valley + one) for one in noise]) == pytest.approx(0.49, rel=0.08)
    assert math.isnan(rise(np.array([1.0, math.inf, 0.5])))


@pytest.mark.long
def test_the_roughness_of_noise_does_not_depend_on_the_number_of_epochs():
    generator = np.random.default_rng(2)
    for n in (3, 4, 6, 10, 50):
        assert np.mean([roughness(generator.normal(size=n)) for _ in range(6000)]) == pytest.approx(1, abs=0.035)


def test_a_diverged_run_is_not_finite_and_says_so():
    broken = {**HISTORY, "train/loss": np.array([1, 2, math.nan, 3, 3])}
    assert measure(read_quantity("q", {"metric": "diverged"}), broken) == 1
    assert math.isnan(measure(read_quantity("q", {"metric": "train/loss", "at": "best"}), broken))


def test_what_was_not_recorded_is_refused():
    with pytest.raises(ValueError, match="needs 'test/f1'"):
        reduced("test/f1", "last")
    with pytest.raises(ValueError, match="needs the curve 'val/f1'"):
        reduced("test/loss", "best_val", select="val/f1")


def test_runs_become_trials_and_failed_runs_stay_rows():
    study = read_study(
        {
            "question": "Which?",
            "arms": {"a": {"x": 1}, "b": {"x": 2}},
            "quantities": {"loss": {"metric": "test/loss", "sesoi": 0.1}, "rise": {"metric": "val/loss", "at": "rise"}},
        }
    )
    runs = [Run("a", 0, HISTORY, {"params": 7}), Run("b", 0, error="out of memory")]
    results = results_from_runs(study, runs)
    assert results.values("loss", "a") == {0: 0.55}
    assert results.values("loss", "b") == {}
    assert results.counter("updates", "a") == 50
    assert results.counter("params", "a") == 7
    assert len(results.trials) == 2
    assert results.findings[0].message == "1 of 2 trials failed (b seed 0: out of memory)."
