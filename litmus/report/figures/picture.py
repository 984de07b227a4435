"""From a drawing to a picture: SVG and PNG from one layout, and the SVG as the page embeds it."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from html import escape
from typing import Any

from litmus.report.blocks import Picture
from litmus.report.figures.sheet import LINE, SMALL, TITLE, Sheet, unwarned, wrapped
from litmus.report.figures.style import MUTED, SETTINGS, VARIABLES, WIDTH

LONG = 20  # letters of a legend's label that has a line of its own
LONG_NUMBER = re.compile(r"(\d+\.\d\d)\d+")
TAG = re.compile(r"<[^>]+>")
COMMENT = re.compile(r"\s*<!--.*?-->", re.DOTALL)
METADATA = re.compile(r"\s*<metadata>.*?</metadata>", re.DOTALL)
PROLOGUE = re.compile(r"^.*?(?=<svg)", re.DOTALL)
COLOUR = re.compile("|".join(VARIABLES))


def picture(
    name: str, alt: str, caption: str, draw: Callable[[Any], None], height: float = 3.4, width: float = WIDTH,
    title: str = "", foot: str = "",
) -> Picture:  # fmt: skip
    """Draws on one pair of axes of this size in inches, once it is looked at; laid out once, saved twice.

    Above it stands the question that it answers, below it whose it is and what its signs mean.
    """
    above = wrapped(title, 72 * width - 16, TITLE, "bold") if title else []
    below = wrapped(foot, 72 * width - 16, SMALL) if foot else []

    tops = [LINE * len(above) + 4 * bool(above), 72 * height, LINE * len(below) + 4 * bool(below)]
    tall = sum(tops)

    def whole(figure: Any) -> None:
        sheet = Sheet(figure)
        sheet.lines(8, 4, above, size=TITLE, weight="bold")
        sheet.lines(8, tops[0] + tops[1], below, size=SMALL, color=MUTED)
        middle = [top for top in tops if top]
        parts = figure.subfigures(len(middle), 1, height_ratios=middle, squeeze=False)[:, 0]
        draw(parts[int(bool(above))].subplots())

    return Picture(name, alt, caption, lambda: saved(name, whole, tall / 72, width, "constrained"))


def saved(name: str, draw: Callable[[Any], None], height: float, width: float, layout: Any = None) -> tuple[str, bytes]:
    """What is drawn on a figure of this size in inches, as SVG and as PNG."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with unwarned(), mpl.rc_context({**SETTINGS, "svg.hashsalt": name}):
        figure = Figure(figsize=(width, height), dpi=160, layout=layout)
        canvas = FigureCanvasAgg(figure)
        draw(figure)
        if layout is not None:
            figure.draw_without_rendering()
            figure.set_layout_engine("none")
        svg, png = io.StringIO(), io.BytesIO()
        # figure.savefig would draw everything twice for each format.
        canvas.print_png(png, metadata={"Software": None})
        FigureCanvasSVG(figure).print_svg(svg, metadata={"Date": None, "Creator": None})
    text = COMMENT.sub("", METADATA.sub("", svg.getvalue()))
    # A hundredth of a point is finer than any screen; the numbers that are read keep their digits.
    text = TAG.sub(lambda tag: LONG_NUMBER.sub(r"\1", tag[0]), text)
    return text, png.getvalue()


def legend(axes: Any, columns: int = 2) -> None:
    """The legend below the axes, where it hides no data."""
    handles, labels = axes.get_legend_handles_labels()
    if len(handles) < 2:
        return
    columns = 1 if max(map(len, labels)) > LONG else columns
    labels = ["\n".join(wrapped(label, 150 if columns > 1 else 310)) for label in labels]
    axes.figure.legend(handles, labels, loc="outside lower left", ncols=columns, handlelength=2.4, columnspacing=1.2)


def legend_height(labels: Sequence[str]) -> float:
    """Inches that a legend of these labels takes."""
    if max(map(len, labels), default=0) > LONG:
        return 0.19 * sum(len(wrapped(label, 310)) for label in labels)
    return 0.19 * ((len(labels) + 1) // 2)


def inline(shown: Picture) -> str:
    """The SVG inside the page: named for screen readers, colours that follow the theme, identifiers of its own."""
    svg = PROLOGUE.sub("", shown.svg, count=1)
    opening, rest = svg.split(">", 1)
    box = re.search(r'viewBox="[^"]*"', opening)
    opening = f'<svg {box[0] if box else ""} role="img" aria-label="{escape(shown.alt, quote=True)}"'
    rest = COLOUR.sub(lambda found: f"var({VARIABLES[found[0]]})", rest)
    rest = re.sub(r"'DejaVu Sans'[^;\"]*", "var(--sans)", rest)
    rest = re.sub(r'(id="|url\(#|href="#)', lambda found: f"{found[1]}{shown.name}-", rest)
    return f"{opening}>{rest}"
