"""The fixtures of the project's own tests."""

import pytest

from tests.conftest import compose, pytest_collection_modifyitems, pytest_configure, read_once, refused, trial

__all__ = ["compose", "nodes", "pytest_collection_modifyitems", "pytest_configure", "read_once", "refused", "trial"]


@pytest.fixture(scope="session")
def nodes():
    """The study files by name, resolved: seconds, so that whoever takes them belongs to the group `publication`."""
    from answers.make.publication.study_nodes import study_nodes

    return study_nodes()
