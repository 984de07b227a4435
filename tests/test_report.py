"""The report of a study: every section with the right numbers; damage told; multiruns tabulated."""

import csv
import errno
import gzip
import hashlib
import io
import json
import math
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from rich.console import Console

from litmus.claims.judgement import judge
from litmus.claims.results_table import results_from_rows
from litmus.claims.runs import Run
from litmus.claims.scale import effect
from litmus.claims.study import read_study
from litmus.records.record import read_record
from litmus.report.evidence import evidence_of
from litmus.report.figures.curves import Band, limits
from litmus.report.figures.pareto import frontier
from litmus.report.figures.picture import inline
from litmus.report.multirun import failures, read_multirun, rows
from litmus.report.render import escaped, html
from litmus.report.results_files import read_tables
from litmus.report.sections import recommendations, results
from litmus.report.study_directory import evaluated_as_smoke, read_study_directory
from litmus.report.terminal import print_verdicts
from litmus.report.write import author_words, write_document, write_report
from litmus.sweeps.study_sweep import write_question
from litmus.trial.command_line import answer
from scripts import report as script
from scripts import seeds_needed
from tests.report_data import MEANS, NODE, eleven_claims, many_arms, write_study, write_trial
from tests.test_replay import PARTS

pytestmark = pytest.mark.xdist_group("report")  # whose study is reported once

SECTIONS = (
    *("predictions", "results", "dynamics", "interactions", "cost", "surprises", "recommendations"),
    *("question", "design", "treatment", "sensitivity", "reproducibility"),
)


@pytest.fixture(scope="module")
def studied(tmp_path_factory):
    """A study's directory with its report, and the evidence it was made from."""
    directory = write_study(tmp_path_factory.mktemp("studies") / "dropout_norm")
    evidence = read_study_directory(directory)
    return directory, evidence, write_report(evidence, directory)


@pytest.fixture
def refused(capsys):
    """The one sentence with which scripts/report.py refuses these arguments."""

    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            answer(lambda: script.main([str(argument) for argument in arguments]))
        assert ended.value.code == 1
        said = capsys.readouterr().err.strip()
        assert len(said.splitlines()) == 1
        return said

    return run


def table(shown, section, start):
    """The rows of a table of the document, as dictionaries."""
    blocks = next(one for one in shown.sections if one.id == section).blocks
    found = next(b for b in blocks if b.kind == "table" and b.caption.startswith(start))
    return [dict(zip(found.columns, row, strict=True)) for row in found.rows]


def told(shown, section):
    """All sentences of a section in one text."""
    blocks = next(one for one in shown.sections if one.id == section).blocks
    texts = [block.text for block in blocks if block.kind == "text"]
    return " ".join([*texts, *(item for block in blocks if block.kind == "points" for item in block.items)])


def test_every_section_stands_in_both_files(studied):
    directory, _, shown = studied
    assert tuple(section.id for section in shown.sections) == SECTIONS
    page, text = ((directory / name).read_text(encoding="utf-8") for name in ("report.html", "report.md"))
    for section in shown.sections:
        assert f'id="{section.id}"' in page
        assert f"\n## {section.title}\n" in text
    for ruling in shown.rulings:
        assert escaped(ruling.reason) in text
    places = [page.index(f'id="{name}"') for name in ("verdicts", *SECTIONS)]
    assert places == sorted(places)
    assert NODE["predictions"]["synergy"]["claim"] in page


@pytest.mark.long
def test_the_page_needs_no_network(studied):
    directory, _, _ = studied
    page = (directory / "report.html").read_text(encoding="utf-8")
    for loading in ("<script", "<link rel=stylesheet", "@import", 'src="http', "url(http", "<image"):
        assert loading not in page
    links = [part.split('"')[0] for part in page.split('href="')[1:]]
    assert all(link.startswith(("#", "data:")) for link in links)


def test_every_figure_is_there_twice_and_described(studied):
    directory, _, shown = studied
    pictures = shown.pictures
    names = {path.name for path in (directory / "figures").iterdir()}
    files = [one.file for one in pictures if not one.page_only]
    assert names == {f"{one.name}.{suffix}" for one in files for suffix in ("png", "svg")}
    kinds = {name.partition(".")[0].split("-")[0] for name in names}
    assert {one.name for one in pictures if one.name.startswith("curves")} == {"curves-val-loss", "curves-train-loss"}
    assert kinds == {"headline", "results", "forest", "curves", "lines", "sensitivity"}
    assert len({picture.name for picture in pictures}) == len(pictures)
    assert all(len(picture.alt) > 30 and picture.caption.endswith(".") for picture in pictures)
    text = (directory / "report.md").read_text(encoding="utf-8")
    assert all(f"(figures/{picture.name}.png)" in text for picture in files)
    assert "curves-train-loss" not in text


def test_an_embedded_figure_follows_the_theme(studied):
    _, _, shown = studied
    picture = next(one for one in shown.pictures if one.name.startswith("curves"))
    page = inline(picture)
    assert page.startswith("<svg viewBox=")
    assert "var(--ink)" in page
    assert "var(--series-1)" in page
    assert "#24292f" not in page


def test_figures_of_an_earlier_report_go_and_no_others(studied, tmp_path):
    _, _, shown = studied
    mine = {name: name.encode() for name in ("my_drawing.png", "logo.svg", "notes.txt")}
    (tmp_path / "figures").mkdir()
    for name, content in mine.items():
        (tmp_path / "figures" / name).write_bytes(content)
    write_document(shown, tmp_path)
    with_forest = {path.name for path in (tmp_path / "figures").iterdir()}
    write_document(replace(shown, sections=[one for one in shown.sections if one.id != "predictions"]), tmp_path)
    assert with_forest - {path.name for path in (tmp_path / "figures").iterdir()} == {"forest.png", "forest.svg"}
    assert {name: (tmp_path / "figures" / name).read_bytes() for name in mine} == mine


def test_the_results_table_is_the_data(studied):
    directory, evidence, shown = studied
    with (directory / "results.csv").open() as file:
        trials = list(csv.DictReader(file))
    assert len(trials) == 20
    for row in table(shown, "results", "loss"):
        own = [float(t["loss"]) for t in trials if evidence.named(t["arm"]) == row["arm"] and t["loss"] != "nan"]
        mean, sd = (float(part) for part in row["mean ± sd"].split(" ± "))
        assert mean == pytest.approx(np.mean(own), abs=6e-4)
        assert sd == pytest.approx(np.std(own, ddof=1), abs=6e-4)
        assert int(row["n"]) == len(own)
        assert not {"epochs", "updates"} & set(row)
    assert "All arms: 12 epochs, 1,356 updates, 43,200 samples." in told(shown, "results")
    rows = {row["arm"]: row for row in table(shown, "results", "loss")}
    assert rows["dropout 0, norm none"]["Δ to baseline"] == "baseline"
    assert rows["dropout 0, norm none"]["failed"] == "1 of 5"
    assert rows["dropout 0.1, norm instance"]["Δ to baseline"].startswith("−27.1 % [")


def test_verdicts_json_is_what_the_page_says(studied):
    directory, _, shown = studied
    stored = json.loads((directory / "verdicts.json").read_text(encoding="utf-8"))
    assert [stored[ruling.id]["reason"] for ruling in shown.rulings] == [ruling.reason for ruling in shown.rulings]
    rows = {row["prediction"]: row for row in table(shown, "predictions", "Verdicts")}
    assert rows["synergy (primary)"]["seeds needed"] == str(stored["synergy"]["seeds_needed"])
    assert rows["dropout_hurts"]["verdict"] == stored["dropout_hurts"]["verdict"] == "rejected"
    assert rows["combined_wins"]["verdict"] == "confirmed"
    (contrast,) = [r for r in table(shown, "predictions", "All") if r["prediction"] == "dropout_hurts"]
    assert contrast["needed"] == "≥ 0.5 pts"


def test_results_csv_can_be_judged_again(studied):
    directory, evidence, _ = studied
    again = read_tables(directory / "study.yaml", [directory / "results.csv"], directory)
    assert {name: one.row() for name, one in again.judgement.verdicts.items()} == {
        name: one.row() for name, one in evidence.judgement.verdicts.items()
    }


def test_the_design_names_roles_seeds_data_and_findings(studied):
    _, _, shown = studied
    roles = {row["setting"]: row["role"] for row in table(shown, "design", "Settings")}
    assert roles == {"dropout": "scientific", "norm": "scientific", "lr": "nuisance", "epochs": "fixed"}
    assert "A seed sets seed, data.seed; the data are the same, split anew by the seed." in told(shown, "design")
    data = {row["split"]: row for row in table(shown, "design", "Data")}
    assert (data["test"]["rows"], data["test"]["constant predictor's accuracy"]) == ("1,000", "0.1090")
    assert data["test"]["sha256"] == "653cad2c32a7"
    assert "not_finite" in {row["code"] for row in table(shown, "design", "Lint")}


def test_sensitivity_flags_edges_and_recommends_to_widen(studied):
    _, _, shown = studied
    rows = {row["arm"]: row for row in table(shown, "sensitivity", "Tuning of lr")}
    assert rows["dropout 0.1, norm none"]["at the edge"] == "upper"
    assert rows["dropout 0, norm none"]["at the edge"] == "no"
    assert "24 tuning trials: 24 completed" in told(shown, "sensitivity")
    assert "widen study.nuisance.lr" in told(shown, "recommendations")


def test_surprises_and_recommendations_follow_from_the_data(studied):
    _, _, shown = studied
    assert "dropout_hurts: the opposite of the prediction" in told(shown, "surprises")
    assert "combined_wins" not in told(shown, "surprises")
    advice = told(shown, "recommendations")
    assert "Best mean test loss: dropout 0.1, norm instance (0.451)" in advice
    assert "synergy about 40" in advice


def test_every_failure_is_a_row_with_its_error(studied):
    directory, _, shown = studied
    (failure,) = table(shown, "reproducibility", "1 trial")
    assert failure == {"arm": "dropout=0,norm=none", "seed": "4", "why": "FloatingPointError: loss is not finite"}
    assert "dropout=0,norm=none" in (directory / "results.csv").read_text().splitlines()[5]
    assert "FloatingPointError" in (directory / "results.csv").read_text().splitlines()[5]


def test_the_author_answers_beside_the_evidence(studied, tmp_path):
    _, evidence, shown = studied
    words = tmp_path / "author.yaml"
    words.write_text("why: InstanceNorm removes each signal's scale.\n", encoding="utf-8")
    advice = recommendations.section(replace(evidence, words=author_words(tmp_path)))
    page = html(replace(shown, sections=[advice]))
    assert "InstanceNorm removes each signal&#39;s scale." in page
    assert "Left open by the author" not in page
    assert "Left open by the author" in html(shown)
    words.write_text("why: [1]\n")
    with pytest.raises(ValueError, match="expected a mapping of slots to texts"):
        author_words(tmp_path)


@pytest.mark.long
def test_a_diverged_arm_counts_instead_of_vanishing(tmp_path):
    directory = write_study(tmp_path / "study", failed=False)
    for seed in range(4):
        path = directory / "trials" / "dropout=0.1,norm=none" / f"seed={seed}" / "result.json"
        result = json.loads(path.read_text())
        result |= {"status": "failed", "error": "FloatingPointError: the training loss became nan", "metrics": {}}
        path.write_text(json.dumps(result))
    evidence = read_study_directory(directory)
    assert "dropout 0.1, norm none 4 of 5" in evidence.judgement.verdicts["dropout_hurts"].reason
    assert evidence.judgement.verdicts["dropout_hurts"].verdict == "inconclusive"
    barrier = evidence.judgement.verdicts["barrier"]
    assert barrier.verdict == "inconclusive"
    rows = {row["arm"]: row for row in table(write_report(evidence, directory), "results", "loss")}
    assert rows["dropout 0.1, norm none"]["failed"] == "4 of 5"


def advised(values, costs=None):
    """The verdict, the advice and the rows of a table of losses by arm; `nan` has diverged."""
    node = {
        "question": "Which is better?",
        "arms": {arm: {"x": place} for place, arm in enumerate(values)},
        "seeds": 20,
        "baseline": "b",
        "quantities": {"q": {"metric": "test/loss", "sesoi": 0.01}},
        "predictions": {"p": {"kind": "compare", "better": "a", "than": "b"}},
    }
    study = read_study(node)
    rows = [
        {"arm": arm, "seed": seed, "q": value} | ({"seconds": costs[arm]} if costs else {})
        for arm, own in values.items()
        for seed, value in enumerate(own)
    ]
    evidence = evidence_of("study", study, results_from_rows(study, rows))
    (advice,) = recommendations.cheapest(evidence)
    found = results.table(evidence, evidence.leading)
    shown = {row[0]: dict(zip(found.columns, row, strict=True)) for row in found.rows}
    return evidence.judgement.verdicts["p"], advice, shown


def losses(mean, seed, failed=0):
    """Twenty losses, the first of which are not finite."""
    generator = np.random.default_rng(seed)
    return [math.nan] * failed + [float(value) for value in mean + 0.01 * generator.normal(size=20 - failed)]


def test_the_arm_that_diverges_is_not_the_one_to_use():
    """Its mean is that of lucky runs; whose runs ended is said of the arm in whose row it stands."""
    values = {"a": losses(1.0, 1), "b": losses(0.99, 2, failed=8)}
    verdict, advice, rows = advised(values)
    assert verdict.verdict == "confirmed"
    assert effect(verdict.leaf.contrast) == ("fails less often", "20 seeds")
    assert rows["a"]["Δ to baseline"] == "fails less often 20 seeds"
    assert advice.startswith("Best mean test loss: b (0.99")
    assert "8 of 20 runs failed, which the mean leaves out); not separated from it: a." in advice
    assert "Shown to fail less often than it: a. Only a had no failed run: use it unless" in advice
    # Cheap as it is, and beside whole ones.
    more = {**values, "c": losses(1.0, 3)}
    advice = advised(more, {"a": 3, "b": 1, "c": 2})[1]
    assert advice.endswith("The cheapest of them without a failed run is c (2 seconds against 1): use it unless the "
                           "difference matters to you.")  # fmt: skip
    advice = advised(more, {"a": 2, "b": 1, "c": 2})[1]
    assert re.search(r"All of them without a failed run cost as much \(2 seconds\): use [ac]\.$", advice)


@pytest.mark.parametrize(("first", "second"), [((1.2, 0), (0.9, 1)), ((1.0, 12), (0.9, 2)), ((1.0, 2), (0.99, 8))])
def test_no_arm_with_a_failed_run_is_one_to_use(first, second):
    values = {"a": losses(first[0], 1, failed=first[1]), "b": losses(second[0], 2, failed=second[1])}
    _, advice, _ = advised(values)
    assert advice.startswith("Best mean test loss: b (")
    assert f"; {second[1]} of 20 runs failed" in advice
    assert "use it" not in advice
    assert "weigh" in advice


def test_an_arm_is_separated_from_the_best_where_it_is_shown_to_fail_more_often():
    def tied(failed):
        _, advice, rows = advised({"b": losses(1.0, 1), "a": losses(1.1, 2, failed=failed)})
        assert rows["a"]["Δ to baseline"] == "fails more often 20 seeds"
        return advice

    assert tied(6).endswith("every other arm is separated from it (paired 95 % intervals, uncorrected): use it.")
    # Five of twenty alone may be chance: p = 1/32.
    assert "not separated from it: a. Only b had no failed run: use it." in tied(5)


def test_arms_of_which_different_runs_fail_fail_alike():
    values = {"a": losses(1.0, 1, failed=2), "b": losses(1.0, 2, failed=2)[::-1]}
    verdict, _, rows = advised(values)
    assert effect(verdict.leaf.contrast)[0] == "fails alike"
    assert rows["a"]["failed"] == "2 of 20"


@pytest.mark.parametrize("what", ["none", "failed", "diverged"])
def test_a_study_without_a_single_result_is_still_reported(tmp_path, what):
    directory = write_study(tmp_path / "study")
    shutil.rmtree(directory / "tuning")
    if what == "none":
        shutil.rmtree(directory / "trials")
    error = {"failed": "OSError: no space left", "diverged": "FloatingPointError: nan", "none": ""}[what]
    for path in (directory / "trials").rglob("result.json"):
        path.write_text(json.dumps({"status": "failed", "error": error}))
        (path.parent / "metrics.csv").unlink(missing_ok=True)
    evidence = read_study_directory(directory)
    write_report(evidence, directory)
    verdicts = {name: one.verdict for name, one in evidence.judgement.verdicts.items()}
    # Five runs are too few to say by a test that most of them fail.
    assert set(verdicts.values()) == {"inconclusive"}
    assert error in (directory / "report.md").read_text(encoding="utf-8")


def test_what_a_study_directory_cannot_vouch_for_is_left_out_and_told(tmp_path):
    directory = write_study(tmp_path / "study", failed=False)
    trials = directory / "trials"
    shutil.copytree(trials / "dropout=0,norm=none", trials / "dropout=0.7,norm=none")
    (trials / "dropout=0,norm=none" / "seed=0" / "result.json").write_text('{"status": "comp')
    (trials / "dropout=0,norm=none" / "seed=1" / "result.json").unlink()
    lines = (trials / "dropout=0,norm=none" / "seed=2" / "metrics.csv").read_text().splitlines()
    (trials / "dropout=0,norm=none" / "seed=2" / "metrics.csv").write_text("\n".join([*lines[:3], "oops", *lines[4:]]))
    stale = trials / "dropout=0,norm=instance" / "seed=3" / "result.json"
    stale.write_text(stale.read_text().replace('"epochs": 12, "lr"', '"epochs": 99, "lr"'))
    (directory / "command.json").write_text(
        json.dumps({"study": "named", "command": "python train.py -m x", "smoke": True})
    )
    evidence = read_study_directory(directory)
    messages = "\n".join(finding.message for finding in evidence.judgement.lint)
    assert "arms that the study no longer has are left out: dropout=0.7,norm=none" in messages
    assert "result.json cannot be read" in messages
    assert "no result.json: still running, or killed" in messages
    assert "metrics.csv line 4: expected 8 numbers, got 'oops'" in messages
    assert "dropout=0,norm=instance seed 3 (epochs was 99)" in messages
    assert {one.verdict for one in evidence.judgement.verdicts.values()} == {"inconclusive"}  # a smoke run
    assert evidence.name == "named"
    assert evidence.command == "python train.py -m x"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
def test_a_disk_that_takes_no_more_is_told_with_the_file(tmp_path, refused, monkeypatch, number):
    (tmp_path / "study.yaml").write_text(yaml.safe_dump({"study": NODE}))
    (tmp_path / "results.csv").write_text("\n".join(TABLE))

    def full(descriptor):
        raise OSError(number, os.strerror(number))  # as `write` does, which knows no name

    monkeypatch.setattr("litmus.atomic.os.fsync", full)
    said = refused(tmp_path / "study.yaml", tmp_path / "results.csv", "-o", tmp_path / "out")
    told = f"cannot be written ({os.strerror(number)}); make room there, or name another place"
    assert said == f"{tmp_path / 'out' / 'looks.json'} {told}"
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", ": expected a study, with question, quantities and others, found an empty file; put a good copy there"),
        (b"study: [1]", ": expected a study, with question, quantities and others, found [1]; put a good copy there"),
        (b"\xff\xfe\x00", ": expected a study in UTF-8, found bytes that are no text; put a good copy there"),
        (b"study: {question: 'W", " is not valid YAML: line 1: "),
        (b"study:\n  question: W\n", ": study lacks the key 'quantities'; write question, quantities and"),
    ],
)
def test_a_studys_file_that_was_damaged_is_named(tmp_path, refused, content, told):
    directory = write_study(tmp_path / "study", failed=False)
    (directory / "study.yaml").write_bytes(content)
    said = refused(directory)
    assert said.startswith(f"{directory / 'study.yaml'}{told}")
    if b"W\n" not in content:  # of that one the sweep knows all it has to: what was asked before
        with pytest.raises(ValueError, match=re.escape(told[:20])):
            write_question(None, {}, None, directory)


ON_ONE_BATCH = {"trainer.limit_val_batches": 1, "trainer.limit_test_batches": 1}


@pytest.mark.briefly(0)
@pytest.mark.parametrize("mark", ["command.json", "study.yaml", "arms.json"])
@pytest.mark.parametrize("note", [None, "{", "[]"])
def test_a_smoke_run_passes_for_no_study_whichever_of_its_files_is_lost(tmp_path, mark, note):
    """Its note says so, its study's file, and what its arms evaluated."""
    directory = write_study(tmp_path / "study", failed=False)
    command, study, arms = (directory / name for name in ("command.json", "study.yaml", "arms.json"))
    if mark == "command.json":
        command.write_text(json.dumps({"smoke": True}))
    elif note is None:
        command.unlink()
    else:
        command.write_text(note)
    if mark == "study.yaml":
        study.write_text(yaml.safe_dump({"study": {"smoke": True, **NODE}}))
    if mark == "arms.json":
        arms.write_text(json.dumps({arm: one | ON_ONE_BATCH for arm, one in json.loads(arms.read_text()).items()}))
    evidence = read_study_directory(directory)
    codes = [finding.code for finding in evidence.judgement.lint]
    assert "smoke" in codes
    assert ("lost_note" in codes) == (mark != "command.json")
    assert not evaluated_as_smoke({"a": dict.fromkeys(ON_ONE_BATCH, 1.0)})  # which is all of them
    assert {one.verdict for one in evidence.judgement.verdicts.values()} == {"inconclusive"}


def test_a_table_beside_a_smoke_runs_study_is_one_of_a_smoke_run(tmp_path):
    for smoke in (True, False):
        (tmp_path / "study.yaml").write_text(yaml.safe_dump({"study": {"smoke": smoke, **NODE}}))
        (tmp_path / "results.csv").write_text("\n".join(TABLE))
        evidence = read_tables(tmp_path / "study.yaml", [tmp_path / "results.csv"], tmp_path / "out")
        assert ("smoke" in [finding.code for finding in evidence.judgement.lint]) is smoke


def test_the_command_of_a_page_can_be_pasted(tmp_path):
    named = {"study": "my study.yaml", "table": "it's $HOME.csv"}
    (tmp_path / named["study"]).write_text(yaml.safe_dump({"study": NODE}))
    (tmp_path / named["table"]).write_text("\n".join(TABLE))
    evidence = read_tables(*(tmp_path / named["study"], [tmp_path / named["table"]], tmp_path / "out here"))
    assert shlex.split(evidence.command)[2:] == [*named.values(), "-o", "out here"]


@pytest.mark.long
@pytest.mark.parametrize("table", ["results.csv", "results.csv.gz"])
def test_a_copied_study_without_its_trials_is_left_as_it_is(tmp_path, table):
    """A published one, say, whose verdicts a report of no trial withdrew."""
    directory, text = tmp_path / "copied", "\n".join(TABLE).encode()
    directory.mkdir()
    (directory / "study.yaml").write_text(yaml.safe_dump({"study": NODE}))
    (directory / "verdicts.json").write_text("{}")
    (directory / "looks.json").write_text('{"looks": []}')
    (directory / table).write_bytes(gzip.compress(text) if table.endswith(".gz") else text)
    before = {path.name: path.read_bytes() for path in directory.iterdir()}
    for judging in (script.main, seeds_needed.main):
        with pytest.raises(FileNotFoundError, match=f"found {table} alone; judge that, as python"):
            judging([str(directory)])
    assert {path.name: path.read_bytes() for path in directory.iterdir()} == before
    script.main([str(directory / "study.yaml"), str(directory / table), "-o", str(tmp_path / "judged")])
    assert (tmp_path / "judged" / "verdicts.json").is_file()


def test_names_that_file_systems_refuse_are_found_again(tmp_path):
    from litmus.claims.study_file import file_safe

    arms = {"a/b: c": {"x": 1}, "plain": {"x": 2}}
    quantities = {"loss": {"metric": "test/loss", "sesoi": 0.01}}
    (tmp_path / "study.yaml").write_text(
        yaml.safe_dump({"question": "?", "arms": arms, "quantities": quantities, "seeds": 3})
    )
    for arm in arms:
        for seed in range(3):
            place = tmp_path / "trials" / file_safe(arm) / f"seed={seed}"
            write_trial(place, arm, seed, 0.5, np.random.default_rng(seed))
    evidence = read_study_directory(tmp_path)
    assert [len(evidence.results.values("loss", arm)) for arm in arms] == [3, 3]


@pytest.mark.briefly("synergy")
@pytest.mark.parametrize("part", PARTS)
def test_the_replay_of_the_journal_is_a_report_that_decides_nothing(part, tmp_path):
    study, rows = part()
    evidence = evidence_of("replay", study, results_from_rows(study, rows))
    write_report(evidence, tmp_path)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert f"? {len(study.predictions)} open" in page
    assert 'class="confirmed"' not in page
    assert "Curves</h2>" not in page
    assert "few_seeds" in page


@pytest.mark.long
def test_what_is_typed_is_shown_and_not_obeyed(tmp_path):
    evil = "<script>alert(1)</script> & | $x_1$ *y*"
    node = {**NODE, "question": evil, "nuisance": {}, "predictions": {**NODE["predictions"]}}
    node["predictions"]["barrier"] = {**NODE["predictions"]["barrier"], "claim": evil}
    study = read_study(node)
    rows = [{"arm": arm, "seed": s, "loss": m + s / 100, "accuracy": m} for arm, m in MEANS.items() for s in range(3)]
    write_report(evidence_of("evil", study, results_from_rows(study, rows)), tmp_path)
    assert "<script" not in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<script" not in (tmp_path / "report.md").read_text(encoding="utf-8").replace("\\<script", "")


@pytest.mark.long
def test_36_arms_of_20_seeds_take_no_longer_than_forty_million_hashes(tmp_path):
    """With curves of 50 epochs; 21 to 26 million were measured in four turns. Seconds say more of the machine."""
    node, table_rows = many_arms()
    study = read_study(node)
    generator = np.random.default_rng(0)
    epochs = np.arange(50.0)
    runs = [
        Run(
            row_arm(study, row),
            row["seed"],
            {
                **{"epoch": epochs, "updates": 100 * epochs, "seconds": epochs / 10},
                "val/loss": row["loss"] * (1 + np.exp(-epochs / 9)) * np.exp(generator.normal(0, 0.01, 50)),
                "train/loss": row["loss"] * (1 + np.exp(-epochs / 9)),
            },
        )
        for row in table_rows
    ]
    began = time.process_time()
    evidence = evidence_of("many", study, results_from_rows(study, table_rows), runs=runs)
    write_report(evidence, tmp_path)
    taken, began, word = time.process_time() - began, time.process_time(), b""
    for _ in range(2_000_000):
        word = hashlib.sha256(word).digest()
    assert taken < 20 * (time.process_time() - began)
    assert len(evidence.shown) == 8
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Grey: the means of 30 further arms." in page
    assert len(page) < 4_000_000


def row_arm(study, row):
    """The arm of a row of the 36."""
    return study.select({"units": row["units"], "lr": row["lr"]})[0]


def test_bands_leave_broken_runs_out_and_end_with_the_shortest():
    def run(values):
        return Run("a", 0, {"val/loss": np.array(values, float), "epoch": np.arange(len(values), dtype=float)})

    band = Band([run([3, 2, 1, 0]), run([5, 4, 3]), run([4, 3, 2]), run([9, np.nan])], "val/loss", "epoch")
    assert band.clock.tolist() == [1, 2, 3]
    assert band.mean == pytest.approx([21 / 4, 3, 2])
    assert band.high[2] - band.mean[2] == pytest.approx(4.3027 / 3**0.5, abs=1e-3)  # t(0.975, 2) · 1 / √3
    two = Band([run([3, 2]), run([5, 4])], "val/loss", "epoch")
    assert np.isnan(two.high).all()  # no interval of two seeds
    assert limits(np.array([np.nan]), np.array([np.nan])) == (0.0, 0.0)


def test_the_front_holds_what_none_beats():
    points = {"cheap": (1.0, 0.5), "dear": (3.0, 0.3), "beaten": (3.0, 0.4), "worse": (2.0, 0.6)}
    assert frontier(points, -1) == ["cheap", "dear"]
    assert frontier(points, 1) == ["cheap", "worse"]


@pytest.fixture
def multirun(tmp_path):
    """A multirun of two arms with three seeds, one job failed, one damaged, one unfinished."""
    generator = np.random.default_rng(0)
    number = 0
    for norm in ("none", "batch"):
        for seed in range(4):
            place = tmp_path / "run" / str(number)
            overrides = ["epochs=2", f"norm={norm}", f"seed={seed}"]
            write_trial(place, "", seed, 0.5, generator, epochs=2, norm=norm, overrides=overrides)
            number += 1
    failed = json.loads((tmp_path / "run" / "1" / "result.json").read_text())
    failed |= {"status": "failed", "error": "ValueError: dropout must be in [0, 1), got 2.0", "metrics": {}}
    (tmp_path / "run" / "1" / "result.json").write_text(json.dumps(failed))
    for job in ("4", "5"):
        (tmp_path / "run" / job / ".hydra").mkdir()
        overrides = f"- epochs=2\n- norm=batch\n- seed={int(job) - 4}\n"
        (tmp_path / "run" / job / ".hydra" / "overrides.yaml").write_text(overrides)
    (tmp_path / "run" / "4" / "result.json").write_text("")
    (tmp_path / "run" / "5" / "result.json").unlink()
    return tmp_path / "run"


def test_a_multirun_is_tabulated_by_what_its_overrides_vary(multirun):
    found = read_multirun(multirun)
    assert list(found.arms) == ["norm=none", "norm=batch"]
    assert found.common == {"epochs": "2"}
    first, second = rows(found, ["test/loss"])
    losses = [
        json.loads((multirun / job / "result.json").read_text())["metrics"]["test/loss"] for job in ("0", "2", "3")
    ]
    assert first[:2] == ["norm=none", "3 of 4"]
    assert float(first[2].split(" ± ")[0]) == pytest.approx(np.mean(losses), abs=1e-3)
    assert second[:2] == ["norm=batch", "2 of 4"]
    assert [(row[0], row[1], row[2], row[3]) for row in failures(found)] == [
        ("norm=none", "1", "1", "failed"),
        ("norm=batch", "0", "4", "damaged"),
        ("norm=batch", "1", "5", "unfinished"),
    ]


def test_a_multirun_on_the_command_line(multirun, capsys):
    script.main([str(multirun)])
    said = capsys.readouterr().out
    assert "norm=batch" in said
    assert "dropout must be in [0, 1), got 2.0" in " ".join(said.split())
    assert (multirun / "report.html").exists()
    assert "Jobs without a result" in (multirun / "report.md").read_text(encoding="utf-8")


def test_metrics_that_json_lost_are_gaps(tmp_path):
    write_trial(tmp_path, "a", 0, 0.5, np.random.default_rng(0))
    result = json.loads((tmp_path / "result.json").read_text())
    result["metrics"]["test/loss"] = None
    (tmp_path / "result.json").write_text(json.dumps(result))
    record = read_record(tmp_path)
    assert np.isnan(record.summary["test/loss"])
    with (tmp_path / "metrics.csv").open("a") as file:
        file.write("12,14")  # a crash cut the row short
    assert len(read_record(tmp_path).history["val/loss"]) == 12


TABLE = ["dropout,norm,seed,loss,accuracy"]
TABLE += [
    f"{d},{n},{s},{0.5 + s / 100 - d},{0.8 + s / 90}" for d in (0, 0.1) for n in ("none", "instance") for s in range(5)
]


@pytest.mark.long
def test_a_table_on_the_command_line(tmp_path, capsys):
    node = {**NODE, "pruner": "median", "smoke": False}
    header = "# @package _global_\ndefaults: [override /data: fashion_mnist, override /model: cnn]\n"
    (tmp_path / "study.yaml").write_text(header + yaml.safe_dump({"study": node}), encoding="utf-8")
    damaged = [*TABLE[:-1], "0.1,instance,4,oops,inf", "0.1,instance,0,0.9,0.9", "0.9,none,0,1,1"]
    (tmp_path / "results.csv").write_text("\n".join(damaged))
    script.main([str(tmp_path / "study.yaml"), str(tmp_path / "results.csv"), "-o", str(tmp_path / "out")])
    said = " ".join(capsys.readouterr().out.split())
    for code in ("text_value", "duplicate_trial", "unknown_arm", "not_finite"):
        assert code in said
    assert "synergy" in said
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "line 21 (loss &#39;oops&#39;)" in page
    assert "sha256" in page
    stored = json.loads((tmp_path / "out" / "verdicts.json").read_text())
    assert set(stored) == {*NODE["predictions"], "lint"}


def test_mistakes_are_answered_in_one_sentence(tmp_path, refused):
    study, results = tmp_path / "asked.yaml", tmp_path / "results.csv"
    study.write_text(yaml.safe_dump(NODE))
    results.write_text("seed,loss,accuracy\n0,1,1\n")
    assert refused(tmp_path / "nothing").endswith(
        "nothing: expected a study's file or directory, or a table, found nothing; name another"
    )
    assert "needs a table of trials" in refused(study)
    assert "say where the report goes" in refused(study, results)
    assert "an arm column or one per factor" in refused(study, results, "-o", tmp_path / "out")
    assert "missing.csv: expected a study's file or directory, or a table, found nothing" in refused(
        study, tmp_path / "missing.csv", "-o", tmp_path / "out"
    )
    assert "found neither" in refused(tmp_path)
    assert "leave out" in refused(tmp_path, results)
    study.write_text("study: {question: 3}")
    assert "study lacks the key 'quantities'" in refused(study, results, "-o", tmp_path / "out")
    results.write_bytes(b"seed,loss\n\xff\xfe\x00,1\n")
    study.write_text(yaml.safe_dump(NODE))
    assert "expected CSV in UTF-8" in refused(study, results, "-o", tmp_path / "out")


@pytest.mark.parametrize("name", ["results.csv", "results.csv.gz", "tuning.csv", "tuning.csv.gz"])
def test_a_table_that_is_judged_is_not_written_over(tmp_path, refused, name):
    table = tmp_path / (name if name.startswith("results") else "runs.csv")
    text = "\n".join(f"{line},{'my_note' if not place else 'x'}" for place, line in enumerate(TABLE)).encode()
    (tmp_path / name).write_bytes(text)
    table.write_bytes(gzip.compress(text) if table.suffix == ".gz" else text)
    (tmp_path / "study.yaml").write_text(yaml.safe_dump({"study": NODE}))
    (tmp_path / "link").symlink_to(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    for output in (tmp_path, tmp_path / "link"):
        said, own = refused(tmp_path / "study.yaml", table, "-o", output), name.removesuffix(".gz")
        assert f"{tmp_path / name} is judged, and a report in {output} has a {own} of its own there" in said
        assert f"take another directory, as in -o {output / 'report'}" in said
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before


def test_a_report_is_not_written_over_another_studys(tmp_path, refused, studied):
    directory, _, _ = studied
    other = tmp_path / "other"
    other.mkdir()
    (other / "study.yaml").write_text(yaml.safe_dump({"study": {**NODE, "question": "Another?"}}))
    (other / "verdicts.json").write_text("{}")
    (tmp_path / "asked.yaml").write_text(yaml.safe_dump({"study": NODE}))
    (tmp_path / "runs.csv").write_text("\n".join(TABLE))
    for given in ((tmp_path / "asked.yaml", tmp_path / "runs.csv"), (directory,), (tmp_path,)):
        assert f"{other / 'study.yaml'} is another study than is reported here" in refused(*given, "-o", other)
    assert sorted(path.name for path in other.iterdir()) == ["study.yaml", "verdicts.json"]
    before = (directory / "verdicts.json").read_bytes()
    said = refused(directory / "study.yaml", tmp_path / "runs.csv", "-o", directory)
    assert f"{directory} has trials of its own" in said
    assert (directory / "verdicts.json").read_bytes() == before


@pytest.mark.long
def test_a_copy_of_the_study_beside_its_report_stays_there(tmp_path, undrawn):
    (tmp_path / "out").mkdir()
    for place in (tmp_path / "asked.yaml", tmp_path / "out" / "study.yaml"):
        place.write_text(yaml.safe_dump({"study": NODE}))
    (tmp_path / "runs.csv").write_text("\n".join(TABLE))
    for _ in range(2):  # the second over the first
        script.main([str(tmp_path / "asked.yaml"), str(tmp_path / "runs.csv"), "-o", str(tmp_path / "out")])
    assert (tmp_path / "out" / "verdicts.json").is_file()


@pytest.mark.long
def test_the_script_starts_without_torch():
    code = "import sys, scripts.report as r, litmus.report.study_directory, litmus.report.multirun\n"
    code += "found = {'torch', 'hydra', 'pytorch_lightning', 'matplotlib', 'jinja2'} & set(sys.modules)\n"
    code += "assert not found, found"
    root = Path(__file__).parents[1]
    subprocess.run([sys.executable, "-c", code], cwd=root, check=True, timeout=60)


def test_the_judgement_of_the_report_is_the_core_s(studied):
    _, evidence, _ = studied
    again = judge(evidence.study, evidence.results, evidence.configs)
    assert {name: one.row() for name, one in again.verdicts.items()} == {
        name: one.row() for name, one in evidence.judgement.verdicts.items()
    }


def test_eleven_verdicts_are_thirty_lines_of_a_terminal_and_legible_on_white_and_black():
    judgement = judge(*eleven_claims())
    assert len(judgement.verdicts) == 11
    assert judgement.lint
    console = Console(record=True, width=100, force_terminal=True, color_system="truecolor", file=io.StringIO())
    print_verdicts(judgement, console, "norms")
    coloured = console.export_text(styles=True, clear=False)
    lines = console.export_text().splitlines()
    start = lines.index(next(line for line in lines if line.startswith("norms")))
    assert len(lines) - start <= 30
    assert all(len(line) <= 100 for line in lines)
    codes = {code for found in re.findall(r"\x1b\[([\d;]+)m", coloured) for code in found.split(";")}
    # No colour but green, red and the terminal's own: yellow, white and the bright ones vanish on one of the grounds.
    assert codes <= {"0", "1", "3", "31", "32", "39"}
    for name, verdict in judgement.verdicts.items():
        row = next(line for line in lines[start + 1 :] if line.startswith(name[:21]))
        assert verdict.verdict in row
