"""The course of one or several optimizations: ask, run, learn, until each had its trials."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from rich.console import Console

from litmus.claims.tuning import score_in
from litmus.sweeps.board import Board
from litmus.sweeps.launching import Job, Launching
from litmus.sweeps.once import Outcome
from litmus.sweeps.optimization import LEARNING, Optimization, Point

STATES = {"COMPLETE": "completed", "PRUNED": "pruned", "FAIL": "diverged"}


def optimize(
    title: str,
    optimizations: Mapping[str, Optimization],
    jobs_of: Callable[[str, Point], list[Job]],
    launching: Launching,
    metric: str,
    at_once: int | None = None,
    in_rounds: bool = False,
    pruned_first: bool = False,
    console: Console | None = None,
    tail: bool = False,
    look: Callable[[], None] | None = None,
) -> dict[tuple[str, int], str]:
    """Runs every trial that is still to run; the errors of those that failed, by optimization and number.

    Args:
        title: of the board.
        optimizations: row → optimization.
        jobs_of: the runs of a point, over whose scores its own is the mean.
        launching: runs them.
        metric: in result.json, at the best epoch.
        at_once: points that each optimization asks for together; None is all, or in rounds a fair share of the
            launcher's workers.
        pruned_first: whether the first run of a point, which a pruner may end, decides if its others are worth their
            time: a point is pruned, never one of its runs.
        tail: the metric is taken on average over the run's tail instead.
        look: called when points have been run, before anything is learned from them; what it raises ends it all.
        in_rounds: whether later points or their pruning depend on what has finished; samplers that learn always do.
    """
    known: dict[tuple[str, int], Outcome] = {}
    jobs: dict[tuple[str, int], list[Job]] = {}
    for name, one in optimizations.items():
        for trial in one.trials:
            known[name, trial.number] = Outcome(STATES.get(trial.state.name, "waiting"))

    def outcome_at(name: str, number: int) -> Outcome:
        if (name, number) in jobs and not known.get((name, number), Outcome("waiting")).final:
            return together([launching.outcome(job) for job in jobs[name, number]])
        return known.get((name, number), Outcome("waiting"))

    rows = {name: [partial(outcome_at, name, k) for k in range(one.total)] for name, one in optimizations.items()}
    board = Board(title, rows, console)
    errors: dict[tuple[str, int], str] = {}
    share = max(1, launching.width // len(optimizations))
    with board.shown():
        while True:
            asked = [
                (name, one, point)
                for name, one in optimizations.items()
                for point in one.ask(at_once or (share if in_rounds or one.sampler in LEARNING else one.total))
            ]
            if not asked:
                return errors
            batch = {(name, point.number): jobs_of(name, point) for name, _, point in asked}
            jobs |= {key: own[:1] if pruned_first else own for key, own in batch.items()}
            launching.run(launching.to_run(job for key in batch for job in jobs[key]))
            if pruned_first:
                jobs |= {key: own for key, own in batch.items() if launching.outcome(own[0]).state == "completed"}
                launching.run(launching.to_run(job for key in batch for job in jobs[key][1:]))
            if look is not None:
                look()
            for name, one, point in asked:
                outcomes = [launching.outcome(job) for job in jobs[name, point.number]]
                known[name, point.number] = outcome = together(outcomes)
                if outcome.lost:
                    errors[name, point.number] = outcome.error
                # What failed for another reason than its values stays open, and is tried again by the next start.
                if outcome.final:
                    one.tell(point, outcome, score_of(outcomes, metric, tail))


def together(outcomes: Sequence[Outcome]) -> Outcome:
    """The outcome of a trial on several seeds: the worst one's."""
    order = ("failed", "interrupted", "diverged", "waiting", "running", "pruned", "completed")
    return min(outcomes, key=lambda outcome: order.index(outcome.state))


def score_of(outcomes: Sequence[Outcome], metric: str, tail: bool = False) -> float | None:
    """The mean over the runs of the metric at the best epoch, or over the tail; None unless every run has it."""
    found = [score_in(outcome.result, metric, tail) for outcome in outcomes]
    values = [value for value in found if value is not None]
    return statistics.fmean(values) if len(values) == len(outcomes) else None
