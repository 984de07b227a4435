"""The English of a verdict: who, direction in words, size, interval, seeds, and what it means for the claim."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from litmus.claims.contrast import FEWEST_SEEDS, Contrast
from litmus.claims.leaf import Gain, Inside
from litmus.claims.looks import FACTOR, LOOKS
from litmus.claims.scale import Scale, as_factors, decimals, divided, ends_told, times_text
from litmus.claims.statistics import fewest
from litmus.words import count, plain

# Tuning's share of the squared interval: from here on it is told, and beyond it more seeds help less than more tuning.
LEAST_TOLD, MOSTLY = 0.005, 0.5
# An estimate that is nearer to what is needed, in SDs, lies on that line.
ON_THE_LINE = 0.05
# Below this chance to be decided at the last look, more seeds will not help.
LITTLE = 0.2
# Pairs after which an exact test has decided what it can.
MANY = 1000
# Beside a fall that is told as a factor, those to less than a tenth are as well.
TENFOLD = -90.0
PLURAL = ("updates", "samples", "epochs", "seconds", "params", "evaluations")
WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def settled(verdict: str, why: str, leaf: Gain | Inside, look: str = "", span: Contrast | None = None) -> str:
    """Rejected: dropout 0.1's test loss was 1.2 % lower than dropout 0's (95 %: …; 5 seeds). Smaller than claimed: …"""
    meaning = failed(leaf, verdict == "confirmed") if leaf.contrast.by_failures else shown(leaf)
    if verdict != "confirmed" and not leaf.contrast.by_failures:
        meaning = cause_in_words(why, leaf) + ("" if why == "beaten" else f": {claimed(leaf)}")
    return f"{verdict.capitalize()}{look}: {evidence(leaf, span)}. {meaning}."


def undecided(
    leaf: Gain | Inside, blocked: str, direction: str, advice: str, look: str = "", span: Contrast | None = None
) -> str:
    """Undecided, with what is known all the same (a direction that is shown) and what is missing."""
    contrast, head = leaf.contrast, f"Undecided{look}"
    if contrast.fault:
        return f"{head}: {contrast.fault}."
    if contrast.n == 0:
        return f"{head}: no seed has a value of {contrast.quantity.label} in every arm of the comparison."
    if contrast.n < FEWEST_SEEDS:
        return f"{head}: {evidence(leaf, span)}. At least {FEWEST_SEEDS} seeds are needed."
    told = f"{head}{blocked}: {evidence(leaf, span)}. "
    if blocked or contrast.by_failures:
        return told + advice
    return f"{told}{direction}{claimed(leaf, upper=not direction)}{advice}"


def advised(leaf: Gain | Inside, look: int | None, chance: float, seen: int, level: float, alone: bool) -> str:
    """How many seeds should decide, or why no number will; `alone`: as a sentence of its own."""
    contrast = leaf.contrast
    start = "" if alone else ". "
    if contrast.by_failures or contrast.test != "mean":
        # Only of one arm is a share tested against any bar.
        own = contrast.test == "share" and len(contrast.weights) == 1 and not contrast.by_failures
        share = at_best(leaf) if own and isinstance(leaf, Inside) else 0.5
        if share >= 1:
            return f"{start}No number of runs shows that a share is exactly 0 or 1: leave the claim some room."
        strict, stricter = level * (FACTOR if contrast.corrected else 1.0), level * FACTOR
        now, later = (fewest(one, share, contrast.ratio) for one in (strict, stricter))
        if now is None:
            return (
                f"{start}Runs that share rows count as fewer than {1 / contrast.ratio:.3g} independent ones, and an "
                f"exact test needs {fewest(strict, share)}: no number of repeats decides it, more folds may."
            )
        if is_of_size(leaf, level):
            return (
                f"{start}No number of seeds decides it: of two arms an exact test tells which one diverges less often, "
                "and not by how much; ask for that (`compare` without `by`), or for a `bound` of each arm's own share."
            )
        if contrast.by_failures or contrast.test == "share":
            what = "runs" if len(contrast.weights) == 1 else "pairs in which one side alone failed"
            told = "" if contrast.corrected or later is None else f" ({later} under looks)"
            return f"{start}An exact test needs at least {now} {what}, all of one kind{told}."
    if contrast.quantity.spent and contrast.test == "sign" and float(contrast.summary.sd) == 0:
        return f"{start}If no run can end early, say `deterministic: true` of the quantity."
    tuned = contrast.tuned_share > MOSTLY
    if look is not None:
        more = look - seen
        number = WORDS[more] if 0 < more < len(WORDS) else f"{more:,}"
        extra = f", {number} more," if more > 0 else ""
        return (
            f"{start}About {count(look, 'seed')}{extra} should settle it{', fewer if you tune more' if tuned else ''}."
        )
    if contrast.endless:
        return (
            f"{start}Nothing beyond {contrast.budget:,.6g} is known of runs that never got there, nor shown by more "
            "seeds: train longer, or claim less."
        )
    if tuned:
        return (
            f"{start}More seeds leave what tuning has left open: tune more, with more study.tuning_seeds, or more "
            "trials near the best value."
        )
    if seen >= LOOKS[-1]:
        return f"{start}No look is planned after {LOOKS[-1]} seeds."
    distance = nearest(leaf)
    odds = f"with {LOOKS[-1]}, the last look, the chance to decide is "
    odds += "< 1 %" if chance < 0.005 else f"{100 * chance:.0f} %"
    hope = "will not help" if chance < LITTLE else "may not help"
    if alone or distance is None:
        return f"{start}More seeds {hope}: {odds}."
    where = "on" if distance < ON_THE_LINE else f"{distance:.2g} SD from"
    return f"; the estimate lies {where} that line, so more seeds {hope} ({odds})."


def at_best(leaf: Inside) -> float:
    """What one run of the kind that the data lean to has for a probability, at the bar where it has most."""
    mean = float(leaf.contrast.mean)
    if mean > leaf.high or mean < leaf.low:
        return leaf.high if mean > leaf.high else 1 - leaf.low
    return max(share for share in (leaf.low, 1 - leaf.high) if share > 0)


def is_of_size(leaf: Gain | Inside, level: float) -> bool:
    """Whether a claim about two arms' shares stays open however many pairs are like most of those seen."""
    contrast = leaf.contrast
    if contrast.test != "share" or len(contrast.weights) < 2 or contrast.by_failures:
        return False
    lean = float(np.sign(contrast.mean))
    alike = (
        replace(contrast, values=np.full(MANY, side), ratio=0.0, earlier=(), corrected=False)
        for side in ([lean] if lean else [1.0, -1.0])
    )
    return not any(one.confirms(level) or one.rejects(level) for one in (replace(leaf, contrast=c) for c in alike))


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


def cause_in_words(why: str, leaf: Gain | Inside) -> str:
    """The cause for readers; of a gain, the estimate's side comes first."""
    contrast = leaf.contrast
    if why == "beaten":
        return "Another arm is better than the one that is claimed to be best"
    if isinstance(leaf, Inside):
        return "Further apart than claimed" if why == "different" else "Outside of what is claimed"
    if contrast.mean < 0:
        return "Wrong direction"
    return "Too small to matter" if contrast.mean < (contrast.quantity.sesoi or 0.0) else "Smaller than claimed"


def evidence(leaf: Gain | Inside, span: Contrast | None) -> str:
    """The whole span first, then the weakest step; of anything else, the contrast on which the verdict hangs."""
    if span is None or span.by_failures or span.n == 0 or span.weights == leaf.contrast.weights:
        return finding(leaf.contrast)
    return f"{finding(span)}. Weakest step: {finding(leaf.contrast)}"


def finding(contrast: Contrast) -> str:
    """instance's test loss was 1.9 % lower than batch's (95 %: 5.5 % lower to 1.8 % higher; 10 seeds)."""
    subject, where = contrast.subject, f" {contrast.where}".rstrip()
    if contrast.by_failures:
        test = "exact McNemar test" if len(contrast.weights) > 1 else "exact test against half of the runs"
        p = min(float(contrast.p_above(0.0)), float(contrast.p_below(0.0)))
        one = "pair" if len(contrast.weights) > 1 else "run"
        words = f"{subject} {contrast.against}".strip() + f": {contrast.failures.words}"
        return f"{words}; more than one {one} lost, so that failures decide ({test}, p = {p:.2g})"
    label = contrast.quantity.label
    was = f"{',' if ',' in label else ''} {'were' if label.split()[0] in PLURAL else 'was'} "
    how = difference(contrast) if contrast.oriented else level(contrast)
    beside = f"({between(contrast)}{counted(contrast)})"
    if contrast.reference.startswith("against "):
        apart = "from" if how.startswith("not different") else "as" if how.endswith("as high") else "than"
        reference = contrast.reference.removeprefix("against ")
        return f"{subject}'s {label}{was}{how} {apart} {reference}'s{where}{ties(contrast)} {beside}"
    if contrast.oriented:
        return f"{subject}: {label} {how} {contrast.against}{ties(contrast)} {beside}"
    return f"{subject}'s {label}{was}{how}{where} {beside}"


def difference(contrast: Contrast) -> str:
    """The estimate in words: 1.9 % lower."""
    return side(contrast, float(contrast.mean))


def side(contrast: Contrast, gain: float) -> str:
    """A gain with its direction in words: 1.9 % lower, 2.0 points higher, 13 times as high, not different."""
    scale = Scale(contrast.quantity)
    if not math.isfinite(gain):
        return "beyond any number" if math.isinf(gain) else "unknown"
    number = scale.number(gain)
    if number > 0 and as_factors(contrast):
        return f"{times_text(contrast.quantity.sign * gain)} times as high"
    if number < TENFOLD and divided(contrast):
        return f"{times_text(gain)} times lower"
    shown = f"{abs(number):,.10g}" if contrast.exact else scale.text(gain, decimals(contrast)).lstrip("+−")
    if not shown.strip("0.,"):
        return "not different"
    return f"{shown}{unit(scale)} {'lower' if number < 0 else 'higher'}"


def ties(contrast: Contrast) -> str:
    """What a median of zero hides, since ties decide nothing: in the median, and lower on 10 of the 10 seeds …"""
    if contrast.test != "sign" or float(contrast.mean) != 0:
        return ""
    above, differ = (int(number) for number in contrast.counts(0.0, 1))
    if differ < 2:
        return ""
    higher = (2 * above >= differ) == (contrast.quantity.sign > 0)
    most = f"{max(above, differ - above):,} of the {differ:,} seeds that differ"
    return f" in the median, and {'higher' if higher else 'lower'} on {most}"


def unit(scale: Scale) -> str:
    """As a word where there is room."""
    return " points" if scale.unit == " pts" else scale.unit


def amount(scale: Scale, gain: float) -> str:
    """A size with its unit as a word: 2 %, 1 point, 0.01."""
    told = scale.size(gain).replace(" pts", " points")
    return "1 point" if told == "1 points" else told


def level(contrast: Contrast) -> str:
    """An arm's own value: 0.298, 76.2 %."""
    scale = Scale(contrast.quantity, oriented=False)
    if contrast.exact:
        return plain(scale.number(float(contrast.mean)), 10)
    return scale.text(float(contrast.mean), decimals(contrast)) + scale.unit


def between(contrast: Contrast) -> str:
    """The interval in words, with its level; nothing from fewer than three seeds, or where the value is exact."""
    scale = Scale(contrast.quantity, contrast.oriented)
    if contrast.exact or not ends_told(contrast):
        return ""
    low, high = sorted(ends_told(contrast), key=scale.number)
    if contrast.oriented:
        ends = [side(contrast, end).replace("not different", "0") for end in (low, high)]
    else:
        ends = [scale.text(end, decimals(contrast)) + scale.unit for end in (low, high)]
    first, _, behind = ends[0].partition(" ")
    if behind and ends[1].endswith(f" {behind}"):  # the unit and the direction stand once
        ends[0] = first
    return f"{100 * (1 - contrast.alpha):.4g} %: {ends[0]} to {ends[1]}; "


def counted(contrast: Contrast) -> str:
    """5 seeds, 2 runs that never got there count as 1,000, 1 without a pair."""
    text = count(int(contrast.n), "seed")
    if contrast.censored:
        what = "run that never got there counts" if contrast.censored == 1 else "runs that never got there count"
        text += f", {contrast.censored} {what} as {contrast.budget:,.6g}"
    without = "a pair" if len(contrast.weights) > 1 else "a value"
    text += f", {contrast.left_out} without {without}" if contrast.left_out else ""
    share = contrast.tuned_share
    return f"{text}, tuning is {100 * share:.0f} % of the squared interval" if share >= LEAST_TOLD else text


def claimed(leaf: Gain | Inside, upper: bool = False) -> str:
    """the claim needs it 2 % lower."""
    it = "it " if leaf.contrast.oriented else ""
    return f"{'The' if upper else 'the'} claim needs {it}{wanted(leaf)}"


def wanted(leaf: Gain | Inside) -> str:
    """What the claim needs, in words: 2 % lower, lower, at most 0.02 higher, within ±2 %, 0.7 to 0.8."""
    quantity = leaf.contrast.quantity
    scale = Scale(quantity, leaf.contrast.oriented)
    better, worse = ("lower", "higher") if quantity.sign < 0 else ("higher", "lower")

    def size(gain: float) -> str:
        return amount(scale, gain)

    if isinstance(leaf, Gain):
        if leaf.bar == 0:
            return better
        return f"{size(leaf.bar)} {better}" if leaf.bar > 0 else f"at most {size(leaf.by)} {worse}"
    low, high = (end if math.isfinite(end) else None for end in (leaf.low, leaf.high))
    if not leaf.contrast.oriented:
        ends = [None if end is None else plain(scale.number(end)) for end in (low, high)]
        if low is None or high is None:
            return f"at most {ends[1]}{scale.unit}" if low is None else f"at least {ends[0]}{scale.unit}"
        return f"exactly {ends[0]}" if low == high else f"between {ends[0]} and {ends[1]}{scale.unit}"

    def end(gain: float) -> str:
        return f"{size(gain)} {better if gain > 0 else worse}" if gain else "no different"

    if low is None:
        assert high is not None
        if high <= 0:
            return f"more than {end(high)}" if high else worse
        return (f"{worse} or " if float(leaf.contrast.mean) < 0 else "") + f"less than {end(high)}"
    if high is None:
        return f"{'at least' if low > 0 else 'at most'} {end(low)}" if low else f"not {worse}"
    if high == -low and alike(scale, high):
        return f"within ±{size(high)}"
    if high == -low:
        low, high = sorted((low, high), key=scale.number)
        return f"between {end(low)} and {end(high)}"
    return f"from {end(low)} to {end(high)}"


def alike(scale: Scale, margin: float) -> bool:
    """Whether both ends of a margin read as one number: on the log scale ±2 % is −2.0 to +2.0, ±50 % is −50 to +100."""
    return not scale.relative or f"{abs(scale.number(margin)):.1f}" == f"{abs(scale.number(-margin)):.1f}"


def shown(leaf: Gain | Inside) -> str:
    """Exactly what a confirmation has shown: lower is shown, and the estimate reaches the 2 % that the claim needs."""
    quantity, it = leaf.contrast.quantity, wanted(leaf)
    if not isinstance(leaf, Gain) or leaf.by < 0:
        return f"{it[:1].upper()}{it[1:]} is shown, as claimed"
    better = "lower" if quantity.sign < 0 else "higher"
    scale = Scale(quantity)
    told = f"More than {amount(scale, leaf.by)} {better} is shown" if leaf.by else f"{better.capitalize()} is shown"
    if leaf.bar > leaf.by:
        return f"{told}, and the estimate reaches the {amount(scale, leaf.bar)} that the claim needs"
    return f"{told}, as claimed"


def failed(leaf: Gain | Inside, confirmed: bool) -> str:
    """What the failures have shown: of one arm, whether it is as claimed; of two, whose are fewer."""
    contrast = leaf.contrast
    if len(contrast.weights) < 2:
        return "That is shown" if confirmed else "The claim needs otherwise"
    fewer = contrast.failures.up > contrast.failures.down
    if contrast.end == "diverged":
        return f"It fails {'less' if fewer else 'more'} often"
    return f"It gets there {'more' if fewer else 'less'} often"


def needed(leaf: Gain | Inside) -> str:
    """What the rule asked for, for tables: ≥ 2 %, > 0, at most 0.02 worse, within ±2 %, in [0.7, 0.8]."""
    scale = Scale(leaf.contrast.quantity, leaf.contrast.oriented)
    if isinstance(leaf, Gain):
        if leaf.bar > 0:
            return f"≥ {scale.size(leaf.bar)}"
        return "> 0" if leaf.bar == 0 else f"at most {scale.size(leaf.bar)} worse"
    if scale.oriented:
        return needed_gain(scale, leaf.low, leaf.high)
    low, high = (plain(scale.number(end)) if math.isfinite(end) else "" for end in (leaf.low, leaf.high))
    if low == high:
        return f"= {low}{scale.unit}"
    if not (low and high):
        return f"≤ {high}{scale.unit}" if high else f"≥ {low}{scale.unit}"
    return f"in [{low}, {high}]{scale.unit}"


def needed_gain(scale: Scale, low: float, high: float) -> str:
    """The gain that lies between: ≥ 2 %, not worse, at most 0.02 worse, a gain below 2 %, within ±2 %."""
    if low == -high:
        if alike(scale, high):
            return f"within ±{scale.size(high)}"
        first, last = sorted((scale.number(low), scale.number(high)))
        return f"in [−{abs(first):.3g}, +{last:.3g}]{scale.unit}"
    least, most = (scale.size(end) if end else "0" for end in (low, high))
    if high <= 0:
        return f"{most} to {least} worse" if math.isfinite(low) else f"more than {most} worse" if high else "worse"
    if low == 0 and math.isinf(high):
        return "not worse"
    parts = [f"≥ {scale.size(low)}" if low >= 0 else f"at most {least} worse"] if math.isfinite(low) else []
    return " and ".join(parts + ([f"a gain below {most}"] if math.isfinite(high) else []))


def counting(blocked: float, family: int, primary: bool) -> str:
    """Why what one test would decide is open: once all 4 secondary predictions are counted (p 0.049, limit 0.025)."""
    every = "both" if family == 2 else f"all {family}"
    several = f" once {every} {'' if primary else 'secondary '}predictions are counted" if family > 1 else ""
    return f"{several} (p {blocked:.2g}, limit 0.025)"
