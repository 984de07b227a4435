"""The published verdicts are those of today's engine, but for the listed ones."""

import json
from dataclasses import replace

import pytest
import yaml

from answers.make.publication.tables import RESULTS
from litmus.claims.judgement import CLOCK, judge
from litmus.claims.results_table import read_results
from litmus.claims.study_file import read_study_file
from litmus.records.looks_file import read_looks
from litmus.records.tuning import read_table, table_beside
from tests.conftest import ROOT

STUDIES = sorted(path.parent for path in (ROOT / "answers" / "studies").glob("*/verdicts.json"))
REVIEWED = yaml.safe_load((ROOT / "answers" / "tests" / "rejudged.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("place", STUDIES, ids=lambda place: place.name)
def test_published_tables_give_the_published_verdicts_but_for_reviewed_ones(place):
    study = read_study_file(place / "study.yaml")
    results = read_results(study, place / RESULTS)
    if table := table_beside(place):  # of studies whose tuning counts; the others were published before it did
        results = replace(results, tuning=tuple(read_table(table, study)))
    found = judge(study, results, looked=read_looks(place)).verdicts
    stored = json.loads((place / "verdicts.json").read_text(encoding="utf-8"))
    if (place / CLOCK).exists():
        stored |= json.loads((place / CLOCK).read_text(encoding="utf-8"))
    changed = {
        name: {"published": stored[name]["verdict"], "now": one.verdict}
        for name, one in found.items()
        if stored[name]["verdict"] != one.verdict
    }
    reviewed = REVIEWED.get(place.name, {})
    assert changed == {name: {key: entry[key] for key in ("published", "now")} for name, entry in reviewed.items()}
    assert all(entry["why"] for entry in reviewed.values())


def test_only_published_studies_are_reviewed():
    assert REVIEWED.keys() <= {place.name for place in STUDIES}
