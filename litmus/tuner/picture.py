"""A run that tunes itself in one picture: every setting's score, and the best so far."""

import math
from pathlib import Path

from litmus.atomic import replacing
from litmus.trial.history import read_history

# Beyond so many times the smallest loss, only a logarithmic axis shows both ends.
WIDE = 20


def draw_search(history: Path, picture: Path, monitor: str) -> None:
    """Draws the monitored metric by setting from a metrics.csv: a dot for each, a line for the best so far.

    Settings that gave no score stand as crosses at the upper edge.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    rows = read_history(history)
    settings = [row["setting"] for row in rows]
    tried = [row[f"{monitor}_tried"] for row in rows]
    best = [row[monitor] if math.isfinite(row[monitor]) else math.nan for row in rows]
    known = [(setting, score) for setting, score in zip(settings, tried, strict=True) if math.isfinite(score)]
    lost = [setting for setting, score in zip(settings, tried, strict=True) if not math.isfinite(score)]
    figure = Figure(figsize=(7, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.plot(*zip(*known, strict=True), "o", color="#0072b2", markersize=4, label="setting")
    axes.step(settings, best, where="post", color="#d55e00", linewidth=1.5, label="best so far")
    if lost:
        axes.plot(lost, [0.98] * len(lost), "x", color="0.4", transform=axes.get_xaxis_transform(), label="no score")
    scores = [score for _, score in known]
    if min(scores) > 0 and max(scores) > WIDE * min(scores):
        axes.set_yscale("log")
    axes.set(xlabel="setting", ylabel=monitor)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))  # there is no setting 1.25
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    with replacing(picture) as path:
        figure.savefig(path, dpi=110, format="png")
