"""A table of one's own: read the same however it is written, or refused in one sentence with one hint."""

import codecs
import csv
import io
import itertools
import json
import random

import pytest
import torch

from litmus.training.text_table import COMMA, POINT, fitting, number
from litmus.training.unfit import UnfitError, refuse_foreign
from src.datamodules.social_network_ads import FILE, SocialNetworkAds

DRAW = random.Random(0)
# Two people may have the same age, salary and decision.
PEOPLE = [(DRAW.randint(18, 60), 1000 * DRAW.randint(15, 150), DRAW.randint(0, 1)) for _ in range(60)] + [
    (30, 43000, 1)
] * 2


def columns(people=PEOPLE):
    return {
        "User ID": range(len(people)),
        "Gender": ["Weiblich", "Männlich"] * (len(people) // 2),
        "Country": [f"Côte d'Ivoire, {place}" for place in range(len(people))],
        **dict(zip(("Age", "EstimatedSalary", "Purchased"), zip(*people, strict=True), strict=True)),
    }


def written(names=None, delimiter=",", end="\n", quoting=csv.QUOTE_MINIMAL, said=None, renamed=None):
    """The table of `PEOPLE`, with these columns in this order; `said` changes how a column's values are written."""
    known = columns()
    names = list(names or known)
    cells = [[(said or {}).get(name, str)(value) for value in known[name]] for name in names]
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator=end, quoting=quoting)
    writer.writerow([(renamed or {}).get(name, name) for name in names])
    writer.writerows(zip(*cells, strict=True))
    return text.getvalue()


def load(folder, content, **arguments):
    (folder / FILE).write_bytes(content if isinstance(content, bytes) else content.encode())
    data = SocialNetworkAds(data_dir=folder, mirrors=[], **{"verify": False, **arguments})
    return data, data.load()


def assert_is_the_table(folder, content):
    data, source = load(folder, content)
    assert source.x.tolist() == [[age, salary] for age, salary, _ in PEOPLE]
    assert source.y.tolist() == [bought for *_, bought in PEOPLE]
    return data.notes()["read"]


def refusal(folder, content, **arguments):
    with pytest.raises(ValueError, match="expected") as caught:
        load(folder, content, **arguments)
    sentence = str(caught.value)
    assert sentence.startswith(f"{folder / FILE}: ")
    assert "\n" not in sentence
    assert sentence.isprintable()
    return sentence.removeprefix(f"{folder / FILE}: ")


NEEDED = ("Age", "EstimatedSalary", "Purchased")
WORDS = {
    "numbers": str,
    "floats": lambda value: f"{value}.0",
    "yes and no": lambda value: ("no", "Yes")[value],
    "true and false": lambda value: ("FALSE", "true")[value],
    "the column's words": lambda value: ("Not  Purchased", "purchased")[value],
}


@pytest.mark.briefly(*range(0, 100, 7))
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252"])
@pytest.mark.parametrize("words", WORDS)
def test_a_table_is_the_same_in_every_writing(tmp_path, delimiter, encoding, words):
    drawn = random.Random(f"{delimiter}{encoding}{words}")
    for _ in range(3):
        names = drawn.sample([*columns()], len(columns()))
        text = written(
            names,
            delimiter=delimiter,
            end=drawn.choice(["\n", "\r\n", "\r"]),
            quoting=drawn.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
            said={"Purchased": WORDS[words]},
        )
        told = assert_is_the_table(tmp_path, text.encode(encoding))
        assert told["encoding"] == encoding
        assert told["delimiter"] == {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}[delimiter]
        assert set(told["labels"].values()) == {0, 1}


@pytest.mark.parametrize(
    "names", [NEEDED, *list(itertools.permutations(NEEDED))[1:], ("Gender", *NEEDED), [*columns()]]
)
def test_columns_are_found_by_their_names(tmp_path, names):
    assert_is_the_table(tmp_path, written(names))
    assert_is_the_table(tmp_path, written(names, ";"))


@pytest.mark.parametrize(
    ("age", "salary", "bought"),
    [
        ("age", "estimatedsalary", "purchased"),
        ("AGE", "Estimated Salary", "PURCHASED"),
        (" Age ", "estimated_salary", "Purchased "),
        ("Age", "Estimated.Salary", "purchased"),
        ("Age", "Salary", "Bought"),
        ("age", "annual_income", "Purchase"),
    ],
)
def test_a_columns_name_may_be_spelt_as_people_spell_it(tmp_path, age, salary, bought):
    renamed = dict(zip(NEEDED, (age, salary, bought), strict=True))
    told = assert_is_the_table(tmp_path, written(renamed=renamed))
    assert [*told["columns"].values()] == [age.strip(), salary.strip(), bought.strip()]


def test_its_own_name_is_a_columns_before_any_other(tmp_path):
    text = written([*NEEDED, "User ID"], renamed={"User ID": "Income"})
    assert_is_the_table(tmp_path, text)


@pytest.mark.parametrize(
    ("delimiter", "age", "salary", "decimal"),
    [
        (",", str, lambda value: f"{value:,}", "point"),
        (",", str, lambda value: f"{value:,}.00", "point"),
        (";", lambda value: f"{value},0", lambda value: f"{value:,}".replace(",", "."), "comma"),
        (";", str, lambda value: f"{value:,}".replace(",", ".") + ",00", "comma"),
        ("\t", str, lambda value: f"{value:,}".replace(",", "\u00a0"), "point"),
        ("|", str, lambda value: f"{value:,}".replace(",", "'"), "point"),
        (",", lambda value: f"{value}.0", lambda value: f"{value:.3e}" if value % 100 == 0 else str(value), "point"),
        (",", lambda value: f" {value}", lambda value: f"{value} ", "point"),
    ],
)
def test_numbers_are_read_as_their_file_writes_them(tmp_path, delimiter, age, salary, decimal):
    text = written(delimiter=delimiter, said={"Age": age, "EstimatedSalary": salary})
    assert assert_is_the_table(tmp_path, text)["decimal"] == decimal


@pytest.mark.parametrize(
    ("cells", "notations", "readings"),
    [
        (["1,11,300", "19,000"], [POINT], [[111300.0, 19000.0]]),
        (["19.000", "35,5"], [POINT, COMMA], [[19000.0, 35.5]]),
        (["19.000", "1.234.567"], [POINT, COMMA], [[19000.0, 1234567.0]]),
        (["19.000", "20.5"], [POINT, COMMA], [[19.0, 20.5]]),
        (["19.000", "21.000"], [POINT, COMMA], [[19.0, 21.0], [19000.0, 21000.0]]),
        (["19,000", "900"], [POINT, COMMA], [[19000.0, 900.0], [19.0, 900.0]]),
        (["19", "2e4"], [POINT, COMMA], [[19.0, 20000.0]]),
        (["19'000.5"], [POINT, COMMA], [[19000.5]]),
        (["19 00", "7"], [POINT], [[None, 7.0]]),
        (["1.234 567"], [COMMA], [[None]]),
        (["12,34,5"], [POINT, COMMA], [[None]]),
    ],
)
def test_each_reading_of_numbers_is_found_once(cells, notations, readings):
    found = fitting(cells, notations)
    assert [[number(cell, notation) for cell in cells] for notation in found] == readings


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
@pytest.mark.parametrize("mark", [".", ","])
def test_numbers_with_two_readings_are_refused(tmp_path, delimiter, mark):
    text = written(NEEDED, delimiter, said={"EstimatedSalary": lambda value: f"{value:,}".replace(",", mark)})
    sentence = refusal(tmp_path, text)
    cell = f"{PEOPLE[0][1]:,}".replace(",", mark)
    assert sentence.startswith("row 1 (line 2), column EstimatedSalary: expected a number with one reading, ")
    assert f"found {cell}, which is " in sentence
    assert sentence.endswith("; write the numbers without marks between thousands")


SPOILT = {
    "blank lines": lambda text: text.replace("\n", "\n\n \n"),
    "rows of delimiters alone": lambda text: text + ",,,,,\n,,,,,\n",
    "delimiters at the ends of rows": lambda text: text.replace("\n", ",\n").replace("Purchased,\n", "Purchased\n"),
    "delimiters at the ends of all lines": lambda text: text.replace("\n", ",,\n"),
    "two byte order marks": lambda text: f"\ufeff\ufeff{text}",
    "blank lines before": lambda text: "\n\n" + text,
    "no line end at the end": str.rstrip,
    "an index without a name": lambda text: "".join(
        f"{'' if place == 0 else place},{line}\n" for place, line in enumerate(text.splitlines())
    ),
    "Excel's hint": lambda text: "sep=;\n" + text.replace(",", ";"),
    "Excel's hint as Excel pads it": lambda text: '"sep=;";;\n' + text.replace(",", ";"),
    "lines within a cell": lambda text: (
        text.replace("Age,", "Remarks,Age,", 1).replace("\n", '\n"two\nlines",').removesuffix('"two\nlines",')
    ),
}


@pytest.mark.parametrize("spoilt", SPOILT)
def test_what_programs_leave_around_a_table_is_no_part_of_it(tmp_path, spoilt):
    assert_is_the_table(tmp_path, SPOILT[spoilt](written(NEEDED)))


def test_doubled_rows_are_people_where_nothing_says_that_they_are_one(tmp_path):
    for names in (NEEDED, ("Gender", *NEEDED)):
        assert len(load(tmp_path, written(names))[1].y) == len(PEOPLE)
    lines = written(["User ID", *NEEDED]).splitlines()
    sentence = refusal(tmp_path, "\n".join([*lines, lines[3]]))
    assert sentence.startswith(
        f"row {len(PEOPLE) + 1} (line {len(PEOPLE) + 2}): expected each row once, found row 3 (line 4)"
    )


FOREIGN = {
    "an empty file": (b"", "mend the table"),
    "an empty file with a mark": (codecs.BOM_UTF8 + b"\n", "mend the table", "an empty file"),
    "an Excel workbook (.xlsx)": (b"PK\3\4\x14\0[Content_Types].xml xl/workbook.xml\0", "save it as CSV"),
    "an Excel workbook (.xls)": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "save it as CSV"),
    "an OpenDocument spreadsheet (.ods)": (
        b"PK\3\4\x14\0mimetypeapplication/vnd.oasis.opendocument.spreadsheetPK",
        "save it as CSV",
    ),
    "a zip archive": (b"PK\3\4\x14\0Social_Network_Ads.csv\0", "unpack it"),
    "a Git LFS pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n", "type git lfs pull"),
    "a git-annex pointer": (b"/annex/objects/SHA256E-s9--00.csv\n", "type git annex get"),
    "a PDF document": (b"%PDF-1.7\n", "mend the table"),
    "a rich text document": (rb"{\rtf1\ansi Age,EstimatedSalary,Purchased}", "save it as plain text"),
    "a web page": (b"\n\n<!DOCTYPE html>\n<html>Age,EstimatedSalary,Purchased</html>", "save the file itself"),
    "JSON": (json.dumps([{"Age": 1}]).encode(), "save it as CSV"),
    "JSON a line": (b'{"Age": 1}\n{"Age": 2}\n', "save it as CSV", "JSON"),
    "a binary file that begins 50 41 52 31": (b"PAR1\0\0", "save it as CSV in UTF-8"),
    "a binary file that begins 41 00 67 00": ("Age,EstimatedSalary".encode("utf-16-le"), "save it as CSV in UTF-8"),
}


@pytest.mark.parametrize("kind", FOREIGN)
@pytest.mark.parametrize("verify", [True, False])
def test_what_is_no_table_is_called_what_it_is(tmp_path, kind, verify):
    content, remedy, *found = FOREIGN[kind]
    remedy = "put a good copy at" if verify and remedy == "mend the table" else remedy
    told, _, hint = refusal(tmp_path, content, verify=verify).partition("; ")
    assert f"found {found[0] if found else kind}" in told
    assert remedy in hint
    assert ";" not in hint


def test_the_markers_of_a_conflict_are_found_wherever_they_are(tmp_path):
    lines = written().splitlines()
    lines[7:8] = ["<<<<<<< HEAD", lines[7], "=======", lines[7], ">>>>>>> theirs"]
    sentence = refusal(tmp_path, "\n".join(lines))
    assert "found the markers of a merge conflict (line 8); resolve the conflict" in sentence


@pytest.mark.parametrize("content", [b"Age,Salary\n<3,1\n", b"[Age],x\n", b"{a},b\n", "Größe,x\n".encode("cp1252")])
def test_text_is_text(content):
    refuse_foreign(content, "anything")


REFUSED = {
    "Age,EstimatedSalary\n1,2\n": "expected the columns Age, EstimatedSalary and Purchased, found Age, EstimatedSalary",
    "Age,Salary,Income,Purchased\n1,2,3,1\n": "found Age, Salary, Income, Purchased",
    "Age,Age,EstimatedSalary,Purchased\n1,1,2,1\n": "found Age, Age, EstimatedSalary, Purchased",
    "19,19000,0\n35,20000,1\n": "found 19, 19000, 0",
    "Age EstimatedSalary Purchased\n1 2 1\n": "found Age EstimatedSalary Purchased",
    "Age,EstimatedSalary,Purchased\n": "expected rows below the columns' names, found none",
    "Age,EstimatedSalary,Purchased\n30,200,1\n30,20\n": "row 2 (line 3): expected 3 cells, Age to Purchased, found 2",
    "Age,EstimatedSalary,Purchased\n30,20,000,1\n": "row 1 (line 2): expected 3 cells, Age to Purchased, found 4",
    "Age,EstimatedSalary,Purchased\n30,,1\n": "row 1 (line 2), column EstimatedSalary: expected a value, found a blank",
    "Age,EstimatedSalary,Purchased\n30,2,2\n": "row 1 (line 2), column Purchased: expected 0 or 1, Yes or No, ",
    "Age,EstimatedSalary,Purchased\n30,2,-1\n": "found -1",
    "Age,EstimatedSalary,Purchased\n30,2,0.5\n": "found 0.5",
    "Age,EstimatedSalary,Purchased\n300,2,0\n": "column Age: expected an age from 1 to 120, found 300",
    "Age,EstimatedSalary,Purchased\n30,19k,0\n": "column EstimatedSalary: expected a salary from 1 to ",
    "Age,EstimatedSalary,Purchased\n30,\x1b[31m19,0\n": "found \ufffd[31m19",
    "\x1b]0;title\x07,EstimatedSalary,Purchased\n": "found \ufffd]0;title\ufffd, EstimatedSalary",
    "Age,EstimatedSalary,Purchased\n30," + 400 * "9" + "x,0\n": "999…",
    "Age,EstimatedSalary,Purchased\n30," + 200_000 * "9" + ",0\n": "999…",
}


@pytest.mark.parametrize("content", REFUSED, ids=range(len(REFUSED)))
def test_what_cannot_be_read_is_one_sentence_with_one_hint(tmp_path, content):
    sentence = refusal(tmp_path, content)
    assert REFUSED[content] in sentence
    assert sentence.endswith("; mend the table")
    assert sentence.count("; ") == 1 or "]0;" in sentence
    assert len(sentence) < 400


def test_of_two_files_that_differ_none_is_taken(tmp_path):
    import gzip

    (tmp_path / f"{FILE}.gz").write_bytes(gzip.compress(written().encode()))
    assert_is_the_table(tmp_path, written())
    with pytest.raises(ValueError, match="which differs; delete one of them"):
        load(tmp_path, written(NEEDED))


def test_the_hash_is_of_what_is_read_not_of_how_it_is_written(tmp_path):
    hashes = {
        load(tmp_path, content)[1].sha256
        for content in (written(), written([*columns()][::-1], ";"), written().encode("utf-16"))
    }
    assert len(hashes) == 1
    fewer = load(tmp_path, written(NEEDED))[1]
    assert fewer.sha256 not in hashes
    assert torch.equal(fewer.x, load(tmp_path, written())[1].x)


def test_the_result_says_how_the_table_was_read(trial, tmp_path):
    text = written(NEEDED, ";", said={"Purchased": WORDS["yes and no"]}, renamed={"EstimatedSalary": "Salary"})
    (tmp_path / FILE).write_text(text, encoding="cp1252")
    typed = ("data=social_network_ads", "data.verify=false", f"data_dir={tmp_path}", "epochs=1", "model.units=[2]")
    assert trial(*typed)["data"]["read"] == {
        "encoding": "utf-8",
        "delimiter": "semicolon",
        "decimal": "point",
        "columns": {"Age": "Age", "EstimatedSalary": "Salary", "Purchased": "Purchased"},
        "labels": {"Yes": 1, "no": 0},
    }


def test_an_unfit_file_says_what_to_do_in_place_of_the_one_who_asked():
    assert UnfitError("expected, found").remedy == ""
    assert isinstance(UnfitError("expected, found", "do"), ValueError)
