"""Of several processes none outlives the first, and the first tells what ended any of them."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from litmus.trial import processes
from litmus.trial.processes import FIRST, forget, heard, keep_together, listen, one_story, tell
from tests.conftest import ROOT

ECHO = RuntimeError("[gloo/transport/tcp/pair.cc:537] Read error: Connection reset by peer")
pytestmark = pytest.mark.long
# The second process is started as Lightning starts it: with the first's environment and a rank of its own.
PAIR = """
import os, subprocess, sys, time
from litmus.trial.processes import keep_together
keep_together()
if os.environ.get("LOCAL_RANK", "0") == "0":
    child = subprocess.Popen([sys.executable, "-c", sys.argv[1], *sys.argv[1:]], env={**os.environ, "LOCAL_RANK": "1"})
    print(child.pid, flush=True)
time.sleep(60)
"""


def _first(directory, problem, several=True):
    with one_story(directory, lambda: 0, lambda: several):
        raise problem


def _other(directory, rank, problem):
    with pytest.raises(type(problem)), one_story(directory, lambda: rank, lambda: True):
        raise problem


@pytest.fixture(autouse=True)
def not_started_by_lightning(monkeypatch):
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    monkeypatch.setenv(FIRST, "")
    monkeypatch.setattr(processes, "COMES", 0.2)


@pytest.mark.parametrize("seconds", [0.0, 0.3])
def test_a_killed_first_process_takes_the_others_along(seconds):
    first = subprocess.Popen([sys.executable, "-c", PAIR, PAIR], cwd=ROOT, stdout=subprocess.PIPE)
    other = int(first.stdout.readline())
    time.sleep(seconds)
    first.kill()
    first.wait()
    deadline = time.monotonic() + 10
    while _runs(other) and time.monotonic() < deadline:
        time.sleep(0.05)
    outlived = _runs(other)
    if outlived:
        os.kill(other, signal.SIGKILL)
    first.stdout.close()
    assert not outlived


def _runs(process):
    try:
        return psutil.Process(process).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_nobody_is_watched_without_a_first_process_of_this_program(monkeypatch):
    """torchrun and Slurm start all processes alike, and end them."""
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.delenv(FIRST)
    monkeypatch.setattr(processes.threading, "Thread", lambda **arguments: pytest.fail("watches"))
    keep_together()


@pytest.mark.parametrize(
    ("told", "raised", "said"),
    [
        (ValueError("no sensor"), ValueError, "no sensor"),
        (FloatingPointError("the loss became nan"), FloatingPointError, "the loss became nan"),
        (KeyError("missing"), RuntimeError, "KeyError: 'missing'"),
    ],
)
def test_the_first_process_tells_what_ended_another(tmp_path, told, raised, said):
    _other(tmp_path, 2, told)
    _other(tmp_path, 1, ECHO)  # it heard of the same, a moment later
    with pytest.raises(raised) as error:
        _first(tmp_path, ECHO)
    assert str(error.value) == said
    assert error.value.__cause__ is ECHO
    assert not list(tmp_path.iterdir())


def test_its_own_error_is_told_first(tmp_path):
    _other(tmp_path, 1, ValueError("theirs"))
    with pytest.raises(ValueError, match="mine"):
        _first(tmp_path, ValueError("mine"))


def test_a_process_that_was_killed_is_told_as_such(tmp_path):
    with pytest.raises(RuntimeError, match=r"another process of this run ended without a word; .*peer"):
        _first(tmp_path, ECHO)
    with pytest.raises(KeyError, match="own"):
        _first(tmp_path, KeyError("own"))


def test_one_process_waits_for_nobody(tmp_path):
    tell(tmp_path, 1, ValueError("of an earlier run"))
    with pytest.raises(RuntimeError, match="peer"):
        _first(tmp_path, ECHO, several=False)
    forget(tmp_path)
    assert heard(tmp_path) is None


def test_a_first_process_that_waits_for_ever_is_ended_with_what_another_told(tmp_path, monkeypatch):
    ended = []
    monkeypatch.setattr(processes, "LOOK", 0.01)
    monkeypatch.setattr(processes, "ENDS", 0.01)
    monkeypatch.setattr(processes.os, "_exit", ended.append)
    tell(tmp_path, 1, ValueError("of an earlier run"))
    listen(tmp_path, ended.append)
    time.sleep(0.1)
    assert not ended
    tell(tmp_path, 1, ValueError("no sensor"))
    deadline = time.monotonic() + 5
    while len(ended) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert [str(one) for one in ended] == ["no sensor", "1"]
