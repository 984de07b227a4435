"""The comparison on a terminal: the best arm of each data set, runs if asked, curves, and what could not be shown."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike
from rich.console import Console
from rich.table import Table
from rich.text import Text

from litmus.claims.notation import listing
from litmus.claims.quantity import direction_of
from litmus.claims.reductions import UNITS, Curve
from litmus.claims.runs import Run
from litmus.compare.comparison import Comparison, metrics
from litmus.compare.ranking import Block, data_of, ranked_by, ranking
from litmus.records.gathering import Arm, GatheredRun, counted_of
from litmus.report.figures.curves import Band
from litmus.report.figures.style import SERIES, scale_of, short
from litmus.words import count, plain

HEIGHT = 16
FEW = 20  # problems that are told without being asked
MARGIN = 10  # characters for the numbers beside the curves
NAMES, CELL = 40, 18  # characters for a table's first columns, and for a mean with its deviation


def print_comparison(
    comparison: Comparison, metric: str | None, clock: str, most: int, console: Console | None = None
) -> None:
    """Which arm is best on each data set, at most `most` runs, then the curves of a metric.

    Raises:
        ValueError: for a metric that no run has curves of.
    """
    console = console or Console()
    metric = curve_metric(comparison, metric, clock)
    console.print(Text(f"{comparison.title}: {comparison.lead}", style="bold"))
    leading = headline(comparison, (console.width - NAMES) // CELL)
    for block in ranking(comparison):
        console.print(Text(block.title, style="bold"))
        console.print(Text(block.sentence))
        for note in block.notes:
            console.print(Text(note, style="red"))
        console.print(ranking_table(comparison, block))
    if most:
        sets = dict.fromkeys(filter(None, map(data_of, comparison.runs)))
        for data in sets if len(sets) > 1 else (None,):
            console.print(runs_table(comparison, leading, most, data))
    if metric:
        for title, bands in _bands(comparison, metric, clock).items():
            for line in curves(comparison, bands, f"{metric}{title}", metric, clock, console.width):
                console.print(line)
    for note in comparison.notes:
        console.print(Text(note, style="bold"))
    problems = [run for run in comparison.runs if run.record.status != "completed"]
    for run in problems[: max(most, FEW)]:
        console.print(Text.assemble((f"{run.record.status} ", "red"), f"{run.where}: {run.record.error}"))
    if len(problems) > max(most, FEW):
        console.print(Text(f"and {len(problems) - max(most, FEW)} more; --runs {len(problems)} lists all", style="red"))


def ranking_table(comparison: Comparison, block: Block) -> Table:
    """The arms of a data set, best first: rank, score, how far behind, test score, seeds."""
    table = Table(box=None, pad_edge=False)
    columns = ("", "arm", f"{block.metric} (mean ± sd)", block.heading, block.test, "seeds")
    for column in columns:
        table.add_column(column, justify="left" if column in ("", "arm") else "right", overflow="fold")
    for one in block.standings:
        name = Text.assemble(("━━ ", _style(comparison, one.arm)), one.name)
        cells = (one.score, one.with_interval, plain(one.test), counted_of(comparison.arms[one.arm]))
        table.add_row(one.rank, name, *cells)
    return table


def headline(comparison: Comparison, most: int) -> list[str]:
    """As many metrics as the tables have room for, four at most; the first of validation leads."""
    known = [name for name in metrics(comparison) if not name.startswith("train/")]
    leading = [name for name in known if name.startswith("val/")][:1]
    return list(dict.fromkeys([*leading, *known]))[: max(1, min(4, most))]


def curve_metric(comparison: Comparison, asked: str | None, clock: str) -> str:
    """The metric whose curves are drawn; empty when no run has any.

    Raises:
        ValueError: for one that no run has, or for a clock that none has.
    """
    histories = [run.record.history for run in comparison.runs]
    known = list(dict.fromkeys(name for one in histories if clock in one for name in one if name not in UNITS))
    if asked and asked not in known:
        raise ValueError(f"no run has a curve of {asked} by {clock}; there are {listing(known, 20) or 'none'}")
    return asked or next((name for name in (ranked_by(comparison), "train/loss", *known) if name in known), "")


def runs_table(comparison: Comparison, shown: Sequence[str], most: int, data: str | None) -> Table:
    """The runs, on one of several data sets, by the first of these metrics, the best first."""
    # Validation's, where there is any: to choose a run by its test metric would be to fit it to the test set.
    leading = shown[0] if shown else ""
    kept = [run for run in comparison.runs if data is None or data_of(run) == data]
    runs = sorted(kept, key=lambda run: _rank(run, leading))
    title = "runs" + (f" on {data}" if data else "") + (f", best {leading} first" if leading else "")
    more = f"and {count(len(runs) - most, 'more run')}: --runs {len(runs)} lists all" if len(runs) > most else None
    table = Table(title=title, title_justify="left", caption=more, caption_justify="left")
    for column in ("run", "seed", "status", *shown):
        table.add_column(column, justify="right" if column in ("seed", *shown) else "left", overflow="fold")
    for run in runs[:most]:
        name = run.name if run.place.arm else f"{run.name} {run.arm.name}"
        cells = [plain(run.record.summary.get(metric)) for metric in shown]
        seed = plain(run.record.seed) if run.record.seed is not None else "—"
        table.add_row(Text.assemble(("━━ ", _style(comparison, run.arm)), name), seed, run.record.status, *cells)
    return table


def curves(
    comparison: Comparison, bands: Mapping[Arm, Band], title: str, metric: str, clock: str, width: int
) -> list[Text]:
    """The arms' means in braille, as far as an arm's shortest run goes, with the ends of the axes and a legend."""
    known = len(bands)
    if known > len(SERIES):
        best = sorted(bands, key=lambda arm: -_height(bands[arm], direction_of(metric)))[: len(SERIES)]
        bands = {arm: band for arm, band in bands.items() if arm in best}
    x = _Axis([value for band in bands.values() for value in band.clock], log=False)
    heights = [float(value) for band in bands.values() for value in band.mean]
    y = _Axis(heights, log=scale_of(heights) == "log")
    if not y.known:
        return [Text(f"{title} has no finite value to draw.", style="bold")]
    canvas = Canvas(max(20, width - MARGIN - 2), HEIGHT)
    for arm, band in bands.items():
        canvas.line(x.parts(band.clock), y.parts(band.mean), _style(comparison, arm))
    title = f"{title} by {clock}{', logarithmic' if y.log else ''}: means over seeds"
    title += f" of the best {len(bands)} of {known} arms" if len(bands) < known else ""
    lines = [Text(title, style="italic")]
    for row, drawn_row in enumerate(canvas.rows()):
        part = 1 - row / (HEIGHT - 1)
        number = plain(y.value(part), 3) if row in (0, HEIGHT // 2, HEIGHT - 1) else ""
        lines.append(Text.assemble(f"{number:>{MARGIN}} │", drawn_row))
    ends = plain(x.low, 3), plain(x.high, 6)
    lines.append(Text(f"{'':>{MARGIN}} └{ends[0]}{ends[1]:>{canvas.width - len(ends[0])}}"))
    for arm, band in bands.items():
        finite = band.mean[np.isfinite(band.mean)]
        end = plain(float(finite[-1])) if len(finite) else "—"
        lines.append(Text.assemble(("━━ ", _style(comparison, arm)), f"{short(arm.label, 60)}: {end} at the end"))
    return lines


def _bands(comparison: Comparison, metric: str, clock: str) -> dict[str, dict[Arm, Band]]:
    """Of each data set, the mean curves of the arms that have the metric, without the trials that tuned them.

    Runs that did not complete are drawn where an arm has no others: the mean ends with its shortest run.
    """
    found: dict[str, dict[Arm, Band]] = {}
    for arm, runs in comparison.arms.items():
        known = [run for run in runs if {metric, clock, "epoch"} <= set(run.record.history)]
        drawn = [run for run in known if run.counted] or known
        if arm.part != "tuning" and drawn:
            made = [Run(arm.name, run.record.seed or 0, run.record.history) for run in drawn]
            found.setdefault(data_of(drawn[0]), {})[arm] = Band(made, metric, clock)
    several = len([title for title in found if title]) > 1
    if not several:
        return {"": {arm: band for bands in found.values() for arm, band in bands.items()}}
    return {f" on {data or 'unknown data'}": bands for data, bands in found.items()}


def _height(band: Band, direction: str | None) -> float:
    """The best value of the mean, the more the better."""
    finite = band.mean[np.isfinite(band.mean)]
    return float((finite if direction == "up" else -finite).max(initial=-math.inf))


class _Axis:
    """From values to parts of an axis, and back."""

    def __init__(self, values: Sequence[float], log: bool) -> None:
        finite = np.asarray(values, dtype=float)
        finite = finite[np.isfinite(finite)]
        self.log, self.known = log, len(finite) > 0
        self.low, self.high = (float(finite.min()), float(finite.max())) if self.known else (0.0, 1.0)

    def parts(self, values: Curve) -> Curve:
        if self.log:
            return np.asarray(np.log(values / self.low) / (np.log(self.high / self.low) or 1.0))
        return np.asarray((values - self.low) / ((self.high - self.low) or 1.0))

    def value(self, part: float) -> float:
        if self.log:
            return float(self.low * (self.high / self.low) ** part)
        return float(self.low + part * (self.high - self.low))


def _rank(run: GatheredRun, metric: str) -> tuple[bool, float]:
    sign = 1 if direction_of(metric) == "up" else -1
    value = run.record.summary.get(metric, math.nan)
    known = run.record.status == "completed" and math.isfinite(value)
    return not known, -sign * value if known else 0.0


def _style(comparison: Comparison, arm: Arm) -> str:
    return SERIES[comparison.order[arm.name] % len(SERIES)]


# The bit of each dot in U+2800 …, by its row and column within the character.
DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))


class Canvas:
    """A field of so many characters; a character takes the style of the last line through it."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self._bits = np.zeros((height, width), dtype=int)
        self._styles: dict[tuple[int, int], str] = {}

    def line(self, x: ArrayLike, y: ArrayLike, style: str) -> None:
        """Draws through points whose coordinates are parts of the field: (0, 0) is the lower left corner, (1, 1) the
        upper right one. What lies outside is left out, and what is not finite, as a metric of every second epoch."""
        across = np.asarray(x, dtype=float) * (2 * self.width - 1)
        down = (1 - np.asarray(y, dtype=float)) * (4 * self.height - 1)
        measured = np.isfinite(across) & np.isfinite(down)
        across, down = across[measured], down[measured]
        for start in range(max(1, len(across) - 1) if len(across) else 0):
            ends = across[start : start + 2], down[start : start + 2]
            steps = int(max(abs(end[-1] - end[0]) for end in ends)) + 1
            for part in np.linspace(0, 1, steps + 1):
                column, row = (round(float(end[0] + part * (end[-1] - end[0]))) for end in ends)
                self._dot(column, row, style)

    def _dot(self, across: int, down: int, style: str) -> None:
        row, column = down // 4, across // 2
        if 0 <= row < self.height and 0 <= column < self.width:
            self._bits[row, column] |= DOTS[down % 4][across % 2]
            self._styles[row, column] = style

    def rows(self) -> list[Text]:
        """The field's rows, from the top."""
        return [
            Text.assemble(
                *((chr(0x2800 + bits), self._styles.get((row, column), "")) for column, bits in enumerate(line))
            )
            for row, line in enumerate(self._bits.tolist())
        ]
