"""What to know before believing a study: small rules on its design and on its results, in one list."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from litmus.claims.datasets import parts
from litmus.claims.finding import Finding
from litmus.claims.lint import (
    active,
    alike,
    budgets,
    cells,
    fairness,
    questions,
    recipes,
    samples,
    splits,
    trials,
    tuned,
)
from litmus.claims.results import Results
from litmus.claims.study import Study

DESIGN_RULES = (
    cells.duplicate_arms,
    cells.missing_cells,
    cells.missing_off_level,
    cells.few_levels,
    fairness.unnamed_differences,
    fairness.different_numerics,
    fairness.different_rows,
    fairness.one_learning_rate,
    budgets.planned_budgets,
    budgets.short_curves,
    budgets.planned_sizes,
    splits.selection_split,
    splits.statistics_split,
    samples.few_seeds,
    samples.exact_tests,
    samples.no_sesoi,
    questions.wide_margins,
    questions.training_metric,
    questions.hardly_fails,
    questions.declared_exact,
    questions.one_trial,
    samples.planned_resolution,
    recipes.other_recipes,
    recipes.no_tail,
    recipes.tuned_on_tested_rows,
)
RESULTS_RULES = (
    trials.missing_trials,
    trials.not_finite,
    trials.not_positive,
    trials.not_a_share,
    active.same_runs,
    active.early_judgement,
    active.unequal_evaluations,
    active.coarse_clock,
    active.shared_machine,
    trials.no_spread,
    alike.mixed_code,
    alike.mixed_numerics,
    alike.mixed_data,
    budgets.unequal_budgets,
    budgets.unequal_sizes,
    tuned.at_an_edge,
    tuned.unequal_tuning,
    tuned.not_in_the_interval,
    samples.few_results,
    samples.measured_resolution,
)


def lint_design(study: Study, configs: Mapping[str, Mapping[str, Any]] | None = None) -> list[Finding]:
    """Findings before any compute, from the study and each arm's resolved flat settings (by default its overrides)."""
    resolved = configs or {arm: {**study.fixed, **overrides} for arm, overrides in study.arms.items()}
    found = []
    for part in parts(study):
        own = {arm: resolved[arm] for arm in part.arms if arm in resolved}
        found += [finding for rule in DESIGN_RULES for finding in rule(part, own)]
    return _over_data(study, found)


def lint_results(study: Study, results: Results) -> list[Finding]:
    """Findings on what was measured."""
    found = []
    for part in parts(study):
        own = replace(results, trials=tuple(trial for trial in results.trials if trial.arm in part.arms))
        found += [finding for rule in RESULTS_RULES for finding in rule(part, own if study.data else results)]
    return _over_data(study, found)


def _over_data(study: Study, found: list[Finding]) -> list[Finding]:
    """What weakens a prediction on one data set weakens the one over all of them."""
    if not study.data:
        return found
    wide = []
    for finding in found:
        names = finding.predictions or ()
        over = [name.rpartition("@")[0] for name in names if name.rpartition("@")[2] in study.data]
        wide.append(
            finding if finding.predictions is None else replace(finding, predictions=(*names, *dict.fromkeys(over)))
        )
    return list(dict.fromkeys(wide))
