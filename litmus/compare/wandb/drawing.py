"""The specification as wandb-workspaces' own objects: a saved workspace and a report, alike in groups and colours."""

import unicodedata
from functools import singledispatch
from typing import Any

import wandb_workspaces.reports.v2 as wr
import wandb_workspaces.workspaces as ws
from wandb_workspaces import expr

from litmus.compare.wandb.panels import Axis, Bars, Comparer, Importance, Lines, ParallelCoordinates, Scatter, Section
from litmus.compare.wandb.specification import Specification

# As many runs as W&B draws in one panel.
MOST_RUNS = 100
ROW, COLUMNS = 6, 3
WIDE = (ParallelCoordinates, Importance, Comparer)
# What tells runs, as W&B's filters name it.
PROPERTIES = {"id": "ID", "group": "Group", "job_type": "JobType"}
# Their letters W&B refuses in a workspace's name.
REFUSED = ("So", "Sk", "Sm", "Sc", "Cs")


def workspace(specification: Specification, entity: str, project: str) -> ws.Workspace:
    """The saved view; it has no name in W&B's tables yet."""
    keys = specification.keys
    columns = ["run:displayName", *(f"config:{key}.value" for key in keys), "config:seed.value"]
    colours: dict[object, object] = {
        ws.GroupPath(*specification.groups[arm]): colour for arm, colour in specification.arms.items()
    }
    return ws.Workspace(
        entity=entity,
        project=project,
        name="".join(" " if unicodedata.category(sign) in REFUSED else sign for sign in specification.title),
        sections=[
            ws.Section(
                name=section.name,
                panels=[panel(one) for one in section.panels],
                is_open=True,
                layout_settings=ws.SectionLayoutSettings(columns=COLUMNS, rows=2),
            )
            for section in specification.sections
        ],
        settings=ws.WorkspaceSettings(max_runs=MOST_RUNS),
        runset_settings=ws.RunsetSettings(
            filters=runs(specification, specification.job_type),
            groupby=[expr.Config(key) for key in keys],
            group_colors=colours,
            pinned_columns=columns,
        ),
    )


def report(specification: Specification, entity: str, project: str) -> wr.Report:
    """The report: what is told, then each section's panels over the same runs as in the workspace."""
    told = [wr.MarkdownBlock(text=text) for text in specification.told]
    shown = [(section, specification.job_type) for section in specification.sections]
    shown += [(specification.tuning, "tune")] if specification.tuning else []
    blocks: list[Any] = []
    for section, job_type in shown:
        blocks += [wr.H2(text=section.name), grid(section, specification, entity, project, job_type)]
    return wr.Report(
        entity=entity,
        project=project,
        title=specification.title[:128],
        description=f"Made by scripts/wandb_views.py of {specification.place.group}; making it again replaces it.",
        blocks=[*told, *blocks],
        width="fluid",
    )


def grid(section: Section, specification: Specification, entity: str, project: str, job_type: str) -> wr.PanelGrid:
    """A section in a report, with the runs of a kind."""
    name = f"{specification.place.group} {job_type}"
    # Each tuning run tried other settings: an arm's have the label alone in common.
    keys = specification.keys[:1] if job_type == "tune" else specification.keys
    colours: dict[str | wr.RunsetGroup, str | dict[Any, Any]] = {}
    for arm, colour in specification.arms.items():
        path = zip(keys, specification.groups[arm], strict=False)
        own = tuple(wr.RunsetGroupKey(key=wr.Config(key), value=value) for key, value in path)
        colours.setdefault(wr.RunsetGroup(runset_name=name, keys=own), colour)
    runset = wr.Runset(
        entity=entity,
        project=project,
        name=name,
        filters=runs(specification, job_type),
        groupby=[f"config.{key}" for key in keys],
    )
    panels = [panel(one) for one in section.panels]
    place(panels, [isinstance(one, WIDE) for one in section.panels])
    return wr.PanelGrid(runsets=[runset], panels=panels, custom_run_colors=colours)


def place(panels: list[Any], wide: list[bool]) -> None:
    """Lays panels out in rows, three to a row, wide ones alone."""
    x = y = 0
    for one, alone in zip(panels, wide, strict=True):
        if x and (alone or x == 8 * COLUMNS):
            x, y = 0, y + ROW
        one.layout = wr.Layout(x=x, y=y, w=8 * COLUMNS if alone else 8, h=ROW)
        x += one.layout.w


def runs(specification: Specification, job_type: str) -> expr.And:
    """The filter for the runs that are of a kind."""
    told = [(expr.Metric(PROPERTIES[name]), value) for name, value in specification.place.runs(job_type).items()]
    return expr.And(*(one.isin(value) if isinstance(value, list) else one == value for one, value in told))


@singledispatch
def panel(one: object) -> Any:
    """A panel of wandb-workspaces."""
    raise TypeError(f"no panel draws {one!r}")


@panel.register
def _(one: Lines) -> wr.LinePlot:
    return wr.LinePlot(
        title=f"{one.metric} by {one.over}",
        x=one.over,
        y=[one.metric],
        title_x=one.over,
        title_y=one.metric,
        groupby_aggfunc="mean",
        groupby_rangefunc="minmax",
        max_runs_to_show=MOST_RUNS,
    )


@panel.register
def _(one: Bars) -> wr.BarPlot:
    return wr.BarPlot(
        title=one.metric,
        metrics=[one.metric],
        groupby_aggfunc="mean",
        groupby_rangefunc="minmax",
        max_runs_to_show=MOST_RUNS,
        max_bars_to_show=MOST_RUNS,
    )


@panel.register
def _(one: ParallelCoordinates) -> wr.ParallelCoordinatesPlot:
    columns = [
        wr.ParallelCoordinatesPlotColumn(metric=_metric(axis), display_name=axis.name, log=axis.log or None)
        for axis in one.axes
    ]
    return wr.ParallelCoordinatesPlot(title="Settings and results", columns=columns)


@panel.register
def _(one: Importance) -> wr.ParameterImportancePlot:
    return wr.ParameterImportancePlot(with_respect_to=one.metric)


@panel.register
def _(one: Scatter) -> wr.ScatterPlot:
    return wr.ScatterPlot(
        title=f"{one.x.name} × {one.y.name}",
        x=_metric(one.x),
        y=_metric(one.y),
        log_x=one.x.log or None,
        log_y=one.y.log or None,
    )


@panel.register
def _(_: Comparer) -> wr.RunComparer:
    return wr.RunComparer(diff_only=True)


def _metric(axis: Axis) -> wr.Config | wr.SummaryMetric:
    return wr.Config(axis.name) if axis.source == "config" else wr.SummaryMetric(axis.name)
