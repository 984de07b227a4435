"""From a claim and its corrected p values to a verdict with a reason."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from litmus.claims.claims import Claim, smallest
from litmus.claims.contrast import FEWEST_SEEDS
from litmus.claims.leaf import LEVEL, Gain, Inside
from litmus.claims.prediction import Prediction
from litmus.claims.sentence import reason, undecided

COLUMNS = (
    *("kind", "verdict", "reason", "mean", "low", "high", "n"),
    *("p_confirm", "p_reject", "adjusted", "seeds_needed"),
)


@dataclass(frozen=True)
class Verdict:
    """A prediction's verdict; mean and interval are those of the contrast on which it hangs, positive as predicted.

    `adjusted` is Holm's p of the side the data lean to: the smaller of p_confirm and p_reject, corrected.
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

    def row(self) -> dict[str, Any]:
        """The verdict as verdicts.json holds it; what is not finite is null."""
        return {name: getattr(self, name) for name in COLUMNS}

    def capped(self, why: str) -> Verdict:
        """Inconclusive because of a lint error, whatever the numbers say."""
        if self.verdict == "inconclusive":
            return replace(self, reason=f"{self.reason} [{why}]")
        return replace(self, verdict="inconclusive", reason=f"Inconclusive ({why}): {self.reason}")


def decide(prediction: Prediction, claim: Claim, holm_confirm: float, holm_reject: float, note: str = "") -> Verdict:
    """Confirmed or rejected when the rule says so and the corrected p is below 2.5 %, else inconclusive."""
    p_confirm, p_reject = float(claim.p_confirm), float(claim.p_reject)
    wants_confirm, wants_reject = bool(claim.confirms()), bool(claim.rejects())
    confirmed, rejected = wants_confirm and holm_confirm < LEVEL, wants_reject and holm_reject < LEVEL
    verdict = "confirmed" if confirmed else "rejected" if rejected else "inconclusive"
    leaf = claim.rejecting() if wants_reject else claim.confirming()
    seeds = None
    if verdict == "inconclusive":
        seeds = seeds_to_decide(claim, leaf)
        blocked = (holm_confirm if wants_confirm else holm_reject) if wants_confirm or wants_reject else None
        sentence = undecided(leaf, seeds, blocked)
    else:
        sentence = reason(verdict, leaf, beaten=prediction.kind == "best")
    low, high = leaf.contrast.interval
    return Verdict(
        id=prediction.id,
        kind=prediction.kind,
        verdict=verdict,
        reason=f"{sentence}; {note}." if note else f"{sentence}.",
        mean=finite(leaf.contrast.mean),
        low=finite(low),
        high=finite(high),
        n=leaf.contrast.n,
        p_confirm=p_confirm,
        p_reject=p_reject,
        adjusted=holm_confirm if p_confirm <= p_reject else holm_reject,
        seeds_needed=seeds,
        left_out=leaf.contrast.left_out,
        primary=prediction.primary,
        claim=prediction.claim,
        source=prediction.source,
        quantity=prediction.quantity,
        contrasts=tuple(claim.leaves()),
    )


def impossible(prediction: Prediction, why: str) -> Verdict:
    """The verdict on a prediction that this study cannot test."""
    return Verdict(
        id=prediction.id,
        kind=prediction.kind,
        verdict="inconclusive",
        reason=f"Inconclusive: {why}.",
        primary=prediction.primary,
        claim=prediction.claim,
        source=prediction.source,
        quantity=prediction.quantity,
    )


def seeds_to_decide(claim: Claim, leaf: Gain | Inside) -> int | None:
    """The fewest seeds with 80 % power to confirm or to reject, were the means and SDs seen so far true."""
    if leaf.contrast.fault:
        return None
    if leaf.contrast.n < 2:
        return FEWEST_SEEDS
    needed = smallest(claim.seeds())
    return None if needed is None else max(needed, FEWEST_SEEDS, leaf.contrast.n + 1)


def finite(value: Any) -> float | None:
    """The value as a float, None when it is not finite."""
    return float(value) if math.isfinite(value) else None
