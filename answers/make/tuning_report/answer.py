"""An answer to one blank of the report: sentences from data, or the author's with the evidence beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from answers.make.tuning_report.experiment import REGIMES, Experiment
from answers.make.tuning_report.experiments import Experiments, command
from src.studies.report.blocks import Slot


@dataclass(frozen=True)
class Answer:
    """`lines` are sentences, one per regime where there are two; `links` are (words, path from answers/studies).

    `slot` is what only the author can say.
    """

    lines: Sequence[str] = ()
    slot: Slot | None = None
    links: Sequence[tuple[str, str]] = ()


Tell = Callable[[Experiment], str]


def each(experiments: Experiments, name: str, tell: Tell) -> Answer:
    """What `tell` says of a study in either regime; where it was not run, the command that runs it."""
    lines = []
    for suffix, regime in REGIMES.items():
        found = experiments.get(name + suffix)
        lines.append(f"{regime}: {tell(found) if found else not_run(name + suffix)}")
    return Answer(lines)


def first(experiments: Experiments, name: str, tell: Tell) -> Answer:
    """What `tell` says of a study, of full passes if they were run, else of the other regime."""
    found = experiments.regimes(name)
    return Answer([f"{found[0].regime}: {tell(found[0])}" if found else not_run(name)])


def slot(
    experiments: Experiments, name: str, question: str, evidence: Sequence[str], lines: Sequence[str] = ()
) -> Answer:
    """A question that no data answer, with the author's words from author.yaml if there are any."""
    facts = list(evidence) or ["Nothing that was run bears on this."]
    return Answer(lines, Slot(name, question, facts, experiments.words.get(name, "")))


def not_run(name: str) -> str:
    """The sentence in place of an answer."""
    return f"not run: {command(name)}."
