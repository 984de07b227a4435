"""Every command that the documents show works as it stands there."""

import re
import shlex
from dataclasses import fields
from xml.etree import ElementTree

import pytest

from litmus.claims.prediction import Prediction, registry
from litmus.sweeps.composition import as_job
from litmus.trial.command_line import sweep_arguments
from litmus.trial.knobs import check_knobs
from scripts.draw_terminal import COMMANDS as COMMANDS_RECORDED
from scripts.draw_terminal import drawing
from tests.compare_data import write_many
from tests.conftest import ROOT
from tests.data_helpers import require_ads, require_fashion_mnist

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def commands(pages):
    """The commands that pages show, each with its page; answers/tests asks the same of the answers' own."""
    for page in pages:
        if page.name == "extending.md":
            continue  # its commands need its files, as those of the README's section do: test_extending.py
        text = re.sub(r"^## Add your own\n.*?^## ", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
        for block in re.findall(r"```bash\n(.*?)```", text, re.DOTALL):
            for line in block.replace("\\\n", " ").splitlines():
                words = shlex.split(line, comments=True)
                if words:
                    yield page.name, words


def trainings(shown):
    return [
        (page, words[2:])
        for page, words in shown
        if words[:2] == ["python", "train.py"] and not {"-m", "--help", "--multirun"} & set(words)
    ]


def multiruns(shown):
    return [(page, words[2:]) for page, words in shown if words[:2] == ["python", "train.py"] and "-m" in words]


COMMANDS = list(commands(PAGES))
TRAININGS, MULTIRUNS = trainings(COMMANDS), multiruns(COMMANDS)
COMPARISONS = [(page, words[2:]) for page, words in COMMANDS if words[:2] == ["python", "scripts/compare.py"]]


def named(case):
    return " ".join(case[1]) if isinstance(case, tuple) else None


def test_a_training_command_composes_to_knobs_that_can_be(compose):
    for page, overrides in TRAININGS:
        if not any("DIR" in override for override in overrides):
            with as_job(compose(*overrides, "hydra.mode=RUN")) as config:
                check_knobs(config)
                assert config.epochs >= 1, (page, overrides)


def trained(trial, overrides):
    """Trains as written but for the length: the last two overrides cut it to a few updates of one epoch."""
    if any("DIR" in override for override in overrides):
        return  # resuming and evaluating a directory have tests of their own
    if any("social_network_ads" in override or "ads_notes" in override for override in overrides):
        overrides = [*overrides, f"data_dir={require_ads().parent}"]
    if any(word in override for override in overrides for word in ("fashion", "journal")):
        overrides = [*overrides, f"data_dir={require_fashion_mnist()}"]
        overrides += [f"++trainer.limit_{split}_batches=2" for split in ("val", "test")]
    devices = ["trainer.accelerator=cpu", "trainer.devices=1"] if "trainer=ddp" in overrides else []
    short = (
        []
        if any(word in " ".join(overrides) for word in ("updates_per_epoch", "batching"))
        else ["updates_per_epoch=3"]
    )
    epochs = [] if any("batching" in override for override in overrides) else ["epochs=3"]
    assert trial(*overrides, *short, *epochs, *devices)["status"] == "completed"


@pytest.mark.long
@pytest.mark.parametrize("case", TRAININGS, ids=named)
def test_a_training_command_trains(trial, case):
    trained(trial, case[1])


def test_the_recorded_terminal_is_a_picture_with_the_commands_as_text():
    told = ElementTree.parse(ROOT / "docs" / "figures" / "terminal.svg").getroot()
    text = " ".join(told.itertext())
    for typed, _ in COMMANDS_RECORDED:
        assert typed in text
    fresh = drawing([("python x < y", ["\x1b[1;32m✓ a & b\x1b[0m c"])])
    rows = [one for one in ElementTree.fromstring(fresh).iter() if one.get("class") == "row"]
    assert ["".join(one.itertext()) for one in rows] == ["$ python x < y", "✓ a & b c"]


def _first(override):
    """The first job's value of a swept override; a search's interval begins at its start."""
    if not override.is_sweep_override():
        return override.input_line
    if override.is_interval_sweep():
        return f"{override.key_or_group}={override.value().start}"
    return f"{override.get_key_element()}={next(override.sweep_string_iterator())}"


def composed(compose, words):
    """Running sweeps has tests of its own (sweeps, studies, searches); here their first jobs are composed."""
    from hydra.core.override_parser.overrides_parser import OverridesParser

    overrides = OverridesParser.create().parse_overrides([word for word in sweep_arguments(words) if word != "-m"])
    assert compose(*map(_first, overrides)).epochs >= 1


@pytest.mark.briefly(*range(0, 27, 3))
@pytest.mark.parametrize("case", MULTIRUNS, ids=named)
def test_a_sweep_command_composes(compose, case):
    composed(compose, case[1])


@pytest.mark.parametrize("case", COMPARISONS, ids=named)
def test_a_comparing_command_compares(case, tmp_path, monkeypatch, capsys):
    """As written, with a small multirun in each directory that it names."""
    from scripts import compare

    _, words = case
    monkeypatch.chdir(tmp_path)
    asked = compare.arguments(words)
    for directory in asked.directories:
        write_many(directory, arms=2, seeds=2, epochs=3)
    compare.main(words)
    assert f"{4 * len(asked.directories)} completed" in capsys.readouterr().out
    assert asked.terminal != (asked.output or asked.directories[0] / "compare.html").is_file()


def missing(pages):
    """The paths that pages name and that lead nowhere."""
    for page in pages:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            if not target.startswith("http") and not (page.parent / target).exists():
                yield f"{page.name}: {target}"


def test_every_path_that_the_documents_name_is_there():
    """The answers are a folder to delete: what a reader would find in them is theirs to have."""
    assert [lost for lost in missing(PAGES) if "answers/" not in lost] == []


STUDIES_PAGE = (ROOT / "docs" / "studies.md").read_text()


def test_the_studies_that_the_page_shows_are_those_that_are_there():
    shown = re.findall(
        r"`configs/study/(\w+)\.yaml`:\n\n```yaml\n# @package _global_\n(.*?)```", STUDIES_PAGE, re.DOTALL
    )
    files = {path.stem: path.read_text().splitlines(keepends=True) for path in (ROOT / "configs/study").glob("*.yaml")}
    there = {name: "".join(line for line in lines if not line.startswith("#")) for name, lines in files.items()}
    assert dict(shown) == there


def test_the_page_names_every_kind_of_prediction_with_all_its_keys():
    cells = re.findall(
        r"^\| `(\w+)` \| ([^|]+) \|[^|]+\|$", STUDIES_PAGE.split("### The kinds of prediction")[1], re.MULTILINE
    )
    named = {kind: keys for kind, keys in cells if kind in registry()}
    assert named.keys() == registry().keys()
    shared = {field.name for field in fields(Prediction)}
    for kind, cls in registry().items():
        own = {field.name for field in fields(cls)} - shared
        assert own <= set(re.findall(r"\w+", named[kind])), kind
    assert all(f"`{key}" in STUDIES_PAGE for key in shared - {"id"})


def test_the_readme_names_every_choice_and_every_make_target_is_there():
    text = (ROOT / "README.md").read_text()
    for group in ("data", "model", "optimizer", "scheduler", "average", "logger", "trainer", "experiment"):
        for path in (ROOT / "configs" / group).glob("*.yaml"):
            assert f"`{path.stem}`" in text, f"{group}={path.stem}"
    targets = {words[1] for _, words in COMMANDS if words[0] == "make"}
    makefile = (ROOT / "Makefile").read_text()
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
