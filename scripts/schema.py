"""Writes schema/run.json and schema/study.json, by which editors complete knobs and mark mistakes: docs/studies.md.

Made from configs/ and the constructors that it names, and from the kinds of predictions: run it when you add a part.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

import yaml

from litmus.claims.looks import LOOKS
from litmus.claims.nuisance import PER, SAMPLERS
from litmus.claims.prediction import REGIMES, registry
from litmus.claims.quantity import KEYS as OF_QUANTITIES
from litmus.claims.quantity import SCALES
from litmus.claims.reductions import REDUCTIONS, UNITS
from litmus.claims.study import KEYS as OF_STUDIES
from litmus.project import ROOT, put_on_path
from litmus.sweeps.asked import PRUNERS
from litmus.trial.arguments import Parser
from litmus.trial.command_line import answer
from litmus.trial.kinds import Part, kind_of_default
from litmus.trial.signatures import signature_of

Schema = dict[str, Any]
DIALECT = "http://json-schema.org/draft-07/schema#"
# A value that is computed: ${lr}, fact:outputs, ???, or the run's own number of steps.
COMPUTED: Schema = {"type": "string", "pattern": r"\$\{|^fact:|^\?\?\?$|^total$"}
ANY_PART: Schema = {"type": ["object", "null"], "properties": {"_target_": {"type": "string"}}}
PLAIN = {bool: "boolean", int: "integer", float: "number", str: "string", dict: "object", type(None): "null"}
# What a file of configurations may say beside knobs.
OF_FILES: dict[str, Schema] = {"defaults": {"type": "array"}, "hydra": {"type": "object"}}
# Groups whose entries have names of their own, and groups that are no part.
NAMED, SWEPT = ("callbacks", "logger"), ("experiment", "study", "search")


# ---------------------------------------------------------------------- a run


def run_schema() -> Schema:
    """Of a file that says what a run is: an experiment, or the whole default."""
    return _titled("a run", _of_run())


def _of_run() -> dict[str, Schema]:
    found = dict(OF_FILES)
    for path in sorted((ROOT / "configs").rglob("*.yaml")):
        content, told = _read(path)
        if path.parent == ROOT / "configs" or _is_global(path):
            for name, value in content.items():
                if name not in found and not isinstance(value, dict) and path.parent.name not in SWEPT:
                    found[name] = _described(_of_value(value), told.get(name))
    found["weights"] = {"type": ["string", "object", "null"]}
    found["batch_size"]["anyOf"] = [{"type": "integer", "minimum": 1}, {"const": "all"}, COMPUTED]
    for folder in sorted(path for path in (ROOT / "configs").iterdir() if path.is_dir()):
        if folder.name not in SWEPT:
            found[folder.name] = _of_group(folder)
    return found


def _of_group(folder: Path) -> Schema:
    if folder.name in NAMED:
        entries = {name: node for path in _files(folder) for name, node in _node(path, folder.name).items()}
        parts = {
            name: _of_part([node], _read(folder / f"{name}.yaml")[1] if (folder / f"{name}.yaml").is_file() else {})
            for name, node in entries.items()
            if isinstance(node, Mapping)
        }
        return {"type": "object", "properties": parts, "additionalProperties": ANY_PART}
    told: dict[str, str] = {}
    for path in _files(folder):
        told = _read(path)[1] | told
    return _of_part([_node(path, folder.name) for path in _files(folder)], told)


def _of_part(nodes: Iterable[Mapping[str, Any]], told: Mapping[str, str]) -> Schema:
    """A node that is made into one of several classes: what any of them takes, any key where it says which class."""
    found: dict[str, list[Schema]] = {}
    for node in nodes:
        taken = signature_of(str(node["_target_"])).parameters if "_target_" in node else {}
        for name in dict.fromkeys((*node, *taken)):
            if isinstance(node.get(name), Mapping):
                inner = {} if "_target_" not in node[name] else {"_target_": {"type": "string"}}
                found.setdefault(name, []).append({"type": ["object", "string", "null"], "properties": inner})
            elif name in taken:
                found.setdefault(name, []).append(_of_kind(taken[name].kind))
            else:
                found.setdefault(name, []).append(_of_value(node[name])["anyOf"][0])
            if name in node and node[name] is None:
                found[name].append({"type": "null"})
    properties = {
        name: _described({"anyOf": _different([*kinds, COMPUTED])}, told.get(name)) for name, kinds in found.items()
    }
    properties |= {"_target_": {"type": "string"}, "_partial_": {"type": "boolean"}}
    return {
        "type": ["object", "null"],
        "properties": properties,
        "if": {"required": ["_target_"]},
        "else": {"propertyNames": {"enum": sorted(properties)}},
    }


def _of_value(value: Any) -> Schema:
    plain = {} if isinstance(value, str) and "${" in value else _of_kind(kind_of_default(value))
    plain = {"type": "integer"} if type(value) is int else plain
    return {"anyOf": _different([plain, *([{"type": "null"}] if value is None else []), COMPUTED])}


def _of_kind(kind: Any) -> Schema:
    """The plain values of a kind, see litmus/trial/kinds.py."""
    if kind is Part:
        return ANY_PART
    if get_origin(kind) is Union:
        # typing keeps equal unions once, in the order of whichever was named first in this process.
        return {"anyOf": sorted(_different(map(_of_kind, get_args(kind))), key=json.dumps)}
    if get_origin(kind) is Literal:
        return {"enum": list(get_args(kind))}
    if kind is list or get_origin(kind) in (list, tuple):
        items = get_args(kind)
        one = {"items": {"anyOf": [_of_kind(items[0]), COMPUTED]}} if get_origin(kind) is list and items else {}
        return {"type": "array", **one}
    return {"type": PLAIN[kind]} if kind in PLAIN else {}


# ---------------------------------------------------------------------- a study


def study_schema() -> Schema:
    """Of a study's file: what its trials share, and what is asked.

    No key is demanded: a study may go on with another one, by its defaults.
    """
    return _titled("a study", {**_of_run(), "study": _of_study()})


def _of_study() -> Schema:
    selector: Schema = {"type": ["string", "object"]}
    counted: Schema = {"type": "integer", "minimum": 1}
    until = _closed({"until": {"const": "decided"}, "most": {"enum": list(LOOKS)}}, ["until"])
    known: dict[str, Schema] = {
        "question": {"type": "string", "minLength": 1},
        "source": {"type": "string"},
        "note": {"type": "string"},
        "factors": {"type": "object", "additionalProperties": {"type": "array", "minItems": 1}},
        "arms": {"type": "object", "additionalProperties": {"type": ["object", "null"]}},
        "nuisance": {"type": ["object", "null"], "additionalProperties": _of_nuisance()},
        "fixed": {"type": ["object", "null"]},
        "seeds": {"anyOf": [counted, {"type": "array", "items": {"type": "integer"}, "minItems": 1}, until]},
        "quantities": {
            "type": "object",
            "additionalProperties": {"if": {"type": "object"}, "then": _of_quantity(), "else": {"type": "string"}},
        },
        "predictions": {"type": ["object", "null"], "additionalProperties": _of_prediction()},
        "baseline": {"anyOf": [selector, {"type": "null"}]},
        "off": {"type": ["object", "null"]},
        "resampling": _closed({"folds": {"type": "integer", "minimum": 2}, "repeats": counted}, ["folds"]),
        "data": {"anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "object"}]},
        "resampled": _closed({name: {"type": "number"} for name in ("n_test", "n_train")}, ["n_test", "n_train"]),
        "smoke": {"type": "boolean"},
        "judge": {"type": "boolean"},
        "pruner": {"enum": list(PRUNERS)},
        "tuning_seeds": counted,
    }
    assert {*OF_STUDIES} <= {*known}
    return _closed(known)


def _of_nuisance() -> Schema:
    ends: Schema = {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}
    known: dict[str, Schema] = {
        "log": ends,
        "linear": ends,
        "choices": {"type": "array"},
        "trials": {"type": "integer", "minimum": 1},
    }
    return _closed({**known, "sampler": {"enum": list(SAMPLERS)}, "per": {"enum": list(PER)}})


def _of_quantity() -> Schema:
    amount: Schema = {"anyOf": [{"type": "number"}, {"type": "string", "pattern": r"^\s*[-+]?[\d.]+\s*%$"}]}
    words = [name for name in REDUCTIONS if name != "time_to"]
    reached = _closed({"time_to": {"type": "number"}, "unit": {"enum": list(UNITS)}}, ["time_to"])
    known: dict[str, Schema] = {
        "metric": {"type": "string"},
        "at": {"anyOf": [{"enum": words}, reached]},
        "scale": {"enum": list(SCALES)},
        "direction": {"enum": ["up", "down"]},
        "select": {"type": "string"},
        "sesoi": amount,
        "sd": amount,
        "deterministic": {"type": "boolean"},
    }
    assert known.keys() == OF_QUANTITIES
    return _closed(known)


def _of_prediction() -> Schema:
    kinds = registry()
    cases = [
        {"if": {"required": ["kind"], "properties": {"kind": {"const": name}}}, "then": _of_kind_named(name)}
        for name in sorted(kinds)
    ]
    every: dict[str, Schema] = {
        name: {} for kind in kinds.values() for name in (one.name for one in fields(kind)) if name != "id"
    }
    return {
        "type": "object",
        "properties": {"kind": {"enum": sorted(kinds)}, **every},
        "allOf": cases,
    }


def _of_kind_named(name: str) -> Schema:
    kind = registry()[name]
    home = import_module(kind.__module__)
    told: dict[str, Schema] = {
        "primary": {"type": "boolean"},
        "ties": {"type": "boolean"},
        "regime": {"enum": list(REGIMES)},
        "form": {"enum": list(getattr(home, "FORMS", ()))},
        "axis": {"enum": list(getattr(home, "AXES", ()))},
        **{key: {"type": "string"} for key in ("claim", "source", "quantity", "factor")},
    }
    found = {one.name: told.get(one.name, {}) for one in fields(kind) if one.name != "id"}
    said = " ".join((kind.__doc__ or "").split("\n\n")[0].split())
    return {**_closed({"kind": {"const": name}, **found}), "description": said}


# ---------------------------------------------------------------------- inside


def _titled(what: str, properties: Mapping[str, Schema]) -> Schema:
    """The whole schema of a file; written by this script."""
    note = "written by scripts/schema.py; do not edit"
    return {"$schema": DIALECT, "title": f"{what} of Litmus", "$comment": note, **_closed(properties)}


def _closed(properties: Mapping[str, Schema], required: Iterable[str] = ()) -> Schema:
    found: Schema = {"type": "object", "properties": dict(properties), "additionalProperties": False}
    return found | ({"required": list(required)} if required else {})


def _described(schema: Schema, told: str | None) -> Schema:
    return {**schema, "description": told} if told else schema


def _different(schemas: Iterable[Schema]) -> list[Schema]:
    """Each once; what admits everything stands alone."""
    found = list({json.dumps(one, sort_keys=True): one for one in schemas}.values())
    return [{}] if {} in found else found


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.yaml"))


def _is_global(path: Path) -> bool:
    return path.read_text(encoding="utf-8").startswith("# @package _global_")


def _node(path: Path, group: str) -> Mapping[str, Any]:
    """What a file says of its group, with what the files before it in its defaults say."""
    content, _ = _read(path)
    node = content.get(group) or {} if _is_global(path) else content
    for before in content.get("defaults") or []:
        if isinstance(before, str) and before != "_self_" and (path.parent / f"{before}.yaml").is_file():
            node = {**_node(path.parent / f"{before}.yaml", group), **node}
    return {name: value for name, value in node.items() if name != "defaults"}


def _read(path: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """A file's content, and what the comments at the ends of its lines say of their keys."""
    text = path.read_text(encoding="utf-8")
    return yaml.safe_load(text) or {}, dict(_comments(text))


def _comments(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        if found := re.match(r"\s*(\w+):.*?\s#\s(.+)$", line):
            yield found[1], found[2].strip()


def texts() -> dict[Path, str]:
    """What the files should hold."""
    schemas = {"run": run_schema(), "study": study_schema()}
    return {ROOT / "schema" / f"{name}.json": _text(schema) for name, schema in schemas.items()}


def _text(schema: Schema) -> str:
    """A line for each knob, so that a change is seen where it is."""
    properties = schema.pop("properties")
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(one, ensure_ascii=False)}" for name, one in properties.items())
    return json.dumps(schema)[:-1] + f', "properties": {{\n{lines}\n}}}}\n'


def main() -> None:
    """Writes both files."""
    Parser(description=__doc__).parse_args()
    put_on_path()
    for path, text in texts().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        print(path.relative_to(ROOT))


if __name__ == "__main__":
    answer(main)
