"""Pairs of factors, only where each cell is one arm and nothing else varies: lines where they are few, or a heatmap."""

from __future__ import annotations

from itertools import combinations
from typing import Any

from litmus.claims.arms import varying
from litmus.claims.notation import number, text
from litmus.claims.quantity import Quantity
from litmus.report.blocks import Block, Gallery, Picture, Section, Table, Text
from litmus.report.evidence import Evidence, tied_with_best
from litmus.report.figures.grids import Cells, heatmap, lines
from litmus.words import plain, plus_minus

MOST_PAIRS = 3
# Levels along the axis, and lines.
MOST_LINES = (4, 3)


def section(evidence: Evidence) -> Section | None:
    """One picture per pair of factors of the leading quantity, and its table; nothing for a single factor."""
    pairs = crossed(evidence)
    quantity, foot = evidence.leading, evidence.imprint
    pictures: list[Picture] = []
    blocks: list[Block] = []
    for first, second in pairs[:MOST_PAIRS]:
        arms = gridded(evidence, first, second)
        found = cells(evidence, quantity, first, second)
        if not found:
            continue
        levels = [levels_of(evidence, first), levels_of(evidence, second)]
        name = f"{first}-{second}".replace("/", "-").replace(".", "-")
        # The factor with more levels lies along the axis.
        longer, shorter = (0, 1) if len(levels[0]) >= len(levels[1]) else (1, 0)
        names = ((first, second)[longer], (first, second)[shorter])
        ordered = len(levels[longer]) == 2 or all(number(level) is not None for level in levels[longer])
        if len(levels[longer]) <= MOST_LINES[0] and len(levels[shorter]) <= MOST_LINES[1] and ordered:
            turned = found if longer == 0 else {(b, a): one for (a, b), one in found.items()}
            pictures.append(lines(f"lines-{name}", quantity, names, [levels[longer], levels[shorter]], turned, foot))
        else:
            equal = tied_with_best(evidence, list(arms.values()))
            tied = [cell for cell, arm in arms.items() if arm in equal]
            pictures.append(heatmap(f"heatmap-{name}", quantity, (first, second), levels, found, tied, foot))
        blocks.append(table(quantity, (first, second), levels, found))
    if not pictures:
        return None
    more = f" {len(pairs) - MOST_PAIRS} further pairs are not drawn." if len(pairs) > MOST_PAIRS else ""
    intro = Text(f"The {quantity.label} over pairs of factors, each cell one arm.{more}")
    return Section("interactions", "Interactions", [intro, Gallery(pictures), *blocks])


def crossed(evidence: Evidence) -> list[tuple[str, str]]:
    """Pairs of factors of which more than one level of each was run with more than one level of the other."""
    pairs = []
    # Data sets are no rivals, and no levels of a factor.
    varied = evidence.study.varied if evidence.study.base is None else evidence.study.base.varied
    for first, second in combinations(varied, 2):
        seen = set(gridded(evidence, first, second))
        rows = {a for a, _ in seen if len({b for x, b in seen if x == a}) > 1}
        columns = {b for _, b in seen if len({a for a, y in seen if y == b}) > 1}
        if len(rows) > 1 and len(columns) > 1:
            pairs.append((first, second))
    return pairs


def gridded(evidence: Evidence, first: str, second: str) -> dict[tuple[str, str], str]:
    """Cell → its one arm; empty where a cell pools arms or has none, or where a third setting varies with the two."""
    arms = {arm: own for arm, own in evidence.study.arms.items() if first in own and second in own}
    cells = {(text(own[first]), text(own[second])): arm for arm, own in arms.items()}
    third = set(varying(arms, arms)) - {first, second}
    every = len({row for row, _ in cells}) * len({column for _, column in cells})
    return cells if not third and len(arms) == len(cells) == every else {}


def levels_of(evidence: Evidence, factor: str) -> list[Any]:
    """A factor's levels: numbers by size, others in order of appearance."""
    seen = {text(arm[factor]): arm[factor] for arm in evidence.study.arms.values() if factor in arm}
    levels = list(seen.values())
    if all(number(level) is not None for level in levels):
        return sorted(levels, key=lambda level: number(level) or 0.0)
    return levels


def cells(evidence: Evidence, quantity: Quantity, first: str, second: str) -> Cells:
    """The summary of every cell that has trials."""
    found = {cell: evidence.summary(quantity.name, arm) for cell, arm in gridded(evidence, first, second).items()}
    return {cell: one for cell, one in found.items() if one.n}


def table(quantity: Quantity, factors: tuple[str, str], levels: list[list[Any]], found: Cells) -> Table:
    """The same means in figures."""
    first, second = [[text(level) for level in axis] for axis in levels]

    def shown(row: str, column: str) -> str:
        one = found.get((row, column))
        return (
            "not run" if one is None else plus_minus(float(one.mean), float(one.sd)) if one.n > 1 else plain(one.mean)
        )

    rows = [[f"{factors[0]} {row}", *(shown(row, column) for column in second)] for row in first]
    columns = [f"{factors[0]} \\ {factors[1]}", *second]
    return Table(f"{quantity.label}, mean ± sd: {factors[0]} by {factors[1]}", columns, rows, folded=len(first) > 2)
