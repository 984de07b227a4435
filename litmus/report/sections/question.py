"""What was asked, and by whom."""

from __future__ import annotations

from litmus.claims.measure import tested_once
from litmus.report.blocks import Section, Text
from litmus.report.evidence import Evidence
from litmus.words import count


def section(evidence: Evidence) -> Section:
    """The question with its source, and how many predictions answer it by which arms and trials."""
    study = evidence.study
    source = f" Source: {study.source}." if study.source else ""
    told = [Text(study.note)] if study.note else []
    size = (
        f"{count(len(study.predictions), 'prediction')} about {count(len(study.arms), 'arm')}, judged on "
        f"{count(len(evidence.results.trials), 'trial')}; quantities: "
        + ", ".join(f"{name} ({_how(evidence, name)})" for name in study.quantities)
        + "."
    )
    return Section("question", "Question", [Text(f"{study.question}{source}"), *told, Text(size)])


def _how(evidence: Evidence, name: str) -> str:
    quantity = evidence.study.quantities[name]
    runs = [run for own in evidence.curves.values() for run in own]
    once = quantity.metric.startswith("test/") and all(tested_once(quantity, run.history) for run in runs)
    known = any(run.tested is not None for run in runs)
    at_last = f"as tested once, {'of the epoch that was chosen' if known else 'when the run ended'}"
    how = {
        "best_val": f"at the epoch with the best {quantity.select}",
        "last": at_last if once else "at the end",
        "tail": "on average over the last fifth of its evaluations, none of which selects",
        "best": "at its best",
        "time_to": f"{quantity.unit} until {quantity.threshold}",
    }.get(quantity.at, quantity.at)
    sesoi = "no sesoi" if quantity.sesoi is None else f"smallest effect of interest {quantity.size(quantity.sesoi)}"
    return f"{quantity.metric} {how}, {'lower' if quantity.sign < 0 else 'higher'} is better, {sesoi}"
