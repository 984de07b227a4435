"""Replay of 004_0f2da5427b3cc5b5.txt: its tables as one-seed results confirm nothing, and lint says why.

Every number below is typed from that document, with its part; "seed" 0 stands for the one run it made.
"""

import json

import pytest

from litmus.claims.judgement import judge, verdicts_json
from litmus.claims.results_table import results_from_rows
from litmus.claims.study import read_study

SOURCE = "004_0f2da5427b3cc5b5.txt"
LOSS = {"loss": {"metric": "test/loss", "scale": "log", "sesoi": "2%"}}

# Part 1 (final test loss) and Part 1b (full results table). Columns: layers, filters, parameters, test loss.
ARCHITECTURE = [
    ("Part 1", 4, 32, 93_130, 0.676),
    ("Part 1b", 2, 64, 208_522, 0.5163),
    ("Part 1b", 4, 32, 93_130, 0.5030),
    ("Part 1b", 6, 16, 20_346, 0.5145),
    ("Part 1b", 6, 64, 311_178, 0.4847),
    ("Part 1b", 8, 32, 103_498, 0.5209),
]
# Part 2 (4 layers, 32 filters, BatchNorm). Columns: dropout, test loss, train/test gap at epoch 2.
DROPOUT = [(0.1, 0.3491, 0.047), (0.3, 0.4284, 0.096), (0.5, 0.5188, 0.219)]
# Part 3 (4 layers, 32 filters, dropout 0.1). Columns: normalization, test loss.
NORM = [("instance", 0.3514), ("batch", 0.3753), ("layer", 0.4219), ("group", 0.4266), ("none", 0.5299)]
# Part 4. Columns: arm, test loss, epochs (5 for the combination, 3 for what it is compared with).
SYNERGY = [("combined", 0.3238, 5), ("dropout_only", 0.3491, 3), ("instance_only", 0.3514, 3), ("baseline", 0.676, 3)]
# What those arms were, by Parts 1, 2 and 3: the "InstanceNorm only" run had dropout 0.1, "dropout only" had BatchNorm.
SYNERGY_ARMS = {
    "combined": {"dropout": 0.1, "norm": "instance"},
    "dropout_only": {"dropout": 0.1, "norm": "batch"},
    "instance_only": {"dropout": 0.1, "norm": "instance"},
    "baseline": {"dropout": 0.0, "norm": "none"},
}
# Part 5. Columns: arm, test loss, epochs.
ULTIMATE = [("ultimate", 0.2703, 7), ("regularized", 0.3240, 5), ("architecture", 0.4840, 3), ("baseline", 0.6760, 3)]


def asked(question, part, predictions, quantities=LOSS, **design):
    return read_study(
        {
            "question": question,
            "source": f"{SOURCE}, {part}",
            "seeds": 1,
            "quantities": quantities,
            "predictions": predictions,
            **design,
        }
    )


def architecture():
    arms = {
        "shallow_wide": {"layers": 2, "filters": 64},
        "baseline": {"layers": 4, "filters": 32},
        "deep_narrow": {"layers": 6, "filters": 16},
        "deep_wide": {"layers": 6, "filters": 64},
        "very_deep": {"layers": 8, "filters": 32},
    }
    predictions = {
        "moderate": {"kind": "best", "arms": {"layers": 4}, "claim": "moderate depth (3-5 layers) should outperform"},
        "very_deep_loses": {"kind": "compare", "better": "baseline", "than": "very_deep"},
        "six_is_best": {"kind": "best", "arms": "deep_wide"},
        "expected": {"kind": "bound", "arm": "baseline", "low": 0.4, "high": 0.8},
    }
    rows = [
        {"table": part, "layers": depth, "filters": width, "seed": 0, "loss": loss, "params": params}
        for part, depth, width, params, loss in ARCHITECTURE
    ]
    return asked("Which depth and width?", "Parts 1 and 1b", predictions, arms=arms), rows


def dropout():
    predictions = {
        "light_is_best": {"kind": "best", "quantity": "loss", "arms": {"dropout": 0.1}, "claim": "0.1 will work best"},
        "more_is_worse": {"kind": "order", "quantity": "loss", "arms": [{"dropout": d} for d in (0.1, 0.3, 0.5)]},
        "falls": {"kind": "shape", "quantity": "loss", "factor": "dropout", "form": "falling"},
        "gap": {"kind": "order", "quantity": "gap", "arms": [{"dropout": d} for d in (0.1, 0.3, 0.5)]},
    }
    quantities = {**LOSS, "gap": {"metric": "gap", "sesoi": 0.01}}
    rows = [{"dropout": rate, "seed": 0, "loss": loss, "gap": gap} for rate, loss, gap in DROPOUT]
    return asked("How much dropout?", "Part 2", predictions, quantities, factors={"dropout": [0.1, 0.3, 0.5]}), rows


def norm():
    others = [{"norm": name} for name, _ in NORM]
    predictions = {
        "instance_is_best": {"kind": "best", "arms": {"norm": "instance"}},
        "instance_beats_batch": {
            **{"kind": "compare", "better": {"norm": "instance"}, "than": {"norm": "batch"}, "by": "6%"},
            "claim": "6.4% better than BatchNorm",
        },
        "any_beats_none": {"kind": "order", "arms": [others[3], others[4]]},
    }
    rows = [{"norm": name, "seed": 0, "loss": loss} for name, loss in NORM]
    return asked("Which normalization?", "Part 3", predictions, factors={"norm": [name for name, _ in NORM]}), rows


def synergy():
    predictions = {
        "synergy": {
            **{"kind": "interaction", "form": "synergy", "primary": True},
            "factors": {"dropout": [0.0, 0.1], "norm": ["none", "instance"]},
            "claim": "Combined techniques will outperform individual ones (synergy not addition)",
        },
        "combined_wins": {"kind": "compare", "better": "combined", "than": ["dropout_only", "instance_only"]},
        "gain": {"kind": "bound", "arm": "combined", "relative_to": "baseline", "low": "50%", "high": "55%"},
        "everything": {"kind": "all_of", "of": ["synergy", "combined_wins"]},
    }
    rows = [{"arm": arm, "seed": 0, "loss": loss, "epochs": epochs} for arm, loss, epochs in SYNERGY]
    return asked("Do they reinforce each other?", "Part 4", predictions, arms=SYNERGY_ARMS), rows


def ultimate():
    cells = ("neither", "first", "second", "both")
    names = ("baseline", "architecture", "regularized", "ultimate")
    predictions = {
        "synergy": {"kind": "interaction", **dict(zip(cells, names, strict=True))},
        "barrier": {"kind": "bound", "arm": "ultimate", "high": 0.30, "claim": "break 0.30 test loss barrier"},
    }
    sizes = {"baseline": (4, 32), "architecture": (6, 64), "regularized": (4, 32), "ultimate": (6, 64)}
    arms = {
        name: {"layers": depth, "filters": width, "regularized": name in ("regularized", "ultimate")}
        for name, (depth, width) in sizes.items()
    }
    rows = [{"arm": arm, "seed": 0, "loss": loss, "epochs": epochs} for arm, loss, epochs in ULTIMATE]
    return asked("Is the whole more than its parts?", "Part 5", predictions, arms=arms), rows


PARTS = [architecture, dropout, norm, synergy, ultimate]


def replay(part):
    study, rows = part()
    return judge(study, results_from_rows(study, rows))


def messages(part, code, level="error"):
    return [f.message for f in replay(part).lint if f.code == code and f.level == level]


@pytest.mark.parametrize("part", PARTS)
def test_one_seed_decides_nothing(part):
    judgement = replay(part)
    assert {verdict.verdict for verdict in judgement.verdicts.values()} == {"inconclusive"}
    assert any(finding.code == "few_seeds" and finding.level == "error" for finding in judgement.lint)
    json.loads(verdicts_json(judgement))


def test_the_duplicate_arm_is_named():
    (message,) = messages(synergy, "duplicate_arms")
    assert "combined and instance_only have the same settings" in message


def test_the_missing_cells_of_the_two_by_two_are_named():
    (message,) = messages(synergy, "missing_cell")
    assert "(dropout 0, norm instance)" in message
    assert "(dropout 0.1, norm none)" in message  # "dropout only" ran with BatchNorm


def test_the_moved_baseline_is_named():
    (message,) = messages(architecture, "moved_baseline")
    assert "baseline moves between tables: loss 0.676 in Part 1, 0.503 in Part 1b" in message


def test_the_moved_replicate_is_named():
    """BatchNorm with dropout 0.1 is 0.3491 in Part 2 and 0.3753 in Part 3."""
    study = asked("Is it stable?", "Parts 2 and 3", {}, arms={"batch": {"dropout": 0.1, "norm": "batch"}})
    rows = [
        {"arm": "batch", "table": "Part 2", "seed": 0, "loss": DROPOUT[0][1]},
        {"arm": "batch", "table": "Part 3", "seed": 0, "loss": NORM[1][1]},
    ]
    (finding,) = results_from_rows(study, rows).findings
    assert finding.code == "moved_baseline"
    assert "0.3491 in Part 2, 0.3753 in Part 3" in finding.message


def test_the_absent_zero_dose_is_named():
    found = messages(dropout, "missing_off_level")
    assert len(found) == 2
    assert all("no arm has dropout 0" in message for message in found)


def test_unequal_epochs_are_named():
    (message,) = messages(synergy, "unequal_budgets", "warning")
    assert "epochs 3 (dropout_only) to 5 (combined)" in message
