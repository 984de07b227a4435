"""A table of trials: damage is told in one sentence per kind, and nothing is invented."""

import json
import math
import re

import pytest

import litmus
from litmus.claims.judgement import judge, verdicts_json
from litmus.claims.notation import text
from litmus.claims.results import counter_column
from litmus.claims.results_table import read_results, results_from_rows
from litmus.claims.study import read_study


@pytest.fixture
def study():
    return read_study(
        {
            "question": "Does dropout help?",
            "factors": {"dropout": [0.0, 0.1]},
            "seeds": 5,
            "quantities": {"loss": {"metric": "test/loss", "scale": "log", "sesoi": "2%"}},
            "predictions": {"helps": {"kind": "compare", "better": {"dropout": 0.1}, "than": {"dropout": 0}}},
        }
    )


CLEAN = ["dropout,seed,test/loss,updates"]
CLEAN += [f"0.0,{seed},{0.5 + 0.01 * seed},100" for seed in range(5)]
CLEAN += [f"0.10,{seed},{0.4 + 0.007 * seed},100" for seed in range(5)]


def table(tmp_path, lines, name="results.csv"):
    path = tmp_path / name
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def codes(judgement):
    return {finding.code for finding in judgement.lint}


def test_a_clean_table(study, tmp_path):
    results = read_results(study, table(tmp_path, CLEAN))
    assert results.findings == ()
    assert results.values("loss", "dropout=0.1") == {seed: pytest.approx(0.4 + 0.007 * seed) for seed in range(5)}
    assert judge(study, results).verdicts["helps"].verdict == "confirmed"


def test_a_quantity_called_as_anothers_metric_has_its_own_column(tmp_path):
    quantities = {"test/loss": {"metric": "test/loss"}, "final": {"metric": "test/loss", "at": "last"}}
    asked = read_study({"question": "?", "factors": {"dropout": [0.0, 0.1]}, "quantities": quantities})
    lines = [f"{CLEAN[0]},final", *(f"{line},9.0" for line in CLEAN[1:])]
    found = read_results(asked, table(tmp_path, lines))
    assert set(found.values("final", "dropout=0.1").values()) == {9.0}
    assert 9.0 not in found.values("test/loss", "dropout=0.1").values()


@pytest.mark.parametrize("first", [10**12, 2**53, 1_764_272_754_123_456_789, 2**64])
def test_seeds_are_told_apart_to_their_last_digit(study, tmp_path, first):
    """As clocks and generators of 64 bits give them."""
    lines = [re.sub(r",(\d),", lambda seed: f",{first + int(seed[1])},", row) for row in CLEAN]
    results = read_results(study, table(tmp_path, lines))
    assert results.findings == ()
    assert sorted(results.values("loss", "dropout=0.1")) == [first + seed for seed in range(5)]


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (3, "3"),
        (3.0, "3"),
        ("1e3", "1000"),
        ("0.10", "0.1"),
        (10**12, "1e+12"),
        (2**53 + 1, "9007199254740993"),
        ("1_0", "1_0"),
    ],
)
def test_a_whole_number_is_written_so_that_it_is_no_other(value, written):
    assert text(value) == written


def test_what_no_square_holds_is_not_finite(study, tmp_path):
    def judged(word):
        lines = [*CLEAN[:-1], f"0.10,4,{word},100"]
        judgement = judge(study, read_results(study, table(tmp_path, lines)))
        verdict = judgement.verdicts["helps"]
        return verdict.verdict, verdict.reason, codes(judgement)

    assert judged("1e308") == judged("inf") == judged("1e151")


def test_arms_may_be_named(study, tmp_path):
    lines = ["arm,seed,loss", "dropout=0,0,0.5", "dropout=0.1,0,0.4"]
    assert read_results(study, table(tmp_path, lines)).values("loss", "dropout=0") == {0: 0.5}


@pytest.mark.parametrize(
    ("damaged", "code", "sentence", "n"),
    [
        (CLEAN[:-1], "missing_seeds", "dropout=0.1 lacks 4", 4),
        ([*CLEAN[:-1], "0.1,4,oops,100"], "text_value", "line 11 (test/loss 'oops')", 4),
        ([*CLEAN[:-1], "0.1,4,,100"], "missing_seeds", "dropout=0.1 lacks 4", 4),
        ([*CLEAN[:-1], "0.1,4,nan,100"], "not_finite", "dropout=0.1 1 of 5", 4),
        ([*CLEAN[:-1], "0.1,4,Diverged,100"], "not_finite", "dropout=0.1 1 of 5", 4),
        ([*CLEAN[:-1], "0.1,4,inf,100"], "not_finite", "dropout=0.1 1 of 5", 4),
        ([*CLEAN, CLEAN[-1]], "duplicate_trial", "count once: dropout=0.1 seed 4", 5),
        ([*CLEAN, "0.1,4,0.9,100"], "duplicate_trial", "all left out: dropout=0.1 seed 4", 4),
        ([*CLEAN, "0.7,4,0.9,100"], "unknown_arm", "line 12 (dropout 0.7)", 5),
        ([*CLEAN, "0.1,many,0.9,100"], "bad_seed", "line 12 (seed 'many')", 5),
        ([*CLEAN, ",,,"], None, "", 5),
    ],
)
def test_damage_is_left_out_and_told_in_one_sentence(study, tmp_path, damaged, code, sentence, n):
    judgement = judge(study, read_results(study, table(tmp_path, damaged)))
    verdict = judgement.verdicts["helps"]
    assert verdict.n == n
    assert verdict.verdict == "confirmed"
    told = [finding.message for finding in judgement.lint if finding.code == code]
    assert any(sentence in message for message in told) or code is None
    assert all("\n" not in message and message.endswith(".") for message in told)


def without(cells):
    """The clean table with other cells in the places of some runs of the second arm."""
    return [*CLEAN[: -len(cells)], *(f"0.1,{5 - len(cells) + place},{cell},100" for place, cell in enumerate(cells))]


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        (["", ""], "2 of 5 pairs were lost to runs without a value, dropout 0.1 2 of 5,"),
        (["oops", ""], "2 of 5 pairs were lost to runs without a value, dropout 0.1 2 of 5,"),
        (["nan", ""], "2 of 5 pairs were lost to runs not finite or without a value, dropout 0.1 1 of 5,"),
        (
            ["nan", "nan", ""],
            "dropout 0.1 2 of 4, dropout 0 0 of 4, and 1 pair without a value; more than one pair lost",
        ),
    ],
)
def test_more_than_one_lost_pair_leaves_the_lucky_rest_undecided(study, tmp_path, cells, told):
    verdict = judge(study, read_results(study, table(tmp_path, without(cells)))).verdicts["helps"]
    assert verdict.verdict == "inconclusive"
    assert told in verdict.reason


def test_rows_that_never_were_are_missing_and_not_lost(study, tmp_path):
    verdict = judge(study, read_results(study, table(tmp_path, CLEAN[:-2]))).verdicts["helps"]
    assert (verdict.verdict, verdict.n) == ("confirmed", 3)


def test_what_the_design_fixes_needs_no_run_that_failed(tmp_path):
    node = {
        "question": "Which is larger?",
        "factors": {"dropout": [0.0, 0.1]},
        "seeds": 5,
        "quantities": {"params": {"metric": "params", "direction": "up", "sesoi": 1}},
        "predictions": {"larger": {"kind": "compare", "better": {"dropout": 0.1}, "than": {"dropout": 0}}},
    }
    lines = ["dropout,seed,params", *(f"{d},{s},{'' if s > 2 else 100 + 100 * d}" for d in (0, 0.1) for s in range(5))]
    assert judge(read_study(node), read_results(read_study(node), table(tmp_path, lines))).verdicts[
        "larger"
    ].verdict == ("confirmed")


def test_failures_that_are_known_are_outweighed_by_no_pair_that_is_not(study, tmp_path):
    def judged(blank):
        rows = [f"0.0,{seed},{0.5 + 0.01 * seed}" for seed in range(10)]
        rows += [f"0.1,{seed},{'nan' if seed < 8 else 0.4}" for seed in range(10 - blank)]
        rows += [f"0.1,{seed}," for seed in range(10 - blank, 10)]
        return judge(study, read_results(study, table(tmp_path, ["dropout,seed,test/loss", *rows]))).verdicts["helps"]

    assert judged(0).p_reject == pytest.approx(0.5**8)
    assert judged(1).p_reject == pytest.approx(10 * 0.5**9)  # as if the ninth pair spoke for it
    assert judged(1).verdict == "rejected"


def test_a_data_frame_is_judged_as_its_file_is(study, tmp_path):
    pandas = pytest.importorskip("pandas")
    path = table(tmp_path, without(["", ""]))
    told = [litmus.judge(study, results).verdicts["helps"].reason for results in (path, pandas.read_csv(path))]
    assert told[0] == told[1]
    assert "lost" in told[0]


def test_incomplete_pairs_are_counted_in_the_reason(study, tmp_path):
    verdict = judge(study, read_results(study, table(tmp_path, CLEAN[:-1]))).verdicts["helps"]
    assert "4 seeds, 1 without a pair" in verdict.reason
    assert verdict.left_out == 1


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (CLEAN[:1], "has no rows"),
        (["dropout,seed,acc", "0,0,1"], "no column 'loss' or 'test/loss'"),
        (["dropout,test/loss", "0,1"], "no seed column"),
        (["seed,test/loss", "0,1"], "an arm column or one per factor, and lacks dropout"),
    ],
)
def test_unusable_tables_are_refused(study, tmp_path, lines, message):
    with pytest.raises(ValueError, match=message):
        read_results(study, table(tmp_path, lines))


@pytest.mark.parametrize("at", ["rise", "roughness", "auc", {"time_to": 0.45}])
@pytest.mark.parametrize("export", [{}, {"Name": "run", "State": "finished"}], ids=["table", "export"])
def test_a_metrics_own_column_is_no_reduction_of_its_curve(study, at, export):
    quantities = {"q": {"metric": "val/loss", "at": at, "sesoi": 0.02}}
    claim = {"kind": "compare", "better": "new", "than": "old"}
    arms = {"old": {}, "new": {}}
    node = {"question": "?", "arms": arms, "seeds": 6, "quantities": quantities, "predictions": {"it": claim}}
    rows = [{**export, "arm": arm, "seed": seed, "val/loss": 0.4 + 0.01 * seed} for arm in arms for seed in range(6)]
    name = at if isinstance(at, str) else "time_to"
    with pytest.raises(
        ValueError, match=f"has no column 'q' for the quantity q, whose {name} no 'val/loss' is"
    ) as told:
        results_from_rows(read_study(node), rows)
    assert "\n" not in str(told.value)
    own = [{**row, "q": 0.1} for row in rows]
    assert results_from_rows(read_study(node), own).values("q", "old") == dict.fromkeys(range(6), 0.1)
    value = read_study({**node, "quantities": {"q": {"metric": "val/loss", "at": "best", "sesoi": 0.02}}})
    assert results_from_rows(value, rows).values("q", "old")[0] == 0.4


def test_a_column_named_as_the_quantity_and_one_named_as_its_metric_are_one_or_refused(study, tmp_path):
    twice = ["loss,dropout,seed,test/loss", *(f"{line.split(',')[2]},{line[:-4]}" for line in CLEAN[1:])]
    assert len(read_results(study, table(tmp_path, twice)).trials) == 10
    other = [twice[0], *(f"0.3{line[line.index(',') :]}" for line in twice[1:])]
    told = "the results table has several columns that could be the quantity loss, loss, test/loss, and they differ"
    with pytest.raises(ValueError, match=told):
        read_results(study, table(tmp_path, other))


def test_a_quantity_that_is_called_as_a_counter_is_none():
    quantities = {"updates": {"metric": "val/loss", "at": {"time_to": 0.5}, "sesoi": 10}}
    study = read_study({"question": "?", "arms": {"a": {}}, "quantities": quantities})
    rows = [{"arm": "a", "seed": seed, "updates": 100, "epochs": 5} for seed in range(3)]
    assert results_from_rows(study, rows).counter("updates", "a") is None
    assert results_from_rows(study, rows).counter("epochs", "a") == 5


def test_all_trials_failed(study, tmp_path):
    lines = ["dropout,seed,test/loss", *(f"{d},{s}," for d in (0, 0.1) for s in range(5))]
    judgement = judge(study, read_results(study, table(tmp_path, lines)))
    assert "no_trials" in codes(judgement)
    assert judgement.verdicts["helps"].verdict == "inconclusive"
    json.loads(verdicts_json(judgement))


def test_the_same_arm_with_other_numbers_in_another_table(study, tmp_path):
    first = table(tmp_path, CLEAN, "january.csv")
    second = table(tmp_path, [CLEAN[0], "0.0,0,0.676,100", "0.1,0,0.4001,100"], "june.csv")
    results = read_results(study, first, second)
    (moved,) = [finding for finding in results.findings if finding.code == "moved_baseline"]
    assert "dropout=0 moves between tables: loss 0.5 in january, 0.676 in june" in moved.message
    assert 0 not in results.values("loss", "dropout=0")
    assert results.values("loss", "dropout=0.1")[0] == 0.4001  # of which 0.4 is a rounded copy


@pytest.mark.parametrize(
    ("one", "other", "kept"),
    [
        ("0.500", "0.50049", 0.50049),
        ("0.50049", "0.500", 0.50049),
        ("5.0e-1", "0.5", 0.5),
        ("0.4999999904632568", "0.5000000100000000", 0.4999999904632568),  # one in single precision
        ("0.500", "0.502", None),
        ("0.4995", "0.4996", None),
        ("0.5", "0.525", None),  # of 40 rows, 20 and 21
    ],
)
def test_tables_agree_as_far_as_their_digits_were_written(study, tmp_path, one, other, kept):
    first = table(tmp_path, [*CLEAN[:2], f"0.1,7,{one},100"], "january.csv")
    second = table(tmp_path, [CLEAN[0], f"0.1,7,{other},100"], "june.csv")
    results = read_results(study, first, second)
    assert results.values("loss", "dropout=0.1").get(7) == kept
    told = [finding.message for finding in results.findings if finding.code == "moved_baseline"]
    assert bool(told) is (kept is None)
    assert all(f"loss {one} in january, {other} in june (seed 7)" in message for message in told)


def test_rows_find_arms_that_leave_settings_alone(study, tmp_path):
    arms = {"plain": {"norm": None}, "wide": {"units": [256, 256]}, "both": {"units": [256, 256], "norm": "batch"}}
    study = read_study({"question": "?", "arms": arms, "quantities": {"loss": "test/loss"}})
    lines = ["units,norm,seed,loss", ",,0,0.1", '"[256, 256]",,0,0.2', '"[256,256]",batch,0,0.3']
    results = read_results(study, table(tmp_path, lines))
    assert [results.values("loss", arm) for arm in arms] == [{0: 0.1}, {0: 0.2}, {0: 0.3}]


def test_zero_on_the_log_scale_is_an_error(study, tmp_path):
    judgement = judge(study, read_results(study, table(tmp_path, [*CLEAN[:-1], "0.1,4,0,100"])))
    assert "not_positive" in codes(judgement)
    assert judgement.verdicts["helps"].verdict == "inconclusive"


def test_verdicts_json_has_the_agreed_form(study, tmp_path):
    document = json.loads(verdicts_json(judge(study, read_results(study, table(tmp_path, CLEAN)))))
    assert set(document) == {"helps", "lint"}
    assert list(document["helps"]) == [
        *("kind", "verdict", "reason", "mean", "low", "high", "n", "p_confirm", "p_reject", "adjusted", "seeds_needed"),
        *("direction", "cause", "look", "frozen_at", "withdrawn", "tuned_share"),
        *("fragile", "regime", "improvement", "practical"),
    ]
    assert all(set(finding) == {"code", "level", "message"} for finding in document["lint"])
    assert all(math.isfinite(document["helps"][key]) for key in ("mean", "low", "high"))


def test_a_quantity_that_is_called_like_a_counter_is_none(tmp_path):
    updates = {"metric": "val/loss", "at": {"time_to": 0.3, "unit": "updates"}}
    study = read_study(
        {
            "question": "Which is faster?",
            "arms": {"a": {"lr": 0.1}, "b": {"lr": 1}},
            "seeds": 3,
            "quantities": {"updates": updates, "epochs": {"metric": "epochs", "at": "last"}},
            "predictions": {"faster": {"kind": "compare", "quantity": "updates", "better": "a", "than": "b"}},
        }
    )
    rows = [f"{arm},{seed},{place},5" for arm in "ab" for place, seed in enumerate(range(3), 100)]
    alone = read_results(study, table(tmp_path, ["arm,seed,updates,epochs", *rows]))
    assert [trial.counters for trial in alone.trials] == [{"epochs": 5}] * 6
    both = ["arm,seed,updates,epochs,updates (done)", *(f"{row},900" for row in rows)]
    done = read_results(study, table(tmp_path, both))
    assert [trial.counters for trial in done.trials] == [{"epochs": 5, "updates": 900}] * 6
    assert done.values("updates", "a") == {0: 100, 1: 101, 2: 102}
    assert [counter_column(study, name) for name in ("updates", "epochs")] == ["updates (done)", "epochs"]
