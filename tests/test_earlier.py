"""Run directories of the version before hashes changed (tests/earlier) are still evaluated, compared and reported."""

import csv
import json
import shutil

import pytest

from evaluate import evaluate
from litmus.compare.comparison import compare
from litmus.report.study_directory import read_study_directory
from tests.conftest import ROOT
from tests.sweep_helpers import sweep

EARLIER = ROOT / "tests" / "earlier"


@pytest.fixture
def earlier(tmp_path):
    """A copy: two seeds of a run, and a study of two arms and two seeds."""
    return shutil.copytree(EARLIER, tmp_path / "earlier")


def test_a_run_is_evaluated(earlier, capsys):
    evaluate(earlier / "runs" / "0")
    recorded = json.loads((earlier / "runs" / "0" / "result.json").read_text())["metrics"]
    with (earlier / "runs" / "0" / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    right = sum(row["label"] == row["prediction"] for row in rows) / len(rows)
    assert right == pytest.approx(recorded["test/acc"], abs=0.01)
    assert "test/loss" in capsys.readouterr().out


def test_runs_are_compared(earlier):
    runs = compare([earlier / "runs"]).runs
    assert [run.record.status for run in runs] == ["completed", "completed"]
    assert [run.record.seed for run in runs] == [0, 1]
    assert len(compare([earlier / "study"]).arms) == 2


def test_a_study_is_judged_as_it_was(earlier):
    evidence = read_study_directory(earlier / "study")
    stored = json.loads((earlier / "study" / "verdicts.json").read_text())
    (verdict,) = evidence.judgement.verdicts.values()
    assert verdict.verdict == stored["False"]["verdict"]
    assert verdict.mean == pytest.approx(stored["False"]["mean"])


def test_a_study_is_not_gone_on_with(earlier):
    before = {path: path.read_bytes() for path in earlier.rglob("*") if path.is_file()}
    study = (earlier / "study" / "study.yaml").read_text()
    (earlier / "study" / "study").mkdir()
    place = earlier / "study" / "study" / "earlier.yaml"
    place.write_text(f"# @package _global_\ndefaults:\n  - override /hydra/sweeper: study\n{study}")
    with pytest.raises(ValueError, match="trials of an earlier version"):
        sweep(earlier / "study", "study=earlier", "hydra.sweep.dir=.")
    place.unlink()
    after = {path: path.read_bytes() for path in earlier.rglob("*") if path.is_file() and path.name != ".lock"}
    assert after == before


def test_an_interrupted_run_goes_on_at_its_own_length(earlier, trial):
    place = earlier / "runs" / "0"
    recorded = json.loads((place / "result.json").read_text())
    typed = [entry for entry in recorded["overrides"] if not entry.startswith("threads")]
    again = trial(*typed, "dropout=0.0", f"resume={place}", directory=place)
    assert again["status"] == "completed"
    assert again["best_epoch"] == recorded["best_epoch"]
    assert len(again["config_hash"]) == 16
