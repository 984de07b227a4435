"""Classes and functions that are written where no module's file has them: in a script, a notebook or at a prompt."""

import ast
import inspect
import linecache
import re
import sys
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Any, NamedTuple

# Where an object lies in this process's memory.
ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
# Of a class without a method of its own: what else tells it.
TELLING = ("__annotations__", "__dataclass_fields__")


class Written(NamedTuple):
    """What counts of each, by its name; and the dotted names of modules that they lead to."""

    texts: dict[str, str]
    names: tuple[str, ...]


def written_here(names: Sequence[str]) -> Written:
    """The statements that define what these dotted names lead to, and whatever of the same place they use.

    Raises:
        ValueError: for what was typed where its source is not kept.
    """
    texts: dict[str, str] = {}
    modules: dict[str, None] = {}
    waiting = [(name, home) for name in names if (home := sys.modules.get(name.partition(".")[0])) and _is_here(home)]
    while waiting:
        name, home = waiting.pop()
        first, *rest = name.removeprefix(f"{home.__name__}.").split(".")
        if (key := f"{home.__name__}.{first}") in texts or first not in vars(home):
            continue
        thing = vars(home)[first]
        if isinstance(thing, ModuleType):
            modules[".".join([thing.__name__, *rest])] = None
        elif getattr(thing, "__module__", None) != home.__name__:
            kind = thing if hasattr(thing, "__qualname__") else type(thing)
            modules[f"{kind.__module__}.{kind.__qualname__}"] = None
            # A script's text has it already, and it may be the time of day.
            texts |= {key: told(thing)} if kind is not thing and not hasattr(home, "__file__") else {}
        else:
            trees, texts[key] = _defined(key, thing, home)
            modules |= dict.fromkeys(name for tree in trees for name in imported(tree))
            bases = [base.__qualname__ for base in getattr(thing, "__bases__", ()) if base.__module__ == home.__name__]
            waiting += [(name, home) for name in (*bases, *(name for tree in trees for name in _used(tree)))]
    return Written(texts, tuple(modules))


def told(value: Any) -> str:
    """A value in words that another process has too, whatever order its sets have there."""
    if isinstance(value, set | frozenset):
        return f"{{{', '.join(sorted(map(told, value)))}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(told, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{told(key)}: {told(one)}' for key, one in value.items())}}}"
    return ADDRESS.sub("", repr(value))


def counted(source: str) -> str:
    """What counts of source text: not its blank lines, nor those that are comments."""
    lines = (line.rstrip() for line in source.splitlines())
    return "\n".join(line for line in lines if line and not line.lstrip().startswith("#"))


def imported(tree: ast.AST, package: str = "") -> Iterator[str]:
    """The names that a module of this package imports anywhere in it."""
    for node in _statements(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: 1 - node.level or None] if node.level and package else []
            module = ".".join([*above, *([node.module] if node.module else [])])
            yield from (f"{module}.{alias.name}".lstrip(".") for alias in node.names)


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """Every statement under a node: expressions, which are most of a tree, import nothing."""
    for field in ("body", "orelse", "finalbody", "handlers", "cases"):
        children = getattr(node, field, ())
        for child in children if isinstance(children, list) else ():
            yield child
            yield from _statements(child)


def _is_here(module: ModuleType) -> bool:
    """Whether it is a script, a notebook or a prompt."""
    known = getattr(module, "__spec__", None) or getattr(module, "__file__", None)
    return module.__name__ == "__main__" or not known


def _defined(name: str, thing: Any, home: ModuleType) -> tuple[list[ast.AST], str]:
    """The statements at the top that a class or function, or an object of such a class, is of; and what counts."""
    kind = thing if hasattr(thing, "__qualname__") else type(thing)
    functions = list(_functions(kind))
    found = dict(one for function in functions if (one := _statement(function)) is not None)
    texts = sorted(found)
    if not texts:
        if functions and not hasattr(kind, "__dataclass_fields__") and not hasattr(home, "__file__"):
            raise ValueError(
                f"{name}: expected a class or function whose source can be read, found one that was typed where none "
                "is kept, so that its runs could not be told from those of an edited one; write it into a file"
            )
        members = getattr(kind, "__dict__", {}).items()
        texts = [told({key: one for key, one in members if key in TELLING or not key.startswith("__")})]
    return list(found.values()), "\n".join(
        [*texts, *([told(thing)] if kind is not thing and not hasattr(home, "__file__") else [])]
    )


def _functions(kind: Any) -> Iterator[Any]:
    """What has code of its own: a function, or the methods of a class that were written with it."""
    for part in vars(kind).values() if isinstance(kind, type) else (kind,):
        for inner in (part, *(getattr(part, name, None) for name in ("__func__", "fget", "func"))):
            function = inspect.unwrap(inner)
            if hasattr(function, "__code__") and function.__module__ == kind.__module__:
                yield function


def _statement(function: Any) -> tuple[str, ast.AST] | None:
    """The statement at the top of a script or cell within which a function was written; None where it is not kept."""
    lines, line = linecache.getlines(function.__code__.co_filename), function.__code__.co_firstlineno
    if not lines:
        return None
    try:
        tree = ast.parse("".join(lines))
    except SyntaxError:  # a page of which it is a part
        return counted("".join(lines)), ast.Module([], [])
    for node in tree.body:
        first = min(one.lineno for one in (node, *getattr(node, "decorator_list", ())))
        if first <= line <= (node.end_lineno or line):
            return counted("".join(lines[first - 1 : node.end_lineno])), ast.Module([node], [])
    return None


def _used(tree: ast.AST) -> Iterator[str]:
    """The names, and names of names, that a tree has."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute) and all(part.isidentifier() for part in ast.unparse(node).split(".")):
            yield ast.unparse(node)
