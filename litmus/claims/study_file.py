"""A study's YAML file, and where the parts of a study lie."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml
from yaml.constructor import ConstructorError

from litmus.claims.study import Study, read_study
from litmus.legible import read_yaml, yaml_fault


class _Loader(yaml.SafeLoader):
    """YAML 1.1 as Hydra reads it: 1e-3 is a number, which PyYAML alone takes for text, and no key stands twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """The node as a dictionary; PyYAML alone keeps the last of equal keys."""
        written: set[str] = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in written:
                raise ConstructorError(None, None, f"found duplicate key {key.value}", key.start_mark)
            written.add(key.value)
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"),
    list("-+.0123456789"),
)


# Beside study.yaml in a study's directory: which study it is, and how it was started.
COMMAND = "command.json"
# Keys of a study's node that tell the sweeper how to run it and say nothing about what is asked.
HOW_TO_RUN = ("smoke", "pruner", "tuning_seeds", "judge")
# Bytes of a file's name.
LONGEST = 255
REMEDY = "put a good copy there"


def read_study_file(path: str | Path) -> Study:
    """The study of a file: its `study:` node, or the whole file when it has none.

    Raises:
        ValueError: naming the file.
    """
    node = read_node(path)
    try:
        return read_study_node(node)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def read_study_node(node: Any) -> Study:
    """The same of what a file would hold."""
    node = _node(node)
    if isinstance(node, Mapping):
        node = {key: value for key, value in node.items() if key not in HOW_TO_RUN}
    return read_study(node)


def is_smoke(path: str | Path) -> bool:
    """Whether a study's file is the one that a smoke run leaves in its directory."""
    return read_node(path).get("smoke") is True


def read_node(path: str | Path) -> Mapping[str, Any]:
    """The node of a study's file.

    Raises:
        ValueError: naming the file, where it holds none.
    """
    try:
        node = _node(read_yaml(Path(path), _Loader))
    except yaml.YAMLError as error:
        raise ValueError(f"{path} is not valid YAML: {yaml_fault(error)}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: expected a study in UTF-8, found bytes that are no text; {REMEDY}") from error
    if not isinstance(node, Mapping):
        found = "an empty file" if node is None else f"{node!r:.60}"
        raise ValueError(f"{path}: expected a study, with question, quantities and others, found {found}; {REMEDY}")
    return node


def _node(content: Any) -> Any:
    return content["study"] if isinstance(content, Mapping) and "study" in content else content


def file_safe(name: str) -> str:
    """The name as a directory's: signs that a file system or a glob would read otherwise are written as %2F is.

    What is longer than a file system takes ends in a hash, behind %~, which no other name has in it.
    """
    quoted = quote(name, safe="=,+")
    quoted = f"%2E{quoted[1:]}" if quoted.startswith(".") else quoted
    if len(quoted) <= LONGEST:
        return quoted
    mark = f"%~{hashlib.sha256(name.encode()).hexdigest()[:16]}"
    return quoted[: LONGEST - len(mark)] + mark


def trial_place(arm: str, seed: int) -> Path:
    """The directory of a trial, from the study's."""
    return Path("trials") / file_safe(arm) / f"seed={seed}"


def tuning_place(arm: str) -> Path:
    """The directory of an arm's tuning, from the study's."""
    return Path("tuning") / file_safe(arm)
