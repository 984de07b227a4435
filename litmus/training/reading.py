"""What the code of somebody's own part names, as far as it can be seen without running it."""

import dis
import inspect
import sysconfig
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property, partial
from itertools import pairwise
from pathlib import Path
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

ATTRIBUTE = ("LOAD_ATTR", "LOAD_METHOD")
LIBRARIES = ("torch", "pytorch_lightning", "torchmetrics", "litmus", "builtins")
# Whose functions are nobody's own, whoever calls them.
INSTALLED = ("site-packages", "dist-packages", sysconfig.get_path("stdlib"), f"{Path(__file__).parents[1]}/")


def own_classes(part: object) -> list[type]:
    """The classes of a part that are neither this engine's nor of the libraries that it stands on."""
    return [kind for kind in type(part).__mro__ if kind.__module__.partition(".")[0] not in LIBRARIES]


def functions_in(values: Iterable[Any]) -> Iterator[FunctionType]:
    """Those among some attributes, also where they are a property, bound, partial or another kind of method."""
    for value in values:
        if isinstance(value, FunctionType):
            yield value
        elif isinstance(value, property):
            yield from functions_in((value.fget, value.fset))
        elif isinstance(value, staticmethod | classmethod | MethodType):
            yield from functions_in((value.__func__,))
        elif isinstance(value, cached_property | partial):
            yield from functions_in((value.func,))


def called_by(begin: Iterable[FunctionType], kinds: Iterable[type]) -> Iterator[FunctionType]:
    """These functions and all that they may call by its name: methods of these classes, and functions of one's own."""
    kinds = list(kinds)
    methods = defaultdict[str, list[FunctionType]](list)
    for kind in kinds:
        for name, value in vars(kind).items():
            methods[name] += functions_in((value,))
    waiting, seen = list(begin), set[int]()
    while waiting:
        function = waiting.pop()
        if id(function) in seen:
            continue
        seen.add(id(function))
        yield function
        names = names_in(function.__code__)
        waiting += (found for name in names for found in methods[name])
        waiting += (
            one for one in _near(function, names, kinds) if not any(at in one.__code__.co_filename for at in INSTALLED)
        )


def _near(function: FunctionType, names: set[str], known: list[type]) -> Iterator[FunctionType]:
    """Functions, and methods of classes, that these names are in a function's module or in one that it has imported."""
    found = [function.__globals__[name] for name in names if name in function.__globals__]
    found += [vars(one).get(name) for one in found if isinstance(one, ModuleType) for name in names]
    found += [cell.cell_contents for cell in function.__closure__ or () if _is_filled(cell)]
    found += [value for one in found if isinstance(one, type) and one not in known for value in vars(one).values()]
    return functions_in(found)


def _is_filled(cell: Any) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:
        return False


def names_in(code: CodeType) -> set[str]:
    """Every name of an attribute, a global or an import in it, and its texts: getattr(self, "make_optimizer")."""
    texts = {one for one in code.co_consts if isinstance(one, str)}
    return {*code.co_names, *texts}.union(*map(names_in, _within(code)))


def calls_of(code: CodeType, names: frozenset[str], known: Mapping[str, Any]) -> bool:
    """Whether it gives arguments to a method of such a name: self.log(…), but neither torch.log(…) nor x.log().

    Args:
        code: of a function.
        names: of the methods.
        known: the globals of its module.
    """
    told = list(dis.get_instructions(code))
    imported = set(_imported(told))
    for place, (before, found) in enumerate(pairwise(told)):
        if found.opname in ATTRIBUTE and found.argval in names:
            after = told[place + 2]
            alone = after.opname in ("PRECALL", "CALL") and after.arg == 0
            elsewhere = before.opname in ("LOAD_GLOBAL", "LOAD_NAME")
            elsewhere |= before.opname in ("LOAD_FAST", "LOAD_DEREF") and before.argval in imported
            if not (alone or elsewhere or _of_library(told[: place + 1], names, known)):
                return True
    return any(calls_of(one, names, known) for one in _within(code))


def _imported(told: list[dis.Instruction]) -> Iterator[str]:
    """The local names that imports within a function give."""
    for place, one in enumerate(told):
        if one.opname in ("IMPORT_NAME", "IMPORT_FROM"):
            stored = next((later for later in told[place:] if later.opname.startswith("STORE_")), None)
            if stored is not None:
                yield stored.argval


def _of_library(loads: list[dis.Instruction], names: frozenset[str], known: Mapping[str, Any]) -> bool:
    """Whether the last of these attributes, from a global on, is a module, or a class without such methods."""
    path = list[str]()
    while loads and loads[-1].opname in ATTRIBUTE:
        path.append(loads.pop().argval)
    if not loads or loads[-1].opname != "LOAD_GLOBAL":
        return False
    value = known.get(loads[-1].argval)
    for name in reversed(path):
        if not isinstance(value, ModuleType):
            return False
        value = vars(value).get(name)
    return isinstance(value, ModuleType) or (isinstance(value, type) and not all(hasattr(value, one) for one in names))


def uses_arguments(method: Any) -> bool:
    """Whether a method does anything with what it is given; of one that is not Python's nobody knows."""
    code: CodeType | None = getattr(method, "__code__", None)
    if code is None:
        return True
    given = code.co_argcount + code.co_kwonlyargcount
    given += sum(bool(code.co_flags & flag) for flag in (inspect.CO_VARARGS, inspect.CO_VARKEYWORDS))
    arguments = set(code.co_varnames[1:given])
    loaded = (one.argval for one in dis.get_instructions(code) if one.opname.startswith("LOAD_"))
    return any(arguments & set(one if isinstance(one, tuple) else (one,)) for one in loaded if one.__hash__)


def _within(code: CodeType) -> list[CodeType]:
    return [one for one in code.co_consts if isinstance(one, CodeType)]
