"""The study's wording has a hash and a date from its first start on, and what was edited later is listed."""

import re

import pytest
import yaml

from litmus.claims.registration import digest, read_registrations, register
from litmus.report.sections.reproducibility import section
from litmus.report.study_directory import read_study_directory
from tests.report_data import NODE, write_study

pytestmark = pytest.mark.usefixtures("undrawn")


def edited(**changes):
    return {**NODE, **changes}


def test_a_wording_is_the_same_in_another_order_and_another_notation():
    backwards = dict(reversed(list(NODE.items())))
    assert digest(NODE) == digest(backwards)
    assert digest(edited(fixed={"lr": 1e-3})) == digest(edited(fixed={"lr": "0.0010"}))
    assert digest(NODE) != digest(edited(seeds=6))
    assert digest(edited(fixed={"units": [1, 2]})) != digest(edited(fixed={"units": [2, 1]}))


def test_the_first_wording_stays_and_later_ones_are_listed(tmp_path):
    register(tmp_path, NODE, None, runs=0)
    first = read_registrations(tmp_path)
    register(tmp_path, NODE, NODE, runs=20)
    assert read_registrations(tmp_path) == first
    weaker = {**NODE["predictions"], "barrier": {**NODE["predictions"]["barrier"], "high": 0.6}}
    changed = edited(seeds=10, predictions=weaker)
    register(tmp_path, changed, NODE, runs=20)
    register(tmp_path, NODE, changed, runs=40)
    found = read_registrations(tmp_path)
    assert found[0] == first[0]
    assert [(one.changed, one.runs) for one in found] == [
        ((), 0),
        (("seeds", "predictions.barrier"), 20),
        (("seeds", "predictions.barrier"), 40),
    ]
    assert found[2].sha256 == found[0].sha256 != found[1].sha256


def test_the_page_shows_the_date_and_the_edits(tmp_path):
    directory = write_study(tmp_path / "study")
    assert "study file" not in page(directory)  # it is from before wordings were kept
    register(directory, edited(question="What?"), None, runs=0)
    register(directory, NODE, edited(question="What?"), runs=7)
    text = page(directory)
    day = r"\d{4}-\d\d-\d\d \d\d:\d\d UTC"
    sha = read_registrations(directory)[0].sha256[:16]
    assert re.search(rf"study file', 'sha256 {sha}, first started {day}, before anything ran'", text)
    assert re.search(rf"edited {day}', 'question; sha256 \w+, when 7 trials had ended'", text)


def page(directory):
    return repr(section(read_study_directory(directory)))


def test_a_damaged_register_is_told(tmp_path):
    directory = write_study(tmp_path / "study")
    (directory / "registered.json").write_text(yaml.safe_dump({"date": 1}))
    with pytest.raises(ValueError, match="is no list of dates and hashes"):
        read_study_directory(directory)
