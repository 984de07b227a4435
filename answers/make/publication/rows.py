"""The index's rows: one per prediction, with its claim, where it was made, and what came of it."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields, replace

from litmus.claims.finding import cap_of
from litmus.claims.judgement import Judgement
from litmus.claims.leaf import Gain, Inside
from litmus.claims.scale import effect as found
from litmus.claims.sentence import needed
from litmus.claims.study import Study
from litmus.claims.verdict import Verdict
from litmus.report.evidence import Evidence

AS_REPORTED = "_as_reported"
CONTROL = "control"
NOT_RUN = "not run"
DOCUMENT = re.compile(r"^\s*(\d+_\w+\.txt)\s*,?\s*(.*)$")


@dataclass(frozen=True)
class Row:
    """A prediction: `mean`, `low`, `high` as in verdicts.json, `effect` the same in words, `cause` why it fell so.

    `direction` is a statement of its own: as predicted, opposite or open, whatever the size.
    `document_regime`: its arms differ by the document's regime as well, so that it is confirmed in that regime only.
    """

    document: str
    part: str
    claim: str
    study: str
    regime: str
    prediction: str
    kind: str
    primary: bool
    verdict: str = NOT_RUN
    cause: str = ""
    effect: str = ""
    mean: float | None = None
    low: float | None = None
    high: float | None = None
    n: int = 0
    adjusted: float | None = None
    seeds_needed: int | None = None
    document_regime: bool = False
    fragile: bool = False
    direction: str = ""

    @property
    def confounded(self) -> bool:
        """Whether it is confirmed in the document's regime only, and counts as no confirmation."""
        return self.document_regime and self.verdict == "confirmed"

    @property
    def control(self) -> bool:
        """Whether the claim is the study's own, beside those of the document."""
        return self.part.endswith(CONTROL)


COLUMNS = tuple(field.name for field in fields(Row) if field.name != "direction")


def regime_of(name: str) -> str:
    """Which of the two regimes a study's name stands for."""
    return "as reported" if name.endswith(AS_REPORTED) else "repaired"


def place_of(study: Study, source: str) -> tuple[str, str]:
    """(document, part) of a prediction: its own source, in the part of the document that the study is about."""
    own = DOCUMENT.match(source)
    if own:
        return own[1], own[2]
    whole = DOCUMENT.match(study.source)
    document, part = (whole[1], whole[2]) if whole else ("", study.source)
    if not source or source in part:
        return document, source or part
    # "section 3" is said by "section 3, Units vs Depth" already.
    return document, source if not part or part in source or part == "whole" else f"{part}, {source}"


def planned_rows(name: str, study: Study) -> list[Row]:
    """The rows of a study without results."""
    return [
        Row(
            *place_of(study, prediction.source),
            claim=" ".join(prediction.claim.split()),
            study=name,
            regime=regime_of(name),
            prediction=prediction.id,
            kind=prediction.kind,
            primary=prediction.primary,
            document_regime=prediction.regime == "document",
        )
        for prediction in study.predictions.values()
    ]


def judged_rows(name: str, evidence: Evidence) -> list[Row]:
    """The rows of a study that was run, in the order of its file."""
    found = []
    for row in planned_rows(name, evidence.study):
        verdict = evidence.judgement.verdicts[row.prediction]
        leaf = verdict.leaf
        found.append(
            replace(
                row,
                verdict=verdict.verdict,
                cause=why(verdict, evidence.judgement),
                effect="" if leaf is None else effect(leaf),
                mean=verdict.mean,
                low=verdict.low,
                high=verdict.high,
                n=verdict.n,
                adjusted=verdict.adjusted,
                seeds_needed=verdict.seeds_needed,
                fragile=bool(verdict.fragile),
                direction=verdict.direction or "",
            )
        )
    return found


def effect(leaf: Gain | Inside) -> str:
    """test loss −0.3 % [−1.1, +0.4], ramp against small; needed ≥ 2 %."""
    contrast = leaf.contrast
    what = f"{contrast.subject} {contrast.against}".strip()
    if contrast.by_failures:
        return f"{contrast.failures.words}; needed {needed(leaf)}"
    if contrast.fault or contrast.n == 0:
        return contrast.fault
    return f"{contrast.quantity.label} {' '.join(found(contrast))}, {what}; needed {needed(leaf)}"


def why(verdict: Verdict, judgement: Judgement) -> str:
    """negligible, opposite, lint: missing_cell …, or nothing."""
    return cap_of(judgement.lint, verdict.id) or verdict.cause
