"""Which plain values, as a configuration holds them, an annotation takes; and both in words.

Strict where Python is not: true is no number, text no list. A whole number does where a number is asked for, and a list
where any sequence is. An annotation that says nothing of plain values takes all of them.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Union, get_args, get_origin


class Part:
    """Stands in an annotation for a class of objects: no plain value is one."""


WORDS: dict[Any, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    list: "a list",
    dict: "a mapping",
    type(None): "null",
    Part: "a mapping with a _target_",
}
SEVERAL: dict[Any, str] = {int: "whole numbers", float: "numbers", str: "texts", dict: "mappings"}


def admits(kind: Any, value: Any) -> bool:
    """Whether a plain value (or an object, which always is) is of this kind."""
    if kind is Any or not (value is None or isinstance(value, bool | int | float | str | list | tuple | dict)):
        return True
    if kind is bool or isinstance(value, bool):
        return isinstance(value, bool) and (kind is bool or _one_of(kind, value))
    if kind is int or kind is str or kind is dict or kind is type(None):
        return isinstance(value, kind)
    if kind is float:
        return isinstance(value, int | float)
    if get_origin(kind) is Literal or get_origin(kind) is Union:
        return _one_of(kind, value)
    items = get_args(kind)
    if kind is list or get_origin(kind) in (list, tuple):
        return isinstance(value, list | tuple) and _items_admitted(get_origin(kind), items, value)
    return False


def _one_of(kind: Any, value: Any) -> bool:
    if get_origin(kind) is Union:
        return any(admits(one, value) for one in get_args(kind))
    return get_origin(kind) is Literal and any(one == value and type(one) is type(value) for one in get_args(kind))


def _items_admitted(origin: Any, items: Sequence[Any], value: Sequence[Any]) -> bool:
    if origin is tuple and items and items[-1] is not Ellipsis:
        return len(items) == len(value) and all(map(admits, items, value))
    return not items or all(admits(items[0], item) for item in value)


def kind_of_default(default: Any) -> Any:
    """The kind of values that may stand in a default's place; None says nothing."""
    if default is None:
        return Any
    if isinstance(default, list | tuple):
        return list
    found = next((kind for kind in (bool, str, dict) if isinstance(default, kind)), None)
    return found or (float if isinstance(default, int | float) else Any)


def only_parts(kind: Any) -> bool:
    """Whether no plain value but null is of this kind."""
    return kind is Part or (get_origin(kind) is Union and set(get_args(kind)) <= {Part, type(None)})


def words(kind: Any) -> str:
    """What is expected, in words: "true or false", "a list of whole numbers, or null"."""
    kinds = get_args(kind) if get_origin(kind) is Union else (kind,)
    plain = [one for one in kinds if one is not Part and not (one is int and float in kinds)]
    plain += [Part] if set(plain) <= {type(None)} else []
    choices = [shown(choice) for one in plain if get_origin(one) is Literal for choice in get_args(one)]
    named = [_words(one) for one in plain if get_origin(one) is not Literal and one is not type(None)]
    told = [f"one of {', '.join(dict.fromkeys(choices))}"] if choices else []
    return _listed([*named, *told, *(["null"] if type(None) in plain else [])])


def _words(kind: Any) -> str:
    items = get_args(kind)
    if not items or items[0] is Any:
        return WORDS.get(get_origin(kind) or kind, "something else")
    if get_origin(kind) is tuple and items[-1] is not Ellipsis:
        return f"a list of {len(items)} ({', '.join(words(item) for item in items)})"
    return f"a list of {SEVERAL.get(items[0]) or f'which each is {words(items[0])}'}"


def _listed(names: Sequence[str]) -> str:
    *most, last = dict.fromkeys(names)
    return f"{', '.join(most)} or {last}" if most else last


def shown(value: Any) -> str:
    """A plain value as it is typed on the command line."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name}: {shown(one)}" for name, one in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(shown(one) for one in value) + "]"
    return str(value) or "''"


def either(*kinds: Any) -> Any:
    """The kind that admits what any of these does."""
    return Union[kinds]  # noqa: UP007 - of a tuple
