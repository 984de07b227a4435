"""What the code of somebody's own part names, as far as it can be seen without running it."""

import dis
import inspect
import sysconfig
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cached_property, partial
from itertools import pairwise
from pathlib import Path
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

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


def calls_of(code: CodeType, names: frozenset[str]) -> bool:
    """Whether it gives arguments to a method of such a name: self.log(…), but neither torch.log(…) nor x.log()."""
    told = list(dis.get_instructions(code))
    for (before, found), after in zip(pairwise(told), told[2:], strict=False):
        if found.opname in ("LOAD_ATTR", "LOAD_METHOD") and found.argval in names:
            alone = after.opname in ("PRECALL", "CALL") and after.arg == 0
            if not alone and before.opname not in ("LOAD_GLOBAL", "LOAD_NAME"):
                return True
    return any(calls_of(one, names) for one in _within(code))


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
