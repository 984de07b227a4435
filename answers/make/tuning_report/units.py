"""Experiment 2: the widths of two hidden layers."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from answers.make.tuning_report.answer import Answer, each, first
from answers.make.tuning_report.experiment import Experiment
from answers.make.tuning_report.experiments import Experiments
from answers.make.tuning_report.words import gained, share, spread
from src.studies.report.wording import plain


@dataclass(frozen=True)
class Grid:
    """The cells of a grid of two widths; `loss` is the logarithm of the mean test loss, not a number where not run."""

    widths: tuple[list[int], list[int]]
    arms: dict[tuple[int, int], str]
    loss: NDArray[np.float64]

    @property
    def complete(self) -> bool:
        """Whether every cell has a result."""
        return bool(np.isfinite(self.loss).all()) and min(self.loss.shape) > 1

    @property
    def doublings(self) -> tuple[float, float]:
        """The mean change of log loss per doubling of either width."""
        spans = [float(np.log2(own[-1] / own[0])) for own in self.widths]
        return (
            float((self.loss[-1] - self.loss[0]).mean() / spans[0]),
            float((self.loss[:, -1] - self.loss[:, 0]).mean() / spans[1]),
        )

    @property
    def shares(self) -> tuple[float, float, float]:
        """How much of the variance between cells the first width, the second and neither alone explain."""
        whole = float(((self.loss - self.loss.mean()) ** 2).sum())
        rows = self.loss.shape[1] * float(((self.loss.mean(axis=1) - self.loss.mean()) ** 2).sum())
        columns = self.loss.shape[0] * float(((self.loss.mean(axis=0) - self.loss.mean()) ** 2).sum())
        return rows / whole, columns / whole, 1 - (rows + columns) / whole


def grid(e: Experiment) -> Grid:
    """The study's cells."""
    arms = {(pair[0], pair[1]): arm for arm in e.arms if len(pair := e.hidden(arm)) == 2}
    first_widths, second_widths = (sorted({pair[place] for pair in arms}) for place in (0, 1))
    loss = [
        [np.log(e.mean(arms[a, b], "test/loss")) if (a, b) in arms else np.nan for b in second_widths]
        for a in first_widths
    ]
    return Grid((first_widths, second_widths), arms, np.array(loss))


def pair(e: Experiment, arm: str) -> str:
    """[256, 128]: test loss 0.35, 87.1 ± 0.2 % correct."""
    first_width, second_width = e.hidden(arm)
    loss, accuracy = plain(e.mean(arm, "test/loss")), spread(e.summary(arm, "test/acc"))
    return f"{first_width} and {second_width} units: test loss {loss}, {accuracy} correct"


def heat(experiments: Experiments) -> Answer:
    """8: the heatmap."""

    def tell(e: Experiment) -> str:
        best, worst = e.ranked[0], e.ranked[-1]
        return (
            f"Figure 1 shows the {len(e.arms)} cells; from the worst to the best mean test loss it is "
            f"{gained(e, best, worst)}."
        )

    return first(experiments, "units", tell)


def best(experiments: Experiments) -> Answer:
    """9: the best pair."""

    def tell(e: Experiment) -> str:
        tied = len(e.good) - 1
        more = (
            f"; {tied} other pairs are not separated from it, the cheapest {pair(e, e.cheapest(e.good))}"
            if tied
            else ""
        )
        return f"{pair(e, e.ranked[0])}{more}."

    return each(experiments, "units", tell)


def worst(experiments: Experiments) -> Answer:
    """10: the worst pair."""
    return each(experiments, "units", lambda e: f"{pair(e, e.ranked[-1])}.")


def relationship(experiments: Experiments) -> Answer:
    """11: how the two widths act together."""

    def tell(e: Experiment) -> str:
        found = grid(e)
        if not found.complete:
            return "not every cell has a result, so that main effects and interaction cannot be told apart."
        effects = [f"{100 * np.expm1(change):+.1f} %".replace("-", "−") for change in found.doublings]
        rows, columns, rest = map(share, found.shares)
        return (
            f"doubling the first layer changes test loss by {effects[0]} on average, doubling the second by "
            f"{effects[1]}; of the variance between the {len(found.arms)} cells the first layer's width explains "
            f"{rows}, the second's {columns}; {rest} is left for their interaction and for noise."
        )

    return each(experiments, "units", tell)


def diminishing(experiments: Experiments) -> Answer:
    """12: where more units stop paying."""

    def tell(e: Experiment) -> str:
        found = grid(e)
        diagonal = [width for width in found.widths[0] if (width, width) in found.arms]
        steps = list(pairwise(diagonal))
        least = e.evidence.leading.sesoi or 0.0
        told, threshold = [], None
        for low, high in steps:
            arm, than = found.arms[high, high], found.arms[low, low]
            contrast = e.evidence.gain(e.evidence.leading, arm, than=than)
            told.append(f"{low} to {high}: {gained(e, arm, than)}")
            if threshold is None and contrast is not None and contrast.mean < least:
                threshold = low
        bar = e.evidence.leading.size(least)
        head = f"beyond {threshold} units in both layers a doubling brings less than {bar}"
        if threshold is None:
            head = f"every doubling of both layers up to {diagonal[-1]} units brings {bar} or more"
        return f"{head}: {'; '.join(told)}."

    return each(experiments, "units", tell)


def trade_off(experiments: Experiments) -> Answer:
    """13: what performance costs."""

    def tell(e: Experiment) -> str:
        small, big = (min(e.arms, key=lambda arm: sign * e.cost("params", arm)) for sign in (1, -1))
        told = []
        for arm in dict.fromkeys((small, e.cheapest(e.good), big)):
            cost = f"{plain(e.cost('params', arm))} parameters and {plain(e.cost('seconds', arm), 3)} s"
            told.append(f"{pair(e, arm)}, for {cost}")
        return "; ".join(told) + "."

    return each(experiments, "units", tell)
