"""What editors are told: the committed schema is the project's, every shipped file fits it, and a mistake does not."""

import copy
import json
import re

import pytest
import yaml

from litmus.claims.study_file import _Loader
from scripts.schema import texts
from tests.conftest import ROOT

SCHEMAS = {name: json.loads((ROOT / "schema" / f"{name}.json").read_text()) for name in ("run", "study")}
FOLDERS = {"study": "study", "experiment": "run"}
FILES = [
    *((path, kind) for name, kind in FOLDERS.items() for path in sorted(ROOT.glob(f"**/configs/{name}/*.yaml"))),
    (ROOT / "configs" / "train.yaml", "run"),
]
TYPES = {
    **{"object": dict, "array": list, "string": str, "null": type(None), "boolean": bool},
    **{"integer": int, "number": (int, float)},
}


def is_of(value, kind):
    return isinstance(value, TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))


def mistakes(value, schema, place=""):
    """What in a value does not fit: the words of JSON Schema that scripts/schema.py uses, and no others."""
    known = {
        *("type", "enum", "const", "pattern", "minimum", "minLength", "anyOf", "allOf", "if", "then", "else"),
        *("properties", "additionalProperties", "propertyNames", "required", "items", "minItems", "maxItems"),
        *("$schema", "title", "$comment", "description"),
    }
    assert schema.keys() <= known, schema.keys() - known
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(is_of(value, kind) for kind in kinds):
        yield f"{place}: {value!r} is no {' or '.join(kinds)}"
        return
    for name in ("enum", "const"):
        if name in schema and value not in (schema[name] if name == "enum" else [schema[name]]):
            yield f"{place}: {value!r} is not {schema[name]}"
    if isinstance(value, str) and not re.search(schema.get("pattern", ""), value):
        yield f"{place}: {value!r} does not match {schema['pattern']}"
    if isinstance(value, str) and len(value) < schema.get("minLength", 0):
        yield f"{place}: empty"
    if is_of(value, "number") and value < schema.get("minimum", value):
        yield f"{place}: {value} is below {schema['minimum']}"
    if "anyOf" in schema and all(any(mistakes(value, one, place)) for one in schema["anyOf"]):
        yield f"{place}: {value!r} fits none of {json.dumps(schema['anyOf'])[:200]}"
    for one in schema.get("allOf", []):
        yield from mistakes(value, one, place)
    if "if" in schema:
        branch = "else" if any(mistakes(value, schema["if"], place)) else "then"
        yield from mistakes(value, schema.get(branch, {}), place)
    if isinstance(value, dict):
        yield from mistakes_of_keys(value, schema, place)
    if isinstance(value, list):
        if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
            yield f"{place}: {len(value)} entries"
        for number, one in enumerate(value):
            yield from mistakes(one, schema.get("items", {}), f"{place}.{number}")


def mistakes_of_keys(value, schema, place):
    yield from (f"{place} lacks {name}" for name in schema.get("required", []) if name not in value)
    for name, one in value.items():
        inside = f"{place}.{name}".lstrip(".")
        yield from mistakes(name, schema.get("propertyNames", {}), inside)
        if name in schema.get("properties", {}):
            yield from mistakes(one, schema["properties"][name], inside)
        elif schema.get("additionalProperties") is False:
            yield f"{inside} is no key"
        else:
            yield from mistakes(one, schema.get("additionalProperties", {}), inside)


def test_the_committed_schema_is_what_the_project_says_now():
    stale = [path.name for path, text in texts().items() if path.read_text(encoding="utf-8") != text]
    assert not stale, "type python scripts/schema.py"


@pytest.mark.parametrize(("path", "kind"), FILES, ids=lambda value: getattr(value, "stem", value))
def test_every_file_here_fits(path, kind):
    text = path.read_text()
    content = yaml.load(text, _Loader)
    # A knob of a file's own, which the file itself reads.
    own = {name: value for name, value in content.items() if f"${{{name}}}" in text}
    found = list(mistakes({name: value for name, value in content.items() if name not in own}, SCHEMAS[kind]))
    assert not found
    named = re.search(r"^# yaml-language-server: \$schema=(.+)$", text, re.MULTILINE)
    if path.is_relative_to(ROOT / "configs"):
        assert named, "python scripts/schema.py writes what editors read: # yaml-language-server: $schema=…"
        assert (path.parent / named[1]).resolve() == ROOT / "schema" / f"{kind}.json"


STUDY = yaml.load((ROOT / "configs" / "study" / "norm_helps.yaml").read_text(), _Loader)


@pytest.mark.parametrize(
    ("place", "key", "value"),
    [
        ((), "epocs", 3),
        ((), "epochs", "many"),
        ((), "batch_size", 0),
        ((), "model", {"unitz": [8]}),
        ((), "model", {"units": "wide"}),
        ((), "optimizer", {"momentun": 0.9}),
        ((), "trainer", {"gradient_clip_value": 1.0}),
        ((), "callbacks", {"checkpoint": {"monitr": "val/acc"}}),
        ((), "task", {"label_smoothin": 0.1}),
        (("study",), "predicitons", {}),
        (("study",), "seeds", {"until": "bored"}),
        (("study", "nuisance", "lr"), "sampler", "sobol"),
        (("study", "nuisance", "lr"), "trails", 3),
        (("study", "quantities", "loss"), "sesio", "2%"),
        (("study", "quantities", "loss"), "at", "best_validation"),
        (("study", "predictions", "helps"), "kind", "compares"),
        (("study", "predictions", "helps"), "then", {"norm": "none"}),
        (("study", "predictions", "helps"), "form", "synergy"),
    ],
    ids=str,
)
def test_a_mistake_is_marked_where_it_is(place, key, value):
    content = copy.deepcopy(STUDY)
    node = content
    for name in place:
        node = node[name]
    node[key] = value
    found = list(mistakes(content, SCHEMAS["study"]))
    assert found
    assert all(one.startswith(".".join((*place, key))) for one in found), found


@pytest.mark.parametrize(
    "content",
    [
        {"model": {"_target_": "mine.Net", "anything": 3}},
        {"lr": "${oc.env:RATE}", "model": {"units": "${mine}"}},
        {"batch_size": "all", "seed": 3, "updates_per_epoch": None},
        {"callbacks": {"mine": {"_target_": "mine.Callback", "every": 2}}},
    ],
    ids=str,
)
def test_what_is_right_is_not_marked(content):
    assert not list(mistakes(content, SCHEMAS["run"]))
