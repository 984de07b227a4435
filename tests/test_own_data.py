"""Data of one's own, from files that everybody has: every promise kept, or one sentence before training."""

import csv
import json
import os
import random

import numpy as np
import polars
import pytest
import torch
from omegaconf import OmegaConf
from PIL import Image
from torch.utils.data import Dataset

import evaluate
from litmus.contract import Target
from litmus.training.array_data_module import ArrayDataModule, Source
from litmus.training.arrays import Arrays
from litmus.training.torch_dataset import TorchDataset
from src.datamodules.huggingface import HuggingFace
from src.datamodules.image_folder import ImageFolder
from src.datamodules.table import Table
from tests.own_data import (
    TYPED,
    Points,
    arrays,
    columns,
    typed,
    whole_and_resumed,
    write_arrays,
    write_dataset,
    write_images,
    write_table,
)

SMALL = ("model.units=[16]", "epochs=4", "lr=0.01")
X, Y = arrays(60)


def set_up(data):
    data.setup()
    return data


def sentence(make):
    """The one sentence with which data are refused before anything is trained."""
    with pytest.raises((ValueError, FileNotFoundError)) as caught:
        set_up(make())
    said = str(caught.value)
    assert "\n" not in said
    assert len(said) < 500
    return said


def table(folder, **settings):
    return Table(path=write_table(folder / "t.csv"), target="level", drop=["price"], **settings)


def images(folder, **settings):
    return ImageFolder(path=write_images(folder / "images"), **settings)


def npz(folder, **settings):
    return Arrays(path=write_arrays(folder / "a.npz"), **settings)


def pt(folder, **settings):
    x, y = map(torch.from_numpy, arrays())
    torch.save({"x": x, "y": y}, folder / "a.pt")
    return Arrays(path=folder / "a.pt", **settings)


def npy(folder, **settings):
    for name, array in zip(("pixels", "labels"), arrays(shape=(2, 5, 5)), strict=True):
        np.save(folder / f"{name}.npy", array)
    return Arrays(path=folder / "pixels.npy", targets="labels", **settings)


def stored(folder, **settings):
    return HuggingFace(path=write_dataset(folder / "stored"), **settings)


def dataset(folder, **settings):
    return TorchDataset(dataset=Points(), **settings)


KINDS = (table, images, npz, pt, npy, stored, dataset)


@pytest.mark.briefly("table", "npz")
@pytest.mark.parametrize("kind", KINDS)
def test_splits_are_the_seeds_stratified_and_whole(tmp_path, kind):
    data, again, other = (set_up(kind(tmp_path, seed=seed)) for seed in (3, 3, 4))
    rows = {name: len(y) for name, (_, y) in data.splits.items()}
    total = sum(rows.values())
    assert rows["test"] == round(0.2 * total)
    assert data.input_shape == data.splits["train"][0].shape[1:]
    assert all(torch.equal(x, again.splits[name][0]) for name, (x, _) in data.splits.items())
    assert not torch.equal(data.splits["train"][0], other.splits["train"][0])
    shares = [torch.bincount(y, minlength=3) / len(y) for _, y in data.splits.values()]
    assert all(torch.allclose(share, shares[0], atol=0.1) for share in shares)
    described = data.describe()
    assert described["sizes"] == rows
    assert described["sha256"] == other.describe()["sha256"]
    assert described["constant_accuracy"]["test"] == pytest.approx(shares[2].max().item(), abs=0.02)
    json.dumps(described)
    tested = torch.cat(
        [kind(tmp_path, folds=3, fold=fold).split(data_source(data, kind, tmp_path))["test"] for fold in range(3)]
    )
    assert sorted(tested.tolist()) == list(range(total))


def data_source(data, kind, folder):
    return kind(folder)._loaded


@pytest.mark.parametrize("kind", KINDS)
def test_inputs_are_standardised_on_the_train_rows_alone(tmp_path, kind):
    data = set_up(kind(tmp_path))
    x = data.splits["train"][0]
    x = x[:, data._numeric] if kind is table else x
    flat = x if x.dim() == 2 else x.transpose(0, 1).flatten(1).T
    assert torch.allclose(flat.mean(0), torch.zeros(flat.shape[1]), atol=1e-5)
    assert torch.allclose(flat.std(0, correction=0), torch.ones(flat.shape[1]), atol=1e-4)
    other = data.splits["test"][0]
    assert other.flatten(1).mean(0).abs().max() > 1e-4  # nobody has looked at these
    assert torch.isfinite(other).all()


def test_a_table_has_a_column_for_each_number_and_each_category(tmp_path):
    data = set_up(table(tmp_path))
    assert data.target.names == ("high", "low", "mid")
    assert data.input_shape == (2 + 3 + 2,)
    assert data.describe()["columns"] == {"numbers": 2, "categories": {"city": 3, "member": 2}}
    x = torch.cat([x for x, _ in data.splits.values()])
    assert set(x[:, 2:].unique().tolist()) == {0.0, 1.0}
    assert torch.equal(x[:, 2:5].sum(1), torch.ones(len(x)))


def test_csv_and_parquet_are_the_same_data(tmp_path):
    csv, parquet = (set_up(Table(path=write_table(tmp_path / name), target="level")) for name in ("t.csv", "t.parquet"))
    assert all(torch.equal(x, parquet.splits[name][0]) for name, (x, _) in csv.splits.items())


@pytest.mark.parametrize(("between", "decimal"), [(", ", "."), (" ,  ", "."), (" ;", ","), ("; ", ",")])
def test_spaces_between_the_cells_of_a_csv_make_no_text_of_a_number(tmp_path, between, decimal):
    rows = [
        (f"{place % 7}", f"{place / 8:.3f}".replace(".", decimal), "?" if place == 3 else f"{place}")
        for place in range(90)
    ]
    delimiter = between.strip()
    for name, gap in (("plain.csv", delimiter), ("spaced.csv", between)):
        (tmp_path / name).write_text("\n".join(gap.join(cells) for cells in [("asked", "real", "whole"), *rows]))
    settings = {"delimiter": delimiter, "decimal": decimal, "missing": "impute", "missing_values": ["?"]}
    plain, spaced = (
        set_up(Table(path=tmp_path / name, target="asked", **settings)) for name in ("plain.csv", "spaced.csv")
    )
    assert spaced.describe()["columns"] == {"numbers": 2, "categories": {}}
    assert spaced.target == plain.target
    assert all(torch.equal(x, spaced.splits[name][0]) for name, (x, _) in plain.splits.items())


def test_a_real_target_is_told_from_its_values_and_standardised(tmp_path):
    write_table(tmp_path / "t.csv")
    data = set_up(Table(path=tmp_path / "t.csv", target="price", drop=["level"]))
    assert (data.target.kind, data.target.number) == ("real", 1)
    y = data.splits["train"][1]
    assert (y.dtype, y.dim()) == (torch.float32, 1)
    assert y.std(correction=0).item() == pytest.approx(1, abs=1e-5)
    scale = data.describe()["target_scale"]
    assert scale["mean"][0] == pytest.approx(columns()["price"].mean(), rel=0.02)
    plain = set_up(Table(path=tmp_path / "t.csv", target="price", drop=["level"], standardise_target=False))
    assert plain.splits["train"][1].mean().item() == pytest.approx(scale["mean"][0], rel=1e-5)


@pytest.mark.parametrize(
    ("column", "kind", "expected"),
    [
        (np.arange(2000) % 5, "auto", ("classes", 5)),
        (np.arange(2000) % 5 + 0.5, "auto", ("real", 1)),
        (np.arange(2000), "auto", ("real", 1)),
        (np.arange(2000) % 5, "real", ("real", 1)),
        (np.arange(2000) % 30, "classes", ("classes", 30)),
        (np.arange(2000) % 2 == 0, "auto", ("classes", 2)),
        (np.array(["yes", "no"])[np.arange(2000) % 2], "auto", ("classes", 2)),
    ],
)
def test_what_a_column_asks_for_follows_from_its_values_or_is_said(tmp_path, column, kind, expected):
    path = write_table(tmp_path / "t.csv", asked=column)
    data = set_up(Table(path=path, target="asked", kind=kind))
    assert (data.target.kind, data.target.number) == expected


def test_several_columns_are_labels_or_values(tmp_path):
    draw = np.random.default_rng(0)
    path = write_table(tmp_path / "t.csv", wet=draw.random(2000) < 0.3, cold=(draw.random(2000) < 0.5).astype(int))
    labels = set_up(Table(path=path, target=["wet", "cold"]))
    assert (labels.target.kind, labels.target.names) == ("labels", ("wet", "cold"))
    assert set(labels.splits["train"][1].unique().tolist()) == {0.0, 1.0}
    path = write_table(tmp_path / "u.csv", cat=np.arange(2000) % 2, dog=1 - np.arange(2000) % 2)
    assert "found a single 1 in every row; say" in sentence(lambda: Table(path=path, target=["cat", "dog"]))
    for kind in ("classes", "labels", "real"):
        asked = set_up(Table(path=path, target=["cat", "dog"], kind=kind)).target
        assert (asked.kind, asked.names) == (kind, ("cat", "dog"))
    values = set_up(Table(path=path, target=["price", "income"], drop=["level"]))
    assert (values.target.kind, values.splits["train"][1].shape[1]) == ("real", 2)


def test_missing_values_are_refused_unless_asked_and_then_filled_from_the_train_rows(tmp_path):
    def holes(frame):
        age = [None if row % 10 == 3 else value for row, value in enumerate(frame["age"].tolist())]
        city = ["" if row % 7 == 2 else value for row, value in enumerate(frame["city"].tolist())]
        return frame | {"age": age, "city": city}

    path = write_table(tmp_path / "t.csv", change=holes)
    said = sentence(lambda: Table(path=path, target="level"))
    assert "column age: expected a value in every row, found none in row 4 and 199 others" in said
    assert "data.missing=impute" in said
    data = set_up(Table(path=path, target="level", drop=["price"], missing="impute"))
    assert data.describe()["imputed"] == 200
    assert data.describe()["columns"]["categories"]["city"] == 4
    filled = torch.cat([x[:, 0] for x, _ in data.splits.values()]).unique(return_counts=True)
    assert filled[1].max() >= 200
    train = torch.cat([x[:, 0] for x, _ in [data.splits["train"]]])
    assert filled[0][filled[1].argmax()] == train.median()


def test_decimal_commas_are_read_where_they_are_said(tmp_path):
    frame = polars.DataFrame(columns()).select("income", "level")
    frame.write_csv(tmp_path / "comma.csv", separator=";", decimal_comma=True)
    frame.write_csv(tmp_path / "point.csv")
    comma = set_up(Table(path=tmp_path / "comma.csv", target="level", delimiter=";", decimal=","))
    point = set_up(Table(path=tmp_path / "point.csv", target="level"))
    assert torch.equal(comma.splits["train"][0], point.splits["train"][0])


def test_digits_beyond_float32_are_kept_until_numbers_are_standardised(tmp_path):
    """Seconds since 1970, a second apart, are all alike in float32."""
    path = write_table(tmp_path / "t.csv", seconds=1_700_000_000 + np.arange(2000) % 60)
    data = set_up(Table(path=path, target="level", features=["seconds"]))
    assert len(data.splits["train"][0].unique()) == 60
    np.savez(tmp_path / "a.npz", x=(1_700_000_000 + np.arange(300) % 60)[:, None], y=np.arange(300) % 3)
    assert len(set_up(Arrays(path=tmp_path / "a.npz")).splits["train"][0].unique()) == 60


@pytest.mark.parametrize(("offset", "step"), [(1.7e9, 1), (-4e12, 0.5), (1e39, 1e37)])
def test_targets_are_standardised_before_float32_makes_one_of_several(tmp_path, offset, step):
    values = offset + step * (np.arange(300) % 60)
    polars.DataFrame({"a": np.arange(300), "y": values}).write_parquet(tmp_path / "t.parquet")
    np.savez(tmp_path / "a.npz", x=X.repeat(5, 0), y=np.stack([values, np.arange(300) / 7], 1))
    table = set_up(Table(path=tmp_path / "t.parquet", target="y", kind="real"))
    pair = set_up(Arrays(path=tmp_path / "a.npz"))
    for data in (table, pair):
        y = torch.cat([y.reshape(len(y), -1)[:, 0] for _, y in data.splits.values()])
        assert y.dtype == torch.float32
        assert len(y.unique()) == 60


def test_targets_that_are_few_in_float32_are_refused_as_they_are(tmp_path):
    np.savez(tmp_path / "a.npz", x=X, y=np.stack([1.7e9 + np.arange(60), np.arange(60) / 7], 1))
    said = sentence(lambda: Arrays(path=tmp_path / "a.npz", standardise_target=False))
    assert "found 60 values of which 1 are left, such as 1700000000.0; standardise them" in said


def test_targets_that_float32_holds_are_rounded_as_they_have_ever_been(tmp_path):
    draw = np.random.default_rng(0)
    values = np.stack([100_000 + 30_000 * draw.normal(size=60), np.full(60, 0.1)], 1)
    np.savez(tmp_path / "a.npz", x=X, y=values)
    assert Arrays(path=tmp_path / "a.npz")._loaded.y.equal(torch.from_numpy(values.astype(np.float32)))


def set_cell(name, row, value):
    def change(frame):
        cells = [str(cell) for cell in frame[name].tolist()]
        cells[row] = value
        return frame | {name: cells}

    return change


def written(folder, cells, name="t.csv", between=","):
    """A table of 60 rows whose column `asked` is 0 or 1 and whose column `b` has these cells in turn."""
    rows = [f"{row}{between}{cells[row % len(cells)]}{between}{row % 2}" for row in range(60)]
    path = folder / name
    path.write_text("\n".join([f"a{between}b{between}asked", *rows]) + "\n")
    return path


@pytest.mark.parametrize(
    ("cells", "settings", "expected"),
    [
        (["NA", "NA", "NA", "7"], {}, "column b: expected numbers as in 15 rows, found NA in row 1"),
        (["NA", "NA", "NA", "7"], {"missing_values": ["?"]}, """'data.missing_values=["?",NA]' says"""),
        (["nan", "x", "y", "7"], {}, """'data.missing_values=["nan"]' says"""),
        (["1", "n/a", "x", "y"], {}, "found n/a in row 2"),
        (["unknown", "unknown", "unknown", "7"], {}, "found unknown in row 1 and the like in 44 others"),
        (["unknown", "7", "7%", "unknown", "unknown"], {}, "found unknown in row 1 and the like in 35 others"),
        (["-", "S", "M", "38"], {}, """'data.missing_values=["-"]' says"""),
        (['"1,5"', '"2,5"'], {}, """expected numbers as 1234.5, found 1,5 in row 1 and the like in 59 others; 'data"""),
        (['"1,5"', '"2,5"', "x"], {}, """'data.decimal=","' reads it"""),
        (
            ["1.5", "2.5"],
            {"decimal": ","},
            """found 1.5 in row 1 and the like in 59 others; 'data.decimal="."' reads""",
        ),
        (['"1,5"', '"2,5"', "NA"], {"decimal": ","}, "expected numbers as in 40 rows, found NA in row 3"),
        (["5%", "6%", "7"], {}, "found 5% in row 1 and the like in 39 others; write them as 1234.5"),
        (["−5", "6", "7"], {}, "found −5 in row 1"),
        (["€5", "6 €"], {}, "found €5 in row 1"),
        (['"1,234"', '"12,345,678"', "+7"], {}, "found 1,234 in row 1"),
        (["1 234", "1 234 567"], {}, "found 1 234 in row 1"),
    ],
)
def test_numbers_that_are_not_read_are_no_categories(tmp_path, cells, settings, expected):
    said = sentence(lambda: Table(path=written(tmp_path, cells), target="asked", **settings))
    assert expected in said
    assert "data.categories=[b] says that the column holds categories" in said
    data = set_up(Table(path=tmp_path / "t.csv", target="asked", categories="b", **settings))
    assert data.describe()["columns"] == {"numbers": 1, "categories": {"b": len(set(cells))}}
    if "data.missing_values" in said and "7%" not in cells:  # what it advises is taken
        absent = [*settings.get("missing_values", ()), said.partition("found ")[2].split(" in row")[0]]
        taken = Table(
            path=tmp_path / "t.csv", target="asked", missing="impute", **settings | {"missing_values": absent}
        )
        assert taken._loaded.x.isfinite().all()


@pytest.mark.parametrize(
    "cells",
    [
        ["1", "2", "3+", "3+"],
        ["38", "40", "S", "M", "L"],
        ["A1", "10", "20", "B2"],
        ["5%", "low", "high", "none"],
        ["NA", "SA", "EU"],
        ["Nan", "Bob"],
        ["1.2.3", "01.02.2024", "2024-02-01", "10-20"],
    ],
)
def test_categories_of_which_some_have_a_numbers_name_are_categories(tmp_path, cells):
    data = set_up(Table(path=written(tmp_path, cells), target="asked"))
    assert data.describe()["columns"] == {"numbers": 1, "categories": {"b": len(set(cells))}}


@pytest.mark.parametrize(
    "cells", [["+5", "-6", "7"], [" 5", "6 ", "7"], ["5", "6", "nan"], ["5", "6", "?"], ["5.0", "6", "-9.0"]]
)
def test_numbers_are_read_however_a_sign_or_a_missing_one_is_written(tmp_path, cells):
    settings = {"missing": "impute", "missing_values": ["?", -9]}
    data = set_up(Table(path=written(tmp_path, cells), target="asked", **settings))
    assert data.describe()["columns"] == {"numbers": 2, "categories": {}}
    assert data.describe()["imputed"] == (0 if cells[-1] in ("7",) else 20)


def test_columns_that_are_said_to_be_categories_are(tmp_path):
    data = Table(path=written(tmp_path, ["01", "1", "2"]), target="asked", categories=["b", "asked"])
    assert data._loaded.x.shape == (60, 1 + 3)
    assert data.target.names == ("0", "1")
    assert "expected a column c" in sentence(lambda: Table(path=tmp_path / "t.csv", target="asked", categories=["c"]))


@pytest.mark.parametrize("typed", ["NA", ["NA"], [None], [float("nan")], [True]])
def test_what_stands_for_a_missing_value_is_taken_as_it_was_typed(tmp_path, typed):
    (value,) = typed if isinstance(typed, list) else [typed]
    cells = ["NULL", "null"] if value is None else ["NaN", "nan"] if value != value else [str(value)] * 2
    settings = {"target": "asked", "missing": "impute", "missing_values": typed}
    data = set_up(Table(path=written(tmp_path, [*cells, "x", "x"]), **settings))
    assert data.describe()["columns"]["categories"] == {"b": 2}
    assert data._loaded.x[:2, 1:].tolist() == [[1, 0]] * 2


def test_a_category_of_its_own_is_no_other(tmp_path):
    path = written(tmp_path, ["missing", "", "x", "missing_"])
    data = set_up(Table(path=path, target="asked", missing="impute"))
    assert data.describe()["columns"]["categories"] == {"b": 4}


@pytest.mark.parametrize(
    ("name", "between", "settings"),
    [
        ("t.tsv", "\t", {}),
        ("t.tsv", ";", {"delimiter": ";"}),
        ("t.txt", "\t", {"delimiter": "\\t"}),
        ("t.csv", "|", {"delimiter": "|"}),
    ],
)
def test_a_delimiter_that_was_said_is_that_of_any_file(tmp_path, name, between, settings):
    data = Table(path=written(tmp_path, ["5", "6"], name, between), target="asked", **settings)
    assert data._loaded.x.shape == (60, 2)


@pytest.mark.parametrize(
    ("name", "between", "settings", "expected"),
    [
        ("t.csv", ";", {}, """expected , between the columns' names, found a;b;asked; type 'data.delimiter=";"'"""),
        ("t.csv", "\t", {}, r"""type 'data.delimiter="\t"'"""),
        ("t.tsv", ",", {}, "expected tabs between the columns' names, found a,b,asked; name it .csv"),
        ("t.csv", ";", {"delimiter": "||"}, "data.delimiter must be a single character such as ;"),
    ],
)
def test_another_delimiter_is_told_by_the_knob_that_names_it(tmp_path, name, between, settings, expected):
    path = written(tmp_path, ["5", "6"], name, between)
    assert expected in sentence(lambda: Table(path=path, target="asked", **settings))


def test_what_is_typed_of_a_csv_holds_for_parquet_or_is_refused(tmp_path):
    cells = [["NA", "5", "6"][row % 3] for row in range(60)]
    frame = {"a": [-9.0, 1.5] * 30, "b": cells, "c": ["1", "2"] * 30, "asked": [0, 1] * 30}
    polars.DataFrame(frame).write_parquet(tmp_path / "t.parquet")
    path, settings = tmp_path / "t.parquet", {"target": "asked", "missing": "impute"}
    assert "found NA in row 1" in sentence(lambda: Table(path=path, **settings))
    data = set_up(Table(path=path, missing_values=["NA", -9], **settings))
    assert data.describe()["columns"] == {"numbers": 2, "categories": {"c": 2}}
    assert data.describe()["imputed"] == 50
    for knob in ({"delimiter": ";"}, {"decimal": ","}):
        (name,) = knob
        assert f"expected a CSV for data.{name}=" in sentence(lambda knob=knob: Table(path=path, **settings, **knob))


def test_a_column_is_not_both_learned_from_and_left_out(tmp_path):
    settings = {"path": write_table(tmp_path / "t.csv"), "target": "level"}
    said = sentence(lambda: Table(**settings, features=["age", "price"], drop=["price"]))
    assert said == (
        "data.features and data.drop: expected a column in one of them, found price in both; leave it out of one"
    )
    assert "found price" in sentence(lambda: Table(**settings, features="price", drop="price"))
    assert set_up(Table(**settings, features="age", drop="price")).input_shape == (1,)
    assert "found label in both" in sentence(lambda: HuggingFace(path=tmp_path, target="label", inputs="label"))


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ([1000001, 1000002, 1000003], ("1000001", "1000002", "1000003")),
        ([1000001.0, 1000002.5], ("1000001", "1000002.5")),
        ([2**53 + 1, 2**53 + 2], (str(2**53 + 1), str(2**53 + 2))),
        ([0.1, 1e300], ("0.1", "1e+300")),
    ],
)
def test_a_classs_name_has_all_of_its_digits(tmp_path, values, names):
    path = write_table(tmp_path / "t.csv", rows=60, asked=(values * 60)[:60])
    assert Table(path=path, target="asked", kind="classes").target.names == names


@pytest.mark.parametrize("end", ["", "\n", "\n\n", "  \n", ",,\n,,\n", "\n  ,,\n"])
def test_a_blank_line_is_no_row(tmp_path, end):
    path = written(tmp_path, ["k", "6", "x"])
    path.write_text(path.read_text() + end)
    data = Table(path=path, target="asked")
    assert data._loaded.x.shape == (60, 1 + 3)


BROKEN_TABLES = {
    "no such column": ({"target": "levle"}, None, "did you mean level?"),
    "no target": ({"target": None}, None, "data.target=COLUMN"),
    "a target is missing": (
        {},
        set_cell("level", 41, ""),
        "target level: expected a target in every row, found none in row 42",
    ),
    "text among numbers": (
        {},
        set_cell("age", 4, "old"),
        "column age: expected numbers as in 1999 rows, found old in row 5",
    ),
    "text among a target's numbers": ({"target": "price"}, set_cell("price", 6, "dear"), "found dear in row 7"),
    "one class only": ({}, lambda frame: frame | {"level": ["low"] * 2000}, "expected two classes or more"),
    "a class with one row": ({}, set_cell("level", 0, "odd"), "found one of odd"),
    "the same target everywhere": (
        {"target": "price"},
        lambda f: f | {"price": [1.5] * 2000},
        "found the same in all 2000",
    ),
    "names in a column": ({}, lambda f: f | {"who": [f"p{n}" for n in range(2000)]}, "found 2000 such as p0"),
    "an infinite number": ({}, set_cell("income", 8, "inf"), "expected finite numbers, found inf in row 9"),
    "an empty column": ({}, lambda f: f | {"void": [None] * 2000}, "column void: expected values, found none in any"),
    "classes of fractions": ({"target": "price", "kind": "labels"}, None, "needs whole numbers, found fractions"),
    "an unknown kind": ({"kind": "ordinal"}, None, "data.kind must be one of auto, classes, real, labels"),
    "several of which one is text": ({"target": ["level", "price"]}, None, "found texts in level"),
    "a column asked for twice": ({"target": ["price", "price"]}, None, "expected columns to learn from beside price"),
    "a target to learn from": ({"features": ["age", "level"]}, None, "expected columns to learn from beside level"),
    "a semicolon": ({"delimiter": ";"}, None, "found age,income,city"),
}


@pytest.mark.parametrize("case", BROKEN_TABLES)
def test_a_broken_table_is_one_sentence(tmp_path, case):
    settings, change, expected = BROKEN_TABLES[case]
    path = write_table(tmp_path / "t.csv", change=change)
    assert expected in sentence(lambda: Table(**{"path": path, "target": "level"} | settings))


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("t.csv", b"", "found an empty file"),
        ("t.csv", b"a,b\n", "expected rows below"),
        ("t.csv", b"a,b\n1,2\n1,2,3,4\n", "expected a table, found a file that cannot be read"),
        ("t.csv", b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer"),
        ("t.csv", b"a,b\n\xff\xfe,2\n", "save it as CSV in UTF-8"),
        ("t.csv", "a,b\n1,2\n".encode("utf-16"), "found a binary file or UTF-16; save it as CSV in UTF-8"),
        ("t.csv", b"a,a,b\n1,2,3\n", "a name of its own for every column, found a twice"),
        ("t.csv", b"a, a,b\n1,2,3\n", "a name of its own for every column, found a twice"),
        ("t.csv", b"a,b,,\n1,2,,\n", "a name of its own for every column, found several without"),
        ("t.csv", b",a,b\n1,2,3\n", "found one without, as of a saved index; data.drop=['']"),
        ("t.parquet", b"PAR1 not really", "expected a table, found"),
        ("t.xlsx", b"PK", "ends in .csv, .tsv or .parquet, found .xlsx"),
    ],
)
def test_a_file_that_is_no_table_is_one_sentence(tmp_path, name, content, expected):
    (tmp_path / name).write_bytes(content)
    assert expected in sentence(lambda: Table(path=tmp_path / name, target="b"))


def test_dates_in_a_parquet_are_refused(tmp_path):
    dates = polars.date_range(polars.date(2020, 1, 1), polars.date(2025, 6, 22), eager=True)[:2000]
    path = write_table(tmp_path / "t.parquet", day=dates)
    assert "column day: expected numbers, texts, or true and false, found Date" in sentence(
        lambda: Table(path=path, target="level")
    )


# ------------------------------------------------------------------ images


def test_folders_are_classes_and_channels_follow_from_the_images(tmp_path):
    colour, grey = images(tmp_path / "1"), ImageFolder(path=write_images(tmp_path / "2", mode="L", ending="jpg"))
    assert (colour.input_shape, grey.input_shape) == ((3, 12, 10), (1, 12, 10))
    assert colour.target.names == ("ant", "bee", "cat")
    assert ImageFolder(path=tmp_path / "1" / "images", channels=1, size=[8, 8]).input_shape == (1, 8, 8)
    assert colour.describe is not None
    for part, each in (("train", 20), ("test", 10)):
        write_images(tmp_path / "3" / part, each=each)
    official = set_up(ImageFolder(path=tmp_path / "3"))
    assert {name: len(y) for name, (_, y) in official.splits.items()} == {"train": 54, "val": 6, "test": 30}


@pytest.mark.parametrize("name", ["val", "Valid", "validation"])
def test_images_to_validate_on_are_not_left_out(tmp_path, name):
    for part in ("train", "test", name):
        write_images(tmp_path / part, each=2)
    said = sentence(lambda: ImageFolder(path=tmp_path))
    assert f"expected train/ and test/, found {name}/ beside them, which would be left out" in said
    (tmp_path / name).rename(tmp_path / "other")
    assert ImageFolder(path=tmp_path)._loaded.x.shape[0] == 12


def test_a_broken_folder_of_images_is_one_sentence(tmp_path):
    root = write_images(tmp_path / "images", each=4)
    good = (root / "bee" / "0.png").read_bytes()
    for content, expected in ((b"no image", "expected an image that can be read"), (good[:200], "can be read")):
        (root / "bee" / "0.png").write_bytes(content)
        said = sentence(lambda: ImageFolder(path=root))
        assert expected in said
        assert str(root / "bee" / "0.png") in said
    Image.new("RGB", (7, 12)).save(root / "bee" / "0.png")
    assert "expected 10 × 12 pixels as 0.png has, found 7 × 12; data.size=[12,10]" in sentence(
        lambda: ImageFolder(path=root)
    )
    assert set_up(ImageFolder(path=root, size=[12, 10], batch_size=4)).input_shape == (3, 12, 10)
    Image.fromarray(np.zeros((12, 10), np.uint16)).save(root / "bee" / "0.png")
    assert "expected eight bits per value, found mode I;16" in sentence(lambda: ImageFolder(path=root))
    (root / "bee" / "0.png").rename(root / "bee" / "0.webp")
    assert "expected PNG or JPEG images of one class, found 0.webp" in sentence(lambda: ImageFolder(path=root))
    assert "found nothing there" in sentence(lambda: ImageFolder(path=tmp_path / "nowhere"))
    assert "found no folder" in sentence(lambda: ImageFolder(path=root / "ant"))
    (tmp_path / "one").mkdir()
    (root / "ant").rename(tmp_path / "one" / "ant")
    assert "expected two classes or more, found one alone" in sentence(lambda: ImageFolder(path=tmp_path / "one"))


# ------------------------------------------------------------------ arrays


def test_an_official_split_is_kept(tmp_path):
    x, y = arrays(300)
    np.savez(tmp_path / "m.npz", x_train=x[:240], y_train=y[:240], x_test=x[240:], y_test=y[240:])
    data = set_up(Arrays(path=tmp_path / "m.npz"))
    assert {name: len(y) for name, (_, y) in data.splits.items()} == {"train": 216, "val": 24, "test": 60}
    assert torch.equal(data.splits["test"][1], torch.from_numpy(y[240:]))


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (
            ("x_train", "x_test", "x_val"),
            "expected no part beside x_train and x_test, found x_val, which would",
        ),
        (("x", "x_test"), "expected no part beside x, found x_test, which would be left out; call x x_train"),
        (("x", "x_valid"), "join it with x, of which data.val_fraction validates"),
        (("x", "x_train", "x_test"), None),
        (("x", "x_mean"), None),
    ],
)
def test_parts_that_came_with_arrays_are_not_left_out(tmp_path, names, expected):
    content = {name.replace("x", axis): values for name in names for axis, values in (("x", X), ("y", Y))}
    np.savez(tmp_path / "a.npz", **content)
    if expected:
        assert expected in sentence(lambda: Arrays(path=tmp_path / "a.npz"))
    else:
        assert len(Arrays(path=tmp_path / "a.npz")._loaded.y) == 60


def test_parts_that_do_not_fit_together_are_one_sentence(tmp_path):
    content = {"x_train": X, "y_train": Y, "x_test": X[:, :4], "y_test": Y}
    np.savez(tmp_path / "a.npz", **content)
    assert "a.npz: expected rows of one shape in x_train and x_test, found (60, 6) and (60, 4)" in sentence(
        lambda: Arrays(path=tmp_path / "a.npz")
    )
    np.savez(tmp_path / "a.npz", **content | {"x_test": X, "y_test": Y.astype("M8[s]")})
    assert "expected one kind of values in y_train and y_test, found int64 and datetime64[s]" in sentence(
        lambda: Arrays(path=tmp_path / "a.npz")
    )
    for shard, y in enumerate((Y, Y[:, None])):
        np.save(tmp_path / f"x_{shard}.npy", X)
        np.save(tmp_path / f"y_{shard}.npy", y)
    assert "y_1.npy: expected targets of shape (), found (1,)" in sentence(lambda: Arrays(path=tmp_path))
    np.save(tmp_path / "y_1.npy", np.array(3))
    assert "y_1.npy: expected a target for each of the 60 rows of x_1.npy, found a single value" in sentence(
        lambda: Arrays(path=tmp_path)
    )


def test_a_damaged_or_sparse_array_is_one_sentence(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", x=X, y=Y)
    whole = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "a.npz").write_bytes(whole[:60] + bytes(200) + whole[260:])
    assert "a.npz: expected arrays, found" in sentence(lambda: Arrays(path=tmp_path / "a.npz"))
    torch.save({"x": torch.eye(60).to_sparse(), "y": torch.from_numpy(Y)}, tmp_path / "a.pt")
    assert "a.pt: expected arrays, found a sparse tensor x, of which x.to_dense()" in sentence(
        lambda: Arrays(path=tmp_path / "a.pt")
    )


RARE = np.array([0, 1] * 29 + [2, 2])
SMALL_SET = {"batch_size": 1, "test_fraction": 0.8}
BROKEN_ARRAYS = {
    "other names": ({"inputs": X, "labels": Y}, {}, "expected the arrays x and y, found inputs, labels"),
    "objects": ({"x": np.array([{"a": 1}] * 60, dtype=object), "y": Y}, {}, "never unpickled"),
    "other lengths": ({"x": X[:50], "y": Y}, {}, "got (50, 6) and (60,)"),
    "a gap in the labels": ({"x": X, "y": Y * 2}, {}, "expected 3 classes 0 to 2, found 0, 2, 4"),
    "labels from 1": ({"x": X, "y": Y + 1}, {}, "expected 3 classes 0 to 2, found 1, 2, 3"),
    "long codes": ({"x": X, "y": Y + 1000001}, {}, "found 1000001, 1000002, 1000003"),
    "negative labels": ({"x": X, "y": Y - 1}, {}, "found -1, 0, 1"),
    "NaN in x": ({"x": np.where(np.arange(60)[:, None] == 7, np.nan, X), "y": Y}, {}, "found nan in row 7"),
    "NaN in y": ({"x": X, "y": np.where(np.arange(60) == 5, np.nan, Y)}, {}, "y: expected finite numbers, found nan"),
    "one class": ({"x": X, "y": Y * 0}, {}, "found one alone in all 60 rows"),
    "a class with one row": ({"x": X, "y": np.where(np.arange(60) == 5, 3, Y)}, {}, "found one of 3"),
    "a single 1 in each row": ({"x": X, "y": np.eye(3, dtype=int)[Y]}, {}, "data.kind=classes"),
    "complex numbers": ({"x": X + 1j, "y": Y}, {}, "found complex numbers"),
    "texts": ({"x": X.astype(str), "y": Y}, {}, "expected numbers, found texts"),
    "no rows": ({"x": X[:0], "y": Y[:0]}, {}, "with as many rows, got (0, 6)"),
    "a class too small to be learned": (
        {"x": X, "y": np.array([0, 1] * 29 + [2, 2])},
        SMALL_SET,
        "expected train rows of every",
    ),
}


@pytest.mark.parametrize("case", BROKEN_ARRAYS)
def test_broken_arrays_are_one_sentence(tmp_path, case):
    content, settings, expected = BROKEN_ARRAYS[case]
    np.savez(tmp_path / "a.npz", **content)
    assert expected in sentence(lambda: Arrays(path=tmp_path / "a.npz", **settings))


@pytest.mark.parametrize(
    ("kind", "y", "expected"),
    [
        ("auto", Y, "classes"),
        ("auto", Y.astype(np.float64) + 0.5, "real"),
        ("real", Y, "real"),
        ("classes", Y.astype(np.float32), "classes"),
        ("classes", np.eye(3, dtype=int)[Y], "classes"),
        ("labels", np.eye(3, dtype=int)[Y], "labels"),
        ("real", np.eye(3)[Y], "real"),
        ("auto", np.stack([Y > 0, Y > 1], 1), "labels"),
        ("auto", np.array(["a", "b", "c"])[Y], "classes"),
        ("auto", Y[:, None], "classes"),
        ("auto", Y.astype(np.uint8), "classes"),
        ("auto", np.stack([Y, Y**2], 1) + 0.5, "real"),
    ],
)
def test_targets_mean_what_their_type_says_or_what_was_said(tmp_path, kind, y, expected):
    np.savez(tmp_path / "a.npz", x=X, y=y)
    data = set_up(Arrays(path=tmp_path / "a.npz", kind=kind))
    assert data.target.kind == expected
    assert data.splits["train"][1].dtype == (torch.int64 if expected == "classes" else torch.float32)


class Harmful:
    """What a pickle could do."""

    def __reduce__(self):
        return os.mkdir, ("harmed",)


def test_nothing_in_a_file_is_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"x": Harmful(), "y": torch.zeros(3)}, "a.pt")
    np.save("x.npy", np.array([Harmful()] * 3, dtype=object), allow_pickle=True)
    np.save("y.npy", np.zeros(3))
    for name in ("a.pt", "x.npy"):
        assert "never unpickled" in sentence(lambda name=name: Arrays(path=name))
    assert not (tmp_path / "harmed").exists()


@pytest.mark.parametrize("content", [torch.zeros(3), [torch.zeros(3)], {"x": [1, 2]}, {}])
def test_tensors_have_names_or_are_a_pair(tmp_path, content):
    torch.save(content, tmp_path / "a.pt")
    assert "found neither tensors by their names nor a pair of them" in sentence(lambda: Arrays(path=tmp_path / "a.pt"))
    torch.save([torch.randn(60, 4, requires_grad=True), torch.arange(60) % 3], tmp_path / "a.pt")
    assert set_up(Arrays(path=tmp_path / "a.pt")).classes == 3


@pytest.mark.parametrize(("name", "content"), [("a.npz", b"PK\3\4cut"), ("a.pt", b"cut"), ("a.csv", b"1,2")])
def test_a_file_without_arrays_is_one_sentence(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    assert f"{name}: expected arrays, found" in sentence(lambda: Arrays(path=tmp_path / name))


# ------------------------------------------------------------------ Datasets, and modules that write `load`


def test_a_dataset_that_changes_is_refused():
    assert "found item 119 changed" in sentence(lambda: TorchDataset(dataset=Points(noise=0.1)))


class Seldom(Dataset):
    """Items of which a few are turned, as a global generator or one of its own has it."""

    def __init__(self, draw, rows=60):
        self.draw, self.rows = draw, rows

    def __len__(self):
        return self.rows

    def __getitem__(self, place):
        x = np.arange(4, dtype=np.float32) + place
        return x[::-1] if self.draw() < 0.05 else x, place % 3


@pytest.mark.parametrize("seed", range(3))
def test_a_dataset_that_draws_is_refused_whatever_the_seed(seed):
    for draw, seeded in (
        (random.random, random.seed),
        (np.random.random, np.random.seed),
        (lambda: torch.rand(()), torch.manual_seed),
    ):
        seeded(seed)
        assert "the same item whenever it is asked for, found" in sentence(TorchDataset(dataset=Seldom(draw)).load)
    own = np.random.default_rng(seed)
    assert "changed" in sentence(TorchDataset(dataset=Seldom(lambda: own.random() / 10)).load)
    still = TorchDataset(dataset=Seldom(lambda: 1)).load()
    assert len(still.x) == 60
    assert "must be a Dataset with a length, got NoneType" in sentence(lambda: TorchDataset())


class Seeded(Seldom):
    """Draws for an item what its number says."""

    def __getitem__(self, place):
        torch.manual_seed(place)
        return torch.randn(4), place % 3


def test_a_dataset_whose_items_seed_themselves_is_taken_and_seeds_nothing_else():
    before = torch.get_rng_state()
    found = TorchDataset(dataset=Seeded(None)).load()
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(found.x[7], torch.randn(4, generator=torch.Generator().manual_seed(7)))


class OwnPoints(ArrayDataModule):
    def load(self):
        x, y = map(torch.from_numpy, arrays(90))
        return Source(x=x, y=y)


def test_a_module_need_write_nothing_but_load():
    data = set_up(OwnPoints())
    assert (data.name, data.input_shape, data.classes) == ("own_points", (6,), 3)
    assert len(data.describe()["sha256"]) == 64


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ((X, Y), "OwnPoints.load() must return a Source, got tuple"),
        (Source(X, Y), "x must be a tensor of numbers, got ndarray"),
        (None, "got NoneType"),
    ],
)
def test_a_load_that_returns_something_else_is_one_sentence(monkeypatch, result, expected):
    monkeypatch.setattr(OwnPoints, "load", lambda self: result)
    assert expected in sentence(OwnPoints)


# ------------------------------------------------------------------ whole runs


@pytest.mark.long
@pytest.mark.briefly("table")
@pytest.mark.parametrize("kind", TYPED)
def test_a_run_learns_goes_on_to_the_bit_and_is_evaluated(trial, tmp_path, capsys, kind):
    whole, resumed = whole_and_resumed(trial, tmp_path, *typed(kind, tmp_path), *SMALL)
    assert whole["status"] == "completed"
    assert whole["metrics"]["test/acc"] > whole["data"]["constant_accuracy"]["test"] + 0.2
    assert all(whole[part] == resumed[part] for part in ("metrics", "data", "counters", "config_hash"))
    capsys.readouterr()
    evaluate.evaluate(tmp_path / "whole", trust=True)
    assert "the same as in result.json, to the last bit" in capsys.readouterr().out


@pytest.mark.long
def test_a_real_target_and_several_labels_train_beside_their_baselines(trial, tmp_path):
    draw = np.random.default_rng(0)
    path = write_table(tmp_path / "t.csv", wet=draw.random(2000) < 0.3, rich=columns()["income"] > 20_000)
    real = trial("data=table", f"data.path={path}", "data.target=price", "data.drop=[level]", *SMALL)
    assert real["data"]["target"] == {"kind": "real", "number": 1, "names": ["price"]}
    assert real["metrics"]["test/mae"] < 0.8 * real["baseline"]["test"]["mae"]
    evaluate.evaluate(tmp_path / "run", trust=True)
    with (tmp_path / "run" / "predictions.csv").open() as file:
        rows = [(float(row["target"]), float(row["prediction"])) for row in csv.DictReader(file)]
    prices = {float(price) for price in np.float32(columns()["price"])}
    assert all(min(abs(price - target) for price in prices) < 1 for target, _ in rows)
    error = sum(abs(target - prediction) for target, prediction in rows) / len(rows)
    assert real["own_unit"]["test/mae"] == pytest.approx(error, rel=1e-4)
    assert real["own_unit"]["val/rmse"] > 1000
    labels = trial("data=table", f"data.path={path}", "data.target=[wet,rich]", "data.drop=[level,price]", *SMALL)
    assert labels["metrics"]["test/acc"] > labels["baseline"]["test"]["acc"]
    capable = trial(
        *("data=table", f"data.path={path}", "data.target=level", "data.drop=[price]", "task=classification", *SMALL),
        *("task.class_weights=balanced", "data.folds=5"),
    )
    weights, counts = capable["task"]["class_weights"], capable["data"]["class_counts"]["train"]
    assert np.multiply(weights, counts) == pytest.approx([sum(counts) / 3] * 3)
    assert capable["baseline"]["test"]["acc"] == capable["data"]["constant_accuracy"]["test"]


@pytest.mark.long
def test_growing_batches_across_passes_of_a_table_are_resumed_to_the_bit(trial, tmp_path):
    asked = (*typed("table", tmp_path), *SMALL, "updates_per_epoch=70", "batching=doubling", "batching.start=16")
    whole, resumed = whole_and_resumed(trial, tmp_path, *asked, "batching.every=1", "batching.stop=64")
    assert whole["counters"]["updates"] == 280
    assert all(whole[part] == resumed[part] for part in ("metrics", "counters"))


@pytest.mark.long
def test_data_that_changed_since_are_refused(trial, refused, tmp_path):
    asked = (*typed("table", tmp_path), *SMALL)
    trial(*asked, "epochs=2", directory=tmp_path / "run")
    write_table(tmp_path / "t.csv", rows=1999)
    with pytest.raises(ValueError, match=r"expected the t that the run had, sha256 .*, found other data"):
        evaluate.evaluate(tmp_path / "run")
    said = refused(*asked, f"resume={tmp_path / 'run'}", directory=tmp_path / "run")
    assert "expected the t that the run began with" in said


@pytest.mark.long
def test_a_path_is_looked_for_below_data_dir_too(trial, tmp_path):
    write_table(tmp_path / "deep.csv")
    result = trial("data=table", "data.path=deep.csv", "data.target=level", f"data_dir={tmp_path}", *SMALL)
    assert result["data"]["name"] == "deep"


def test_a_relative_path_begins_where_the_run_was_typed(tmp_path, monkeypatch):
    (tmp_path / "own").mkdir()
    monkeypatch.chdir(tmp_path)
    data, here = (Table(path="t.csv", target="asked", data_dir="own") for _ in range(2))
    data.typed_in = tmp_path / "there"
    said = sentence(lambda: data)
    assert said.endswith("found nothing there; put the data back, or type this in the directory that it begins in")
    (tmp_path / "there" / "own").mkdir(parents=True)
    for folder in (tmp_path / "own", tmp_path, tmp_path / "there" / "own", tmp_path / "there"):
        written(folder, ["5", "6"])
        assert data.found().resolve() == folder / "t.csv"
    assert here.found().resolve() == tmp_path / "t.csv"


@pytest.mark.long
def test_a_run_is_evaluated_and_gone_on_with_from_anywhere(trial, tmp_path, monkeypatch):
    for folder in ("there", "here"):
        (tmp_path / folder).mkdir()
    monkeypatch.chdir(tmp_path / "there")
    written(tmp_path / "there", ["5", "6"])
    typed = ("data=table", "data.path=t.csv", "data.target=asked", "model.units=[2]", "batch_size=8")
    trial(*typed, "epochs=1", directory=tmp_path / "run")
    noted = tmp_path / "run" / ".hydra" / "hydra.yaml"
    hydra = OmegaConf.load(noted)
    hydra.hydra.runtime.cwd = str(tmp_path / "there")  # as a command would have it that is typed there
    OmegaConf.save(hydra, noted)
    monkeypatch.chdir(tmp_path / "here")
    evaluate.evaluate(tmp_path / "run")
    trial(*typed, "epochs=2", f"resume={tmp_path / 'run'}", directory=tmp_path / "run")
    noted.unlink()
    with pytest.raises(FileNotFoundError, match="type this in the directory"):
        evaluate.evaluate(tmp_path / "run")


class Nothing(OwnPoints):
    """Asks for nothing: its targets fill a place."""

    classes = 0

    def load(self):
        x, y = map(torch.from_numpy, arrays(90))
        return Source(x=x, y=y * 0)


@pytest.mark.parametrize("first", ["target", "classes", "input_shape"])
def test_what_a_module_says_of_itself_holds_whatever_is_asked_first(first):
    nothing, own = Nothing(), OwnPoints()
    for data in (nothing, own):
        getattr(data, first)
        set_up(data)
    assert (nothing.target, nothing.classes, own.classes) == (None, 0, 3)
    own.target = Target("classes", 7)
    assert (own.target.number, own.classes) == (7, 7)
    given = OwnPoints()
    given.classes = 5
    getattr(given, first)
    assert set_up(given).target == Target("classes", 5)
