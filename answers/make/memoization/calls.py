"""The calls of a recursive Fibonacci function, with and without a store of what it has answered."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(eq=False)
class Call:
    """One call of fib(n): its answer, the calls that it made, and whether it read the answer from the store."""

    n: int
    value: int = 0
    calls: list[Call] = field(default_factory=list)
    read: bool = False


def fibonacci(n: int, store: bool) -> Call:
    """fib(n) by its definition, fib(n - 1) + fib(n - 2), as the tree of the calls that were made.

    Args:
        n: from 0 on.
        store: whether each answer is kept at its first call and read at later ones.
    """
    known: dict[int, int] = {}

    def fib(number: int) -> Call:
        if number in known:
            return Call(number, known[number], read=True)
        call = Call(number, number)
        if number > 1:
            call.calls = [fib(number - 1), fib(number - 2)]
            call.value = sum(inner.value for inner in call.calls)
        if store:
            known[number] = call.value
        return call

    return fib(n)


def every(tree: Call) -> Iterator[Call]:
    """The call and all below it."""
    yield tree
    for inner in tree.calls:
        yield from every(inner)


def counted(tree: Call) -> int:
    """How many calls were made, those that only read the store too."""
    return sum(1 for _ in every(tree))


def places(tree: Call) -> dict[Call, tuple[float, int]]:
    """Where each call is drawn, across and down: leaves side by side, each other call above the middle of its own."""
    found: dict[Call, tuple[float, int]] = {}
    leaves = 0

    def place(call: Call, depth: int) -> float:
        nonlocal leaves
        if call.calls:
            own = [place(inner, depth + 1) for inner in call.calls]
            across = sum(own) / len(own)
        else:
            across, leaves = float(leaves), leaves + 1
        found[call] = (across, depth)
        return across

    place(tree, 0)
    return found
