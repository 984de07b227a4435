"""One fault takes no others along: whatever a job does to its process, the others end as if it had not been there."""

import os
import random
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest
from hydra.core.plugins import Plugins
from omegaconf import OmegaConf, open_dict

from litmus.atomic import write_json
from litmus.legible import read_object
from litmus.sweeps import launching, lock
from litmus.sweeps.apart import ended, run_apart
from litmus.sweeps.launching import Job, Launching
from litmus.sweeps.once import attempts, once, outcome_of
from litmus.trial.hydra_versions import BASE
from tests.sweep_helpers import QUESTION, results, sweep, write_study

pytestmark = pytest.mark.usefixtures("undrawn")

HASH = "asked"


class Death(BaseException):
    """What happens to a process that a job ends: nothing in it goes on."""


class Machine:
    """A launcher as joblib's or Hydra's own, whose jobs may end their process or fail to be sent to it.

    Args:
        directory: of the sweep.
        width: jobs that run side by side; with 1 and `own_process` false, the sweep's own process runs them.
        killers: places of jobs that always end their process.
        unsent: places of jobs that cannot be sent: the launcher raises and starts none of those launched with them.
    """

    def __init__(self, directory, width, killers=(), unsent=(), own_process=True):
        self.directory, self.width, self.own_process = directory, width, own_process
        self.killers, self.unsent = set(killers), set(unsent)
        self.began = []

    def launch(self, overrides, initial_job_idx):
        places = [Path(typed[-1].partition("=")[2].strip("'\"")) for typed in overrides]
        if self.unsent & set(map(str, places)):
            raise TypeError("cannot pickle a job")
        for start in range(0, len(places), self.width):
            side_by_side = places[start : start + self.width]
            for place in side_by_side:
                self._begin(place)
            dying = [place for place in side_by_side if str(place) in self.killers]
            if dying:
                if not self.own_process:
                    raise Death
                raise RuntimeError("a worker process was terminated")
            for place in side_by_side:
                self._end(place)
        return [SimpleNamespace(_return_value=None) for _ in places]

    def alone(self, *given):
        place = Path(given[-2][-1].partition("=")[2].strip("'\""))
        self._begin(place)
        if str(place) in self.killers:
            return "its process was ended by SIGKILL"
        self._end(place)
        return ""

    def _begin(self, place):
        self.began.append(str(place))
        begun = self.directory / place / "trial.json"
        write_json(begun, {"asked_hash": HASH, "attempts": 1 + attempts(read_object(begun))})

    def _end(self, place):
        write_json(self.directory / place / "result.json", {"status": "completed", "asked_hash": HASH})
        write_json(self.directory / place / "trial.json", {"asked_hash": HASH, "attempts": 0})


@pytest.fixture
def launched(tmp_path, monkeypatch):
    """Runs jobs 0 … n-1 to their end on a machine, starting the sweep again whenever its own process dies."""

    def run(machine, count, kind):
        target = {"joblib": "hydra_plugins.JoblibLauncher", "basic": "BasicLauncher"}[kind]
        settings = {"_target_": target, "n_jobs": machine.width}
        master = OmegaConf.create({"threads": 1, "hydra": {"launcher": settings}})
        monkeypatch.setattr(Plugins, "instance", lambda: SimpleNamespace(instantiate_launcher=lambda **_: machine))
        monkeypatch.setattr(launching, "run_apart", machine.alone)
        monkeypatch.setattr(launching, "prepare_data", lambda *_: None)
        jobs = [Job(Path(str(number)), (), HASH) for number in range(count)]
        for starts in range(1, 99):
            one = Launching(SimpleNamespace(master=master, context=None), None, machine.directory, [])
            try:
                one.run(one.to_run(jobs))
            except Death:
                continue
            return starts, {str(job.place): one.outcome(job) for job in jobs}
        raise AssertionError("a job blocks the sweep for ever")

    return run


@pytest.mark.briefly("0-joblib", "3-basic")
@pytest.mark.parametrize("kind", ["joblib", "basic"])
@pytest.mark.parametrize("seed", range(12))
def test_only_what_dies_alone_is_convicted(tmp_path, launched, kind, seed):
    draw = random.Random(seed)
    count, width = draw.randint(1, 30), draw.randint(2, 5) if kind == "joblib" else 1
    names = [str(number) for number in range(count)]
    killers = set(draw.sample(names, draw.randint(0, min(count, 6))))
    unsent = set(draw.sample(names, draw.randint(0, 1))) if kind == "joblib" else set()
    machine = Machine(tmp_path, width, killers, unsent - killers, own_process=kind == "joblib")
    starts, found = launched(machine, count, kind)
    assert {name for name, one in found.items() if one.state == "completed"} == set(names) - killers - machine.unsent
    assert {name for name, one in found.items() if one.state == "failed"} == killers | machine.unsent
    assert {found[name].error for name in killers} <= {"its process was ended by SIGKILL"}
    assert starts == (1 if kind == "joblib" else 1 + 2 * len(killers))
    # Each runs again at most once for every death that it was near.
    assert len(machine.began) <= count + 2 * len(killers) * width
    began = len(machine.began)
    assert launched(machine, count, kind)[0] == 1, "the same command tries killers again, alone"
    assert set(machine.began[began:]) == killers


def test_who_was_killed_from_outside_is_not_convicted(tmp_path, launched):
    write_json(tmp_path / "0" / "trial.json", {"asked_hash": HASH, "attempts": 7})
    _, found = launched(Machine(tmp_path, 1, own_process=False), 2, "basic")
    assert {one.state for one in found.values()} == {"completed"}


def ending():
    """A task that is sent by value, so that its process need not import the tests."""

    def task(config):
        if config.how == "exit":
            os._exit(3)
        if config.how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if config.how == "raise":
            raise ValueError("a mistake")

    return task


@pytest.mark.briefly("nothing-")
@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("exit", "its process ended with exit code 3"),
        ("kill", "its process was ended by SIGKILL"),
        ("raise", "a mistake"),
        ("nothing", ""),
    ],
)
def test_a_job_apart_tells_how_its_process_ended(tmp_path, how, said):
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from hydra.types import HydraContext

    (tmp_path / "plain.yaml").write_text("how: nothing\n")
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(tmp_path), **BASE):
        config = compose(
            "plain", return_hydra_config=True, overrides=[f"hydra.sweep.dir={tmp_path}", "hydra.mode=MULTIRUN"]
        )
        hydra = GlobalHydra.instance().hydra
        context = HydraContext(config_loader=hydra.config_loader, callbacks=None)
        from hydra._internal.callbacks import Callbacks

        context.callbacks = Callbacks(config)
        assert run_apart(context, ending(), config, [f"how={how}", "hydra.sweep.subdir=x"], 0) == said
    GlobalHydra.instance().clear()
    assert ended(0) == ""


@pytest.fixture
def config(compose, tmp_path):
    found = compose("epochs=1", f"output_dir={tmp_path / 'run'}")
    with open_dict(found):
        del found["hydra"]
    return found


@pytest.mark.parametrize("error", [SystemExit(3), SystemExit(), RuntimeError("x"), MemoryError(), GeneratorExit()])
def test_a_trial_that_leaves_its_program_is_a_failed_trial(tmp_path, config, error):

    def trial(resume):
        assert attempts(read_object(tmp_path / "run" / "trial.json")) == 1
        raise error

    once(config, trial)
    begun = read_object(tmp_path / "run" / "trial.json")
    assert attempts(begun) == 0, "a process that goes on has not died of it"
    assert outcome_of(tmp_path / "run", begun["asked_hash"]).state == "failed"


def test_ctrl_c_ends_the_sweep_and_is_no_attempt(tmp_path, config):

    def trial(resume):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        once(config, trial)
    assert attempts(read_object(tmp_path / "run" / "trial.json")) == 0


BAD = """
import sys
from src.models.mlp import MLP

class Unpicklable(Exception):
    def __init__(self, one, two):
        super().__init__(one)
        self.kept = lambda: two

class Bad(MLP):
    def __init__(self, *arguments, way="", **named):
        super().__init__(*arguments, **named)
        self.way = way

    def on_train_epoch_start(self):
        super().on_train_epoch_start()
        if self.way == "leave":
            sys.exit(3)
        if self.way == "quit":
            raise SystemExit
        if self.way == "unpicklable":
            raise Unpicklable("a part", 1)
        if self.way == "illegible":
            raise RuntimeError("half a pair \\ud800 and\\ntwo lines")
"""
WAYS = ("none", "leave", "quit", "unpicklable")


@pytest.fixture
def bad(tmp_path, monkeypatch):
    (tmp_path / "bad_parts.py").write_text(BAD)
    monkeypatch.syspath_prepend(str(tmp_path))
    return "bad_parts.Bad"


@pytest.mark.long
def test_a_study_goes_on_after_trials_that_leave_the_program(tmp_path, bad):
    arms = {way: {"+model.way": way} for way in WAYS}
    claim = {"kind": "compare", "better": "none", "than": "leave"}
    question = {**QUESTION, "arms": arms, "seeds": 1, "predictions": {"p": claim}}
    del question["factors"]
    write_study(tmp_path, study=question, model={"units": [4], "_target_": bad}, updates_per_epoch=1)
    sweep(tmp_path, "study=tiny")
    found = results(tmp_path / "studies" / "tiny" / "trials")
    assert {place.partition("/")[0]: result["status"] for place, result in found.items()} == {
        "none": "completed", "leave": "failed", "quit": "failed", "unpicklable": "failed",
    }  # fmt: skip


@pytest.mark.long
def test_a_plain_multirun_runs_all_and_names_every_job_that_failed(tmp_path, bad, capsys):
    ways = (*WAYS, "illegible")
    typed = (f"model._target_={bad}", "epochs=1", "updates_per_epoch=1", "model.units=[4]", "hydra.sweep.dir=many")
    with pytest.raises(ValueError, match=r"4 of 5 jobs failed; python scripts/compare\.py many shows all") as failed:
        sweep(tmp_path, f"+model.way={','.join(WAYS)},illegible", "seed=1", *typed, "data=social_network_ads")
    assert len(str(failed.value).splitlines()) == 1
    said = capsys.readouterr().out
    assert said.encode()
    for number, way in enumerate(ways):
        lines = [line for line in said.splitlines() if line.startswith(f"{number} ") and f"way={way}" in line]
        assert len(lines) == (way != "none")
        assert all(f"many/{number}  " in line for line in lines)
    assert [one["status"] for one in results(tmp_path / "many").values()] == [
        "completed" if way == "none" else "failed" for way in ways
    ]


@pytest.mark.briefly(0)
@pytest.mark.parametrize("launcher", ["basic", "joblib"])
@pytest.mark.parametrize("subdir", ["same", "${lr}", "a/${norm}-${lr}"])
def test_jobs_that_would_write_over_each_other_are_refused_before_the_first(tmp_path, launcher, subdir):
    """The last of them was left, and nobody was told of the others."""
    typed = (
        "seed=1,2",
        "lr=0.1,0.2",
        f"hydra/launcher={launcher}",
        "hydra.sweep.dir=many",
        f"hydra.sweep.subdir={subdir}",
    )
    with pytest.raises(
        ValueError, match=r"gives several jobs the directory many/.*, where each would write over the one"
    ):
        sweep(tmp_path, *typed)
    assert not list(tmp_path.rglob("trial.json"))


@pytest.mark.long
@pytest.mark.parametrize(
    "subdir", ["${seed}", "${hydra.job.override_dirname}", "x-${hydra.job.num}", "${hydra.job.id}"]
)
def test_jobs_have_any_directories_of_their_own(tmp_path, subdir):
    typed = ("seed=1,2", "epochs=1", "updates_per_epoch=1", "hydra.sweep.dir=many", f"hydra.sweep.subdir={subdir}")
    sweep(tmp_path, *typed, "data=social_network_ads", "model.units=[4]")
    assert [one["status"] for one in results(tmp_path / "many").values()] == ["completed"] * 2


def test_a_lock_outlives_no_failed_trial(tmp_path, config):
    def trial(resume):
        raise SystemExit

    once(config, trial)
    with lock.held(tmp_path / "run"):
        pass


def test_a_run_alone_that_a_part_ends_says_so_in_a_sentence(tmp_path, bad, refused):
    assert "a part of the run called sys.exit(3)" in refused(f"model._target_={bad}", "+model.way=leave", "epochs=1")
    assert results(tmp_path)["run"]["status"] == "failed"
