"""The study's first picture: whether the primary prediction held, and by how much; a dot per seed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from litmus.claims.finding import cap_of
from litmus.claims.leaf import Gain
from litmus.claims.scale import Scale, effect
from litmus.claims.sentence import cause_in_words
from litmus.claims.verdict import Verdict
from litmus.report.blocks import Picture
from litmus.report.effects import SYMBOLS, Leaf, outcome, pair, titled
from litmus.report.evidence import Evidence
from litmus.report.figures import lanes
from litmus.report.figures.forest import ruled, strongest
from litmus.report.figures.picture import saved
from litmus.report.figures.sheet import LINE, SIZE, SMALL, Sheet, set_ticks, width_of, wrapped
from litmus.report.figures.style import MUTED, PAPER, VERDICTS
from litmus.words import count

WIDTHS = {True: 518.0, False: 360.0}  # points
MOST_LANES = 5
MARGIN = 8.0
# A seed that is further from the mean than so many of the widest interval is an arrowhead at the edge.
OUTLYING = 3.0


def main_prediction(evidence: Evidence) -> Verdict | None:
    """The primary prediction; without one, the first about what matters most."""
    verdicts = list(evidence.judgement.verdicts.values())
    leading = [verdict for verdict in verdicts if verdict.quantity == evidence.leading.name]
    primary = [verdict for verdict in verdicts if verdict.primary]
    return next(iter([*primary, *leading, *verdicts]), None)


def headline(evidence: Evidence) -> Picture | None:
    """The main prediction's picture, wide and narrow; None where there is nothing to draw."""
    verdict = main_prediction(evidence)
    rows = chosen(verdict) if verdict is not None else []
    if verdict is None or not rows:
        return None
    name = f"headline-{verdict.id}"
    parts = [lanes.told(" ".join(pair(leaf.contrast)), leaf) for leaf in rows]
    scale = Scale(rows[0].contrast.quantity, rows[0].contrast.oriented)
    what = f"Change of {scale.quantity.label}" if scale.oriented else f"The {scale.quantity.label}"
    claim = f"“{verdict.claim}”" if verdict.claim else titled(verdict.id)
    alt = f"{verdict.verdict.capitalize()}: {claim} {what} with {lanes.level(rows)} interval: {'; '.join(parts)}."
    caption = f"The {'primary' if verdict.primary else 'first'} prediction of {evidence.name}, {verdict.id}."

    def drawing(wide: bool) -> tuple[str, bytes]:
        plan = Plan(evidence, verdict, rows, scale, wide)
        return saved(name, plan.draw, plan.height / 72, plan.width / 72)

    narrow = Picture(name, alt, caption, lambda: drawing(False))
    return replace(narrow, name=f"{name}-wide", drawing=lambda: drawing(True), narrow=narrow)


def chosen(verdict: Verdict) -> list[Leaf]:
    """The prediction's comparisons about one quantity, best first and the one that the verdict hangs on last."""
    leaves = [leaf for _, leaf in strongest([(verdict, leaf) for leaf in verdict.contrasts])]
    hanging = verdict.leaf if verdict.leaf in leaves else min(leaves, key=weakness, default=None)
    if hanging is None:
        return []
    like = hanging.contrast
    rows = [leaf for leaf in leaves if lanes.drawable(leaf) and leaf.contrast.quantity == like.quantity]
    rows = [leaf for leaf in rows if leaf.contrast.oriented == like.oriented]
    rows.sort(key=lambda leaf: (leaf is not hanging, weakness(leaf)))
    return rows[:MOST_LANES][::-1]


def untold(verdict: Verdict, rows: list[Leaf]) -> int:
    """How many more comparisons the prediction has."""
    return len(strongest([(verdict, leaf) for leaf in verdict.contrasts])) - len(rows)


def weakness(leaf: Leaf) -> float:
    """How far the mean lies beyond what is needed: what lies furthest short of it comes first."""
    mean = float(leaf.contrast.mean) if lanes.drawable(leaf) else -np.inf
    if isinstance(leaf, Gain):
        return mean - leaf.bar
    return min(mean - leaf.low, leaf.high - mean)


def meaning(verdict: Verdict, leaf: Leaf, cap: str = "") -> str:
    """What the comparison that the verdict hangs on comes to, in a few words; `cap` is what forbids a verdict."""
    contrast, own = leaf.contrast, outcome(leaf)
    seeds = count(int(contrast.n), "seed")
    if verdict.verdict == "confirmed":
        return f"{seeds}, as claimed" if own == "confirmed" else seeds
    if verdict.verdict == "rejected":
        told = cause_in_words(verdict.cause, leaf)
        return told[:1].lower() + told[1:]
    if cap:
        return f"{seeds}; what limits it stands below" if "lint:" in cap else cap
    if verdict.fragile:
        return f"{seeds}, but fragile: {verdict.fragile}"
    if own != "inconclusive" and len(verdict.contrasts) > 1:
        return f"{seeds} leave open what hangs on {len(verdict.contrasts)} comparisons at once"
    return f"{seeds} cannot tell"


@dataclass
class Plan:
    """Where everything lies, before the figure has its size."""

    evidence: Evidence
    verdict: Verdict
    rows: list[Leaf]
    scale: Scale
    wide: bool

    def __post_init__(self) -> None:
        """Measures all words."""
        self.width = WIDTHS[self.wide]
        room = self.width - 2 * MARGIN
        verdict, study = self.verdict, self.evidence.study
        claim = f"“{verdict.claim}”" if verdict.claim else titled(verdict.id)
        self.claim = wrapped(claim, room - 6, 11.5, "bold")
        self.pill = ruled(verdict)
        self.beside = width_of(self.pill, 11, "bold") + 24 if self.wide else 0.0
        hanging = self.rows[-1]
        subject, reference = pair(hanging.contrast)
        said = f"{subject} {reference}".strip()
        cap = cap_of(self.evidence.judgement.lint, verdict.id)
        means = meaning(verdict, hanging, cap)
        mean, ends = effect(hanging.contrast)
        own = mean if means.startswith(ends) else f"{mean} {ends}"  # so few seeds stand in place of an interval
        sentence = f"{said}: {self.scale.quantity.label} {own}; {means}."
        self.sentence = wrapped(sentence, room - self.beside, SMALL)
        self.values = [np.asarray(leaf.contrast.values, dtype=float) for leaf in self.rows]
        self.values = [values[np.isfinite(values)] for values in self.values]
        self.window = self.limits()
        self.names, self.numbers = self.columns(study)
        quantity = self.scale.quantity
        better = "lower is better" if quantity.sign < 0 else "higher is better"
        axis = f"change of {quantity.label} ({better})" if self.scale.oriented else f"{quantity.label} ({better})"
        self.axis = wrapped(axis, room, SIZE)
        self.foot = wrapped(self.legend(), room, SMALL)
        top = 12 + len(self.claim) * 16 + 10
        text = len(self.sentence) * LINE
        self.sentence_top = top if self.wide else top + 24
        self.zones_top = max(top + 22, self.sentence_top + text) + 6
        self.lanes_top = self.zones_top + 20
        self.heights = self.lane_heights()
        self.bottom = self.lanes_top + sum(self.heights)
        self.height = self.bottom + 24 + len(self.axis) * LINE + len(self.foot) * 12.5 + 12

    def limits(self) -> tuple[float, float]:
        """The axis with all dots, but for those that are far from all others."""
        ends = [end for leaf in self.rows if (found := lanes.interval(leaf)) for end in found]
        widths = [found[1] - found[0] for leaf in self.rows if (found := lanes.interval(leaf))]
        reach = OUTLYING * max(widths, default=np.inf)
        near = [
            value
            for leaf, values in zip(self.rows, self.values, strict=True)
            for value in values
            if abs(value - float(leaf.contrast.mean)) <= reach or not widths
        ]
        low, high = lanes.limits(self.scale, self.rows, [*near, *ends])
        return low, high

    def legend(self) -> str:
        """What the picture's signs mean."""
        quantity, seeds = self.scale.quantity, max(int(leaf.contrast.n) for leaf in self.rows)
        corrected = any(leaf.contrast.corrected for leaf in self.rows)
        parts = [self.evidence.name, f"{count(seeds, 'seed')}, a dot each"]
        if any(lanes.interval(leaf) for leaf in self.rows):
            parts.append(f"line: {lanes.level(self.rows)} interval{', as looks are counted' if corrected else ''}")
        gain = isinstance(self.rows[0], Gain)
        if gain:
            beyond = [told for leaf in self.rows if (told := lanes.unreached(leaf, self.window))]
            parts.append(f"the claim {beyond[0]}, beyond the axis" if beyond else "┃ what the claim needs")
        else:
            parts.append("[ ] what is claimed")
        if self.scale.oriented and quantity.sesoi:
            parts.append(f"grey: under {self.scale.size(quantity.sesoi)}, too small to matter")
        left = untold(self.verdict, self.rows)
        parts += [f"{count(left, 'further comparison')} with all the others"] if left else []
        for leaf, values in zip(self.rows, self.values, strict=True):
            out = [value for value in values if not self.window[0] <= value <= self.window[1]]
            if out:
                said = " ".join(filter(None, pair(leaf.contrast)))
                parts.append(f"◂ ▸ beyond the axis, {said}: {', '.join(map(self.place, out[:3]))}")
        return " · ".join(parts)

    def place(self, value: float) -> str:
        """A seed's value as it is read: +6.5 %."""
        decimals = self.scale.decimals(abs(self.scale.number(value)))
        return self.scale.text(float(value), decimals) + self.scale.unit

    def columns(self, study: Any) -> tuple[list[list[str]], list[tuple[str, str]]]:
        """Each lane's name in lines, and its numbers."""
        numbers = []
        for leaf in self.rows:
            mean, ends = effect(leaf.contrast)
            numbers.append((f"{mean}  {SYMBOLS[outcome(leaf)]}", ends))
        right = max(max(width_of(a, SIZE, "bold"), width_of(b, SMALL)) for a, b in numbers)
        both = [pair(leaf.contrast) for leaf in self.rows]
        if self.wide:
            most = 0.3 * self.width
            names = []
            for place, (subject, reference) in enumerate(both):
                again = place > 0 and subject == both[place - 1][0] and reference
                own = [] if again else wrapped(subject, most)
                names.append([*own, *(wrapped(reference, most) if reference else [])])
            left = max(width_of(line) for lines in names for line in lines)
            self.left, self.right = MARGIN + left + 10, self.width - MARGIN - right - 10
        else:
            most = self.width - 2 * MARGIN
            self.left, self.right = MARGIN + 4, self.width - MARGIN - 4
            names = []
            for (subject, reference), (mean, ends) in zip(both, numbers, strict=True):
                said = f"{subject} {reference}".strip()
                beside = width_of(f"{mean} {ends}", SMALL, "bold") + 12
                lines = wrapped(said, most - beside)
                names.append(lines if len(lines) == 1 else wrapped(said, most))
        return names, numbers

    def lane_heights(self) -> list[float]:
        """Points for each lane: dots above their interval, in narrow pictures below the lane's own words."""
        if self.wide:
            return [max(44.0, len(lines) * LINE + 10) for lines in self.names]
        return [46.0 + self.words_height(place) for place in range(len(self.rows))]

    def words_height(self, place: int) -> float:
        """Points for a narrow lane's words."""
        lines, (mean, ends) = self.names[place], self.numbers[place]
        used = width_of(lines[-1]) + width_of(f"{mean} {ends}", SMALL, "bold") + 12
        return LINE * (len(lines) + (used > self.width - 2 * MARGIN)) + 3

    def zones(self) -> tuple[str, str, str, str, str]:
        """Words for the left, the middle and the right of zero, and the colours of the sides."""
        bad, good = VERDICTS["rejected"], VERDICTS["confirmed"]
        sesoi = self.scale.quantity.sesoi
        middle = f"±{self.scale.size(sesoi)}" if sesoi else ""
        if not isinstance(self.rows[0], Gain):
            bad = good = MUTED
        if self.verdict.kind == "interaction":
            words = ["less than the sum", "more than the sum of the parts"]
            asked = self.evidence.study.predictions[self.verdict.id]
            if getattr(asked, "form", "") == "redundancy":  # its gain is what is missing
                words = ["more than the sum", "less than the sum of the parts"]
            return words[0], middle, words[1], bad, good
        subjects = {pair(leaf.contrast)[0] for leaf in self.rows}
        who = f"{subjects.pop()} " if len(subjects) == 1 else ""
        if width_of(who, SMALL) > 150:
            who = ""
        return f"{who}worse", middle, f"{who}better", bad, good

    def draw(self, figure: Any) -> None:
        """Everything on the figure."""
        sheet = Sheet(figure)
        for place, line in enumerate(self.claim):
            sheet.text(MARGIN, 14 + 16 * place, line, 11.5, weight="bold")
        top = 12 + len(self.claim) * 16 + 10
        sheet.text(
            MARGIN + 6, top + LINE / 2, self.pill, 11, PAPER, weight="bold",
            bbox={"boxstyle": "round,pad=0.25", "facecolor": VERDICTS[self.verdict.verdict], "edgecolor": "none"},
        )  # fmt: skip
        sheet.lines(MARGIN + self.beside, self.sentence_top, self.sentence, size=SMALL)
        axes = sheet.panel(self.left, self.lanes_top, self.right - self.left, self.bottom - self.lanes_top, self.window)
        self.draw_zones(sheet)
        y = 0.0
        for place, leaf in enumerate(self.rows):
            self.draw_row(sheet, axes, place, leaf, y)
            y += self.heights[place]
        set_ticks(axes, self.scale, self.right - self.left)
        y = sheet.lines(self.width / 2, self.bottom + 22, self.axis, ha="center") + 3
        for place, line in enumerate(self.foot):
            sheet.text(MARGIN, y + 6 + 12.5 * place, line, SMALL, MUTED)

    def draw_zones(self, sheet: Sheet) -> None:
        """Which side is which; a zone that is too narrow for its word has none."""
        if not self.scale.oriented:
            return
        left, middle, right, bad, good = self.zones()
        sesoi = self.scale.quantity.sesoi or 0.0

        def at(place: float) -> float:
            return self.left + (place - self.window[0]) / (self.window[1] - self.window[0]) * (self.right - self.left)

        taken = width_of(middle, SMALL) / 2 + 8 if middle else 0.0
        for text, start, stop, colour in (
            (left, self.left, min(at(-sesoi), at(0) - taken), bad),
            (right, max(at(sesoi), at(0) + taken), self.right, good),
        ):
            if width_of(text, SMALL) <= stop - start:
                sheet.text((start + stop) / 2, self.zones_top + 8, text, SMALL, colour, ha="center")
        if middle and at(0) - taken > 0:
            sheet.text(at(0), self.zones_top + 8, middle, SMALL, MUTED, ha="center")

    def draw_row(self, sheet: Sheet, axes: Any, place: int, leaf: Leaf, y: float) -> None:
        """One comparison: its words, its seeds, its interval."""
        height, (mean, ends), colour = self.heights[place], self.numbers[place], VERDICTS[outcome(leaf)]
        lines, top = self.names[place], self.lanes_top + y
        if self.wide:
            start = top + (height - LINE * len(lines)) / 2
            sheet.lines(self.left - 10, start, lines, ha="right")
            sheet.text(self.right + 10, top + height / 2 - 7, mean, SIZE, colour, weight="bold")
            sheet.text(self.right + 10, top + height / 2 + 7, ends, SMALL, MUTED)
            lane = y
        else:
            sheet.lines(MARGIN, top + 2, lines)
            words = self.words_height(place)
            line = top + words - 3 - LINE / 2 + 2
            right = width_of(ends, SMALL)
            sheet.text(self.width - MARGIN, line, ends, SMALL, MUTED, ha="right")
            sheet.text(self.width - MARGIN - right - 6, line, mean, SMALL, colour, weight="bold", ha="right")
            lane = y + words
        values, bottom = self.values[place], y + height
        base, below = lane + 0.34 * (bottom - lane), lane + 0.72 * (bottom - lane)
        lanes.draw_lane(axes, leaf, lane + 1, bottom, below, thick=3)
        shift = np.zeros(len(values))
        shift[np.argsort(values, kind="stable")] = np.resize([-4.0, 0.0, 4.0], len(values))
        low, high = self.window
        inside = (values >= low) & (values <= high)
        style = {"color": colour, "alpha": 0.4, "markeredgewidth": 0, "zorder": 3}
        axes.plot(values[inside], base + shift[inside], "o", markersize=4.6, **style)
        for side, marker, out in ((low, "<", values < low), (high, ">", values > high)):
            if out.any():
                axes.plot([side], [base], marker, markersize=5, clip_on=False, **{**style, "alpha": 0.8})
