"""Strict reading of plain dictionaries: a failure is one sentence: expected, found, the way out."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date
from difflib import get_close_matches
from typing import Any

from litmus.claims.notation import listing, text


def mapping(node: Any, where: str) -> dict[str, Any]:
    """The node as a dictionary with text keys, all different; `where` names it in the error."""
    if not isinstance(node, Mapping):
        raise ValueError(f"{where} must be a mapping of names to values, got {node!r}")
    found = {str(key): value for key, value in node.items()}
    if len(found) < len(node):
        twice = next(name for name in found if [str(key) for key in node].count(name) > 1)
        raise ValueError(f"{where} has the key {twice} twice, as a number and as a text; keep one")
    return found


def keys(node: Mapping[str, Any], where: str, allowed: Collection[str], required: Collection[str] = ()) -> None:
    """Refuse unknown and missing keys of a node."""
    for key in node:
        if key not in allowed:
            raise ValueError(f"{where} has the unknown key {key!r}; {way_out(key, allowed)}")
    for key in required:
        if key not in node:
            raise ValueError(f"{where} lacks the key {key!r}; write {', '.join(required)} and, if wanted, others")


def one_of(value: Any, where: str, allowed: Collection[str]) -> str:
    """The value, when it is one of the allowed words."""
    if not isinstance(value, str) or value not in allowed:
        raise ValueError(f"{where} must be one of {listing(sorted(allowed), 20)}, got {value!r}")
    return value


def words(value: Any, where: str) -> str:
    """The value as a text that is not empty."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{where} must be a text, got {value!r}")
    return value


def said(value: Any, where: str) -> str:
    """What an author says: a number or a date is a text, too, and nothing is an empty one.

    Raises:
        ValueError: for lists, mappings and whatever else is no text.
    """
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, bool | int | float | date):
        return text(value)
    raise ValueError(f"{where} must be a text, got {value!r}; put it in quotes")


def way_out(name: str, known: Collection[str]) -> str:
    """Which name was probably meant, or which names exist."""
    close = get_close_matches(str(name), list(known), n=1)
    return f"did you mean {close[0]!r}?" if close else f"known: {listing(sorted(known), 20) or 'none'}"
