"""From a claim and its corrected p values to a verdict with a reason."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from litmus.claims.assurance import next_look
from litmus.claims.claims import Claim
from litmus.claims.contrast import FEWEST_SEEDS, Contrast
from litmus.claims.leaf import LEVEL, Gain, Inside
from litmus.claims.looks import LOOKS
from litmus.claims.practical import improvement, practical
from litmus.claims.prediction import Prediction
from litmus.claims.sentence import advised, cause, counting, is_of_size, settled, undecided
from litmus.words import count

COLUMNS = (
    *("kind", "verdict", "reason", "mean", "low", "high", "n"),
    *("p_confirm", "p_reject", "adjusted", "seeds_needed"),
    *("direction", "cause", "look", "frozen_at", "withdrawn", "tuned_share"),
)
AS_PREDICTED, OPPOSITE, OPEN = "as predicted", "opposite", "open"
DIRECTIONS = {
    AS_PREDICTED: "The direction is shown, its size is open: ",
    OPPOSITE: "The opposite direction is shown, its size is open: ",
}


@dataclass(frozen=True)
class Verdict:
    """A prediction's verdict; mean and interval are those of the contrast on which it hangs, positive as predicted.

    `adjusted` is Holm's p of the side the data lean to: the smaller of p_confirm and p_reject, corrected. `direction`
    is a statement of its own, at the same error: as predicted, opposite or open; None where the claim has none. `leaf`
    is the contrast on which the verdict hangs, `cause` why a claim was rejected. `look` is the seeds that were looked
    at, `frozen_at` the planned look that decided, whatever came later; `withdrawn` an earlier verdict that no longer
    holds; `tuned_share` is what of the squared interval is tuning. `open`: undecided, and more seeds may decide.
    `fragile` says why one seed or skew decides; `regime` is `document` where arms differ by the document's regime as
    well.
    """

    id: str
    kind: str
    verdict: str
    reason: str
    mean: float | None = None
    low: float | None = None
    high: float | None = None
    n: int = 0
    p_confirm: float = 1.0
    p_reject: float = 1.0
    adjusted: float = 1.0
    seeds_needed: int | None = None
    left_out: int = 0
    primary: bool = False
    claim: str = ""
    source: str = ""
    quantity: str = ""
    contrasts: tuple[Gain | Inside, ...] = ()
    direction: str | None = None
    cause: str = ""
    leaf: Gain | Inside | None = None
    look: int = 0
    frozen_at: int | None = None
    withdrawn: str = ""
    tuned_share: float = 0.0
    open: bool = False
    fragile: str = ""
    regime: str = ""

    @property
    def marks(self) -> tuple[str, ...]:
        """What to say beside the verdict's word: fragile, in the document's regime only."""
        regime = "in the document's regime only" if self.regime == "document" and self.verdict == "confirmed" else ""
        return tuple(filter(None, (regime, "fragile" if self.fragile else "")))

    def row(self) -> dict[str, Any]:
        """The verdict as verdicts.json holds it; what is not finite is null."""
        found = {name: getattr(self, name) for name in COLUMNS}
        often, region = (
            (None, None) if self.leaf is None else (improvement(self.leaf.contrast), practical(self.leaf.contrast))
        )
        return {
            **found,
            "fragile": bool(self.fragile),
            "regime": self.regime or None,
            "improvement": often and [finite(one) for one in (often.share, often.low, often.high)],
            "practical": region and [region.worse, region.alike, region.better],
        }

    def row_elsewhere(self, file: str) -> dict[str, Any]:
        """The same row without what depends on wall time, which stands in another file."""
        told = {
            "kind": self.kind,
            "verdict": "on the clock",
            "reason": f"Judged on wall time, which varies: see {file}.",
        }
        return {**dict.fromkeys(self.row()), **told, "regime": self.regime or None}

    def capped(self, why: str, open: bool = False) -> Verdict:
        """Inconclusive for a reason beside the test; `open`: more seeds may remove it."""
        told = f"{self.reason} [{why}]"
        if self.verdict != "inconclusive":
            told = f"Undecided ({why}), otherwise {self.reason[:1].lower()}{self.reason[1:]}"
        direction = self.direction and OPEN
        kept = replace(self, verdict="inconclusive", reason=told, direction=direction)
        return replace(kept, frozen_at=None, cause="", fragile="", open=open)

    def withdrawing(self, verdict: str, seeds: int) -> Verdict:
        """The same, which takes back what was shown before."""
        told = f"{verdict} at {seeds} seeds"
        return replace(self, withdrawn=told, reason=f"{self.reason} Withdrawn: {told}, before all looks were counted.")


@dataclass(frozen=True)
class Ruled:
    """What the corrections over all predictions leave for one: Holm's p of both sides, of the claim and of its
    direction (None where it has none), the level at which more seeds would have to decide, and how many predictions
    were corrected together."""

    confirm: float
    reject: float
    forward: float | None = None
    backward: float | None = None
    level: float = LEVEL
    family: int = 1


def direction_of(claim: Claim, ruled: Ruled) -> str | None:
    """Which way the effect runs, at the error of the verdict itself."""
    sign = claim.sign()
    if sign is None or ruled.forward is None or ruled.backward is None:
        return None
    if claim.confirms() and sign.rejects():
        return None  # not worse by more than so much, as claimed, and worse
    if sign.confirms() and ruled.forward < LEVEL:
        return AS_PREDICTED
    return OPPOSITE if sign.rejects() and ruled.backward < LEVEL else OPEN


def decide(
    prediction: Prediction,
    claim: Claim,
    ruled: Ruled,
    look: int,
    span: Contrast | None = None,
    note: str = "",
) -> Verdict:
    """Confirmed or rejected when the rule says so and the corrected p is below 2.5 %, else inconclusive."""
    p_confirm, p_reject = float(claim.p_confirm), float(claim.p_reject)
    wants_confirm, wants_reject = bool(claim.confirms()), bool(claim.rejects())
    confirmed, rejected = wants_confirm and ruled.confirm < LEVEL, wants_reject and ruled.reject < LEVEL
    verdict = "confirmed" if confirmed else "rejected" if rejected else "inconclusive"
    leaf = claim.rejecting() if wants_reject and not confirmed else claim.confirming()
    direction = direction_of(claim, ruled)
    corrected = leaf.contrast.corrected
    seeds, why, at = None, "", f", look at {look} seeds" if corrected else ""
    if verdict == "inconclusive":
        blocked = ""
        if wants_confirm or wants_reject:
            blocked = counting(ruled.confirm if wants_confirm else ruled.reject, ruled.family, prediction.primary)
        seeds, advice = advise(claim, leaf, ruled.level, look, alone=bool(blocked or leaf.contrast.by_failures))
        sentence = undecided(leaf, blocked, DIRECTIONS.get(direction or "", ""), advice, at, span)
    else:
        if verdict == "rejected":
            # Of a rejected optimum the contrast is the gain of the arm that beats it.
            why = "beaten" if prediction.kind == "best" else cause(leaf, runs_back(leaf))
            if why == "opposite" and isinstance(leaf, Gain) and leaf.by < 0:
                direction = OPPOSITE  # the sign of the whole left this step out, which may fall by so much and no more
        sentence = settled(verdict, why, leaf, at, span)
        if earlier := shown_before(leaf, verdict == "confirmed" or why == "beaten"):
            sentence += f" The look at {count(earlier, 'seed')} has shown it."
    low, high = leaf.contrast.interval
    leaves = tuple(claim.leaves())
    return Verdict(
        id=prediction.id,
        kind=prediction.kind,
        verdict=verdict,
        reason=f"{sentence} {note}." if note else sentence,
        mean=finite(leaf.contrast.mean),
        low=finite(low),
        high=finite(high),
        n=int(leaf.contrast.n),
        p_confirm=p_confirm,
        p_reject=p_reject,
        adjusted=ruled.confirm if p_confirm <= p_reject else ruled.reject,
        seeds_needed=seeds,
        left_out=leaf.contrast.left_out,
        primary=prediction.primary,
        claim=prediction.claim,
        source=prediction.source,
        quantity=prediction.quantity,
        contrasts=leaves,
        direction=direction,
        cause=why,
        leaf=leaf,
        look=look,
        tuned_share=round(leaf.contrast.tuned_share, 3),
        frozen_at=look if corrected and verdict != "inconclusive" else None,
        open=verdict == "inconclusive" and not all(one.contrast.fault or is_of_size(one, LEVEL) for one in leaves),
        regime=prediction.regime,
    )


def runs_back(leaf: Gain | Inside) -> bool:
    """Whether the contrast that rejects is shown to run the wrong way, at the level of one side."""
    sign = leaf.sign()
    return sign is not None and bool(sign.rejects())


def shown_before(leaf: Gain | Inside, holds: bool) -> int | None:
    """The earlier look that has shown what this look's interval does not; `holds`: that the rule does."""
    contrast = leaf.contrast
    if not contrast.corrected:
        return None
    looks = [replace(leaf, contrast=replace(one, earlier=(), corrected=True)) for one in (*contrast.earlier, contrast)]
    p_values = [float(one.p_confirm if holds else one.p_reject) for one in looks]
    clearest = min(range(len(looks)), key=lambda place: p_values[place])
    return LOOKS[clearest] if p_values[clearest] < LEVEL <= p_values[-1] else None


def advise(claim: Claim, leaf: Gain | Inside, level: float, look: int, alone: bool) -> tuple[int | None, str]:
    """The next planned look that decides with 80 %, and the advice in words."""
    contrast = leaf.contrast
    if contrast.fault or contrast.n == 0:
        return None, ""
    if contrast.n < FEWEST_SEEDS:
        return LOOKS[0], ""
    # Where one arm's runs still come in, there are fewer pairs than seeds.
    look = look if contrast.corrected else min(look, int(contrast.failures.pairs) + contrast.failures.unknown)
    seeds, chance = next_look(look, lambda more: claim.assurance(more, level))
    return seeds, advised(leaf, seeds, chance, look, level, alone)


def impossible(prediction: Prediction, why: str, open: bool = False) -> Verdict:
    """The verdict on a prediction that this study cannot test."""
    return Verdict(
        id=prediction.id,
        kind=prediction.kind,
        verdict="inconclusive",
        reason=f"Undecided: {why}.",
        primary=prediction.primary,
        claim=prediction.claim,
        source=prediction.source,
        quantity=prediction.quantity,
        open=open,
        regime=prediction.regime,
    )


def finite(value: Any) -> float | None:
    """The value as a float, None when it is not finite."""
    return float(value) if math.isfinite(value) else None
