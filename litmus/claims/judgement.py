"""Lint and judge a study: from its trials to findings and verdicts."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from litmus.claims.claims import Claim
from litmus.claims.contrast import ContrastMaker, UndecidableError
from litmus.claims.finding import Finding, about, cap_of, warning, with_conjunctions
from litmus.claims.fragility import marked, without
from litmus.claims.leaf import LEVEL
from litmus.claims.lint import lint_design, lint_results
from litmus.claims.looks import FEWEST_SEEDS, Look, Schedule, schedule
from litmus.claims.measured import Measured, planned_arms
from litmus.claims.notation import text
from litmus.claims.results import Results
from litmus.claims.statistics import holm
from litmus.claims.study import Study
from litmus.claims.tuning import TunedArms
from litmus.claims.verdict import Ruled, Verdict, decide, impossible

# Where verdicts on wall time stand.
CLOCK = "wall_clock.json"


@dataclass(frozen=True)
class Judgement:
    """Lint findings, errors first, one verdict per prediction (`timed` are those about wall time), the looks that they
    rest on, and what of the results was `seen`."""

    lint: tuple[Finding, ...]
    verdicts: dict[str, Verdict]
    looks: Schedule
    seen: Look
    timed: Collection[str] = ()

    @property
    def settled(self) -> bool:
        """Whether every prediction is decided or cannot be."""
        return not any(verdict.open for verdict in self.verdicts.values())

    @property
    def look(self) -> Look:
        """What showing these verdicts is, for whoever judges more seeds."""
        words = {name: verdict.verdict for name, verdict in self.verdicts.items()}
        lacking = {} if self.looks.corrected else self.seen.lacking
        return Look(frozenset(self.looks.seeds), words, self.looks.corrected, self.seen.arms, lacking)


def judge(
    study: Study,
    results: Results,
    configs: Mapping[str, Mapping[str, Any]] | None = None,
    ended: Iterable[int] | None = None,
    looked: Sequence[Look] = (),
) -> Judgement:
    """Findings and verdicts.

    Args:
        configs: each arm's resolved flat settings, by default its overrides, which say not all that may end a run.
        ended: the seeds whose trials have all ended, in their order; by default those of which every arm that
            has trials has one, in their order.
        looked: the verdicts on this study that were shown before.
    """
    design = [finding for finding in lint_design(study, configs) if not outdated(finding)]
    lint = [caps_conjunctions(study, one) for one in (*design, *results.findings, *lint_results(study, results))]
    present = {trial.seed for trial in results.trials if trial.values}
    seen, compared = seen_of(study, results), arms_compared(study)

    def other(look: Look) -> bool:
        if look.lacking is None:
            return look.seeds != present
        pairs = [(then, seen.pairs(arms)) for arms in compared if len(then := look.pairs(arms)) >= FEWEST_SEEDS]
        return any(then != now for then, now in pairs) if pairs else look.seeds != seen.seeds

    there = tuple(shared_seeds(results) if ended is None else ended)
    looks = schedule(study.plan, there, present, looked, seen.seeds, other)
    verdicts = {}
    timed = on_the_clock(study)
    for name, verdict in judge_looks(study, results, looks, planned_arms(configs or {})).items():
        cap = cap_of(lint, name)
        verdicts[name] = verdict.capped(cap) if cap else verdict
        kept = ("inconclusive", verdicts[name].verdict)
        before = [(word, seeds) for seeds, word in looks.shown.get(name, ()) if word not in kept]
        if before:
            verdicts[name] = verdicts[name].withdrawing(*before[-1])
    for clock in (False, True):
        back = {name: one.withdrawn for name, one in verdicts.items() if one.withdrawn and (name in timed) is clock}
        if back:
            told = ", ".join(f"{name} ({what})" for name, what in back.items())
            lint.append(warning("withdrawn", f"Verdicts that were shown earlier and no longer hold: {told}.", back))
    lint = sorted(dict.fromkeys(lint), key=lambda finding: finding.level != "error")
    return Judgement(tuple(lint), verdicts, looks, seen, timed)


def ended_seeds(results: Results) -> dict[str, set[int]]:
    """Arm with trials → the seeds of those that ended, whatever became of them."""
    found: dict[str, set[int]] = {trial.arm: set() for trial in results.trials}
    for trial in results.trials:
        found[trial.arm] |= set() if trial.pending else {trial.seed}
    return found


def shared_seeds(results: Results) -> list[int]:
    """The seeds of which a trial of every arm with trials has ended, in their order."""
    by_arm = ended_seeds(results)
    return sorted(set.intersection(*by_arm.values())) if by_arm else []


def arms_compared(study: Study) -> list[dict[str, str]]:
    """The arms of each prediction with their settings; without predictions, all of them."""
    named = [prediction.named_arms(study) for prediction in study.predictions.values()]
    told = {arm: ", ".join(f"{key}={text(own[key])}" for key in sorted(own)) for arm, own in study.arms.items()}
    return [{arm: told[arm] for arm in arms} for arms in named if arms] or [told]


def seen_of(study: Study, results: Results) -> Look:
    """What a single look sees: the seeds of which all runs of some prediction's arms have ended."""
    by_arm, compared = ended_seeds(results), arms_compared(study)
    pairs = [set.intersection(*(by_arm.get(arm, set()) for arm in arms)) for arms in compared]
    # Of what failed in every arm there is nothing to see, and a table may leave its rows out.
    seeds = frozenset().union(*pairs) & {trial.seed for trial in results.trials if trial.values}
    arms = {arm: settings for each in compared for arm, settings in each.items()}
    lacking = {arm: gone for arm in arms if (gone := seeds - by_arm.get(arm, set()))}
    return Look(seeds, arms=arms, lacking=lacking)


def caps_conjunctions(study: Study, finding: Finding) -> Finding:
    """The finding, which caps what its predictions are part of as well: no conjunction is surer than its members."""
    if finding.level != "error" or finding.predictions is None:
        return finding
    return replace(finding, predictions=tuple(with_conjunctions(study, finding.predictions)))


def outdated(finding: Finding) -> bool:
    """Whether a finding about the plan gives way to what the results say: their seeds and their spread."""
    return (finding.code, finding.level) == ("few_seeds", "error") or finding.code == "low_resolution"


def judge_looks(study: Study, results: Results, looks: Schedule, planned: Collection[str] = ()) -> dict[str, Verdict]:
    """Every prediction's verdict: its first decision at a planned look, which later looks leave as it is.

    What the mark of fragility caps is no decision: the next look may decide it.
    """
    if not looks.corrected:
        return judge_look(study, results, None, looks.seeds, looks.there, planned=planned)
    verdicts = {name: impossible(one, looks.obstacle, open=True) for name, one in study.predictions.items()}
    for place, seeds in enumerate(looks.looks, start=1):
        frozen = {name: one for name, one in verdicts.items() if one.frozen_at}
        verdicts = judge_look(study, results, looks.looks[:place], seeds, len(seeds), frozen, planned)
    return verdicts


def judge_look(
    study: Study,
    results: Results,
    looks: Sequence[Iterable[int]] | None,
    seeds: Iterable[int],
    look: int,
    frozen: Mapping[str, Verdict] | None = None,
    planned: Collection[str] = (),
) -> dict[str, Verdict]:
    """Every prediction's verdict at one look: the frozen ones, and the others, of which the fragile are marked."""

    tuned = TunedArms(study, results.tuning)

    def verdicts(of: Results) -> dict[str, Verdict]:
        return judge_predictions(study, Measured(study, of, looks, tuned, planned), look)

    found = {**verdicts(results), **(frozen or {})}
    new = {name: one for name, one in found.items() if name not in (frozen or {})}
    return {**found, **marked(new, seeds, lambda seed: verdicts(without(results, seed)))}


def judge_predictions(study: Study, contrast: ContrastMaker, look: int = 0) -> dict[str, Verdict]:
    """Every prediction's verdict: the primary at its own level, the others corrected together, each side by Holm."""
    tested: dict[str, Claim] = {}
    verdicts: dict[str, Verdict] = {}
    for name, prediction in study.predictions.items():
        try:
            tested[name] = prediction.test(study, contrast)
        except UndecidableError as obstacle:
            verdicts[name] = impossible(prediction, str(obstacle))
    timed = on_the_clock(study)
    # Predictions about wall time are a family of their own: no other verdict may hang on how fast a machine was.
    families = [
        [name for name in tested if not study.predictions[name].primary and (name in timed) is clock]
        for clock in (False, True)
    ]

    def corrected(p_values: Mapping[str, Any]) -> dict[str, float]:
        found = {name: float(p) for name, p in p_values.items()}
        for family in families:
            own = [name for name in family if name in found]
            found |= dict(zip(own, holm([found[name] for name in own]), strict=True))
        return found

    confirm = corrected({name: claim.p_confirm for name, claim in tested.items()})
    reject = corrected({name: claim.p_reject for name, claim in tested.items()})
    signs = {name: sign for name, claim in tested.items() if (sign := claim.sign()) is not None}
    forward = corrected({name: sign.p_confirm for name, sign in signs.items()})
    backward = corrected({name: sign.p_reject for name, sign in signs.items()})
    levels, sizes = dict.fromkeys(tested, LEVEL), dict.fromkeys(tested, 1)
    for family in families:
        # Holm leaves the whole level to those that are not decided yet.
        waiting = sum(min(confirm[name], reject[name]) >= LEVEL for name in family)
        levels |= dict.fromkeys(family, LEVEL / max(1, waiting))
        sizes |= dict.fromkeys(family, len(family))
    for name, claim in tested.items():
        prediction = study.predictions[name]
        ruled = Ruled(
            *(confirm[name], reject[name], forward.get(name), backward.get(name), levels[name]), family=sizes[name]
        )
        note, span = prediction.note(study, contrast), prediction.span(study, contrast)
        verdicts[name] = replace(decide(prediction, claim, ruled, look, span, note), regime=regime(study, name))
    return {name: verdicts[name] for name in study.predictions}


def regime(study: Study, name: str) -> str:
    """A prediction's regime: of a conjunction `document` as well where it is that of one of its parts."""
    own = study.predictions[name].regime
    members = getattr(study.predictions[name], "of", None) or ()
    return own or next(filter(None, (regime(study, member) for member in members)), "")


def on_the_clock(study: Study) -> set[str]:
    """The predictions about wall time, and the conjunctions they are part of."""
    return {name for quantity in study.quantities.values() if quantity.timed for name in about(study, quantity.name)}


def verdicts_json(judgement: Judgement) -> str:
    """The text of verdicts.json: a row per prediction, and `lint`, a list of {code, level, message}.

    The same trials give the same text, however fast they ran: what is judged on wall time stands in wall_clock.json.
    """
    rows = {
        name: verdict.row_elsewhere(CLOCK) if name in judgement.timed else verdict.row()
        for name, verdict in judgement.verdicts.items()
    }
    return _json(rows, [finding for finding in judgement.lint if not _only_about(finding, judgement.timed)])


def clock_json(judgement: Judgement) -> str:
    """The text of wall_clock.json, of the same form; empty where nothing is judged on wall time."""
    rows = {name: verdict.row() for name, verdict in judgement.verdicts.items() if name in judgement.timed}
    lint = [finding for finding in judgement.lint if _only_about(finding, judgement.timed)]
    return _json(rows, lint) if rows else ""


def _only_about(finding: Finding, names: Collection[str]) -> bool:
    return bool(finding.predictions) and all(name in names for name in finding.predictions or ())


def _json(rows: Mapping[str, Any], lint: Sequence[Finding]) -> str:
    told = [{"code": finding.code, "level": finding.level, "message": finding.message} for finding in lint]
    return json.dumps({**rows, "lint": told}, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
