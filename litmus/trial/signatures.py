"""What a constructor takes, read from its source: importing it may import torch, and that takes seconds."""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import import_module
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from pathlib import Path
from types import GenericAlias
from typing import Any, Literal

from litmus.trial.kinds import Part, admits, either, kind_of_default

MISSING = object()
PLAIN: dict[str, Any] = {
    **{"bool": bool, "int": int, "float": float, "str": str, "Any": Any, "object": Any},
    **{"Number": float, "Path": str, "PathLike": str, "dict": dict, "Dict": dict, "Mapping": dict},
    **{"MutableMapping": dict, "list": list, "List": list, "tuple": list, "Tuple": list, "Sequence": list},
    **{"Iterable": list, "Collection": list, "set": list, "Set": list},
}
DEEPEST = 8  # names that lead to names that lead to names


@dataclass(frozen=True)
class Parameter:
    """The kind of plain values it takes, and its default, MISSING where there is none or it is no plain value.

    `annotated` is False where the kind is that of the default.
    """

    kind: Any = Any
    default: Any = MISSING
    annotated: bool = True


@dataclass(frozen=True)
class Signature:
    """Parameters by name; `open` where others may be taken too."""

    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    open: bool = True


@dataclass(frozen=True)
class Source:
    """A module's statements, and what it is called."""

    name: str
    is_package: bool
    body: tuple[ast.stmt, ...]


@lru_cache(maxsize=512)
def signature_of(target: str) -> Signature:
    """What the class or function of this dotted path takes; open and empty where its source does not tell."""
    try:
        found = _definition(target)
        return Signature() if found is None else _signature(*found)
    except (SyntaxError, UnicodeDecodeError, OSError, ImportError, ValueError, RecursionError):
        return Signature()


def own_methods(target: str) -> frozenset[str] | None:
    """The methods that a class and its bases down to those of the engine have without what super() has; None where its
    source does not tell.
    """
    try:
        found, names = _definition(target), set[str]()
        while found is not None:
            module, statement = found
            if not isinstance(statement, ast.ClassDef):
                return None
            if module.name.startswith("litmus."):
                return frozenset(names)
            own = [one for one in statement.body if isinstance(one, ast.FunctionDef)]
            names |= {one.name for one in own if f"super().{one.name}(" not in ast.unparse(one)}
            if len(statement.bases) != 1:
                return None
            found = _named(module, ast.unparse(statement.bases[0]))
    except (SyntaxError, UnicodeDecodeError, OSError, ImportError, ValueError, RecursionError):
        pass
    return None


def constant_of(target: str, name: str) -> Any:
    """What a class or the next of its bases assigns to a name in its body; MISSING where its source does not tell."""
    try:
        found = _definition(target)
        while found is not None:
            module, statement = found
            if not isinstance(statement, ast.ClassDef):
                break
            own = [one for one in statement.body if isinstance(one, ast.Assign | ast.AnnAssign) and _defines(one, name)]
            if own and own[-1].value is not None:
                return _value(module, own[-1].value)
            if len(statement.bases) != 1:
                break
            found = _named(module, ast.unparse(statement.bases[0]))
    except (SyntaxError, UnicodeDecodeError, OSError, ImportError, ValueError, RecursionError):
        pass
    return MISSING


# ---------------------------------------------------------------------- from a dotted path to its definition


def _definition(path: str, depth: int = 0) -> tuple[Source, ast.stmt] | None:
    """The module and the statement that define what a dotted path names, through imports."""
    parts = path.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        module = _source(".".join(parts[:cut]))
        if module is not None:
            return _named(module, parts[cut], depth) if cut == len(parts) - 1 else None
    return None


def _named(module: Source, name: str, depth: int = 0) -> tuple[Source, ast.stmt] | None:
    if depth > DEEPEST:
        return None
    found: tuple[Source, ast.stmt] | None = None
    for statement in _statements(module.body):
        if _defines(statement, name):
            found = (module, statement)
        elif isinstance(statement, ast.ImportFrom | ast.Import):
            for path in _imported(module, statement, name):
                found = _definition(path, depth + 1) or found
    return found


def _imported(module: Source, statement: ast.ImportFrom | ast.Import, name: str) -> Iterator[str]:
    """The dotted paths by which an import may bring in this (dotted) name."""
    first, dot, rest = name.partition(".")
    origin = f"{_absolute(module, statement)}." if isinstance(statement, ast.ImportFrom) else ""
    for alias in statement.names:
        if alias.name == "*":
            yield origin + name
        elif (alias.asname or alias.name) == first:
            yield origin + alias.name + dot + rest


def _statements(body: tuple[ast.stmt, ...] | list[ast.stmt]) -> Iterator[ast.stmt]:
    for statement in body:
        if isinstance(statement, ast.If | ast.Try):
            yield from _statements(statement.body + statement.orelse)
        else:
            yield statement


def _defines(statement: ast.stmt, name: str) -> bool:
    if isinstance(statement, ast.ClassDef | ast.FunctionDef):
        return statement.name == name
    targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
    return any(isinstance(target, ast.Name) and target.id == name for target in targets)


def _absolute(module: Source, statement: ast.ImportFrom) -> str:
    if not statement.level:
        return statement.module or ""
    up = statement.level - module.is_package
    base = module.name.split(".")[: -up or None]
    return ".".join([*base, *filter(None, [statement.module])])


@lru_cache(maxsize=512)
def _source(name: str) -> Source | None:
    spec = _spec(name)
    if spec is None or not spec.origin or not spec.origin.endswith(".py"):
        return None
    body = ast.parse(Path(spec.origin).read_text(encoding="utf-8")).body
    return Source(name, spec.submodule_search_locations is not None, tuple(body))


@lru_cache(maxsize=512)
def _spec(name: str) -> ModuleSpec | None:
    parent = name.rpartition(".")[0]
    if not parent:
        return find_spec(name)  # of a top-level name, which imports nothing
    package = _spec(parent)
    if package is None or package.submodule_search_locations is None:
        return None
    if package.origin is None:  # a folder without __init__.py, of which no part is found before it is imported
        import_module(parent)
    return PathFinder.find_spec(name, package.submodule_search_locations)


# ---------------------------------------------------------------------- from a definition to its parameters


def _signature(module: Source, statement: ast.stmt) -> Signature:
    if isinstance(statement, ast.FunctionDef):
        return _of_function(module, statement, skipped=0)[0]
    if not isinstance(statement, ast.ClassDef) or statement.keywords or _is_dataclass(statement):
        return Signature()
    own = [one for one in statement.body if isinstance(one, ast.FunctionDef) and one.name == "__init__"]
    if not own:
        return _of_bases(module, statement)
    found, passed_on = _of_function(module, own[-1], skipped=1)  # those before it are its overloads
    if not passed_on:
        return found
    inherited = _of_bases(module, statement)
    return Signature({**inherited.parameters, **found.parameters}, inherited.open)


def _of_bases(module: Source, statement: ast.ClassDef) -> Signature:
    for base in statement.bases:
        known = _named(module, ast.unparse(base)) if isinstance(base, ast.Name | ast.Attribute) else None
        found = Signature() if known is None else _signature(*known)
        if found.parameters:
            return found
    return Signature()


def _of_function(module: Source, function: ast.FunctionDef, skipped: int) -> tuple[Signature, bool]:
    """The signature, and whether what it does not name itself is passed on to the parent class."""
    given = function.args
    named = [*given.posonlyargs, *given.args]
    defaults = [None] * (len(named) - len(given.defaults)) + list(given.defaults)
    pairs = [*zip(named, defaults, strict=True), *zip(given.kwonlyargs, given.kw_defaults, strict=True)][skipped:]
    parameters = {one.arg: _parameter(module, one.annotation, default) for one, default in pairs}
    rest = given.kwarg.arg if given.kwarg else None
    return Signature(parameters, open=rest is not None), rest is not None and _passes_on(function, rest)


def _passes_on(function: ast.FunctionDef, rest: str) -> bool:
    """Whether `super().__init__(…, **rest)` is called."""
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "super().__init__":
            given = [one.value for one in node.keywords if one.arg is None]
            return any(isinstance(value, ast.Name) and value.id == rest for value in given)
    return False


def _is_dataclass(statement: ast.ClassDef) -> bool:
    return any("dataclass" in ast.unparse(decorator) for decorator in statement.decorator_list)


def _parameter(module: Source, annotation: ast.expr | None, default: ast.expr | None) -> Parameter:
    value = MISSING if default is None else _value(module, default)
    if annotation is None:
        return Parameter(Any if value is MISSING else kind_of_default(value), value, annotated=False)
    kind = kind_of(module, annotation)
    if value is not MISSING and not admits(kind, value):  # as in `rate: float = None`
        kind = either(kind, type(None) if value is None else kind_of_default(value))
    return Parameter(kind, value)


def _value(module: Source, expression: ast.expr, depth: int = 0) -> Any:
    try:
        return ast.literal_eval(expression)
    except (ValueError, TypeError):
        pass
    if isinstance(expression, ast.Name) and depth < DEEPEST and (found := _named(module, expression.id)):
        known, statement = found
        if isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value is not None:
            return _value(known, statement.value, depth + 1)
    return MISSING


# ---------------------------------------------------------------------- from an annotation to a kind


def kind_of(module: Source, node: ast.expr, depth: int = 0) -> Any:
    """The kind of plain values that an annotation, as it stands in this module, takes; Any where it does not tell."""
    if depth > DEEPEST:
        return Any
    match node:
        case ast.Constant(value=None):
            return type(None)
        case ast.Constant(value=str(text)):
            return kind_of(module, ast.parse(text, mode="eval").body, depth + 1)
        case ast.BinOp(op=ast.BitOr()):
            return either(kind_of(module, node.left, depth + 1), kind_of(module, node.right, depth + 1))
        case ast.Subscript():
            return _subscripted(module, node, depth)
        case ast.Name() | ast.Attribute():
            name = ast.unparse(node)
            last = name.rpartition(".")[2]
            return PLAIN[last] if last in PLAIN else _kind_named(module, name, depth)
    return Any


def _subscripted(module: Source, node: ast.Subscript, depth: int) -> Any:
    last = ast.unparse(node.value).rpartition(".")[2]
    items = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    if last == "Literal":
        return Literal[tuple(item.value for item in items if isinstance(item, ast.Constant))]
    if last in ("Callable", "type", "Type"):
        return Part
    if last not in ("Optional", "Union", "Annotated") and last not in PLAIN:
        return Any
    kinds = [... if ast.unparse(item) == "..." else kind_of(module, item, depth + 1) for item in items]
    if last in ("Optional", "Union"):
        return either(*kinds, *([type(None)] if last == "Optional" else []))
    if last == "Annotated":
        return kinds[0]
    if last in ("tuple", "Tuple"):
        return GenericAlias(tuple, tuple(kinds))
    return GenericAlias(list, (kinds[0],)) if PLAIN[last] is list else PLAIN[last]


def _kind_named(module: Source, name: str, depth: int) -> Any:
    if name.rpartition(".")[2] in ("Callable", "Tensor"):
        return Part
    found = _named(module, name)
    if found is None:
        return Any
    known, statement = found
    if isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value is not None:
        return kind_of(known, statement.value, depth + 1)
    return Part if isinstance(statement, ast.ClassDef) and not any(map(_may_be_plain, statement.bases)) else Any


def _may_be_plain(base: ast.expr) -> bool:
    """Whether a class with this parent says nothing of plain values: it is one itself, or any class may satisfy it."""
    plain = ("str", "int", "float", "dict", "list", "tuple", "Enum", "Flag", "Protocol", "TypedDict", "NamedTuple")
    return ast.unparse(base).partition("[")[0].endswith(plain)
