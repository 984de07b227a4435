"""A fresh project of your own from this one, without its answers: python scripts/new_project.py NAME [DIR].

`make new NAME=my_project DIR=~/my_project` is the same. What is tracked by git here is copied: the engine, the parts to
edit, the tests, one example of a study and of an experiment. The README is a page of its own.
"""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import jinja2

from litmus.legible import legible
from litmus.paths import typed_path
from litmus.project import ROOT
from litmus.trial.arguments import Parser
from litmus.trial.command_line import answer

# This project's own: its questions and answers, and its history.
LEFT_BEHIND = ("answers/", "CHANGELOG.md", "CITATION.cff", "CONTRIBUTING.md")
# What tells the project's name, and the text that does.
NAMED = {
    "pyproject.toml": [(r'^name = "[^"]+"', 'name = "{name}"'), (r'^description = "[^"]+"', 'description = "{name}"')],
    "configs/train.yaml": [
        (r"app_name: \S+", "app_name: {name}"),
        (r"^      [^:\n]+: train any model", "      {name}: train any model"),
    ],
}
GROUPS = (
    "data",
    "model",
    "optimizer",
    "scheduler",
    "average",
    "batching",
    "logger",
    "trainer",
    "experiment",
    "study",
    "search",
)


def main(arguments: list[str] | None = None) -> None:
    """Makes the project, and says what to do next."""
    parser = Parser(description=__doc__)
    parser.add_argument("name", help="of the project: small letters, digits and _")
    parser.add_argument("directory", nargs="?", help="to make; NAME beside this project where none is given")
    asked = parser.parse_args(arguments)
    target = typed_path(asked.directory) if asked.directory else ROOT.parent / asked.name
    make(asked.name, target)
    there = shlex.quote(legible(target))
    print(f"{legible(target)}: a project of its own; next: cd {there} && make train && make test")


def make(name: str, target: Path) -> None:
    """Copies what is tracked, names it, and begins its history.

    Raises:
        ValueError: for a name that is none, a directory that is taken, or a project that git does not know.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or name in ("litmus", "src", "answers", "hydra_plugins"):
        raise ValueError(f"expected a name of small letters, digits and _ that the engine does not have, got {name!r}")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ValueError(f"{legible(target)} is there already: choose another, as make new NAME={name} DIR=…")
    if target.resolve().is_relative_to(ROOT):
        raise ValueError(f"{legible(target)} lies in this project; choose a directory outside of {ROOT}")
    target = target.resolve()  # "." has no name
    partial = target.with_name(f".{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    for path in tracked():
        place = partial / path
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / path, place)
    for path, replacements in NAMED.items():
        text = (partial / path).read_text(encoding="utf-8")
        for pattern, told in replacements:
            text, found = re.subn(pattern, told.format(name=name), text, flags=re.MULTILINE)
            assert found, f"{path} has no {pattern}"
        (partial / path).write_text(text, encoding="utf-8")
    (partial / "README.md").write_text(readme(name), encoding="utf-8")
    begin_history(name, partial)
    if not target.exists():
        partial.rename(target)
        return
    for made in list(partial.iterdir()):  # it is empty, and somebody may be in it
        made.rename(target / made.name)
    partial.rmdir()


def tracked() -> list[str]:
    """The files that git knows here, but for what is this project's alone."""
    try:
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        raise ValueError(f"expected {ROOT} to be a git checkout, whose files would be copied; git clone it") from None
    files = [path for path in listed.split("\0") if path and (ROOT / path).is_file()]
    return [path for path in files if not path.startswith(LEFT_BEHIND)]


def readme(name: str) -> str:
    """The page that a new project begins with."""
    choices = {group: sorted(path.stem for path in (ROOT / "configs" / group).glob("*.yaml")) for group in GROUPS}
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True, trim_blocks=True)
    template = environment.from_string(Path(__file__).with_suffix(".md").read_text(encoding="utf-8"))
    return template.render(name=name, choices=choices)


def begin_history(name: str, directory: Path) -> None:
    """A git repository with all files in it, committed where git knows who commits."""
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", f"{name} begins"]):
        ended = subprocess.run(["git", *command], cwd=directory, capture_output=True, text=True)
        if ended.returncode:
            said = (ended.stderr.strip().splitlines() or [f"exit code {ended.returncode}"])[-1]
            print(
                f"git {command[0]} did not work ({said.strip()}): git {' '.join(command)} is left to do",
                file=sys.stderr,
            )
            return


if __name__ == "__main__":
    answer(main)
