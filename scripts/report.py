"""Judge and tabulate trials, wherever they were run.

python scripts/report.py STUDY.yaml RESULTS.csv [MORE.csv …] -o DIR   lint, verdicts and report of a table of trials
python scripts/report.py studies/NAME                                 the same of a study's directory, written into it
python scripts/report.py multirun/DATE/TIME                           any plain multirun as a table
"""

import argparse
from pathlib import Path

from litmus.legible import legible
from litmus.paths import typed_path
from litmus.trial.arguments import Parser
from litmus.trial.command_line import answer


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    """What was typed."""
    parser = Parser(prog="scripts/report.py", description=__doc__)
    parser.add_argument("what", type=typed_path, help="a study file, a study's directory, or a multirun's")
    parser.add_argument("tables", type=typed_path, nargs="*", help="results of a study file, one row per trial, as CSV")
    parser.add_argument("-o", "--output", type=typed_path, help="where the report goes; by default, into the directory")
    return parser.parse_args(given)


def main(given: list[str] | None = None) -> None:
    """Does the one thing that the arguments ask for."""
    asked = arguments(given)
    for path in (asked.what, *asked.tables):
        if not path.exists():
            raise FileNotFoundError(
                f"{path}: expected a study's file or directory, or a table, found nothing; name another"
            )
    if asked.what.is_file():
        judge_tables(asked.what, asked.tables, asked.output)
    elif asked.tables:
        raise ValueError(f"{asked.what} is a directory, which holds its own results; leave out {asked.tables[0]}")
    else:
        report_directory(asked.what, asked.output or asked.what)


def judge_tables(study: Path, tables: list[Path], output: Path | None) -> None:
    """A study file and its tables of trials."""
    from litmus.records.looks_file import record_look
    from litmus.report.results_files import read_tables, refuse_inputs, refuse_other_study

    if not tables:
        raise ValueError(f"{study} needs a table of trials: scripts/report.py {study} RESULTS.csv -o DIR")
    if output is None:
        raise ValueError(f"say where the report goes: scripts/report.py {study} {tables[0]} -o DIR")
    refuse_inputs(tables, output)
    refuse_other_study(study, output)
    evidence = read_tables(study, tables, output)
    record_look(output, evidence.judgement)
    finish(evidence, output)


def report_directory(directory: Path, output: Path) -> None:
    """A study's directory, or else a multirun's."""
    from litmus.records.looks_file import record_look
    from litmus.report.results_files import refuse_other_study
    from litmus.report.study_directory import is_study_directory, read_study_directory

    if output.resolve() != directory.resolve():
        refuse_other_study(directory / "study.yaml", output)
    if is_study_directory(directory):
        evidence = read_study_directory(directory)
        record_look(directory, evidence.judgement)
        finish(evidence, output)
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from litmus.report import multirun
    from litmus.report.write import write_document

    found = multirun.read_multirun(directory)
    write_document(multirun.document(found), output)
    console = Console()
    head = multirun.headline(found)
    table = Table(title=f"{found.name}: mean ± sd over seeds", title_justify="left")
    for column in ("arm", "n", *head):
        table.add_column(column, justify="left" if column == "arm" else "right")
    for row in multirun.rows(found, head):
        table.add_row(*map(Text, row))
    console.print(table)
    for arm, seed, job, status, error in multirun.failures(found):
        console.print(Text.assemble((f"{status} ", "red"), f"job {job} ({arm}, seed {seed}): {error}"))
    for note in multirun.notes(found):
        console.print(Text(note, style="bold"))
    console.print(Text(legible(output / "report.html")))


def finish(evidence: object, output: Path) -> None:
    """Writes the report and ends with the verdicts."""
    from rich.console import Console
    from rich.text import Text

    from litmus.report.evidence import Evidence
    from litmus.report.terminal import print_verdicts
    from litmus.report.write import write_report

    assert isinstance(evidence, Evidence)
    write_report(evidence, output)
    console = Console()
    print_verdicts(evidence.judgement, console, evidence.name, evidence.jitters)
    console.print(Text(legible(output / "report.html")))


if __name__ == "__main__":
    answer(main)
