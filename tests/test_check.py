"""Each law finds the part that breaks it, and no other does; nothing that is here is broken."""

import pytest

from litmus.check import BESIDE, BROKEN, HELD, LAWS, check
from scripts.check import main
from tests.broken_parts import BREAKS
from tests.conftest import ROOT
from tests.own_data import TYPED
from tests.test_configs import PARTNERS

GROUPS = ("model", "data", "task", "optimizer", "scheduler", "batching", "average", "callbacks", "experiment")
EVERY_RUN = ("default", "checkpoint", "epoch_seed", "history", "progress", "summary")
CHOICES = [
    (group, path.stem)
    for group in GROUPS
    for path in sorted((ROOT / "configs" / group).glob("*.yaml"))
    if group != "callbacks" or path.stem not in EVERY_RUN
]
SMALL = {"cnn": ("model.filters=4", "model.units=8", "model.layers=2"), "net": ()}


def broken(outcomes):
    return {one.law: one.told for one in outcomes if one.state == BROKEN}


def test_every_law_has_a_part_that_breaks_it():
    assert list(BREAKS) == [law for law, _ in LAWS]


def test_the_command_prints_a_line_for_each_law_and_tells_by_its_code(capsys):
    for typed, code in ((BREAKS["hooks are called as often as by Lightning"], 1), (BREAKS["composes"], 1)):
        with pytest.raises(SystemExit) as ended:
            main(list(typed))
        assert ended.value.code == code
        lines = capsys.readouterr().out.splitlines()
        assert [line.partition("  ")[2].strip().partition(":")[0] for line in lines] == [law for law, _ in LAWS]
        assert sum(line.startswith(BROKEN) for line in lines) == 1


@pytest.mark.long
@pytest.mark.parametrize("law", BREAKS)
def test_a_broken_part_breaks_its_law_and_no_other(law, tmp_path):
    outcomes = list(check(BREAKS[law], tmp_path))
    assert list(broken(outcomes)) == [law], broken(outcomes)
    assert len(outcomes) == len(LAWS)
    assert all(one.told for one in outcomes if one.state in (BROKEN, BESIDE))


@pytest.mark.long
@pytest.mark.parametrize(("group", "choice"), CHOICES, ids=lambda value: value)
def test_nothing_that_is_here_is_broken(group, choice, tmp_path):
    partners = {**PARTNERS, ("callbacks", "learning_rate_monitor"): ("logger=tensorboard",)}
    typed = TYPED[choice](tmp_path) if group == "data" and choice in TYPED else partners.get((group, choice), ())
    chosen = f"{group}=[{choice}]" if group == "callbacks" else f"{group}={choice}"
    small = SMALL.get(choice, () if group == "experiment" else ("model.units=[8]",))
    outcomes = list(check([chosen, *typed, *small], tmp_path))
    assert not broken(outcomes)
    assert sum(one.state == HELD for one in outcomes) > len(LAWS) // 2


@pytest.mark.long
def test_ordinary_data_keep_what_is_promised_of_them(tmp_path):
    knobs = "batch_size: ${batch_size}"
    outcomes = list(
        check(["~data", f"+data={{_target_: tests.broken_parts.Batches, {knobs}}}", "model.units=[8]"], tmp_path)
    )
    assert not broken(outcomes)
    assert {one.law for one in outcomes if one.state == BESIDE} == {
        "the order does not depend on the batch size",
        "both paths give the same bits",
    }
