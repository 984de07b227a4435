"""The report of a study as a document: rulings first, then the sections."""

from __future__ import annotations

from collections.abc import Iterator

from litmus.claims.notation import spelled
from litmus.claims.scale import effect
from litmus.claims.verdict import Verdict
from litmus.report.blocks import Document, Ruling
from litmus.report.effects import SYMBOLS
from litmus.report.evidence import Evidence
from litmus.report.figures.headline import headline
from litmus.report.sections import sections
from litmus.words import count, sentence

MOST_LIMITS = 2


def document(evidence: Evidence) -> Document:
    """Everything the two files show; the primary prediction comes first."""
    verdicts = sorted(evidence.judgement.verdicts.values(), key=lambda verdict: not verdict.primary)
    rulings = [ruling(evidence, verdict) for verdict in verdicts]
    counts = {word: sum(verdict.verdict == word for verdict in verdicts) for word in SYMBOLS}
    tally = ", ".join(f"{amount} {word}" for word, amount in counts.items() if amount)
    only = sum("in the document's regime only" in verdict.marks for verdict in verdicts)
    tally += f" ({only} of them in the document's regime only)" if only else ""
    size = f"{count(len(evidence.study.arms), 'arm')} × {count(len(evidence.asked), 'seed')}"
    limits = list(limiting(evidence))
    return Document(
        evidence.name, evidence.study.question, rulings, sections(evidence), tally, headline(evidence), size, limits
    )


def ruling(evidence: Evidence, verdict: Verdict) -> Ruling:
    """A verdict as the pages tell it."""
    source = verdict.source or (evidence.study.source if verdict.claim else "")
    found = effect(verdict.leaf.contrast) if verdict.leaf is not None else ("", "")
    return Ruling(
        verdict.id,
        verdict.claim,
        source,
        verdict.verdict,
        verdict.reason,
        verdict.primary,
        verdict.marks,
        found,
        verdict.kind == "all_of",
    )


def limiting(evidence: Evidence) -> Iterator[str]:
    """What weakens the verdicts, errors first, in a sentence each; what else lint found is counted."""
    lint, predictions = evidence.judgement.lint, evidence.judgement.verdicts
    study = evidence.study
    names = {*study.arms, *study.quantities, *study.predictions, *study.varied}
    names |= {spelled(study, arm) for arm in study.arms}
    told = []
    few = [finding for finding in lint if finding.code == "low_resolution"]
    # What is decided was not missed.
    undecided = [name for name, verdict in predictions.items() if verdict.verdict == "inconclusive"]
    concerned = {name for finding in few for name in undecided if finding.concerns(name)}
    errors = [finding for finding in lint if finding.level == "error"]
    for finding in errors:
        told.append(sentence(finding.message.split(". ")[0], names))
    if concerned:
        seeds = count(len(evidence.judgement.looks.seeds or evidence.asked), "seed")
        told.append(
            f"{seeds} are too few for {len(concerned)} of {count(len(predictions), 'prediction')}: a difference that "
            "just matters would mostly be missed."
        )
    others = [finding for finding in lint if finding not in errors and finding not in few]
    codes = [finding.code for finding in others]
    # The same of another quantity is no news.
    order = sorted(range(len(others)), key=lambda place: codes[:place].count(codes[place]))
    told += [sentence(others[place].message.split(". ")[0], names) for place in order]
    yield from told[:MOST_LIMITS]
    if len(told) > MOST_LIMITS:
        yield f"{count(len(told) - MOST_LIMITS, 'further finding')}: see Lint, under Design."
