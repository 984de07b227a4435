"""Reading a study: what it means, and one sentence for whatever is wrong."""

import math
from datetime import date

import pytest
import yaml
from omegaconf import OmegaConf

from litmus.claims.nuisance import read_nuisance
from litmus.claims.results_table import RAN
from litmus.claims.study import read_study
from litmus.claims.study_file import read_study_file
from litmus.trial.command_line import sentence

DROPOUT_NORM = """
# @package _global_
defaults: [override /data: fashion_mnist, override /model: cnn]
study:
  question: Do light dropout and InstanceNorm reinforce each other?
  source: 004_0f2da5427b3cc5b5.txt, Part 4
  factors: {dropout: [0.0, 0.1], norm: [none, instance]}
  nuisance: {lr: {log: [3e-4, 3e-3], trials: 6, sampler: qmc}}
  seeds: 5
  quantities:
    loss: {metric: test/loss, at: best_val, scale: log, sesoi: 2%}
  predictions:
    synergy: {kind: interaction, quantity: loss, form: synergy, primary: true,
              claim: "Combined techniques will outperform individual ones (synergy not addition)"}
    combined_wins: {kind: compare, quantity: loss, better: {dropout: 0.1, norm: instance},
                    than: [{dropout: 0.1, norm: none}, {dropout: 0.0, norm: instance}]}
"""
GOOD = {
    "question": "Which is better?",
    "arms": {"a": {"x": 1}, "b": {"x": 2}},
    "quantities": {"loss": {"metric": "test/loss", "sesoi": 0.1}},
}


def test_the_example_of_the_specification(tmp_path):
    (tmp_path / "dropout_norm.yaml").write_text(DROPOUT_NORM, encoding="utf-8")
    study = read_study_file(tmp_path / "dropout_norm.yaml")
    assert list(study.arms) == [f"dropout={d},norm={n}" for d in ("0", "0.1") for n in ("none", "instance")]
    assert study.seeds == (0, 1, 2, 3, 4)
    assert study.nuisance["lr"].values == (3e-4, 3e-3)
    assert study.predictions["synergy"].primary
    assert study.predictions["synergy"].selectors(study)[-1] == {"dropout": 0.1, "norm": "instance"}
    loss = study.quantities["loss"]
    assert loss.direction == "down"
    assert loss.sesoi == pytest.approx(-math.log(0.98))
    assert loss.change(loss.sesoi) == "−2.0 %"


def test_selectors_find_arms_by_value_whatever_the_spelling():
    grid = {"lr": ["1e-3", 0.01], "norm": [None, "batch"]}
    study = read_study({"question": "?", "factors": grid, "quantities": GOOD["quantities"]})
    assert study.select({"lr": 0.001, "norm": None}) == ("lr=0.001,norm=null",)
    assert study.select({"lr": [0.001, 0.01], "norm": "batch"}) == ("lr=0.001,norm=batch", "lr=0.01,norm=batch")
    assert study.select({"lr": 5}) == ()


def test_a_list_that_is_an_arms_level_means_that_level_and_any_other_list_its_values():
    arms = {"one": {"units": 20}, "two": {"units": [20, 20]}, "three": {"units": "[30, 30]"}, "four": {"units": 30}}
    claim = {"kind": "bound", "arm": {"units": [20, 20]}, "low": 0}
    study = read_study({**GOOD, "arms": arms, "predictions": {"it": claim}})
    assert study.predictions["it"].named_arms(study) == ("two",)
    assert study.select({"units": 20}) == ("one",)
    assert study.select({"units": [30, 30]}) == study.select({"units": [[30, 30]]}) == ("three",)
    assert study.select({"units": [20, 30]}) == ("one", "four")
    assert study.select({"units": [20, [20, 20]]}) == ("one", "two")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"questoin": "?"}, "unknown key 'questoin'; did you mean 'question'"),
        ({"question": ""}, "study.question must be a text"),
        ({"factors": {"x": [1, 2]}}, "either factors (a grid) or arms"),
        ({"arms": {}}, "study.arms is empty"),
        ({"arms": {"": {"x": 1}}}, "study.arms has an arm called ''; expected a name"),
        ({"arms": {" a": {"x": 1}}}, "study.arms has an arm called ' a'; expected a name without spaces around it"),
        ({"arms": {"a\n": {"x": 1}}}, r"study.arms has an arm called 'a\n'; expected a name without spaces"),
        ({"arms": {"a": 3}}, "study.arms.a must be a mapping"),
        ({"seeds": 0}, "study.seeds must be a positive number or a list"),
        ({"seeds": [1, 1]}, "study.seeds must be a positive number or a list"),
        ({"quantities": {}}, "study.quantities is empty"),
        ({"quantities": {"q": {"metric": "test/beauty"}}}, "add direction: up or down"),
        ({"quantities": {"q": {"metric": "test/loss", "at": "worst"}}}, "at must be one of"),
        ({"quantities": {"q": {"metric": "test/loss", "at": "time_to"}}}, "needs a number to reach"),
        ({"quantities": {"q": {"metric": "test/loss", "scale": "cubic"}}}, "scale must be one of identity, log"),
        ({"quantities": {"q": {"metric": "test/loss", "scale": "identity", "sesoi": "2%"}}}, "needs scale: log"),
        ({"quantities": {"q": {"metric": "test/loss", "sesoi": -1}}}, "must be greater than 0"),
        ({"quantities": {"q": {"metric": "test/loss", "sesoi": "some"}}}, "must be a number or a percentage"),
        ({"nuisance": {"lr": {"log": [0, 1]}}}, "low, high] of positive numbers"),
        ({"nuisance": {"lr": {"log": [1e-3, math.inf]}}}, "with low < high, both finite, got [0.001, inf]"),
        ({"nuisance": {"lr": {"linear": [-math.inf, 1]}}}, "with low < high, both finite"),
        ({"nuisance": {"lr": {"trials": 3}}}, "exactly one of log, linear, choices"),
        ({"nuisance": {"x": {"log": [1, 2]}}}, "also varied by the arms"),
        ({"off": {"y": 0}}, "unknown factor 'y'; known: x"),
        ({"baseline": "c"}, "unknown arm 'c'"),
        ({"resampled": {"n_test": math.inf, "n_train": 3}}, "positive n_test and n_train"),
        ({"quantities": {"q": {"metric": "test/loss", "sesoi": 10**400}}}, "q.sesoi must be a number or a percentage"),
        ({"predictions": {"p": {"kind": ["best"]}}}, "study.predictions.p.kind must be one of"),
        (
            {"predictions": {"p": {"kind": "best", "arms": "a", "quantity": ["q"]}}},
            "study.predictions.p.quantity names the unknown quantity ['q']",
        ),
        ({"predictions": {"p": {"kind": "all_of", "of": [["s"]]}}}, "p.of names the unknown prediction ['s']"),
        (
            {"predictions": {"p": {"kind": "shape", "factor": ["x"], "form": "rising"}}},
            "study.predictions.p.factor names the unknown factor ['x']",
        ),
        (
            {"predictions": {"p": {"kind": "shape", "factor": "x", "form": "rising", "given": "a"}}},
            "study.predictions.p.given must be a mapping",
        ),
        ({"resampled": {"n_test": 0, "n_train": 3}}, "positive n_test and n_train"),
        ({"predictions": {"lint": {}}}, "belongs to the findings"),
        (
            {"predictions": {k: {"kind": "best", "arms": "a", "primary": True} for k in "pq"}},
            "has 2 primaries (p, q); keep one",
        ),
    ],
)
def test_mistakes_are_refused_in_one_sentence(change, message):
    with pytest.raises(ValueError, match="study") as caught:
        read_study({**GOOD, **change})
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def saying(key, value):
    """The good study with a text of its own, or of a prediction, replaced."""
    claim = {"kind": "best", "arms": "a"}
    own = {"predictions": {"p": {**claim, key: value}}} if key == "claim" else {key: value}
    return {**GOOD, **own}


@pytest.mark.parametrize("key", ["question", "source", "note", "claim"])
def test_what_an_author_says_is_text_before_anything_runs(key):
    """The report would fail at anything else, when all has been trained."""
    for value, told in ((5, "5"), (0.5, "0.5"), (date(2024, 1, 2), "2024-01-02"), (True, "true"), ("so", "so")):
        study = read_study(saying(key, value))
        assert getattr(study.predictions["p"] if key == "claim" else study, key) == told
    for value in (["so"], {"so": 1}, b"so", {"so"}):
        with pytest.raises(ValueError, match=rf"^study\.[a-z.]*{key} must be a text, got .*; put it in quotes$"):
            read_study(saying(key, value))


@pytest.mark.parametrize("name", ["arm", "seed", "error", "table", "load", *RAN])
def test_a_quantity_is_called_as_no_other_column_of_a_table(name):
    with pytest.raises(ValueError, match=rf"^study\.quantities\.{name}: results\.csv has a column {name} already"):
        read_study({**GOOD, "quantities": {name: "test/loss"}})


def test_factor_levels_must_differ():
    with pytest.raises(ValueError, match="lists a level twice"):
        read_study({**{k: v for k, v in GOOD.items() if k != "arms"}, "factors": {"x": [1, "1.0"]}})


TWICE = "study:\n  predictions:\n    p: {kind: best}\n    p: {kind: bound}\n"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("study: [", r"line 1: expected the node content, but found '<stream end>'; mend that line"),
        (TWICE, r"line 4: found duplicate key p; mend that line"),
        ("study: {1: a, '1': b}", r"line 1: found duplicate key 1; mend that line"),
    ],
)
def test_what_is_no_yaml_is_told_by_file_and_line_by_both_readers(tmp_path, content, told):
    path = tmp_path / "broken.yaml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match=rf"broken\.yaml is not valid YAML: {told}$"):
        read_study_file(path)
    if "'1'" not in content:  # Hydra takes them for different keys, which `mapping` refuses
        with pytest.raises(yaml.YAMLError) as hydras:
            OmegaConf.load(str(path))
        assert sentence(hydras.value).startswith(f"{path} is not valid YAML: {told[:7]}")


def test_what_a_merge_brings_along_is_no_second_key(tmp_path):
    path = tmp_path / "merged.yaml"
    path.write_text(
        "base: &base {metric: test/loss, sesoi: 0.1}\n"
        "study: {question: '?', arms: {a: {x: 1}}, quantities: {loss: {<<: *base, sesoi: 0.2}}}\n"
    )
    assert read_study_file(path).quantities["loss"].sesoi == 0.2


def test_no_key_hides_another():
    with pytest.raises(ValueError, match=r"^study\.arms has the key 1 twice, as a number and as a text; keep one$"):
        read_study({**GOOD, "arms": {1: {"x": 1}, "1": {"x": 2}}})


ACCURACY, FACTOR = {"metric": "test/acc"}, {"metric": "test/loss", "scale": "log"}
PAIR = {"better": "a", "than": "b"}


@pytest.mark.parametrize(
    ("quantity", "prediction", "message"),
    [
        ({**ACCURACY, "sesoi": 1}, {}, "q.sesoi is 1, and test/acc is a share between 0 and 1, of which one point is"),
        ({"metric": "val/subset_accuracy", "sesoi": 2}, {}, "as val/subset_accuracy_percent"),
        ({"metric": "diverged", "sesoi": 1.0}, {}, "diverged is a share between 0 and 1"),
        ({"metric": "val/acc", "at": {"time_to": 70}}, {}, "q.at.time_to is 70, and val/acc is a share"),
        (
            {**FACTOR, "sesoi": 2},
            {},
            "q.sesoi is 2, a factor of 7.39 on the log scale; write it in per cent, 2 % as 2%",
        ),
        ({**FACTOR, "sesoi": "1000"}, {}, "q.sesoi is '1000', a factor of"),
        (ACCURACY, {"kind": "compare", **PAIR, "by": -1}, "it.by is -1, and test/acc is a share"),
        (ACCURACY, {"kind": "equivalent", "arms": ["a", "b"], "within": 2}, "it.within is 2, and test/acc is a share"),
        (ACCURACY, {"kind": "bound", "arm": "a", "high": 80}, "it.high is 80, and test/acc is a share"),
        (
            ACCURACY,
            {"kind": "bound", "arm": "a", "relative_to": "b", "low": -5},
            "it.low is -5, and test/acc is a share",
        ),
        (FACTOR, {"kind": "compare", **PAIR, "by": -5}, "it.by is -5, a factor of 148 on the log scale"),
        (FACTOR, {"kind": "equivalent", "arms": ["a", "b"], "within": 1}, "it.within is 1, a factor of"),
        (FACTOR, {"kind": "bound", "arm": "a", "relative_to": "b", "high": 3}, "it.high is 3, a factor of"),
    ],
)
def test_an_amount_that_was_meant_in_points_or_per_cent_is_refused(quantity, prediction, message):
    predictions = {"it": prediction} if prediction else {}
    with pytest.raises(ValueError, match="study") as caught:
        read_study({**GOOD, "quantities": {"q": quantity}, "predictions": predictions})
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("quantity", "prediction", "read"),
    [
        ({**ACCURACY, "sesoi": 0.01}, {"kind": "bound", "arm": "a", "low": 0.7, "high": 1}, 0.01),
        ({"metric": "test/acc_percent", "sesoi": 1}, {"kind": "compare", **PAIR, "by": -2}, 1),
        ({"metric": "val/acc", "at": {"time_to": 0.7}, "sesoi": 200}, {}, 200),
        ({**FACTOR, "sesoi": "60%"}, {"kind": "bound", "arm": "a", "high": 3}, -math.log(0.4)),
        ({**FACTOR, "sesoi": 0.5, "sd": 2}, {}, 0.5),
        (
            {"metric": "throughput", "scale": "log", "sesoi": "5%"},
            {"kind": "compare", **PAIR, "by": "200%"},
            math.log(1.05),
        ),
    ],
)
def test_an_amount_that_a_quantity_can_have_is_read(quantity, prediction, read):
    study = read_study({**GOOD, "quantities": {"q": quantity}, "predictions": {"it": prediction} if prediction else {}})
    assert study.quantities["q"].sesoi == pytest.approx(read)


@pytest.mark.parametrize(("direction", "share"), [("up", "-100%"), ("down", "100%"), ("up", "inf%")])
def test_per_cents_of_which_there_is_no_logarithm_are_refused(direction, share):
    quantity = {"metric": "test/loss", "scale": "log", "direction": direction}
    prediction = {"kind": "compare", **PAIR, "by": share}
    with pytest.raises(ValueError, match=r"study.predictions.it.by must lie (above -100%|below 100%), got"):
        read_study({**GOOD, "quantities": {"q": quantity}, "predictions": {"it": prediction}})


@pytest.mark.parametrize(
    ("metric", "at", "direction"),
    [
        ("test/loss", "last", "down"),
        ("val/acc", "best", "up"),
        ("val/acc", "rise", "down"),
        ("test/accuracy", {"time_to": 0.9}, "down"),
        ("gap", "last", "down"),
        ("seconds", "last", "down"),
    ],
)
def test_directions_are_inferred(metric, at, direction):
    study = read_study({**GOOD, "quantities": {"q": {"metric": metric, "at": at}}})
    assert study.quantities["q"].direction == direction


@pytest.mark.parametrize(
    ("entry", "ordered"),
    [
        ({"log": [1e-4, 1e-2]}, True),
        ({"choices": [5e-4, 1e-3, 2e-3]}, True),
        ({"choices": ["adam", "sgd"]}, False),
        ({"choices": [True, False]}, False),
        ({"choices": [32, "all"]}, False),
    ],
)
def test_choices_of_numbers_have_edges_as_ranges_have(entry, ordered):
    assert read_nuisance({"knob": entry})["knob"].ordered is ordered


EVERY_KIND = {
    "better": {"kind": "compare", "better": {"x": 1}, "than": [{"x": 2}], "by": 0.1, "quantity": "loss", "claim": "so"},
    "first": {"kind": "best", "arms": "a", "among": ["a", "b", "c"], "primary": True, "source": "there"},
    "low": {"kind": "bound", "arm": "a", "low": 0.1, "high": 0.5, "relative_to": "b", "regime": "document"},
    "same": {"kind": "equivalent", "arms": ["a", "b"], "within": 0.2},
    "rank": {"kind": "order", "arms": ["a", "b"], "ties": True},
    "bend": {"kind": "shape", "factor": "x", "form": "peak", "at": 2, "axis": "log2", "given": {"y": 0}},
    "more": {"kind": "interaction", "form": "none", "factors": {"x": [1, 2], "y": [0, 1]}, "by": 0},
    "cells": {"kind": "interaction", "neither": "a", "first": "b", "second": "c", "both": "d"},
    "all": {"kind": "all_of", "of": ["better", "rank"]},
}
EVERYTHING = {
    "question": "Which?",
    "source": "there",
    "note": "so",
    "arms": {"a": {"x": 1, "y": 0}, "b": {"x": 2, "y": 0}, "c": {"x": 3, "y": 0}, "d": {"x": 2, "y": 1}},
    "nuisance": {
        "lr": {"log": [1e-3, 1e-1], "trials": 3, "sampler": "grid", "per": "arm"},
        "z": {"choices": [1, "b"]},
        "w": {"linear": [0, 1]},
    },
    "fixed": {"epochs": 3},
    "seeds": [0, 1, 2],
    "quantities": {
        "loss": {
            **{"metric": "test/loss", "at": "best_val", "scale": "identity"},
            **{"sesoi": 0.1, "sd": 0.2, "select": "val/loss"},
        },
        "time": {
            **{"metric": "val/acc", "at": {"time_to": 0.9, "unit": "updates"}},
            **{"direction": "up", "deterministic": True},
        },
    },
    "predictions": EVERY_KIND | {name: {"quantity": "loss"} | one for name, one in EVERY_KIND.items() if name != "all"},
    "baseline": {"x": 1},
    "off": {"x": 0},
    "resampled": {"n_test": 10, "n_train": 40},
    "data": {"one": {"data": "mnist1d"}, "two": "fashion_mnist"},
}
VARIANTS = (
    EVERYTHING,
    {**EVERYTHING, "seeds": {"until": "decided", "most": 20}, "data": ["one", "two"]},
    {
        **{name: one for name, one in EVERYTHING.items() if name not in ("seeds", "resampled", "arms", "predictions")},
        **{"factors": {"x": [1, 2], "y": [0, 1]}, "resampling": {"folds": 5, "repeats": 2}},
    },
)
ODD = (
    *(None, "", "a", "1e3", True, 0, -1, 10**400, -(10**400), 1.5, math.nan, math.inf, b"a", date(2024, 1, 2)),
    *([], ["a"], [["a"]], [{}], [{"x": [1]}], {}, {"x": 1}, {"x": [[1]]}, {1: {}}, {None: None}, {"a": {"a": ["a"]}}),
)


def places(node, above=()):
    """Where each node of a study stands: its keys, from the root."""
    if above:
        yield above
    inner = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in inner:
        yield from places(value, (*above, key))


def replaced(node, place, value):
    """A copy of the node with another one at a place."""
    if not place:
        return value
    copy = dict(node) if isinstance(node, dict) else list(node)
    copy[place[0]] = replaced(node[place[0]], place[1:], value)
    return copy


@pytest.mark.briefly(0)
@pytest.mark.parametrize("number", range(len(VARIANTS)))
def test_whatever_stands_in_a_study_it_is_read_or_refused_by_its_key(number):
    """Each of its nodes replaced by each of some odd values."""
    study = VARIANTS[number]
    read_study(study)
    for place in set(places(study)) - set(places(VARIANTS[0]) if number else ()):
        for value in ODD:
            try:
                read_study(replaced(study, place, value))
            except ValueError as refusal:
                told = str(refusal)
                assert told.startswith("study"), (place, value, told)
                assert "\n" not in told
            except Exception as fault:
                raise AssertionError(f"{place} as {value!r:.50}: {fault!r}") from fault
