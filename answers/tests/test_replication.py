"""The documents' numbers beside ours: what one more run would give decides."""

import re

import pytest
import yaml

from answers.make.publication.publish import publish
from answers.make.publication.replication import read_reported, replica, replication_markdown
from litmus.claims.quantity import read_quantity
from tests.report_data import write_study

LOSS = read_quantity("loss", {"metric": "test/loss", "scale": "log", "sesoi": "2%"})
ACCURACY = read_quantity("accuracy", {"metric": "test/acc"})
ENTRY = {
    "source": "004_a.txt, Part 3",
    "study": "dropout_norm",
    "quantity": "loss",
    "values": {"dropout=0,norm=none": 0.1},
}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A directory of published studies that holds one."""
    study = write_study(tmp_path_factory.mktemp("studies") / "dropout_norm")
    return publish(study, tmp_path_factory.mktemp("docs") / "studies").parent


def kept(root, *entries):
    """The directory with these entries in its reported.yaml."""
    (root / "reported.yaml").write_text(yaml.safe_dump(list(entries)))
    return root


@pytest.mark.parametrize(
    ("reported", "told"),
    [
        (0.42, "lower than ours"),
        (0.44, "could be one of ours"),  # outside the mean's interval, inside that of one run
        (0.50, "could be one of ours"),
        (0.60, "higher than ours"),
    ],
)
def test_a_number_is_compared_with_one_more_run(reported, told):
    found = replica("a", reported, LOSS, [0.46, 0.48, 0.50, 0.47, 0.52, 0.49])
    assert found.verdict == told
    assert (found.ours, found.mean, found.seeds) == ("0.487 ± 0.022", "[0.464, 0.509]", 6)
    assert found.run == "[0.43, 0.55]"


def test_the_range_of_a_loss_is_that_of_its_logarithm_and_of_an_accuracy_its_own():
    runs = [0.1, 0.2, 0.4]
    assert replica("a", 1.5, LOSS, runs).verdict == "could be one of ours"
    assert replica("a", 1.5, ACCURACY, runs).verdict == "higher than ours"


def test_a_counted_number_is_the_same_or_another():
    params = read_quantity("params", {"metric": "params", "at": "last"})
    assert replica("a", 151, params, [151.0] * 3).verdict == "the same"
    assert replica("a", 150, params, [151.0] * 3).verdict == "another number"


def test_two_runs_say_nothing():
    assert replica("a", 0.5, LOSS, [0.4, 0.6]).verdict == "too few runs"


def test_the_page_has_a_table_for_each_entry_and_says_what_was_not_run(root):
    entries = [ENTRY, ENTRY | {"quantity": "params", "note": "A note."}, ENTRY | {"study": "never"}]
    text = replication_markdown(kept(root, *entries))
    assert text.count("## 004, Part 3: ") == 3
    assert re.search(r"\| dropout=0,norm=none \| 0\.1 \| .* \| lower than ours \|", text)
    assert re.search(
        r"A note\.\n\n\|.*\n\|.*\n\| dropout=0,norm=none \| 0\.1 \| 78,858 \| — \| — \|.*another number", text
    )
    assert "Not run: `python train.py -m study=never`." in text


def test_without_numbers_there_is_no_page(tmp_path):
    assert replication_markdown(tmp_path) == ""
    assert replication_markdown(kept(tmp_path)) == ""


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"source": "somewhere"}, "must name a document and its part"),
        ({"values": {"dropout=0,norm=none": "low"}}, "must be a number, got 'low'"),
        ({"values": {"dropout=0": 1}}, "has no arm 'dropout=0'"),
        ({"quantity": "los"}, "has no quantity 'los'; did you mean 'loss'?"),
        ({"seed": 1}, "unknown key 'seed'"),
        ({"study": None}, "study"),
    ],
)
def test_what_cannot_be_understood_is_refused(root, change, told):
    with pytest.raises(ValueError, match=re.escape(told)):
        replication_markdown(kept(root, ENTRY | change))


def test_a_file_that_is_no_list_of_tables_is_refused(tmp_path):
    (tmp_path / "reported.yaml").write_text("a: [1")
    with pytest.raises(ValueError, match="is not valid YAML"):
        read_reported(tmp_path)
    (tmp_path / "reported.yaml").write_text("a: 1")
    with pytest.raises(ValueError, match="expected a list of"):
        read_reported(tmp_path)
