"""Social_Network_Ads: the pinned 400 rows or one sentence that says which row and column are not theirs."""

import random

import pytest
import torch

from src.datamodules.social_network_ads import COLUMNS, FILE, SocialNetworkAds, own_table, pinned_table
from tests.data_helpers import require_ads, serving


@pytest.fixture(scope="module")
def lines():
    """The good file's lines, the columns' names first."""
    return require_ads().read_text().splitlines()


def table(rows: int = 50) -> list[str]:
    """A made-up table of one's own: text lines, the columns' names first."""
    draw = random.Random(0)
    own = [",".join(COLUMNS)]
    for user in range(rows):
        own.append(f"{user},Female,{draw.randint(10, 90)},{draw.randint(1, 99)}500,{draw.randint(0, 1)}")
    return own


HINTS = (
    *("put a good copy at", "put the pinned table there, or type data.verify=false", "mend the table"),
    *("type git lfs pull", "resolve the conflict", "unpack it", "open it where it was made and save it as CSV"),
    *("save it as CSV in UTF-8", "save it as plain text", "save the file itself", "write the numbers without marks"),
)


def put(folder, lines, name=FILE):
    (folder / name).write_text("\n".join(lines) + "\n")
    return folder


def change(lines, row, column, value):
    cells = lines[row].split(",")
    cells[COLUMNS.index(column)] = value
    return [*lines[:row], ",".join(cells), *lines[row + 1 :]]


def sentence_of(folder, **arguments):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 the caller looks at the sentence
        SocialNetworkAds(data_dir=folder, mirrors=[], **arguments).load()
    sentence = str(caught.value)
    assert sentence.startswith(f"{folder / FILE}: ")
    told, _, remedy = sentence.rpartition("; ")
    assert remedy
    assert not any(hint in told for hint in HINTS), "one hint"
    assert any(remedy.startswith(hint) for hint in HINTS)
    assert "\n" not in sentence
    return sentence


def padded(lines):
    return "\r\n".join(" , ".join(cell.ljust(15) for cell in line.split(",")) for line in lines)


def in_words(lines):
    rows = [line[:-1] + ("Purchased" if line[-1] == "1" else "Not Purchased") for line in lines[1:]]
    return "\r\n".join(["UserID,Gender,Age,EstimatedSalary,Purchased", *rows]) + "\r\n"


DISGUISES = {
    "padded cells and CRLF": padded,
    "labels as words": in_words,
    "a byte order mark": lambda lines: "\ufeff" + "\n".join(lines),
    "blank lines at the end": lambda lines: "\n".join(lines) + "\n\n \n",
    "numbers with a point": lambda lines: "\n".join(change(lines, 3, "Age", "26.0")),
    "quoted cells": lambda lines: "\n".join(",".join(f'"{cell}"' for cell in line.split(",")) for line in lines),
    "small letters": lambda lines: "\n".join([lines[0].lower(), *lines[1:]]),
}


@pytest.mark.parametrize("disguise", DISGUISES)
def test_the_same_rows_in_other_writing_are_the_same_data(tmp_path, lines, disguise):
    (tmp_path / FILE).write_bytes(DISGUISES[disguise](lines).encode())
    found = SocialNetworkAds(data_dir=tmp_path, mirrors=[]).load()
    good = SocialNetworkAds(data_dir=require_ads().parent, mirrors=[]).load()
    assert torch.equal(found.x, good.x)
    assert torch.equal(found.y, good.y)
    assert found.sha256 == good.sha256


def test_the_pinned_rows(lines):
    source = SocialNetworkAds(data_dir=require_ads().parent, mirrors=[]).load()
    assert source.x.tolist() == [[float(cell) for cell in line.split(",")[2:4]] for line in lines[1:]]
    assert source.y.tolist() == [int(line[-1]) for line in lines[1:]]
    assert source.y.bincount().tolist() == [257, 143]
    assert (source.x.dtype, source.y.dtype, source.test) == (torch.float32, torch.int64, None)


@pytest.mark.briefly(*range(0, 48, 5))
@pytest.mark.parametrize("row", [1, 7, 400])
@pytest.mark.parametrize(
    ("column", "value", "found"),
    [
        *[(column, " ", "a blank cell") for column in COLUMNS],
        ("Purchased", "05", "05"),
        ("Purchased", "maybe", "maybe"),
        ("Purchased", "2", "2"),
        ("Age", "-4", "from 18 to 60, found -4"),
        ("Age", "260", "260"),
        ("Age", "nan", "nan"),
        ("Age", "old", "old"),
        ("EstimatedSalary", "0", "from 15,000 to 150,000, found 0"),
        ("EstimatedSalary", "1900000", "1900000"),
        ("EstimatedSalary", "inf", "inf"),
        ("EstimatedSalary", "19k", "19k"),
    ],
)
def test_a_cell_that_cannot_be_is_named_by_row_and_column(tmp_path, lines, row, column, value, found):
    sentence = sentence_of(put(tmp_path, change(lines, row, column, value)))
    assert f"row {row} (line {row + 1}), column {column}: expected " in sentence
    assert f"found {found};" in sentence or found in sentence.rpartition("expected")[2]
    assert ("data.verify=false" in sentence) == bool(readable_as_ones_own(column, value))


def readable_as_ones_own(column, value):
    """Whether `data.verify=false` would help: the cell is out of the pinned table's bounds alone."""
    return (column, value) in {("User ID", " "), ("Gender", " "), ("EstimatedSalary", "1900000")}


@pytest.mark.parametrize("row", [1, 200, 400])
@pytest.mark.parametrize(
    ("column", "value"),
    [("User ID", "1"), ("Gender", "Other"), ("Age", "20.5"), ("EstimatedSalary", "123000"), ("Purchased", "flip")],
)
def test_any_other_cell_than_the_pinned_is_named_by_row_and_column(tmp_path, lines, row, column, value):
    value = str(1 - int(lines[row][-1])) if value == "flip" else value
    sentence = sentence_of(put(tmp_path, change(lines, row, column, value)))
    assert f"row {row} (line {row + 1}), column {column}: expected the pinned value, found " in sentence
    assert "data.verify=false" in sentence


@pytest.mark.long
def test_every_single_wrong_label_is_found(lines):
    for row in range(1, 401, 7):
        flipped = change(lines, row, "Purchased", str(1 - int(lines[row][-1])))
        with pytest.raises(ValueError, match=rf"^row {row} \(line {row + 1}\), column Purchased: "):
            pinned_table("\n".join(flipped).encode())


@pytest.mark.parametrize("row", [1, 57, 400])
def test_missing_doubled_and_extra_rows_are_named(tmp_path, lines, row):
    missing = sentence_of(put(tmp_path, lines[:row] + lines[row + 1 :]))
    assert f"row {row} (line {row + 1}): expected the 400 pinned rows, found 399, the first that is missing" in missing
    extra = sentence_of(put(tmp_path, [*lines[:row], "1,Male,30,30000,0", *lines[row:]]))
    assert f"row {row} (line {row + 1}): expected the 400 pinned rows, found 401, the first that is too many" in extra
    doubled = sentence_of(put(tmp_path, [*lines[: row + 1], *lines[row:]]))
    assert f"row {row + 1} (line {row + 2}): expected each row once, found row {row} (line {row + 1})" in doubled


def test_rows_cut_off_at_the_end_or_added_there_are_named(tmp_path, lines):
    assert "row 100 (line 101): expected the 400 pinned rows, found 99" in sentence_of(put(tmp_path, lines[:100]))
    longer = sentence_of(put(tmp_path, [*lines, "1,Male,30,30000,0"]))
    assert "row 401 (line 402): expected the 400 pinned rows, found 401" in longer
    text = "\n".join(lines)
    (tmp_path / FILE).write_text(text[: text.index(lines[300]) + 12])
    assert "row 300 (line 301): expected 5 cells, User ID to Purchased, found 2" in sentence_of(tmp_path)


def test_rows_in_another_order_are_not_the_pinned_rows(tmp_path, lines):
    swapped = [*lines[:5], lines[6], lines[5], *lines[7:]]
    assert "row 5 (line 6), column " in sentence_of(put(tmp_path, swapped))


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "found an empty file"),
        (b"\n \n", "found an empty file"),
        (b"User ID;Gender;Age;EstimatedSalary;Purchased\n", "found none"),
        (b"User ID,Gender,Age,EstimatedSalary,Purchased\n", "found none"),
        (b"User ID,Gender,Wage,Age,Purchased\n1,Male,1,1,1\n", "found User ID, Gender, Wage"),
        (b"User ID,Gender\xff", "found User ID, Gender\xff"),
        (b"\x1f\x8b\x08", "truncated"),
    ],
)
@pytest.mark.parametrize("verify", [True, False])
def test_what_is_not_such_a_table_at_all_is_refused(tmp_path, content, found, verify):
    (tmp_path / FILE).write_bytes(content)
    assert found in sentence_of(tmp_path, verify=verify)


def test_a_stray_quote_spoils_no_line_but_its_own(tmp_path):
    own = table()
    own[4] = own[4].replace("Female", '"Female')
    assert "row 4 (line 5): expected 5 cells" in sentence_of(put(tmp_path, own), verify=False)


def test_without_verify_a_table_of_ones_own_is_taken_but_not_a_damaged_one(tmp_path):
    own = table()
    source = SocialNetworkAds(data_dir=put(tmp_path, own), verify=False).load()
    assert source.x.tolist() == [[float(cell) for cell in line.split(",")[2:4]] for line in own[1:]]
    for column, value in [("Age", ""), ("Age", "130"), ("EstimatedSalary", "-1"), ("Purchased", "maybe")]:
        sentence = sentence_of(put(tmp_path, change(own, 9, column, value)), verify=False)
        assert f"row 9 (line 10), column {column}: expected " in sentence
    assert "doubled" in sentence_of(put(tmp_path, [*own, own[3]]), verify=False)


def test_without_verify_nothing_is_fetched(tmp_path):
    with pytest.raises(FileNotFoundError, match="found none; put your table at"):
        SocialNetworkAds(data_dir=tmp_path, verify=False).load()


def test_a_missing_table_is_fetched_from_the_first_mirror_that_has_the_pinned_rows(tmp_path, lines, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    contents = {
        "padded.csv": padded(lines).encode(),
        "damaged.csv": "\n".join(change(lines, 9, "Age", "")).encode(),
    }
    paths = ["broken/padded.csv", "cut/padded.csv", "short/padded.csv", "stalled/padded.csv", "good/damaged.csv"]
    with serving(contents) as server:
        mirrors = [f"{server}/{path}" for path in paths]
        with pytest.raises(FileNotFoundError) as caught:
            SocialNetworkAds(data_dir=tmp_path / "data", mirrors=mirrors, timeout=0.1).load()
        mirrors.append(f"{server}/good/padded.csv")
        source = SocialNetworkAds(data_dir=tmp_path / "data", mirrors=mirrors, timeout=0.1).load()
    assert "damaged.csv failed: row 9 (line 10), column Age: expected a value, found a blank cell" in str(caught.value)
    assert [path.name for path in (tmp_path / "data").iterdir()] == [FILE]
    assert source.y.bincount().tolist() == [257, 143]


def own_data(folder, **arguments):
    data = SocialNetworkAds(data_dir=put(folder, table()), verify=False, **arguments)
    return data, data.load()


def test_the_scaler_sees_the_train_rows_and_no_others(tmp_path):
    data, source = own_data(tmp_path)
    rows = data.split(source)
    held_out = torch.cat([rows["val"], rows["test"]])
    x = data.scale(source.x, rows)
    changed = source.x.clone()
    changed[held_out] = 1e6
    assert torch.equal(data.scale(changed, rows)[rows["train"]], x[rows["train"]])
    train = source.x[rows["train"]].double()
    expected = (source.x.double() - train.mean(0)) / train.std(0, correction=0)
    torch.testing.assert_close(x, expected.float())
    torch.testing.assert_close(x[rows["train"]].mean(0), torch.zeros(2), atol=1e-6, rtol=0)
    torch.testing.assert_close(x[rows["train"]].std(0, correction=0), torch.ones(2))


def test_a_column_that_never_changes_becomes_zero(tmp_path):
    data, source = own_data(tmp_path)
    source.x[:, 1] = 40_000
    x = data.scale(source.x, data.split(source))
    assert torch.equal(x[:, 1], torch.zeros(50))


def test_tail_is_the_notes_split_and_says_that_it_leaks(lines):
    data = SocialNetworkAds(data_dir=require_ads().parent, mirrors=[], split="tail")
    source = data.load()
    rows = data.split(source)
    assert {name: chosen.tolist() for name, chosen in rows.items()} == {
        "train": list(range(320)),
        "val": list(range(320, 400)),
    }
    assert source.y[rows["val"]].sum() == 51
    x = data.scale(source.x, rows)
    torch.testing.assert_close(x.mean(0), torch.zeros(2), atol=1e-6, rtol=0)
    torch.testing.assert_close(x.std(0, correction=0), torch.ones(2))
    assert data.notes()["scaler"] == "fitted on all rows (leaks)"


def test_stratified_is_a_function_of_the_seed(tmp_path):
    def rows(seed):
        data, source = own_data(tmp_path, seed=seed)
        return {name: chosen.tolist() for name, chosen in data.split(source).items()}

    assert rows(0) == rows(0)
    assert rows(0) != rows(1)
    assert sorted(row for part in rows(0).values() for row in part) == list(range(50))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"split": "head"}, "data.split must be stratified or tail, got head"),
        ({"split": "tail", "folds": 5}, "data.split=tail is one split and has no folds"),
        ({"split": "tail", "val_fraction": 0.1}, "validates on the last fifth"),
    ],
)
def test_arguments_that_would_do_nothing_or_cannot_be_are_refused(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        SocialNetworkAds(**arguments)


def test_normalising_what_is_normal_changes_nothing(lines):
    assert [",".join(row) for row in own_table("\n".join(lines).encode()).rows] == lines[1:]
