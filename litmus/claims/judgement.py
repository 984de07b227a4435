"""Lint and judge a study: from its trials to findings and verdicts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from litmus.claims.claims import Claim
from litmus.claims.contrast import ContrastMaker, UndecidableError
from litmus.claims.finding import Finding
from litmus.claims.lint import lint_design, lint_results
from litmus.claims.measured import Measured
from litmus.claims.results import Results
from litmus.claims.statistics import holm
from litmus.claims.study import Study
from litmus.claims.verdict import Verdict, decide, impossible


@dataclass(frozen=True)
class Judgement:
    """Lint findings, errors first, and one verdict per prediction."""

    lint: tuple[Finding, ...]
    verdicts: dict[str, Verdict]


def judge(study: Study, results: Results, configs: Mapping[str, Mapping[str, Any]] | None = None) -> Judgement:
    """Findings and verdicts; `configs` holds each arm's resolved flat settings, by default its overrides."""
    design = [finding for finding in lint_design(study, configs) if not outdated(finding)]
    lint = [*design, *results.findings, *lint_results(study, results)]
    lint = sorted(dict.fromkeys(lint), key=lambda finding: finding.level != "error")
    verdicts = {}
    for name, verdict in judge_predictions(study, Measured(study, results)).items():
        codes = [finding.code for finding in lint if finding.level == "error" and finding.concerns(name)]
        unique = ", ".join(dict.fromkeys(codes))
        verdicts[name] = verdict.capped(f"lint: {unique}") if codes else verdict
    return Judgement(tuple(lint), verdicts)


def outdated(finding: Finding) -> bool:
    """Whether a finding about the plan gives way to what the results say: their seeds and their spread."""
    return (finding.code, finding.level) == ("few_seeds", "error") or finding.code == "low_resolution"


def judge_predictions(study: Study, contrast: ContrastMaker) -> dict[str, Verdict]:
    """Every prediction's verdict: the primary at its own level, the others corrected together, each side by Holm."""
    tested: dict[str, Claim] = {}
    verdicts: dict[str, Verdict] = {}
    for name, prediction in study.predictions.items():
        try:
            tested[name] = prediction.test(study, contrast)
        except UndecidableError as obstacle:
            verdicts[name] = impossible(prediction, str(obstacle))
    family = [name for name in tested if not study.predictions[name].primary]
    confirm = {name: float(claim.p_confirm) for name, claim in tested.items()}
    reject = {name: float(claim.p_reject) for name, claim in tested.items()}
    confirm |= dict(zip(family, holm([confirm[name] for name in family]), strict=True))
    reject |= dict(zip(family, holm([reject[name] for name in family]), strict=True))
    for name, claim in tested.items():
        prediction = study.predictions[name]
        verdicts[name] = decide(prediction, claim, confirm[name], reject[name], prediction.note(study, contrast))
    return {name: verdicts[name] for name in study.predictions}


def verdicts_json(judgement: Judgement) -> str:
    """The text of verdicts.json: a row per prediction, and `lint`, a list of {code, level, message}."""
    document: dict[str, Any] = {name: verdict.row() for name, verdict in judgement.verdicts.items()}
    document["lint"] = [
        {"code": finding.code, "level": finding.level, "message": finding.message} for finding in judgement.lint
    ]
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
