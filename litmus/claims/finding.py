"""A lint finding: one sentence about what weakens a study."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from litmus.claims.study import Study


@dataclass(frozen=True)
class Finding:
    """`level` is error (caps verdicts at inconclusive) or warning; `predictions` names those concerned, None all.

    `cap` is what a capped verdict says instead of the code.
    """

    code: str
    level: str
    message: str
    predictions: tuple[str, ...] | None = None
    cap: str = ""

    def concerns(self, prediction: str) -> bool:
        """Whether the finding is about this prediction."""
        return self.predictions is None or prediction in self.predictions


def error(code: str, message: str, predictions: Iterable[str] | None = None, cap: str = "") -> Finding:
    """A finding that caps verdicts."""
    return Finding(code, "error", message, None if predictions is None else tuple(predictions), cap)


def cap_of(findings: Iterable[Finding], prediction: str) -> str:
    """Why a prediction's verdict is capped: cannot be judged: …; lint: missing_cell, few_seeds; or nothing."""
    own = [finding for finding in findings if finding.level == "error" and finding.concerns(prediction)]
    told = dict.fromkeys(finding.cap for finding in own if finding.cap)
    codes = dict.fromkeys(finding.code for finding in own if not finding.cap)
    return "; ".join([*told, *([f"lint: {', '.join(codes)}"] if codes else [])])


def warning(code: str, message: str, predictions: Iterable[str] | None = None) -> Finding:
    """A finding that is printed only."""
    return Finding(code, "warning", message, None if predictions is None else tuple(predictions))


def using(study: Study, arms: Iterable[str], least: int = 1) -> list[str]:
    """The predictions that use at least so many of these arms."""
    wanted = set(arms)
    return [
        name
        for name, prediction in study.predictions.items()
        if len(wanted & set(prediction.named_arms(study))) >= least
    ]


def about(study: Study, quantity: str, names: Iterable[str] | None = None) -> list[str]:
    """Those of the named predictions (by default all) that judge a quantity, and the conjunctions they are part of."""
    return with_conjunctions(
        study,
        (
            name
            for name in (study.predictions if names is None else names)
            if study.predictions[name].quantity == quantity
        ),
    )


def with_conjunctions(study: Study, names: Iterable[str]) -> list[str]:
    """The named predictions, and the conjunctions that they are part of, however deep."""
    found = list(names)
    for name in found:  # grows while it is read: conjunctions may be part of others
        found += [
            other
            for other, prediction in study.predictions.items()
            if other not in found and name in (getattr(prediction, "of", None) or ())
        ]
    return found
