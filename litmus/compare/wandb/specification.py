"""Which panels answer which questions about a subject: the whole view as plain data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from litmus.compare.wandb.panels import (
    Axis,
    Bars,
    Comparer,
    Importance,
    Lines,
    OneLine,
    Panel,
    ParallelCoordinates,
    Scatter,
    Section,
    plain,
)
from litmus.compare.wandb.subject import Groups, Place, Subject
from litmus.compare.wandb.text import table

CLOCKS = ("epoch", "updates", "seconds")
CURVES = ("val/loss", "val/acc")
STEPS = ("batch_size", "lr")
# By this setting the runs of an arm are put together, and by both where arms of other code have the same.
ARM, DIGEST = "arm", "arm_id"


@dataclass(frozen=True)
class Specification:
    """A workspace of `sections`, and a report of `told` and the same sections, and `tuning` with the tuning's runs.

    `title` names both. `arms` maps an arm to its colour, `groups` to its values of `keys`; without any, every run is
    drawn for itself.
    """

    title: str
    place: Place
    arms: Mapping[str, str]
    sections: Sequence[Section]
    told: Sequence[str]
    tuning: Section | None = None
    groups: Groups = field(default_factory=dict)

    @property
    def job_type(self) -> str:
        """Of the runs that the sections show."""
        return "trial" if self.arms else "tune"

    @property
    def keys(self) -> tuple[str, ...]:
        """The settings by which runs are grouped."""
        deepest = max((len(path) for path in self.groups.values()), default=0)
        return (ARM, DIGEST)[:deepest]


def specify(subject: Subject) -> Specification:
    """The view of a subject."""
    return Specification(
        subject.place.group.replace("/", " "),
        subject.place,
        subject.arms,
        [section for section in _sections(subject) if section.panels],
        subject.told,
        _tuning(subject) if subject.tuned else None,
        subject.groups,
    )


def as_yaml(specification: Specification) -> str:
    """The whole specification for reading."""
    place = specification.place
    node: dict[str, Any] = {
        "title": specification.title,
        "project": place.project,
        "entity": place.entity or "the key's own",
        "runs": place.runs(specification.job_type),
        "grouped by": _grouping(specification) if specification.arms else "nothing",
        "workspace": [plain(section) for section in specification.sections],
        "report": [*specification.told, "the workspace's panels"],
    }
    if specification.tuning:
        node["report"].append(plain(specification.tuning) | {"runs": place.runs("tune")})
    return yaml.dump(node, Dumper=_Readable, sort_keys=False, allow_unicode=True, width=120)


def _grouping(specification: Specification) -> dict[str, Any]:
    """The keys with the colour of each arm's values."""
    colours = {" ".join(specification.groups[arm]): colour for arm, colour in specification.arms.items()}
    return {", ".join(specification.keys): colours}


def as_table(specification: Specification) -> str:
    """Every panel in one row of a Markdown table."""
    sections = [*specification.sections, *([specification.tuning] if specification.tuning else [])]
    rows = [[section.name, panel.kind, str(panel)] for section in sections for panel in section.panels]
    return table(["section", "panel", "shows"], rows)


def _sections(subject: Subject) -> list[Section]:
    curves = [metric for metric in CURVES if _known(subject, metric)] or [subject.selection]
    lines = [Lines(metric, clock) for metric in curves for clock in CLOCKS]
    results = dict.fromkeys(["test/loss", subject.leading, "test/acc"])
    bars = [Bars(metric) for metric in results if _known(subject, metric)]
    steps = [Lines(metric, "updates") for metric in STEPS if _known(subject, metric)]
    return [
        Section("Learning curves", tuple(lines)),
        Section("Test", tuple(bars) if subject.arms else ()),
        Section("Factors", _factors(subject, subject.leading)),
        Section("Batch size and learning rate", tuple(steps)),
        Section("Runs", (Comparer(),)),
    ]


def _factors(subject: Subject, result: str) -> tuple[Panel, ...]:
    """The settings that tell arms apart, against a result."""
    arm = [Axis("config", ARM)] if subject.arms else []
    results = [Axis("summary", metric) for metric in dict.fromkeys([subject.selection, result])]
    rate = Axis("config", "lr", log=True)
    return (
        ParallelCoordinates((*arm, *subject.factors, *results)),
        Importance(result),
        Scatter(rate, Axis("summary", result)),
    )


def _tuning(subject: Subject) -> Section:
    """The same for the runs that tuned each arm, which saw the validation set alone."""
    return Section("Tuning", _factors(subject, subject.selection))


def _known(subject: Subject, metric: str) -> bool:
    """Whether runs have the metric; those that are still to come are taken to have the usual ones."""
    return metric in subject.metrics or not subject.metrics


class _Readable(yaml.SafeDumper):
    """Texts of several lines as blocks, a panel in one line."""


def _write_panel(dumper: yaml.SafeDumper, value: OneLine) -> yaml.MappingNode:
    return dumper.represent_mapping("tag:yaml.org,2002:map", value, flow_style=True)


def _write_text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Readable.add_representer(str, _write_text)
_Readable.add_representer(OneLine, _write_panel)
