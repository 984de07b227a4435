"""Looks at a growing study: none goes uncounted, the first decision stays, and every door counts alike."""

import csv
import json
import math

import numpy as np
import pytest
import yaml

import litmus
from litmus.claims.judgement import judge, verdicts_json
from litmus.claims.looks import FACTOR, LOOKS, Look, Seeds, merged, schedule, sequential
from litmus.claims.results import Results, Trial
from litmus.claims.results_table import results_from_rows
from litmus.claims.statistics import summarize
from litmus.claims.study import read_study
from litmus.claims.study_file import read_study_file
from litmus.records.looks_file import read_looks, record_look
from litmus.report.study_directory import read_study_directory
from litmus.report.write import results_csv
from litmus.trial.command_line import answer
from scripts.report import main as report

pytestmark = pytest.mark.usefixtures("undrawn")

UNTIL = {"until": "decided", "most": 40}
# p = 0.007 after five seeds: enough for one look, not for the first of several.
BORDER = [0.2, 1.6, 0.9, 1.2, 0.4, 0.1, -0.8, 0.5, -0.4, 0.2]


def node(seeds=5, **predictions):
    """A study of two arms; by default one prediction, that a is better."""
    return {
        "question": "Is a better?",
        "arms": {"a": {"x": 1}, "b": {"x": 2}, "c": {"x": 3}},
        "seeds": seeds,
        "quantities": {"score": {"metric": "score", "sesoi": 0.1}},
        "predictions": predictions or {"it": {"kind": "compare", "better": "a", "than": "b"}},
    }


def rows(gains, first=0):
    """Trials of a that are better than those of b by these gains, in the order of their seeds."""
    noise = np.random.default_rng(1).normal(size=1000)
    made = []
    for seed, gain in enumerate(gains, start=first):
        for arm, score in (("a", noise[seed] + gain), ("b", noise[seed]), ("c", noise[seed] - 0.01 * seed**1.5)):
            made.append({"arm": arm, "seed": seed, "score": score})
    return made


def judged(seeds, gains, looked=(), **predictions):
    study = read_study(node(seeds, **predictions))
    return judge(study, results_from_rows(study, rows(gains)), looked=looked)


def draws(n, mean=1.0, sd=1.0, seed=0):
    return np.random.default_rng(seed).normal(mean, sd, n)


def test_p_is_the_smallest_of_the_looks_over_the_factor():
    gains = draws(22)
    found = judged(UNTIL, gains).verdicts["it"]
    looks = [float(summarize(gains[:n]).p_above(0)) for n in (5, 10, 20)]
    assert found.look in (5, 10, 20)
    so_far = looks[: 1 + [5, 10, 20].index(found.look)]
    assert found.p_confirm == pytest.approx(min(1, min(so_far) / FACTOR))
    assert float(sequential([0.3, 0.2])) == pytest.approx(0.2 / 0.268)
    assert float(sequential([0.3])) == 1


def test_the_interval_is_that_of_the_corrected_level():
    gains = draws(5)
    found = judged(UNTIL, gains).verdicts["it"]
    assert (found.low, found.high) == pytest.approx(summarize(gains).interval(0.05 * 0.268))
    assert pytest.approx(0.9866) == 1 - 0.05 * 0.268
    alone = judged(5, gains).verdicts["it"]
    assert (alone.low, alone.high) == pytest.approx(summarize(gains).interval())


def test_between_the_looks_the_verdict_stays_the_last_looks():
    gains = draws(19, mean=0.4)
    at_ten = judged(UNTIL, gains[:10]).verdicts["it"]
    for n in (11, 15, 19):
        found = judged(UNTIL, gains[:n])
        assert found.verdicts["it"].row() == at_ten.row()
        assert len(found.looks.seeds) == 10
    early = judged(UNTIL, gains[:4])
    assert early.verdicts["it"].verdict == "inconclusive"
    assert "the next planned look is at 5 seeds" in early.verdicts["it"].reason
    assert early.verdicts["it"].open


def test_the_first_decision_is_final():
    clear = 2 + 0.1 * draws(5, 0)
    turned = np.concatenate([clear, -5 + draws(35)])
    before, after = judged(UNTIL, clear).verdicts["it"], judged(UNTIL, turned).verdicts["it"]
    assert (before.verdict, after.verdict) == ("confirmed", "confirmed")
    assert (after.frozen_at, after.n, after.mean) == (5, 5, before.mean)


def test_holm_and_conjunctions_take_the_sequential_p():
    claims = {f"c{i}": {"kind": "compare", "better": "a", "than": "b"} for i in range(4)}
    claims["both"] = {"kind": "all_of", "of": ["c0", "c1"]}
    gains = draws(10, mean=0.8)
    found = judged(UNTIL, gains, **claims).verdicts
    one = min(float(summarize(gains[:n]).p_above(0)) for n in (5, 10)) / FACTOR
    assert found["c0"].p_confirm == found["both"].p_confirm == pytest.approx(one)
    assert found["c0"].adjusted == pytest.approx(min(1, 5 * one))


def test_a_failed_pair_reduces_n_and_not_the_look():
    study = read_study(node(UNTIL))
    table = rows(2 + 0.1 * draws(5, 0))
    table[0]["score"] = math.nan
    found = judge(study, results_from_rows(study, table)).verdicts["it"]
    assert (found.verdict, found.n, found.look) == ("confirmed", 4, 5)


def test_a_fixed_plan_is_judged_once_and_a_plan_topped_up_at_all_looks():
    gains = np.array(BORDER)
    first = judged(5, gains[:5])
    assert first.verdicts["it"].verdict == "confirmed"
    assert float(summarize(gains[:5]).p_above(0)) > 0.025 * FACTOR  # not enough, had it been known that more would come
    shown = Look(frozenset(range(5)), {"it": "confirmed"})
    assert judged(5, gains[:5], [shown]).looks.corrected is False
    for n in (6, 10):
        later = judged(n, gains[:n], [shown])
        assert later.looks.corrected
        expected = [float(summarize(gains[:k]).p_above(0)) for k in (5, 10) if k <= n]
        assert later.verdicts["it"].p_confirm == pytest.approx(min(expected) / FACTOR)
    held = judged(6, gains[:6], [shown])
    assert held.verdicts["it"].verdict == "inconclusive"
    assert held.verdicts["it"].withdrawn == "confirmed at 5 seeds"
    assert "withdrawn" in [finding.code for finding in held.lint]


@pytest.mark.parametrize(
    ("plan", "there", "looked", "corrected", "reached"),
    [
        (Seeds((0, 1, 2)), 3, [], False, [3]),
        (Seeds(tuple(range(5))), 5, [(5, False)], False, [5]),
        (Seeds(tuple(range(7))), 7, [(5, False)], True, [5]),
        (Seeds(tuple(range(20))), 20, [(3, False)], True, [5, 10, 20]),
        (Seeds(tuple(range(20))), 20, [(2, False)], False, [20]),  # two seeds decide nothing
        (Seeds(tuple(range(5))), 5, [(10, False)], True, [5]),  # cut down after ten were seen
        (Seeds(tuple(range(5))), 5, [(5, True)], True, [5]),  # was planned look by look
        (Seeds(tuple(range(64))), 64, [(40, False)], True, [5, 10, 20, 40]),
        (Seeds(tuple(range(20)), until=True), 40, [], True, [5, 10, 20]),
        (Seeds(tuple(range(40)), until=True), 3, [], True, []),
    ],
)
def test_which_looks_count(plan, there, looked, corrected, reached):
    looked = [Look(frozenset(range(n)), corrected=known) for n, known in looked]
    found = schedule(plan, tuple(range(there)), range(there), looked)
    assert found.corrected is corrected
    assert [len(seeds) for seeds in found.looks] == reached


def test_other_seeds_of_another_machine_are_another_look():
    looked = [Look(frozenset(range(5, 10)))]
    assert schedule(Seeds(tuple(range(5))), range(5), range(5), looked).corrected


FIVES = [tuple(range(first, first + 5)) for first in range(0, 20, 5)]


@pytest.mark.parametrize(
    ("once", "planned", "there", "continued"),
    [
        ([FIVES[0]], [], FIVES[0] + FIVES[1], True),
        ([FIVES[0]], [], FIVES[1], False),
        ([FIVES[0]], [], (0, 1, 2, 3, 5), False),  # one seed was swapped
        ([FIVES[0] + FIVES[1]], [], FIVES[0], True),  # cut down to the first
        ([FIVES[0] + FIVES[1]], [], FIVES[1], False),  # cut down to others
        ([FIVES[0], FIVES[1]], [], FIVES[0] + FIVES[1], True),  # another machine's share
        ([(0, 1, 3)], [], FIVES[0], True),  # of a study that ran
        ([(0, 1)], [], FIVES[1], True),  # two seeds decide nothing
        ([], [FIVES[2]], FIVES[2] + FIVES[3], True),
        ([], [FIVES[2]], FIVES[1] + FIVES[2], False),  # other first five than those of a planned look
        ([], [FIVES[1] + FIVES[2]], FIVES[1], True),
        ([], [FIVES[1] + FIVES[2]], (5, 6, 7), True),
    ],
)
def test_only_seeds_that_continue_the_earlier_looks_are_judged(once, planned, there, continued):
    looked = [Look(frozenset(seeds)) for seeds in once] + [Look(frozenset(seeds), corrected=True) for seeds in planned]
    found = schedule(Seeds(there), there, there, looked)
    assert bool(found.astray) is not continued
    if not continued:
        assert (found.corrected, found.looks) == (True, ())
        assert set(found.astray) == set().union(*once, *planned)


def test_looks_are_merged_each_once():
    seeds = frozenset({0, 1, 2})
    alone, later, again = Look(seeds, {"it": "x"}), Look(frozenset(range(5)), {"it": "y"}), Look(seeds, {"it": "z"})
    counted = Look(seeds, {"it": "w"}, corrected=True)
    assert merged([later, alone, counted, again]) == [again, counted, later]


@pytest.mark.parametrize(
    ("seeds", "said"),
    [
        ({"until": "done"}, "study.seeds.until must be one of decided"),
        ({"until": "decided", "most": 30}, "study.seeds.most must be one of the planned looks, 5, 10, 20, 40, got 30"),
        ({"until": "decided", "most": True}, "got True"),
        ({"until": "decided", "most": 5.0}, "got 5.0"),
        ({"most": 40}, "study.seeds lacks the key 'until'"),
        ({"until": "decided", "least": 5}, "study.seeds has the unknown key 'least'"),
        ("until decided", "{until: decided, most: 40}"),
    ],
)
def test_plans_that_are_none_are_refused(seeds, said):
    with pytest.raises(ValueError, match=r"study\.seeds") as caught:
        read_study(node(seeds))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_until_decided_asks_for_forty_seeds_by_default():
    study = read_study(node({"until": "decided"}))
    assert (study.until, study.seeds) == (True, tuple(range(40)))
    assert [len(step) for step in study.plan.steps] == list(LOOKS)
    assert read_study(node([4, 2])).plan.steps == ((4, 2),)


# --- doors


def written(folder, seeds, gains, name="runs.csv"):
    """study.yaml and a table in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "study.yaml").write_text(yaml.safe_dump({"study": node(seeds)}))
    with (folder / name).open("w", newline="") as file:
        table = csv.DictWriter(file, ["arm", "seed", "score"])
        table.writeheader()
        table.writerows(rows(gains))
    return folder / "study.yaml", folder / name


def told(folder, seeds, gains, capsys):
    """verdicts.json and the terminal's last words of a bare table."""
    report([str(path) for path in (*written(folder, seeds, gains), "-o", folder / "out")])
    return json.loads((folder / "out" / "verdicts.json").read_text()), " ".join(capsys.readouterr().out.split())


def test_a_bare_table_is_judged_at_the_planned_looks_or_once_and_says_so(tmp_path, capsys):
    gains = np.concatenate([2 + 0.1 * draws(5, 0), -5 + draws(17)])
    found, said = told(tmp_path / "until", UNTIL, gains, capsys)
    assert found["it"]["verdict"] == "confirmed"
    assert (found["it"]["look"], found["it"]["frozen_at"], found["it"]["n"]) == (5, 5, 5)
    assert "Judged at the planned looks (5, 10, 20, 40 seeds) up to 20" in said
    once, said = told(tmp_path / "once", 5, gains, capsys)
    assert (once["it"]["n"], once["it"]["frozen_at"]) == (22, None)
    assert "Judged once, at 22 seeds" in said
    assert "Judged once, at 22 seeds" in (tmp_path / "once" / "out" / "report.md").read_text()


def test_a_table_that_grows_is_looked_at_again_wherever_its_report_goes_again(tmp_path, capsys):
    gains = np.array(BORDER)
    first, _ = told(tmp_path, 5, gains[:5], capsys)
    again, _ = told(tmp_path, 5, gains[:5], capsys)
    assert first["it"]["verdict"] == again["it"]["verdict"] == "confirmed"
    later, said = told(tmp_path, 5, gains[:6], capsys)
    assert (later["it"]["verdict"], later["it"]["withdrawn"]) == ("inconclusive", "confirmed at 5 seeds")
    assert "Judged at the planned looks" in said


@pytest.mark.parametrize(("arms", "counts"), [(["a", "b", "d"], True), (["a", "d"], False), (["other"], False)])
def test_looks_of_an_earlier_version_count_by_the_names_of_their_arms_and_stay(tmp_path, capsys, arms, counts):
    gains = np.array(BORDER)
    (tmp_path / "out").mkdir()
    shown = {"seeds": [0, 1, 2, 3, 4], "corrected": False, "verdicts": {"it": "confirmed"}}
    (tmp_path / "out" / "looks.json").write_text(json.dumps({"arms": arms, "looks": [shown]}))
    found, _ = told(tmp_path, 5, gains[:6], capsys)
    assert bool(found["it"]["withdrawn"]) is counts
    assert next(sorted(look.seeds) for look in read_looks(tmp_path / "out")) == [0, 1, 2, 3, 4]
    assert len(read_looks(tmp_path / "out")) == 2


def with_arms(folder, node):
    """The reports of another study of the same trials, into the same directory."""
    (folder / "study.yaml").write_text(yaml.safe_dump({"study": node}))
    report([str(folder / "study.yaml"), str(folder / "runs.csv"), "-o", str(folder / "out")])
    return json.loads((folder / "out" / "verdicts.json").read_text())["it"]["withdrawn"]


def test_arms_that_are_dropped_added_or_renamed_erase_no_look(tmp_path, capsys):
    gains = np.array(BORDER)
    told(tmp_path, 5, gains[:5], capsys)
    table = tmp_path / "runs.csv"
    written(tmp_path, 5, gains[:6])
    plain = node()
    one, other = plain["arms"]["a"], plain["arms"]["b"]
    assert with_arms(tmp_path, {**plain, "arms": {"a": one, "b": other}})
    assert with_arms(tmp_path, {**plain, "arms": {**plain["arms"], "d": {"x": 4}}})
    before = (tmp_path / "out" / "looks.json").read_text()
    table.write_text(table.read_text().replace("a,", "new,"))
    renamed = {"it": {"kind": "compare", "better": "new", "than": "b"}}
    assert with_arms(tmp_path, {**plain, "arms": {"new": one, "b": other}, "predictions": renamed})
    # Other arms, though one of them was looked at beside another, are another comparison; what was seen stays noted.
    others = {**plain, "arms": {"new": {"x": 9}, "b": other}, "predictions": renamed}
    assert not with_arms(tmp_path, others)
    after = json.loads((tmp_path / "out" / "looks.json").read_text())["looks"]
    assert all(look in after for look in json.loads(before)["looks"])


def test_more_pairs_of_the_same_seeds_are_a_further_look(tmp_path, capsys):
    gains = np.array([*BORDER, *draws(10)])
    before = []
    for there in (5, 10, 20):
        table = [row for row in rows(gains) if row["arm"] != "a" or row["seed"] < there]
        (tmp_path / "runs.csv").write_text(
            "\n".join(["arm,seed,score", *(",".join(map(str, r.values())) for r in table)])
        )
        (tmp_path / "study.yaml").write_text(yaml.safe_dump({"study": node(20)}))
        report([str(tmp_path / "study.yaml"), str(tmp_path / "runs.csv"), "-o", str(tmp_path / "out")])
        verdict = json.loads((tmp_path / "out" / "verdicts.json").read_text())["it"]
        judgement = litmus.judge(node(20), table, before=before)
        assert judgement.verdicts["it"].row() == verdict
        assert judgement.looks.corrected is (there > 5)
        before.append(judgement)
    assert [len(look.seeds) for look in read_looks(tmp_path / "out")] == [5, 10, 20]
    assert before[0].verdicts["it"].look == 5
    assert "Judged once, at 5 seeds" in before[0].looks.note


def test_each_predictions_pairs_are_looked_at_on_their_own():
    claims = {name: {"kind": "compare", "better": "a", "than": name} for name in ("b", "c")}

    def part(there):
        return [row for row in rows(draws(20)) if row["seed"] < there[row["arm"]]]

    both = {"a": 20, "b": 20}
    first = litmus.judge(node(20, **claims), part({**both, "c": 5}))
    assert not litmus.judge(node(20, **claims), part({**both, "c": 5}), before=[first]).looks.corrected
    assert litmus.judge(node(20, **claims), part({**both, "c": 20}), before=[first]).looks.corrected
    alone = litmus.judge(node(20, **claims), part({**both, "c": 0}))
    assert not litmus.judge(node(20, **claims), part({**both, "c": 20}), before=[alone]).looks.corrected


def test_rows_that_say_running_are_looked_at_where_they_have_values():
    table = [{**row, "status": "running"} for row in rows(draws(10))]
    first = litmus.judge(node(10), [row for row in table if row["seed"] < 5])
    assert len(first.look.seeds) == 5
    assert litmus.judge(node(10), table, before=[first]).looks.corrected


def test_a_table_without_the_rows_of_what_failed_in_every_arm_is_the_same_look():
    table = [{**row, "score": "" if row["seed"] == 3 else row["score"]} for row in rows(draws(10))]
    first = litmus.judge(node(10), [row for row in table if row["seed"] < 6])
    for later in (table[:15], table):
        again = litmus.judge(node(10), [row for row in later if row["seed"] != 3], before=[first])
        assert not again.looks.astray


def test_advice_counts_from_the_pairs_that_there_are():
    part = [row for row in rows(draws(20, mean=0.4)) if row["arm"] != "a" or row["seed"] < 5]
    verdict = litmus.judge(node(20), part).verdicts["it"]
    assert verdict.verdict == "inconclusive"
    assert verdict.seeds_needed == litmus.judge(node(5), rows(draws(20, mean=0.4)[:5])).verdicts["it"].seeds_needed


def test_python_counts_the_looks_of_a_directory_and_those_that_are_handed_over(tmp_path):
    gains = np.array(BORDER)
    first = litmus.judge(node(5), rows(gains[:5]))
    assert first.verdicts["it"].verdict == "confirmed"
    assert "Judged once, at 5 seeds" in first.looks.note
    later = litmus.judge(node(5), rows(gains[:6]), before=[first])
    assert (later.verdicts["it"].verdict, later.verdicts["it"].withdrawn) == ("inconclusive", "confirmed at 5 seeds")
    looked_at(directory(tmp_path, 5, gains[:5]))
    study, table = written(tmp_path, 5, gains[:6])
    assert litmus.judge(study, table).verdicts["it"].row() == later.verdicts["it"].row()


def test_a_directory_that_showed_verdicts_and_lost_its_looks_is_not_judged_as_if_for_the_first_time(tmp_path, capsys):
    judgement = looked_at(directory(tmp_path, 5, draws(5)))
    (tmp_path / "verdicts.json").write_text(verdicts_json(judgement))
    assert looked_at(tmp_path).verdicts
    (tmp_path / "looks.json").unlink()
    for text in [verdicts_json(judgement), "damaged"]:
        (tmp_path / "verdicts.json").write_text(text)
        with pytest.raises(SystemExit):
            answer(lambda: report([str(tmp_path)]))
        said = capsys.readouterr().err.strip()
        assert "looks.json, which counts them, is gone" in said
        assert "\n" not in said


def test_a_table_that_lacks_an_arms_seeds_is_not_looked_at_there(tmp_path):
    study = read_study(node(UNTIL))
    part = [row for row in rows(draws(10)) if row["arm"] != "c" or row["seed"] < 5]
    assert len(judge(study, results_from_rows(study, part)).looks.seeds) == 5


def directory(folder, seeds, gains, waiting=()):
    """A study's directory with these trials; those of the waiting seeds have not ended."""
    written(folder, seeds, gains)
    for row in rows(gains):
        place = folder / "trials" / row["arm"] / f"seed={row['seed']}"
        place.mkdir(parents=True, exist_ok=True)
        if row["seed"] not in waiting:
            content = {"status": "completed", "seed": row["seed"], "metrics": {"score": row["score"]}}
            (place / "result.json").write_text(json.dumps(content))
    return folder


def test_runs_of_a_directory_that_failed_are_lost_and_those_that_wait_are_not(tmp_path):
    gains = 2 + 0.1 * draws(10, 0)
    directory(tmp_path, 10, gains, waiting=(8, 9))
    assert looked_at(tmp_path).verdicts["it"].verdict == "confirmed"
    evidence = read_study_directory(tmp_path)
    assert len(results_csv(evidence).splitlines()) == 1 + 3 * 8  # whose table is judged as the directory is
    for status in ("interrupted", "failed"):
        for seed in (8, 9):
            place = tmp_path / "trials" / "a" / f"seed={seed}" / "result.json"
            place.write_text(json.dumps({"status": status, "error": "OSError: no space", "seed": seed}))
        verdict = read_study_directory(tmp_path).judgement.verdicts["it"]
        assert ("a 2 of 10 (OSError: no space)" in verdict.reason) is (status == "failed")
        assert verdict.verdict == ("inconclusive" if status == "failed" else "confirmed")


def looked_at(folder):
    """Shows the verdicts of a directory, without the pictures."""
    judgement = read_study_directory(folder).judgement
    record_look(folder, judgement)
    return judgement


def test_a_directory_remembers_its_looks_and_counts_them(tmp_path):
    gains = np.array(BORDER)
    first = looked_at(directory(tmp_path, 5, gains[:5]))
    assert first.verdicts["it"].verdict == "confirmed"
    assert looked_at(tmp_path).looks == first.looks  # the same look again is no second one
    assert [sorted(look.seeds) for look in read_looks(tmp_path)] == [[0, 1, 2, 3, 4]]
    again = looked_at(directory(tmp_path, 6, gains[:6]))
    assert again.looks.corrected
    assert again.verdicts["it"].withdrawn
    # nor do its tables offer a way round
    study = read_study_file(tmp_path / "study.yaml")
    bare = judge(study, results_from_rows(study, rows(gains[:6])), looked=read_looks(tmp_path))
    assert bare.verdicts["it"].row() == again.verdicts["it"].row()
    # nor does going back to five seeds
    assert looked_at(directory(tmp_path, 5, gains[:5])).looks.corrected


@pytest.mark.parametrize("others", [range(5, 10), [0, 1, 2, 3, 5]])
def test_seeds_in_the_place_of_others_decide_nothing_until_the_others_are_back(tmp_path, others):
    gains = np.concatenate([draws(5), 9 + 0.1 * draws(5)])
    looked_at(directory(tmp_path, 5, gains[:5]))
    before = (tmp_path / "looks.json").read_bytes()
    found = looked_at(directory(tmp_path, list(others), gains))
    verdict = found.verdicts["it"]
    assert (verdict.verdict, verdict.direction, verdict.open) == ("inconclusive", None, True)
    assert "shown of the seeds 0, 1, 2, 3, 4, which these do not continue; ask for all of those" in verdict.reason
    assert "Not judged" in found.looks.note
    assert not verdict.withdrawn
    assert (tmp_path / "looks.json").read_bytes() == before
    assert looked_at(directory(tmp_path, 10, gains)).looks.looks == (tuple(range(5)), tuple(range(10)))


def test_a_table_whose_seeds_replace_those_of_its_last_report_decides_nothing(tmp_path, capsys):
    gains = np.concatenate([draws(5), 9 + 0.1 * draws(5)])
    told(tmp_path, 5, gains[:5], capsys)
    study, table = written(tmp_path, 5, gains)
    kept = [line for line in table.read_text().splitlines() if line.split(",")[1] not in "01234"]
    table.write_text("\n".join(kept) + "\n")
    report([str(study), str(table), "-o", str(tmp_path / "out")])
    assert json.loads((tmp_path / "out" / "verdicts.json").read_text())["it"]["verdict"] == "inconclusive"
    assert "which these do not continue" in " ".join(capsys.readouterr().out.split())
    before = [litmus.judge(node(5), rows(gains[:5]))]
    later = litmus.judge(node(5), [row for row in rows(gains) if row["seed"] >= 5], before=before)
    assert later.verdicts["it"].verdict == "inconclusive"


def test_the_order_in_which_seeds_are_typed_chooses_no_look(tmp_path):
    gains = draws(10, mean=0.7)
    looked_at(directory(tmp_path, 5, gains[:5]))
    plain = looked_at(directory(tmp_path, 10, gains))
    turned = looked_at(directory(tmp_path, list(range(9, -1, -1)), gains))
    assert plain.looks.looks == turned.looks.looks == (tuple(range(5)), tuple(range(10)))
    assert plain.verdicts["it"].row() == turned.verdicts["it"].row()


def test_a_verdict_of_a_part_is_a_look_and_of_a_planned_one_waits_for_its_seeds(tmp_path):
    part = looked_at(directory(tmp_path / "fixed", 5, draws(5), waiting=(3, 4)))
    assert len(part.looks.seeds) == 3
    assert looked_at(directory(tmp_path / "fixed", 5, draws(5))).looks.corrected
    early = looked_at(directory(tmp_path / "until", UNTIL, draws(12), waiting=(3,)))
    assert early.looks.looks == ()
    assert read_looks(tmp_path / "until") == []
    assert len(looked_at(directory(tmp_path / "until", UNTIL, draws(12), waiting=(11,))).looks.seeds) == 10


def test_looks_of_two_machines_are_read_as_one_and_a_damaged_record_is_refused(tmp_path):
    looked_at(directory(tmp_path / "one", 5, draws(5)))
    directory(tmp_path / "two", 10, draws(10))
    (tmp_path / "two" / "looks-one.json").write_bytes((tmp_path / "one" / "looks.json").read_bytes())
    assert looked_at(tmp_path / "two").looks.corrected
    assert len(json.loads((tmp_path / "two" / "looks.json").read_text())["looks"]) == 2
    for damage in ("", '{"looks": 3}', '{"looks": [{}]}', "[1]"):
        (tmp_path / "two" / "looks-one.json").write_text(damage)
        with pytest.raises(ValueError, match="expected the looks at this study") as caught:
            read_study_directory(tmp_path / "two")
        assert "\n" not in str(caught.value)


def test_a_damaged_record_ends_the_command_in_one_sentence(tmp_path, capsys):
    directory(tmp_path, 5, draws(5))
    (tmp_path / "looks.json").write_text("half a li")
    with pytest.raises(SystemExit) as ended:
        answer(lambda: report([str(tmp_path)]))
    assert ended.value.code == 1
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_seeds_left_out_of_every_pair_leave_nothing_to_freeze():
    study = read_study(node(UNTIL))
    trials = tuple(Trial(arm, seed, {}) for arm in study.arms for seed in range(5))
    found = judge(study, Results(trials))
    assert found.verdicts["it"].verdict == "inconclusive"
    assert found.settled  # no seed will help: the arms have no values
