"""Tests ideas about training on small data: runs, studies of them, and verdicts with their evidence.

`litmus.run` and `litmus.judge` are for Python and notebooks, see docs/notebook.md; nothing is imported before it is
asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from litmus.python import judge, run

__all__ = ["judge", "run"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module("litmus.python"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
