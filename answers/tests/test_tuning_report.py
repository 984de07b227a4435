"""The hyperparameter report: 72 blanks, each answered from published tables whose truth is known, or the author's."""

import csv
import gzip
import re
from types import SimpleNamespace

import numpy as np
import pytest

from answers.make.tuning_report import queries
from answers.make.tuning_report.experiment import read_experiment
from answers.make.tuning_report.write import STUDIES, data_of, write_tuning_report
from answers.tests.tuning_data import STUDIES as WRITTEN
from answers.tests.tuning_data import WIDTHS, best_rate, write_published
from tests.conftest import ROOT

pytestmark = pytest.mark.xdist_group("tuning report")
BLANKS = 72
# What cannot be said of data in which nothing surprises and nothing is drawn.
SILENT = {"First", "Second", "Third", "Where it is drawn", "Ranges to explore"}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """All studies in full passes, one in epochs of 100 updates, the author's word for one slot; and the report."""
    root = tmp_path_factory.mktemp("studies")
    write_published(root)
    write_published(root, ["lr"], "_as_reported")
    (root / "author.yaml").write_text("why_optimizer: Because of its memory.\n")
    write_tuning_report(root, root)
    return root


@pytest.fixture(scope="module")
def page(root):
    """Its text."""
    return (root / "tuning_report.md").read_text()


def blanks(page):
    """(label, what is said of it), in order."""
    return re.findall(r"^- \*\*(.+?)\*\*(.*?)(?=^- |^#|^\*\*|\Z)", page, re.MULTILINE | re.DOTALL)


def experiment(root, name):
    """A published study."""
    return read_experiment(root / name)


def test_each_of_the_72_blanks_has_numbers_or_is_the_authors_with_the_evidence_beside_it(page):
    found = blanks(page)
    assert len(found) == BLANKS
    for label, told in found:
        known = "\n".join(line for line in told.splitlines() if "not published" not in line)
        slot = known.partition("Author's interpretation")[2]
        if slot:
            assert re.search(r"> - .*\d", slot), label
        elif label not in SILENT:
            assert re.search(r"\d|adam", known), label
        assert not re.search(r"\bnan\b|\bNone\b|\binf\b", told), label
    assert not re.findall(r"(?<![\\!])\[[^\]]*\](?!\()", page)


def test_the_page_sums_itself_up_and_is_of_the_data_of_its_studies(page):
    summary = page.partition("## Executive summary")[2].partition("## 1.")[0]
    lines = [line for line in summary.splitlines() if line[:1].isdigit()]
    assert [line.partition(".")[0] for line in lines] == list("123456")
    assert all(re.search(r"confirmed|rejected|inconclusive", line) for line in lines)
    assert "Best of all that was run: " in summary
    template = (ROOT / "answers" / "make" / "tuning_report" / "tuning_report.md.j2").read_text()
    assert "MNIST" not in template  # it is the data's to be named
    assert data_of([SimpleNamespace(name="depth", regime="", arms=[])])["name"] == "Fashion-MNIST"
    own = [SimpleNamespace(name=name, regime="", arms=[]) for name in ("depth", "norm_helps")]
    with pytest.raises(ValueError, match="studies of one data set, found fashion_mnist"):
        data_of(own)
    assert page.count("*What would: ") == 4  # one slot has the author's words


def test_what_is_not_published_is_told_with_its_commands_and_the_rest_is_answered(tmp_path):
    write_published(tmp_path, ["lr"])
    (tmp_path / "lr" / "curves.csv.gz").unlink()
    told = dict(blanks(write_tuning_report(tmp_path, tmp_path).read_text()))
    command = "python train.py -m study=NAME, then python answers/make/publish.py studies/NAME."
    assert f"Of epochs, epochs_as_reported, this study is not published: {command}" in told["Best number of epochs"]
    assert f"Of lr, the learning curves are not published: {command}".replace("NAME", "lr") in told["Convergence"]
    assert "lr 0.001 has the lowest mean test loss" in told["Best learning rate"]


@pytest.mark.parametrize("diverged", [{0}, {2}])
def test_an_arm_that_diverged_breaks_no_sentence(tmp_path, diverged):
    page = write_tuning_report(write_published(tmp_path, diverged=diverged), tmp_path).read_text()
    assert len(blanks(page)) == BLANKS
    assert not re.search(r"\bnan\b|\bNone\b|\binf\b", page)


def test_a_page_that_answers_more_stays(root, page, tmp_path):
    write_published(tmp_path)
    (tmp_path / "tuning_report.md").write_text(page)
    (tmp_path / "units" / "curves.csv.gz").unlink()
    with pytest.raises(ValueError, match=r"tuning_report\.md was made when more was known, .* with -o DIRECTORY"):
        write_tuning_report(tmp_path, tmp_path)
    assert (tmp_path / "tuning_report.md").read_text() == page


def test_without_any_study_nothing_is_written(tmp_path):
    with pytest.raises(ValueError, match=r"no study of the report; begin with python train\.py -m study=epochs"):
        write_tuning_report(tmp_path, tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_page_has_its_four_figures_a_row_per_trial_and_the_authors_words(root, page):
    figures = re.findall(r"\]\((tuning_report/visualizations/\w+\.png)\)", page)
    assert len(figures) == 4
    assert all((root / figure).read_bytes().startswith(b"\x89PNG") for figure in figures)
    summary = gzip.decompress((root / "tuning_report" / "experiment_summary.csv.gz").read_bytes()).decode()
    table = list(csv.DictReader(summary.splitlines()))
    assert len(table) == sum(
        len(gzip.decompress(place.read_bytes()).splitlines()) - 1 for place in root.glob("*/results.csv.gz")
    )
    assert set(STUDIES) == {row["study"] for row in table} - {"lr_as_reported"} == set(WRITTEN)
    assert {row["units"] for row in table if row["study"] == "depth"} == {"256", "256 256", "256 256 256"}
    assert "> Because of its memory." in page
    assert 'a line "landscape: …" in author.yaml' in page


def test_the_best_is_what_the_formula_likes_best(page):
    told = dict(blanks(page.partition("### The best configuration")[2]))
    chosen = {
        label: told[label].split("- ")[1].split(":")[0] for label in ("Epochs", "Units", "Batch size", "Optimizer")
    }
    assert chosen == {"Epochs": "10", "Units": "128, 128", "Batch size": "64", "Optimizer": "adam"}
    assert told["Learning rate"].strip().startswith("- 0.001: ")


def test_widths_that_act_each_by_itself_leave_no_interaction(tmp_path):
    grid = queries.grid(experiment(write_published(tmp_path, ["units"], noise=0.0001), "units"))
    first, second, rest = grid.shares
    assert first + second + rest == pytest.approx(1)
    assert first > second > rest
    assert rest < 1e-4
    # From 16 to 128 units, three doublings: the formula's factor goes from 1.5 to 1.0625.
    assert grid.doublings[0] == pytest.approx(np.log(1.0625 / 1.5) / 3, abs=1e-3)


def test_the_best_rate_grows_with_the_root_of_the_batch_size(root):
    e = experiment(root, "lr_by_batch")
    assert queries.slope(e) == pytest.approx(0.5, abs=0.01)
    for size, arm in queries.optima(e).items():
        assert e.level(arm, "lr") == pytest.approx(best_rate({"batch_size": size}))
    rate, below = queries.vertex(e, 64)
    assert rate == pytest.approx(1e-3, rel=0.05)
    assert below == pytest.approx(0, abs=0.01)


def test_what_overfits_is_what_needs_fewer_epochs(root):
    found = {name: queries.turning(experiment(root, name)) for name in WRITTEN}
    assert {name: arms for name, arms in found.items() if arms} == {"depth": ["model.layers=3"]}


def test_curves_that_keep_their_order_need_no_more_epochs(root):
    e = experiment(root, "units")
    assert queries.losses(e).shape == (len(WIDTHS) ** 2, 5)
    assert queries.orders(e) == pytest.approx([1] * 4)
    arm, place, worse = queries.early(e)
    assert (arm, place, worse) == (e.best, 1, 0)


def test_verdicts_that_the_regime_turns_round_come_first_among_the_surprises(root, monkeypatch):
    both = [experiment(root, name) for name in ("lr", "lr_as_reported")]
    assert not queries.surprises(both)
    verdicts = both[1].judgement.verdicts
    monkeypatch.setitem(verdicts, "main", type(verdicts["main"])(**{**vars(verdicts["main"]), "verdict": "rejected"}))
    assert queries.surprises(both)[0].startswith("lr, main: confirmed in full passes and rejected in epochs of 100")
