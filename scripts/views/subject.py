"""What views are made of: a study's, a search's or a multirun's directory, read into one form."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.views import text
from scripts.views.panels import Axis
from src.studies.notation import number
from src.studies.quantity import direction_of
from src.studies.report import multirun
from src.studies.report.evidence import MOST_COLOURS, Evidence
from src.studies.report.figures.style import colour_of, scale_of
from src.studies.report.record import Record
from src.studies.report.study_directory import is_study_directory, read_json, read_study_directory

# What a run left beside its result, so that it is found again at W&B.
IDENTITY = "wandb.json"


@dataclass(frozen=True)
class Place:
    """Where runs are at W&B, and how many of them were logged for it."""

    group: str
    project: str
    entity: str | None
    logged: int


@dataclass(frozen=True)
class Subject:
    """Runs to be compared.

    `arms` maps each arm to its colour, and is empty where every run stands for itself; `factors` are the settings that
    tell arms apart or were tuned; `metrics` are what some run recorded or the study asks for, none before the first
    run; `leading` is the result that matters most, and `selection` the one by which settings were chosen; `told` is
    the report's text.
    """

    place: Place
    arms: Mapping[str, str]
    factors: Sequence[Axis]
    metrics: frozenset[str]
    leading: str
    selection: str
    tuned: bool
    told: Sequence[str]


def read_subject(directory: Path) -> Subject:
    """The subject of a directory.

    Raises:
        FileNotFoundError: when there is neither a study nor a sweep in it.
        ValueError: when what is there cannot be understood.
    """
    if is_study_directory(directory):
        return _of_study(directory, read_study_directory(directory))
    found = multirun.read_multirun(directory)
    search = read_json(directory / "search.json")
    return _of_search(directory, found, search) if search else _of_multirun(directory, found)


def _of_study(directory: Path, evidence: Evidence) -> Subject:
    study = evidence.study
    levels = {knob: [overrides.get(knob) for overrides in study.arms.values()] for knob in study.varied}
    levels |= {knob: list(one.values) for knob, one in study.nuisance.items()}
    asked = [evidence.leading.metric, *(one.metric for one in study.quantities.values())]
    recorded = _metrics(evidence.records.values())
    return Subject(
        _place(directory),
        arms={arm: colour_of(arm, evidence.shown) for arm in study.arms},
        factors=[axis(knob, values) for knob, values in levels.items()],
        metrics=recorded.union(asked) if recorded else recorded,
        leading=next((metric for metric in asked if "/" in metric), "test/loss"),
        selection=evidence.selection,
        tuned=bool(study.nuisance),
        told=text.of_study(evidence),
    )


def _of_multirun(directory: Path, found: multirun.Tabulation) -> Subject:
    logged = dict.fromkeys(str(one["arm"]) for one in identities(directory) if one.get("arm"))
    arms = list(found.arms if logged.keys() <= found.arms.keys() else logged)
    return Subject(
        _place(directory),
        arms={arm: colour_of(arm, arms[:MOST_COLOURS]) for arm in arms},
        factors=[_varied(found, knob) for knob in found.varied],
        metrics=_metrics(found.records),
        leading=next((metric for metric in multirun.FIRST if metric in found.metrics), "test/loss"),
        selection="val/loss",
        tuned=False,
        told=text.of_multirun(found),
    )


def _of_search(directory: Path, found: multirun.Tabulation, search: Mapping[str, Any]) -> Subject:
    space, metric = list(search["space"]), str(search["metric"])
    return Subject(
        _place(directory),
        arms={},
        factors=[_varied(found, knob) for knob in space],
        metrics=_metrics(found.records),
        leading=metric,
        selection=metric,
        tuned=False,
        told=text.of_search(found.records, space, metric, direction_of(metric) or "down"),
    )


def axis(knob: str, levels: Iterable[Any]) -> Axis:
    """A knob as W&B knows it, logarithmic where its levels span much."""
    values = [value for value in (number(level) for level in levels) if value is not None]
    return Axis("config", knob.lstrip("+~").replace(".", "/"), scale_of(values) == "log")


def identities(directory: Path) -> list[dict[str, Any]]:
    """Who the runs below a directory are at W&B; nothing for those that were not logged there."""
    return [read_identity(path) for path in sorted(directory.rglob(IDENTITY))]


def read_identity(path: Path) -> dict[str, Any]:
    """Who a run is at W&B.

    Raises:
        ValueError: when the file is damaged.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {key: found[key] for key in ("id", "name", "project", "entity", "group", "arm")}
    except (ValueError, KeyError, TypeError):
        raise ValueError(
            f"{path}: expected what a run with logger=wandb writes, found something else; run its trial again"
        ) from None


def _place(directory: Path) -> Place:
    known = identities(directory)
    groups = sorted({str(one["group"]) for one in known if one["group"]})
    if len(groups) > 1:
        raise ValueError(
            f"{directory} holds runs of {len(groups)} groups ({', '.join(groups)}); give the directory of one of them"
        )
    group = groups[0] if groups else "/".join(directory.resolve().parts[-2:])
    first: Mapping[str, Any] = known[0] if known else {"project": "litmus", "entity": None}
    return Place(group, first["project"], first["entity"], len(known))


def _varied(found: multirun.Tabulation, knob: str) -> Axis:
    return axis(knob, [record.overrides.get(knob) for record in found.records])


def _metrics(records: Iterable[Record]) -> frozenset[str]:
    return frozenset(name for record in records for name in (*record.history, *record.summary))
