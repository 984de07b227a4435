"""One English sentence per verdict, with its numbers and interval."""

from __future__ import annotations

import math

from litmus.claims.contrast import FEWEST_SEEDS, Contrast
from litmus.claims.leaf import Gain, Inside


def reason(verdict: str, leaf: Gain | Inside, beaten: bool = False) -> str:
    """Rejected (too small): dropout 0.1 changed test loss by −1.2 % [−1.9, −0.3] against … (5 paired seeds; …).

    `beaten`: a rejection's contrast is the gain of the arm that beats the claimed one.
    """
    why = f" ({'beaten' if beaten else cause(leaf)})" if verdict == "rejected" else ""
    return f"{verdict.capitalize()}{why}: {finding(leaf)}"


def undecided(leaf: Gain | Inside, seeds: int | None, blocked: float | None) -> str:
    """Inconclusive, with what is missing."""
    contrast = leaf.contrast
    if contrast.fault:
        return f"Inconclusive: {contrast.fault}"
    if contrast.n == 0:
        return f"Inconclusive: no seed has a value of {contrast.quantity.label} in every arm of the comparison"
    if contrast.n < FEWEST_SEEDS:
        return f"Inconclusive: {finding(leaf)}; at least {FEWEST_SEEDS} seeds are needed"
    if blocked is not None:
        return f"Inconclusive (Holm-adjusted p = {blocked:.2g}, needed < 0.025): {finding(leaf)}{more(seeds)}"
    return f"Inconclusive: {finding(leaf)}{more(seeds)}"


def more(seeds: int | None) -> str:
    """How many seeds would decide."""
    if seeds is None:
        return "; no affordable number of seeds would decide a difference this close to the bar"
    return f"; about {seeds} seeds would decide it"


def cause(leaf: Gain | Inside) -> str:
    """Why a rejected claim fails: opposite, negligible, too small, outside, different, diverged, not reached."""
    contrast = leaf.contrast
    if contrast.forced:
        return contrast.end
    if isinstance(leaf, Inside):
        return "different" if leaf.low == -leaf.high else "outside"
    low, high = contrast.interval
    if high < 0:
        return "opposite"
    return "negligible" if -leaf.bar < low <= 0 else "too small"


def finding(leaf: Gain | Inside) -> str:
    """What was seen, over how many seeds, and what the claim needed."""
    contrast = leaf.contrast
    if contrast.forced:
        return f"{contrast.subject} {contrast.reference}".strip() + f": {', '.join(contrast.losers)}"
    seen = value(contrast) if not contrast.oriented else change(contrast)
    return f"{seen} ({counted(contrast)}; needed {needed(leaf)})"


def change(contrast: Contrast) -> str:
    """dropout 0.1 changed test loss by −1.2 % [−1.9, −0.3] against dropout 0."""
    quantity = contrast.quantity
    text = f"{contrast.subject} changed {quantity.label} by {quantity.change(float(contrast.mean))}"
    if contrast.n > 1:
        ends = sorted(contrast.interval, reverse=quantity.sign < 0)
        shown = ", ".join(quantity.change(float(end)).removesuffix(" %") for end in ends)
        text += f" [{shown}]"
    return f"{text} {contrast.reference}".rstrip()


def value(contrast: Contrast) -> str:
    """baseline has test accuracy 0.747 [0.741, 0.753]."""

    def shown(number: float) -> str:
        return f"{math.exp(number) if contrast.quantity.scale == 'log' else number:.4g}".replace("-", "−")

    text = f"{contrast.subject} has {contrast.quantity.label} {shown(float(contrast.mean))}"
    if contrast.n > 1 and not contrast.exact:
        low, high = contrast.interval
        text += f" [{shown(float(low))}, {shown(float(high))}]"
    return text


def counted(contrast: Contrast) -> str:
    """5 paired seeds, 2 runs that never got there count as 1,000, 1 left out."""
    kind = "paired seed" if len(contrast.weights) > 1 else "seed"
    text = f"{contrast.n} {kind}{'' if contrast.n == 1 else 's'}"
    if contrast.censored:
        what = "run that never got there counts" if contrast.censored == 1 else "runs that never got there count"
        text += f", {contrast.censored} {what} as {contrast.budget:,.6g}"
    return f"{text}, {contrast.left_out} left out" if contrast.left_out else text


def needed(leaf: Gain | Inside) -> str:
    """What the rule asked for: ≥ 2 %, > 0, within ±2 %, in [0.7, 0.8]."""
    quantity = leaf.contrast.quantity
    if isinstance(leaf, Gain):
        if leaf.bar > 0:
            return f"≥ {quantity.size(leaf.bar)}"
        return "> 0" if leaf.bar == 0 else f"not worse by {quantity.size(leaf.bar)}"
    if leaf.contrast.oriented:
        if leaf.low == -leaf.high:
            return f"within ±{quantity.size(leaf.high)}"
        low = f"≥ {quantity.size(leaf.low)}" if math.isfinite(leaf.low) else ""
        high = f"a gain below {quantity.size(leaf.high)}" if math.isfinite(leaf.high) else ""
        return " and ".join(part for part in (low, high) if part)
    natural = math.exp if quantity.scale == "log" else float
    if not math.isfinite(leaf.low):
        return f"≤ {natural(leaf.high):.4g}"
    return (
        f"≥ {natural(leaf.low):.4g}"
        if not math.isfinite(leaf.high)
        else (f"in [{natural(leaf.low):.4g}, {natural(leaf.high):.4g}]")
    )


def changed(contrast: Contrast) -> str:
    """The change of the metric with its interval: −1.2 % [−2.1, −0.3]."""
    if contrast.fault:
        return "—"
    if contrast.forced:
        return contrast.end
    if contrast.n == 0:
        return "—"
    quantity = contrast.quantity
    shown = quantity.change(float(contrast.mean))
    if contrast.n < 2:
        return shown
    ends = sorted((float(end) for end in contrast.interval), reverse=quantity.sign < 0)
    return f"{shown} [{', '.join(quantity.change(end).removesuffix(' %') for end in ends)}]"
