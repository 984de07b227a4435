"""Runs of before and after an edit of their data are no replicates and no pairs: nothing is judged by both."""

import json
from dataclasses import dataclass

import pytest

from litmus.claims.data_version import DataVersion, read_version, unlike
from litmus.claims.judgement import judge
from litmus.claims.results_table import read_results
from litmus.claims.study_file import read_study_file
from litmus.records.arms import data_version
from litmus.records.record import Record
from litmus.records.tuning import read_table, tuning_csv
from litmus.report.study_directory import read_study_directory
from litmus.report.write import results_csv
from litmus.sweeps.search_sweep import refuse_other_data
from tests.report_data import write_study

OLD, NEW = "a" * 64, "b" * 64


@dataclass(frozen=True)
class Run:
    data: DataVersion | None


def mixed(*seen):
    """Whether runs that saw (hash, seed of the draw) of data that were asked for alike are found to be unlike."""
    return bool(unlike([Run(DataVersion(sha256, "settings", str(draw))) for sha256, draw in seen]))


def test_equal_settings_with_an_equal_seed_are_equal_data():
    assert not mixed(("a", 0), ("a", 0), ("b", 1), ("b", 1))
    assert mixed(("a", 0), ("b", 0))
    assert mixed(("a", 0), ("a", 0), ("b", 1), ("c", 1))


def test_of_other_seeds_nothing_is_known():
    """A seed may draw all data, or choose one of three sites, or do nothing."""
    assert not mixed(*[("a", seed) for seed in range(5)])
    assert not mixed(*[(f"drawn{seed}", seed) for seed in range(5)])
    assert not mixed(*[(f"site{seed % 3}", seed) for seed in range(6)])


def test_what_was_asked_for_otherwise_or_was_not_recorded_is_not_compared():
    one, other = DataVersion("a", "first", "0"), DataVersion("b", "second", "0")
    assert unlike([Run(one), Run(other), Run(None)]) == []
    assert len(unlike([Run(one), Run(other), Run(None), Run(DataVersion("c", "second", "0"))])) == 2


def test_a_cell_says_what_a_run_saw():
    version = DataVersion("a1", "b2", "3, 4")
    assert read_version(version.told) == version
    assert [read_version(cell) for cell in ("", "653cad2c", "a of b")] == [None] * 3


def seen(sha256="a", seed=0, of=None, **data):
    settings = {"_target_": "src.datamodules.table.Table", "path": "own.csv", "seed": seed, "batch_size": 32, **data}
    told = {"sha256": sha256, **({"sha256_of": of} if of else {})}
    return data_version(Record(None, "completed", "", {"seed": seed, "data": told, "config": {"data": settings}}))


def test_a_version_is_told_by_what_is_loaded_and_by_nothing_that_is_done_with_it():
    assert seen() == seen(batch_size=64, fold=2, val_fraction=0.3, rows=10, data_dir="/elsewhere")
    assert seen().settings != seen(path="other.csv").settings
    assert seen(seed=3) == seen()  # of a file, whichever seed splits it
    assert (
        seen(of="the targets") is None
    )  # in an order, and of a split, that a module of anybody's may draw as it likes
    own = {"_target_": "mine.Sites"}
    assert seen(**own).settings == seen(batch_size=64, **own).settings != seen(fold=2, **own).settings
    draws = [seen(seed=seed, draw_seed=drawn, **own).draw for seed, drawn in ((0, 1), (1, 0), (1, 1))]
    assert draws[0] == "data.draw_seed=1, data.seed=0, seed=0"
    assert len(set(draws)) == 3
    assert data_version(Record(None, "completed", "", {"data": {"sha256": "a"}})) is None


@pytest.fixture
def study(tmp_path):
    return write_study(tmp_path / "dropout", failed=False)


def change(study, where, sha256, **settings):
    for path in study.glob(f"{where}/result.json"):
        result = json.loads(path.read_text())
        result["data"]["sha256"] = sha256(result["seed"]) if callable(sha256) else sha256
        result["config"]["data"] |= settings
        path.write_text(json.dumps(result))


def lint(judgement):
    found = [(finding.code, finding.level) for finding in judgement.lint if finding.code == "mixed_data"]
    return found, [name for name, verdict in judgement.verdicts.items() if "lint: mixed_data" in verdict.reason]


def test_an_arm_that_ran_after_an_edit_of_the_data_is_compared_with_none_of_before(study):
    change(study, "trials/*/*", OLD)
    assert lint(read_study_directory(study).judgement) == ([], [])
    change(study, "trials/dropout=0.1,norm=none/*", NEW)
    judgement = read_study_directory(study).judgement
    assert lint(judgement) == ([("mixed_data", "error")], ["synergy", "combined_wins", "dropout_hurts"])
    (message,) = (finding.message for finding in judgement.lint if finding.code == "mixed_data")
    assert "on data bbbbbb ran dropout=0.1,norm=none seeds 0, 1, 2, 3, 4" in message
    assert "delete the directories" in message


def test_seeds_of_before_and_after_an_edit_are_no_replicates(study):
    change(study, "trials/*/*", OLD, _target_="src.datamodules.table.Table")
    assert lint(read_study_directory(study).judgement)[0] == []
    change(study, "trials/*/seed=[34]", NEW)
    assert lint(read_study_directory(study).judgement)[0] == [("mixed_data", "error")]


def test_data_that_seeds_draw_or_arms_vary_are_right(study):
    change(study, "trials/*/*", lambda seed: f"{seed}{OLD}")
    change(study, "trials/dropout=0.1,norm=none/*", NEW, path="other.csv")
    assert lint(read_study_directory(study).judgement) == ([], [])


def test_tables_of_a_study_whose_data_changed_are_judged_as_its_directory_is(study, tmp_path):
    change(study, "trials/dropout=0,*/*", NEW)
    evidence = read_study_directory(study)
    (tmp_path / "results.csv").write_text(results_csv(evidence))
    asked = read_study_file(study / "study.yaml")
    assert lint(judge(asked, read_results(asked, tmp_path / "results.csv"))) == lint(evidence.judgement) != ([], [])


def test_runs_that_tuned_before_an_edit_are_not_of_the_trials_after_it(study, tmp_path):
    for folder in (study / "tuning").iterdir():
        runs = [path.name for path in sorted(folder.iterdir())]
        (folder / "best.json").write_text(json.dumps({"rule": "parabola", "verdict_seed": None, "runs": runs}))
    assert lint(read_study_directory(study).judgement) == ([], [])
    change(study, "tuning/dropout=0,norm=none/*", OLD)
    evidence = read_study_directory(study)
    found, capped = lint(evidence.judgement)
    assert found == [("mixed_data", "error")]
    assert "barrier" not in capped
    (tmp_path / "tuning.csv").write_text(tuning_csv(evidence.results.tuning, evidence.study, evidence.mixed))
    again = read_table(tmp_path / "tuning.csv", evidence.study)
    assert [run.data for run in again] == [run.data for run in evidence.results.tuning]
    assert "sha256" not in tuning_csv(evidence.results.tuning, evidence.study)


def test_a_search_learns_nothing_from_trials_that_saw_other_data(tmp_path):
    seen = {}

    def trial(number, sha256, **data):
        place = tmp_path / "trials" / str(number)
        place.mkdir(parents=True)
        settings = {"path": "own.csv", "seed": 0, **data}
        content = {"status": "completed", "seed": 0, "data": {"sha256": sha256}, "config": {"data": settings}}
        (place / "result.json").write_text(json.dumps(content))

    refuse_other_data(tmp_path, seen)
    trial(0, OLD)
    trial(1, OLD)
    trial(2, NEW, path="another.csv")  # a search may try several files
    refuse_other_data(tmp_path, seen)
    trial(10, NEW)
    with pytest.raises(ValueError, match=r"found aaaaaa in 0, 1; bbbbbb in 10; take another hydra.sweep.dir"):
        refuse_other_data(tmp_path, seen)
