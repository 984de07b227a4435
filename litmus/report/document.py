"""The report of a study as a document: rulings first, then the sections."""

from __future__ import annotations

from litmus.report.blocks import Document, Ruling
from litmus.report.evidence import Evidence
from litmus.report.sections import sections

ORDER = ("confirmed", "rejected", "inconclusive")


def document(evidence: Evidence) -> Document:
    """Everything the two files show; the primary prediction comes first."""
    verdicts = sorted(evidence.judgement.verdicts.values(), key=lambda verdict: not verdict.primary)
    rulings = [
        Ruling(
            verdict.id,
            verdict.claim,
            verdict.source or (evidence.study.source if verdict.claim else ""),
            verdict.verdict,
            verdict.reason,
            verdict.primary,
            verdict.marks,
        )
        for verdict in verdicts
    ]
    counts = {word: sum(verdict.verdict == word for verdict in verdicts) for word in ORDER}
    tally = ", ".join(f"{amount} {word}" for word, amount in counts.items() if amount)
    only = sum("in the document's regime only" in verdict.marks for verdict in verdicts)
    tally += f" ({only} of them in the document's regime only)" if only else ""
    return Document(evidence.name, evidence.study.question, rulings, sections(evidence), tally)
