"""The document's six hypotheses in its own words, by the study that tests each, and their verdicts."""

from __future__ import annotations

from answers.make.publication.rows import AS_REPORTED
from answers.make.tuning_report.experiment import Experiment
from answers.make.tuning_report.experiments import Experiments

HYPOTHESES = {
    "epochs": "Increasing epochs will improve model performance up to a point, after which diminishing returns or "
    "overfitting may occur.",
    "units": "Larger networks (more units) will perform better but with diminishing returns and increased "
    "computational cost.",
    "batch_size": "Medium batch sizes (32-64) will provide the best balance between training stability and "
    "generalization.",
    "depth": "Adding one additional layer will improve performance, but deeper models may not significantly benefit "
    "this relatively simple task.",
    "lr": "Learning rates around 1e-3 to 1e-4 will work best; too high will cause instability, too low will slow "
    "convergence.",
    "optimizer": "Adam and AdamW will outperform SGD due to adaptive learning rates.",
}


def hypotheses(experiments: Experiments) -> list[list[str]]:
    """A row per hypothesis: number, claim, study, verdict of full passes, of epochs of 100 updates."""
    rows = []
    for number, (study, claim) in enumerate(HYPOTHESES.items(), start=1):
        ruled = [ruling(experiments.get(name)) for name in (study, study + AS_REPORTED)]
        rows.append([str(number), f"“{claim}”", study, *ruled])
    return rows


def ruling(e: Experiment | None) -> str:
    """The primary prediction's verdict."""
    if e is None:
        return "not run"
    return next((one.verdict for one in e.evidence.judgement.verdicts.values() if one.primary), "no primary prediction")
