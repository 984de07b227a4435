"""The course of a search: the best values of the knobs that a command line gives ranges for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from hydra.core.config_loader import ConfigLoader
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from litmus.atomic import write_json
from litmus.claims.data_version import DataVersion, unlike
from litmus.claims.notation import listing, shortened
from litmus.claims.quantity import direction_of
from litmus.claims.schema import one_of
from litmus.legible import read_object
from litmus.records.arms import data_version
from litmus.records.directories import folders, natural
from litmus.records.record import Record
from litmus.sweeps.arms import hash_with, typed_values
from litmus.sweeps.asked import PRUNERS, refuse_no_treatment
from litmus.sweeps.composition import Composition, hash_of, one_thread
from litmus.sweeps.generation import SEARCH, occupied, refuse_earlier, refuse_other
from litmus.sweeps.launching import Job, Launching, placed
from litmus.sweeps.metrics import KNOWN, refuse_unknown_split
from litmus.sweeps.overrides import parsed, without
from litmus.sweeps.pruner import COMPARING, pruning
from litmus.sweeps.watched import watched
from litmus.trial.identity import HASHES
from litmus.trial.knobs import check_knobs
from litmus.trial.place import refuse_all_elsewhere
from litmus.words import count

STUDY = "search"
EXAMPLE = "'lr=tag(log,interval(1e-4,1e-1))'"


@dataclass(frozen=True)
class Wanted:
    """What a command searches: `space` by knob, what is typed for all trials, and the `search:` node."""

    space: dict[str, Any]
    typed: tuple[str, ...]
    sampler: str
    trials: int
    metric: str
    pruner: str
    seed: int
    at_once: int | None
    direction: str | None = None

    @property
    def better(self) -> str | None:
        """Which way the metric is better: up or down."""
        return self.direction or direction_of(self.metric)

    @property
    def goal(self) -> Literal["minimize", "maximize"]:
        """Where the metric should go."""
        return "maximize" if self.better == "up" else "minimize"


def sweep_search(context: HydraContext, task: TaskFunction, config: DictConfig, arguments: list[str]) -> Path:
    """Runs the search that the command asks for, in the directory that is given back.

    Raises:
        ValueError: for a mistake, a directory that is held or holds another search, or when every trial failed.
        KeyboardInterrupt: with what to do to go on.
    """
    wanted = wanted_by(config, arguments, context.config_loader)
    config, directory = placed(config, None)
    with occupied(directory):
        refuse_other(directory)
        refuse_earlier(directory, SEARCH)
        try:
            search(wanted, Composition(context, config, directory), task, directory)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f"interrupted; the same command with hydra.sweep.dir={directory} goes on") from None
    return directory


def wanted_by(config: DictConfig, arguments: Sequence[str], loader: ConfigLoader) -> Wanted:
    """The search that a composed command asks for.

    Raises:
        ValueError: for whatever is wrong with it, in one sentence.
    """
    from litmus.sweeps.optimization import SAMPLERS
    from litmus.sweeps.space import search_space

    node: dict[str, Any] = OmegaConf.to_container(config.search, resolve=True)  # type: ignore[assignment]
    one_of(node["sampler"], "search.sampler", SAMPLERS)
    one_of(node["pruner"], "search.pruner", PRUNERS)
    for name, empty in (("trials", False), ("at_once", True)):
        if not (isinstance(node[name], int) and node[name] > 0) and not (empty and node[name] is None):
            raise ValueError(f"search.{name} must be a whole number from 1 on, got {node[name]}")
    refuse_metric(str(node["metric"]), node.get("direction"))
    given = parsed(without(arguments, "search"), loader)
    space = search_space(given)
    refuse_no_treatment("search: it varies", space)
    if not isinstance(node["seed"], int) or isinstance(node["seed"], bool):
        raise ValueError(f"search.seed must be a whole number, got {node['seed']}")
    if not space:
        raise ValueError(f"search={node['sampler']} has no knob to search; give one several values, as in {EXAMPLE}")
    return Wanted(space, tuple(str(one.input_line) for one in given if not one.is_sweep_override()), **node)


def refuse_metric(metric: str, direction: Any) -> None:
    """Refuses to search by the test set, and by a metric of which nobody says which way it is better.

    Raises:
        ValueError: with the metric or the direction to take.
    """
    refuse_unknown_split(metric, "search.metric")
    split, _, name = metric.partition("/")
    if split == "test":
        raise ValueError(
            f"search.metric={metric} would choose by the test set, which then no longer tells what the choice is worth "
            f"on new data; take search.metric=val/{name}"
        )
    natural = direction_of(metric)
    if direction is not None:
        one_of(direction, "search.direction", ("up", "down"))
    if natural is None and direction is None:
        raise ValueError(f"search.metric={metric}: whether more is better is unknown; say search.direction=up or down")
    if natural is not None and direction not in (None, natural):
        raise ValueError(
            f"search.direction={direction} looks for the worst {metric}, which is better {natural}; leave it out"
        )


def search(wanted: Wanted, composition: Composition, task: TaskFunction, directory: Path) -> None:
    """The search's course in its directory, which this process holds."""
    from litmus.sweeps.optimization import Optimization, Point, journal
    from litmus.sweeps.optimize import optimize
    from litmus.sweeps.search_report import report

    typed, base = one_thread(wanted.typed, composition.compose(wanted.typed))
    wanted = replace(wanted, typed=typed)
    refuse_all_elsewhere(base)
    check_knobs(composition.compose([*wanted.typed, *typed_values(first_point(wanted.space))]))
    keep_question(wanted, base, directory)
    path = directory / "journal.log"
    one = Optimization(
        journal(path),
        STUDY,
        wanted.space,
        sampler=wanted.sampler,
        seed=wanted.seed,
        total=wanted.trials,
        direction=wanted.goal,
        metric=wanted.metric,
    )

    def jobs_of(name: str, point: Point) -> list[Job]:
        typed = [*wanted.typed, *typed_values(point.values)]
        named = watched(base, arm=f"trial {point.number}", factors=dict(point.values), job_type="tune")
        extra = pruning(wanted.pruner, path, STUDY, point.number, wanted.metric)
        asked = hash_with(composition, base, typed, point.values, base.seed)
        return [Job(Path("trials") / str(point.number), (*typed, *named, *extra), asked)]

    unusual = {} if wanted.metric in KNOWN else {wanted.metric: "search.metric"}
    Console().print(f"{count(one.total, 'trial')} over {', '.join(wanted.space)} in {directory}", highlight=False)
    launching = Launching(composition, task, directory, [base], unusual)
    errors = optimize(
        f"search={wanted.sampler}",
        {wanted.metric: one},
        jobs_of,
        launching,
        wanted.metric,
        wanted.at_once,
        in_rounds=wanted.pruner == COMPARING,
        look=partial(refuse_other_data, directory, {}),
    )
    if not one.finished:
        told = next(iter(errors.values()), "")
        raise ValueError(f"none of the {count(len(one.trials), 'trial')} of {directory} gave a {wanted.metric}: {told}")
    fixed = [entry for entry in wanted.typed if not entry.startswith("search=")]
    report(one, wanted.metric, fixed, directory, {number: error for (_, number), error in errors.items()})


@dataclass(frozen=True)
class _Trial:
    number: str
    data: DataVersion | None


def refuse_other_data(directory: Path, seen: dict[str, DataVersion | None]) -> None:
    """Refuses to compare trials of before and after an edit of the data.

    Args:
        seen: of trials that were looked at before, which are not read again.

    Raises:
        ValueError: with what leads on with either version.
    """
    for place in folders(directory / "trials"):
        content = {} if place.name in seen else read_object(place / "result.json")
        if content.get("status") in ("completed", "pruned"):
            seen[place.name] = data_version(Record(place, "", "", content))
    trials = [_Trial(name, seen[name]) for name in sorted(seen, key=natural)]
    mixed = {trial.number: trial.data.sha256 for trial in unlike(trials) if trial.data}
    if mixed:
        shown = shortened(list(mixed.values()))
        told = [
            f"{shown[sha256]} in {listing([number for number in mixed if mixed[number] == sha256], 5)}"
            for sha256 in dict.fromkeys(mixed.values())
        ]
        raise ValueError(
            f"{directory / 'trials'}: expected all trials to see the same data, found {'; '.join(told)}; take another "
            "hydra.sweep.dir for the new data, or put the old ones back and delete the folders of the new trials"
        )


def first_point(space: Mapping[str, Any]) -> dict[str, Any]:
    """A point of the space, to see that there are such knobs."""
    return {knob: one.choices[0] if hasattr(one, "choices") else one.low for knob, one in space.items()}


def keep_question(wanted: Wanted, base: DictConfig, directory: Path) -> None:
    """Writes search.json; refuses to mix two searches in one directory."""
    question = {
        "space": {knob: str(one) for knob, one in wanted.space.items()},
        "metric": wanted.metric,
        "direction": wanted.better,
        "asked_hash": hash_of(base),
        "hashes": HASHES,
    }
    stored = read_object(directory / SEARCH)
    stored = stored and {"direction": direction_of(str(stored.get("metric"))), **stored}  # earlier ones said none
    for part in question:
        if stored and stored.get(part) != question[part]:
            raise ValueError(
                f"{directory} holds a search with another {part.replace('asked_hash', 'configuration')}; "
                "take another hydra.sweep.dir for this one"
            )
    write_json(directory / SEARCH, question)
