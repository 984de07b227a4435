"""How much the settings mattered: tuning curves and edges."""

from __future__ import annotations

import math

import numpy as np

from litmus.claims.notation import number, spelled, text
from litmus.claims.nuisance import Nuisance
from litmus.report.blocks import MOST_OPEN_ROWS, Block, Gallery, Picture, Section, Table, Text
from litmus.report.evidence import Evidence
from litmus.report.figures.sensitivity import tuned
from litmus.words import count, plain


def section(evidence: Evidence) -> Section:
    """Tuning trials per nuisance setting with edge flags."""
    blocks: list[Block] = []
    pictures: list[Picture] = []
    for nuisance in evidence.study.nuisance.values():
        if number(nuisance.values[0]) is None or not any(nuisance.name in one.settings for one in evidence.tuning):
            continue
        pictures.append(curve(evidence, nuisance))
        blocks.append(table(evidence, nuisance))
    if evidence.tuning:
        states: dict[str, int] = {}
        for one in evidence.tuning:
            states[one.status] = states.get(one.status, 0) + 1
        told = ", ".join(f"{amount} {status}" for status, amount in states.items())
        trials = count(len(evidence.tuning), "tuning trial")
        blocks.insert(0, Text(f"{trials}: {told}. Chosen by {evidence.selection}. {rule(evidence)}"))
    elif evidence.study.nuisance:
        names = ", ".join(evidence.study.nuisance)
        blocks.append(Text(f"No tuning trials came with these results, so how {names} was chosen cannot be shown."))
    else:
        blocks.append(Text("No nuisance setting was tuned: every arm ran at the settings it shares with the others."))
    if pictures:
        blocks.append(Gallery(pictures))
    return Section("sensitivity", "Sensitivity", blocks)


def rule(evidence: Evidence) -> str:
    """How the values were chosen from the trials, and where their uncertainty went."""
    chosen = evidence.contrast.tuned.chosen
    if not chosen:
        return "The best trial's values were taken, and the intervals take that choice for certain."
    if any(seed is not None for _, seed in chosen):
        return "Each seed was tuned anew, so that the spread over seeds holds the luck in tuning."
    if any(one.found is not None and one.found.fitted for one in chosen.values()):
        return (
            "The lowest point of a parabola through the trials was taken; how uncertain it is enters every interval "
            "that compares these arms."
        )
    return "The setting with the best mean was taken, and the intervals take that choice for certain."


def scores(evidence: Evidence, name: str) -> dict[str, list[tuple[float, float]]]:
    """Arm → its tuning trials as (value of the setting, score)."""
    found: dict[str, list[tuple[float, float]]] = {}
    for one in evidence.tuning:
        if name in one.settings and one.score is not None and math.isfinite(one.score):
            found.setdefault(one.arm, []).append((one.settings[name], one.score))
    return found


def direction(evidence: Evidence) -> int:
    """+1 when more of the selection metric is better."""
    return 1 if evidence.leading.select_direction == "up" else -1


def curve(evidence: Evidence, nuisance: Nuisance) -> Picture:
    """The selection metric over a nuisance setting."""
    ends = [float(value) for value in nuisance.values] if nuisance.space != "choices" else []
    log = nuisance.space == "log"
    arms = scores(evidence, nuisance.name)
    name = f"sensitivity-{nuisance.name.replace('.', '-').replace('/', '-')}"
    names = {arm: spelled(evidence.study, arm) for arm in arms}
    edges = {arm: side for arm in arms if (side := edge(nuisance, arm, evidence)) != "no"}
    shown, sign = evidence.shown, direction(evidence)
    return tuned(name, nuisance.name, evidence.selection, log, arms, shown, sign, ends, names, edges, evidence.name)


def table(evidence: Evidence, nuisance: Nuisance) -> Table:
    """Per arm: the best value, how much the best beats the median, and whether it lies at the edge."""
    rows = []
    for arm, points in scores(evidence, nuisance.name).items():
        best = max(points, key=lambda point: direction(evidence) * point[1])
        middle = float(np.median([score for _, score in points]))
        tried = [evidence.named(arm), str(len(points)), plain(best[0]), plain(best[1]), plain(middle)]
        rows.append([*tried, *choice(nuisance, arm, evidence), edge(nuisance, arm, evidence)])
    columns = ["arm", "trials", f"best {nuisance.name} tried", f"{evidence.selection} at it", "median trial"]
    columns += ["chosen", "known to within", "at the edge"]
    return Table(f"Tuning of {nuisance.name}", columns, rows, folded=len(rows) > MOST_OPEN_ROWS)


def choice(nuisance: Nuisance, arm: str, evidence: Evidence) -> tuple[str, str]:
    """The value that the arm's trials have and its standard error, of a logarithm a factor; — where none is known."""
    chosen = evidence.contrast.tuned.chosen.get((arm, None))
    if chosen is None:
        return ("one for each seed" if evidence.contrast.tuned.chosen else "—"), "—"
    value = number(chosen.values.get(nuisance.name))
    if value is None or chosen.found is None or not chosen.found.fitted:
        return (text(chosen.values.get(nuisance.name)) if value is None else plain(value)), "—"
    error = math.sqrt(float(chosen.found.variance))
    return plain(value), f"a factor of {plain(math.exp(error), 3)}" if nuisance.logarithmic else f"± {plain(error, 3)}"


def edge(nuisance: Nuisance, arm: str, evidence: Evidence) -> str:
    """`lower` or `upper` when the best value lies at or beyond the smallest or largest that was tried, else `no`."""
    chosen = [one for (tuned, _), one in evidence.contrast.tuned.chosen.items() if tuned == arm]
    if chosen:
        return next((one.edges[nuisance.name] for one in chosen if nuisance.name in one.edges), "no")
    points = scores(evidence, nuisance.name).get(arm, [])
    if not points:
        return "no"
    best = max(points, key=lambda point: direction(evidence) * point[1])[0]
    return nuisance.edge(best, [value for value, _ in points]) or "no"
