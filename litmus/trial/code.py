"""A fingerprint of the code that trains: changed by an edit of what a run is made of, and by no other edit."""

import ast
import hashlib
import sys
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from litmus.project import ROOT

# Who makes a trial of its configuration.
MAKER = Path(__file__).with_name("parts.py")
# Who reads a command and words its mistakes: what is made imports it for that alone, and trains the same without. Whose
# weights a run begins from its configuration tells.
AROUND = {Path(__file__).with_name(f"{name}.py") for name in ("command_line", "readers", "source")} | {
    Path(__file__).parents[1] / "python.py"  # which `import litmus` names, for whoever asks for it
}


def fingerprint(config: Any, root: Path = ROOT) -> str:
    """Sixteen hexadecimal digits of the source files that this configuration names, and all they import.

    Blank lines and lines that are comments do not count. What is installed is told by its version; what lies elsewhere
    on the path, in a folder of one's own, is told as the project's own is.

    Args:
        config: resolved; every dotted name in it that leads to a module under `root`, or in such a folder, counts.
        root: of the project.
    """
    told = sorted(
        (path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name, text)
        for path, text in sources(config, root).items()
    )
    return hashlib.sha256(repr(told).encode()).hexdigest()[:16]


def sources(config: Any, root: Path) -> dict[Path, str]:
    """The files that the fingerprint is of, and what counts of each."""
    waiting = [MAKER, *(path for name in _dotted(config) for path in _modules(name, root))]
    found: dict[Path, str] = {}
    while waiting:
        path = waiting.pop()
        if path not in found:
            found[path], imported = _read(path, root)
            waiting += [module for name in imported for module in _modules(name, root) if module not in AROUND]
    return found


def _dotted(node: Any) -> Iterator[str]:
    """Texts that may name a class or function: `_target_`, and what hydra.utils.get_method is given as `path`."""
    if isinstance(node, dict):
        for value in node.values():
            yield from _dotted(value)
    elif isinstance(node, list | tuple):
        for value in node:
            yield from _dotted(value)
    elif isinstance(node, str) and "." in node and all(part.isidentifier() for part in node.split(".")):
        yield node


# Kept as it was first seen: that is what this process has imported, whatever is edited while it runs.
@cache
def _modules(name: str, root: Path) -> tuple[Path, ...]:
    """The files, of the project or a folder of one's own, that are read when this dotted name is imported."""
    return next((found for base in (root, *_folders(root)) if (found := _modules_in(name, base))), ())


def _folders(root: Path) -> tuple[Path, ...]:
    """Folders on the path that are neither the project's nor installed."""
    return _folders_on(tuple(sys.path), root)


@cache
def _folders_on(path: tuple[str, ...], root: Path) -> tuple[Path, ...]:
    known = (root, Path(sys.prefix), Path(sys.base_prefix))
    folders = (Path(entry) for entry in path if entry and not {"site-packages", "dist-packages"} & {*Path(entry).parts})
    return tuple(one for one in folders if one.is_dir() and not any(one.is_relative_to(base) for base in known))


def _modules_in(name: str, base: Path) -> tuple[Path, ...]:
    """The same of the files under one folder, packages first."""
    place, found = base, []
    for part in name.split("."):
        place = place / part
        file = next((path for path in (place / "__init__.py", place.with_suffix(".py")) if path.is_file()), None)
        if file is not None:
            found.append(file)
        if not place.is_dir():
            break
    return tuple(found)


@cache
def _read(path: Path, root: Path) -> tuple[str, tuple[str, ...]]:
    """What counts of a file, and the names that it imports anywhere in it."""
    with tokenize.open(path) as file:
        source = file.read()
    lines = (line.rstrip() for line in source.splitlines())
    counted = "\n".join(line for line in lines if line and not line.lstrip().startswith("#"))
    return counted, tuple(dict.fromkeys(_imported(ast.parse(source), path, root)))


def _imported(tree: ast.Module, path: Path, root: Path) -> Iterator[str]:
    for node in _statements(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = next(one for one in (root, *_folders(root)) if path.is_relative_to(one))
            package = path.parents[node.level - 1].relative_to(base).parts if node.level else ()
            module = ".".join([*package, *([node.module] if node.module else [])])
            yield from (f"{module}.{alias.name}".lstrip(".") for alias in node.names)


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """Every statement under a node: expressions, which are most of a tree, import nothing."""
    for field in ("body", "orelse", "finalbody", "handlers", "cases"):
        children = getattr(node, field, ())
        for child in children if isinstance(children, list) else ():
            yield child
            yield from _statements(child)
