"""Pairs of factors: heatmaps and lines."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np

from litmus.claims.notation import number, text
from litmus.claims.quantity import Quantity
from litmus.claims.statistics import summarize
from litmus.report.blocks import Block, Gallery, Picture, Section, Table, Text
from litmus.report.evidence import Evidence
from litmus.report.figures.grids import Cells, heatmap, lines
from litmus.words import plain, plus_minus

MOST_PAIRS = 3


def section(evidence: Evidence) -> Section | None:
    """A heatmap and lines per pair of factors of the leading quantity; nothing for a single factor."""
    pairs = crossed(evidence)
    if not pairs:
        return None
    quantity = evidence.leading
    pictures: list[Picture] = []
    blocks: list[Block] = []
    for first, second in pairs[:MOST_PAIRS]:
        levels = [levels_of(evidence, first), levels_of(evidence, second)]
        found = cells(evidence, quantity, first, second)
        if not found:
            continue
        name = f"{first}-{second}".replace("/", "-").replace(".", "-")
        pictures.append(heatmap(f"heatmap-{name}", quantity, (first, second), levels, found))
        # The factor with more levels lies along the axis.
        longer, shorter = (0, 1) if len(levels[0]) >= len(levels[1]) else (1, 0)
        turned = found if longer == 0 else {(b, a): one for (a, b), one in found.items()}
        names = ((first, second)[longer], (first, second)[shorter])
        pictures.append(lines(f"lines-{name}", quantity, names, [levels[longer], levels[shorter]], turned))
        blocks.append(table(quantity, (first, second), levels, found))
    if not pictures:
        return None
    more = f" {len(pairs) - MOST_PAIRS} further pairs are not drawn." if len(pairs) > MOST_PAIRS else ""
    intro = Text(f"{quantity.label.capitalize()} over pairs of factors, other factors averaged over.{more}")
    return Section("interactions", "Interactions", [intro, Gallery(pictures), *blocks])


def crossed(evidence: Evidence) -> list[tuple[str, str]]:
    """Pairs of factors of which more than one level of each was run with more than one level of the other."""
    arms = evidence.study.arms.values()
    pairs = []
    for first, second in combinations(evidence.study.varied, 2):
        seen = {(text(arm[first]), text(arm[second])) for arm in arms if first in arm and second in arm}
        rows = {a for a, _ in seen if len({b for x, b in seen if x == a}) > 1}
        columns = {b for _, b in seen if len({a for a, y in seen if y == b}) > 1}
        if len(rows) > 1 and len(columns) > 1:
            pairs.append((first, second))
    return pairs


def levels_of(evidence: Evidence, factor: str) -> list[Any]:
    """A factor's levels: numbers by size, others in order of appearance."""
    seen = {text(arm[factor]): arm[factor] for arm in evidence.study.arms.values() if factor in arm}
    levels = list(seen.values())
    if all(number(level) is not None for level in levels):
        return sorted(levels, key=lambda level: number(level) or 0.0)
    return levels


def cells(evidence: Evidence, quantity: Quantity, first: str, second: str) -> Cells:
    """The summary of every cell over seeds, other factors averaged over within a seed."""
    grouped: dict[tuple[str, str], dict[int, list[float]]] = {}
    for arm, overrides in evidence.study.arms.items():
        if first in overrides and second in overrides:
            own = grouped.setdefault((text(overrides[first]), text(overrides[second])), {})
            for seed, value in evidence.results.finite(quantity.name, arm).items():
                own.setdefault(seed, []).append(value)
    ratio = evidence.study.ratio
    return {
        cell: summarize([float(np.mean(values)) for values in seeds.values()], ratio)
        for cell, seeds in grouped.items()
        if seeds
    }


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
