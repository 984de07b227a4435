"""However often a study is looked at, whatever fails, both sides keep their 2.5 %: scripts/simulate.py in small."""

import math
import re
from dataclasses import replace

import numpy as np
import pytest

from litmus.claims.judgement import judge
from litmus.claims.results import Results, Trial
from litmus.claims.results_table import results_from_rows
from litmus.claims.study import read_study
from scripts.simulate import (
    CONTROL,
    FAILING,
    LOOKS,
    LOPSIDED,
    LOTTERIES,
    NOISES,
    SKEWED,
    WAITING,
    Simulated,
    counted,
    edges,
    family,
    normal,
    rates,
    rows,
    study_of,
    topped_up,
    untreated,
)
from tests.conftest import ROOT

pytestmark = pytest.mark.usefixtures("undrawn")

SIMULATIONS = 4000
LIMIT = 0.025 + 4 * math.sqrt(0.025 * 0.975 / SIMULATIONS)  # four standard errors of the simulation
NAMES = [edge[0] for edge in edges()]


@pytest.mark.briefly(
    "compare-normal", "not worse-normal", "synergy-normal", "bound below-normal", "diminishing-normal", "peak-normal"
)
@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("place", range(len(NAMES)), ids=NAMES)
def test_four_looks_err_no_more_than_one(place, noise):
    draw, far = NOISES[noise]
    found = rates(edges(far)[place], draw, LOOKS[-1], SIMULATIONS, looks=True)
    assert max(found) <= LIMIT, found


@pytest.mark.briefly("3-80 rows")
@pytest.mark.parametrize("noise", ["t₃", "80 rows"])
@pytest.mark.parametrize("n", [3, 10])
def test_one_look_keeps_its_level_under_other_noise(noise, n):
    draw, far = NOISES[noise]
    for edge in edges(far):
        found = rates(edge, draw, n, SIMULATIONS)
        assert max(found) <= LIMIT, (edge[0], found)


@pytest.mark.briefly("compare-0.5", "equivalent-0.5")
@pytest.mark.parametrize("fails", [0.3, 0.5])
@pytest.mark.parametrize("name", FAILING)
def test_equal_arms_that_diverge_are_not_called_different(name, fails):
    edge = edges()[NAMES.index(name)]
    for n, looks in ((3, False), (5, False), (10, False), (20, False), (40, True)):
        found = rates(edge, normal, n, SIMULATIONS, looks, fails=fails)
        assert max(found) <= LIMIT, (n, found)


@pytest.mark.parametrize(("at", "share"), [("time_to", 0.2), ("time_to", 0.5), (None, 0.1), (None, 0.5)])
def test_times_and_shares_are_not_taken_for_exact(at, share):
    for n, looks in ((3, False), (5, False), (10, False), (20, False), (40, True)):
        assert max(counted(at, n, SIMULATIONS, looks, share)) <= LIMIT


def test_without_the_correction_looking_again_costs():
    """That the simulation can tell: five looks' worth of 2.5 % is found where nothing corrects it."""
    assert topped_up(SIMULATIONS, factor_later=False) > 0.05
    assert family(SIMULATIONS, looks=True) <= LIMIT


def test_schedules_that_had_not_begun_reject_no_claim_about_them():
    for waiting in (WAITING[-1], None):
        for n, looks in ((5, False), (20, False), (40, True)):
            assert max(untreated(n, SIMULATIONS, looks, waiting)) <= LIMIT
    assert untreated(20, SIMULATIONS, False, WAITING[-1], ruled=False)[1] > 0.5


@pytest.mark.parametrize(("same", "verdict"), [(7, "inconclusive"), (6, "rejected")])
def test_the_simulation_caps_what_the_engine_caps(same, verdict):
    """Six of twenty seeds that are one run are fewer than a third."""
    study = study_of({"kind": "compare", "better": {"x": 1}, "than": {"x": 2}})
    drawn = np.random.default_rng(3).normal(size=(3, 20)) - np.array([[2.0], [0.0], [0.0]])
    drawn[0, :same] = drawn[1, :same]
    table = [
        {"x": level, "seed": seed, "score": drawn[k, seed]} for k, level in enumerate((1, 2, 4)) for seed in range(20)
    ]
    found = judge(replace(study, seeds=tuple(range(20))), results_from_rows(study, table)).verdicts["it"]
    assert found.verdict == verdict, found.reason


@pytest.mark.parametrize("failing", [False, True])
def test_the_simulation_judges_as_the_engine_does(failing):
    """One simulated study, through trials and results."""
    study = study_of({"kind": "compare", "better": {"x": 1}, "than": {"x": 2}}, looked={"kind": "all_of", "of": ["it"]})
    generator = np.random.default_rng(11)
    drawn = normal(generator, (0.4, 0, 0), (20, 1))
    if failing:
        drawn[1, generator.random(20) < 0.6] = np.nan
    scores = dict(zip(study.arms, drawn, strict=True))
    trials = [
        Trial(arm, seed, {"score": float(own[seed, 0])}) for arm, own in scores.items() for seed in range(len(own))
    ]
    found = judge(replace(study, until=True, seeds=tuple(range(40))), Results(tuple(trials))).verdicts["it"]
    claim = study.predictions["it"].test(study, Simulated(scores, [n for n in LOOKS if n <= found.look]))
    assert found.p_confirm == pytest.approx(float(claim.p_confirm[0]))
    assert found.p_reject == pytest.approx(float(claim.p_reject[0]))
    assert found.look in (10, 20)


@pytest.mark.long
def test_bare_tables_of_equal_arms_are_seldom_decided_wrongly():
    """Through rows, as scripts/report.py reads them: looks, Holm over three predictions, runs that fail, and times."""
    node = {
        "question": "Is any arm better?",
        "arms": {"a": {}, "b": {"x": 1}},
        "seeds": {"until": "decided", "most": 20},
        "quantities": {
            "score": {"metric": "score", "sesoi": 0.01},
            "time": {"metric": "val/loss", "at": {"time_to": 0.5, "unit": "epoch"}},
            "diverged": {"metric": "diverged"},
        },
        "predictions": {
            name: {"kind": "compare", "quantity": name, "better": "a", "than": "b"}
            for name in ("score", "time", "diverged")
        },
    }
    study = read_study(node)
    generator, wrong, tables = np.random.default_rng(5), 0, 150
    for _ in range(tables):
        rows = []
        for seed in range(20):
            for arm in ("a", "b"):
                fails = generator.random() < 0.3
                time = generator.geometric(0.2)
                row = {"score": "nan" if fails else generator.normal(), "diverged": float(fails)}
                rows.append({"arm": arm, "seed": seed, **row, "time": time if time < 20 else "inf", "epochs": 20})
        verdicts = judge(study, results_from_rows(study, rows)).verdicts
        wrong += any(one.verdict == "confirmed" or one.direction == "as predicted" for one in verdicts.values())
    assert wrong <= tables * 0.025 + 4 * math.sqrt(tables * 0.025)


def test_the_published_table_has_every_kind_and_keeps_the_level():
    text = (ROOT / "docs" / "verdicts.md").read_text(encoding="utf-8")
    published = re.findall(r"^\| ([^|]+) \| ([^|]+) \|((?: [\d.]+ / [\d.]+ \|)+)$", text, re.MULTILINE)
    for noise in NOISES:
        assert [name for name, told, _ in published if told == noise] == NAMES
    assert len([told for _, told, _ in published if told.startswith("tuned by")]) == len(LOTTERIES)
    assert [(name, told) for name, told, _ in published] == [(name, told) for name, told, _ in rows(20_000)]

    def allowed(tables):
        return 100 * (0.025 + 4 * math.sqrt(0.025 * 0.975 / tables))

    # What is said to err more often, beside the table.
    more = (LOPSIDED, SKEWED, CONTROL, "a schedule that had not begun on 30%", "rise", "roughness", "a rise by")
    for name, told, cells in published:
        if not told.startswith(more):
            tables = 8000 if re.match("tuned by [678] ", told) else 20_000
            assert max(map(float, re.findall(r"[\d.]+", cells))) <= allowed(tables), (name, told)
