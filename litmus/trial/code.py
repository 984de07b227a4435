"""A fingerprint of the code that trains: changed by an edit of what a run is made of, and by no other edit."""

import ast
import hashlib
import sys
import sysconfig
import tokenize
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.machinery import ModuleSpec
from pathlib import Path
from pkgutil import get_importer
from typing import Any

from litmus.project import ROOT
from litmus.trial.written import counted, imported, written_here

# Who makes a trial of its configuration.
MAKER, PACKAGE = Path(__file__).with_name("parts.py"), __package__
# Who reads a command and words its mistakes: what is made imports it for that alone, and trains the same without. Whose
# weights a run begins from its configuration tells.
AROUND = {Path(__file__).with_name(f"{name}.py") for name in ("command_line", "readers", "source")} | {
    Path(__file__).parents[1] / "python.py"  # which `import litmus` names, for whoever asks for it
}
# Folders of what is told by its version.
INSTALLED = {"site-packages", "dist-packages"}
OF_PYTHON = [Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib")]


def fingerprint(config: Any, root: Path = ROOT) -> str:
    """Sixteen hexadecimal digits of the source files that this configuration names, and all they import.

    Blank lines and lines that are comments do not count. What is installed is told by its version; what lies elsewhere,
    wherever Python finds it, is told as the project's own is, and so is what is written in a script or a notebook.

    Args:
        config: resolved; every dotted name in it that leads to a module counts.
        root: of the project, by which its files are named.

    Raises:
        ValueError: for a class or function that was typed where nobody has its source.
    """
    files = ((_told_as(path, root), text) for path, text in sources(config, root).items())
    told = sorted([*files, *written_here(tuple(_dotted(config))).texts.items()])
    return hashlib.sha256(repr(told).encode()).hexdigest()[:16]


def sources(config: Any, root: Path) -> dict[Path, str]:
    """The files that the fingerprint is of, and what counts of each."""
    names = tuple(_dotted(config))
    waiting = [
        (MAKER, PACKAGE),
        *(one for name in (*names, *written_here(names).names) for one in _modules(name, root)),
    ]
    found: dict[Path, str] = {}
    while waiting:
        path, package = waiting.pop()
        if path not in found:
            found[path], imported = _read(path, package)
            waiting += [one for name in imported for one in _modules(name, root) if one[0] not in AROUND]
    return found


def _told_as(path: Path, root: Path) -> str:
    """By its place in the project, else by its name: where a folder of one's own lies is no matter."""
    for file, base in ((path, root), (path.resolve(), root.resolve())):
        if file.is_relative_to(base):
            return file.relative_to(base).as_posix()
    return path.name


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
def _modules(name: str, root: Path) -> tuple[tuple[Path, str], ...]:
    """The files that are read when this dotted name is imported, packages first, and the package of each.

    None of what comes with Python or is installed. Nothing is imported to find them.
    """
    parts, found = name.split("."), list[tuple[Path, str]]()
    places = None
    for end in range(1, len(parts) + 1):
        spec = _spec(".".join(parts[:end]), places) or (_spec_in(parts[0], [str(root)]) if end == 1 else None)
        if spec is None or INSTALLED & {*Path(spec.origin or "").parts}:
            break
        if end == 1 and parts[0] in sys.stdlib_module_names and _comes_with_python(spec):
            break
        file, places = Path(spec.origin or ""), spec.submodule_search_locations
        if file.suffix == ".py" and file.is_file():
            found.append((file.absolute(), spec.parent or ""))
        if places is None:
            break
    return tuple(found)


def _comes_with_python(spec: ModuleSpec) -> bool:
    """Of its name may be a package of one's own as well."""
    if spec.origin in ("built-in", "frozen"):
        return True
    return spec.origin is not None and any(Path(spec.origin).resolve().is_relative_to(place) for place in OF_PYTHON)


def _spec(name: str, places: Any) -> ModuleSpec | None:
    """Where Python has a module from, or would; beneath `places` of its package. It imports none, not even those."""
    if (known := sys.modules.get(name)) is not None:
        file = getattr(known, "__file__", None)
        return getattr(known, "__spec__", None) or (ModuleSpec(name, None, origin=file) if file else None)
    for finder in sys.meta_path:
        try:
            spec = finder.find_spec(name, places)
        except KeyError:  # a folder without __init__.py in a package that is not imported
            spec = _spec_in(name, places)
        if spec is not None:
            return spec
    return None


def _spec_in(name: str, places: Iterable[str]) -> ModuleSpec | None:
    """The same, of whatever one of these folders has."""
    finders = filter(None, map(get_importer, places))
    return next((spec for finder in finders if (spec := finder.find_spec(name)) is not None), None)


@cache
def _read(path: Path, package: str) -> tuple[str, tuple[str, ...]]:
    """What counts of a file, and the names that it imports anywhere in it."""
    with tokenize.open(path) as file:
        source = file.read()
    return counted(source), tuple(dict.fromkeys(imported(ast.parse(source), package)))
