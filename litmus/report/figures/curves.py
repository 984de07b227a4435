"""Learning curves: the mean over seeds with its t band, and a thin line per seed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from litmus.claims.runs import Run
from litmus.report.blocks import Picture
from litmus.report.evidence import Evidence
from litmus.report.figures.picture import legend, picture
from litmus.report.figures.style import MUTED, colour_of, dash_of, plain_axis, scale_of, short
from litmus.words import count, plain

CLOCKS = ("epoch", "updates", "seconds")
MOST_POINTS = 200


def curves(evidence: Evidence, metric: str, clock: str) -> Picture | None:
    """One metric against one clock, every arm that recorded both."""
    bands = {}
    for arm, runs in evidence.curves.items():
        complete = [run for run in runs if metric in run.history and clock in run.history]
        if complete:
            bands[arm] = Band(complete, metric, clock)
    if not bands:
        return None
    means = np.concatenate([band.mean for band in bands.values()])
    scale = scale_of(means.tolist(), 15)
    low, high = limits(means, np.concatenate([band.values.ravel() for band in bands.values()]))

    def draw(axes: Any) -> None:
        from matplotlib.ticker import MaxNLocator

        for arm, band in bands.items():
            colour, dash = colour_of(arm, evidence.shown), dash_of(arm, evidence.shown)
            if arm not in evidence.shown:
                axes.plot(band.clock, band.mean, color=MUTED, linewidth=0.5, alpha=0.5, zorder=1)
                continue
            marker = "o" if len(band.mean) == 1 else None
            axes.plot(*band.threads(), color=colour, linewidth=0.5, alpha=0.35, zorder=2)
            axes.fill_between(band.clock, band.low, band.high, color=colour, alpha=0.18, linewidth=0, zorder=3)
            axes.plot(band.clock, band.mean, color=colour, linestyle=dash, label=short(arm), marker=marker, zorder=4)
        axes.set_yscale(scale)
        if low < high:
            axes.set_ylim(low, high)
        plain_axis(axes.yaxis, scale)
        if clock != "seconds":
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))  # there is no epoch 1.25
        axes.set_xlabel(clock)
        axes.set_ylabel(metric)
        legend(axes)

    made = sum(len(band.values) for band in bands.values())
    last = {arm: band.mean[-1] for arm, band in bands.items() if np.isfinite(band.mean[-1])}
    told = ", ".join(f"{arm} {plain(value, 3)}" for arm, value in list(last.items())[:8])
    size = f"{count(len(bands), 'arm')} and {count(made, 'run')}"
    alt = f"{metric} by {clock}, mean over seeds, {size}. At the end: {told}."
    grey = len(bands) - len(set(bands) & set(evidence.shown))
    caption = f"{metric} by {clock}: mean, 95 % t band, a thin line per seed." + (
        f" Grey: the means of {grey} further arms." if grey else ""
    )
    rows = min(len(bands), len(evidence.shown))
    lines = rows if max(map(len, evidence.shown)) > 22 else (rows + 1) // 2
    return picture(f"curves-{metric.replace('/', '-')}-{clock}", alt, caption, draw, height=2.9 + 0.17 * lines)


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
        enough = n > 1
        sd = np.sqrt(np.where(enough, squares / np.maximum(n - 1, 1), np.nan))
        half = np.where(enough, stdtrit(np.maximum(n - 1, 1), 0.975) * sd / np.sqrt(np.maximum(n, 1)), np.nan)
        self.low, self.high = self.mean - half, self.mean + half

    def threads(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """All runs as one broken line: one path in the file instead of one per run."""
        gap = np.full((len(self.values), 1), np.nan)
        return np.hstack([self.clocks, gap]).ravel(), np.hstack([self.values, gap]).ravel()


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
