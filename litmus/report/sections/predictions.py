"""Every contrast of every prediction: its interval against zero and what the claim needs, its p values, its seeds."""

from __future__ import annotations

import math

from litmus.claims.contrast import Contrast
from litmus.claims.datasets import random_effects
from litmus.claims.practical import improvement, practical
from litmus.claims.scale import effect
from litmus.claims.sentence import needed
from litmus.claims.verdict import Verdict
from litmus.report.blocks import Block, Gallery, Section, Table, Text
from litmus.report.effects import pair
from litmus.report.evidence import Evidence
from litmus.report.figures.forest import forest
from litmus.words import plain, probability


def section(evidence: Evidence) -> Section | None:
    """The forest, verdicts, contrasts."""
    verdicts = list(evidence.judgement.verdicts.values())
    if not verdicts:
        return None
    # One comparison alone is the headline already.
    single = len(verdicts) == 1 and len(verdicts[0].contrasts) == 1
    picture = None if single else forest(evidence)
    blocks: list[Block] = [
        *([Gallery([picture], columns=1)] if picture is not None else []),
        Text(
            "Each side is tested at 2.5 %; the primary stands alone, all others are corrected together by Holm "
            "(p, corrected: of the side to which the data lean). "
            + evidence.judgement.looks.note
            + " Better in: the share of pairs, with its exact interval. Worse, alike, better: posterior masses of the "
            "mean beyond and within the smallest effect that matters, under a flat prior; it decides nothing.",
            "How it was judged",
        ),
        Table(
            "Every verdict in a sentence",
            ["prediction", "claim", "source", "verdict", "why"],
            sentences(evidence, verdicts),
            folded=True,
        ),
        summary(verdicts),
        contrasts(evidence, verdicts),
        *over_data(evidence),
    ]
    return Section("predictions", "All comparisons", blocks)


def sentences(evidence: Evidence, verdicts: list[Verdict]) -> list[list[str]]:
    """Each prediction with its claim, its verdict and why."""
    sources = [verdict.source or (evidence.study.source if verdict.claim else "") for verdict in verdicts]
    return [
        [verdict.id, verdict.claim or "—", source or "—", verdict.verdict, verdict.reason]
        for verdict, source in zip(verdicts, sources, strict=True)
    ]


def summary(verdicts: list[Verdict]) -> Table:
    """One row per prediction."""
    rows = [
        [
            f"{verdict.id} (primary)" if verdict.primary else verdict.id,
            *(verdict.kind, verdict.quantity or "—", verdict.verdict, ", ".join(verdict.marks) or "—"),
            *(verdict.direction or "—", str(verdict.n), str(verdict.left_out)),
            *(probability(verdict.p_confirm), probability(verdict.p_reject), probability(verdict.adjusted)),
            plain(verdict.seeds_needed) if verdict.seeds_needed is not None else "—",
        ]
        for verdict in verdicts
    ]
    columns = ["prediction", "kind", "quantity", "verdict", "mark", "direction", "n", "seeds without a pair"]
    columns += ["p for", "p against", "p, corrected", "seeds needed"]
    return Table("Verdicts", columns, rows, folded=True)


def contrasts(evidence: Evidence, verdicts: list[Verdict]) -> Table:
    """One row per contrast."""
    rows = [
        [
            *(verdict.id, " ".join(pair(leaf.contrast)).strip(), leaf.contrast.quantity.label),
            *(" ".join(effect(leaf.contrast)), needed(leaf), str(leaf.contrast.n)),
            *(often(leaf.contrast), region(leaf.contrast)),
            *(probability(float(leaf.p_confirm)), probability(float(leaf.p_reject))),
        ]
        for verdict in verdicts
        for leaf in verdict.contrasts
    ]
    columns = ["prediction", "contrast", "quantity", "found", "needed", "n", "better in", "worse, alike, better"]
    columns += ["p for", "p against"]
    return Table(f"All {len(rows)} contrasts, uncorrected", columns, rows, folded=True)


def often(contrast: Contrast) -> str:
    """In which share of the pairs the subject did better, with its interval: 80 % [44, 97]."""
    found = improvement(contrast)
    if found is None:
        return "—"
    ends = f" [{100 * found.low:.0f}, {100 * found.high:.0f}]" if math.isfinite(found.low) else ""
    return f"{100 * found.share:.0f} %{ends}"


def region(contrast: Contrast) -> str:
    """The posterior masses around the region of practical equivalence: 1, 12, 87 %."""
    found = practical(contrast)
    if found is None:
        return "—"
    return f"{100 * found.worse:.0f}, {100 * found.alike:.0f}, {100 * found.better:.0f} %"


def over_data(evidence: Evidence) -> list[Block]:
    """What data sets like those of the study would show, a row per contrast that every one of them has."""
    study, rows = evidence.study, []
    verdicts = evidence.judgement.verdicts
    for name in study.base.predictions if study.base is not None else ():
        each = [verdicts[f"{name}@{one}"].contrasts for one in study.data]
        for leaves in zip(*each, strict=False):
            made = [leaf.contrast for leaf in leaves]
            told = [" ".join(effect(one)) for one in made]
            found = None
            if all(one.test == "mean" and one.n > 2 and not one.fault and one.oriented for one in made):
                found = random_effects(
                    [float(one.mean) for one in made], [float(one.summary.standard_error) for one in made]
                )
            quantity, subject = made[0].quantity, f"{made[0].subject} {made[0].reference}".strip()
            if found is None:
                rows.append([name, subject, *told, "—", "—", "—"])
                continue
            ends = [sorted(interval, reverse=quantity.sign < 0) for interval in (found.interval, found.another)]
            mean, another = (f"[{', '.join(quantity.change(end).removesuffix(' %') for end in one)}]" for one in ends)
            rows.append([name, subject, *told, f"{quantity.change(found.mean)} {mean}", plain(found.tau), another])
    if not rows:
        return []
    columns = ["prediction", "contrast", *study.data, "data sets like these", "SD between them", "another one"]
    text = (
        "The verdict over all data sets is about these, with equal weights. What others like them would show is "
        "estimated by random effects (from three data sets on): the mean with its interval, the SD between data sets "
        "on the quantity's scale, and where the effect on one more of them lies. It decides nothing."
    )
    return [Table("Over data sets", columns, rows), Text(text)]
