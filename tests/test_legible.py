"""Text that nobody can show is made safe where it is read, so that no report and no comparison is lost for it."""

import json
import os
import xml.etree.ElementTree as ElementTree
from importlib.resources import files

import numpy as np
import pytest
import yaml
from rich.console import Console

from litmus.compare.comparison import compare
from litmus.compare.terminal import print_comparison
from litmus.legible import ILLEGIBLE, MARK, legible, legible_values, read_json, read_object, read_text, read_yaml
from litmus.report.study_directory import read_study_directory
from litmus.report.terminal import print_verdicts
from litmus.trial.command_line import answer, sentence
from scripts import compare as compare_script
from scripts import report as report_script
from tests.conftest import ROOT
from tests.report_data import NODE, write_study, write_trial

HOSTILE = {
    "a lone surrogate": "\ud800",
    "a NUL": "\0",
    "the other half": "\udfff",
    "a byte of a file's name": "\udcff",
    "an escape sequence": "\x1b[2J\x1b]0;title\x07",
    "a control sequence of one byte": "\x9b31m",
    "an override of direction": "\u202e",
    "an isolate": "\u2066",
    "no character": "\uffff",
    "a vertical tab": "\x0b",
    "a return": "right\rwrong",
}
ALL = "".join(HOSTILE.values())


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_is_legible_holds_nothing_that_cannot_be_shown(kind):
    found = legible(f"before {HOSTILE[kind]} after")
    assert found.startswith("before ")
    assert found.endswith(" after")
    assert not ILLEGIBLE.search(found)
    assert legible(found) == found
    ElementTree.fromstring(f"<text>{found}</text>".encode())


@pytest.mark.parametrize(
    "text", ["", "plain", "two\nlines\tand a tab", "naïve 数据 مرحبا", "👩‍🔬", "a\u200fb", "±−→", MARK]
)
def test_text_that_can_be_shown_stays_as_it_is(text):
    assert legible(text) == text


def test_every_text_in_a_file_is_made_legible_wherever_it_is(tmp_path):
    node = {f"name {ALL}": [ALL, {"deep": ALL}, 1, 0.5, None, True], "plain": "text"}
    expected = {f"name {legible(ALL)}": [legible(ALL), {"deep": legible(ALL)}, 1, 0.5, None, True], "plain": "text"}
    path = tmp_path / "file"
    path.write_text(json.dumps(node))
    assert legible_values(node) == read_json(path) == read_object(path) == read_yaml(path) == expected
    path.write_bytes(json.dumps({"a": "\x1b\x7f\u202e"}, ensure_ascii=False).encode())
    assert read_json(path) == {"a": MARK * 3}
    path.write_bytes(b"a: '\x1b'\r\nb: 2\r\n")
    assert read_yaml(path) == {"a": MARK, "b": 2}, "YAML itself refuses such bytes"
    assert read_text(path) == f"a: '{MARK}'\nb: 2\n"


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[" * 100_000, b"nothing"])
def test_what_is_no_json_is_a_value_error(tmp_path, content):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(ValueError, match=r"\w"):
        read_json(tmp_path / "file")
    assert read_object(tmp_path / "file") == {}
    assert read_object(tmp_path / "none") == {}


def test_files_of_others_are_read_in_one_place():
    """Elsewhere only: a server's answer, own configurations and copies, and whether something is JSON at all."""
    known = {"litmus/legible.py", "litmus/compare/wandb/server.py", "litmus/trial/stored.py"}
    known |= {"litmus/sweeps/launching.py", "litmus/trial/course.py", "scripts/schema.py"}
    known |= {"litmus/training/unfit.py", "litmus/sweeps/optimization.py"}
    found = set()
    for folder in ("src", "litmus", "scripts"):
        for path in (ROOT / folder).rglob("*.py"):
            text = path.read_text()
            if any(call in text for call in ("json.load", "yaml.load(", "yaml.safe_load(")):
                found.add(str(path.relative_to(ROOT)))
    assert found <= known


def spoil(path, **changes):
    """A result with hostile words wherever words are."""
    result = json.loads(path.read_text())
    path.write_text(json.dumps(result | changes))


def hostile_study(directory):
    """A study whose every file says something that cannot be shown, in a directory of a name that is no text."""
    few = {name: NODE[name] for name in ("factors", "seeds")}
    few["quantities"] = {"loss": NODE["quantities"]["loss"]}
    few["predictions"] = {"barrier": NODE["predictions"]["barrier"]}
    write_study(directory, {**few, "question": f"Does it {ALL}?"})
    trials = directory / "trials" / "dropout=0,norm=none"
    spoil(trials / "seed=3" / "result.json", status="failed", error=f"ValueError: {ALL} <b>", metrics={})
    spoil(trials / "seed=2" / "result.json", status=f"{ALL}")
    config = json.loads((trials / "seed=1" / "result.json").read_text())["config"]
    spoil(trials / "seed=1" / "result.json", config=config | {"note": ALL}, versions={ALL: ALL}, git={"commit": ALL})
    (trials / "seed=0" / "result.json").write_bytes(b'{"status": "\xff\x1b"')
    tuning = directory / "tuning" / "dropout=0,norm=none" / "trial=0" / "result.json"
    spoil(tuning, status="failed", error=ALL, metrics={})
    (directory / "command.json").write_text(json.dumps({"study": f"x{ALL}", "command": f"python {ALL}"}))
    (directory / "author.yaml").write_text(yaml.safe_dump({"why": f"because {ALL}"}))
    arms = json.loads((directory / "arms.json").read_text())
    for settings in arms.values():
        settings["note"] = ALL
    (directory / "arms.json").write_text(json.dumps(arms))
    return directory


PLOTLY = (files("plotly") / "package_data" / "plotly.min.js").read_text(encoding="utf-8")


def assert_shown(*paths):
    for path in paths:
        text = path.read_text(encoding="utf-8").replace(PLOTLY, "")
        assert text
        assert not ILLEGIBLE.search(text), path


def nameless(folder):
    """A directory whose name is no text: é as old Windows writes it."""
    return folder / os.fsdecode(b"caf\xe9 \x1b[31m")


@pytest.mark.long
def test_a_study_with_such_words_is_reported_whole(tmp_path, capsys):
    directory = hostile_study(nameless(tmp_path))
    answer(lambda: report_script.main([str(directory)]))
    files = [directory / name for name in ("report.html", "report.md", "results.csv", "verdicts.json")]
    figures = sorted((directory / "figures").glob("*.svg"))
    assert figures
    assert_shown(*files, *figures)
    for figure in figures:
        ElementTree.fromstring(figure.read_bytes())
    assert f"ValueError: {legible(ALL)}".split("\n")[0] in files[2].read_text(encoding="utf-8")
    console = Console(record=True, width=200)
    evidence = read_study_directory(directory)
    print_verdicts(evidence.judgement, console, evidence.name)
    assert not ILLEGIBLE.search(console.export_text())
    assert not ILLEGIBLE.search(capsys.readouterr().out)


def test_runs_with_such_words_are_compared_and_tabulated_whole(tmp_path, capsys):
    directory = nameless(tmp_path)
    generator = np.random.default_rng(0)
    for seed in range(4):
        write_trial(directory / f"{seed}", "a", seed, 0.5, generator, norm=f"{ALL}{seed % 2}")
    spoil(directory / "3" / "result.json", status="failed", error=f"OSError: {ALL}")
    (directory / "4").mkdir()
    (directory / "4" / "result.json").write_text(json.dumps({"status": ALL}))
    (directory / "5" / ".hydra").mkdir(parents=True)
    (directory / "5" / ".hydra" / "overrides.yaml").write_text(yaml.safe_dump([f"norm={ALL}"]))
    (directory / "5" / ".hydra" / "config.yaml").write_text(yaml.safe_dump({"norm": ALL}))
    answer(lambda: compare_script.main([str(directory)]))
    answer(lambda: report_script.main([str(directory)]))
    assert_shown(*(directory / name for name in ("compare.html", "report.html", "report.md")))
    console = Console(record=True, width=200)
    print_comparison(compare([directory]), None, "epoch", 20, console)
    shown = console.export_text()
    assert not ILLEGIBLE.search(shown)
    assert "OSError: " in shown
    assert not ILLEGIBLE.search(capsys.readouterr().out)


@pytest.mark.parametrize("kind", [ValueError, OSError, RuntimeError])
def test_the_sentence_that_ends_a_run_is_obeyed_by_no_terminal(kind):
    told = sentence(kind(f"expected this,\n found {ALL}"))
    assert "expected this, found " in told
    assert not ILLEGIBLE.search(told)
    assert "\n" not in told
