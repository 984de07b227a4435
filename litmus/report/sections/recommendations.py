"""What to do next: the cheapest good arm, ranges to widen, seeds to add, and what only the author can say."""

from __future__ import annotations

import math
from collections.abc import Iterator

from litmus.claims.notation import listing
from litmus.claims.scale import effect
from litmus.report.blocks import Block, Points, Section, Slot
from litmus.report.evidence import Evidence, fails_less, tied_with_best
from litmus.report.sections.sensitivity import edge
from litmus.words import count, plain


def section(evidence: Evidence) -> Section:
    """Sentences that the data support, then the author's slot with the evidence beside it."""
    items = [*cheapest(evidence), *edges(evidence), *seeds(evidence)]
    blocks: list[Block] = [Points(items)] if items else []
    blocks.append(why(evidence))
    return Section("recommendations", "Recommendations", blocks)


def cheapest(evidence: Evidence) -> Iterator[str]:
    """The cheapest arm that is not separated from the best, on each data set."""
    for own in evidence.on_each:
        yield from cheapest_of(own)


def cheapest_of(evidence: Evidence) -> Iterator[str]:
    """The same of one data set; an arm with failed runs is never one to use by its mean, which leaves them out."""
    quantity = evidence.leading
    ranked = evidence.ranked(quantity)
    if len(ranked) < 2 or evidence.summary(quantity.name, ranked[0]).n < 3:
        return
    best, name = ranked[0], evidence.named(ranked[0])
    tied = tied_with_best(evidence)
    failed, of = evidence.failed(quantity.name, best)
    lost = f"; {failed} of {count(of, 'run')} failed, which the mean leaves out" if failed else ""
    value = plain(evidence.mean(quantity.name, best))
    head = f"Best mean {quantity.label}{evidence.where}: {name} ({value}{lost})"
    if not tied:
        told = f"{head}; every other arm is separated from it (paired 95 % intervals, uncorrected)"
        yield f"{told}: weigh its failed runs before you take it." if failed else f"{told}: use it."
        return
    told = f"{head}; not separated from it: {listing([evidence.named(arm) for arm in tied], 6)}."
    fewer = [evidence.named(arm) for arm in tied if fails_less(evidence, arm, best)]
    told += f" Shown to fail less often than it: {listing(fewer, 6)}." if fewer else ""
    yield f"{told} {choice(evidence, best, tied)}"


def choice(evidence: Evidence, best: str, tied: list[str]) -> str:
    """The cheapest of the best and those not separated from it, of the ones without a failed run."""
    name = evidence.named(best)
    whole = [arm for arm in (best, *tied) if not evidence.failed(evidence.leading.name, arm)[0]]
    if not whole:
        return "All of them have failed runs: weigh these before you take one."
    them = "of them" if len(whole) > len(tied) else "of them without a failed run"
    if len(whole) == 1:
        told = f"Only {evidence.named(whole[0])} had no failed run"
        return f"{told}: use it{'' if whole[0] == best else ' unless the difference matters to you'}."
    cost = next((c for c in ("seconds", "samples", "updates", "params") if _known(evidence, c, [best, *whole])), None)
    if cost is None:
        return "No cost was recorded by which to choose among them."
    cheap = min(whole, key=lambda arm: evidence.counter(cost, arm))
    price = plain(evidence.counter(cost, best), 3)
    alike = {plain(evidence.counter(cost, arm), 3) for arm in whole}
    if len(alike) == 1:
        return f"All {them} cost as much ({alike.pop()} {cost}): use {evidence.named(whole[0])}."
    if cheap == best:
        return f"{name} is also the cheapest {them} ({price} {cost}): use it."
    own = plain(evidence.counter(cost, cheap), 3)
    told = f"The cheapest {them} is {evidence.named(cheap)} ({own} {cost} against {price})"
    return f"{told}: use it unless the difference matters to you."


def _known(evidence: Evidence, cost: str, arms: list[str]) -> bool:
    return all(math.isfinite(evidence.counter(cost, arm)) for arm in arms)


def edges(evidence: Evidence) -> Iterator[str]:
    """Ranges whose edge was chosen."""
    for nuisance in evidence.study.nuisance.values():
        sides: dict[str, list[str]] = {}
        for arm in evidence.study.arms:
            side = edge(nuisance, arm, evidence)
            if side != "no":
                sides.setdefault(side, []).append(arm)
        for side, arms in sides.items():
            yield (
                f"The best {nuisance.name} of {listing(arms, 6)} lies at the {side} edge of what was tried: widen "
                f"study.nuisance.{nuisance.name} there before trusting these arms' rank."
            )


def seeds(evidence: Evidence) -> Iterator[str]:
    """How many seeds the undecided predictions ask for."""
    wanted = {
        verdict.id: verdict.seeds_needed
        for verdict in evidence.judgement.verdicts.values()
        if verdict.verdict == "inconclusive" and verdict.seeds_needed is not None
    }
    if wanted:
        told = ", ".join(f"{name} about {n}" for name, n in sorted(wanted.items(), key=lambda item: item[1]))
        yield f"Undecided predictions by the seeds that would decide them (80 % power): {told}."
    hopeless = [
        verdict.id
        for verdict in evidence.judgement.verdicts.values()
        if verdict.verdict == "inconclusive" and verdict.seeds_needed is None
    ]
    if hopeless:
        yield f"For {listing(hopeless)} no number of seeds can be named: see the reason in the verdict box."


def why(evidence: Evidence) -> Slot:
    """Why the best arm is best: what the data show, and room for the author."""
    quantity = evidence.leading
    first = evidence.on_each[0]
    ranked = first.ranked(quantity)
    facts = []
    if ranked:
        best, name = ranked[0], evidence.named(ranked[0])
        facts.append(
            f"{name}: {quantity.label} {plain(evidence.mean(quantity.name, best))}, the best mean{first.where}."
        )
        for arm in ranked[1:3]:
            contrast = evidence.gain(quantity, best, than=arm)
            if contrast is not None:
                facts.append(f"Against {evidence.named(arm)}: {' '.join(effect(contrast))} (n = {contrast.n}).")
    facts += [f"{verdict.id}: {verdict.verdict}." for verdict in evidence.judgement.verdicts.values()][:MOST_FACTS]
    question = f"Why is {evidence.named(ranked[0])} best{first.where}?" if ranked else "What went wrong?"
    return Slot("why", question, facts, evidence.words.get("why", ""))


MOST_FACTS = 5
