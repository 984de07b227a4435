"""What a path is called changes nothing: it is written once as it must be, and read as it was meant."""

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import example, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from litmus.paths import typed_path
from litmus.sweeps.overrides import override
from litmus.trial.arguments import readable_arguments
from litmus.trial.command_line import resumed_arguments
from litmus.trial.resuming import goes_on, run_named
from tests.conftest import ROOT

SIGNS = "\\'\"${}[](),=:~#%&;|<>*? \n\téß.-_/x1"
TEXTS = st.text(st.one_of(st.sampled_from(SIGNS), st.characters(exclude_categories=("Cs",)))).filter(
    lambda text: text != "???"  # OmegaConf's word for what is missing
)
NAMES = ["lr=0.1,seed=1", "my run (2)", "été", "x{y}[z]", "it's", '"q"', "#1", "~", "~root", "50%&", "null", "${lr}"]
NAMES += ["'quoted'", "a\\b\\", "\\${lr}", "two\nlines", "dropout=0.5,norm=none/seed=0", "-m", "${oc.env:HOME}"]


def read(arguments):
    """The overrides among the arguments as Hydra and OmegaConf have them in the end."""
    config = OmegaConf.create({"lr": 0.1})
    for one in OverridesParser.create().parse_overrides([entry for entry in arguments if "=" in entry]):
        assert not one.is_sweep_override()
        OmegaConf.update(config, one.key_or_group, one.value(), merge=False)
    return config


@pytest.mark.long
@settings(max_examples=400, deadline=None)
@given(TEXTS)
@example("\\${lr}\\")
@example("/été/${lr}'\\")
def test_any_text_is_read_back_by_hydra_and_omegaconf(text):
    config = read([override("knob", text), override("listed", [text, {"inner": text}])])
    assert config.knob == text
    assert next(iter(config.listed)) == text
    assert config.listed[1].inner == text
    config.told = "${knob}/metrics.csv"
    assert config.told == f"{text}/metrics.csv"


@pytest.mark.parametrize("name", NAMES)
def test_resume_finds_the_run_of_any_name_and_hands_it_on_unchanged(tmp_path, monkeypatch, name):
    directory = tmp_path / name
    (directory / ".hydra").mkdir(parents=True)
    (directory / ".hydra" / "config.yaml").write_text("lr: 0.1")
    monkeypatch.chdir(tmp_path)
    pasted = shlex.split(goes_on(directory, {}))[2:]
    for typed in (pasted, [f"resume=./{name}"], [override("resume", name)], [f"resume={directory}/"]):
        config = read(resumed_arguments(typed)[4:])
        assert config.resume == config.hydra.run.dir == str(directory)


@pytest.mark.long
def test_a_name_of_all_signs_goes_on_to_its_end_where_it_is(trial, tmp_path):
    trial("epochs=1", "updates_per_epoch=3", "model.units=[4]", "callbacks=[default,trajectory]", "logger=tensorboard")
    directory = tmp_path / "é \"q\" 'x' = , ( ) [ ] { } # ~ % & ;\n${oc.env:HOME}\\${lr}\\"
    shutil.move(tmp_path / "run", directory)
    command = [sys.executable, "train.py", *shlex.split(goes_on(directory, {}))[2:], "epochs=2"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == [directory.name]
    assert len((directory / "metrics.csv").read_text().splitlines()) == 3


def test_home_is_home_wherever_a_shell_leaves_its_sign(monkeypatch, tmp_path):
    for name in ("home", "my home, été"):
        home = tmp_path / name
        monkeypatch.setenv("HOME", str(home))
        (run := home / "runs" / "a").mkdir(parents=True)
        (run / ".hydra").mkdir()
        (run / ".hydra" / "config.yaml").touch()
        assert read(readable_arguments(["data_dir=~/x", "lr=~"])) == {"data_dir": f"{home}/x", "lr": str(home)}
        assert run_named("~/runs/a") == run_named("'~/runs/a'") == run
        assert typed_path("~/x") == home / "x"
    assert readable_arguments(["-m", "a=x~/y", "~seed", "norm=~none"]) == ["-m", "a=x~/y", "~seed", "norm=~none"]
    assert typed_path("~nobody-of-this-name/x") == Path("~nobody-of-this-name/x")


def test_what_lightning_puts_between_quotes_is_quoted_as_hydra_reads_it():
    given_by_lightning = ['hydra.run.dir="/a "b" ${lr}\\"', "hydra.job.name=train_ddp_process_1"]
    assert read(readable_arguments(given_by_lightning)).hydra.run.dir == '/a "b" ${lr}\\'
    assert readable_arguments(given_by_lightning[:1]) == given_by_lightning[:1]


def test_relative_paths_begin_where_the_command_was_typed(compose, monkeypatch, tmp_path):
    from hydra.core.hydra_config import HydraConfig

    from litmus.training.trajectory import RecordWeights
    from litmus.trial.checkpoint import BestAndLast
    from litmus.trial.history import History
    from litmus.trial.pruning import Pruning
    from src.datamodules.mnist1d import MNIST1D

    (there := tmp_path / "there").mkdir()
    (here := tmp_path / "here").mkdir()
    monkeypatch.chdir(there)
    for chdir, expected in ((True, there), (False, here)):
        HydraConfig.instance().set_config(compose(f"hydra.job.chdir={chdir}", f"hydra.runtime.cwd={there}"))
        monkeypatch.chdir(here)
        found = [
            *(MNIST1D(data_dir="x").data_dir, History("x").path, RecordWeights("x").path),
            *(BestAndLast("x").directory, Path(Pruning("x", "study", 0).journal), typed_path("x")),
        ]
        assert [path.absolute() for path in found] == [expected / "x"] * len(found)
        assert typed_path("/x") == Path("/x")
