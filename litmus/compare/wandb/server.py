"""The W&B server: whether it answers, what it already has of a view, and saving."""

import base64
import hashlib
import json
import os
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, replace
from http.client import HTTPException
from typing import Any

from litmus.compare.wandb.specification import Specification
from litmus.trial.offline import find_key, server

TIMEOUT_SECONDS = 20
# W&B's own clients try for many minutes; who waits at a terminal wants to know sooner.
PATIENCE = {
    f"WANDB__{part}_{name}": value
    for part in ("GRAPHQL", "FILE_STREAM", "FILE_TRANSFER")
    for name, value in {"RETRY_MAX": "4", "RETRY_WAIT_MIN_SECONDS": "0.5", "RETRY_WAIT_MAX_SECONDS": "5"}.items()
}
# What tells runs, as W&B's queries name it.
IN_QUERIES = {"id": "name", "group": "group", "job_type": "jobType"}
QUIET = {"WANDB_SILENT": "true", "WANDB_ERROR_REPORTING": "false"}


@dataclass(frozen=True)
class Views:
    """Where a workspace and a report can be looked at, and whether each was there before."""

    workspace: str
    report: str
    replaced: tuple[bool, bool]


def connect(how: str) -> str:
    """The user whom the key belongs to.

    Args:
        how: what to do once there is a key.

    Raises:
        ValueError: without a key, with one that is refused, or when the server does not answer, in one sentence.
    """
    key = find_key()
    if key is None:
        raise ValueError(f"there is no W&B key for {server()}: type wandb login (or set WANDB_API_KEY), then {how}")
    request = urllib.request.Request(
        f"{server()}/graphql",
        json.dumps({"query": "query Viewer { viewer { entity } }", "variables": {}}).encode(),
        {
            "Content-Type": "application/json",
            "Authorization": "Basic " + base64.b64encode(f"api:{key}".encode()).decode(),
        },
    )
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as reply:
            viewer = (json.load(reply).get("data") or {}).get("viewer")
    except urllib.error.HTTPError as problem:
        problem.close()
        if problem.code not in (401, 403):
            raise ValueError(f"W&B at {server()} answers {problem.code} {problem.reason}; try again later") from None
        viewer = None
    except (OSError, HTTPException) as problem:
        reason = getattr(problem, "reason", problem)
        raise ValueError(f"W&B at {server()} cannot be reached ({reason}); try again when it can") from None
    except (ValueError, AttributeError):
        raise ValueError(f"{server()} does not answer as W&B does; set WANDB_BASE_URL to a W&B server") from None
    if not viewer:
        raise ValueError(f"W&B at {server()} refuses the key; type wandb login --relogin, or set another WANDB_API_KEY")
    return str(viewer["entity"])


def save(specification: Specification, entity: str, project: str) -> Views:
    """Saves the workspace and the report in place of those that an earlier call made.

    What tuned the arms has its part of the report once a run of it is at W&B.

    Raises:
        ValueError: when the server has no such project, none of the runs, or does not take them.
    """
    prepare()
    from litmus.compare.wandb.drawing import report, workspace

    try:
        tuned = bool(specification.tuning) and _is_there(specification, "tune", entity, project)
        specification = replace(specification, tuning=specification.tuning if tuned else None)
        if not (_is_there(specification, specification.job_type, entity, project) or tuned):
            raise _Empty
        made = report(specification, entity, project)
        view = workspace(specification, entity, project)
        before = _report_id(entity, project, made.title)
        view._internal_name = view_name(specification)
        view._internal_id = _workspace_id(entity, project, view._internal_name)
        replaced = (bool(view._internal_id), bool(before))
        view.save()
        made.id = before
        made.save()
    except _Missing:
        raise ValueError(
            f"W&B has no project {entity}/{project} that the key may see; upload the runs first, with --sync, or name "
            "another --entity or --project"
        ) from None
    except _Empty:
        raise ValueError(
            f"the project {entity}/{project} at W&B has none of these runs, so their view would be empty; --sync "
            "uploads what is offline and has ended, --project names another project"
        ) from None
    except Exception as problem:
        raise ValueError(f"W&B at {server()} did not take the view: {_line(problem)}") from problem
    return Views(view.url, made.url, replaced)


def discard(entity: str, project: str, ids: Sequence[str]) -> None:
    """Deletes runs that an upload has replaced; those that W&B does not have are gone already.

    Raises:
        ValueError: when the server does not delete one.
    """
    prepare()
    import wandb
    from wandb.apis.public.runs import RunNotFoundError

    for run_id in ids:
        try:
            wandb.Api(timeout=TIMEOUT_SECONDS).run(f"{entity}/{project}/{run_id}").delete()
        except Exception as problem:
            if isinstance(getattr(problem, "exc", problem), RunNotFoundError):  # W&B's client wraps its own errors
                continue
            raise ValueError(f"W&B did not delete {run_id}: {_line(problem)}") from problem


def prepare() -> None:
    """Sets how W&B's client behaves here, where the user has not."""
    os.environ.update({name: value for name, value in (PATIENCE | QUIET).items() if name not in os.environ})


def view_name(specification: Specification) -> str:
    """The workspace's name in W&B's tables: the same for the same group, so that it is found again from anywhere."""
    return f"nw-{hashlib.sha256(specification.place.group.encode()).hexdigest()[:11]}-v"


def _line(problem: Exception) -> str:
    return " ".join(str(problem).split()) or type(problem).__name__


class _Missing(Exception):  # noqa: N818
    """The project is not there."""


class _Empty(Exception):  # noqa: N818
    """None of the runs is there."""


def _is_there(specification: Specification, job_type: str, entity: str, project: str) -> bool:
    """Whether the filter for the runs of a kind finds one of them."""
    import wandb

    told = specification.place.runs(job_type).items()
    filters = {IN_QUERIES[name]: {"$in": value} if isinstance(value, list) else value for name, value in told}
    try:
        return len(wandb.Api(timeout=TIMEOUT_SECONDS).runs(f"{entity}/{project}", filters, per_page=1)) > 0
    except ValueError as problem:
        if "Could not find project" in str(problem):
            raise _Missing from None
        raise


def _workspace_id(entity: str, project: str, name: str) -> str:
    """The workspace's identity at W&B, empty if it has none yet."""
    from wandb_workspaces.workspaces import internal

    try:
        found = internal.get_view_dict(entity, project, internal._internal_name_to_url_query_str(name))
    except ValueError as problem:
        if "Project" in str(problem):
            raise _Missing from None
        if "not found" in str(problem):
            return ""
        raise
    return str(found["id"])


def _report_id(entity: str, project: str, title: str) -> str:
    """The identity of the report with this title, empty if there is none."""
    import wandb

    try:
        found: Any = list(wandb.Api(timeout=TIMEOUT_SECONDS).reports(f"{entity}/{project}"))
    except ValueError as problem:
        if "does not exist" in str(problem):
            raise _Missing from None
        raise
    return next((str(one.id) for one in found if one.display_name == title), "")
