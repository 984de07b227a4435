"""A fresh project made from this one stands on its own."""

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from litmus.project import ROOT
from scripts import new_project

TINY = "epochs=1 updates_per_epoch=3 model.units=[4]"


@pytest.fixture
def checkout(monkeypatch):
    """What is here counts as tracked, whatever git knows of it."""
    folders = ("configs", "docs", "hydra_plugins", "litmus", "scripts", "src", "tests", ".github", ".ci")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file()]
    files += [path for path in ROOT.iterdir() if path.is_file()]
    kept = [str(path.relative_to(ROOT)) for path in files if "__pycache__" not in path.parts]
    monkeypatch.setattr(new_project, "tracked", lambda: [path for path in kept if path not in ("CHANGELOG.md", ".git")])


@pytest.mark.parametrize("name", ["", "My Project", "litmus", "src", "9lives", "a-b", "../x", "a/b", "ünder"])
def test_a_name_that_is_none_is_refused_and_nothing_is_made(tmp_path, name, checkout):
    with pytest.raises(ValueError, match="expected a name of small letters"):
        new_project.make(name, tmp_path / "there")
    assert not list(tmp_path.iterdir())


def test_a_directory_that_is_taken_stays_as_it_is(tmp_path, checkout):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="is there already"):
        new_project.make("mine", tmp_path / "mine")
    with pytest.raises(ValueError, match="lies in this project"):
        new_project.make("mine", ROOT / "mine")
    assert [path.name for path in tmp_path.rglob("*")] == ["mine", "notes.txt"]


def test_an_empty_directory_is_filled_by_whoever_is_in_it(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(new_project, "tracked", lambda: [*new_project.NAMED])
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path / "mine")
    new_project.main(["mine", "."])
    assert Path("pyproject.toml").is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_it_is_named_and_holds_none_of_our_answers(tmp_path, checkout):
    target = tmp_path / "ours"
    new_project.make("my_project", target)
    assert not (target / "answers").exists()
    assert not (target / "CHANGELOG.md").exists()
    assert 'name = "my_project"' in (target / "pyproject.toml").read_text()
    assert (target / "README.md").read_text().startswith("# my_project\n")
    assert len((target / "README.md").read_text().splitlines()) < 60
    assert (target / ".git").is_dir()
    studies = [path.name for path in (target / "configs" / "study").iterdir()]
    assert studies == ["dropout_norm.yaml", "norm_helps.yaml"]


@pytest.mark.long
def test_its_own_make_trains_and_tests(tmp_path, checkout):
    """With an environment that has the packages of this one, and of projects the new one alone."""
    target = tmp_path / "my_project"
    new_project.make("my_project", target)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", target / ".venv"], check=True)
    scheme = {"base": str(target / ".venv"), "platbase": str(target / ".venv")}
    site = sysconfig.get_path("purelib", vars=scheme)
    packages = [path for path in sys.path if path.endswith("site-packages")]
    Path(site, "project.pth").write_text("\n".join([str(target), *packages]) + "\n")
    (target / "data").symlink_to(ROOT / "data")
    if (ROOT / ".mypy_cache").is_dir():  # of torch and Lightning, which take a minute
        (target / ".mypy_cache").symlink_to(ROOT / ".mypy_cache")
    for tool in ("ruff", "mypy"):
        (target / ".venv" / "bin" / tool).symlink_to(ROOT / ".venv" / "bin" / tool)
    (target / ".venv" / "installed").touch()
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    def made(*arguments):
        ended = subprocess.run(["make", *arguments], cwd=target, env=environment, capture_output=True, text=True)
        assert ended.returncode == 0, ended.stdout[-2000:] + ended.stderr[-2000:]

    made("train", f"ARGS={TINY} hydra.run.dir=runs/one")
    assert json.loads((target / "runs" / "one" / "result.json").read_text())["status"] == "completed"
    made("train", f"ARGS=-m study=dropout_norm study.smoke=true {TINY}")
    assert list(target.glob("studies/*/report.html"))
    # Those that a name or a missing folder could break; the others are run where answers/ is missing, see Makefile.
    laws = "tests/test_readme.py tests/test_architecture.py tests/test_models.py"
    made("test", f"ARGS={laws} -n 0")
