"""Every comparison of a study in one picture: names, intervals against what each claim needs, numbers, verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from litmus.claims.leaf import Gain
from litmus.claims.quantity import Quantity
from litmus.claims.scale import Scale, effect
from litmus.claims.verdict import Verdict
from litmus.report.blocks import Picture
from litmus.report.effects import SYMBOLS, Leaf, bars, pair, titled
from litmus.report.evidence import Evidence
from litmus.report.figures import lanes
from litmus.report.figures.picture import saved
from litmus.report.figures.sheet import LINE, SIZE, SMALL, Sheet, set_ticks, width_of, wrapped
from litmus.report.figures.style import INK, MUTED, VERDICTS, WIDE, WIDTH
from litmus.words import count

MOST_ROWS = 24
MARGIN, LANE = 8.0, 19.0
Row = tuple[Verdict, Leaf]


@dataclass(frozen=True)
class Panel:
    """The comparisons of one quantity, by prediction; `again` are comparisons that an earlier prediction shows."""

    scale: Scale
    groups: Sequence[tuple[Verdict, Sequence[Leaf], Sequence[Leaf]]]

    @property
    def leaves(self) -> list[Leaf]:
        """All that are drawn."""
        return [leaf for _, own, _ in self.groups for leaf in own]


def forest(evidence: Evidence) -> Picture | None:
    """The study's forest, wide and narrow; None without a comparison."""
    made, left_out = panels(evidence)
    if not any(lanes.drawable(leaf) for panel in made for leaf in panel.leaves):
        return None
    rows = [lanes.told(" ".join(pair(leaf.contrast)).strip(), leaf) for panel in made for leaf in panel.leaves]
    labels = ", ".join(dict.fromkeys(panel.scale.quantity.label for panel in made))
    verdicts = "; ".join(f"{verdict.id}: {verdict.verdict}" for panel in made for verdict, _, _ in panel.groups)
    level = lanes.level(leaf for panel in made for leaf in panel.leaves)
    alt = f"Every comparison with its {level} interval ({labels}): {'; '.join(rows)}. Verdicts: {verdicts}."
    more = f" {count(left_out, 'further comparison')} stand in the table only." if left_out else ""
    caption = f"Every comparison, paired by seed; each mark says what its own comparison shows.{more}"

    def drawing(wide: bool) -> tuple[str, bytes]:
        plan = Plan(evidence, made, left_out, wide)
        return saved("forest", plan.draw, plan.height / 72, plan.width / 72)

    narrow = Picture("forest-narrow", alt, caption, lambda: drawing(False))
    # In a repository's page the wide one stays readable: four columns say more than a long strip.
    return Picture("forest", alt, caption, lambda: drawing(True), narrow=narrow, linked=True)


def panels(evidence: Evidence) -> tuple[list[Panel], int]:
    """A panel per quantity (another for values themselves), and how many comparisons are not drawn."""
    verdicts = sorted(evidence.judgement.verdicts.values(), key=lambda verdict: not verdict.primary)
    # The members of a conjunction are drawn already, under their own names.
    rows = [(verdict, leaf) for verdict in verdicts if verdict.kind != "all_of" for leaf in verdict.contrasts]
    kept, repeated = unique([row for row in rows if row[1].contrast.n or row[1].contrast.fault])
    chosen = closest(kept)
    found = []
    for quantity in evidence.study.quantities.values():
        for oriented in (True, False):
            groups = grouped(chosen, repeated, quantity, oriented)
            if groups:
                found.append(Panel(Scale(quantity, oriented), groups))
    first = next((verdict.quantity for verdict in verdicts if verdict.primary), "")
    found.sort(key=lambda panel: panel.scale.quantity.name != first)
    return found, len(kept) - len(chosen)


def unique(rows: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """The rows, and those that repeat one of them: the same arms, measured alike against the same bar."""
    seen: set[Any] = set()
    kept: list[Row] = []
    repeated: list[Row] = []
    for row in rows:
        contrast = row[1].contrast
        key = (type(row[1]), contrast.quantity.name, frozenset(contrast.weights.items()), tuple(bars(row[1])))
        (repeated if key in seen else kept).append(row)
        seen.add(key)
    return kept, repeated


def grouped(
    rows: Sequence[Row], repeated: Sequence[Row], quantity: Quantity, oriented: bool
) -> list[tuple[Verdict, list[Leaf], list[Leaf]]]:
    """The rows of one panel by prediction, with what another prediction shows."""
    found: dict[str, tuple[Verdict, list[Leaf], list[Leaf]]] = {}
    for place, part in ((1, rows), (2, repeated)):
        for verdict, leaf in part:
            if leaf.contrast.quantity.name == quantity.name and leaf.contrast.oriented == oriented:
                entry = found.setdefault(verdict.id, (verdict, [], []))
                (entry[1] if place == 1 else entry[2]).append(leaf)
    groups = list(found.values())
    if not any(own for _, own, _ in groups):
        return []
    return sorted(groups, key=lambda group: not group[0].primary)


def closest(rows: Sequence[Row]) -> list[Row]:
    """As many as a picture holds: of every prediction those on which it hangs, in their order."""
    by_prediction: dict[str, list[Row]] = {}
    for row in rows:
        by_prediction.setdefault(row[0].id, []).append(row)
    share = max(1, MOST_ROWS // max(1, len(by_prediction)))
    kept: list[Row] = []
    for rows_of_one in by_prediction.values():
        own = strongest(rows_of_one)
        hanging = sorted(own, key=lambda row: -float(row[1].p_confirm))[: share if len(rows) > MOST_ROWS else None]
        kept += [row for row in own if any(row is other for other in hanging)]
    return kept[:MOST_ROWS]


def strongest(rows: Sequence[Row]) -> list[Row]:
    """Of a claim about the best arm, the comparisons of the arm that comes nearest to beating all its rivals."""
    if not rows or rows[0][0].kind != "best":
        return list(rows)
    by_arm: dict[str, list[Row]] = {}
    for row in rows:
        by_arm.setdefault(row[1].contrast.subject, []).append(row)
    return min(by_arm.values(), key=lambda own: max(float(row[1].p_confirm) for row in own))


def ruled(verdict: Verdict) -> str:
    """? inconclusive (fragile)."""
    marks = f" ({', '.join(verdict.marks)})" if verdict.marks else ""
    return f"{SYMBOLS[verdict.verdict]} {verdict.verdict}{marks}"


@dataclass
class Line:
    """One line of the picture, of so many points."""

    height: float
    name: list[str]
    verdict: Verdict | None = None
    leaf: Leaf | None = None
    numbers: tuple[str, str] = ("", "")


class Plan:
    """Where everything lies, before the figure has its size."""

    def __init__(self, evidence: Evidence, made: Sequence[Panel], left_out: int, wide: bool) -> None:
        self.evidence, self.panels, self.wide = evidence, made, wide
        self.width = 72 * (WIDE if wide else WIDTH)
        numbers = [effect(leaf.contrast) for panel in made for leaf in panel.leaves]
        means = max((width_of(mean, SIZE, "bold") for mean, _ in numbers), default=0.0)
        ends = max((width_of(end, SMALL) for _, end in numbers), default=0.0)
        if wide:
            self.ends_left = self.width - MARGIN - ends
            self.mean_right = self.ends_left - 7
            self.left, self.right = 0.36 * self.width, self.mean_right - means - 14
        else:
            self.left, self.right = MARGIN + 4, self.width - MARGIN - 4
        self.windows = [lanes.limits(panel.scale, panel.leaves) for panel in made]
        # As many seeds as there are; comparisons of fewer say their own number.
        self.seeds = max(int(leaf.contrast.n) for panel in made for leaf in panel.leaves if lanes.drawable(leaf))
        self.lines = [self.lines_of(panel, window) for panel, window in zip(made, self.windows, strict=True)]
        self.title = f"{evidence.name}: every comparison, paired by seed ({count(self.seeds, 'seed')})"
        if left_out:
            self.title += f"; {left_out} more in the table"
        self.titles = wrapped(self.title, self.width - 2 * MARGIN, 11.5, "bold")
        self.foot = wrapped(self.rule(), self.width - 2 * MARGIN, SMALL)
        self.axes_words = [self.axis(panel) for panel in made]
        self.height = 20.0 + 16 * len(self.titles)
        for lines, words in zip(self.lines, self.axes_words, strict=True):
            self.height += sum(line.height for line in lines) + 24 + LINE * len(words) + 12
        self.height += 12.5 * len(self.foot) + 8

    def axis(self, panel: Panel) -> list[str]:
        """What a panel's axis shows, which way is better, what grey means."""
        scale, quantity = panel.scale, panel.scale.quantity
        better = f"{'lower' if quantity.sign < 0 else 'higher'} is better"
        what = f"change of {quantity.label} ({better}; right: as predicted)" if scale.oriented else quantity.label
        words = wrapped(what, self.right - self.left)
        if scale.oriented and quantity.sesoi:
            words += wrapped(f"grey: under {scale.size(quantity.sesoi)}, too small to matter", self.right - self.left)
        return words

    def rule(self) -> str:
        """How the marks follow from what is drawn."""
        leaves = [leaf for panel in self.panels for leaf in panel.leaves]
        parts = []
        if any(isinstance(leaf, Gain) and leaf.by >= 0 for leaf in leaves):
            parts.append("✓ dot beyond ┃ and line clear of 0, ✗ whole line short of ┃")
        if any(isinstance(leaf, Gain) and leaf.by < 0 for leaf in leaves):
            parts.append("where ┃ is left of 0: ✓ whole line right of it")
        if any(not isinstance(leaf, Gain) for leaf in leaves):
            parts.append("where [ ]: ✓ whole line inside, ✗ whole line outside")
        parts.append("? neither")
        looks = ", as looks are counted" if any(leaf.contrast.corrected for leaf in leaves) else ""
        if any(lanes.drawable(leaf) and lanes.interval(leaf) for leaf in leaves):
            parts.append(f"lines: {lanes.level(leaves)} intervals{looks}")
        if len(self.evidence.judgement.verdicts) > 1:
            parts.append("a verdict counts all predictions together, a mark its own comparison")
        return " · ".join(parts)

    def lines_of(self, panel: Panel, window: tuple[float, float]) -> list[Line]:
        """Heads and rows of a panel."""
        found = []
        for verdict, own, again in panel.groups:
            word = width_of(ruled(verdict), SIZE, "bold")
            head = titled(verdict.id) + (" (primary)" if verdict.primary else "")
            name = wrapped(head, self.width - 2 * MARGIN - word - 12, SIZE, "bold")
            found.append(Line(LINE * len(name) + 6, name, verdict))
            for leaf in own:
                said = " ".join(pair(leaf.contrast)).strip()
                far = lanes.unreached(leaf, window)
                said += f" ({far} →)" if far else ""
                fewer = lanes.drawable(leaf) and leaf.contrast.n < self.seeds
                said += f" ({count(int(leaf.contrast.n), 'seed')})" if fewer else ""
                numbers = effect(leaf.contrast)
                if self.wide:
                    name = wrapped(said, self.left - MARGIN - 26)
                    found.append(Line(max(LANE, LINE * len(name) + 5), name, leaf=leaf, numbers=numbers))
                else:
                    name = wrapped(said, self.width - 2 * MARGIN - 10)
                    beside = width_of(name[-1]) + width_of(" ".join(numbers), SIZE, "bold") + 22
                    rows = len(name) + (beside > self.width - 2 * MARGIN)
                    found.append(Line(LINE * rows + 3 + LANE, name, leaf=leaf, numbers=numbers))
            if again:
                what = ", ".join(" ".join(pair(leaf.contrast)).strip() for leaf in again)
                name = wrapped(f"see {what}", self.width - 2 * MARGIN - 20)
                found.append(Line(LINE * len(name) + 4, name))
        return found

    def draw(self, figure: Any) -> None:
        """Everything on the figure."""
        sheet = Sheet(figure)
        for place, words in enumerate(self.titles):
            sheet.text(MARGIN, 14 + 16 * place, words, 11.5, weight="bold")
        top = 20.0 + 16 * len(self.titles)
        for panel, window, lines, below in zip(self.panels, self.windows, self.lines, self.axes_words, strict=True):
            height = sum(line.height for line in lines)
            axes = sheet.panel(self.left, top, self.right - self.left, height, window)
            y = 0.0
            for line in lines:
                self.draw_line(sheet, axes, line, top, y)
                y += line.height
            set_ticks(axes, panel.scale, self.right - self.left)
            top += height + 22
            top = sheet.lines((self.left + self.right) / 2, top, below, ha="center") + 14
        for place, words in enumerate(self.foot):
            sheet.text(MARGIN, top + 12.5 * place, words, SMALL, MUTED)

    def draw_line(self, sheet: Sheet, axes: Any, line: Line, top: float, y: float) -> None:
        """A head, a comparison, or where it is shown already."""
        if line.verdict is not None:
            colour, word = VERDICTS[line.verdict.verdict], ruled(line.verdict)
            sheet.lines(MARGIN, top + y + 4, line.name, weight="bold")
            sheet.text(self.width - MARGIN, top + y + 4 + LINE / 2, word, SIZE, colour, weight="bold", ha="right")
        elif line.leaf is None:
            sheet.lines(MARGIN + 14, top + y, line.name, color=MUTED, size=SMALL)
        elif self.wide:
            middle = y + line.height / 2
            sheet.lines(MARGIN + 14, top + middle - LINE * len(line.name) / 2, line.name)
            lanes.draw_lane(axes, line.leaf, y, y + line.height, middle)
            sheet.text(self.mean_right, top + middle, line.numbers[0], SIZE, INK, weight="bold", ha="right")
            sheet.text(self.ends_left, top + middle, line.numbers[1], SMALL, MUTED)
        else:
            words = line.height - LANE
            sheet.lines(MARGIN + 8, top + y + 1, line.name)
            place = top + y + words - 2 - LINE / 2
            ends = width_of(line.numbers[1], SMALL)
            sheet.text(self.width - MARGIN, place, line.numbers[1], SMALL, MUTED, ha="right")
            sheet.text(self.width - MARGIN - ends - 6, place, line.numbers[0], SIZE, INK, weight="bold", ha="right")
            lanes.draw_lane(axes, line.leaf, y + words, y + line.height, y + words + LANE / 2)
