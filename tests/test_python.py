"""`litmus.run` and `litmus.judge` from Python, and the page about them, from the page."""

import io
import re
import subprocess
import sys
from functools import partial
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas
import polars
import pytest
import torch

import litmus
from litmus.python import typed
from tests.conftest import ROOT
from tests.strangers import OwnStep, PlainNet, Prices

PAGE = (ROOT / "docs" / "notebook.md").read_text()
STUDY = {
    "question": "Does it help?",
    "factors": {"norm": ["none", "batch"]},
    "seeds": 5,
    "quantities": {"loss": {"metric": "test/loss", "sesoi": "2%"}},
    "predictions": {"helps": {"kind": "compare", "better": {"norm": "batch"}, "than": {"norm": "none"}}},
}
SHORT = {"epochs": 1, "updates_per_epoch": 2, "quiet": True}


@pytest.mark.long
def test_the_page_runs_as_it_stands_there(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    page = ModuleType("page")  # as a notebook's cells share one module
    monkeypatch.setitem(sys.modules, "page", page)
    for cell in re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL):
        exec(compile(cell, "docs/notebook.md", "exec"), page.__dict__)
    assert page.record.directory.is_relative_to(tmp_path / "runs")
    assert len(page.record.history["val/loss"]) == 3
    assert "helps" in capsys.readouterr().out


def test_importing_litmus_imports_nothing_else():
    code = "import sys, litmus; print(*{'torch', 'hydra', 'numpy', 'yaml', 'litmus.python'} & {*sys.modules}, end='')"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == ""


@pytest.mark.long
def test_a_run_from_python_is_the_run_of_the_command_line(trial, tmp_path):
    typed_there = trial("model.units=[4]", "norm=batch", "epochs=2", "seed=3")
    here = litmus.run("norm=batch", {"model.units": [4]}, threads=1, seed=3, epochs=2, directory=tmp_path / "a")
    assert here.content["metrics"] == typed_there["metrics"]
    assert here.content["config_hash"] == typed_there["config_hash"]
    assert here.directory == tmp_path / "a"
    again = litmus.run(f"resume={tmp_path / 'a'}", epochs=3, quiet=True)
    assert again.summary["epochs"] == 3


@pytest.mark.parametrize(
    ("knobs", "found"),
    [
        ({"model": partial(OwnStep, units=[4])}, ["~model", "+model={_target_: tests.strangers.OwnStep, units: [4]}"]),
        ({"model": PlainNet}, ["model=net", "model.net._target_=tests.strangers.PlainNet"]),
        ({"optimizer": torch.optim.NAdam}, ["~optimizer", "+optimizer={lr: ${lr}, _target_: torch.optim.NAdam"]),
        ({"data": Prices}, ["~data", "batch_size: ${batch_size}, updates_per_epoch: ${updates_per_epoch}"]),
        ({"model": {"units": [4], "norm": None}}, ["model.units=[4]", "model.norm=null"]),
    ],
    ids=str,
)
def test_values_of_python_are_what_would_be_typed(knobs, found):
    said = typed(knobs)
    assert len(said) == len(found)
    assert all(part in one for part, one in zip(found, said, strict=True)), said


def test_paths_and_numbers_of_numpy_are_typed_and_no_loggers_are_none():
    knobs = {
        "seed": np.int64(3),
        "lr": np.float32(0.5),
        "fast": np.bool_(False),
        "weights": Path("runs/x"),
        "logger": {},
    }
    assert typed(knobs) == ["seed=3", "lr=0.5", "fast=False", "weights=runs/x", "logger=[]"]


def test_a_second_project_in_one_process_is_refused(tmp_path):
    """Python has imported `src` of the first, and would train its classes."""
    import src.models.mlp  # noqa: F401

    with pytest.raises(ValueError, match="of another project, whose classes it would train; start Python anew"):
        litmus.run(epochs=1, project=tmp_path)


def test_a_class_of_ones_own_trains_and_follows_the_seed(tmp_path):
    runs = [litmus.run(data=Prices, seed=seed, **SHORT, directory=tmp_path / str(seed)) for seed in (0, 1)]
    assert runs[0].content["data"]["name"] == "prices"
    assert runs[0].content["baseline"]["train"] != runs[1].content["baseline"]["train"]


@pytest.mark.parametrize(
    ("knobs", "said"),
    [
        ({"epocs": 3}, "there is no knob epocs in this configuration; did you mean epochs?"),
        ({"study": "norm_helps"}, "asks for many trials: it needs -m"),
        ({"lr": -1}, "lr must be a number above 0, got -1"),
        ({"model": torch.nn.Linear(2, 2)}, "model: expected text, a number, a list or a mapping, got a Linear"),
        ({"model": partial(PlainNet, 3)}, "expected a class at the top of a module or a notebook"),
        ({"scheduler": torch.optim.lr_scheduler.StepLR}, "expected the name of a choice, or a mapping"),
        ({"scheduler": None}, "scheduler=null leaves the run without scheduler"),
        ("seed=1,2", "seed=1,2 gives several values, one run each"),
        ("-m", "-m: expected knobs, as 'lr=0.1' or lr=0.1, found an option of the command line"),
        ("--help", "--help: expected knobs"),
    ],
    ids=str,
)
def test_what_cannot_be_is_a_sentence(tmp_path, knobs, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        litmus.run(knobs, **SHORT, directory=tmp_path / "run")


def test_verdicts_are_the_same_from_whatever_holds_the_trials(tmp_path):
    draw = np.random.default_rng(0)
    rows = [
        {"norm": norm, "seed": np.int64(seed), "loss": 1 - 0.2 * (norm == "batch") + 0.02 * draw.normal()}
        for seed in range(5)
        for norm in ("none", "batch")
    ]
    frame = pandas.DataFrame(rows)
    frame.to_csv(tmp_path / "results.csv", index=False)
    tables = (rows, frame, polars.from_pandas(frame), tmp_path / "results.csv", [str(tmp_path / "results.csv")])
    judged = [litmus.judge({"study": STUDY}, table).verdicts["helps"] for table in tables]
    assert {verdict.verdict for verdict in judged} == {"confirmed"}
    assert len({verdict.reason for verdict in judged}) == 1


def test_one_judgement_before_is_the_look_that_a_list_of_it_is():
    rows = [{"norm": norm, "seed": seed, "loss": 1.0 + seed} for seed in range(5) for norm in ("none", "batch")]
    first = litmus.judge({"study": STUDY}, rows[:6])
    notes = [litmus.judge({"study": STUDY}, rows, before=before).looks.note for before in (first, [first], ())]
    assert notes[0] == notes[1] != notes[2]


def test_a_directory_below_the_home_directory_is_there(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    with litmus.python.composed(["epochs=1"], "~/run") as config:
        assert Path(config.output_dir) == tmp_path / "run"


@pytest.mark.parametrize("table", [3, [], [1, 2], {"norm": ["none"], "seed": [0], "loss": [1.0]}], ids=str)
def test_what_is_no_table_is_a_sentence(table):
    with pytest.raises(ValueError, match="expected the trials as a CSV file, a DataFrame or mappings"):
        litmus.judge(STUDY, table)


def test_a_run_beside_another_in_one_process_is_refused(tmp_path):
    """Both would draw from the same generators: "completed", with other numbers than alone."""
    with litmus.python._alone(), pytest.raises(ValueError, match="another run goes on in this process"):
        litmus.run(directory=tmp_path / "second", **SHORT)
    assert not (tmp_path / "second").exists()
    with pytest.raises(ValueError, match="norm"):
        litmus.run("norm=nothing", directory=tmp_path / "refused", **SHORT)
    litmus.run("model.units=[4]", directory=tmp_path / "after", **SHORT)  # a refused one leaves nothing locked


def test_a_terminal_without_letters_costs_no_run(tmp_path, monkeypatch):
    written = io.BytesIO()
    stream = io.TextIOWrapper(written, encoding="ascii", write_through=True)
    monkeypatch.setattr(sys, "stdout", stream)
    knobs = {**SHORT, "quiet": False, "callbacks.progress.every_seconds": 0}
    assert litmus.run("model.units=[4]", directory=tmp_path / "größer", **knobs).content["status"] == "completed"
    assert b"epoch 1/1 \\xb7 " in written.getvalue()
    assert stream.errors == "strict"
