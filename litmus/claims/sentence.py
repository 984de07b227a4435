"""One English sentence per verdict, with its numbers and interval."""

from __future__ import annotations

import math
from collections.abc import Sequence

from litmus.claims.contrast import FEWEST_SEEDS, Contrast
from litmus.claims.exact import fewest
from litmus.claims.leaf import Gain, Inside
from litmus.claims.looks import FACTOR, LOOKS

# Tuning's share of the squared interval: from here on it is told, and beyond it more seeds help less than more tuning.
LEAST_TOLD, MOSTLY = 0.005, 0.5


def reason(verdict: str, why: str, leaf: Gain | Inside, look: str = "", span: Contrast | None = None) -> str:
    """Rejected (too small): dropout 0.1 changed test loss by −1.2 % [−1.9, −0.3] against … (5 paired seeds; …)."""
    head = f"{verdict.capitalize()}{look}{f' ({why})' if why else ''}"
    return f"{head}: {evidence(leaf, span, shown(leaf) if verdict == 'confirmed' else '')}"


def undecided(
    leaf: Gain | Inside, remarks: Sequence[str], advice: str, look: str = "", span: Contrast | None = None
) -> str:
    """Inconclusive, with what is known all the same (better, size open) and what is missing."""
    contrast, head = leaf.contrast, f"Inconclusive{look}"
    if contrast.fault:
        return f"{head}: {contrast.fault}"
    if contrast.n == 0:
        return f"{head}: no seed has a value of {contrast.quantity.label} in every arm of the comparison"
    if contrast.n < FEWEST_SEEDS:
        return f"{head}: {finding(leaf)}; at least {FEWEST_SEEDS} seeds are needed"
    head += f" ({'; '.join(remarks)})" if remarks else ""
    return f"{head}: {evidence(leaf, span)}{advice}"


def advised(leaf: Gain | Inside, look: int | None, chance: float, seen: int, level: float) -> str:
    """How many seeds would decide, or why no number would."""
    contrast = leaf.contrast
    if contrast.by_failures or contrast.test == "share":
        bars = [leaf.low, leaf.high] if contrast.test == "share" and isinstance(leaf, Inside) else []
        share = min([min(bar, 1 - bar) for bar in bars if 0 < bar < 1], default=0.5)
        now, later = (fewest(level * factor, share) for factor in (FACTOR if contrast.corrected else 1.0, FACTOR))
        what = "runs" if len(contrast.weights) == 1 else "pairs in which one side alone failed"
        told = "" if contrast.corrected else f" ({later} under looks)"
        return f"; an exact test needs at least {now} {what}, all of one kind{told}"
    tuned = contrast.tuned_share > MOSTLY
    if look is not None:
        return f"; about {look} seeds would decide it{', fewer if you tune more' if tuned else ''}"
    if tuned:
        return (
            "; more seeds leave what tuning has left open: tune more, with more study.tuning_seeds, or more trials "
            "near the best value"
        )
    if seen >= LOOKS[-1]:
        return f"; no look is planned after {LOOKS[-1]} seeds"
    told = f"; no affordable number of seeds would decide it: at the last look, of {LOOKS[-1]}, the chance is "
    told += "< 1 %" if chance < 0.005 else f"{100 * chance:.0f} %"
    distance = nearest(leaf)
    return told if distance is None else f"{told}, the estimate lying {distance:.2g} SD from what is needed"


def nearest(leaf: Gain | Inside) -> float | None:
    """The distance of the mean to the nearest bar, in SDs; None without an SD."""
    summary = leaf.contrast.summary
    if leaf.contrast.test != "mean" or not summary.n or not summary.sd > 0:
        return None
    bars = [leaf.bar] if isinstance(leaf, Gain) else [end for end in (leaf.low, leaf.high) if math.isfinite(end)]
    return min(abs(float(summary.mean) - bar) for bar in bars) / float(summary.sd)


def cause(leaf: Gain | Inside, opposite: bool = False) -> str:
    """Why a rejected claim fails: opposite, negligible, too small, outside, different, diverged, not reached.

    `opposite`: that the effect runs the wrong way is shown at the same error.
    """
    contrast = leaf.contrast
    if contrast.by_failures:
        return contrast.end
    if isinstance(leaf, Inside):
        return "different" if leaf.low == -leaf.high else "outside"
    if opposite:
        return "opposite"
    return "negligible" if -leaf.bar < contrast.interval[0] <= 0 else "too small"


def evidence(leaf: Gain | Inside, span: Contrast | None, told: str = "") -> str:
    """The whole span first, then the weakest step; of anything else, the contrast on which the verdict hangs."""
    if span is None or span.by_failures or span.n == 0 or span.weights == leaf.contrast.weights:
        return finding(leaf, told)
    return f"{change(span)}; weakest step: {finding(leaf, told)}"


def finding(leaf: Gain | Inside, told: str = "") -> str:
    """What was seen, over how many seeds, and what was shown or what the claim needed."""
    contrast = leaf.contrast
    if contrast.by_failures:
        failures = contrast.failures
        test = "exact McNemar test" if len(contrast.weights) > 1 else "exact test against half of the runs"
        seen = f"{contrast.subject} {contrast.reference}".strip()
        p = min(float(contrast.p_above(0.0)), float(contrast.p_below(0.0)))
        one = "pair" if len(contrast.weights) > 1 else "run"
        return f"{seen}: {failures.words}; more than one {one} lost, so that failures decide ({test}, p = {p:.2g})"
    seen = value(contrast) if not contrast.oriented else change(contrast)
    return f"{seen} ({counted(contrast)}; {told or f'needed {needed(leaf)}'})"


def shown(leaf: Gain | Inside) -> str:
    """Exactly what a confirmation has shown: better than 0 shown, estimate ≥ 2 %."""
    if not isinstance(leaf, Gain):
        return f"{needed(leaf)} shown"
    quantity = leaf.contrast.quantity
    if leaf.by < 0:
        return f"{needed(leaf)} shown"
    told = f"better than {quantity.size(leaf.by) if leaf.by else 0} shown"
    return f"{told}; estimate ≥ {quantity.size(leaf.bar)}" if leaf.bar > leaf.by else told


def change(contrast: Contrast) -> str:
    """dropout 0.1 changed test loss by −1.2 % [−1.9, −0.3] against dropout 0."""
    quantity = contrast.quantity
    text = f"{contrast.subject} changed {quantity.label} by {quantity.change(float(contrast.mean))}"
    if contrast.n > 1 and math.isfinite(contrast.interval[0]):
        ends = sorted(contrast.interval, reverse=quantity.sign < 0)
        shown = ", ".join(quantity.change(float(end)).removesuffix(" %") for end in ends)
        text += f" [{shown}]"
    return f"{text} {contrast.reference}".rstrip()


def value(contrast: Contrast) -> str:
    """baseline has test accuracy 0.747 [0.741, 0.753]."""

    def shown(number: float) -> str:
        return f"{math.exp(number) if contrast.quantity.scale == 'log' else number:.4g}".replace("-", "−")

    text = f"{contrast.subject} has {contrast.quantity.label} {shown(float(contrast.mean))}"
    if contrast.n > 1 and not contrast.exact and math.isfinite(contrast.interval[0]):
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
    text += f", {contrast.left_out} left out" if contrast.left_out else ""
    share = contrast.tuned_share
    return f"{text}, tuning is {100 * share:.0f} % of the squared interval" if share >= LEAST_TOLD else text


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
    if contrast.by_failures:
        return contrast.end
    if contrast.n == 0:
        return "—"
    quantity = contrast.quantity
    shown = quantity.change(float(contrast.mean))
    if contrast.n < 2 or not math.isfinite(contrast.interval[0]):
        return shown
    ends = sorted((float(end) for end in contrast.interval), reverse=quantity.sign < 0)
    return f"{shown} [{', '.join(quantity.change(end).removesuffix(' %') for end in ends)}]"
