"""Every command that the answers' pages show works as it stands there, and every path into this folder is there."""

import pytest

from tests.conftest import ROOT
from tests.test_readme import PAGES, commands, composed, missing, multiruns, named, trained, trainings

OWN = [page for folder in ("answers", "answers/docs") for page in sorted((ROOT / folder).glob("*.md"))]
SHOWN = list(commands(OWN))


@pytest.mark.parametrize("case", trainings(SHOWN), ids=named)
def test_a_training_command_trains(trial, case):
    trained(trial, case[1])


@pytest.mark.parametrize("case", multiruns(SHOWN), ids=named)
def test_a_sweep_command_composes(compose, case):
    composed(compose, case[1])


def test_every_path_that_the_documents_name_is_there():
    assert list(missing([*PAGES, *OWN])) == []
