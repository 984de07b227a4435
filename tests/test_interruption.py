"""An optimization that is killed anywhere, once or often, is the whole one: point by point, value by value."""

import io
import json
from math import log10

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from rich.console import Console

from litmus.sweeps.once import Outcome
from litmus.sweeps.optimization import SAMPLERS, Optimization, journal
from litmus.sweeps.optimize import optimize

SPACE = {
    "lr": FloatDistribution(1e-4, 1e-1, log=True),
    "norm": CategoricalDistribution(["none", "batch"]),
    "width": IntDistribution(1, 64),
}
TOTAL = 20  # samplers that learn begin to do so after ten


class Disk:
    """What trials leave: their outcome is a function of their values, and stays when a process dies."""

    def __init__(self, width):
        self.width, self.left = width, {}
        self.ran = []

    def outcome(self, job):
        return self.left.get(job, Outcome("waiting"))

    def to_run(self, jobs):
        return [job for job in jobs if not self.outcome(job).final]

    def run(self, jobs):
        for job in jobs:
            self.ran.append(job)
            _, lr, norm, width = job
            if lr > 8e-2:
                self.left[job] = Outcome("diverged")
            elif width % 8 == 0:
                self.left[job] = Outcome("failed", "a fault that comes back")
            elif width % 17 == 0:
                self.left[job] = Outcome("pruned")
            else:
                score = abs(log10(lr) + 2) + width / 640 + (norm == "none") / 9
                self.left[job] = Outcome("completed", result={"metrics": {"val/loss": score}})


def course(path, sampler, disk, arms=("one",), total=TOTAL):
    """Runs to the end what the journal in `path` has begun; what was tried and what came of it, by arm."""
    storage = journal(path)
    optimizations = {
        arm: Optimization(storage, arm, SPACE, sampler=sampler, seed=place, total=total)
        for place, arm in enumerate(arms)
    }
    optimize(
        "it",
        optimizations,
        lambda name, point: [(name, *point.values.values())],
        disk,
        "val/loss",
        console=Console(file=io.StringIO()),
    )
    return {arm: [(t.number, t.params, t.state, t.value) for t in one.trials] for arm, one in optimizations.items()}


@pytest.mark.parametrize(("sampler", "width"), [*((name, 3) for name in SAMPLERS), ("tpe", 1)])
@pytest.mark.long
def test_cut_after_any_entry_of_its_journal_a_search_is_the_whole_one(tmp_path, sampler, width):
    path = tmp_path / "journal.log"
    disk = Disk(width)
    total = 17 if sampler == "gp" else TOTAL  # which takes seconds for each trial of which it has learned
    whole = course(path, sampler, disk, total=total)
    assert len({str(point) for _, point, *_ in whole["one"]}) == len(whole["one"]) >= total - 2
    entries = path.read_bytes().splitlines(keepends=True)
    # Where a sampler has not yet learned anything few cuts suffice, and few of one that learns slowly.
    learned = len(entries) // 2
    early = range(0, learned, 5)
    for cut in (*early, *range(learned, len(entries))) if sampler != "gp" else range(learned, len(entries), 6):
        part = tmp_path / f"{cut}.log"
        part.write_bytes(b"".join(entries[:cut]))
        again = Disk(width)
        assert course(part, sampler, again, total=total) == whole, f"cut after {cut} entries"


@pytest.mark.long
def test_killed_again_and_again_a_search_is_the_whole_one(tmp_path):
    arms = ("one", "other")
    path, disk = tmp_path / "journal.log", Disk(2)
    whole = course(path, "tpe", disk, arms)
    entries = path.read_bytes().splitlines(keepends=True)
    part, kept = tmp_path / "part.log", Disk(2)
    for more in range(1, len(entries), 9):
        if part.exists():  # each life of the process gets nine entries further
            part.write_bytes(b"".join(part.read_bytes().splitlines(keepends=True)[:more]))
        assert course(part, "tpe", kept, arms) == whole
    again = [job for job in kept.ran if kept.left[job].final]
    assert len(again) == len(set(again)), "a result on disk is never computed twice"


def test_a_journal_that_was_deleted_is_written_anew_and_no_trial_runs_again(tmp_path):
    disk = Disk(2)
    whole = course(tmp_path / "journal.log", "tpe", disk)
    (tmp_path / "journal.log").unlink()
    ran = len([job for job in disk.ran if disk.left[job].final])
    assert course(tmp_path / "journal.log", "tpe", disk) == whole
    assert len([job for job in disk.ran if disk.left[job].final]) == ran


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_other_seeds_take_other_courses(tmp_path, sampler):
    found = course(tmp_path / "journal.log", sampler, Disk(1), ("one", "other"))
    assert [point for _, point, *_ in found["one"]] != [point for _, point, *_ in found["other"]]


def test_half_a_line_at_the_end_is_dropped_and_said(tmp_path, capsys):
    path = tmp_path / "journal.log"
    whole = course(path, "tpe", Disk(1), total=4)
    content = path.read_bytes()
    for lost in (1, 2, 25, len(content) - content[:-1].rfind(b"\n") - 2):
        path.write_bytes(content[:-lost] + b"\0" * (lost % 3))
        assert course(path, "tpe", Disk(1), total=4) == whole
        assert f"{path} ended in half a line, which was dropped" in capsys.readouterr().out
        assert path.read_bytes().endswith(b"\n")


@pytest.mark.parametrize(
    "damage",
    [
        lambda line: line[:-9] + b"\n",
        lambda line: b"\xff\xfe" + line,
        lambda line: b"3\n",
        lambda line: b"{}\n",
        lambda line: b"\n",
        lambda line: b"<<<<<<< HEAD\n",
        lambda line: line.replace(b'"op_code"', b'"code"'),
    ],
)
def test_damage_within_a_journal_is_named_and_nothing_is_lost(tmp_path, damage):
    path = tmp_path / "journal.log"
    course(path, "tpe", Disk(1), total=4)
    whole = path.read_bytes().splitlines(keepends=True)
    for place in (0, 5, -2):
        entries = list(whole)
        entries[place] = damage(entries[place])
        path.write_bytes(b"".join(entries))
        with pytest.raises(ValueError, match=f"journal.log line {place % len(entries) + 1}: expected") as refused:
            journal(path)
        assert len(str(refused.value).splitlines()) == 1
        assert path.read_bytes() == b"".join(entries)


def test_every_entry_of_a_journal_is_a_whole_step(tmp_path):
    """A trial is there with all of its values or not at all, so that no cut leaves half of one."""
    path = tmp_path / "journal.log"
    course(path, "tpe", Disk(1), total=3)
    created = [json.loads(line) for line in path.read_text().splitlines() if '"params"' in line]
    assert [sorted(entry["params"]) for entry in created] == [sorted(SPACE)] * 3
