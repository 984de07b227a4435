"""Pictures laid out by hand: points from the top left, text that is measured before it is placed."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from litmus.claims.scale import Scale
from litmus.report.figures.style import INK, MUTED

SIZE, SMALL, TITLE = 10.0, 9.2, 11.0
LINE = 13.5  # points from line to line
ROOM = 11  # points beside an axis for half a number
KEPT = "\N{NO-BREAK SPACE}"
# Spaces that belong to both their sides: before a unit or a dot, behind a mark that words explain.
TOGETHER = re.compile(r"(?<=\d) (?=(?:%|pts|SD|seeds?)(?!\w))| (?=·)|(?<=┃) ")


class Sheet:
    """A figure of so many points; y runs down."""

    def __init__(self, figure: Any) -> None:
        self.figure = figure
        self.width, self.height = (72 * side for side in figure.get_size_inches())

    def text(self, x: float, y: float, text: str, size: float = SIZE, color: str = INK, **style: Any) -> None:
        """One line whose middle is at this height."""
        place = (x / self.width, 1 - y / self.height)
        self.figure.text(*place, text, fontsize=size, color=color, va="center_baseline", **style)

    def lines(self, x: float, y: float, lines: list[str], **style: Any) -> float:
        """Several lines, the first in the middle of its own; returns where the next would begin."""
        for place, line in enumerate(lines):
            self.text(x, y + (place + 0.5) * LINE, line, **style)
        return y + len(lines) * LINE

    def line(self, start: float, stop: float, y: float, **style: Any) -> None:
        """A level line."""
        from matplotlib.lines import Line2D

        places, level = [start / self.width, stop / self.width], 1 - y / self.height
        self.figure.add_artist(Line2D(places, [level, level], **style))

    def axes(self, left: float, top: float, width: float, height: float) -> Any:
        """Ordinary axes there."""
        box = (left / self.width, 1 - (top + height) / self.height, width / self.width, height / self.height)
        return self.figure.add_axes(box)

    def panel(self, left: float, top: float, width: float, height: float, limits: tuple[float, float]) -> Any:
        """Axes there, whose y are points from their top; only the x axis is drawn."""
        axes = self.axes(left, top, width, height)
        axes.set_ylim(height, 0)
        axes.set_xlim(*limits)
        axes.set_yticks([])
        axes.grid(visible=False)
        axes.patch.set_alpha(0)
        for side in ("left", "right", "top"):
            axes.spines[side].set_visible(False)
        axes.spines["bottom"].set_color(MUTED)
        return axes


@lru_cache(maxsize=8192)
def width_of(text: str, size: float = SIZE, weight: str = "normal") -> float:
    """How many points a text is wide."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(family="DejaVu Sans", size=size, weight=weight)
    with unwarned():
        return float(text_to_path.get_text_width_height_descent(text, font, False)[0])


@contextmanager
def unwarned() -> Iterator[None]:
    """Without a warning for each letter that the font lacks: the SVG shows it in the reader's own."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        yield


def wrapped(text: str, most: float, size: float = SIZE, weight: str = "normal") -> list[str]:
    """The text in lines of at most so many points: broken at spaces, else behind , / _ = or wherever it must be.

    A number keeps its unit, and no line begins with the dot that parts what stands before it from the next.
    """
    lines: list[str] = []
    line = ""
    for word in TOGETHER.sub(KEPT, " ".join(text.split())).split(" "):
        joined = f"{line} {word}".strip()
        if width_of(joined, size, weight) <= most:
            line = joined
            continue
        if line:
            lines.append(line)
        *full, line = broken(word, most, size, weight)
        lines += full
    return [one.replace(KEPT, " ").strip() for one in (*lines, line)]


def broken(word: str, most: float, size: float, weight: str) -> list[str]:
    """A word in lines of at most so many points."""
    lines = [""]
    for part in re.findall(r"[^,/_=]+[,/_=]*|[,/_=]+", word):
        letters = [part] if width_of(part, size, weight) <= most else list(part)
        for piece in letters:
            if lines[-1] and width_of(lines[-1] + piece, size, weight) > most:
                lines.append("")
            lines[-1] += piece
    return lines


def ticks(scale: Scale, low: float, high: float, width: float) -> list[float]:
    """Places of round numbers whose labels do not touch on an axis of so many points; three or more of them."""
    from matplotlib.ticker import MaxNLocator

    def fits(place: float) -> bool:
        at, side = width * (place - low) / (high - low), width_of(scale.tick(place), SMALL) / 2
        return bool(low <= place <= high and at - side > -ROOM and at + side < width + ROOM)

    def apart(places: list[float]) -> bool:
        at = [width * (place - low) / (high - low) for place in places]
        sides = [width_of(scale.tick(place), SMALL) / 2 for place in places]
        return all(b - a > x + y + 5 for a, b, x, y in zip(at, at[1:], sides, sides[1:], strict=False))

    ends = sorted(scale.number(end) for end in (low, high))
    unit = abs(scale.place(100)) if scale.relative else 1.0
    broad = scale.relative and (ends[0] < -50 or ends[1] > 50) and high - low > 3 * unit
    curved = scale.quantity.scale == "log" and not broad
    best: list[float] = []
    for wanted in range(8, 1, -1):
        steps = [1, 2, 5, 10] if broad else [1, 2, 2.5, 5, 10]
        locator = MaxNLocator(nbins=wanted, steps=steps, integer=broad)
        if broad:  # halvings and doublings are equally far from each other
            found = [float(step) * unit for step in locator.tick_values(*sorted((low / unit, high / unit)))]
        elif curved or scale.oriented or scale.points:
            numbers = [float(number) for number in locator.tick_values(*ends)]
            found = [scale.place(number) for number in numbers if not curved or number > (-99 if scale.oriented else 0)]
        else:
            found = [float(place) for place in locator.tick_values(low, high)]
        found = [0.0 if abs(place) < 1e-9 * (high - low) else place for place in found]
        places = sorted(filter(fits, found))
        if apart(places) and len(places) >= 3:
            return places
        if len(places) >= 3 and (not best or len(places) < len(best)):
            best = places
    sparse = [best[0], best[len(best) // 2], best[-1]] if best else []
    if sparse and apart(sparse):
        return sparse
    # Three numbers as round as their distance allows; no rounding may leave the logarithms' range.
    digits = max(0, 1 - math.floor(math.log10(ends[1] - ends[0])))
    numbers = [scale.number(low + share * (high - low)) for share in (0.15, 0.5, 0.85)]
    edge = -math.inf if scale.quantity.scale != "log" else -100.0 if scale.oriented else 0.0
    close = [round(number, digits) for number in numbers]
    close = [one if one > edge else float(f"{number:.2g}") for one, number in zip(close, numbers, strict=True)]
    return sorted(scale.place(one) if one > edge else low for one in close)


def set_ticks(axes: Any, scale: Scale, width: float) -> None:
    """The axis' ticks with their numbers."""
    low, high = axes.get_xlim()
    places = ticks(scale, low, high, width)
    axes.set_xticks(places, [scale.tick(place) for place in places])
    axes.tick_params(axis="x", colors=INK, labelsize=SMALL, length=3, pad=3)
