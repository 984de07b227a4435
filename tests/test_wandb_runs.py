"""What a run leaves for W&B: one run per job, with what its views need, and nothing left open."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from litmus.compare.wandb.subject import read_subject
from litmus.report.multirun import read_multirun
from litmus.sweeps import study_sweep
from litmus.trial.history import read_history
from tests.conftest import ROOT
from tests.sweep_helpers import QUESTION, results, sweep, write_study
from tests.wandb_server import KEY, offline, serving

pytestmark = pytest.mark.xdist_group("wandb")  # one service process of W&B for all of them
TINY = ("epochs=2", "updates_per_epoch=3", "model.units=[4]", "threads=1", "logger=wandb")
UNITS = ("epoch", "updates", "samples", "seconds")


@pytest.fixture(autouse=True)
def without_a_key(tmp_path, monkeypatch):
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "no netrc"))


@pytest.fixture
def server(monkeypatch):
    """A W&B server that has a key for us."""
    import wandb

    wandb.teardown()  # what it remembers of the environment
    with serving() as running:
        monkeypatch.setenv("WANDB_BASE_URL", running.url)
        monkeypatch.setenv("WANDB_API_KEY", KEY)
        monkeypatch.setenv("WANDB_SILENT", "true")
        yield running
        wandb.teardown()


def logger(directory, **named):
    from litmus.trial.wandb_logger import WandbLogger

    return WandbLogger(str(directory), **named)


def row(epoch):
    units = {"epoch": epoch, "updates": 3.0 * (epoch + 1), "samples": 96.0 * (epoch + 1), "seconds": 0.5 * (epoch + 1)}
    return units | {"val/loss": 1 / (epoch + 1)}


def keep(directory, epochs):
    """metrics.csv as History leaves it."""
    rows = [row(epoch) for epoch in range(epochs)]
    lines = [",".join(rows[0]), *(",".join(map(str, one.values())) for one in rows)]
    (directory / "metrics.csv").write_text("\n".join(lines) + "\n")


def end(one, status="completed", arm=None, code=None, **counters):
    import wandb

    result = {"status": status, "error": None, "metrics": {}, "counters": counters, "best_epoch": 0}
    one.log_result({**result, "arm": arm, "code": code})
    wandb.finish()


@pytest.mark.long
def test_every_job_of_a_multirun_is_one_whole_run_and_a_crash_leaves_nothing_open(tmp_path):
    import wandb

    place = tmp_path / "sweeps" / "rates"
    with pytest.raises(ValueError, match="2 of 4 jobs failed"):
        sweep(tmp_path, *TINY, "norm=none", "optimizer=sgd", "lr=0.01,1e30", "seed=0,1", f"hydra.sweep.dir={place}")
    assert wandb.run is None
    found = results(place)
    assert [found[str(job)]["status"] for job in range(4)] == ["completed", "completed", "failed", "failed"]
    for job, result in found.items():
        assert len(list((place / job).glob("wandb/*run-*"))) == 1
        run, arm = offline(place / job), next(one for one in result["overrides"] if one.startswith("lr="))
        assert (run["group"], run["project"], run["job_type"]) == ("sweeps/rates", "litmus", "trial")
        assert run["name"] == f"{arm} seed {result['seed']}"
        assert run["tags"] == ["mnist1d", "mlp"]
        assert list(run["config"])[:3] == ["arm", "seed", "lr"]
        assert run["config"]["arm"] == arm
        assert run["config"]["lr"] == result["config"]["lr"]
        assert run["config"]["model/units"] == [4]
        assert not any(key.startswith(("logger", "output_dir", "threads")) for key in run["config"])
        assert (run["exitcode"] == 0) == (result["status"] == "completed")
        for name, value in {**result["metrics"], **result["counters"]}.items():
            if name != "path":  # a word, which no chart draws
                assert run["summary"][name] == value, name
        assert run["summary"]["status"] == result["status"]
        if result["status"] == "completed":
            rows = read_history(place / job / "metrics.csv")
            assert [{name: one[name] for name in rows[0]} for one in run["history"]] == rows
    assert {offline(place / job)["config"]["arm"] for job in found} == set(read_multirun(place).arms)


@pytest.mark.long
def test_every_metric_can_be_drawn_over_each_unit(tmp_path):
    one = logger(tmp_path)
    one.log_metrics(row(0), step=3)
    one.log_metrics({"gradient": 2.0}, step=3)
    one.log_metrics({"test/loss": 0.5, "test/acc": 0.5}, step=3)
    end(one)
    run = offline(tmp_path)
    assert run["metrics"] == {**dict.fromkeys(UNITS, ""), "*": "updates"}
    # what others log has its place by updates; the test is of no epoch and is no point of a curve
    assert [set(point) - {"_step", "_runtime", "_timestamp"} for point in run["history"]] == [
        {*UNITS, "val/loss"},
        {"updates", "gradient"},
    ]
    assert [point["_step"] for point in run["history"]] == [0, 1]
    assert run["summary"]["test/loss"] == 0.5


@pytest.mark.long
def test_a_studys_runs_say_which_trial_of_which_arm_they_are(tmp_path, monkeypatch):
    monkeypatch.setattr(study_sweep, "report", lambda directory, name: None)
    arms = {"plain": {}, "grown": {"batching": "geometric", "batching.start": 8, "batching.stop": 16}}
    nuisance = {"lr": {"log": [1e-3, 1e-2], "trials": 1}}
    study = {
        "question": "?",
        "arms": arms,
        "seeds": 1,
        "tuning_seeds": 1,
        "nuisance": nuisance,
        "quantities": QUESTION["quantities"],
    }
    write_study(tmp_path, study=study)
    sweep(tmp_path, "study=tiny", *TINY)
    directory = tmp_path / "studies" / "tiny"
    trial, tune = offline(directory / "trials/grown/seed=0"), offline(directory / "tuning/grown/trial=0")
    assert (trial["name"], trial["job_type"]) == ("grown seed 0", "trial")
    assert (tune["name"], tune["job_type"]) == ("grown tuning 0 seed 10000", "tune")
    assert trial["group"] == tune["group"] == "studies/tiny"
    first = {"arm": "grown", "study": "tiny", "seed": 0, "batching": "geometric", "batching/start": 8}
    assert list(trial["config"].items())[:6] == list({**first, "batching/stop": 16}.items())
    # an arm has its value of what only another arm changes
    plain = offline(directory / "trials/plain/seed=0")["config"]
    assert (plain["batching"], "batching/stop" in plain) == ("fixed", False)


@pytest.mark.long
def test_a_single_run_is_named_by_what_was_typed(trial, tmp_path):
    trial(*TINY, "norm=batch", "seed=3")
    assert offline(tmp_path / "run")["name"].endswith("norm=batch seed 3")
    assert "threads" not in offline(tmp_path / "run")["name"]
    one = logger(tmp_path / "12-00-00")
    one.log_metrics(row(0))
    end(one)
    assert offline(tmp_path / "12-00-00")["name"] == "12-00-00"


@pytest.mark.long
@pytest.mark.parametrize("repeated", [0, 1])
def test_a_run_that_goes_on_offline_is_the_same_run_and_holds_all_of_it(tmp_path, repeated):
    one = logger(tmp_path, arm="a", seed=0, group="g")
    for epoch in range(3):
        one.log_metrics(row(epoch))
    end(one, "interrupted")
    first = json.loads((tmp_path / "wandb.json").read_text())
    keep(tmp_path, 3)
    for left in tmp_path.glob("wandb/offline-run-*"):
        left.rename(left.with_name(left.name.replace("offline-run-20", "offline-run-19")))  # of an earlier second
    again = logger(tmp_path, resume=str(tmp_path))  # `resume=DIR` does not say again who the run is
    again.log_metrics(row(3 - repeated))
    end(again, epochs=4)
    run = offline(tmp_path)
    assert (run["id"], run["name"], run["group"]) == (first["id"], "a seed 0", "g")
    assert [point["epoch"] for point in run["history"]] == list(range(4 - repeated))
    assert len(list(tmp_path.glob("wandb/offline-run-*"))) == 2


def test_a_run_that_had_only_its_test_left_holds_its_epochs_too(tmp_path):
    keep(tmp_path, 2)
    one = logger(tmp_path)
    one.log_metrics({"test/loss": 0.5})
    end(one, epochs=2)
    assert [point["epoch"] for point in offline(tmp_path)["history"]] == [0, 1]


@pytest.mark.long
def test_a_run_that_goes_on_online_adds_each_epoch_once(tmp_path, server):
    one = logger(tmp_path, arm="a", seed=0, group="g")
    for epoch in range(3):
        one.log_metrics(row(epoch))
    end(one, "interrupted")
    keep(tmp_path, 3)
    again = logger(tmp_path, arm="a", seed=0, group="g")
    for epoch in (2, 3):  # its last checkpoint was of epoch 1
        again.log_metrics(row(epoch))
    end(again, epochs=4)
    (run,) = server.runs.values()
    assert [point["epoch"] for point in run["history"]] == [0, 1, 2, 3]
    assert run["summary"]["epochs"] == 4


def test_names_are_as_long_as_w_and_b_takes_them(tmp_path):
    one = logger(tmp_path, arm="a" * 200, seed=3, group="g" * 200, tags=["t" * 65, None, "short"])
    named = one.identity
    assert [len(named[key]) for key in ("name", "group")] == [128, 128]
    assert named["name"].endswith("a seed 3")
    assert [len(tag) for tag in named["tags"]] == [64, 5]
    assert named["arm"] == "a" * 200


def test_a_job_is_tuned_or_tried(tmp_path):
    with pytest.raises(ValueError, match="job_type must be tune or trial, got 'train'"):
        logger(tmp_path, job_type="train")


def test_a_run_carries_the_digest_of_its_arm_and_of_its_code(tmp_path):
    one = logger(tmp_path, factors={"norm": "batch"}, seed=3)
    one.log_hyperparams({"norm": "batch", "seed": 3})
    one.log_metrics(row(0), step=3)
    end(one, arm="a" * 16, code="b" * 16)
    config = offline(tmp_path)["config"]
    assert (config["arm"], config["arm_id"], config["code"]) == ("norm=batch", "a" * 16, "b" * 16)
    other = logger(tmp_path / "without")
    other.log_metrics(row(0), step=3)
    end(other, arm=None)
    assert not {"arm_id", "code"} & set(offline(tmp_path / "without")["config"])


# ------------------------------------------------------------------------------------------------ under wandb agent


# As an agent sets it for its commands: which run each is, the server says.
OF_AN_AGENT = {
    "WANDB_SWEEP_ID": "sweep",
    "WANDB_RUN_ID": "theirs",
    "WANDB_PROJECT": "watched",
    "WANDB_ENTITY": "me",
}


@pytest.mark.long
def test_under_an_agent_the_record_is_of_the_run_that_the_sweep_knows(trial, tmp_path, server, monkeypatch):
    for name, value in OF_AN_AGENT.items():
        monkeypatch.setenv(name, value)
    trial(*TINY, "logger.wandb.project=mine")  # what the sweep says counts
    kept = json.loads((tmp_path / "run" / "wandb.json").read_text())
    assert (kept["id"], kept["project"], kept["entity"]) == ("theirs", "watched", "me")
    place = read_subject(tmp_path / "run").place  # where a view goes, and which runs it finds
    assert (place.project, place.entity, place.runs("trial")) == ("watched", "me", {"id": ["theirs"]})
    assert set(server.runs) == {"theirs"}
    run = server.runs["theirs"]
    assert run["project"] == "watched"
    assert [point["val/loss"] > 0 for point in run["history"]] == [True, True]  # which the sweep watches
    assert run["summary"]["val/loss"] > 0


@pytest.mark.long
def test_the_agent_runs_the_shipped_sweep(tmp_path, server):
    environment = dict(os.environ) | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    environment |= {"WANDB_DIR": str(tmp_path), "HOME": str(tmp_path), "WANDB_SILENT": "false"}
    node = yaml.safe_load((ROOT / "configs" / "wandb_sweep.yaml").read_text())
    place = "hydra.run.dir=" + str(tmp_path / "${oc.env:WANDB_RUN_ID}")
    node["command"][-1:] = ["epochs=2", *TINY[1:], place, node["command"][-1]]
    (tmp_path / "sweep.yaml").write_text(yaml.safe_dump(node))

    def wandb(*arguments):
        command = [sys.executable, "-m", "wandb", *arguments]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        return done.stderr

    assert "wandb agent me/litmus/sweep0" in wandb("sweep", str(tmp_path / "sweep.yaml"))
    server.to_come = [("first", {"lr": 0.003, "batch_size": 64}), ("second", {"lr": 0.03, "batch_size": 16})]
    wandb("agent", "--count", "1", "me/litmus/sweep0")
    node["command"][-1] = "${args}"  # as an agent types where nothing is said
    server.sweeps = {"sweep0": yaml.safe_dump(node)}
    wandb("agent", "--count", "1", "me/litmus/sweep0")
    for name, rate in (("first", 0.003), ("second", 0.03)):
        kept = json.loads((tmp_path / name / "wandb.json").read_text())
        assert (kept["id"], kept["project"], kept["entity"]) == (name, "litmus", "me")
        assert json.loads((tmp_path / name / "result.json").read_text())["arm"]
        assert json.loads(server.runs[name]["config"])["lr"]["value"] == rate
        assert len(server.runs[name]["history"]) == 2
        assert node["metric"]["name"] in server.runs[name]["summary"]
    assert set(server.runs) == {"first", "second"}
