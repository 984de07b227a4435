"""The sections of a study's report, in their order; each is a function from evidence to a section, or to none."""

from __future__ import annotations

from dataclasses import replace

from litmus.report.blocks import Section
from litmus.report.evidence import Evidence
from litmus.report.sections import (
    cost,
    design,
    dynamics,
    interactions,
    predictions,
    question,
    recommendations,
    reproducibility,
    results,
    sensitivity,
    surprises,
    treatment,
)

ORDER = (
    predictions.section,
    results.section,
    dynamics.section,
    interactions.section,
    cost.section,
    surprises.section,
    recommendations.section,
    # What a reader wants to look up is folded.
    question.section,
    design.section,
    treatment.section,
    sensitivity.section,
    reproducibility.section,
)
FOLDED = (
    "interactions",
    "surprises",
    "recommendations",
    "question",
    "design",
    "treatment",
    "sensitivity",
    "reproducibility",
)


def sections(evidence: Evidence) -> list[Section]:
    """Every section that the evidence fills."""
    made = [one for section in ORDER if (one := section(evidence)) is not None]
    return [replace(section, folded=section.id in FOLDED) for section in made]
