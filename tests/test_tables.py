"""CSV files: no text in them is a formula to a spreadsheet, and whoever reads them back reads what was written."""

import ast
import csv
import io
import math
import random

import pytest

from litmus.claims.results_table import read_results, results_from_rows
from litmus.claims.runs import Run
from litmus.claims.study import read_study
from litmus.records.record import read_curves
from litmus.report.evidence import evidence_of
from litmus.report.write import results_csv
from litmus.tables import read_mappings, shielded, table_text, unshielded, write_mappings
from litmus.trial.history import read_history
from tests.conftest import ROOT

SIGNS = "=+-@\t\n'\"＝＋－＠"
FORMULAS = ["=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1", "\n=1", "=cmd|' /C calc'!A0", "-", "+", "=", "－1+1"]


def texts(number=2000):
    draw = random.Random(0)
    letters = SIGNS + "a1, ;é"
    return ["".join(draw.choice(letters) for _ in range(draw.randint(0, 5))) for _ in range(number)] + FORMULAS


def test_reading_undoes_writing_for_every_text():
    for text in texts():
        written = shielded(text)
        assert unshielded(written) == text
        assert written == text or written == f"'{text}"


@pytest.mark.parametrize("text", FORMULAS)
def test_no_written_text_begins_as_a_formula_does(text):
    assert shielded(text) == f"'{text}"


@pytest.mark.parametrize("value", [0, -1, 1.5, -2.5e-3, True, None, -math.inf])
def test_values_that_are_no_text_stay(value):
    assert shielded(value) is value


@pytest.mark.parametrize(
    "text", ["-1", "+1", "-0.5", "-2.5e-03", "+.5", "-inf", "1e3", "", "a=b", "dropout=0", "'a", "’=1"]
)
def test_numbers_written_as_text_and_plain_texts_stay(text):
    assert shielded(text) == text
    assert unshielded(text) == text


def test_a_table_comes_back_as_it_was(tmp_path):
    columns = [*FORMULAS[:5], "name"]
    rows = [dict(zip(columns, texts()[start : start + len(columns)], strict=True)) for start in range(0, 600, 6)]
    write_mappings(tmp_path / "table.csv", columns, rows)
    assert read_mappings(tmp_path / "table.csv", own=True) == rows
    with (tmp_path / "table.csv").open(newline="", encoding="utf-8") as file:
        for cell in (cell for row in csv.reader(file) for cell in row):
            assert not cell.startswith(("=", "+", "-", "@", "\t", "\n", "＝", "＋", "－", "＠")) or _is_number(cell)


def _is_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("content", ["a,b\n1\n", "a,b\n1,2,\n", "a,b\n1,2, ,\n"])
def test_a_row_of_another_length_is_refused_where_rows_must_be_whole(tmp_path, content):
    path = tmp_path / "table.csv"
    path.write_text(content)
    assert read_mappings(path)[0]["a"] == "1"
    with pytest.raises(ValueError, match="row"):
        read_mappings(path, own=True)


@pytest.mark.parametrize("own", [False, True])
def test_no_cell_is_cut_off_in_silence(tmp_path, own):
    path = tmp_path / "table.csv"
    path.write_text("arm,seed,loss\na,0,12.5\n\na,1,12,09\n")
    with pytest.raises(
        ValueError, match=r"table\.csv line 4: expected 3 cells.*, found 4; write decimals with a point"
    ):
        read_mappings(path, own=own)


@pytest.mark.parametrize("header", ["arm,seed,loss,loss", "arm,seed,loss, loss ", "arm,seed,'=loss,=loss"])
def test_a_column_that_stands_twice_is_refused_and_none_is_chosen(tmp_path, header):
    path = tmp_path / "table.csv"
    path.write_text(f"{header}\na,0,1.5,2.5\n")
    with pytest.raises(
        ValueError, match=r"table\.csv: expected a name of its own for every column, found =?loss twice"
    ):
        read_mappings(path)
    path.write_text("arm,seed,loss,,\na,0,1.5,,\n")  # a spreadsheet's empty columns
    assert read_mappings(path) == [{"arm": "a", "seed": "0", "loss": "1.5"}]


def test_a_cell_longer_than_csv_takes_is_one_sentence(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("a\n" + "x" * 200_000 + "\n")
    with pytest.raises(ValueError, match=r"table\.csv: expected a table in CSV, found one that cannot be read"):
        read_mappings(path)


ERROR = '=HYPERLINK("http://a")'
ARMS = ["=1+1", "+x", "-1", "@a", "'=b", "''-c", "plain", "-1+1", "＝d", "'e"]


@pytest.mark.parametrize("by", ["arm", "factors"])
def test_results_are_judged_again_as_they_were_whatever_arms_are_called(tmp_path, by):
    study = read_study(
        {
            "question": "Which?",
            **({"arms": {arm: {"lr": place} for place, arm in enumerate(ARMS)}} if by == "arm" else {}),
            **({"factors": {"+callbacks.x": ARMS}} if by == "factors" else {}),
            "seeds": 3,
            "quantities": {"loss": {"metric": "test/loss"}},
            "predictions": {"low": {"kind": "bound", "quantity": "loss", "high": 1.0, "arm": _first(by)}},
        }
    )
    rows = [
        {"arm": arm, "seed": seed, "loss": -0.5 - place} for place, arm in enumerate(study.arms) for seed in range(3)
    ]
    results = results_from_rows(study, rows)
    evidence = evidence_of("own", study, results, runs=[Run(next(iter(study.arms)), 0, {}, {}, ERROR)])
    text = results_csv(evidence)
    if by == "factors":  # the arms' column is not needed then
        table = list(csv.reader(io.StringIO(text)))
        text = "\n".join(",".join(f'"{cell}"' for cell in row[1:]) for row in table)
    (tmp_path / "results.csv").write_text(text)
    again = read_results(study, tmp_path / "results.csv")
    assert [(trial.arm, trial.seed, trial.values) for trial in again.trials] == [
        (trial.arm, trial.seed, trial.values) for trial in results.trials
    ]
    assert f"'{ERROR}".replace('"', '""') in text or by == "factors"
    assert ",-0.5," in text.replace('"', "")
    for cell in (cell for row in csv.reader(io.StringIO(text)) for cell in row):
        assert not cell.startswith(("=", "+", "-", "@")) or _is_number(cell)


def _first(by):
    return "=1+1" if by == "arm" else {"+callbacks.x": "=1+1"}


def test_a_metrics_name_is_read_back_by_both_readers(tmp_path):
    path = tmp_path / "metrics.csv"
    path.write_text(table_text(["epoch", "-val/x", "=y"], [[0, -0.5, 1e-3], [1, -1.5, 2.0]]))
    assert read_history(path)[1] == {"epoch": 1.0, "-val/x": -1.5, "=y": 2.0}
    assert {name: values.tolist() for name, values in read_curves(path).items()} == {
        "epoch": [0.0, 1.0],
        "-val/x": [-0.5, -1.5],
        "=y": [1e-3, 2.0],
    }


def test_tables_are_written_in_one_place():
    """The learning curve is written by the line, and the predictions hold numbers alone."""
    known = {"litmus/tables.py", "litmus/trial/history.py", "evaluate.py"}
    found = set()
    for path in [
        ROOT / "train.py",
        ROOT / "evaluate.py",
        *(path for folder in ("src", "litmus", "scripts") for path in (ROOT / folder).rglob("*.py")),
    ]:
        names = {node.attr for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)}
        if names & {"DictWriter"} or ("csv.writer(" in path.read_text()):
            found.add(str(path.relative_to(ROOT)))
    assert found <= known


def test_the_page_of_a_comparison_exports_no_table():
    """It would have to shield its cells as well."""
    for path in (ROOT / "litmus" / "compare" / "page").iterdir():
        assert "text/csv" not in path.read_text(encoding="utf-8"), path
