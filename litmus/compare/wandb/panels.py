"""What a view can show, as plain data: panels in sections, each of which says what it draws."""

from dataclasses import dataclass, fields
from typing import Any, ClassVar


@dataclass(frozen=True)
class Axis:
    """A number of a run: a setting from its `config`, or a result from its `summary`."""

    source: str
    name: str
    log: bool = False

    def __str__(self) -> str:
        return f"{self.name} (log)" if self.log else self.name

    @property
    def column(self) -> str:
        """As W&B names the column: config:lr."""
        return f"{self.source}:{self}"


@dataclass(frozen=True)
class Lines:
    """A metric by another along the runs: each arm's mean within the band from its lowest to its highest run."""

    kind: ClassVar[str] = "lines"
    metric: str
    over: str

    def __str__(self) -> str:
        return f"{self.metric} by {self.over}, mean and min–max band"


@dataclass(frozen=True)
class Bars:
    """A result's mean for each arm, with its lowest and highest run."""

    kind: ClassVar[str] = "bars"
    metric: str

    def __str__(self) -> str:
        return f"{self.metric}, mean and min–max"


@dataclass(frozen=True)
class ParallelCoordinates:
    """A line per arm through its settings to its results."""

    kind: ClassVar[str] = "parallel coordinates"
    axes: tuple[Axis, ...]

    def __str__(self) -> str:
        return " → ".join(str(axis) for axis in self.axes)


@dataclass(frozen=True)
class Importance:
    """How well each setting predicts a result."""

    kind: ClassVar[str] = "parameter importance"
    metric: str

    def __str__(self) -> str:
        return f"of every setting for {self.metric}"


@dataclass(frozen=True)
class Scatter:
    """A point per run."""

    kind: ClassVar[str] = "scatter"
    x: Axis
    y: Axis

    def __str__(self) -> str:
        return f"{self.x} × {self.y}"


@dataclass(frozen=True)
class Comparer:
    """The settings and results in which runs differ, side by side."""

    kind: ClassVar[str] = "run comparer"

    def __str__(self) -> str:
        return "settings and results that differ"


Panel = Lines | Bars | ParallelCoordinates | Importance | Scatter | Comparer


@dataclass(frozen=True)
class Section:
    """Panels under a heading."""

    name: str
    panels: tuple[Panel, ...]


class OneLine(dict[str, Any]):
    """What YAML writes in one line."""


def plain(section: Section) -> dict[str, Any]:
    """The section for YAML; an axis is written as W&B names its column, config:lr."""
    panels = [OneLine(panel=panel.kind, **_texts(panel)) for panel in section.panels]
    return {"section": section.name, "panels": panels}


def _texts(panel: Panel) -> dict[str, Any]:
    own = {field.name: getattr(panel, field.name) for field in fields(panel)}
    return {
        name: [one.column for one in value] if isinstance(value, tuple) else getattr(value, "column", value)
        for name, value in own.items()
    }
