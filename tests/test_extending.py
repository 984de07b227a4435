"""Every example of docs/extending.md and the README works as it stands there: its files, then its commands."""

import json
import os
import re
import shlex
import shutil

import pytest

from tests.conftest import ROOT

pytestmark = [pytest.mark.xdist_group("processes"), pytest.mark.long]


def sections(page):
    return dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", page.read_text(), re.MULTILINE | re.DOTALL))


ADDED = "Add your own"
SECTIONS = sections(ROOT / "docs" / "extending.md") | {ADDED: sections(ROOT / "README.md")[ADDED]}
# What a project consists of, for whoever runs it.
PROJECT = ("litmus", "src", "configs", "hydra_plugins", "train.py", "evaluate.py", "scripts", "pyproject.toml")


def files_and_commands(section):
    """In their order: ("file", path, content) of blocks named in it or just before, ("command", words) of a shell's."""
    for before, language, body in re.findall(
        r"(?:^`(\S+\.\w+)`:\n\n)?^```(\w+)\n(.*?)^```", section, re.MULTILINE | re.DOTALL
    ):
        named = before or "".join(re.findall(r"\A# (\S+\.\w+)\n", body))
        if language == "bash":
            for line in body.replace("\\\n", " ").splitlines():
                if words := shlex.split(line, comments=True):
                    yield "command", words
        elif named:
            yield "file", named, body


@pytest.fixture
def project(tmp_path):
    """A copy of this project that the examples may add to."""
    for name in PROJECT:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, tmp_path / name)
    return tmp_path


def newest_run(project):
    runs = [path.parent for path in project.glob("runs/*/*/result.json")]
    return max(runs, key=lambda path: (path / "result.json").stat().st_mtime_ns)


@pytest.mark.parametrize("title", [title for title, text in SECTIONS.items() if [*files_and_commands(text)]])
def test_an_example_works_from_the_page_alone(project, forks, title):
    environment = {**os.environ, "PYTHONPATH": "", "DATA_DIR": os.environ["DATA_DIR"], "WANDB_MODE": "offline"}
    environment.pop("HYDRA_FULL_ERROR", None)
    commands = 0
    for what, *rest in files_and_commands(SECTIONS[title]):
        if what == "file":
            name, content = rest
            assert not (project / name).exists(), f"{name} is there already: an example edits nothing"
            (project / name).parent.mkdir(parents=True, exist_ok=True)
            (project / name).write_text(content)
            continue
        (words,) = rest
        assert words[0] == "python", words
        words = [re.sub(r"\bDIR$", lambda _: str(newest_run(project)), word) for word in words[1:]]
        done = forks.run(words, project, environment)
        assert done.returncode == 0, f"{shlex.join(words)}: {done.stderr}"
        commands += 1
        if words[0] == "train.py" and "-m" not in words:
            result = json.loads((newest_run(project) / "result.json").read_text())
            assert result["status"] == "completed"
            assert any(name.startswith("test") for name in result["metrics"])
        if words[0] == "evaluate.py":
            assert "the same as in result.json, to the last bit" in done.stdout
            assert (newest_run(project) / "predictions.csv").is_file()
    assert commands, f"{title} has files and no command that uses them"
