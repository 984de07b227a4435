"""The index of all published studies: every claim with its verdict, what was not run, what cannot be decided."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path

from answers.make.publication.plans import Plan
from answers.make.publication.rows import AS_REPORTED, COLUMNS, NOT_RUN, Row
from answers.make.publication.summary import Summary
from answers.make.publication.unanswerable import Unanswerable, measured
from litmus.claims.verdict import OPEN
from litmus.report.render import SYMBOLS, rendered
from litmus.tables import table_text
from litmus.words import count

VERDICTS = ("confirmed", "rejected", "inconclusive", NOT_RUN)
SIGNS = {**SYMBOLS, NOT_RUN: "·"}
REGIMES = ("repaired", "as reported")
MOST_LETTERS = 110


@dataclass(frozen=True)
class Index:
    """What answers/studies holds, and what it does not hold; `kept` are the claims without a verdict, kept by hand."""

    summaries: Sequence[Summary]
    plans: Sequence[Plan] = ()
    kept: Sequence[Unanswerable] = ()
    tuning_report: bool = False
    replication: bool = False

    @cached_property
    def rows(self) -> list[Row]:
        """Every prediction, by document, part, study (the repaired regime first)."""
        # What the study files say of the regime holds for what was published before they said it.
        told = {
            (plan.name, one.id)
            for plan in self.plans
            for one in plan.study.predictions.values()
            if one.regime == "document"
        }
        judged = [
            replace(row, document_regime=row.document_regime or (row.study, row.prediction) in told)
            for summary in self.summaries
            for row in summary.rows
        ]
        planned = [row for plan in self.plans for row in plan.rows]
        return sorted([*judged, *planned], key=order)

    @cached_property
    def unanswerable(self) -> list[Unanswerable]:
        """The claims kept by hand that are no prediction's; a part of one may be beyond judging alone."""
        judged = {(row.document, row.claim.rstrip(".")) for row in self.rows}
        return [one for one in self.kept if (one.document, one.claim.rstrip(".")) not in judged]

    @cached_property
    def documents(self) -> list[str]:
        """The documents whose claims are judged or told to be beyond judging."""
        named = [*(row.document for row in self.rows), *(entry.document for entry in self.unanswerable)]
        return sorted(set(named) - {""})

    @property
    def unfinished(self) -> list[Plan]:
        """Studies that were not run, or not as far as their file asks."""
        return [plan for plan in self.plans if not plan.complete]

    def labels(self, name: str) -> list[str]:
        """What to know of a study's verdicts before believing them."""
        found = [label for one in self.summaries if one.name == name for label in one.labels]
        return [*found, *(plan.label for plan in self.plans if plan.name == name and plan.label)]

    def tally(self, regime: str | None = None) -> dict[str, int]:
        """Predictions by verdict, without those that are confirmed in the document's regime only."""
        own = [row for row in self.rows if regime in (None, row.regime) and not row.confounded]
        return {word: sum(row.verdict == word for row in own) for word in VERDICTS}

    @property
    def confounded(self) -> int:
        """How many predictions are confirmed in the document's regime only."""
        return sum(row.confounded for row in self.rows)

    @property
    def headline(self) -> str:
        """79 predictions from 5 documents: 30 confirmed, …"""
        told = ", ".join(f"{amount} {word}" for word, amount in self.tally().items() if amount)
        only = f"; {self.confounded} more confirmed in the document's regime only" if self.confounded else ""
        return f"{count(len(self.rows), 'prediction')} from {count(len(self.documents), 'document')}: {told}{only}"


# The parts of a document that have an order; headings without a number keep the order of the study's file.
NUMBERED = re.compile(r"(Part|Hypothesis|Q|section) ?\d+\w*")


def order(row: Row) -> tuple[object, ...]:
    """Document, its claims before our controls, part, study, regime; ties keep the order of the study's file."""
    part = NUMBERED.match(row.part)
    study = row.study.removesuffix(AS_REPORTED)
    return row.document, row.control, natural(part[0] if part else ""), study, REGIMES.index(row.regime)


def natural(text: str) -> list[tuple[int, str]]:
    """Part 2 before Part 10, Part 1 before Part 1b."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", text)]


def index_markdown(index: Index) -> str:
    """README.md of answers/studies."""
    return rendered(
        Path(__file__).with_name("index.md.j2"),
        index=index,
        signs=SIGNS,
        regimes=REGIMES,
        verdicts=VERDICTS,
        primaries=[row for row in index.rows if row.primary and row.regime == "repaired" and row.verdict != NOT_RUN],
        claim=first_words,
        published={summary.name for summary in index.summaries},
        measured=lambda entry: measured(entry, index.summaries),
        verdict=shown,
        seeds=seeds,
    )


def first_words(row: Row) -> str:
    """The claim, cut after some words."""
    if len(row.claim) <= MOST_LETTERS:
        return row.claim
    return row.claim[:MOST_LETTERS].rpartition(" ")[0].rstrip(",.;:") + " …"


def shown(row: Row) -> str:
    """✗ rejected (negligible, fragile); ? inconclusive (as predicted, size open)."""
    told = f"{SIGNS[row.verdict]} {row.verdict}" + " in the document's regime only" * row.confounded
    known = row.verdict == "inconclusive" and row.direction not in ("", OPEN)
    runs = f"{row.direction}, size open" if known else ""
    marks = ", ".join(filter(None, (row.cause, runs, "fragile" * row.fragile)))
    return f"{told} ({marks})" if marks else told


def seeds(row: Row) -> str:
    """The seeds behind a verdict, and how many would decide what is undecided."""
    if row.verdict == NOT_RUN:
        return "—"
    return f"{row.n}; about {row.seeds_needed:,} would decide" if row.seeds_needed else str(row.n)


def index_csv(index: Index) -> str:
    """verdicts.csv: the index's rows at full precision, with each study's labels."""
    judged = [asdict(row) | {"labels": "; ".join(index.labels(row.study))} for row in index.rows]
    columns = [*COLUMNS, "labels"]
    return table_text(columns, [[cells[name] for name in columns] for cells in judged])
