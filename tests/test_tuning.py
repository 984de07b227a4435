"""A tuned knob: where it is best, how well that is known, and that verdicts count it."""

import gzip
import json
import math
import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import yaml

from litmus.claims.contrast import Contrast
from litmus.claims.judgement import judge
from litmus.claims.optimum import excess, optimum, parabola
from litmus.claims.results import Results, Trial
from litmus.claims.study import read_study
from litmus.claims.tuning import TunedArms, TuningRun, choose
from litmus.records.tuning import read_table, tuning_csv
from litmus.sweeps import tuning as tuning_sweep
from litmus.sweeps.launching import Job
from litmus.sweeps.once import Outcome
from litmus.trial.command_line import answer, sentence
from scripts.report import main as report
from scripts.simulate import tuned
from tests.sweep_helpers import QUESTION, results, sweep, write_study

pytestmark = pytest.mark.usefixtures("undrawn")

NUISANCE = {"lr": {"log": [1e-4, 1e-1], "trials": 4, "sampler": "grid"}}
LEVELS = np.log([1e-4, 1e-3, 1e-2, 1e-1])


def runs_of(arm, curve, levels=(1e-4, 1e-3, 1e-2, 1e-1), seeds=3, noise=0.05, start=0, knob="lr", **more):
    """Tuning runs whose score is a curve of log10 of the rate, with noise."""
    generator = np.random.default_rng(start)
    return [
        TuningRun(arm, {knob: level}, seed, curve(math.log10(level)) + noise * generator.normal(), **more)
        for level in levels
        for seed in range(10_000, 10_000 + seeds)
    ]


def bowl(best, cost=0.1):
    return lambda place: math.exp(cost * (place - best) ** 2) / 2


def study(**more):
    node = {
        "question": "Which?",
        "factors": {"norm": ["none", "batch"]},
        "nuisance": NUISANCE,
        "seeds": 20,
        "quantities": {
            "loss": {"metric": "test/loss", "at": "best_val", "scale": "log", "sesoi": "2%"},
            "accuracy": {"metric": "test/acc", "at": "best_val", "sesoi": 0.01},
            "params": {"metric": "params", "at": "last"},
        },
        "predictions": {
            "better": {"kind": "compare", "quantity": "loss", "better": {"norm": "batch"}, "than": {"norm": "none"}}
        },
        **more,
    }
    return read_study({key: value for key, value in node.items() if value is not None})


def judged(asked, tuning=(), gain=0.1, n=20):
    generator = np.random.default_rng(3)
    trials = []
    for seed in range(n):
        for arm, ahead in (("norm=none", 0.0), ("norm=batch", gain)):
            loss = math.exp(-ahead + 0.05 * generator.normal())
            trials.append(Trial(arm, seed, {"loss": loss, "accuracy": 1 - loss / 4, "params": 100.0}))
    return judge(asked, Results(tuple(trials), tuning=tuple(tuning)))


def test_the_parabola_is_the_least_squares_fit_with_a_level_for_each_seed():
    generator = np.random.default_rng(1)
    places, seeds = np.tile(LEVELS, 3), np.repeat([7, 8, 9], 4)
    values = 0.2 * (places + 5) ** 2 + np.repeat([0.0, 1.0, -1.0], 4) + generator.normal(size=12)
    values[5] = np.nan
    fit = parabola(places, list(seeds), values)
    there = np.isfinite(values)
    z = places - fit.centre
    design = np.column_stack([z, z**2, *(seeds == seed for seed in (7, 8, 9))])[there]
    found, (residual,), *_ = np.linalg.lstsq(design, values[there])
    covariance = np.linalg.inv(design.T @ design) * residual / (there.sum() - 5)
    assert (fit.slope, fit.curvature) == pytest.approx(tuple(found[:2]))
    assert (fit.v11, fit.v12, fit.v22) == pytest.approx((covariance[0, 0], covariance[0, 1], covariance[1, 1]))
    assert fit.freedom == there.sum() - 3 - 2
    gradient = np.array([1, 2 * (LEVELS[1] - fit.centre)])
    assert fit.derivative_variance(LEVELS[1]) == pytest.approx(gradient @ covariance[:2, :2] @ gradient)


def test_simulations_are_fitted_one_by_one():
    values = np.random.default_rng(2).normal(size=(12, 5)) + 0.3 * np.tile(LEVELS + 5, 3)[:, None] ** 2
    together = optimum(np.tile(LEVELS, 3), [0] * 4 + [1] * 4 + [2] * 4, values)
    for k in range(5):
        alone = optimum(np.tile(LEVELS, 3), [0] * 4 + [1] * 4 + [2] * 4, values[:, k])
        assert together.place[k] == pytest.approx(alone.place)
        assert excess(together, together.fit)[0][k] == pytest.approx(excess(alone, alone.fit)[0])


def test_the_best_place_lies_between_the_levels_and_is_the_better_known_the_more_runs():
    asked = study()
    found = choose(asked, runs_of("norm=none", bowl(-2.6)))
    assert found.values["lr"] == pytest.approx(10**-2.6, rel=0.3)
    assert not found.edges
    more = choose(asked, runs_of("norm=none", bowl(-2.6), seeds=12))
    assert more.found.variance < found.found.variance


def test_a_metric_whose_name_says_no_direction_is_tuned_by_the_direction_it_is_given():
    """The worst of the rates was taken."""
    iou = {"metric": "test/iou", "select": "val/iou", "sesoi": 0.01}
    for direction, sign in (("up", -1), ("down", 1)):
        asked = study(quantities={"loss": {**iou, "direction": direction}})
        found = choose(asked, runs_of("norm=none", lambda place, sign=sign: sign * bowl(-2.6)(place)))
        assert found.values["lr"] == pytest.approx(10**-2.6, rel=0.3)
        assert not found.edges


def test_a_level_that_fails_on_a_seed_is_not_chosen_and_is_no_edge():
    runs = runs_of("norm=none", bowl(-1))
    broken = [run if run.settings["lr"] < 0.1 or run.seed > 10_000 else TuningRun(run.arm, run.settings, 10_000)
              for run in runs]  # fmt: skip
    assert choose(study(), runs).edges or choose(study(), runs).values["lr"] > 0.05
    found = choose(study(), broken)
    assert found.values["lr"] <= 0.01
    assert not found.edges


@pytest.mark.parametrize(
    ("more", "capped"), [((), False), ((3e-2, 3e-3), False), (tuple(np.geomspace(2e-4, 5e-2, 8)), True)]
)
def test_an_arm_that_more_than_twice_as_many_settings_were_tried_for_is_not_compared(more, capped):
    levels = (1e-4, 1e-3, 1e-2, 1e-1, *more)
    found = judged(study(), [*runs_of("norm=none", bowl(-2.5)), *runs_of("norm=batch", bowl(-2.5), levels)])
    assert ("unequal_tuning" in found.verdicts["better"].reason) is capped


@pytest.mark.briefly(0)
@pytest.mark.parametrize(("best", "side"), [(-6, "lower"), (0, "upper")])
def test_an_optimum_beyond_the_range_lies_at_its_edge_and_caps_what_touches_the_arm(best, side):
    runs = [*runs_of("norm=none", bowl(best)), *runs_of("norm=batch", bowl(-2.5))]
    assert choose(study(), runs[:12]).edges == {"lr": side}
    found = judged(study(), runs)
    assert found.verdicts["better"].verdict == "inconclusive"
    assert "optimum_at_edge" in found.verdicts["better"].reason
    sound = judged(study(), [*runs_of("norm=none", bowl(-2.5)), *runs_of("norm=batch", bowl(-2.5))])
    assert sound.verdicts["better"].verdict == "confirmed"


def test_a_curve_without_a_minimum_takes_the_best_level_anywhere_in_the_range():
    def hill(place):
        return 1 - 0.1 * (place + 2.5) ** 2 + 0.01 * place

    found = choose(study(), runs_of("norm=none", hill))
    assert found.values["lr"] in (1e-4, 1e-1)
    assert found.found.variance == pytest.approx((LEVELS[-1] - LEVELS[0]) ** 2 / 12)


def cliff(above, cost=0.1):
    """A score that falls by `cost` a decade, and runs that fail above a rate."""
    return lambda place: math.nan if place > above + 1e-9 else math.exp(-cost * place) / 2


def test_the_last_level_before_a_cliff_is_known_to_the_step_in_which_the_cliff_lies():
    levels = tuple(10.0**power for power in range(-6, 0))
    found = choose(study(), runs_of("norm=none", cliff(-3), levels=levels, noise=1e-3))
    assert found.values["lr"] == pytest.approx(1e-3)
    assert not found.edges
    assert found.found.variance == pytest.approx(math.log(10) ** 2 / 3, rel=0.01)


def test_rates_that_blow_up_say_nothing_of_the_best_one():
    levels = tuple(10.0**power for power in np.arange(-5, 1.1, 0.5))
    calm = runs_of("norm=none", bowl(-3), levels=levels, noise=0.01)
    wild = [
        TuningRun(run.arm, run.settings, run.seed, run.score * 10.0 ** (run.seed - 10_000) * 5)
        if run.settings["lr"] > 0.05 else run
        for run in calm
    ]  # fmt: skip
    before = choose(study(), [run for run in calm if run.settings["lr"] < 0.05])
    assert choose(study(), wild).values["lr"] == pytest.approx(1e-3, rel=0.2)
    assert choose(study(), wild).found.variance < 2 * before.found.variance


def test_a_rate_that_is_as_bad_on_every_seed_does_not_bend_the_curve_of_the_others():
    levels = tuple(10.0**power for power in np.arange(-5, -0.9, 0.5))
    calm = runs_of("norm=none", bowl(-3), levels=levels, noise=0.01)
    lost = [replace(run, score=2 * run.score) if run.settings["lr"] > 0.005 else run for run in calm]
    found = choose(study(), lost)
    assert found.values["lr"] == pytest.approx(1e-3, rel=0.2)
    assert not found.edges
    assert found.found.levels[-1] > np.log(0.05)


@pytest.mark.long
def test_arms_whose_higher_rates_blow_up_are_seldom_called_different():
    assert max(tuned(20, 2000, False, 8, 3, cliff=True)) <= 0.031


def test_a_knob_that_hardly_matters_costs_no_more_power_than_it_must():
    """A third, were the curvature counted as its estimate and a standard error, and τ² as the smaller of two."""
    assert tuned(20, 2000, False, 6, 3, gain=1.0, costs=[0.1])[0] > 0.5


def test_choices_are_chosen_as_they_stand_and_words_by_their_mean():
    knob = {"lr": {"choices": [1e-4, 1e-3, 1e-2, 1e-1]}}
    assert choose(study(nuisance=knob), runs_of("norm=none", bowl(-2.6))).values["lr"] in (1e-3, 1e-2)
    words = [
        TuningRun("norm=none", {"act": act}, seed, score)
        for act, score in (("relu", 0.5), ("gelu", 0.4))
        for seed in (1, 2)
    ]
    asked = study(nuisance={"act": {"choices": ["relu", "gelu"]}})
    assert choose(asked, words).values == {"act": "gelu"}
    assert "have no order" in " ".join(one.message for one in judged(asked, words).lint)
    two = {"lr": {"log": [1e-4, 1e-1]}, "momentum": {"linear": [0, 0.9]}}
    points = [(0.001, 0.0, 0.5), (0.01, 0.5, 0.4), (0.1, 0.9, 0.7), (0.002, 0.3, 0.6)]
    several = [TuningRun("norm=none", {"lr": a, "momentum": b}, 1, c) for a, b, c in points]
    assert choose(study(nuisance=two), several).values == {"lr": 0.01, "momentum": 0.5}
    assert "several knobs" in " ".join(one.message for one in judged(study(nuisance=two), several).lint)


def test_zero_is_the_natural_end_of_a_linear_range():
    (knob,) = study(nuisance={"dropout": {"linear": [0, 0.4], "trials": 5}}).nuisance.values()
    assert knob.beyond("lower", [0, 0.1, 0.2]) is None
    assert knob.beyond("upper", [0, 0.1, 0.4]) == pytest.approx(0.5)
    (rate,) = study().nuisance.values()
    assert rate.beyond("upper", [1e-4, 1e-1]) == pytest.approx(1)
    assert rate.beyond("lower", [1e-4, 1e-1]) == pytest.approx(1e-5)


def test_tuning_widens_the_interval_says_its_share_and_no_seeds_take_it_away():
    flat = [run for arm in ("norm=none", "norm=batch") for run in runs_of(arm, bowl(-2.5, 0.05), noise=0.03)]
    plain, wide = judged(study()).verdicts["better"], judged(study(), flat).verdicts["better"]
    assert wide.high - wide.low > plain.high - plain.low
    assert wide.mean == plain.mean
    assert 0 < wide.tuned_share < 1
    assert f"tuning is {100 * wide.tuned_share:.0f} % of the squared interval" in wide.reason
    assert plain.tuned_share == 0
    noisy = [run for arm in ("norm=none", "norm=batch") for run in runs_of(arm, bowl(-2.5, 0.2), noise=0.4, start=4)]
    lost = judged(study(), noisy, gain=0.03)
    if not lost.verdicts["better"].reason.count("optimum_at_edge"):
        assert lost.verdicts["better"].tuned_share > 0.5
        assert "tune more" in lost.verdicts["better"].reason
    assert "tuning_not_counted" in [one.code for one in judged(study()).lint]
    assert "tuning_not_counted" not in [one.code for one in judged(study(), flat).lint]


def test_another_quantity_pays_for_its_slope_where_the_knob_was_put():
    def runs(slope):
        made = []
        for arm in ("norm=none", "norm=batch"):
            for run in runs_of(arm, bowl(-2.5, 0.05), noise=0.02):
                worth = 0.8 + slope * math.log10(run.settings["lr"])
                made.append(TuningRun(run.arm, run.settings, run.seed, run.score, {"accuracy": worth}))
        return TunedArms(study(), made)

    quantity = study().quantities["accuracy"]
    steep, level = runs(0.1).part(quantity, "norm=none"), runs(0.0).part(quantity, "norm=none")
    place = runs(0.1).chosen["norm=none", None].found
    assert steep[0] == pytest.approx(place.variance * (0.1 / math.log(10)) ** 2, rel=1e-6)
    assert level[0] == pytest.approx(0, abs=1e-20)
    assert runs(0.1).part(study().quantities["params"], "norm=none") is None


def test_what_each_seed_tuned_anew_is_in_the_spread_already():
    anew = [run for seed in range(5) for run in runs_of("norm=none", bowl(-2.5), start=seed, verdict_seed=seed)]
    found = TunedArms(study(), anew)
    assert len(found.chosen) == 5
    assert found.part(study().quantities["loss"], "norm=none") is None


CASES = [(n, levels, seeds) for n in (5, 40) for levels, seeds in ((3, 2), (4, 3), (8, 2))]


@pytest.mark.briefly(0)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_equal_tuned_arms_are_seldom_called_different(case):
    n, levels, seeds = case
    limit = 0.03 + 4 * math.sqrt(0.03 * 0.97 / 4000)
    assert max(tuned(n, 4000, n == 40, levels, seeds)) <= limit


@pytest.mark.long
def test_the_negative_control_shows_what_luck_in_tuning_does():
    assert tuned(20, 2000, False, 6, 1, "argmin")[0] > 0.1
    assert tuned(20, 2000, False, 6, 3, "argmin")[0] > 0.06


@pytest.mark.long
def test_a_knob_that_does_nothing_widens_the_interval_within_bounds_and_says_so():
    generator = np.random.default_rng(3)
    levels = tuple(10.0**power for power in range(-5, 1))
    node = {"nuisance": {"lr": {"log": [1e-5, 1], "trials": 6, "sampler": "grid"}}}
    asked = study(**node, quantities={"loss": {"metric": "test/loss", "at": "best_val", "sesoi": 0.5}})
    plain = 2 * 2.093 * math.sqrt(2 / 20)
    for start in range(20):
        tuning = [
            run
            for k, arm in enumerate(asked.arms)
            for run in runs_of(arm, lambda place: 10.0, levels, noise=1.0, start=2 * start + k)
        ]
        trials = (Trial(arm, seed, {"loss": 10 + generator.normal()}) for seed in range(20) for arm in asked.arms)
        found = judge(asked, Results(tuple(trials), tuning=tuple(tuning))).verdicts["better"]
        assert (found.verdict, found.direction) in (("inconclusive", "open"), ("rejected", "open"))
        assert found.high - found.low < 6 * plain
        assert found.tuned_share > 0.05
        assert "tuning is " in found.reason


# --- the table that travels


def test_the_table_says_all_that_the_runs_do(tmp_path):
    runs = [*runs_of("norm=none", bowl(-2.5), values={"accuracy": 0.7}), TuningRun("norm=batch", {"lr": 1.0}, 10_000)]
    (tmp_path / "tuning.csv").write_text(tuning_csv(runs, study()))
    back = read_table(tmp_path / "tuning.csv", study())
    assert [(run.arm, run.seed, dict(run.settings), dict(run.values), run.status) for run in back] == [
        (run.arm, run.seed, dict(run.settings), dict(run.values), run.status) for run in runs
    ]
    assert [run.score for run in back] == pytest.approx([run.score for run in runs], nan_ok=True)


@pytest.mark.parametrize(
    "content",
    ["a,b\n1,2\n", "arm,lr,seed,score\nnorm=none,x,1,0.3\n", "arm,lr,seed,score\nother,0.1,1,0.3\n",
     "arm,lr,seed,score\nnorm=none,0.1,one,0.3\n", "arm,lr,seed,score\nnorm=none,0.1,1,bad\n"],
)  # fmt: skip
def test_a_table_of_another_study_is_refused_in_one_sentence(tmp_path, content):
    (tmp_path / "tuning.csv").write_text(content)
    with pytest.raises(ValueError, match=r"tuning\.csv line 2: expected") as told:
        read_table(tmp_path / "tuning.csv", study())
    assert "\n" not in str(told.value)


TUNED = {**QUESTION, "seeds": 3, "nuisance": {"lr": {"log": [1e-3, 1e-1], "trials": 3, "sampler": "grid"}}}
TWO_RATES = {"choices": [1e-3, 1e-1], "trials": 2, "sampler": "grid"}
THREE_RATES = {"choices": [1e-3, 1e-2, 1e-1], "trials": 3, "sampler": "grid"}


def test_a_run_that_a_table_holds_twice_counts_once_and_is_refused_where_it_differs(tmp_path):
    path, text = tmp_path / "tuning.csv", tuning_csv(runs_of("norm=none", bowl(-2.5)), study())
    path.write_text(text + text.partition("\n")[2])
    assert len(read_table(path, study())) == 12
    path.write_text(text + "norm=none,0.001,10000,completed,9.9\n")
    with pytest.raises(ValueError, match=r"tuning\.csv line 14: expected each run of norm=none once"):
        read_table(path, study())


@pytest.mark.long
def test_a_bare_table_with_its_tuning_is_judged_as_the_directory_is(tmp_path, undrawn):
    write_study(tmp_path, study={**TUNED, "nuisance": {"lr": THREE_RATES}}, updates_per_epoch=5)
    sweep(tmp_path, "study=tiny", "study.tuning_seeds=2")
    directory, alone = tmp_path / "studies" / "tiny", tmp_path / "alone"
    alone.mkdir()
    for name in ("study.yaml", "results.csv"):
        shutil.copy(directory / name, alone)
    told = json.loads((directory / "verdicts.json").read_text())["off"]
    answer(lambda: report([str(alone / "study.yaml"), str(alone / "results.csv"), "-o", str(alone / "without")]))
    without = json.loads((alone / "without" / "verdicts.json").read_text())
    assert "tuning_not_counted" in [one["code"] for one in without["lint"]]
    (alone / "tuning.csv.gz").write_bytes(gzip.compress((directory / "tuning.csv").read_bytes()))
    answer(lambda: report([str(alone / "study.yaml"), str(alone / "results.csv"), "-o", str(alone / "zipped")]))
    shutil.move(alone / "tuning.csv.gz", tmp_path)
    shutil.copy(directory / "tuning.csv", alone)
    answer(lambda: report([str(alone / "study.yaml"), str(alone / "results.csv"), "-o", str(alone / "out")]))
    again = json.loads((alone / "out" / "verdicts.json").read_text())
    assert again["off"] == json.loads((alone / "zipped" / "verdicts.json").read_text())["off"] == told
    assert told["tuned_share"] > 0
    # Three pairs have two degrees of freedom; what tuning adds to them makes no interval narrower.
    assert again["off"]["high"] - again["off"]["low"] >= without["off"]["high"] - without["off"]["low"]
    assert (alone / "out" / "tuning.csv").read_bytes() == (directory / "tuning.csv").read_bytes()


def test_a_study_all_of_whose_tuning_failed_is_reported(tmp_path):
    rows = ["arm,seed,loss,accuracy,params"] + [
        f"norm={n},{s},0.{s + 4},0.5,1" for n in ("none", "batch") for s in range(3)
    ]
    (tmp_path / "results.csv").write_text("\n".join(rows))
    (tmp_path / "tuning.csv").write_text(tuning_csv(runs_of("norm=none", lambda place: math.nan), study()))
    node = {"question": "Which?", "factors": {"norm": ["none", "batch"]}, "seeds": 3, "nuisance": NUISANCE}
    asked = {"quantities": {"loss": {"metric": "test/loss", "sesoi": 0.1}}}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump({**node, **asked}))
    report([str(tmp_path / "study.yaml"), str(tmp_path / "results.csv"), "-o", str(tmp_path / "out")])
    assert "4 tuning trials" in (tmp_path / "out" / "report.md").read_text()


@pytest.mark.long
@pytest.mark.parametrize("levels", [["0"], ["0", "0.5"]], ids=["one arm", "two arms"])
def test_each_seed_is_tuned_anew_by_runs_of_its_own(tmp_path, unreported, levels):
    anew = {"lr": {**TWO_RATES, "per": "seed"}}
    study = {**TUNED, "factors": {"dropout": [float(level) for level in levels]}, "nuisance": anew, "seeds": 1}
    if len(levels) == 1:
        del study["predictions"]
    write_study(tmp_path, study=study, updates_per_epoch=5)
    sweep(tmp_path, "study=tiny", "study.tuning_seeds=1")
    directory = tmp_path / "studies" / "tiny"
    before = {place: result["counters"] for place, result in results(directory).items()}
    assert not any("for=1" in place for place in before)
    sweep(tmp_path, "study=tiny", "study.tuning_seeds=1", "study.seeds=2")
    found = results(directory)
    assert {place: found[place]["counters"] for place in before} == before
    seeds = {}
    for place, result in found.items():
        if place.startswith("tuning"):
            seeds.setdefault(place.split("/")[2], set()).add(result["seed"])
    assert set(seeds) == {"for=0", "for=1"}
    assert not set.intersection(*seeds.values())
    for level in levels:
        for seed in (0, 1):
            best = json.loads((directory / "tuning" / f"dropout={level}" / f"for={seed}" / "best.json").read_text())
            assert found[f"trials/dropout={level}/seed={seed}"]["config"]["lr"] == best["values"]["lr"]


@pytest.mark.long
def test_a_pruner_ends_a_point_and_none_of_its_runs_alone(tmp_path, unreported):
    knob = {"lr": {"log": [1e-3, 30], "trials": 7, "sampler": "grid"}}
    alone = {key: value for key, value in TUNED.items() if key not in ("factors", "predictions")}
    study = {**alone, "arms": {"only": {}}, "nuisance": knob, "seeds": 1}
    write_study(tmp_path, study=study, epochs=3, updates_per_epoch=10)
    sweep(tmp_path, "study=tiny", "study.pruner=median", "study.tuning_seeds=2")
    found = results(tmp_path / "studies" / "tiny")
    points = {}
    for place, result in found.items():
        if "/trial=" in place:
            points.setdefault(place.rpartition("/")[0], []).append(result["status"])
    assert {tuple(own) for own in points.values()} == {("pruned",), ("completed",) * 2}


class Launched:
    """A launcher whose runs end at once; a directory that asks for nothing else is not run again."""

    def __init__(self, directory):
        self.directory, self.width, self.ended, self.ran = directory, 1, {}, []

    def outcome(self, job):
        done = self.ended.get(job.place) == job.asked_hash
        return Outcome("completed", result={"metrics": {"val/loss": 1.0}}) if done else Outcome("waiting")

    def to_run(self, jobs):
        return [job for job in jobs if not self.outcome(job).final]

    def run(self, jobs):
        self.ran += jobs
        self.ended |= {job.place: job.asked_hash for job in jobs}


class Named(SimpleNamespace):
    """An arm whose jobs are told apart by their values and seeds."""

    def job(self, place, seed, values, *_):
        return Job(place, (), f"{self.name} {seed} {values}")


def points_of(launched, trials, sampler, arms):
    """Arm → the rates of its tuning trials, when a study asks for so many in this directory."""
    asked = study(nuisance={"lr": {"log": [1e-4, 1e-1], "trials": trials, "sampler": sampler}})
    given = SimpleNamespace(
        study=asked, name="it", pruner="none", direction="minimize", tuning_trials=trials, per_seed=False
    )
    tunings = {arm: tuning_sweep.Tuning(Named(name=arm, config=arm), None, (10_000,)) for arm in arms}
    found, _ = tuning_sweep.search(given, tunings, launched)
    return {arm: [values["lr"] for values, _ in found[arm]] for arm in arms}


@pytest.mark.briefly(0)
@pytest.mark.parametrize("sampler", ["grid", "qmc", "random", "tpe"])
@pytest.mark.parametrize("trials", [3, 6])
def test_arms_that_are_tuned_before_and_after_trials_is_edited_have_the_same_plan(
    tmp_path, monkeypatch, sampler, trials
):
    monkeypatch.setattr(tuning_sweep, "hash_of", str)
    launched = Launched(tmp_path)
    before = points_of(launched, 5, sampler, ["a"])
    assert points_of(launched, 5, sampler, ["a"]) == before
    edited = points_of(launched, trials, sampler, ["a", "b"])
    assert {arm: len(own) for arm, own in edited.items()} == {"a": trials, "b": trials}
    if sampler == "tpe":  # what learns goes on from what it has
        assert edited["a"][: min(5, trials)] == before["a"][:trials]
    else:
        assert sorted(edited["a"]) == sorted(edited["b"])
        assert points_of(Launched(tmp_path / "new"), trials, sampler, ["a"])["a"] == edited["a"]


@pytest.mark.parametrize("sampler", ["grid", "qmc", "random"])
def test_a_tuning_of_before_plans_had_names_runs_nothing_again(tmp_path, monkeypatch, sampler):
    monkeypatch.setattr(tuning_sweep, "hash_of", str)
    launched = Launched(tmp_path)
    with monkeypatch.context() as earlier:
        earlier.setattr(tuning_sweep, "optimization_name", lambda one, *_: f"{one.label} @ 01234567")
        before = points_of(launched, 5, sampler, ["a"])
    launched.ran.clear()
    assert points_of(launched, 5, sampler, ["a"]) == before
    assert launched.ran == []


@pytest.mark.parametrize("samplers", [("grid", "qmc"), ("qmc", "random"), ("random", "grid")])
def test_another_sampler_tunes_every_arm_by_its_own_points(tmp_path, monkeypatch, samplers):
    monkeypatch.setattr(tuning_sweep, "hash_of", str)
    launched = Launched(tmp_path)
    points_of(launched, 4, samplers[0], ["a"])
    edited = points_of(launched, 4, samplers[1], ["a", "b"])
    assert edited["a"] == edited["b"]


@pytest.mark.parametrize(
    ("per", "other", "said"),
    [
        ("arms", {}, "study.nuisance.lr.per must be one of"),
        ("seed", {"batch_size": {"choices": [16, 32]}}, "give all of them per: seed"),
    ],
)
def test_knobs_are_tuned_alike(tmp_path, per, other, said):
    nuisance = {"lr": {"log": [1e-3, 1e-1], "per": per}, **other}
    write_study(tmp_path, study={**TUNED, "nuisance": nuisance})
    with pytest.raises(ValueError, match=said) as told:
        sweep(tmp_path, "study=tiny")
    assert "\n" not in sentence(told.value)


def test_a_sign_test_of_tuned_arms_can_decide_among_many_predictions_at_the_last_of_four_looks():
    study = read_study(
        {
            "question": "?",
            "arms": {"a": {"x": 1}, "b": {"x": 2}},
            "quantities": {"score": {"metric": "score", "sesoi": 0.1}},
        }
    )
    weights, tuned = {"a": 1.0, "b": -1.0}, ((0.01, 9.0), (0.01, 9.0))
    earlier = [
        Contrast(study.quantities["score"], weights, np.full(n, 5.0), test="sign", tuning=tuned, corrected=True)
        for n in (5, 10, 20, 40)
    ]
    last = Contrast(
        study.quantities["score"],
        weights,
        np.full(40, 5.0),
        test="sign",
        tuning=tuned,
        earlier=tuple(earlier[:-1]),
        corrected=True,
    )
    predictions, compared = 20, 2
    assert predictions * compared * last.over_looks(lambda one: one.p_above(0.0)) < 0.025
    # What tuning may have moved is none of the evidence: 0.1 beside an error of √0.02.
    assert last.over_looks(lambda one: one.p_above(4.9)) > 0.5
