"""The hyperparameter report: 72 blanks, each answered from trials whose truth is known, or marked as the author's."""

import csv
import json
import re
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from answers.make.tuning_report import conclusions, interactions, questions, reflections, units
from answers.make.tuning_report import write as writing
from answers.make.tuning_report.experiments import STUDIES, read_experiments
from answers.make.tuning_report.placeholders import PLACEHOLDERS
from answers.make.tuning_report.write import write_tuning_report
from answers.tests.tuning_data import OPTIMIZERS, WIDTHS, best_rate, write_studies

BLANKS = 72


@pytest.fixture(scope="module")
def studies(tmp_path_factory):
    """All studies in full passes, and one in epochs of 100 updates."""
    root = write_studies(tmp_path_factory.mktemp("studies"))
    return write_studies(root, ["lr"], "_as_reported")


@pytest.fixture(scope="module")
def experiments(studies):
    """The same, read."""
    return read_experiments(studies, studies, {"why_optimizer": "Because of its memory."})


@pytest.fixture(scope="module")
def page(studies, tmp_path_factory):
    """The text of the report and its directory."""
    root = tmp_path_factory.mktemp("docs") / "studies"
    root.mkdir()
    (root / "author.yaml").write_text("why_optimizer: Because of its memory.\n")
    return write_tuning_report(studies, root).read_text(), root


def test_each_of_the_72_blanks_has_an_answer_and_a_place_on_the_page():
    assert list(PLACEHOLDERS) == list(range(1, BLANKS + 1))
    template = Path(writing.__file__).with_name("tuning_report.md.j2").read_text()
    places = [int(number) for number in re.findall(r'\{\{ item\(".+", (\d+)\) \}\}', template)]
    assert places == list(PLACEHOLDERS)


@pytest.mark.parametrize("number", PLACEHOLDERS)
def test_an_answer_has_numbers_from_trials_or_is_the_authors_with_the_evidence_beside_it(experiments, number):
    answer = PLACEHOLDERS[number](experiments)
    told = [line for line in answer.lines if "not run" not in line]
    # Surprises are there when something surprises, and the drawing when its study is published.
    if number in (35, 46, 47, 48):
        assert told
    elif answer.slot is not None:
        assert answer.slot.question
        assert any(re.search(r"\d", fact) for fact in answer.slot.evidence)
    else:
        assert any(re.search(r"\d|Adam", line) for line in told)
    assert not [line for line in answer.lines if re.search(r"\bnan\b|None|\binf\b", line)]


@pytest.fixture(scope="module", params=[0, -1])
def broken(tmp_path_factory, request):
    """All studies, each with one arm of which every run diverged, and one of which one run did."""
    root = write_studies(tmp_path_factory.mktemp("broken"))
    for name in STUDIES:
        arms = sorted((root / name / "trials").iterdir())
        for trial in (*arms[request.param].iterdir(), arms[1] / "seed=1"):
            (trial / "metrics.csv").unlink()
            result = json.loads((trial / "result.json").read_text())
            result |= {"status": "failed", "error": "FloatingPointError: loss is not finite", "metrics": {}}
            (trial / "result.json").write_text(json.dumps({**result, "counters": {"epochs": 0, "updates": 3}}))
    return read_experiments(root, root, {})


@pytest.mark.parametrize("number", PLACEHOLDERS)
def test_an_arm_that_diverged_breaks_no_sentence(broken, number):
    answer = PLACEHOLDERS[number](broken)
    assert answer.lines or answer.slot
    assert not [line for line in answer.lines if re.search(r"\bnan\b|None|\binf\b", line)]


def test_no_blank_of_the_document_remains(page):
    text, _ = page
    rest = re.findall(r"(?<![\\!])\[[^\]]*\](?!\()", text)
    assert rest == []
    assert not re.search(r"\bdescribe\b|\[X\]|Insert|state finding", text)


def test_a_study_that_was_not_run_is_told_with_its_command_and_answers_nothing(tmp_path):
    root = write_studies(tmp_path / "studies", ["lr"])
    found = read_experiments(root, root, {})
    for number in (1, 8, 14, 19, 29, 34, 36):
        lines = PLACEHOLDERS[number](found).lines
        assert lines
        assert all(re.search(r"not run: python train.py -m study=\w+", line) for line in lines)
    assert PLACEHOLDERS[24](found).lines[0].startswith("Full passes: lr 0.001 has the lowest")


@pytest.mark.parametrize("damage", ["unfinished", "smoke"])
def test_an_unfinished_study_and_a_smoke_run_count_as_not_run(tmp_path, damage):
    root = write_studies(tmp_path / "studies", ["lr", "depth"])
    if damage == "unfinished":
        (root / "lr" / "trials" / "lr=0.001" / "seed=1" / "result.json").unlink()
    else:
        (root / "lr" / "command.json").write_text(json.dumps({"study": "lr", "smoke": True}))
    assert list(read_experiments(root, root, {}).finished) == ["depth"]


def test_without_any_study_nothing_is_written(tmp_path):
    (tmp_path / "studies").mkdir()
    with pytest.raises(
        ValueError, match=r"no finished study of the report; begin with python train.py -m study=epochs"
    ):
        write_tuning_report(tmp_path / "studies", tmp_path / "docs")
    assert not (tmp_path / "docs").exists()


def test_the_page_has_its_four_figures_and_a_row_per_trial(page, experiments):
    text, root = page
    names = ("units_heatmap", "learning_rate_scatter", "configuration_summary", "depth_distribution")
    for name in names:
        assert f"](tuning_report/visualizations/{name}.png)" in text
        assert (root / "tuning_report" / "visualizations" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    with (root / "tuning_report" / "experiment_summary.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == sum(len(one.evidence.records) for one in experiments.finished.values())
    assert {row["optimizer"] for row in rows} == {name for name, _ in OPTIMIZERS.values()}
    assert {row["units"] for row in rows if row["study"] == "depth"} == {"256", "256 256", "256 256 256"}


def test_the_authors_words_stand_in_their_slot_and_open_ones_say_how_to_fill_them(page):
    text, _ = page
    assert "> Because of its memory." in text
    assert 'a line "landscape: …" in author.yaml' in text


def test_no_place_of_this_machine_is_named(page, studies):
    text, root = page
    table = (root / "tuning_report" / "experiment_summary.csv").read_text()
    assert str(studies) not in text + table


def test_the_best_is_what_the_formula_likes_best(experiments):
    said = {number: PLACEHOLDERS[number](experiments).lines[0] for number in range(52, 58)}
    assert said[52].startswith("10: ")
    assert said[53].startswith("128, 128: ")
    assert said[54].startswith("64: ")
    assert said[56].startswith("0.001: ")
    assert said[57].startswith("Adam: ")


def test_widths_that_act_each_by_itself_leave_no_interaction(tmp_path):
    root = write_studies(tmp_path, ["units"], noise=0.0001)
    found = units.grid(read_experiments(root, root, {}).get("units"))
    first, second, rest = found.shares
    assert first + second + rest == pytest.approx(1)
    assert first > second > rest
    assert rest < 1e-4
    # From 16 to 128 units, three doublings: the formula's factor goes from 1.5 to 1.0625.
    assert found.doublings[0] == pytest.approx(np.log(1.0625 / 1.5) / 3, abs=1e-3)


def test_the_best_rate_grows_with_the_root_of_the_batch_size(experiments):
    study = experiments.get("lr_by_batch")
    assert interactions.slope(study) == pytest.approx(0.5, abs=0.01)
    assert {size: rate for size, (rate, _) in interactions.optima(study).items()} == {
        size: pytest.approx(best_rate({"batch_size": size})) for size in (16, 64, 256)
    }


def test_what_overfits_is_what_needs_fewer_epochs(experiments):
    lines = interactions.fewer_epochs(experiments).lines[1:]
    assert [line for line in lines if "no arm" not in line] == [
        next(line for line in lines if line.startswith("depth: 3"))
    ]


def test_curves_that_keep_their_order_need_no_more_epochs(experiments):
    study = experiments.get("units")
    table = questions.by_epoch(study)
    assert table.shape == (len(WIDTHS) ** 2, 5)
    assert questions.correlation(table[:, 0], table[:, -1]) == pytest.approx(1)
    assert questions.correlation(table[:, 0], -table[:, -1]) == pytest.approx(-1)
    assert "ends as number 1, 0.0 % above the best" in questions.agreement(study, 1)


def test_the_chance_of_a_random_search_is_counted_right(experiments):
    study = experiments.get("units")
    losses = {arm: study.mean(arm, "test/loss") for arm in study.arms}
    near = {arm for arm, loss in losses.items() if loss <= 1.02 * min(losses.values())}
    draws = list(combinations(study.arms, len(study.arms) // 4))
    chance = np.mean([bool(near & set(draw)) for draw in draws])
    line = conclusions.search(experiments).lines[0]
    assert f"{len(near)} of the 16 pairs" in line
    assert line.endswith(f"a probability of {100 * chance:.0f} %.")


def test_verdicts_that_the_regime_turns_round_come_first_among_the_surprises(tmp_path, monkeypatch):
    root = write_studies(tmp_path, ["lr"])
    write_studies(root, ["lr"], "_as_reported")
    found = read_experiments(root, root, {})
    verdicts = found.get("lr_as_reported").evidence.judgement.verdicts
    assert not reflections.surprises(found)
    monkeypatch.setitem(verdicts, "main", replace(verdicts["main"], verdict="rejected", reason="Rejected: so."))
    assert reflections.surprises(found)[0].startswith(
        "lr, main: confirmed in full passes and rejected in epochs of 100"
    )


def test_every_study_of_the_document_is_known():
    assert set(STUDIES) == {
        *("epochs", "units", "batch_size", "depth", "lr", "optimizer"),
        *("lr_by_batch", "units_by_depth"),
    }
