"""What a study's file and command may ask: a study runs as a study, or is refused in one sentence before any trial."""

import errno
import os
from pathlib import Path

import pytest
import yaml

from litmus.sweeps import study_sweep
from litmus.sweeps.snapshot import copied
from litmus.trial.command_line import sentence, sweep_arguments
from tests.sweep_helpers import QUESTION, TINY, results, sweep, write_study

pytestmark = pytest.mark.usefixtures("undrawn")

FIRST_LINE = "# @package _global_\n"
RATE = "lr=tag(log,interval(1e-4,1e-1))"


def refusal(folder, *arguments):
    with pytest.raises(Exception) as caught:  # noqa: PT011 - the sentence is what counts
        sweep(folder, *arguments)
    told = sentence(caught.value)
    assert "\n" not in told
    assert "HYDRA_FULL_ERROR" not in told, "a mistake is no error of the program"
    assert not results(folder)
    return told


def asking(**changed):
    return {key: value for key, value in {**QUESTION, **changed}.items() if value is not None}


def between(knob, one, other):
    claim = {"kind": "compare", "better": {knob: one}, "than": {knob: other}}
    return asking(factors={knob: [one, other]}, predictions={"p": claim})


@pytest.mark.briefly(0)
@pytest.mark.parametrize("sweeper", [{"defaults": [{"override /hydra/sweeper": "study"}]}, {}])
def test_a_study_is_one_with_and_without_its_sweeper_line(tmp_path, monkeypatch, sweeper):
    asked = []
    monkeypatch.setattr(study_sweep, "answer_study", lambda one, *_: asked.append(one.name))
    path = tmp_path / "study" / "bare.yaml"
    path.parent.mkdir()
    path.write_text(FIRST_LINE + yaml.safe_dump({**sweeper, **TINY, "study": QUESTION}))
    sweep(tmp_path, "study=bare", "study.seeds=3")
    assert asked == ["bare"]


@pytest.mark.briefly(0, 3, 6)
@pytest.mark.parametrize(
    "content",
    [
        "- question: x\n",
        "",
        FIRST_LINE + "epochs: 1\n",
        FIRST_LINE + "study:\n",
        FIRST_LINE + "study: [1, 2]\n",
        FIRST_LINE + "study: a word\n",
        FIRST_LINE + "study: {}\n",
        yaml.safe_dump({"study": QUESTION}),
    ],
)
def test_a_file_that_is_no_study_is_refused_by_name(tmp_path, content):
    path = tmp_path / "study" / "odd.yaml"
    path.parent.mkdir()
    path.write_text(content)
    said = refusal(tmp_path, "study=odd")
    assert said.startswith("configs/study/odd.yaml must begin with '# @package _global_' and have a study: node")


@pytest.mark.long
@pytest.mark.parametrize(
    ("knob", "choices", "said"),
    [
        ("norm", ["none", "batsh"], "norm must be one of none, batch, layer, instance, group, got batsh"),
        ("optimizer", ["adamw", "adammw"], "optimizer has no choice adammw"),
        ("batch_size", [32, 64, 0], "batch_size must be a whole number from 1 on, or all, got 0"),
    ],
)
def test_every_choice_that_will_be_tuned_is_one_before_anything_runs(tmp_path, knob, choices, said):
    other = {"lr": {"log": [1e-3, 1e-1], "trials": 2, "sampler": "grid"}}
    nuisance = other | {knob: {"choices": choices, "trials": len(choices), "sampler": "grid"}}
    write_study(tmp_path, study=asking(nuisance=nuisance))
    assert refusal(tmp_path, "study=tiny").startswith(f"the arm dropout=0: {said}")


@pytest.mark.briefly(0, 3, 5, 7, 10)
@pytest.mark.parametrize("seeds", [[-1], [2**32], [0, -5], 2**32 + 1, 0, -1, [], [1, 1], [True], [1.5], "3", None])
def test_seeds_are_those_that_generators_take(tmp_path, seeds):
    write_study(tmp_path, study=QUESTION | {"seeds": seeds})
    assert refusal(tmp_path, "study=tiny").startswith("study.seeds must ")


OF_RUNNING = (
    *("hydra.sweep.dir", "hydra/launcher", "output_dir", "resume", "data_dir", "data.data_dir", "logger"),
    *("logger.csv.x", "threads", "fast", "model.recompute", "study.smoke", "search.seed", "+hydra.run.dir"),
)


@pytest.mark.briefly("resume", "threads", "hydra/launcher", "+hydra.run.dir")
@pytest.mark.parametrize("number", range(len(OF_RUNNING)), ids=OF_RUNNING)
def test_what_changes_no_number_is_no_treatment(tmp_path, number):
    """As a factor, fixed, or tuned, in turns."""
    knob = OF_RUNNING[number]
    nodes = (
        between(knob, "a", "b"),
        asking(fixed={knob: "a"}),
        asking(nuisance={knob: {"choices": ["a", "b"], "trials": 2}}),
    )
    write_study(tmp_path, study=nodes[number % len(nodes)])
    assert f"{knob}, which says where or how trials run and is no treatment" in refusal(tmp_path, "study=tiny")


@pytest.mark.briefly(1, 3)
@pytest.mark.parametrize("knob", ["output_dir", "threads", "data_dir", "resume", "model.recompute"])
def test_nor_is_it_searched(tmp_path, knob):
    assert f"it varies {knob}, which says where or how" in refusal(tmp_path, "search=random", f"{knob}=1,2")


@pytest.mark.long
def test_what_computes_is_a_treatment(tmp_path, monkeypatch):
    monkeypatch.setattr(study_sweep, "answer_study", lambda *_: None)
    write_study(tmp_path, study=between("trainer.accelerator", "cpu", "auto"))
    sweep(tmp_path, "study=tiny")


@pytest.mark.briefly(0)
@pytest.mark.parametrize("metric", ["nope/loss", "tests/acc", "/loss"])
def test_a_split_that_no_run_has_is_refused_before_any_trial(tmp_path, metric):
    write_study(tmp_path, study=asking(quantities={"loss": {"metric": metric, "sesoi": "2%"}}))
    assert refusal(tmp_path, "study=tiny").startswith(
        "study.quantities.loss.metric must be a metric of train, val, test"
    )
    if metric.endswith("loss"):
        assert "must be a metric of" in refusal(tmp_path, "search=random", RATE, f"search.metric={metric}")


@pytest.mark.long
def test_a_metric_that_no_trial_records_costs_one_trial(tmp_path):
    quantity = {"metric": "val/nope", "sesoi": 0.1, "direction": "down"}
    write_study(tmp_path, study=asking(quantities={"loss": quantity}), updates_per_epoch=1)
    with pytest.raises(
        ValueError, match=r"study.quantities.loss.metric=val/nope is not among what .* recorded: .*val/acc"
    ):
        sweep(tmp_path, "study=tiny")
    assert [one["status"] for one in results(tmp_path / "studies").values()] == ["completed"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["study=a,b"], "study=a,b: expected one study or one search, got several"),
        (["study=a", "study=b"], "study=a study=b: expected one study or one search"),
        (["study=a", "search=tpe"], "study=a search=tpe: expected one study or one search"),
        (["study=a", "hydra/sweeper=basic"], "hydra/sweeper=basic: a study has a sweeper of its own"),
        (["search=tpe", "hydra/sweeper=study"], "hydra/sweeper=study: a search has a sweeper of its own"),
    ],
)
def test_a_command_asks_one_thing(arguments, said):
    with pytest.raises(ValueError, match=said):
        sweep_arguments(["-m", *arguments])


def test_a_command_is_read_as_it_was_meant():
    assert sweep_arguments(["-m", "study=a", "study.seeds=3"]) == [
        "-m",
        "study=a",
        "++study.seeds=3",
        "hydra/sweeper=study",
    ]
    replaced = sweep_arguments(["-m", "study=a", "study.seeds=[3,4]"])
    assert replaced[2:4] == ["++study.seeds=0", "++study.seeds=[3,4]"]
    assert sweep_arguments(["-m", "search=tpe", "hydra/sweeper=search"])[-1] == "hydra/sweeper=search"
    for plain in (["-m", "lr=1,2"], ["epochs=3"], ["study=null"], ["study="], ["-m", "study=null", "lr=1,2"]):
        assert sweep_arguments(plain) == plain


def test_a_snapshot_that_a_disk_has_no_room_for_is_told_with_its_place(tmp_path, monkeypatch):
    write_study(tmp_path)

    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="No space left") as caught:
        copied(tmp_path / "study", tmp_path / "own" / ".configs")
    assert sentence(caught.value).startswith(f"{tmp_path}/own/.configs/")
    assert sentence(caught.value).endswith("(No space left on device); make room there, or name another place")


def test_a_snapshot_of_a_folder_that_holds_sweeps_does_not_grow_with_each_start(tmp_path):
    write_study(tmp_path)
    own, other = tmp_path / "studies" / "tiny", tmp_path / "studies" / "other"
    copied(tmp_path, other / ".configs")
    for start in range(5):
        copy = copied(tmp_path, own / ".configs")
        assert [path.relative_to(copy).as_posix() for path in copy.rglob("*.yaml")] == ["study/tiny.yaml"]
        (own / "study.yaml").write_text("study: {}")
        (own / "trials" / ".hydra").mkdir(parents=True, exist_ok=True)
        (own / "trials" / ".hydra" / "config.yaml").write_text(f"seed: {start}")
    assert len(list((own / ".configs").iterdir())) == 1


def test_a_snapshot_holds_what_links_lead_to_and_ends_where_they_lead_back(tmp_path):
    shared, folder = tmp_path / "shared", tmp_path / "conf"
    write_study(folder)
    shared.mkdir()
    (shared / "mine.yaml").write_text("batch_size: 7\n")
    (folder / "data").symlink_to(shared)
    (folder / "more").symlink_to(shared)
    (folder / "study" / "again").symlink_to(folder)
    (shared / "itself").symlink_to(shared)
    copy = copied(folder, tmp_path / "own" / ".configs")
    found = sorted(path.relative_to(copy).as_posix() for path in copy.rglob("*.yaml"))
    assert found == ["data/mine.yaml", "more/mine.yaml", "study/tiny.yaml"]
    assert (copy / "data" / "mine.yaml").read_text() == "batch_size: 7\n"
