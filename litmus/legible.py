"""Files that hold text, read so that any page, table or terminal can show what they say.

A program's last words can be anything: half of a surrogate pair (no file can hold it), a NUL (no XML can), an escape
sequence (a terminal obeys it), an override of the direction of writing (it shows other words than there are). Whoever
reads a file that others wrote reads it here, and nobody has to think of it again.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

# Control characters but for the tab and the line's end, lone surrogates, embeddings and overrides, no characters.
ILLEGIBLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069\ufffe\uffff]")
MARK = "\ufffd"


def legible(text: object) -> str:
    """The text with a mark in place of each character that cannot be shown or is obeyed where it is shown."""
    found = str(text)
    if found.isascii() and found.isprintable():
        return found
    return ILLEGIBLE.sub(MARK, found.replace("\r\n", "\n").replace("\r", "\n"))


def legible_values(node: Any) -> Any:
    """The same for every text in mappings and lists, names included."""
    if isinstance(node, str):
        return legible(node)
    if isinstance(node, Mapping):
        return {legible_values(name): legible_values(value) for name, value in node.items()}
    return [legible_values(entry) for entry in node] if isinstance(node, list) else node


def read_text(path: Path) -> str:
    """A text in UTF-8.

    Raises:
        ValueError: for bytes that are none.
    """
    return legible(path.read_text(encoding="utf-8-sig"))


def read_json(path: Path) -> Any:
    """What a JSON file holds.

    Raises:
        ValueError: for a file that is none.
    """
    try:
        return legible_values(json.loads(path.read_text(encoding="utf-8-sig")))
    except RecursionError as problem:
        raise ValueError("it is nested too deep") from problem


def read_object(path: Path) -> dict[str, Any]:
    """The mapping that a JSON file holds; empty where there is none that can be read."""
    try:
        found = read_json(path)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def read_yaml(path: Path, loader: Any = yaml.SafeLoader) -> Any:
    """What a YAML file holds.

    Raises:
        ValueError: for bytes that are no text.
        yaml.YAMLError: for a text that is no YAML.
    """
    return legible_values(yaml.load(read_text(path), Loader=loader))


def yaml_fault(error: yaml.YAMLError) -> str:
    """What is wrong with a text that is no YAML, and in which line."""
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return " ".join(str(error).split())
    told = " ".join(str(getattr(error, "problem", None) or error).split())
    return f"line {mark.line + 1}: {told}; mend that line"
