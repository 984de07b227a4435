"""How often verdicts are wrong, at the edge of what each claims, and how often they are fragile: docs/verdicts.md.

python scripts/simulate.py [--simulations 20000] [--only "blow up"]

Every kind of prediction is judged, by the engine's own rules, on arms whose means lie exactly where its claim begins to
be false (then it must not be confirmed) and where it begins to be true (then it must not be rejected). A second table,
of a twentieth as many studies, has what the mark of fragility leaves of the errors of a skewed arm, and what it costs.
A third has cross-validation, with the variance that counts shared rows and without.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

from litmus.trial.arguments import Parser
from litmus.trial.command_line import answer

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np

from litmus.claims.claims import Claim
from litmus.claims.contrast import Contrast, count_failures
from litmus.claims.judgement import judge, judge_predictions
from litmus.claims.leaf import LEVEL, Gain
from litmus.claims.lint.active import LEAST_CHANGE, MOST_SHARE
from litmus.claims.looks import LOOKS
from litmus.claims.measured import Measured, test_of
from litmus.claims.optimum import excess, optimum
from litmus.claims.prediction import Prediction
from litmus.claims.quantity import Quantity
from litmus.claims.reductions import rise, roughness
from litmus.claims.resampling import Resampling
from litmus.claims.results import Results, Trial
from litmus.claims.study import Study, read_study
from litmus.words import count

SESOI = 0.5
X1, X2, X4 = {"x": 1}, {"x": 2}, {"x": 4}
CROSS = {"a": [0, 1], "b": [0, 1]}  # cells in order: neither, b, a, both
COMPARE = {"kind": "compare", "better": X1, "than": [X2, X4]}
BOUND = {"kind": "bound", "arm": X1, "low": -1, "high": 1}
ROWS = 80  # of a test set whose accuracy is a binomial share
FIXED = (3, 5, 10, 20)
# A difference, in SDs, that some nine studies of ten find.
FOUND = {5: 2.0, 10: 1.2, 20: 0.8}
FAILING = ("compare", "compare each", "order", "best", "equivalent")
# What a step of a tuned knob's grid costs, in SDs of one run.
COSTS = (0.1, 0.3, 1.0, 3.0)
LOTTERIES = tuple((levels, seeds) for levels in range(3, 9) for seeds in (2, 3))
CONTROL = "negative control"
FLAT = "a knob that does nothing, 6 levels on 3 seeds"
CLIFF = "the higher of 8 levels blow up, 3 seeds"
LOPSIDED = "ten times steeper above the best of 6 levels, 3 seeds"
SKEWED = "one arm skewed"
# Shares of seeds on which a schedule had not begun; what a curve lost by its end, in SDs of one evaluation.
WAITING = (0.3, 0.9)
LOST = 2.0
# So many curves are drawn, of which runs are taken.
CURVES = 20_000
Edge = tuple[str, dict[str, Any], dict[str, Any] | None, Sequence[float], Sequence[float]]


def shape(form: str, **more: Any) -> dict[str, Any]:
    """A prediction of a shape over x."""
    return {"kind": "shape", "factor": "x", "form": form, **more}


def edges(far: float = 9.0) -> list[Edge]:
    """(name, prediction, factors, means at the edge of "false", at the edge of "true"), in SDs of one run.

    Args:
        far: a distance that leaves no doubt.
    """
    return [
        ("compare", {"kind": "compare", "better": X1, "than": X2}, None, (0, 0, 0), (SESOI, 0, 0)),
        ("compare each", COMPARE, None, (0, 0, -far), (SESOI, 0, 0)),
        ("compare by", {**COMPARE, "by": 2}, None, (2, 0, -far), (2, 0, 0)),
        ("not worse", {"kind": "compare", "better": X1, "than": X2, "by": -1}, None, (-1, 0, 0), (-1, 0, 0)),
        ("order", {"kind": "order", "arms": [X1, X2, X4]}, None, (far, 0, 0), (2 * SESOI, SESOI, 0)),
        ("order ties", {"kind": "order", "arms": [X1, X2, X4], "ties": True}, None, (far, -SESOI, 0), (far, 0, SESOI)),
        ("best", {"kind": "best", "arms": X1}, None, (0, 0, -far), (0, 0, 0)),
        ("best of set", {"kind": "best", "arms": [X1, X2]}, None, (0, 0, 0), (0, 0, 0)),
        ("equivalent", {"kind": "equivalent", "arms": [X1, X2]}, None, (SESOI, 0, 0), (SESOI, 0, 0)),
        ("equivalent 3", {"kind": "equivalent", "arms": [X1, X2, X4], "within": 4}, None, (4, 0, 2), (4, 0, 2)),
        ("synergy", {"kind": "interaction", "form": "synergy"}, CROSS, (0, 1, 1, 2), (0, 0, 0, SESOI)),
        ("redundancy", {"kind": "interaction", "form": "redundancy"}, CROSS, (0, 1, 1, 2), (0, 1, 1, 2 - SESOI)),
        ("no interaction", {"kind": "interaction", "form": "none"}, CROSS, (0, 0, 0, SESOI), (0, 0, 0, SESOI)),
        ("bound", BOUND, None, (1, 0, 0), (1, 0, 0)),
        ("bound below", {"kind": "bound", "arm": X1, "high": 1}, None, (1, 0, 0), (1, 0, 0)),
        ("gain in bounds", {**BOUND, "relative_to": X2}, None, (1, 0, 0), (-1, 0, 0)),
        ("rising", shape("rising"), None, (0, 0, 0), (0, 0, SESOI)),
        ("rising, a fall", shape("rising"), None, (0, far, far - SESOI), (0, far, far - SESOI)),
        ("falling", shape("falling"), None, (0, 0, 0), (SESOI, 0, 0)),
        ("saturating", shape("saturating", at=2), None, (0, far, far + SESOI), (0, SESOI, 0)),
        ("diminishing", shape("diminishing", axis="log2"), None, (0, far, 2 * far), (0, SESOI, SESOI)),
        ("peak", shape("peak"), None, (0, 0, -far), (0, SESOI, 0)),
    ]


def study_of(prediction: Mapping[str, Any], levels: Any = (1, 2, 4), sesoi: float = SESOI, **more: Any) -> Study:
    """One prediction about a score (more is better) over the levels of x, or over other factors."""
    factors = more.pop("factors", None) or {"x": list(levels)}
    quantity = more.pop("quantity", {"metric": "score", "sesoi": sesoi})
    predictions = {"it": {"quantity": "score", **prediction}, **more}
    node = {"question": "Does it hold?", "factors": factors, "quantities": {"score": quantity}}
    return read_study({**node, "predictions": predictions})


class Simulated:
    """Makes contrasts of simulated scores (a ContrastMaker): arm → (seeds, simulations); what is not finite failed.

    Args:
        looks: so many seeds at each planned look so far; by default one look at all.
        tuning: arm → what its tuning adds to the error, (variance, degrees of freedom).
    """

    def __init__(
        self, scores: Mapping[str, Any], looks: Sequence[int] = (), tuning: Mapping[str, tuple[Any, Any]] | None = None
    ) -> None:
        self.scores, self.looks, self.tuning = scores, looks, tuning or {}

    def __call__(
        self,
        quantity: Quantity,
        weights: Mapping[str, float],
        subject: str = "",
        reference: str = "",
        oriented: bool = True,
        rivals: bool = True,
    ) -> Contrast:
        """The contrast at the last look, with those before it."""
        weights = {arm: weight for arm, weight in weights.items() if weight}
        sign = quantity.sign if oriented else 1
        values = sum(sign * weight * self.scores[arm] for arm, weight in weights.items())
        broken = {arm: ~np.isfinite(self.scores[arm]) for arm in weights}
        few = {arm: {0: 0.0} for arm in weights}  # tells the test of zeros and ones
        parts = [
            (weight**2 * self.tuning[a][0], self.tuning[a][1]) for a, weight in weights.items() if a in self.tuning
        ]
        test = test_of(quantity, weights, few, fixed=True)
        told = Contrast(quantity, weights, values, subject, reference, oriented, test=test, tuning=tuple(parts))

        def at(n: int) -> Contrast:
            failed = {arm: own[:n] for arm, own in broken.items()}
            failures = count_failures(failed, weights, quantity.sign < 0 and not oriented, rivals)
            return replace(told, values=values[:n], failures=failures)

        if not self.looks:
            return at(len(values))
        *earlier, last = map(at, self.looks)
        return replace(last, earlier=tuple(earlier), corrected=True)


def decisions(
    prediction: Prediction,
    study: Study,
    scores: Mapping[str, Any],
    looks: bool,
    tuning: Mapping[str, tuple[Any, Any]] | None = None,
    capped: Callable[[int], Any] = lambda n: False,
) -> tuple[Any, Any]:
    """Which simulations end confirmed and which rejected; the first decision at a planned look is final.

    Args:
        capped: of so many seeds, where nothing can be judged, which ends the study.
    """
    n = len(next(iter(scores.values())))
    steps: list[Sequence[int]] = [LOOKS[: k + 1] for k in range(len(LOOKS)) if LOOKS[k] <= n] if looks else [()]
    confirmed = rejected = ended = np.zeros(next(iter(scores.values())).shape[1], dtype=bool)
    for step in steps:
        claim: Claim = prediction.test(study, Simulated(scores, step, tuning))
        ended = ended | (~(confirmed | rejected) & capped(step[-1] if step else n))
        now, open_ = claim.confirms(), ~(confirmed | rejected | ended)
        confirmed, rejected = confirmed | (open_ & now), rejected | (open_ & ~now & claim.rejects())
    return confirmed, rejected


Noise = Callable[[Any, Sequence[float], tuple[int, int]], Any]


def normal(generator: Any, means: Sequence[float], size: tuple[int, int]) -> Any:
    """Means plus normal noise."""
    return np.asarray(means, dtype=float)[:, None, None] + generator.normal(size=(len(means), *size))


def heavy(generator: Any, means: Sequence[float], size: tuple[int, int]) -> Any:
    """Means plus t noise with three degrees of freedom, of SD 1."""
    return np.asarray(means, dtype=float)[:, None, None] + generator.standard_t(3, (len(means), *size)) / np.sqrt(3)


def binomial(generator: Any, means: Sequence[float], size: tuple[int, int]) -> Any:
    """Accuracies over 80 rows, in SDs around one half: they tie."""
    unit = 0.5 / np.sqrt(ROWS)
    hits = generator.binomial(ROWS, 0.5 + unit * np.asarray(means, dtype=float)[:, None, None], (len(means), *size))
    return (hits / ROWS - 0.5) / unit


NOISES: dict[str, tuple[Noise, float]] = {"normal": (normal, 9.0), "t₃": (heavy, 9.0), "80 rows": (binomial, 4.0)}


def rates(
    edge: Edge, noise: Noise, n: int, simulations: int, looks: bool = False, seed: int = 7, fails: float = 0.0
) -> tuple[float, float]:
    """(false confirmations, false rejections) of an edge; `fails` is the chance of each run to diverge."""
    _, prediction, factors, null, truth = edge
    study = study_of(prediction, factors=factors)
    generator = np.random.default_rng(seed)
    found = []
    for means, side in ((null, 0), (truth, 1)):
        drawn = noise(generator, means, (n, simulations))
        drawn = np.where(generator.random(drawn.shape) < fails, np.nan, drawn)
        scores = dict(zip(study.arms, drawn, strict=True))
        found.append(float(np.mean(decisions(study.predictions["it"], study, scores, looks)[side])))
    return found[0], found[1]


def counted(at: Any, n: int, simulations: int, looks: bool, share: float) -> tuple[float, float]:
    """The same of what is no mean: two equal arms' times to a threshold, or the share of runs that diverge."""
    generator = np.random.default_rng(7)
    if at == "time_to":
        quantity = {"metric": "val/loss", "at": {"time_to": 0.5, "unit": "epoch"}}
        study = study_of({"kind": "compare", "better": X1, "than": X2}, quantity=quantity)
        drawn = np.minimum(generator.geometric(share, (3, n, simulations)), 20).astype(float)  # whole epochs of 20
    else:
        study = study_of({"kind": "bound", "arm": X1, "low": share}, quantity={"metric": "diverged"})
        drawn = (generator.random((3, n, simulations)) < share).astype(float)
    scores = dict(zip(study.arms, drawn, strict=True))
    confirmed, rejected = decisions(study.predictions["it"], study, scores, looks)
    return float(np.mean(confirmed)), float(np.mean(rejected))


def family(simulations: int, looks: bool) -> float:
    """How often any of eight equal arms is called better than their shared control, corrected by Holm."""
    arms = list(range(9))
    claims = {f"c{arm}": {"kind": "compare", "better": {"x": arm}, "than": {"x": 0}} for arm in arms[1:]}
    each = {name: {**claim, "quantity": "score"} for name, claim in claims.items()}
    study = study_of(claims["c1"], levels=arms, sesoi=1e-9, **each)
    scores = dict(zip(study.arms, normal(np.random.default_rng(7), [0.0] * 9, (40, simulations)), strict=True))
    smallest = np.ones(simulations)
    for name in each:
        claim = study.predictions[name].test(study, Simulated(scores, LOOKS if looks else ()))
        smallest = np.minimum(smallest, claim.p_confirm)
    return float(np.mean(8 * smallest < LEVEL))


def topped_up(simulations: int, factor_later: bool) -> float:
    """Two equal arms, judged at five seeds, and at more only as long as nothing is decided."""
    study = study_of({"kind": "compare", "better": X1, "than": X2}, sesoi=1e-9)
    scores = dict(zip(study.arms, normal(np.random.default_rng(7), [0.0] * 3, (40, simulations)), strict=True))
    found = np.zeros(simulations, dtype=bool)
    for k, n in enumerate(LOOKS):
        part = {arm: own[:n] for arm, own in scores.items()}
        looks = LOOKS[: k + 1] if factor_later and k else ()
        found |= study.predictions["it"].test(study, Simulated(part, looks)).confirms()
    return float(np.mean(found))


def skewed(generator: Any, means: Sequence[float], size: tuple[int, int]) -> Any:
    """One arm with lognormal noise of SD 1, a long tail of bad runs; the others normal."""
    drawn = normal(generator, means, size)
    tail = generator.lognormal(0, 1, size)
    drawn[0] = means[0] - (tail - np.exp(0.5)) / np.sqrt((np.e - 1) * np.e)
    return drawn


def tuned(
    n: int,
    simulations: int,
    looks: bool,
    levels: int,
    seeds: int,
    rule: str = "parabola",
    gain: float | None = None,
    costs: Sequence[float] = COSTS,
    cliff: bool = False,
    signs: bool = False,
    steeper: float = 1.0,
) -> tuple[float, float]:
    """The same of two arms whose knob was tuned, at the worst of several costs of a step of its grid; or, with a
    `gain`, the least share of (confirmed, rejected) where one arm is so much better.

    Args:
        levels, seeds: of the tuning.
        rule: `parabola`, or `argmin` for the negative control, or `known` where nothing need be tuned.
        gain: in SDs of one run.
        costs: of a step of the grid, in SDs of one run; 0 is a knob that does nothing.
        cliff: whether runs scatter ten times as much from one and a half steps above the best place on, and half of
            them fail from two and a half on.
        signs: whether signs are tested, as of `time_to`.
        steeper: so much steeper the curve is above its best place than below.
    """

    def lost(cost: float, place: Any, best: Any) -> Any:
        """What a place off the best one costs, in SDs of one run."""
        return cost * (place - best) ** 2 * np.where(place > best, steeper, 1.0)

    generator = np.random.default_rng(7)
    quantity = {"metric": "val/loss", "at": {"time_to": 0.5, "unit": "epoch"}, "sesoi": SESOI}
    more: dict[str, Any] = {"quantity": quantity} if signs else {}
    study = study_of({"kind": "compare", "better": X1, "than": X2}, **more)
    places = np.tile(np.arange(levels), seeds).astype(float)
    groups = np.repeat(np.arange(seeds), levels)
    found = []
    for cost in costs:
        sides = []
        for ahead in (0.0, SESOI) if gain is None else (gain,):
            scores, parts = {}, {}
            for arm in study.arms:
                best = generator.uniform(0.25, 0.75, simulations) * (levels - 1)
                tried = lost(cost, places[:, None], best) + generator.normal(size=(len(places), simulations))
                tried += generator.normal(size=(seeds, simulations))[groups]
                if cliff:
                    beyond = places[:, None] - best
                    tried += 10 * np.abs(generator.normal(size=tried.shape)) * (beyond > 1.5)
                    tried[(beyond > 2.5) & (generator.random(tried.shape) < 0.5)] = np.nan
                one = optimum(places, list(groups), tried)
                place = {"parabola": one.place, "argmin": one.levels[one.best], "known": best}[rule]
                if rule == "parabola":
                    parts[arm] = excess(one, one.fit)
                lead = ahead if arm == next(iter(study.arms)) else 0.0
                scores[arm] = lead - lost(cost, place, best) + generator.normal(size=(n, simulations))
                if signs:
                    scores[arm] = -scores[arm]
            confirmed, rejected = decisions(study.predictions["it"], study, scores, looks, parts)
            sides.append((float(np.mean(confirmed)), float(np.mean(rejected))))
        found.append((sides[0][0], sides[-1][1]))
    pick = max if gain is None else min
    return pick(one[0] for one in found), pick(one[1] for one in found)


def untreated(
    n: int, simulations: int, looks: bool, waiting: float | None = None, ruled: bool = True
) -> tuple[float, float]:
    """The same of two arms that differ in a schedule, of which less than all had happened where runs are judged.

    As much of a gain is there as of the schedule: of none, and of the smallest that matters.

    Args:
        waiting: the share of seeds on which it had not begun, so that both arms are one run; None where a fifth to four
            fifths of it had passed.
        ruled: whether verdicts are capped where too many seeds are so.
    """
    generator = np.random.default_rng(7)
    study = study_of({"kind": "compare", "better": X1, "than": X2})
    found = []
    for gain in (0.0, SESOI):
        drawn = normal(generator, (0, 0, 0), (n, simulations))
        if waiting is None:
            passed = generator.uniform(0.2, 0.8, (n, simulations))
        else:
            passed = (generator.random((n, simulations)) >= waiting).astype(float)
        drawn[0] = np.where(passed > 0, drawn[0] + gain * passed, drawn[1])

        def capped(seeds: int, passed: Any = passed) -> Any:
            """Where too many seeds are early, and where no seed tells the arms apart, which has never been judged."""
            early = (passed[:seeds] < LEAST_CHANGE).sum(axis=0)
            return (early > MOST_SHARE * seeds) if ruled else (passed[:seeds] == 0).all(axis=0)

        scores = dict(zip(study.arms, drawn, strict=True))
        found.append(decisions(study.predictions["it"], study, scores, looks, capped=capped))
    return float(np.mean(found[0][0])), float(np.mean(found[1][1]))


def reduced(
    n: int,
    simulations: int,
    looks: bool,
    reduce: Callable[[Any], float],
    epochs: Sequence[int],
    low: float | None = None,
) -> tuple[float, float]:
    """The same of numbers that are read off noisy curves of SD 1.

    Args:
        reduce: from a curve to its number, of which less is better.
        epochs: of the curves of each arm that is compared: flat ones, or all of one's numbers less by the smallest
            difference that matters.
        low: of one arm alone, that its curves lose so much by their end, which are flat or do.
    """
    generator = np.random.default_rng(7)
    quantity = {"metric": "score", "at": "rise", "sesoi": SESOI, "direction": "down"}
    alone = {"kind": "bound", "arm": X1, "low": low}
    study = study_of({"kind": "compare", "better": X1, "than": X2} if low is None else alone, quantity=quantity)
    found: list[Any] = []
    for lost in (0.0, low or 0.0):
        scores = {}
        for arm, length in zip(study.arms, [*epochs, *[epochs[0]] * 2], strict=False):
            scores[arm] = generator.choice(numbers(reduce, length, lost), (n, simulations))
        if low is None and found:
            scores[next(iter(scores))] -= SESOI
        found.append(decisions(study.predictions["it"], study, scores, looks))
    return float(np.mean(found[0][0])), float(np.mean(found[1][1]))


@cache
def numbers(reduce: Callable[[Any], float], length: int, lost: float) -> Any:
    """The numbers of curves with noise of SD 1 that fall by `lost` to their middle and rise by it to their end."""
    drawn = np.random.default_rng(8).normal(size=(CURVES, length))
    return np.array([reduce(one) for one in drawn + lost * np.abs(np.linspace(-1, 1, length))])


def swing(curve: Any) -> float:
    """What `rise` is not: how much worse the end is than the best."""
    return float(curve[-1] - curve.min())


Row = tuple[str, str, Callable[..., tuple[float, float]]]


def rows(simulations: int) -> Iterator[Row]:
    """(prediction, noise, what is simulated) of each row of the table."""
    judged = partial(rates, simulations=simulations)
    for noise, (draw, far) in NOISES.items():
        for edge in edges(far):
            yield edge[0], noise, partial(judged, edge, draw)
    for fails in (0.3, 0.5):
        for edge in (one for one in edges() if one[0] in FAILING):
            yield edge[0], f"{fails:.0%} of runs diverge", partial(judged, edge, normal, fails=fails)
    times = partial(counted, simulations=simulations)
    for share in (0.2, 0.5):
        yield "time to", f"epochs, {share:.0%} arrive in each", partial(times, "time_to", share=share)
    for share in (0.1, 0.5):
        yield "share of runs", f"{share:.0%} diverge", partial(times, None, share=share)
    early = partial(untreated, simulations=simulations)
    for waiting in WAITING:
        yield "compare", f"a schedule that had not begun on {waiting:.0%} of seeds", partial(early, waiting=waiting)
    yield "compare", "a schedule of which a fifth to four fifths had passed", early
    told = f"{CONTROL}: not begun on {WAITING[-1]:.0%} of seeds, and judged"
    yield "compare", told, partial(early, waiting=WAITING[-1], ruled=False)
    read = partial(reduced, simulations=simulations)
    yield "compare", "rise of 100 epochs with that of 10", partial(read, reduce=rise, epochs=(100, 10))
    yield "compare", "roughness of 50 epochs with that of 4", partial(read, reduce=roughness, epochs=(50, 4))
    for length in (10, 100):
        yield (
            "bound",
            f"a rise by {LOST:g} SD in {length} epochs",
            partial(read, reduce=rise, epochs=[length], low=LOST),
        )
    told = f"{CONTROL}: last less best of 100 epochs with that of 10"
    yield "compare", told, partial(read, reduce=swing, epochs=(100, 10))
    for levels, seeds in LOTTERIES:
        one = partial(tuned, simulations=simulations, levels=levels, seeds=seeds)
        yield "compare", f"tuned by {levels} levels on {seeds} seeds", one
    for seeds in (1, 3):
        one = partial(tuned, simulations=simulations, levels=6, seeds=seeds, rule="argmin")
        yield "compare", f"{CONTROL}: the best of 6 levels on {count(seeds, 'seed')}", one
    shared = partial(tuned, simulations=simulations, seeds=3)
    yield "compare", FLAT, partial(shared, levels=6, costs=[0.0])
    yield "time to", "epochs, tuned by 6 levels on 3 seeds", partial(shared, levels=6, signs=True)
    yield "compare", CLIFF, partial(shared, levels=8, cliff=True)
    yield "compare", LOPSIDED, partial(shared, levels=6, steeper=10.0)
    yield "compare", SKEWED, partial(judged, edges()[0], skewed)


def table(simulations: int, only: str = "") -> Iterator[str]:
    """The lines of the table, in Markdown; `only` the rows that contain this."""
    yield "| prediction | noise | " + " | ".join(f"n = {n}" for n in FIXED) + " | looks at 5, 10, 20, 40 |"
    yield "|---|---|" + "---|" * (len(FIXED) + 1)
    for name, noise, one in rows(simulations):
        if only in f"{name} | {noise}":
            found = [one(n=n, looks=False) for n in FIXED] + [one(n=LOOKS[-1], looks=True)]
            yield f"| {name} | {noise} | " + " | ".join(f"{100 * a:.1f} / {100 * b:.1f}" for a, b in found) + " |"


def beside(simulations: int) -> str:
    """What the table has no columns for."""
    holm = [100 * family(simulations, looks) for looks in (False, True)]
    added = [100 * topped_up(simulations, later) for later in (False, True)]
    found = partial(tuned, 20, simulations, False, 6, 3, gain=1.0)
    power = [100 * found(rule, costs=[1.0])[0] for rule in ("known", "parabola", "argmin")]
    flat, nothing = (100 * found(costs=[cost])[0] for cost in (0.1, 0.0))
    planned = 100 * rates(edges()[0], normal, LOOKS[-1], simulations, looks=True)[0]
    return (
        "Any of eight equal arms is called better than a shared control (Holm) in "
        f"{holm[0]:.1f} % at one look of 40 seeds, in {holm[1]:.1f} % at the four looks. Who plans five seeds and adds "
        f"more only while nothing is decided calls one of two equal arms better in {added[0]:.1f} % without a "
        f"correction, in {added[1]:.1f} % with that of the later looks, in {planned:.1f} % with `until: decided`, "
        "which corrects the first look too. A gain of one SD of a run is found by 20 seeds in "
        f"{power[0]:.0f} % where nothing need be tuned. After a tuning by 6 levels on 3 seeds it is found in "
        f"{power[1]:.0f} % where a step of the grid costs one SD (by the best level, as it is, in {power[2]:.0f} %), "
        f"in {flat:.0f} % where it costs a tenth of one, so that the tuning hardly saw what it costs, and in "
        f"{nothing:.0f} % where it costs nothing."
    )


DEALS = ((5, 1), (10, 1), (5, 4), (10, 10))
FEW_ROWS = 60


def resampled(folds: int, repeats: int, simulations: int, corrected: bool = True, gain: float = 0.0) -> float:
    """How often one of two learners is called better whose scores are those of cross-validated linear fits.

    Each learner knows one of two inputs, by which the target is explained alike, so that over tables both are as good;
    in one table of 60 rows they are not, and every fold tells the same of it.

    Args:
        corrected: whether the variance counts that folds share rows, as `resampling` does.
        gain: how much larger the first learner's coefficient is.
    """
    generator = np.random.default_rng(7)
    x = generator.normal(size=(2, simulations, FEW_ROWS))
    y = (1 + gain) * x[0] + x[1] + 2 * generator.normal(size=(simulations, FEW_ROWS))
    values = []
    for _ in range(repeats):
        order = np.argsort(generator.random((simulations, FEW_ROWS)), axis=1)
        own, target = np.take_along_axis(x, order[None], axis=2), np.take_along_axis(y, order, axis=1)
        for fold in range(folds):
            test = np.arange(FEW_ROWS) % folds == fold
            slopes = (own * target)[..., ~test].sum(axis=-1) / (own**2)[..., ~test].sum(axis=-1)
            errors = ((target[:, test] - slopes[..., None] * own[..., test]) ** 2).mean(axis=-1)
            values.append(errors[1] - errors[0])
    ratio = Resampling(folds, repeats).ratio if corrected else 0.0
    contrast = Contrast(Quantity("loss", "test/loss"), {"a": 1.0, "b": -1.0}, np.array(values), ratio=ratio)
    return float(np.mean(Gain(contrast).confirms()))


def resampled_table(simulations: int) -> Iterator[str]:
    """The lines of the table of cross-validation, in Markdown."""
    yield "| folds × repeats | equal, corrected | equal, as if independent | a real gain, corrected |"
    yield "|---|---:|---:|---:|"
    for folds, repeats in DEALS:
        one = partial(resampled, folds, repeats, simulations)
        found = (one(), one(corrected=False), one(gain=2.0))
        yield f"| {folds} × {repeats} | " + " | ".join(f"{rate:.1%}".replace("%", " %") for rate in found) + " |"


def differences(generator: Any) -> dict[str, Callable[[int], Any]]:
    """What the paired differences of two arms are, by the number of seeds; all but the last have the mean 0."""
    return {
        "normal": lambda n: generator.normal(size=n),
        "t₃": lambda n: generator.standard_t(3, size=n),
        "one exponential arm": lambda n: 1 - generator.exponential(size=n) + 0.05 * generator.normal(size=n),
        "normal, and a difference": lambda n: generator.normal(size=n) + FOUND[n],
    }


def fragility(draw: Callable[[], Any], studies: int) -> tuple[float, float, float]:
    """The shares of studies whose sign is decided without the mark and with it, and of the former how many it meets."""
    study = study_of({"kind": "bound", "arm": X2, "relative_to": X1, "low": 0.0}, levels=(1, 2), sesoi=0.1)
    before = after = met = 0
    for _ in range(studies):
        pairs = (zip(study.arms, (0.0, gain), strict=True) for gain in draw())
        trials = (Trial(arm, seed, {"score": value}) for seed, pair in enumerate(pairs) for arm, value in pair)
        results = Results(tuple(trials))
        plain = judge_predictions(study, Measured(study, results))["it"].verdict != "inconclusive"
        verdict = judge(study, results).verdicts["it"]
        before, after = before + plain, after + (verdict.verdict != "inconclusive")
        met += plain and bool(verdict.fragile)
    return before / studies, after / studies, met / max(1, before)


def fragile_table(studies: int) -> Iterator[str]:
    """The lines of the table of fragility, in Markdown."""
    yield "| difference of the pairs | seeds | decided without the mark | with it | of those decided, marked |"
    yield "|---|---:|---:|---:|---:|"
    for name, draw in differences(np.random.default_rng(0)).items():
        for n in FOUND:
            before, after, met = fragility(partial(draw, n), studies)
            yield f"| {name} | {n} | {before:.1%} | {after:.1%} | {met:.0%} |".replace("%", " %")


def main() -> None:
    """Prints the tables."""
    parser = Parser(description=__doc__)
    parser.add_argument("--simulations", type=int, default=20_000, help="tables for each cell")
    parser.add_argument("--only", default="", help="rows of the first table that contain this, and nothing else")
    asked = parser.parse_args()
    simulations = asked.simulations
    if simulations < 20:  # some cells take a twentieth
        parser.error(f"--simulations must be a whole number from 20 on, got {simulations}")
    lines = 0
    for line in table(simulations, asked.only):
        print(line, flush=True)
        lines += 1
    if asked.only and lines == 2:  # its head
        parser.error(f"--only {asked.only!r} is in no row of the table; leave it out to see them")
    if asked.only:
        return
    print(f"\n{textwrap.fill(beside(simulations), 120)}\n")
    for line in fragile_table(simulations // 20):
        print(line, flush=True)
    print()
    for line in resampled_table(simulations // 4):
        print(line, flush=True)


if __name__ == "__main__":
    answer(main)
