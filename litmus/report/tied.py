"""The arms that cannot be told from the best one."""

from __future__ import annotations

from collections.abc import Sequence

from litmus.report.evidence import Evidence


def tied_with_best(evidence: Evidence, among: Sequence[str] | None = None) -> list[str]:
    """The arms whose paired interval against the best mean reaches zero (uncorrected), best first."""
    quantity = evidence.leading
    ranked = [arm for arm in evidence.ranked(quantity) if among is None or arm in among]
    found = []
    for arm in ranked[1:]:
        contrast = evidence.gain(quantity, arm, than=ranked[0])
        if contrast is None or contrast.by_failures:
            continue
        # What cannot be decided, as with two seeds, separates nothing.
        if not contrast.decidable or contrast.interval[1] >= 0:
            found.append(arm)
    return found
