"""Runs that W&B does not have yet are told of once, with the line that uploads them; and whose runs they are."""

import shlex

import pytest

from litmus.trial.offline import offline_run, told_of_run, told_of_sweep
from tests.sweep_helpers import sweep
from tests.wandb_server import offline

pytestmark = pytest.mark.usefixtures("undrawn")

TINY = ("epochs=1", "updates_per_epoch=2", "model.units=[4]", "threads=1", "logger=wandb")


@pytest.fixture(autouse=True)
def without_a_key(tmp_path, monkeypatch):
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("NETRC", str(tmp_path / "no netrc"))


def left(trial, *names, synced=()):
    """What W&B leaves in a trial's directory: a folder for each run."""
    trial.mkdir(parents=True, exist_ok=True)
    (trial / "wandb.json").write_text("{}")
    for name in names:
        run = trial / "wandb" / name
        run.mkdir(parents=True)
        (run / "run-a.wandb").touch()
        if name in synced:
            (run / "run-a.wandb.synced").touch()
    return trial


NEW, OLD, ONLINE = "offline-run-20261126_0101-a", "offline-run-20261125_0101-a", "run-20261127_0101-a"


@pytest.mark.parametrize(
    ("names", "synced", "expected"),
    [
        ((), (), None),
        ((NEW,), (), NEW),
        ((OLD, NEW), (), NEW),
        ((OLD, NEW), (OLD,), NEW),
        ((NEW,), (NEW,), None),
        ((NEW, ONLINE), (), None),
    ],
)
def test_a_run_is_told_of_where_w_and_b_lacks_it(tmp_path, monkeypatch, names, synced, expected):
    monkeypatch.chdir(tmp_path)
    trial = left(tmp_path / "a run", *names, synced=synced)
    told = told_of_run(trial)
    assert bool(told) == (expected is not None) == bool(told_of_sweep(tmp_path))
    if expected:
        words = shlex.split(told.partition(": ")[2])
        assert words == ["wandb", "sync", f"a run/wandb/{expected}", "uploads", "it"]


def test_a_sweeps_runs_are_counted_and_uploaded_by_one_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for seed in range(3):
        left(tmp_path / "studies/my study/trials/a=1,b=2" / f"seed={seed}", NEW, synced=[NEW][: seed == 0])
    left(tmp_path / "studies/my study/tuning/a=1,b=2/trial=0", NEW)
    assert told_of_sweep(tmp_path / "studies/my study") == (
        "3 offline W&B runs in 'studies/my study': python scripts/wandb_views.py 'studies/my study' --sync uploads them"
    )


@pytest.mark.xdist_group("wandb")
@pytest.mark.parametrize(
    ("project", "entity", "typed", "found"),
    [
        (None, None, (), ("litmus", None)),
        ("mine", "us", (), ("mine", "us")),
        ("2027", "", (), ("2027", None)),
        ("", "", (), ("litmus", None)),
        ("mine", "us", ("logger.wandb.project=typed", "logger.wandb.entity=them"), ("typed", "them")),
    ],
)
def test_the_project_is_the_environments_unless_one_is_typed(
    compose, tmp_path, monkeypatch, project, entity, typed, found
):
    from hydra.core.hydra_config import HydraConfig

    from litmus.trial.making import instantiate

    for name, value in (("WANDB_PROJECT", project), ("WANDB_ENTITY", entity)):
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, value)
    config = compose("logger=wandb", *typed, f"hydra.runtime.output_dir={tmp_path}", "hydra.mode=RUN")
    HydraConfig.instance().set_config(config)
    logger = instantiate(config.logger.wandb)
    assert (logger.identity["project"], logger.identity["entity"]) == found


@pytest.mark.long
@pytest.mark.xdist_group("wandb")
def test_a_single_run_ends_with_where_it_is_and_a_sweep_with_one_line_for_all(trial, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("WANDB_PROJECT", "mine")
    trial(*TINY)
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == told_of_run(tmp_path / "run")
    assert offline_run(tmp_path / "run").name in last
    assert offline(tmp_path / "run")["project"] == "mine"
    sweep(tmp_path, *TINY, "seed=0,1", "hydra.sweep.dir=jobs")
    said = [line for line in capsys.readouterr().out.splitlines() if "offline W&B" in line]
    assert said == ["2 offline W&B runs in jobs: python scripts/wandb_views.py jobs --sync uploads them"]


def test_where_nothing_is_logged_for_w_and_b_nothing_is_said_of_it(trial, capsys):
    trial(*TINY[:-1])
    assert "W&B" not in capsys.readouterr().out
