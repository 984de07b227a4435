"""Learning curves: the mean over seeds with its t band, of few arms a thin line per seed; named where lines end."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from litmus.claims.contrast import FEWEST_SEEDS
from litmus.claims.notation import spelled
from litmus.claims.quantity import direction_of
from litmus.claims.runs import Run
from litmus.report.blocks import Picture
from litmus.report.evidence import Evidence
from litmus.report.figures.picture import saved
from litmus.report.figures.sheet import LINE, SMALL, TITLE, Sheet, width_of, wrapped
from litmus.report.figures.style import MUTED, WIDTH, colour_of, dash_of, plain_axis, scale_of
from litmus.words import count, plain

CLOCKS = ("epoch", "updates", "seconds")
MOST_POINTS = 200
# So few epochs are no curve; so many arms have a colour, and so few their seeds' own lines.
FEWEST_EPOCHS, MOST_ARMS, FEW = 6, 6, 3


def curves(evidence: Evidence, metric: str, page_only: bool = False) -> Picture | None:
    """One metric over the course of the runs, every arm that recorded it; none of runs of a few epochs."""
    clock = clock_of(evidence)
    bands = {}
    for arm, runs in evidence.curves.items():
        complete = [run for run in runs if metric in run.history and clock in run.history]
        if complete:
            bands[arm] = Band(complete, metric, clock)
    if not bands or max(band.values.shape[1] for band in bands.values()) < FEWEST_EPOCHS:
        return None
    means = np.concatenate([band.mean for band in bands.values()])
    scale = scale_of(means.tolist(), 15)
    low, high = limits(means, np.concatenate([band.values.ravel() for band in bands.values()]))
    ends = sorted(float(band.clock[-1]) for band in bands.values())
    broad = ends[-1] > 4 * ends[len(ends) // 2] and min(float(band.clock[0]) for band in bands.values()) > 0
    shown = [arm for arm in foremost(evidence) if arm in bands]
    sign = -1 if direction_of(metric) == "down" else 1
    names = {arm: wrapped(spelled(evidence.study, arm), 108) for arm in shown}
    right = max(width_of(line) for lines in names.values() for line in lines) + 30
    words = sum(len(lines) for lines in names.values()) * LINE + 5 * len(names)
    left, top, bottom = 52.0, 30.0, max(200.0, words + 36)
    title = wrapped(
        f"{metric}{evidence.where} ({'lower' if sign < 0 else 'higher'} is better)", 72 * WIDTH - 16, TITLE, "bold"
    )
    foot = wrapped(f"{evidence.imprint} · band: 95 % interval of the mean · ring: its best", 72 * WIDTH - 16, SMALL)

    def draw(figure: Any) -> None:
        from matplotlib.ticker import MaxNLocator

        sheet = Sheet(figure)
        for place, line in enumerate(title):
            sheet.text(8, 12 + LINE * place, line, TITLE, weight="bold")
        sheet.lines(8, bottom + 38, foot, size=SMALL, color=MUTED)
        axes = sheet.axes(left, top, sheet.width - left - right, bottom - top)
        for arm, band in bands.items():
            if arm not in shown:
                known = np.isfinite(band.mean)
                axes.plot(band.clock[known], band.mean[known], color=MUTED, linewidth=0.5, alpha=0.5, zorder=1)
                continue
            colour, dash = colour_of(arm, evidence.shown), dash_of(arm, evidence.shown)
            if len(shown) <= FEW:
                axes.plot(*band.threads(), color=colour, linewidth=0.5, alpha=0.35, zorder=2)
            under, over = possible(metric, band.low, band.high)
            known = np.isfinite(
                band.mean
            )  # of a metric that not every epoch measures, the line goes on over the others
            axes.fill_between(
                band.clock[known], under[known], over[known], color=colour, alpha=0.18, linewidth=0, zorder=3
            )
            axes.plot(band.clock[known], band.mean[known], color=colour, linestyle=dash, zorder=4)
            if np.isfinite(band.mean).any():
                best = int(np.nanargmax(sign * band.mean))
                axes.plot([band.clock[best]], [band.mean[best]], "o", color=colour, fillstyle="none", zorder=5)
        axes.set_xscale("log" if broad else "linear")
        axes.set_yscale(scale)
        if low < high:
            axes.set_ylim(low, high)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))  # there is no epoch 1.25
        axes.yaxis.set_major_locator(MaxNLocator(nbins=6))
        plain_axis(axes.xaxis, "log" if broad else "linear", 5)
        plain_axis(axes.yaxis, scale, 6)
        sheet.text((left + sheet.width - right) / 2, bottom + 30, clock, ha="center")
        heights = {arm: bottom - (bottom - top) * share(axes, bands[arm].mean) for arm in shown}
        y = top
        room = bottom - top - words
        for arm in sorted(shown, key=lambda arm: heights[arm]):
            lines = names[arm]
            # As near to the line's end as those above and the room below allow.
            y = min(max(y, heights[arm] - LINE / 2), max(y, top + room))
            room += LINE * len(lines) + 5
            label = sheet.width - right + 8
            style = {"color": colour_of(arm, evidence.shown), "linestyle": dash_of(arm, evidence.shown)}
            sheet.line(label, label + 16, y + LINE / 2, **style)
            y = sheet.lines(label + 19, y, lines) + 5

    last = {arm: band.mean[-1] for arm, band in bands.items() if np.isfinite(band.mean[-1])}
    told = ", ".join(f"{spelled(evidence.study, arm)} {plain(value, 3)}" for arm, value in last.items() if arm in shown)
    made = sum(len(band.values) for band in bands.values())
    size = f"{count(len(bands), 'arm')} and {count(made, 'run')}"
    alt = f"{metric}{evidence.where} by {clock}, mean over seeds, {size}. At the end: {told}."
    grey = len(bands) - len(shown)
    caption = f"{metric}{evidence.where} by {clock}: mean and 95 % t band; a ring at the best mean." + (
        f" Grey: the means of {grey} further arms." if grey else ""
    )
    name = f"curves-{metric.replace('/', '-')}{evidence.suffix}"
    return Picture(
        name, alt, caption, lambda: saved(name, draw, (bottom + 42 + LINE * len(foot)) / 72, WIDTH), page_only=page_only
    )


def clock_of(evidence: Evidence) -> str:
    """Epochs where all arms have as many of them, else updates, where they were counted."""
    clocked = all("updates" in run.history for runs in evidence.curves.values() for run in runs)
    lengths = {len(run.history["epoch"]) for runs in evidence.curves.values() for run in runs if "epoch" in run.history}
    return "updates" if clocked and len(lengths) > 1 and evidence.varied_counter("epochs") else "epoch"


def foremost(evidence: Evidence) -> list[str]:
    """The arms that are drawn in colour: those of the primary prediction, then the best."""
    primary = [one for one in evidence.study.predictions.values() if one.primary]
    named = [arm for one in primary for arm in one.named_arms(evidence.study)]
    order = dict.fromkeys([*named, *evidence.ranked(evidence.leading), *evidence.study.arms])
    return [arm for arm in order if arm in evidence.shown][:MOST_ARMS]


def possible(metric: str, low: Any, high: Any) -> tuple[Any, Any]:
    """An interval, or a band of them, without what no loss and no accuracy can be."""
    word = metric.rpartition("/")[2]
    if word in ("acc", "accuracy"):
        return np.clip(low, 0, 1), np.clip(high, 0, 1)
    return (np.maximum(low, 0), high) if word == "loss" else (low, high)


def share(axes: Any, mean: NDArray[np.float64]) -> float:
    """How far up the axes a curve ends."""
    known = mean[np.isfinite(mean)]
    if not len(known):
        return 0.0
    place = axes.transAxes.inverted().transform(axes.transData.transform((1, known[-1])))[1]
    return float(min(1.0, max(0.0, place)))


class Band:
    """The runs of an arm on their common epochs: values (runs, epochs), mean, t interval per epoch."""

    def __init__(self, runs: list[Run], metric: str, clock: str) -> None:
        # Beyond the shortest run the mean would be that of the survivors; one that broke is only missing from it.
        whole = [run for run in runs if np.isfinite(run.history[metric][-1])] or runs
        shared = min(len(run.history[metric]) for run in whole)
        kept = np.unique(np.linspace(0, shared - 1, min(shared, MOST_POINTS)).round().astype(int))
        self.values: NDArray[np.float64] = np.array([_padded(run.history[metric], shared)[kept] for run in runs])
        self.clocks: NDArray[np.float64] = np.array([_padded(run.history[clock], shared)[kept] for run in runs])
        if clock == "epoch":
            self.clocks = self.clocks + 1
        good = np.where(np.isfinite(self.values), self.values, np.nan)
        n = np.isfinite(good).sum(axis=0)
        total = np.nansum(good, axis=0)
        self.clock = np.array([_padded(run.history[clock], shared)[kept] for run in whole]).mean(axis=0)
        self.clock = self.clock + (clock == "epoch")
        self.mean = np.where(n > 0, total / np.maximum(n, 1), np.nan)
        squares = np.nansum((good - self.mean) ** 2, axis=0)
        enough = n >= FEWEST_SEEDS
        sd = np.sqrt(np.where(enough, squares / np.maximum(n - 1, 1), np.nan))
        half = np.where(enough, stdtrit(np.maximum(n - 1, 1), 0.975) * sd / np.sqrt(np.maximum(n, 1)), np.nan)
        self.low, self.high = self.mean - half, self.mean + half

    def threads(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """All runs as one broken line: one path in the file instead of one per run."""
        gap = [np.nan]
        parts = []
        for clock, values in zip(self.clocks, self.values, strict=True):
            known = np.isfinite(values)
            parts.append((np.append(clock[known], gap), np.append(values[known], gap)))
        return np.concatenate([x for x, _ in parts]), np.concatenate([y for _, y in parts])


def _padded(curve: Any, length: int) -> NDArray[np.float64]:
    """The curve's first entries, not a number where it ended before."""
    padded = np.full(length, np.nan)
    padded[: len(curve)] = np.asarray(curve, dtype=float)[:length]
    return padded


def limits(means: NDArray[np.float64], values: NDArray[np.float64]) -> tuple[float, float]:
    """Where the means are, with room for the seeds around them; a run that explodes does not flatten the rest."""
    means = means[np.isfinite(means)]
    values = values[np.isfinite(values)]
    if not len(means):
        return 0.0, 0.0
    low, high = np.percentile(means, [0, 98])
    room = 0.35 * (high - low) or 0.1 * abs(high) or 1.0
    bottom, top = max(values.min(), low - room), min(values.max(), high + room)
    margin = 0.03 * (top - bottom)
    lowest = bottom - margin
    return float(lowest if lowest > 0 or bottom <= 0 else 0.9 * bottom), float(top + margin)
