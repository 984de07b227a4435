"""Publication: a finished study's page, one index over all claims, the README's head; and no claim is forgotten."""

import csv
import gzip
import io
import json
import re
import shutil
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from answers.make import publish as script
from answers.make.publication import publish as publishing
from answers.make.publication.index import Index, index_csv, index_markdown
from answers.make.publication.page import MORE
from answers.make.publication.paths import portable, without_paths
from answers.make.publication.plans import read_plan
from answers.make.publication.publish import publish
from answers.make.publication.read import read_index
from answers.make.publication.redraw import guessing, merged, redraw, sections
from answers.make.publication.replication import replication_markdown
from answers.make.publication.rows import place_of
from answers.make.publication.small import small_png, small_svg
from answers.make.publication.summary import overrides, read_summaries, read_summary
from answers.make.publication.tables import RESULTS, curves_csv, read_runs, shortened
from answers.make.publication.unanswerable import measured, read_entry, read_unanswerable
from litmus.claims.judgement import judge
from litmus.claims.lint.active import EARLY
from litmus.claims.results_table import read_results
from litmus.claims.study import read_study
from litmus.claims.study_file import read_study_file
from litmus.report.figures.strips import strips
from litmus.report.study_directory import read_study_directory
from litmus.trial.command_line import answer
from tests.conftest import ROOT
from tests.report_data import NODE, write_study

# One process has the study files, the study and its publication.
pytestmark = pytest.mark.xdist_group("publication")
DOCS = ROOT / "answers" / "studies"
AGAIN = "run python answers/make/publish.py --index"
COMMAND = "python train.py -m study=dropout_norm hydra.sweep.dir=/mnt/disk/runs/x data_dir=/usr/share/datasets"


def finished(directory, **command):
    """A study's directory with all of its trials; one of them diverged."""
    write_study(directory)
    (directory / "command.json").write_text(json.dumps({"study": "dropout_norm", "command": COMMAND, **command}))
    return directory


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A finished study's directory."""
    return finished(tmp_path_factory.mktemp("studies") / "dropout_norm")


@pytest.fixture(scope="module")
def published(study, tmp_path_factory):
    """Where it was published."""
    return publish(study, tmp_path_factory.mktemp("docs") / "studies")


@pytest.fixture(scope="module")
def index(nodes):
    """The index of the project."""
    return read_index(DOCS, nodes)


def test_a_published_study_is_drawn_again_from_its_tables_and_keeps_what_they_do_not_tell(published, tmp_path):
    place = tmp_path / published.name
    shutil.copytree(published, place)
    (place / "figures" / "isolation-lr.png").write_bytes(b"")
    before = (place / "report.md").read_text()
    redraw(place)
    once = files(place)
    assert files(redraw(place)) == once
    then, now = sections(before), sections((place / "report.md").read_text())
    assert {"Results by arm", "All comparisons", "Sensitivity"} <= set(now)
    assert now["Reproducibility"].startswith(then["Reproducibility"])
    assert f"--redraw {place.name}" in now["Reproducibility"]
    assert now["Design"].partition("**Lint")[0] == then["Design"].partition("**Lint")[0]
    assert {name for name in once if "figures" in name} == {name for name in files(published) if "figures" in name}
    told = [json.loads((one / "verdicts.json").read_text()) for one in (published, place)]
    (first, second) = [{name: row["verdict"] for name, row in one.items() if name != "lint"} for one in told]
    assert first == second
    assert read_summary(place).trials == read_summary(published).trials


def test_what_a_verdict_could_not_be_judged_for_is_kept_where_no_table_shows_it(published, tmp_path):
    place = tmp_path / published.name
    shutil.copytree(published, place)
    told = json.loads((place / "verdicts.json").read_text())
    decided = next(name for name, row in told.items() if name != "lint" and row["verdict"] != "inconclusive")
    page = (place / "report.md").read_text()
    head = "| level | code | finding | concerns |\n|---|---|---|---|\n"
    if head not in page:
        page = page.replace("Lint found nothing to object to.", f"**Lint: 1 error**\n\n{head}")
    name = decided.replace("_", r"\_")
    found = f"| error | early_judgement | Of \\[0.1, 0.2\\] it is judged too early. | {name} |\n"
    (place / "report.md").write_text(page.replace(head, head + found))
    for _ in range(2):
        redraw(place)
        rows = json.loads((place / "verdicts.json").read_text())
        assert rows[decided]["reason"].startswith(f"Undecided ({EARLY}), otherwise {told[decided]['verdict']}")
        assert [one["message"] for one in rows["lint"] if one["code"] == "early_judgement"] == [
            "Of [0.1, 0.2] it is judged too early."
        ]


PAGE = """# a
## Surprises

Looked for: opposite signs, arms below the constant predictor; intervals are uncorrected.

{surprises}

## Design

{settings}**Data**

| data | split | rows | constant predictor's accuracy | sha256 |
|---|---|---:|---|---|
| mnist1d | val | 2,000 | 0.0875 to 0.1125 | 7e489a661639 |
| mnist1d | test | 10,000 | 0.1000 | 7e489a661639 |

{lint}

## Reproducibility

as published
"""
BELOW = "- Not above the constant predictor's test acc of 0.6425: none 0.6306."
LINTED = "**Lint: 0 errors, 1 warning**\n\n| level | code |\n"


@pytest.mark.parametrize("lint", ["Lint found nothing to object to.", LINTED])
@pytest.mark.parametrize("before", ["Lint found nothing to object to.", LINTED])
def test_settings_stay_whatever_lint_finds_then_and_now(before, lint):
    published = PAGE.format(surprises="", settings="Held constant: lr 0.001\n\n", lint=before)
    new = PAGE.format(surprises="", settings="", lint=lint).replace("| mnist1d |", "| lost |")
    told = merged(new, published, (), "again")
    assert "Held constant: lr 0.001" in told
    assert "| mnist1d | test |" in told
    assert lint.strip() in told
    assert guessing(told) == guessing(published) == {"test": 0.1}


@pytest.mark.parametrize("found", ["Nothing of the kind was found.", "- a: the opposite of the prediction."])
def test_an_arm_that_was_below_guessing_is_told_where_no_table_shows_it(found):
    published = PAGE.format(surprises=BELOW, settings="", lint="")
    new = PAGE.format(surprises=found, settings="", lint="").replace(
        "opposite signs, arms below the constant predictor; intervals are uncorrected.",
        "opposite signs; intervals are uncorrected. Not looked for: arms below the constant predictor (no score).",
    )
    told = sections(merged(new, published, (), "again"))["Surprises"]
    assert BELOW in told.splitlines()
    assert "Not looked for" not in told
    assert ("Nothing of the kind" in told, found in told) == (False, found.startswith("-"))
    again = PAGE.format(surprises=found, settings="", lint="")
    assert found in sections(merged(again, published, (), "again"))["Surprises"], "what tables show is today's"


@pytest.fixture
def cheap(monkeypatch):
    """Publication without its pictures, which take their time."""

    def fill(directory, name, evidence, study):
        (directory).mkdir()
        (directory / "report.md").write_text(f"{name} {evidence.words}")

    monkeypatch.setattr(publishing, "fill", fill)


@pytest.fixture
def refused(capsys):
    """The one sentence with which answers/make/publish.py refuses these arguments."""

    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            answer(lambda: script.main([str(argument) for argument in arguments]))
        assert ended.value.code == 1
        said = capsys.readouterr().err.strip()
        assert len(said.splitlines()) == 1
        return said

    return run


def files(directory):
    """Every file with its bytes."""
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def test_a_published_study_has_its_page_its_tables_and_the_pictures_that_the_page_shows(published):
    text = (published / "report.md").read_text()
    shown = set(re.findall(r"\]\((figures/[^)]+)\)", text))
    found = files(published)
    tables = {
        "report.md",
        "results.csv.gz",
        "trials.csv.gz",
        "curves.csv.gz",
        "verdicts.json",
        "study.yaml",
        "summary.json",
    }
    assert set(found) == tables | shown
    assert {"figures/results-loss.svg", "figures/forest.svg", "figures/headline-synergy.svg"} <= shown
    assert MORE in text
    assert sum(map(len, found.values())) < 100_000


def test_its_two_tables_give_back_what_the_runs_that_ended_recorded(published, study):
    records = {key: one for key, one in read_study_directory(study).records.items() if one.done}
    runs = {(run.arm, run.seed): run for run in read_runs(published)}
    assert list(runs) == list(records)
    for key, record in records.items():
        metrics = record.content["metrics"]
        assert {name: runs[key].summary[name] for name in metrics} == pytest.approx(metrics, rel=1e-5)
        for name in ("epoch", "updates", "train/loss", "val/loss"):
            assert runs[key].history[name] == pytest.approx(record.history[name], rel=1e-4)


@pytest.mark.parametrize(("runs", "epochs"), [(2, 7), (2, 5000), (400, 90)])
def test_curves_of_many_long_runs_are_thinned_out_evenly_and_stay_small(study, runs, epochs):
    curve = np.linspace(2, 1 / 3, epochs)
    history = {"epoch": np.arange(epochs), "updates": 844 * np.arange(1, epochs + 1), "val/loss": curve}
    evidence = read_study_directory(study)
    record = replace(next(one for one in evidence.records.values() if one.done), history=history)
    text = curves_csv(replace(evidence, records={("dropout=0,norm=none", seed): record for seed in range(runs)}))
    shown = [int(line[2]) for line in csv.reader(text.splitlines()[1:]) if line[1] == "0"]
    assert len(text) <= 150_000
    assert (shown[0], shown[-1]) == (0, epochs - 1)
    assert len(shown) == min(epochs, 100) or runs == 400
    assert max(np.diff(shown)) - min(np.diff(shown)) <= 1


def test_no_published_file_names_a_place_of_this_machine(published, study):
    for name, content in files(published).items():
        if not name.endswith(".gz"):
            for place in (str(study.parent), "/mnt", "/usr"):
                assert place not in content.decode(), f"{name}: {place}"
    assert "python train.py -m study=dropout_norm\n" in (published / "report.md").read_text()


def test_the_published_table_and_question_give_the_published_verdicts(published):
    asked = read_study_file(published / "study.yaml")
    again = judge(asked, read_results(asked, published / RESULTS)).verdicts
    stored = json.loads((published / "verdicts.json").read_text())
    assert {name: one.verdict for name, one in again.items()} == {name: stored[name]["verdict"] for name in again}
    assert {name: one.mean for name, one in again.items()} == {
        name: pytest.approx(stored[name]["mean"], rel=1e-9) for name in again
    }


def test_the_looks_at_a_study_are_published_with_its_table(tmp_path, cheap):
    directory = finished(tmp_path / "studies" / "dropout_norm")
    assert not (publish(directory, tmp_path) / "looks.json").exists()
    seen = {"looks": [{"seeds": [0, 1, 2], "corrected": False, "verdicts": {"synergy": "confirmed"}}]}
    (directory / "looks.json").write_text(json.dumps(seen))
    stored = json.loads((publish(directory, tmp_path) / "looks.json").read_text())["looks"]
    assert [look["seeds"] for look in stored] == [[0, 1, 2], [0, 1, 2, 3, 4]]


def test_publishing_again_changes_nothing_but_for_the_authors_words(study, published, tmp_path):
    place = tmp_path / "dropout_norm"
    shutil.copytree(published, place)
    (place / "author.yaml").write_text("why: Because.\n")
    (place / "figures" / "of-an-earlier-page.png").touch()
    assert publish(study, tmp_path) == place
    before, after = files(published), files(place)
    assert "Because." in after.pop("report.md").decode()
    assert after.pop("author.yaml") == b"why: Because.\n"
    assert after == {name: content for name, content in before.items() if name != "report.md"}
    assert [path.name for path in tmp_path.iterdir()] == ["dropout_norm"]


def test_what_breaks_while_publishing_leaves_what_was_there(study, tmp_path, monkeypatch, cheap):
    place = publish(study, tmp_path)
    before = files(place)

    def broken(directory, *_):
        directory.mkdir()
        (directory / "report.md").write_text("half")
        raise OSError("disk full")

    monkeypatch.setattr(publishing, "fill", broken)
    with pytest.raises(OSError, match="disk full"):
        publish(study, tmp_path)
    assert files(place) == before
    assert [path.name for path in tmp_path.iterdir()] == ["dropout_norm"]


def test_a_smoke_run_a_part_and_what_is_no_study_are_refused_and_the_others_published(tmp_path, refused, cheap):
    studies, docs = tmp_path / "studies", tmp_path / "docs"
    finished(studies / "whole")
    finished(studies / "smoke", smoke=True)
    finished(studies / "part")
    (studies / "part" / "trials" / "dropout=0.1,norm=none" / "seed=3" / "result.json").unlink()
    (studies / "other").mkdir()
    said = refused(*sorted(studies.iterdir()), "-o", docs)
    assert "smoke is a smoke run" in said
    assert "part lacks 1 trial of 20 (the first: dropout=0.1,norm=none seed 3), and a part has no verdict" in said
    assert "other: expected a study's directory" in said
    assert [path.name for path in docs.iterdir()] == ["whole"]


def test_the_index_has_every_verdict_of_a_published_study(published):
    found = read_index(published.parent, {})
    evidence = read_summary(published)
    text = index_markdown(found)
    assert found.headline.startswith("4 predictions from 1 document: ")
    for row in evidence.rows:
        assert row.effect
        assert row.verdict in text
        assert row.claim in text
    stored = json.loads((published / "verdicts.json").read_text())
    assert {row.prediction: (row.verdict, row.mean, row.n) for row in found.rows} == {
        name: (one["verdict"], one["mean"], one["n"]) for name, one in stored.items() if name != "lint"
    }
    assert index_csv(found).count("\n") == len(evidence.rows) + 1
    assert sum(found.tally().values()) == len(found.rows)


def test_an_effect_is_the_change_of_the_metric_with_its_interval(published, study):
    evidence = read_study_directory(study)
    row = next(row for row in read_summary(published).rows if row.prediction == "combined_wins")
    quantity = evidence.study.quantities["loss"]
    assert row.effect.startswith(f"test loss {quantity.change(row.mean)} [")
    assert "needed ≥ 2 %" in row.effect


def test_what_a_study_file_asks_beyond_what_is_published_is_missing(published):
    root = published.parent
    assert read_plan("dropout_norm", NODE, published).complete
    more = read_plan("dropout_norm", {**NODE, "seeds": 8}, published)
    assert (more.trials, more.tuning_trials, more.label) == (4 * 3, 0, "5 of 8 seeds")
    wider = {**NODE, "factors": {"dropout": [0.0, 0.1], "norm": ["none", "instance", "batch"]}, "predictions": {}}
    plan = read_plan("dropout_norm", wider, published)
    assert (plan.trials, plan.tuning_trials) == (2 * 5, 2 * 6)
    assert plan.missing == "10 trials; 12 tuning trials × 3 seeds; asked otherwise since: factors, predictions"
    new = read_plan("other", NODE, root / "other")
    assert (new.trials, new.tuning_trials, new.command) == (20, 24, "python train.py -m study=other")
    assert [row.verdict for row in new.rows] == ["not run"] * 4
    text = index_markdown(Index(read_summaries(root), [more, new]))
    assert "| other | 20 trials; 24 tuning trials × 3 seeds | `python train.py -m study=other` |" in text
    assert "| 4 | 5 | 20 | 24 | 5 of 8 seeds |" in text


def test_a_failed_trial_is_missing_and_a_diverged_one_is_not(published, tmp_path):
    place = tmp_path / "dropout_norm"
    place.mkdir()
    for name in ("study.yaml", RESULTS):
        shutil.copyfile(published / name, place / name)
    results = gzip.decompress((place / RESULTS).read_bytes())
    assert b"FloatingPointError" in results
    assert read_plan("dropout_norm", NODE, place).trials == 0
    (place / RESULTS).write_bytes(gzip.compress(results.replace(b"FloatingPointError", b"OSError")))
    assert read_plan("dropout_norm", NODE, place).trials == 1


def test_a_study_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"^configs/study/odd.yaml: study must have either factors"):
        read_plan("odd", {"question": "?", "quantities": {"loss": "test/loss"}}, tmp_path)


@pytest.mark.parametrize(
    ("whole", "own", "place"),
    [
        ("004_a.txt, Part 3", "Expected outcomes", ("004_a.txt", "Part 3, Expected outcomes")),
        ("004_a.txt, Part 2", "Part 2, Results", ("004_a.txt", "Part 2, Results")),
        ("001_b.txt, Hypothesis 1 and Experiment 1", "Hypothesis 1", ("001_b.txt", "Hypothesis 1")),
        ("001_b.txt, Hypothesis 3", "002_c.txt, Q4", ("002_c.txt", "Q4")),
        ("000_d.txt", "control", ("000_d.txt", "control")),
        ("000_d.txt", "", ("000_d.txt", "")),
        ("", "", ("", "")),
    ],
)
def test_a_claim_is_placed_in_its_document(whole, own, place):
    assert place_of(read_study({**NODE, "source": whole}), own) == place


def test_few_seeds_and_other_settings_are_labelled(published):
    summary = read_summary(published)
    assert summary.labels == []
    few = replace(summary, seeds=3, failed=1, command=f"{summary.command} epochs=3 study.seeds=3 threads=1")
    assert few.labels == ["exploratory: 3 seeds", "1 trial failed", "run with epochs=3"]
    assert overrides("python train.py -m study=a study.nuisance=null hydra/launcher=joblib") == ["study.nuisance=null"]


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("text", "must be a mapping"),
        ({"claim": "a", "source": "004_a.txt, 1"}, "lacks the key 'reason'"),
        ({"claim": "a", "source": "somewhere", "reason": "b"}, "must name a document and its part"),
        ({"claim": "a", "source": "004_a.txt, 1", "reason": "b", "because": 1}, "unknown key 'because'"),
        ({"claim": "a", "source": "004_a.txt, 1", "reason": "b", "beside": {"study": "x"}}, "lacks the key 'what'"),
    ],
)
def test_a_damaged_claim_without_a_verdict_is_refused(entry, told):
    with pytest.raises(ValueError, match=re.escape(told)):
        read_entry(entry, "entry 1")


def test_what_was_measured_instead_stands_beside_a_claim_without_a_verdict(published):
    node = {
        "claim": "20,346",
        "source": "004_a.txt, 1",
        "reason": "b",
        "beside": {"study": "dropout_norm", "what": "params"},
    }
    entry = read_entry(node, "entry 1")
    assert measured(entry, []) == "params in dropout_norm: not run yet"
    assert "dropout=0,norm=none 78,858" in measured(entry, read_summaries(published.parent))


@given(st.text(alphabet="/ab1. :=-", max_size=30))
def test_what_has_no_path_left_is_not_cut_further(text):
    assert without_paths(without_paths(text)) == without_paths(text)


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_a_shortened_table_has_the_same_single_precision_numbers(number):
    table = f"x=0.12345678901234,{number!r}\n"
    cell = shortened(table).removeprefix("x=0.12345678901234,")
    assert np.float32(cell) == np.float32(number)
    assert len(cell) <= len(f"{number!r}\n")


def test_paths_are_cut_and_nothing_else_is():
    assert without_paths("FileNotFoundError: /home/me/data/x.gz: none") == "FileNotFoundError: …/x.gz: none"
    for kept in ("train/loss", "https://example.org/a/b", "1/2", "and/or", "figures/a.png", "studies/NAME/trials/ARM"):
        assert without_paths(kept) == kept
    assert portable(COMMAND) == "python train.py -m study=dropout_norm"
    assert (
        portable("python train.py -m study=x 'study.seeds=[1, 2]'") == "python train.py -m study=x 'study.seeds=[1, 2]'"
    )


def test_a_smaller_drawing_is_the_same_drawing(study):
    evidence = read_study_directory(study)
    name = "a -1.05 e0 &lt;text id=&quot;b&quot; style=&quot;c: d&quot;> 2.345"
    svg = strips(evidence, evidence.leading).svg.replace(">test loss (lower is better)<", f">{name}<")
    small = small_svg(svg)
    assert len(small) < 0.6 * len(svg)
    assert small_svg(svg) == small
    before, after = (list(ElementTree.fromstring(one).iter()) for one in (svg, small))
    marks = [[one.tag for one in own if one.tag.endswith(("}text", "}use"))] for own in (before, after)]
    assert marks[0] == marks[1]
    words = [["".join(one.itertext()) for one in own if one.tag.endswith("}text")] for own in (before, after)]
    assert words[0] == words[1]
    assert 'a -1.05 e0 <text id="b" style="c: d"> 2.345' in words[1]
    dots = [
        [float(one.get(side)) for one in own if one.tag.endswith("}use") for side in "xy"] for own in (before, after)
    ]
    assert dots[1] == pytest.approx(dots[0], abs=0.1)
    asked = set(re.findall(r'(?:url\(#|href="#)([^)"]+)', small))
    assert {one.get("id") for one in after} - {None} == asked
    used = {one.get("class") for one in after} - {None}
    assert used == set(re.findall(r"\.(s\d+)\{", small))


def test_a_smaller_picture_is_the_same_picture(study):
    evidence = read_study_directory(study)
    png = strips(evidence, evidence.leading).png
    small = small_png(png)
    assert len(small) < len(png) / 2
    before, after = (np.asarray(Image.open(io.BytesIO(one)).convert("RGB"), dtype=int) for one in (png, small))
    assert before.shape == after.shape
    assert np.abs(before - after).max() < 32


def test_mistyped_commands_are_refused(refused, tmp_path):
    assert "say what to publish" in refused()
    assert "no such directory; publish a study there first" in refused("--index", "-o", tmp_path / "none")


# What the repository holds.


def test_the_published_studies_take_five_megabytes_and_each_picture_is_on_a_page():
    assert sum(path.stat().st_size for path in DOCS.rglob("*") if path.is_file()) <= 5 * 2**20
    shown = [
        (page.parent, link) for page in DOCS.rglob("*.md") for link in re.findall(r"\]\(([^)#]+)\)", page.read_text())
    ]
    linked = {(folder / link).resolve() for folder, link in shown if not link.startswith("http")}
    assert [path for path in DOCS.rglob("*") if path.suffix in (".png", ".svg") and path.resolve() not in linked] == []


def test_the_index_is_that_of_the_published_studies(index):
    assert (DOCS / "README.md").read_text() == index_markdown(index), AGAIN
    assert (DOCS / "verdicts.csv").read_text() == index_csv(index), AGAIN
    assert (DOCS / "replication.md").read_text() == replication_markdown(DOCS), AGAIN


CLAIMS = yaml.safe_load((ROOT / "answers" / "tests" / "claims.yaml").read_text())


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim["key"])
def test_no_claim_of_the_documents_is_forgotten(index, claim):
    listed = [(row.document, row.claim) for row in index.rows]
    listed += [(entry.document, entry.claim) for entry in read_unanswerable(DOCS)]
    own = [text for document, text in listed if document == claim["document"]]
    assert any(claim["words"].lower() in text.lower() for text in own), (
        f"{claim['key']} is in no study and has no reason"
    )


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda path: str(path.relative_to(DOCS)))
def test_published_pages_link_to_what_is_there_and_name_no_machine(page):
    text = page.read_text()
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        assert target.startswith("http") or (page.parent / target).exists(), target
    assert without_paths(text) == text
