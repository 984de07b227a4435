"""The sections of a study's report, in their order; each is a function from evidence to a section, or to none."""

from __future__ import annotations

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
    question.section,
    design.section,
    results.section,
    predictions.section,
    treatment.section,
    dynamics.section,
    interactions.section,
    cost.section,
    sensitivity.section,
    surprises.section,
    recommendations.section,
    reproducibility.section,
)


def sections(evidence: Evidence) -> list[Section]:
    """Every section that the evidence fills."""
    made = (section(evidence) for section in ORDER)
    return [section for section in made if section is not None]
