"""Makes a saved workspace and a report at Weights & Biases, which compare the runs of a study or a sweep.

python scripts/wandb_views.py studies/NAME             makes them, or makes them anew, in the project of its runs
python scripts/wandb_views.py studies/NAME --sync      uploads its offline runs first, each once
python scripts/wandb_views.py studies/NAME --dry-run   prints what they will hold: no network, no key
"""

import argparse
import importlib
import sys
from dataclasses import replace
from pathlib import Path

from litmus.paths import typed_path
from litmus.trial.arguments import Parser
from litmus.trial.command_line import answer
from litmus.words import count


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    """What was typed."""
    parser = Parser(prog="scripts/wandb_views.py", description=__doc__)
    parser.add_argument(
        "directory", type=typed_path, help="of a study, a search, a multirun or runs, with logger=wandb"
    )
    parser.add_argument("--project", help="at W&B; by default the one of the runs")
    parser.add_argument("--entity", help="the user or team that owns the project; by default the one of the runs")
    parser.add_argument("--sync", action="store_true", help="upload the offline runs first")
    parser.add_argument("--dry-run", action="store_true", help="print what would be made, as YAML")
    parser.add_argument("--markdown", action="store_true", help="with --dry-run: the panels alone, as a table")
    return parser.parse_args(given)


def main(given: list[str] | None = None) -> None:
    """Makes the views, or says what they would be."""
    asked = arguments(given)
    if asked.markdown and not asked.dry_run:
        raise ValueError("--markdown prints a table instead of making anything; type --dry-run --markdown")
    from litmus.compare.wandb.specification import Specification, as_table, as_yaml, specify
    from litmus.compare.wandb.subject import read_subject

    def read() -> Specification:
        found = specify(read_subject(asked.directory))
        place = found.place
        place = replace(place, project=asked.project or place.project, entity=asked.entity or place.entity)
        return replace(found, place=place)

    specification = read()
    place = specification.place
    if asked.dry_run:
        print(as_table(specification) if asked.markdown else as_yaml(specification), end="\n" if asked.markdown else "")
        return
    if place.logged == 0:
        raise ValueError(
            f"no run in {asked.directory} was logged for W&B; type its command again with logger=wandb and another "
            "hydra.sweep.dir=…, since what is finished does not run again"
        )
    if len(place.projects) > 1 and not asked.project:
        raise ValueError(
            f"{asked.directory} holds runs of {len(place.projects)} projects at W&B ({', '.join(place.projects)}), and "
            "a view has those of one; give a directory with runs of one, or with --sync the --project that all go to"
        )
    # Asked for before anything is uploaded.
    try:
        importlib.import_module("wandb_workspaces")
    except ImportError:
        raise ValueError("making views needs wandb-workspaces: pip install '.[views]'") from None
    from litmus.compare.wandb.server import connect, save

    again = f"python scripts/wandb_views.py {asked.directory} --sync"
    user = connect(f"{again}, which uploads its offline runs and makes the view")
    lost = synchronize(asked, user) if asked.sync else remind(asked.directory)
    # Read again: what was uploaded anew has another id.
    views = save(read(), place.entity or user, place.project)
    for name, url, before in zip(("workspace", "report"), (views.workspace, views.report), views.replaced, strict=True):
        print(f"{name} {'updated' if before else 'made'}: {url}")
    if lost:
        raise ValueError(lost)


def remind(directory: Path) -> str:
    """Says that some runs are not at W&B."""
    from litmus.compare.wandb.offline import offline_runs

    left, _ = offline_runs(directory)
    if left:
        print(f"{len(left)} of its runs are offline alone: --sync uploads them", file=sys.stderr)
    return ""


def synchronize(asked: argparse.Namespace, user: str) -> str:
    """Uploads the offline runs; what to say if something was lost on the way.

    Raises:
        ValueError: if none got through.
    """
    from rich.progress import Progress

    from litmus.compare.wandb.offline import offline_runs
    from litmus.compare.wandb.sync import upload

    left, running = offline_runs(asked.directory)
    if running:
        print(f"{count(running, 'trial')} not at an end yet: a later --sync uploads what is left", file=sys.stderr)
    if not left:
        print("every run that has ended is uploaded", file=sys.stderr)
        return clear(asked, user)
    with Progress() as progress:
        task = progress.add_task("uploading runs", total=len(left))
        failed = upload(left, asked.entity, asked.project, lambda done: progress.update(task, completed=done))
    print(f"{len(left) - len(failed)} of {len(left)} runs uploaded", file=sys.stderr)
    for run, why in failed.items():
        print(f"{run.name} was not uploaded: {why}", file=sys.stderr)
    told = f"{len(failed)} of {len(left)} runs were not uploaded; the same command tries them again"
    if len(failed) == len(left):
        raise ValueError(told)
    kept = clear(asked, user)
    return told if failed else kept


def clear(asked: argparse.Namespace, user: str) -> str:
    """Deletes what uploads have replaced: runs that were cut on their way, or whose trial went on afterwards."""
    from litmus.compare.wandb.offline import forget_replaced, replaced_runs
    from litmus.compare.wandb.server import discard
    from litmus.compare.wandb.subject import read_identity

    try:
        for path, ids in replaced_runs(asked.directory).items():
            run = read_identity(path)
            discard(asked.entity or run["entity"] or user, asked.project or run["project"], ids)
            forget_replaced(path)
    except ValueError as problem:
        return f"{problem}; the same command with --sync tries again"
    return ""


if __name__ == "__main__":
    answer(main)
