"""Lint and judge a study: from its trials to findings and verdicts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from litmus.claims.claims import Claim
from litmus.claims.contrast import ContrastMaker, UndecidableError
from litmus.claims.finding import Finding, warning
from litmus.claims.leaf import LEVEL
from litmus.claims.lint import lint_design, lint_results
from litmus.claims.looks import Look, Schedule, schedule
from litmus.claims.measured import Measured
from litmus.claims.results import Results
from litmus.claims.statistics import holm
from litmus.claims.study import Study
from litmus.claims.verdict import Ruled, Verdict, decide, impossible


@dataclass(frozen=True)
class Judgement:
    """Lint findings, errors first, one verdict per prediction, and the looks that they rest on."""

    lint: tuple[Finding, ...]
    verdicts: dict[str, Verdict]
    looks: Schedule

    @property
    def settled(self) -> bool:
        """Whether every prediction is decided or cannot be."""
        return not any(verdict.open for verdict in self.verdicts.values())


def judge(
    study: Study,
    results: Results,
    configs: Mapping[str, Mapping[str, Any]] | None = None,
    ended: Iterable[int] | None = None,
    looked: Sequence[Look] = (),
) -> Judgement:
    """Findings and verdicts.

    Args:
        configs: each arm's resolved flat settings, by default its overrides.
        ended: the seeds whose trials have all ended, in their order; by default those of which every arm that
            has trials has one, in their order.
        looked: the verdicts on this study that were shown before.
    """
    design = [finding for finding in lint_design(study, configs) if not outdated(finding)]
    lint = [*design, *results.findings, *lint_results(study, results)]
    present = {trial.seed for trial in results.trials if trial.values}
    looks = schedule(study.plan, tuple(shared_seeds(study, results) if ended is None else ended), present, looked)
    verdicts = {}
    for name, verdict in judge_looks(study, results, looks).items():
        codes = [finding.code for finding in lint if finding.level == "error" and finding.concerns(name)]
        unique = ", ".join(dict.fromkeys(codes))
        verdicts[name] = verdict.capped(f"lint: {unique}") if codes else verdict
        kept = ("inconclusive", verdicts[name].verdict)
        before = [(word, seeds) for seeds, word in looks.shown.get(name, ()) if word not in kept]
        if before:
            verdicts[name] = verdicts[name].withdrawing(*before[-1])
    back = {name: verdict.withdrawn for name, verdict in verdicts.items() if verdict.withdrawn}
    if back:
        told = ", ".join(f"{name} ({what})" for name, what in back.items())
        lint.append(warning("withdrawn", f"Verdicts that were shown earlier and no longer hold: {told}.", back))
    lint = sorted(dict.fromkeys(lint), key=lambda finding: finding.level != "error")
    return Judgement(tuple(lint), verdicts, looks)


def shared_seeds(study: Study, results: Results) -> list[int]:
    """The seeds that every arm with trials has a trial of, whatever became of it, in their order."""
    by_arm: dict[str, set[int]] = {}
    for trial in results.trials:
        by_arm.setdefault(trial.arm, set()).add(trial.seed)
    return sorted(set.intersection(*by_arm.values())) if by_arm else []


def outdated(finding: Finding) -> bool:
    """Whether a finding about the plan gives way to what the results say: their seeds and their spread."""
    return (finding.code, finding.level) == ("few_seeds", "error") or finding.code == "low_resolution"


def judge_looks(study: Study, results: Results, looks: Schedule) -> dict[str, Verdict]:
    """Every prediction's verdict: its first decision at a planned look, which later looks leave as it is."""
    if not looks.corrected:
        return judge_predictions(study, Measured(study, results), looks.there)
    why = f"no planned look yet: {looks.there} seeds are complete, and {looks.next()}"
    verdicts = {name: impossible(one, why, open=True) for name, one in study.predictions.items()}
    for place, seeds in enumerate(looks.looks, start=1):
        found = judge_predictions(study, Measured(study, results, looks.looks[:place]), len(seeds))
        verdicts = {name: one if one.frozen_at else found[name] for name, one in verdicts.items()}
    return verdicts


def judge_predictions(study: Study, contrast: ContrastMaker, look: int = 0) -> dict[str, Verdict]:
    """Every prediction's verdict: the primary at its own level, the others corrected together, each side by Holm."""
    tested: dict[str, Claim] = {}
    verdicts: dict[str, Verdict] = {}
    for name, prediction in study.predictions.items():
        try:
            tested[name] = prediction.test(study, contrast)
        except UndecidableError as obstacle:
            verdicts[name] = impossible(prediction, str(obstacle))
    alone = [name for name in tested if study.predictions[name].primary]

    def corrected(p_values: Mapping[str, Any]) -> dict[str, float]:
        plain = {name: float(p) for name, p in p_values.items()}
        family = [name for name in plain if name not in alone]
        return plain | dict(zip(family, holm([plain[name] for name in family]), strict=True))

    confirm = corrected({name: claim.p_confirm for name, claim in tested.items()})
    reject = corrected({name: claim.p_reject for name, claim in tested.items()})
    signs = {name: sign for name, claim in tested.items() if (sign := claim.sign()) is not None}
    forward = corrected({name: sign.p_confirm for name, sign in signs.items()})
    backward = corrected({name: sign.p_reject for name, sign in signs.items()})
    # Holm leaves the whole level to those that are not decided yet.
    waiting = sum(min(confirm[name], reject[name]) >= LEVEL for name in tested if name not in alone)
    for name, claim in tested.items():
        prediction = study.predictions[name]
        level = LEVEL if name in alone else LEVEL / max(1, waiting)
        ruled = Ruled(confirm[name], reject[name], forward.get(name), backward.get(name), level)
        note, span = prediction.note(study, contrast), prediction.span(study, contrast)
        verdicts[name] = decide(prediction, claim, ruled, look, span, note)
    return {name: verdicts[name] for name in study.predictions}


def verdicts_json(judgement: Judgement) -> str:
    """The text of verdicts.json: a row per prediction, and `lint`, a list of {code, level, message}."""
    document: dict[str, Any] = {name: verdict.row() for name, verdict in judgement.verdicts.items()}
    document["lint"] = [
        {"code": finding.code, "level": finding.level, "message": finding.message} for finding in judgement.lint
    ]
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
