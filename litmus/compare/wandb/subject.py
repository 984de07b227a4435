"""What views are made of: a study's, a search's or a multirun's directory, read into one form."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from litmus.claims.notation import number, shortened
from litmus.claims.quantity import direction_of
from litmus.compare.wandb import text
from litmus.compare.wandb.panels import Axis
from litmus.legible import read_json, read_object
from litmus.records.record import Record
from litmus.report import multirun
from litmus.report.evidence import MOST_COLOURS, Evidence
from litmus.report.figures.style import colour_of, scale_of
from litmus.report.study_directory import is_study_directory, read_study_directory
from litmus.trial.offline import IDENTITY
from litmus.trial.place import SWEEPS


@dataclass(frozen=True)
class Place:
    """Where runs are at W&B.

    `logged` counts those that were logged for it, `projects` names where. `group` names the view. Where the whole
    directory of a sweep is asked for, that is the group of its runs, which tells with their job type which they are,
    those to come among them; elsewhere `ids` tells: job type in the view → ids of runs.
    """

    group: str
    project: str
    entity: str | None
    logged: int
    projects: Sequence[str] = ()
    ids: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def runs(self, job_type: str) -> dict[str, Any]:
        """What runs of a kind have in common, and no others have: name of the property → value or values."""
        return {"id": list(self.ids.get(job_type, ()))} if self.ids else {"group": self.group, "job_type": job_type}


Groups = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Subject:
    """Runs to be compared.

    `arms` maps each arm to its colour, and is empty where every run stands for itself; `groups` maps it to its label
    at W&B, or to label and digest where several arms have one label; `factors` are the settings that tell arms apart or
    were tuned; `metrics` are what some run recorded or the study asks for, none before the first
    run; `leading` is the result that matters most, and `selection` the one by which settings were chosen; `told` is
    the report's text.
    """

    place: Place
    arms: Mapping[str, str]
    groups: Groups
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
    search = read_object(directory / "search.json")
    return _of_search(directory, found, search) if search else _of_multirun(directory, found)


def _of_study(directory: Path, evidence: Evidence) -> Subject:
    study = evidence.study
    levels = {knob: [overrides.get(knob) for overrides in study.arms.values()] for knob in study.varied}
    levels |= {knob: list(one.values) for knob, one in study.nuisance.items()}
    asked = [evidence.leading.metric, *(one.metric for one in study.quantities.values())]
    recorded = _metrics(evidence.records.values())
    groups = told_apart([(arm, arm, record) for (arm, _), record in evidence.records.items()], study.arms)
    return Subject(
        _place(directory, lambda path: "tune" if path.relative_to(directory).parts[0] == "tuning" else "trial"),
        arms=_coloured(groups, evidence.shown),
        groups=groups,
        factors=[axis(knob, values) for knob, values in levels.items()],
        metrics=recorded.union(asked) if recorded else recorded,
        leading=next((metric for metric in asked if "/" in metric), "test/loss"),
        selection=evidence.selection,
        tuned=bool(study.nuisance),
        told=text.of_study(evidence),
    )


def _of_multirun(directory: Path, found: multirun.Tabulation) -> Subject:
    entries = [(_label(run.place.path) or arm, arm, run.record) for arm, runs in found.runs.items() for run in runs]
    groups = told_apart(entries, ())
    return Subject(
        _place(directory, lambda path: "trial"),
        arms=_coloured(groups, list(groups)[:MOST_COLOURS]),
        groups=groups,
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
        _place(directory, lambda path: "tune"),
        arms={},
        groups={},
        factors=[_varied(found, knob) for knob in space],
        metrics=_metrics(found.records),
        leading=metric,
        selection=metric,
        tuned=False,
        told=text.of_search(
            found.records, space, metric, str(search.get("direction") or direction_of(metric) or "down")
        ),
    )


def told_apart(entries: Sequence[tuple[str, str, Record]], expected: Iterable[str]) -> Groups:
    """Each arm's place among W&B's groups.

    Args:
        entries: label at W&B, arm and record of each run.
        expected: labels that are to come, whether runs have them yet or not.
    """
    arms: dict[str, dict[str, str]] = {label: {} for label in expected}
    for label, arm, record in entries:
        arms.setdefault(label, {}).setdefault(str(record.content.get("arm") or ""), arm)
    if all(len(digests.keys() - {""}) < 2 for digests in arms.values()):
        return {label: (label,) for label in arms}
    found: dict[str, tuple[str, ...]] = {}
    for label, digests in arms.items():
        shown = shortened(list(digests))
        for digest, arm in digests.items():
            # Where the arm's name does not tell, the digest does.
            name = arm if list(digests.values()).count(arm) == 1 else f"{arm} ({shown[digest] or 'unknown'})"
            found[name] = (label, digest) if digest else (label,)
        if not digests:
            found[label] = (label,)
    return found


def _coloured(groups: Groups, shown: Sequence[str]) -> dict[str, str]:
    nested = any(len(path) > 1 for path in groups.values())
    return {name: colour_of(name, list(groups)[:MOST_COLOURS] if nested else shown) for name in groups}


def _label(run: Path) -> str:
    """The run's arm as it was logged; empty for one that was not."""
    path = run / IDENTITY
    return str(read_identity(path)["arm"] or "") if path.is_file() else ""


def axis(knob: str, levels: Iterable[Any]) -> Axis:
    """A knob as W&B knows it, logarithmic where its levels span much."""
    values = [value for value in (number(level) for level in levels) if value is not None]
    return Axis("config", knob.lstrip("+~").replace(".", "/"), scale_of(values) == "log")


def read_identity(path: Path) -> dict[str, Any]:
    """Who a run is at W&B.

    Raises:
        ValueError: when the file is damaged.
    """
    try:
        found = read_json(path)
        return {key: found[key] for key in ("id", "name", "project", "entity", "group", "arm", "job_type")}
    except (ValueError, KeyError, TypeError):
        raise ValueError(
            f"{path}: expected what a run with logger=wandb writes, found something else; run its trial again"
        ) from None


def _place(directory: Path, kind: Callable[[Path], str]) -> Place:
    """Where the runs below a directory are.

    Args:
        directory: of the subject.
        kind: the job type by which the view shows a run, from the path of its identity.
    """
    known = {path: read_identity(path) for path in sorted(directory.rglob(IDENTITY))}
    entities = sorted({one["entity"] for one in known.values() if one["entity"]})
    places = [([one["entity"]] if one["entity"] and entities[1:] else []) + [one["project"]] for one in known.values()]
    projects = sorted({"/".join(place) for place in places})
    groups = {one["group"] for one in known.values()}
    swept = any((directory / name).is_file() for name in SWEEPS) and len(groups - {None}) == len(groups) == 1
    alike = all(one["job_type"] == kind(path) for path, one in known.items())
    name = str(groups.pop()) if swept else "/".join(directory.resolve().parts[-2:])
    ids: dict[str, list[str]] = {}
    for path, one in known.items() if not (swept and alike) else ():
        ids.setdefault(kind(path), []).append(one["id"])
    project = next((one["project"] for one in known.values()), "litmus")
    return Place(name, project, entities[0] if entities else None, len(known), projects, ids)


def _varied(found: multirun.Tabulation, knob: str) -> Axis:
    return axis(knob, [record.overrides.get(knob, record.settings.get(knob)) for record in found.records])


def _metrics(records: Iterable[Record]) -> frozenset[str]:
    return frozenset(name for record in records for name in (*record.history, *record.summary))
