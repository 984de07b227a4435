"""The course of a study: snapshot, lint, tune, run arms × seeds, judge, report; every part goes on where it was cut."""

import shlex
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig
from rich.console import Console
from rich.table import Table
from rich.text import Text

from litmus.atomic import replacing, write_json
from litmus.claims.finding import Finding
from litmus.claims.lint import lint_design
from litmus.claims.looks import Look, schedule
from litmus.claims.notation import listing
from litmus.claims.registration import register
from litmus.claims.study import Study
from litmus.claims.study_file import COMMAND, HOW_TO_RUN, read_node, trial_place
from litmus.records.looks_file import read_looks, record_look, refuse_lost_looks
from litmus.sweeps.accelerator import TOLD, accelerator_of, on_accelerator
from litmus.sweeps.arms import Arm, arms_of
from litmus.sweeps.asked import Asked, asked_by
from litmus.sweeps.board import Board
from litmus.sweeps.composition import Composition, settings_of
from litmus.sweeps.generation import occupied, refuse_earlier, refuse_other
from litmus.sweeps.launching import Job, Launching, placed
from litmus.sweeps.metrics import asked_metrics, misspelt
from litmus.sweeps.once import fail
from litmus.sweeps.tuning import Tuned, tune
from litmus.trial.command_line import SWEEPER
from litmus.trial.identity import HASHES
from litmus.words import count

MOST_FAILURES_SHOWN = 20


def sweep_study(context: HydraContext, task: TaskFunction, config: DictConfig, arguments: list[str]) -> Path:
    """Answers the study that the command asks for, in the directory that is given back.

    Raises:
        ValueError: for a mistake, a directory that another process holds, or when every trial failed.
        KeyboardInterrupt: with what to do to go on.
    """
    asked = asked_by(config, arguments, context.config_loader)
    config, directory = placed(config, f"studies/{asked.name}", "-smoke" if asked.smoke else "")
    with occupied(directory):
        refuse_other(directory, asked.name)
        refuse_earlier(directory, COMMAND)
        try:
            answer_study(asked, Composition(context, config, directory), task, directory)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f"interrupted; the same command goes on where {directory} was cut") from None
    return directory


def answer_study(asked: Asked, composition: Composition, task: TaskFunction, directory: Path) -> None:
    """The study's course in its directory, which this process holds."""
    console = Console()
    arms = arms_of(asked, composition)
    accelerator = accelerator_of(directory, arms.values(), composition.master.hydra.launcher)
    arms = {name: on_accelerator(arm, accelerator) for name, arm in arms.items()}
    looked = read_looks(directory)  # a damaged record, and one that is gone, are told before anything runs
    refuse_lost_looks(directory)
    refuse_other_seeds(asked, looked, directory)
    settings = {name: settings_of(arm.config) for name, arm in arms.items()}
    write_question(asked, settings, accelerator, directory)
    seeds = len(asked.study.seeds)
    size = f"{count(len(arms), 'arm')} × {f'up to {seeds} seeds' if asked.study.until else count(seeds, 'seed')}"
    if asked.study.resampling is not None:
        size = f"{count(len(arms), 'arm')} × {asked.study.resampling.told}"
    size += tuning_size(asked, len(arms))
    console.print(Text.assemble((asked.study.question, "bold"), f"\n{size} in {directory}"))
    if accelerator is not None:
        console.print(TOLD[accelerator], highlight=False)
    metrics = asked_metrics(asked.study)
    tell(console, [*lint_design(asked.study, settings), *misspelt(metrics)])

    launching = Launching(composition, task, directory, [arm.config for arm in arms.values()], metrics)
    steps = asked.study.plan.steps if asked.judge else (asked.study.seeds,)
    tuned: dict[tuple[str, int], Tuned] = {}
    for number, due in enumerate(steps, start=1):
        if number == 1 or asked.per_seed:
            new = tune(asked, arms, launching, due if asked.per_seed else asked.study.seeds)
            tell(console, list(dict.fromkeys(finding for one in new.values() for finding in one.findings)))
            tuned |= new
        run_trials(asked, tuned, launching, jobs_of(asked.study, due, arms, tuned), console)
        if number < len(steps) and look(directory, console, len(due)):
            break
    if asked.judge:
        report(directory, asked.name)
    else:
        console.print(Text(f"{directory} is not judged (study.judge=false)"))


def refuse_other_seeds(asked: Asked, looked: Sequence[Look], directory: Path) -> None:
    """Refuses to run seeds of which nothing could be judged.

    Raises:
        ValueError: where they do not continue those of the looks before.
    """
    seeds = sorted(asked.study.seeds)
    looks = schedule(asked.study.plan, seeds, seeds, looked)
    if asked.judge and looks.astray:
        raise ValueError(f"{directory}: {looks.obstacle}")


def run_trials(
    asked: Asked,
    tuned: Mapping[tuple[str, int], Tuned],
    launching: Launching,
    jobs: Mapping[tuple[str, int], Job],
    console: Console,
) -> None:
    """Runs what is missing of these trials.

    Raises:
        ValueError: when every one failed.
    """
    directory, seeds = launching.directory, dict.fromkeys(seed for _, seed in jobs)
    refused = {key: tuned[key].error for key in jobs if tuned[key].error}
    for key, error in refused.items():
        fail(directory / jobs[key].place, jobs[key].asked_hash, error, seed=key[1], overrides=list(jobs[key].overrides))
    left = launching.to_run(job for key, job in jobs.items() if key not in refused)
    rows = {name: [partial(launching.outcome, jobs[name, seed]) for seed in seeds] for name in asked.study.arms}
    board = Board(asked.name, rows, console)
    with board.shown():
        launching.run(left)
    errors = {key: launching.outcome(job).error for key, job in jobs.items() if launching.outcome(job).lost}
    if len(errors) == len(jobs):
        arm, seed = next(iter(errors))
        raise ValueError(f"all {len(jobs)} trials of {directory} failed, {arm} seed {seed} with: {errors[arm, seed]}")
    tell_failures(console, errors)


def look(directory: Path, console: Console, seeds: int) -> bool:
    """Looks at what the directory holds, at a planned look before the last: whether no more seeds are needed."""
    from litmus.report.study_directory import read_study_directory

    judgement = read_study_directory(directory).judgement
    record_look(directory, judgement)
    left = [name for name, verdict in judgement.verdicts.items() if verdict.open]
    console.print(Text(f"look at {seeds} seeds: " + (f"undecided {listing(left)}" if left else "nothing is left open")))
    return judgement.settled


def jobs_of(
    study: Study, seeds: Sequence[int], arms: Mapping[str, Arm], tuned: Mapping[tuple[str, int], Tuned]
) -> dict[tuple[str, int], Job]:
    """(arm, seed) → its trial; a seed of every arm before the next seed, so that what there is can be compared."""
    return {
        (name, seed): arm.job(
            trial_place(name, seed), seed, {**tuned[name, seed].values, **study.split(seed)}, name, "trial"
        )
        for seed in seeds
        for name, arm in arms.items()
    }


def tuning_size(asked: Asked, arms: int) -> str:
    """How much is tuned: + 4 arms × 6 tuning trials × 3 seeds."""
    if not asked.study.nuisance:
        return ""
    each = f" + {arms} × {count(asked.tuning_trials, 'tuning trial')}"
    each += f" × {len(asked.tuning_seeds)} seeds" if len(asked.tuning_seeds) > 1 else ""
    return f"{each} for each seed" if asked.per_seed else each


def write_question(asked: Asked, settings: Mapping[str, Any], accelerator: str | None, directory: Path) -> None:
    """study.yaml, arms.json and command.json: what is asked, of which configurations and devices, and how typed."""
    path = directory / "study.yaml"
    last = read_node(path) if path.is_file() else {}
    before = {key: value for key, value in last.items() if key not in HOW_TO_RUN}
    register(directory, asked.node, before, runs=len(list(directory.glob("trials/*/seed=*/result.json"))))
    with replacing(path) as part:
        # Whoever loses command.json, or takes the tables elsewhere, still knows what they are.
        node = {**({"smoke": True} if asked.smoke else {}), **asked.node}
        text = yaml.safe_dump({"study": node}, sort_keys=False, allow_unicode=True, width=120)
        part.write_text(text, encoding="utf-8")
    write_json(directory / "arms.json", dict(settings))
    typed = [argument.removeprefix("++") for argument in sys.argv[1:] if not argument.startswith(SWEEPER)]
    command = shlex.join(["python", Path(sys.argv[0]).name, *typed])
    note = {"study": asked.name, "command": command, "smoke": asked.smoke, "hashes": HASHES}
    write_json(directory / COMMAND, {**note, "accelerator": accelerator})


def tell(console: Console, findings: list[Finding]) -> None:
    """Findings, errors first."""
    from litmus.report.terminal import lint_line

    for finding in sorted(findings, key=lambda one: one.level != "error"):
        console.print(lint_line(finding))


def tell_failures(console: Console, errors: Mapping[tuple[str, int], str]) -> None:
    """A row per trial without a value."""
    if not errors:
        return
    table = Table(
        title=f"{count(len(errors), 'trial')} without a value; the same command tries again what did not diverge"
    )
    for column in ("arm", "seed", "error"):
        table.add_column(column)
    for (arm, seed), error in list(errors.items())[:MOST_FAILURES_SHOWN]:
        table.add_row(Text(arm), str(seed), Text(error))
    if len(errors) > MOST_FAILURES_SHOWN:
        table.add_row("…", "", f"{len(errors) - MOST_FAILURES_SHOWN} more")
    console.print(table)


def report(directory: Path, name: str) -> None:
    """Judges what the directory holds, writes the report into it and ends with the verdicts on the terminal."""
    from litmus.report.study_directory import read_study_directory
    from litmus.report.terminal import print_verdicts
    from litmus.report.write import write_report

    evidence = read_study_directory(directory)
    record_look(directory, evidence.judgement)
    write_report(evidence, directory)
    print_verdicts(evidence.judgement, name=name, notes=evidence.jitters)
    print(directory / "report.html")
