"""Every contrast of every prediction: its interval against zero and what the claim needs, its p values, its seeds."""

from __future__ import annotations

import math

from litmus.claims.contrast import Contrast
from litmus.claims.heterogeneity import random_effects
from litmus.claims.leaf import Gain, Inside
from litmus.claims.practical import improvement, practical
from litmus.claims.sentence import changed, needed
from litmus.claims.sentence import value as valued
from litmus.claims.verdict import Verdict
from litmus.report.blocks import MOST_OPEN_ROWS, Block, Gallery, Picture, Section, Table, Text
from litmus.report.evidence import Evidence
from litmus.report.figures.forest import forest, values
from litmus.words import plain, probability

Row = tuple[Verdict, Gain | Inside]
MOST_ROWS = 24


def section(evidence: Evidence) -> Section | None:
    """Verdicts, forest plots, contrasts."""
    verdicts = list(evidence.judgement.verdicts.values())
    if not verdicts:
        return None
    pictures = forests(evidence)
    blocks: list[Block] = [
        Text(
            "A gain is oriented so that positive is the predicted direction. Each side is tested at 2.5 %; the primary "
            "stands alone, all others are corrected together by Holm (adjusted p of the side the data lean to). "
            + evidence.judgement.looks.note
            + " Better in: the share of pairs, with its exact interval. Worse, alike, better: posterior masses of the "
            "mean beyond and within one sesoi under a flat prior; it decides nothing."
        ),
        summary(verdicts),
        *([Gallery(pictures)] if pictures else []),
        contrasts(verdicts),
        *over_data(evidence),
    ]
    return Section("predictions", "Predictions", blocks)


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
    columns = ["prediction", "kind", "quantity", "verdict", "mark", "direction", "n", "left out"]
    columns += ["p to confirm", "p to reject", "adjusted p", "seeds needed"]
    return Table("Verdicts", columns, rows)


def contrasts(verdicts: list[Verdict]) -> Table:
    """One row per contrast."""
    rows = []
    for verdict in verdicts:
        for leaf in verdict.contrasts:
            contrast = leaf.contrast
            shown = changed(contrast)
            if not contrast.oriented and contrast.n and not contrast.fault:
                shown = valued(contrast).removeprefix(f"{contrast.subject} has {contrast.quantity.label} ")
            rows.append(
                [
                    *(verdict.id, f"{contrast.subject} {contrast.reference}".strip(), contrast.quantity.label),
                    *(shown, needed(leaf), str(contrast.n), often(contrast), region(contrast)),
                    *(probability(float(leaf.p_confirm)), probability(float(leaf.p_reject))),
                ]
            )
    columns = ["prediction", "contrast", "quantity", "found", "needed", "n", "better in", "worse, alike, better"]
    columns += ["p to confirm", "p to reject"]
    return Table(f"All {len(rows)} contrasts, uncorrected", columns, rows, folded=len(rows) > MOST_OPEN_ROWS)


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
            told = [changed(one) for one in made]
            found = None
            if all(one.test == "mean" and one.n > 2 and not one.fault and one.oriented for one in made):
                found = random_effects(
                    [float(one.mean) for one in made], [float(one.summary.standard_error) for one in made]
                )
            quantity, subject = made[0].quantity, f"{made[0].subject} {made[0].reference}".rpartition(" on ")[0]
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


def forests(evidence: Evidence) -> list[Picture]:
    """One forest plot per quantity, one of plain values where a bound names them."""
    pictures = []
    for quantity in evidence.study.quantities.values():
        rows: list[Row] = [
            (verdict, leaf)
            for verdict in evidence.judgement.verdicts.values()
            # The members of a conjunction are drawn already, under their own names.
            if verdict.kind != "all_of"
            for leaf in verdict.contrasts
            if leaf.contrast.quantity.name == quantity.name
        ]
        gains = [row for row in rows if row[1].contrast.oriented]
        plainly = [
            row for row in rows if not row[1].contrast.oriented and row[1].contrast.n and not row[1].contrast.fault
        ]
        kept = closest(gains)
        if any(leaf.contrast.n and not leaf.contrast.fault for _, leaf in kept):
            pictures.append(forest(f"forest-{quantity.name}", quantity, kept, len(gains) - len(kept)))
        if plainly:
            pictures.append(values(f"bounds-{quantity.name}", quantity, plainly[:MOST_ROWS]))
    return pictures


def closest(rows: list[Row]) -> list[Row]:
    """As many contrasts as a figure holds: of every prediction the ones on which it hangs, in their order."""
    by_prediction: dict[str, list[Row]] = {}
    for row in rows:
        by_prediction.setdefault(row[0].id, []).append(row)
    share = max(1, MOST_ROWS // max(1, len(by_prediction)))
    kept: list[Row] = []
    for own in by_prediction.values():
        if own[0][0].kind == "best":
            own = strongest(own)
        hanging = sorted(own, key=lambda row: -float(row[1].p_confirm))[: share if len(rows) > MOST_ROWS else None]
        kept += [row for row in own if any(row is other for other in hanging)]
    return kept[:MOST_ROWS]


def strongest(rows: list[Row]) -> list[Row]:
    """Of a claim about the best arm, the comparisons of the arm that comes nearest to beating all its rivals."""
    by_arm: dict[str, list[Row]] = {}
    for row in rows:
        by_arm.setdefault(row[1].contrast.subject, []).append(row)
    return min(by_arm.values(), key=lambda own: max(float(row[1].p_confirm) for row in own))
