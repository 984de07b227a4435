"""What was varied, tuned and held constant; seeds, data, and what lint found."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from litmus.claims.arms import varying
from litmus.claims.factors import is_place
from litmus.claims.notation import listing, text
from litmus.records.facts import data_facts, distinct, seeded
from litmus.report.blocks import Block, Points, Section, Slot, Table, Text
from litmus.report.evidence import Evidence
from litmus.words import count


def section(evidence: Evidence) -> Section:
    """Scientific, nuisance and fixed settings; arms; seeds; data; lint findings."""
    blocks: list[Block] = [roles(evidence)]
    blocks += fixed(evidence)
    if not evidence.study.factors:
        blocks.append(arms(evidence))
    blocks += seeds(evidence)
    if evidence.jitters:
        blocks.append(Points(evidence.jitters))
    blocks += data(evidence)
    blocks += lint(evidence)
    return Section("design", "Design", blocks)


def roles(evidence: Evidence) -> Table:
    """One row per setting: what the study measures, what it tunes, what it holds constant."""
    study = evidence.study
    rows = []
    for key in study.varied:
        levels = dict.fromkeys(text(overrides[key]) for overrides in study.arms.values() if key in overrides)
        rows.append(["scientific", key, listing(list(levels), 12), "what the study measures"])
    for nuisance in study.nuisance.values():
        ends = ", ".join(text(value) for value in nuisance.values)
        how = f"tuned per arm on validation: {nuisance.trials} {nuisance.sampler} trials"
        rows.append(["nuisance", nuisance.name, f"{nuisance.space} [{ends}]", how])
    for key, value in study.fixed.items():
        rows.append(["fixed", key, text(value), "a caveat: no other value was tried"])
    return Table("Settings by their role", ["role", "setting", "values", "meaning"], rows)


def fixed(evidence: Evidence) -> Iterator[Block]:
    """What all arms share: each is a caveat of every conclusion."""
    configs = evidence.configs
    if not configs:
        if not evidence.study.fixed:
            yield Text(
                "The study file names no fixed settings: whatever else the trials had in common limits the conclusions."
            )
        return
    different = set(varying(configs, configs)) | set(evidence.study.nuisance)
    first = next(iter(configs.values()))
    shared = {
        key: value
        for key, value in first.items()
        if key not in different and not is_place(key) and key.split(".")[-1] not in ("threads", "seed")
    }
    plain = [f"{key} {text(value)}" for key, value in shared.items() if "." not in key]
    yield Text(
        "Held constant, so that no conclusion reaches beyond it: "
        + (listing(plain, 30) or "nothing at the root")
        + f" (all {len(shared)} settings below)."
    )
    yield Table(
        f"All {len(shared)} fixed settings",
        ["setting", "value"],
        [[key, text(value)] for key, value in sorted(shared.items())],
        folded=True,
    )


def arms(evidence: Evidence) -> Table:
    """What each named arm sets."""
    rows = [
        [arm, ", ".join(f"{key} {text(value)}" for key, value in overrides.items()) or "(nothing: the default)"]
        for arm, overrides in evidence.study.arms.items()
    ]
    return Table("Arms", ["arm", "settings"], rows)


def seeds(evidence: Evidence) -> Iterator[Block]:
    """Which seeds, whether arms share them, and what they reach."""
    found = sorted({trial.seed for trial in evidence.results.trials})
    asked = f"{count(len(evidence.asked), 'seed')} asked for ({listing(list(evidence.asked), 20)})"
    have = "the same ones found" if found == sorted(evidence.asked) else f"{len(found)} found ({listing(found, 20)})"
    paired = f"{asked}, {have}. Arms are compared seed by seed; incomplete pairs are left out and counted."
    reached = seeded(evidence.records)
    if reached:
        yield Text(f"{paired} A seed sets {listing(reached, 12)}; {data_varies(evidence)}.")
        return
    yield Text(paired)
    yield Slot(
        "seeds",
        "What did a seed vary: initialisation, data order, split, the data themselves?",
        [
            "The trials' records show one seed per arm, which cannot tell."
            if evidence.records
            else "The trials came as a table, which does not say."
        ],
        evidence.words.get("seeds", ""),
    )


def data_varies(evidence: Evidence) -> str:
    """Whether the trials saw the same data."""
    facts = data_facts(evidence.records)
    hashes = {fact.get("sha256") for fact in facts}
    splits = distinct([fact.get("class_counts") for fact in facts])
    if None in hashes or not facts:
        return "the trials did not record a hash of their data"
    if len(hashes) > 1:
        return f"the data differ too ({len(hashes)} hashes over {count(len(facts), 'trial')})"
    return "the data are the same, " + (
        "split anew by the seed" if len(splits) > 1 else "and so are the class counts of every split"
    )


def data(evidence: Evidence) -> Iterator[Block]:
    """Name, sizes, hash and the score of a predictor that always says the most frequent class."""
    facts = data_facts(evidence.records)
    if not facts:
        return
    rows: list[list[str]] = []
    groups: dict[str, list[dict[str, Any]]] = {}
    for fact in facts:
        groups.setdefault(str((fact.get("name"), fact.get("sizes"))), []).append(fact)
    for same in groups.values():
        sizes = same[0].get("sizes") or {}
        hashes = list(dict.fromkeys(str(fact.get("sha256", "—"))[:12] for fact in same))
        for split, size in sizes.items():
            scores = [s for fact in same if (s := (fact.get("constant_accuracy") or {}).get(split)) is not None]
            shown = "—" if not scores else f"{min(scores):.4f}"
            if scores and max(scores) > min(scores):
                shown = f"{min(scores):.4f} to {max(scores):.4f}"
            rows.append([str(same[0].get("name", "—")), split, f"{size:,}", shown, listing(hashes, 2)])
    yield Table("Data", ["data", "split", "rows", "constant predictor's accuracy", "sha256"], rows)


def lint(evidence: Evidence) -> Iterator[Block]:
    """Errors, which cap verdicts at inconclusive, then warnings."""
    findings = evidence.judgement.lint
    if not findings:
        yield Text("Lint found nothing to object to.")
        return
    errors = sum(finding.level == "error" for finding in findings)
    rows = [[finding.level, finding.code, finding.message, _concerned(finding.predictions)] for finding in findings]
    capped = " (each caps its predictions at inconclusive)" if errors else ""
    caption = f"Lint: {count(errors, 'error')}{capped}, {count(len(findings) - errors, 'warning')}"
    yield Table(caption, ["level", "code", "finding", "concerns"], rows)


def _concerned(predictions: tuple[str, ...] | None) -> str:
    return "all" if predictions is None else listing(predictions, 6) or "no prediction"
