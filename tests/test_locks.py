"""The locks with hashes: made of constraints.txt and pyproject.toml as they are, and of nothing else."""

import re
import tomllib

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from litmus.project import ROOT

CUDA = re.compile(r"torch|triton|nvidia-.*|cuda-.*")


def pinned(name):
    """Package → requirement of a lock, each with the hashes that follow it."""
    entries = (ROOT / name).read_text().replace("\\\n", "").splitlines()
    found = {}
    for entry in entries:
        text, *hashes = entry.split("--hash=")
        assert hashes, f"{entry}: no hash"
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}\s*", one) for one in hashes)
        requirement = Requirement(text)
        assert canonicalize_name(requirement.name) not in found
        found[canonicalize_name(requirement.name)] = requirement
    return found


def test_the_locks_have_what_the_project_asks_for_in_the_tested_versions():
    plain, cuda = pinned("requirements.lock"), pinned("requirements-cuda.lock")
    assert not any(CUDA.fullmatch(name) for name in plain)
    assert all(CUDA.fullmatch(name) for name in cuda)
    locked = plain | cuda
    tested = [Requirement(line) for line in (ROOT / "constraints.txt").read_text().splitlines()]
    differ = {str(one) for one in tested if locked[canonicalize_name(one.name)].specifier != one.specifier}
    assert differ == set(), "make lock"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = [*project["dependencies"], *(one for extra in project["optional-dependencies"].values() for one in extra)]
    for one in map(Requirement, asked):
        version = next(iter(locked[canonicalize_name(one.name)].specifier)).version
        assert one.specifier.contains(Version(version)), f"{one}: {version}; make lock"


def test_no_lock_says_where_packages_come_from():
    for path in ROOT.glob("requirements*.lock"):
        assert "//" not in path.read_text()
