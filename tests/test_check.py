"""Each law finds the part that breaks it, and no other does; nothing that is here is broken."""

import math
from collections import namedtuple

import pytest
import torch

from litmus.check import BESIDE, BROKEN, HELD, LAWS, _equal, _first, check
from litmus.training.batches import Size
from scripts.check import main
from tests.broken_parts import BREAKS
from tests.own_data import TYPED
from tests.test_configs import BOUND, CHOICES, PARTNERS

ELSEWHERE = "the same bits in another process"
EVERY_RUN = ("default", "checkpoint", "epoch_seed", "history", "progress", "summary")
# Each of the choices that bind each other, with one of each of these groups, which stays for so many rows. Callbacks
# stand alone: one that looks at each update takes laws from whatever is beside it.
MIXED = {"optimizer": 1, "batching": 2, "scheduler": 3, "average": 1}
# These batch sizes are known in training alone, and an average must know how many updates there will be.
UNPLANNED = {("batching", "noise_scale"), ("batching", "on_plateau")}
ROWS = [[bound] for bound in BOUND]
for group, rows in MIXED.items():
    pairs = [*([pair] for pair in CHOICES if pair[0] == group), *([[]] if group == "average" else [])]
    for number, row in enumerate(ROWS):
        if group != "average" or not UNPLANNED & {*row}:
            row += pairs[number // rows % len(pairs)]
ROWS += [[pair] for pair in CHOICES if pair[0] == "callbacks" and pair[1] not in EVERY_RUN]
SMALL = {"cnn": ("model.filters=4", "model.units=8", "model.layers=2"), "net": ()}


def broken(outcomes):
    return {one.law: one.told for one in outcomes if one.state == BROKEN}


def test_every_law_has_a_part_that_breaks_it():
    assert list(BREAKS) == [law for law, _ in LAWS]


@pytest.mark.briefly("composes")
@pytest.mark.parametrize("law", ["composes", "hooks are called as often as by Lightning"])
def test_the_command_prints_a_line_for_each_law_and_tells_by_its_code(capsys, law):
    with pytest.raises(SystemExit) as ended:
        main(list(BREAKS[law]))
    assert ended.value.code == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition("  ")[2].strip().partition(":")[0] for line in lines] == [law for law, _ in LAWS]
    assert sum(line.startswith(BROKEN) for line in lines) == 1


@pytest.mark.long
@pytest.mark.parametrize("law", BREAKS)
def test_a_broken_part_breaks_its_law_and_no_other(law, tmp_path):
    outcomes = list(check(BREAKS[law], tmp_path, processes=law == ELSEWHERE))
    assert list(broken(outcomes)) == [law], broken(outcomes)
    assert len(outcomes) == len(LAWS)
    assert all(one.told for one in outcomes if one.state in (BROKEN, BESIDE))


def test_every_choice_stands_in_a_row():
    apart = ("study", "search", "trainer", "logger")  # sweeps, and what computes nothing
    known = {pair for pair in CHOICES if pair[0] not in apart and pair[1] not in EVERY_RUN}
    assert {pair for row in ROWS for pair in row} == known


@pytest.mark.long
@pytest.mark.parametrize("row", ROWS, ids=lambda row: " ".join("=".join(pair) for pair in row))
def test_nothing_that_is_here_is_broken(row, tmp_path):
    partners, typed = {**PARTNERS, ("callbacks", "learning_rate_monitor"): ("logger=tensorboard",)}, []
    for group, choice in row:
        typed.append(f"{group}=[{choice}]" if group == "callbacks" else f"{group}={choice}")
        files = group == "data" and choice in TYPED
        typed += TYPED[choice](tmp_path) if files else partners.get((group, choice), ())
    group, choice = row[0]
    typed += SMALL.get(choice, () if group == "experiment" else ("model.units=[8]",))
    outcomes = list(check(typed, tmp_path, processes=False))
    assert not broken(outcomes)
    assert sum(one.state == HELD for one in outcomes) > len(LAWS) // 2


@pytest.mark.long
def test_ordinary_data_keep_what_is_promised_of_them(tmp_path):
    knobs = "batch_size: ${batch_size}"
    outcomes = list(
        check(["~data", f"+data={{_target_: tests.broken_parts.Batches, {knobs}}}", "model.units=[8]"], tmp_path)
    )
    assert not broken(outcomes)
    assert ELSEWHERE in {one.law for one in outcomes if one.state == HELD}
    assert {one.law for one in outcomes if one.state == BESIDE} == {
        "the order does not depend on the batch size",
        "both paths give the same bits",
    }


Weighted = namedtuple("Weighted", ["x", "y", "weight"])


def test_batches_of_any_form_are_cut_to_their_first_samples():
    x, y = torch.arange(8.0), torch.arange(8)
    cut = _first((x, y, x * 2, Size(8)), 3)
    assert [len(one) for one in cut] == [3, 3, 3]
    named = _first(Weighted(x, {"label": y, "name": "a"}, [x, 0.5]), 3)
    assert isinstance(named, Weighted)
    assert (len(named.x), len(named.y["label"]), named.y["name"]) == (3, 3, "a")
    assert (len(named.weight[0]), named.weight[1]) == (3, 0.5)
    assert torch.equal(_first(x, 3), x[:3])
    assert _first(torch.tensor(2.0), 3) == 2


def test_what_is_no_number_twice_is_the_same():
    nan, other = torch.tensor([1.0, math.nan]), torch.tensor([1.0, 2.0])
    assert _equal({"a": [nan, math.nan]}, {"a": [nan.clone(), math.nan]})
    assert not _equal(nan, other)
    assert not _equal(math.nan, 1.0)
    assert not _equal(other, other.double())
